//! The settler: takes the highest receipt of each lease to the ledger, and tries again until the ledger has it.
//!
//! Receipts are cumulative, so a settlement that is late, repeated or overtaken costs nothing.

use std::sync::Arc;

use cairn_kit::Shutdown;
use cairn_primitives::MicroUsd;

use super::{Account, BookError, Desk};
use crate::{
    params::{RETRY_PAUSE_MAX, SETTLE_PAUSE},
    ports::{Ledger, LedgerError},
    tariff,
};

impl<L: Ledger> Desk<L> {
    /// Settles what is signed and not paid, once; how many leases remain.
    ///
    /// # Errors
    /// When the book fails. A ledger that does not answer only leaves the lease for the next round.
    pub async fn settle_once(&self) -> Result<usize, BookError> {
        let mut left = 0;
        let book = Arc::clone(&self.book);
        for account in on_disk(move || book.unsettled()).await? {
            if let Err(error) = self.settle(&account).await? {
                tracing::warn!(
                    lease = account.paid.lease,
                    error = crate::chain(&error),
                    "settlement is tried again"
                );
                left += 1;
            }
        }
        Ok(left)
    }

    async fn settle(&self, account: &Account) -> Result<Result<(), LedgerError>, BookError> {
        let Some(signature) = account.unsettled() else { return Ok(Ok(())) };
        let (receipt, shares) = tariff::bodies(&account.paid);
        let lease = receipt.lease;
        let (settled, refused) = match self.ledger.settle(&receipt, &shares, &signature).await {
            Ok(transaction) => {
                tracing::info!(
                    lease,
                    amount_micro_usd = receipt.amount.0,
                    %transaction,
                    "receipt settled"
                );
                (receipt.amount, None)
            }
            // Refused for good, unless somebody settled the same receipt before us.
            Err(error) if error.is_final => match self.ledger.lease(lease).await {
                Ok(Some(lease)) if lease.settled >= receipt.amount.0 => {
                    (MicroUsd(lease.settled), None)
                }
                Ok(_) => {
                    let reason = crate::chain(&error);
                    tracing::error!(lease, error = reason, "the ledger refuses a receipt");
                    (account.settled, Some(reason))
                }
                Err(error) => return Ok(Err(error)),
            },
            Err(error) => return Ok(Err(error)),
        };
        let book = Arc::clone(&self.book);
        on_disk(move || book.settled(lease, settled, refused)).await?;
        Ok(Ok(()))
    }

    /// Settles until `shutdown`: as soon as a receipt comes, and again with growing pauses when the ledger fails.
    ///
    /// # Errors
    /// When the book fails.
    pub async fn settle_forever(&self, shutdown: &Shutdown) -> Result<(), BookError> {
        let mut pause = SETTLE_PAUSE;
        loop {
            // The transaction under way is finished before the task stops: its result belongs into the book.
            let left = self.settle_once().await?;
            pause = if left == 0 { SETTLE_PAUSE } else { (pause * 2).min(RETRY_PAUSE_MAX) };
            let next = async {
                if left == 0 {
                    self.due.notified().await;
                } else {
                    tokio::time::sleep(pause).await;
                }
            };
            if shutdown.until(next).await.is_none() {
                return Ok(());
            }
        }
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BookError> + Send + 'static,
) -> Result<T, BookError> {
    tokio::task::spawn_blocking(work).await.expect("the book does not panic")
}
