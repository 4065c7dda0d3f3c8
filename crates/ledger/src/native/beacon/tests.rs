//! When an epoch is drawn, from which mix, and that no time a leader gives its block moves it to a mix that is known.

use cairn_primitives::{Epoch, TimeMs, abi::IEconomy};

use super::*;
use crate::{
    Env,
    fixture::{ALICE, Chain, VALIDATORS},
};

/// Adds an empty block at a turn, in an epoch, on a mix.
fn block(chain: &mut Chain, turn: u64, epoch: u64, mix: u8) {
    let start = chain.ledger.genesis().schedule().start_of(Epoch(epoch)).0;
    let time = TimeMs(start.max(chain.now().0));
    let env = chain.ledger.next_env(&chain.head, time, VALIDATORS[0]);
    let env = Env { turn, prevrandao: B256::repeat_byte(mix), ..env };
    let built = chain.ledger.build(&chain.state, &env, Vec::new()).unwrap();
    chain.state.apply(&built.writes);
    chain.head = built.header(&env, B256::ZERO);
    assert_eq!(chain.ledger.env_of(&chain.head), env, "the header tells turn and mix");
    chain.check();
}

fn randomness(chain: &Chain, epoch: u64) -> B256 {
    let found = chain.call(ALICE, ECONOMY, &IEconomy::randomnessCall { epoch });
    let same = chain.ledger.randomness(&chain.state, Epoch(epoch)).unwrap();
    assert_eq!(same.map_or(B256::ZERO, |digest| B256::from(digest.0)), found);
    found
}

fn of(mix: u8, epoch: u64) -> B256 {
    B256::from(Digest::of(&[DOMAIN, &[mix; 32], &epoch.to_be_bytes()]).0)
}

#[test]
fn an_epoch_is_drawn_a_window_after_the_one_two_before_it_ended() {
    let mut chain = Chain::new();
    block(&mut chain, 1, 0, 1);
    block(&mut chain, 63, 0, 2);
    assert_eq!(randomness(&chain, 0), B256::ZERO);
    block(&mut chain, 64, 0, 3);
    assert_eq!((randomness(&chain, 0), randomness(&chain, 1)), (of(3, 0), of(3, 1)));
    assert_eq!(randomness(&chain, 2), B256::ZERO);
    // Epoch 0 ends in the middle of a window: its boundary is not the one that counts for epoch 2.
    block(&mut chain, 70, 1, 4);
    block(&mut chain, 130, 1, 5);
    assert_eq!(randomness(&chain, 2), B256::ZERO);
    block(&mut chain, 191, 1, 6);
    block(&mut chain, 192, 1, 7);
    assert_eq!((randomness(&chain, 2), randomness(&chain, 3)), (of(7, 2), B256::ZERO));
    // Nothing that was drawn is drawn again.
    block(&mut chain, 256, 1, 8);
    block(&mut chain, 320, 1, 9);
    assert_eq!((randomness(&chain, 2), randomness(&chain, 3)), (of(7, 2), B256::ZERO));
}

/// Whichever of the blocks around a boundary ends the epoch, the mix that counts comes after at least one more window.
#[test]
fn the_leader_that_ends_an_epoch_knows_no_mix_that_counts() {
    for (ends, drawn) in [(126, 192), (127, 192), (128, 192), (129, 256), (130, 256)] {
        let mut chain = Chain::new();
        block(&mut chain, 64, 0, 1);
        let mut at = None;
        for turn in 120..300 {
            block(&mut chain, turn, u64::from(turn >= ends), u8::try_from(turn % 251).unwrap());
            if randomness(&chain, 2) != B256::ZERO {
                at = Some(turn);
                break;
            }
        }
        assert_eq!(at, Some(drawn), "the epoch ends at turn {ends}");
        assert!(drawn - ends >= 63);
    }
}

/// Epochs without a block, and windows without one, are drawn all the same, each its own, and never too many in one block.
#[test]
fn gaps_are_filled_and_bounded() {
    let mut chain = Chain::new();
    block(&mut chain, 64, 5_000, 1);
    block(&mut chain, 64 * 40, 5_000, 2);
    assert_eq!(randomness(&chain, 1), of(1, 1));
    assert_eq!(randomness(&chain, 2), of(2, 2));
    assert_eq!(randomness(&chain, 1_025), of(2, 1_025));
    assert_eq!(randomness(&chain, 1_026), B256::ZERO);
    for window in 41..45 {
        block(&mut chain, 64 * window, 5_000, 3);
    }
    assert_eq!((randomness(&chain, 5_001), randomness(&chain, 5_002)), (of(3, 5_001), B256::ZERO));
}
