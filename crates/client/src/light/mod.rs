//! Light proofs: what the ledger says, checked against the validators' keys alone (docs/spec/proofs.md).
//!
//! ```text
//! genesis file ─► Trust ─┬─ the set of the proof's term, named by the last block of the term before, …
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
mod trust;

pub use certificate::{Certificate, check_certificate};
pub use claim::{Block, Claim, LogClaim, Proven};
pub use object::{ProofObject, check_object};
pub use proof::{Evidence, LightProof, Path, Side};
pub use slots::{BatchSlots, batch_slots, commitment_count_slot, included_in, reward_root_slot};
pub use state::{Entry, check_state};
pub use trie::{trie_key, trie_nodes, trie_value};
pub use trust::Trust;

/// Most ancestors between the proven block and the certified one: blocks without a certificate of their own come in
/// short runs, and each costs about 620 bytes.
pub const ANCESTORS_MAX: usize = 64;
/// Most terms that a proof leads through: each costs a certificate, about a kilobyte with ten validators.
pub const HANDOVERS_MAX: usize = 1_024;
/// Longest proof, in bytes: the largest transaction and receipt that a block can hold, with room.
pub const PROOF_BYTES_MAX: usize = 4 << 20;
/// Most validators of a network, as genesis allows.
pub const VALIDATORS_MAX: usize = 128;

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// The bytes are no proof: what could not be read.
    #[error("the bytes are no light proof: {0}")]
    Malformed(&'static str),
    /// The validators are no list of 1 to 128 distinct keys.
    #[error("the validators are not a list of distinct ed25519 keys")]
    Validators,
    /// Nobody told who validated in this term: a handover is missing.
    #[error("the validators of term {0} are not known")]
    UnknownTerm(u64),
    /// A certificate that should name the next term's validators is of a block that names none.
    #[error("the block names no validators of a next term")]
    NoHandover,
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
