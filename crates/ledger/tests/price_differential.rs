//! The pool, its dollars and minting against a reference written from docs/spec/price.md: same answers, same money, same means.
//!
//! The fuzz target `price` feeds the same driver for as long as one likes.

mod price;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_does_what_the_reference_says(history in prop::collection::vec(any::<u8>(), 0..300)) {
        price::run(&history);
    }
}

/// One of each, in an order in which all succeed, so that a change that makes everything fail does not go unseen.
#[test]
fn a_whole_life_succeeds() {
    use price::{Act, Driver};
    const STONE: u128 = 1_000_000_000_000_000_000;
    let mut driver = Driver::new();
    let acts = [
        Act::Faucet { who: 0, usd: 50_000_000_000 },
        Act::Buy { who: 0, usd: 7_000_000_000 },
        Act::Wait { ms: 500_000 },
        Act::Mint { who: 1, stones: 100_000 * STONE },
        Act::Sell { who: 1, stones: 60_000 * STONE },
        Act::Wait { ms: 1_700_000 },
        Act::Mint { who: 1, stones: 50_000 * STONE },
        Act::Add { who: 0, stones: 300_000 * STONE },
        Act::Give { who: 0, to: 1, usd: 1_000_000 },
        Act::Remove { who: 2, ppm: 500_000 },
        Act::Wait { ms: 80_000_000 },
        Act::Remove { who: 0, ppm: 1_000_000 },
        Act::Wait { ms: 1_800_000 },
        Act::Mint { who: 2, stones: STONE },
    ];
    for act in acts {
        assert!(driver.perform(&act), "{act:?}");
    }
}
