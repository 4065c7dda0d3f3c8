//! A device's agent: measure, sign, spool, deliver. Two loops in one task, joined by the spool on disk.
//!
//! ```text
//! measuring:  clock ─► instrument ─► spool.append ─► cut ─► sign (anchor) ─► spool.seal ─┐ wake
//! delivering: ◄───────────────────────────────────────────────────────────────────────────┘ courier ─► spool
//! ```
//! Batches are cut by epochs, not by how fast this machine happens to be: a batch holds the readings of one epoch (up to 64).
//! So two runs of one replay sign the same bytes. Only a device that is more than an epoch behind packs 64 readings whatever
//! their epochs.

use std::{ops::Range, sync::Arc};

use cairn_client::ClientError;
use cairn_kit::{NetworkClock, Shutdown};
use cairn_primitives::{
    Batch, DeviceId, Envelope, Epoch, EpochSchedule, KeyError, Position, Rows, Schema, SecretKey,
    Stream, TimeMs, WEATHER,
};
use serde::Serialize;
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    Anchors, Counts, Row, Spool, SpoolError,
    deliver::Courier,
    sensing::{Instrument, Station},
};

mod delivery;

/// Most readings in a batch.
pub const BATCH_ROWS: usize = 64;
/// Readings taken from the instrument at once, and rows looked at when cutting.
const CHUNK: usize = 1_024;
/// Disk tasks of a device at one time.
const DISK_TASKS: u16 = 4;
/// Schema of what is measured.
const SCHEMA: &Schema = &WEATHER;

/// What makes a device.
#[derive(Debug)]
pub struct DeviceConfig {
    /// Its key.
    pub key: SecretKey,
    /// Its series.
    pub stream: Stream,
    /// Name of its station, for people.
    pub station: String,
    /// Label of its owner.
    pub owner: String,
    /// Where it stands.
    pub position: Position,
    /// Epochs of the network.
    pub schedule: EpochSchedule,
    /// EIP-155 chain id, as receipts name it.
    pub chain_id: u64,
    /// Receipt keys of the ingests in genesis.
    pub ingests: Vec<[u8; 32]>,
    /// First epoch in which its evidence counts: readings from before are not taken.
    pub serves_from: Epoch,
}

impl DeviceConfig {
    /// The id that its key proves.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId::of(&self.key.public())
    }
}

