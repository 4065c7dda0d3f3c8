//! The tables of the store and the byte form of every record (docs/spec/storage-layout.md).
//!
//! All integers are big-endian, so that keys sort by number. A record that does not decode means a damaged file and is an
//! operating error, never a default value.

use alloy_consensus::{Header, ReceiptEnvelope, TxEnvelope, transaction::Recovered};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Decodable;
use cairn_ledger::{Account, Writes};
use redb::TableDefinition;

use super::DiskError;

/// Version of everything in this file; a folder with a higher one is refused.
pub(super) const FORMAT: u32 = 2;

/// In `meta`: format of the store.
pub(super) const FORMAT_KEY: &str = "format";
/// In `meta`: the block whose state was taken from other nodes; older states cannot be read. Missing where every block was executed.
pub(super) const BASE_KEY: &str = "base";
/// In `meta`: the oldest block whose transactions and receipts are here. Missing where all are.
pub(super) const BLOCKS_KEY: &str = "blocks";

type Bytewise = TableDefinition<'static, &'static [u8], &'static [u8]>;
type ByHeight = TableDefinition<'static, u64, &'static [u8]>;
type ByPosition = TableDefinition<'static, (u64, u32), &'static [u8]>;

/// `format` → u32, `genesis` → 32 bytes, and what is said above.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// Address → account at the head.
pub(super) const ACCOUNTS: Bytewise = TableDefinition::new("accounts");
/// Address ++ slot → value at the head; zero is absent.
pub(super) const SLOTS: Bytewise = TableDefinition::new("slots");
/// Code hash → code. Never removed: a past block may need it.
pub(super) const CODES: Bytewise = TableDefinition::new("codes");
/// Height → block hash ++ RLP header.
pub(super) const HEADERS: ByHeight = TableDefinition::new("headers");
/// Block hash → height.
pub(super) const HEIGHTS: TableDefinition<'static, &[u8], u64> = TableDefinition::new("heights");
/// (height, index) → sender ++ EIP-2718 transaction.
pub(super) const TRANSACTIONS: ByPosition = TableDefinition::new("transactions");
/// (height, index) → gas used ++ index of its first log in the block ++ EIP-2718 receipt.
pub(super) const RECEIPTS: ByPosition = TableDefinition::new("receipts");
/// Transaction hash → (height, index).
pub(super) const POSITIONS: TableDefinition<'static, &[u8], (u64, u32)> =
    TableDefinition::new("positions");
/// Height → finality certificate.
pub(super) const CERTIFICATES: ByHeight = TableDefinition::new("certificates");
/// Consensus digest → height, within the window.
pub(super) const DIGESTS: TableDefinition<'static, &[u8], u64> = TableDefinition::new("digests");
/// Height → consensus digest ++ net writes, within the window.
pub(super) const WRITES: ByHeight = TableDefinition::new("writes");
/// Address ++ height → the account before that block changed it; empty = did not exist. Within the window.
pub(super) const ACCOUNT_HISTORY: Bytewise = TableDefinition::new("account_history");
/// Address ++ slot ++ height → the value before that block changed it. Within the window.
pub(super) const SLOT_HISTORY: Bytewise = TableDefinition::new("slot_history");

/// A record that does not have its table's form.
pub(super) const fn damaged(table: &'static str) -> DiskError {
    DiskError::Damaged { table }
}

/// Cuts `N` bytes off the front.
pub(super) fn take<const N: usize>(
    bytes: &mut &[u8],
    table: &'static str,
) -> Result<[u8; N], DiskError> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(damaged(table))?;
    *bytes = rest;
    Ok(*head)
}

pub(super) fn account_to_bytes(account: &Account) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[..8].copy_from_slice(&account.nonce.to_be_bytes());
    bytes[8..40].copy_from_slice(&account.balance.to_be_bytes::<32>());
    bytes[40..].copy_from_slice(account.code_hash.as_slice());
    bytes
}

pub(super) fn account_from_bytes(mut bytes: &[u8]) -> Result<Account, DiskError> {
    let bytes = &mut bytes;
    Ok(Account {
        nonce: u64::from_be_bytes(take(bytes, "accounts")?),
        balance: U256::from_be_bytes(take::<32>(bytes, "accounts")?),
        code_hash: B256::from(take::<32>(bytes, "accounts")?),
    })
}

pub(super) fn slot_key(address: Address, slot: U256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

pub(super) fn account_history_key(address: Address, height: u64) -> [u8; 28] {
    let mut key = [0; 28];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&height.to_be_bytes());
    key
}

pub(super) fn slot_history_key(address: Address, slot: U256, height: u64) -> [u8; 60] {
    let mut key = [0; 60];
    key[..52].copy_from_slice(&slot_key(address, slot));
    key[52..].copy_from_slice(&height.to_be_bytes());
    key
}

pub(super) fn header_to_bytes(hash: B256, header: &Header) -> Vec<u8> {
    let mut bytes = hash.to_vec();
    alloy_rlp::Encodable::encode(header, &mut bytes);
    bytes
}

