//! What the epochs before one leave behind, kept while epochs are looked at in rising order: the validator's loop, its
//! archive and the audit all walk epochs, and each pays for an epoch once instead of once for each of the 48 after it.

use cairn_client::{BlockTag, LedgerRead, Reads as _};
use cairn_primitives::{Digest, Epoch, MerkleTree};
use cairn_sectors::{ANCHOR_WINDOW_EPOCHS, VerdictLeaf, sensing::params::HISTORY_EPOCHS};

use super::{
    GatherError, Network, Sources,
    gather::{included, inputs, verdicts},
};
use crate::{archive::EpochFile, recompute::Window};

/// The epochs before one that its window depends on.
pub const WINDOW_EPOCHS: u64 =
    if HISTORY_EPOCHS > ANCHOR_WINDOW_EPOCHS { HISTORY_EPOCHS } else { ANCHOR_WINDOW_EPOCHS };

/// A window that moves forward.
#[derive(Clone, Debug, Default)]
pub struct Past {
    window: Window,
    /// The first epoch that `window` has seen, and the first that it has not.
    seen: Option<(Epoch, Epoch)>,
}

impl Past {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this is the window before `epoch` already.
    #[must_use]
    pub fn is_before(&self, epoch: Epoch) -> bool {
        self.reaches(epoch) && self.seen.is_some_and(|(_, at)| at == epoch)
    }

    /// The window before `epoch`, from public files that are each checked against the ledger.
    ///
    /// Cost: the epochs between the last call and `epoch`, at most `WINDOW_EPOCHS`; going back costs all of them.
    ///
    /// # Errors
    /// When a file of an earlier epoch is missing, or is not what the ledger says. What was read till then is kept.
    pub async fn before<L: LedgerRead>(
        &mut self,
        ledger: &L,
        sources: &Sources,
        network: &Network,
        epoch: Epoch,
    ) -> Result<&Window, GatherError> {
        if !self.reaches(epoch) {
            let oldest = epoch.back(WINDOW_EPOCHS);
            (self.window, self.seen) = (Window::new(), Some((oldest, oldest)));
        }
        while let Some((from, at)) = self.seen.filter(|(_, at)| *at < epoch) {
            self.pass(ledger, sources, network, at).await?;
            self.seen = Some((from, at.next()));
        }
        Ok(&self.window)
    }

    /// Moves past `epoch`, whose result was recomputed from `before(epoch)`: `after` is what that left behind.
    pub fn advance(&mut self, epoch: Epoch, after: Window) {
        if self.is_before(epoch) {
            self.window = after;
            self.seen = self.seen.map(|(from, _)| (from, epoch.next()));
        }
    }

    /// Forgets everything, where the last epoch's own result is not what became final.
    pub fn forget(&mut self) {
        *self = Self::new();
    }

    /// Whether the window before `epoch` lies ahead: nothing that it needs was left out, nothing later is in it.
    fn reaches(&self, epoch: Epoch) -> bool {
        self.seen.is_some_and(|(from, at)| from <= epoch.back(WINDOW_EPOCHS) && at <= epoch)
    }

    async fn pass<L: LedgerRead>(
        &mut self,
        ledger: &L,
        sources: &Sources,
        network: &Network,
        epoch: Epoch,
    ) -> Result<(), GatherError> {
        let inputs = inputs(ledger, network, epoch).await?;
        let file = sources.epoch_file(epoch, EpochFile::Verdicts).await?;
        let verdicts = verdicts(epoch, &file)?;
        let found =
            MerkleTree::from_hashes(verdicts.iter().map(VerdictLeaf::hash).collect()).root();
        let result = ledger.result(epoch, network.sector, BlockTag::Latest).await?;
        let expected = Digest(result.verdictRoot.0);
        if found != expected {
            return Err(GatherError::Root { file: EpochFile::Verdicts, epoch, expected, found });
        }
        let envelopes = included(sources, network, &inputs).await?;
        self.window.pass(&inputs, &envelopes, &verdicts)?;
        Ok(())
    }
}
