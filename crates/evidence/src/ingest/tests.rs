//! The whole ingest with real HTTP and a manual clock, and the way from there through a verifier to an audit.

use std::path::Path;

use cairn_client::api::{APPLICATION_CBOR, APPLICATION_COSE, EvidenceReply};
use cairn_kit::{Shutdown, Tasks, clock::NetworkClock};
use cairn_primitives::{
    Anchor, Batch, Digest, Envelope, Epoch, KeyType, Position, SecretKey, Seq, Signature, leaf_hash,
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

const PLACE: Position = Position { lat_e7: 407_000_000, lon_e7: -740_000_000, elevation_dm: 30 };

/// A running ingest with its fake ledger.
struct Bench {
    url: String,
    ledger: FakeLedger,
    clock: NetworkClock,
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<()>,
    mqtt: Option<std::net::SocketAddr>,
    http: reqwest::Client,
}

fn genesis_hash() -> Digest {
    Digest::of(&[b"genesis"])
}

impl Bench {
    async fn start(folder: &Path, ledger: Option<FakeLedger>) -> Self {
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
    async fn station(&self, number: u64) -> Station {
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

    async fn post(&self, kind: &str, body: Vec<u8>) -> (u16, Value) {
        let request =
            self.http.post(format!("{}/v1/evidence", self.url)).header("content-type", kind);
        let response = request.body(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn send(&self, envelope: &Envelope) -> (u16, Value) {
        self.post(APPLICATION_COSE, envelope.bytes().to_vec()).await
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// Lets the epoch end and waits for its commitment.
    async fn next_epoch(&self) -> u64 {
        let epoch = self.ledger.schedule.epoch_at(cairn_primitives::TimeMs(self.clock.now_ms())).0;
        self.clock.advance_to(self.ledger.schedule.end_of(Epoch(epoch)).0);
        while !self.ledger.state().commitments.contains_key(&epoch) {
            tokio::task::yield_now().await;
        }
        epoch
    }

    async fn stop(self) {
        self.shutdown.request();
        self.running.await.unwrap();
    }
}

fn accepted(answer: &(u16, Value)) -> EvidenceReply {
    assert_eq!(answer.0, 200, "{}", answer.1);
    let reply: EvidenceReply = serde_json::from_value(answer.1.clone()).unwrap();
    let receipt = reply.receipt.as_ref().unwrap();
    receipt.verify(7, &[receipt.key]).unwrap();
    reply
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path(), None).await;
    let mut station = bench.station(1).await;
    let good = station.batch(4);
    let sign = |change: &dyn Fn(&mut Batch)| {
        let mut batch = good.clone();
        change(&mut batch);
        Envelope::sign(batch, &station.key).unwrap().bytes().to_vec()
    };
    let valid = sign(&|_| ());
    let patched = |from: &[u8], to: &[u8]| {
        let at = valid.windows(from.len()).position(|window| window == from).unwrap();
        let mut bytes = valid.clone();
        bytes.splice(at..at + from.len(), to.iter().copied());
        bytes
    };
    let stranger = Station::new(99).envelope(2).unwrap();
    let unsigned = Envelope::assemble(good.clone(), KeyType::Ed25519, Signature([0; 64]));
    let other_key_type = Envelope::assemble(good.clone(), KeyType::P256, Signature([0; 64]));
    let cases: Vec<(&str, u32, u16, Vec<u8>)> = vec![
        ("Oversized", 1, 413, vec![0xd2; 70_000]),
        ("Malformed", 2, 400, valid[..valid.len() / 2].to_vec()),
        ("Malformed", 2, 400, Vec::new()),
        ("UnknownAlgorithm", 3, 400, patched(&[0xa1, 0x01, 0x27], &[0xa1, 0x01, 0x26 + 2])),
        ("Unsigned", 4, 400, {
            let mut bytes = valid[..valid.len() - 66].to_vec();
            bytes.push(0x40);
            bytes
        }),
        ("UnknownVersion", 5, 400, patched(&[0x89, 0x01, 0x50], &[0x89, 0x02, 0x50])),
        ("UnknownSchema", 6, 400, sign(&|batch| batch.schema.0 = 9)),
        ("BadRows", 7, 400, sign(&|batch| batch.rows.offsets_ms[1] = 0)),
        ("UnknownDevice", 9, 403, stranger.bytes().to_vec()),
        ("WrongKeyType", 10, 403, other_key_type.bytes().to_vec()),
        ("BadSignature", 11, 403, unsigned.bytes().to_vec()),
        ("AnchorFromFuture", 13, 422, sign(&|batch| batch.anchor.epoch = Epoch(5))),
        ("AnchorUnknown", 15, 422, sign(&|batch| batch.anchor.root_prefix = [1; 8])),
        ("BackDated", 16, 422, sign(&|batch| batch.base_time.0 -= 8 * 86_400_000)),
        ("FutureDated", 17, 422, sign(&|batch| batch.base_time.0 += 3_600_000)),
        ("Moved", 18, 422, sign(&|batch| batch.position = Some(Position { lat_e7: 0, ..PLACE }))),
    ];
    for (name, code, status, body) in cases {
        let (got, json) = bench.post(APPLICATION_COSE, body).await;
        assert_eq!(
            (got, json["code"].as_u64(), json["name"].as_str()),
            (status, Some(code.into()), Some(name)),
            "{json}"
        );
    }
    assert_eq!(bench.post("text/plain", valid.clone()).await.0, 415);
    assert_eq!(bench.post(APPLICATION_CBOR, vec![0x81, 0x01]).await.1["name"], "BadBody");
    assert_eq!(
        bench.post(APPLICATION_CBOR, vec![0x99, 0x01, 0x01]).await.1["name"],
        "TooManyBatches"
    );
    // Only what the device signed is written to its name; the probe and the forgeries are not.
    let report = bench.get(&format!("/v1/rejections/{}", station.device)).await;
    assert_eq!(report["rejections"]["counts"]["BackDated"], 1);
    assert_eq!(report["rejections"]["counts"]["BadSignature"], Value::Null);
    assert!(bench.get("/v1/rejections").await["BadSignature"].as_u64() >= Some(1));
    // None of it was in the way of the honest batch.
    accepted(&bench.send(&station.envelope(4).unwrap()).await);
    bench.stop().await;
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
        // The follower may not have seen the new root yet.
        while bench.send(&envelope).await.0 != 200 {
            tokio::task::yield_now().await;
        }
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
    assert_eq!(report.first_difference.map(|d| (d.tree, d.index)), Some(("scores", 0)));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_delivers_over_mqtt_5() {
    use rumqttc::v5::{AsyncClient, Event, Incoming, MqttOptions, mqttbytes::QoS};
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path(), None).await;
    let mut station = bench.station(1).await;
    let envelope = station.envelope(4).unwrap();
    let addr = bench.mqtt.unwrap();
    let device = station.device.to_string();
    let mut options = MqttOptions::new(&device, addr.ip().to_string(), addr.port());
    options.set_credentials(&device, "");
    let (client, mut events) = AsyncClient::new(options, 10);
    client
        .subscribe(cairn_client::api::receipt_topic(station.device), QoS::AtLeastOnce)
        .await
        .unwrap();
    let reply = loop {
        match events.poll().await {
            Ok(Event::Incoming(Incoming::SubAck(_))) => {
                let topic = cairn_client::api::evidence_topic(station.device);
                client
                    .publish(topic, QoS::AtLeastOnce, false, envelope.bytes().to_vec())
                    .await
                    .unwrap();
            }
            Ok(Event::Incoming(Incoming::Publish(publish))) => break publish.payload,
            // The broker's thread may not listen yet.
            Ok(_) | Err(_) => tokio::task::yield_now().await,
        }
    };
    let reply: EvidenceReply = serde_json::from_slice(&reply).unwrap();
    assert_eq!(reply.results[0].leaf, envelope.leaf());
    assert!(reply.receipt.unwrap().leaves.contains(&envelope.leaf()));
    bench.stop().await;
}
