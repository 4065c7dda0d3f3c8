//! The delivering loop of a device: the oldest batches first, one request at a time, until each has its answer.

use std::{collections::BTreeMap, time::Duration};

use cairn_client::{Backoff, api::ErrorBody};
use cairn_primitives::Seq;
use cairn_sectors::Rejection;

use super::{DeviceError, Shared};
use crate::{
    Rejected, Waiting,
    deliver::{
        Courier, DeliverError, Judgement, LAGGING_ATTEMPTS_MAX, REQUEST_BATCHES_MAX,
        REQUEST_BYTES_MAX, judge, may_lag,
    },
};

/// First pause after a failed delivery.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(10);

pub(super) const fn pauses() -> Backoff {
    Backoff::endless(PAUSE_MIN, PAUSE_MAX)
}

/// Delivers until cancelled.
pub(super) async fn run(shared: &Shared, courier: &mut Courier) -> Result<(), DeviceError> {
    let device_id = shared.config.id();
    let mut waits = pauses();
    // Attempts for batches that were refused because the ingest may lag behind the ledger.
    let mut lagging: BTreeMap<Seq, u32> = BTreeMap::new();
    // After a request was refused as a whole: one batch at a time, to find out which is to blame.
    let mut one_by_one = false;
    loop {
        let limit = if one_by_one { 1 } else { REQUEST_BATCHES_MAX };
        let batches = shared.on_disk(move |spool| spool.waiting(limit, REQUEST_BYTES_MAX)).await?;
        if batches.is_empty() {
            one_by_one = false;
            tokio::select! {
                () = shared.sealed.notified() => {}
                () = courier.idle() => {}
            }
            continue;
        }
        let progress = match attempt(shared, courier, &batches).await {
            Ok(reply) => {
                let settled = settle(shared, reply, &mut lagging).await?;
                // What is not settled among others may be on its own: a receipt is for one epoch.
                one_by_one = !settled && batches.len() > 1;
                settled
            }
            Err(DeliverError::Refused { status, .. }) if batches.len() > 1 && is_final(status) => {
                one_by_one = true;
                true
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%device_id, %error, cause, batches = batches.len(), "delivery failed, will try again");
                false
            }
        };
        if progress {
            waits = pauses();
            shared.settled.notify_one();
        } else {
            tokio::time::sleep(waits.next().unwrap_or(PAUSE_MAX)).await;
        }
    }
}

/// Whether an HTTP status says that the same request will never be taken.
fn is_final(status: u16) -> bool {
    [400, 409, 410, 413, 415, 422].contains(&status)
}

/// What the refusal of a request with a single batch says about the batch; `None` when it says nothing.
fn refusal(status: u16, body: &ErrorBody) -> Option<Rejected> {
    let known = u16::try_from(body.code).ok().and_then(Rejection::from_code).is_some();
    let about = known || is_final(status);
    about.then(|| Rejected { first_seq: Seq(0), code: body.code, name: body.name.clone() })
}

/// Sends, and checks the receipt before the answer is believed.
async fn attempt(
    shared: &Shared,
    courier: &mut Courier,
    batches: &[Waiting],
) -> Result<AcceptedReply, DeliverError> {
    let reply = match (courier.send(batches).await, batches) {
        (Err(DeliverError::Refused { url, status, body }), [single]) => {
            let Some(refused) = refusal(status, &body) else {
                return Err(DeliverError::Refused { url, status, body });
            };
            let rejected = vec![Rejected { first_seq: single.first_seq, ..refused }];
            let judgement = Judgement { rejected, ..Judgement::default() };
            return Ok(AcceptedReply { judgement, receipt: None });
        }
        (reply, _) => reply?,
    };
    let url = || courier.url().to_owned();
    if let Some(receipt) = &reply.receipt {
        let checked = receipt.verify(shared.config.chain_id, &shared.config.ingests);
        checked.map_err(|source| DeliverError::Receipt { url: url(), source })?;
    }
    let judgement =
        judge(batches, &reply).map_err(|reason| DeliverError::Answer { url: url(), reason })?;
    Ok(AcceptedReply { judgement, receipt: reply.receipt })
}

/// An answer that was checked.
struct AcceptedReply {
    judgement: Judgement,
    receipt: Option<cairn_client::api::IngestReceipt>,
}

/// Writes an answer to the spool; `false` when nothing was settled.
async fn settle(
    shared: &Shared,
    reply: AcceptedReply,
    lagging: &mut BTreeMap<Seq, u32>,
) -> Result<bool, DeviceError> {
    let Judgement { held, rejected, mut again } = reply.judgement;
    let mut progress = false;
    if let Some(receipt) = reply.receipt.filter(|_| !held.is_empty()) {
        for seq in &held {
            lagging.remove(seq);
        }
        shared.on_disk(move |spool| spool.acknowledge(&held, &receipt)).await?;
        progress = true;
    }
    for refused in rejected {
        if may_lag(refused.code) {
            let attempts = lagging.entry(refused.first_seq).or_default();
            *attempts += 1;
            if *attempts < LAGGING_ATTEMPTS_MAX {
                again.push(refused);
                continue;
            }
        }
        lagging.remove(&refused.first_seq);
        reject(shared, refused).await?;
        progress = true;
    }
    for later in &again {
        let device_id = shared.config.id();
        tracing::debug!(%device_id, seq = later.first_seq.0, reason = later.name, "batch not taken yet");
    }
    // With something to try again a pause is due, even if the rest went well.
    if progress && !again.is_empty() {
        shared.settled.notify_one();
    }
    Ok(progress && again.is_empty())
}

async fn reject(shared: &Shared, refused: Rejected) -> Result<(), DeviceError> {
    let device_id = shared.config.id();
    tracing::warn!(%device_id, seq = refused.first_seq.0, code = refused.code, name = refused.name, "batch rejected");
    shared.on_disk(move |spool| spool.reject(&refused)).await
}
