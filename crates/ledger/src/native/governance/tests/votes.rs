//! The life of a lock and of a proposal, with every refusal on the way.

use cairn_primitives::abi::{ECONOMY, IEconomy, IKernel};

use super::*;

#[test]
fn a_lock_holds_stones_until_its_end() {
    let mut chain = chain();
    let (now, held) = (chain.now().0, chain.balance(GOVERNANCE));
    for (days, bound) in [(179, 180), (1_462, 1_461)] {
        let call = IGovernance::lockCall { untilMs: now + days * DAY_MS };
        let error: IKernel::OutOfRange = chain.revert(ALICE, GOVERNANCE, stones(5), &call);
        assert_eq!(
            (error.field.as_str(), error.bound.to::<u64>()),
            ("untilMs", now + bound * DAY_MS)
        );
    }
    let call = IGovernance::lockCall { untilMs: now + 200 * DAY_MS };
    let small: IGovernance::LockTooSmall = chain.revert(ALICE, GOVERNANCE, Stones(7), &call);
    assert_eq!((small.stones, small.least), (U256::from(7), U256::from(stones(1).0)));

    let id = lock(&mut chain, ALICE, 1_000, 200);
    let other: IGovernance::NotOwner =
        chain.revert(BOB, GOVERNANCE, stones(1), &IGovernance::addCall { id });
    assert_eq!((other.id, other.caller), (id, BOB));
    send(&mut chain, ALICE, stones(500), &IGovernance::addCall { id });
    assert_eq!(chain.balance(GOVERNANCE).0 - held.0, stones(1_500).0);
    let shorter = IGovernance::extendCall { id, untilMs: now + 199 * DAY_MS };
    let error: IKernel::OutOfRange = refused(&chain, ALICE, &shorter);
    assert_eq!(error.bound, U256::from(now + 200 * DAY_MS + 1));
    let until = now + 400 * DAY_MS;
    send(&mut chain, ALICE, NONE, &IGovernance::extendCall { id, untilMs: until });

    let soon: IGovernance::LockNotOver = refused(&chain, BOB, &IGovernance::releaseCall { id });
    assert_eq!((soon.id, soon.untilMs), (id, until));
    chain.wait(300 * DAY_MS);
    // Stones that are added are locked for half a year too.
    let error: IKernel::OutOfRange =
        chain.revert(ALICE, GOVERNANCE, stones(1), &IGovernance::addCall { id });
    assert_eq!(error.field, "untilMs");
    let view = chain.call(ALICE, GOVERNANCE, &IGovernance::lockOfCall { id });
    assert_eq!((view.stones, view.weight), (U256::from(stones(1_500).0), U256::ZERO));
    chain.wait(100 * DAY_MS);
    let before = chain.balance(ALICE);
    send(&mut chain, BOB, NONE, &IGovernance::releaseCall { id });
    assert_eq!(chain.balance(ALICE).0 - before.0, stones(1_500).0, "its owner's, whoever asks");
    let _: IGovernance::LockReleased = refused(&chain, BOB, &IGovernance::releaseCall { id });
    assert_eq!(chain.call(ALICE, GOVERNANCE, &IGovernance::lockedCall {}), U256::ZERO);
    let _: IGovernance::UnknownLock = refused(&chain, BOB, &IGovernance::releaseCall { id: 9 });
    let mine = IGovernance::locksOfCall { owner: ALICE, from: 0, limit: 9 };
    assert!(chain.call(BOB, GOVERNANCE, &mine)[0].released);
}

