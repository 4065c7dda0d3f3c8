//! Each invariant, broken on purpose.

use alloy_primitives::{Address, U256};
use cairn_primitives::{
    Stones,
    abi::{CREDITS, ICredits, STAKE},
};

use super::Violation;
use crate::fixture::{ALICE, Chain, stones};

fn found(chain: &Chain) -> Vec<Violation> {
    chain.ledger.check(&chain.state, chain.now()).expect("state")
}

fn give(chain: &mut Chain, account: Address, stones: Stones) {
    let entry = chain.state.accounts.entry(account).or_default();
    entry.balance += U256::from(stones.0);
}

#[test]
fn a_stone_too_many() {
    let mut chain = Chain::new();
    give(&mut chain, ALICE, Stones(1));
    assert!(matches!(found(&chain)[..], [Violation::StonesNotConserved { .. }]));
}

#[test]
fn a_credit_too_many() {
    let mut chain = Chain::new();
    chain.send(ALICE, CREDITS, stones(1), &ICredits::mintCall {});
    chain.state.slots.insert((CREDITS, U256::MAX), U256::from(1));
    assert!(matches!(found(&chain)[..], [Violation::CreditsNotConserved { .. }]));
}

#[test]
fn a_bond_that_is_not_there() {
    let mut chain = Chain::new();
    let bonds = chain.state.accounts.get_mut(&STAKE).expect("stake");
    bonds.balance -= U256::from(1);
    give(&mut chain, ALICE, Stones(1));
    assert!(matches!(found(&chain)[..], [Violation::BalanceShort { account: STAKE, .. }]));
}
