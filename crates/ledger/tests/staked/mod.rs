//! A plain reference of the stake contract, and a driver that holds the ledger to it.
//!
//! ```text
//! bytes ─► acts ─┬─► Reference (maps and integers, from docs/spec/stake.md) ─► expected answer, seats and money
//!                └─► Ledger (EVM, native contracts)                         ─► answer, seats and money     equal, or panic
//! ```
//! A block is an act, so that terms end between any two of them. The reference shares no code with the contract.

mod acts;
#[path = "../chain/mod.rs"]
mod chain;
mod driver;
mod reference;
mod world;

pub use acts::{Act, Flaw, Pair, STONE};
pub use driver::Driver;

/// Performs the history that these bytes stand for.
///
/// # Panics
/// When ledger and reference differ.
pub fn run(history: &[u8]) {
    let mut driver = Driver::new();
    for act in acts::parse(history) {
        driver.perform(&act);
    }
    driver.reclaim_all();
    driver.check();
}
