//! A plain reference of the pool, its dollars and of minting, and a driver that holds the ledger to it.
//!
//! ```text
//! bytes ─► acts ─┬─► Reference (maps, 256-bit products, the whole history of the price; from docs/spec/price.md) ─┐
//!                └─► Ledger (EVM, native contracts)                                                               ┴─► equal, or panic
//! ```
//! The reference shares only the logarithm with the contracts: it keeps no rings, no packed slots and no ratios.

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
