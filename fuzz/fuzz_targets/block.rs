//! Whatever a peer sends as a block: never a panic, and what decodes has exactly one encoding.
#![no_main]

use cairn_consensus::{Block, FinalityProof};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(block) = Block::from_bytes(bytes) {
        assert_eq!(block.to_bytes(), bytes);
    }
    if let Ok(proof) = FinalityProof::from_bytes(bytes) {
        assert_eq!(proof.to_bytes(), bytes);
    }
});
