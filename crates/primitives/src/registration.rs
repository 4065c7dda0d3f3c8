//! The messages by which a key agrees to be registered: proof that whoever registers it holds it. Of a device, and of a
//! validator.
//!
//! ```text
//! "cairn/registration/v1" ‖ chain id u64 ‖ owner 20 ‖ sector u8 ‖ key type u8 ‖ public key ‖ lat i32 ‖ lon i32 ‖ elevation i32
//! ```
//! Integers are big-endian; the key type fixes the key's length, so the parts cannot be shifted against each other.

use alloy_primitives::Address;

use crate::{Digest, KeyError, Position, PublicKey, SecretKey, abi::IRegistry};

/// The bytes that the device's key signs (docs/spec/registry.md). The owner is in them, so that nobody who sees the
/// signature can register the device as theirs; the chain id, so that it counts on one network.
#[must_use]
pub fn registration_message(
    chain_id: u64,
    owner: Address,
    sector: u8,
    key: &PublicKey,
    position: Position,
) -> Vec<u8> {
    let mut message = Vec::with_capacity(96);
    message.extend_from_slice(b"cairn/registration/v1");
    message.extend_from_slice(&chain_id.to_be_bytes());
    message.extend_from_slice(owner.as_slice());
    message.extend_from_slice(&[sector, key.key_type() as u8]);
    message.extend_from_slice(key.as_bytes());
    message.extend_from_slice(&position.lat_e7.to_be_bytes());
    message.extend_from_slice(&position.lon_e7.to_be_bytes());
    message.extend_from_slice(&position.elevation_dm.to_be_bytes());
    message
}

/// The call by which `owner` registers the device of this key, with the proof that the key agrees.
///
/// # Errors
/// When the key does not sign.
pub fn registration_call(
    chain_id: u64,
    owner: Address,
    sector: u8,
    key: &SecretKey,
    position: Position,
) -> Result<IRegistry::registerCall, KeyError> {
    let public = key.public();
    let message = registration_message(chain_id, owner, sector, &public, position);
    let r = IRegistry::Registration {
        sector,
        keyType: public.key_type() as u8,
        publicKey: public.as_bytes().to_vec().into(),
        latE7: position.lat_e7,
        lonE7: position.lon_e7,
        elevationDm: position.elevation_dm,
    };
    Ok(IRegistry::registerCall { r, proof: key.sign(&message)?.0.to_vec().into() })
}

/// The bytes that a validator's consensus key signs to stand for a seat (docs/spec/stake.md):
/// `"cairn/candidacy/v1" ‖ genesis hash ‖ operator 20 ‖ key 32`. No vote of consensus begins with these bytes.
#[must_use]
pub fn candidacy_message(genesis: Digest, operator: Address, key: &[u8; 32]) -> Vec<u8> {
    [b"cairn/candidacy/v1".as_slice(), &genesis.0, operator.as_slice(), key].concat()
}
