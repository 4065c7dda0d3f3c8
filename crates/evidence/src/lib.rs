//! From a device's signed batch to an agreed verdict: ingest, sealing, availability and the verifier loop.

pub mod archive;
pub mod ingest;
pub mod sealed;
mod workload;
