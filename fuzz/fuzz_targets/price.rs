//! Histories of the pool, its dollars and minting: the ledger does what a plain reference says, to the last unit.
#![no_main]

#[path = "../../crates/ledger/tests/price/mod.rs"]
#[allow(unused_imports, reason = "tests name acts, a target only runs bytes")]
mod price;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| price::run(bytes));
