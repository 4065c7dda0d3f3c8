//! What may be minted: the window, all credits together, the cover.

use super::*;

const MINT: ICredits::mintCall = ICredits::mintCall {};
/// 0.95 · 8 % of the pool's dollars.
const WINDOW: u64 = DEPTH_USD * DOLLAR / 100 * 8 / 100 * 95;

/// Stones for so many micro-dollars of credits at 5 cents, and a little more: the mean rounds down.
fn cost(credits: u64) -> Stones {
    Stones(MicroUsd(credits).to_stones_floor(MicroUsd(49_999)).0 + 1)
}

fn mint(chain: &mut Chain, from: Address, credits: u64) -> Sent {
    chain.send(from, CREDITS, cost(credits), &MINT)
}

#[test]
fn a_window_mints_so_much_whoever_mints() {
    let mut chain = chain();
    let before = limits(&chain);
    assert_eq!((before.windowMicroUsd, before.windowLeftMicroUsd), (WINDOW, WINDOW));
    assert_eq!(before.windowEndMs, chain.now().0 + 1_800_000);
    assert_eq!((before.coveragePpm, before.warned), (1_000_000, false));
    let error: ICredits::MintWindowFull = chain.revert(ALICE, CREDITS, cost(WINDOW + 1), &MINT);
    assert_eq!((error.left, error.windowMicroUsd), (WINDOW, WINDOW));
    // Many accounts share one window.
    for n in 0..10_u8 {
        let person = Address::repeat_byte(0x60 + n);
        let to = alloy_primitives::TxKind::Call(person);
        chain.send_raw(BOB, to, stones(20_000), Default::default());
        assert!(mint(&mut chain, person, WINDOW / 10).success);
    }
    let left = limits(&chain).windowLeftMicroUsd;
    assert!(left <= 10, "{left}");
    let error: ICredits::MintWindowFull = chain.revert(ALICE, CREDITS, cost(left + 1), &MINT);
    assert_eq!((error.left, error.windowEndMs), (left, before.windowEndMs));
    wait(&mut chain, 1_800_000);
    assert_eq!(limits(&chain).windowLeftMicroUsd, WINDOW);
    assert!(mint(&mut chain, ALICE, WINDOW).success);
}

/// Dollars that come for a mint do not raise its bound; those that leave lower it.
#[test]
fn only_dollars_that_were_there_count() {
    let mut chain = rich(&[ALICE]);
    let call = IPool::addLiquidityCall {
        maxMicroUsd: 50_000 * DOLLAR,
        minShares: U256::ZERO,
        deadlineMs: LATER,
    };
    pay(&mut chain, ALICE, stones(900_000), &call);
    assert_eq!(limits(&chain).windowMicroUsd, WINDOW);
    let all = U256::from(shares(&chain, CAROL) / 2);
    let take = IPool::removeLiquidityCall {
        shares: all,
        minStones: U256::ZERO,
        minMicroUsd: 0,
        deadlineMs: LATER,
    };
    send(&mut chain, CAROL, &take);
    assert!(limits(&chain).windowMicroUsd < WINDOW);
}

#[test]
fn outstanding_credits_are_at_most_a_hundredth_of_what_is_issued() {
    let mut deep = pooled();
    // A price at which all that is issued is worth little beside the pool: 1 % of 1.248 billion issued stones at 5 cents is $ 624,000.
    let table = deep.pool.as_mut().expect("a pool");
    table.usd = 10_000_000;
    deep.economy.reserve_stones -= 200_000_000 - DEPTH_STONES;
    deep.economy.grant_stones = 1;
    deep.accounts[0].stones += 50_000_000;
    deep.economy.reserve_stones -= 50_000_000;
    deep.check().expect("sound");
    let mut chain = Chain::with(deep);
    let view = limits(&chain);
    assert_eq!(view.windowMicroUsd, 760_000 * DOLLAR);
    assert!(view.outstandingMaxMicroUsd.abs_diff(624_000 * DOLLAR) < 20 * DOLLAR);
    assert_eq!(view.roomMicroUsd, view.outstandingMaxMicroUsd);
    let error: ICredits::OutstandingFull =
        chain.revert(ALICE, CREDITS, cost(634_000 * DOLLAR), &MINT);
    assert_eq!(error.left, view.outstandingMaxMicroUsd);
    assert!(mint(&mut chain, ALICE, 614_000 * DOLLAR).success);
    assert_eq!(limits(&chain).outstandingMicroUsd / DOLLAR, 614_000);
}

#[test]
fn a_fall_warns_and_then_pauses() {
    let mut chain = rich(&[BOB]);
    assert!(mint(&mut chain, ALICE, 5_000 * DOLLAR).success);
    pay(&mut chain, BOB, stones(70_000), &SELL);
    wait(&mut chain, 1_900_000);
    let view = limits(&chain);
    assert!(view.warned && view.coveragePpm < 950_000 && view.coveragePpm >= 900_000, "{view:?}");
    assert!(view.roomMicroUsd > 0);
    pay(&mut chain, BOB, stones(70_000), &SELL);
    wait(&mut chain, 1_900_000);
    let view = limits(&chain);
    assert_eq!((view.roomMicroUsd, view.warned), (0, true));
    let error: ICredits::CoverTooLow = chain.revert(ALICE, CREDITS, stones(10), &MINT);
    assert_eq!((error.coveragePpm, error.leastPpm), (view.coveragePpm, 900_000));
}

#[test]
fn a_quote_is_what_is_minted() {
    let mut chain = rich(&[ALICE]);
    wait(&mut chain, 3_600_000);
    send(&mut chain, ALICE, &buy(10_000));
    wait(&mut chain, 600_000);
    let quote = ICredits::quoteCall { stones: U256::from(stones(100).0) };
    let quoted = chain.call(ALICE, CREDITS, &quote);
    let lowest = limits(&chain).mintPriceMicroUsd;
    assert!((49_999..price(&chain)).contains(&lowest), "the day's mean is the lowest");
    let least = ICredits::mintAtLeastCall { minCredits: quoted + U256::from(1) };
    let error: ICredits::MintBelow = chain.revert(ALICE, CREDITS, stones(100), &least);
    assert_eq!((error.credits, error.minCredits), (quoted, quoted + U256::from(1)));
    let least = ICredits::mintAtLeastCall { minCredits: quoted };
    let sent = chain.send(ALICE, CREDITS, stones(100), &least);
    let minted = &sent.events::<ICredits::Minted>()[0];
    assert_eq!((minted.credits, minted.priceMicroUsd), (quoted, lowest));
}
