//! The inequalities of docs/spec/economy.md: what an attacker gains, simulated with the deployed functions.

use cairn_primitives::{EconomyParams, Epoch, MicroUsd, Sector};
use proptest::prelude::*;

use super::{USD, device, params, pool};
use crate::{EarnedLine, EconomyState, Pool, cell_budget, distribute, fees_of, price};

const S: Sector = Sector::Sensing;

/// What the sole provider of a network receives over 120 days, micro-dollars: earnings, subsidy, and all of treasury and
/// insurance. `real(day)` is paid by others, `wash(day)` by itself and taken off.
fn attacker(
    params: &EconomyParams,
    real: impl Fn(u64) -> u64,
    wash: impl Fn(u64) -> u64,
    recapture: bool,
) -> i128 {
    let mut state = EconomyState::genesis(params);
    let me = device(0, 1, 1, 1_000);
    let mut gain = 0_i128;
    for day in 0..120 {
        let paid = MicroUsd(real(day) + wash(day));
        let split = state.epoch_pool(S, 0, 1).unwrap();
        let released = paid.to_stones_floor(price(params));
        let settled = state.settle_epoch(params, S, Epoch(day), 1, paid, released).unwrap();
        let pool = Pool {
            epoch: Epoch(day),
            sector: S,
            price: price(params),
            earned: settled.income,
            earned_stones: settled.owed.providers,
            usage: split.usage,
            need: split.need,
        };
        let lines = [EarnedLine { device: me.device, paid }];
        let out = distribute(params, &pool, &[me], &lines).unwrap();
        state.pay_subsidy(params, S, out.subsidy_stones, out.need).unwrap();
        state.open_next_day(params);
        let fees = fees_of(params, paid);
        let recaptured = if recapture { fees.treasury.0 + fees.insurance.0 } else { 0 };
        let income = settled.income.0 + out.usage.0 + out.need.0 + recaptured;
        gain += i128::from(income) - i128::from(wash(day));
    }
    gain
}

/// Paying oneself loses money: 2,160 cases of price, demand, need, grant, wash size and start; even when the attacker is
/// the sole provider and gets all of treasury and insurance back.
#[test]
fn wash_usage_loses_in_every_case() {
    let mut best = i128::MIN;
    let mut cases = 0;
    for price in [1_000, 50_000, 2_000_000] {
        for real in [0, 100, 2_000, 40_000] {
            for need in [100, 10_000] {
                for grant in [0, 1_000_000, 40_000_000] {
                    for wash in [1, 50, 2_000, 40_000, 400_000] {
                        for start in [0, 3, 30] {
                            for recapture in [false, true] {
                                let params = EconomyParams {
                                    price_micro_usd: price,
                                    device_cost_micro_usd_day: need * USD,
                                    grant_stones: grant,
                                    cell_target: 1,
                                    target_cells: 1,
                                    ..params()
                                };
                                let real = |_| real * USD;
                                let until = start + 20;
                                let dose = |day| {
                                    if (start..until).contains(&day) { wash * USD } else { 0 }
                                };
                                let with = attacker(&params, real, dose, recapture);
                                let without = attacker(&params, real, |_| 0, recapture);
                                let spent = i128::from(20 * wash * USD);
                                best = best.max((with - without) * 1_000_000 / spent);
                                cases += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 2_160);
    assert!(best < 0, "the best case gains {best} ppm of what was washed");
}

/// Filling a sudden gap of real demand is the worst case: it takes the slack of the average, and its burn would be matched
/// again by the demand that returns. What was matched once is not averaged, so it stays within one match.
#[test]
fn washing_into_a_gap_of_demand_loses() {
    let params = EconomyParams {
        device_cost_micro_usd_day: 100_000 * USD,
        cell_target: 1,
        target_cells: 1,
        grant_stones: 0,
        ..params()
    };
    let fees = params.fee_burn_ppm + params.fee_treasury_ppm + params.fee_insurance_ppm;
    let matched = i128::from(params.fee_burn_ppm) * i128::from(params.match_ppm) / 1_000_000;
    for (gap, after) in [(5, 1), (1, 5), (30, 20)] {
        let in_gap = |day| (60..60 + gap).contains(&day);
        let real = |day| match day {
            _ if in_gap(day) => 0,
            ..60 => 1_000 * USD,
            _ => after * 1_000 * USD,
        };
        let wash = |day| if in_gap(day) { 500 * USD } else { 0 };
        let gain = attacker(&params, real, wash, false) - attacker(&params, real, |_| 0, false);
        let ppm = gain * 1_000_000 / i128::from(gap * 500 * USD);
        assert!(ppm <= matched - i128::from(fees), "gap {gap}, then x{after}: {ppm} ppm");
    }
}

/// A pool full from others' demand cannot be farmed by a small payment: nothing beyond the match of one's own burn.
#[test]
fn a_cent_does_not_buy_a_pool() {
    let me = device(0, 1, 1, 1_000);
    let lines = [EarnedLine { device: me.device, paid: MicroUsd(10_000) }];
    let out = distribute(&params(), &pool(9_200, 1_000 * USD, 0), &[me], &lines).unwrap();
    assert_eq!(out.usage, MicroUsd(450));
}

proptest! {
    /// k sybils of one owner, wherever they rank, cannot raise their cell above its budget, and honest devices of other
    /// owners lose at most what their rank loses to one more first device.
    #[test]
    fn sybils_dilute_only_their_own_cell(k in 1_u64..60, need in 0_u64..1 << 40, early in any::<bool>()) {
        let offset = if early { 0 } else { 100 };
        let honest = [device(50, 1, 1, 1_000), device(51, 2, 1, 1_000), device(52, 3, 2, 1_000)];
        let mut all = honest.to_vec();
        all.extend((0..k).filter(|n| !(50..53).contains(n)).map(|n| device(n + offset, 9, 1, 1_000)));
        let pool = pool(0, 0, need);
        let before = distribute(&params(), &pool, &honest, &[]).unwrap();
        let after = distribute(&params(), &pool, &all, &[]).unwrap();
        let of = |out: &crate::Distribution, d: &crate::ScoredDevice| {
            out.rewards.iter().find(|r| r.device == d.device).unwrap().subsidy.0
        };
        prop_assert_eq!(of(&after, &honest[2]), of(&before, &honest[2]), "another cell");
        let cell: u64 = all.iter().filter(|d| d.cell.0 == 1).map(|d| of(&after, d)).sum();
        prop_assert!(cell <= cell_budget(&params(), MicroUsd(need)).0);
        // One sybil ranks among the first devices of owners, the others come after all of them: 1, 2 → at worst 2, 3.
        prop_assert!(of(&after, &honest[0]) >= of(&before, &honest[0]) / 2);
        prop_assert!(of(&after, &honest[1]) + 1 >= of(&before, &honest[1]) * 2 / 3);
    }

    /// A service's fake demand cannot keep subsidy alive beyond grant + m × burn: what remains after the grant is the match.
    #[test]
    fn fake_demand_buys_at_most_its_match(paid in 0_u64..1_000 * USD) {
        let params = EconomyParams { grant_stones: 0, device_cost_micro_usd_day: 1_000_000 * USD, ..params() };
        let gain = attacker(&params, |_| 0, |_| paid, false);
        let spent = i128::from(120 * paid);
        prop_assert!(gain <= -spent * 35_000 / 1_000_000 + 240, "{gain} of {spent}");
    }
}
