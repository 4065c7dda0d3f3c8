//! Recomputes a served page from blocks and evidence, trusting the node for nothing but bytes.
//!
//! ```text
//! genesis ─► Trust ─► light proof ─► hash of a certified block ─► every parent down to genesis ─► transactions, receipts
//!                                                                  └─► roots of final epochs ─► verdicts, scores, rewards
//! ```

use std::sync::Arc;

use alloy_primitives::B256;
use cairn_client::{
    ClientError, LedgerClient,
    light::{LightError, Trust, check_object},
};
use cairn_economy::reality::{Report, report};
use cairn_primitives::{Epoch, Genesis, Sector, abi::ECONOMY};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{
    BlockError, Book, BookError, CheckedBlock, History, HistoryError, Judged, JudgedError, Period,
    PeriodError,
};
use crate::verifier::{SourceError, Sources};

/// Blocks that are fetched at once.
const FETCHED_AT_ONCE: usize = 16;

/// Why a page cannot be recomputed. A page that is recomputed and differs is no error.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The node does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The node's newest block is not proven final.
    #[error("the node's proof of its newest block proves nothing")]
    Proof(#[from] LightError),
    /// A block is not what its header says.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Blocks that do not follow each other.
    #[error("block {0} is not the parent of the block after it")]
    Parent(u64),
    /// The blocks do not end in the certified one.
    #[error("the blocks do not lead to block {number}, which the validators signed")]
    NotCertified {
        /// Its height.
        number: u64,
    },
    /// The blocks cannot be folded.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The period cannot be.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// A file is missing.
    #[error("epoch {epoch}")]
    Source {
        /// The epoch.
        epoch: Epoch,
        /// Why.
        #[source]
        source: SourceError,
    },
    /// A file is not the ledger's.
    #[error("epoch {epoch}")]
    Judged {
        /// The epoch.
        epoch: Epoch,
        /// Why.
        #[source]
        source: JudgedError,
    },
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many blocks of so many are checked.
    Blocks(u64, u64),
    /// So many epochs of so many are read.
    Epochs(u64, u64),
}

/// A ledger whose every block was checked.
#[derive(Debug)]
pub struct Auditor {
    book: Book,
    genesis: Genesis,
}

impl Auditor {
    /// Fetches and checks every block of a network up to the newest that its validators signed. `text` is the genesis file.
    ///
    /// # Errors
    /// When the node does not answer, or says something that is not proven.
    pub async fn open(
        client: &LedgerClient,
        genesis: &Genesis,
        text: &str,
        told: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self, AuditError> {
        let object = client.proof(&json!({ "account": ECONOMY })).await?;
        let head = check_object(&object, &Trust::of(genesis, text))?.block;
        let mut book = Book::new(genesis);
        let mut parent: Option<B256> = None;
        let mut blocks = stream::iter(0..=head.number)
            .map(|height| fetched(client, height))
            .buffered(FETCHED_AT_ONCE);
        while let Some(block) = blocks.try_next().await? {
            let number = block.header.number;
            if parent.is_some_and(|parent| parent != block.header.parent_hash) {
                return Err(AuditError::Parent(number.saturating_sub(1)));
            }
            parent = Some(block.hash);
            if number > 0 {
                book.fold(&block.header, &block.transactions, &block.receipts)?;
            }
            told(Progress::Blocks(number, head.number));
        }
        if parent != Some(head.hash) {
            return Err(AuditError::NotCertified { number: head.number });
        }
        Ok(Self { book, genesis: genesis.clone() })
    }

    /// Blocks that were checked, genesis not among them.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.book.next_height() - 1
    }

    /// The days of the ledger that are over.
    ///
    /// # Errors
    /// See `HistoryError`.
    pub fn history(&self) -> Result<History, HistoryError> {
        self.book.history()
    }

    /// The period of these epochs, as a node understands it.
    ///
    /// # Errors
    /// See `PeriodError`.
    pub fn period(&self, from: Option<Epoch>, to: Option<Epoch>) -> Result<Period, PeriodError> {
        Period::of(from, to, self.book.next_epoch(), &self.genesis.schedule())
    }

    /// The page of a period, from the evidence in `sources`.
    ///
    /// # Errors
    /// When a file of a final epoch is missing or not the ledger's.
    pub async fn report(
        &self,
        period: Period,
        sources: &Sources,
        told: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, AuditError> {
        let mut judged = Vec::new();
        for (index, epoch) in (1..).zip((period.from.0..=period.to.0).map(Epoch)) {
            for sector in Sector::ALL {
                let next = self.book.next_epoch();
                let row = self.book.final_epoch(sector, epoch);
                let row = row.ok_or(PeriodError::NotFinal { to: epoch, next })?;
                let missing = |source| AuditError::Source { epoch, source };
                let [verdicts, scores, rewards] = Judged::FILES;
                let files = [
                    sources.epoch_file(epoch, verdicts).await.map_err(missing)?,
                    sources.epoch_file(epoch, scores).await.map_err(missing)?,
                    sources.epoch_file(epoch, rewards).await.map_err(missing)?,
                ];
                let read = Judged::read(row, files)
                    .map_err(|source| AuditError::Judged { epoch, source })?;
                judged.push((sector, epoch, Arc::new(read)));
            }
            told(Progress::Epochs(index, period.epochs()));
        }
        Ok(report(&self.book.facts(period, &judged)))
    }
}

async fn fetched(client: &LedgerClient, height: u64) -> Result<CheckedBlock, AuditError> {
    let (block, receipts) =
        futures::try_join!(client.raw_block(height), client.raw_receipts(height))?;
    Ok(CheckedBlock::read(height, &block, &receipts)?)
}
