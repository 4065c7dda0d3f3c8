//! From when a vote counts: whole days, and never an epoch that has begun.

use cairn_economy::{EconomyState, coverage_need};
use cairn_primitives::Epoch;

use super::*;
use crate::native::{Ctx, Sheet, economy_state, scenario::World};

fn state(chain: &Chain) -> EconomyState {
    let env = chain.ledger.env_of(&chain.head);
    let facts = chain.ledger.facts(&env);
    let mut sheet = Sheet::new(&chain.state);
    economy_state::load(&mut Ctx::free(&mut sheet, &facts)).expect("state")
}

#[test]
fn a_day_is_paid_by_the_parameters_it_began_with() {
    let mut world = World::on(Chain::with(hasty()));
    let alice = lock(&mut world.chain, ALICE, 400_000, 1_461);
    let old = world.params(0);
    // In the middle of day 0, with three epochs final: the audited cost rises by a tenth.
    world.finish_until(3);
    let cost =
        IGovernance::proposeParametersCall { simulation: RUN, changes: vec![to(9, 275_000)] };
    let id = propose(&mut world.chain, ALICE, &cost);
    vote(&mut world.chain, ALICE, id, true, alice);
    world.chain.wait(120_000);
    send(&mut world.chain, BOB, NONE, &IGovernance::executeCall { id });
    let new = world.params(24);
    assert_eq!(world.params(23), old, "an epoch of the day, final or not");
    assert_eq!(new.device_cost_micro_usd_day, 275_000);
    assert_eq!(world.params(u64::MAX).device_cost_micro_usd_day, 275_000);

    let day = |chain: &Chain| {
        let state = state(chain);
        (state.day, state.services.values().map(|service| service.need_budget.0).sum::<u64>())
    };
    assert_eq!(day(&world.chain), (0, coverage_need(&old).0));
    world.finish_until(23);
    assert_eq!(day(&world.chain), (0, coverage_need(&old).0));
    // The last epoch of day 0 is finished long after the new parameters are in force: it is paid by the old ones.
    world.chain.go_to(40, 0);
    assert_eq!(world.params(23), old);
    world.finish_until(24);
    assert_eq!(day(&world.chain), (1, coverage_need(&new).0));
    world.finish_until(25);
    assert_eq!(world.chain.ledger.genesis().schedule().day_of(Epoch(24)), 1);
}

#[test]
fn fees_of_a_day_are_those_it_was_paid_by() {
    let mut world = World::on(Chain::with(hasty()));
    world.sell(2_000_000);
    let alice = lock(&mut world.chain, ALICE, 400_000, 1_461);
    let fees = IGovernance::proposeParametersCall {
        simulation: RUN,
        changes: vec![to(1, 60_000), to(2, 10_000)],
    };
    let id = propose(&mut world.chain, ALICE, &fees);
    vote(&mut world.chain, ALICE, id, true, alice);
    world.chain.wait(120_000);
    send(&mut world.chain, BOB, NONE, &IGovernance::executeCall { id });
    assert!(world.settle(1, 10, &[(0, 1_000_000)]).success);
    world.finish_until(1);
    // 5 % burned, 2 % and 1 % given: the provider of day 0 has 92 %.
    assert_eq!(world.pool(0).earnedMicroUsd, 920_000);
    world.finish_until(24);
    let first = state(&world.chain).services.values().next().expect("a sector").income;
    assert_eq!(first.0, 920_000 / 30, "averaged by the fees of its own day");
    assert!(world.settle(1, 20, &[(0, 1_500_000)]).success);
    world.finish_until(25);
    // The insurance's 1 % as before, 6 % burned, 1 % to the treasury.
    assert_eq!(world.pool(24).earnedMicroUsd, 460_000);
    let burned = world.params(24).fee_burn_ppm;
    assert_eq!(burned, 60_000);
}

#[test]
fn a_second_vote_of_a_day_goes_on_top_of_the_first() {
    let mut chain = Chain::with(hasty());
    let alice = lock(&mut chain, ALICE, 400_000, 1_461);
    let fees = IGovernance::proposeParametersCall { simulation: RUN, changes: vec![to(1, 55_000)] };
    for id in [propose(&mut chain, ALICE, &taper(600_000)), propose(&mut chain, ALICE, &fees)] {
        vote(&mut chain, ALICE, id, true, alice);
    }
    chain.wait(120_001);
    for id in [0, 1] {
        send(&mut chain, BOB, NONE, &IGovernance::executeCall { id });
    }
    let history = chain.call(BOB, GOVERNANCE, &IGovernance::historyCall { from: 0, limit: 9 });
    assert_eq!(history.len(), 1);
    assert_eq!(
        (history[0].fromDay, history[0].taperPpm, history[0].feeBurnPpm),
        (1, 600_000, 55_000)
    );
    let old = chain.call(BOB, GOVERNANCE, &IGovernance::parametersOfCall { epoch: 23 });
    assert_eq!((old.fromDay, old.taperPpm, old.feeBurnPpm), (0, 500_000, 50_000));
}
