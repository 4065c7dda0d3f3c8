//! Transactions on their way into a block.
//!
//! ```text
//!   eth_sendRawTransaction ─► send ─► Ledger::admit ─► Queue ─► Journal (synced) ─► hash to the sender, raw to the gossip
//!   peers ─► gossiped, a message at a time ─► Ledger::admit ─► Queue
//!   consensus ─ candidates ─► Queue          consensus ─ finalized ─► what was executed or became invalid leaves
//! ```
//!
//! Invariant: a transaction whose hash was returned to its sender is on this node's disk until it is final, is replaced by
//! its sender, becomes invalid, or is pushed out of a full pool by one that pays more.

#[cfg(test)]
mod chain_tests;
mod gossiped;
mod intake;
mod journal;
mod queue;
mod rejection;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes};
use cairn_kit::{
    NetworkClock,
    metrics::{Counter, Gauge, Metrics},
};
use cairn_ledger::{
    AdmitError, Admitted, Env, Kind, Ledger, State as _, TxError, decode_transaction, time_of,
};
use cairn_primitives::TimeMs;
use tokio::sync::broadcast;

use crate::disk::{RedbDisk, Snapshot};
use intake::Lane;
pub use journal::FILE as JOURNAL_FILE;
use journal::Journal;
pub use queue::{QUEUED_BYTES_MAX, QUEUED_MAX, SENDER_MAX};
use queue::{Queue, Queued};
pub use rejection::Rejection;

/// Blocks in a row on which a system transaction may fail before it leaves the pool.
const STRIKES_MAX: u8 = 4;
/// Hashes that a slow listener to accepted transactions may be behind; older ones it misses, and is told so.
const ACCEPTED_KEPT: usize = 4_096;
/// Local transactions that a slow gossip may be behind; older ones it misses, and they wait for this node's own block.
const INSERTED_KEPT: usize = 4_096;

#[derive(Debug)]
struct Counts {
    accepted: Counter,
    rejected: Counter,
    dropped: Counter,
    queued: Gauge,
}

/// What transactions are held against: one moment for all that came together.
struct View {
    snapshot: Arc<Snapshot>,
    env: Env,
}

struct Inner {
    ledger: Ledger,
    disk: RedbDisk,
    clock: NetworkClock,
    queue: Mutex<Queue>,
    lane: Lane,
    journal: Journal,
    inserted: broadcast::Sender<Bytes>,
    accepted: broadcast::Sender<B256>,
    counts: Counts,
}

/// The pool; clones share it.
#[derive(Clone)]
pub struct TxPool(Arc<Inner>);

