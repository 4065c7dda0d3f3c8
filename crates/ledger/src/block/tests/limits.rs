//! Blocks at the border of their limits, and the base fee against the formula of EIP-1559 written down again.

use alloy_consensus::{Signed, TxEip1559, TxEnvelope, transaction::Recovered};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Bytes, Signature, TxKind};
use cairn_primitives::Genesis;

use super::GWEI;
use crate::{
    BlockError, TxError,
    fixture::{ALICE, BOB, Chain, VALIDATORS, genesis},
    params::{BLOCK_BYTES_MAX, TX_BYTES_MAX},
};

fn tx(nonce: u64, gas_limit: u64, data: usize) -> Recovered<TxEnvelope> {
    let tx = TxEip1559 {
        chain_id: 7_777,
        nonce,
        gas_limit,
        max_fee_per_gas: 2 * GWEI,
        to: TxKind::Call(BOB),
        input: Bytes::from(vec![0; data]),
        ..Default::default()
    };
    Recovered::new_unchecked(Signed::new_unhashed(tx, Signature::test_signature()).into(), ALICE)
}

/// A transaction of exactly this many encoded bytes.
fn of_size(nonce: u64, size: usize) -> Recovered<TxEnvelope> {
    let mut data = size - 200;
    loop {
        let tx = tx(nonce, 2_000_000, data);
        match size - tx.inner().encode_2718_len() {
            0 => return tx,
            missing => data += missing,
        }
    }
}

/// Builds a block of these, and asks whether the last of them is left out; a block with all of them is then invalid too.
fn last_is_left_out(genesis: Genesis, transactions: Vec<Recovered<TxEnvelope>>) -> bool {
    let chain = Chain::with(genesis);
    let env = chain.ledger.next_env(&chain.head, chain.now(), VALIDATORS[0]);
    let count = transactions.len();
    let built = chain.ledger.build(&chain.state, &env, transactions.clone()).unwrap();
    let verified = chain.ledger.verify(&chain.state, &env, transactions);
    if built.transactions.len() == count {
        verified.expect("what is built is valid");
        return false;
    }
    assert_eq!(built.transactions.len(), count - 1);
    assert_eq!(built.dropped[0].1, TxError::BlockFull);
    match verified {
        Err(BlockError::Transaction { index, error: TxError::BlockFull }) => {
            assert_eq!(index, count - 1);
        }
        other => panic!("{other:?}"),
    }
    true
}

#[test]
fn gas_to_the_last_unit() {
    let three = |limit, last| {
        let genesis = Genesis { block_gas_limit: limit, ..genesis() };
        last_is_left_out(genesis, vec![tx(0, 21_000, 0), tx(1, 21_000, 0), tx(2, last, 0)])
    };
    assert!(!three(63_000, 21_000), "exactly full");
    assert!(three(62_999, 21_000), "one unit short");
    assert!(three(63_000, 21_001), "what it may use counts before it ran");
    assert!(!three(63_001, 21_001), "what it used counts after");
}

#[test]
fn bytes_to_the_last_one() {
    let eighth = BLOCK_BYTES_MAX / 8;
    assert!(eighth < TX_BYTES_MAX);
    let block = |last: usize| {
        let mut all: Vec<_> = (0..7).map(|nonce| of_size(nonce, eighth)).collect();
        all.push(of_size(7, last));
        last_is_left_out(genesis(), all)
    };
    assert!(!block(eighth), "exactly full");
    assert!(block(eighth + 1), "one byte too many");
}

/// EIP-1559, in plain arithmetic.
fn expected(base: u128, used: u128, limit: u128, floor: u128) -> u128 {
    let target = limit / 2;
    let next = if used >= target {
        let more = base * (used - target) / target / 8;
        if used > target { base + more.max(1) } else { base }
    } else {
        base - base * (target - used) / target / 8
    };
    next.max(floor)
}

/// A local network's parameters and those for one that lasts (docs/spec/transactions.md).
#[test]
fn the_base_fee_follows_eip_1559_above_its_floor() {
    let local = Genesis { base_fee_initial: 1_000_000_000, base_fee_min: 100_000_000, ..genesis() };
    let lasting = Genesis {
        base_fee_initial: 1_000_000_000,
        base_fee_min: 1_000_000,
        block_gas_limit: 30_000_000,
        ..genesis()
    };
    let below = Genesis { base_fee_initial: 5, base_fee_min: 1_000_000, ..genesis() };
    assert_eq!(Chain::with(below).head.base_fee_per_gas, Some(1_000_000), "never below the floor");
    for genesis in [local, lasting] {
        let chain = Chain::with(genesis.clone());
        let (limit, floor) = (genesis.block_gas_limit, genesis.base_fee_min);
        assert_eq!(chain.head.base_fee_per_gas, Some(genesis.base_fee_initial));
        for base in [floor, floor + 1, 1_000_000_000, 77_777_777_777] {
            for used in [0, limit / 4, limit / 2 - 1, limit / 2, limit / 2 + 1, limit] {
                let mut parent = chain.head.clone();
                (parent.base_fee_per_gas, parent.gas_used) = (Some(base), used);
                let next = chain.ledger.next_env(&parent, chain.now(), ALICE).base_fee;
                let wanted = expected(base.into(), used.into(), limit.into(), floor.into());
                assert_eq!(u128::from(next), wanted, "base {base}, used {used}");
            }
        }
    }
}
