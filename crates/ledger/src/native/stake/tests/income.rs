//! What a seat earns, and whose it is.

use alloy_primitives::U256;
use cairn_primitives::abi::{ECONOMY, IEconomy, IKernel, IStake, STAKE};

use super::*;
use crate::fixture::{ALICE, BOB, CAROL};

const PROPOSER: Address = VALIDATORS[0];

/// Fees of transactions that change nothing here.
fn pay_fees(chain: &mut Chain, transactions: u32) {
    for _ in 0..transactions {
        chain.send_raw(ALICE, alloy_primitives::TxKind::Call(BOB), stones(1), Bytes::new());
    }
}

fn unsettled(chain: &Chain) -> u128 {
    let held = chain.balance(STAKE).0;
    let owed = |n: usize| {
        let known = candidate(chain, VALIDATORS[n]);
        (known.bond + known.income + known.delegated + known.unbonding).to::<u128>()
    };
    held - (0..4).map(owed).sum::<u128>()
}

#[test]
fn a_tenth_of_the_base_fees_is_the_proposers() {
    let mut chain = chain();
    let burned = IEconomy::burnedCall {};
    let fee =
        21_000 * u128::from(chain.ledger.next_env(&chain.head, chain.now(), PROPOSER).base_fee);
    pay_fees(&mut chain, 1);
    assert_eq!(unsettled(&chain), fee / 10);
    assert_eq!(chain.call(ALICE, ECONOMY, &burned), U256::from(fee - fee / 10));
    // A term is divided when it is over, and not before.
    send(&mut chain, CAROL, &IStake::settleCall { operator: PROPOSER });
    assert_eq!(candidate(&chain, PROPOSER).income, U256::ZERO);
    to_term(&mut chain, 1);
    let earned = unsettled(&chain);
    let sent = send(&mut chain, CAROL, &IStake::settleCall { operator: PROPOSER });
    let event = &sent.events::<IStake::Earned>()[0];
    assert_eq!((event.operatorStones, event.delegatorStones), (U256::from(earned), U256::ZERO));
    let before = chain.balance(PROPOSER);
    let sent = chain.send(PROPOSER, STAKE, NONE, &IStake::claimIncomeCall {});
    assert_eq!(sent.events::<IStake::IncomeClaimed>()[0].stones, U256::from(earned));
    assert!(chain.balance(PROPOSER) < Stones(before.0 + earned), "its own fee comes off");
    assert_eq!(candidate(&chain, PROPOSER).income, U256::ZERO);
}

#[test]
fn delegators_share_what_is_earned_while_they_are_there() {
    let mut chain = chain();
    delegate(&mut chain, BOB, PROPOSER, 2 * BOND);
    let commission = IStake::setCommissionCall { ppm: 100_000 };
    let _: IKernel::OutOfRange =
        chain.revert(PROPOSER, STAKE, NONE, &IStake::setCommissionCall { ppm: 200_001 });
    let sent = send(&mut chain, PROPOSER, &commission);
    assert_eq!(sent.events::<IStake::CommissionSet>()[0].fromTerm, 2);
    to_term(&mut chain, 2);
    send(&mut chain, CAROL, &IStake::settleCall { operator: PROPOSER });
    let held = worth(&chain, PROPOSER, BOB);
    pay_fees(&mut chain, 3);
    to_term(&mut chain, 3);
    // Somebody joins for the income of a term that is over: it is divided before its stake counts.
    let before = candidate(&chain, PROPOSER);
    let sent = delegate(&mut chain, CAROL, PROPOSER, 3 * BOND);
    let event = &sent.events::<IStake::Earned>()[0];
    let earned = event.operatorStones + event.delegatorStones;
    let part = earned * before.delegated / (before.delegated + before.bond);
    assert_eq!(event.delegatorStones, part * U256::from(9) / U256::from(10));
    let gain = worth(&chain, PROPOSER, BOB) - held;
    assert!(
        event.delegatorStones.to::<u128>().abs_diff(gain) <= 1,
        "all of it is the first delegator's"
    );
    assert!(worth(&chain, PROPOSER, CAROL) <= stones(3 * BOND).0);
    // Out again, with what one came with, and a wait.
    let all = Stones(worth(&chain, PROPOSER, CAROL));
    let sent = undelegate(&mut chain, CAROL, PROPOSER, all);
    let left = &sent.events::<IStake::Undelegated>()[0];
    assert!(stones(3 * BOND).0 - left.stones.to::<u128>() <= 2, "less what rounding takes");
    let call = IStake::unbondingsCall { owner: CAROL, limit: 9 };
    let waiting = chain.call(CAROL, STAKE, &call);
    assert_eq!((waiting[0].operator, waiting[0].readyMs), (PROPOSER, left.readyMs));
}

