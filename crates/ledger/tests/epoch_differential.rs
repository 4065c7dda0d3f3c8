//! Batches and rewards against a reference written from the spec pages: same answers, same standing, same money, after every
//! step.
//!
//! The fuzz target `epochs` feeds the same driver for as long as one likes.

mod epochs;

use epochs::{Act, Driver, Edge};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_does_what_the_reference_says(history in prop::collection::vec(any::<u8>(), 0..300)) {
        epochs::run(&history);
    }

    /// Histories in which most epochs become final at once, so that rewards unlock and days open.
    #[test]
    fn epochs_that_become_final_pay_what_the_reference_says(history in prop::collection::vec(any::<u8>(), 0..160)) {
        let everybody = [18, 0, 0, 7, 0, 0, 0, 7, 23, 255, 4, 0];
        let epoch = |some: &[u8]| [&[7, 0, 99][..], &everybody, some].concat();
        epochs::run(&history.chunks(16).flat_map(epoch).collect::<Vec<_>>());
    }
}

fn later(to: Edge) -> Act {
    Act::Later { to, nudge: 0 }
}

fn attest(by: usize) -> Act {
    Act::Attest { by, epoch: 0, sector: 1, held: 1 }
}

fn seal(by: usize, result: u8) -> Act {
    Act::Seal { by, epoch: 0, round: 0, result, flaw: 0 }
}

/// For what it sealed, in the next epoch or one before it.
fn vote(by: usize, epoch: i64) -> Act {
    Act::Vote { by, epoch, round: 0, result: None, flaw: 0 }
}

fn claim(epoch: i64, device: usize) -> Act {
    Act::Claim { epoch, device, flaw: 0 }
}

/// Makes an epoch final that is over, with three seals and votes for a result.
fn finish(result: u8) -> Vec<Act> {
    let mut acts = vec![later(Edge::End), later(Edge::Attested)];
    acts.extend([0, 1, 2].map(|by| seal(by, result)));
    acts.push(later(Edge::Open));
    acts.extend([0, 1, 2].map(|by| vote(by, 0)));
    acts
}

/// Performs acts that must succeed.
fn all(driver: &mut Driver, acts: impl IntoIterator<Item = Act>) {
    for act in acts {
        let succeeds = driver.perform(&act);
        assert!(succeeds, "{act:?}");
    }
}

/// One of each, in an order in which all succeed, so that a change that makes everything fail does not go unseen.
#[test]
fn a_whole_life_succeeds() {
    let mut driver = Driver::new();
    let commit = |by| Act::Commit { by, epoch: 0, sector: 1 };
    let mut acts = vec![
        Act::Pay { device: 0, amount: 1_000_001 },
        Act::Pay { device: 2, amount: 777 },
        later(Edge::End),
        commit(1),
        commit(0),
        attest(0),
        attest(1),
        attest(2),
        attest(3),
        // Two against two: nothing is final, the round begins again.
        seal(0, 0),
        seal(1, 0),
        seal(2, 1),
        seal(3, 1),
        vote(0, 0),
        vote(1, 0),
        vote(2, 0),
        vote(3, 0),
        attest(3),
        attest(1),
        attest(0),
        later(Edge::Attested),
        seal(0, 0),
        seal(1, 0),
        seal(2, 0),
        later(Edge::Open),
        // Late, and taken: its seat may vote for anything, and is not paid.
        seal(3, 0),
        vote(2, 0),
        vote(0, 0),
        vote(1, 0),
        Act::Vote { by: 3, epoch: -1, round: 0, result: Some(1), flaw: 0 },
    ];
    // An epoch without evidence, one with dissent, and as many as it takes until subsidies are free.
    for dissent in [0, 1, 0, 0] {
        acts.extend([
            Act::Pay { device: 1, amount: 55_555 },
            later(Edge::End),
            later(Edge::Attested),
        ]);
        acts.extend([seal(0, 0), seal(1, 0), seal(2, 0), seal(3, dissent)]);
        acts.extend([vote(3, 0), vote(0, 0), vote(1, 0), vote(2, 0)]);
        if dissent == 0 {
            acts.pop();
            acts.push(vote(2, -1));
        }
    }
    acts.extend([
        claim(-5, 0),
        Act::ClaimMany { rewards: vec![(-5, 1), (-5, 2), (-4, 1), (-1, 0)], flaw: 0 },
        Act::Leave { from: 1, device: 1 },
        Act::Slash { from: 0, device: 1 },
        claim(-2, 1),
        claim(-3, 0),
    ]);
    all(&mut driver, acts);
    driver.check();
}

