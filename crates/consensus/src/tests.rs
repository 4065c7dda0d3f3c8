//! Consensus with the real ledger: on the deterministic runtime, and on sockets.
//!
//! One binary for all, because each binary compiles the whole engine.

pub(crate) mod fixture;
mod light;
mod power_cut;
mod scenario;
mod simulated;
mod sockets;
mod terms;
