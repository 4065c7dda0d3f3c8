//! Every refusal of a transaction's bytes, and real signatures.

use alloy_consensus::{
    SignableTransaction as _, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip7702,
    TxEnvelope, TxLegacy, transaction::Recovered,
};
use alloy_eips::{
    eip2718::Encodable2718 as _,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Signature, TxKind, U256, keccak256};
use k256::ecdsa::SigningKey;
use proptest::prelude::*;

use super::{Kind, TxError, Voters, decode_transaction};
use crate::{
    Memory,
    fixture::{BOB, genesis},
    params::TX_BYTES_MAX,
};

/// The checks on a state in which nobody is known.
fn precheck(
    genesis: &cairn_primitives::Genesis,
    base_fee: u64,
    transaction: &Recovered<TxEnvelope>,
) -> Result<Kind, TxError> {
    let (state, genesis) = (Memory::default(), std::sync::Arc::new(genesis.clone()));
    let voters = Voters { state: &state, genesis: &genesis, height: 1 };
    super::precheck(&voters, base_fee, transaction).expect("memory")
}

fn signer() -> (SigningKey, Address) {
    let key = SigningKey::from_bytes(&[5; 32].into()).expect("a key");
    let point = key.verifying_key().to_encoded_point(false);
    let hash = keccak256(&point.as_bytes()[1..]);
    (key, Address::from_slice(&hash[12..]))
}

fn sign(hash: B256) -> Signature {
    let (signature, parity) = signer().0.sign_prehash_recoverable(hash.as_slice()).expect("signs");
    Signature::from_signature_and_parity(signature, parity.is_y_odd())
}

fn eip1559() -> TxEip1559 {
    TxEip1559 {
        chain_id: 7_777,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        to: TxKind::Call(BOB),
        value: U256::from(1),
        ..Default::default()
    }
}

fn encoded(tx: TxEnvelope) -> Vec<u8> {
    tx.encoded_2718()
}

fn signed_1559(tx: TxEip1559) -> TxEnvelope {
    let signature = sign(tx.signature_hash());
    tx.into_signed(signature).into()
}

#[test]
fn the_three_kinds_are_accepted() {
    let legacy = TxLegacy {
        chain_id: Some(7_777),
        gas_limit: 21_000,
        gas_price: 2_000_000_000,
        to: TxKind::Call(BOB),
        ..Default::default()
    };
    let eip2930 = TxEip2930 {
        chain_id: 7_777,
        gas_limit: 25_000,
        gas_price: 2_000_000_000,
        to: TxKind::Call(BOB),
        ..Default::default()
    };
    let (a, b) = (sign(legacy.signature_hash()), sign(eip2930.signature_hash()));
    for tx in [legacy.into_signed(a).into(), eip2930.into_signed(b).into(), signed_1559(eip1559())]
    {
        let recovered = decode_transaction(&encoded(tx)).expect("decodes");
        assert_eq!(recovered.signer(), signer().1);
        assert_eq!(precheck(&genesis(), 1_000_000_000, &recovered), Ok(super::Kind::Paying));
    }
}

fn set_code(authorizations: usize) -> TxEip7702 {
    let authorization = SignedAuthorization::new_unchecked(
        Authorization { chain_id: U256::from(7_777), address: BOB, nonce: 0 },
        0,
        U256::from(1),
        U256::from(1),
    );
    TxEip7702 {
        chain_id: 7_777,
        gas_limit: 100_000,
        max_fee_per_gas: 2_000_000_000,
        to: BOB,
        authorization_list: vec![authorization; authorizations],
        ..Default::default()
    }
}

#[test]
fn set_code_transactions_are_accepted_with_an_authorization() {
    for (authorizations, expected) in
        [(1, Ok(super::Kind::Paying)), (0, Err(TxError::NoAuthorizations))]
    {
        let tx = set_code(authorizations);
        let signature = sign(tx.signature_hash());
        let bytes = encoded(tx.into_signed(signature).into());
        assert_eq!(bytes[0], 4);
        let recovered = decode_transaction(&bytes).expect("decodes");
        assert_eq!(recovered.signer(), signer().1);
        assert_eq!(precheck(&genesis(), 1_000_000_000, &recovered), expected);
    }
    assert_eq!(TxError::NoAuthorizations.code(), 21);
}

