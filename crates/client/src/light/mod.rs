//! Light proofs: what the ledger says, checked against the validators' keys alone (docs/spec/proofs.md).
//!
//! ```text
//! genesis file ─► Trust ─┐
//! node, untrusted ─► bytes ─► LightProof ─► signatures of more than 2/3 ─► header ─► its ancestors ─► stateRoot ────► account, slot
//!                                                                                       │                └► reward, batch: a Merkle path
//!                                                                                       └─► receiptsRoot, transactionsRoot ─► receipt, log
//! ```
//! Pure functions over bytes: no network, no clock, no randomness, nothing of the consensus engine. What a proof says is
//! what [`LightProof::verify`] returns; nothing else of the object is believed.
//!
//! Invariants: a proof has one encoding; every byte of it is bound by a signature or a hash, so that one changed byte is
//! refused; whatever the bytes, verifying never panics and reads each of them once.

pub mod bench;
mod certificate;
mod claim;
mod codec;
mod ed25519;
mod object;
mod proof;
mod slots;
mod state;
mod trie;

use alloy_primitives::B256;
use cairn_primitives::{Digest, Genesis};

pub use certificate::{Certificate, check_certificate};
pub use claim::{Block, Claim, LogClaim, Proven};
pub use object::{ProofObject, check_object};
pub use proof::{Evidence, LightProof, Path, Side};
pub use slots::{BatchSlots, batch_slots, commitment_count_slot, included_in, reward_root_slot};
pub use state::{Entry, check_state};
pub use trie::{trie_key, trie_nodes, trie_value};

/// Most ancestors between the proven block and the certified one: blocks without a certificate of their own come in
/// short runs, and each costs about 620 bytes.
pub const ANCESTORS_MAX: usize = 64;
/// Longest proof, in bytes: the largest transaction and receipt that a block can hold, with room.
pub const PROOF_BYTES_MAX: usize = 4 << 20;
/// Most validators of a network, as genesis allows.
pub const VALIDATORS_MAX: usize = 128;

/// What a verifier knows beforehand: the network and its validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Hash of the genesis text.
    pub genesis: Digest,
    /// The validators' Ed25519 keys, in any order.
    pub validators: Vec<B256>,
}

impl Trust {
    /// The trust that a genesis file stands for. `text` is the file that `genesis` was read from.
    #[must_use]
    pub fn of(genesis: &Genesis, text: &str) -> Self {
        let validators = genesis.validators.iter().map(|validator| validator.consensus_key);
        Self { genesis: Genesis::hash_of_text(text), validators: validators.collect() }
    }
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// The bytes are no proof: what could not be read.
    #[error("the bytes are no light proof: {0}")]
    Malformed(&'static str),
    /// The validators are no list of 1 to 128 distinct keys.
    #[error("the validators are not a list of distinct ed25519 keys")]
    Validators,
    /// The certificate is about another block than the preamble.
    #[error("the certificate is about another block")]
    OtherBlock,
    /// Too few validators signed, or a signature is wrong.
    #[error("the certificate is not signed by more than two thirds of the validators")]
    NotFinal,
    /// The proven block is no ancestor of the certified one.
    #[error("the headers do not lead to the certified block")]
    Ancestors,
    /// The state root does not commit to the value.
    #[error("the state root does not commit to the value")]
    State,
    /// The transactions' or receipts' root does not commit to the item.
    #[error("the header's trie root does not commit to the item")]
    Trie,
    /// The ledger says that the commitment is not in the epoch's set.
    #[error("the commitment is not in the epoch's frozen set")]
    NotIncluded,
    /// The readable part of a proof object says something else than its bytes prove.
    #[error("the object's claim is not what its bytes prove")]
    OtherClaim,
}