/// Why a device stopped. What can be waited out (network, ingest, ledger) is not here: the device waits.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The disk.
    #[error("the device cannot keep its readings")]
    Spool(#[from] SpoolError),
    /// The key.
    #[error("the device cannot sign")]
    Key(#[from] KeyError),
    /// The ledger refused the question for an anchor for good.
    #[error("the device gets no anchor")]
    Anchor(#[from] ClientError),
    /// The runtime is going down.
    #[error("a disk task was cancelled")]
    Cancelled(#[from] tokio::task::JoinError),
}

/// How a device stands, for a status page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceState {
    /// First epoch that is not settled: every reading of earlier ones has a receipt, a rejection, or was dropped.
    pub open: Epoch,
    /// Counts of the spool.
    pub counts: Counts,
}

/// What others see of a running device; clones see the same.
#[derive(Clone, Debug)]
pub struct DeviceHandle {
    /// Its id.
    pub id: DeviceId,
    /// Name of its station.
    pub station: String,
    /// Label of its owner.
    pub owner: String,
    /// Where it stands.
    pub position: Position,
    spool: Arc<Spool>,
    state: watch::Receiver<DeviceState>,
}

impl DeviceHandle {
    /// How it stands now.
    #[must_use]
    pub fn state(&self) -> DeviceState {
        *self.state.borrow()
    }

    /// Its spool: receipts and rejections are read from there.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Waits until every reading up to the end of `epoch` is settled. Returns `false` when the device stopped before.
    pub async fn acked_through(&self, epoch: Epoch) -> bool {
        let mut state = self.state.clone();
        state.wait_for(|state| state.open > epoch).await.is_ok()
    }
}

/// A device, ready to run.
pub struct Device<A> {
    config: DeviceConfig,
    clock: NetworkClock,
    anchors: A,
    courier: Courier,
    instrument: Instrument,
    spool: Arc<Spool>,
    state: watch::Sender<DeviceState>,
    sealed: Notify,
    settled: Notify,
}

impl<A: Anchors> Device<A> {
    /// The device at `station`, which goes on where `spool` ends.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn new(
        config: DeviceConfig,
        station: &Station,
        clock: NetworkClock,
        anchors: A,
        courier: Courier,
        spool: Spool,
    ) -> Result<(Self, DeviceHandle), SpoolError> {
        let mut instrument = Instrument::new(station);
        if let Some(before) = config.schedule.start_of(config.serves_from).0.checked_sub(1) {
            instrument.skip_through(TimeMs(before));
        }
        if let Some(last) = spool.last_time()? {
            instrument.skip_through(last);
        }
        let spool = Arc::new(spool);
        let (state, receiver) = watch::channel(DeviceState::default());
        let handle = DeviceHandle {
            id: config.id(),
            station: config.station.clone(),
            owner: config.owner.clone(),
            position: config.position,
            spool: spool.clone(),
            state: receiver,
        };
        let (sealed, settled) = (Notify::new(), Notify::new());
        let device =
            Self { config, clock, anchors, courier, instrument, spool, state, sealed, settled };
        device.publish(device.instrument.next_time())?;
        Ok((device, handle))
    }

    /// Runs until `shutdown`; what is not delivered then stays in the spool.
    ///
    /// # Errors
    /// When the device cannot go on: disk or key.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), DeviceError> {
        let Self {
            config,
            clock,
            anchors,
            mut courier,
            mut instrument,
            spool,
            state,
            sealed,
            settled,
        } = self;
        let next = watch::Sender::new(instrument.next_time());
        let disk = Arc::new(Semaphore::new(DISK_TASKS.into()));
        let shared = Shared { config, clock, spool, disk, state, sealed, settled, next };
        let work = async {
            tokio::try_join!(
                shared.measure(&mut instrument, &anchors),
                delivery::run(&shared, &mut courier),
                shared.report(),
            )
        };
        let ended = shutdown.until(work).await;
        // Disk work cannot be cancelled: when `run` returns, nobody touches the spool any more.
        drop(shared.disk.acquire_many(DISK_TASKS.into()).await);
        ended.map_or(Ok(()), |ended| ended.map(|_: ((), (), ())| ()))
    }

    fn publish(&self, next: Option<TimeMs>) -> Result<(), SpoolError> {
        publish(&self.spool, &self.config.schedule, next, &self.state)
    }
}

/// Recomputes the state that others see.
fn publish(
    spool: &Spool,
    schedule: &EpochSchedule,
    next: Option<TimeMs>,
    state: &watch::Sender<DeviceState>,
) -> Result<(), SpoolError> {
    let first = [spool.oldest_outstanding()?, next].into_iter().flatten().min();
    let open = first.map_or(Epoch(u64::MAX), |time| schedule.epoch_at(time));
    let counts = spool.counts()?;
    state.send_if_modified(|state| {
        let now = DeviceState { open, counts };
        std::mem::replace(state, now) != now
    });
    Ok(())
}

/// What the loops of a device share.
struct Shared {
    config: DeviceConfig,
    clock: NetworkClock,
    spool: Arc<Spool>,
    /// One permit for each disk task under way.
    disk: Arc<Semaphore>,
    state: watch::Sender<DeviceState>,
    /// A batch was sealed.
    sealed: Notify,
    /// A reading was taken, or a batch settled.
    settled: Notify,
    /// When the next reading is due.
    next: watch::Sender<Option<TimeMs>>,
}

