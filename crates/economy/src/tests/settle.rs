//! Paid work, the waterfall and its debts.

use cairn_primitives::{Epoch, MicroUsd, STONE, Sector, Stones};
use proptest::prelude::*;

use super::{USD, params};
use crate::{EconomyError, EconomyState, IOUS_MAX};

const S: Sector = Sector::Sensing;

#[test]
fn at_an_unchanged_price_everything_is_paid_and_the_burn_fee_burned() {
    let (params, mut state) = (params(), EconomyState::genesis(&params()));
    let paid = MicroUsd(100 * USD);
    let released = paid.to_stones_floor(crate::price(&params));
    let settled = state.settle_epoch(&params, S, Epoch(0), 24, paid, released).unwrap();
    assert_eq!(settled.paid, settled.owed);
    assert_eq!(settled.owed.providers, Stones(1_840 * STONE));
    assert_eq!(settled.owed.treasury, Stones(40 * STONE));
    assert_eq!(settled.owed.insurance, Stones(20 * STONE));
    assert_eq!(settled.burned, Stones(100 * STONE));
    assert_eq!((settled.drawn, state.ious.len()), (Stones(0), 0));
    assert_eq!(state.service(S).unwrap().settled_today, paid);
}

#[test]
fn after_a_crash_the_reserve_pays_up_to_its_limit_and_the_rest_is_owed_in_order() {
    let (params, mut state) = (params(), EconomyState::genesis(&params()));
    state.reserve = Stones(6_400 * STONE);
    state.emission = Stones::ZERO;
    // Worth 20,000 stones now, backed by 1,000.
    let settled = state
        .settle_epoch(&params, S, Epoch(5), 24, MicroUsd(1_000 * USD), Stones(1_000 * STONE))
        .unwrap();
    assert_eq!(settled.drawn, Stones(100 * STONE), "a 64th of the reserve");
    assert_eq!(settled.paid.providers, Stones(1_100 * STONE), "providers before everyone else");
    assert_eq!(settled.paid.treasury, Stones(0));
    assert_eq!(state.ious.len(), 1);
    assert!(!state.is_paid(Epoch(5)) && !state.is_paid(Epoch(6)) && state.is_paid(Epoch(4)));
    // A later epoch with more than enough pays the old debt first.
    let settled =
        state.settle_epoch(&params, S, Epoch(6), 24, MicroUsd(0), Stones(50_000 * STONE)).unwrap();
    assert_eq!(settled.old_paid.providers, Stones((18_400 - 1_100) * STONE));
    assert_eq!(settled.old_paid.treasury, Stones(400 * STONE));
    assert!(state.is_paid(Epoch(5)));
}

#[test]
fn debts_are_bounded_in_number_and_not_in_amount() {
    let (params, mut state) = (params(), EconomyState::genesis(&params()));
    state.reserve = Stones::ZERO;
    state.emission = Stones::ZERO;
    for epoch in 0..2 * IOUS_MAX as u64 {
        state.settle_epoch(&params, S, Epoch(epoch), 24, MicroUsd(USD), Stones::ZERO).unwrap();
    }
    assert_eq!(state.ious.len(), IOUS_MAX);
    let owed: u128 = state.ious.iter().map(|iou| iou.dues.total().0).sum();
    assert_eq!(
        owed,
        2 * IOUS_MAX as u128 * 19 * STONE,
        "95 cents of each dollar at 5 cents a stone"
    );
}

#[test]
fn the_reserve_refuses_what_it_does_not_hold() {
    let (params, mut state) = (params(), EconomyState::genesis(&params()));
    let asked = Stones(state.reserve.0 + 1);
    let before = state.clone();
    let refused = state.pay_subsidy(&params, S, asked, MicroUsd(1));
    assert_eq!(refused, Err(EconomyError::ReserveExceeded { reserve: before.reserve, asked }));
    assert_eq!(state, before);
}

proptest! {
    /// Released + drawn == paid + old debts paid + burned; owed == paid + newly owed; the reserve loses what is drawn.
    #[test]
    fn settling_conserves_stones(
        epochs in proptest::collection::vec((0_u64..1_000_000 * USD, 0_u128..20_000_000), 1..100),
        reserve in 0_u64..600_000_000,
    ) {
        let mut params = params();
        params.reserve_stones = reserve;
        let mut state = EconomyState::genesis(&params);
        for (epoch, (paid, released)) in (0..).zip(epochs) {
            let released = Stones(released * STONE / 7);
            let debt = |s: &EconomyState| s.ious.iter().map(|iou| iou.dues.total().0).sum::<u128>();
            let (reserve, debt_before) = (state.reserve.0, debt(&state));
            let done = state.settle_epoch(&params, S, Epoch(epoch), 24, MicroUsd(paid), released).unwrap();
            prop_assert_eq!(
                released.0 + done.drawn.0,
                done.paid.total().0 + done.old_paid.total().0 + done.burned.0
            );
            prop_assert_eq!(reserve - state.reserve.0, done.drawn.0);
            let unpaid = done.owed.total().0 - done.paid.total().0;
            prop_assert_eq!(debt(&state) + done.old_paid.total().0, debt_before + unpaid);
            prop_assert!(done.burned.0 == 0 || state.ious.is_empty(), "burned while in debt");
            prop_assert!(done.drawn.0 == 0 || done.burned.0 == 0, "drew to burn");
        }
    }
}
