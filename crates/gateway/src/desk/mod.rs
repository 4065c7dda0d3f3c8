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
    api::{QueryAnswer, QueryRequest, ReceiptReply, ReceiptSubmission, ShareBody},
    recover_receipt,
};
use cairn_primitives::MicroUsd;
use cairn_sectors::lease::{Event, Lease, LeaseRefusal, Receipt, State, Terms, price_of};
use tokio::sync::Notify;

pub use book::{Account, Book, BookError, OpenAnswer};

use crate::{
    catalog::Catalog,
    engine::{Answer, Engine},
    order::signer,
    ports::{self, Ledger, LedgerError, Offer},
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
        let price = MicroUsd(self.offer.micro_usd_per_kilo_unit);
        Ok(Quote {
            units: answer.units(),
            amount: price_of(answer.units(), price).ok_or(Reason::EscrowExceeded)?,
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
        let (owed, sql) = (account.paid.amount, &request.sql);
        if signer(authorization, self.chain_id, lease.id, owed.0, sql) != Some(lease.consumer) {
            let detail = format!("sign lease {}, owed {} and the query", lease.id, owed.0);
            return Err(Refusal::new(Reason::NotConsumer, detail));
        }
        let name = keccak256(sql.as_bytes());
        let snapshot = match &account.open {
            None => self.catalog.snapshot(),
            // The answer got lost on its way: the same query over the same epochs gives it again.
            Some(open) if open.query == name => {
                Arc::new(self.catalog.snapshot().until(open.through))
            }
            Some(_) => return Err(tariff::refuse(LeaseRefusal::Unpaid)),
        };
        let answer = self.engine.run(snapshot, sql).await?;
        let escrow = MicroUsd(lease.escrow);
        let limit = request.max_spend.map_or(u64::MAX, |max| owed.0.saturating_add(max.0));
        let cap = MicroUsd(limit);
        let terms = Terms { escrow, cap, ..self.terms(lease.id) };
        let used = tariff::used(&answer.origins);
        let machine = tariff::owing(terms, &account.paid, &used).map_err(tariff::refuse)?;
        match &account.open {
            Some(open) if open.used != used => {
                tracing::error!(lease = lease.id, "an answer cannot be given again as it was");
                return Err(Reason::Internal.into());
            }
            None if *machine.state() != State::Idle => {
                let through = answer.through;
                account.open = Some(OpenAnswer { query: name, through, used });
                self.keep(account).await?;
            }
            _ => (),
        }
        Ok(reply(answer, owed, tariff::expected(&machine)))
    }

    /// Takes a consumer's receipt for the open answer of its lease.
    ///
    /// # Errors
    /// Reasons 30 to 39.
    pub async fn receipt(&self, submission: &ReceiptSubmission) -> Result<ReceiptReply, Refusal> {
        let body = &submission.receipt;
        let _turn = self.turn(body.lease)?;
        let (book, id) = (Arc::clone(&self.book), body.lease);
        let account = blocking(move || book.get(id)).await?;
        let mut account = account.ok_or(Reason::NothingOwed)?;
        let mut machine = match &account.open {
            None => Lease::resume(self.terms(id), account.paid.clone(), 0),
            Some(open) => {
                tariff::owing(self.terms(id), &account.paid, &open.used).map_err(tariff::refuse)?
            }
        };
        let receipt = tariff::receipt_of(body, &submission.shares);
        let expected = tariff::expected(&machine);
        let same_totals = (receipt.units, receipt.amount) == (expected.units, expected.amount);
        let same_shares =
            receipt.shares == expected.shares && body.shares == ShareBody::hash(&submission.shares);
        if account.open.is_some() && same_totals && !same_shares {
            return Err(Reason::SharesMismatch.into());
        }
        machine.apply(Event::Receipt(receipt)).map_err(tariff::refuse)?;
        let signer = recover_receipt(self.chain_id, &body.to_sol(), &submission.signature);
        if signer != Ok(account.consumer) {
            return Err(Reason::BadReceiptSignature.into());
        }
        account.open = None;
        account.paid = machine.paid().clone();
        account.signature = Some(submission.signature.into());
        self.keep(account).await?;
        self.due.notify_one();
        Ok(ReceiptReply { lease: id, signed: body.amount, settlement: None })
    }

    /// The highest receipt of a lease, as the consumer submitted it: who lost theirs goes on from here.
    ///
    /// # Errors
    /// `NothingOwed` when none was submitted.
    pub async fn highest(&self, lease: u64) -> Result<ReceiptSubmission, Refusal> {
        let book = Arc::clone(&self.book);
        let account = blocking(move || book.get(lease)).await?.ok_or(Reason::NothingOwed)?;
        let signature = account.signature.as_ref().and_then(|bytes| bytes.as_ref().try_into().ok());
        let (receipt, shares) = tariff::bodies(&account.paid);
        let signature = signature.ok_or(Reason::NothingOwed)?;
        Ok(ReceiptSubmission { receipt, shares, signature })
    }

    fn terms(&self, lease: u64) -> Terms {
        tariff::unlimited(lease, MicroUsd(self.offer.micro_usd_per_kilo_unit))
    }

    /// The lease, if it may be served now.
    async fn lease(&self, id: u64) -> Result<ports::Lease, Refusal> {
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

    async fn account(&self, lease: &ports::Lease) -> Result<Account, Refusal> {
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

fn reply(answer: Answer, owed: MicroUsd, receipt: &Receipt) -> QueryAnswer {
    let (body, shares) = tariff::bodies(receipt);
    QueryAnswer {
        query_units: answer.units(),
        query_amount: MicroUsd(body.amount.0.saturating_sub(owed.0)),
        columns: answer.columns,
        rows: answer.rows,
        origins: answer.origins,
        units: body.units,
        amount: body.amount,
        receipt: body,
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
