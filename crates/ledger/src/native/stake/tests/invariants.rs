//! What `cairn check-state` sees when somebody has been at the slots.

use alloy_primitives::{U256, keccak256};
use cairn_primitives::abi::STAKE;

use super::*;
use crate::Violation;

/// First slot of `mapping(key => …)` at `slot`.
fn at(slot: u64, key: U256) -> U256 {
    let words = [key.to_be_bytes::<32>(), U256::from(slot).to_be_bytes::<32>()];
    keccak256(words.concat()).into()
}

fn found(chain: &Chain) -> Vec<Violation> {
    chain.ledger.check(&chain.state, chain.now()).expect("state")
}

#[test]
fn broken_books_are_found() {
    let mut chain = chain();
    stand(&mut chain, 1, BOND);
    to_term(&mut chain, 1);
    send(&mut chain, person(2), &equivocation(102, 0));
    let operator = person(1).into_word().into();
    let slash: U256 = keccak256(U256::from(12).to_be_bytes::<32>()).into();
    let seats: U256 = keccak256(at(2, U256::from(1)).to_be_bytes::<32>()).into();
    let damages: [(&str, U256, U256); 11] = [
        ("earned", U256::from(8), U256::from(1)),
        ("pending", U256::from(15), U256::from(1)),
        ("listed", U256::from(4), U256::from(4)),
        // A seat twice: the second has the first one's operator.
        ("seat 2", seats + U256::from(2), chain.state.slots[&(STAKE, seats)]),
        ("seats", at(2, U256::from(1)), U256::from(3)),
        ("the key", at(5, operator) + U256::from(1), public(101).into()),
        ("counts 1 slashes of 0", at(5, operator) + U256::from(2), U256::from(1) << 160),
        ("number 1 of 0", slash + U256::from(4), U256::from(1) << 128),
        ("fewer shares than", slash + U256::from(5), U256::from(7)),
        ("never stood", slash, U256::from(9)),
        ("nobody has a share of", at(5, operator) + U256::from(4), U256::from(7)),
    ];
    assert!(found(&chain).is_empty());
    for (words, slot, value) in damages {
        let mut damaged = Chain {
            state: chain.state.clone(),
            ledger: chain.ledger.clone(),
            head: chain.head.clone(),
        };
        damaged.state.slots.insert((STAKE, slot), value);
        let violations = found(&damaged);
        let said = |violation: &Violation| violation.to_string().contains(words);
        assert!(violations.iter().any(said), "{words}: {violations:?}");
    }
}
