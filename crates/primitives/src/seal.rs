//! What a validator publishes of its vote before votes are open.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue as _;

use crate::Epoch;

/// The seal of a vote: it binds the validator and the round, so that another's seal is worth nothing, and hides the result
/// behind `salt`, so that a guess cannot be tried on it.
///
/// `result` is `keccak256(abi.encode(Result))`; the seal is `keccak256(abi.encode(validator, epoch, sector, round, result, salt))`.
#[must_use]
pub fn vote_seal(
    validator: Address,
    epoch: Epoch,
    sector: u8,
    round: u32,
    result: B256,
    salt: B256,
) -> B256 {
    keccak256((validator, epoch.0, u16::from(sector), round, result, salt).abi_encode())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn a_seal_is_the_hash_of_six_words() {
        let validator = Address::repeat_byte(0xaa);
        let (result, salt) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let mut words = vec![0; 6 * 32];
        words[12..32].copy_from_slice(validator.as_slice());
        words[56..64].copy_from_slice(&7_u64.to_be_bytes());
        words[95] = 1;
        words[127] = 3;
        words[128..160].copy_from_slice(result.as_slice());
        words[160..].copy_from_slice(salt.as_slice());
        let seal = vote_seal(validator, Epoch(7), 1, 3, result, salt);
        assert_eq!(seal, keccak256(&words), "{}", hex::encode(words));
    }
}
