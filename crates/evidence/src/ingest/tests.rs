//! The whole ingest with real HTTP and a manual clock, and the way from there through a verifier to an audit. What it
//! refuses is in `bad_input`.

use std::path::Path;

use cairn_client::api::{APPLICATION_COSE, EvidenceReply};
use cairn_kit::{Shutdown, Tasks, clock::NetworkClock};
use cairn_primitives::{
    Anchor, Digest, Envelope, Epoch, KeyType, Position, SecretKey, Seq, Signature, leaf_hash,
};
use serde_json::Value;

use super::{Ingest, IngestConfig};
use crate::{
    archive::Archive,
    audit::{AuditError, audit},
    fake::{FakeLedger, genesis},
    verifier::{GatherError, Network, Sources, Verifier},
    workload::{START_MS, Station},
};

pub(super) const PLACE: Position =
    Position { lat_e7: 407_000_000, lon_e7: -740_000_000, elevation_dm: 30 };

/// A running ingest with its fake ledger.
pub(super) struct Bench {
    pub(super) url: String,
    pub(super) ledger: FakeLedger,
    pub(super) clock: NetworkClock,
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<()>,
    pub(super) mqtt: Option<std::net::SocketAddr>,
    http: reqwest::Client,
}

fn genesis_hash() -> Digest {
    Digest::of(&[b"genesis"])
}

impl Bench {
    pub(super) async fn start(folder: &Path, ledger: Option<FakeLedger>) -> Self {
        let genesis = genesis("http://127.0.0.1:1");
        let clock = ledger
            .as_ref()
            .map_or_else(|| NetworkClock::manual(START_MS + 1_800_000), |l| l.clock.clone());
        let ledger = ledger.unwrap_or_else(|| FakeLedger::new(clock.clone(), &genesis));
        let shutdown = Shutdown::new();
        let mut tasks = Tasks::new(shutdown.clone());
        let key = SecretKey::ed25519([9; 32]);
        let config = IngestConfig::of_genesis(
            &genesis,
            genesis_hash(),
            folder.to_owned(),
            key,
            clock.clone(),
        );
        let ingest = Ingest::start(config, ledger.clone(), ledger.clone(), &mut tasks).unwrap();
        let running = tokio::spawn(async move { tasks.run().await.unwrap() });
        let url = format!("http://{}", ingest.http);
        Self {
            url,
            ledger,
            clock,
            shutdown,
            running,
            mqtt: ingest.mqtt,
            http: reqwest::Client::new(),
        }
    }

    /// A station that the ingest knows.
    pub(super) async fn station(&self, number: u64) -> Station {
        let station = Station::new(number);
        self.ledger.register(&station.key.public(), number as u8, PLACE);
        // The follower sees it at its next look; an unsigned batch of the device tells when.
        let probe =
            Envelope::assemble(Station::new(number).batch(1), KeyType::Ed25519, Signature([1; 64]));
        while self.post(APPLICATION_COSE, probe.bytes().to_vec()).await.1["name"] != "BadSignature"
        {
            tokio::task::yield_now().await;
        }
        station
    }

