//! What a station signs, reduced to what is scored: readings of one epoch, and one sample a device and epoch.

use cairn_primitives::{Batch, Epoch, EpochSchedule, TimeMs, WEATHER};

use super::params::BOUNDS;

/// Number of fields of the weather schema.
pub const FIELDS: usize = WEATHER.fields.len();

/// Fields by name.
pub const TEMPERATURE: usize = 0;
/// Relative humidity.
pub const HUMIDITY: usize = 1;
/// Wind speed.
pub const WIND_SPEED: usize = 2;
/// Wind direction.
pub const WIND_DIR: usize = 3;
/// Air pressure.
pub const PRESSURE: usize = 4;
/// Rain.
pub const RAIN: usize = 5;
/// Solar irradiance.
pub const IRRADIANCE: usize = 6;

/// One accepted row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// When it was measured.
    pub time: TimeMs,
    /// Scaled integers of the weather schema.
    pub values: [Option<i32>; FIELDS],
}

/// The rows of an accepted batch that were measured in `epoch`. Rows of earlier epochs arrived too late to be scored.
#[must_use]
pub fn readings_of(batch: &Batch, epoch: Epoch, schedule: &EpochSchedule) -> Vec<Reading> {
    if batch.schema != WEATHER.id {
        return Vec::new();
    }
    (0..batch.rows.len())
        .filter(|i| {
            batch.time_of(*i) >= schedule.start_of(epoch)
                && batch.time_of(*i) < schedule.end_of(epoch)
        })
        .map(|i| {
            let mut values = [None; FIELDS];
            values.copy_from_slice(batch.rows.row(i, FIELDS));
            Reading { time: batch.time_of(i), values }
        })
        .collect()
}

fn is_possible(field: usize, value: i32) -> bool {
    let (low, high) = BOUNDS[field];
    (low..=high).contains(&value)
}

/// One device's epoch: the lower median of each field over its possible values, rain summed. 32 bytes, so that 48 epochs of
/// 100,000 devices fit in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    present: u8,
    values: [i32; FIELDS],
}

impl Sample {
    /// The sample of `readings`; `None` when there are none.
    #[must_use]
    pub fn of(readings: &[Reading]) -> Option<Self> {
        if readings.is_empty() {
            return None;
        }
        let mut fields = [None; FIELDS];
        for (field, slot) in fields.iter_mut().enumerate() {
            let mut values: Vec<i32> = readings
                .iter()
                .filter_map(|r| r.values[field].filter(|v| is_possible(field, *v)))
                .collect();
            if values.is_empty() {
                continue;
            }
            *slot = Some(if field == RAIN {
                values.iter().fold(0, |sum: i32, value| sum.saturating_add(*value))
            } else {
                values.sort_unstable();
                values[(values.len() - 1) / 2]
            });
        }
        Some(Self::from_values(fields))
    }

    /// A sample with these values.
    #[must_use]
    pub fn from_values(fields: [Option<i32>; FIELDS]) -> Self {
        let mut sample = Self::default();
        for (field, value) in fields.into_iter().enumerate() {
            if let Some(value) = value {
                sample.present |= 1 << field;
                sample.values[field] = value;
            }
        }
        sample
    }

    /// The value of a field, if it was measured.
    #[must_use]
    pub const fn get(&self, field: usize) -> Option<i32> {
        if self.present & (1 << field) == 0 { None } else { Some(self.values[field]) }
    }
}
