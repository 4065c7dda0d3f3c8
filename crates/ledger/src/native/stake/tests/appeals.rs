//! What is given back when a slash is annulled, and what is not.

use cairn_primitives::abi::{IStake, STAKE};

use super::*;
use crate::fixture::{ALICE, BOB, CAROL};

const CULPRIT: Address = VALIDATORS[1];

fn absence(chain: &mut Chain, term: u64) -> u64 {
    let call = IStake::reportAbsenceCall { termNumber: term, operator: CULPRIT };
    send(chain, ALICE, &call).events::<IStake::SlashPending>()[0].id
}

/// The founders but the culprit appeal, until the slash is annulled.
fn annul(chain: &mut Chain, id: u64) {
    for validator in [VALIDATORS[0], VALIDATORS[2], VALIDATORS[3]] {
        send(chain, validator, &IStake::appealCall { id });
    }
    assert_eq!(chain.call(ALICE, STAKE, &IStake::slashCall { id }).status, 3);
}

fn jailed(chain: &Chain) -> u64 {
    candidate(chain, CULPRIT).jailedTerm
}

/// Absent in term 0, reported in term 1, and in term 1, reported in term 2.
fn twice_absent(chain: &mut Chain) -> [u64; 2] {
    to_term(chain, 1);
    let older = absence(chain, 0);
    assert_eq!(jailed(chain), 2);
    to_term(chain, 2);
    let newer = absence(chain, 1);
    assert_eq!(jailed(chain), 3);
    [older, newer]
}

#[test]
fn an_absence_that_stands_keeps_in_jail_when_an_older_one_is_annulled() {
    let mut chain = chain();
    let [older, newer] = twice_absent(&mut chain);
    annul(&mut chain, older);
    assert_eq!(jailed(&chain), 3, "the newer absence stands");
    let unjail = IStake::unjailCall {};
    let error: IStake::TermNotOver = chain.revert(CULPRIT, STAKE, NONE, &unjail);
    assert_eq!((error.term, error.current), (2, 2));
    annul(&mut chain, newer);
    assert_eq!(jailed(&chain), 0, "none stands");
    let _: IStake::NotJailed = chain.revert(CULPRIT, STAKE, NONE, &unjail);
}

#[test]
fn a_jail_ends_as_the_older_absence_says_when_the_newer_one_is_annulled() {
    let mut chain = chain();
    let [older, newer] = twice_absent(&mut chain);
    annul(&mut chain, newer);
    assert_eq!(jailed(&chain), 2, "the older absence stands");
    // What one has stood for again is over, whatever becomes of the slash.
    send(&mut chain, CULPRIT, &IStake::unjailCall {});
    annul(&mut chain, older);
    assert_eq!(jailed(&chain), 0);
}

#[test]
fn an_absence_that_one_has_stood_again_after_is_no_part_of_a_later_jail() {
    let mut chain = chain();
    to_term(&mut chain, 1);
    let older = absence(&mut chain, 0);
    to_term(&mut chain, 2);
    send(&mut chain, CULPRIT, &IStake::unjailCall {});
    let newer = absence(&mut chain, 1);
    annul(&mut chain, older);
    assert_eq!(jailed(&chain), 3);
    annul(&mut chain, newer);
    assert_eq!(jailed(&chain), 0);
}

/// A network in which an absence costs half.
fn harsh() -> Chain {
    let mut genesis = genesis();
    genesis.stake.absence_ppm = 500_000;
    genesis.check().expect("sound");
    Chain::with(genesis)
}

fn reclaim(chain: &mut Chain, id: u64, owner: Address) -> [u128; 2] {
    let waiting = chain.call(ALICE, STAKE, &IStake::reclaimableCall { id, owner });
    // Anyone may.
    let sent = send(chain, ALICE, &IStake::reclaimCall { id, owner });
    let event = &sent.events::<IStake::Reclaimed>()[0];
    assert_eq!((event.id, event.owner), (id, owner));
    assert_eq!((event.delegated, event.unbonding), (waiting.delegated, waiting.unbonding));
    assert_nothing_left(chain, id, owner);
    [event.delegated, event.unbonding].map(|stones| stones.to())
}

