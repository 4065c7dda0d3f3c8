//! Delivery over MQTT 5: publish with QoS 1, the answer comes on the device's receipt topic.
//!
//! The connection is polled only while a delivery waits or the courier idles, in the device's own task: nothing is detached.
//! After a reconnect the library publishes again what was under way; the ingest answers a batch that it holds with a receipt
//! again, so a repetition costs nothing.

use std::time::Duration;

use cairn_client::{
    Backoff,
    api::{EvidenceReply, evidence_topic, receipt_topic},
};
use cairn_primitives::{DeviceId, leaf_hash};
use rumqttc::v5::{
    AsyncClient, Event, EventLoop, MqttOptions,
    mqttbytes::{QoS, v5::Packet},
};

use super::{DeliverError, REQUEST_BYTES_MAX, body};
use crate::Waiting;

/// Longest time from connecting to the answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// How often the broker hears of us when there is nothing to say.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Requests that the library queues; there is one subscription and one publication at a time.
const QUEUE: usize = 16;
/// Largest packet in either direction, with room for the topic and an answer.
const PACKET_BYTES_MAX: usize = REQUEST_BYTES_MAX + 64 * 1_024;

/// Delivers by publishing to `cairn/v1/evidence/{device}`.
pub struct MqttCourier {
    url: String,
    device: DeviceId,
    client: AsyncClient,
    events: EventLoop,
    subscribed: bool,
}

impl std::fmt::Debug for MqttCourier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MqttCourier({})", self.url)
    }
}

impl MqttCourier {
    /// A courier for `device` to the broker of an ingest at `host:port`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(address: &str, device: DeviceId) -> Result<Self, DeliverError> {
        let url = format!("mqtt://{address}");
        let parts = address.trim_end_matches('/').rsplit_once(':');
        let Some((host, port)) =
            parts.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        else {
            return Err(DeliverError::Answer { url, reason: "host:port is expected".to_owned() });
        };
        let mut options = MqttOptions::new(format!("cairn-{device}"), host, port);
        options.set_keep_alive(KEEP_ALIVE);
        options.set_clean_start(true);
        // The broker lets registered devices in; what a device says is proved by its signature.
        options.set_credentials(device.to_string(), "");
        options.set_max_packet_size(u32::try_from(PACKET_BYTES_MAX).ok());
        let (client, events) = AsyncClient::new(options, QUEUE);
        Ok(Self { url, device, client, events, subscribed: false })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn transport(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> DeliverError {
        DeliverError::Transport { url: self.url.clone(), source: source.into() }
    }

    /// The next packet from the broker; keeps track of the subscription.
    async fn packet(&mut self) -> Result<Packet, DeliverError> {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(packet)) => {
                    match packet {
                        Packet::ConnAck(_) => {
                            self.subscribed = false;
                            let topic = receipt_topic(self.device);
                            self.client
                                .try_subscribe(topic, QoS::AtLeastOnce)
                                .map_err(|e| self.transport(e))?;
                        }
                        Packet::SubAck(_) => self.subscribed = true,
                        _ => {}
                    }
                    return Ok(packet);
                }
                Ok(Event::Outgoing(_)) => {}
                Err(error) => {
                    self.subscribed = false;
                    return Err(self.transport(error));
                }
            }
        }
    }

    pub(super) async fn send(
        &mut self,
        batches: &[Waiting],
    ) -> Result<EvidenceReply, DeliverError> {
        match tokio::time::timeout(DEADLINE, self.exchange(batches)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.transport(format!("no answer within {DEADLINE:?}"))),
        }
    }

    async fn exchange(&mut self, batches: &[Waiting]) -> Result<EvidenceReply, DeliverError> {
        while !self.subscribed {
            self.packet().await?;
        }
        let leaf = batches.first().map(|batch| leaf_hash(&batch.envelope));
        let published = self.client.try_publish(
            evidence_topic(self.device),
            QoS::AtLeastOnce,
            false,
            body(batches),
        );
        published.map_err(|error| self.transport(error))?;
        loop {
            let Packet::Publish(message) = self.packet().await? else { continue };
            let reply: EvidenceReply =
                serde_json::from_slice(&message.payload).map_err(|error| DeliverError::Answer {
                    url: self.url.clone(),
                    reason: error.to_string(),
                })?;
            // An answer to an earlier attempt may come late: it is for other batches.
            if reply.results.len() == batches.len()
                && reply.results.first().map(|result| result.leaf) == leaf
            {
                return Ok(reply);
            }
        }
    }

    pub(super) async fn idle(&mut self) {
        let mut pauses = Backoff::endless(Duration::from_millis(200), Duration::from_secs(20));
        loop {
            if self.packet().await.is_err() {
                tokio::time::sleep(pauses.next().unwrap_or(KEEP_ALIVE)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
