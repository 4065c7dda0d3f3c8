//! The JSON of the public HTTP APIs, shared by those who serve it and those who ask: one definition, no drift.
//!
//! Conventions: digests, ids and signatures are `0x` hex; money is an integer of micro-dollars; times are network
//! milliseconds; a failed request has an [`ErrorBody`].

mod gateway;
mod ingest;

use serde::{Deserialize, Serialize};

pub use gateway::{
    OfferInfo, Origin, QueryAnswer, QueryRequest, ReceiptBody, ReceiptReply, ReceiptSubmission,
    ShareBody,
};
pub use ingest::{
    APPLICATION_CBOR, APPLICATION_COSE, BatchResult, ENVELOPES_MAX, EvidenceReply, IngestReceipt,
    ReceiptError, evidence_topic, receipt_topic,
};

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Stable number: a rejection's, or the HTTP status when nothing more precise is known.
    pub code: u32,
    /// Its name in CamelCase.
    pub name: String,
    /// For people.
    pub message: String,
}

/// Bytes as `0x` hex in JSON.
pub(crate) mod hex_bytes {
    use alloy_primitives::hex;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode_prefixed(bytes))
    }

    pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        d: D,
    ) -> Result<[u8; N], D::Error> {
        hex::decode_to_array(String::deserialize(d)?).map_err(D::Error::custom)
    }
}
