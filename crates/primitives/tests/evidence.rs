//! Properties of what evidence is made of: one encoding per batch, decoding that never panics, proofs that hold.

use cairn_primitives::{
    Anchor, Batch, DeviceId, Digest, Envelope, Epoch, KeyType, MerkleTree, Position, PublicKey,
    Rows, SecretKey, Seq, Stream, TimeMs, WEATHER, leaf_hash, verify_proof,
};
use proptest::prelude::*;

fn batch() -> impl Strategy<Value = Batch> {
    let width = WEATHER.fields.len();
    let row = (1_u32..10_000, proptest::collection::vec(proptest::option::of(any::<i32>()), width));
    let place = proptest::option::of((any::<i32>(), any::<i32>(), any::<i32>()));
    let numbers = (
        any::<[u8; 16]>(),
        any::<u16>(),
        0..u64::MAX / 2,
        0..u64::MAX / 2,
        any::<u64>(),
        any::<[u8; 8]>(),
    );
    (numbers, place, proptest::collection::vec(row, 1..20)).prop_map(|(n, place, rows)| {
        let mut offset = 0;
        let offsets_ms = rows
            .iter()
            .map(|(step, _)| {
                offset += step;
                offset
            })
            .collect();
        Batch {
            device: DeviceId(n.0),
            stream: Stream(n.1),
            first_seq: Seq(n.2),
            base_time: TimeMs(n.3),
            anchor: Anchor { epoch: Epoch(n.4), root_prefix: n.5 },
            position: place.map(|(lat_e7, lon_e7, elevation_dm)| Position {
                lat_e7,
                lon_e7,
                elevation_dm,
            }),
            schema: WEATHER.id,
            rows: Rows {
                offsets_ms,
                values: rows.into_iter().flat_map(|(_, values)| values).collect(),
            },
        }
    })
}

proptest! {
    #[test]
    fn an_envelope_has_one_encoding(batch in batch(), seed in any::<[u8; 32]>()) {
        let key = SecretKey::ed25519(seed);
        let signed = Envelope::sign(batch.clone(), &key).expect("Ed25519 always signs");
        let read = Envelope::decode(signed.bytes()).expect("what was written");
        prop_assert_eq!(&read, &signed);
        prop_assert!(read.verify(&key.public()));
        prop_assert!(!read.verify(&SecretKey::ed25519([9; 32]).public()));
        prop_assert_eq!(Envelope::assemble(batch, KeyType::Ed25519, *signed.signature()), signed);
    }

    #[test]
    fn a_changed_byte_is_refused_or_fails_its_signature(batch in batch(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let key = SecretKey::ed25519([1; 32]);
        let signed = Envelope::sign(batch, &key).expect("signs");
        let mut bytes = signed.bytes().to_vec();
        bytes[at.index(signed.bytes().len())] ^= 1 << bit;
        if let Ok(read) = Envelope::decode(&bytes) {
            prop_assert!(read.bytes() == bytes && !read.verify(&key.public()));
        }
    }

    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Envelope::decode(&bytes);
        let _ = PublicKey::from_bytes(KeyType::Ed25519, &bytes);
        let _ = PublicKey::from_bytes(KeyType::P256, &bytes);
    }

    #[test]
    fn each_leaf_proves_itself_and_no_other(count in 1_usize..70, other in any::<prop::sample::Index>()) {
        let leaves: Vec<Vec<u8>> = (0..count).map(|i| vec![u8::try_from(i).expect("small")]).collect();
        let tree = MerkleTree::new(leaves.iter().map(Vec::as_slice));
        for (i, leaf) in leaves.iter().enumerate() {
            let mut proof = tree.proof(i).expect("a leaf");
            let hash = leaf_hash(leaf);
            prop_assert!(verify_proof(&tree.root(), &hash, &proof));
            let wrong = &leaves[other.index(count)];
            prop_assert!(wrong == leaf || !verify_proof(&tree.root(), &leaf_hash(wrong), &proof));
            proof.siblings.push(Digest::ZERO);
            prop_assert!(!verify_proof(&tree.root(), &hash, &proof));
        }
        prop_assert!(tree.proof(count).is_none());
    }
}

#[test]
fn p256_signs_and_verifies() {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
    };
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .expect("a key");
    let key = SecretKey::p256_pkcs8(pkcs8.as_ref()).expect("a key");
    let public = key.public();
    assert_eq!(PublicKey::from_bytes(KeyType::P256, public.as_bytes()), Ok(public.clone()));
    assert!(public.verify(b"evidence", &key.sign(b"evidence").expect("signs")));
    assert!(!public.verify(b"evidence", &key.sign(b"another").expect("signs")));
}

#[test]
fn golden_bytes() {
    let batch = Batch {
        device: DeviceId([0x11; 16]),
        stream: Stream(0),
        first_seq: Seq(1),
        base_time: TimeMs(1_357_020_000_000),
        anchor: Anchor { epoch: Epoch(0), root_prefix: [0x22; 8] },
        position: None,
        schema: WEATHER.id,
        rows: Rows {
            offsets_ms: vec![0],
            values: vec![Some(390), Some(-1), None, Some(0), Some(101_200), None, None],
        },
    };
    assert_eq!(
        hex::encode(batch.to_bytes()),
        concat!(
            "8901501111111111111111111111111111111100011b0000013bf4b1ef00",
            "8200482222222222222222f60181880019018620f6001a00018b50f6f6"
        )
    );
    assert_eq!(MerkleTree::new([]).root(), Digest::ZERO);
    let three = MerkleTree::new([b"a".as_slice(), b"b", b"c"]);
    assert_eq!(
        three.root().to_string(),
        "0x36642e73c2540ab121e3a6bf9545b0a24982cd830eb13d3cd19de3ce6c021ec1"
    );
}
