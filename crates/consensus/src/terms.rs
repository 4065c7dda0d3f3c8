//! The sets of validators that this node knows, filled from final state: who checks a signature or pays a leader asks here.
//!
//! Bound: [`KEPT`] sets. Every node that is at the same height knows the same ones.
//!
//! Invariant: the set of a term never changes once it is known.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use alloy_primitives::Address;
use cairn_ledger::{Seat, State, StateError};
use cairn_primitives::{Digest, TimeMs};
use commonware_consensus::types::Epoch as Term;
use commonware_cryptography::{
    certificate::{Provider, Scoped},
    ed25519,
};
use commonware_utils::ordered::Set;

use crate::{
    block::public_key, finality::namespace, scheme::Scheme, seats::TermRules, signer::Key,
    votes::VoteLog,
};

/// Sets kept: the coming term's, the running one's, and two before, whose blocks peers may still send.
pub(crate) const KEPT: u64 = 4;

/// One term's validators.
pub(crate) struct TermSet {
    /// Signs where this node's key has a seat, and checks everywhere.
    pub(crate) scheme: Arc<Scheme>,
    /// Their keys, in the order of their numbers.
    pub(crate) keys: Set<ed25519::PublicKey>,
    operators: BTreeMap<ed25519::PublicKey, Address>,
}

/// The sets, shared by every part of a node.
#[derive(Clone)]
pub(crate) struct Terms(Arc<Inner>);

struct Inner {
    rules: TermRules,
    domain: Vec<u8>,
    /// This node's own key and the log of what it signed; none of a node without a vote.
    key: Option<(Key, VoteLog)>,
    known: RwLock<BTreeMap<u64, Arc<TermSet>>>,
}

/// Seats by key, ascending. A seat whose key is no Ed25519 key, or another seat's, has no vote: whatever a candidate wrote
/// into the ledger, all nodes leave the same ones out.
fn by_key(seats: &[Seat]) -> BTreeMap<ed25519::PublicKey, Address> {
    let mut operators = BTreeMap::new();
    for seat in seats {
        if let Ok(key) = public_key(&seat.consensus_key.0) {
            operators.entry(key).or_insert(seat.operator);
        }
    }
    operators
}

impl Terms {
    pub(crate) fn new(rules: TermRules, genesis: &Digest, key: Option<(Key, VoteLog)>) -> Self {
        let domain = namespace(genesis);
        Self(Arc::new(Inner { rules, domain, key, known: RwLock::default() }))
    }

    pub(crate) fn rules(&self) -> &TermRules {
        &self.0.rules
    }

    /// The domain of this network's signatures.
    pub(crate) fn domain(&self) -> &[u8] {
        &self.0.domain
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Arc<TermSet>>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Arc<TermSet>>> {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A term that began with a block of this time is run now: nothing is signed in any other.
    pub(crate) fn begin(&self, term: u64, began: TimeMs) {
        if let Some((_, votes)) = &self.0.key {
            votes.begin(term, began);
        }
    }

    /// The log of what this node's key has signed; of a node without a vote one that is never open.
    pub(crate) fn votes(&self) -> VoteLog {
        self.0.key.as_ref().map_or_else(VoteLog::closed, |(_, votes)| votes.clone())
    }

    /// A term's set, if known.
    pub(crate) fn get(&self, term: u64) -> Option<Arc<TermSet>> {
        self.read().get(&term).cloned()
    }

    /// Takes from the final state after the block of `height` what it says about its own term and the next.
    pub(crate) fn learn(&self, state: &dyn State, height: u64) -> Result<(), StateError> {
        let term = self.0.rules.term_of(height);
        for term in [term, term.saturating_add(1)] {
            if self.read().contains_key(&term) {
                continue;
            }
            if let Some(seats) = self.0.rules.seats(state, term)? {
                let set = Arc::new(self.set(&seats));
                self.write().entry(term).or_insert(set);
            }
        }
        self.write().retain(|known, _| known.saturating_add(KEPT) > term.saturating_add(1));
        Ok(())
    }

    fn set(&self, seats: &[Seat]) -> TermSet {
        let Inner { domain, key, .. } = &*self.0;
        let operators = by_key(seats);
        let keys = Set::from_iter_dedup(operators.keys().cloned());
        let signer =
            key.clone().and_then(|(key, votes)| Scheme::signer(domain, keys.clone(), key, votes));
        let scheme = signer.unwrap_or_else(|| Scheme::verifier(domain, keys.clone()));
        TermSet { scheme: Arc::new(scheme), keys, operators }
    }

    /// Who earns the tips of a leader's blocks in a term.
    pub(crate) fn operator(&self, term: u64, leader: &ed25519::PublicKey) -> Option<Address> {
        self.get(term)?.operators.get(leader).copied()
    }

    /// The validators that the block of `height` names, given the state after its parent: those of the next term in the last
    /// block of a term, and none in every other.
    ///
    /// # Panics
    /// When the ledger has not fixed the next term's set in time: a bug.
    pub(crate) fn named(
        &self,
        state: &dyn State,
        height: u64,
    ) -> Result<Vec<ed25519::PublicKey>, StateError> {
        let rules = &self.0.rules;
        let term = rules.term_of(height);
        if height != rules.last_of(term) {
            return Ok(Vec::new());
        }
        let seats = rules.seats(state, term.saturating_add(1))?;
        let seats = seats.expect("the first block of a term fixes the set of the next");
        Ok(by_key(&seats).into_keys().collect())
    }
}

impl Provider for Terms {
    type Scope = Term;
    type Scheme = Scheme;
    fn scoped(&self, term: Term) -> Option<Scoped<Scheme>> {
        Some(Scoped::scheme(Arc::clone(&self.get(term.get())?.scheme)))
    }
}