/// A blob transaction, whole and well signed, is refused by its number before anything of it is parsed.
#[test]
fn blob_transactions_are_refused() {
    let tx = TxEip4844 {
        chain_id: 7_777,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_fee_per_blob_gas: 1,
        blob_versioned_hashes: vec![B256::with_last_byte(1)],
        ..Default::default()
    };
    let signature = sign(tx.signature_hash());
    let signed: Signed<TxEip4844Variant> = TxEip4844Variant::TxEip4844(tx).into_signed(signature);
    let bytes = encoded(signed.clone().into());
    let error = decode_transaction(&bytes).expect_err("refused");
    assert_eq!((error.code(), &error), (3, &TxError::Blob));
    assert!(!error.may_wait());
    let recovered = Recovered::new_unchecked(TxEnvelope::from(signed), signer().1);
    assert_eq!(precheck(&genesis(), 1_000_000_000, &recovered), Err(TxError::Blob));
}

#[test]
fn refused_bytes() {
    let good = encoded(signed_1559(eip1559()));
    let high_s = {
        let signature = sign(eip1559().signature_hash());
        let order = U256::from_be_slice(&alloy_primitives::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let flipped = Signature::new(signature.r(), order - signature.s(), !signature.v());
        encoded(Signed::new_unhashed(eip1559(), flipped).into())
    };
    let zero_r = encoded(
        Signed::new_unhashed(eip1559(), Signature::new(U256::ZERO, U256::from(1), false)).into(),
    );
    let cases: [(u16, Vec<u8>); 9] = [
        (1, vec![2; TX_BYTES_MAX + 1]),
        (2, Vec::new()),
        (2, vec![0xff; 40]),
        (2, good[..good.len() - 1].to_vec()),
        (2, [good.clone(), vec![0]].concat()),
        (3, [vec![3], good[1..].to_vec()].concat()),
        // The fields of an EIP-1559 transaction are none of an EIP-7702 one.
        (2, [vec![4], good[1..].to_vec()].concat()),
        (7, high_s),
        (7, zero_r),
    ];
    for (code, bytes) in cases {
        let error = decode_transaction(&bytes).expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
    }
    decode_transaction(&good).expect("the unchanged one decodes");
}

#[test]
fn refused_values() {
    let check = |change: fn(&mut TxEip1559)| {
        let mut tx = eip1559();
        change(&mut tx);
        let recovered = decode_transaction(&encoded(signed_1559(tx))).expect("decodes");
        precheck(&genesis(), 1_000_000_000, &recovered).expect_err("refused").code()
    };
    assert_eq!(check(|tx| tx.chain_id = 1), TxError::WrongChain { got: 1, expected: 7_777 }.code());
    assert_eq!(check(|tx| tx.gas_limit = (1 << 24) + 1), 8);
    assert_eq!(check(|tx| tx.max_priority_fee_per_gas = 3_000_000_000), 10);
    assert_eq!(check(|tx| tx.max_fee_per_gas = 999_999_999), 11);

    let legacy = TxLegacy {
        gas_limit: 21_000,
        gas_price: 2_000_000_000,
        to: TxKind::Call(BOB),
        ..Default::default()
    };
    let signature = sign(legacy.signature_hash());
    let recovered =
        decode_transaction(&encoded(legacy.into_signed(signature).into())).expect("decodes");
    assert_eq!(precheck(&genesis(), 0, &recovered), Err(TxError::NoChainId));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0..5u8) {
        let _ = decode_transaction(&bytes);
        let _ = decode_transaction(&[vec![kind], bytes].concat());
    }

    #[test]
    fn a_changed_byte_is_another_sender_or_none(at in 0..100usize, flip in 1..=255u8) {
        let mut bytes = encoded(signed_1559(eip1559()));
        let at = at % bytes.len();
        bytes[at] ^= flip;
        prop_assert!(decode_transaction(&bytes).map_or(true, |tx| tx.signer() != signer().1));
    }
}
