//! The pool: what it gives, what it refuses, and what it says about the price.

mod attacks;
mod cost;
mod health;
mod limits;
mod settling;

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolError};
use cairn_economy::PriceQ32;
use cairn_primitives::{
    Genesis, GenesisAccount, MicroUsd, PoolParams, Stones, TimeMs,
    abi::{CREDITS, ICredits, IPool, IUsd, POOL, USD},
};

use crate::fixture::{ALICE, BOB, CAROL, Chain, Sent, genesis, stones};

/// Micro-dollars of a dollar.
const DOLLAR: u64 = 1_000_000;
/// Dollars in the pool at genesis, and the stones beside them at 5 cents.
const DEPTH_USD: u64 = 100_000;
const DEPTH_STONES: u64 = 2_000_000;
/// Stones that somebody has: one percent of them is worth $ 500,000, more than a few windows mint.
const ISSUED_STONES: u64 = 1_000_000_000;
/// What an account may take from the faucet.
const FAUCET_USD: u64 = 200_000;
/// A deadline that never passes.
const LATER: u64 = u64::MAX;

fn pooled() -> Genesis {
    with_pool(genesis())
}

/// The same network with a pool.
pub(in crate::native) fn with_pool(mut genesis: Genesis) -> Genesis {
    genesis.pool = Some(PoolParams {
        usd: DEPTH_USD,
        fee_ppm: 3_000,
        owner: CAROL,
        faucet_account_usd: FAUCET_USD,
        faucet_day_usd: 2 * FAUCET_USD,
    });
    genesis.economy.reserve_stones -= DEPTH_STONES;
    let economy = &mut genesis.economy;
    let crowd = ISSUED_STONES - (economy.cap_stones - economy.reserve_stones);
    economy.cap_stones += crowd;
    let address = Address::repeat_byte(0x5f);
    genesis.accounts.push(GenesisAccount { name: "crowd".to_owned(), address, stones: crowd });
    genesis.check().expect("sound");
    genesis
}

fn chain() -> Chain {
    Chain::with(pooled())
}

/// A chain on which these have their dollars from the faucet.
fn rich(people: &[Address]) -> Chain {
    let mut chain = chain();
    for person in people {
        assert!(chain.send(*person, USD, Stones::ZERO, &faucet(FAUCET_USD)).success);
    }
    chain
}

fn faucet(usd: u64) -> IUsd::faucetCall {
    IUsd::faucetCall { microUsd: usd * DOLLAR }
}

fn buy(usd: u64) -> IPool::buyCall {
    IPool::buyCall { microUsd: usd * DOLLAR, minStones: U256::ZERO, deadlineMs: LATER }
}

const SELL: IPool::sellCall = IPool::sellCall { minMicroUsd: 0, deadlineMs: LATER };

fn send(chain: &mut Chain, from: Address, call: &impl SolCall) -> Sent {
    let sent = chain.send(from, POOL, Stones::ZERO, call);
    assert!(sent.success);
    sent
}

fn pay(chain: &mut Chain, from: Address, value: Stones, call: &impl SolCall) -> Sent {
    let sent = chain.send(from, POOL, value, call);
    assert!(sent.success);
    sent
}

fn refused<E: SolError>(chain: &Chain, from: Address, value: Stones, call: &impl SolCall) -> E {
    chain.revert(from, POOL, value, call)
}

fn reserves(chain: &Chain) -> (u128, u64, u128) {
    let held = chain.call(ALICE, POOL, &IPool::reservesCall {});
    (held.stones.to(), held.microUsd, held.shares.to())
}

fn dollars(chain: &Chain, account: Address) -> u64 {
    chain.call(account, USD, &IUsd::balanceOfCall { account }).to()
}

fn shares(chain: &Chain, account: Address) -> u128 {
    chain.call(account, POOL, &IPool::sharesOfCall { account }).to()
}

fn price(chain: &Chain) -> u64 {
    PriceQ32(chain.call(ALICE, POOL, &IPool::priceCall {})).floor().0
}