fn assert_nothing_left(chain: &Chain, id: u64, owner: Address) {
    let waiting = chain.call(ALICE, STAKE, &IStake::reclaimableCall { id, owner });
    assert_eq!([waiting.delegated, waiting.unbonding], [U256::ZERO; 2]);
    let call = IStake::reclaimCall { id, owner };
    let error: IStake::NothingToReclaim = chain.revert(owner, STAKE, NONE, &call);
    assert_eq!((error.id, error.owner), (id, owner));
}

/// So many stones, less what rounding takes.
fn about(seen: u128, whole: u64) {
    assert!(stones(whole).0.abs_diff(seen) <= 4, "{seen}, expected {whole}");
}

fn waiting(chain: &Chain, owner: Address) -> Vec<(u64, u128)> {
    let found = chain.call(owner, STAKE, &IStake::unbondingsCall { owner, limit: 9 });
    found.iter().map(|one| (one.readyMs, one.stones.to())).collect()
}

#[test]
fn a_pool_that_has_less_left_than_was_taken_gets_it_all_back() {
    let mut chain = harsh();
    delegate(&mut chain, BOB, CULPRIT, 1_000);
    let before = candidate(&chain, CULPRIT);
    let [older, newer] = twice_absent(&mut chain);
    assert_eq!(worth(&chain, CULPRIT, BOB), stones(250).0);
    // Half is more than the quarter that is left.
    annul(&mut chain, older);
    assert_eq!(worth(&chain, CULPRIT, BOB), stones(750).0);
    assert_eq!(candidate(&chain, CULPRIT).income, U256::ZERO);
    annul(&mut chain, newer);
    assert_eq!(candidate(&chain, CULPRIT), before, "as if nothing had been");
    assert_nothing_left(&chain, older, BOB);
}

/// A slash of half of what BOB delegated, and CAROL, who joined after it.
fn joined_after_a_slash() -> (Chain, u64) {
    let mut chain = harsh();
    delegate(&mut chain, BOB, CULPRIT, 1_000);
    to_term(&mut chain, 1);
    let id = absence(&mut chain, 0);
    delegate(&mut chain, CAROL, CULPRIT, 500);
    assert_nothing_left(&chain, id, BOB);
    (chain, id)
}

#[test]
fn who_joined_after_a_slash_gains_nothing_when_it_is_annulled() {
    let (mut chain, id) = joined_after_a_slash();
    annul(&mut chain, id);
    // It is stake at once, and nobody's worth has changed.
    assert_eq!(candidate(&chain, CULPRIT).delegated, U256::from(stones(1_500).0));
    for owner in [BOB, CAROL] {
        about(worth(&chain, CULPRIT, owner), 500);
    }
    assert_nothing_left(&chain, id, CAROL);
    about(reclaim(&mut chain, id, BOB)[0], 500);
    about(worth(&chain, CULPRIT, BOB), 1_000);
    about(worth(&chain, CULPRIT, CAROL), 500);
    let all = Stones(worth(&chain, CULPRIT, BOB));
    undelegate(&mut chain, BOB, CULPRIT, all);
}

#[test]
fn who_left_after_a_slash_keeps_the_right_to_its_part() {
    let mut chain = harsh();
    delegate(&mut chain, BOB, CULPRIT, 1_000);
    delegate(&mut chain, CAROL, CULPRIT, 3_000);
    to_term(&mut chain, 1);
    let id = absence(&mut chain, 0);
    for (owner, left) in [(BOB, 500), (CAROL, 1_500)] {
        undelegate(&mut chain, owner, CULPRIT, stones(left));
    }
    // Nobody is left in the pool.
    assert_eq!(candidate(&chain, CULPRIT).shares, U256::ZERO);
    annul(&mut chain, id);
    let known = candidate(&chain, CULPRIT);
    assert_eq!((known.delegated, known.income), (U256::from(stones(2_000).0), U256::ZERO));
    assert_eq!(reclaim(&mut chain, id, CAROL), [stones(1_500).0, 0]);
    assert_eq!(reclaim(&mut chain, id, BOB), [stones(500).0, 0]);
    undelegate(&mut chain, CAROL, CULPRIT, stones(1_500));
    assert_eq!(worth(&chain, CULPRIT, BOB), stones(500).0, "the last has all that is left");
}