/// A late vote has eight epochs, at the edge and beyond it.
#[test]
fn a_late_vote_has_eight_epochs() {
    let mut driver = Driver::new();
    all(&mut driver, (0..9).flat_map(|_| finish(0)));
    for (epoch, succeeds) in [(-9, false), (-8, true), (0, false), (1, false), (i64::MAX, false)] {
        let seal = Act::Seal { by: 3, epoch, round: 0, result: 0, flaw: 0 };
        let seen = [driver.perform(&seal), driver.perform(&vote(3, epoch))];
        assert_eq!(seen, [succeeds; 2], "{epoch}");
    }
}

/// A wrong vote of a term that is divided stays paid, and a right one of the next term is not taken back for it.
#[test]
fn a_vote_is_taken_back_from_its_own_term_alone() {
    let mut driver = Driver::new();
    all(&mut driver, [Act::Pay { device: 0, amount: 1_000_000 }]);
    all(&mut driver, [later(Edge::End), later(Edge::Attested), seal(3, 0)]);
    all(&mut driver, finish(0));
    all(&mut driver, [later(Edge::End), later(Edge::Attested), seal(3, 1)]);
    all(&mut driver, [0, 1, 2].map(|by| seal(by, 0)));
    all(&mut driver, [vote(3, 0)]);
    all(&mut driver, [(); 16].map(|()| later(Edge::Minutes(1))));
    all(&mut driver, [vote(3, -1), vote(0, 0), vote(1, 0), vote(2, 0)]);
}

/// Epochs that waited for the one before them: each has its whole seal window, however long ago its set froze.
#[test]
fn a_backlog_is_sealed_epoch_by_epoch() {
    let mut driver = Driver::new();
    all(&mut driver, [(); 4].map(|()| later(Edge::Over)));
    for n in 0..3 {
        all(&mut driver, [0, 1, 2].map(|by| seal(by, 0)));
        assert_eq!(driver.perform(&vote(0, 0)), n == 0, "only the first waited for nobody");
        driver.perform(&later(Edge::Open));
        if n > 0 {
            all(&mut driver, [vote(0, 0)]);
        }
        all(&mut driver, [vote(1, 0), vote(2, 0)]);
    }
}

/// Whose evidence ends in the very epoch in which its subsidy unlocks is paid; an epoch earlier it is not, and who left is judged
/// by when it left.
#[test]
fn a_subsidy_is_forfeited_until_it_unlocks() {
    let mut driver = Driver::new();
    all(&mut driver, finish(0));
    all(&mut driver, [Act::Leave { from: 2, device: 2 }, later(Edge::Over), later(Edge::Over)]);
    all(&mut driver, [Act::Slash { from: 0, device: 1 }, later(Edge::Over)]);
    all(&mut driver, [0, 2].map(|device| Act::Slash { from: 1, device }));
    all(&mut driver, [claim(-1, 0), claim(-1, 1), claim(-1, 2)]);
    for device in 0..3 {
        assert!(!driver.perform(&claim(-1, device)), "twice");
    }
    driver.check();
}

/// A quorum for a tree that says more than its result gives the first who come what others cannot have.
#[test]
fn a_wrong_tree_takes_no_more_than_final_epochs_moved() {
    let mut driver = Driver::new();
    all(&mut driver, [Act::Pay { device: 0, amount: 1_000_000 }]);
    all(&mut driver, finish(2));
    all(&mut driver, [(); 5].map(|()| later(Edge::Over)));
    assert!(!driver.perform(&claim(-1, 0)), "more than there is");
    all(&mut driver, [claim(-1, 1), claim(-1, 2)]);
    driver.check();
}
