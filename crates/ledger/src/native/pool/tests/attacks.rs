//! Who moves the price to gain by it loses. Wealth is counted at the price that everybody else believes in: 5 cents.

use alloy_primitives::TxKind;
use cairn_primitives::abi::{ECONOMY, IEconomy, IMarket, MARKET, REWARDS};

use super::*;
use crate::{
    fixture::transaction,
    native::scenario::{World, offer},
};

const FAIR: MicroUsd = MicroUsd(50_000);
/// What is left of a credit when it has paid oneself: all but the fees.
const KEPT_PPM: u32 = 920_000;

/// Dollars, stones and credits of an account in micro-dollars.
fn wealth(chain: &Chain, account: Address) -> i128 {
    let credits = chain.call(account, CREDITS, &ICredits::balanceOfCall { account }).to();
    let stones = chain.balance(account).to_micro_usd_floor(FAIR).0;
    let credits = MicroUsd(credits).ppm_floor(KEPT_PPM).0;
    i128::from(dollars(chain, account)) + i128::from(stones) + i128::from(credits)
}

/// Calls of one account in one block, with stones.
fn in_one_block(
    chain: &mut Chain,
    from: Address,
    calls: &[(Address, Stones, Vec<u8>)],
) -> Vec<bool> {
    let first = chain.nonce(from);
    let txs = (first..).zip(calls).map(|(nonce, (to, value, input))| {
        let value = U256::from(value.0);
        transaction(from, nonce, 2_000_000_000, TxKind::Call(*to), value, input.clone().into())
    });
    let done = chain.block(txs.collect());
    done.receipts.iter().map(|r| r.as_receipt().expect("one").status.coerce_status()).collect()
}

/// Up, mint the whole window, down again, all in one block, and nobody comes between.
#[test]
fn pushing_within_a_block_and_minting_loses() {
    for pushed in [100, 5_000, 50_000, 190_000] {
        let mut chain = rich(&[ALICE]);
        wait(&mut chain, 3_600_000);
        let before = wealth(&chain, ALICE);
        let bought = chain.call(ALICE, POOL, &IPool::quoteBuyCall { microUsd: pushed * DOLLAR });
        let room = MicroUsd(limits(&chain).roomMicroUsd).to_stones_floor(FAIR);
        let done = in_one_block(
            &mut chain,
            ALICE,
            &[
                (POOL, Stones::ZERO, buy(pushed).abi_encode()),
                (CREDITS, room, ICredits::mintCall {}.abi_encode()),
                (POOL, Stones(bought.to()), SELL.abi_encode()),
            ],
        );
        assert_eq!(done, [true; 3]);
        assert!(limits(&chain).windowLeftMicroUsd < DOLLAR, "it minted all that can be minted");
        let gain = wealth(&chain, ALICE) - before;
        assert!(gain < 0, "pushed {pushed}: {gain}");
    }
}

/// The same held for half an hour against somebody who sets the price right after every block, then two windows minted.
#[test]
fn holding_a_push_and_minting_loses() {
    let mut chain = rich(&[ALICE, BOB]);
    wait(&mut chain, 3_600_000);
    let before = wealth(&chain, ALICE);
    for _ in 0..24 {
        let sent = send(&mut chain, ALICE, &buy(2_000));
        wait(&mut chain, 75_000);
        let stones = sent.events::<IPool::Bought>()[0].stones;
        pay(&mut chain, BOB, Stones(stones.to()), &SELL);
    }
    assert!(means(&chain).0 > 51_000, "the half hour's mean was moved: {:?}", means(&chain));
    for _ in 0..2 {
        let view = limits(&chain);
        assert!(view.mintPriceMicroUsd < 51_300, "{view:?}");
        let price = MicroUsd(view.mintPriceMicroUsd + 1);
        let stones = MicroUsd(view.roomMicroUsd).to_stones_floor(price);
        assert!(chain.send(ALICE, CREDITS, stones, &ICredits::mintCall {}).success);
        wait(&mut chain, 1_800_000);
    }
    let gain = wealth(&chain, ALICE) - before;
    assert!(gain < 0, "{gain}");
}

