//! What the ledger says, kept fresh beside the ingest: the registry and the roots that anchors may name.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cairn_client::{BlockTag, ClientError, LedgerRead, Reads as _};
use cairn_kit::{Shutdown, clock::NetworkClock, http::Readiness};
use cairn_primitives::{DeviceId, Digest, Epoch, EpochSchedule, Sector};
use cairn_sectors::{ANCHOR_WINDOW_EPOCHS, DeviceRecord, EpochContext};
use tokio::sync::watch;

use super::View;

/// Pause between two looks at the ledger.
const POLL: Duration = Duration::from_millis(200);

/// The ledger as the ingest last saw it.
#[derive(Clone, Debug)]
pub struct Facts {
    schedule: EpochSchedule,
    anchors: BTreeMap<Epoch, [u8; 8]>,
    devices: Arc<BTreeMap<DeviceId, DeviceRecord>>,
}

impl Facts {
    /// Before anything was read: no device, and the genesis hash as the only anchor.
    #[must_use]
    pub fn new(schedule: EpochSchedule, genesis: Digest) -> Self {
        Self {
            schedule,
            anchors: BTreeMap::from([(Epoch(0), genesis.prefix())]),
            devices: Arc::default(),
        }
    }

    /// Whether a device is registered.
    #[must_use]
    pub fn knows(&self, device: DeviceId) -> bool {
        self.devices.contains_key(&device)
    }

    /// What batches of `epoch` are checked against.
    #[must_use]
    pub fn view(&self, epoch: Epoch) -> View {
        let context =
            EpochContext { epoch, schedule: self.schedule, anchors: self.anchors.clone() };
        View { context, devices: self.devices.clone() }
    }
}

/// Where the reader stands.
#[derive(Default)]
struct Seen {
    block: Option<u64>,
    epoch: Option<Epoch>,
    devices: usize,
}

/// Reads the ledger until `shutdown`. A node that does not answer makes the ingest not ready, nothing more: it goes on
/// with what it knew.
pub(super) async fn follow<L: LedgerRead>(
    ledger: L,
    sector: Sector,
    clock: NetworkClock,
    facts: watch::Sender<Arc<Facts>>,
    readiness: Readiness,
    shutdown: Shutdown,
) {
    let mut seen = Seen::default();
    while !shutdown.is_requested() {
        match refresh(&ledger, sector, &clock, &facts, &mut seen).await {
            Ok(()) => readiness.set_ready(),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the ledger cannot be read"
                );
                readiness.set_waiting("the ledger cannot be read");
            }
        }
        shutdown.until(tokio::time::sleep(POLL)).await;
    }
}

async fn refresh<L: LedgerRead>(
    ledger: &L,
    sector: Sector,
    clock: &NetworkClock,
    facts: &watch::Sender<Arc<Facts>>,
    seen: &mut Seen,
) -> Result<(), ClientError> {
    let head = ledger.latest().await?;
    let mut next = Facts::clone(&facts.borrow());
    let epoch = next.schedule.epoch_at(cairn_primitives::TimeMs(clock.now_ms()));
    if seen.block == Some(head.number) && seen.epoch == Some(epoch) {
        return Ok(());
    }
    let mut changed = false;
    let last_final = ledger.next_epoch(sector, BlockTag::Latest).await?;
    let known = next.anchors.last_key_value().map_or(Epoch(0), |(epoch, _)| *epoch);
    // The anchor of epoch k is the reward root of k − 1, which is there once `next_epoch` is k.
    let mut anchor = known.next().max(last_final.back(ANCHOR_WINDOW_EPOCHS + 1)).max(Epoch(1));
    while anchor <= last_final {
        let root = ledger.reward_root(anchor.back(1), sector, BlockTag::Latest).await?;
        next.anchors.insert(anchor, root.prefix());
        anchor = anchor.next();
        changed = true;
    }
    let oldest = last_final.back(2 * ANCHOR_WINDOW_EPOCHS);
    next.anchors.retain(|epoch, _| *epoch >= oldest);
    // New devices show in the count; who left or was slashed is noticed once an epoch, which is soon enough: validators
    // judge by the ledger anyway.
    let count = ledger.view(
        cairn_primitives::abi::REGISTRY,
        cairn_primitives::abi::IRegistry::countCall {},
        BlockTag::Latest,
    );
    let count = usize::try_from(count.await?).unwrap_or(usize::MAX);
    if count != seen.devices || seen.epoch != Some(epoch) {
        let devices = ledger.devices(BlockTag::Latest).await?;
        seen.devices = devices.len();
        let ours = devices
            .into_iter()
            .map(|device| device.record)
            .filter(|record| record.sector == sector);
        next.devices = Arc::new(ours.map(|record| (record.id, record)).collect());
        changed = true;
    }
    if changed {
        facts.send_replace(Arc::new(next));
    }
    seen.block = Some(head.number);
    seen.epoch = Some(epoch);
    Ok(())
}
