//! What of a reward is free when, and where a forfeited one goes; the treasury's pace.
//!
//! Earned pay unlocks at once when its dispute window is over, subsidy when its lock is: until then fraud costs all of it.
//! Streams unlock in equal parts. Invariants: what is unlocked never falls with time and never exceeds the amount; the parts
//! of a forfeit add up to it. Source: docs/spec/economy.md.

use cairn_primitives::{Stones, mul_div_floor};

use crate::params::PPM;
use crate::stake::{SLASH_BURNED_PPM, part};

/// Most of its balance that the treasury may spend in a window, ppm.
pub const TREASURY_PPM: u32 = 20_000;
/// Days of the treasury's window.
pub const TREASURY_DAYS: u64 = 30;
/// Milliseconds of a day.
const DAY_MS: u128 = 86_400_000;

/// A reward behind a lock: all or nothing.
#[must_use]
pub fn unlocked_after(amount: Stones, epochs_passed: u64, lock_epochs: u64) -> Stones {
    if epochs_passed >= lock_epochs { amount } else { Stones::ZERO }
}

/// A stream over `length` periods, of which `passed` are over, rounded down; all of it once they are.
#[must_use]
pub fn streamed(amount: Stones, passed: u64, length: u64) -> Stones {
    if passed >= length {
        return amount;
    }
    Stones(mul_div_floor(amount.0, passed.into(), length.into()).unwrap_or(0))
}

/// A forfeited subsidy: burned and for the challenger. 70 % are burned, so that nobody gains by accusing himself.
#[must_use]
pub fn split_forfeit(amount: Stones) -> (Stones, Stones) {
    let burned = part(amount, SLASH_BURNED_PPM);
    (burned, Stones(amount.0.saturating_sub(burned.0)))
}

/// What the treasury may still spend in its window: 2 % of the balance at the window's start, less what it spent.
#[must_use]
pub fn treasury_left(balance_at_start: Stones, spent: Stones) -> Stones {
    let most = mul_div_floor(balance_at_start.0, TREASURY_PPM.into(), PPM.into()).unwrap_or(0);
    Stones(most.saturating_sub(spent.0))
}

/// What of a stream is its recipient's after `passed` of `length` (any unit of time), when `reached` of its `milestones`
/// are: time and milestones both bound it, rounded down. A stream without milestones is bound by time alone.
#[must_use]
pub fn stream_unlocked(
    total: Stones,
    passed: u64,
    length: u64,
    reached: u32,
    milestones: u32,
) -> Stones {
    let by_time = streamed(total, passed, length);
    if milestones == 0 {
        by_time
    } else {
        by_time.min(streamed(total, reached.into(), milestones.into()))
    }
}

/// What a stream pays in a window of the treasury at its steady pace, rounded up, and never more than all of it.
#[must_use]
pub fn stream_pace(total: Stones, length_ms: u64) -> Stones {
    let window = u128::from(TREASURY_DAYS) * DAY_MS;
    let length = u128::from(length_ms);
    if length <= window {
        return total;
    }
    let pace = mul_div_floor(total.0, window, length).unwrap_or(u128::MAX).saturating_add(1);
    Stones(pace).min(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_locks() {
        let all = Stones(1_000);
        assert_eq!([29, 30, 31].map(|e| unlocked_after(all, e, 30).0), [0, 1_000, 1_000]);
        assert_eq!([0, 1, 3, 7, 9].map(|e| streamed(all, e, 7).0), [0, 142, 428, 1_000, 1_000]);
        assert_eq!(streamed(all, 0, 0), all);
        assert_eq!(split_forfeit(Stones(11)), (Stones(7), Stones(4)));
        assert_eq!(treasury_left(all, Stones(5)), Stones(15));
        assert_eq!(treasury_left(all, Stones(21)), Stones::ZERO);
        // Half of the time and a quarter of the milestones: a quarter; the other way round: a quarter, too.
        assert_eq!(stream_unlocked(all, 5, 10, 1, 4), Stones(250));
        assert_eq!(stream_unlocked(all, 5, 20, 2, 4), Stones(250));
        assert_eq!(stream_unlocked(all, 5, 10, 0, 0), Stones(500));
        assert_eq!(stream_unlocked(all, 99, 10, 3, 4), Stones(750));
        let month = 30 * 86_400_000;
        assert_eq!(
            [month - 1, month, 2 * month, 3 * month].map(|ms| stream_pace(all, ms).0),
            [1_000, 1_000, 501, 334]
        );
    }

    proptest! {
        #[test]
        fn streams_rise_and_forfeits_add_up(amount in 0_u128..1 << 90, passed in 0_u64..400, length in 0_u64..400) {
            let now = streamed(Stones(amount), passed, length);
            prop_assert!(now.0 <= amount && streamed(Stones(amount), passed + 1, length) >= now);
            let unlocked = stream_unlocked(Stones(amount), passed, length, 3, 5);
            prop_assert!(unlocked <= now && stream_unlocked(Stones(amount), passed, length, 4, 5) >= unlocked);
            prop_assert!(stream_pace(Stones(amount), length) <= Stones(amount));
            let (burned, challenger) = split_forfeit(Stones(amount));
            prop_assert_eq!(burned.0 + challenger.0, amount);
        }
    }
}
