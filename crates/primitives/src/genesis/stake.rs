//! The numbers of the validators' seats, and which term a block lies in.
//!
//! A genesis file without them has the defaults, so that the files of older networks keep their meaning.

use serde::{Deserialize, Serialize};

use super::{Genesis, GenesisError, check::need};
use crate::{STONE, Stones};

/// One, in millionths.
const PPM: u32 = 1_000_000;
/// The shortest term: a set is known a whole term ahead, and eight blocks are time to hear of it.
const TERM_BLOCKS_MIN: u64 = 8;
/// Four months of idle blocks: a set should change while its members are still there.
const TERM_BLOCKS_MAX: u64 = 10_000_000;
/// The fewest seats of a set that was elected: four go on when one is down.
pub const SEATS_MIN: u32 = 4;
/// Seats: proofs of finality list every voter.
pub(super) const SEATS_MAX: u32 = 128;
/// A year: stake should come free in a time that people can plan with.
const UNBONDING_MS_MAX: u64 = 366 * 86_400_000;
/// Half of a stake: what one slash takes at most, so that a pool of delegations is never emptied.
const SLASH_PPM_MAX: u32 = 500_000;
/// Half of the base fees: a proposer that got them all would pay nothing to fill its own blocks.
const PROPOSER_PPM_MAX: u32 = 500_000;

/// Numbers of `docs/spec/stake.md`; ppm = millionths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StakeParams {
    /// Blocks of a term: how long a set of validators stays.
    pub term_blocks: u64,
    /// Most seats of a set.
    pub seats_max: u32,
    /// Bond of a seat, in whole stones; 0: the lowest bond of a genesis validator, and at least one stone.
    pub seat_bond_stones: u64,
    /// How long stake that was taken back stays locked and can be slashed, in network ms. The dispute window and the
    /// appeal window are the least, whatever it says.
    pub unbonding_ms: u64,
    /// How long a slash can be annulled before it is executed, in network ms.
    pub appeal_ms: u64,
    /// Part of the stake that an equivocation costs, ppm.
    pub equivocation_ppm: u32,
    /// Part of the stake that a vote for another result than the final one costs, ppm.
    pub wrong_vote_ppm: u32,
    /// Part of the stake that the absence of a term costs, ppm.
    pub absence_ppm: u32,
    /// Least part of its duties that a validator of a term must do, ppm: below it, it was absent.
    pub presence_ppm: u32,
    /// Highest commission on what delegators earn, ppm.
    pub commission_max_ppm: u32,
    /// Part of a block's base fees for its proposer, ppm; the rest is burned.
    pub proposer_fee_ppm: u32,
    /// Part of the treasury's fee of an epoch for the validators that voted for its result, ppm.
    pub vote_fee_ppm: u32,
    /// How long votes stay sealed when not every validator has sealed one, in network ms; 0: votes are never sealed.
    pub seal_window_ms: u64,
}

impl Default for StakeParams {
    fn default() -> Self {
        Self {
            term_blocks: 3_600,
            seats_max: 100,
            seat_bond_stones: 0,
            unbonding_ms: 14 * 86_400_000,
            appeal_ms: 2 * 86_400_000,
            equivocation_ppm: 100_000,
            wrong_vote_ppm: 10_000,
            absence_ppm: 1_000,
            presence_ppm: 500_000,
            commission_max_ppm: 200_000,
            proposer_fee_ppm: 100_000,
            vote_fee_ppm: 500_000,
            seal_window_ms: 300_000,
        }
    }
}

impl Genesis {
    /// The term that the block of this height lies in: the consensus library's `FixedEpocher` counts the same.
    #[must_use]
    pub const fn term_of(&self, height: u64) -> u64 {
        match height.checked_div(self.stake.term_blocks) {
            Some(term) => term,
            None => 0,
        }
    }

    /// Height of the first block of a term; block 0 is genesis, which nobody proposed.
    #[must_use]
    pub const fn term_start(&self, term: u64) -> u64 {
        term.saturating_mul(self.stake.term_blocks)
    }

    /// The bond of a seat.
    #[must_use]
    pub fn seat_bond(&self) -> Stones {
        let least = self.validators.iter().map(|validator| validator.bond_stones).min();
        let stones = match self.stake.seat_bond_stones {
            0 => least.unwrap_or(0).max(1),
            stones => stones,
        };
        Stones(u128::from(stones) * STONE)
    }

