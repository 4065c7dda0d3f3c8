//! The native contracts against a reference written from the spec pages: same answers, same money, after every step.
//!
//! The fuzz target `native` feeds the same driver for as long as one likes.

mod model;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_does_what_the_reference_says(history in prop::collection::vec(any::<u8>(), 0..700)) {
        model::run(&history);
    }
}

/// One of each, in an order in which all succeed, so that a change that makes everything fail does not go unseen.
#[test]
fn a_whole_life_succeeds() {
    use model::{Act, Driver};
    let mut driver = Driver::new();
    let settle = |units, pays: &[(u8, u64)]| Act::Settle {
        from: 2,
        lease: 1,
        units,
        pays: pays.to_vec(),
        flaw: 0,
    };
    let acts = [
        Act::Mint { from: 0, stones: 10_000_000_000_000_000_000 },
        Act::Register { from: 1, keys: vec![0], bond: 100, flaw: 0 },
        Act::Register { from: 1, keys: vec![1, 2], bond: 250, flaw: 0 },
        Act::Offer { from: 2, sector: 1, endpoint: 20 },
        Act::Open { from: 0, offer: 1, escrow: 400_000, ahead: 3 },
        Act::TopUp { from: 0, lease: 1, amount: 50_000 },
        settle(10, &[(0, 1_000)]),
        settle(30, &[(0, 1_500), (2, 70_000)]),
        Act::Later { epochs: 1 },
        settle(31, &[(0, 1_500), (1, 1), (2, 90_000)]),
        Act::Leave { from: 1, key: 0 },
        Act::Later { epochs: 3 },
        Act::Withdraw { from: 1, key: 0 },
        Act::Close { from: 2, lease: 1 },
    ];
    for act in acts {
        let succeeds = driver.perform(&act);
        assert!(succeeds, "{act:?}");
    }
}
