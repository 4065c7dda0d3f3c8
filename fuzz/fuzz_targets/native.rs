//! Histories of credits, registry and market: the ledger does what a plain reference says, to the last unit.
#![no_main]

#[path = "../../crates/ledger/tests/model/mod.rs"]
#[allow(unused_imports, reason = "tests name acts, a target only runs bytes")]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| model::run(bytes));
