//! One epoch's pool to its devices: earnings by what consumers paid, subsidy by usage and by coverage.
//!
//! ```text
//! earned stones ─ largest remainder over paid micro-dollars ────────────► every paid device, sum exact
//! usage subsidy ─ paid / all paid, at most m·f_b of the payment ────────► paid devices whose evidence was accepted
//! need subsidy ── need / target cells = a cell's budget; then by rank ──► devices with score > 0, first `target` ranks
//! ```
//! Subsidy rounds down; what is not handed out stays in the reserve: `paid + unallocated == pool`.
//! Why these rules: docs/spec/economy.md (attacks and inequalities), docs/spec/rewards.md.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use cairn_primitives::{
    Cell, DeviceId, EconomyParams, Epoch, MicroUsd, Sector, Stones, mul_div_floor,
};
use serde::{Deserialize, Serialize};

use crate::params::{novelty, novelty_sum};
use crate::reward::Reward;

/// Most devices of one epoch and sector.
pub const DEVICES_MAX: usize = 1_000_000;

/// What may be paid for an epoch, as the ledger's `rewards.pool` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The epoch.
    pub epoch: Epoch,
    /// The sector.
    pub sector: Sector,
    /// Micro-dollars per STONE.
    pub price: MicroUsd,
    /// Providers' income from consumers, after fees.
    pub earned: MicroUsd,
    /// The same in stones.
    pub earned_stones: Stones,
    /// Subsidy that follows paid usage.
    pub usage: MicroUsd,
    /// Subsidy that follows coverage.
    pub need: MicroUsd,
}

/// A device with its score of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoredDevice {
    /// The device.
    pub device: DeviceId,
    /// Its owner.
    pub owner: Address,
    /// The cell it stands in.
    pub cell: Cell,
    /// Order of registration.
    pub index: u64,
    /// 0 to 1000; more counts as 1000.
    pub score_permille: u16,
}

/// What consumers paid for a device's work in the epoch, before fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarnedLine {
    /// The device.
    pub device: DeviceId,
    /// What was paid; several lines of a device add up.
    pub paid: MicroUsd,
}

/// The rewards of an epoch and what they use of its pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// One per device, in leaf order.
    pub rewards: Vec<Reward>,
    /// Σ earned stones: the pool's exactly when anything was paid for, else zero.
    pub earned_stones: Stones,
    /// Σ subsidy stones.
    pub subsidy_stones: Stones,
    /// Σ usage subsidy; `pool.usage` less this stays in the reserve.
    pub usage: MicroUsd,
    /// Σ need subsidy; `pool.need` less this stays in the reserve and in the grant.
    pub need: MicroUsd,
    /// Rank of each device with score > 0 in its cell, from 1; the same order as the devices were given, 0 = no rank.
    pub ranks: Vec<u32>,
}

/// Inputs that cannot be distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistributeError {
    /// More devices than `DEVICES_MAX`.
    #[error("{0} devices are more than an epoch holds")]
    TooManyDevices(usize),
    /// Two entries for a device.
    #[error("device {0} is listed twice")]
    DuplicateDevice(DeviceId),
    /// A consumer paid for a device that is not listed.
    #[error("device {0} was paid for and is not listed")]
    UnknownDevice(DeviceId),
    /// What consumers paid exceeds a `u64` of micro-dollars.
    #[error("what consumers paid is out of range")]
    OutOfRange,
}

