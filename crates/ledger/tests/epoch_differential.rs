//! Batches and rewards against a reference written from the spec pages: same answers, same standing, same money, after every
//! step.
//!
//! The fuzz target `epochs` feeds the same driver for as long as one likes.

mod epochs;

use epochs::{Act, Driver, Edge};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

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

/// One of each, in an order in which all succeed, so that a change that makes everything fail does not go unseen.
#[test]
fn a_whole_life_succeeds() {
    let mut driver = Driver::new();
    let later = |to| Act::Later { to, nudge: 0 };
    let commit = |by| Act::Commit { by, epoch: 0, sector: 1 };
    let attest = |by| Act::Attest { by, epoch: 0, sector: 1, held: 1 };
    let seal = |by, result| Act::Seal { by, epoch: 0, round: 0, result, flaw: 0 };
    let vote = |by, result| Act::Vote { by, epoch: 0, round: 0, result: Some(result), flaw: 0 };
    let late = |by, result| Act::Vote { by, epoch: -1, round: 0, result: Some(result), flaw: 0 };
    let claim = |epoch, device| Act::Claim { epoch, device, flaw: 0 };
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
        vote(2, 1),
        vote(3, 1),
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
        late(3, 1),
    ];
    // An epoch without evidence, one with dissent, and as many as it takes until subsidies are free.
    for dissent in [0, 1, 0, 0] {
        acts.extend([
            Act::Pay { device: 1, amount: 55_555 },
            later(Edge::End),
            later(Edge::Attested),
        ]);
        acts.extend([seal(0, 0), seal(1, 0), seal(2, 0), seal(3, dissent)]);
        acts.extend([vote(3, dissent), vote(0, 0), vote(1, 0), vote(2, 0)]);
        if dissent == 0 {
            acts.pop();
            acts.push(late(2, 0));
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
    for act in acts {
        let succeeds = driver.perform(&act);
        assert!(succeeds, "{act:?}");
    }
    driver.check();
}

/// A late vote has eight epochs, at the edge and beyond it.
#[test]
fn a_late_vote_has_eight_epochs() {
    let mut driver = Driver::new();
    let later = |to| Act::Later { to, nudge: 0 };
    for _ in 0..9 {
        let mut acts = vec![later(Edge::End), later(Edge::Attested)];
        acts.extend((0..3).map(|by| Act::Seal { by, epoch: 0, round: 0, result: 0, flaw: 0 }));
        acts.push(later(Edge::Open));
        let vote = |by| Act::Vote { by, epoch: 0, round: 0, result: None, flaw: 0 };
        acts.extend((0..3).map(vote));
        for act in acts {
            driver.perform(&act);
        }
    }
    for (epoch, succeeds) in [(-9, false), (-8, true), (0, false), (1, false), (i64::MAX, false)] {
        let seal = Act::Seal { by: 3, epoch, round: 0, result: 0, flaw: 0 };
        let vote = Act::Vote { by: 3, epoch, round: 0, result: None, flaw: 0 };
        assert_eq!([driver.perform(&seal), driver.perform(&vote)], [succeeds; 2], "{epoch}");
    }
    driver.check();
}

/// A wrong vote of a term that is divided stays paid, and a right one of the next term is not taken back for it.
#[test]
fn a_vote_is_taken_back_from_its_own_term_alone() {
    let mut driver = Driver::new();
    let later = |to| Act::Later { to, nudge: 0 };
    let seal = |by, result| Act::Seal { by, epoch: 0, round: 0, result, flaw: 0 };
    let vote = |by, result| Act::Vote { by, epoch: 0, round: 0, result: Some(result), flaw: 0 };
    let mut acts = vec![Act::Pay { device: 0, amount: 1_000_000 }];
    acts.extend([later(Edge::End), later(Edge::Attested)]);
    acts.extend([seal(0, 0), seal(1, 0), seal(2, 0), seal(3, 0)]);
    acts.extend([vote(1, 0), vote(2, 0), vote(3, 0)]);
    acts.extend([later(Edge::End), later(Edge::Attested)]);
    acts.extend([seal(0, 1), seal(1, 0), seal(2, 0), seal(3, 0), vote(0, 1)]);
    acts.extend([(); 16].map(|()| Act::Later { to: Edge::Minutes(1), nudge: 0 }));
    acts.push(Act::Vote { by: 0, epoch: -1, round: 0, result: None, flaw: 0 });
    acts.extend([vote(1, 0), vote(2, 0), vote(3, 0)]);
    for act in acts {
        let succeeds = driver.perform(&act);
        assert!(succeeds, "{act:?}");
    }
}
