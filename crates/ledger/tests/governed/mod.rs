//! A plain reference of governance and treasury, and a driver that holds the ledger to it.
//!
//! ```text
//! bytes ─► acts ─┬─► Reference (vectors and integers, from docs/spec/governance.md) ─► expected answer and money
//!                └─► Ledger (EVM, native contracts)                                 ─► answer and money     equal, or panic
//! ```
//! The reference keeps the whole past of everything and searches it from the start; it shares no code with the contracts.

mod acts;
#[path = "../chain/mod.rs"]
mod chain;
mod driver;
mod reference;

pub use acts::Act;
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
    driver.compare();
}
