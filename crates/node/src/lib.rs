//! The node roles: validator, ingest and RPC, with their disk.
//!
//! ```text
//!   disk   the finalised ledger in one file      pool   transactions on their way
//!   rpc    JSON-RPC for wallets and tools        validator   all of it with consensus, as one role
//!   follower   the same without a vote: blocks and their certificates from other nodes' feeds
//!   feed   final blocks for followers      report   what an operator asks a node
//!   mend   damaged files are set aside and fetched again
//!   price  a validator's view of the price, fed to the ledger
//!   accuser   takes evidence of double votes to the ledger
//!   signer the consensus key in another process
//!   sync   the state of a recent block: given to others, taken from them
//!   backfill   blocks for a validator without peers
//!   offline   the ledger of a stopped node       dev         a chain without consensus, for contract authors
//! ```
//! Architecture invariant: what the ledger is, `ledger` decides; what is final, `consensus` decides; a node keeps and shows it.

mod accuser;
mod backfill;
#[cfg(test)]
mod chain;
mod config;
pub mod dev;
pub mod disk;
pub mod feed;
pub mod follower;
mod keys;
pub mod mend;
pub mod offline;
pub mod pool;
pub mod price;
pub mod report;
pub mod rpc;
pub mod signer;
pub mod sync;
pub mod validator;