/// A provider pushes the settle price down for half an hour to be paid more stones for an epoch's work of a thousand dollars.
#[test]
fn holding_the_settle_price_down_costs_more_than_it_pays() {
    const WORK: u64 = 1_000 * DOLLAR;
    let mut world = World::on(rich(&[ALICE, BOB]));
    world.mint(2 * WORK);
    assert!(world.chain.send(CAROL, MARKET, Stones::ZERO, &offer()).success);
    assert!(world.open(WORK, 100).success);
    world.chain.go_to(0, 1_700_000);
    assert!(world.settle(1, 5, &[(0, WORK)]).success);
    let chain = &mut world.chain;
    let before = wealth(chain, ALICE);
    for _ in 0..25 {
        let sent = pay(chain, ALICE, stones(20_000), &SELL);
        wait(chain, 75_000);
        let usd = sent.events::<IPool::Sold>()[0].microUsd;
        send(chain, BOB, &IPool::buyCall { microUsd: usd, ..buy(0) });
    }
    let lost = before - wealth(chain, ALICE);
    world.chain.go_to(1, 60_000);
    let pool = world.pool(0);
    assert!(pool.priceMicroUsd < 49_500, "it was moved: {}", pool.priceMicroUsd);
    let paid = Stones(pool.earnedStones.to()).to_micro_usd_floor(FAIR);
    let gained = i128::from(paid.0) - i128::from(pool.earnedMicroUsd);
    assert!(gained > 0 && lost > gained, "lost {lost}, gained {gained}");
}

/// Credits are minted before a fall by 95 %, and spent on oneself after it. What comes out is worth their face value less the fees,
/// and at most what an epoch may draw beyond the vault; nobody mints more at the new cover.
#[test]
fn a_run_after_a_crash_is_bounded() {
    const CREDIT: u64 = 4_000 * DOLLAR;
    let mut genesis = pooled();
    genesis.accounts[2].stones += 20_000_000;
    genesis.economy.reserve_stones -= 20_000_000;
    let mut world = World::on(Chain::with(genesis));
    world.mint(CREDIT);
    assert!(world.chain.send(CAROL, MARKET, Stones::ZERO, &offer()).success);
    let held = world.credits(world.consumer);
    assert!(world.open(held, 100).success);
    world.chain.go_to(0, 600_000);
    pay(&mut world.chain, CAROL, stones(7_000_000), &SELL);
    world.chain.go_to(0, 3_000_000);
    assert!(world.settle(1, 5, &[(0, held)]).success);
    world.chain.go_to(1, 0);
    let view = limits(&world.chain);
    assert_eq!(view.outstandingMicroUsd, 0);

    let pool = world.pool(0);
    assert!(pool.priceMicroUsd < 3_000, "it crashed: {}", pool.priceMicroUsd);
    let owed = Stones(pool.earnedStones.to());
    let face = owed.to_micro_usd_floor(MicroUsd(pool.priceMicroUsd));
    assert!(face.0 <= MicroUsd(held).ppm_floor(KEPT_PPM).0);
    let reserve = |chain: &Chain| chain.balance(ECONOMY).0;
    let (before, released) = (reserve(&world.chain), world.chain.balance(REWARDS).0);
    world.finish_epoch();
    let drawn = before - reserve(&world.chain);
    // E / 24 + reserve / 64, and this epoch's subsidy besides.
    let subsidy = {
        let sub = MicroUsd(pool.usageSubsidyMicroUsd + pool.needSubsidyMicroUsd);
        sub.to_stones_floor(MicroUsd(pool.priceMicroUsd)).0
    };
    let emission = before * 2_037_193 / (1 << 32) / 24;
    assert!(drawn <= emission + before / 64 + subsidy, "{drawn}");
    assert!(owed.0 > released, "the vault alone does not pay it");

    // Whoever minted in time has no more: what is minted now is minted at the new price.
    let price = world.chain.call(ALICE, CREDITS, &ICredits::limitsCall {}).mintPriceMicroUsd;
    assert!(price < 3_000, "{price}");
    let _: IEconomy::Day = world.chain.call(ALICE, ECONOMY, &IEconomy::todayCall { sector: 1 });
    let _: u64 = world.chain.call(ALICE, MARKET, &IMarket::leaseCountCall {});
}

/// Somebody sells before a mint and buys back after it. The minter said what it wants, so nothing happens to it, and the other loses.
#[test]
fn sandwiching_a_mint_loses() {
    let mut chain = rich(&[ALICE]);
    wait(&mut chain, 3_600_000);
    let before = wealth(&chain, ALICE);
    let quote = ICredits::quoteCall { stones: U256::from(stones(1_000).0) };
    let least = chain.call(CAROL, CREDITS, &quote) * U256::from(99) / U256::from(100);
    let mint = ICredits::mintAtLeastCall { minCredits: least };

    pay(&mut chain, ALICE, stones(100_000), &SELL);
    let refused: ICredits::MintBelow = chain.revert(CAROL, CREDITS, stones(1_000), &mint);
    assert!(refused.credits < least);
    let usd = dollars(&chain, ALICE) - FAUCET_USD * DOLLAR;
    send(&mut chain, ALICE, &IPool::buyCall { microUsd: usd, ..buy(0) });
    assert!(chain.send(CAROL, CREDITS, stones(1_000), &mint).success, "a block later all is well");
    let gain = wealth(&chain, ALICE) - before;
    assert!(gain < -20 * i128::from(DOLLAR), "{gain}");
}
