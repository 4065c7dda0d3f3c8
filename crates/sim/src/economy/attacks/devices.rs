//! Fake devices: alone, many in a cell, with corrupt witnesses, or a whole service founded for its grant.
//!
//! Expected values are exact sums in fixed point, rounded for the attacker.

use cairn_economy::{bond_required, cell_budget, need_share};
use cairn_primitives::{EconomyParams, MicroUsd};

use super::{Attack, Best};
use crate::economy::curve::USD;

/// One, in 2^-32.
const ONE: u128 = 1 << 32;
/// One, in millionths.
const PPM: u128 = 1_000_000;
/// Witnesses of a cell that are drawn, and how many must agree.
const WITNESSES: u32 = 5;
/// See `WITNESSES`.
const AGREE: u32 = 4;
/// Most devices that one attacker puts into a cell.
const SYBILS: u32 = 64;
/// Part of a grant that a founder posts as a bond, ppm.
const FOUNDER_BOND_PPM: u32 = 100_000;
/// Days over which a grant is paced.
const GRANT_DAYS: u64 = 365;

/// Days of reward that a fake claims before it is found, in 2^-32, rounded up: a day's reward counts if the device survives
/// until it unlocks. The sum `(1−p)^(V+1) / p`, added day by day.
fn claimed_days(detection_ppm: u32, vesting_days: u32) -> u128 {
    let keep = PPM - u128::from(detection_ppm);
    let mut alive = ONE;
    for _ in 0..=vesting_days {
        alive = (alive * keep).div_ceil(PPM);
    }
    let mut sum = 0;
    // Until the rest is less than a unit: 10,000 days at a tenth of a percent.
    for _ in 0..40_000 {
        sum += alive;
        if alive <= 1 {
            break;
        }
        alive = alive * keep / PPM;
    }
    sum
}

/// k devices of one owner in a cell: together they get at most the cell's budget, and each must post its bond.
pub fn sybils(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    for detection in [5_000, 10_000, 50_000, 100_000] {
        for vesting in [0, 14, 30, 180] {
            let days = claimed_days(detection, vesting);
            for need in [10, 10_000, 1_000_000] {
                for k in [1, 2, 8, SYBILS] {
                    let budget = cell_budget(params, MicroUsd(need * USD));
                    // The bond of a place is that of its first rank: nobody knows who will fake.
                    let first = need_share(params, budget, 1, 1_000);
                    let bond = bond_required(first, detection, vesting, MicroUsd::ZERO)
                        .map_or(u64::MAX, |bond| bond.0);
                    let mut profit = 0_i128;
                    for rank in 1..=k {
                        let reward = need_share(params, budget, rank, 1_000);
                        let claimed = (u128::from(reward.0) * days) >> 32;
                        profit += i128::try_from(claimed).unwrap_or(i128::MAX) - i128::from(bond);
                    }
                    best.see(profit);
                }
            }
        }
    }
    best.attack("sybil-devices", "Fake devices with a bond each")
}

/// Corrupt witnesses: a share q of the cell's devices tells lies when it is drawn; if it does not prevail it is slashed.
pub fn collusion(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    let reward = u128::from(params.device_cost_micro_usd_day);
    for percent in 1..=33_u128 {
        for detection in [10_000, 50_000] {
            let prevails = at_least(AGREE, WITNESSES, percent * ONE / 100);
            let bond = bond_required(
                MicroUsd(params.device_cost_micro_usd_day),
                detection,
                30,
                MicroUsd::ZERO,
            );
            let slash = bond.map_or(0, |bond| u128::from(bond.0));
            let gain = (reward * prevails).div_ceil(ONE);
            let loss = (ONE - prevails) * slash / ONE;
            best.see(i128::try_from(gain).unwrap_or(0) - i128::try_from(loss).unwrap_or(0));
        }
    }
    best.attack("cell-collusion", "Corrupt witnesses in a cell, up to a third")
}

/// Chance that at least `k` of `n` draws hit, each with chance `q` in 2^-32.
fn at_least(k: u32, n: u32, q: u128) -> u128 {
    let power = |base: u128, count: u32| (0..count).fold(ONE, |p, _| p * base / ONE);
    (k..=n)
        .map(|i| {
            let ways = (0..i).fold(1_u128, |w, j| w * u128::from(n - j) / u128::from(j + 1));
            ways * power(q, i) * power(ONE - q, n - i) / ONE
        })
        .sum()
}

/// A service without devices: its founder fakes coverage for the grant's daily pace until it is found.
pub fn grant(_: &EconomyParams) -> Attack {
    let mut best = Best::default();
    for grant_usd in [10_000, 1_000_000, 100_000_000] {
        for detection in [5_000, 10_000, 50_000, 200_000] {
            for vesting in [7, 30, 180] {
                let pace = MicroUsd(grant_usd * USD / GRANT_DAYS);
                let taken = (u128::from(pace.0) * claimed_days(detection, vesting)) >> 32;
                let taken = taken.min(u128::from(grant_usd * USD));
                let bonds = bond_required(pace, detection, vesting, MicroUsd::ZERO)
                    .map_or(u64::MAX, |bond| bond.0);
                let founder = MicroUsd(grant_usd * USD).ppm_floor(FOUNDER_BOND_PPM).0;
                let posted = i128::from(bonds) + i128::from(founder);
                best.see(i128::try_from(taken).unwrap_or(i128::MAX) - posted);
            }
        }
    }
    best.attack("grant-farming", "Founding a service for its grant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claimed_days_and_witnesses_are_those_of_the_design() {
        // 1 %, 30 days: 73.2 days of reward; 5 %: 4.1.
        let tenths = |p, v| (claimed_days(p, v) * 10 + ONE / 2) / ONE;
        assert_eq!([tenths(10_000, 30), tenths(10_000, 180), tenths(50_000, 30)], [732, 162, 41]);
        // q = 20 %: 0.7 %; q = 33 %: 4.4 % (in ten-thousandths 67 and 436).
        let of = |percent: u128| at_least(AGREE, WITNESSES, percent * ONE / 100) * 10_000 / ONE;
        assert_eq!([of(20), of(33)], [67, 436]);
    }
}
