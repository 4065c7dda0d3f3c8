//! A plain reference of credits, registry and market, and a driver that holds the ledger to it.
//!
//! ```text
//! bytes ─► acts ─┬─► Reference (maps and integers, from docs/spec/) ─► expected answer and money
//!                └─► Ledger (EVM, native contracts)                 ─► answer and money          equal, or panic
//! ```
//! The reference shares no code with the contracts: where both are wrong in the same way, the spec is.

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
}
