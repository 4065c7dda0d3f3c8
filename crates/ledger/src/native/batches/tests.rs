//! Sets of evidence: how they freeze, and every refusal.

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    Stones,
    abi::{BATCHES, IBatches, IKernel, IRewards, REWARDS},
};

use super::COMMITMENTS_MAX;
use crate::{
    fixture::{ALICE, Chain, INGESTS, VALIDATORS, genesis},
    native::scenario::{ATTESTING, COMMITTING, LATE, S, World, commit},
};

fn attest(epoch: u64, held: u64) -> IBatches::attestCall {
    IBatches::attestCall { epoch, sector: S, held: U256::from(held) }
}

#[test]
fn a_set_freezes_with_the_last_attestation() {
    let mut world = World::new();
    assert_eq!(world.status(0).phase, 0, "the epoch runs");
    world.chain.go_to(1, COMMITTING);
    assert_eq!(world.status(0).phase, 1);
    let sent = world.commit(1, 0);
    let event = &sent.events::<IBatches::BatchCommitted>()[0];
    assert_eq!((event.index, event.ingest, event.count, event.size), (0, INGESTS[1], 5, 6));
    world.commit(0, 0);
    assert_eq!(world.status(0).phase, 2, "all ingests have committed: no need to wait");
    world.attest(0, 0, 0b11);
    world.attest(1, 0, 0b01);
    world.attest(2, 0, 0b01);
    let status = world.status(0);
    assert_eq!((status.phase, status.commitments, status.attestations), (2, 2, 3));
    let sent = world.attest(3, 0, 0b10);
    let frozen = &sent.events::<IBatches::SetFrozen>()[0];
    assert_eq!(
        (frozen.round, frozen.included),
        (0, U256::from(0b01)),
        "3 of 4 hold the first, 2 the second"
    );
    let status = world.status(0);
    assert_eq!((status.phase, status.included), (3, U256::from(0b01)));
    let list = world.chain.call(ALICE, BATCHES, &IBatches::commitmentsCall { epoch: 0, sector: S });
    assert_eq!(list.iter().map(|c| c.ingest).collect::<Vec<_>>(), [INGESTS[1], INGESTS[0]]);
    let error: IBatches::AlreadyFrozen =
        world.chain.revert(VALIDATORS[0], BATCHES, Stones::ZERO, &attest(0, 0));
    assert_eq!(error.epoch, 0);
}

#[test]
fn a_quorum_freezes_by_time_alone_and_is_written_with_the_first_vote() {
    let mut world = World::new();
    world.chain.go_to(1, COMMITTING);
    world.commit(0, 0);
    world.chain.go_to(1, ATTESTING);
    for validator in 0..3 {
        world.attest(validator, 0, 1);
    }
    assert_eq!(world.status(0).phase, 2, "the fourth has time left");
    world.chain.go_to(1, LATE);
    let status = world.status(0);
    assert_eq!((status.phase, status.included), (3, U256::from(1)));
    let _: IBatches::AlreadyFrozen =
        world.chain.revert(VALIDATORS[3], BATCHES, Stones::ZERO, &attest(0, 1));
    let result = world.compute(0).result();
    let sent = world.vote(0, 0, 0, &result);
    assert_eq!(sent.events::<IBatches::SetFrozen>().len(), 1);
    let sent = world.vote(1, 0, 0, &result);
    assert_eq!(sent.events::<IBatches::SetFrozen>().len(), 0, "only once");
}

#[test]
fn without_a_quorum_the_set_waits_for_it() {
    let mut world = World::new();
    world.chain.go_to(1, COMMITTING);
    world.commit(0, 0);
    world.chain.go_to(1, ATTESTING);
    world.attest(0, 0, 1);
    world.attest(1, 0, 1);
    world.chain.go_to(1, LATE);
    assert_eq!(world.status(0).phase, 2);
    let (result, salt) = (world.compute(0).result(), B256::ZERO);
    let vote = IRewards::voteCall { epoch: 0, sector: S, round: 0, result, salt };
    let _: IRewards::SetNotFrozen = world.chain.revert(VALIDATORS[0], REWARDS, Stones::ZERO, &vote);
    let sent = world.attest(2, 0, 0);
    let frozen = &sent.events::<IBatches::SetFrozen>()[0];
    assert_eq!(frozen.included, U256::ZERO, "two of four hold it");
}

