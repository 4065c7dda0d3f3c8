//! The words every other crate speaks: ids, amounts, time, keys, cells, Merkle trees, the signed envelope and the contract ABIs.
//!
//! Everything here is a value or a pure function of values: no async, clock, float, I/O or randomness.
//! What is signed, hashed or stored has exactly one byte form; docs/spec/ describes each.

pub mod abi;
mod amount;
mod cell;
mod digest;
mod envelope;
mod genesis;
mod id;
mod key;
mod merkle;
mod position;
mod registration;
mod schema;
mod seal;
mod sector;
mod sidecar;
mod time;

pub use amount::{AmountError, MicroUsd, STONE, Stones, mul_div_floor};
pub use cell::{CELL_RESOLUTION, Cell, CellError};
pub use digest::{Digest, DigestError};
pub use envelope::{
    Anchor, BATCH_BYTES_MAX, BATCH_ROWS_MAX, Batch, Envelope, EnvelopeError, ROW_VALUES_MAX, Rows,
};
pub use genesis::{
    Bound, EconomyParams, Genesis, GenesisAccount, GenesisError, GenesisIngest, GenesisValidator,
    GovernanceParams, Parameter, PoolParams, SEATS_MIN, StakeParams, quorum,
};
pub use id::{DeviceId, Seq, Stream};
pub use key::{Assurance, KeyError, KeyType, PublicKey, SecretKey, Signature};
pub use merkle::{MerkleProof, MerkleTree, leaf_hash, node_hash, verify_proof};
pub use position::Position;
pub use registration::{candidacy_message, registration_call, registration_message};
pub use schema::{Field, Schema, SchemaId, WEATHER};
pub use seal::vote_seal;
pub use sector::Sector;
pub use sidecar::{
    COMMITMENT_BATCHES_MAX, COMMITMENT_READINGS_MAX, Sidecar, SidecarBatch, SidecarError,
};
pub use time::{Epoch, EpochSchedule, TimeMs};
