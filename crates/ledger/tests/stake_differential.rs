//! The stake contract against a reference written from docs/spec/stake.md: same answers, same refusals, same seats, same money.
//!
//! The fuzz target `staked` feeds the same driver for as long as one likes.

mod staked;

use proptest::prelude::*;
use staked::{Act, Driver, Flaw, Pair, STONE};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_does_what_the_reference_says(history in prop::collection::vec(any::<u8>(), 0..400)) {
        staked::run(&history);
    }
}

/// One of each, in an order in which all succeed, so that a change that makes everything fail does not go unseen.
#[test]
fn a_whole_life_succeeds() {
    let mut driver = Driver::new();
    let hours = |hours: u64| Act::Later { minutes: 60 * hours };
    let stand = |who: usize, whole: u128| {
        let key = u8::try_from(who).expect("few");
        Act::Stand { who, key, bond: whole * STONE, flaw: Flaw::None }
    };
    let acts = [
        Act::Proposer { who: 0 },
        Act::Commission { who: 0, ppm: 50_000 },
        Act::Delegate { from: 6, to: 0, stones: 333 * STONE + 7 },
        Act::Work { micro: 12_345_678 },
        hours(2),
        // Two vote for another result, and the epoch is decided by nobody.
        Act::Votes { wrong: 2 },
        hours(1),
        Act::Votes { wrong: 1 },
        Act::WrongVote { by: 7, who: 0, ahead: -1 },
        stand(4, 1_000),
        stand(5, 1_001),
        Act::Raise { who: 4, stones: 5 * STONE + 1 },
        Act::Rotate { who: 4, key: 12, flaw: Flaw::None },
        Act::Delegate { from: 7, to: 0, stones: 500 * STONE },
        Act::Delegate { from: 7, to: 1, stones: 3 * STONE },
        Act::Term,
        Act::Settle { who: 0 },
        Act::Claim { who: 0 },
        Act::Undelegate { from: 6, to: 0, percent: 50 },
        Act::Appeals { back: 0 },
        Act::Term,
        Act::Equivocation { by: 6, key: 1, ahead: 0, view: 1, pair: Pair::Finalized },
        Act::Absence { by: 6, who: 3, ahead: -1 },
        Act::Term,
        Act::Unjail { who: 3 },
        hours(24),
        Act::Execute { by: 6, back: 1 },
        Act::Leave { who: 5 },
        Act::Term,
        Act::Term,
        Act::Exit { who: 5 },
        Act::Undelegate { from: 6, to: 0, percent: 100 },
        hours(72),
        Act::Withdraw { who: 5 },
        Act::Withdraw { who: 6 },
        Act::Stand { who: 5, key: 13, bond: 1_000 * STONE, flaw: Flaw::None },
    ];
    for act in acts {
        assert!(driver.perform(&act), "{act:?}");
        driver.check();
    }
}

/// A set that is fixed holds its seats, also those that are still to come.
#[test]
fn nobody_leaves_before_its_last_seat() {
    let mut driver = Driver::new();
    let stand = Act::Stand { who: 4, key: 4, bond: 1_001 * STONE, flaw: Flaw::None };
    let (leave, exit) = (Act::Leave { who: 4 }, Act::Exit { who: 4 });
    let acts = [
        (stand, true),
        (Act::Term, true),
        (leave, true),
        // Its only seat is in term 2.
        (exit.clone(), false),
        (Act::Term, true),
        (exit.clone(), false),
        (Act::Term, true),
        (exit, true),
    ];
    for (act, succeeds) in acts {
        assert_eq!(driver.perform(&act), succeeds, "{act:?}");
    }
}

/// Nobody saves up absences.
#[test]
fn an_absence_is_forgotten_after_24_terms() {
    let mut driver = Driver::new();
    for _ in 0..26 {
        assert!(driver.perform(&Act::Term));
    }
    assert!(!driver.perform(&Act::Absence { by: 6, who: 0, ahead: -25 }));
    assert!(driver.perform(&Act::Absence { by: 6, who: 0, ahead: -24 }));
}

/// A vote that turns out wrong costs nothing that was earned in a later term.
#[test]
fn a_vote_is_taken_back_in_the_term_in_which_it_was_given() {
    let mut driver = Driver::new();
    let vote = |who, ahead, result| Act::Vote { who, ahead, round_ahead: 0, result };
    let acts = [
        Act::Work { micro: 10_000_000 },
        Act::Later { minutes: 180 },
        vote(1, 0, 0),
        vote(2, 0, 0),
        vote(3, 0, 0),
        // The first epoch is final without 0, who votes against the others for the second one.
        vote(0, 0, 1),
        Act::Term,
        // In the next term it gives its late vote for the first, and the others decide the second.
        vote(0, -1, 0),
        vote(1, 0, 0),
        vote(2, 0, 0),
        vote(3, 0, 0),
        Act::Term,
        Act::Settle { who: 0 },
        Act::Settle { who: 1 },
    ];
    for act in acts {
        assert!(driver.perform(&act), "{act:?}");
    }
}

