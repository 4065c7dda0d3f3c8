//! Whatever a stranger sends to the market: call data of a settlement decodes to one meaning or to an error.
#![no_main]

use alloy_sol_types::{SolCall, SolInterface, SolValue};
use cairn_primitives::abi::IMarket;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = IMarket::IMarketCalls::abi_decode_validate(bytes);
    if let Ok(call) = IMarket::settleCall::abi_decode_validate(bytes) {
        let again = IMarket::settleCall::abi_decode_validate(&call.abi_encode());
        assert_eq!(again.as_ref(), Ok(&call));
        assert!(call.shares.abi_encode().len() <= bytes.len() + 64, "decoding amplified the input");
    }
});
