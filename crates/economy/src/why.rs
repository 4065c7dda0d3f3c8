//! Why a device earned more or less than in another epoch: one cause after the other, in money, adding up exactly.
//!
//! The reward is computed from the earlier epoch's inputs, then one input after the other is exchanged for the later
//! epoch's; what each exchange changes is that cause's part. The parts telescope, so they add up to the difference; what
//! integer rounding leaves is its own, named cause. The order is fixed: parts of a product depend on it.

use cairn_primitives::{EconomyParams, MicroUsd, mul_div_floor};
use serde::Serialize;

use crate::distribute::{cell_budget, need_share, usage_share};

/// Everything that determined a device's reward in one epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WhyInput {
    /// From the reward leaf: earned after fees.
    pub earned: MicroUsd,
    /// From the reward leaf: subsidy.
    pub subsidy: MicroUsd,
    /// What consumers paid for the device, before fees.
    pub paid: MicroUsd,
    /// What consumers paid for all devices.
    pub paid_sum: MicroUsd,
    /// Availability, neighbour, deployment and location parts of the score, permille.
    pub parts_permille: [u16; 4],
    /// Rank in the cell, from 1; 0 = none.
    pub rank: u32,
    /// Micro-dollars per STONE.
    pub price: MicroUsd,
    /// The epoch's usage pool.
    pub usage_pool: MicroUsd,
    /// The epoch's need pool.
    pub need_pool: MicroUsd,
}

/// A cause and what it changed, micro-dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Its name: `availability`, `neighbours`, `deployment`, `location`, `rank`, `price`, `budget`, `usage`, `rounding`.
    pub name: &'static str,
    /// What it added (or took).
    pub micro_usd: i128,
}

/// Names of the score parts, in order.
const PARTS: [&str; 4] = ["availability", "neighbours", "deployment", "location"];

/// The causes between `before` and `after`, in their fixed order. Σ == total(after) − total(before), exactly.
#[must_use]
pub fn why(params: &EconomyParams, before: &WhyInput, after: &WhyInput) -> Vec<Cause> {
    let mut at = *before;
    let mut value = modelled(params, &at);
    let start = value;
    let mut causes = Vec::new();
    let mut step = |at: &WhyInput, name| {
        let next = modelled(params, at);
        causes.push(Cause { name, micro_usd: next - value });
        value = next;
    };
    for (i, name) in PARTS.into_iter().enumerate() {
        at.parts_permille[i] = after.parts_permille[i];
        step(&at, name);
    }
    at.rank = after.rank;
    step(&at, "rank");
    // A budget bound by stones follows the price; what differs beyond that is the budget itself.
    at.usage_pool = repriced(at.usage_pool, before.price, after.price);
    at.need_pool = repriced(at.need_pool, before.price, after.price);
    at.price = after.price;
    step(&at, "price");
    at.usage_pool = after.usage_pool;
    at.need_pool = after.need_pool;
    step(&at, "budget");
    at.earned = after.earned;
    at.paid = after.paid;
    at.paid_sum = after.paid_sum;
    step(&at, "usage");
    let actual = total(after) - total(before);
    causes.push(Cause { name: "rounding", micro_usd: actual - (value - start) });
    causes
}

/// What the leaf says, in all.
fn total(input: &WhyInput) -> i128 {
    i128::from(input.earned.0) + i128::from(input.subsidy.0)
}

/// What the formulas say, in all.
fn modelled(params: &EconomyParams, input: &WhyInput) -> i128 {
    let product: u64 =
        input.parts_permille.iter().map(|&part| u64::from(part.min(1_000))).product();
    let score =
        u16::try_from(product / 1_000_000_000).expect("a product of permilles is a permille");
    let verified = if score > 0 { input.paid } else { MicroUsd::ZERO };
    let usage = usage_share(params, input.usage_pool, verified, input.paid_sum);
    let need = need_share(params, cell_budget(params, input.need_pool), input.rank, score);
    i128::from(input.earned.0) + i128::from(usage.0) + i128::from(need.0)
}

/// A pool of the same stones at another price.
fn repriced(pool: MicroUsd, from: MicroUsd, to: MicroUsd) -> MicroUsd {
    let value = mul_div_floor(pool.0.into(), to.0.into(), from.0.into()).unwrap_or(pool.0.into());
    MicroUsd(u64::try_from(value).unwrap_or(u64::MAX))
}
