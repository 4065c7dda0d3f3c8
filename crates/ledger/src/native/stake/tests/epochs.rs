//! Epochs across a change of the validators: one round, one set, whoever sits meanwhile.

use alloy_primitives::{B256, U256};
use cairn_primitives::abi::{BATCHES, IBatches, IRewards, IStake, REWARDS, STAKE, TREASURY};

use super::*;
use crate::{
    fixture::{ALICE, BOB, CAROL, INGESTS},
    native::scenario::{COMMITTING, Computed, LATE, S, World, commit, worth as price},
};

const PEOPLE: [u8; 4] = [1, 2, 3, 4];

/// A world in which four people have all seats from term 2 on.
fn world() -> World {
    let mut genesis = genesis();
    genesis.stake.seats_max = 4;
    let mut world = World::on(Chain::with(genesis));
    for n in PEOPLE {
        stand(&mut world.chain, n, BOND + 1);
    }
    world
}

fn attest(world: &mut World, from: Address, epoch: u64) -> bool {
    let call = IBatches::attestCall { epoch, sector: S, held: U256::from(0b11) };
    world.chain.system(from, BATCHES, &call).is_ok()
}

fn vote(world: &mut World, from: Address, epoch: u64, round: u32, computed: &Computed) -> bool {
    let result = computed.result();
    let call = IRewards::voteCall { epoch, sector: S, round, result, salt: B256::ZERO };
    world.chain.system(from, REWARDS, &call).is_ok()
}

/// Ends epoch 0 with both commitments.
fn committed(world: &mut World) {
    world.chain.go_to(1, COMMITTING);
    for ingest in INGESTS {
        world.chain.system(ingest, BATCHES, &commit(0)).expect("included");
    }
}

#[test]
fn a_round_belongs_to_the_set_of_its_first_attestation() {
    let mut world = world();
    to_term(&mut world.chain, 1);
    committed(&mut world);
    for founder in &VALIDATORS[..2] {
        assert!(attest(&mut world, *founder, 0));
    }
    // The people sit now, and have no voice in the round that the founders began.
    to_term(&mut world.chain, 2);
    assert_eq!(seats(&world.chain, 2), Some(sorted(PEOPLE.map(person))));
    for n in PEOPLE {
        assert!(!attest(&mut world, person(n), 0));
    }
    for founder in &VALIDATORS[2..] {
        assert!(attest(&mut world, *founder, 0), "free, though its term is over");
    }
    assert_eq!((world.status(0).phase, world.status(0).included), (3, U256::from(0b11)));
    let computed = world.compute(0);
    for n in PEOPLE {
        assert!(!vote(&mut world, person(n), 0, 0, &computed));
    }
    for founder in &VALIDATORS[..3] {
        assert!(vote(&mut world, *founder, 0, 0, &computed));
    }
    assert_eq!(world.next_epoch(), 1, "three of four founders, and nobody else");
    assert!(vote(&mut world, VALIDATORS[3], 0, 0, &computed), "late, and on record");
    // The next epoch is the people's.
    world.chain.go_to(2, LATE);
    let computed = world.compute(1);
    assert!(!vote(&mut world, VALIDATORS[0], 1, 0, &computed));
    for n in &PEOPLE[..3] {
        assert!(vote(&mut world, person(*n), 1, 0, &computed));
    }
    assert_eq!(world.next_epoch(), 2);
}

#[test]
fn an_epoch_is_not_stranded_with_validators_that_are_gone() {
    let mut world = world();
    to_term(&mut world.chain, 1);
    committed(&mut world);
    for founder in &VALIDATORS[..2] {
        assert!(attest(&mut world, *founder, 0));
    }
    to_term(&mut world.chain, 2);
    assert_eq!(world.status(0).round, 0);
    assert_eq!(world.status(0).attestations, 2);
    // Two terms later the founders have not finished: the round is over without anybody's doing.
    to_term(&mut world.chain, 3);
    let status = world.status(0);
    assert_eq!((status.round, status.attestations, status.phase), (1, 0, 2));
    assert!(!attest(&mut world, VALIDATORS[2], 0));
    for n in PEOPLE {
        assert!(attest(&mut world, person(n), 0));
    }
    let computed = world.compute(0);
    assert!(!vote(&mut world, person(1), 0, 0, &computed), "the old round's number");
    for n in &PEOPLE[..3] {
        assert!(vote(&mut world, person(*n), 0, 1, &computed));
    }
    assert_eq!(world.next_epoch(), 1);
    // A final epoch stays what it is, whoever sits.
    to_term(&mut world.chain, 6);
    assert_eq!((world.status(0).round, world.status(0).phase), (1, 3));
}

