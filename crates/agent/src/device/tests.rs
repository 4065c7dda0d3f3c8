//! Devices against a fake ingest over real sockets, with a clock that moves by hand.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use cairn_client::api::{BatchResult, ErrorBody, EvidenceReply, IngestReceipt};
use cairn_kit::{
    http::{Limits, Listener},
    loopback::free_address,
};
use cairn_primitives::{Anchor, Digest, Seq, leaf_hash};
use cairn_sectors::Rejection;
use tokio::task::JoinHandle;

use super::*;
use crate::{
    Fleet, Rejected,
    sensing::{Reading, WIDTH},
};

const HOUR: u64 = 3_600_000;
const CHAIN: u64 = 1_337;
const START: u64 = 1_000 * HOUR;

fn schedule() -> EpochSchedule {
    EpochSchedule { start: TimeMs(START), epoch_ms: HOUR }
}

fn ingest_key() -> SecretKey {
    SecretKey::ed25519([8; 32])
}

fn public_of(key: &SecretKey) -> [u8; 32] {
    key.public().as_bytes().try_into().unwrap()
}

/// The anchor says for which epoch it was asked.
struct Named;

impl Anchors for Named {
    async fn anchor(&self, epoch: Epoch) -> Result<Anchor, ClientError> {
        Ok(Anchor { epoch: epoch.back(1), root_prefix: epoch.0.to_be_bytes() })
    }
}

