//! An account or a slot as it travels, in one order: all accounts by address, then all slots by address and slot.
//!
//! The *place* of an entry is its kind and its key; places ascend, so that a page says where the next one begins and nothing can be
//! sent twice.

use alloy_primitives::{Address, B256, U256};
use cairn_ledger::Account;
use commonware_cryptography::sha256::Digest;

use crate::tree;

const ACCOUNT: u8 = 0;
const SLOT: u8 = 1;
/// Bytes of the longest place: kind, address, slot.
pub const PLACE_BYTES_MAX: usize = 53;

/// One entry of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An account.
    Account(Address, Account),
    /// A slot that is not zero.
    Slot(Address, U256, U256),
}

/// Bytes that are no entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entries are malformed, or not in ascending order")]
pub struct EntryError;

impl Entry {
    /// Kind and key.
    #[must_use]
    pub fn place(&self) -> Vec<u8> {
        match self {
            Self::Account(address, _) => Self::account_place(*address),
            Self::Slot(address, slot, _) => Self::slot_place(*address, *slot),
        }
    }

    /// The place of an account.
    #[must_use]
    pub fn account_place(address: Address) -> Vec<u8> {
        [&[ACCOUNT][..], address.as_slice()].concat()
    }

    /// The place of a slot.
    #[must_use]
    pub fn slot_place(address: Address, slot: U256) -> Vec<u8> {
        [&[SLOT][..], address.as_slice(), &slot.to_be_bytes::<32>()].concat()
    }

    /// Appends its bytes: the place, then nonce (8), balance (32) and code hash (32), or the value (32).
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.place());
        match self {
            Self::Account(_, account) => {
                out.extend_from_slice(&account.nonce.to_be_bytes());
                out.extend_from_slice(&account.balance.to_be_bytes::<32>());
                out.extend_from_slice(account.code_hash.as_slice());
            }
            Self::Slot(_, _, value) => out.extend_from_slice(&value.to_be_bytes::<32>()),
        }
    }

    /// Its key and value in the state tree.
    pub(crate) fn in_tree(&self) -> (Digest, Digest) {
        match self {
            Self::Account(address, account) => {
                (tree::account_key(*address), tree::account_value(account))
            }
            Self::Slot(address, slot, value) => {
                (tree::slot_key(*address, *slot), tree::slot_value(*value))
            }
        }
    }
}

/// Cuts `N` bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], EntryError> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(EntryError)?;
    *bytes = rest;
    Ok(*head)
}

/// The entries of a page, whose places ascend from after `after`.
///
/// # Errors
/// When the bytes are anything else.
pub fn read_entries(mut bytes: &[u8], after: &[u8]) -> Result<Vec<Entry>, EntryError> {
    let bytes = &mut bytes;
    let (mut entries, mut before) = (Vec::new(), after.to_vec());
    while !bytes.is_empty() {
        let kind = take::<1>(bytes)?;
        let address = Address::from(take::<20>(bytes)?);
        let entry = match kind {
            [ACCOUNT] => Entry::Account(
                address,
                Account {
                    nonce: u64::from_be_bytes(take(bytes)?),
                    balance: U256::from_be_bytes(take::<32>(bytes)?),
                    code_hash: B256::from(take::<32>(bytes)?),
                },
            ),
            [SLOT] => Entry::Slot(
                address,
                U256::from_be_bytes(take::<32>(bytes)?),
                U256::from_be_bytes(take::<32>(bytes)?),
            ),
            _ => return Err(EntryError),
        };
        let place = entry.place();
        if place <= before {
            return Err(EntryError);
        }
        before = place;
        entries.push(entry);
    }
    Ok(entries)
}