impl std::fmt::Debug for TxPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxPool").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl TxPool {
    /// A pool on top of `disk`, with the local transactions that the journal in `folder` kept.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn open(
        folder: &Path,
        ledger: Ledger,
        disk: RedbDisk,
        clock: NetworkClock,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let (journal, kept) = Journal::open(folder)?;
        let counts = Counts {
            accepted: metrics
                .counter("cairn_pool_accepted_total", "Transactions taken into the pool."),
            rejected: metrics
                .counter("cairn_pool_rejected_total", "Transactions refused by the pool."),
            dropped: metrics
                .counter("cairn_pool_dropped_total", "Transactions that left the pool unexecuted."),
            queued: metrics.gauge("cairn_pool_transactions", "Transactions in the pool."),
        };
        let (inserted, _) = broadcast::channel(INSERTED_KEPT);
        let (accepted, _) = broadcast::channel(ACCEPTED_KEPT);
        let queue = Mutex::default();
        let pool = Self(Arc::new(Inner {
            ledger,
            disk,
            clock,
            queue,
            lane: Lane::default(),
            journal,
            inserted,
            accepted,
            counts,
        }));
        let view = pool.view();
        for raw in &kept {
            // Most are executed by now and refused for their nonce.
            let _ = decode_transaction(raw)
                .map_err(Rejection::from)
                .and_then(|transaction| pool.insert(view.as_ref(), transaction, true));
        }
        drop(view);
        Ok(pool)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The queue's methods do not panic half-way.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashes of all transactions as they come, local and gossiped, for subscribers.
    #[must_use]
    pub fn on_accept(&self) -> broadcast::Receiver<B256> {
        self.0.accepted.subscribe()
    }

    /// All waiting transactions, or those of one sender, each with whether it is executable now or behind a gap.
    #[must_use]
    pub fn content(&self, sender: Option<Address>) -> Vec<(bool, Recovered<TxEnvelope>)> {
        let queue = self.queue();
        let of = queue.waiting().filter(|(_, queued)| {
            sender.is_none_or(|sender| queued.transaction.signer() == sender)
        });
        of.map(|(runs_now, queued)| (runs_now, queued.transaction.clone())).collect()
    }

    /// Raw local transactions as they come, for the gossip.
    #[must_use]
    pub fn on_insert(&self) -> broadcast::Receiver<Bytes> {
        self.0.inserted.subscribe()
    }

    /// All raw local transactions that wait.
    #[must_use]
    pub fn local(&self) -> Vec<Vec<u8>> {
        let queue = self.queue();
        let local = queue.all().filter(|queued| queued.local);
        local.map(|queued| queued.transaction.inner().encoded_2718()).collect()
    }

    /// A waiting transaction.
    #[must_use]
    pub fn get(&self, hash: B256) -> Option<Recovered<TxEnvelope>> {
        self.queue().get(hash).map(|queued| queued.transaction.clone())
    }

    /// The nonce that the sender should use next; `None` when nothing of it waits.
    #[must_use]
    pub fn next_nonce(&self, sender: Address) -> Option<u64> {
        self.queue().next_nonce(sender)
    }

    /// Executable now and behind a gap.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.queue().counts()
    }

    /// Forgets everything that waits: a development chain went back to a state that it was not meant for. The journal keeps
    /// it until it is trimmed; such a chain does not promise what a node promises.
    pub(crate) fn clear(&self) {
        *self.queue() = Queue::default();
    }

    /// Takes a transaction out, if it is in. For development chains: elsewhere what was promised stays.
    pub(crate) fn remove(&self, hash: B256) -> bool {
        self.queue().remove(hash).is_some()
    }

    /// The state as it is now, and the next block as far as it is known: at this node's network time.
    fn view(&self) -> Result<View, Rejection> {
        let snapshot = self.0.disk.snapshot();
        let (_, head) = snapshot.head().ok_or(Rejection::Disk)?;
        let env = self.0.ledger.next_env(head, TimeMs(self.0.clock.now_ms()), Address::ZERO);
        Ok(View { snapshot, env })
    }

    fn insert(
        &self,
        view: Result<&View, &Rejection>,
        transaction: Recovered<TxEnvelope>,
        local: bool,
    ) -> Result<B256, Rejection> {
        let inserted = match view {
            Ok(view) => self.admit(view, transaction, local),
            Err(reason) => Err(reason.clone()),
        };
        match &inserted {
            Ok(_) => self.0.counts.accepted.inc(),
            Err(_) => self.0.counts.rejected.inc(),
        }
        inserted
    }

    fn admit(
        &self,
        view: &View,
        transaction: Recovered<TxEnvelope>,
        local: bool,
    ) -> Result<B256, Rejection> {
        let hash = *transaction.inner().tx_hash();
        if self.queue().get(hash).is_some() {
            return Err(Rejection::AlreadyKnown(hash));
        }
        let (queued, next_nonce) = self.judge(view, transaction, local)?;
        let mut queue = self.queue();
        let dropped = queue.insert(queued, next_nonce)?;
        self.count(&queue, dropped.len());
        Ok(hash)
    }

    /// What the queue is given of a transaction, with the nonce that the ledger takes next of its sender.
    fn judge(
        &self,
        view: &View,
        transaction: Recovered<TxEnvelope>,
        local: bool,
    ) -> Result<(Queued, u64), Rejection> {
        let admitted = self.check(view, &transaction)?;
        let runs_now = transaction.nonce() == admitted.next_nonce;
        if local && admitted.kind == Kind::System {
            if runs_now {
                self.rehearse(view, &transaction)?;
            }
            self.follows(&transaction, admitted.next_nonce)?;
        }
        if admitted.delegated && !runs_now {
            return Err(Rejection::DelegatedLimit { next: admitted.next_nonce });
        }
        let mut queued = Queued::new(transaction, admitted.kind == Kind::System, local);
        queued.delegated = admitted.delegated;
        Ok((queued, admitted.next_nonce))
    }

    /// What the ledger says of a transaction. A nonce or a fee whose time may come is no reason to refuse.
    fn check(
        &self,
        view: &View,
        transaction: &Recovered<TxEnvelope>,
    ) -> Result<Admitted, Rejection> {
        let least = self.0.ledger.genesis().base_fee_min;
        let env = Env { base_fee: least, ..view.env.clone() };
        self.0.ledger.admit(&*view.snapshot, &env, transaction).map_err(|error| match error {
            AdmitError::Refused(TxError::FeeTooLow { fee, .. }) => {
                Rejection::Underpriced { fee, least }
            }
            AdmitError::Refused(reason) => reason.into(),
            AdmitError::State(error) => failed(&error),
        })
    }

    /// A system transaction leaves the pool when others decide first. One that its sender numbered before that is refused,
    /// so that the sender asks for the nonce again, instead of waiting behind the gap.
    fn follows(
        &self,
        transaction: &Recovered<TxEnvelope>,
        next_nonce: u64,
    ) -> Result<(), Rejection> {
        let next =
            self.queue().next_nonce(transaction.signer()).unwrap_or_default().max(next_nonce);
        if transaction.nonce() > next {
            return Err(TxError::NonceTooHigh { tx: transaction.nonce(), account: next }.into());
        }
        Ok(())
    }

    /// A system transaction may not revert: tries it on the head.
    fn rehearse(&self, view: &View, transaction: &Recovered<TxEnvelope>) -> Result<(), Rejection> {
        let tried = self
            .0
            .ledger
            .build(&*view.snapshot, &view.env, [transaction.clone()])
            .map_err(|error| failed(&error))?;
        match tried.dropped.into_iter().next() {
            Some((_, reason)) => Err(reason.into()),
            None => Ok(()),
        }
    }

    fn count(&self, queue: &Queue, dropped: usize) {
        self.0.counts.dropped.add(u64::try_from(dropped).unwrap_or(u64::MAX));
        self.0.counts.queued.set(u64::try_from(queue.len()).unwrap_or(u64::MAX));
    }

    /// Drops of `senders` what the new head has executed, and their next transaction when the head made it invalid.
    fn revalidate(&self, senders: &[Address]) -> usize {
        let Ok(view) = self.view() else { return 0 };
        let mut dropped = 0;
        for sender in senders {
            let Ok(account) = view.snapshot.account(*sender) else { continue };
            let next = account.unwrap_or_default().nonce;
            let first = {
                let mut queue = self.queue();
                queue.advance(*sender, next);
                let first = queue.of(*sender).next().filter(|first| first.nonce() == next);
                first.map(|first| (first.hash(), first.system, first.transaction.clone()))
            };
            let Some((hash, system, transaction)) = first else { continue };
            let valid = self.check(&view, &transaction);
            if valid.as_ref().is_ok_and(|admitted| admitted.delegated) {
                dropped += self.queue().delegate(*sender).len();
            }
            let reason = match valid {
                Err(reason) => Some(reason),
                // It may be ahead of this node's head: it gets a few blocks.
                Ok(_) if system => {
                    let reverts = self.rehearse(&view, &transaction).err();
                    reverts.filter(|_| self.queue().strike(hash) >= STRIKES_MAX)
                }
                Ok(_) => None,
            };
            if let Some(reason) = reason {
                tracing::debug!(%hash, %reason, "transaction became invalid");
                dropped += usize::from(self.queue().remove(hash).is_some());
            }
        }
        dropped
    }
}