#[test]
fn a_bond_has_no_part_of_what_was_earned_before_it() {
    let mut chain = chain();
    delegate(&mut chain, BOB, PROPOSER, BOND);
    pay_fees(&mut chain, 3);
    to_term(&mut chain, 1);
    // Half of it is the delegator's, however much the operator adds when the term is over.
    let raised = pay(&mut chain, PROPOSER, 9 * BOND, &IStake::raiseBondCall {});
    let settled = send(&mut chain, CAROL, &IStake::settleCall { operator: PROPOSER });
    let events = [raised, settled].map(|sent| sent.events::<IStake::Earned>()).concat();
    assert_eq!(events.len(), 1);
    assert!(events[0].operatorStones > U256::ZERO);
    assert!(events[0].operatorStones - events[0].delegatorStones <= U256::from(1));
}

#[test]
fn all_that_a_delegation_shows_can_be_taken_back() {
    let mut chain = chain();
    delegate(&mut chain, BOB, PROPOSER, BOND);
    pay_fees(&mut chain, 3);
    to_term(&mut chain, 1);
    // Nobody has divided the term's income.
    let all = worth(&chain, PROPOSER, BOB);
    assert!(all > stones(BOND).0);
    let sent = undelegate(&mut chain, BOB, PROPOSER, Stones(all));
    assert_eq!(sent.events::<IStake::Undelegated>()[0].stones, U256::from(all));
    assert_eq!(candidate(&chain, PROPOSER).shares, U256::ZERO);
}

#[test]
fn small_and_false_amounts_are_refused() {
    let mut chain = chain();
    let delegate_to = IStake::delegateCall { operator: PROPOSER };
    let error: IStake::DelegationTooSmall =
        chain.revert(BOB, STAKE, Stones(stones(1).0 - 1), &delegate_to);
    assert_eq!(error.least, U256::from(stones(1).0));
    delegate(&mut chain, BOB, PROPOSER, 10);
    let take =
        |amount: u128| IStake::undelegateCall { operator: PROPOSER, stones: U256::from(amount) };
    let _: IKernel::OutOfRange = chain.revert(BOB, STAKE, NONE, &take(0));
    let error: IStake::NotEnoughStake = chain.revert(BOB, STAKE, NONE, &take(stones(10).0 + 1));
    assert_eq!(error.held, U256::from(stones(10).0));
    // Crumbs may not be left behind.
    let error: IStake::DelegationTooSmall = chain.revert(BOB, STAKE, NONE, &take(stones(9).0 + 1));
    assert_eq!(error.stones, U256::from(stones(1).0 - 1));
    let error: IStake::NotEnoughStake = chain.revert(CAROL, STAKE, NONE, &take(1));
    assert_eq!(error.held, U256::ZERO);
    let _: IStake::UnknownCandidate =
        chain.revert(BOB, STAKE, stones(1), &IStake::delegateCall { operator: CAROL });
    let error: IStake::NothingToWithdraw = chain.revert(BOB, STAKE, NONE, &IStake::withdrawCall {});
    assert_eq!(error.readyMs, 0);
}
