//! The vectors of RFC 9381, appendix B.3, and what a proof must not be.

use std::time::Instant;

use super::*;

struct Vector {
    secret: &'static str,
    public: &'static str,
    alpha: &'static str,
    proof: &'static str,
    output: &'static str,
}

/// Examples 16, 17 and 18.
const VECTORS: [Vector; 3] = [
    Vector {
        secret: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        public: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        alpha: "",
        proof: "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f\
                26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab12\
                68a1b0db10836d9826a528ca76567805",
        output: "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff\
                 66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    },
    Vector {
        secret: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        public: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        alpha: "72",
        proof: "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed593\
                3bf0864a62558b3ed7f2fea45c92a465301b3bbf5e3e54ddf2d935be3b67926d\
                a3ef39226bbc355bdc9850112c8f4b02",
        output: "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb\
                 5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    },
    Vector {
        secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        public: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        alpha: "af82",
        proof: "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf80\
                96bb474e53895c362d8628ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a\
                2d41b00b05081ed0f58ee5e31b3a970e",
        output: "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45\
                 2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    },
];

fn bytes(hex: &str) -> Vec<u8> {
    alloy_primitives::hex::decode(hex).unwrap()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().unwrap()
}

fn public_of(seed: [u8; 32]) -> [u8; 32] {
    let low = Sha512::digest(seed)[..32].try_into().unwrap();
    EdwardsPoint::mul_base_clamped(low).compress().to_bytes()
}

#[test]
fn the_vectors_of_the_rfc() {
    for vector in &VECTORS {
        let (public, alpha) = (array(vector.public), bytes(vector.alpha));
        let proof = prove(&array(vector.secret), &alpha);
        assert_eq!(proof, array(vector.proof));
        assert_eq!(verify(&public, &alpha, &proof), Some(array(vector.output)));
        assert_eq!(output(&proof), Some(array(vector.output)));
    }
}

#[test]
fn one_changed_bit_proves_nothing() {
    let seed = [7; 32];
    let proof = prove(&seed, b"turn 9");
    let public = public_of(seed);
    assert!(verify(&public, b"turn 9", &proof).is_some());
    assert!(verify(&public, b"turn 8", &proof).is_none(), "another input");
    for bit in 0..PROOF_BYTES * 8 {
        let mut other = proof;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&public, b"turn 9", &other).is_none(), "bit {bit} of the proof");
    }
    for bit in 0..256 {
        let mut other = public;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&other, b"turn 9", &proof).is_none(), "bit {bit} of the key");
    }
}

/// Points of order 1, 2, 4 and 8, in the one form and in another that the library would read.
#[test]
fn keys_of_small_order_and_second_forms_are_refused() {
    let proof = prove(&[7; 32], b"");
    for torsion in curve25519_dalek::constants::EIGHT_TORSION {
        let public = torsion.compress().to_bytes();
        assert!(verify(&public, b"", &proof).is_none());
        // Gamma = identity, c and s = 0: what a key of order 1 would sign everything with.
        let mut trivial = [0; PROOF_BYTES];
        trivial[..32].copy_from_slice(&public);
        assert!(verify(&public, b"", &trivial).is_none());
    }
    // y = p + 1, which is 1 once more.
    let mut second_form = [0xff; 32];
    (second_form[0], second_form[31]) = (0xee, 0x7f);
    assert!(CompressedEdwardsY(second_form).decompress().is_some());
    assert!(point(&second_form).is_none());
    let mut large = proof;
    // s + q, below 2^256.
    let q = array::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, add) in large[48..].iter_mut().zip(q) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = u8::try_from(carry & 0xff).unwrap();
        carry >>= 8;
    }
    assert!(output(&proof).is_some() && output(&large).is_none(), "a response above the order");
}

/// A key's owner may add a point of small order to Gamma and still prove it; the output stays.
#[test]
fn torsion_does_not_change_the_output() {
    let gamma = point(prove(&[9; 32], b"x")[..32].try_into().unwrap()).unwrap();
    for torsion in curve25519_dalek::constants::EIGHT_TORSION {
        assert_eq!(output_of(&(gamma + torsion)), output_of(&gamma));
    }
}

/// Prints the least that each step takes.
#[test]
fn what_it_costs() {
    fn least<T>(mut step: impl FnMut(u8) -> T) -> std::time::Duration {
        let time = |alpha| {
            let start = Instant::now();
            std::hint::black_box(step(alpha));
            start.elapsed()
        };
        (0..64).map(time).min().unwrap()
    }
    let (seed, public) = ([7; 32], public_of([7; 32]));
    let proofs: Vec<_> = (0..64_u8).map(|alpha| prove(&seed, &[alpha])).collect();
    let proof = |alpha: u8| &proofs[usize::from(alpha)];
    let proving = least(|alpha| prove(&seed, &[alpha]));
    let verifying = least(|alpha| verify(&public, &[alpha], proof(alpha)).unwrap());
    let hashing = least(|alpha| output(proof(alpha)).unwrap());
    println!("vrf: prove {proving:?}, verify {verifying:?}, output of a checked proof {hashing:?}");
}
