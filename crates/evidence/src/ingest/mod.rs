//! The door through which evidence comes in: HTTP and MQTT 5, signed receipts, one commitment an epoch.
//!
//! ```text
//! HTTP ─┐                      ┌─► journal (fsync) ─► receipt
//!       ├─► check ─► Door ─► Edge
//! MQTT ─┘   (any thread)       └─ epoch over ─► Sealer ─► archive files ─► ledger: batches.commit
//!             ▲ Facts: registry and anchors, followed from the ledger
//! ```
//! Invariants: a receipt is given only for what is on disk; a refused sender costs itself only; every limit is in
//! `params`. Interface: docs/spec/ingest.md.

#[cfg(test)]
mod bad_input;
mod door;
mod edge;
mod facts;
mod http;
mod journal;
mod metrics;
mod mqtt;
mod params;
mod rejections;
mod sealer;
mod service;
#[cfg(test)]
mod tests;

pub use door::{DeviceReport, Door, EPOCH_FULL, Refusal};
pub use edge::{Checked, Closed, Edge, Equivocation, Outcome, View, check};
pub use facts::Facts;
pub use journal::JournalError;
pub use metrics::IngestMetrics;
pub use mqtt::MqttError;
pub use rejections::{DeviceRejections, Refused, Rejections};
pub use sealer::SealerError;
pub use service::{Ingest, IngestConfig, IngestError};