/// A round that ends because its validators are gone comes to nothing as any other: who votes in the next is paid once.
#[test]
fn votes_of_a_round_whose_validators_are_gone_are_taken_back() {
    let mut driver = Driver::new();
    let vote = |who| Act::Vote { who, ahead: 0, round_ahead: 0, result: 0 };
    let acts = [
        Act::Stand { who: 4, key: 4, bond: 2_000 * STONE, flaw: Flaw::None },
        Act::Work { micro: 10_000_000 },
        Act::Later { minutes: 180 },
        Act::Term,
        Act::Leave { who: 4 },
        Act::Term,
        // It sits in term 2 alone, in which one epoch becomes final, and two of its five vote for the next.
        vote(0),
        vote(1),
        vote(2),
        vote(3),
        vote(0),
        vote(1),
        Act::Term,
        Act::Term,
        // The founders sit in terms 3 and 4: this is the next round.
        vote(0),
        vote(1),
        vote(2),
        Act::Term,
        Act::Settle { who: 0 },
    ];
    for act in acts {
        assert!(driver.perform(&act), "{act:?}");
    }
}

/// A jail ends with the last absence that stands, whichever of two is annulled.
#[test]
fn an_annulled_absence_leaves_the_jail_of_another() {
    for (annulled, freed_at_once) in [(1, false), (0, true)] {
        let mut driver = Driver::new();
        let absence = Act::Absence { by: 6, who: 3, ahead: -1 };
        let acts = [
            (Act::Term, true),
            (absence.clone(), true),
            (Act::Term, true),
            (absence, true),
            (Act::Appeals { back: annulled }, true),
            (Act::Unjail { who: 3 }, freed_at_once),
            (Act::Term, true),
            (Act::Unjail { who: 3 }, !freed_at_once),
        ];
        for (act, succeeds) in acts {
            assert_eq!(driver.perform(&act), succeeds, "{act:?}, {annulled} annulled");
        }
    }
}

/// Stake joins, leaves, unbonds and is slashed again between a slash and its annulment, and between that and the claims.
#[test]
fn annulled_slashes_give_everybody_their_own_part_back() {
    let mut driver = Driver::new();
    let delegate = |from, whole: u128| Act::Delegate { from, to: 3, stones: whole * STONE + 7 };
    let undelegate = |from, percent| Act::Undelegate { from, to: 3, percent };
    let absence = Act::Absence { by: 6, who: 3, ahead: -1 };
    let acts = [
        (delegate(6, 333), true),
        (delegate(7, 500), true),
        (undelegate(7, 10), true),
        (Act::Term, true),
        (absence.clone(), true),
        (delegate(5, 100), true),
        (undelegate(6, 100), true),
        (Act::Reclaims { back: 0 }, false),
        (Act::Appeals { back: 0 }, true),
        (Act::Reclaim { by: 4, owner: 7, back: 0 }, true),
        (Act::Reclaim { by: 4, owner: 7, back: 0 }, false),
        (Act::Reclaim { by: 5, owner: 5, back: 0 }, false),
        (Act::Term, true),
        // It finds what 6 has not claimed yet.
        (absence, true),
        (undelegate(5, 30), true),
        (Act::Appeals { back: 0 }, true),
        (Act::Reclaims { back: 0 }, true),
        (Act::Reclaims { back: 1 }, true),
        (Act::Reclaims { back: 0 }, true),
        (Act::Reclaims { back: 0 }, false),
        (Act::Reclaims { back: 1 }, false),
        (undelegate(5, 100), true),
        (undelegate(6, 100), true),
        (undelegate(7, 100), true),
        (Act::Later { minutes: 72 * 60 }, true),
        (Act::Withdraw { who: 5 }, true),
        (Act::Withdraw { who: 6 }, true),
        (Act::Withdraw { who: 7 }, true),
    ];
    for (act, succeeds) in acts {
        assert_eq!(driver.perform(&act), succeeds, "{act:?}");
        driver.check();
    }
}

/// What happens around a pool whose operator is slashed and pardoned, closer together than in any history.
fn around_one_pool() -> impl Strategy<Value = Vec<Act>> {
    let (from, back) = (4_usize..7, 0_i64..2);
    let join = (from.clone(), 1_u128..40).prop_map(|(from, whole)| Act::Delegate {
        from,
        to: 3,
        stones: whole * STONE + 7,
    });
    let leave = (from.clone(), prop_oneof![Just(100), 1_u128..90])
        .prop_map(|(from, percent)| Act::Undelegate { from, to: 3, percent });
    let claim =
        (from.clone(), back.clone()).prop_map(|(owner, back)| Act::Reclaim { by: 7, owner, back });
    let absence = [Act::Term, Act::Absence { by: 7, who: 3, ahead: -1 }];
    prop_oneof![
        3 => Just(absence.to_vec()),
        2 => join.prop_map(|act| vec![act]),
        3 => leave.prop_map(|act| vec![act]),
        4 => back.prop_map(|back| vec![Act::Appeals { back }]),
        2 => claim.prop_map(|act| vec![act]),
        1 => Just(vec![Act::Execute { by: 7, back: 0 }]),
        1 => from.prop_map(|who| vec![Act::Withdraw { who }]),
        1 => (1_u64..40).prop_map(|hours| vec![Act::Later { minutes: 60 * hours }]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_share_is_left_for_nobody(history in prop::collection::vec(around_one_pool(), 15..40)) {
        let mut driver = Driver::new();
        for from in 4..7 {
            driver.perform(&Act::Delegate { from, to: 3, stones: 10 * STONE });
            driver.perform(&Act::Undelegate { from, to: 3, percent: 50 });
        }
        for act in history.iter().flatten() {
            driver.perform(act);
        }
        driver.reclaim_all();
        driver.check();
    }
}
