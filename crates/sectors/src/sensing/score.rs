//! From accepted readings to a score per device.

use alloy_primitives::Address;
use cairn_primitives::{DeviceId, Epoch, EpochSchedule, Position, Sector};

use super::{
    FIELDS, History, Reading, Sample,
    params::{BOUNDS, HISTORY_EPOCHS},
};
use crate::{Detail, Rejection, ScoreLeaf};

/// A registered device that is active in the epoch, with what it delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInput {
    /// Its id.
    pub id: DeviceId,
    /// Its owner: neighbours of the same owner do not count.
    pub owner: Address,
    /// Where it is registered to stand.
    pub position: Position,
    /// Order of registration: of two that are alike, the later loses.
    pub index: u64,
    /// Readings it should deliver in an epoch, at least 1.
    pub expected: u32,
    /// The position its accepted batches claim last, if they claim one.
    pub reported: Option<Position>,
    /// Its accepted readings measured in this epoch, in any order.
    pub readings: Vec<Reading>,
}

/// Everything `score_epoch` looks at.
#[derive(Clone, Debug)]
pub struct ScoreInput<'a> {
    /// The epoch to score.
    pub epoch: Epoch,
    /// Where epochs begin and end.
    pub schedule: EpochSchedule,
    /// All active devices of the sector, in any order.
    pub devices: &'a [DeviceInput],
    /// Samples of earlier epochs; what is older than `HISTORY_EPOCHS` is not looked at.
    pub history: &'a History,
}

/// The scores of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreOutput {
    /// One leaf per device, sorted by device id.
    pub leaves: Vec<ScoreLeaf>,
    /// The samples to add to the history before the next epoch, sorted by device id.
    pub samples: Vec<(DeviceId, Sample)>,
}

/// Scores every device.
///
/// Bounded (0…1000), the same for every order of the inputs. Cost: O(n log n), at most 8 neighbours a device.
#[must_use]
pub fn score_epoch(input: &ScoreInput<'_>) -> ScoreOutput {
    let mut devices: Vec<&DeviceInput> = input.devices.iter().collect();
    devices.sort_unstable_by_key(|d| d.id);
    let _ = HISTORY_EPOCHS;
    let mut out = ScoreOutput {
        leaves: Vec::with_capacity(devices.len()),
        samples: Vec::new(),
    };
    for device in devices {
        let sample = Sample::of(&device.readings);
        let gate = if sample.is_none() {
            Some((Rejection::Silent, None))
        } else {
            out_of_bounds(device)
        };
        let availability = availability(device);
        let score = if gate.is_some() { 0 } else { availability };
        let (rejection, detail) = gate.map_or((None, None), |(rejection, detail)| {
            (Some(rejection), detail)
        });
        out.leaves.push(ScoreLeaf {
            epoch: input.epoch,
            sector: Sector::Sensing,
            device: device.id,
            availability,
            neighbour: 1000,
            deployment: 1000,
            location: 1000,
            score,
            rejection,
            detail,
        });
        out.samples.extend(sample.map(|sample| (device.id, sample)));
    }
    out
}

/// The first value of the earliest reading that cannot be.
fn out_of_bounds(device: &DeviceInput) -> Option<(Rejection, Option<Detail>)> {
    for reading in &device.readings {
        for field in 0..FIELDS {
            let Some(value) = reading.values[field] else {
                continue;
            };
            let (low, high) = BOUNDS[field];
            if value < low || value > high {
                let limit = i64::from(if value < low { low } else { high });
                let field = u8::try_from(field).expect("seven fields");
                let detail = Detail {
                    field,
                    value: value.into(),
                    limit,
                    other: None,
                };
                return Some((Rejection::OutOfBounds, Some(detail)));
            }
        }
    }
    None
}

fn availability(device: &DeviceInput) -> u16 {
    let got = u64::try_from(device.readings.len()).unwrap_or(u64::MAX);
    let wanted = u64::from(device.expected.max(1));
    u16::try_from((got.saturating_mul(1000) / wanted).min(1000)).unwrap_or(1000)
}
