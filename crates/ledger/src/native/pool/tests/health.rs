//! When the price is not healthy: shallow, after a gap, apart from the feeds.

use super::*;
use crate::fixture::VALIDATORS;

fn feed(chain: &mut Chain, seat: usize, price: u64) -> Sent {
    // Operators have no stones of their own for fees.
    let call = IPool::feedCall { priceMicroUsd: price };
    if chain.balance(VALIDATORS[seat]) == Stones::ZERO {
        let to = alloy_primitives::TxKind::Call(VALIDATORS[seat]);
        chain.send_raw(BOB, to, stones(10), Default::default());
    }
    send(chain, VALIDATORS[seat], &call)
}

#[test]
fn feeds_only_pause() {
    let mut chain = chain();
    let call = IPool::feedCall { priceMicroUsd: 50_000 };
    let error: IPool::NotSeated = refused(&chain, ALICE, Stones::ZERO, &call);
    assert_eq!(error.caller, ALICE);
    let zero = IPool::feedCall { priceMicroUsd: 0 };
    let _: cairn_primitives::abi::IKernel::OutOfRange =
        refused(&chain, VALIDATORS[0], Stones::ZERO, &zero);

    // Two of four are no quorum, whatever they say.
    feed(&mut chain, 0, 1);
    let sent = feed(&mut chain, 1, 1);
    let fed = &sent.events::<IPool::Fed>()[0];
    assert_eq!((fed.medianMicroUsd, fed.feeds), (0, 2));
    assert_eq!(health(&chain), 0);
    // A liar among honest ones does not move the median.
    feed(&mut chain, 1, 50_100);
    let sent = feed(&mut chain, 2, 50_200);
    assert_eq!(sent.events::<IPool::Fed>()[0].medianMicroUsd, 50_100);
    assert_eq!(health(&chain), 0);
    // Honest views that are apart pause the price, and set none.
    feed(&mut chain, 0, 51_000);
    feed(&mut chain, 1, 51_000);
    let view = chain.call(ALICE, POOL, &IPool::healthCall {});
    assert_eq!((view.reason, view.medianMicroUsd, view.feeds), (3, 51_000, 3));
    assert_eq!(limits(&chain).roomMicroUsd, 0);
    let error: ICredits::MintPaused =
        chain.revert(ALICE, CREDITS, stones(1), &ICredits::mintCall {});
    assert_eq!(error.health, 3);
    assert_eq!(chain.call(ALICE, POOL, &IPool::settlePriceCall {}), 49_999, "the last good one");
    let seen = chain.call(ALICE, POOL, &IPool::feedOfCall { validator: VALIDATORS[0] });
    assert_eq!((seen.priceMicroUsd, seen.timeMs), (51_000, chain.now().0));
    // Feeds that grow old pause nothing.
    wait(&mut chain, 3_600_000);
    assert_eq!(health(&chain), 3);
    wait(&mut chain, 1);
    assert_eq!(health(&chain), 0);
}

#[test]
fn after_a_gap_the_price_is_not_trusted_for_half_an_hour() {
    let mut chain = chain();
    wait(&mut chain, 3_600_000);
    assert_eq!(health(&chain), 0, "twenty idle pauses of this network");
    wait(&mut chain, 3_600_001);
    assert_eq!(health(&chain), 2);
    wait(&mut chain, 1_799_999);
    assert_eq!(health(&chain), 2);
    wait(&mut chain, 1);
    assert_eq!(health(&chain), 0);
}

/// Most of the dollars leave, and somebody pushes what is left: the settle price moves by 5 % for each hour, no more.
#[test]
fn a_shallow_pool_cannot_move_the_settle_price_fast() {
    let mut chain = rich(&[ALICE]);
    let all = shares(&chain, CAROL);
    let call = IPool::removeLiquidityCall {
        shares: U256::from(all / 100 * 96),
        minStones: U256::ZERO,
        minMicroUsd: 0,
        deadlineMs: LATER,
    };
    send(&mut chain, CAROL, &call);
    assert_eq!(health(&chain), 1);
    pay(&mut chain, ALICE, stones(500_000), &SELL);
    assert!(price(&chain) < 2_000, "{}", price(&chain));
    wait(&mut chain, 3_600_000);
    assert!(means(&chain).0 < 2_000, "{:?}", means(&chain));
    let settle = |chain: &Chain| chain.call(ALICE, POOL, &IPool::settlePriceCall {});
    assert!((47_400..=47_500).contains(&settle(&chain)), "{}", settle(&chain));
    wait(&mut chain, 3_600_000);
    assert!((44_900..=45_000).contains(&settle(&chain)), "{}", settle(&chain));
}
