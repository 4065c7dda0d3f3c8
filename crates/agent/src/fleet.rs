//! All devices of one process, as a supervisor sees them: it holds the replay clock until the slowest has delivered.

use cairn_primitives::Epoch;

use crate::DeviceHandle;

/// Devices in order of registration.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// The devices.
    pub devices: Vec<DeviceHandle>,
}

impl Fleet {
    /// The first epoch that is not settled by every device; `Epoch(u64::MAX)` when all logs have ended.
    #[must_use]
    pub fn open(&self) -> Epoch {
        self.devices.iter().map(|device| device.state().open).min().unwrap_or(Epoch(u64::MAX))
    }

    /// Waits until every reading of every device up to the end of `epoch` has a receipt or a rejection. Returns `false` when
    /// a device stopped before.
    pub async fn acked_through(&self, epoch: Epoch) -> bool {
        for device in &self.devices {
            if !device.acked_through(epoch).await {
                return false;
            }
        }
        true
    }
}
