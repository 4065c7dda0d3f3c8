//! Sealed votes: when they open, what they are worth, and that a copied one is worth nothing.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue as _;
use cairn_primitives::{
    Epoch, GenesisValidator, Stones,
    abi::{IKernel, IRewards, IStake, REWARDS, STAKE},
    quorum, vote_seal,
};

use crate::{
    fixture::{self, ALICE, Chain, Sent, VALIDATORS},
    native::scenario::{ATTESTING, COMMITTING, LATE, S, World},
};

const NONE: Stones = Stones::ZERO;
/// The most that genesis allows.
const SEATS: u32 = 128;
/// Of the seal window, network ms.
const WINDOW: u64 = 300_000;

/// Epoch 0 with all attestations, frozen half an hour after its end, and nothing sealed.
fn frozen() -> World {
    let mut genesis = fixture::genesis();
    genesis.stake.seal_window_ms = WINDOW;
    genesis.stake.vote_fee_ppm = 500_000;
    let mut world = World::on(Chain::with(genesis));
    world.sell(10_000_000);
    world.settle(1, 10, &[(0, 1_000_000)]);
    world.chain.go_to(1, COMMITTING);
    world.commit(0, 0);
    world.chain.go_to(1, ATTESTING);
    for validator in 0..4 {
        world.attest(validator, 0, 1);
    }
    world
}

/// Everybody's salt is another one.
fn salt(validator: usize) -> B256 {
    B256::from(keccak256([u8::try_from(validator).expect("few")]))
}

fn seal_of(validator: usize, epoch: u64, round: u32, result: &IRewards::Result) -> B256 {
    let hash = keccak256(result.abi_encode());
    vote_seal(VALIDATORS[validator], Epoch(epoch), S, round, hash, salt(validator))
}

fn seal(world: &mut World, validator: usize, epoch: u64, result: &IRewards::Result) -> Sent {
    let round = world.status(epoch).round;
    let voted = seal_of(validator, epoch, round, result);
    let call = IRewards::sealCall { epoch, sector: S, round, voteSeal: voted };
    world.chain.system(VALIDATORS[validator], REWARDS, &call).expect("included")
}

fn vote_of(validator: usize, epoch: u64, result: &IRewards::Result) -> IRewards::voteCall {
    let (result, salt) = (result.clone(), salt(validator));
    IRewards::voteCall { epoch, sector: S, round: 0, result, salt }
}

fn vote(world: &mut World, validator: usize, epoch: u64, result: &IRewards::Result) -> Sent {
    let call = vote_of(validator, epoch, result);
    world.chain.system(VALIDATORS[validator], REWARDS, &call).expect("included")
}

fn ballot(world: &World, epoch: u64) -> IRewards::Ballot {
    world.chain.call(ALICE, REWARDS, &IRewards::ballotCall { epoch, sector: S })
}

/// Votes of the term that are paid.
fn paid(world: &World, operator: Address) -> u64 {
    let height = world.chain.head.number;
    let term_number = world.chain.ledger.genesis().term_of(height);
    let call = IStake::presenceCall { termNumber: term_number, operator };
    world.chain.call(ALICE, STAKE, &call).voted
}

#[test]
fn votes_open_when_all_have_sealed() {
    let mut world = frozen();
    let result = world.compute(0).result();
    for validator in 0..3 {
        let sent = seal(&mut world, validator, 0, &result);
        let event = &sent.events::<IRewards::Sealed>()[0];
        assert_eq!((event.voteSeal, event.counts), (seal_of(validator, 0, 0, &result), true));
    }
    let before = ballot(&world, 0);
    assert_eq!((before.seats, before.seals, before.votes, before.open), (4, 3, 0, false));
    let early = vote_of(0, 0, &result);
    let error: IRewards::VotesSealed = world.chain.revert(VALIDATORS[0], REWARDS, NONE, &early);
    assert_eq!((error.seals, error.needed, error.opensMs), (3, 3, before.opensMs));
    let again = IRewards::sealCall { epoch: 0, sector: S, round: 0, voteSeal: B256::ZERO };
    let error: IRewards::AlreadySealed = world.chain.revert(VALIDATORS[0], REWARDS, NONE, &again);
    assert_eq!(error.validator, VALIDATORS[0]);
    seal(&mut world, 3, 0, &result);
    assert!(ballot(&world, 0).open, "all have sealed: no need to wait");
    for validator in 0..4 {
        vote(&mut world, validator, 0, &result);
    }
    assert_eq!(world.next_epoch(), 1);
    assert_eq!(ballot(&world, 0).votes, 4, "the fourth was late, and is shown");
    for operator in VALIDATORS {
        assert_eq!(paid(&world, operator), 1, "{operator}");
    }
}

