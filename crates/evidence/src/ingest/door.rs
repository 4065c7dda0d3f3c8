//! The actor that owns the edge: requests go in, receipts come out, epochs are closed.
//!
//! Mailbox: `QUEUE_REQUESTS` requests; when it is full a request is refused at once (429), so that a flood costs those
//! who send it a round trip and nobody else their place. Requests that wait together share one write to disk.

use std::sync::Arc;

use cairn_client::api::{BatchResult, EvidenceReply, IngestReceipt};
use cairn_kit::{Shutdown, clock::NetworkClock};
use cairn_primitives::{DeviceId, Digest, EpochSchedule, SecretKey, TimeMs};
use cairn_sectors::Rejection;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Checked, Closed, DeviceRejections, Edge, Equivocation, Outcome, check,
    facts::Facts,
    journal::JournalError,
    metrics::IngestMetrics,
    params::{GROUP_REQUESTS, QUEUE_REQUESTS},
};

/// What an ingest knows about a device, for `cairn why`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceReport {
    /// What was refused.
    pub rejections: DeviceRejections,
    /// Proofs that it signed two batches for the same sequence numbers.
    pub equivocations: Vec<Equivocation>,
}

/// Why a request as a whole got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The queue is full.
    #[error("the ingest is busy: try again in a second")]
    Busy,
    /// The ingest is stopping.
    #[error("the ingest is stopping")]
    Stopping,
}

enum Message {
    Submit { checked: Vec<Checked>, reply: oneshot::Sender<Vec<Outcome>> },
    Report { device: DeviceId, reply: oneshot::Sender<DeviceReport> },
    Totals { reply: oneshot::Sender<Vec<(&'static str, u64)>> },
}

/// The way in; cheap to clone.
#[derive(Clone)]
pub struct Door {
    messages: mpsc::Sender<Message>,
    facts: watch::Receiver<Arc<Facts>>,
    signer: Arc<Signer>,
    clock: NetworkClock,
}

/// What is needed to sign receipts.
pub(super) struct Signer {
    pub chain_id: u64,
    pub key: SecretKey,
    pub schedule: EpochSchedule,
    pub commit_window_ms: u64,
}

impl Signer {
    fn receipt(&self, outcomes: &[Outcome], now: TimeMs) -> Option<IngestReceipt> {
        let epoch = outcomes.iter().filter_map(|outcome| outcome.held).max()?;
        let held = outcomes.iter().filter(|outcome| outcome.held == Some(epoch));
        let leaves: Vec<Digest> = held.map(|outcome| outcome.leaf).collect();
        let deadline = self.schedule.end_of(epoch).0 + self.commit_window_ms;
        match IngestReceipt::sign(self.chain_id, &self.key, epoch, now.0, deadline, leaves) {
            Ok(receipt) => Some(receipt),
            Err(error) => {
                tracing::error!(%error, "a receipt cannot be signed");
                None
            }
        }
    }
}

impl Door {
    /// Checks envelopes, waits until what is accepted is on disk, and gives the reply with its receipt.
    ///
    /// # Errors
    /// When the queue is full or the ingest stops.
    pub async fn submit(&self, envelopes: Vec<Vec<u8>>) -> Result<EvidenceReply, Refusal> {
        // A place in the queue first: a request that would be refused anyway costs no signature checks.
        let place = self.messages.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => Refusal::Busy,
            mpsc::error::TrySendError::Closed(()) => Refusal::Stopping,
        })?;
        let facts = self.facts.borrow().clone();
        let now = TimeMs(self.clock.now_ms());
        let epoch = self.signer.schedule.epoch_at(now);
        let checked = tokio::task::spawn_blocking(move || {
            let view = facts.view(epoch);
            envelopes.iter().map(|bytes| check(&view, bytes)).collect()
        });
        let checked = checked.await.map_err(|_| Refusal::Stopping)?;
        let (reply, answer) = oneshot::channel();
        place.send(Message::Submit { checked, reply });
        let outcomes = answer.await.map_err(|_| Refusal::Stopping)?;
        let receipt = self.signer.receipt(&outcomes, now);
        Ok(EvidenceReply { receipt, results: outcomes.iter().map(result).collect() })
    }

    /// What was refused from a device.
    ///
    /// # Errors
    /// When the ingest stops.
    pub async fn report(&self, device: DeviceId) -> Result<DeviceReport, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.messages
            .send(Message::Report { device, reply })
            .await
            .map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)
    }

    /// What was refused from anybody, by name.
    ///
    /// # Errors
    /// When the ingest stops.
    pub async fn totals(&self) -> Result<Vec<(&'static str, u64)>, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Totals { reply }).await.map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)
    }

    /// Whether a device is registered here.
    #[must_use]
    pub fn knows(&self, device: DeviceId) -> bool {
        self.facts.borrow().knows(device)
    }
}

