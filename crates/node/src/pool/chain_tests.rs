//! The pool on a real ledger: what it promised, what blocks do to it, system transactions.

use alloy_primitives::{Address, U256};
use cairn_client::Call;
use cairn_consensus::Pool as _;
use cairn_primitives::{
    Digest, Stones,
    abi::{BATCHES, IBatches},
};

use super::*;
use crate::chain::{GWEI, TestChain};

fn transfer(stones: u128) -> Call {
    Call::transfer(Address::repeat_byte(0x77), Stones(stones))
}

fn commit(epoch: u64) -> Call {
    let (root, digest) = (Digest([1; 32]).0.into(), Digest([2; 32]).0.into());
    Call::new(BATCHES, &IBatches::commitCall { epoch, sector: 1, root, digest, count: 1, size: 1 })
}

#[test]
fn a_promised_transaction_survives_kill_9() {
    let mut chain = TestChain::new();
    let promised = chain.send(&chain.alice, &transfer(1)).unwrap();
    let behind = chain.pool.submit(&chain.sign(&chain.alice, 5, &transfer(2))).unwrap();
    let gossiped = chain.sign(&chain.bob, 0, &transfer(3));
    chain.pool.gossiped(&[gossiped.into()]);
    assert_eq!(chain.pool.counts(), (2, 1));
    chain.reopen_pool();
    assert!(chain.pool.get(promised).is_some() && chain.pool.get(behind).is_some());
    assert_eq!(chain.pool.counts(), (1, 1), "what peers sent they still have");
    assert_eq!(chain.mine(), 1);
    chain.reopen_pool();
    assert_eq!(chain.pool.counts(), (0, 1), "what is final does not come back");
    assert_eq!(chain.pool.local().len(), 1);
}

#[test]
fn blocks_free_the_pool_also_of_siblings() {
    let chain = TestChain::new();
    let cheap = chain.sign(&chain.alice, 0, &transfer(1));
    chain.pool.submit(&cheap).unwrap();
    let bob = chain.send(&chain.bob, &transfer(1)).unwrap();
    // Another node's user sent another transaction of this nonce, and it is in the block.
    let fees = cairn_client::Fees { max_fee: 40 * GWEI, tip: 2 * GWEI };
    let sibling = chain
        .alice
        .sign_transaction(crate::chain::CHAIN_ID, 0, 21_000, fees, &transfer(9))
        .unwrap();
    chain.pool.gossiped(&[sibling.raw.into()]);
    assert_eq!(chain.pool.counts(), (2, 0), "it replaced the cheaper one");
    assert_eq!(chain.mine(), 2);
    assert_eq!((chain.pool.counts(), chain.pool.get(bob).is_none()), ((0, 0), true));
    assert!(chain.pool.is_empty());
    let late = chain.pool.submit(&cheap).unwrap_err();
    assert_eq!(late, Rejection::Ledger(TxError::NonceTooLow { tx: 0, account: 1 }));
}

#[test]
fn what_cannot_be_paid_any_more_leaves() {
    let chain = TestChain::new();
    let half = 600_000 * cairn_primitives::STONE;
    chain.send(&chain.alice, &transfer(half)).unwrap();
    let second = chain.send(&chain.alice, &transfer(half)).unwrap();
    assert_eq!(chain.pool.counts(), (2, 0), "each alone can be paid");
    assert_eq!(chain.mine(), 1);
    assert!(chain.pool.get(second).is_none(), "after the first the second cannot");
}

#[test]
fn a_fee_below_the_base_fee_waits_and_below_the_floor_does_not() {
    let chain = TestChain::new();
    let floor = chain.genesis.base_fee_min.into();
    for (max_fee, taken) in [(floor, true), (floor - 1, false), (0, false)] {
        let fees = cairn_client::Fees { max_fee, tip: 0 };
        let raw = chain
            .alice
            .sign_transaction(crate::chain::CHAIN_ID, 0, 21_000, fees, &transfer(1))
            .unwrap()
            .raw;
        assert_eq!(chain.pool.submit(&raw).is_ok(), taken, "{max_fee}");
    }
    assert_eq!(
        (chain.pool.is_empty(), chain.mine()),
        (true, 0),
        "the base fee is far above the floor"
    );
    assert_eq!(chain.pool.counts(), (1, 0));
}

