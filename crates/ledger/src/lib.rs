//! The state machine: accounts, native contracts, the EVM and blocks.
