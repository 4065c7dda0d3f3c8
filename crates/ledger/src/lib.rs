//! The state machine: accounts, native contracts, the EVM and blocks. Bytes in, writes and roots out.
//!
//! Pure and synchronous: no clock, disk, network, randomness or async. Two validators that run the same block on the
//! same state get the same bytes, this year and next.

pub mod check;
mod memory;
pub mod native;
mod state;

pub use check::Violation;
pub use memory::Memory;
pub use state::{Account, FullState, Overlay, State, StateError, Writes};

use revm::primitives::hardfork::SpecId;

/// The rules of the EVM. A change is a hard fork.
pub const SPEC: SpecId = SpecId::OSAKA;