#[test]
fn system_transactions_are_rehearsed_and_in_order() {
    let chain = TestChain::new();
    let early = chain.pool.submit(&chain.sign_system(&chain.ingest, 0, &commit(0))).unwrap_err();
    assert!(matches!(early, Rejection::Ledger(TxError::SystemReverts(_))), "{early:?}");
    chain.clock.advance(chain.genesis.epoch_ms + 1);
    chain.pool.submit(&chain.sign_system(&chain.ingest, 0, &commit(0))).unwrap();
    let gap = chain.pool.submit(&chain.sign_system(&chain.ingest, 2, &commit(0))).unwrap_err();
    assert_eq!(gap, Rejection::Ledger(TxError::NonceTooHigh { tx: 2, account: 1 }));
    chain.pool.submit(&chain.sign_system(&chain.ingest, 1, &commit(0))).unwrap();
    assert_eq!(chain.mine(), 1, "the second commitment of an epoch would revert");
    for block in 1..STRIKES_MAX {
        assert_eq!(chain.pool.counts(), (1, 0), "after block {block}");
        chain.mine();
    }
    assert_eq!(chain.pool.counts(), (0, 0), "and leaves after a few blocks");
    let stranger = chain.pool.submit(&chain.sign_system(&chain.alice, 0, &commit(0))).unwrap_err();
    assert!(matches!(stranger, Rejection::Underpriced { fee: 0, .. }));
    assert_eq!(U256::from(chain.nonce(chain.ingest.address())), U256::from(1));
}

/// A proposal that is lost in consensus takes nothing out of the pool: the same candidates are offered again, and a restart
/// in between does not lose what was promised.
#[test]
fn a_lost_proposal_is_offered_again() {
    let mut chain = TestChain::new();
    let first = chain.send(&chain.alice, &transfer(1)).unwrap();
    let second = chain.send(&chain.alice, &transfer(2)).unwrap();
    let other = chain.send(&chain.bob, &transfer(3)).unwrap();
    let base_fee = chain.genesis.base_fee_initial;
    let hashes = |chain: &TestChain| -> Vec<B256> {
        let candidates = chain.pool.candidates(base_fee, 10);
        candidates.iter().map(|tx| *tx.inner().tx_hash()).collect()
    };
    let offered = hashes(&chain);
    assert_eq!(offered, [first, second, other]);
    assert_eq!(hashes(&chain), offered);
    // Another validator's empty block became final instead.
    chain.pool.finalized(&[]);
    assert_eq!(hashes(&chain), offered);
    chain.reopen_pool();
    assert_eq!(hashes(&chain), offered);
    assert_eq!(chain.mine(), 3);
    assert!(chain.pool.is_empty() && chain.pool.local().is_empty());
}

/// A replacement is what the journal brings back, not what it replaced.
#[test]
fn a_replacement_survives_a_restart() {
    let mut chain = TestChain::new();
    let cheap = chain.send(&chain.alice, &transfer(1)).unwrap();
    let fees = cairn_client::Fees { max_fee: 5 * GWEI, tip: 2 * GWEI };
    let id = crate::chain::CHAIN_ID;
    let better = chain.alice.sign_transaction(id, 0, 21_000, fees, &transfer(2)).unwrap().raw;
    let better = chain.pool.submit(&better).unwrap();
    let again = chain.pool.submit(&chain.sign(&chain.alice, 0, &transfer(1))).unwrap_err();
    assert_eq!(again, Rejection::ReplacementUnderpriced);
    chain.reopen_pool();
    assert!(chain.pool.get(better).is_some() && chain.pool.get(cheap).is_none());
    assert_eq!(chain.mine(), 1);
    assert_eq!(chain.nonce(chain.alice.address()), 1);
}

