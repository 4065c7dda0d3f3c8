//! Histories of governance and treasury: the ledger does what a plain reference says, to the last unit.
#![no_main]

#[path = "../../crates/ledger/tests/governed/mod.rs"]
mod governed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| governed::run(bytes));
