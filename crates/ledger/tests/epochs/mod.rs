//! A plain reference of batches and rewards, and a driver that holds the ledger to it.
//!
//! ```text
//! bytes ─► acts ─┬─► Reference (vectors and integers, from docs/spec/) ─► expected answer, standing and money
//!                └─► Ledger (EVM, native contracts)                    ─► answer, standing and money     equal, or panic
//! ```
//! The reference shares no code with the contracts, nor with the economy: budgets, fees and parts are worked out again.

mod acts;
mod calls;
#[path = "../chain/mod.rs"]
mod chain;
mod compare;
mod driver;
mod money;
mod network;
mod plan;
mod reference;

pub use acts::{Act, Edge};
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
    driver.check();
}
