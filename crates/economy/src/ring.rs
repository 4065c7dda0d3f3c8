//! A window over the accumulator that is written only when the price moves: what a contract keeps in its slots.
//!
//! Snapshots stand on a grid of steps in time, `RING_PLACES` of them. Whoever moves the price first writes the snapshots of the
//! grid times that passed since the last move; as the price was held in between, they are exact. So a reader needs one slot, an
//! idle pool costs nothing, and the mean spans at least the window's length and less than one step more. (`Window` is the same
//! for a program that sees every block.) Source: docs/spec/price.md.

use crate::twap::Accumulator;

/// Snapshots that are kept: one more than steps, so that the oldest is at least a length old.
pub const RING_PLACES: u64 = 25;

/// A ring's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Length of the window, ms: a multiple of 24.
    pub length_ms: u64,
    /// When the accumulator began; before it there is nothing to average.
    pub begun_ms: u64,
}

/// Where the sum at the window's start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowStart {
    /// Known from the accumulator alone.
    Known {
        /// The sum.
        sum: u128,
        /// When, ms.
        at_ms: u64,
    },
    /// In the ring.
    Kept {
        /// At this place.
        place: u64,
        /// When, ms.
        at_ms: u64,
    },
}

impl Ring {
    /// Time between two snapshots, ms.
    #[must_use]
    pub const fn step_ms(&self) -> u64 {
        let step = self.length_ms / (RING_PLACES - 1);
        if step == 0 { 1 } else { step }
    }

    /// The snapshots to write before the price of `held` moves at `now_ms`: (place, sum), oldest first, at most `RING_PLACES`.
    pub fn due(&self, held: Accumulator, now_ms: u64) -> impl Iterator<Item = (u64, u128)> {
        let step = self.step_ms();
        let last = now_ms / step;
        let first = (held.at_ms / step + 1).max(last.saturating_sub(RING_PLACES - 1));
        (first..=last).map(move |n| (n % RING_PLACES, held.until(n.saturating_mul(step)).sum))
    }

    /// Where the window that ends at `now_ms` starts.
    #[must_use]
    pub fn start(&self, held: &Accumulator, now_ms: u64) -> WindowStart {
        let step = self.step_ms();
        let n = (now_ms / step).saturating_sub(RING_PLACES - 1);
        let at_ms = n.saturating_mul(step);
        if at_ms <= self.begun_ms {
            WindowStart::Known { sum: 0, at_ms: self.begun_ms }
        } else if at_ms >= held.at_ms {
            WindowStart::Known { sum: held.until(at_ms).sum, at_ms }
        } else {
            WindowStart::Kept { place: n % RING_PLACES, at_ms }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::PriceQ32;
    use crate::twap::{TWAP_SHORT_MS, WINDOW_STEPS};
    use cairn_primitives::MicroUsd;
    use proptest::prelude::*;

    const BEGUN: u64 = 1_356_998_400_000;

    /// A ring in memory, as a contract keeps it.
    struct Kept {
        ring: Ring,
        held: Accumulator,
        places: [u128; 25],
    }

    impl Kept {
        fn moved(&mut self, price: PriceQ32, now: u64) {
            for (place, sum) in self.ring.due(self.held, now) {
                self.places[usize::try_from(place).unwrap()] = sum;
            }
            self.held = self.held.moved(price, now);
        }

        fn mean(&self, now: u64) -> (PriceQ32, u64) {
            let (sum, at) = match self.ring.start(&self.held, now) {
                WindowStart::Known { sum, at_ms } => (sum, at_ms),
                WindowStart::Kept { place, at_ms } => {
                    (self.places[usize::try_from(place).unwrap()], at_ms)
                }
            };
            (self.held.until(now).mean_since(sum, at), at)
        }
    }

    proptest! {
        /// After any pauses between moves the mean is that of the whole history over the window, which is at least its length
        /// and less than a step more, or as long as there is history.
        #[test]
        fn a_ring_knows_what_a_full_history_knows(
            moves in prop::collection::vec((1_u64..1 << 40, 0_u64..9_000_000), 1..60), rest in 0_u64..9_000_000,
        ) {
            let ring = Ring { length_ms: TWAP_SHORT_MS, begun_ms: BEGUN };
            let first = PriceQ32::of(MicroUsd(250_000));
            let mut kept = Kept { ring, held: Accumulator::begin(first, BEGUN), places: [0; 25] };
            let mut history = vec![kept.held];
            let mut now = BEGUN;
            for (price, pause) in moves {
                now += pause;
                kept.moved(PriceQ32::of(MicroUsd(price)), now);
                history.push(kept.held);
                let at = now + rest;
                let (mean, start) = kept.mean(at);
                let span = at - start;
                prop_assert!(start == BEGUN || (TWAP_SHORT_MS..TWAP_SHORT_MS + ring.step_ms()).contains(&span));
                let before = history.iter().rev().find(|held| held.at_ms <= start).unwrap();
                prop_assert_eq!(mean, kept.held.until(at).mean_since(before.until(start).sum, start));
            }
        }
    }

    #[test]
    fn a_long_pause_is_written_in_a_bounded_number_of_snapshots() {
        let ring = Ring { length_ms: TWAP_SHORT_MS, begun_ms: BEGUN };
        let held = Accumulator::begin(PriceQ32::of(MicroUsd(7)), BEGUN);
        assert_eq!(usize::try_from(RING_PLACES), Ok(WINDOW_STEPS + 1));
        assert_eq!(ring.due(held, BEGUN).count(), 0);
        assert_eq!(ring.due(held, BEGUN + 75_000).count(), 1);
        assert_eq!(ring.due(held, BEGUN + 86_400_000).count(), 25);
        assert_eq!(ring.due(held, u64::MAX).count(), 25);
    }
}
