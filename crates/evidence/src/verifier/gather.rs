//! Collects what `recompute` needs of an epoch: the inputs from the ledger, the files from the sources.
//!
//! Shared by the verifier and the audit, so that an auditor looks at nothing that a validator does not.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_client::{BlockTag, ClientError, GovernanceReads as _, LedgerRead, Reads as _};
use cairn_economy::{EarnedLine, Pool};
use cairn_primitives::{Digest, Envelope, Epoch, Genesis, MicroUsd, Sector, SidecarError, Stones};
use cairn_sectors::{ANCHOR_WINDOW_EPOCHS, VerdictLeaf};

use super::{SourceError, Sources};
use crate::{
    archive::{EpochFile, LeafLine},
    recompute::{AnchorRoot, Committed, Device, Inputs, RecomputeError},
    sealed::{FILE_BYTES_MAX, OpenError, open, open_sidecar},
};

/// The network whose epochs are recomputed.
#[derive(Clone, Debug)]
pub struct Network {
    /// Genesis.
    pub genesis: Genesis,
    /// Its hash.
    pub hash: Digest,
    /// The sector.
    pub sector: Sector,
}

impl Network {
    /// Where each ingest serves its files, as far as genesis says so.
    #[must_use]
    pub fn ingest_urls(&self) -> BTreeMap<Address, String> {
        let told = self.genesis.ingests.iter().filter(|ingest| !ingest.url.is_empty());
        told.map(|ingest| (ingest.operator, ingest.url.clone())).collect()
    }
}

/// Why something needed is not there.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The ledger.
    #[error("the ledger cannot be read")]
    Ledger(#[from] ClientError),
    /// A file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Files that are not what their commitment says.
    #[error("commitment {index} of epoch {epoch}, sidecar {digest}")]
    Open {
        /// The epoch.
        epoch: Epoch,
        /// The commitment.
        index: usize,
        /// Its digest.
        digest: Digest,
        /// What is wrong.
        #[source]
        source: OpenError,
    },
    /// The leaves of a final epoch are not those on the ledger.
    #[error("{} of epoch {epoch} has the root {found}, the ledger says {expected}", file.name())]
    Root {
        /// The file.
        file: EpochFile,
        /// The epoch.
        epoch: Epoch,
        /// What the ledger says.
        expected: Digest,
        /// What the file gives.
        found: Digest,
    },
    /// A file that cannot be read.
    #[error("{file} of epoch {epoch} cannot be read: {reason}")]
    File {
        /// The epoch.
        epoch: Epoch,
        /// The file.
        file: &'static str,
        /// Why.
        reason: String,
    },
    /// The window cannot be rebuilt.
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
}

/// Reads what the ledger says about an epoch whose set is frozen.
///
/// Everything read is fixed by then: commitments and availability by the freeze, payments and registrations by the end
/// of the epoch (a registration counts from its own epoch on), roots by the votes before, parameters by the start of its day.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn inputs<L: LedgerRead>(
    ledger: &L,
    network: &Network,
    epoch: Epoch,
) -> Result<Inputs, GatherError> {
    let (sector, at) = (network.sector, BlockTag::Latest);
    let status = ledger.batch_status(epoch, sector, at).await?;
    let commitments = ledger.commitments(epoch, sector, at).await?;
    let pool = ledger.pool(epoch, sector, at).await?;
    let earned = ledger.earned(epoch, sector, at).await?;
    let schedule = network.genesis.schedule();
    let mut devices: Vec<Device> = ledger
        .devices(at)
        .await?
        .iter()
        .map(|device| &device.record)
        .filter(|record| record.sector == sector && record.registered <= epoch)
        .map(Device::of)
        .collect();
    devices.sort_unstable_by_key(|device| device.index);
    // A device that leaves or is slashed later is active in this epoch all the same, and everybody must write that alike.
    for device in &mut devices {
        device.end = device.end.filter(|end| *end <= epoch);
    }
    let earned_stones = u128::try_from(pool.earnedStones).map_err(|_| GatherError::File {
        epoch,
        file: "pool",
        reason: "more stones than there can be".to_owned(),
    })?;
    Ok(Inputs {
        version: Inputs::VERSION,
        genesis: network.hash,
        epoch,
        sector,
        schedule,
        economy: ledger.parameters(&network.genesis, epoch, at).await?,
        pool: Pool {
            epoch,
            sector,
            price: MicroUsd(pool.priceMicroUsd),
            earned: MicroUsd(pool.earnedMicroUsd),
            earned_stones: Stones(earned_stones),
            usage: MicroUsd(pool.usageSubsidyMicroUsd),
            need: MicroUsd(pool.needSubsidyMicroUsd),
        },
        earned: earned.into_iter().map(|(device, paid)| EarnedLine { device, paid }).collect(),
        anchors: anchors(ledger, network, epoch).await?,
        devices,
        commitments: commitments
            .into_iter()
            .enumerate()
            .map(|(index, commitment)| Committed {
                ingest: commitment.ingest,
                root: Digest(commitment.root.0),
                digest: Digest(commitment.digest.0),
                count: commitment.count,
                size: commitment.size,
                included: status.included.bit(index),
            })
            .collect(),
    })
}