#[test]
fn a_proposal_passes_and_is_carried_out() {
    let mut chain = chain();
    let alice = lock(&mut chain, ALICE, 300_000, 1_461);
    let bob = lock(&mut chain, BOB, 300_000, 181);
    let id = propose(&mut chain, ALICE, &taper(600_000));
    assert_eq!(proposal(&chain, id).status, 1);
    let early: IGovernance::VotingOpen = refused(&chain, BOB, &IGovernance::executeCall { id });
    assert_eq!(early.endMs, proposal(&chain, id).votingEndMs);
    vote(&mut chain, ALICE, id, true, alice);
    let again = IGovernance::voteCall { id, yes: false, lockIds: vec![alice] };
    let again: IGovernance::AlreadyVoted = refused(&chain, ALICE, &again);
    assert_eq!((again.id, again.lock), (id, alice));
    let foreign = IGovernance::voteCall { id, yes: true, lockIds: vec![bob] };
    let _: IGovernance::NotOwner = refused(&chain, ALICE, &foreign);
    vote(&mut chain, BOB, id, false, bob);
    let seen = proposal(&chain, id);
    // Nearly four times its stones for the longest lock, its stones for the shortest; stones are counted besides.
    let whole = |weight: U256| (weight / U256::from(stones(1).0)).to::<u64>();
    assert_eq!((whole(seen.yesWeight), whole(seen.noWeight)), (1_199_297, 300_000));
    assert_eq!((whole(seen.yesStones), whole(seen.noStones)), (300_000, 300_000));

    chain.wait(WEEK_MS);
    let over = IGovernance::voteCall { id, yes: true, lockIds: vec![alice] };
    let _: IGovernance::VotingOver = refused(&chain, ALICE, &over);
    assert_eq!(proposal(&chain, id).status, 4);
    let early: IGovernance::TimelockOpen = refused(&chain, BOB, &IGovernance::executeCall { id });
    assert_eq!(early.readyMs, proposal(&chain, id).readyMs);
    let open: IGovernance::StillOpen = refused(&chain, BOB, &IGovernance::closeCall { id });
    assert_eq!(open.status, 4);
    chain.wait(WEEK_MS);
    let before = chain.balance(ALICE);
    let sent = send(&mut chain, BOB, NONE, &IGovernance::executeCall { id });
    assert_eq!(chain.balance(ALICE).0 - before.0, DEPOSIT.0, "the deposit is returned");
    let set = &sent.events::<IGovernance::ParametersSet>()[0];
    assert_eq!((set.proposal, set.fromDay, set.parameters.taperPpm), (id, 15, 600_000));
    let done: IGovernance::ProposalClosed = refused(&chain, BOB, &IGovernance::executeCall { id });
    assert_eq!(done.status, 7);
    let bounds = chain.call(BOB, GOVERNANCE, &IGovernance::boundsCall {});
    let theta = bounds.iter().find(|bound| bound.parameter == 6).expect("movable");
    assert_eq!((theta.name.as_str(), theta.value, theta.high), ("taper_ppm", 600_000, 900_000));
}

#[test]
fn deposits_come_back_but_from_a_proposal_that_nobody_wanted() {
    let mut chain = chain();
    let alice = lock(&mut chain, ALICE, 300_000, 1_461);
    let bob = lock(&mut chain, BOB, 400_000, 1_461);
    let rejected = propose(&mut chain, ALICE, &taper(600_000));
    vote(&mut chain, ALICE, rejected, true, alice);
    vote(&mut chain, BOB, rejected, false, bob);
    let ignored = propose(&mut chain, CAROL, &taper(600_000));
    chain.wait(WEEK_MS);
    assert_eq!((proposal(&chain, rejected).status, proposal(&chain, ignored).status), (2, 3));
    let error: IGovernance::Rejected =
        refused(&chain, BOB, &IGovernance::executeCall { id: rejected });
    assert!(error.yesWeight < error.noWeight);
    let missed: IGovernance::QuorumMissed =
        refused(&chain, BOB, &IGovernance::executeCall { id: ignored });
    assert_eq!((missed.yesStones, missed.quorum), (U256::ZERO, proposal(&chain, ignored).quorum));

    let (alice, carol) = (chain.balance(ALICE), chain.balance(CAROL));
    let burned = chain.call(BOB, ECONOMY, &IEconomy::burnedCall {});
    let close = |chain: &mut Chain, id| {
        let sent = send(chain, BOB, NONE, &IGovernance::closeCall { id });
        let closed = sent.events::<IGovernance::Closed>()[0].clone();
        (closed.returned, closed.burned)
    };
    let deposit = U256::from(DEPOSIT.0);
    assert_eq!(close(&mut chain, rejected), (deposit, U256::ZERO));
    assert_eq!(close(&mut chain, ignored), (U256::ZERO, deposit));
    assert_eq!(chain.balance(ALICE).0 - alice.0, DEPOSIT.0);
    assert_eq!(chain.balance(CAROL), carol);
    assert!(chain.call(BOB, ECONOMY, &IEconomy::burnedCall {}) - burned >= deposit);
    let _: IGovernance::ProposalClosed =
        refused(&chain, BOB, &IGovernance::closeCall { id: ignored });
}

