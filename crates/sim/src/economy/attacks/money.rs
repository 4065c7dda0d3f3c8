//! Attacks on the price and on credits: pushing the pool before minting, and buying credits before a fall.

use cairn_economy::{EconomyState, PricePool, mint_window, outstanding_max};
use cairn_primitives::{EconomyParams, Epoch, MicroUsd, STONE, Sector, Stones, mul_div_floor};

use super::{Attack, Best};
use crate::economy::curve::USD;

/// Days in which a run on the vault is paid out.
const RUN_DAYS: u64 = 400;

/// Pushing the pool within a block, minting the window at the pushed price, spending the credits on oneself. No swap fee, and a
/// mint that asks no mean: the attacker's best case.
pub fn push(params: &EconomyParams) -> Attack {
    let fees = params.fee_burn_ppm + params.fee_treasury_ppm + params.fee_insurance_ppm;
    let mut best = Best::default();
    for depth in [10_000, 1_000_000, 100_000_000] {
        for price in [1_000, 250_000, 10_000_000] {
            for push_ppm in
                [0, 1_000, 10_000, 40_000, 80_000, 160_000, 500_000, 2_000_000, 19_000_000_u64]
            {
                best.see(pushed(fees, MicroUsd(depth * USD), MicroUsd(price), push_ppm));
            }
        }
    }
    best.attack("oracle-push", "Pushing the price before minting credits")
}

/// Profit of a push by `push_ppm` of the pool's depth.
fn pushed(fees: u32, depth: MicroUsd, price: MicroUsd, push_ppm: u64) -> i128 {
    let pool = PricePool::at(price, depth, 0);
    let spent = u128::from(depth.0) * u128::from(push_ppm) / 1_000_000;
    let spent = MicroUsd(u64::try_from(spent).unwrap_or(u64::MAX));
    let Some((moved, bought)) = pool.buy_stones(spent) else { return i128::MIN };
    // Arbitrage resets the pool; what was bought is worth the old price.
    let lost = i128::from(spent.0) - i128::from(bought.to_micro_usd_floor(price).0) - 1;
    let window = mint_window(depth, fees);
    let stones = mul_div_floor(u128::from(window.0), STONE << 32, moved.price().0).unwrap_or(0);
    let cost = i128::from(Stones(stones).to_micro_usd_floor(price).0);
    i128::from(window.ppm_floor(1_000_000 - fees).0) - cost - lost
}

/// Credits up to the limit, bought before a fall, spent on oneself after it. Everything that is ever paid counts, at the price
/// after the fall; who sold the stones for dollars instead of burning them is what it is compared with.
pub fn put(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    for fall_ppm in [20_000_u64, 50_000, 200_000, 500_000, 900_000, 1_000_000] {
        for days in [1, 7, 30] {
            for recapture in [false, true] {
                best.see(run_on_the_vault(params, fall_ppm, days, recapture).0);
            }
        }
    }
    best.attack("credit-put", "Prepaying work before the price falls, then a run on the reserve")
}

/// Profit, and stones drawn from the reserve, when all credits are spent over `days` after a fall to `fall_ppm`.
fn run_on_the_vault(
    params: &EconomyParams,
    fall_ppm: u64,
    days: u64,
    recapture: bool,
) -> (i128, Stones) {
    let before = MicroUsd(params.price_micro_usd);
    let supply = u128::from(params.cap_stones - params.reserve_stones) * STONE;
    let credits = outstanding_max(MicroUsd::ZERO, Stones(supply), before);
    let after = u128::from(before.0) * u128::from(fall_ppm) / 1_000_000;
    let after = MicroUsd(u64::try_from(after).unwrap_or(1).max(1));
    let fallen = EconomyParams { price_micro_usd: after.0, ..params.clone() };
    let mut state = EconomyState::genesis(params);
    let (mut got, mut drawn) = (0_u128, Stones::ZERO);
    for day in 0..RUN_DAYS {
        let paid = if day < days { MicroUsd(credits.0 / days) } else { MicroUsd::ZERO };
        // The vault releases what was burned for them.
        let released = paid.to_stones_floor(before);
        let settled = state
            .settle_epoch(&fallen, Sector::Sensing, Epoch(day), 1, paid, released)
            .expect("genesis knows the sector");
        got += settled.paid.providers.0 + settled.old_paid.providers.0;
        if recapture {
            got += settled.paid.treasury.0 + settled.old_paid.treasury.0;
            got += settled.paid.insurance.0 + settled.old_paid.insurance.0;
        }
        drawn.0 += settled.drawn.0;
        state.open_next_day(&fallen);
    }
    let worth = i128::from(Stones(got).to_micro_usd_floor(after).0);
    (worth - i128::from(credits.0 / days * days), drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fall by 95 % with all credits outstanding dilutes by at most 19 %.
    #[test]
    fn a_run_dilutes_within_its_bound() {
        let params = crate::economy::tests::params();
        let (_, drawn) = run_on_the_vault(&params, 50_000, 1, false);
        let supply = u128::from(params.cap_stones - params.reserve_stones) * STONE;
        let ppm = drawn.0 * 1_000_000 / supply;
        assert!((170_000..=190_000).contains(&ppm), "{ppm}");
    }
}
