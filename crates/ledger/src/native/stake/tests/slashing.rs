//! What is punished, what is not, who can stop it, and that nobody escapes.

use alloy_primitives::U256;
use cairn_primitives::{
    STONE,
    abi::{ECONOMY, IEconomy, INSURANCE, IStake, STAKE},
};

use super::*;
use crate::fixture::{ALICE, BOB, CAROL};

const CULPRIT: Address = VALIDATORS[1];
/// A tenth of a bond, in base units.
const TENTH: u128 = BOND as u128 * STONE / 10;

fn report(chain: &mut Chain) -> u64 {
    let sent = send(chain, ALICE, &equivocation(102, 0));
    sent.events::<IStake::SlashPending>()[0].id
}

#[test]
fn every_pair_that_excludes_itself_is_a_proof() {
    let (notarize, nullify, finalize) = (0, 1, 2);
    for (a, b) in
        [(notarize, notarize), (finalize, finalize), (nullify, finalize), (finalize, nullify)]
    {
        let mut chain = chain();
        let call = evidence(102, &vote(102, 7, a, (0, 3), 1), &vote(102, 7, b, (0, 3), 2));
        let sent = send(&mut chain, ALICE, &call);
        let pending = &sent.events::<IStake::SlashPending>()[0];
        assert_eq!(
            (pending.operator, pending.reason, pending.term, pending.place),
            (CULPRIT, 1, 0, 3)
        );
        assert_eq!(pending.stones, U256::from(TENTH));
    }
}

#[test]
fn what_is_no_proof_is_refused_with_its_reason() {
    let chain = chain();
    let good = |kind, block| vote(102, 7, kind, (0, 3), block);
    let cases = [
        (
            "twice the same vote",
            "votes that do not exclude each other",
            evidence(102, &good(0, 1), &good(0, 1)),
        ),
        // Honest: the leader equivocated, and the others notarized the other block.
        (
            "notarize one, finalize another",
            "votes that do not exclude each other",
            evidence(102, &good(0, 1), &good(2, 2)),
        ),
        (
            "nullify after notarizing",
            "votes that do not exclude each other",
            evidence(102, &good(0, 1), &good(1, 0)),
        ),
        (
            "two views",
            "votes of different views",
            evidence(102, &good(2, 1), &vote(102, 7, 2, (0, 4), 2)),
        ),
        (
            "two terms",
            "votes of different views",
            evidence(102, &good(2, 1), &vote(102, 7, 2, (1, 3), 2)),
        ),
        (
            "another network",
            "a signature is not the key's, or of another network",
            evidence(102, &vote(102, 8, 2, (0, 3), 1), &vote(102, 8, 2, (0, 3), 2)),
        ),
        (
            "two signers",
            "a signature is not the key's, or of another network",
            evidence(102, &good(2, 1), &vote(103, 7, 2, (0, 3), 2)),
        ),
        (
            "no validator",
            "the key is no validator's of that term",
            evidence(1, &vote(1, 7, 2, (0, 3), 1), &vote(1, 7, 2, (0, 3), 2)),
        ),
        (
            "a term to come",
            "a term without validators",
            evidence(102, &vote(102, 7, 2, (9, 3), 1), &vote(102, 7, 2, (9, 3), 2)),
        ),
        (
            "bytes after it",
            "not two votes",
            evidence(102, &good(2, 1), &[good(2, 2), vec![0]].concat()),
        ),
        ("cut off", "not two votes", evidence(102, &good(2, 1), &good(2, 2)[..90])),
        (
            "an unknown kind",
            "not two votes",
            evidence(102, &good(2, 1), &[[3].as_slice(), &good(2, 2)[1..]].concat()),
        ),
        (
            "a padded number",
            "not two votes",
            evidence(102, &good(2, 1), &[[2, 0x80, 0].as_slice(), &good(2, 2)[2..]].concat()),
        ),
        ("too long", "too many bytes", evidence(102, &good(2, 1), &[0; 300])),
    ];
    for (name, reason, call) in cases {
        let error: IStake::BadEvidence = chain.revert(ALICE, STAKE, NONE, &call);
        assert_eq!(error.reason, reason, "{name}");
    }
}

