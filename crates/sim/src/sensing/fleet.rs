//! The devices of a simulation: keys from the seed, readings from the log, and what a cheat makes of them.

use std::sync::Arc;

use cairn_agent::sensing::{Reading, StationLog};
use cairn_client::{Call, DevKeys, Role, Wallet};
use cairn_primitives::{
    Anchor, BATCH_ROWS_MAX, Batch, DeviceId, Envelope, Epoch, EpochSchedule, KeyError, Position,
    Rows, SecretKey, Seq, Stones, Stream, TimeMs, WEATHER, abi::REGISTRY, registration_call,
};

use super::{
    SECTOR,
    cheat::{BACK_DATED_MS, Cheat},
};

/// A station that cheats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cheater {
    /// Its number in the log.
    pub station: usize,
    /// What it does.
    pub cheat: Cheat,
    /// The first epoch in which it does so.
    pub from: Epoch,
}

/// A device with its key and its owner's account.
pub struct Device {
    pub(super) owner: Wallet,
    key: SecretKey,
    pub(super) id: DeviceId,
    position: Position,
    readings: Arc<[Reading]>,
    forgery: Option<(Cheat, Epoch)>,
    /// The key of somebody else.
    foreign: SecretKey,
    next: Seq,
    last: Option<Envelope>,
}

/// The devices of the log's stations, in the order of their registration.
#[must_use]
pub fn fleet(
    log: &StationLog,
    cheaters: &[Cheater],
    keys: &DevKeys,
    schedule: &EpochSchedule,
) -> Vec<Device> {
    let device = |(number, station): (usize, &cairn_agent::sensing::Station)| {
        let cheater = cheaters.iter().find(|cheater| cheater.station == number);
        let key = keys.ed25519(Role::Device, &station.name);
        Device {
            owner: keys.wallet(Role::Owner, &station.owner),
            id: DeviceId::of(&key.public()),
            key,
            position: station.position,
            readings: cheater.map_or_else(
                || Arc::clone(&station.readings),
                |c| c.cheat.readings(&log.stations, number, schedule.start_of(c.from)),
            ),
            forgery: cheater.map(|c| (c.cheat, c.from)),
            foreign: keys.ed25519(Role::Device, &format!("{}, stolen", station.name)),
            next: Seq(0),
            last: None,
        }
    };
    log.stations.iter().enumerate().map(device).collect()
}

impl Device {
    /// Its owner's account.
    #[must_use]
    pub const fn owner(&self) -> &Wallet {
        &self.owner
    }

    /// What its owner sends to register it with this bond.
    ///
    /// # Errors
    /// When its key does not sign.
    pub fn registration(&self, chain_id: u64, bond: Stones) -> Result<Call, KeyError> {
        let (owner, sector) = (self.owner.address(), SECTOR.number());
        let call = registration_call(chain_id, owner, sector, &self.key, self.position)?;
        Ok(Call::new(REGISTRY, &call).with_value(bond))
    }

    /// What the device delivers in `epoch`.
    ///
    /// # Errors
    /// When a key does not sign.
    pub fn deliver(
        &mut self,
        epoch: Epoch,
        schedule: &EpochSchedule,
        anchor: Anchor,
    ) -> Result<Vec<Envelope>, KeyError> {
        let before = |time: TimeMs| self.readings.partition_point(|reading| reading.time < time);
        let range = before(schedule.start_of(epoch))..before(schedule.end_of(epoch));
        let readings = Arc::clone(&self.readings);
        let cheat = self.forgery.filter(|(_, from)| *from <= epoch).map(|(cheat, _)| cheat);
        if let (Some(Cheat::Replay), Some(last)) = (cheat, &self.last) {
            return Ok(vec![last.clone()]);
        }
        let mut envelopes = Vec::new();
        for readings in readings[range].chunks(BATCH_ROWS_MAX) {
            let mut batch = self.batch(readings, anchor);
            match cheat {
                Some(Cheat::BackDated) => batch.base_time.0 -= BACK_DATED_MS,
                Some(Cheat::WrongKey) => {
                    envelopes.push(Envelope::sign(batch, &self.foreign)?);
                    continue;
                }
                Some(Cheat::Equivocation) => {
                    let mut other = batch.clone();
                    for value in other.rows.values.iter_mut().flatten().take(1) {
                        *value += 1;
                    }
                    envelopes.push(Envelope::sign(other, &self.key)?);
                }
                _ => {}
            }
            envelopes.push(Envelope::sign(batch, &self.key)?);
        }
        self.last = envelopes.last().cloned().or(self.last.take());
        Ok(envelopes)
    }

    /// The next batch of the device's only stream.
    fn batch(&mut self, readings: &[Reading], anchor: Anchor) -> Batch {
        let first_seq = self.next;
        self.next = Seq(first_seq.0 + u64::try_from(readings.len()).unwrap_or_default());
        let base_time = readings.first().map_or(TimeMs(0), |reading| reading.time);
        let mut rows = Rows::default();
        for reading in readings {
            // A batch lies within an epoch, and an epoch of a simulation within 49 days.
            let offset = u32::try_from(reading.time.0 - base_time.0).unwrap_or(u32::MAX);
            rows.offsets_ms.push(offset);
            rows.values.extend(reading.values);
        }
        Batch {
            device: self.id,
            stream: Stream(0),
            first_seq,
            base_time,
            anchor,
            position: None,
            schema: WEATHER.id,
            rows,
        }
    }
}
