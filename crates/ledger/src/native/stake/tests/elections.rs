//! Who sits when, and what keeps whom out.

use alloy_primitives::{Address, B256, U256};
use cairn_primitives::{
    Stones,
    abi::{IKernel, IStake, STAKE},
};

use super::*;
use crate::fixture::ALICE;

#[test]
fn a_set_is_fixed_a_whole_term_ahead() {
    let mut chain = chain();
    let founders = sorted(VALIDATORS);
    assert_eq!(
        (seats(&chain, 0), seats(&chain, 1)),
        (Some(founders.clone()), Some(founders.clone()))
    );
    stand(&mut chain, 1, BOND + 1);
    assert_eq!(seats(&chain, 2), None, "nobody knows yet");
    let error: IStake::TermNotFixed =
        chain.revert(ALICE, STAKE, NONE, &IStake::seatsCall { termNumber: 2 });
    assert_eq!((error.term, error.latest), (2, 1));
    to_term(&mut chain, 1);
    let five = [VALIDATORS.as_slice(), &[person(1)]].concat();
    let five = sorted::<5>(five.try_into().expect("five"));
    assert_eq!((seats(&chain, 2), seats(&chain, 3)), (Some(five.clone()), None));
    assert_eq!(seats(&chain, 1), Some(founders), "the sitting set stays as it is");
    let joined = chain.call(ALICE, STAKE, &IStake::isValidatorCall { operator: person(1) });
    assert!(!joined, "its term has not begun");
    // A log needs a transaction: the next one that changes the contract tells what was fixed.
    let sent = stand(&mut chain, 2, BOND);
    let fixed = sent.events::<IStake::SetFixed>();
    assert_eq!(fixed.len(), 1);
    assert_eq!((fixed[0].term, fixed[0].set, fixed[0].seats, fixed[0].kept), (2, 1, 5, false));
    to_term(&mut chain, 2);
    assert!(chain.call(ALICE, STAKE, &IStake::isValidatorCall { operator: person(1) }));
    assert_eq!(chain.call(ALICE, STAKE, &IStake::quorumCall {}), 4, "of five");
    let term = chain.call(ALICE, STAKE, &IStake::termCall {});
    assert_eq!((term.current, term.firstBlock, term.fixedUntil), (2, 2 * TERM, 3));
    let shown = chain.call(ALICE, STAKE, &IStake::seatsCall { termNumber: 3 });
    let shown: Vec<Address> = shown.iter().map(|seat| seat.operator).collect();
    assert_eq!(shown, five, "the same set again: person 2 has less than all");
}

#[test]
fn ties_go_to_the_older_candidate_and_stake_beats_age() {
    let mut chain = chain();
    // One seat is free. Three people ask for it with the same stake; later ones have lower addresses.
    for n in 1..=3 {
        stand(&mut chain, n, BOND);
    }
    assert!(person(3) < person(2) && person(2) < person(1));
    to_term(&mut chain, 1);
    assert!(seats(&chain, 2).expect("fixed").contains(&person(1)), "who came first");
    // A stone more, delegated by anybody, and the youngest sits.
    delegate(&mut chain, ALICE, person(3), 1);
    to_term(&mut chain, 2);
    let set = seats(&chain, 3).expect("fixed");
    assert!(set.contains(&person(3)) && !set.contains(&person(1)));
    assert!(VALIDATORS.iter().all(|operator| set.contains(operator)));
}

#[test]
fn a_set_that_would_be_too_small_stays_as_it_is() {
    let mut chain = chain();
    send(&mut chain, VALIDATORS[0], &IStake::leaveCall {});
    to_term(&mut chain, 1);
    assert_eq!(seats(&chain, 2), Some(sorted(VALIDATORS)), "three are not enough");
    let error: IStake::StillSeated = chain.revert(VALIDATORS[0], STAKE, NONE, &IStake::exitCall {});
    assert_eq!(error.untilTerm, 3);
    let sent = stand(&mut chain, 1, BOND);
    assert!(sent.events::<IStake::SetFixed>()[0].kept);
    to_term(&mut chain, 2);
    let four = sorted([VALIDATORS[1], VALIDATORS[2], VALIDATORS[3], person(1)]);
    assert_eq!(seats(&chain, 3), Some(four));
    to_term(&mut chain, 3);
    let sent = send(&mut chain, VALIDATORS[0], &IStake::exitCall {});
    let left = &sent.events::<IStake::CandidateLeft>()[0];
    assert_eq!(left.bond, U256::from(stones(BOND).0));
    let error: IStake::NothingToWithdraw =
        chain.revert(VALIDATORS[0], STAKE, NONE, &IStake::withdrawCall {});
    assert_eq!(error.readyMs, left.readyMs);
    wait(&mut chain, 10 * DAY_MS);
    let before = chain.balance(VALIDATORS[0]);
    send(&mut chain, VALIDATORS[0], &IStake::withdrawCall {});
    assert!(chain.balance(VALIDATORS[0]).0 > before.0 + stones(BOND - 1).0);
    // It may stand again, with its old key, and is the youngest now.
    pay(&mut chain, VALIDATORS[0], BOND, &standing(VALIDATORS[0], 101));
    assert_eq!(candidate(&chain, VALIDATORS[0]).status, 1);
}