#[test]
fn a_quorum_waits_for_the_window_and_less_waits_for_a_quorum() {
    let mut world = frozen();
    let result = world.compute(0).result();
    seal(&mut world, 0, 0, &result);
    seal(&mut world, 1, 0, &result);
    let at = ballot(&world, 0);
    let frozen_at = world.chain.now().0;
    assert!(at.opensMs <= frozen_at + WINDOW && at.opensMs > frozen_at, "{at:?}");
    world.chain.go_to(1, LATE);
    assert!(world.chain.now().0 > at.opensMs);
    assert!(!ballot(&world, 0).open, "two of four have not been enough");
    let _: IRewards::VotesSealed =
        world.chain.revert(VALIDATORS[0], REWARDS, NONE, &vote_of(0, 0, &result));
    seal(&mut world, 2, 0, &result);
    assert!(ballot(&world, 0).open, "late as it is, the third opens them");
    // A fourth that was sent in time and comes too late is taken, once: nothing of its sender waits behind it.
    let sent = seal(&mut world, 3, 0, &result);
    assert!(!sent.events::<IRewards::Sealed>()[0].counts);
    let again = IRewards::sealCall { epoch: 0, sector: S, round: 0, voteSeal: salt(9) };
    let _: IRewards::AlreadySealed = world.chain.revert(VALIDATORS[3], REWARDS, NONE, &again);
    assert_eq!(ballot(&world, 0).seals, 3);
    for validator in [3, 0, 1] {
        vote(&mut world, validator, 0, &result);
    }
    assert_eq!(world.next_epoch(), 1);
    assert_eq!(VALIDATORS.map(|operator| paid(&world, operator)), [1, 1, 0, 0]);
}

#[test]
fn a_copied_vote_counts_and_is_not_paid() {
    let mut world = frozen();
    let result = world.compute(0).result();
    for validator in 0..3 {
        seal(&mut world, validator, 0, &result);
    }
    world.chain.go_to(1, LATE);
    vote(&mut world, 0, 0, &result);
    // The copier is even in time: the epoch is not final yet.
    vote(&mut world, 3, 0, &result);
    vote(&mut world, 1, 0, &result);
    assert_eq!(world.next_epoch(), 1, "its vote was one of three");
    vote(&mut world, 2, 0, &result);
    assert_eq!(VALIDATORS.map(|operator| paid(&world, operator)), [1, 1, 1, 0]);
}

#[test]
fn a_copied_seal_opens_nothing() {
    let mut world = frozen();
    let result = world.compute(0).result();
    for validator in 0..3 {
        seal(&mut world, validator, 0, &result);
    }
    let copied =
        IRewards::sealCall { epoch: 0, sector: S, round: 0, voteSeal: seal_of(0, 0, 0, &result) };
    world.chain.system(VALIDATORS[3], REWARDS, &copied).expect("included");
    vote(&mut world, 0, 0, &result);
    // Now the salt is known too.
    let copied = vote_of(0, 0, &result);
    let error: IRewards::SealMismatch = world.chain.revert(VALIDATORS[3], REWARDS, NONE, &copied);
    assert_eq!((error.round, error.validator), (0, VALIDATORS[3]));
    vote(&mut world, 1, 0, &result);
    vote(&mut world, 2, 0, &result);
    let _: IRewards::SealMismatch = world.chain.revert(VALIDATORS[3], REWARDS, NONE, &copied);
    assert_eq!(VALIDATORS.map(|operator| paid(&world, operator)), [1, 1, 1, 0]);
}

#[test]
fn nobody_changes_a_sealed_vote() {
    let mut world = frozen();
    let result = world.compute(0).result();
    let other = IRewards::Result { verdictRoot: [9; 32].into(), ..result.clone() };
    seal(&mut world, 0, 0, &other);
    for validator in 1..4 {
        seal(&mut world, validator, 0, &result);
    }
    let _: IRewards::SealMismatch =
        world.chain.revert(VALIDATORS[0], REWARDS, NONE, &vote_of(0, 0, &result));
    vote(&mut world, 0, 0, &other);
    assert_eq!(paid(&world, VALIDATORS[0]), 1, "until it is known that it is wrong");
    for validator in 1..4 {
        vote(&mut world, validator, 0, &result);
    }
    assert_eq!(world.next_epoch(), 1);
    assert_eq!(VALIDATORS.map(|operator| paid(&world, operator)), [0, 1, 1, 1]);
    let report = IStake::reportWrongVoteCall { epoch: 0, sector: S, operator: VALIDATORS[0] };
    let sent = world.chain.send(ALICE, STAKE, NONE, &report);
    assert_eq!(sent.events::<IStake::SlashPending>().len(), 1, "a made-up vote costs stake");
}

/// Who sealed and went away holds nobody up, as long as a quorum votes.
#[test]
fn a_vote_without_a_seal_replaces_one_that_never_came() {
    let mut world = frozen();
    let result = world.compute(0).result();
    for validator in 0..3 {
        seal(&mut world, validator, 0, &result);
    }
    world.chain.go_to(1, LATE);
    vote(&mut world, 0, 0, &result);
    vote(&mut world, 1, 0, &result);
    assert_eq!(world.next_epoch(), 0);
    vote(&mut world, 3, 0, &result);
    assert_eq!(world.next_epoch(), 1);
    vote(&mut world, 2, 0, &result);
    assert_eq!(VALIDATORS.map(|operator| paid(&world, operator)), [1, 1, 1, 0]);
}

