//! Cheats against the vote, each of which loses.

use cairn_economy::{AtStake, capture_most};
use cairn_primitives::{
    MicroUsd,
    abi::{ECONOMY, IEconomy, TREASURY},
};

use super::*;

#[test]
fn a_flash_lock_does_not_vote() {
    let mut chain = chain();
    let honest = lock(&mut chain, ALICE, 300_000, 365);
    let id = propose(&mut chain, ALICE, &taper(600_000));
    vote(&mut chain, ALICE, id, true, honest);
    // In the proposal's own block, and in one after it.
    let same = lock(&mut chain, BOB, 900_000, 1_461);
    chain.wait(1);
    let later = lock(&mut chain, CAROL, 900_000, 1_461);
    for (owner, lock) in [(BOB, same), (CAROL, later)] {
        let call = IGovernance::voteCall { id, yes: false, lockIds: vec![lock] };
        let error: IGovernance::LockTooYoung = refused(&chain, owner, &call);
        assert!(error.sinceMs >= error.startMs && error.startMs == proposal(&chain, id).startMs);
    }
    // And the stones are there for half a year and longer.
    chain.wait(WEEK_MS);
    let _: IGovernance::LockNotOver = refused(&chain, BOB, &IGovernance::releaseCall { id: same });
}

#[test]
fn stones_vote_once_however_they_are_moved() {
    let mut chain = chain();
    let bob = lock(&mut chain, BOB, 200_000, 181);
    let id = propose(&mut chain, ALICE, &taper(600_000));
    vote(&mut chain, BOB, id, true, bob);
    let weight = proposal(&chain, id).yesWeight;
    // More stones and more time in a lock that voted: it has voted.
    send(&mut chain, BOB, stones(300_000), &IGovernance::addCall { id: bob });
    let call = IGovernance::voteCall { id, yes: true, lockIds: vec![bob] };
    let _: IGovernance::AlreadyVoted = refused(&chain, BOB, &call);
    let twice = IGovernance::voteCall { id, yes: true, lockIds: vec![bob, bob] };
    let _: IGovernance::AlreadyVoted = refused(&chain, BOB, &twice);
    assert_eq!(proposal(&chain, id).yesWeight, weight);

    // What is added after a proposal's start does not vote on it, even before the first vote.
    let carol = lock(&mut chain, CAROL, 100_000, 400);
    let second = propose(&mut chain, ALICE, &taper(550_000));
    chain.wait(1);
    send(&mut chain, CAROL, stones(500_000), &IGovernance::addCall { id: carol });
    let until = chain.now().0 + 1_461 * DAY_MS;
    send(&mut chain, CAROL, NONE, &IGovernance::extendCall { id: carol, untilMs: until });
    vote(&mut chain, CAROL, second, true, carol);
    let seen = proposal(&chain, second);
    assert_eq!(seen.yesStones, U256::from(stones(100_000).0));
    assert!(seen.yesWeight < U256::from(stones(200_000).0));
}

#[test]
fn a_lock_that_is_nearly_over_weighs_nothing() {
    let mut chain = chain();
    let id = lock(&mut chain, BOB, 900_000, 200);
    chain.wait(21 * DAY_MS);
    let late = propose(&mut chain, ALICE, &taper(600_000));
    let call = IGovernance::voteCall { id: late, yes: true, lockIds: vec![id] };
    let error: IGovernance::NoWeight = refused(&chain, BOB, &call);
    assert_eq!((error.leftDays, error.leastDays), (178, 180));
}

