//! Network time and epochs. The network clock itself lives in `kit`; here are only its values.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds of network time since 1970-01-01 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TimeMs(pub u64);

/// The period over which a sector's evidence is judged and rewarded; the first is 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
    /// The epoch before this one, if any.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
    /// This epoch less `n`, not below 0.
    #[must_use]
    pub const fn back(self, n: u64) -> Self {
        Self(self.0.saturating_sub(n))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where epochs begin and end: fixed by genesis for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochSchedule {
    /// Start of epoch 0.
    pub start: TimeMs,
    /// Length of an epoch in network milliseconds, above 0.
    pub epoch_ms: u64,
}

impl EpochSchedule {
    /// Milliseconds of a network day.
    pub const DAY_MS: u64 = 86_400_000;

    /// The epoch that contains `time`; times before the start belong to epoch 0.
    #[must_use]
    pub const fn epoch_at(&self, time: TimeMs) -> Epoch {
        Epoch(time.0.saturating_sub(self.start.0) / self.epoch_ms)
    }
    /// First millisecond of `epoch`.
    #[must_use]
    pub const fn start_of(&self, epoch: Epoch) -> TimeMs {
        TimeMs(self.start.0 + epoch.0 * self.epoch_ms)
    }
    /// First millisecond after `epoch`.
    #[must_use]
    pub const fn end_of(&self, epoch: Epoch) -> TimeMs {
        self.start_of(epoch.next())
    }
    /// Epochs in a network day, at least 1.
    #[must_use]
    pub const fn epochs_per_day(&self) -> u64 {
        let n = Self::DAY_MS / self.epoch_ms;
        if n == 0 { 1 } else { n }
    }
    /// The network day of `epoch`, counted from genesis.
    #[must_use]
    pub const fn day_of(&self, epoch: Epoch) -> u64 {
        epoch.0 / self.epochs_per_day()
    }
}
