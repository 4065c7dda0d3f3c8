//! The economy in advance: what a network's genesis parameters do to providers, holders and attackers, before anyone pays.
//!
//! ```text
//! scenario, history ─► setup ─► run: curve, market, population, mechanism ─► rows ─► csv, json, parquet, report
//!                └── montecarlo (threads), sweep, solve, attacks, checkpoint
//! ```
//! The mechanism called ours is `cairn_economy`'s state and functions, the ones the ledger calls: what is simulated is what is
//! deployed. Integers and seeded draws only, so that a run has a hash that anybody reproduces; floats appear in plots alone.
//! How to use it: docs/economy/simulate.md. Every key of a scenario: docs/spec/scenario.md.

mod check;
pub mod history;
pub mod scenario;

pub mod curve;
pub mod market;
pub mod mechanism;
pub mod population;
pub mod row;
pub mod run;

pub mod attacks;
pub mod checkpoint;
pub mod files;
pub mod metric;
pub mod montecarlo;
pub mod peers;
pub mod presets;
pub mod report;
pub mod solve;
pub mod study;
pub mod sweep;

#[cfg(test)]
mod tests;
