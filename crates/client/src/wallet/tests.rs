//! Vectors of the EIPs and of other implementations.

use alloy_consensus::{TxLegacy, transaction::SignerRecoverable as _};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::{address, b256, hex, keccak256};

use super::*;

fn receipt() -> IMarket::Receipt {
    IMarket::Receipt { lease: 1, units: 1_000, amount: 50_000, shares: B256::repeat_byte(7) }
}

/// The example of EIP-155: key 0x46…46, nonce 9, 20 gwei, 1 ether, chain 1.
#[test]
fn eip155_vector() {
    let wallet = Wallet::from_secret(&[0x46; 32]).unwrap();
    assert_eq!(wallet.address(), address!("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"));
    let transaction = TxLegacy {
        chain_id: Some(1),
        nonce: 9,
        gas_price: 20_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(address!("0x3535353535353535353535353535353535353535")),
        value: U256::from(1_000_000_000_000_000_000_u64),
        input: Bytes::new(),
    };
    let hash = transaction.signature_hash();
    assert_eq!(hash, b256!("0xdaf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"));
    let signature = wallet.sign_hash(&hash).unwrap();
    let mut raw = Vec::new();
    TxEnvelope::Legacy(transaction.into_signed(signature)).encode_2718(&mut raw);
    assert_eq!(
        hex::encode(raw),
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a7640000\
         8025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276\
         a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    );
}

#[test]
fn eip1559_transactions_decode_to_what_was_signed() {
    let wallet = Wallet::from_secret(&[0x46; 32]).unwrap();
    let call = Call::transfer(Address::repeat_byte(0x35), Stones(7));
    for fees in [Fees { max_fee: 30, tip: 2 }, Fees::default()] {
        let signed = wallet.sign_transaction(1_337, 3, 21_000, fees, &call).unwrap();
        assert_eq!(signed.raw[0], 2, "type 2");
        assert_eq!(signed.hash, keccak256(&signed.raw));
        let decoded = TxEnvelope::decode_2718(&mut signed.raw.as_slice()).unwrap();
        assert_eq!(decoded.recover_signer().unwrap(), wallet.address());
        let transaction = decoded.as_eip1559().unwrap().tx();
        assert_eq!((transaction.chain_id, transaction.nonce), (1_337, 3));
        assert_eq!(
            (transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas),
            (fees.max_fee, fees.tip)
        );
    }
}

/// The type and domain hashes, written out by hand from EIP-712.
#[test]
fn eip712_receipt_digest() {
    let receipt = receipt();
    let type_hash = keccak256("Receipt(uint64 lease,uint64 units,uint64 amount,bytes32 shares)");
    let word = |n: u64| U256::from(n).to_be_bytes::<32>();
    let fields = [type_hash.0, word(1), word(1_000), word(50_000), receipt.shares.0].concat();
    let domain_type = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
    );
    let domain = [
        domain_type.0,
        keccak256("Cairn").0,
        keccak256("1").0,
        word(1_337),
        abi::MARKET.into_word().0,
    ]
    .concat();
    let expected = keccak256(
        [&[0x19, 0x01], keccak256(domain).as_slice(), keccak256(fields).as_slice()].concat(),
    );
    assert_eq!(receipt_digest(1_337, &receipt), expected);
}

/// The example of EIP-712 ("Ether Mail", key keccak256("cow")): this key signs that digest as published.
#[test]
fn eip712_mail_vector() {
    let wallet = Wallet::from_secret(&keccak256("cow")).unwrap();
    assert_eq!(wallet.address(), address!("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"));
    let digest = b256!("0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    let signature = wallet.sign_hash(&digest).unwrap();
    assert_eq!(
        hex::encode(signature.as_bytes()),
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d\
         07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c"
    );
}

#[test]
fn receipts_recover_their_signer_on_their_chain_only() {
    let wallet = Wallet::from_secret(&[9; 32]).unwrap();
    let signature = wallet.sign_receipt(1_337, &receipt()).unwrap();
    assert_eq!(recover_receipt(1_337, &receipt(), &signature), Ok(wallet.address()));
    assert_ne!(recover_receipt(1_338, &receipt(), &signature), Ok(wallet.address()));
    let raised = IMarket::Receipt { amount: 50_001, ..receipt() };
    assert_ne!(recover_receipt(1_337, &raised, &signature), Ok(wallet.address()));
    assert_eq!(recover_receipt(1_337, &receipt(), &[0xff; 65]), Err(WalletError::BadSignature));
}

#[test]
fn debug_hides_the_secret() {
    let wallet = Wallet::from_secret(&[0x46; 32]).unwrap();
    assert_eq!(format!("{wallet:?}"), "Wallet(0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F)");
    assert_eq!(Wallet::from_secret(&[0; 32]).unwrap_err(), WalletError::BadSecret);
}
