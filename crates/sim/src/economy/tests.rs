//! The scenario table of the economy's design, and that runs are what they say.

mod answers;
mod bounds;
mod runs;
mod table;

use cairn_primitives::EconomyParams;

use super::scenario::Scenario;

/// The parameters of the table: need of $ 10,000 a day, price $ 0.25, grant of 40 M stones.
pub fn params() -> EconomyParams {
    EconomyParams {
        cell_target: 10,
        device_cost_micro_usd_day: 1_000_000,
        target_cells: 1_000,
        ..EconomyParams::default()
    }
}

/// The table's first row.
pub fn scenario() -> Scenario {
    Scenario { economy: params(), simulate: super::scenario::Simulate::default(), history: None }
}
