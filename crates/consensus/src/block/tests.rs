//! The byte form of a block: golden, canonical, bounded, and never a panic.

use alloy_primitives::{Address, Bytes as RawBytes};
use commonware_codec::Copying;
use commonware_utils::non_empty_range;
use proptest::prelude::*;

use super::*;

fn block(time: u64, transactions: Vec<Vec<u8>>) -> Block {
    let header = Header {
        number: 7,
        beneficiary: Address::repeat_byte(1),
        timestamp: time / 1_000,
        extra_data: RawBytes::copy_from_slice(&time.to_be_bytes()),
        base_fee_per_gas: Some(9),
        ..Header::default()
    };
    let log_range = non_empty_range!(Location::new(3), Location::new(9));
    let mut block = Block::genesis(header, Sha256::hash(&[b"log"]), log_range);
    block.preamble.height = Height::new(7);
    block.preamble.parent = Sha256::hash(&[b"parent"]);
    block.transactions = transactions.into_iter().map(Bytes::from).collect();
    block
}

/// The byte form is protocol: when this moves, the network forks (docs/spec/consensus.md §2).
#[test]
fn golden() {
    let block = block(1_356_998_400_123, vec![vec![1; 3], vec![2; 200]]);
    let bytes = Encode::encode(&block);
    let found = (Sha256::hash(&[&bytes]).to_string(), block.digest().to_string());
    assert_eq!((found.0.as_str(), found.1.as_str()), (GOLDEN_BYTES, GOLDEN_DIGEST));
}

const GOLDEN_BYTES: &str = "b3eb8a37ecdeb1482a5410b8430754f2048376b099ce9a162b6347d7ec7f686a";
const GOLDEN_DIGEST: &str = "7dd43ba73111ae1ef89df0b133a37724d007ec2e0618f3203b5f52eae3ef3c86";

#[test]
fn decoding_refuses_what_is_not_canonical() {
    let good = block(5_000, vec![vec![1]]);
    let refused = |bytes: &[u8]| Block::decode(Copying(bytes)).is_err();
    let bytes = Encode::encode(&good);
    assert!(!refused(&bytes));
    for length in 0..bytes.len() {
        assert!(refused(&bytes[..length]), "truncated at {length}");
    }
    assert!(refused(&[bytes.as_ref(), &[0]].concat()), "bytes after the block");

    let mut other_time = good.clone();
    other_time.preamble.header.timestamp += 1;
    assert!(refused(&Encode::encode(&other_time)), "seconds and milliseconds disagree");
    let mut no_time = good.clone();
    no_time.preamble.header.extra_data = RawBytes::new();
    assert!(refused(&Encode::encode(&no_time)), "no time");
    let mut empty = good.clone();
    empty.transactions = vec![Bytes::new()];
    assert!(refused(&Encode::encode(&empty)), "an empty transaction");
    let mut huge = good.clone();
    huge.transactions = vec![vec![0; TX_BYTES_MAX + 1].into()];
    assert!(refused(&Encode::encode(&huge)), "a transaction above the limit");
    let mut many = good;
    many.transactions = vec![vec![0; 100_000].into(); 11];
    assert!(refused(&Encode::encode(&many)), "a body above the limit");
}

#[test]
fn the_next_validators_are_named_in_one_way() {
    let mut keys: Vec<_> =
        (0..129).map(|seed| ed25519::PrivateKey::from_seed(seed).public_key()).collect();
    keys.sort_unstable();
    let naming = |next: &[ed25519::PublicKey]| {
        let mut block = block(5_000, Vec::new());
        block.preamble.next_validators = next.to_vec();
        let bytes = Encode::encode(&block);
        Block::decode(Copying(&bytes)).map(|again| assert_eq!(again, block))
    };
    assert!(naming(&keys[..1]).is_ok() && naming(&keys[..128]).is_ok());
    assert!(naming(&keys).is_err(), "more than there can be");
    assert!(naming(&[keys[1].clone(), keys[0].clone()]).is_err(), "out of order");
    assert!(naming(&[keys[0].clone(), keys[0].clone()]).is_err(), "twice the same");
}

#[test]
fn the_largest_block_fits_its_bound() {
    let mut transactions = vec![vec![0; TX_BYTES_MAX]; BLOCK_BYTES_MAX / TX_BYTES_MAX];
    transactions.push(vec![0; BLOCK_BYTES_MAX % TX_BYTES_MAX]);
    let mut block = block(u64::MAX, transactions);
    let keys = (0..128).map(|seed| ed25519::PrivateKey::from_seed(seed).public_key());
    block.preamble.next_validators = keys.collect();
    block.preamble.next_validators.sort_unstable();
    let bytes = Encode::encode(&block);
    assert!(bytes.len() <= Block::max_encode_size(&()));
    assert_eq!(Block::decode(Copying(&bytes)).unwrap(), block);
}

proptest! {
    #[test]
    fn round_trip(time: u64, txs in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 0..20)) {
        let block = block(time, txs);
        let bytes = Encode::encode(&block);
        prop_assert_eq!(bytes.len(), block.encode_size());
        let again = Block::decode(Copying(&bytes)).unwrap();
        prop_assert_eq!(again.digest(), block.digest());
        prop_assert_eq!(again, block);
    }

    #[test]
    fn flipping_a_byte_never_panics_and_never_decodes_to_the_same_block(at: prop::sample::Index, bit in 0..8_u32) {
        let block = block(5_000, vec![vec![1; 40]]);
        let mut bytes = Encode::encode(&block).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = Block::decode(Copying(&bytes)) {
            prop_assert_ne!(other.digest(), block.digest());
            prop_assert_eq!(Encode::encode(&other).to_vec(), bytes);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Block::decode(Copying(&bytes));
    }
}
