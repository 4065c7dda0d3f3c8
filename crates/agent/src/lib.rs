//! The provider's side: measure, sign, spool, deliver. A sensor box links this crate and no EVM.
//!
//! ```text
//! sensing::Instrument ─reading─► Spool (on disk, numbered) ─sign with anchor─► Spool ─deliver─► ingest
//!                                  ▲ kept until a receipt whose signature was checked ◄──────────┘
//! ```
//! Architecture invariant: a reading is on disk before anything else happens to it, and a sequence number is used once.

mod anchor;
pub mod deliver;
mod device;
mod fleet;
pub mod sensing;
mod spool;

pub use anchor::{Anchors, LedgerAnchors};
pub use device::{BATCH_ROWS, Device, DeviceConfig, DeviceError, DeviceHandle, DeviceState, cut};
pub use fleet::Fleet;
pub use spool::{Counts, Rejected, Row, Spool, SpoolError, WAITING_MAX, Waiting};
