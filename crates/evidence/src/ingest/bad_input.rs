//! Every bad batch gets its number, over HTTP and over MQTT 5, and none is in the way of a good one.
//!
//! | bad input | number | here | validators (`sectors/src/verify/tests.rs` unless named) |
//! |---|---|---|---|
//! | oversized | 1 | `every_refusal_…`, `…_over_mqtt_5` | `bytes_that_are_no_batch` |
//! | truncated, empty, garbage | 2 | same | same |
//! | unknown algorithm | 3 | same | same |
//! | unsigned | 4 | same | same |
//! | unknown version | 5 | same | same |
//! | unknown schema | 6 | same | same |
//! | rows not rising | 7 | same | same |
//! | not canonical | 8 | same | same |
//! | unregistered device | 9 | same | `who_signed` |
//! | wrong kind of key | 10 | same | same |
//! | wrongly signed | 11 | same | same |
//! | device not in service | 12 | same | same |
//! | anchor of the future | 13 | same | `anchors_times_and_place` |
//! | anchor too old | 14 | `an_anchor_that_is_too_old_…` | same |
//! | anchor of another ledger | 15 | `every_refusal_…`, `…_over_mqtt_5` | same |
//! | back-dated | 16 | same | same |
//! | future-dated | 17 | same | same |
//! | moved | 18 | same | same |
//! | repeated in the epoch | 19 | `repeats_…` in `tests`, `…_over_mqtt_5`: its receipt again | `sequences` |
//! | replayed from an earlier epoch | 20 | same | `a_batch_of_an_earlier_epoch_is_a_replay_…` |
//! | equivocating | 21 | same: refused, kept as proof, sealed | `sequences` |
//! | lower sequence number | 22 | `repeats_…` in `tests` | `sequences` |
//! | value out of bounds | 101 | taken: the score says so | `verifier/tests.rs`: `a_value_out_of_bounds_…` |

use cairn_client::api::{APPLICATION_CBOR, APPLICATION_COSE, evidence_topic, receipt_topic};
use cairn_primitives::{Batch, DeviceId, Envelope, Epoch, KeyType, Position, Signature};
use minicbor::{Encoder, data::Tag};
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, mqttbytes::QoS};
use serde_json::Value;

use super::tests::{Bench, PLACE, accepted};
use crate::workload::Station;

/// Name, number, HTTP status and body of a batch that is refused.
type Case = (&'static str, u32, u16, Vec<u8>);

/// COSE_Sign1 around any payload, with a signature of zeros.
fn around(payload: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    e.tag(Tag::new(18))
        .and_then(|e| {
            e.array(4)?.bytes(&[0xa1, 0x01, 0x27])?.map(0)?.bytes(payload)?.bytes(&[0; 64])
        })
        .unwrap();
    e.into_writer()
}

/// Everything that the ingest refuses for itself, without looking at other batches. `idle` is not in service yet.
fn cases(station: &mut Station, idle: &mut Station) -> Vec<Case> {
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
    let longer = {
        // The version in two bytes where one is enough.
        let mut payload = good.to_bytes();
        payload.splice(1..2, [0x18, 0x01]);
        around(&payload)
    };
    let stranger = Station::new(99).envelope(2).unwrap();
    let unsigned = Envelope::assemble(good.clone(), KeyType::Ed25519, Signature([0; 64]));
    let other_key_type = Envelope::assemble(good.clone(), KeyType::P256, Signature([0; 64]));
    vec![
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
        ("NotCanonical", 8, 400, longer),
        ("UnknownDevice", 9, 403, stranger.bytes().to_vec()),
        ("WrongKeyType", 10, 403, other_key_type.bytes().to_vec()),
        ("BadSignature", 11, 403, unsigned.bytes().to_vec()),
        ("NotActive", 12, 403, idle.envelope(2).unwrap().bytes().to_vec()),
        ("AnchorFromFuture", 13, 422, sign(&|batch| batch.anchor.epoch = Epoch(5))),
        ("AnchorUnknown", 15, 422, sign(&|batch| batch.anchor.root_prefix = [1; 8])),
        ("BackDated", 16, 422, sign(&|batch| batch.base_time.0 -= 8 * 86_400_000)),
        ("FutureDated", 17, 422, sign(&|batch| batch.base_time.0 += 3_600_000)),
        ("Moved", 18, 422, sign(&|batch| batch.position = Some(Position { lat_e7: 0, ..PLACE }))),
    ]
}

/// A station of the registry whose evidence counts from epoch 9 on, and one that is in service; both known here.
async fn stations(bench: &Bench) -> (Station, Station) {
    let idle = Station::new(2);
    bench.ledger.register_from(&idle.key.public(), 2, PLACE, 9);
    (bench.station(1).await, idle)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path(), None).await;
    let (mut station, mut idle) = stations(&bench).await;
    for (name, code, status, body) in cases(&mut station, &mut idle) {
        let (got, json) = bench.post(APPLICATION_COSE, body).await;
        assert_eq!(
            (got, json["code"].as_u64(), json["name"].as_str()),
            (status, Some(code.into()), Some(name)),
            "{json}"
        );
    }
    let valid = station.envelope(1).unwrap();
    assert_eq!(bench.post("text/plain", valid.bytes().to_vec()).await.0, 415);
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
async fn an_anchor_that_is_too_old_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path(), None).await;
    let mut station = bench.station(1).await;
    let late = station.envelope(2).unwrap();
    bench.clock.advance_to(bench.ledger.schedule.start_of(Epoch(27)).0);
    let (status, json) = bench.send(&late).await;
    assert_eq!((status, json["code"].as_u64()), (422, Some(14)), "{json}");
    bench.stop().await;
}

