//! Who may vote when: the rules of terms, as genesis and the ledger's state say them.
//!
//! ```text
//! height  0 … L-1    L … 2L-1   2L … 3L-1            L = blocks of a term
//! term    0          1          2
//! set     genesis    genesis    fixed in the state by the first block of term 1
//! ```
//! The set of term *t + 1* is fixed in the state by the first block of term *t*, so that it is final, and known to everyone
//! who follows, a whole term before its first vote.

use std::{fmt, num::NonZeroU64, sync::Arc};

use cairn_ledger::{Ledger, Seat, State, StateError};

/// The shortest term: the library wants more than one block, and the set of the next must be known before the last.
const TERM_BLOCKS_MIN: NonZeroU64 = NonZeroU64::MIN.saturating_add(1);

/// Who has a seat in which term, as a state of the ledger says.
pub trait Seating: Send + Sync + 'static {
    /// The seats of a term, in any order; `None` while `state` does not know them, which is so for every term beyond the one
    /// after the state's own. What one state says of a term, every later state says too.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn seats(&self, state: &dyn State, term: u64) -> Result<Option<Vec<Seat>>, StateError>;
}

impl Seating for Ledger {
    fn seats(&self, state: &dyn State, term: u64) -> Result<Option<Vec<Seat>>, StateError> {
        self.seats_of_term(state, term)
    }
}

/// The rules of a network's terms.
#[derive(Clone)]
pub struct TermRules {
    blocks: NonZeroU64,
    seats_max: usize,
    seating: Arc<dyn Seating>,
}

impl fmt::Debug for TermRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TermRules")
            .field("blocks", &self.blocks)
            .field("seats_max", &self.seats_max)
            .finish_non_exhaustive()
    }
}

impl TermRules {
    /// Terms of `blocks` blocks, at least two, with at most `seats_max` seats.
    #[must_use]
    pub fn new(blocks: NonZeroU64, seats_max: usize, seating: Arc<dyn Seating>) -> Self {
        Self { blocks: blocks.max(TERM_BLOCKS_MIN), seats_max, seating }
    }

    /// The rules that a network's genesis sets and its ledger fills.
    #[must_use]
    pub fn of(ledger: &Ledger) -> Self {
        let genesis = ledger.genesis();
        let blocks = NonZeroU64::new(genesis.stake.term_blocks).unwrap_or(TERM_BLOCKS_MIN);
        let elected = usize::try_from(genesis.stake.seats_max).unwrap_or(usize::MAX);
        Self::new(blocks, elected.max(genesis.validators.len()), Arc::new(ledger.clone()))
    }

    /// Blocks of a term.
    #[must_use]
    pub const fn blocks(&self) -> NonZeroU64 {
        self.blocks
    }
    /// Most seats of a term.
    #[must_use]
    pub const fn seats_max(&self) -> usize {
        self.seats_max
    }
    /// The term that a height lies in.
    #[must_use]
    pub const fn term_of(&self, height: u64) -> u64 {
        height / self.blocks.get()
    }
    /// Height of a term's last block.
    #[must_use]
    pub const fn last_of(&self, term: u64) -> u64 {
        term.saturating_mul(self.blocks.get()).saturating_add(self.blocks.get() - 1)
    }
    /// The seats of a term; see [`Seating::seats`].
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn seats(&self, state: &dyn State, term: u64) -> Result<Option<Vec<Seat>>, StateError> {
        self.seating.seats(state, term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture::identity;

    #[test]
    fn terms_are_counted_as_the_ledger_counts_them() {
        let identity = identity(4, 250, 1_000);
        let blocks = identity.genesis.stake.term_blocks;
        let rules = TermRules::of(&identity.ledger);
        for height in [0, 1, blocks - 1, blocks, 2 * blocks - 1, 2 * blocks] {
            let term = identity.genesis.term_of(height);
            assert_eq!(rules.term_of(height), term, "height {height}");
            assert_eq!(rules.last_of(term) + 1, identity.genesis.term_start(term + 1));
        }
        assert_eq!(rules.last_of(u64::MAX), u64::MAX);
    }
}