/// What an ingest keeps on disk: it survives the server.
#[derive(Default)]
struct Store {
    held: Mutex<BTreeMap<Digest, Envelope>>,
    /// How often each batch came.
    seen: Mutex<BTreeMap<Digest, u32>>,
    requests: AtomicU32,
    behaviour: Behaviour,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Behaviour {
    #[default]
    Honest,
    /// Every third answer is lost after the batches are stored, every other third request before.
    Losing,
    /// Refuses the batch that begins with this sequence number.
    Refusing(u64, Rejection),
    /// Its receipts are signed by a key that is not in genesis.
    Forging,
}

/// Splits the two bodies apart by their first byte.
fn envelopes(body: &[u8]) -> Vec<Vec<u8>> {
    if body[0] == 0xd2 {
        return vec![body.to_vec()];
    }
    let (count, mut at) = length(body, 0);
    let mut all = Vec::new();
    for _ in 0..count {
        let (bytes, start) = length(body, at);
        all.push(body[start..start + bytes].to_vec());
        at = start + bytes;
    }
    all
}

fn length(body: &[u8], at: usize) -> (usize, usize) {
    match body[at] & 0x1f {
        24 => (usize::from(body[at + 1]), at + 2),
        25 => (usize::from(body[at + 1]) * 256 + usize::from(body[at + 2]), at + 3),
        short => (usize::from(short), at + 1),
    }
}

async fn evidence(State(store): State<Arc<Store>>, body: Bytes) -> Response {
    let turn = store.requests.fetch_add(1, Ordering::Relaxed);
    if store.behaviour == Behaviour::Losing && turn % 3 == 0 {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let reply = take(&store, &body);
    if store.behaviour == Behaviour::Losing && turn % 3 == 1 {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    // As the ingest does: a single batch that is refused makes the request fail.
    if let (0xd2, None, [result]) = (body[0], &reply.receipt, reply.results.as_slice()) {
        let body =
            ErrorBody { code: result.code, name: result.name.clone(), message: "no".to_owned() };
        return (StatusCode::FORBIDDEN, Json(body)).into_response();
    }
    Json(reply).into_response()
}

fn take(store: &Store, body: &[u8]) -> EvidenceReply {
    let (mut results, mut leaves) = (Vec::new(), Vec::new());
    for bytes in envelopes(body) {
        let (leaf, envelope) = (leaf_hash(&bytes), Envelope::decode(&bytes).unwrap());
        *store.seen.lock().unwrap().entry(leaf).or_default() += 1;
        let (code, name) = match store.behaviour {
            Behaviour::Refusing(seq, reason) if envelope.batch().first_seq == Seq(seq) => {
                (reason.code(), reason.name())
            }
            _ => {
                let known = store.held.lock().unwrap().insert(leaf, envelope).is_some();
                leaves.push(leaf);
                (0, if known { "Duplicate" } else { "Accepted" })
            }
        };
        results.push(BatchResult { leaf, code: u32::from(code), name: name.to_owned() });
    }
    let forged = SecretKey::ed25519([9; 32]);
    let key = if store.behaviour == Behaviour::Forging { forged } else { ingest_key() };
    let receipt = (!leaves.is_empty())
        .then(|| IngestReceipt::sign(CHAIN, &key, Epoch(0), 1, 2, leaves).unwrap());
    EvidenceReply { receipt, results }
}

/// A running ingest.
struct Ingest {
    addr: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Ingest {
    fn start(store: &Arc<Store>, addr: SocketAddr) -> Self {
        let listener = Listener::bind(addr).unwrap();
        let (addr, shutdown) = (listener.addr(), Shutdown::new());
        let router = Router::new().route("/v1/evidence", post(evidence)).with_state(store.clone());
        let serving = listener.serve(router, Limits::default(), None, shutdown.clone());
        let task = tokio::spawn(async { serving.await.unwrap() });
        Self { addr, shutdown, task }
    }
    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
    async fn kill(self) -> SocketAddr {
        self.shutdown.request();
        self.task.await.unwrap();
        self.addr
    }
}

/// One that stays this ingest's while it is down and its device goes on asking for it.
fn any_port() -> SocketAddr {
    free_address().unwrap()
}

fn station(hours: u64) -> Station {
    let reading = |hour: u64| {
        let mut values = [None; WIDTH];
        values[0] = Some(i32::try_from(hour).unwrap());
        Reading { time: TimeMs(START + hour * HOUR), values }
    };
    let position = Position { lat_e7: 1, lon_e7: 2, elevation_dm: 3 };
    Station {
        name: "A".into(),
        owner: "o".into(),
        position,
        readings: (0..hours).map(reading).collect(),
    }
}

/// A running device.
struct Running {
    handle: DeviceHandle,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), DeviceError>>,
}

impl Running {
    fn start(folder: &Path, station: &Station, clock: &NetworkClock, url: &str) -> Self {
        let config = DeviceConfig {
            key: SecretKey::ed25519([5; 32]),
            stream: Stream(0),
            station: station.name.clone(),
            owner: station.owner.clone(),
            position: station.position,
            schedule: schedule(),
            chain_id: CHAIN,
            ingests: vec![public_of(&ingest_key())],
            serves_from: Epoch(0),
        };
        let spool = Spool::open(&folder.join("spool.redb"), config.id()).unwrap();
        let courier = Courier::new(url, config.id()).unwrap();
        let (device, handle) =
            Device::new(config, station, clock.clone(), Named, courier, spool).unwrap();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(device.run(shutdown.clone()));
        Self { handle, shutdown, task }
    }

    /// Stops the device; its spool is free again.
    async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap().unwrap();
    }

    /// Lets `hours` pass, waiting each time until the device has measured.
    async fn live(&self, clock: &NetworkClock, hours: std::ops::Range<u64>) {
        for hour in hours {
            clock.advance_to(START + hour * HOUR);
            let mut state = self.handle.state.clone();
            state
                .wait_for(|state| state.counts.readings > hour && state.counts.unsigned == 0)
                .await
                .unwrap();
        }
    }
}

/// All readings that the ingest holds, by sequence number; panics when one is there twice.
fn readings(store: &Store) -> Vec<(u64, i32)> {
    let mut all = BTreeMap::new();
    for envelope in store.held.lock().unwrap().values() {
        let batch = envelope.batch();
        for (i, seq) in (batch.first_seq.0..).take(batch.rows.len()).enumerate() {
            let value = batch.rows.row(i, WIDTH)[0].unwrap();
            assert!(all.insert(seq, value).is_none(), "reading {seq} is there twice");
        }
    }
    all.into_iter().collect()
}

fn all_of(hours: u64) -> Vec<(u64, i32)> {
    (0..hours).map(|hour| (hour, i32::try_from(hour).unwrap())).collect()
}

#[tokio::test]
async fn lost_requests_and_lost_answers_lose_and_duplicate_nothing() {
    let (dir, store) =
        (tempfile::tempdir().unwrap(), Store { behaviour: Behaviour::Losing, ..Store::default() });
    let store = Arc::new(store);
    let ingest = Ingest::start(&store, any_port());
    let (clock, station) = (NetworkClock::manual(START - 1), station(4));
    let device = Running::start(dir.path(), &station, &clock, &ingest.url());
    assert_eq!(device.handle.state().open, Epoch(0), "nothing is settled before the first reading");
    for hour in 0..4 {
        clock.advance_to(START + hour * HOUR);
        assert!(device.handle.acked_through(Epoch(hour)).await);
    }
    assert_eq!(readings(&store), all_of(4));
    let fleet = Fleet { devices: vec![device.handle.clone()] };
    assert_eq!(fleet.open(), Epoch(u64::MAX), "the log has ended");
    assert!(fleet.acked_through(Epoch(99)).await);
    let counts = device.handle.state().counts;
    assert_eq!(
        (counts.readings, counts.acknowledged, counts.waiting, counts.unsigned),
        (4, 4, 0, 0)
    );
    device.stop().await;
    ingest.kill().await;
}

#[tokio::test]
async fn restarts_of_ingest_and_device_lose_and_duplicate_nothing() {
    let (dir, store) = (tempfile::tempdir().unwrap(), Arc::new(Store::default()));
    let (clock, station) = (NetworkClock::manual(START), station(140));
    let ingest = Ingest::start(&store, any_port());
    let url = ingest.url();
    let device = Running::start(dir.path(), &station, &clock, &url);
    device.live(&clock, 0..3).await;
    assert!(device.handle.acked_through(Epoch(2)).await);

    let addr = ingest.kill().await;
    device.live(&clock, 3..6).await;
    assert_eq!(device.handle.state().open, Epoch(3), "without an ingest nothing is settled");
    device.stop().await;

    // Down for 100 hours: then the replay goes on where it was, 64 readings a batch.
    clock.advance_to(START + 106 * HOUR);
    let device = Running::start(dir.path(), &station, &clock, &url);
    let ingest = Ingest::start(&store, addr);
    assert!(device.handle.acked_through(Epoch(106)).await);
    assert_eq!(readings(&store), all_of(107));
    let sizes: BTreeMap<u64, usize> = {
        let held = store.held.lock().unwrap();
        held.values()
            .map(|envelope| (envelope.batch().first_seq.0, envelope.batch().rows.len()))
            .collect()
    };
    let expected =
        [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 64), (70, 35), (105, 1), (106, 1)];
    assert_eq!(sizes, BTreeMap::from(expected));
    let anchors: BTreeMap<u64, u64> = {
        let held = store.held.lock().unwrap();
        held.values()
            .map(|envelope| (envelope.batch().first_seq.0, envelope.batch().anchor.epoch.0))
            .collect()
    };
    assert_eq!(
        (anchors[&5], anchors[&6], anchors[&105]),
        (4, 105, 104),
        "in time by the readings, far behind by the clock"
    );

    device.live(&clock, 107..110).await;
    assert!(device.handle.acked_through(Epoch(109)).await);
    assert_eq!(readings(&store), all_of(110));
    assert_eq!(device.handle.spool().rejected().unwrap(), []);
    device.stop().await;
    ingest.kill().await;
}

#[tokio::test]
async fn a_rejection_is_recorded_with_its_number_and_not_retried() {
    let behaviour = Behaviour::Refusing(1, Rejection::BadSignature);
    let store = Arc::new(Store { behaviour, ..Store::default() });
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(&store, any_port());
    let (clock, station) = (NetworkClock::manual(START), station(3));
    let device = Running::start(dir.path(), &station, &clock, &ingest.url());
    device.live(&clock, 0..3).await;
    assert!(device.handle.acked_through(Epoch(2)).await);
    assert_eq!(readings(&store), [(0, 0), (2, 2)]);
    let refused = Rejected { first_seq: Seq(1), code: 11, name: "BadSignature".to_owned() };
    assert_eq!(device.handle.spool().rejected().unwrap(), [refused]);
    assert!(store.seen.lock().unwrap().values().all(|times| *times == 1), "each batch came once");
    device.stop().await;
    ingest.kill().await;
}

#[tokio::test]
async fn an_unknown_device_may_be_a_lagging_ingest_and_is_retried_a_few_times() {
    let behaviour = Behaviour::Refusing(0, Rejection::UnknownDevice);
    let store = Arc::new(Store { behaviour, ..Store::default() });
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(&store, any_port());
    let (clock, station) = (NetworkClock::manual(START), station(1));
    let device = Running::start(dir.path(), &station, &clock, &ingest.url());
    assert!(device.handle.acked_through(Epoch(0)).await);
    assert_eq!(device.handle.spool().rejected().unwrap()[0].code, 9);
    assert_eq!(store.requests.load(Ordering::Relaxed), crate::deliver::LAGGING_ATTEMPTS_MAX);
    device.stop().await;
    ingest.kill().await;
}

#[tokio::test]
async fn a_forged_receipt_acknowledges_nothing() {
    let store = Arc::new(Store { behaviour: Behaviour::Forging, ..Store::default() });
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(&store, any_port());
    let (clock, station) = (NetworkClock::manual(START), station(1));
    let device = Running::start(dir.path(), &station, &clock, &ingest.url());
    device.live(&clock, 0..1).await;
    while store.requests.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    let counts = device.handle.state().counts;
    assert_eq!((counts.acknowledged, counts.waiting), (0, 1));
    device.stop().await;
    ingest.kill().await;
}

/// Batches are cut by epochs; times are hours and tenths of hours.
#[test]
fn cutting() {
    let times = |tenths: &[u64]| -> Vec<TimeMs> {
        tenths.iter().map(|t| TimeMs(START + t * HOUR / 10)).collect()
    };
    let check = |rows: &[u64], next: Option<u64>, now: u64, expected: &[(usize, usize)]| {
        let next = next.map(|next| TimeMs(START + next * HOUR / 10));
        let cuts = cut(&times(rows), next, TimeMs(START + now * HOUR / 10), &schedule());
        let cuts: Vec<_> = cuts.iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(cuts, expected, "{rows:?} next {next:?} now {now}");
    };
    check(&[], Some(0), 0, &[]);
    // More readings of this epoch are due: wait.
    check(&[0, 3], Some(6), 3, &[]);
    // The next one is in a later epoch, or there is none, or the epoch is over.
    check(&[0, 3, 6], Some(10), 6, &[(0, 3)]);
    check(&[0, 3, 6], None, 6, &[(0, 3)]);
    check(&[0, 3], Some(6), 11, &[(0, 2)]);
    // Two epochs; the last one waits.
    check(&[0, 5, 10], Some(15), 10, &[(0, 2)]);
    check(&[0, 5, 10, 15], Some(20), 15, &[(0, 2), (2, 4)]);
    // One epoch late is cut as in time; further behind is packed, and up to where it is not.
    check(&[0, 10], Some(20), 15, &[(0, 1), (1, 2)]);
    check(&[0, 10, 20, 30], Some(40), 35, &[(0, 2), (2, 3), (3, 4)]);
    // A full batch does not wait.
    let many: Vec<TimeMs> = (0..130).map(|i| TimeMs(START + i * 1_000)).collect();
    let cuts = cut(&many, Some(TimeMs(START + 131_000)), TimeMs(START + 130_000), &schedule());
    assert_eq!(cuts, [0..64, 64..128]);
}
