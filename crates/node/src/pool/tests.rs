//! The queue as tables of cases.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, transaction::Recovered};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};

use cairn_ledger::TxError;

use super::*;
use crate::pool::queue::{QUEUED_BYTES_MAX, QUEUED_MAX, SENDER_MAX};

const GWEI: u128 = 1_000_000_000;

fn sender(n: u16) -> Address {
    Address::left_padding_from(&n.to_be_bytes())
}

struct Tx {
    from: u16,
    nonce: u64,
    fee: u128,
    tip: u128,
    data: &'static [u8],
    system: bool,
}

const TX: Tx = Tx { from: 1, nonce: 0, fee: 10 * GWEI, tip: GWEI, data: &[], system: false };

fn queued(tx: &Tx) -> Queued {
    let unsigned = TxEip1559 {
        chain_id: 1,
        nonce: tx.nonce,
        gas_limit: 21_000,
        max_fee_per_gas: tx.fee,
        max_priority_fee_per_gas: tx.tip,
        to: TxKind::Call(sender(9)),
        input: Bytes::from_static(tx.data),
        ..Default::default()
    };
    let signature = Signature::new(U256::from(tx.from), U256::from(2), false);
    let envelope: TxEnvelope = unsigned.into_signed(signature).into();
    Queued::new(Recovered::new_unchecked(envelope, sender(tx.from)), tx.system, false)
}

/// (sender, nonce) of the candidates after inserting all.
fn order(txs: &[Tx], base_fee: u64, limit: usize) -> Vec<(u16, u64)> {
    let mut queue = Queue::default();
    for tx in txs {
        queue.insert(queued(tx), 0).unwrap();
    }
    let name = |a: Address| u16::from_be_bytes([a[18], a[19]]);
    queue
        .candidates(base_fee, limit)
        .iter()
        .map(|q| (name(q.transaction.signer()), q.nonce()))
        .collect()
}

#[test]
fn candidates_are_system_first_then_by_tip_with_nonces_ascending() {
    let txs = [
        Tx { from: 1, nonce: 1, tip: 5 * GWEI, ..TX },
        Tx { from: 1, nonce: 0, tip: GWEI, ..TX },
        Tx { from: 2, nonce: 0, tip: 3 * GWEI, ..TX },
        Tx { from: 3, nonce: 0, fee: 0, tip: 0, system: true, ..TX },
        Tx { from: 4, nonce: 1, tip: 9 * GWEI, ..TX },
        Tx { from: 5, nonce: 0, fee: GWEI, ..TX },
    ];
    let base_fee = 2_000_000_000;
    assert_eq!(
        order(&txs, base_fee, 10),
        [(3, 0), (2, 0), (1, 0), (1, 1)],
        "4 has a gap, 5 cannot pay"
    );
    assert_eq!(order(&txs, base_fee, 2), [(3, 0), (2, 0)]);
    assert_eq!(order(&txs, 0, 10).len(), 5, "without base fee 5 can pay");
}

#[test]
fn equal_tips_go_by_arrival() {
    let txs = [Tx { from: 7, ..TX }, Tx { from: 2, ..TX }, Tx { from: 5, ..TX }];
    assert_eq!(order(&txs, 0, 10), [(7, 0), (2, 0), (5, 0)]);
}

#[test]
fn a_replacement_pays_ten_percent_more_of_both() {
    let cases = [
        (11 * GWEI, GWEI * 11 / 10, true),
        (11 * GWEI - 1, GWEI * 11 / 10, false),
        (11 * GWEI, GWEI * 11 / 10 - 1, false),
        (20 * GWEI, GWEI, false),
    ];
    for (fee, tip, taken) in cases {
        let mut queue = Queue::default();
        let first = queued(&TX);
        queue.insert(first.clone(), 0).unwrap();
        let result = queue.insert(queued(&Tx { fee, tip, ..TX }), 0);
        if taken {
            assert_eq!(result.unwrap()[0].hash(), first.hash());
        } else {
            assert_eq!(result.unwrap_err(), Rejection::ReplacementUnderpriced, "{fee} {tip}");
        }
        assert_eq!(queue.len(), 1);
    }
}

#[test]
fn refusals_by_nonce_and_number() {
    let mut queue = Queue::default();
    let first = queued(&Tx { nonce: 5, ..TX });
    queue.insert(first.clone(), 5).unwrap();
    assert_eq!(queue.insert(first.clone(), 5).unwrap_err(), Rejection::AlreadyKnown(first.hash()));
    let low = queue.insert(queued(&Tx { nonce: 4, ..TX }), 5).unwrap_err();
    assert_eq!(low, TxError::NonceTooLow { tx: 4, account: 5 }.into());
    let high = queue.insert(queued(&Tx { nonce: 261, ..TX }), 5).unwrap_err();
    assert_eq!(high, Rejection::NonceTooFar { next: 5, nonce: 261, limit: SENDER_MAX });
    for nonce in 6..=260 {
        queue.insert(queued(&Tx { nonce, ..TX }), 5).unwrap();
    }
    assert_eq!(queue.len(), SENDER_MAX);
    assert_eq!(queue.next_nonce(sender(1)), Some(261));
    assert_eq!(queue.advance(sender(1), 7).len(), 2);
    assert_eq!(queue.counts(), (254, 0));
    let first = queue.of(sender(1)).next().unwrap().hash();
    queue.remove(first).unwrap();
    assert_eq!((queue.next_nonce(sender(1)), queue.counts()), (Some(7), (0, 253)));
}

