//! Governance from outside: locks and their weight, proposals, the parameters in force, the treasury's streams
//! (docs/spec/governance.md).
//!
//! ```text
//! GovernanceReads ─► any LedgerRead       Sender ─► locks · proposals · votes · claims
//! ```

mod read;
mod write;

pub use read::GovernanceReads;