/// A nonce gap closes when the missing transaction comes, over the network too, and everything behind it runs in one block.
#[test]
fn a_gap_closes() {
    let chain = TestChain::new();
    for nonce in [3, 1, 2] {
        chain.pool.submit(&chain.sign(&chain.alice, nonce, &transfer(1))).unwrap();
    }
    assert_eq!((chain.pool.counts(), chain.pool.is_empty(), chain.mine()), ((0, 3), true, 0));
    assert_eq!(chain.pool.next_nonce(chain.alice.address()), Some(0));
    chain.pool.gossiped(&[chain.sign(&chain.alice, 0, &transfer(1)).into()]);
    assert_eq!(
        (chain.pool.counts(), chain.pool.next_nonce(chain.alice.address())),
        ((4, 0), Some(4))
    );
    assert_eq!(chain.mine(), 4);
    assert!(chain.pool.is_empty());
}

/// A message of many is taken in order; what is bad in it, twice in it or waiting already holds up nothing and is counted.
#[test]
fn a_message_of_gossip_is_taken_whole() {
    let chain = TestChain::new();
    let mut accepted = chain.pool.on_accept();
    let waiting = chain.sign(&chain.bob, 0, &transfer(1));
    chain.pool.gossiped(&[waiting.clone().into()]);
    let alice = |nonce| bytes::Bytes::from(chain.sign(&chain.alice, nonce, &transfer(1)));
    let mut unsigned = alice(4).to_vec();
    // A byte of the signature: another sender, who has nothing.
    let last = unsigned.len() - 40;
    unsigned[last] ^= 1;
    let message = [
        alice(1),
        bytes::Bytes::from_static(&[0xff; 9]),
        waiting.clone().into(),
        alice(0),
        alice(1),
        unsigned.into(),
        alice(2),
        alice(300),
    ];
    chain.pool.gossiped(&message);
    assert_eq!(chain.pool.counts(), (4, 0), "bob's one, alice's three");
    let hash = |raw: &[u8]| alloy_primitives::keccak256(raw);
    let expected = [hash(&waiting), hash(&message[0]), hash(&message[3]), hash(&message[6])];
    for hash in expected {
        assert_eq!(accepted.try_recv().unwrap(), hash);
    }
    assert!(accepted.try_recv().is_err());
    assert_eq!((chain.pool.0.counts.accepted.get(), chain.pool.0.counts.rejected.get()), (4, 5));
    assert_eq!(chain.mine(), 4);
    // What is final is refused for its nonce.
    chain.pool.gossiped(&message[..1]);
    assert_eq!((chain.pool.counts(), chain.pool.0.counts.rejected.get()), ((0, 0), 6));
}

/// Many at once share syncs: each sender hears its own answer, what was promised is on disk, and nothing else is.
#[tokio::test]
async fn many_senders_at_once() {
    let mut chain = TestChain::new();
    let good: Vec<Bytes> = (0..40)
        .map(|n| {
            let (wallet, nonce) =
                if n % 2 == 0 { (&chain.alice, n / 2) } else { (&chain.bob, n / 2) };
            chain.sign(wallet, nonce, &transfer(1))
        })
        .collect();
    let mut raws = good.clone();
    raws.insert(7, Bytes::from_static(&[0xff; 9]));
    raws.insert(20, good[3].clone());
    let sends = raws.iter().map(|raw| chain.pool.send(raw.clone()));
    let answers = futures::future::join_all(sends).await;
    for (raw, answer) in raws.iter().zip(&answers) {
        match answer {
            Ok(hash) => assert_eq!(*hash, alloy_primitives::keccak256(raw)),
            Err(Rejection::AlreadyKnown(hash)) => {
                assert_eq!(*hash, alloy_primitives::keccak256(&good[3]))
            }
            Err(reason) => assert_eq!(raw[0], 0xff, "{reason}"),
        }
    }
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 40);
    assert_eq!(chain.pool.counts(), (40, 0));
    chain.reopen_pool();
    assert_eq!(chain.pool.counts(), (40, 0));
    assert_eq!(chain.mine(), 40);
}
