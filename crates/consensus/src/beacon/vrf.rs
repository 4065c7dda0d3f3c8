//! A verifiable random function on an Ed25519 key: ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381.
//!
//! One key has exactly one output for one input, whatever its owner does, and the proof shows that it is that one: an Ed25519
//! signature would not do, because its signer chooses among nonces. The *proof* is no more unique than a signature; only the
//! output may be used as randomness.
//!
//! The secret scalar is the key's own, as Ed25519 expands it. Sharing it is sound here because the two nonces are hashes of
//! the same prefix but never of the same message: a proof hashes the 32 bytes of a point, and every message that
//! a consensus key signs begins with the length and the domain of its network, which alone are longer.
//!
//! Invariants: proving takes the same time for all secrets (the input is public, and finding its point is not constant in
//! time); decoding accepts one form of every point and scalar; keys of small order have no valid proof.

use curve25519_dalek::{
    Scalar,
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::clamp_integer,
    traits::IsIdentity as _,
};
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

/// Bytes of a proof: the point Gamma, the challenge, the response.
pub(super) const PROOF_BYTES: usize = 32 + CHALLENGE_BYTES + 32;
/// Bytes of an output.
pub(super) const OUTPUT_BYTES: usize = 64;

const CHALLENGE_BYTES: usize = 16;
/// `suite_string` of the cipher suite.
const SUITE: u8 = 3;

/// The output for `alpha` and the key of `seed`, proven.
pub(super) fn prove(seed: &[u8; 32], alpha: &[u8]) -> [u8; PROOF_BYTES] {
    let expanded = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(seed)));
    let (low, prefix) = expanded.split_at(32);
    let mut secret = Zeroizing::new([0; 32]);
    secret.copy_from_slice(low);
    let x = Scalar::from_bytes_mod_order(clamp_integer(*secret));
    let public = EdwardsPoint::mul_base(&x).compress();

    let h = encode_to_curve(&public, alpha);
    let h_string = h.compress();
    let gamma = h * x;
    let nonce = Sha512::new().chain_update(prefix).chain_update(h_string.as_bytes()).finalize();
    let k = Scalar::from_bytes_mod_order_wide(&nonce.into());
    let gamma_string = gamma.compress();
    let u = EdwardsPoint::mul_base(&k).compress();
    let c_string = challenge([&public, &h_string, &gamma_string, &u, &(h * k).compress()]);
    let s = k + scalar(&c_string) * x;

    let mut proof = [0; PROOF_BYTES];
    proof[..32].copy_from_slice(gamma_string.as_bytes());
    proof[32..48].copy_from_slice(&c_string);
    proof[48..].copy_from_slice(s.as_bytes());
    proof
}

/// The output that `proof` shows for `alpha` and a key; `None` when it shows none.
pub(super) fn verify(
    public: &[u8; 32],
    alpha: &[u8],
    proof: &[u8; PROOF_BYTES],
) -> Option<[u8; OUTPUT_BYTES]> {
    let y = point(public)?;
    if y.is_small_order() {
        return None;
    }
    let (gamma, c_string, s) = decode(proof)?;
    let public = CompressedEdwardsY(*public);
    let h = encode_to_curve(&public, alpha);
    let c = scalar(&c_string);
    let u = EdwardsPoint::vartime_double_scalar_mul_basepoint(&c, &-y, &s);
    let v = h * s - gamma * c;
    let expected =
        challenge([&public, &h.compress(), &gamma.compress(), &u.compress(), &v.compress()]);
    (expected == c_string).then(|| output_of(&gamma))
}

/// The output of a proof that was checked when it was accepted; `None` when the bytes are no proof.
pub(super) fn output(proof: &[u8; PROOF_BYTES]) -> Option<[u8; OUTPUT_BYTES]> {
    decode(proof).map(|(gamma, _, _)| output_of(&gamma))
}

/// Multiplying by the cofactor is what makes the output unique: a key's owner could add a point of small order to Gamma.
fn output_of(gamma: &EdwardsPoint) -> [u8; OUTPUT_BYTES] {
    let point = gamma.mul_by_cofactor().compress();
    Sha512::new()
        .chain_update([SUITE, 3])
        .chain_update(point.as_bytes())
        .chain_update([0])
        .finalize()
        .into()
}

fn decode(proof: &[u8; PROOF_BYTES]) -> Option<(EdwardsPoint, [u8; CHALLENGE_BYTES], Scalar)> {
    let gamma = point(proof[..32].try_into().ok()?)?;
    let challenge = proof[32..48].try_into().ok()?;
    let s = Scalar::from_canonical_bytes(proof[48..].try_into().ok()?).into_option()?;
    Some((gamma, challenge, s))
}

/// The point with these bytes, in its one form: RFC 8032 has no other, the library reads some.
fn point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let point = CompressedEdwardsY(*bytes).decompress()?;
    (point.compress().as_bytes() == bytes).then_some(point)
}

/// `ECVRF_encode_to_curve_try_and_increment`, salted with the key. Half of all strings are points, so 256 tries fail once
/// in 2^256 inputs.
fn encode_to_curve(public: &CompressedEdwardsY, alpha: &[u8]) -> EdwardsPoint {
    let prefix =
        Sha512::new().chain_update([SUITE, 1]).chain_update(public.as_bytes()).chain_update(alpha);
    let candidate = |counter: u8| {
        let hash: [u8; 64] = prefix.clone().chain_update([counter, 0]).finalize().into();
        let point = point(hash[..32].try_into().ok()?)?.mul_by_cofactor();
        (!point.is_identity()).then_some(point)
    };
    (0..=u8::MAX).find_map(candidate).expect("one of 256 hashes is a point")
}

/// `ECVRF_challenge_generation`.
fn challenge(points: [&CompressedEdwardsY; 5]) -> [u8; CHALLENGE_BYTES] {
    let mut hash = Sha512::new().chain_update([SUITE, 2]);
    for point in points {
        hash.update(point.as_bytes());
    }
    let hash: [u8; 64] = hash.chain_update([0]).finalize().into();
    let mut challenge = [0; CHALLENGE_BYTES];
    challenge.copy_from_slice(&hash[..CHALLENGE_BYTES]);
    challenge
}

fn scalar(challenge: &[u8; CHALLENGE_BYTES]) -> Scalar {
    Scalar::from(u128::from_le_bytes(*challenge))
}

#[cfg(test)]
mod tests;
