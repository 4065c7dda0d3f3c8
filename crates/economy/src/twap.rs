//! The pool's time-weighted geometric mean price: an accumulator of log2(price) · ms, and windows of 30 minutes and 24 hours.
//!
//! A geometric mean cannot be dragged by one extreme block as an arithmetic one can, and needs one addition a block. A window
//! keeps `WINDOW_STEPS` snapshots of the accumulator a step apart, so its mean spans at least its length and at most one step
//! more. The state is plain integers for a contract's slots; time is an argument and never runs backwards.

use serde::{Deserialize, Serialize};

use crate::log2::{exp2_floor, log2_floor};
use crate::pool::PriceQ32;

/// Snapshots of a window: 24 of 75 s for half an hour, 24 of an hour for a day.
pub const WINDOW_STEPS: usize = 24;
/// Length of the short window, ms.
pub const TWAP_SHORT_MS: u64 = 1_800_000;
/// Length of the long window, ms.
pub const TWAP_LONG_MS: u64 = 86_400_000;

/// The accumulator: Σ log2(price) · ms since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accumulator {
    /// The sum, 2^-32 octaves · ms. 2^39 · 2^64 ms fit.
    pub sum: u128,
    /// log2 of the price since `at_ms`, 2^-32.
    pub log2: u64,
    /// Until when `sum` reaches, network ms.
    pub at_ms: u64,
}

impl Accumulator {
    /// Begins at `at_ms` with a price.
    #[must_use]
    pub fn begin(price: PriceQ32, at_ms: u64) -> Self {
        Self { sum: 0, log2: log2_floor(price.0), at_ms }
    }

    /// The accumulator at `now_ms`, its price held until then. An earlier time changes nothing.
    #[must_use]
    pub fn until(self, now_ms: u64) -> Self {
        let passed = now_ms.saturating_sub(self.at_ms);
        let sum = self.sum + u128::from(self.log2) * u128::from(passed);
        Self { sum, at_ms: self.at_ms.max(now_ms), ..self }
    }

    /// The same from now on at a new price: what a swap does.
    #[must_use]
    pub fn moved(self, price: PriceQ32, now_ms: u64) -> Self {
        Self { log2: log2_floor(price.0), ..self.until(now_ms) }
    }

    /// Geometric mean between an earlier state of the accumulator and this one; the held price when no time passed.
    #[must_use]
    pub fn mean_since(&self, sum: u128, at_ms: u64) -> PriceQ32 {
        let passed = u128::from(self.at_ms.saturating_sub(at_ms));
        let mean = self.sum.saturating_sub(sum).checked_div(passed);
        let log2 = mean.and_then(|mean| u64::try_from(mean).ok()).unwrap_or(self.log2);
        PriceQ32(exp2_floor(log2))
    }
}

/// A window over the accumulator: a ring of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Length, ms; a multiple of `WINDOW_STEPS`.
    pub length_ms: u64,
    /// Sum and time of each snapshot.
    pub ring: [(u128, u64); WINDOW_STEPS],
    /// Where the oldest snapshot is, which the next one replaces.
    pub oldest: u8,
}

impl Window {
    /// A window that begins with the accumulator: until it is full its mean spans what there is.
    #[must_use]
    pub fn begin(length_ms: u64, start: &Accumulator) -> Self {
        Self { length_ms, ring: [(start.sum, start.at_ms); WINDOW_STEPS], oldest: 0 }
    }

    /// Takes a snapshot when the last one is a step old. Call it with every state of the accumulator.
    pub fn observe(&mut self, now: &Accumulator) {
        let step = self.length_ms / u64::try_from(WINDOW_STEPS).unwrap_or(1);
        let oldest = usize::from(self.oldest) % WINDOW_STEPS;
        let newest = self.ring[(oldest + WINDOW_STEPS - 1) % WINDOW_STEPS];
        if now.at_ms.saturating_sub(newest.1) >= step.max(1) {
            self.ring[oldest] = (now.sum, now.at_ms);
            self.oldest = u8::try_from((oldest + 1) % WINDOW_STEPS).unwrap_or(0);
        }
    }

    /// The mean over the window until `now`.
    #[must_use]
    pub fn mean(&self, now: &Accumulator) -> PriceQ32 {
        let (sum, at_ms) = self.ring[usize::from(self.oldest) % WINDOW_STEPS];
        now.mean_since(sum, at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_primitives::MicroUsd;
    use proptest::prelude::*;

    fn price(usd: u64) -> PriceQ32 {
        PriceQ32::of(MicroUsd(usd))
    }

    #[test]
    fn a_constant_price_is_its_own_mean() {
        let mut now = Accumulator::begin(price(250_000), 0);
        let mut window = Window::begin(TWAP_LONG_MS, &now);
        for block in 1..200_u64 {
            now = now.until(block * 777_777);
            window.observe(&now);
        }
        let mean = window.mean(&now).0;
        assert!(price(250_000).0 - mean < price(1).0 / 1_000, "{mean}");
    }

    /// Half the time at 1, half at 16 µUSD: the geometric mean is 4, the arithmetic one would be 8.5.
    #[test]
    fn the_mean_is_geometric() {
        let begun = Accumulator::begin(price(1), 0);
        let now = begun.moved(price(16), 1_000).until(2_000);
        assert_eq!(now.mean_since(0, 0), price(4));
        assert_eq!(now.mean_since(now.sum, now.at_ms), price(16));
        assert_eq!(now.until(5), now, "time never runs backwards");
    }

    /// One block of 2 s at a thousand times the price moves the half-hour mean by less than 1 %, the day's by 0.02 %.
    #[test]
    fn one_extreme_block_moves_a_window_little() {
        let mut now = Accumulator::begin(price(1_000_000), 0);
        let mut short = Window::begin(TWAP_SHORT_MS, &now);
        let mut long = Window::begin(TWAP_LONG_MS, &now);
        for block in 1..100_000_u64 {
            now = now.until(block * 2_000);
            short.observe(&now);
            long.observe(&now);
        }
        let pushed = now.moved(price(1_000_000_000), now.at_ms);
        let after = pushed.until(now.at_ms + 2_000);
        let ppm = |mean: PriceQ32| mean.0 * 1_000_000 / price(1_000_000).0;
        assert!(ppm(short.mean(&after)) < 1_010_000, "{}", ppm(short.mean(&after)));
        assert!(ppm(long.mean(&after)) < 1_000_200, "{}", ppm(long.mean(&after)));
    }

    proptest! {
        /// A mean lies between the lowest and the highest price of its window, up to the logarithm's rounding.
        #[test]
        fn a_mean_is_between(prices in prop::collection::vec((1_u64..1 << 50, 1_u64..1 << 30), 1..40)) {
            let mut now = Accumulator::begin(price(prices[0].0), 0);
            for (usd, ms) in &prices {
                now = now.moved(price(*usd), now.at_ms);
                now = now.until(now.at_ms + ms);
            }
            let (low, high) = (
                price(prices.iter().map(|p| p.0).min().unwrap()).0,
                price(prices.iter().map(|p| p.0).max().unwrap()).0,
            );
            let mean = now.mean_since(0, 0).0;
            prop_assert!(mean <= high && mean + (low >> 28) + 1 >= low);
        }
    }
}