/// The code of a batch that found no room in the epoch. Not a rejection: the same batch may come again.
pub const EPOCH_FULL: (u32, &str) = (429, "EpochFull");

fn result(outcome: &Outcome) -> BatchResult {
    let (code, name) = match outcome {
        Outcome { full: true, .. } => EPOCH_FULL,
        Outcome { held: Some(_), rejection: None, .. } => (0, Rejection::ACCEPTED),
        Outcome { rejection: Some(Rejection::Duplicate), .. } => (0, Rejection::Duplicate.name()),
        Outcome { rejection, .. } => {
            (Rejection::code_of(*rejection).into(), Rejection::name_of(*rejection))
        }
    };
    BatchResult { leaf: outcome.leaf, code, name: name.to_owned() }
}

/// The actor.
pub(super) struct Keeper {
    messages: mpsc::Receiver<Message>,
    facts: watch::Receiver<Arc<Facts>>,
    closed: mpsc::Sender<Closed>,
    clock: NetworkClock,
    schedule: EpochSchedule,
    metrics: IngestMetrics,
    edge: Edge,
}

/// A door and the actor behind it.
pub(super) fn door(
    edge: Edge,
    facts: watch::Receiver<Arc<Facts>>,
    closed: mpsc::Sender<Closed>,
    signer: Signer,
    clock: NetworkClock,
    metrics: IngestMetrics,
) -> (Door, Keeper) {
    let (sender, messages) = mpsc::channel(QUEUE_REQUESTS);
    let schedule = signer.schedule;
    let door = Door {
        messages: sender,
        facts: facts.clone(),
        signer: Arc::new(signer),
        clock: clock.clone(),
    };
    (door, Keeper { messages, facts, closed, clock, schedule, metrics, edge })
}

impl Keeper {
    /// Serves the mailbox until `shutdown`. What was acknowledged is on disk at every moment.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), JournalError> {
        loop {
            let mut group = Vec::new();
            tokio::select! {
                biased;
                () = shutdown.requested() => return Ok(()),
                () = self.clock.sleep_until(self.schedule.end_of(self.edge.epoch()).0) => {}
                received = self.messages.recv_many(&mut group, GROUP_REQUESTS) => {
                    if received == 0 {
                        return Ok(());
                    }
                }
            }
            self = self.step(group).await?;
        }
    }

    /// Closes the epoch if it is over, then serves a group of requests with one write to disk.
    async fn step(self, group: Vec<Message>) -> Result<Self, JournalError> {
        let now = TimeMs(self.clock.now_ms());
        let work = move || {
            let mut keeper = self;
            let epoch = keeper.schedule.epoch_at(now);
            let closed =
                if epoch > keeper.edge.epoch() { Some(keeper.edge.close(epoch)?) } else { None };
            let answers = keeper.decide(group, now);
            keeper.edge.sync()?;
            keeper.metrics.epoch(
                keeper.edge.epoch(),
                keeper.edge.batches(),
                keeper.edge.readings(),
            );
            Ok((keeper, closed, answers))
        };
        let (keeper, closed, answers) = match tokio::task::spawn_blocking(work).await {
            Ok(done) => done?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        for (outcomes, reply) in answers {
            // Who does not wait for the answer any more will ask again.
            let _ = reply.send(outcomes);
        }
        if let Some(closed) = closed {
            // The sealer keeps up or the ingest waits: its queue is far longer than the commit window.
            let _ = keeper.closed.send(closed).await;
        }
        Ok(keeper)
    }

    fn decide(
        &mut self,
        group: Vec<Message>,
        now: TimeMs,
    ) -> Vec<(Vec<Outcome>, oneshot::Sender<Vec<Outcome>>)> {
        let view = self.facts.borrow().view(self.edge.epoch());
        let mut answers = Vec::new();
        for message in group {
            match message {
                Message::Submit { checked, reply } => {
                    let outcomes: Vec<Outcome> = checked
                        .into_iter()
                        .map(|checked| self.edge.admit(&view, checked, now))
                        .collect();
                    outcomes.iter().for_each(|outcome| self.metrics.batch(outcome));
                    answers.push((outcomes, reply));
                }
                Message::Report { device, reply } => {
                    let rejections = self.edge.rejections().of(device).cloned().unwrap_or_default();
                    let equivocations = self
                        .edge
                        .proofs()
                        .filter(|proof| proof.device == device)
                        .cloned()
                        .collect();
                    let _ = reply.send(DeviceReport { rejections, equivocations });
                }
                Message::Totals { reply } => {
                    let _ = reply.send(self.edge.rejections().totals().into_iter().collect());
                }
            }
        }
        answers
    }
}