#[test]
fn a_proposal_that_nobody_carries_out_expires() {
    let mut chain = chain();
    let alice = lock(&mut chain, ALICE, 300_000, 1_461);
    let id = propose(&mut chain, ALICE, &taper(600_000));
    vote(&mut chain, ALICE, id, true, alice);
    chain.wait(2 * WEEK_MS + super::super::EXECUTION_MS);
    let error: IGovernance::Expired = refused(&chain, BOB, &IGovernance::executeCall { id });
    assert_eq!(error.untilMs, proposal(&chain, id).expiresMs);
    let before = chain.balance(ALICE);
    send(&mut chain, BOB, NONE, &IGovernance::closeCall { id });
    assert_eq!(chain.balance(ALICE).0 - before.0, DEPOSIT.0);
}

#[test]
fn what_is_no_proposal() {
    let mut chain = chain();
    let with = |changes: Vec<IGovernance::Change>| IGovernance::proposeParametersCall {
        simulation: RUN,
        changes,
    };
    let none = IGovernance::proposeParametersCall { simulation: B256::ZERO, ..taper(600_000) };
    let _: IGovernance::NoSimulation = chain.revert(ALICE, GOVERNANCE, DEPOSIT, &none);
    let low: IGovernance::DepositTooSmall =
        chain.revert(ALICE, GOVERNANCE, stones(99), &taper(600_000));
    assert_eq!((low.deposit, low.least), (U256::from(stones(99).0), U256::from(DEPOSIT.0)));
    let _: IGovernance::NothingNew = chain.revert(ALICE, GOVERNANCE, DEPOSIT, &taper(500_000));
    for (changes, field, bound) in [
        (vec![], "changes", 1),
        (vec![to(6, 1); 10], "changes", 9),
        (vec![to(6, 600_000), to(6, 400_000)], "parameter", 7),
        (vec![to(6, 600_000), to(1, 40_000)], "parameter", 7),
        (vec![to(0, 1)], "parameter", 1),
        (vec![to(10, 1)], "parameter", 1),
    ] {
        let error: IKernel::OutOfRange = chain.revert(ALICE, GOVERNANCE, DEPOSIT, &with(changes));
        assert_eq!((error.field.as_str(), error.bound), (field, U256::from(bound)));
    }
    let fixed: IGovernance::NotMovable =
        chain.revert(ALICE, GOVERNANCE, DEPOSIT, &with(vec![to(4, 1)]));
    assert_eq!(fixed.parameter, 4);
    let error: IGovernance::OutOfBounds = chain.revert(ALICE, GOVERNANCE, DEPOSIT, &taper(900_001));
    assert_eq!(
        (error.parameter, error.value, error.low, error.high),
        (6, 900_001, 200_000, 900_000)
    );
    let fees = with(vec![to(1, 60_000), to(2, 25_000)]);
    let error: IGovernance::FeesTooHigh = chain.revert(ALICE, GOVERNANCE, DEPOSIT, &fees);
    assert_eq!((error.ppm, error.most), (95_000, 90_000));
    let _: IGovernance::UnknownProposal =
        refused(&chain, ALICE, &IGovernance::executeCall { id: 0 });
    let many = IGovernance::voteCall { id: 0, yes: true, lockIds: vec![] };
    propose(&mut chain, ALICE, &taper(600_000));
    let error: IKernel::OutOfRange = refused(&chain, ALICE, &many);
    assert_eq!(error.field, "lockIds");
}
