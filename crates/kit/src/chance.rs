//! Seeded chance in integers: the same draws on every machine, for made-up weather, for markets and for tests.
//!
//! SplitMix64: one multiplication-free state, any seed is good, and a run can be stopped and continued from one number.

use serde::{Deserialize, Serialize};

/// What the state moves by: 2^64 / golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Uniform draws that make a normal one (Irwin-Hall): their sum has a variance of exactly one.
const NORMAL_DRAWS: u32 = 12;

/// A stream of draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of part `number` of a seed: independent of the streams of other parts.
    #[must_use]
    pub fn part(seed: u64, number: u64) -> Self {
        let mut mixed = Self(seed ^ number.wrapping_add(1).wrapping_mul(GOLDEN));
        Self(mixed.draw())
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between `-width` and `width`.
    pub fn around(&mut self, width: i32) -> i32 {
        let span = u64::from(width.unsigned_abs()) * 2 + 1;
        i32::try_from(self.draw() % span).unwrap_or_default() - width
    }

    /// A draw from nearly the normal distribution, mean 0 and variance 1, in 2^-32: the sum of twelve uniform ones less
    /// six. Its tails end at six; a market model has larger errors.
    pub fn normal_q32(&mut self) -> i64 {
        let sum: u64 = (0..NORMAL_DRAWS).map(|_| self.draw() >> 32).sum();
        i64::try_from(sum).unwrap_or_default() - (i64::from(NORMAL_DRAWS / 2) << 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_splitmix64_and_normal_ones_have_their_moments() {
        let mut chance = Chance::new(0);
        assert_eq!(chance.draw(), 0xe220_a839_7b1d_cdaf);
        assert_ne!(Chance::part(1, 0), Chance::part(1, 1));
        let draws: Vec<i128> = (0..20_000).map(|_| i128::from(chance.normal_q32())).collect();
        let mean = draws.iter().sum::<i128>() / 20_000;
        let variance = draws.iter().map(|x| x * x).sum::<i128>() / 20_000;
        assert!(mean.abs() < 1 << 27, "{mean}");
        let ppm = (variance * 1_000_000) >> 64;
        assert!((970_000..1_030_000).contains(&ppm), "{ppm}");
    }
}
