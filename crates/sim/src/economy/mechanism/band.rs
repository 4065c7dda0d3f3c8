//! Helium's HIP-149: providers get the schedule's emission, but at least half and at most three times what was paid.
//!
//! Below the band new stones top it up, without a cap; above it the rest goes to stakers. What is paid is burned. Left out are
//! sub-networks' shares, the smoothed re-emission and the supplement of two years, which would add to the emission.

use cairn_primitives::{EconomyParams, MicroUsd, Stones};
use serde::{Deserialize, Serialize};

use super::{Day, Outcome, half_life, reserve_of, split_income};

/// Least pay of a paid dollar, halves.
const LEAST_HALVES: u64 = 1;
/// Most pay of a paid dollar, halves.
const MOST_HALVES: u64 = 6;

/// What is left of the schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    reserve: Stones,
}

impl Band {
    pub fn new(params: &EconomyParams) -> Self {
        Self { reserve: reserve_of(params) }
    }

    pub fn day(&mut self, day: &Day) -> Outcome {
        let scheduled = half_life(&mut self.reserve);
        let worth = scheduled.to_micro_usd_floor(day.price);
        let halves = |count: u64| MicroUsd(day.paid.0.saturating_mul(count) / 2);
        let (least, most) = (halves(LEAST_HALVES), halves(MOST_HALVES));
        let income = worth.clamp(least, most);
        let top_up = MicroUsd(least.0.saturating_sub(worth.0)).to_stones_floor(day.price);
        let (earned, usage_subsidy) = split_income(income, day.paid);
        Outcome {
            earned,
            usage_subsidy,
            emitted: Stones(scheduled.0.saturating_add(top_up.0)),
            burned: day.released,
            ..Outcome::default()
        }
    }
}
