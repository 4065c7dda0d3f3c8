//! What was refused, by number: counted for everybody, remembered per device for `cairn why`.
//!
//! Only refusals that the device's own signature stands behind are written to its name. Anyone can send garbage that
//! names somebody else's device; that costs the sender a request and the device nothing.

use std::collections::{BTreeMap, VecDeque};

use cairn_primitives::{DeviceId, Digest, Epoch, TimeMs};
use cairn_sectors::Rejection;
use serde::Serialize;

use super::params::{REJECTED_DEVICES_MAX, REJECTIONS_KEPT};

/// A refused batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// When, in network time.
    pub time: TimeMs,
    /// The open epoch.
    pub epoch: Epoch,
    /// The batch.
    pub leaf: Digest,
    /// Why.
    pub rejection: Rejection,
}

/// The refusals of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceRejections {
    /// How many, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// The last ones, the newest last.
    pub last: VecDeque<Refused>,
}

/// All refusals since the ingest started.
#[derive(Clone, Debug, Default)]
pub struct Rejections {
    totals: BTreeMap<Rejection, u64>,
    devices: BTreeMap<DeviceId, DeviceRejections>,
    /// Devices by the time of their last refusal, to forget the oldest.
    recent: BTreeMap<u64, DeviceId>,
    stamps: BTreeMap<DeviceId, u64>,
    next_stamp: u64,
}

impl Rejections {
    /// Counts a refusal; `device` only when its signature was checked.
    pub fn record(&mut self, device: Option<DeviceId>, refused: Refused) {
        *self.totals.entry(refused.rejection).or_default() += 1;
        let Some(device) = device else { return };
        if let Some(stamp) = self.stamps.insert(device, self.next_stamp) {
            self.recent.remove(&stamp);
        }
        self.recent.insert(self.next_stamp, device);
        self.next_stamp += 1;
        let entry = self.devices.entry(device).or_default();
        *entry.counts.entry(refused.rejection.name()).or_default() += 1;
        entry.last.push_back(refused);
        if entry.last.len() > REJECTIONS_KEPT {
            entry.last.pop_front();
        }
        if self.devices.len() > REJECTED_DEVICES_MAX
            && let Some((_, oldest)) = self.recent.pop_first()
        {
            self.devices.remove(&oldest);
            self.stamps.remove(&oldest);
        }
    }

    /// How many, by name.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<&'static str, u64> {
        self.totals.iter().map(|(rejection, count)| (rejection.name(), *count)).collect()
    }

    /// Refusals of one device.
    #[must_use]
    pub fn of(&self, device: DeviceId) -> Option<&DeviceRejections> {
        self.devices.get(&device)
    }

    /// Whether the signature was checked before this rejection was found, so that it is the device's own doing.
    #[must_use]
    pub fn is_signed(rejection: Rejection) -> bool {
        rejection.code() > Rejection::BadSignature.code()
    }
}
