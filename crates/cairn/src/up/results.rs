//! What final epochs brought, added up per device: the source of the events and of the last line of `up --json`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cairn_economy::Reward;
use cairn_primitives::{DeviceId, Epoch, MicroUsd, Stones};
use cairn_sectors::{ScoreLeaf, VerdictLeaf};

/// Sums of one device over all final epochs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceResult {
    /// Epochs in which it was scored.
    pub epochs: u64,
    /// Sum of its scores.
    pub score_sum: u64,
    /// Earned from consumers, after fees.
    pub earned: MicroUsd,
    /// Subsidy.
    pub subsidy: MicroUsd,
    /// Hours and batches that were refused, by reason.
    pub rejections: BTreeMap<&'static str, u64>,
}

/// One final epoch in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochResult {
    /// Devices with a score above 0.
    pub accepted: u64,
    /// All devices.
    pub devices: u64,
    /// Sum of all scores.
    pub score_sum: u64,
    /// Earned, in micro-dollars and stones.
    pub earned: (MicroUsd, Stones),
    /// Subsidy, in micro-dollars and stones.
    pub subsidy: (MicroUsd, Stones),
}

#[derive(Default)]
struct Inner {
    finalised: u64,
    devices: BTreeMap<DeviceId, DeviceResult>,
    epochs: BTreeMap<Epoch, EpochResult>,
}

/// Shared between the supervisor, which adds, and the consumer, which reads.
#[derive(Default)]
pub struct Results(Mutex<Inner>);

impl Results {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of final epochs added so far.
    pub fn finalised(&self) -> u64 {
        self.lock().finalised
    }

    /// Devices of a final epoch with a score above 0; 0 when the epoch was not added.
    pub fn accepted_devices(&self, epoch: Epoch) -> u64 {
        self.lock().epochs.get(&epoch).map_or(0, |epoch| epoch.accepted)
    }

    /// The sums of a device.
    pub fn device(&self, id: DeviceId) -> DeviceResult {
        self.lock().devices.get(&id).cloned().unwrap_or_default()
    }

    /// Adds the next final epoch.
    pub fn add(
        &self,
        epoch: Epoch,
        verdicts: &[VerdictLeaf],
        scores: &[ScoreLeaf],
        rewards: &[Reward],
    ) -> EpochResult {
        let mut inner = self.lock();
        let mut sum = EpochResult { devices: scores.len() as u64, ..EpochResult::default() };
        for verdict in verdicts {
            if let Some(reason) = verdict.rejection {
                *inner
                    .devices
                    .entry(verdict.device)
                    .or_default()
                    .rejections
                    .entry(reason.name())
                    .or_default() += 1;
            }
        }
        for leaf in scores {
            let device = inner.devices.entry(leaf.device).or_default();
            device.epochs += 1;
            device.score_sum += u64::from(leaf.score);
            if let Some(reason) = leaf.rejection {
                *device.rejections.entry(reason.name()).or_default() += 1;
            }
            sum.accepted += u64::from(leaf.score > 0);
            sum.score_sum += u64::from(leaf.score);
        }
        for reward in rewards {
            let device = inner.devices.entry(reward.device).or_default();
            device.earned.0 += reward.earned.0;
            device.subsidy.0 += reward.subsidy.0;
            sum.earned.0.0 += reward.earned.0;
            sum.earned.1.0 += reward.earned_stones.0;
            sum.subsidy.0.0 += reward.subsidy.0;
            sum.subsidy.1.0 += reward.subsidy_stones.0;
        }
        inner.epochs.insert(epoch, sum);
        inner.finalised = epoch.0 + 1;
        sum
    }
}