    /// How long stake that was taken back stays locked, in network ms: never shorter than it takes to dispute an epoch
    /// and to slash for it.
    #[must_use]
    pub const fn unbonding_ms(&self) -> u64 {
        let epochs = self.economy.dispute_epochs.saturating_add(2);
        let least = epochs.saturating_mul(self.epoch_ms).saturating_add(self.stake.appeal_ms);
        if self.stake.unbonding_ms > least { self.stake.unbonding_ms } else { least }
    }
}

impl StakeParams {
    pub(super) fn check(&self, genesis: &Genesis) -> Result<(), GenesisError> {
        let blocks = self.term_blocks;
        let reason = "a term has 8 to 10000000 blocks";
        let good = (TERM_BLOCKS_MIN..=TERM_BLOCKS_MAX).contains(&blocks);
        need(good, "stake.term_blocks", blocks, reason)?;
        let seats = self.seats_max;
        let reason = "4 to 128 seats are allowed; 4 go on when one is down";
        need((SEATS_MIN..=SEATS_MAX).contains(&seats), "stake.seats_max", seats, reason)?;
        let bond = self.seat_bond_stones;
        let lowest = genesis.validators.iter().map(|validator| validator.bond_stones).min();
        let reason =
            "at most the lowest bond of a genesis validator, which needs a seat's bond too";
        let good = bond == 0 || lowest.is_none_or(|lowest| bond <= lowest);
        need(good, "stake.seat_bond_stones", bond, reason)?;
        let reason = "at most 366 days: 31622400000";
        for (field, ms) in
            [("stake.unbonding_ms", self.unbonding_ms), ("stake.appeal_ms", self.appeal_ms)]
        {
            need(ms <= UNBONDING_MS_MAX, field, ms, reason)?;
        }
        for (field, share, most, reason) in [
            ("equivocation_ppm", self.equivocation_ppm, SLASH_PPM_MAX, "half at most: 500000"),
            ("wrong_vote_ppm", self.wrong_vote_ppm, SLASH_PPM_MAX, "half at most: 500000"),
            ("absence_ppm", self.absence_ppm, SLASH_PPM_MAX, "half at most: 500000"),
            ("presence_ppm", self.presence_ppm, PPM, "the whole at most: 1000000"),
            ("commission_max_ppm", self.commission_max_ppm, PPM, "the whole at most: 1000000"),
            ("proposer_fee_ppm", self.proposer_fee_ppm, PROPOSER_PPM_MAX, "half at most: 500000"),
            ("vote_fee_ppm", self.vote_fee_ppm, PPM, "the whole at most: 1000000"),
        ] {
            need(share <= most, format!("stake.{field}"), share, reason)?;
        }
        let reason =
            "at most epoch_ms, so that votes keep up with epochs; 0: votes are never sealed";
        let window = self.seal_window_ms;
        need(window <= genesis.epoch_ms, "stake.seal_window_ms", window, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::genesis;
    use super::*;

    #[test]
    fn a_term_begins_at_a_multiple_of_its_length() {
        let mut genesis = genesis();
        genesis.stake.term_blocks = 100;
        for (height, term) in [(0, 0), (1, 0), (99, 0), (100, 1), (199, 1), (200, 2)] {
            assert_eq!(genesis.term_of(height), term, "height {height}");
        }
        assert_eq!((genesis.term_start(0), genesis.term_start(2)), (0, 200));
        genesis.stake.term_blocks = 0;
        assert_eq!(genesis.term_of(7), 0, "an unchecked genesis is no reason to panic");
    }

    #[test]
    fn what_a_file_leaves_out_follows_from_the_rest() {
        let mut genesis = genesis();
        assert_eq!(genesis.seat_bond(), Stones(5 * STONE));
        assert_eq!(genesis.unbonding_ms(), 14 * 86_400_000);
        genesis.economy.dispute_epochs = 1_000;
        assert_eq!(genesis.unbonding_ms(), 1_002 * 3_600_000 + 2 * 86_400_000);
        genesis.validators.clear();
        assert_eq!(genesis.seat_bond(), Stones(STONE));
    }
}
