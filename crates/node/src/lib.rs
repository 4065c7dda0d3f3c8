//! The node roles: validator, ingest and RPC, with their disk.

pub mod disk;
pub mod pool;
pub mod rpc;
