//! Places against what solc does: slots computed by hand from the Solidity documentation's rules.

use alloy_primitives::{Address, B256, U256, keccak256};
use cairn_primitives::{DeviceId, Stones, TimeMs};
use proptest::prelude::*;

use super::{Blob, Key as _, List, Mapping, Place as _, Value};
use crate::{
    Memory,
    fixture::{ALICE, enter},
    native::{Ctx, Res},
};

const HERE: Address = Address::repeat_byte(0x11);

fn with<T>(state: &mut Memory, f: impl FnOnce(&mut Ctx<'_>) -> Res<T>) -> T {
    enter(state, TimeMs(0), ALICE, Stones::ZERO, f).expect("runs")
}

#[test]
fn nested_mappings_and_bytes16_keys() {
    let place: Mapping<u64, Mapping<DeviceId, Value<u64>>> = Mapping::new(HERE, 3);
    let id = DeviceId([0xab; 16]);
    let outer =
        keccak256([U256::from(7).to_be_bytes::<32>(), U256::from(3).to_be_bytes::<32>()].concat());
    let mut key = [0; 32];
    key[..16].copy_from_slice(&id.0);
    assert_eq!(id.word(), key);
    let inner = keccak256([key, outer.0].concat());
    let mut state = Memory::default();
    with(&mut state, |c| place.at(&7).at(&id).set(c, &9));
    assert_eq!(state.slots[&(HERE, inner.into())], U256::from(9));
    assert_eq!(with(&mut state, |c| place.at(&7).at(&id).get(c)), 9);
}

#[test]
fn lists_grow_from_the_hash_of_their_slot() {
    let list: List<B256> = List::new(HERE, 5);
    let first: U256 = keccak256(U256::from(5).to_be_bytes::<32>()).into();
    let mut state = Memory::default();
    for n in 1..=3u8 {
        assert_eq!(with(&mut state, |c| list.push(c, &B256::repeat_byte(n))), u64::from(n) - 1);
    }
    assert_eq!(state.slots[&(HERE, U256::from(5))], U256::from(3));
    assert_eq!(state.slots[&(HERE, first + U256::from(2))], U256::from_be_bytes([3; 32]));
    with(&mut state, |c| list.clear(c));
    assert_eq!(with(&mut state, |c| list.len(c)), 0);
}

proptest! {
    #[test]
    fn bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let blob = Blob::of(HERE, U256::from(2), 0);
        let mut state = Memory::default();
        with(&mut state, |c| blob.set(c, &bytes));
        prop_assert_eq!(with(&mut state, |c| blob.get(c)), bytes);
    }
}
