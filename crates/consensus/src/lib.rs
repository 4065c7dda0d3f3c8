//! BFT ordering around the ledger: Commonware simplex, peer-to-peer and block sync.
//!
//! `node` brings a disk and a pool, consensus brings final blocks: `run_validator` starts one validator on its own thread.
//! We write no consensus protocol; this crate names the engine's concrete types once and connects it to the ledger.
//! Protocol: docs/spec/consensus.md and docs/spec/finality.md; decisions: docs/adr/0002-consensus.md, 0003-certificates.md.
//!
//! Invariants: the ledger decides what a block does, and nothing else does; the state of every final block is reproduced
//! bit for bit, or the node stops.

// The crate's own tests run on the simulated runtime. What runs on sockets is left out of them, because it would compile the whole
// engine once more (half of the longest compilation of all): `tests/sockets.rs` tests it in the library.
#![cfg_attr(test, expect(dead_code, reason = "what only the shells on sockets call"))]

// The fixture of the tests names this crate as its users do.
#[cfg(test)]
extern crate self as cairn_consensus;

mod application;
mod archives;
mod backfill;
mod beacon;
pub mod bench;
mod block;
mod careful;
mod engine;
mod evidence;
mod finality;
#[cfg(not(test))]
mod follower;
mod genesis;
mod gossip;
mod network;
mod pace;
mod params;
mod ports;
mod proof;
mod rotation;
mod scheme;
mod seats;
mod signer;
mod speculation;
mod sync;
mod terms;
#[cfg(test)]
mod tests;
mod tree;
#[cfg(not(test))]
mod validator;
mod votes;

pub use backfill::{BACKFILL_MAX, BackfillError};
pub use beacon::Reveal;
pub use block::{BODY_BYTES_MAX, Block, Preamble, header_time};
pub use finality::{FinalityError, FinalityProof, namespace, validator_set};
#[cfg(not(test))]
pub use follower::{FollowError, FollowedBlock, FollowerError, FollowerHandle, run_follower};
pub use genesis::{GenesisBlockError, NetworkIdentity, genesis_block};
pub use network::{PeerAddress, PeerAddressError, Reach};
pub use ports::{Disk, FinalBlock, Import, ImportEnd, NetworkTime, Pool, StateDisk, WRITES_KEPT};
pub use proof::{StateKey, StateProof, StateProofs, StateValue};
pub use seats::{Seating, TermRules};
pub use signer::{BadSecret, ConsensusSigner, Guard, LocalSigner, Proposed, Refusal, VoteAsk};
pub use sync::{
    Anchor, AnchorError, Entry, EntryError, PLACE_BYTES_MAX, Question, SourceError, StateSource,
    SyncError, Synced, Taker, Trusted, list, read_entries, sync_state,
};
#[cfg(not(test))]
pub use validator::{ValidatorConfig, ValidatorError, ValidatorHandle, run_validator};
pub use votes::{VoteLog, VoteLogError, VoteStart};
