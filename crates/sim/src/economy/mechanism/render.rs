//! Render: RNP-001's emission in its first two years, then RNP-020's: each quarter between once and three times the burn.
//!
//! 5 % of a payment are a fee, the rest is burned; operators get half of the emission for availability and finished work, the
//! other half goes to the foundation. From the third year on the emission is the last quarter's, moved into its band.

use cairn_primitives::{MicroUsd, STONE, Stones};
use serde::{Deserialize, Serialize};

use super::{Day, Outcome, split_income};

/// Emission of the first year, base units.
const FIRST_YEAR: u128 = 9_126_804 * STONE;
/// Emission of the second year, base units.
const SECOND_YEAR: u128 = 5_900_000 * STONE;
/// Days of a year of the schedule.
const YEAR_DAYS: u64 = 365;
/// Days between recalibrations.
const QUARTER_DAYS: u64 = 91;
/// Fee of a payment, ppm.
const FEE_PPM: u32 = 50_000;
/// Operators' part of the emission, one in this many.
const OPERATORS: u128 = 2;

/// The quarter so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Render {
    daily: Stones,
    burned: Stones,
}

impl Render {
    pub fn day(&mut self, day: &Day) -> Outcome {
        match day.number / YEAR_DAYS {
            0 => self.daily = Stones(FIRST_YEAR / u128::from(YEAR_DAYS)),
            1 => self.daily = Stones(SECOND_YEAR / u128::from(YEAR_DAYS)),
            _ if day.number.is_multiple_of(QUARTER_DAYS) => {
                let average = self.burned.0 / u128::from(QUARTER_DAYS);
                self.daily = self.daily.clamp(Stones(average), Stones(average.saturating_mul(3)));
            }
            _ => {}
        }
        if day.number.is_multiple_of(QUARTER_DAYS) {
            self.burned = Stones::ZERO;
        }
        let fee = day.paid.ppm_floor(FEE_PPM);
        let burned = MicroUsd(day.paid.0 - fee.0).to_stones_floor(day.price);
        self.burned.0 = self.burned.0.saturating_add(burned.0);
        let income = Stones(self.daily.0 / OPERATORS).to_micro_usd_floor(day.price);
        let (earned, usage_subsidy) = split_income(income, day.paid);
        Outcome { earned, usage_subsidy, emitted: self.daily, burned, ..Outcome::default() }
    }
}