#[test]
fn an_equivocation_costs_the_stake_and_the_seat_once() {
    let mut chain = chain();
    delegate(&mut chain, BOB, CULPRIT, 1_000);
    stand(&mut chain, 1, BOND);
    let supply = |chain: &Chain| chain.call(ALICE, ECONOMY, &IEconomy::burnedCall {});
    let id = report(&mut chain);
    let slash = chain.call(ALICE, STAKE, &IStake::slashCall { id });
    assert_eq!(
        (slash.operator, slash.reporter, slash.reason, slash.status),
        (CULPRIT, ALICE, 1, 1)
    );
    assert_eq!((slash.bond, slash.delegated), (U256::from(TENTH), U256::from(100 * STONE)));
    assert_eq!(worth(&chain, CULPRIT, BOB), 900 * STONE);
    // Reported again, with this pair and with another view's.
    let _: IStake::IsBanned = chain.revert(CAROL, STAKE, NONE, &equivocation(102, 0));
    let other = evidence(102, &vote(102, 7, 2, (0, 4), 1), &vote(102, 7, 2, (0, 4), 2));
    let _: IStake::IsBanned = chain.revert(CAROL, STAKE, NONE, &other);
    let _: IStake::IsBanned =
        chain.revert(CAROL, STAKE, stones(5), &IStake::delegateCall { operator: CULPRIT });
    to_term(&mut chain, 1);
    assert!(!seats(&chain, 2).expect("fixed").contains(&CULPRIT));
    let error: IStake::AppealOpen = chain.revert(ALICE, STAKE, NONE, &IStake::executeCall { id });
    assert_eq!(error.untilMs, slash.appealUntilMs);
    wait(&mut chain, DAY_MS);
    let (alice, burned) = (chain.balance(ALICE), supply(&chain));
    let sent = send(&mut chain, CAROL, &IStake::executeCall { id });
    let done = &sent.events::<IStake::SlashExecuted>()[0];
    let total = TENTH + 100 * STONE;
    assert_eq!(done.burned, U256::from(total * 7 / 10));
    assert_eq!(done.toReporter, U256::from(BOND as u128 * STONE / 50), "two hundredths of a bond");
    assert_eq!(done.burned + done.toReporter + done.toInsurance, U256::from(total));
    assert_eq!(chain.balance(ALICE).0 - alice.0, done.toReporter.to::<u128>());
    assert_eq!(chain.balance(INSURANCE).0, done.toInsurance.to::<u128>());
    assert!(supply(&chain) - burned >= done.burned);
    let error: IStake::SlashClosed = chain.revert(CAROL, STAKE, NONE, &IStake::executeCall { id });
    assert_eq!(error.status, 2);
    let _: IStake::UnknownSlash = chain.revert(CAROL, STAKE, NONE, &IStake::executeCall { id: 1 });
    // What is left may leave, but never comes back.
    send(&mut chain, CULPRIT, &IStake::leaveCall {});
    to_term(&mut chain, 3);
    send(&mut chain, CULPRIT, &IStake::exitCall {});
    let _: IStake::IsBanned = chain.revert(CULPRIT, STAKE, stones(BOND), &standing(CULPRIT, 102));
}

#[test]
fn nobody_is_quick_enough_to_escape() {
    let mut chain = chain();
    stand(&mut chain, 1, BOND);
    delegate(&mut chain, BOB, CULPRIT, 1_000);
    delegate(&mut chain, CAROL, CULPRIT, 1_000);
    // The operator leaves, and one delegator too, after the deed and before the report.
    send(&mut chain, CULPRIT, &IStake::leaveCall {});
    undelegate(&mut chain, BOB, CULPRIT, stones(400));
    to_term(&mut chain, 3);
    send(&mut chain, CULPRIT, &IStake::exitCall {});
    // Hopping to another candidate is no way out: what left is unbonding.
    let hop = IStake::undelegateCall { operator: CULPRIT, stones: U256::from(stones(601).0) };
    let error: IStake::NotEnoughStake = chain.revert(BOB, STAKE, NONE, &hop);
    assert_eq!(error.held, U256::from(stones(600).0));
    wait(&mut chain, 9 * DAY_MS);
    let id = report(&mut chain);
    let slash = chain.call(ALICE, STAKE, &IStake::slashCall { id });
    assert_eq!(slash.bond, U256::ZERO, "the bond is unbonding");
    assert_eq!(slash.unbonding, U256::from(TENTH + 40 * STONE));
    assert_eq!(slash.delegated, U256::from(160 * STONE));
    // Time to withdraw comes while the slash is pending: what was taken stays.
    wait(&mut chain, DAY_MS);
    let paid = |sent: &Sent| sent.events::<IStake::Withdrawn>()[0].stones;
    let sent = send(&mut chain, CULPRIT, &IStake::withdrawCall {});
    assert_eq!(paid(&sent), U256::from(9 * TENTH));
    let sent = send(&mut chain, BOB, &IStake::withdrawCall {});
    assert_eq!(paid(&sent), U256::from(360 * STONE));
    send(&mut chain, ALICE, &IStake::executeCall { id });
}

