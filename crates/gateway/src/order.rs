//! A consumer's order: the signature that proves that the lease's consumer, and nobody else, asked this query now.
//!
//! EIP-712 over `Query(uint64 lease,uint64 owed,string sql)` in the market's domain, in the header
//! `authorization: Cairn 0x…`. `owed` is the amount of the last receipt: an order that is replayed after it was paid
//! names the wrong amount, and one that is replayed before gets the same answer again.

use alloy_primitives::{Address, B256, Signature, hex};
use alloy_sol_types::{SolStruct as _, sol};
use cairn_client::{Wallet, WalletError, market_domain};

sol! {
    /// What is signed.
    #[allow(missing_docs, reason = "the fields are named in the module's documentation")]
    struct Query {
        uint64 lease;
        uint64 owed;
        string sql;
    }
}

/// The scheme in the `authorization` header.
const SCHEME: &str = "Cairn ";

fn digest(chain_id: u64, lease: u64, owed: u64, sql: &str) -> B256 {
    let query = Query { lease, owed, sql: sql.to_owned() };
    query.eip712_signing_hash(&market_domain(chain_id))
}

/// The value of the `authorization` header for a query.
///
/// # Errors
/// When the key refuses to sign.
pub fn sign_order(
    wallet: &Wallet,
    chain_id: u64,
    lease: u64,
    owed: u64,
    sql: &str,
) -> Result<String, WalletError> {
    let signature = wallet.sign_hash(&digest(chain_id, lease, owed, sql))?;
    Ok(format!("{SCHEME}{}", hex::encode_prefixed(signature.as_bytes())))
}

/// Who signed a query; `None` when the header holds no signature.
#[must_use]
pub(crate) fn signer(
    header: &str,
    chain_id: u64,
    lease: u64,
    owed: u64,
    sql: &str,
) -> Option<Address> {
    let bytes: [u8; 65] = hex::decode_to_array(header.strip_prefix(SCHEME)?.trim()).ok()?;
    let signature = Signature::from_raw_array(&bytes).ok()?;
    signature.recover_address_from_prehash(&digest(chain_id, lease, owed, sql)).ok()
}