/// Half an hour's and a day's mean, whole micro-dollars, rounded to the nearest.
fn means(chain: &Chain) -> (u64, u64) {
    let means = chain.call(ALICE, POOL, &IPool::twapsCall {});
    let round = |mean: u128| PriceQ32(mean + (1 << 31)).floor().0;
    (round(means.halfHour), round(means.day))
}

fn health(chain: &Chain) -> u8 {
    chain.call(ALICE, POOL, &IPool::healthCall {}).reason
}

fn limits(chain: &Chain) -> ICredits::Limits {
    chain.call(ALICE, CREDITS, &ICredits::limitsCall {})
}

/// Lets time pass in one block.
fn wait(chain: &mut Chain, ms: u64) {
    let now = chain.now();
    chain.block_at(TimeMs(now.0 + ms), Vec::new());
}

#[test]
fn genesis_fills_the_pool() {
    let chain = chain();
    chain.check();
    let all = stones(DEPTH_STONES).0;
    assert_eq!(reserves(&chain), (all, DEPTH_USD * DOLLAR, all));
    assert_eq!(shares(&chain, CAROL), all);
    assert_eq!(chain.balance(POOL), stones(DEPTH_STONES));
    assert_eq!(dollars(&chain, POOL), DEPTH_USD * DOLLAR);
    assert_eq!(chain.call(ALICE, USD, &IUsd::totalSupplyCall {}).to::<u64>(), DEPTH_USD * DOLLAR);
    assert_eq!((price(&chain), means(&chain), health(&chain)), (50_000, (50_000, 50_000), 0));
    assert_eq!(chain.call(ALICE, POOL, &IPool::feePpmCall {}), 3_000);
}

/// A network without a pool has neither contract, and mints without bounds at the price of genesis.
#[test]
fn without_a_pool_everything_is_as_it_was() {
    let chain = Chain::new();
    assert!(!chain.state.accounts.contains_key(&POOL) && !chain.state.accounts.contains_key(&USD));
    assert!(chain.state.slots.keys().all(|(contract, _)| *contract != POOL && *contract != USD));
    let limits = limits(&chain);
    assert_eq!((limits.mintPriceMicroUsd, limits.settlePriceMicroUsd), (50_000, 50_000));
    assert_eq!((limits.health, limits.roomMicroUsd), (0, u64::MAX));
}

