//! Credits: minting, what wallets see, and what cannot be done with them.

use alloy_primitives::{U256, keccak256};
use cairn_primitives::{
    MicroUsd, Stones,
    abi::{CREDITS, ICredits, MARKET},
};

use super::{balance, shift, spend, supply};
use crate::{
    Memory,
    fixture::{ALICE, BOB, Chain, enter, stones},
    native::{Ctx, Stop},
};

#[test]
fn mint_at_the_genesis_price() {
    let mut chain = Chain::new();
    // 10 stones at 0.05 dollars are half a dollar.
    let sent = chain.send(ALICE, CREDITS, stones(10), &ICredits::mintCall {});
    let minted = &sent.events::<ICredits::Minted>()[0];
    assert_eq!(
        (minted.account, minted.credits, minted.priceMicroUsd),
        (ALICE, U256::from(500_000), 50_000)
    );
    assert_eq!(sent.events::<ICredits::Transfer>()[0].to, ALICE);
    assert_eq!(
        chain.call(BOB, CREDITS, &ICredits::balanceOfCall { account: ALICE }),
        U256::from(500_000)
    );
    assert_eq!(chain.call(BOB, CREDITS, &ICredits::totalSupplyCall {}), U256::from(500_000));
    assert_eq!(chain.call(BOB, CREDITS, &ICredits::vaultCall {}), U256::from(stones(10).0));
    assert_eq!(
        chain.call(BOB, CREDITS, &ICredits::quoteCall { stones: U256::from(stones(2).0) }),
        U256::from(100_000)
    );
}

#[test]
fn a_mint_below_a_micro_dollar_is_refused() {
    let chain = Chain::new();
    // One micro-dollar costs 20e12 base units.
    for (sent, refused) in [(0, true), (19_999_999_999_999, true), (20_000_000_000_000, false)] {
        let input = alloy_sol_types::SolCall::abi_encode(&ICredits::mintCall {});
        let outcome = chain.try_call(ALICE, CREDITS, Stones(sent), input.into());
        assert_eq!(matches!(outcome, crate::CallOutcome::Revert { .. }), refused, "{sent}");
    }
    let error: ICredits::MintTooSmall =
        chain.revert(ALICE, CREDITS, Stones(7), &ICredits::mintCall {});
    assert_eq!((error.stones, error.priceMicroUsd), (U256::from(7), 50_000));
}

#[test]
fn what_wallets_ask() {
    let chain = Chain::new();
    assert_eq!(chain.call(BOB, CREDITS, &ICredits::nameCall {}), "Cairn credit");
    assert_eq!(chain.call(BOB, CREDITS, &ICredits::symbolCall {}), "CREDIT");
    assert_eq!(chain.call(BOB, CREDITS, &ICredits::decimalsCall {}), 6);
    assert_eq!(
        chain.call(BOB, CREDITS, &ICredits::allowanceCall { owner: ALICE, spender: BOB }),
        U256::ZERO
    );
}

#[test]
fn credits_are_bound_to_their_account() {
    let chain = Chain::new();
    let (to, value) = (BOB, U256::from(1));
    let _: ICredits::AccountBound =
        chain.revert(ALICE, CREDITS, Stones::ZERO, &ICredits::transferCall { to, value });
    let approve = ICredits::approveCall { spender: BOB, value };
    let _: ICredits::AccountBound = chain.revert(ALICE, CREDITS, Stones::ZERO, &approve);
    let take = ICredits::transferFromCall { from: ALICE, to, value };
    let _: ICredits::AccountBound = chain.revert(BOB, CREDITS, Stones::ZERO, &take);
}

/// Escrow and settlement as the market does them.
#[test]
fn shift_and_spend() {
    let mut chain = Chain::new();
    chain.send(ALICE, CREDITS, stones(10), &ICredits::mintCall {});
    let state: &mut Memory = &mut chain.state;
    let time = crate::time_of(&chain.head);
    let shifts = |from, to, amount| move |c: &mut Ctx<'_>| shift(c, from, to, MicroUsd(amount));
    let moved = enter(state, time, ALICE, Stones::ZERO, shifts(ALICE, MARKET, 200_000));
    assert!(matches!(moved, Ok(Ok(()))), "{moved:?}");
    enter(state, time, ALICE, Stones::ZERO, |c| spend(c, MARKET, MicroUsd(50_000)))
        .expect("spends");
    let (alice, market, total) = enter(state, time, ALICE, Stones::ZERO, |c| {
        Ok((balance(c, ALICE)?, balance(c, MARKET)?, supply(c)?))
    })
    .expect("reads");
    assert_eq!((alice, market, total), (MicroUsd(300_000), MicroUsd(150_000), MicroUsd(450_000)));
    chain.check();

    let state: &mut Memory = &mut chain.state;
    for too_much in [300_001, u64::MAX] {
        let refused = enter(state, time, ALICE, Stones::ZERO, shifts(ALICE, MARKET, too_much));
        assert!(matches!(refused, Ok(Err(MicroUsd(300_000)))), "{refused:?}");
        let refused =
            enter(state, time, ALICE, Stones::ZERO, |c| spend(c, ALICE, MicroUsd(too_much)));
        assert!(matches!(refused, Err(Stop::Revert(_))));
    }
    // To oneself: nothing appears.
    let moved = enter(state, time, ALICE, Stones::ZERO, shifts(ALICE, ALICE, 300_000));
    assert!(matches!(moved, Ok(Ok(()))), "{moved:?}");
    chain.check();
}

/// `cast storage` finds a balance where Solidity would put it.
#[test]
fn layout_is_soliditys() {
    let mut chain = Chain::new();
    chain.send(ALICE, CREDITS, stones(10), &ICredits::mintCall {});
    let mut key = [0; 64];
    key[12..32].copy_from_slice(ALICE.as_slice());
    assert_eq!(chain.state.slots[&(CREDITS, keccak256(key).into())], U256::from(500_000));
    assert_eq!(chain.state.slots[&(CREDITS, U256::from(1))], U256::from(500_000));
}
