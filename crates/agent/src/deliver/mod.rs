//! Delivery: hands signed batches to an ingest and tells what became of each. Two ways, one meaning.
//!
//! ```text
//! Waiting batches ─► Courier (HTTP | MQTT 5) ─► EvidenceReply ─ judge ─► acknowledged | rejected (number) | again later
//! ```
//! Only a receipt whose signature was checked acknowledges; a rejection is final and has a number; everything else is
//! tried again, for ever, with growing pauses: the batch stays in the spool meanwhile.

mod http;
mod mqtt;

use cairn_client::api::{ENVELOPES_MAX, ErrorBody, EvidenceReply, ReceiptError};
use cairn_primitives::{DeviceId, Seq, leaf_hash};
use cairn_sectors::Rejection;

pub use http::HttpCourier;
pub use mqtt::MqttCourier;

use crate::{Rejected, Waiting};

/// Most batches in one request.
pub const REQUEST_BATCHES_MAX: usize = 64;
/// Most bytes in one request, but for a single larger batch.
pub const REQUEST_BYTES_MAX: usize = 256 * 1_024;
/// Result codes from here up are about the ingest's state, not about the batch: the batch is tried again.
pub const TRY_AGAIN_FROM: u32 = 400;
/// How often a batch is tried again when the ingest's view of the ledger may lag behind ours.
pub const LAGGING_ATTEMPTS_MAX: u32 = 6;

const _: () = assert!(REQUEST_BATCHES_MAX <= ENVELOPES_MAX);

/// Why a delivery gave no result.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// Nobody answers.
    #[error("no answer from the ingest at {url}")]
    Transport {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request as a whole was refused.
    #[error("the ingest at {url} refused the request with status {status}: {}", body.message)]
    Refused {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// Its words.
        body: ErrorBody,
    },
    /// An answer of another shape, or not for what was asked.
    #[error("the answer of the ingest at {url} makes no sense: {reason}")]
    Answer {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// A receipt that proves nothing.
    #[error("the ingest at {url} gave a receipt that proves nothing")]
    Receipt {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: ReceiptError,
    },
}

/// The way to an ingest.
#[derive(Debug)]
pub enum Courier {
    /// HTTP(S).
    Http(HttpCourier),
    /// MQTT 5.
    Mqtt(Box<MqttCourier>),
}

impl Courier {
    /// The courier for `url` (`http://`, `https://` or `mqtt://host:port`) and one device.
    ///
    /// # Errors
    /// When the address is none, or the library cannot start.
    pub fn new(url: &str, device: DeviceId) -> Result<Self, DeliverError> {
        match url.strip_prefix("mqtt://") {
            Some(address) => Ok(Self::Mqtt(Box::new(MqttCourier::new(address, device)?))),
            None => Ok(Self::Http(HttpCourier::new(url)?)),
        }
    }

    /// Where it leads.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Http(courier) => courier.url(),
            Self::Mqtt(courier) => courier.url(),
        }
    }

    /// Hands over `batches` (at least one) and returns the answer to them. Has a deadline.
    ///
    /// # Errors
    /// See [`DeliverError`].
    pub async fn send(&mut self, batches: &[Waiting]) -> Result<EvidenceReply, DeliverError> {
        match self {
            Self::Http(courier) => courier.send(batches).await,
            Self::Mqtt(courier) => courier.send(batches).await,
        }
    }

    /// Keeps the connection alive while there is nothing to send. Never ends; safe to cancel.
    pub async fn idle(&mut self) {
        match self {
            Self::Http(_) => std::future::pending().await,
            Self::Mqtt(courier) => courier.idle().await,
        }
    }
}

/// The body of a request: one envelope as it is, several as a CBOR array of byte strings.
#[must_use]
pub fn body(batches: &[Waiting]) -> Vec<u8> {
    if let [single] = batches {
        return single.envelope.clone();
    }
    let mut out = Vec::new();
    head(&mut out, 4, batches.len());
    for batch in batches {
        head(&mut out, 2, batch.envelope.len());
        out.extend_from_slice(&batch.envelope);
    }
    out
}

/// The head of a CBOR item: major type and length, in the shortest form (RFC 8949 §4.2.1).
fn head(out: &mut Vec<u8>, major: u8, length: usize) {
    let major = major << 5;
    match length {
        0..24 => out.push(major | length.to_le_bytes()[0]),
        24..0x100 => out.extend_from_slice(&[major | 24, length.to_le_bytes()[0]]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend_from_slice(&length.to_be_bytes()[size_of::<usize>() - 2..]);
        }
        _ => {
            out.push(major | 26);
            out.extend_from_slice(&length.to_be_bytes()[size_of::<usize>() - 4..]);
        }
    }
}

/// What an answer means for the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Batches with a promise.
    pub held: Vec<Seq>,
    /// Batches that are refused for good.
    pub rejected: Vec<Rejected>,
    /// Batches to try again, with the reason that the ingest gave.
    pub again: Vec<Rejected>,
}

