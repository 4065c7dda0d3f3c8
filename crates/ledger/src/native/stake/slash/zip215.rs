//! Ed25519 by the rules of ZIP-215, which are those of consensus.
//!
//! The rules of device keys are stricter: a validator could sign so that its peers count both of its votes and the ledger
//! takes neither for a proof (ADR 16).

use curve25519_dalek::{
    Scalar,
    edwards::{CompressedEdwardsY, EdwardsPoint},
    traits::IsIdentity as _,
};
use sha2::{Digest as _, Sha512};

/// Whether `signature` over `message` is by `key`.
pub(super) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..]);
    let Some(public) = CompressedEdwardsY(*key).decompress() else { return false };
    let Some(point) = CompressedEdwardsY(r).decompress() else { return false };
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(message);
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-public, &s);
    (point - expected).mul_by_cofactor().is_identity()
}
