//! The economy as pure integer functions: emission, subsidy, fees, the split of an epoch's pool, bonds, payback.
//!
//! The ledger, the validators, the simulator and the payback card call the same functions, so what is simulated is
//! what is deployed. Every division rounds down unless its name says otherwise, and what a split does not hand out
//! stays where it came from: `paid + unallocated == pool`. Formulas and their reasons: docs/spec/economy.md.
//!
//! Read in this order: `params` (numbers), `day` (the day's budget), `settle` (paid work), `distribute` (one epoch's
//! pool to devices), `reward` (the leaf an owner claims), then `bond`, `payback` and `why` (what people ask), `stake` (validators), and the
//! price: `log2`, `pool`, `liquidity`, `twap`, `ring`, `mint`; then `vesting`, `vote` and `govern`;
//! last `reality`, what an honest buyer asks.

mod bond;
mod day;
mod distribute;
mod govern;
mod liquidity;
mod log2;
mod mint;
mod params;
mod payback;
mod pool;
pub mod reality;
mod reward;
mod ring;
mod settle;
mod stake;
mod twap;
mod vesting;
mod vote;
mod why;

#[cfg(test)]
mod tests;

pub use bond::{BOND_RATCHET_PPM, BondError, bond_required, bond_revalued};
pub use day::{EconomyError, EconomyState, EpochPool, Service};
pub use distribute::{
    DEVICES_MAX, DistributeError, Distribution, EarnedLine, Pool, ScoredDevice, cell_budget,
    distribute, need_share, usage_share,
};
pub use govern::{Change, ChangeError, NEED_STEP_PPM, RATE_DAYS, changed, keeps_pace};
pub use log2::{LOG2_BITS, exp2_floor, log2_floor};
pub use mint::{
    CLAMP_PPM_HOUR, COVERAGE_PAUSE_PPM, COVERAGE_WARN_PPM, Coverage, FEED_APART_PPM,
    MINT_MARGIN_PPM, MINT_WINDOW_MS, OUTSTANDING_DAYS, OUTSTANDING_PPM, PRICE_STALE_MS, clamped,
    coverage, coverage_ppm, credit_cost, is_healthy, mint_price, mint_window, outstanding_bound,
    outstanding_max, stale_ms,
};
pub use params::{
    CELL_TARGET_MAX, EMA_DAYS, Fees, GRANT_DAYS, KAPPA, MATCH_PACE, PPM, coverage_need, fees_of,
    novelty, novelty_sum, price,
};
pub use payback::{Card, Costs, Income, Payback, Percentiles, card, payback, percentiles};
pub use pool::{PricePool, PriceQ32, SWAP_FEE_PPM_MAX};
pub use reward::{REWARD_BYTES, Reward, RewardError, reward_tree};
pub use ring::{RING_PLACES, Ring, WindowStart};
pub use settle::{Dues, IOUS_MAX, Iou, Settlement};
pub use stake::{
    DELEGATION_MIN, Presence, REPORTER_PPM_MAX, SLASH_BURNED_PPM, SlashParts, StakePool, part,
    split_income, split_slash,
};
pub use twap::{Accumulator, TWAP_LONG_MS, TWAP_SHORT_MS, WINDOW_STEPS, Window};
pub use vesting::{
    TREASURY_DAYS, TREASURY_PPM, split_forfeit, stream_pace, stream_unlocked, streamed,
    treasury_left, unlocked_after,
};
pub use vote::{
    AtStake, LOCK_DAYS_MAX, LOCK_DAYS_MIN, WEIGHT_PPM_MAX, capture_cost, capture_most,
    quorum_needed, quorum_stones, vote_weight,
};
pub use why::{Cause, WhyInput, why};
