//! The state machine: accounts, native contracts, the EVM and blocks.

mod state;

pub use state::{Account, State, StateError, Writes};
