//! Histories of batches, votes and rewards: the ledger does what a plain reference says, to the last unit.
#![no_main]

#[path = "../../crates/ledger/tests/epochs/mod.rs"]
#[allow(unused_imports, reason = "tests name acts, a target only runs bytes")]
mod epochs;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| epochs::run(bytes));
