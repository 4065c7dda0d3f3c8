//! Consensus with the real ledger on the deterministic runtime; `tests/sockets.rs` runs it on sockets.
//!
//! One binary for all of these, because each compiles the whole engine.

mod backfill;
mod emptied;
pub(crate) mod fixture;
mod light;
mod one_chain;
mod power_cut;
mod pruned;
mod scenario;
mod sensing;
mod simulated;
mod terms;
mod two_faced;
