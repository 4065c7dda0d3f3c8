//! The pool's data structure: transactions by sender and nonce. No I/O, no locks, no clock.
//!
//! Invariants: at most `QUEUED_MAX` transactions and `QUEUED_BYTES_MAX` bytes, one transaction a sender and nonce;
//! every queued nonce is less than `SENDER_MAX` above what the ledger takes next, so one sender has at most as many.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap, HashMap},
};

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256};

use cairn_ledger::TxError;

use super::Rejection;

/// Most transactions in the pool.
pub const QUEUED_MAX: usize = 16_384;
/// Most bytes of transactions in the pool.
pub const QUEUED_BYTES_MAX: usize = 64 << 20;
/// Most transactions of one sender; also how far a nonce may be ahead.
pub const SENDER_MAX: usize = 256;
/// A replacement pays at least this many percent of what it replaces.
const REPLACE_PERCENT: u128 = 110;

/// A transaction in the pool.
#[derive(Clone, Debug)]
pub struct Queued {
    /// With its sender.
    pub transaction: Recovered<TxEnvelope>,
    /// A system transaction of a validator or an ingest: goes first, without fee.
    pub system: bool,
    /// Received over this node's own RPC, so its sender was promised that it is kept.
    pub local: bool,
    /// Of an account with code of its own choice (EIP-7702): others can make it invalid, so that every block asks again.
    pub delegated: bool,
    /// Order of arrival.
    arrival: u64,
    /// Encoded bytes.
    size: usize,
    /// Blocks in a row on which it failed.
    strikes: u8,
}

impl Queued {
    /// A transaction that passed the checks of its form.
    #[must_use]
    pub fn new(transaction: Recovered<TxEnvelope>, system: bool, local: bool) -> Self {
        let size = transaction.inner().encode_2718_len();
        Self { transaction, system, local, delegated: false, arrival: 0, size, strikes: 0 }
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.transaction.inner().tx_hash()
    }

    /// Its nonce.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    /// Tip per gas at this base fee; `None` when it does not pay the base fee.
    fn tip(&self, base_fee: u64) -> Option<u128> {
        if self.system { Some(0) } else { self.transaction.effective_tip_per_gas(base_fee) }
    }

    fn highest_tip(&self) -> u128 {
        self.transaction
            .max_priority_fee_per_gas()
            .unwrap_or_else(|| self.transaction.max_fee_per_gas())
    }

    /// Whether this one may take the place of `old`, of the same sender and nonce.
    fn outbids(&self, old: &Self) -> bool {
        let enough =
            |new: u128, old: u128| new >= old.saturating_mul(REPLACE_PERCENT).div_ceil(100);
        if self.system || old.system {
            return self.system;
        }
        enough(self.transaction.max_fee_per_gas(), old.transaction.max_fee_per_gas())
            && enough(self.highest_tip(), old.highest_tip())
            && self.transaction.max_fee_per_gas() > old.transaction.max_fee_per_gas()
    }

    /// System transactions are never worth less than others.
    fn worth(&self) -> (bool, u128, u128) {
        (self.system, self.transaction.max_fee_per_gas(), self.highest_tip())
    }
}

#[derive(Debug, Default)]
struct Sender {
    /// Next nonce that the ledger takes.
    next: u64,
    queued: BTreeMap<u64, Queued>,
}

impl Sender {
    /// The first nonce at or after `next` that is not queued.
    fn gap(&self) -> u64 {
        let mut gap = self.next;
        while self.queued.contains_key(&gap) {
            gap += 1;
        }
        gap
    }
}

/// See the file.
#[derive(Debug, Default)]
pub struct Queue {
    senders: HashMap<Address, Sender>,
    owners: HashMap<B256, (Address, u64)>,
    bytes: usize,
    arrivals: u64,
}

/// What an insertion pushed out.
pub type Dropped = Vec<Queued>;