#[test]
fn what_unbonded_at_a_slash_is_given_back_to_who_withdrew_since() {
    let mut chain = harsh();
    delegate(&mut chain, BOB, CULPRIT, 1_000);
    delegate(&mut chain, CAROL, CULPRIT, 1_000);
    undelegate(&mut chain, BOB, CULPRIT, stones(1_000));
    undelegate(&mut chain, CAROL, CULPRIT, stones(400));
    let due = waiting(&chain, CAROL)[0].0;
    to_term(&mut chain, 1);
    let early = due - chain.now().0 - DAY_MS / 2;
    wait(&mut chain, early);
    let id = absence(&mut chain, 0);
    let ready = chain.now().0 + 10 * DAY_MS;
    // 300 more of hers unbond, which the slash has nothing to do with; he takes what is left of his.
    undelegate(&mut chain, CAROL, CULPRIT, stones(300));
    wait(&mut chain, DAY_MS / 2);
    let paid = send(&mut chain, BOB, &IStake::withdrawCall {}).events::<IStake::Withdrawn>();
    assert_eq!(paid[0].stones, U256::from(stones(500).0));
    annul(&mut chain, id);
    about(reclaim(&mut chain, id, BOB)[1], 500);
    let [delegated, unbonding] = reclaim(&mut chain, id, CAROL);
    about(delegated, 300);
    about(unbonding, 200);
    about(worth(&chain, CULPRIT, CAROL), 300);
    // As if it had begun to unbond when it was taken.
    assert_eq!(waiting(&chain, BOB)[0].0, ready);
    let hers: Vec<_> = waiting(&chain, CAROL);
    assert_eq!(hers.len(), 3);
    for ((_, stones), whole) in hers.into_iter().zip([200, 300, 200]) {
        about(stones, whole);
    }
    let early: IStake::NothingToWithdraw = chain.revert(BOB, STAKE, NONE, &IStake::withdrawCall {});
    assert_eq!(early.readyMs, ready);
    wait(&mut chain, 10 * DAY_MS);
    let paid = send(&mut chain, BOB, &IStake::withdrawCall {}).events::<IStake::Withdrawn>();
    about(paid[0].stones.to(), 500);
}

#[test]
fn what_is_not_reclaimed_shares_another_slash_and_its_end() {
    let mut chain = harsh();
    delegate(&mut chain, BOB, CULPRIT, 1_000);
    to_term(&mut chain, 1);
    let first = absence(&mut chain, 0);
    delegate(&mut chain, CAROL, CULPRIT, 500);
    annul(&mut chain, first);
    to_term(&mut chain, 2);
    // Of his 500 that wait, the second takes half as of all others.
    let second = absence(&mut chain, 1);
    let left = chain.call(BOB, STAKE, &IStake::reclaimableCall { id: first, owner: BOB });
    about(left.delegated.to(), 250);
    undelegate(&mut chain, CAROL, CULPRIT, stones(100));
    annul(&mut chain, second);
    // In any order: what he gets of the first was his when the second came.
    about(reclaim(&mut chain, second, BOB)[0], 250);
    about(reclaim_part(&mut chain, first), 250);
    about(reclaim(&mut chain, second, BOB)[0], 250);
    about(reclaim(&mut chain, second, CAROL)[0], 250);
    about(worth(&chain, CULPRIT, BOB), 1_000);
    about(worth(&chain, CULPRIT, CAROL), 400);
    // Nothing is left for nobody: who goes last takes the last share.
    for owner in [BOB, CAROL] {
        let all = Stones(worth(&chain, CULPRIT, owner));
        undelegate(&mut chain, owner, CULPRIT, all);
    }
    let known = candidate(&chain, CULPRIT);
    assert_eq!([known.delegated, known.shares, known.income], [U256::ZERO; 3]);
}

/// BOB's part of a slash, which makes another one of the second.
fn reclaim_part(chain: &mut Chain, id: u64) -> u128 {
    let sent = send(chain, BOB, &IStake::reclaimCall { id, owner: BOB });
    sent.events::<IStake::Reclaimed>()[0].delegated.to()
}

#[test]
fn an_executed_or_a_pending_slash_gives_nothing_back() {
    let (mut chain, id) = joined_after_a_slash();
    wait(&mut chain, DAY_MS);
    send(&mut chain, ALICE, &IStake::executeCall { id });
    assert_nothing_left(&chain, id, BOB);
    let call = IStake::reclaimCall { id: 1, owner: BOB };
    let _: IStake::UnknownSlash = chain.revert(BOB, STAKE, NONE, &call);
}