/// Each invariant, broken on purpose.
#[test]
fn what_is_broken_is_found() {
    let found = |spoil: &dyn Fn(&mut Chain)| {
        let mut chain = chain();
        spoil(&mut chain);
        let found = chain.ledger.check(&chain.state, chain.now()).expect("state");
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let slot = |n: u64| (POOL, U256::from(n));
    assert_eq!(found(&|_| ()), "");
    let text = found(&|chain| {
        chain.state.slots.insert((USD, U256::MAX), U256::from(1));
    });
    assert!(text.starts_with("dollar balances add up to 100000000001"), "{text}");
    let text = found(&|chain| {
        let shares = chain.state.slots[&slot(1)];
        chain.state.slots.insert(slot(1), shares + U256::from(1));
    });
    assert!(text.starts_with("pool: shares add up to"), "{text}");
    let text = found(&|chain| {
        let reserves = chain.state.slots[&slot(0)];
        chain.state.slots.insert(slot(0), reserves + U256::from(1));
    });
    assert!(text.contains("holds 2000000") && text.contains("owes"), "{text}");
    let text = found(&|chain| {
        let reserves = chain.state.slots[&slot(0)];
        chain.state.slots.insert(slot(0), reserves + (U256::from(1) << 128));
    });
    assert!(text.starts_with("pool: holds"), "{text}");
}

#[test]
fn swaps_move_what_they_say() {
    let mut chain = rich(&[ALICE]);
    let sent = send(&mut chain, ALICE, &buy(1_000));
    let bought = &sent.events::<IPool::Bought>()[0];
    // 2,000,000 · 997 / 100,997 stones.
    assert_eq!(bought.stones.to::<u128>(), 19_743_160_687_941_225_977_009);
    assert_eq!(bought.priceMicroUsd, 51_003);
    assert_eq!(price(&chain), 51_003);
    assert_eq!(dollars(&chain, ALICE), (FAUCET_USD - 1_000) * DOLLAR);
    let quoted = chain.call(ALICE, POOL, &IPool::quoteSellCall { stones: bought.stones });
    let sent = pay(&mut chain, ALICE, Stones(bought.stones.to()), &SELL);
    let sold = &sent.events::<IPool::Sold>()[0];
    assert_eq!(sold.microUsd, quoted);
    assert!(sold.microUsd < 1_000 * DOLLAR && sold.microUsd > 993 * DOLLAR, "{}", sold.microUsd);
    let (left, usd, _) = reserves(&chain);
    assert!(left <= stones(DEPTH_STONES).0 && usd > DEPTH_USD * DOLLAR);
}

#[test]
fn swaps_refuse() {
    let chain = rich(&[ALICE]);
    let now = chain.now().0;
    let late = IPool::buyCall { deadlineMs: now - 1, ..buy(1) };
    let error: IPool::Expired = refused(&chain, ALICE, Stones::ZERO, &late);
    assert_eq!((error.deadlineMs, error.nowMs), (now - 1, now));
    let greedy = IPool::buyCall { minStones: U256::from(stones(20).0), ..buy(1) };
    let error: IPool::TooLittle = refused(&chain, ALICE, Stones::ZERO, &greedy);
    assert!(error.out < error.minOut);
    let _: IPool::TooLittle = refused(&chain, ALICE, Stones::ZERO, &buy(0));
    let _: IPool::TooLittle = refused(&chain, ALICE, Stones::ZERO, &SELL);
    let greedy = IPool::sellCall { minMicroUsd: 50_000, ..SELL };
    let _: IPool::TooLittle = refused(&chain, ALICE, stones(1), &greedy);
    let error: IUsd::InsufficientBalance = refused(&chain, BOB, Stones::ZERO, &buy(1));
    assert_eq!((error.account, error.needed), (BOB, U256::from(DOLLAR)));
    let endless = IPool::buyCall { microUsd: u64::MAX, ..buy(1) };
    let _: cairn_primitives::abi::IKernel::OutOfRange =
        refused(&chain, ALICE, Stones::ZERO, &endless);
}

#[test]
fn liquidity_comes_and_goes() {
    let mut chain = rich(&[ALICE]);
    let call = IPool::addLiquidityCall {
        maxMicroUsd: 5_000 * DOLLAR,
        minShares: U256::ZERO,
        deadlineMs: LATER,
    };
    let error: IPool::TooMuch = refused(&chain, ALICE, stones(100_001), &call);
    assert_eq!((error.microUsd, error.maxMicroUsd), (5_000_050_000, 5_000 * DOLLAR));
    let added = pay(&mut chain, ALICE, stones(100_000), &call);
    assert_eq!(added.events::<IPool::LiquidityAdded>()[0].microUsd, 5_000 * DOLLAR);
    assert_eq!(shares(&chain, ALICE), stones(100_000).0);
    assert_eq!(price(&chain), 50_000, "liquidity does not move the price");

    let take = |shares: u128| IPool::removeLiquidityCall {
        shares: U256::from(shares),
        minStones: U256::ZERO,
        minMicroUsd: 0,
        deadlineMs: LATER,
    };
    let mine = stones(100_000).0;
    let error: IPool::NotEnoughShares = refused(&chain, ALICE, Stones::ZERO, &take(mine + 1));
    assert_eq!(error.shares, U256::from(mine));
    let before = chain.balance(ALICE);
    send(&mut chain, ALICE, &take(mine));
    assert_eq!(shares(&chain, ALICE), 0);
    assert_eq!(dollars(&chain, ALICE), FAUCET_USD * DOLLAR);
    assert!(chain.balance(ALICE) > before);
    // Nobody empties it.
    let all = stones(DEPTH_STONES).0;
    let error: IPool::PoolFloor = refused(&chain, CAROL, Stones::ZERO, &take(all));
    assert_eq!((error.leftMicroUsd, error.leastMicroUsd), (0, DOLLAR));
}

#[test]
fn dollars_are_a_token() {
    let mut chain = rich(&[ALICE]);
    let token = |chain: &mut Chain, from, call: &dyn Fn() -> Vec<u8>| {
        chain.send_raw(from, alloy_primitives::TxKind::Call(USD), Stones::ZERO, call().into())
    };
    let value = U256::from(7 * DOLLAR);
    let give = IUsd::transferCall { to: BOB, value }.abi_encode();
    assert!(token(&mut chain, ALICE, &|| give.clone()).success);
    assert_eq!(dollars(&chain, BOB), 7 * DOLLAR);
    let take = IUsd::transferFromCall { from: BOB, to: CAROL, value };
    let error: IUsd::InsufficientAllowance = chain.revert(ALICE, USD, Stones::ZERO, &take);
    assert_eq!((error.allowance, error.needed), (U256::ZERO, value));
    let allow = IUsd::approveCall { spender: ALICE, value }.abi_encode();
    assert!(token(&mut chain, BOB, &|| allow.clone()).success);
    assert!(token(&mut chain, ALICE, &|| take.abi_encode()).success);
    assert_eq!((dollars(&chain, BOB), dollars(&chain, CAROL)), (0, 7 * DOLLAR));
    let left = chain.call(ALICE, USD, &IUsd::allowanceCall { owner: BOB, spender: ALICE });
    assert_eq!(left, U256::ZERO);
    let lost = IUsd::transferCall { to: Address::ZERO, value: U256::ZERO };
    let _: IUsd::BadReceiver = chain.revert(ALICE, USD, Stones::ZERO, &lost);
    let much = IUsd::transferCall { to: BOB, value: U256::MAX };
    let _: IUsd::InsufficientBalance = chain.revert(ALICE, USD, Stones::ZERO, &much);
}

#[test]
fn the_faucet_gives_so_much_a_day() {
    let mut chain = chain();
    let left = |chain: &Chain, account| chain.call(account, USD, &IUsd::faucetLeftCall { account });
    assert_eq!(left(&chain, ALICE), FAUCET_USD * DOLLAR);
    let error: IUsd::FaucetEmpty = chain.revert(ALICE, USD, Stones::ZERO, &faucet(FAUCET_USD + 1));
    assert_eq!(error.left, FAUCET_USD * DOLLAR);
    for person in [ALICE, BOB] {
        chain.send(person, USD, Stones::ZERO, &faucet(FAUCET_USD));
        assert_eq!(left(&chain, person), 0);
    }
    // All together have taken what there is for the day.
    let error: IUsd::FaucetEmpty = chain.revert(CAROL, USD, Stones::ZERO, &faucet(1));
    assert_eq!(error.left, 0);
    wait(&mut chain, 86_400_000);
    assert_eq!(left(&chain, CAROL), FAUCET_USD * DOLLAR);
    let supply = chain.call(ALICE, USD, &IUsd::totalSupplyCall {}).to::<u64>();
    assert_eq!(supply, (DEPTH_USD + 2 * FAUCET_USD) * DOLLAR);
}

/// The means follow the price as the windows pass, in an untouched pool too.
#[test]
fn means_follow() {
    let mut chain = rich(&[ALICE]);
    wait(&mut chain, 86_400_000);
    send(&mut chain, ALICE, &buy(41_600));
    assert_eq!((price(&chain), means(&chain)), (100_164, (50_000, 50_000)));
    wait(&mut chain, 900_000);
    // Half the window: the geometric mean of the two, up to a snapshot.
    let (half_hour, day) = means(&chain);
    assert!((69_000..=71_000).contains(&half_hour), "{half_hour}");
    assert!((50_200..=50_600).contains(&day), "{day}");
    wait(&mut chain, 1_000_000);
    assert_eq!(means(&chain).0, 100_164);
    wait(&mut chain, 90_000_000);
    assert_eq!(means(&chain), (100_164, 100_164));
    let settle = chain.call(ALICE, POOL, &IPool::settlePriceCall {});
    assert!(MicroUsd(settle).0.abs_diff(100_164) <= 1);
}
