//! What a reveal is bound to, and how mixes and turns follow from blocks.

use alloy_consensus::Header;
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_consensus::types::{Epoch as Term, Height, View};
use commonware_cryptography::{Signer as _, sha256};
use commonware_storage::mmr::Location;
use commonware_utils::non_empty_range;

use super::*;
use crate::{
    block::Block,
    tests::fixture::{identity, keys},
};

fn round(term: u64, view: u64) -> Round {
    Round::new(Term::new(term), View::new(view))
}

/// A block of a round, led and revealed by `key`, on a parent of `parent_view`.
fn block(beacon: &Beacon, key: &ed25519::PrivateKey, round: Round, parent_view: u64) -> Preamble {
    let log_range = non_empty_range!(Location::new(0), Location::new(1));
    let mut block = Block::genesis(Header::default(), sha256::Digest([0; 32]), log_range).preamble;
    block.height = Height::new(1);
    block.context.leader = key.public_key();
    block.context.round = round;
    block.context.parent.0 = View::new(parent_view);
    block.reveal = beacon.reveal(key, round);
    block
}

#[test]
fn a_reveal_is_of_one_key_one_round_and_one_network() {
    let (beacon, keys) = (Beacon::new(Digest::of(&[b"one"])), keys(2));
    let honest = block(&beacon, &keys[0], round(3, 9), 8);
    assert!(beacon.check(&honest));
    assert!(!Beacon::new(Digest::of(&[b"another"])).check(&honest));
    let changes: [fn(&mut Preamble); 4] = [
        |block| block.context.round = round(3, 10),
        |block| block.context.round = round(2, 9),
        |block| block.context.leader = keys_of(1),
        |block| block.reveal = Reveal::NONE,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut other = honest.clone();
        change(&mut other);
        assert!(!beacon.check(&other), "change {number}");
    }
    // Nothing that a leader chooses changes what it reveals.
    let mut other = honest.clone();
    other.header.number = 77;
    other.context.parent = (View::new(5), sha256::Digest([9; 32]));
    assert!(beacon.check(&other));
}

fn keys_of(i: usize) -> ed25519::PublicKey {
    keys(2)[i].public_key()
}

#[test]
fn the_mix_is_the_hash_of_all_reveals_in_order() {
    let beacon = Beacon::new(Digest::of(&[b"one"]));
    let key = &keys(1)[0];
    let mut first = block(&beacon, key, round(0, 1), 0);
    first.header.mix_hash = B256::repeat_byte(1);
    let output = vrf::output(&first.reveal.0).unwrap();
    let expected = B256::from(Sha256::hash(&[&[1; 32], &output]).0);
    assert_eq!(mix_after(&first), Some(expected));
    let mut genesis = first.clone();
    genesis.height = Height::zero();
    assert_eq!(mix_after(&genesis), Some(B256::repeat_byte(1)), "nobody reveals in block 0");
    first.reveal = Reveal([0xff; 80]);
    assert_eq!(mix_after(&first), None);
}

#[test]
fn turns_count_the_views_without_a_block() {
    let identity = identity(4, 250, 1_000);
    let (beacon, key) = (Beacon::new(identity.hash), &keys(1)[0]);
    let mut parent = block(&beacon, key, round(1, 7), 6);
    parent.header.nonce = 40_u64.to_be_bytes().into();
    let turn = |round, parent_view| {
        let child = block(&beacon, key, round, parent_view);
        let env = identity.ledger.genesis_env();
        env_after(&parent, &child.context, env).map(|env| env.turn)
    };
    assert_eq!(turn(round(1, 8), 7), Some(41));
    assert_eq!(turn(round(1, 11), 7), Some(44), "three leaders brought no block");
    assert_eq!(turn(round(2, 2), 0), Some(42), "views begin anew in a term");
    assert_eq!(turn(round(1, 7), 7), None);
    assert_eq!(turn(round(1, 6), 7), None);
}

/// Golden: the bytes that docs/spec/beacon.md describes. A change is a fork.
#[test]
fn golden() {
    let beacon = Beacon::new(Digest([0x11; 32]));
    assert_eq!(
        alloy_primitives::hex::encode(super::alpha(&beacon.genesis, round(2, 258))),
        "636169726e2f626561636f6e2f7631".to_owned()
            + &"11".repeat(32)
            + "0000000000000002"
            + "0000000000000102"
    );
    let key = ed25519::PrivateKey::decode(Copying(&[7; 32])).unwrap();
    let block = block(&beacon, &key, round(2, 258), 257);
    let found = [
        Sha256::hash(&[&block.reveal.encode()]).to_string(),
        mix_after(&block).unwrap().to_string(),
        order_seed(&block).unwrap().to_string(),
    ];
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 3] = [
    "828a5a35fc3ef6520a57f766b72c87161e600883cd7ed95b50f9c6b9530e3398",
    "0x2d3da5f2bbe328594481f3a159259f20236d10a8aac883f5227f6b0383be4703",
    "0xe2a84e416c683ab86b75425cdf6871141b1ac76dcaa899a1615207b9a88c5803",
];

/// Bits of the mix over 1,024 blocks of 31 leaders: each is as balanced as a coin, and changes half of the time.
#[test]
fn bits_are_balanced() {
    let beacon = Beacon::new(Digest::of(&[b"balance"]));
    let keys = keys(31);
    let (mut mix, mut ones, mut flips) = (B256::ZERO, [0_u32; 256], 0);
    let blocks = 1_024_u64;
    for view in 1..=blocks {
        let key = &keys[usize::try_from(view % 31).unwrap()];
        let mut preamble = block(&beacon, key, round(0, view), view - 1);
        preamble.header.mix_hash = mix;
        let next = mix_after(&preamble).unwrap();
        flips += mix.iter().zip(next).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        mix = next;
        for (bit, count) in ones.iter_mut().enumerate() {
            *count += u32::from(mix[bit / 8] >> (bit % 8) & 1);
        }
    }
    // 1,024 coins: 512 ± 16; 256 counts stay within five deviations but once in 6,800 runs, and this run is always the same.
    assert!(ones.iter().all(|count| (432..=592).contains(count)), "{ones:?}");
    let (total, expected) = (ones.iter().sum::<u32>(), 1_024 * 128);
    assert!(total.abs_diff(expected) < 1_280 && flips.abs_diff(expected) < 1_280);
}

/// To know a mix before it is there is to know every reveal up to it: whichever one is missing, the mix is another.
#[test]
fn predicting_needs_every_remaining_proposer() {
    let beacon = Beacon::new(Digest::of(&[b"predict"]));
    let keys = keys(8);
    let mixed = |unknown: Option<u64>| {
        (1..=8_u64).fold(B256::repeat_byte(5), |mix, view| {
            let mut preamble =
                block(&beacon, &keys[usize::try_from(view - 1).unwrap()], round(0, view), view - 1);
            if unknown == Some(view) {
                // The best that others can do is to guess: here with a key of their own.
                preamble.reveal =
                    beacon.reveal(&ed25519::PrivateKey::from_seed(99), round(0, view));
            }
            preamble.header.mix_hash = mix;
            mix_after(&preamble).unwrap()
        })
    };
    let truth = mixed(None);
    let mut guesses: Vec<B256> = (1..=8).map(|view| mixed(Some(view))).collect();
    assert!(guesses.iter().all(|guess| *guess != truth));
    guesses.sort_unstable();
    guesses.dedup();
    assert_eq!(guesses.len(), 8, "and no two gaps give the same");
}
