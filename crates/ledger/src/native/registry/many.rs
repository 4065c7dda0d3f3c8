//! Registering a fleet in one call: one transaction, one signature and one base price for up to 128 devices.
//!
//! The lists are flat: an ABI with nested arrays lets a few bytes of call data stand for megabytes.

use alloy_primitives::{Bytes, FixedBytes, U256};
use cairn_primitives::{KeyType, Stones, abi::IRegistry};

use super::{REGISTER_MAX, admit};
use crate::native::{Ctx, Res, out_of_range, revert};

/// Bytes of a proof of possession.
const PROOF_BYTES: usize = 64;

/// See `IRegistry.registerMany`. All devices are registered, or the first that is refused undoes the call.
pub(super) fn register_many(
    c: &mut Ctx<'_>,
    q: &IRegistry::registerManyCall,
) -> Res<Vec<FixedBytes<16>>> {
    let count = q.latE7.len();
    if count == 0 || count > REGISTER_MAX {
        return out_of_range("latE7", U256::from(count), U256::from(REGISTER_MAX));
    }
    let Some(key_bytes) = key_bytes(q.keyType) else {
        let length = U256::from(q.publicKeys.len());
        return revert(IRegistry::BadKey { keyType: q.keyType, length });
    };
    let lengths = [
        ("lonE7", q.lonE7.len(), count),
        ("elevationDm", q.elevationDm.len(), count),
        ("publicKeys", q.publicKeys.len(), count * key_bytes),
        ("proofs", q.proofs.len(), count * PROOF_BYTES),
    ];
    for (field, got, wanted) in lengths {
        if got != wanted {
            return out_of_range(field, U256::from(got), U256::from(wanted));
        }
    }
    let bond = equal_part(c, count)?;
    let keys = q.publicKeys.chunks_exact(key_bytes);
    let places = q.latE7.iter().zip(&q.lonE7).zip(&q.elevationDm);
    let mut ids = Vec::with_capacity(count);
    for ((key, ((&lat, &lon), &elevation)), proof) in
        keys.zip(places).zip(q.proofs.chunks_exact(PROOF_BYTES))
    {
        let registration = IRegistry::Registration {
            sector: q.sector,
            keyType: q.keyType,
            publicKey: Bytes::copy_from_slice(key),
            latE7: lat,
            lonE7: lon,
            elevationDm: elevation,
        };
        ids.push(admit(c, &registration, proof, bond)?);
    }
    Ok(ids)
}

/// What was sent, divided without a rest.
fn equal_part(c: &Ctx<'_>, count: usize) -> Res<Stones> {
    let (sent, count) = (c.value().0, count as u128);
    let part = sent / count;
    if part * count != sent {
        return out_of_range("value", U256::from(sent), U256::from(part * count));
    }
    Ok(Stones(part))
}

fn key_bytes(key_type: u8) -> Option<usize> {
    match KeyType::from_u8(key_type) {
        Ok(KeyType::Ed25519) => Some(32),
        Ok(KeyType::P256) => Some(33),
        Err(_) => None,
    }
}
