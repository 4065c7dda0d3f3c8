//! How long a device takes to pay for itself: shown before anyone pays, with "never" as a possible answer.
//!
//! `days = (hardware + install + bond × opportunity) / (earned + subsidy − opex)`, from medians of actual income, in
//! three lines: today, without subsidy, and with the price 80 % lower. Source: docs/spec/economy.md §1.

use cairn_primitives::MicroUsd;
use serde::Serialize;

use crate::params::{novelty, novelty_sum};

/// What is left of the price in the third line, ppm.
const PRICE_CRASH_PPM: u32 = 200_000;

/// What a device costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// Once.
    pub hardware: MicroUsd,
    /// Once.
    pub install: MicroUsd,
    /// Locked, at today's price; it comes back.
    pub bond: MicroUsd,
    /// What locking the bond costs over the time considered, ppm of it.
    pub opportunity_ppm: u32,
    /// Each day.
    pub opex_per_day: MicroUsd,
}

/// What a device brings in a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Income {
    /// From consumers, after fees.
    pub earned_per_day: MicroUsd,
    /// Subsidy.
    pub subsidy_per_day: MicroUsd,
}

/// When a device has paid for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Payback {
    /// After this many days, rounded up.
    Days(u64),
    /// It costs each day at least what it brings.
    Never,
}

/// Nearest-rank percentiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// A tenth earn less or the same.
    pub p10: MicroUsd,
    /// The median.
    pub p50: MicroUsd,
    /// A tenth earn more or the same.
    pub p90: MicroUsd,
}

/// The payback card of one more device in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// At today's income.
    pub today: Payback,
    /// If there were no subsidy.
    pub zero_subsidy: Payback,
    /// If the price fell by 80 %: earnings are in dollars and stay, a subsidy bound by stones falls with it.
    pub price_minus_80: Payback,
    /// Daily income of the neighbours; none without neighbours.
    pub neighbours: Option<Percentiles>,
    /// The rank the new device would take, from 1.
    pub rank: u32,
    /// What its rank is worth of a full cell's budget, permille: what one more device changes.
    pub rank_share_permille: u16,
}

/// Days until `costs` are covered by `income`.
#[must_use]
pub fn payback(costs: &Costs, income: &Income) -> Payback {
    let once = u128::from(costs.hardware.0)
        + u128::from(costs.install.0)
        + u128::from(costs.bond.0) * u128::from(costs.opportunity_ppm) / 1_000_000;
    let brings = u128::from(income.earned_per_day.0) + u128::from(income.subsidy_per_day.0);
    match brings.checked_sub(u128::from(costs.opex_per_day.0)) {
        None | Some(0) => Payback::Never,
        Some(net) => Payback::Days(u64::try_from(once.div_ceil(net)).unwrap_or(u64::MAX)),
    }
}

/// P10, P50 and P90 by nearest rank; `None` for an empty list.
#[must_use]
pub fn percentiles(incomes: &[MicroUsd]) -> Option<Percentiles> {
    let mut sorted = incomes.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| {
        sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
    };
    Some(Percentiles { p10: at(10)?, p50: at(50)?, p90: at(90)? })
}

/// The card of a device that would be number `in_cell + 1` of a cell with `cell_target` places, at `income` a day,
/// among neighbours with these daily incomes.
#[must_use]
pub fn card(
    costs: &Costs,
    income: &Income,
    neighbours: &[MicroUsd],
    in_cell: u32,
    cell_target: u32,
) -> Card {
    let zero = Income { subsidy_per_day: MicroUsd::ZERO, ..*income };
    let crash =
        Income { subsidy_per_day: income.subsidy_per_day.ppm_floor(PRICE_CRASH_PPM), ..*income };
    let rank = in_cell.saturating_add(1);
    let share =
        (novelty(rank, cell_target) * 1_000).checked_div(novelty_sum(cell_target)).unwrap_or(0);
    Card {
        today: payback(costs, income),
        zero_subsidy: payback(costs, &zero),
        price_minus_80: payback(costs, &crash),
        neighbours: percentiles(neighbours),
        rank,
        rank_share_permille: u16::try_from(share).expect("a share is at most 1000 permille"),
    }
}
