//! Governance and treasury against a reference written from docs/spec/governance.md: same answers, same refusals, same money.
//!
//! The fuzz target `governed` feeds the same driver for as long as one likes.

mod governed;

use governed::{Act, Driver};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_does_what_the_reference_says(history in prop::collection::vec(any::<u8>(), 0..400)) {
        governed::run(&history);
    }

    /// Histories in which most votes pass: somebody with enough stones locks first, and votes on everything.
    #[test]
    fn votes_that_pass_do_what_the_reference_says(history in prop::collection::vec(any::<u8>(), 0..160)) {
        let whale = [0, 0, 199, 160, 0, 1, 190, 160];
        let round = |id: u8| [12, 0, id, 0, 1, 23, 14, 17, id, 20, 0];
        let mut bytes = whale.to_vec();
        for (id, some) in (0..8).zip(history.chunks(20)) {
            let theta = [6, 1, 90 + 10 * id];
            let stream = [8, 1, 60 + 10 * id, 50, 0];
            bytes.extend_from_slice(if id % 2 == 0 { &theta[..] } else { &stream[..] });
            bytes.extend(round(id));
            bytes.extend_from_slice(some);
        }
        governed::run(&bytes);
    }
}

/// One of each, in an order in which all succeed, so that a change that makes everything fail does not go unseen.
#[test]
fn a_whole_life_succeeds() {
    let mut driver = Driver::new();
    let days = |days: u64| Act::Later { hours: 24 * days };
    let vote = |id| Act::Vote { from: 0, id, lock: 0, yes: true };
    let acts = [
        Act::Lock { from: 0, stones: 199_000, days: 400 },
        Act::Add { from: 0, lock: 0, stones: 1_000 },
        Act::Extend { from: 0, lock: 0, days: 1_000 },
        Act::Theta { from: 1, value: 550_000 },
        Act::Stream { from: 1, stones: 6_000, days: 60, milestones: 2 },
        Act::Theta { from: 2, value: 560_000 },
        vote(0),
        vote(1),
        days(7),
        Act::Close { id: 2 },
        Act::Delay { from: 3, id: 0 },
        days(7),
        Act::Execute { id: 1 },
        days(7),
        Act::Execute { id: 0 },
        Act::Milestone { from: 1, stream: 0, milestone: 1 },
        vote(3),
        days(14),
        Act::Execute { id: 3 },
        Act::Claim { stream: 0 },
        Act::End { from: 1, stream: 0 },
        vote(4),
        days(14),
        Act::Execute { id: 4 },
        Act::Claim { stream: 0 },
        days(1_000),
        Act::Release { lock: 0 },
    ];
    for act in acts {
        let succeeds = driver.perform(&act);
        assert!(succeeds, "{act:?}");
        driver.compare();
    }
}
