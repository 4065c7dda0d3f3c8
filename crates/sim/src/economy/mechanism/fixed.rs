//! A schedule by time alone, as most networks began: providers share the emission, everything that consumers pay is burned.

use cairn_primitives::{EconomyParams, Stones};
use serde::{Deserialize, Serialize};

use super::{Day, Outcome, half_life, reserve_of, split_income};

/// What is left to emit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixed {
    reserve: Stones,
}

impl Fixed {
    pub fn new(params: &EconomyParams) -> Self {
        Self { reserve: reserve_of(params) }
    }

    pub fn day(&mut self, day: &Day) -> Outcome {
        let emitted = half_life(&mut self.reserve);
        let income = emitted.to_micro_usd_floor(day.price);
        let (earned, need_subsidy) = split_income(income, day.paid);
        Outcome { earned, need_subsidy, emitted, burned: day.released, ..Outcome::default() }
    }
}
