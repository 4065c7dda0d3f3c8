//! The consumer side: sealed data through the interfaces people already use. SQL over HTTP first (docs/spec/gateway.md).
//!
//! ```text
//! consumer ─query─► desk (lease, escrow, one unpaid answer) ─► engine (SQL, origins) ─► catalog (final epochs)
//!          ◄─ rows, origins, price, shares ─┘
//!          ─signed receipt─► book (highest receipt, on disk) ─► settler ─► ledger::market
//! ```
//! Architecture invariants: never imports `ledger`, `node` or `agent`; DataFusion is used in `engine` alone; a row that
//! is shown is accepted, scored and final; nothing is owed without a signed query of the lease's consumer.

mod catalog;
pub mod consumer;
mod desk;
mod engine;
mod http;
mod ledger;
mod metrics;
mod order;
mod params;
mod ports;
mod refusal;
mod role;
mod tariff;
#[cfg(test)]
mod testkit;

pub use catalog::{
    Catalog, Device, EpochError, HttpArchive, Reading, Snapshot, Store, StoreError, SyncError,
};
pub use desk::{Account, Book, BookError, Desk, OpenAnswer, Quote};
pub use engine::{Answer, Engine, QueryLimits, tables};
pub use http::QuoteRequest;
pub use ledger::ClientLedger;
pub use order::sign_order;
pub use params::QUERY_STACK_BYTES;
pub use ports::{Archive, ArchiveError, FinalEpoch, Lease, Ledger, LedgerError, Offer};
pub use refusal::{Reason, Refusal};
pub use role::{GatewayConfig, GatewayError, start};

/// An error with everything behind it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
