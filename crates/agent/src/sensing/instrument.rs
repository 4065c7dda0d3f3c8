//! An instrument over a station's log: it gives each reading once, when its time has come.

use std::sync::Arc;

use cairn_primitives::TimeMs;

use super::{Reading, Station};

/// Replays the readings of one station.
#[derive(Clone, Debug)]
pub struct Instrument {
    readings: Arc<[Reading]>,
    next: usize,
}

impl Instrument {
    /// The instrument of `station`, at its first reading.
    #[must_use]
    pub fn new(station: &Station) -> Self {
        Self { readings: station.readings.clone(), next: 0 }
    }

    /// Goes on after `time`: what was measured until then is in the spool, or from before the device served.
    pub fn skip_through(&mut self, time: TimeMs) {
        let after = self.readings.partition_point(|reading| reading.time <= time);
        self.next = self.next.max(after);
    }

    /// When the next reading is due; `None` when the log has ended.
    #[must_use]
    pub fn next_time(&self) -> Option<TimeMs> {
        self.readings.get(self.next).map(|reading| reading.time)
    }

    /// What is due at `now`, in order, at most `limit`.
    pub fn take_due(&mut self, now: TimeMs, limit: usize) -> Vec<Reading> {
        let due = self.readings.partition_point(|reading| reading.time <= now);
        let end = due.clamp(self.next, self.next.saturating_add(limit));
        let taken = self.readings[self.next..end].to_vec();
        self.next = end;
        taken
    }
}