#[test]
fn two_votes_together_are_not_faster_than_one() {
    let mut chain = chain();
    let alice = lock(&mut chain, ALICE, 500_000, 1_461);
    // C by a tenth, and by another tenth; θ by a step, and by another.
    let cost =
        |value| IGovernance::proposeParametersCall { simulation: RUN, changes: vec![to(9, value)] };
    let calls = [cost(275_000), cost(300_000), cost(250_001)];
    let ids: Vec<u64> = calls
        .iter()
        .map(|call| {
            let id = propose(&mut chain, ALICE, call);
            vote(&mut chain, ALICE, id, true, alice);
            id
        })
        .collect();
    chain.wait(2 * WEEK_MS);
    send(&mut chain, BOB, NONE, &IGovernance::executeCall { id: ids[0] });
    let second = IGovernance::executeCall { id: ids[1] };
    let need = |cost: u64| 9 * cost;
    for days in [0, 1, 28] {
        chain.wait(days * DAY_MS);
        let error: IGovernance::NeedTooFast = refused(&chain, BOB, &second);
        assert_eq!(
            (error.needMicroUsd, error.low, error.high),
            (need(300_000), need(225_000), need(275_000)),
            "{days}"
        );
    }
    // Down again is no way around: what counts is all that was in force.
    let third = propose(&mut chain, ALICE, &taper(600_000));
    vote(&mut chain, ALICE, third, true, alice);
    // Thirty days after the first move its base is forgotten: 300,000 is within a tenth of 275,000.
    chain.wait(DAY_MS);
    send(&mut chain, BOB, NONE, &second);
    chain.wait(2 * WEEK_MS);
    send(&mut chain, BOB, NONE, &IGovernance::executeCall { id: third });
    let fast = propose(&mut chain, ALICE, &taper(650_000));
    vote(&mut chain, ALICE, fast, true, alice);
    chain.wait(2 * WEEK_MS);
    let error: IGovernance::TooFast = refused(&chain, BOB, &IGovernance::executeCall { id: fast });
    assert_eq!(
        (error.parameter, error.value, error.low, error.high),
        (6, 650_000, 400_000, 600_000)
    );
}

#[test]
fn a_guardian_delays_once_and_stops_nothing() {
    let mut chain = chain();
    let alice = lock(&mut chain, ALICE, 500_000, 1_461);
    let remove = IGovernance::proposeGuardianCall { simulation: RUN, guardian: Address::ZERO };
    let ids = [propose(&mut chain, ALICE, &taper(600_000)), propose(&mut chain, ALICE, &remove)];
    for id in ids {
        vote(&mut chain, ALICE, id, true, alice);
        let ready = proposal(&chain, id).readyMs;
        let delay = IGovernance::delayCall { id };
        let stranger: IGovernance::NotGuardian = refused(&chain, BOB, &delay);
        assert_eq!((stranger.caller, stranger.guardian), (BOB, GUARDIAN));
        send(&mut chain, GUARDIAN, NONE, &delay);
        assert_eq!(proposal(&chain, id).readyMs, ready + WEEK_MS);
        let again: IGovernance::AlreadyDelayed = refused(&chain, GUARDIAN, &delay);
        assert_eq!(again.readyMs, ready + WEEK_MS);
    }
    chain.wait(3 * WEEK_MS);
    for id in ids {
        // Not even at the last moment.
        let _: IGovernance::TimelockOver =
            refused(&chain, GUARDIAN, &IGovernance::delayCall { id });
        send(&mut chain, BOB, NONE, &IGovernance::executeCall { id });
    }
    assert_eq!(chain.call(BOB, GOVERNANCE, &IGovernance::guardianCall {}), Address::ZERO);
    let next = propose(&mut chain, ALICE, &taper(550_000));
    let error: IGovernance::NotGuardian =
        refused(&chain, GUARDIAN, &IGovernance::delayCall { id: next });
    assert_eq!(error.guardian, Address::ZERO);
}

/// `G_max ≤ Q·S_v·P·d` for what a vote on this network could take, with the numbers of the ledger.
#[test]
fn a_captured_vote_loses_more_than_it_takes() {
    let chain = chain();
    let genesis = chain.ledger.genesis();
    let rules = genesis.governance.as_ref().expect("governed");
    let price = genesis.price();
    let quorum = chain.call(ALICE, GOVERNANCE, &IGovernance::quorumCall {});
    let need = cairn_economy::coverage_need(&genesis.economy);
    let treasury = chain.balance(TREASURY);
    let emission =
        Stones(chain.call(ALICE, ECONOMY, &IEconomy::reserveCall {}).to::<u128>() / 2_108);
    let most = capture_most(&AtStake { treasury, emission, need, price });
    assert_eq!(quorum.captureStones, U256::from(most.0));
    // 2 % of a million, and 30 days of $ 2.475 at $ 0.05.
    assert_eq!(most.0 / stones(1).0, 20_000 + 1_485);
    let taken: MicroUsd = most.to_micro_usd_floor(price);
    let lost = Stones(quorum.stones.to()).to_micro_usd_floor(price).ppm_floor(rules.loss_ppm);
    assert!(lost >= taken, "{lost:?} {taken:?}");
    assert_eq!(quorum.stones.to::<u128>() / stones(1).0, 8 * (20_000 + 1_485));
}
