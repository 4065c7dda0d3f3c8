//! What is given back when a slash is annulled, and what is not.

use cairn_primitives::abi::{IStake, STAKE};

use super::*;
use crate::fixture::ALICE;

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
