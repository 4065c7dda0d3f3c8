//! Whatever a stranger sends to a node as a transaction: never a panic, and what decodes has exactly one encoding.
#![no_main]

use alloy_eips::eip2718::Encodable2718;
use cairn_ledger::decode_transaction;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(transaction) = decode_transaction(bytes) {
        assert_eq!(transaction.inner().encoded_2718(), bytes);
    }
});