#[test]
fn a_reopened_round_is_sealed_anew() {
    let mut world = frozen();
    let result = world.compute(0).result();
    let other = IRewards::Result { verdictRoot: [9; 32].into(), ..result.clone() };
    let results = [&result, &result, &other, &other];
    for (validator, result) in results.into_iter().enumerate() {
        seal(&mut world, validator, 0, result);
    }
    for (validator, result) in results.into_iter().enumerate() {
        vote(&mut world, validator, 0, result);
    }
    let at = ballot(&world, 0);
    assert_eq!((at.round, at.seals, at.votes, at.open, at.opensMs), (1, 0, 0, false, 0));
    assert_eq!(VALIDATORS.map(|operator| paid(&world, operator)), [0; 4], "it came to nothing");
    for validator in 0..4 {
        world.attest(validator, 0, 1);
    }
    let call = IRewards::voteCall { round: 1, ..vote_of(0, 0, &result) };
    let _: IRewards::VotesSealed = world.chain.revert(VALIDATORS[0], REWARDS, NONE, &call);
    for validator in 0..4 {
        seal(&mut world, validator, 0, &result);
    }
    assert!(ballot(&world, 0).open);
}

/// With a backlog, the window of an epoch begins when the one before it is final.
#[test]
fn an_epoch_that_waited_for_another_has_its_whole_window() {
    let mut world = frozen();
    let result = world.compute(0).result();
    world.chain.go_to(2, LATE);
    for validator in 0..3 {
        seal(&mut world, validator, 0, &result);
    }
    for validator in 0..3 {
        vote(&mut world, validator, 0, &result);
    }
    assert_eq!(world.next_epoch(), 1);
    let at = ballot(&world, 1);
    assert_eq!((at.opensMs, at.open), (world.chain.now().0 + WINDOW, false));
}

#[test]
fn refusals_of_seals() {
    let mut world = frozen();
    let call = IRewards::sealCall { epoch: 0, sector: S, round: 0, voteSeal: B256::ZERO };
    let error: IRewards::NotValidator = world.chain.revert(ALICE, REWARDS, NONE, &call);
    assert_eq!(error.caller, ALICE);
    let from = VALIDATORS[0];
    let error: IRewards::NotNextEpoch =
        world.chain.revert(from, REWARDS, NONE, &IRewards::sealCall { epoch: 1, ..call.clone() });
    assert_eq!((error.epoch, error.next), (1, 0));
    let error: IRewards::WrongRound =
        world.chain.revert(from, REWARDS, NONE, &IRewards::sealCall { round: 1, ..call.clone() });
    assert_eq!((error.round, error.current), (1, 0));
    let error: IKernel::OutOfRange = world.chain.revert(from, REWARDS, NONE, &call);
    assert_eq!(error.field, "voteSeal");
    assert!(world.chain.system(ALICE, REWARDS, &call).is_err(), "free for validators only");
}

/// The most expensive vote: the largest set, and as many wrong votes to take back as a final epoch can have.
#[test]
fn the_vote_that_decides_fits_what_clients_send() {
    let operator = |seat: u64| Address::left_padding_from(&(0xa000 + seat).to_be_bytes());
    let mut genesis = fixture::genesis();
    genesis.stake.seats_max = SEATS;
    genesis.validators = (0..u64::from(SEATS))
        .map(|seat| GenesisValidator {
            name: format!("v{seat}"),
            operator: operator(seat),
            consensus_key: B256::left_padding_from(&(1 + seat).to_be_bytes()),
            bond_stones: 10_000,
        })
        .collect();
    let bonds = u64::from(SEATS) * 10_000;
    genesis.economy.reserve_stones = 1_000_000_000 - 3 * fixture::HELD_STONES - bonds;
    genesis.check().expect("sound");
    let mut world = World::on(Chain::with(genesis));
    // Nothing was committed, so the set needs no attestations.
    world.chain.go_to(1, LATE);
    let right = world.compute(0).result();
    let wrong = IRewards::Result { verdictRoot: [9; 32].into(), ..right.clone() };
    let needed = quorum(SEATS);
    let voters = (0..SEATS - needed).map(|seat| (seat, &wrong));
    let voters = voters.chain((SEATS - needed..SEATS).map(|seat| (seat, &right)));
    for (seat, result) in voters {
        assert_eq!(world.next_epoch(), 0);
        let call = IRewards::voteCall { result: result.clone(), ..vote_of(0, 0, &right) };
        let sent = world.chain.system(operator(seat.into()), REWARDS, &call);
        assert!(sent.expect("included").success, "seat {seat}");
    }
    assert_eq!(world.next_epoch(), 1);
    assert_eq!(paid(&world, operator(0)), 0, "it was taken back");
    let gas = world.chain.head.gas_used;
    // Half of `cairn_client::SYSTEM_GAS`; 1.2 million when this was written.
    assert!((1_000_000..2_500_000).contains(&gas), "{gas}");
}
