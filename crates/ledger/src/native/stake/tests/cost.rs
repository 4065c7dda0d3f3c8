//! No call of this contract charges less than the EVM would for the same work (see `native::cost`).

use alloy_primitives::U256;
use cairn_primitives::abi::{IStake, STAKE};

use super::*;
use crate::{
    CallOutcome,
    fixture::{ALICE, BOB},
    native::cost::{Case, SIGNATURE, WORD, assert_paid, case},
};

#[test]
fn every_change_is_paid_for() {
    let mut chain = chain();
    let operator = VALIDATORS[1];
    stand(&mut chain, 1, BOND);
    delegate(&mut chain, BOB, operator, 50);
    let take = IStake::undelegateCall { operator, stones: U256::from(stones(20).0) };
    let proof = equivocation(102, 0);
    let words = proof.evidence.len().div_ceil(32) as u64 * WORD;
    let rotate = IStake::rotateKeyCall {
        newKey: public(60),
        proofOfPossession: super::proof(operator, 60, public(60)),
    };
    assert_paid(
        &chain,
        &[
            Case {
                value: stones(BOND),
                ..case(person(2), STAKE, &standing(person(2), 2), SIGNATURE)
            },
            Case { value: stones(5), ..case(ALICE, STAKE, &IStake::delegateCall { operator }, 0) },
            case(BOB, STAKE, &take, 0),
            case(operator, STAKE, &rotate, SIGNATURE),
            case(operator, STAKE, &IStake::setCommissionCall { ppm: 5 }, 0),
            case(operator, STAKE, &IStake::leaveCall {}, 0),
            case(ALICE, STAKE, &proof, 2 * (SIGNATURE + words)),
            case(ALICE, STAKE, &IStake::candidatesCall { from: 0, limit: 64 }, 0),
            case(ALICE, STAKE, &IStake::validatorsCall {}, 0),
        ],
    );
    send(&mut chain, ALICE, &proof);
    to_term(&mut chain, 2);
    assert_paid(
        &chain,
        &[
            case(VALIDATORS[0], STAKE, &IStake::appealCall { id: 0 }, 0),
            case(BOB, STAKE, &IStake::settleCall { operator: VALIDATORS[0] }, 0),
            case(VALIDATORS[0], STAKE, &IStake::claimIncomeCall {}, 0),
            case(BOB, STAKE, &IStake::seatsCall { termNumber: 3 }, 0),
            case(BOB, STAKE, &IStake::unbondingsCall { owner: BOB, limit: 9 }, 0),
        ],
    );
    wait(&mut chain, DAY_MS);
    assert_paid(&chain, &[case(BOB, STAKE, &IStake::executeCall { id: 0 }, 0)]);
}

fn gas_of(chain: &Chain, from: Address, input: Vec<u8>) -> u64 {
    match chain.try_call(from, STAKE, NONE, input.into()) {
        CallOutcome::Success { gas_used, .. } => gas_used,
        other => panic!("{other:?}"),
    }
}

/// However many delegate: an annulment and a claim look at nobody else's stake.
#[test]
fn giving_back_is_paid_for_and_costs_the_same_with_many_delegators() {
    let operator = VALIDATORS[1];
    let gas = [1_u8, 6].map(|delegators| {
        let mut chain = chain();
        delegate(&mut chain, BOB, operator, 50);
        for n in 1..=delegators {
            delegate(&mut chain, person(n), operator, 10);
        }
        send(&mut chain, ALICE, &equivocation(102, 0));
        for n in 1..=delegators {
            undelegate(&mut chain, person(n), operator, stones(5));
        }
        let appeal = IStake::appealCall { id: 0 };
        let reclaim = IStake::reclaimCall { id: 0, owner: BOB };
        let ask = IStake::reclaimableCall { id: 0, owner: BOB };
        send(&mut chain, VALIDATORS[0], &appeal);
        send(&mut chain, VALIDATORS[2], &appeal);
        assert_paid(&chain, &[case(VALIDATORS[3], STAKE, &appeal, 0)]);
        let annulled = gas_of(&chain, VALIDATORS[3], appeal.abi_encode());
        let sent = send(&mut chain, VALIDATORS[3], &appeal);
        assert_eq!(sent.events::<IStake::SlashAnnulled>().len(), 1);
        let cases = [case(ALICE, STAKE, &reclaim, 0), case(ALICE, STAKE, &ask, 0)];
        assert_paid(&chain, &cases);
        [annulled, gas_of(&chain, ALICE, reclaim.abi_encode())]
    });
    assert_eq!(gas[0], gas[1]);
}
