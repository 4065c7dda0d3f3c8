//! The samples of the epochs before the one that is scored, per device.

use std::collections::{BTreeMap, VecDeque};

use cairn_primitives::{DeviceId, Epoch};

use super::{Sample, params::HISTORY_EPOCHS};

/// The samples of one device, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    samples: VecDeque<(Epoch, Sample)>,
}

/// The samples of all devices in the last `HISTORY_EPOCHS` epochs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    series: BTreeMap<DeviceId, Series>,
}

impl Series {
    /// The sample of `epoch`, if the device delivered one.
    #[must_use]
    pub fn get(&self, epoch: Epoch) -> Option<&Sample> {
        self.samples.binary_search_by_key(&epoch, |(at, _)| *at).ok().map(|i| &self.samples[i].1)
    }

    /// All samples, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Epoch, &Sample)> {
        self.samples.iter().map(|(epoch, sample)| (*epoch, sample))
    }
}

impl History {
    /// No history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the sample of a device's epoch. Epochs of a device must come in rising order; another order is ignored,
    /// since an epoch is scored once.
    pub fn push(&mut self, epoch: Epoch, device: DeviceId, sample: Sample) {
        let series = self.series.entry(device).or_default();
        if series.samples.back().is_none_or(|(last, _)| *last < epoch) {
            series.samples.push_back((epoch, sample));
        }
    }

    /// Forgets what scoring `epoch` does not look at. Call it once before each epoch.
    pub fn begin(&mut self, epoch: Epoch) {
        let oldest = epoch.back(HISTORY_EPOCHS);
        self.series.retain(|_, series| {
            while series.samples.front().is_some_and(|(at, _)| *at < oldest) {
                series.samples.pop_front();
            }
            !series.samples.is_empty()
        });
    }

    /// The samples of a device.
    #[must_use]
    pub fn get(&self, device: DeviceId) -> Option<&Series> {
        self.series.get(&device)
    }
}