#[test]
fn two_thirds_of_the_validators_annul_a_slash() {
    let mut chain = chain();
    delegate(&mut chain, BOB, CULPRIT, 1_000);
    let before = candidate(&chain, CULPRIT);
    let id = report(&mut chain);
    let appeal = IStake::appealCall { id };
    let _: IStake::NotValidator = chain.revert(ALICE, STAKE, NONE, &appeal);
    for (n, validator) in VALIDATORS.into_iter().enumerate().take(3) {
        let sent = send(&mut chain, validator, &appeal);
        let event = &sent.events::<IStake::Appealed>()[0];
        assert_eq!((usize::try_from(event.votes).expect("few"), event.needed), (n + 1, 3));
        assert_eq!(sent.events::<IStake::SlashAnnulled>().len(), usize::from(n == 2));
        if n == 0 {
            let _: IStake::AlreadyAppealed = chain.revert(validator, STAKE, NONE, &appeal);
        }
    }
    assert_eq!(candidate(&chain, CULPRIT), before, "as if nothing had been");
    let error: IStake::SlashClosed = chain.revert(VALIDATORS[3], STAKE, NONE, &appeal);
    assert_eq!(error.status, 3);
    // The same deed is not tried again; another one is.
    let _: IStake::AlreadySlashed = chain.revert(ALICE, STAKE, NONE, &equivocation(102, 0));
    let other = evidence(102, &vote(102, 7, 2, (0, 4), 1), &vote(102, 7, 2, (0, 4), 2));
    send(&mut chain, ALICE, &other);
}

#[test]
fn appeals_are_counted_among_the_validators_of_the_moment() {
    let mut chain = chain();
    for n in 1..=5 {
        stand(&mut chain, n, BOND + 1_000);
    }
    let id = report(&mut chain);
    let appeal = IStake::appealCall { id };
    // Two of the founders appeal; then five others sit, and the founders' voices are gone.
    send(&mut chain, VALIDATORS[0], &appeal);
    send(&mut chain, VALIDATORS[2], &appeal);
    to_term(&mut chain, 2);
    assert_eq!(seats(&chain, 2), Some(sorted([1, 2, 3, 4, 5].map(person))));
    let _: IStake::NotValidator = chain.revert(VALIDATORS[3], STAKE, NONE, &appeal);
    let sent = send(&mut chain, person(1), &appeal);
    let event = &sent.events::<IStake::Appealed>()[0];
    assert_eq!((event.votes, event.needed), (1, 4));
    wait(&mut chain, DAY_MS);
    let _: IStake::AppealOver = chain.revert(person(2), STAKE, NONE, &appeal);
}

#[test]
fn absence_costs_little_and_a_seat_until_one_asks_for_it() {
    let mut chain = chain();
    stand(&mut chain, 1, BOND);
    let absent = |term, operator| IStake::reportAbsenceCall { termNumber: term, operator };
    let error: IStake::TermNotOver = chain.revert(ALICE, STAKE, NONE, &absent(0, CULPRIT));
    assert_eq!((error.term, error.current), (0, 0));
    to_term(&mut chain, 1);
    // All blocks are proposed by the first validator.
    let _: IStake::NotAbsent = chain.revert(ALICE, STAKE, NONE, &absent(0, VALIDATORS[0]));
    let _: IStake::NotValidator = chain.revert(ALICE, STAKE, NONE, &absent(0, person(1)));
    let seen = IStake::presenceCall { termNumber: 0, operator: CULPRIT };
    let seen = chain.call(ALICE, STAKE, &seen);
    assert_eq!((seen.proposed, seen.proposalsDue, seen.votesDue), (0, TERM / 4, 0));
    let sent = send(&mut chain, ALICE, &absent(0, CULPRIT));
    let pending = &sent.events::<IStake::SlashPending>()[0];
    assert_eq!((pending.reason, pending.stones), (3, U256::from(TENTH / 100)));
    let _: IStake::AlreadySlashed = chain.revert(ALICE, STAKE, NONE, &absent(0, CULPRIT));
    to_term(&mut chain, 2);
    assert!(!seats(&chain, 3).expect("fixed").contains(&CULPRIT));
    let _: IStake::NotJailed = chain.revert(person(1), STAKE, NONE, &IStake::unjailCall {});
    send(&mut chain, CULPRIT, &IStake::unjailCall {});
    to_term(&mut chain, 3);
    assert!(seats(&chain, 4).expect("fixed").contains(&CULPRIT), "a mild slash leaves a seat");
    to_term(&mut chain, 26);
    let error: IStake::TooLate = chain.revert(ALICE, STAKE, NONE, &absent(1, CULPRIT));
    assert_eq!((error.term, error.current), (1, 26));
}
