//! No call of these contracts charges less than the EVM would for the same work (see `native::cost`), and what a swap costs.

use super::*;
use crate::{
    fixture::VALIDATORS,
    native::cost::{Case, assert_paid, case, measure},
};

const DAY: u64 = 86_400_000;

fn add() -> IPool::addLiquidityCall {
    let (max, least) = (u64::MAX, U256::ZERO);
    IPool::addLiquidityCall { maxMicroUsd: max, minShares: least, deadlineMs: LATER }
}

#[test]
fn every_change_is_paid_for() {
    let mut chain = rich(&[ALICE, BOB]);
    send(&mut chain, ALICE, &buy(10));
    wait(&mut chain, DAY);
    wait(&mut chain, 1_800_000);
    let remove = IPool::removeLiquidityCall {
        shares: U256::from(stones(5).0),
        minStones: U256::ZERO,
        minMicroUsd: 0,
        deadlineMs: LATER,
    };
    let value = U256::from(5);
    assert_paid(
        &chain,
        &[
            case(ALICE, POOL, &buy(10), 0),
            Case { value: stones(5), ..case(ALICE, POOL, &SELL, 0) },
            Case { value: stones(5), ..case(BOB, POOL, &add(), 0) },
            case(CAROL, POOL, &remove, 0),
            case(VALIDATORS[0], POOL, &IPool::feedCall { priceMicroUsd: 5 }, 0),
            case(ALICE, POOL, &IPool::twapsCall {}, 0),
            case(ALICE, POOL, &IPool::healthCall {}, 0),
            case(ALICE, POOL, &IPool::epochPriceCall { epoch: 3 }, 0),
            case(ALICE, USD, &IUsd::transferCall { to: BOB, value }, 0),
            case(ALICE, USD, &IUsd::approveCall { spender: BOB, value }, 0),
            case(CAROL, USD, &faucet(5), 0),
            case(ALICE, CREDITS, &ICredits::limitsCall {}, 0),
            Case { value: stones(5), ..case(ALICE, CREDITS, &ICredits::mintCall {}, 0) },
        ],
    );
}

#[test]
fn whatever_is_called_with_zeros() {
    let chain = rich(&[ALICE]);
    let zeros = |to, selectors: &'static [[u8; 4]]| {
        selectors.iter().map(move |selector| {
            let mut input = selector.to_vec();
            input.resize(4 + 32 * 8, 0);
            let (from, value, input) = (ALICE, Stones::ZERO, input.into());
            Case { name: "zeros", from, to, value, input, unseen: 0, succeeds: true }
        })
    };
    let all = zeros(POOL, IPool::IPoolCalls::SELECTORS)
        .chain(zeros(USD, IUsd::IUsdCalls::SELECTORS))
        .chain(zeros(CREDITS, ICredits::ICreditsCalls::SELECTORS));
    for mut case in all {
        case.succeeds = measure(&chain, &case).2;
        assert_paid(&chain, &[case]);
    }
}

/// Gas without the transaction's own 21,000: a swap soon after another, after half an hour, and after a day's pause. (The costs of
/// this host are warm; a cold slot adds 2,000.)
#[test]
fn a_swap_after_a_pause_costs_a_bounded_number_of_snapshots() {
    let mut chain = rich(&[ALICE]);
    // Every place of both rings has been written before.
    for _ in 0..2 {
        wait(&mut chain, 25 * 3_600_000);
        send(&mut chain, ALICE, &buy(10));
    }
    let gas = |chain: &Chain| measure(chain, &case(ALICE, POOL, &buy(10), 0)).0;
    let soon = gas(&chain);
    wait(&mut chain, 1_800_000);
    let half_hour = gas(&chain);
    wait(&mut chain, DAY);
    let day = gas(&chain);
    assert!((15_000..45_000).contains(&soon), "{soon}");
    assert!((half_hour - soon).abs_diff(24 * 2_900) < 10_000, "{half_hour}");
    assert!((day - soon).abs_diff(50 * 2_900) < 10_000, "{day}");
}