pub(super) fn header_from_bytes(mut bytes: &[u8]) -> Result<(B256, Header), DiskError> {
    let hash = B256::from(take::<32>(&mut bytes, "headers")?);
    let header = Header::decode(&mut bytes).map_err(|_| damaged("headers"))?;
    Ok((hash, header))
}

pub(super) fn transaction_to_bytes(transaction: &Recovered<TxEnvelope>) -> Vec<u8> {
    let mut bytes = transaction.signer().to_vec();
    transaction.inner().encode_2718(&mut bytes);
    bytes
}

pub(super) fn transaction_from_bytes(mut bytes: &[u8]) -> Result<Recovered<TxEnvelope>, DiskError> {
    let signer = Address::from(take::<20>(&mut bytes, "transactions")?);
    let envelope = TxEnvelope::decode_2718_exact(bytes).map_err(|_| damaged("transactions"))?;
    Ok(Recovered::new_unchecked(envelope, signer))
}

/// A receipt with what the block adds to it.
#[derive(Clone, Debug)]
pub struct StoredReceipt {
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// Position in the block of its first log.
    pub first_log: u32,
    /// Status, cumulative gas and logs.
    pub receipt: ReceiptEnvelope,
}

pub(super) fn receipt_to_bytes(
    gas_used: u64,
    first_log: u32,
    receipt: &ReceiptEnvelope,
) -> Vec<u8> {
    let mut bytes = gas_used.to_be_bytes().to_vec();
    bytes.extend_from_slice(&first_log.to_be_bytes());
    receipt.encode_2718(&mut bytes);
    bytes
}

pub(super) fn receipt_from_bytes(mut bytes: &[u8]) -> Result<StoredReceipt, DiskError> {
    let gas_used = u64::from_be_bytes(take(&mut bytes, "receipts")?);
    let first_log = u32::from_be_bytes(take(&mut bytes, "receipts")?);
    let receipt = ReceiptEnvelope::decode_2718_exact(bytes).map_err(|_| damaged("receipts"))?;
    Ok(StoredReceipt { gas_used, first_log, receipt })
}

/// Digest ++ counts (u32) and records of accounts, slots and codes, in the order of their keys.
pub(super) fn writes_to_bytes(digest: [u8; 32], writes: &Writes) -> Vec<u8> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = digest.to_vec();
    bytes.extend_from_slice(&count(writes.accounts.len()));
    for (address, account) in &writes.accounts {
        bytes.extend_from_slice(address.as_slice());
        bytes.push(account.is_some().into());
        if let Some(account) = account {
            bytes.extend_from_slice(&account_to_bytes(account));
        }
    }
    bytes.extend_from_slice(&count(writes.slots.len()));
    for ((address, slot), value) in &writes.slots {
        bytes.extend_from_slice(&slot_key(*address, *slot));
        bytes.extend_from_slice(&value.to_be_bytes::<32>());
    }
    bytes.extend_from_slice(&count(writes.codes.len()));
    for (hash, code) in &writes.codes {
        bytes.extend_from_slice(hash.as_slice());
        bytes.extend_from_slice(&count(code.len()));
        bytes.extend_from_slice(code);
    }
    bytes
}

pub(super) fn writes_from_bytes(mut bytes: &[u8]) -> Result<([u8; 32], Writes), DiskError> {
    const TABLE: &str = "writes";
    let bytes = &mut bytes;
    let digest = take::<32>(bytes, TABLE)?;
    let mut writes = Writes::default();
    for _ in 0..u32::from_be_bytes(take(bytes, TABLE)?) {
        let address = Address::from(take::<20>(bytes, TABLE)?);
        let account = match take::<1>(bytes, TABLE)? {
            [0] => None,
            _ => Some(account_from_bytes(&take::<72>(bytes, TABLE)?)?),
        };
        writes.accounts.insert(address, account);
    }
    for _ in 0..u32::from_be_bytes(take(bytes, TABLE)?) {
        let address = Address::from(take::<20>(bytes, TABLE)?);
        let slot = U256::from_be_bytes(take::<32>(bytes, TABLE)?);
        writes.slots.insert((address, slot), U256::from_be_bytes(take::<32>(bytes, TABLE)?));
    }
    for _ in 0..u32::from_be_bytes(take(bytes, TABLE)?) {
        let hash = B256::from(take::<32>(bytes, TABLE)?);
        let len = u32::from_be_bytes(take(bytes, TABLE)?);
        let len = usize::try_from(len).map_err(|_| damaged(TABLE))?;
        let (code, rest) = bytes.split_at_checked(len).ok_or(damaged(TABLE))?;
        writes.codes.insert(hash, Bytes::copy_from_slice(code));
        *bytes = rest;
    }
    if bytes.is_empty() { Ok((digest, writes)) } else { Err(damaged(TABLE)) }
}