    pub(super) async fn post(&self, kind: &str, body: Vec<u8>) -> (u16, Value) {
        let request =
            self.http.post(format!("{}/v1/evidence", self.url)).header("content-type", kind);
        let response = request.body(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(super) async fn send(&self, envelope: &Envelope) -> (u16, Value) {
        self.post(APPLICATION_COSE, envelope.bytes().to_vec()).await
    }

    /// Sends until the follower has seen the device and its anchor.
    pub(super) async fn deliver(&self, envelope: &Envelope) -> EvidenceReply {
        loop {
            let answer = self.send(envelope).await;
            if answer.0 == 200 {
                return accepted(&answer);
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// Lets the epoch end and waits for its commitment.
    pub(super) async fn next_epoch(&self) -> u64 {
        let epoch = self.ledger.schedule.epoch_at(cairn_primitives::TimeMs(self.clock.now_ms())).0;
        self.clock.advance_to(self.ledger.schedule.end_of(Epoch(epoch)).0);
        while !self.ledger.state().commitments.contains_key(&epoch) {
            tokio::task::yield_now().await;
        }
        epoch
    }

    pub(super) async fn stop(self) {
        self.shutdown.request();
        self.running.await.unwrap();
    }
}

pub(super) fn accepted(answer: &(u16, Value)) -> EvidenceReply {
    assert_eq!(answer.0, 200, "{}", answer.1);
    let reply: EvidenceReply = serde_json::from_value(answer.1.clone()).unwrap();
    let receipt = reply.receipt.as_ref().unwrap();
    receipt.verify(7, &[receipt.key]).unwrap();
    reply
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_get_their_receipt_again_and_contradictions_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path(), None).await;
    let mut station = bench.station(1).await;
    let first = station.envelope(4).unwrap();
    accepted(&bench.send(&first).await);
    let again = accepted(&bench.send(&first).await);
    assert_eq!((again.results[0].code, again.results[0].name.as_str()), (0, "Duplicate"));

    let mut contradiction = first.batch().clone();
    contradiction.rows.values[0] = Some(77);
    let contradiction = Envelope::sign(contradiction, &station.key).unwrap();
    for _ in 0..2 {
        let (status, json) = bench.send(&contradiction).await;
        assert_eq!((status, json["code"].as_u64()), (409, Some(21)), "{json}");
    }
    let report = bench.get(&format!("/v1/rejections/{}", station.device)).await;
    let proofs = report["equivocations"].as_array().unwrap();
    assert_eq!(proofs.len(), 1, "the same proof is kept once");
    assert_eq!(proofs[0]["first"], format!("0x{}", hex::encode(first.bytes())));
    assert_eq!(proofs[0]["second"], format!("0x{}", hex::encode(contradiction.bytes())));

    let epoch = bench.next_epoch().await;
    assert_eq!(
        bench.ledger.state().commitments[&epoch][0].count,
        2,
        "validators see the contradiction too"
    );
    let replayed = accepted(&bench.send(&first).await);
    assert_eq!((replayed.results[0].code, replayed.results[0].name.as_str()), (20, "Replayed"));
    assert_eq!(replayed.receipt.unwrap().epoch, Epoch(epoch));

    let later = station.envelope(2).unwrap();
    accepted(&bench.send(&later).await);
    let mut lower = later.batch().clone();
    lower.first_seq = Seq(lower.first_seq.0 + 100);
    accepted(&bench.send(&Envelope::sign(lower.clone(), &station.key).unwrap()).await);
    lower.first_seq = Seq(lower.first_seq.0 - 50);
    let (status, json) = bench.send(&Envelope::sign(lower, &station.key).unwrap()).await;
    assert_eq!((status, json["code"].as_u64()), (409, Some(22)), "{json}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_ingest_goes_on_from_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let doomed = tokio::runtime::Runtime::new().unwrap();
    let path = folder.path().to_owned();
    let bench = doomed.spawn(async move { Bench::start(&path, None).await }).await.unwrap();
    let mut station = bench.station(1).await;
    let held: Vec<Envelope> = (0..5).map(|_| station.envelope(8).unwrap()).collect();
    for envelope in &held {
        accepted(&bench.send(envelope).await);
    }
    // Killed: nothing is told to stop, the tasks are dropped where they are.
    let ledger = bench.ledger.clone();
    doomed.shutdown_background();
    assert!(bench.running.await.unwrap_err().is_cancelled());
    // The epoch ends while nobody is there.
    ledger.clock.advance_to(ledger.schedule.end_of(Epoch(0)).0 + 1);
    let bench = Bench::start(folder.path(), Some(ledger)).await;
    while !bench.ledger.state().commitments.contains_key(&0) {
        tokio::task::yield_now().await;
    }
    let commitment = bench.ledger.state().commitments[&0][0].clone();
    assert_eq!(commitment.count, 5);
    let tree = cairn_primitives::MerkleTree::from_hashes(
        held.iter().map(|e| leaf_hash(e.bytes())).collect(),
    );
    assert_eq!(commitment.root.0, tree.root().0);
    assert_eq!(accepted(&bench.send(&held[0]).await).results[0].name, "Replayed");
    bench.stop().await;
}

/// The leaves that a commitment's files hold, in sealed order.
fn committed_leaves(bench: &Bench, archive: &Archive, epoch: u64) -> Vec<Digest> {
    let commitment = bench.ledger.state().commitments[&epoch][0].clone();
    let commitment = crate::sealed::Commitment {
        root: Digest(commitment.root.0),
        digest: Digest(commitment.digest.0),
        count: commitment.count,
        size: commitment.size,
    };
    let sidecar = archive.get(&commitment.digest).unwrap().unwrap();
    let named = crate::sealed::open_sidecar(&commitment, &sidecar).unwrap();
    let readings = archive.get(&named.digest).unwrap().unwrap();
    let opened = crate::sealed::open(&commitment, &sidecar, readings).unwrap();
    opened.envelopes.iter().map(Envelope::leaf).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_that_was_down_for_the_whole_window_commits_later_and_validators_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let ingest = folder.path().join("ingest");
    let bench = Bench::start(&ingest, None).await;
    let mut station = bench.station(1).await;
    let held: Vec<Envelope> = (0..3).map(|_| station.envelope(8).unwrap()).collect();
    for envelope in &held {
        accepted(&bench.send(envelope).await);
    }
    let ledger = bench.ledger.clone();
    bench.stop().await;
    // Epoch 0 ends, its commit window closes, and its empty set is voted on without this ingest.
    let windows = 600_000 + 600_000;
    ledger.clock.advance_to(ledger.schedule.end_of(Epoch(0)).0 + windows);
    let bench = Bench::start(&ingest, Some(ledger.clone())).await;
    let network = Network {
        genesis: genesis(&bench.url),
        hash: genesis_hash(),
        sector: cairn_primitives::Sector::Sensing,
    };
    let archive = Archive::new(folder.path().join("validator"));
    let sources = Sources::node(archive.clone(), vec![bench.url.clone()]).unwrap();
    let mut verifier = Verifier::new(ledger.clone(), ledger.clone(), sources, network);
    verifier.turn().await.unwrap();
    assert_eq!(ledger.state().voted.len(), 1);

    let later = station.envelope(4).unwrap();
    bench.deliver(&later).await;
    assert_eq!(bench.next_epoch().await, 1);
    assert!(!ledger.state().commitments.contains_key(&0), "the window was closed");
    let leaves: Vec<Digest> = held.iter().chain([&later]).map(Envelope::leaf).collect();
    let files = Archive::new(ingest.join("archive"));
    assert_eq!(committed_leaves(&bench, &files, 1), leaves);
    // Every one has its verdict: nothing that was acknowledged is lost in silence.
    verifier.turn().await.unwrap();
    verifier.turn().await.unwrap();
    let verdicts = archive.get_epoch(Epoch(1), crate::archive::EpochFile::Verdicts).unwrap();
    let verdicts = crate::verifier::verdicts(Epoch(1), &verdicts.unwrap()).unwrap();
    let judged: Vec<_> = verdicts.iter().map(|leaf| (leaf.batch, leaf.rejection)).collect();
    assert_eq!(judged, leaves.iter().map(|leaf| (*leaf, None)).collect::<Vec<_>>());

    // Restarted: what was carried is not carried again.
    bench.stop().await;
    let bench = Bench::start(&ingest, Some(ledger.clone())).await;
    assert_eq!(bench.deliver(&held[0]).await.results[0].name, "Replayed");
    assert_eq!(bench.next_epoch().await, 2);
    assert_eq!(ledger.state().commitments[&2][0].count, 0);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_missed_because_the_ledger_was_away_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path(), None).await;
    let mut station = bench.station(1).await;
    let held = station.envelope(8).unwrap();
    accepted(&bench.send(&held).await);
    bench.ledger.state().down = true;
    bench.clock.advance_to(bench.ledger.schedule.end_of(Epoch(0)).0 + 600_000);
    // The ingest goes on with what it knew, and answers for the new epoch.
    let later = station.envelope(4).unwrap();
    assert_eq!(accepted(&bench.send(&later).await).receipt.unwrap().epoch, Epoch(1));
    bench.ledger.state().down = false;
    assert_eq!(bench.next_epoch().await, 1);
    let files = Archive::new(folder.path().join("archive"));
    assert_eq!(committed_leaves(&bench, &files, 1), [held.leaf(), later.leaf()]);
    assert!(!bench.ledger.state().commitments.contains_key(&0));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_device_to_an_audited_reward() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(&folder.path().join("ingest"), None).await;
    let mut station = bench.station(1).await;
    let network = Network {
        genesis: genesis(&bench.url),
        hash: genesis_hash(),
        sector: cairn_primitives::Sector::Sensing,
    };
    let archive = Archive::new(folder.path().join("validator"));
    let sources = || Sources::node(archive.clone(), vec![bench.url.clone()]).unwrap();
    let mut verifier =
        Verifier::new(bench.ledger.clone(), bench.ledger.clone(), sources(), network.clone());
    for epoch in 0..3 {
        let mut batch = station.batch(1);
        batch.base_time = cairn_primitives::TimeMs(bench.clock.now_ms());
        if epoch > 0 {
            let root = Digest(bench.ledger.state().results[epoch - 1].rewardRoot.0);
            batch.anchor = Anchor { epoch: Epoch(epoch as u64), root_prefix: root.prefix() };
        }
        let envelope = Envelope::sign(batch, &station.key).unwrap();
        bench.deliver(&envelope).await;
        bench.next_epoch().await;
        if epoch == 2 {
            // Restarted: the window comes back from the archive.
            verifier = Verifier::new(
                bench.ledger.clone(),
                bench.ledger.clone(),
                sources(),
                network.clone(),
            );
        }
        verifier.turn().await.unwrap();
        verifier.turn().await.unwrap();
        let state = bench.ledger.state();
        assert_eq!(state.voted.len(), epoch + 1);
        assert!(state.voted[epoch].1.subsidy_stones.0 > 0, "{:?}", state.voted[epoch]);
    }

    let folder_only = Sources::folder(archive.clone()).unwrap();
    for epoch in 0..3 {
        let report = audit(&bench.ledger, &folder_only, &network, Epoch(epoch)).await.unwrap();
        assert!(report.equal, "{report:#?}");
        assert_eq!((report.batches, report.readings, report.devices), (1, 1, 1));
    }
    assert!(matches!(
        audit(&bench.ledger, &folder_only, &network, Epoch(3)).await,
        Err(AuditError::NotFinal { .. })
    ));

    // A changed leaf is named; a changed byte of a batch file is an error.
    let scores = archive.epoch_path(Epoch(1), crate::archive::EpochFile::Scores);
    let text = std::fs::read_to_string(&scores).unwrap();
    std::fs::write(&scores, text.replacen("8b02", "8b03", 1)).unwrap();
    let report = audit(&bench.ledger, &folder_only, &network, Epoch(1)).await.unwrap();
    assert!(!report.equal);
    assert_eq!(report.first_difference().map(|(_, d)| (d.tree, d.index)), Some(("scores", 0)));
    std::fs::write(&scores, text).unwrap();

    let digest = Digest(bench.ledger.state().commitments[&1][0].digest.0);
    let path = archive.file_path(&digest);
    let whole = std::fs::read(&path).unwrap();
    let mut changed = whole.clone();
    changed[40] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    assert!(matches!(
        audit(&bench.ledger, &folder_only, &network, Epoch(1)).await,
        Err(AuditError::Gather(GatherError::Source(_)))
    ));
    // The validator itself fetches such a file again.
    assert_eq!(sources().file(&digest, 1 << 20, None).await.unwrap(), whole);
    bench.stop().await;
}