/// The accounts whose nonce a transaction moved: its sender's, and those that permitted it to set their code (EIP-7702).
fn touched(transaction: &Recovered<TxEnvelope>) -> Vec<Address> {
    let authorities = transaction.authorization_list().unwrap_or_default();
    let authorities = authorities.iter().filter_map(|one| one.recover_authority().ok());
    std::iter::once(transaction.signer()).chain(authorities).collect()
}

fn failed(error: &dyn std::error::Error) -> Rejection {
    tracing::error!(error = %error, "cannot read the ledger");
    Rejection::Disk
}

impl cairn_consensus::Pool for TxPool {
    fn candidates(&self, base_fee: u64, limit: usize) -> Vec<Recovered<TxEnvelope>> {
        let queue = self.queue();
        queue
            .candidates(base_fee, limit)
            .into_iter()
            .map(|queued| queued.transaction.clone())
            .collect()
    }

    fn is_empty(&self) -> bool {
        let snapshot = self.0.disk.snapshot();
        let Some((_, head)) = snapshot.head() else { return true };
        let base_fee = self.0.ledger.next_env(head, time_of(head), Address::ZERO).base_fee;
        !self.queue().has_candidates(base_fee)
    }

    fn waiting(&self, hash: &B256) -> Option<Recovered<TxEnvelope>> {
        self.get(*hash)
    }

    fn gossiped(&self, raws: &[bytes::Bytes]) {
        self.take_gossiped(raws);
    }

    fn finalized(&self, transactions: &[B256]) {
        let snapshot = self.0.disk.snapshot();
        let on_disk = |hash: B256| {
            let position = snapshot.position(hash).ok()??;
            snapshot.transaction(position).ok()?
        };
        let senders = {
            let mut queue = self.queue();
            // Also of transactions that never were here: a sibling with the same nonce may be.
            let mut senders: Vec<Address> = transactions
                .iter()
                .filter_map(|hash| {
                    queue.remove(*hash).map(|q| q.transaction).or_else(|| on_disk(*hash))
                })
                .flat_map(|transaction| touched(&transaction))
                .collect();
            // What a system transaction wanted may have been decided by others' meanwhile, and a delegated account's balance
            // may have been moved by others.
            senders.extend(
                queue
                    .all()
                    .filter(|queued| queued.system || queued.delegated)
                    .map(|queued| queued.transaction.signer()),
            );
            senders.sort_unstable();
            senders.dedup();
            senders
        };
        let dropped = self.revalidate(&senders);
        self.count(&self.queue(), dropped);
        if let Err(error) = self.0.journal.trim(|| self.local()) {
            tracing::warn!(%error, "cannot trim the pool's journal");
        }
    }
}