/// A device at the broker.
struct Mqtt {
    device: DeviceId,
    client: AsyncClient,
    events: EventLoop,
}

impl Mqtt {
    async fn connect(bench: &Bench, device: DeviceId) -> Self {
        let addr = bench.mqtt.unwrap();
        let mut options = MqttOptions::new(device.to_string(), addr.ip().to_string(), addr.port());
        options.set_credentials(device.to_string(), "");
        options.set_max_packet_size(Some(1 << 20));
        let (client, mut events) = AsyncClient::new(options, 10);
        client.subscribe(receipt_topic(device), QoS::AtLeastOnce).await.unwrap();
        // The broker's thread may not listen yet.
        while !matches!(events.poll().await, Ok(Event::Incoming(Incoming::SubAck(_)))) {
            tokio::task::yield_now().await;
        }
        Self { device, client, events }
    }

    /// Publishes a body and waits for the reply; the connection must hold.
    async fn ask(&mut self, body: Vec<u8>) -> Value {
        let topic = evidence_topic(self.device);
        self.client.publish(topic, QoS::AtLeastOnce, false, body).await.unwrap();
        loop {
            if let Event::Incoming(Incoming::Publish(reply)) = self.events.poll().await.unwrap() {
                return serde_json::from_slice(&reply.payload).unwrap();
            }
        }
    }
}

fn told(reply: &Value) -> (Option<u64>, Option<&str>, bool) {
    let result = &reply["results"][0];
    (result["code"].as_u64(), result["name"].as_str(), !reply["receipt"].is_null())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_deliver_and_are_refused_over_mqtt_5() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path(), None).await;
    let (mut station, mut idle) = stations(&bench).await;
    let mut mqtt = Mqtt::connect(&bench, station.device).await;
    for (name, code, _, body) in cases(&mut station, &mut idle) {
        let reply = mqtt.ask(body).await;
        assert_eq!(told(&reply), (Some(code.into()), Some(name), false), "{reply}");
    }
    let good = station.envelope(4).unwrap();
    let reply = mqtt.ask(good.bytes().to_vec()).await;
    assert_eq!(told(&reply), (Some(0), Some("Accepted"), true));
    assert_eq!(reply["receipt"]["leaves"][0], good.leaf().to_string());
    assert_eq!(told(&mqtt.ask(good.bytes().to_vec()).await), (Some(0), Some("Duplicate"), true));
    let mut contradiction = good.batch().clone();
    contradiction.rows.values[0] = Some(77);
    let contradiction = Envelope::sign(contradiction, &station.key).unwrap();
    let reply = mqtt.ask(contradiction.bytes().to_vec()).await;
    assert_eq!(told(&reply), (Some(21), Some("Equivocation"), false));
    bench.next_epoch().await;
    assert_eq!(told(&mqtt.ask(good.bytes().to_vec()).await), (Some(20), Some("Replayed"), true));
    bench.stop().await;
}
