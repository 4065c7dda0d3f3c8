//! An account's key: it signs transactions (EIP-1559) and receipts of the market (EIP-712).

use std::{borrow::Cow, fmt};

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxHash, TxKind, U256};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct as _};
use cairn_primitives::{
    Stones,
    abi::{self, IMarket},
};
use k256::ecdsa::SigningKey;

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Zero, or not below the order of the curve.
    #[error("the bytes are no secp256k1 secret key")]
    BadSecret,
    /// The library refused.
    #[error("secp256k1 signing failed")]
    Signing,
    /// A signature from which no account can be recovered.
    #[error("the signature is no signature of an account")]
    BadSignature,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The contract or account; `None` deploys.
    pub to: Option<Address>,
    /// Stones to send, base units.
    pub value: U256,
    /// Call data.
    pub data: Bytes,
}

impl Call {
    /// A call of a contract's function.
    #[must_use]
    pub fn new<C: SolCall>(to: Address, call: &C) -> Self {
        Self { to: Some(to), value: U256::ZERO, data: call.abi_encode().into() }
    }
    /// A plain transfer.
    #[must_use]
    pub fn transfer(to: Address, value: Stones) -> Self {
        Self { to: Some(to), value: U256::from(value.0), data: Bytes::new() }
    }
    /// The same call with stones sent along.
    #[must_use]
    pub fn with_value(mut self, value: Stones) -> Self {
        self.value = U256::from(value.0);
        self
    }
}

/// What a transaction may cost, in base units of STONE per gas; all zero for a system transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// Most that is paid per gas.
    pub max_fee: u128,
    /// Part of it for the proposer.
    pub tip: u128,
}

/// A signed transaction, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    /// EIP-2718 bytes.
    pub raw: Vec<u8>,
    /// Its hash.
    pub hash: TxHash,
}

/// An account's key. `Debug` shows the address only.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    address: Address,
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address)
    }
}

impl Wallet {
    /// The account of a secret key.
    ///
    /// # Errors
    /// When the bytes are no key: zero, or not below the order of the curve.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, WalletError> {
        let key = SigningKey::from_slice(secret).map_err(|_| WalletError::BadSecret)?;
        let address = Address::from_private_key(&key);
        Ok(Self { key, address })
    }

    /// The account.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a 32-byte hash.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign_hash(&self, hash: &B256) -> Result<Signature, WalletError> {
        let (signature, recovery) =
            self.key.sign_prehash_recoverable(hash.as_slice()).map_err(|_| WalletError::Signing)?;
        Ok(Signature::from_signature_and_parity(signature, recovery.is_y_odd()))
    }

    /// Signs an EIP-1559 transaction.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign_transaction(
        &self,
        chain_id: u64,
        nonce: u64,
        gas_limit: u64,
        fees: Fees,
        call: &Call,
    ) -> Result<SignedTransaction, WalletError> {
        let transaction = TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max_fee,
            max_priority_fee_per_gas: fees.tip,
            to: call.to.map_or(TxKind::Create, TxKind::Call),
            value: call.value,
            access_list: alloy_eips::eip2930::AccessList::default(),
            input: call.data.clone(),
        };
        let signature = self.sign_hash(&transaction.signature_hash())?;
        let envelope = TxEnvelope::Eip1559(transaction.into_signed(signature));
        Ok(SignedTransaction { raw: envelope.encoded_2718(), hash: *envelope.tx_hash() })
    }

    /// Signs a receipt of the market: r ‖ s ‖ v with v = 27 or 28.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign_receipt(
        &self,
        chain_id: u64,
        receipt: &IMarket::Receipt,
    ) -> Result<[u8; 65], WalletError> {
        Ok(self.sign_hash(&receipt_digest(chain_id, receipt))?.as_bytes())
    }

    /// The secret, for the key file only.
    pub(crate) fn secret(&self) -> [u8; 32] {
        self.key.to_bytes().into()
    }
}

/// The EIP-712 domain of the market.
#[must_use]
pub const fn market_domain(chain_id: u64) -> Eip712Domain {
    Eip712Domain::new(
        Some(Cow::Borrowed("Cairn")),
        Some(Cow::Borrowed("1")),
        Some(U256::from_limbs([chain_id, 0, 0, 0])),
        Some(abi::MARKET),
        None,
    )
}

/// The EIP-712 hash that a consumer signs.
#[must_use]
pub fn receipt_digest(chain_id: u64, receipt: &IMarket::Receipt) -> B256 {
    receipt.eip712_signing_hash(&market_domain(chain_id))
}

/// The account that signed a receipt.
///
/// # Errors
/// When the bytes are no signature, or one with a high `s` (EIP-2).
pub fn recover_receipt(
    chain_id: u64,
    receipt: &IMarket::Receipt,
    signature: &[u8; 65],
) -> Result<Address, WalletError> {
    let signature = Signature::from_raw_array(signature).map_err(|_| WalletError::BadSignature)?;
    if signature.normalize_s().is_some() {
        return Err(WalletError::BadSignature);
    }
    let digest = receipt_digest(chain_id, receipt);
    signature.recover_address_from_prehash(&digest).map_err(|_| WalletError::BadSignature)
}

#[cfg(test)]
mod tests;