#[test]
fn a_full_pool_drops_the_cheapest_last_one_and_never_a_system_one() {
    let mut queue = Queue::default();
    queue.insert(queued(&Tx { from: 0, fee: 0, tip: 0, system: true, ..TX }), 0).unwrap();
    let mut n = 1;
    while queue.len() < QUEUED_MAX {
        let (from, nonce) = (1 + u16::try_from(n / 200).unwrap(), n % 200);
        let fee = if from == 3 { 5 * GWEI } else { 10 * GWEI };
        queue.insert(queued(&Tx { from, nonce, fee, ..TX }), 0).unwrap();
        n += 1;
    }
    let poor = queue.insert(queued(&Tx { from: 900, fee: 5 * GWEI, ..TX }), 0).unwrap_err();
    assert_eq!(poor, Rejection::PoolFull);
    let dropped = queue.insert(queued(&Tx { from: 900, fee: 6 * GWEI, ..TX }), 0).unwrap();
    assert_eq!(dropped.len(), 1);
    assert_eq!((dropped[0].transaction.signer(), dropped[0].nonce()), (sender(3), 199));
    let system = Tx { from: 901, fee: 0, tip: 0, system: true, ..TX };
    assert_eq!(queue.insert(queued(&system), 0).unwrap()[0].transaction.signer(), sender(3));
    assert_eq!(queue.len(), QUEUED_MAX);
}

/// Half of the largest transaction, so that hundreds fill the pool's bytes.
static LARGE: [u8; 65_536] = [0; 65_536];
/// The largest: takes the place of two such.
static LARGEST: [u8; 131_072] = [0; 131_072];

#[test]
fn a_large_one_pushes_out_as_many_as_it_needs_or_none() {
    let mut queue = Queue::default();
    // Two cheap ones and many that pay more, until the pool's bytes are used up.
    let (mut from, mut bytes) = (0, 0);
    loop {
        let fee = [GWEI, 2 * GWEI].get(usize::from(from)).copied().unwrap_or(10 * GWEI);
        let one = queued(&Tx { from, fee, data: &LARGE, ..TX });
        bytes += one.transaction.inner().encode_2718_len();
        if bytes > QUEUED_BYTES_MAX {
            break;
        }
        queue.insert(one, 0).unwrap();
        from += 1;
    }
    let full = queue.len();
    assert!(full < QUEUED_MAX && full * LARGE.len() <= QUEUED_BYTES_MAX);
    // The first it could push out, the second pays as much as it does: both stay.
    let poor = Tx { from: 9_000, fee: 2 * GWEI, data: &LARGEST, ..TX };
    assert_eq!(queue.insert(queued(&poor), 0).unwrap_err(), Rejection::PoolFull);
    assert_eq!(queue.len(), full);
    let rich = Tx { fee: 3 * GWEI, ..poor };
    let dropped = queue.insert(queued(&rich), 0).unwrap();
    let gone: Vec<_> = dropped.iter().map(|gone| gone.transaction.signer()).collect();
    assert_eq!(gone, [sender(0), sender(1)]);
}

#[test]
fn of_one_sender_the_last_leave_first() {
    let mut queue = Queue::default();
    for nonce in 0..3 {
        queue.insert(queued(&Tx { from: 1, nonce, fee: GWEI, ..TX }), 0).unwrap();
    }
    let mut n = 0;
    while queue.len() < QUEUED_MAX {
        let (from, nonce) = (10 + u16::try_from(n / 200).unwrap(), n % 200);
        queue.insert(queued(&Tx { from, nonce, ..TX }), 0).unwrap();
        n += 1;
    }
    for left in [2, 1, 0] {
        let new = Tx { from: 2_000 + u16::try_from(left).unwrap(), ..TX };
        let dropped = queue.insert(queued(&new), 0).unwrap();
        assert_eq!((dropped[0].transaction.signer(), dropped[0].nonce()), (sender(1), left));
    }
    // All others pay as much.
    assert_eq!(
        queue.insert(queued(&Tx { from: 3_000, ..TX }), 0).unwrap_err(),
        Rejection::PoolFull
    );
    // A replacement needs no room.
    let better = Tx { from: 10, nonce: 0, fee: 12 * GWEI, tip: 2 * GWEI, ..TX };
    assert_eq!(queue.insert(queued(&better), 0).unwrap().len(), 1);
    assert_eq!(queue.len(), QUEUED_MAX);
}

#[test]
fn a_delegated_sender_keeps_its_first_transaction() {
    let mut queue = Queue::default();
    for nonce in 4..8 {
        queue.insert(queued(&Tx { nonce, ..TX }), 4).unwrap();
    }
    let dropped: Vec<_> = queue.delegate(sender(1)).iter().map(Queued::nonce).collect();
    assert_eq!((dropped, queue.len()), (vec![5, 6, 7], 1));
    assert!(queue.of(sender(1)).next().unwrap().delegated);
    assert!(queue.delegate(sender(2)).is_empty());
}
