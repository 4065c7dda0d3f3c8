//! What devices and an ingest say to each other. Byte layout of the signed receipt: docs/spec/wallet.md §5.
//!
//! ```text
//! HTTP  POST /v1/evidence   body: one envelope (application/cose) or a CBOR array of byte strings (application/cbor)
//!       200 EvidenceReply — also when single batches are refused; 4xx ErrorBody when the request as a whole is
//! MQTT  publish  cairn/v1/evidence/{device}   the same two bodies, told apart by their first byte (0xd2 | 0x80…0x9f)
//!       receive  cairn/v1/receipts/{device}   the same EvidenceReply
//! ```
//! A batch that the ingest already holds is answered with a receipt again: an agent that lost the first answer goes on.

use cairn_primitives::{
    DeviceId, Digest, Epoch, KeyError, KeyType, PublicKey, SecretKey, Signature,
};
use serde::{Deserialize, Serialize};

use super::hex_bytes;

/// Most envelopes in one request.
pub const ENVELOPES_MAX: usize = 256;
/// Content type of one envelope.
pub const APPLICATION_COSE: &str = "application/cose";
/// Content type of a CBOR array of envelopes.
pub const APPLICATION_CBOR: &str = "application/cbor";

const RECEIPT_DOMAIN: &[u8] = b"cairn/ingest-receipt/v1";

/// MQTT topic to which `device` publishes evidence.
#[must_use]
pub fn evidence_topic(device: DeviceId) -> String {
    format!("cairn/v1/evidence/{device}")
}

/// MQTT topic on which `device` receives [`EvidenceReply`]s.
#[must_use]
pub fn receipt_topic(device: DeviceId) -> String {
    format!("cairn/v1/receipts/{device}")
}

/// The answer to a request with evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceReply {
    /// The ingest's promise for the batches it holds; `None` when it took none.
    pub receipt: Option<IngestReceipt>,
    /// One result a batch, in the order of the request.
    pub results: Vec<BatchResult>,
}

/// What became of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResult {
    /// The batch's name: its Merkle leaf, SHA-256(0x00 ‖ envelope bytes).
    pub leaf: Digest,
    /// 0 when it is held, else the number of the rejection.
    pub code: u32,
    /// `Accepted`, `Duplicate` (held already; code 0), or the rejection's name.
    pub name: String,
}

impl BatchResult {
    /// Whether the ingest holds the batch.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.code == 0
    }
}

/// An ingest's signed promise: these batches will be in my commitment of `epoch`, which is on the ledger by the deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReceipt {
    /// EIP-155 chain id of the network.
    pub chain_id: u64,
    /// Ed25519 key of the ingest, as in genesis.
    #[serde(with = "hex_bytes")]
    pub key: [u8; 32],
    /// The epoch in whose commitment the batches will be.
    pub epoch: Epoch,
    /// When they were taken.
    pub received_ms: u64,
    /// When the commitment is on the ledger at the latest: the end of the epoch's commit window.
    pub deadline_ms: u64,
    /// The batches, in the order of the request.
    pub leaves: Vec<Digest>,
    /// Signature of the ingest over all of the above.
    #[serde(with = "hex_bytes")]
    pub signature: [u8; 64],
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// For another network.
    #[error("the receipt is for chain {found}, not {expected}")]
    WrongChain {
        /// This network.
        expected: u64,
        /// What the receipt says.
        found: u64,
    },
    /// By a key that belongs to no known ingest.
    #[error("the receipt is signed by a key that is no ingest of this network")]
    UnknownIngest,
    /// The signature does not fit.
    #[error("the signature of the receipt is wrong")]
    BadSignature,
}

impl IngestReceipt {
    /// Signs a receipt for `leaves`.
    ///
    /// # Errors
    /// When `key` is not Ed25519, or refuses to sign.
    pub fn sign(
        chain_id: u64,
        key: &SecretKey,
        epoch: Epoch,
        received_ms: u64,
        deadline_ms: u64,
        leaves: Vec<Digest>,
    ) -> Result<Self, KeyError> {
        let public = key.public();
        let bytes = <[u8; 32]>::try_from(public.as_bytes())
            .map_err(|_| KeyError::BadSecret(public.key_type()))?;
        let mut receipt = Self {
            chain_id,
            key: bytes,
            epoch,
            received_ms,
            deadline_ms,
            leaves,
            signature: [0; 64],
        };
        receipt.signature = key.sign(&receipt.message())?.0;
        Ok(receipt)
    }

    /// The bytes that are signed: domain ‖ chain id ‖ key ‖ epoch ‖ received ‖ deadline ‖ count u32 ‖ leaves, big-endian.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(100 + 32 * self.leaves.len());
        out.extend_from_slice(RECEIPT_DOMAIN);
        out.extend_from_slice(&self.chain_id.to_be_bytes());
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.received_ms.to_be_bytes());
        out.extend_from_slice(&self.deadline_ms.to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.leaves.len()).unwrap_or(u32::MAX).to_be_bytes());
        for leaf in &self.leaves {
            out.extend_from_slice(&leaf.0);
        }
        out
    }

    /// Checks network, key and signature; `ingests` are the receipt keys of genesis.
    ///
    /// # Errors
    /// See [`ReceiptError`].
    pub fn verify(&self, chain_id: u64, ingests: &[[u8; 32]]) -> Result<(), ReceiptError> {
        if self.chain_id != chain_id {
            return Err(ReceiptError::WrongChain { expected: chain_id, found: self.chain_id });
        }
        if !ingests.contains(&self.key) {
            return Err(ReceiptError::UnknownIngest);
        }
        let key = PublicKey::from_bytes(KeyType::Ed25519, &self.key)
            .map_err(|_| ReceiptError::UnknownIngest)?;
        if key.verify(&self.message(), &Signature(self.signature)) {
            Ok(())
        } else {
            Err(ReceiptError::BadSignature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_proves_itself_and_nothing_else() {
        let key = SecretKey::ed25519([7; 32]);
        let receipt =
            IngestReceipt::sign(9, &key, Epoch(3), 10, 20, vec![Digest([1; 32])]).unwrap();
        let ours = [receipt.key];
        let json = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<IngestReceipt>(&json).unwrap(), receipt);
        assert_eq!(receipt.verify(9, &ours), Ok(()));
        assert_eq!(
            receipt.verify(8, &ours),
            Err(ReceiptError::WrongChain { expected: 8, found: 9 })
        );
        assert_eq!(receipt.verify(9, &[[0; 32]]), Err(ReceiptError::UnknownIngest));
        let forged = IngestReceipt { deadline_ms: 21, ..receipt };
        assert_eq!(forged.verify(9, &ours), Err(ReceiptError::BadSignature));
    }
}
