//! Waiting between attempts: exponential with jitter and an end.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// Delays between attempts. The n-th lies between half of `first · 2ⁿ` and the whole, at most `longest`.
///
/// As an iterator it yields `attempts − 1` delays: between k attempts there are k − 1 pauses.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
    left: u32,
}

impl Backoff {
    /// Delays for `attempts` attempts in total.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration, attempts: u32) -> Self {
        Self { next: first, longest, left: attempts.saturating_sub(1) }
    }

    /// Delays without an end, for work that is kept on disk until it is done.
    #[must_use]
    pub const fn endless(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest, left: u32::MAX }
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.left == 0 {
            return None;
        }
        if self.left != u32::MAX {
            self.left -= 1;
        }
        let whole = self.next.min(self.longest);
        self.next = whole.saturating_mul(2).min(self.longest);
        // The standard library's hasher is seeded at random: enough to keep clients apart.
        let dice = u32::try_from(RandomState::new().hash_one(0_u8) % 1_000).unwrap_or(0);
        Some(whole / 2 + whole / 2_000 * dice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_stay_in_bounds_and_end() {
        let delays: Vec<u128> =
            Backoff::new(Duration::from_millis(100), Duration::from_millis(400), 6)
                .map(|delay| delay.as_millis())
                .collect();
        assert_eq!(delays.len(), 5);
        for (delay, whole) in delays.iter().zip([100, 200, 400, 400, 400]) {
            assert!((whole / 2..=whole).contains(delay), "{delay} of {whole}");
        }
    }
}
