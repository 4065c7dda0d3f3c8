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
        price_micro_usd: 250_000,
        cap_stones: 1_000_000_000,
        reserve_stones: 600_000_000,
        fee_burn_ppm: 50_000,
        fee_treasury_ppm: 20_000,
        fee_insurance_ppm: 10_000,
        burn_share_ppm: 500_000,
        match_ppm: 900_000,
        taper_ppm: 500_000,
        grant_stones: 40_000_000,
        cell_target: 10,
        device_cost_micro_usd_day: 1_000_000,
        target_cells: 1_000,
        device_bond_stones: 100,
        dispute_epochs: 1,
        vesting_epochs: 30,
    }
}

/// The table's first row.
pub fn scenario() -> Scenario {
    Scenario { economy: params(), simulate: super::scenario::Simulate::default(), history: None }
}
