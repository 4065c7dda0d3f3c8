//! What may be sold: the readings of final epochs whose batch was accepted and whose device-hour scored above zero.
//!
//! ```text
//! ledger: epoch e is final ─► archives: verdicts, scores, sidecars, readings ─► checked against the ledger's roots
//!    ─► EpochTable on disk ─► Snapshot (immutable; a query holds one) ─► engine
//! ```
//! Invariant: every row of every table was in a batch whose verdict leaf says accepted, under the verdict root of the
//! ledger, and was measured in that epoch by a device whose score leaf, under the score root, is above zero.

mod epoch;
mod http;
mod store;
mod sync;
#[cfg(test)]
mod tests;

use alloy_primitives::Address;
use cairn_primitives::{Cell, DeviceId, Position, Seq, TimeMs, WEATHER};

pub use epoch::EpochError;
pub use http::HttpArchive;
pub use store::{Snapshot, Store, StoreError};
pub use sync::{Catalog, SyncError};

/// A registered device: what `devices` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Its owner.
    pub owner: Address,
    /// Its cell.
    pub cell: Cell,
    /// Where it stands.
    pub position: Position,
}

/// One reading that may be sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Who measured.
    pub device: DeviceId,
    /// When.
    pub time: TimeMs,
    /// Its sequence number.
    pub seq: Seq,
    /// The device's cell.
    pub cell: Cell,
    /// The device's place.
    pub position: Position,
    /// Scaled integers of the weather schema.
    pub values: [Option<i32>; WEATHER.fields.len()],
}
