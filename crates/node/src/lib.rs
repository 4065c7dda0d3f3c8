//! The node roles: validator, ingest and RPC, with their disk.

#[cfg(test)]
mod chain;
pub mod disk;
pub mod pool;
pub mod rpc;