impl Shared {
    /// Runs disk work where it may block.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Spool) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, DeviceError> {
        let permit =
            self.disk.clone().acquire_owned().await.expect("the semaphore is never closed");
        let spool = self.spool.clone();
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&spool);
            // The spool is let go before the permit: who has all permits may open it again.
            drop(spool);
            drop(permit);
            result
        });
        Ok(task.await??)
    }

    /// Takes readings when they are due, and signs what is complete.
    async fn measure(
        &self,
        instrument: &mut Instrument,
        anchors: &impl Anchors,
    ) -> Result<(), DeviceError> {
        loop {
            loop {
                let due = instrument.take_due(TimeMs(self.clock.now_ms()), CHUNK);
                if due.is_empty() {
                    break;
                }
                self.on_disk(move |spool| spool.append(&due)).await?;
            }
            self.next.send_replace(instrument.next_time());
            while self.sign(instrument.next_time(), anchors).await? {}
            self.settled.notify_one();
            match instrument.next_time() {
                Some(time) => self.clock.sleep_until(time.0).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Signs the complete batches among the oldest readings; `false` when there was none.
    async fn sign(
        &self,
        next: Option<TimeMs>,
        anchors: &impl Anchors,
    ) -> Result<bool, DeviceError> {
        let rows = self.on_disk(|spool| spool.unsigned(CHUNK)).await?;
        let times: Vec<TimeMs> = rows.iter().map(|row| row.reading.time).collect();
        let now = TimeMs(self.clock.now_ms());
        let ranges = cut(&times, next, now, &self.config.schedule);
        for range in &ranges {
            self.seal(&rows[range.clone()], now, anchors).await?;
        }
        Ok(!ranges.is_empty())
    }

    async fn seal(
        &self,
        rows: &[Row],
        now: TimeMs,
        anchors: &impl Anchors,
    ) -> Result<(), DeviceError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let schedule = &self.config.schedule;
        let (measured, today) = (schedule.epoch_at(last.reading.time), schedule.epoch_at(now));
        // In time, the epoch of the readings decides, so that a replay repeats; far behind, the anchor must still be fresh.
        let epoch = if measured.next() < today { today } else { measured };
        let anchor = self.anchor(epoch, anchors).await?;
        let offset = |row: &Row| {
            u32::try_from(row.reading.time.0 - first.reading.time.0).unwrap_or(u32::MAX)
        };
        let batch = Batch {
            device: self.config.id(),
            stream: self.config.stream,
            first_seq: first.seq,
            base_time: first.reading.time,
            anchor,
            position: None,
            schema: SCHEMA.id,
            rows: Rows {
                offsets_ms: rows.iter().map(offset).collect(),
                values: rows.iter().flat_map(|row| row.reading.values).collect(),
            },
        };
        let envelope = Envelope::sign(batch, &self.config.key)?;
        self.on_disk(move |spool| spool.seal(&envelope)).await?;
        self.sealed.notify_one();
        Ok(())
    }

    /// The anchor, however long the ledger takes to answer: readings wait in the spool.
    async fn anchor(
        &self,
        epoch: Epoch,
        anchors: &impl Anchors,
    ) -> Result<cairn_primitives::Anchor, DeviceError> {
        let mut pauses = delivery::pauses();
        loop {
            match anchors.anchor(epoch).await {
                Ok(anchor) => return Ok(anchor),
                Err(error) => {
                    let device_id = self.config.id();
                    tracing::warn!(%device_id, %epoch, %error, "no anchor yet");
                    tokio::time::sleep(pauses.next().unwrap_or(delivery::PAUSE_MAX)).await;
                }
            }
        }
    }

    /// Publishes the state after every change.
    async fn report(&self) -> Result<(), DeviceError> {
        loop {
            let (schedule, state, next) =
                (self.config.schedule, self.state.clone(), *self.next.borrow());
            self.on_disk(move |spool| publish(spool, &schedule, next, &state)).await?;
            self.settled.notified().await;
        }
    }
}

/// Cuts readings, oldest first, into the batches that are complete at `now`; what follows the last range waits for more.
///
/// A batch holds readings of one epoch, at most [`BATCH_ROWS`]; it is complete when it is full, when the epoch is over, or
/// when the next reading is due in a later one. Readings from before the last epoch are packed without regard to epochs.
#[must_use]
pub fn cut(
    times: &[TimeMs],
    next: Option<TimeMs>,
    now: TimeMs,
    schedule: &EpochSchedule,
) -> Vec<Range<usize>> {
    let today = schedule.epoch_at(now);
    let epoch = |i: usize| schedule.epoch_at(times[i]);
    let behind = |i: usize| epoch(i).next() < today;
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < times.len() {
        let fits = |i: usize| {
            let together = if behind(start) { behind(i) } else { epoch(i) == epoch(start) };
            together && times[i].0 - times[start].0 <= u64::from(u32::MAX)
        };
        let end = (start + 1..times.len()).take(BATCH_ROWS - 1).find(|i| !fits(*i));
        let end = end.unwrap_or((start + BATCH_ROWS).min(times.len()));
        let more = end == times.len() && end - start < BATCH_ROWS;
        let comes = next.is_some_and(|next| schedule.epoch_at(next) == epoch(start));
        if more && comes && epoch(start) >= today {
            break;
        }
        ranges.push(start..end);
        start = end;
    }
    ranges
}

#[cfg(test)]
mod tests;
