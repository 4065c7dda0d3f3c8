//! The loop of a validator: fetch what was committed, attest what is held, recompute, seal a vote, vote.
//!
//! ```text
//! epoch over ─► files fetched ─► attest(held) ─► set frozen ─► recompute ─► seal ─ votes open ─► archive folder ─► vote
//! ```
//! What it computed is published with the vote, not before: who did not compute it finds nothing to copy.
//! The ledger says where an epoch stands, so the loop keeps no state that a restart would lose: the window of earlier
//! epochs is rebuilt from the archive, and a transaction that was sent already is refused by the ledger as sent.
//! A file that fails its digest or its root is not held. A validator that cannot recompute does not vote. Epochs that
//! became final without it are recomputed afterwards (`settle`), so that its archive has no gap.

mod gather;
mod metrics;
mod mirror;
mod past;
mod record;
#[cfg(test)]
mod seatless;
mod settle;
mod sources;
#[cfg(test)]
mod tests;
mod transport;
mod vote;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy_primitives::U256;
use cairn_client::{BlockTag, ClientError, LedgerRead, Reads as _};
use cairn_kit::{Shutdown, metrics::Metrics};
use cairn_primitives::{Digest, Envelope, Epoch};

pub(crate) use gather::blocking;
#[cfg(test)]
pub(crate) use gather::verdicts;
pub use gather::{GatherError, Network, envelopes, included, inputs};
pub use metrics::VerifierMetrics;
pub use mirror::mirror;
pub use past::{Past, WINDOW_EPOCHS};
pub(crate) use record::content as record_content;
pub use record::write_epoch;
use settle::{Around, Settler};
pub use sources::{SourceError, Sources};
pub use transport::{Http, Transport};
use vote::Computed;

use crate::{
    archive::ArchiveError,
    desk::Desk,
    recompute::{Committed, RecomputeError},
};

/// Pause between two looks at the ledger.
const POLL: Duration = Duration::from_millis(150);
/// Share of the attest window after which a validator attests without the files it could not fetch, as 1/n.
const PATIENCE: u64 = 2;
/// Epochs that may wait to become final while their files are fetched already.
const AHEAD_EPOCHS: u64 = 4;

/// What one validator needs to verify.
pub struct Verifier<L, D> {
    ledger: L,
    desk: D,
    sources: Sources,
    network: Network,
    metrics: VerifierMetrics,
    /// The window for the next vote.
    past: Past,
    settler: Settler,
    /// Files that were fetched and opened, by epoch and sidecar.
    opened: BTreeMap<Epoch, BTreeMap<Digest, Vec<Envelope>>>,
    attested: BTreeSet<(Epoch, u32)>,
    sealed: BTreeSet<(Epoch, u32)>,
    voted: BTreeSet<(Epoch, u32)>,
    computed: Option<Computed>,
}

/// What went wrong in one turn; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// The ledger.
    #[error("the ledger cannot be read or written")]
    Ledger(#[from] ClientError),
    /// Something needed is not there.
    #[error("epoch {epoch} cannot be verified yet")]
    Gather {
        /// The epoch.
        epoch: Epoch,
        /// Why.
        #[source]
        source: Box<GatherError>,
    },
    /// The inputs contradict themselves.
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl VerifierError {
    /// Something that `epoch` needs is not there.
    fn gather(epoch: Epoch, source: GatherError) -> Self {
        Self::Gather { epoch, source: Box::new(source) }
    }
}

/// The last trouble that was logged: the same one is told once, not at every look.
#[derive(Debug, Default)]
struct Told(String);

impl Told {
    fn tell(&mut self, result: Result<(), VerifierError>) {
        let Err(error) = result else { return self.0.clear() };
        let text = format!("{error:?}");
        if text != self.0 {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "verification is tried again");
        }
        self.0 = text;
    }
}

/// Phases of `IBatches.Status`.
const ATTESTING: u8 = 2;
const FROZEN: u8 = 3;

impl<L: LedgerRead, D: Desk> Verifier<L, D> {
    /// A verifier that reads `ledger`, sends through `desk` and keeps its files in `sources`' archive.
    #[must_use]
    pub fn new(ledger: L, desk: D, sources: Sources, network: Network) -> Self {
        Self {
            ledger,
            desk,
            sources,
            network,
            metrics: VerifierMetrics::new(&Metrics::new()),
            past: Past::new(),
            settler: Settler::default(),
            opened: BTreeMap::new(),
            attested: BTreeSet::new(),
            sealed: BTreeSet::new(),
            voted: BTreeSet::new(),
            computed: None,
        }
    }