#[test]
fn one_set_votes_once_however_the_terms_fall() {
    // Two founders vote in one term, the people come, and the two cannot be added to.
    let mut world = world();
    to_term(&mut world.chain, 1);
    world.chain.go_to(1, LATE);
    let computed = world.compute(0);
    assert!(vote(&mut world, VALIDATORS[0], 0, 0, &computed));
    assert!(vote(&mut world, VALIDATORS[1], 0, 0, &computed));
    to_term(&mut world.chain, 2);
    assert!(!vote(&mut world, VALIDATORS[0], 0, 0, &computed), "twice");
    assert!(!vote(&mut world, person(1), 0, 0, &computed));
    to_term(&mut world.chain, 3);
    // Round 1 begins with nobody's vote.
    assert!(vote(&mut world, person(1), 0, 1, &computed));
    assert!(vote(&mut world, person(2), 0, 1, &computed));
    assert_eq!(world.next_epoch(), 0);
    assert!(vote(&mut world, person(3), 0, 1, &computed));
    assert_eq!(world.next_epoch(), 1);
    let voted = |operator, term| {
        let call = IStake::presenceCall { termNumber: term, operator };
        world.chain.call(ALICE, STAKE, &call).voted
    };
    assert_eq!(
        VALIDATORS.map(|operator| voted(operator, 1)),
        [0; 4],
        "their round came to nothing"
    );
    assert_eq!([1, 2, 3].map(|n| voted(person(n), 3)), [1; 3]);
}

#[test]
fn votes_share_half_of_the_treasurys_fee() {
    let mut world = World::on(chain());
    world.sell(10_000_000);
    world.settle(1, 10, &[(0, 1_000_000), (1, 500_000)]);
    let treasury = world.chain.balance(TREASURY).0;
    let held = world.chain.balance(STAKE).0;
    world.finish_epoch();
    // 2 % of $ 1.50 are 3 cents.
    assert_eq!(world.chain.balance(TREASURY).0 - treasury, price(15_000));
    assert!(world.chain.balance(STAKE).0 - held >= price(15_000));
    let term = world.chain.ledger.genesis().term_of(height(&world.chain));
    to_term(&mut world.chain, term + 1);
    // The first is also the proposer; the fourth did not vote.
    let mut earned = Vec::new();
    for operator in VALIDATORS {
        let sent = send(&mut world.chain, ALICE, &IStake::settleCall { operator });
        let events = sent.events::<IStake::Earned>();
        earned.push(events.iter().map(|event| event.operatorStones.to::<u128>()).sum::<u128>());
    }
    assert_eq!(&earned[1..], [price(5_000), price(5_000), 0]);
    assert!(earned[0] >= price(5_000));
}

#[test]
fn a_vote_for_another_result_can_be_reported() {
    let mut world = World::on(chain());
    world.chain.go_to(1, LATE);
    let computed = world.compute(0);
    let wrong = IRewards::Result { devices: 9, ..computed.result() };
    let call =
        IRewards::voteCall { epoch: 0, sector: S, round: 0, result: wrong, salt: B256::ZERO };
    world.chain.system(VALIDATORS[2], REWARDS, &call).expect("included");
    let report = |operator| IStake::reportWrongVoteCall { epoch: 0, sector: S, operator };
    let _: IRewards::EpochNotFinal = world.chain.revert(BOB, STAKE, NONE, &report(VALIDATORS[2]));
    for n in [0, 1, 3] {
        assert!(vote(&mut world, VALIDATORS[n], 0, 0, &computed));
    }
    for innocent in [VALIDATORS[0], person(1)] {
        let _: IStake::NotWrong = world.chain.revert(BOB, STAKE, NONE, &report(innocent));
    }
    let sent = send(&mut world.chain, BOB, &report(VALIDATORS[2]));
    let pending = &sent.events::<IStake::SlashPending>()[0];
    assert_eq!((pending.reason, pending.place), (2, u64::from(S)));
    assert_eq!(pending.stones, U256::from(stones(BOND / 100).0));
    let _: IStake::AlreadySlashed = world.chain.revert(CAROL, STAKE, NONE, &report(VALIDATORS[2]));
}
