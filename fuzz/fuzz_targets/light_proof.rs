//! Whatever a node answers as a light proof: never a panic, one encoding, and nothing is proven that no validator signed.
#![no_main]

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, U256, keccak256};
use cairn_client::light::{
    Certificate, Entry, LightProof, Trust, check_certificate, check_state, trie_key, trie_value,
};
use cairn_primitives::{Digest, SecretKey};
use libfuzzer_sys::fuzz_target;

/// Four validators that never signed.
static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let key = |n| B256::from_slice(SecretKey::ed25519([n; 32]).public().as_bytes());
    Trust::new(Digest::ZERO, (1..=4).map(key).collect())
});

const ENTRY: Entry = Entry::Slot { address: Address::ZERO, slot: U256::ZERO, value: U256::ONE };

fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = LightProof::decode(bytes) {
        assert_eq!(proof.encode(), bytes);
    }
    let _ = Certificate::decode(bytes);
    assert!(check_certificate(bytes, &TRUST).is_err());
    assert!(LightProof::verify(bytes, &TRUST).is_err());
    // What stands behind the signatures, by itself.
    assert!(check_state(&B256::ZERO, &ENTRY, bytes).is_err());
    let _ = trie_value(&keccak256(bytes), &trie_key(0x0a0b), &[bytes]);
});
