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

#[cfg(test)]
mod tests {
    use cairn_primitives::{KeyType, PublicKey, SecretKey, Signature};
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

    use super::*;

    #[test]
    fn what_consensus_accepts_is_accepted() {
        let secret = SecretKey::ed25519([3; 32]);
        let public: [u8; 32] = secret.public().as_bytes().try_into().expect("32 bytes");
        let plain = secret.sign(b"a vote").expect("signs").0;
        assert!(verify(&public, b"a vote", &plain) && !verify(&public, b"another", &plain));

        // The same key, with a point of small order added to R: the equation holds with the cofactor alone.
        let mut scalar: [u8; 32] = Sha512::digest([3; 32])[..32].try_into().expect("32 bytes");
        scalar[0] &= 248;
        scalar[31] = scalar[31] & 127 | 64;
        let (scalar, nonce) = (Scalar::from_bytes_mod_order(scalar), Scalar::from(77_u64));
        let r = (ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[1]).compress().0;
        let hash = Sha512::new().chain_update(r).chain_update(public).chain_update(b"a vote");
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let mut odd = [0; 64];
        odd[..32].copy_from_slice(&r);
        odd[32..].copy_from_slice((nonce + k * scalar).as_bytes());
        assert!(verify(&public, b"a vote", &odd));
        let strict = PublicKey::from_bytes(KeyType::Ed25519, &public).expect("a key");
        assert!(!strict.verify(b"a vote", &Signature(odd)), "the rules of devices refuse it");
    }
}
