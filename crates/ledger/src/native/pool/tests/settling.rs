//! Epochs are settled at the price that was fixed when they ended.

use super::*;
use crate::native::scenario::{S, World};

fn world() -> World {
    World::on(rich(&[ALICE]))
}

fn epoch_price(world: &World, epoch: u64) -> IPool::epochPriceReturn {
    world.chain.call(ALICE, POOL, &IPool::epochPriceCall { epoch })
}

#[test]
fn an_epochs_price_is_fixed_when_it_ends() {
    let mut world = world();
    assert!(!epoch_price(&world, 0).isFixed);
    send(&mut world.chain, ALICE, &buy(20_000));
    world.chain.go_to(1, 0);
    let first = epoch_price(&world, 0);
    assert!(first.isFixed && first.priceMicroUsd > 60_000, "{}", first.priceMicroUsd);
    assert!(!epoch_price(&world, 1).isFixed);
    // Whatever happens to the price then, validators agree on what they split.
    let pool = world.pool(0);
    assert_eq!(pool.priceMicroUsd, first.priceMicroUsd);
    pay(&mut world.chain, ALICE, stones(500_000), &SELL);
    world.chain.go_to(1, 1_800_000);
    assert!(price(&world.chain) < 50_000);
    assert_eq!(world.pool(0), pool);
    world.finish_with(cairn_primitives::Digest([1; 32]));
    assert_eq!(world.pool(0), pool);
    let last = world.chain.call(ALICE, POOL, &IPool::settlePriceCall {});
    assert_eq!(world.pool(1).priceMicroUsd, last, "a preview");
}

/// Several epochs that end between two blocks have one price, and the row is found from both ends.
#[test]
fn epochs_that_nobody_saw_share_a_row() {
    let mut world = world();
    for epoch in [3, 4, 9, 10] {
        world.chain.go_to(epoch, 1_000);
    }
    let len = |world: &World| {
        let slot = world.chain.state.slots[&(POOL, U256::from(8))];
        slot.to::<u64>()
    };
    assert_eq!(len(&world), 4);
    for epoch in 0..10 {
        assert!(epoch_price(&world, epoch).isFixed, "{epoch}");
    }
    assert!(!epoch_price(&world, 10).isFixed);
    assert_eq!(epoch_price(&world, 4).health, 2, "five hours without a block");
}

/// Work is paid at the pool's price, and an unhealthy epoch is not subsidised.
#[test]
fn an_unhealthy_epoch_has_no_subsidy_and_pays_its_work() {
    let mut world = world();
    world.mint(200_000);
    let sent = world.chain.send(CAROL, MARKET, Stones::ZERO, &crate::native::scenario::offer());
    assert!(sent.success);
    assert!(world.open(100_000, 100).success);
    assert!(world.settle(1, 5, &[(0, 10_000)]).success);
    world.chain.go_to(1, 0);
    let healthy = world.pool(0);
    assert!(healthy.needSubsidyMicroUsd > 0);
    assert_eq!(healthy.earnedMicroUsd, 9_200);
    world.finish_epoch();

    assert!(world.settle(1, 9, &[(0, 20_000)]).success);
    // The network stands still for hours.
    world.chain.go_to(5, 0);
    let paused = world.pool(1);
    assert_eq!((paused.usageSubsidyMicroUsd, paused.needSubsidyMicroUsd), (0, 0));
    assert_eq!(paused.earnedMicroUsd, 9_200);
    assert!(paused.earnedStones > U256::ZERO && paused.priceMicroUsd > 0);
    let computed = world.finish_with(cairn_primitives::Digest([1; 32]));
    assert_eq!(computed.split.subsidy_stones, Stones::ZERO);
    assert_eq!(epoch_price(&world, 1).health, 2);
    let view = world.chain.call(ALICE, cairn_primitives::abi::REWARDS, &next());
    assert_eq!(view, 2);
}

/// What a device must bond follows the price, a tenth a week.
#[test]
fn bonds_are_revalued_every_week() {
    const WEEK: u64 = 7 * 86_400_000;
    let mut chain = rich(&[ALICE]);
    let call = IRegistry::bondRequiredCall { sector: S };
    let bond = |chain: &Chain| chain.call(ALICE, REGISTRY, &call).to::<u128>();
    assert_eq!(bond(&chain), stones(100).0);
    send(&mut chain, ALICE, &buy(41_600));
    wait(&mut chain, WEEK - 1);
    assert_eq!(bond(&chain), stones(100).0);
    // A week without a block is a gap: what is not healthy does not revalue.
    wait(&mut chain, 1);
    assert_eq!(bond(&chain), stones(100).0);
    wait(&mut chain, 1_800_000);
    assert_eq!(bond(&chain), stones(90).0);
    for week in 2..12 {
        wait(&mut chain, WEEK - 1_800_000 * u64::from(week == 2));
        wait(&mut chain, 1_800_000);
    }
    // Half as many stones at twice the price.
    let half = MicroUsd(5_000_000).to_stones_floor(MicroUsd(100_163));
    assert!(bond(&chain).abs_diff(half.0) < half.0 / 1_000, "{}", bond(&chain));
}

fn next() -> cairn_primitives::abi::IRewards::nextEpochCall {
    cairn_primitives::abi::IRewards::nextEpochCall { sector: S }
}

use cairn_primitives::abi::{IRegistry, MARKET, REGISTRY};
