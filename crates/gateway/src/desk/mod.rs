//! Where queries meet money: who may ask, what is owed, and which receipts are held.
//!
//! ```text
//! query ─► lease on the ledger ─► order signed? ─► answer before paid? ─► engine ─► max spend? escrow? ─► book ─► answer
//! receipt ─► the book's open answer: same units, amount, shares, signed by the consumer ─► book ─► settler ─► ledger
//! ```
//! Invariants: at most one answer of a lease is unpaid, so neither side can lose more than one answer; an answer is in
//! the book before it is sent, a receipt before it is acknowledged; what the ledger is asked to pay is always the
//! highest receipt.

mod book;
mod settle;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use alloy_primitives::{B256, keccak256};
use cairn_client::{
    api::{QueryAnswer, QueryRequest, ReceiptBody, ReceiptReply, ReceiptSubmission, ShareBody},
    recover_receipt,
};
use cairn_primitives::MicroUsd;
use tokio::sync::Notify;

pub use book::{Account, Book, BookError, OpenAnswer, Signed};

use crate::{
    catalog::Catalog,
    engine::{Answer, Engine},
    order::signer,
    ports::{Lease, Ledger, LedgerError, Offer},
    refusal::{Reason, Refusal},
    tariff,
};

/// What a query would cost now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Quote {
    /// Rows of `readings` that the query uses.
    pub units: u64,
    /// Their price.
    pub amount: MicroUsd,
    /// The devices that would be paid.
    pub devices: u64,
    /// Rows of the answer.
    pub rows: u64,
}

/// Answers queries on leases of one offer.
pub struct Desk<L> {
    ledger: Arc<L>,
    catalog: Arc<Catalog>,
    engine: Engine,
    book: Arc<Book>,
    offer: Offer,
    chain_id: u64,
    busy: Mutex<BTreeSet<u64>>,
    due: Notify,
}

impl<L: Ledger> Desk<L> {
    /// A desk for `offer`.
    #[must_use]
    pub fn new(
        ledger: Arc<L>,
        catalog: Arc<Catalog>,
        engine: Engine,
        book: Arc<Book>,
        offer: Offer,
        chain_id: u64,
    ) -> Self {
        let (busy, due) = (Mutex::default(), Notify::new());
        Self { ledger, catalog, engine, book, offer, chain_id, busy, due }
    }

    /// The offer that is served.
    #[must_use]
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// EIP-155 chain id of the ledger.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Runs a query to tell its price; no row is given and nothing is owed.
    ///
    /// # Errors
    /// Reasons 2 to 14.
    pub async fn quote(&self, sql: &str) -> Result<Quote, Refusal> {
        let answer = self.engine.run(self.catalog.snapshot(), sql).await?;
        let devices: BTreeSet<_> = answer.origins.iter().map(|origin| origin.device).collect();
        Ok(Quote {
            units: answer.units(),
            amount: self.price(answer.units())?,
            devices: devices.len() as u64,
            rows: answer.rows.len() as u64,
        })
    }

    /// Answers a query on a lease. `authorization` is the consumer's signature, see `order`.
    ///
    /// # Errors
    /// Reasons 2 to 29.
    pub async fn query(
        &self,
        request: &QueryRequest,
        authorization: &str,
    ) -> Result<QueryAnswer, Refusal> {
        let _turn = self.turn(request.lease)?;
        let lease = self.lease(request.lease).await?;
        let mut account = self.account(&lease).await?;
        let (units, owed) = account.signed_totals();
        let sql = &request.sql;
        if signer(authorization, self.chain_id, lease.id, owed, sql) != Some(lease.consumer) {
            let detail = format!("sign lease {}, owed {owed} and the query", lease.id);
            return Err(Refusal::new(Reason::NotConsumer, detail));
        }
        let name = keccak256(sql.as_bytes());
        let snapshot = match &account.open {
            None => self.catalog.snapshot(),
            // The answer got lost on its way: the same query over the same epochs gives it again.
            Some(open) if open.query == name => {
                Arc::new(self.catalog.snapshot().until(open.through))
            }
            Some(open) => {
                let detail = format!("sign {} units for {} µUSD", open.units, open.amount.0);
                return Err(Refusal::new(Reason::UnpaidAnswer, detail));
            }
        };
        let answer = self.engine.run(snapshot, sql).await?;
        let price = self.price(answer.units())?;
        if let Some(limit) = request.max_spend.filter(|limit| price > *limit) {
            let detail = format!("{} µUSD, at most {} allowed", price.0, limit.0);
            return Err(Refusal::new(Reason::MaxSpendExceeded, detail));
        }
        let (Some(total_units), Some(total)) =
            (units.checked_add(answer.units()), owed.checked_add(price.0))
        else {
            return Err(Reason::EscrowExceeded.into());
        };
        if total > lease.escrow {
            let detail = format!("{total} µUSD of {} µUSD", lease.escrow);
            return Err(Refusal::new(Reason::EscrowExceeded, detail));
        }
        let shares = tariff::add_shares(account.signed_shares(), price, &answer.origins)
            .ok_or(Reason::EscrowExceeded)?;
        let total = MicroUsd(total);
        if let Some(open) = &account.open
            && (open.units, open.amount, &open.shares) != (total_units, total, &shares)
        {
            tracing::error!(lease = lease.id, "an answer cannot be given again as it was");
            return Err(Reason::Internal.into());
        }
        if price.0 > 0 && account.open.is_none() {
            account.open = Some(OpenAnswer {
                query: name,
                through: answer.through,
                units: total_units,
                amount: total,
                shares: shares.clone(),
            });
            self.keep(account).await?;
        }
        Ok(reply(lease.id, answer, price, total_units, total, shares))
    }