/// Splits an epoch's pool over its devices.
///
/// Guarantees (each a property test): Σ earned stones and Σ earned micro-dollars equal the pool's when anything was
/// paid for; Σ usage ≤ pool.usage, Σ need ≤ pool.need, Σ of a cell ≤ its budget; equal inputs at equal rank get equal
/// shares, a higher score never earns less. Order of `devices` and `lines` does not matter. Cost: O(n log n).
///
/// # Errors
/// See `DistributeError`.
pub fn distribute(
    params: &EconomyParams,
    pool: &Pool,
    devices: &[ScoredDevice],
    lines: &[EarnedLine],
) -> Result<Distribution, DistributeError> {
    if devices.len() > DEVICES_MAX {
        return Err(DistributeError::TooManyDevices(devices.len()));
    }
    let mut order: Vec<usize> = (0..devices.len()).collect();
    order.sort_by_cached_key(|&i| (Reward::order(devices[i].device), devices[i].device));
    if let Some(pair) =
        order.windows(2).find(|pair| devices[pair[0]].device == devices[pair[1]].device)
    {
        return Err(DistributeError::DuplicateDevice(devices[pair[0]].device));
    }
    let paid = paid_by_device(devices, lines)?;
    let paid_sum: u64 = paid.iter().sum();
    // Remainders go in leaf order, so weights are taken in that order.
    let weights: Vec<u64> = order.iter().map(|&i| paid[i]).collect();
    let earned = largest_remainder(u128::from(pool.earned.0), &weights, u128::from(paid_sum));
    let earned_stones = largest_remainder(pool.earned_stones.0, &weights, u128::from(paid_sum));
    let ranks = ranks(devices);
    let funded = funded_cells(params, devices);
    let budget = cell_budget(params, pool.need);

    let mut out = Distribution { ranks, ..Distribution::default() };
    for (position, &i) in order.iter().enumerate() {
        let device = &devices[i];
        let verified = if device.score_permille > 0 { MicroUsd(paid[i]) } else { MicroUsd::ZERO };
        let usage = usage_share(params, pool.usage, verified, MicroUsd(paid_sum));
        let need = if funded.contains(&device.cell) {
            need_share(params, budget, out.ranks[i], device.score_permille)
        } else {
            MicroUsd::ZERO
        };
        // Both are shares of u64 pools that add up to at most E·P, itself a u64.
        let subsidy = MicroUsd(usage.0.saturating_add(need.0));
        let reward = Reward {
            epoch: pool.epoch,
            sector: pool.sector,
            device: device.device,
            owner: device.owner,
            earned: MicroUsd(u64::try_from(earned[position]).expect("a share of a u64 is a u64")),
            earned_stones: Stones(earned_stones[position]),
            subsidy,
            subsidy_stones: subsidy.to_stones_floor(pool.price),
        };
        out.usage.0 += usage.0;
        out.need.0 += need.0;
        out.earned_stones.0 += reward.earned_stones.0;
        out.subsidy_stones.0 = out.subsidy_stones.0.saturating_add(reward.subsidy_stones.0);
        out.rewards.push(reward);
    }
    Ok(out)
}

/// Usage subsidy of a device that consumers paid `paid` of `paid_sum`: pro rata, rounded down, and never above
/// `match × burn fee` of its own payment, so that paying oneself loses money in every epoch, whatever the pool holds.
#[must_use]
pub fn usage_share(
    params: &EconomyParams,
    pool: MicroUsd,
    paid: MicroUsd,
    paid_sum: MicroUsd,
) -> MicroUsd {
    let pro_rata = mul_div_floor(pool.0.into(), paid.0.into(), paid_sum.0.into()).unwrap_or(0);
    let cap = paid.ppm_floor(params.fee_burn_ppm).ppm_floor(params.match_ppm);
    MicroUsd(u64::try_from(pro_rata).unwrap_or(u64::MAX).min(cap.0))
}

/// Need subsidy of the device at `rank` (from 1) of a cell with `budget`, rounded down:
/// `budget × score/1000 × novelty(rank) / Σ novelty`.
#[must_use]
pub fn need_share(
    params: &EconomyParams,
    budget: MicroUsd,
    rank: u32,
    score_permille: u16,
) -> MicroUsd {
    let weight =
        u128::from(score_permille.min(1_000)) * u128::from(novelty(rank, params.cell_target));
    let whole = 1_000 * u128::from(novelty_sum(params.cell_target));
    let share = mul_div_floor(budget.0.into(), weight, whole).unwrap_or(0);
    MicroUsd(u64::try_from(share).expect("a share of a u64 is a u64"))
}

