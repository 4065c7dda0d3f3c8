//! What a cheating station does instead of measuring. Each is one of the attacks that docs/sectors/sensing.md answers.

use std::sync::Arc;

use cairn_agent::sensing::{Reading, Station};
use cairn_primitives::{Digest, TimeMs, WEATHER};

/// Temperature's place in the weather schema.
const TEMPERATURE: usize = 0;
/// How far back-dated readings lie before their epoch: a day beyond what a spool may keep.
pub(super) const BACK_DATED_MS: u64 = 8 * 86_400_000;

/// A way to be paid without measuring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cheat {
    /// Shows exactly what another station shows.
    Copy {
        /// That station's number in the log.
        of: usize,
    },
    /// Shows what another station shows, each value moved a little.
    NoisyCopy {
        /// That station's number in the log.
        of: usize,
        /// Most that a value is moved, in its scaled unit.
        width: u16,
    },
    /// Repeats for ever what it showed last.
    Frozen,
    /// Shows what was true some hours ago.
    Shifted {
        /// How many.
        hours: u16,
    },
    /// Shows a temperature that is wrong by a constant.
    Offset {
        /// By how much, in 0.01 K.
        centikelvin: i32,
    },
    /// Delivers nothing.
    Silent,
    /// Sends its last honest envelope again and again.
    Replay,
    /// Signs two stories for the same sequence numbers.
    Equivocation,
    /// Signs readings that are older than a spool may keep.
    BackDated,
    /// Signs with a key that is not the registered one.
    WrongKey,
}

impl Cheat {
    /// What station `number` of `stations` shows when it cheats from `from` on.
    #[must_use]
    pub fn readings(self, stations: &[Station], number: usize, from: TimeMs) -> Arc<[Reading]> {
        let own = &stations[number];
        let honest = own.readings.iter().take_while(|reading| reading.time < from);
        let after = |readings: &[Reading]| -> Vec<Reading> {
            readings.iter().copied().filter(|reading| reading.time >= from).collect()
        };
        let shown: Vec<Reading> = match self {
            Self::Silent => Vec::new(),
            Self::Copy { of } => after(&stations[of].readings),
            Self::NoisyCopy { of, width } => after(&stations[of].readings)
                .into_iter()
                .map(|reading| blur(&own.name, reading, i64::from(width)))
                .collect(),
            Self::Frozen => frozen(own, from),
            Self::Shifted { hours } => shifted(own, from, u64::from(hours) * 3_600_000),
            Self::Offset { centikelvin } => after(&own.readings)
                .into_iter()
                .map(|mut reading| {
                    let shown = reading.values[TEMPERATURE].as_mut();
                    if let Some(value) = shown {
                        *value = value.saturating_add(centikelvin);
                    }
                    reading
                })
                .collect(),
            Self::Replay | Self::Equivocation | Self::BackDated | Self::WrongKey => {
                after(&own.readings)
            }
        };
        honest.copied().chain(shown).collect()
    }
}

/// Each value but the wind's direction moved by up to `width`, within what it can be; seeded by station, time and field.
fn blur(name: &str, mut reading: Reading, width: i64) -> Reading {
    for (value, field) in reading.values.iter_mut().zip(WEATHER.fields) {
        let (least, most) = match field.name {
            "wind_dir_deg" => continue,
            "temperature_c" => (i64::from(i32::MIN), i64::from(i32::MAX)),
            "humidity_pct" => (0, 10_000),
            _ => (0, i64::from(i32::MAX)),
        };
        let Some(shown) = *value else { continue };
        let seed = format!("{name}|{}|{}", reading.time.0, field.name);
        let hash = Digest::of(&[seed.as_bytes()]).0;
        let step = i64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]));
        let moved = i64::from(shown) + step % (2 * width + 1) - width;
        *value = i32::try_from(moved.clamp(least, most)).ok();
    }
    reading
}

fn frozen(own: &Station, from: TimeMs) -> Vec<Reading> {
    let split = own.readings.partition_point(|reading| reading.time < from);
    let Some(stuck) = own.readings.get(split.saturating_sub(1)) else { return Vec::new() };
    own.readings[split..]
        .iter()
        .map(|reading| Reading { values: stuck.values, ..*reading })
        .collect()
}

fn shifted(own: &Station, from: TimeMs, by_ms: u64) -> Vec<Reading> {
    own.readings
        .iter()
        .map(|reading| Reading { time: TimeMs(reading.time.0 + by_ms), ..*reading })
        .filter(|reading| reading.time >= from)
        .collect()
}
