//! What a verifier knows beforehand: the network, and who validates in which term.
//!
//! It begins with genesis, whose validators are those of terms 0 and 1, and grows by the certificates of blocks that end a
//! term, because they name the validators of the next. Invariant: every set was named by genesis, by the caller, or by more
//! than two thirds of the set before.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use cairn_primitives::{Digest, Genesis};

use super::{LightError, certificate::Certificate};

/// The last term of genesis' validators.
const FOUNDERS_LAST: u64 = 1;

/// A network and the sets of validators that are known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Hash of the genesis text.
    pub genesis: Digest,
    /// The validators' Ed25519 keys by term, in any order.
    sets: BTreeMap<u64, Vec<B256>>,
}

impl Trust {
    /// The trust in a network's founders, the validators of its first two terms.
    #[must_use]
    pub fn new(genesis: Digest, founders: Vec<B256>) -> Self {
        let sets = (0..=FOUNDERS_LAST).map(|term| (term, founders.clone()));
        Self { genesis, sets: sets.collect() }
    }

    /// The trust in the validators of one term, learned elsewhere.
    #[must_use]
    pub fn at(genesis: Digest, term: u64, validators: Vec<B256>) -> Self {
        Self { genesis, sets: BTreeMap::from([(term, validators)]) }
    }

    /// The trust that a genesis file stands for. `text` is the file that `genesis` was read from.
    #[must_use]
    pub fn of(genesis: &Genesis, text: &str) -> Self {
        let validators = genesis.validators.iter().map(|validator| validator.consensus_key);
        Self::new(Genesis::hash_of_text(text), validators.collect())
    }

    /// The validators of a term, if known.
    #[must_use]
    pub fn validators(&self, term: u64) -> Option<&[B256]> {
        self.sets.get(&term).map(Vec::as_slice)
    }

    /// The newest term whose validators are known.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.sets.last_key_value().map_or(0, |(term, _)| *term)
    }

    /// Learns the validators of a term from the certificate of the last block of the term before; returns the term.
    ///
    /// # Errors
    /// When the certificate proves nothing, or its block names nobody.
    pub fn learn(&mut self, certificate: &[u8]) -> Result<u64, LightError> {
        let certificate = Certificate::decode(certificate)?;
        certificate.check(self)?;
        if certificate.next.is_empty() {
            return Err(LightError::NoHandover);
        }
        let term = certificate.term.saturating_add(1);
        self.sets.entry(term).or_insert(certificate.next);
        Ok(term)
    }
}
