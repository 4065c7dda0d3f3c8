//! Ed25519 by the rules of ZIP-215, which are those of consensus: whatever a validator's peers accept is accepted here.
//!
//! The rules of device keys (`cairn_primitives::PublicKey`) are stricter and would let one faulty validator make
//! certificates that consensus accepts and light clients refuse.

use cairn_primitives::Digest;
use curve25519_dalek::{
    Scalar,
    edwards::{CompressedEdwardsY, EdwardsPoint},
    traits::IsIdentity as _,
};
use sha2::{Digest as _, Sha512};

/// A validator's key: any encoding of a point.
pub(super) struct Key {
    bytes: [u8; 32],
    minus: EdwardsPoint,
}

impl Key {
    /// The key with these bytes; `None` when they are no point.
    pub(super) fn new(bytes: &[u8; 32]) -> Option<Self> {
        let point = CompressedEdwardsY(*bytes).decompress()?;
        Some(Self { bytes: *bytes, minus: -point })
    }

    /// Whether `signature` over `message` is by this key.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&signature[..32]);
        s.copy_from_slice(&signature[32..]);
        let Some(point) = CompressedEdwardsY(r).decompress() else { return false };
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else {
            return false;
        };
        let hash = Sha512::new().chain_update(r).chain_update(self.bytes).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &self.minus, &s);
        (point - expected).mul_by_cofactor().is_identity()
    }
}

/// SHA-256 of the parts, one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Digest::of(parts).0
}