async fn anchors<L: LedgerRead>(
    ledger: &L,
    network: &Network,
    epoch: Epoch,
) -> Result<Vec<AnchorRoot>, GatherError> {
    let mut anchors = Vec::new();
    let mut at = epoch.back(ANCHOR_WINDOW_EPOCHS);
    while at <= epoch {
        let root = match at.previous() {
            None => network.hash,
            Some(before) => ledger.reward_root(before, network.sector, BlockTag::Latest).await?,
        };
        anchors.push(AnchorRoot { epoch: at, root });
        at = at.next();
    }
    Ok(anchors)
}

/// Fetches and opens the files of one commitment. `first`: who should have them.
///
/// # Errors
/// When they cannot be had, or are not what the commitment says.
pub async fn envelopes(
    sources: &Sources,
    epoch: Epoch,
    index: usize,
    committed: &Committed,
    first: Option<&str>,
) -> Result<Vec<Envelope>, GatherError> {
    let commitment = committed.commitment();
    let fail = |source| GatherError::Open { epoch, index, digest: commitment.digest, source };
    let limit = commitment.size.min(FILE_BYTES_MAX);
    let sidecar = sources.file(&commitment.digest, limit, first).await?;
    let named = open_sidecar(&commitment, &sidecar).map_err(fail)?;
    let readings = sources.file(&named.digest, named.bytes, first).await?;
    let opened = blocking(move || open(&commitment, &sidecar, readings)).await.map_err(fail)?;
    if opened.epoch != epoch {
        return Err(fail(SidecarError::Malformed("another epoch than committed").into()));
    }
    Ok(opened.envelopes)
}

/// The envelopes of every included commitment.
///
/// # Errors
/// When the files of one cannot be had.
pub async fn included(
    sources: &Sources,
    network: &Network,
    inputs: &Inputs,
) -> Result<Vec<Envelope>, GatherError> {
    let urls = network.ingest_urls();
    let mut all = Vec::new();
    for (index, committed) in
        inputs.commitments.iter().enumerate().filter(|(_, committed)| committed.included)
    {
        let first = urls.get(&committed.ingest).map(String::as_str);
        all.extend(envelopes(sources, inputs.epoch, index, committed, first).await?);
    }
    Ok(all)
}

/// The leaves of a `verdicts.jsonl`.
pub(crate) fn verdicts(epoch: Epoch, file: &[u8]) -> Result<Vec<VerdictLeaf>, GatherError> {
    leaves(epoch, EpochFile::Verdicts, file, VerdictLeaf::from_bytes)
}

/// The leaves of a leaf file, from their canonical bytes.
pub(crate) fn leaves<T, E: ToString>(
    epoch: Epoch,
    file: EpochFile,
    content: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Vec<T>, GatherError> {
    let fail = |reason: String| GatherError::File { epoch, file: file.name(), reason };
    let leaves = LeafLine::bytes_of(content).map_err(|error| fail(error.to_string()))?;
    leaves.iter().map(|bytes| decode(bytes).map_err(|error| fail(error.to_string()))).collect()
}

/// Runs CPU-bound work beside the async tasks; at once where nothing else runs tasks, in a simulation.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if tokio::runtime::Handle::try_current().is_err() {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
