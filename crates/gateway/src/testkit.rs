//! A small network for the tests: devices that sign, an ingest that seals, validators that judge, a market that pays.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use alloy_primitives::{Address, B256};
use cairn_client::{
    Wallet,
    api::{ReceiptBody, ShareBody},
    recover_receipt,
};
use cairn_evidence::sealed::{Entry, seal};
use cairn_primitives::{
    Anchor, Batch, Cell, DeviceId, Digest, Envelope, Epoch, EpochSchedule, MerkleTree, Position,
    Rows, SecretKey, Sector, Seq, Stream, TimeMs, WEATHER,
};
use cairn_sectors::{Rejection, ScoreLeaf, VerdictLeaf};

use crate::{
    Archive, ArchiveError, Catalog, Device, FinalEpoch, Lease, Ledger, LedgerError, Offer,
    QueryLimits,
};

pub(crate) const CHAIN_ID: u64 = 7_077;
pub(crate) const SCHEDULE: EpochSchedule =
    EpochSchedule { start: TimeMs(1_356_998_400_000), epoch_ms: 3_600_000 };
pub(crate) const RATE: u64 = 500;
pub(crate) const OFFER: u64 = 1;
pub(crate) const LEASE: u64 = 1;

/// One row of a batch: minutes after the epoch's start (may be negative), and values.
pub(crate) type Row = (i64, [Option<i32>; 7]);

/// One batch of an epoch, and what the validators said about it.
#[derive(Clone)]
pub(crate) struct Sent {
    pub device: u8,
    pub rows: Vec<Row>,
    pub rejection: Option<Rejection>,
}

/// What a naive reader of the same evidence may sell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sold {
    pub device: DeviceId,
    pub number: u8,
    pub epoch: Epoch,
    pub time: i64,
    pub values: [Option<i32>; 7],
}

/// The public side of a network: ledger and archive in memory.
#[derive(Default)]
pub(crate) struct Network(Mutex<State>);

#[derive(Default)]
pub(crate) struct State {
    pub files: BTreeMap<Digest, Vec<u8>>,
    pub leaves: BTreeMap<(Epoch, &'static str), Vec<u8>>,
    pub finals: Vec<FinalEpoch>,
    pub devices: Vec<Device>,
    pub leases: BTreeMap<u64, Lease>,
    pub now: Epoch,
    /// The ledger answers nothing.
    pub is_down: bool,
    /// Every receipt that the ledger paid.
    pub settlements: Vec<ReceiptBody>,
    pub sold: Vec<Sold>,
    next_seq: u64,
}

/// The usual limits of a query but for its time, which is no test's subject where it does not say so.
pub(crate) fn patient() -> QueryLimits {
    QueryLimits { time_max: Duration::from_secs(1_200), ..QueryLimits::default() }
}

pub(crate) fn offer() -> Offer {
    Offer { id: OFFER, provider: Address::ZERO, micro_usd_per_kilo_unit: RATE }
}

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::ed25519([number; 32])
}

pub(crate) fn id(number: u8) -> DeviceId {
    DeviceId::of(&key(number).public())
}

pub(crate) fn place(number: u8) -> Position {
    let n = i32::from(number);
    Position { lat_e7: 400_000_000 + n * 1_000_000, lon_e7: -740_000_000, elevation_dm: 10 * n }
}

pub(crate) fn consumer() -> Wallet {
    Wallet::from_secret(&[0x11; 32]).unwrap()
}

pub(crate) fn stranger() -> Wallet {
    Wallet::from_secret(&[0x22; 32]).unwrap()
}

