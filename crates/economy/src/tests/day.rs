//! The day's budget and its spread over epochs.

use cairn_primitives::{MicroUsd, STONE, Sector, Stones};
use proptest::prelude::*;

use super::{USD, params};
use crate::{EconomyState, EpochPool, coverage_need, fees_of};

const S: Sector = Sector::Sensing;

/// Runs `days` days that settle `paid` each and use the whole budget.
fn run(
    state: &mut EconomyState,
    params: &cairn_primitives::EconomyParams,
    days: u64,
    paid: u64,
) -> u64 {
    let mut subsidy = 0;
    for _ in 0..days {
        let released = MicroUsd(paid).to_stones_floor(crate::price(params));
        let epoch = cairn_primitives::Epoch(state.day);
        state.settle_epoch(params, S, epoch, 1, MicroUsd(paid), released).unwrap();
        let EpochPool { usage, need } = state.epoch_pool(S, 0, 1).unwrap();
        let sum = usage.add(need).unwrap();
        state.pay_subsidy(params, S, sum.to_stones_floor(crate::price(params)), need).unwrap();
        subsidy += sum.0;
        state.open_next_day(params);
    }
    subsidy
}

#[test]
fn genesis_opens_day_zero_with_the_whole_need() {
    let state = EconomyState::genesis(&params());
    let service = state.service(S).unwrap();
    assert_eq!(coverage_need(&params()), MicroUsd(2_250_000));
    assert_eq!(service.need_budget, MicroUsd(2_250_000));
    assert_eq!(service.usage_budget, MicroUsd(0));
    assert_eq!(service.grant_left, Stones(40_000_000 * STONE));
    // 600,000,000 stones × 2,037,193 / 2^32 = 284,592.35…
    assert_eq!(state.emission.0 / STONE, 284_592);
}

#[test]
fn the_half_life_of_the_reserve_is_four_years() {
    let mut params = params();
    params.fee_burn_ppm = 0;
    let mut state = EconomyState::genesis(&params);
    let before = state.reserve.0;
    for _ in 0..1_461 {
        state.reserve.0 -= state.emission.0;
        state.open_next_day(&params);
    }
    let ratio = state.reserve.0 * 10_000 / before;
    assert!((4_999..=5_001).contains(&ratio), "{ratio}");
}

#[test]
fn subsidy_tapers_to_nothing_as_real_income_arrives() {
    let params = params();
    let need = coverage_need(&params).0;
    let mut subsidies = Vec::new();
    for paid in [0, need / 2, need, 2 * need, 4 * need] {
        let mut state = EconomyState::genesis(&params);
        run(&mut state, &params, 300, paid);
        let service = state.service(S).unwrap();
        subsidies.push(service.usage_budget.0 + service.need_budget.0);
    }
    assert_eq!(subsidies[0], need, "no income: the whole need");
    assert!(subsidies.windows(2).all(|pair| pair[1] <= pair[0]), "{subsidies:?}");
    assert_eq!(subsidies[4], 0, "income above need / theta: nothing");
}

#[test]
fn a_higher_price_saves_reserve_and_a_lower_one_spares_the_cap() {
    let mut used = Vec::new();
    for price in [5_000, 50_000, 500_000] {
        let mut params = params();
        params.price_micro_usd = price;
        let mut state = EconomyState::genesis(&params);
        let before = state.reserve;
        run(&mut state, &params, 30, 0);
        used.push(before.0 - state.reserve.0);
    }
    assert!(used[0] > used[1] && used[1] > used[2], "{used:?}");
}

#[test]
fn without_demand_the_grant_runs_down_and_never_below_zero() {
    let mut params = params();
    params.device_cost_micro_usd_day = 1_000 * USD;
    let mut state = EconomyState::genesis(&params);
    let grant = MicroUsd(params.grant_stones * params.price_micro_usd);
    let spent = run(&mut state, &params, 2_000, 0);
    assert!(spent <= grant.0, "{spent} of {grant}");
    assert!(state.service(S).unwrap().grant_left.0 < params.grant_stones as u128 * STONE / 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The pools of a day add up to its budget, whatever the number of epochs.
    #[test]
    fn epochs_of_a_day_add_up(usage in any::<u64>(), need in any::<u64>(), epochs in 1_u64..200) {
        let mut state = EconomyState::genesis(&params());
        let service = state.services.get_mut(&S).unwrap();
        (service.usage_budget, service.need_budget) = (MicroUsd(usage), MicroUsd(need));
        let mut sum = (0_u64, 0_u64);
        for i in 0..epochs {
            let pool = state.epoch_pool(S, i, epochs).unwrap();
            sum = (sum.0 + pool.usage.0, sum.1 + pool.need.0);
        }
        prop_assert_eq!(sum, (usage, need));
        prop_assert_eq!(state.epoch_pool(S, epochs, epochs).unwrap(), EpochPool::default());
    }

    /// The four parts of a settlement add up to it.
    #[test]
    fn fees_add_up(paid in any::<u64>()) {
        let fees = fees_of(&params(), MicroUsd(paid));
        prop_assert_eq!(fees.burn.0 + fees.treasury.0 + fees.insurance.0 + fees.provider.0, paid);
    }

    /// Lifetime subsidy ≤ grant + m × burn, for any demand and price.
    #[test]
    fn lifetime_subsidy_is_finite(
        demand in proptest::collection::vec(0_u64..100_000 * USD, 1..60),
        price in 1_000_u64..5_000_000,
        cost in 0_u64..1_000_000 * USD,
    ) {
        let mut params = params();
        (params.price_micro_usd, params.device_cost_micro_usd_day) = (price, cost);
        params.grant_stones = 10_000;
        let mut state = EconomyState::genesis(&params);
        let (mut subsidy, mut burn) = (0_u128, 0_u128);
        for paid in demand {
            burn += u128::from(fees_of(&params, MicroUsd(paid)).burn.0);
            subsidy += u128::from(run(&mut state, &params, 1, paid));
        }
        let grant = u128::from(params.grant_stones) * u128::from(price);
        prop_assert!(subsidy <= grant + burn * u128::from(params.match_ppm) / 1_000_000);
    }

    /// Income with subsidy rises strictly with paid work: serving customers always pays.
    #[test]
    fn total_income_rises_with_paid_work(paid in 1_u64..20 * USD, more in USD..20 * USD) {
        let params = params();
        let total = |paid: u64| {
            let mut state = EconomyState::genesis(&params);
            run(&mut state, &params, 400, paid);
            let service = state.service(S).unwrap();
            fees_of(&params, MicroUsd(paid)).provider.0 + service.usage_budget.0 + service.need_budget.0
        };
        prop_assert!(total(paid + more) > total(paid));
    }

    /// Emission of a day never exceeds its share of the reserve.
    #[test]
    fn a_days_subsidy_is_within_its_emission(cost in any::<u64>(), paid in any::<u32>()) {
        let mut params = params();
        params.device_cost_micro_usd_day = cost;
        params.grant_stones = params.cap_stones;
        let mut state = EconomyState::genesis(&params);
        run(&mut state, &params, 3, u64::from(paid));
        let service = state.service(S).unwrap();
        let budget = u128::from(service.usage_budget.0) + u128::from(service.need_budget.0);
        prop_assert!(budget <= u128::from(state.emission.to_micro_usd_floor(crate::price(&params)).0));
    }
}
