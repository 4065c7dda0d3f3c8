//! From a frozen set to this validator's vote.

use std::sync::Arc;

use cairn_client::{BlockTag, LedgerRead, Reads as _};
use cairn_primitives::Epoch;

use super::{FROZEN, Verifier, VerifierError, blocking, inputs, once, write_epoch};
use crate::{
    desk::Desk,
    recompute::{Inputs, Recomputed, recompute},
};

/// An epoch that was recomputed and may not be voted for yet.
pub(super) type Computed = Arc<(Inputs, Recomputed)>;

impl<L: LedgerRead, D: Desk> Verifier<L, D> {
    /// Recomputes an epoch whose set is frozen, seals the vote for what came out, and votes once votes are open.
    pub(super) async fn vote(&mut self, epoch: Epoch) -> Result<(), VerifierError> {
        let sector = self.network.sector;
        let status = self.ledger.batch_status(epoch, sector, BlockTag::Latest).await?;
        let at = (epoch, status.round);
        if status.phase != FROZEN || self.voted.contains(&at) {
            return Ok(());
        }
        let computed = self.computed(epoch).await?;
        let mut ballot = self.ledger.ballot(epoch, sector, BlockTag::Latest).await?;
        if !ballot.open && !self.sealed.contains(&at) {
            once(self.desk.seal(epoch, sector, status.round, &computed.1.outcome).await)?;
            self.sealed.insert(at);
            ballot = self.ledger.ballot(epoch, sector, BlockTag::Latest).await?;
        }
        if ballot.open { self.open(&computed, status.round).await } else { Ok(()) }
    }

    /// Votes for an epoch that became final after this validator had sealed its vote: it is paid like the others.
    pub(super) async fn vote_late(&mut self, next: Epoch) -> Result<(), VerifierError> {
        let Some(computed) = self.computed.clone() else { return Ok(()) };
        let epoch = computed.0.epoch;
        if epoch >= next {
            return Ok(());
        }
        let sealed = self.sealed.iter().rev().find(|at| at.0 == epoch).copied();
        if let Some(at) = sealed.filter(|at| !self.voted.contains(at)) {
            self.open(&computed, at.1).await?;
        }
        self.computed = None;
        Ok(())
    }

    /// Publishes the epoch's folder, and votes.
    async fn open(&mut self, computed: &Computed, round: u32) -> Result<(), VerifierError> {
        let (epoch, outcome) = (computed.0.epoch, computed.1.outcome);
        if let Some(archive) = self.sources.archive().cloned() {
            let computed = Arc::clone(computed);
            blocking(move || write_epoch(&archive, &computed.0, &computed.1)).await?;
        }
        let counts = once(self.desk.vote(epoch, self.network.sector, round, &outcome).await)?;
        self.voted.insert((epoch, round));
        if counts {
            self.metrics.votes.inc();
            tracing::debug!(epoch = epoch.0, round, reward_root = %outcome.reward_root, "voted");
        }
        Ok(())
    }

    async fn computed(&mut self, epoch: Epoch) -> Result<Computed, VerifierError> {
        let gather = |source| VerifierError::gather(epoch, source);
        let inputs = inputs(&self.ledger, &self.network, epoch).await.map_err(gather)?;
        if let Some(computed) = &self.computed
            && computed.0.epoch == epoch
            && computed.0.commitments == inputs.commitments
        {
            return Ok(Arc::clone(computed));
        }
        let Self { ledger, sources, network, past, .. } = &mut *self;
        let mut after =
            past.before(&*ledger, sources, network, epoch).await.map_err(gather)?.clone();
        let mut envelopes = Vec::new();
        for (index, committed) in inputs.commitments.iter().enumerate().filter(|(_, c)| c.included)
        {
            self.fetch(epoch, index, committed).await.map_err(gather)?;
            let files = self.opened.get(&epoch).and_then(|files| files.get(&committed.digest));
            envelopes.extend_from_slice(files.map_or(&[], Vec::as_slice));
        }
        let (computed, after) = blocking(move || {
            let recomputed = recompute(&inputs, &envelopes, &mut after)?;
            Ok::<_, VerifierError>((Arc::new((inputs, recomputed)), after))
        })
        .await?;
        // A later round of this epoch finds the window past it and rebuilds.
        self.past.advance(epoch, after);
        self.computed = Some(Arc::clone(&computed));
        Ok(computed)
    }
}