impl Network {
    /// Devices 1 to `devices`, and one open lease of the consumer.
    pub fn new(devices: u8, escrow: u64) -> Self {
        let network = Self::default();
        {
            let mut state = network.state();
            state.devices = (1..=devices)
                .map(|n| Device {
                    id: id(n),
                    owner: Address::repeat_byte(n % 3),
                    cell: Cell::at(place(n)).unwrap(),
                    position: place(n),
                })
                .collect();
            let lease = Lease {
                id: LEASE,
                offer: OFFER,
                consumer: consumer().address(),
                escrow,
                settled: 0,
                expiry: Epoch(100),
                is_open: true,
            };
            state.leases.insert(LEASE, lease);
        }
        network
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Seals and judges the next epoch. `scores`: device number → score; the others have 0.
    pub fn finish(&self, sent: &[Sent], scores: &[(u8, u16)]) {
        let mut state = self.state();
        let epoch = Epoch(state.finals.len() as u64);
        let mut entries: Vec<(Entry, Option<Rejection>)> = sent
            .iter()
            .map(|sent| {
                let envelope = sign(&mut state, epoch, sent);
                (Entry::from(envelope), sent.rejection)
            })
            .collect();
        entries.sort_by_key(|(entry, _)| entry.order());
        let verdicts: Vec<VerdictLeaf> = entries
            .iter()
            .map(|(entry, rejection)| VerdictLeaf {
                epoch,
                sector: Sector::Sensing,
                batch: entry.leaf,
                device: entry.batch.device,
                stream: entry.batch.stream,
                first_seq: entry.batch.first_seq,
                rows: entry.batch.rows.len() as u32,
                rejection: *rejection,
            })
            .collect();
        let mut leaves: Vec<ScoreLeaf> = state.devices.iter().map(|d| score(epoch, d.id)).collect();
        for (number, score) in scores {
            leaves.iter_mut().find(|leaf| leaf.device == id(*number)).unwrap().score = *score;
        }
        leaves.sort_by_key(|leaf| leaf.device);
        for sent in sent.iter().filter(|s| s.rejection.is_none()) {
            if !scores.iter().any(|(number, score)| *number == sent.device && *score > 0) {
                continue;
            }
            for (minute, values) in sent.rows.iter().filter(|(minute, _)| *minute >= 0) {
                let time = SCHEDULE.start_of(epoch).0.cast_signed() + minute * 60_000;
                let (device, number) = (id(sent.device), sent.device);
                state.sold.push(Sold { device, number, epoch, time, values: *values });
            }
        }
        let entries: Vec<Entry> = entries.into_iter().map(|(entry, _)| entry).collect();
        let sealed = seal(epoch, Sector::Sensing, &entries).unwrap();
        state.files.insert(sealed.digest, sealed.sidecar);
        state.files.insert(sealed.readings_digest, sealed.readings);
        state.finals.push(FinalEpoch {
            verdict_root: MerkleTree::from_hashes(verdicts.iter().map(VerdictLeaf::hash).collect())
                .root(),
            score_root: MerkleTree::from_hashes(leaves.iter().map(ScoreLeaf::hash).collect())
                .root(),
            included: vec![(sealed.digest, sealed.size)],
        });
        state
            .leaves
            .insert((epoch, "verdicts.jsonl"), lines(verdicts.iter().map(VerdictLeaf::to_bytes)));
        state.leaves.insert((epoch, "scores.jsonl"), lines(leaves.iter().map(ScoreLeaf::to_bytes)));
        state.now = epoch.next();
    }

    /// A catalog that has taken in every final epoch.
    pub async fn catalog(&self, dir: &std::path::Path) -> Catalog {
        let catalog = Catalog::open(dir, SCHEDULE).unwrap();
        catalog.catch_up(self, self).await.unwrap();
        catalog
    }
}

fn lines(leaves: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    cairn_evidence::archive::LeafLine::file(leaves.map(|bytes| (bytes, serde_json::Value::Null)))
}

fn score(epoch: Epoch, device: DeviceId) -> ScoreLeaf {
    ScoreLeaf {
        epoch,
        sector: Sector::Sensing,
        device,
        availability: 1000,
        neighbour: 700,
        deployment: 1000,
        location: 1000,
        score: 0,
        rejection: None,
        detail: None,
    }
}

fn sign(state: &mut State, epoch: Epoch, sent: &Sent) -> Envelope {
    let start = SCHEDULE.start_of(epoch).0.cast_signed();
    let times: Vec<i64> = sent.rows.iter().map(|(minute, _)| start + minute * 60_000).collect();
    let base = times[0];
    let first_seq = Seq(state.next_seq);
    state.next_seq += sent.rows.len() as u64;
    let batch = Batch {
        device: id(sent.device),
        stream: Stream(0),
        first_seq,
        base_time: TimeMs(base.cast_unsigned()),
        anchor: Anchor { epoch: Epoch(0), root_prefix: [7; 8] },
        position: None,
        schema: WEATHER.id,
        rows: Rows {
            offsets_ms: times.iter().map(|time| u32::try_from(time - base).unwrap()).collect(),
            values: sent.rows.iter().flat_map(|(_, values)| *values).collect(),
        },
    };
    Envelope::sign(batch, &key(sent.device)).unwrap()
}

fn failed(doing: &'static str, is_final: bool) -> LedgerError {
    LedgerError { doing, is_final, source: Box::new(io::Error::other("test")) }
}

impl Network {
    fn up(&self) -> Result<MutexGuard<'_, State>, LedgerError> {
        let state = self.state();
        if state.is_down { Err(failed("is down", false)) } else { Ok(state) }
    }
}

