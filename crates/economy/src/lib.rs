//! The economy as pure integer functions: emission, subsidy, fees, the split of an epoch's pool, bonds, payback.
//!
//! The ledger, the validators, the simulator and the payback card call the same functions, so what is simulated is
//! what is deployed. Every division rounds down unless its name says otherwise, and what a split does not hand out
//! stays where it came from: `paid + unallocated == pool`. Formulas and their reasons: docs/spec/economy.md.
//!
//! Read in this order: `params` (numbers), `day` (the day's budget), `settle` (paid work), `distribute` (one epoch's
//! pool to devices), `reward` (the leaf an owner claims), then `bond`, `payback` and `why` (what people ask), and `stake` (validators).

mod bond;
mod day;
mod distribute;
mod params;
mod payback;
mod reward;
mod settle;
mod stake;
mod why;

#[cfg(test)]
mod tests;

pub use bond::{BondError, bond_required};
pub use day::{EconomyError, EconomyState, EpochPool, Service};
pub use distribute::{
    DEVICES_MAX, DistributeError, Distribution, EarnedLine, Pool, ScoredDevice, cell_budget,
    distribute, need_share, usage_share,
};
pub use params::{
    CELL_TARGET_MAX, EMA_DAYS, Fees, GRANT_DAYS, KAPPA, PPM, coverage_need, fees_of, novelty,
    novelty_sum, price,
};
pub use payback::{Card, Costs, Income, Payback, Percentiles, card, payback, percentiles};
pub use reward::{REWARD_BYTES, Reward, RewardError, reward_tree};
pub use settle::{Dues, IOUS_MAX, Iou, Settlement};
pub use stake::{
    DELEGATION_MIN, Presence, REPORTER_PPM_MAX, SLASH_BURNED_PPM, SlashParts, StakePool, part,
    split_income, split_slash,
};
pub use why::{Cause, WhyInput, why};
