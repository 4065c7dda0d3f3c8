//! The state machine: accounts, native contracts, the EVM and blocks. Bytes in, writes and roots out.
//!
//! Pure and synchronous: no clock, disk, network, randomness or async. Two validators that run the same block on the
//! same state get the same bytes, this year and next. `Ledger` is the entry.

mod block;
mod bloom;
mod call;
pub mod check;
mod database;
mod duties;
#[cfg(test)]
mod fixture;
mod ledger;
mod memory;
pub mod native;
pub mod params;
mod session;
mod state;
mod transaction;

pub use block::{BlockError, Env, Executed, time_of, turn_of};
pub use call::{CallError, CallOutcome};
pub use check::Violation;
pub use database::BlockDb;
pub use ledger::{AdmitError, Admitted, Ledger, SYSTEM_CODE};
pub use memory::Memory;
pub use native::stake::Seat;
pub use session::{Rules, Run, Session};
pub use state::{Account, FullState, Overlay, State, StateError, Writes};
pub use transaction::{Kind, TxError, decode_transaction};

use revm::primitives::hardfork::SpecId;

/// The rules of the EVM. A change is a hard fork.
pub const SPEC: SpecId = SpecId::OSAKA;