impl Queue {
    /// Number of transactions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Executable now and held behind a gap.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let pending: usize =
            self.senders.values().map(|s| usize::try_from(s.gap() - s.next).unwrap_or(0)).sum();
        (pending, self.len() - pending)
    }

    /// A transaction by hash.
    #[must_use]
    pub fn get(&self, hash: B256) -> Option<&Queued> {
        let (sender, nonce) = self.owners.get(&hash)?;
        self.senders.get(sender)?.queued.get(nonce)
    }

    /// The nonce the sender should use next, if it has anything queued.
    #[must_use]
    pub fn next_nonce(&self, sender: Address) -> Option<u64> {
        self.senders.get(&sender).map(Sender::gap)
    }

    /// The sender's transactions in order of nonce.
    pub fn of(&self, sender: Address) -> impl Iterator<Item = &Queued> {
        self.senders.get(&sender).into_iter().flat_map(|s| s.queued.values())
    }

    /// All transactions, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Queued> {
        self.senders.values().flat_map(|s| s.queued.values())
    }

    /// All transactions, each with whether it is executable now or held behind a gap.
    pub fn waiting(&self) -> impl Iterator<Item = (bool, &Queued)> {
        self.senders.values().flat_map(|sender| {
            let gap = sender.gap();
            sender.queued.iter().map(move |(nonce, queued)| (*nonce < gap, queued))
        })
    }

    /// Adds a transaction whose sender's next ledger nonce is `next`.
    ///
    /// # Errors
    /// `AlreadyKnown`, `NonceTooLow`, `NonceTooFar`, `ReplacementUnderpriced` or `PoolFull`.
    pub fn insert(&mut self, mut new: Queued, next: u64) -> Result<Dropped, Rejection> {
        let (hash, nonce, from) = (new.hash(), new.nonce(), new.transaction.signer());
        if self.owners.contains_key(&hash) {
            return Err(Rejection::AlreadyKnown(hash));
        }
        if nonce < next {
            return Err(TxError::NonceTooLow { tx: nonce, account: next }.into());
        }
        if nonce - next >= u64::try_from(SENDER_MAX).unwrap_or(u64::MAX) {
            return Err(Rejection::NonceTooFar { next, nonce, limit: SENDER_MAX });
        }
        let mut freed = (0, 0);
        if let Some(sender) = self.senders.get(&from) {
            match sender.queued.get(&nonce) {
                Some(old) if !new.outbids(old) => return Err(Rejection::ReplacementUnderpriced),
                Some(old) => freed = (1, old.size),
                None => {}
            }
        }
        let victims = self.victims(&new, freed).ok_or(Rejection::PoolFull)?;
        let mut dropped = self.advance(from, next);
        dropped.extend(victims.into_iter().filter_map(|victim| self.remove(victim)));
        dropped.extend(self.remove_at(from, nonce));
        self.arrivals += 1;
        new.arrival = self.arrivals;
        self.bytes += new.size;
        self.owners.insert(hash, (from, nonce));
        let sender = self.senders.entry(from).or_default();
        sender.next = next;
        sender.queued.insert(nonce, new);
        Ok(dropped)
    }

    /// Counts a block on which a transaction failed; returns how many there were.
    pub fn strike(&mut self, hash: B256) -> u8 {
        let Some((sender, nonce)) = self.owners.get(&hash) else { return 0 };
        let queued = self.senders.get_mut(sender).and_then(|sender| sender.queued.get_mut(nonce));
        queued.map_or(0, |queued| {
            queued.strikes = queued.strikes.saturating_add(1);
            queued.strikes
        })
    }

    /// Takes a transaction out.
    pub fn remove(&mut self, hash: B256) -> Option<Queued> {
        let (sender, nonce) = *self.owners.get(&hash)?;
        self.remove_at(sender, nonce)
    }

    /// The ledger takes `next` from this sender now: earlier nonces leave.
    pub fn advance(&mut self, from: Address, next: u64) -> Dropped {
        let Some(sender) = self.senders.get_mut(&from) else { return Vec::new() };
        sender.next = next;
        let passed: Vec<u64> = sender.queued.range(..next).map(|(nonce, _)| *nonce).collect();
        passed.into_iter().filter_map(|nonce| self.remove_at(from, nonce)).collect()
    }

    /// Whether there is a candidate at this base fee.
    #[must_use]
    pub fn has_candidates(&self, base_fee: u64) -> bool {
        self.senders
            .values()
            .filter_map(|s| s.queued.get(&s.next))
            .any(|first| first.tip(base_fee).is_some())
    }

    /// Executable transactions that pay `base_fee`: system ones first, then by tip, then by arrival; a sender's nonces ascend.
    #[must_use]
    pub fn candidates(&self, base_fee: u64, limit: usize) -> Vec<&Queued> {
        let rank = |queued| Rank::new(queued, base_fee);
        let mut heap: BinaryHeap<Rank<'_>> =
            self.senders.values().filter_map(|s| s.queued.get(&s.next)).filter_map(rank).collect();
        let mut chosen = Vec::new();
        while chosen.len() < limit {
            let Some(best) = heap.pop() else { break };
            chosen.push(best.queued);
            let from = best.queued.transaction.signer();
            let after =
                self.senders.get(&from).and_then(|s| s.queued.get(&(best.queued.nonce() + 1)));
            heap.extend(after.and_then(rank));
        }
        chosen
    }

    fn remove_at(&mut self, from: Address, nonce: u64) -> Option<Queued> {
        let sender = self.senders.get_mut(&from)?;
        let queued = sender.queued.remove(&nonce)?;
        if sender.queued.is_empty() {
            self.senders.remove(&from);
        }
        self.owners.remove(&queued.hash());
        self.bytes -= queued.size;
        Some(queued)
    }

    /// What has to leave so that `new` fits beside the rest, less the number and bytes `freed` by what it replaces: the cheapest
    /// first, of each other sender the last first, so that no gap appears. `None` when it would have to push out one that is
    /// worth as much as itself; then nothing leaves.
    fn victims(&self, new: &Queued, freed: (usize, usize)) -> Option<Vec<B256>> {
        let (mut count, mut bytes) = (self.len() - freed.0, self.bytes - freed.1 + new.size);
        let mut victims = Vec::new();
        if count < QUEUED_MAX && bytes <= QUEUED_BYTES_MAX {
            return Some(victims);
        }
        let except = new.transaction.signer();
        let tail = |(from, sender): (&Address, &Sender), below: u64| {
            let (nonce, last) = sender.queued.range(..below).next_back()?;
            Some(Reverse((last.worth(), last.hash(), *from, *nonce, last.size)))
        };
        let others = self.senders.iter().filter(|(from, _)| **from != except);
        let mut tails: BinaryHeap<_> = others.filter_map(|one| tail(one, u64::MAX)).collect();
        while count >= QUEUED_MAX || bytes > QUEUED_BYTES_MAX {
            let Reverse((worth, hash, from, nonce, size)) = tails.pop()?;
            if worth >= new.worth() {
                return None;
            }
            victims.push(hash);
            (count, bytes) = (count - 1, bytes - size);
            tails.extend(self.senders.get_key_value(&from).and_then(|one| tail(one, nonce)));
        }
        Some(victims)
    }

    /// Others may move this sender's balance and nonce from now on: its first transaction is asked about at every block, the
    /// later ones leave.
    pub fn delegate(&mut self, from: Address) -> Dropped {
        let Some(sender) = self.senders.get_mut(&from) else { return Vec::new() };
        if let Some(first) = sender.queued.values_mut().next() {
            first.delegated = true;
        }
        let later: Vec<u64> = sender.queued.keys().skip(1).copied().collect();
        later.into_iter().filter_map(|nonce| self.remove_at(from, nonce)).collect()
    }
}

/// Order in which candidates are tried.
struct Rank<'a> {
    tip: u128,
    queued: &'a Queued,
}

impl<'a> Rank<'a> {
    fn new(queued: &'a Queued, base_fee: u64) -> Option<Self> {
        Some(Self { tip: queued.tip(base_fee)?, queued })
    }
    fn key(&self) -> (bool, u128, Reverse<u64>) {
        (self.queued.system, self.tip, Reverse(self.queued.arrival))
    }
}

impl Ord for Rank<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
impl PartialOrd for Rank<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Rank<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Rank<'_> {}