    /// Takes a consumer's receipt for the open answer of its lease.
    ///
    /// # Errors
    /// Reasons 30 to 39.
    pub async fn receipt(&self, submission: &ReceiptSubmission) -> Result<ReceiptReply, Refusal> {
        let receipt = &submission.receipt;
        let _turn = self.turn(receipt.lease)?;
        let book = Arc::clone(&self.book);
        let id = receipt.lease;
        let account = blocking(move || book.get(id)).await?;
        let mut account = account.ok_or(Reason::NothingOwed)?;
        let (_, signed) = account.signed_totals();
        if receipt.amount.0 <= signed && signed > 0 {
            let detail = format!("{} µUSD, {signed} µUSD are signed", receipt.amount.0);
            return Err(Refusal::new(Reason::ReceiptNotHigher, detail));
        }
        let open = account.open.take().ok_or(Reason::NothingOwed)?;
        if (receipt.units, receipt.amount) != (open.units, open.amount) {
            let detail = format!("{} units for {} µUSD are owed", open.units, open.amount.0);
            return Err(Refusal::new(Reason::ReceiptMismatch, detail));
        }
        if submission.shares != open.shares || receipt.shares != ShareBody::hash(&open.shares) {
            return Err(Reason::SharesMismatch.into());
        }
        let signer = recover_receipt(self.chain_id, &receipt.to_sol(), &submission.signature);
        if signer != Ok(account.consumer) {
            return Err(Reason::BadReceiptSignature.into());
        }
        account.signed = Some(Signed {
            units: open.units,
            amount: open.amount,
            shares: open.shares,
            signature: submission.signature.into(),
        });
        self.keep(account).await?;
        self.due.notify_one();
        Ok(ReceiptReply { lease: receipt.lease, signed: receipt.amount, settlement: None })
    }

    fn price(&self, units: u64) -> Result<MicroUsd, Refusal> {
        tariff::price(units, self.offer.micro_usd_per_kilo_unit)
            .ok_or_else(|| Reason::EscrowExceeded.into())
    }

    /// The lease, if it may be served now.
    async fn lease(&self, id: u64) -> Result<Lease, Refusal> {
        let lease = self.ledger.lease(id).await.map_err(|error| unavailable(&error))?;
        let lease = lease.ok_or(Reason::UnknownLease)?;
        if lease.offer != self.offer.id {
            let detail = format!("offer {}, this is offer {}", lease.offer, self.offer.id);
            return Err(Refusal::new(Reason::OtherOffer, detail));
        }
        if !lease.is_open {
            return Err(Reason::LeaseClosed.into());
        }
        let now = self.ledger.current_epoch().await.map_err(|error| unavailable(&error))?;
        if now > lease.expiry {
            let detail = format!("in epoch {}, now is epoch {now}", lease.expiry);
            return Err(Refusal::new(Reason::LeaseExpired, detail));
        }
        Ok(lease)
    }

    async fn account(&self, lease: &Lease) -> Result<Account, Refusal> {
        let (book, id) = (Arc::clone(&self.book), lease.id);
        let kept = blocking(move || book.get(id)).await?;
        Ok(kept.unwrap_or_else(|| Account::new(lease.id, lease.consumer)))
    }

    async fn keep(&self, account: Account) -> Result<(), Refusal> {
        let book = Arc::clone(&self.book);
        blocking(move || book.put(&account)).await
    }

    /// The right to work on a lease: one request at a time.
    fn turn(&self, lease: u64) -> Result<Turn<'_>, Refusal> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if !busy.insert(lease) {
            return Err(Refusal::new(Reason::Busy, "another request on this lease is under way"));
        }
        Ok(Turn { busy: &self.busy, lease })
    }
}

fn reply(
    lease: u64,
    answer: Answer,
    price: MicroUsd,
    units: u64,
    amount: MicroUsd,
    shares: Vec<ShareBody>,
) -> QueryAnswer {
    QueryAnswer {
        query_units: answer.units(),
        query_amount: price,
        columns: answer.columns,
        rows: answer.rows,
        origins: answer.origins,
        units,
        amount,
        receipt: ReceiptBody::new(lease, units, amount, &shares),
        shares,
    }
}

/// Gives the lease free when the request ends, however it ends.
struct Turn<'a> {
    busy: &'a Mutex<BTreeSet<u64>>,
    lease: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.lease);
    }
}

/// Runs disk work away from the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BookError> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await.expect("the book does not panic");
    done.map_err(|error| {
        tracing::error!(error = crate::chain(&error), "the book of receipts failed");
        Reason::Internal.into()
    })
}

fn unavailable(error: &LedgerError) -> Refusal {
    tracing::warn!(error = crate::chain(error), "ledger did not answer");
    Reason::LedgerUnavailable.into()
}

/// The name of a query in the book.
pub(crate) type QueryName = B256;
