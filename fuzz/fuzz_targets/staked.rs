//! Histories of stake: the ledger does what a plain reference says, to the last unit and the last seat.
#![no_main]

#[path = "../../crates/ledger/tests/staked/mod.rs"]
#[allow(unused_imports, reason = "tests name acts, a target only runs bytes")]
mod staked;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| staked::run(bytes));