/// Reads an answer whose receipt was checked already.
///
/// # Errors
/// When the answer is not one result a batch, in order, with every held batch in the receipt.
pub fn judge(batches: &[Waiting], reply: &EvidenceReply) -> Result<Judgement, String> {
    if batches.len() != reply.results.len() {
        return Err(format!("{} results for {} batches", reply.results.len(), batches.len()));
    }
    let promised =
        |leaf| reply.receipt.as_ref().is_some_and(|receipt| receipt.leaves.contains(&leaf));
    let mut judgement = Judgement::default();
    for (batch, result) in batches.iter().zip(&reply.results) {
        let leaf = leaf_hash(&batch.envelope);
        if result.leaf != leaf {
            return Err(format!("a result for {} where {leaf} was sent", result.leaf));
        }
        let Waiting { first_seq, .. } = *batch;
        let reason = Rejected { first_seq, code: result.code, name: result.name.clone() };
        let held = result.is_held() || is_held_from_before(result.code);
        if promised(leaf) {
            judgement.held.push(first_seq);
        } else if result.code >= TRY_AGAIN_FROM || (held && batches.len() > 1) {
            // A receipt is for one epoch: what the ingest holds from another is asked for alone.
            judgement.again.push(reason);
        } else if result.is_held() {
            return Err(format!("{leaf} is held, but is not in the receipt"));
        } else {
            judgement.rejected.push(reason);
        }
    }
    Ok(judgement)
}

/// Whether a rejection says that the ingest has these very bytes already.
fn is_held_from_before(code: u32) -> bool {
    [Rejection::Duplicate, Rejection::Replayed]
        .iter()
        .any(|rejection| u32::from(rejection.code()) == code)
}

/// Whether a rejection may only say that the ingest has not yet seen what is on the ledger.
#[must_use]
pub fn may_lag(code: u32) -> bool {
    let lagging = [
        Rejection::UnknownDevice,
        Rejection::NotActive,
        Rejection::AnchorFromFuture,
        Rejection::AnchorUnknown,
    ];
    lagging.iter().any(|rejection| u32::from(rejection.code()) == code)
}

#[cfg(test)]
mod tests {
    use cairn_client::api::{BatchResult, IngestReceipt};
    use cairn_primitives::{Epoch, SecretKey};

    use super::*;

    fn waiting(seq: u64, length: usize) -> Waiting {
        Waiting { first_seq: Seq(seq), envelope: vec![7; length] }
    }

    fn result(batch: &Waiting, code: u32, name: &str) -> BatchResult {
        BatchResult { leaf: leaf_hash(&batch.envelope), code, name: name.to_owned() }
    }

    #[test]
    fn one_envelope_goes_as_it_is_and_several_as_an_array() {
        assert_eq!(body(&[waiting(0, 3)]), [7, 7, 7]);
        assert_eq!(body(&[waiting(0, 1), waiting(1, 2)]), [0x82, 0x41, 7, 0x42, 7, 7]);
        let long = body(&[waiting(0, 300), waiting(1, 30), waiting(2, 70_000)]);
        assert_eq!(long[..4], [0x83, 0x59, 0x01, 0x2c]);
        assert_eq!(long[304..306], [0x58, 30]);
        assert_eq!(long[336..341], [0x5a, 0x00, 0x01, 0x11, 0x70]);
    }

    #[test]
    fn an_answer_is_believed_only_as_far_as_it_goes() {
        let batches = [waiting(0, 1), waiting(4, 2), waiting(9, 3)];
        let key = SecretKey::ed25519([1; 32]);
        let leaves = vec![leaf_hash(&batches[0].envelope)];
        let receipt = IngestReceipt::sign(1, &key, Epoch(0), 0, 1, leaves).unwrap();
        let results = vec![
            result(&batches[0], 0, "Accepted"),
            result(&batches[1], 11, "BadSignature"),
            result(&batches[2], 429, "EpochFull"),
        ];
        let reply = EvidenceReply { receipt: Some(receipt), results };
        let judgement = judge(&batches, &reply).unwrap();
        assert_eq!(judgement.held, [Seq(0)]);
        assert_eq!(
            judgement.rejected,
            [Rejected { first_seq: Seq(4), code: 11, name: "BadSignature".to_owned() }]
        );
        assert_eq!(judgement.again.len(), 1);

        // Without a promise a batch among others is asked for alone, and alone the answer is not believed.
        let without = EvidenceReply { receipt: None, ..reply.clone() };
        assert_eq!(judge(&batches, &without).unwrap().again.len(), 2);
        let alone = EvidenceReply { receipt: None, results: reply.results[..1].to_vec() };
        assert!(judge(&batches[..1], &alone).unwrap_err().contains("not in the receipt"));
        let replayed =
            EvidenceReply { results: vec![result(&batches[0], 20, "Replayed")], ..reply.clone() };
        assert_eq!(
            judge(&batches[..1], &replayed).unwrap().held,
            [Seq(0)],
            "it is held, since an earlier epoch"
        );
        assert!(judge(&batches[..2], &reply).unwrap_err().contains("3 results for 2 batches"));
        let mut swapped = reply;
        swapped.results.swap(0, 1);
        assert!(judge(&batches, &swapped).is_err());
    }
}