    /// The same verifier, telling what it does in the metrics of its node.
    #[must_use]
    pub fn with_metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = VerifierMetrics::new(metrics);
        self
    }

    /// Verifies until `shutdown`.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut told = Told::default();
        while !shutdown.is_requested() {
            match shutdown.until(self.turn()).await {
                Some(result) => told.tell(result),
                None => return,
            }
            shutdown.until(tokio::time::sleep(POLL)).await;
        }
    }

    /// Does everything that the ledger allows now.
    ///
    /// # Errors
    /// The first trouble; what was done before it stays done.
    pub async fn turn(&mut self) -> Result<(), VerifierError> {
        let sector = self.network.sector;
        let next = self.ledger.next_epoch(sector, BlockTag::Latest).await?;
        let current = self.ledger.current_epoch(BlockTag::Latest).await?;
        let late = self.vote_late(next).await;
        self.forget_before(next);
        // What can be done in time is done first; trouble with one part does not hold up the others.
        let attested = self.attest_until(next, current).await;
        let voted = if next < current { self.vote(next).await } else { Ok(()) };
        let Self { ledger, sources, network, metrics, past, settler, .. } = self;
        let around = Around { ledger: &*ledger, sources, network, metrics };
        let settled = settler.turn(&around, past, next).await;
        late.and(attested).and(voted).and(settled)
    }

    async fn attest_until(&mut self, next: Epoch, current: Epoch) -> Result<(), VerifierError> {
        let mut epoch = next;
        while epoch < current && epoch.0 < next.0 + AHEAD_EPOCHS {
            self.attest(epoch).await?;
            epoch = epoch.next();
        }
        Ok(())
    }

    fn forget_before(&mut self, next: Epoch) {
        self.opened.retain(|epoch, _| *epoch >= next);
        self.attested.retain(|(epoch, _)| *epoch >= next);
        self.sealed.retain(|(epoch, _)| *epoch >= next);
        self.voted.retain(|(epoch, _)| *epoch >= next);
    }

    /// Fetches what is committed, and attests when it is time.
    async fn attest(&mut self, epoch: Epoch) -> Result<(), VerifierError> {
        let sector = self.network.sector;
        let status = self.ledger.batch_status(epoch, sector, BlockTag::Latest).await?;
        if status.phase == FROZEN || self.attested.contains(&(epoch, status.round)) {
            return Ok(());
        }
        let commitments = self.ledger.commitments(epoch, sector, BlockTag::Latest).await?;
        let (mut held, mut missing) = (U256::ZERO, None);
        for (index, commitment) in commitments.iter().enumerate() {
            let committed = Committed {
                ingest: commitment.ingest,
                root: Digest(commitment.root.0),
                digest: Digest(commitment.digest.0),
                count: commitment.count,
                size: commitment.size,
                included: false,
            };
            match self.fetch(epoch, index, &committed).await {
                Ok(()) => held.set_bit(index, true),
                Err(error) => missing = Some(error),
            }
        }
        if status.phase != ATTESTING {
            return Ok(());
        }
        if let Some(source) = missing
            && !self.is_late(epoch).await?
        {
            return Err(VerifierError::gather(epoch, source));
        }
        if commitments.is_empty() {
            // Nothing to hold: the set freezes by itself when the windows are over, or at once when all say so.
            tracing::debug!(epoch = epoch.0, "nothing was committed");
        }
        once(self.desk.attest(epoch, sector, held).await)?;
        self.attested.insert((epoch, status.round));
        Ok(())
    }

    /// Whether so much of the attest window is over that waiting for missing files would risk the attestation.
    async fn is_late(&self, epoch: Epoch) -> Result<bool, ClientError> {
        let genesis = &self.network.genesis;
        let opens = genesis.schedule().end_of(epoch).0 + genesis.commit_window_ms;
        Ok(self.ledger.latest().await?.time.0 >= opens + genesis.attest_window_ms / PATIENCE)
    }

    async fn fetch(
        &mut self,
        epoch: Epoch,
        index: usize,
        committed: &Committed,
    ) -> Result<(), GatherError> {
        if self.opened.get(&epoch).is_some_and(|files| files.contains_key(&committed.digest)) {
            return Ok(());
        }
        let urls = self.network.ingest_urls();
        let first = urls.get(&committed.ingest).map(String::as_str);
        let envelopes = envelopes(&self.sources, epoch, index, committed, first).await?;
        self.opened.entry(epoch).or_default().insert(committed.digest, envelopes);
        Ok(())
    }
}

/// A transaction that the ledger refuses because it, or its like, was there already is as good as sent. One that it refuses because the
/// account has no seat in the round's set is nobody's trouble either: then `false`, and the epoch is archived all the same.
fn once(result: Result<(), ClientError>) -> Result<bool, ClientError> {
    match result {
        Err(error) => {
            let name = error.revert().map(cairn_client::Revert::name).unwrap_or_default();
            if name == "NotValidator" {
                tracing::debug!("no seat in this round's set: nothing is attested or voted");
                return Ok(false);
            }
            let done = [
                "AlreadyAttested",
                "AlreadyFrozen",
                "AlreadySealed",
                "DoubleVote",
                "NotNextEpoch",
                "WrongRound",
            ];
            if done.iter().any(|done| name.contains(done)) { Ok(true) } else { Err(error) }
        }
        Ok(()) => Ok(true),
    }
}
