//! Filecoin's minting: 330 M FIL by time alone, 770 M as the network's power keeps up with a baseline that doubles each year.
//!
//! ```text
//! simple(t)   = 330 M · (1 − 2^(−t / 6 y))
//! baseline(t) = 770 M · (1 − 2^(−θ(t) / 6 y)),   ∫₀^θ baseline = ∫₀^t min(baseline, power)
//! ```
//! With a baseline that doubles yearly θ has a closed form, `2^θ = 1 + ln 2 · ∫min / b₀`, so 770 M · (1 − (2^θ)^(−1/6)). Powers
//! are factors in 2^-96: within 1e-9 of mechaFIL over twenty years (`cairn bench simulate`). Providers
//! get what is minted, and what consumers pay for deals; vesting, pledge and gas are left out. A stone stands for a FIL.

use cairn_economy::{exp2_floor, log2_floor};
use cairn_primitives::{STONE, Stones, mul_div_floor};
use serde::{Deserialize, Serialize};

use super::{Day, Outcome};

/// Simple minting in the end, base units.
pub const SIMPLE_ATTO: u128 = 330_000_000 * STONE;
/// Baseline minting in the end, base units.
pub const BASELINE_ATTO: u128 = 770_000_000 * STONE;
/// One, in 2^-96.
const ONE_Q96: u128 = 1 << 96;
/// 2^(−1 / (6 · 365)): what is left of the simple minting after a day, in 2^-96.
const DAY_Q96: u128 = 79_203_090_328_121_977_647_390_343_249;
/// 2^(1 / 365): what the baseline grows by in a day, in 2^-96.
const GROWTH_Q96: u128 = 79_378_762_390_669_536_696_734_135_185;
/// ln 2, in 2^-96.
const LN2_Q96: u128 = 54_916_777_467_707_473_351_141_471_128;
/// Days of a year of the baseline.
const YEAR_DAYS: u128 = 365;
/// The baseline on the first day, bytes.
pub const BASELINE_BYTES: u128 = 2_766_213_637_444_971_000;
/// Power of a network whose places are all filled, bytes: 10 EiB, what Filecoin had after a year.
pub const POWER_BYTES: u128 = 10 << 60;

/// Minting so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filecoin {
    /// Of the simple minting: what is left.
    simple_left: Stones,
    /// Of the baseline minting: what is left.
    baseline_left: Stones,
    /// The baseline, bytes.
    baseline: u128,
    /// Σ min(baseline, power), byte-days.
    capped: u128,
}

impl Default for Filecoin {
    fn default() -> Self {
        Self {
            simple_left: Stones(SIMPLE_ATTO),
            baseline_left: Stones(BASELINE_ATTO),
            baseline: BASELINE_BYTES,
            capped: 0,
        }
    }
}

impl Filecoin {
    /// A day at full power times the part of the places that is filled.
    pub fn day(&mut self, day: &Day) -> Outcome {
        let power = POWER_BYTES / 1_000_000 * u128::from(day.covered_ppm);
        let minted = self.mint(power);
        Outcome {
            earned: day.paid,
            need_subsidy: minted.to_micro_usd_floor(day.price),
            emitted: minted,
            ..Outcome::default()
        }
    }

    /// Mints a day at `power` bytes.
    pub fn mint(&mut self, power: u128) -> Stones {
        let left = q96(self.simple_left.0, DAY_Q96);
        let simple = self.simple_left.0 - left;
        self.simple_left = Stones(left);
        self.capped = self.capped.saturating_add(self.baseline.min(power));
        self.baseline = q96(self.baseline, GROWTH_Q96);
        // x = 1 + ln 2 / 365 · capped / b0, what is left is 770 M · x^(−1/6).
        let grown = mul_div_floor(self.capped, LN2_Q96, BASELINE_BYTES * YEAR_DAYS);
        let x = ONE_Q96.saturating_add(grown.unwrap_or(u128::MAX));
        let left = q96(BASELINE_ATTO, sixth_root_of_inverse(x)).min(self.baseline_left.0);
        let baseline = self.baseline_left.0 - left;
        self.baseline_left = Stones(left);
        Stones(simple + baseline)
    }

    /// Minted so far by time alone and by the baseline.
    #[must_use]
    pub fn minted(&self) -> (Stones, Stones) {
        (Stones(SIMPLE_ATTO - self.simple_left.0), Stones(BASELINE_ATTO - self.baseline_left.0))
    }
}

/// `value · factor`, the factor in 2^-96, rounded down.
fn q96(value: u128, factor: u128) -> u128 {
    mul_div_floor(value, factor, ONE_Q96).unwrap_or(u128::MAX)
}

/// `x^(−1/6)` for x ≥ 1, both in 2^-96: two steps of Newton's from a logarithm's 30 bits.
fn sixth_root_of_inverse(x: u128) -> u128 {
    let octaves = log2_floor(x) - (96 << 32);
    // 2^(96 − octaves/6), 64 bits of it.
    let mut root = exp2_floor((96 << 32) - octaves / 6).min(ONE_Q96);
    for _ in 0..2 {
        let square = q96(root, root);
        let sixth = q96(q96(square, square), square);
        let product = q96(x, sixth);
        root = q96(root, (7 * ONE_Q96).saturating_sub(product) / 6).min(ONE_Q96);
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Year 1 and year 6 of the simple minting, as mechaFIL 1.9 has them, in whole FIL.
    #[test]
    fn simple_minting_has_a_half_life_of_six_years() {
        let mut state = Filecoin::default();
        let mut minted = Vec::new();
        for day in 1..=6 * 365 {
            state.mint(0);
            if day == 365 || day == 6 * 365 {
                minted.push(state.minted().0.0 / STONE);
            }
        }
        assert_eq!(minted, [36_003_423, 165_000_000]);
        assert_eq!(state.minted().1, Stones::ZERO, "no power, no baseline minting");
    }

    #[test]
    fn roots_are_exact() {
        for (x, root) in [(1, 1), (64, 2), (729, 3), (4_096, 4)] {
            let got = sixth_root_of_inverse(x * ONE_Q96);
            assert!(got.abs_diff(ONE_Q96 / root) < 1 << 40, "{x}: {got}");
        }
    }
}