/// The fixed budget of one target cell, rounded down; nothing when there are no target cells.
#[must_use]
pub fn cell_budget(params: &EconomyParams, need: MicroUsd) -> MicroUsd {
    MicroUsd(need.0.checked_div(u64::from(params.target_cells)).unwrap_or(0))
}

/// What each device was paid, in the order of `devices`. The sum of all is known to be a `u64`.
fn paid_by_device(
    devices: &[ScoredDevice],
    lines: &[EarnedLine],
) -> Result<Vec<u64>, DistributeError> {
    let at: BTreeMap<DeviceId, usize> =
        devices.iter().enumerate().map(|(i, d)| (d.device, i)).collect();
    let mut paid = vec![0_u64; devices.len()];
    let mut sum = 0_u64;
    for line in lines {
        let i = *at.get(&line.device).ok_or(DistributeError::UnknownDevice(line.device))?;
        sum = sum.checked_add(line.paid.0).ok_or(DistributeError::OutOfRange)?;
        paid[i] += line.paid.0;
    }
    Ok(paid)
}

/// Rank of each device with score > 0 within its cell, from 1: owners take turns, each owner's devices in order of
/// registration, and turns in order of registration. So an owner's second device comes after everyone's first.
fn ranks(devices: &[ScoredDevice]) -> Vec<u32> {
    let mut cells: BTreeMap<Cell, Vec<usize>> = BTreeMap::new();
    for (i, device) in devices.iter().enumerate().filter(|(_, d)| d.score_permille > 0) {
        cells.entry(device.cell).or_default().push(i);
    }
    let mut ranks = vec![0; devices.len()];
    for mut members in cells.into_values() {
        members.sort_by_key(|&i| (devices[i].index, devices[i].device));
        let mut owned: BTreeMap<Address, u32> = BTreeMap::new();
        let mut turns: Vec<(u32, usize)> = members
            .into_iter()
            .map(|i| {
                let turn = owned.entry(devices[i].owner).or_default();
                *turn += 1;
                (*turn, i)
            })
            .collect();
        turns.sort_by_key(|&(turn, i)| (turn, devices[i].index, devices[i].device));
        for (rank, (_, i)) in (1..).zip(turns) {
            ranks[i] = rank;
        }
    }
    ranks
}

/// The target cells: the first `target_cells` cells in order of their earliest registered device with score > 0.
fn funded_cells(params: &EconomyParams, devices: &[ScoredDevice]) -> BTreeSet<Cell> {
    let mut first: BTreeMap<Cell, u64> = BTreeMap::new();
    for device in devices.iter().filter(|d| d.score_permille > 0) {
        let index = first.entry(device.cell).or_insert(device.index);
        *index = (*index).min(device.index);
    }
    let mut cells: Vec<(u64, Cell)> =
        first.into_iter().map(|(cell, index)| (index, cell)).collect();
    cells.sort_unstable();
    let limit = usize::try_from(params.target_cells).unwrap_or(usize::MAX);
    cells.into_iter().take(limit).map(|(_, cell)| cell).collect()
}

/// Splits `pool` by `weights` exactly: everyone gets the share rounded down, and the units left go one each to the
/// largest remainders, ties in the order given. Nothing to anyone when `sum` (of the weights) is 0.
fn largest_remainder(pool: u128, weights: &[u64], sum: u128) -> Vec<u128> {
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let shares: Vec<u128> = weights
        .iter()
        .map(|&w| {
            mul_div_floor(pool, u128::from(w), sum).expect("a share does not exceed its pool")
        })
        .collect();
    let mut left = pool - shares.iter().sum::<u128>();
    // pool·w mod sum, without the 256-bit product: (pool mod sum)·w mod sum, both factors below 2^64.
    let mut by_remainder: Vec<(u128, usize)> =
        weights.iter().enumerate().map(|(i, &w)| ((pool % sum) * u128::from(w) % sum, i)).collect();
    by_remainder.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut out = shares;
    for (_, i) in by_remainder {
        if left == 0 {
            break;
        }
        out[i] += 1;
        left -= 1;
    }
    out
}
