//! The bloom filters of a block's logs, with what repeats hashed once.
//!
//! A filter takes a Keccak-256 of every address and topic. Contracts, event names and the parties of a block repeat from log to log, and
//! hashing them again was a tenth of what a native call costs. The memory is a small table that forgets: what is not in it is hashed.

use alloy_primitives::{B256, Bloom, BloomInput, Log, keccak256};

/// Places of a table; one for each value of a byte.
const PLACES: usize = 256;

/// Hashes of words seen lately. Sixteen kilobytes.
struct Hashes(Vec<(B256, B256)>);

impl Hashes {
    fn new(zero: B256) -> Self {
        Self(vec![(B256::ZERO, zero); PLACES])
    }

    /// The hash of what `word` stands for: remembered, or from `hash`.
    fn of(&mut self, word: B256, hash: impl FnOnce() -> B256) -> B256 {
        // Numbers differ at the end, addresses everywhere, hashes everywhere.
        let place = &mut self.0[usize::from(word[0] ^ word[15] ^ word[31])];
        if place.0 != word {
            *place = (word, hash());
        }
        place.1
    }
}

/// Makes the filters of one block's receipts.
pub(crate) struct Blooms {
    addresses: Hashes,
    topics: Hashes,
}

impl Default for Blooms {
    fn default() -> Self {
        Self { addresses: Hashes::new(keccak256([0; 20])), topics: Hashes::new(keccak256([0; 32])) }
    }
}

impl Blooms {
    /// The filter of a receipt's logs.
    pub(crate) fn of(&mut self, logs: &[Log]) -> Bloom {
        let mut bloom = Bloom::ZERO;
        for log in logs {
            let address = log.address;
            let hash = self.addresses.of(address.into_word(), || keccak256(address));
            bloom.accrue(BloomInput::Hash(hash));
            for topic in log.topics() {
                let hash = self.topics.of(*topic, || keccak256(topic));
                bloom.accrue(BloomInput::Hash(hash));
            }
        }
        bloom
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, Bytes, LogData, logs_bloom};
    use proptest::prelude::*;

    /// Few distinct values, so that they repeat, and some that share a place.
    fn word() -> impl Strategy<Value = B256> {
        prop_oneof![
            (0_u8..4, 0_u8..4).prop_map(|(a, b)| {
                let mut word = B256::ZERO;
                (word[0], word[31]) = (a, b);
                word
            }),
            any::<[u8; 32]>().prop_map(B256::from),
        ]
    }

    fn log() -> impl Strategy<Value = Log> {
        (word(), prop::collection::vec(word(), 0..5)).prop_map(|(address, topics)| Log {
            address: Address::from_word(address),
            data: LogData::new_unchecked(topics, Bytes::new()),
        })
    }

    proptest! {
        /// The filter that Ethereum's rule gives, whatever came before.
        #[test]
        fn as_without_memory(receipts in prop::collection::vec(prop::collection::vec(log(), 0..6), 0..8)) {
            let mut blooms = Blooms::default();
            for logs in receipts {
                prop_assert_eq!(blooms.of(&logs), logs_bloom(&logs));
            }
        }
    }
}
