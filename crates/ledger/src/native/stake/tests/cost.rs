//! No call of this contract charges less than the EVM would for the same work (see `native::cost`).

use alloy_primitives::U256;
use cairn_primitives::abi::{IStake, STAKE};

use super::*;
use crate::{
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