#[test]
fn refusals_of_candidates() {
    let mut chain = chain();
    let from = person(1);
    let good = standing(from, 1);
    let error: IStake::BondTooLow = chain.revert(from, STAKE, stones(BOND - 1), &good);
    assert_eq!(error.required, U256::from(stones(BOND).0));
    let enough = stones(BOND);
    // A proof for somebody else's account, by another key, and none.
    for other in [proof(person(2), 1, public(1)), proof(from, 2, public(1)), Bytes::new()] {
        let bad = IStake::candidateCall { proofOfPossession: other, ..good.clone() };
        let _: IStake::BadProofOfPossession = chain.revert(from, STAKE, enough, &bad);
    }
    let mut weak = good.clone();
    weak.consensusKey = B256::with_last_byte(0);
    let _: IStake::BadKey = chain.revert(from, STAKE, enough, &weak);
    // A genesis validator's key, with a perfect proof.
    let taken = IStake::candidateCall {
        consensusKey: public(101),
        proofOfPossession: proof(from, 101, public(101)),
    };
    let error: IStake::KeyTaken = chain.revert(from, STAKE, enough, &taken);
    assert_eq!(error.consensusKey, public(101));
    stand(&mut chain, 1, BOND);
    let _: IStake::CandidateExists = chain.revert(from, STAKE, enough, &standing(from, 2));
    let error: IStake::KeyTaken = chain.revert(
        person(2),
        STAKE,
        enough,
        &IStake::candidateCall {
            consensusKey: public(1),
            proofOfPossession: proof(person(2), 1, public(1)),
        },
    );
    assert_eq!(error.consensusKey, public(1));
    let _: IStake::UnknownCandidate = chain.revert(ALICE, STAKE, NONE, &IStake::leaveCall {});
    let _: IKernel::NonPayable = chain.revert(from, STAKE, Stones(1), &IStake::leaveCall {});
    send(&mut chain, from, &IStake::leaveCall {});
    let error: IStake::NotActive = chain.revert(from, STAKE, NONE, &IStake::leaveCall {});
    assert_eq!(error.status, 2);
    let error: IStake::NotActive =
        chain.revert(ALICE, STAKE, stones(1), &IStake::delegateCall { operator: from });
    assert_eq!(error.status, 2);
}

#[test]
fn a_rotated_key_is_in_the_next_set_and_belongs_to_nobody_else_ever() {
    let mut chain = chain();
    let operator = VALIDATORS[2];
    let rotate = |n: u8, signer: u8| IStake::rotateKeyCall {
        newKey: public(n),
        proofOfPossession: proof(operator, signer, public(n)),
    };
    let _: IStake::KeyTaken = chain.revert(operator, STAKE, NONE, &rotate(101, 101));
    let _: IStake::BadProofOfPossession = chain.revert(operator, STAKE, NONE, &rotate(50, 51));
    let sent = send(&mut chain, operator, &rotate(50, 50));
    let rotated = &sent.events::<IStake::KeyRotated>()[0];
    assert_eq!((rotated.oldKey, rotated.newKey), (public(103), public(50)));
    to_term(&mut chain, 1);
    let keys = |chain: &Chain, term| -> Vec<B256> {
        let seats = chain.ledger.seats_of_term(&chain.state, term).expect("state");
        seats.expect("fixed").iter().map(|seat| seat.consensus_key).collect()
    };
    assert!(keys(&chain, 1).contains(&public(103)) && !keys(&chain, 1).contains(&public(50)));
    assert!(keys(&chain, 2).contains(&public(50)) && !keys(&chain, 2).contains(&public(103)));
    // The old key can come back to its owner, and to nobody else.
    let stolen = IStake::candidateCall {
        consensusKey: public(103),
        proofOfPossession: proof(person(1), 103, public(103)),
    };
    let _: IStake::KeyTaken = chain.revert(person(1), STAKE, stones(BOND), &stolen);
    send(&mut chain, operator, &rotate(103, 103));
}

#[test]
fn candidates_can_be_paged_and_named() {
    let mut chain = chain();
    stand(&mut chain, 4, BOND + 5);
    assert_eq!(chain.call(ALICE, STAKE, &IStake::candidateCountCall {}), 5);
    let page = chain.call(ALICE, STAKE, &IStake::candidatesCall { from: 3, limit: u64::MAX });
    let operators: Vec<_> = page.iter().map(|candidate| candidate.operator).collect();
    assert_eq!(operators, [VALIDATORS[3], person(4)]);
    assert_eq!((page[1].consensusKey, page[1].since), (public(4), height(&chain)));
    let raised = pay(&mut chain, person(4), 7, &IStake::raiseBondCall {});
    assert_eq!(raised.events::<IStake::BondRaised>()[0].bond, U256::from(stones(BOND + 12).0));
}
