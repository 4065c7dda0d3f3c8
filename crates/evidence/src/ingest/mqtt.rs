//! The ingest over MQTT 5: an embedded `rumqttd` broker that only devices of the registry may log in to.
//!
//! ```text
//! device ─publish cairn/v1/evidence/{device}─► broker ─link─► Door ─► journal
//! device ◄─────── cairn/v1/receipts/{device} ──broker ◄─link─ reply (the JSON of HTTP)
//! ```
//! The broker's own acknowledgement (QoS 1) says only that it has the message in memory; what counts is the receipt.
//! The evidence is signed and receipts are signed, so a topic needs no secrecy: the login keeps strangers' load away.
//! The broker has no way to be stopped: its threads end with the process, and until then find the door closed.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};

use cairn_client::api::EvidenceReply;
use cairn_kit::{Shutdown, Tasks, loopback::free_address};
use cairn_primitives::{BATCH_BYTES_MAX, DeviceId};
use futures::{StreamExt as _, stream::FuturesUnordered};
use rumqttd::{
    Broker, Config, ConnectionSettings, Notification, RouterConfig, ServerSettings,
    local::{LinkError, LinkRx, LinkTx},
};

use super::{Door, http::envelopes};

/// Topics of evidence.
const EVIDENCE: &str = "cairn/v1/evidence/";
/// Topics of replies.
const RECEIPTS: &str = "cairn/v1/receipts/";
/// Devices that may be connected at a time.
const CONNECTIONS_MAX: usize = 10_010;
/// Messages that are being checked or written at a time; the broker holds the others back.
const IN_FLIGHT_MAX: usize = 64;
/// Largest message: sixteen of the largest envelopes.
const MESSAGE_BYTES_MAX: usize = 16 * BATCH_BYTES_MAX;

/// Why MQTT is not served.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// The address is taken or not ours.
    #[error("cannot listen for MQTT on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The broker refused our own link, or stopped.
    #[error("the MQTT broker stopped")]
    Link(#[source] Box<LinkError>),
}

impl From<LinkError> for MqttError {
    fn from(source: LinkError) -> Self {
        Self::Link(Box::new(source))
    }
}

/// Starts the broker and its link to the door; gives the address it listens on.
pub(super) fn start(
    addr: SocketAddr,
    door: Door,
    tasks: &mut Tasks,
) -> Result<SocketAddr, MqttError> {
    let bind = |source| MqttError::Bind { addr, source };
    // The broker takes an address, not a socket: the port is found first and bound by it a moment later.
    let addr = match (addr.ip(), addr.port()) {
        (IpAddr::V4(Ipv4Addr::LOCALHOST), 0) => free_address(),
        _ => TcpListener::bind(addr).and_then(|socket| socket.local_addr()),
    };
    let addr = addr.map_err(bind)?;
    let mut broker = Broker::new(config(addr, door.clone()));
    let (mut to_broker, from_broker) = broker.link("cairn-ingest")?;
    to_broker.subscribe(format!("{EVIDENCE}#"))?;
    std::thread::Builder::new()
        .name("ingest.mqtt.broker".to_owned())
        .spawn(move || {
            if let Err(error) = broker.start() {
                tracing::error!(%error, "the MQTT broker stopped");
            }
        })
        .map_err(bind)?;
    tasks.spawn("ingest.mqtt", |shutdown| serve(door, to_broker, from_broker, shutdown));
    Ok(addr)
}

fn config(addr: SocketAddr, door: Door) -> Config {
    let mut connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: MESSAGE_BYTES_MAX,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    connections.set_auth_handler(move |_client: String, user: String, _password: String| {
        let known = user.parse::<DeviceId>().is_ok_and(|device| door.knows(device));
        async move { known }
    });
    let server = ServerSettings {
        name: "ingest.mqtt".to_owned(),
        listen: addr,
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    Config {
        router: RouterConfig {
            max_connections: CONNECTIONS_MAX,
            max_outgoing_packet_count: 200,
            max_segment_size: 32 << 20,
            max_segment_count: 4,
            ..RouterConfig::default()
        },
        v5: Some(HashMap::from([("v5".to_owned(), server)])),
        ..Config::default()
    }
}

async fn serve(
    door: Door,
    mut to: LinkTx,
    mut from: LinkRx,
    shutdown: Shutdown,
) -> Result<(), MqttError> {
    let mut working = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            Some((device, reply)) = working.next() => {
                let reply: Option<EvidenceReply> = reply;
                if let Some(reply) = reply {
                    let json = serde_json::to_vec(&reply).expect("a reply always encodes");
                    to.publish(format!("{RECEIPTS}{device}"), json)?;
                }
            }
            notification = from.next(), if working.len() < IN_FLIGHT_MAX => {
                let Some(Notification::Forward(forward)) = notification? else { continue };
                let topic = String::from_utf8_lossy(&forward.publish.topic).into_owned();
                let Some(device) = topic.strip_prefix(EVIDENCE).map(str::to_owned) else { continue };
                let door = door.clone();
                working.push(async move {
                    let reply = match envelopes(&forward.publish.payload) {
                        Ok(all) => door.submit(all).await.ok(),
                        // What cannot be read has no leaf to answer about; the sender sees no receipt.
                        Err(_) => None,
                    };
                    (device, reply)
                });
            }
        }
    }
}