impl Ledger for Network {
    async fn next_epoch(&self) -> Result<Epoch, LedgerError> {
        Ok(Epoch(self.up()?.finals.len() as u64))
    }
    async fn final_epoch(&self, epoch: Epoch) -> Result<FinalEpoch, LedgerError> {
        Ok(self.up()?.finals[epoch.0 as usize].clone())
    }
    async fn devices(&self, from: u64) -> Result<Vec<Device>, LedgerError> {
        Ok(self.up()?.devices[from as usize..].to_vec())
    }
    async fn current_epoch(&self) -> Result<Epoch, LedgerError> {
        Ok(self.up()?.now)
    }
    async fn lease(&self, id: u64) -> Result<Option<Lease>, LedgerError> {
        Ok(self.up()?.leases.get(&id).cloned())
    }
    async fn settle(
        &self,
        receipt: &ReceiptBody,
        shares: &[ShareBody],
        signature: &[u8; 65],
    ) -> Result<B256, LedgerError> {
        let mut state = self.up()?;
        let lease = state.leases.get_mut(&receipt.lease).unwrap();
        let signer = recover_receipt(CHAIN_ID, &receipt.to_sol(), signature).unwrap();
        let sum: u64 = shares.iter().map(|share| share.amount.0).sum();
        let is_good = lease.is_open
            && signer == lease.consumer
            && receipt.amount.0 > lease.settled
            && receipt.amount.0 <= lease.escrow
            && sum == receipt.amount.0
            && ShareBody::hash(shares) == receipt.shares;
        if !is_good {
            return Err(failed("settle", true));
        }
        lease.settled = receipt.amount.0;
        state.settlements.push(*receipt);
        Ok(B256::repeat_byte(1))
    }
}

impl Archive for Network {
    async fn file(&self, digest: Digest) -> Result<Vec<u8>, ArchiveError> {
        let file = self.state().files.get(&digest).cloned();
        file.ok_or(ArchiveError::Missing { what: digest.to_string(), last: String::new() })
    }
    async fn epoch_file(&self, epoch: Epoch, name: &'static str) -> Result<Vec<u8>, ArchiveError> {
        let file = self.state().leaves.get(&(epoch, name)).cloned();
        file.ok_or(ArchiveError::Missing { what: name.to_owned(), last: String::new() })
    }
}

/// Four epochs of four devices: 30 rows each an epoch, two batches. Device 3 scores 0 in epoch 1; the second batch of
/// device 4 in epoch 2 is rejected; device 2 sends two rows of the epoch before in epoch 3.
pub(crate) fn four_epochs(escrow: u64) -> Network {
    let network = Network::new(4, escrow);
    for epoch in 0..4_i32 {
        let mut sent = Vec::new();
        for device in 1..=4_u8 {
            for half in 0..2_i64 {
                let row = |i: i64| {
                    let t = 1_000 * i32::from(device) + 100 * epoch + i32::try_from(i).unwrap();
                    let rain = (i % 7 == 0).then_some(20);
                    (2 * i, [Some(t), Some(5_000), Some(300), Some(90), None, rain, None])
                };
                let mut rows: Vec<Row> = (half * 15..half * 15 + 15).map(row).collect();
                if (epoch, device, half) == (3, 2, 0) {
                    rows.splice(0..0, [(-20, [Some(1); 7]), (-10, [Some(2); 7])]);
                }
                let rejected = (epoch, device, half) == (2, 4, 1);
                let rejection = rejected.then_some(Rejection::Moved);
                sent.push(Sent { device, rows, rejection });
            }
        }
        let scores: Vec<(u8, u16)> =
            (1..=4).map(|d| (d, if (epoch, d) == (1, 3) { 0 } else { 800 })).collect();
        network.finish(&sent, &scores);
    }
    network
}
