//! Every number of the economy that is not in genesis, and the small formulas over `EconomyParams`.

use cairn_primitives::{EconomyParams, MicroUsd};

/// Emission per day as a share of the reserve, in 2^-32: `1 - 2^(-1/1461)`, a half-life of four years in daily steps.
pub const KAPPA: u128 = 2_037_193;
/// One whole in ppm.
pub const PPM: u64 = 1_000_000;
/// Days over which income and burn are averaged.
pub const EMA_DAYS: u64 = 30;
/// κ: a day's usage subsidy is at most m·κ·B, B the average of burn that was not matched yet. In the long run κ/(κ+1) of the
/// match is paid, nine tenths, and no burn is matched twice, however demand moves: paying oneself into a gap loses too.
pub const MATCH_PACE: u128 = 9;
/// Days over which a grant is spread at the least: at most `1 / GRANT_DAYS` of what is left may be used in a day.
pub const GRANT_DAYS: u64 = 365;
/// Highest target count of a cell that novelty distinguishes; a higher `cell_target` counts as this.
pub const CELL_TARGET_MAX: u32 = 1_024;
/// Scale of `novelty`: the least common multiple of 1 to 16, so that the usual ranks divide it exactly.
const NOVELTY_ONE: u64 = 720_720;

/// Micro-dollars per STONE of these parameters; every reader goes through this function. A ledger with a pool passes parameters with
/// the price that the pool fixed.
#[must_use]
pub const fn price(params: &EconomyParams) -> MicroUsd {
    MicroUsd(params.price_micro_usd)
}

/// Coverage need C in micro-dollars a day: target cells × devices per cell × audited cost of a device-day. Saturates.
#[must_use]
pub fn coverage_need(params: &EconomyParams) -> MicroUsd {
    let need = u128::from(params.target_cells)
        * u128::from(params.cell_target)
        * u128::from(params.device_cost_micro_usd_day);
    MicroUsd(u64::try_from(need).unwrap_or(u64::MAX))
}

/// What a settlement of some amount is divided into, micro-dollars. The four parts add up to the amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// Burned.
    pub burn: MicroUsd,
    /// To the treasury.
    pub treasury: MicroUsd,
    /// To the insurance fund.
    pub insurance: MicroUsd,
    /// The rest, to the providers: gets every remainder.
    pub provider: MicroUsd,
}

/// Divides `amount` micro-dollars of paid work: each fee rounds down, the provider keeps the rest.
#[must_use]
pub fn fees_of(params: &EconomyParams, amount: MicroUsd) -> Fees {
    let burn = amount.ppm_floor(params.fee_burn_ppm);
    let treasury = amount.ppm_floor(params.fee_treasury_ppm);
    let insurance = amount.ppm_floor(params.fee_insurance_ppm);
    let taken = burn.0.saturating_add(treasury.0).saturating_add(insurance.0);
    Fees { burn, treasury, insurance, provider: MicroUsd(amount.0.saturating_sub(taken)) }
}

/// Worth of the device at `rank` (from 1) in its cell: `1/rank` up to `target`, 0 beyond and at rank 0. Unit: 1/720,720.
#[must_use]
pub fn novelty(rank: u32, target: u32) -> u64 {
    if rank == 0 || rank > target.min(CELL_TARGET_MAX) { 0 } else { NOVELTY_ONE / u64::from(rank) }
}

/// Sum of `novelty` over the ranks 1 to `target`: the divisor that keeps a full cell at its budget.
#[must_use]
pub fn novelty_sum(target: u32) -> u64 {
    (1..=target.min(CELL_TARGET_MAX)).map(|rank| novelty(rank, target)).sum()
}