#[test]
fn an_epoch_without_commitments_freezes_empty() {
    let mut world = World::new();
    world.chain.go_to(1, LATE - 1);
    assert_eq!(world.status(0).phase, 2);
    world.chain.go_to(1, LATE);
    let status = world.status(0);
    assert_eq!((status.phase, status.included, status.attestations), (3, U256::ZERO, 0));
}

#[test]
fn refusals_in_order() {
    let mut world = World::new();
    let none = Stones::ZERO;
    let error: IBatches::NotIngest = world.chain.revert(ALICE, BATCHES, none, &commit(0));
    assert_eq!(error.caller, ALICE);
    let error: IBatches::NotValidator =
        world.chain.revert(INGESTS[0], BATCHES, none, &attest(0, 0));
    assert_eq!(error.caller, INGESTS[0]);
    let other = IBatches::commitCall { sector: 2, ..commit(0) };
    let error: IKernel::OutOfRange = world.chain.revert(INGESTS[0], BATCHES, none, &other);
    assert_eq!(error.field, "sector");
    for epoch in [0, 1, u64::MAX] {
        let error: IBatches::EpochNotOver =
            world.chain.revert(INGESTS[0], BATCHES, none, &commit(epoch));
        assert_eq!((error.epoch, error.currentEpoch), (epoch, 0));
        let _: IBatches::EpochNotOver =
            world.chain.revert(VALIDATORS[0], BATCHES, none, &attest(epoch, 0));
        assert_eq!(world.status(epoch).phase, 0);
    }
    world.chain.go_to(1, COMMITTING);
    world.commit(0, 0);
    let _: IBatches::AlreadyCommitted = world.chain.revert(INGESTS[0], BATCHES, none, &commit(0));
    assert!(world.chain.system(INGESTS[0], BATCHES, &commit(0)).is_err(), "not even included");
    let error: IBatches::AttestWindowNotOpen =
        world.chain.revert(VALIDATORS[0], BATCHES, none, &attest(0, 1));
    assert_eq!(error.opensMs - error.nowMs, ATTESTING - COMMITTING);
    world.chain.go_to(1, ATTESTING);
    let error: IBatches::CommitWindowClosed =
        world.chain.revert(INGESTS[1], BATCHES, none, &commit(0));
    assert_eq!(error.closedMs, error.nowMs);
    let error: IBatches::UnknownCommitment =
        world.chain.revert(VALIDATORS[0], BATCHES, none, &attest(0, 0b10));
    assert_eq!(error.held, U256::from(0b10));
    world.attest(0, 0, 1);
    let error: IBatches::AlreadyAttested =
        world.chain.revert(VALIDATORS[0], BATCHES, none, &attest(0, 1));
    assert_eq!((error.round, error.validator), (0, VALIDATORS[0]));
}

#[test]
fn an_epoch_has_a_bit_for_each_commitment_and_no_more() {
    let mut genesis = genesis();
    let ingest = genesis.ingests[0].clone();
    let operator =
        |n: u64| alloy_primitives::Address::left_padding_from(&(1_000 + n).to_be_bytes());
    genesis.ingests = (0..=COMMITMENTS_MAX)
        .map(|n| cairn_primitives::GenesisIngest { operator: operator(n), ..ingest.clone() })
        .collect();
    let mut chain = Chain::with(genesis);
    chain.go_to(1, COMMITTING);
    let transactions = (0..COMMITMENTS_MAX)
        .map(|n| {
            let to = alloy_primitives::TxKind::Call(BATCHES);
            crate::fixture::transaction(
                operator(n),
                0,
                0,
                to,
                U256::ZERO,
                commit(0).abi_encode().into(),
            )
        })
        .collect::<Vec<_>>();
    for chunk in transactions.chunks(7) {
        assert_eq!(chain.block(chunk.to_vec()).dropped.len(), 0);
    }
    let error: IBatches::TooManyCommitments =
        chain.revert(operator(COMMITMENTS_MAX), BATCHES, Stones::ZERO, &commit(0));
    assert_eq!(error.limit, U256::from(COMMITMENTS_MAX));
    chain.go_to(1, ATTESTING);
    for validator in VALIDATORS {
        let all = IBatches::attestCall { epoch: 0, sector: S, held: U256::MAX };
        chain.system(validator, BATCHES, &all).expect("included");
    }
    let status = chain.call(ALICE, BATCHES, &IBatches::statusCall { epoch: 0, sector: S });
    assert_eq!((status.phase, status.included), (3, U256::MAX));
}
