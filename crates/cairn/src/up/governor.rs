//! How far a replay's clock may go: the pure half of ADR 9.
//!
//! A replay runs months in minutes, so a stall of half a second would move a reading or a settlement into another epoch
//! and two runs of one file would differ. The supervisor therefore gathers [`Facts`] and never lets the network clock
//! pass [`limit`]. Every wait is bounded by the caller; when it runs out, the clock goes on.

use cairn_primitives::{Epoch, EpochSchedule, TimeMs};

/// How far each part has come. "Through n" counts epochs: 0 means none, 1 means epoch 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The fleet is registered, offered and funded.
    pub ready: bool,
    /// Epochs of which every reading of every device is acknowledged by the ingest.
    pub acknowledged: u64,
    /// Epochs whose batches every ingest has committed.
    pub committed: u64,
    /// Epochs whose set of included files is frozen.
    pub frozen: u64,
    /// Final epochs.
    pub finalised: u64,
    /// Epochs in which the consumer's purchase is settled; the first epoch has nothing to sell.
    pub purchased: u64,
}

/// The windows of genesis that a stall must not let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Where epochs begin and end.
    pub schedule: EpochSchedule,
    /// Network ms after an epoch's end in which ingests commit.
    pub commit_ms: u64,
    /// Network ms after the commit window in which validators attest.
    pub attest_ms: u64,
}

/// The last network millisecond the clock may show, given what has been done, when it now shows `now`.
pub fn limit(windows: &Windows, facts: &Facts, now: TimeMs) -> TimeMs {
    let schedule = &windows.schedule;
    if !facts.ready {
        return schedule.start;
    }
    let current = schedule.epoch_at(now);
    let mut limit = last_ms_of(schedule, current);
    if let Some(before) = current.previous() {
        let ended = schedule.end_of(before).0;
        let done = before.0 + 1;
        if facts.committed < done {
            limit = limit.min(ended + windows.commit_ms - 1);
        } else if facts.frozen < done {
            limit = limit.min(ended + windows.commit_ms + windows.attest_ms - 1);
        }
    }
    let may_end = facts.acknowledged > current.0
        && facts.finalised >= current.0
        && (current.0 == 0 || facts.purchased > current.0);
    if may_end {
        let next = current.next();
        limit = (schedule.start_of(next).0 + windows.commit_ms - 1).min(last_ms_of(schedule, next));
    }
    TimeMs(limit.max(now.0))
}

fn last_ms_of(schedule: &EpochSchedule, epoch: Epoch) -> u64 {
    schedule.end_of(epoch).0 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const MIN: u64 = 60_000;

    fn windows() -> Windows {
        let schedule = EpochSchedule { start: TimeMs(0), epoch_ms: HOUR };
        Windows { schedule, commit_ms: 20 * MIN, attest_ms: 20 * MIN }
    }

    fn facts(
        acknowledged: u64,
        committed: u64,
        frozen: u64,
        finalised: u64,
        purchased: u64,
    ) -> Facts {
        Facts { ready: true, acknowledged, committed, frozen, finalised, purchased }
    }

    #[test]
    fn the_clock_waits_for_the_slowest_part() {
        let cases = [
            ("nobody is registered", Facts::default(), 0, 0),
            (
                "epoch 0 lasts until its readings are acknowledged",
                facts(0, 0, 0, 0, 0),
                5,
                HOUR - 1,
            ),
            (
                "then epoch 1 begins, up to the commit window",
                facts(1, 0, 0, 0, 0),
                5,
                HOUR + 20 * MIN - 1,
            ),
            (
                "no commitment: the window stays open",
                facts(1, 0, 0, 0, 0),
                HOUR + 5,
                HOUR + 20 * MIN - 1,
            ),
            (
                "committed: up to the attest window",
                facts(1, 1, 0, 0, 0),
                HOUR + 5,
                HOUR + 40 * MIN - 1,
            ),
            ("frozen: the rest of the epoch", facts(1, 1, 1, 0, 0), HOUR + 5, 2 * HOUR - 1),
            ("not final: epoch 1 does not end", facts(2, 1, 1, 0, 2), HOUR + 5, 2 * HOUR - 1),
            ("not purchased: epoch 1 does not end", facts(2, 1, 1, 1, 1), HOUR + 5, 2 * HOUR - 1),
            (
                "all done: epoch 2 may begin",
                facts(2, 1, 1, 1, 2),
                HOUR + 5,
                2 * HOUR + 20 * MIN - 1,
            ),
        ];
        for (what, facts, now, expected) in cases {
            assert_eq!(limit(&windows(), &facts, TimeMs(now)), TimeMs(expected), "{what}");
        }
    }

    #[test]
    fn it_never_goes_back() {
        let at = TimeMs(3 * HOUR + 30 * MIN);
        assert!(limit(&windows(), &facts(0, 0, 0, 0, 0), at) >= at);
    }
}
