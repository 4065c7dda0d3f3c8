//! From a device's signed batch to an agreed verdict: ingest, sealing, availability and the verifier loop.

pub mod archive;
pub mod audit;
pub mod bench;
mod desk;
#[cfg(test)]
mod fake;
pub mod ingest;
pub mod reality;
pub mod recompute;
pub mod sealed;
pub mod verifier;
pub mod why;
mod workload;

pub use desk::Desk;
