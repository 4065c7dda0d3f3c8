//! The state after one block, page by page in the order of places: what state sync gives to other nodes.
//!
//! The state of a past block is the head's with what was replaced since, so a page is the same on every node that can still read that
//! block, and whoever asks may go from one node to another.

use std::{iter::Peekable, ops::Bound};

use alloy_primitives::{Address, U256};
use cairn_consensus::Entry;

use super::{DiskError, Snapshot, tables::damaged};

/// Keys that cannot be: longer than any of a table, above all that begin with it.
const LAST: [u8; 64] = [0xff; 64];

type Bytewise = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The keys of a table above `after`, each cut to `length` bytes; a key may come more than once.
fn keys<'a>(
    table: &'a Bytewise,
    after: &[u8],
    length: usize,
) -> Result<impl Iterator<Item = Result<Vec<u8>, DiskError>> + 'a, DiskError> {
    // A history key goes on behind the key: everything that begins with `after` is skipped.
    let mut first = after.to_vec();
    if !after.is_empty() {
        first.resize(LAST.len(), 0xff);
    }
    let range = table.range::<&[u8]>((Bound::Excluded(&first[..]), Bound::Included(&LAST[..])))?;
    Ok(range.map(move |entry| {
        let key = entry?.0.value().get(..length).ok_or(damaged("history"))?.to_vec();
        Ok(key)
    }))
}

/// The smaller of two next keys, taken from both.
fn next<A, B>(one: &mut Peekable<A>, other: &mut Peekable<B>) -> Option<Result<Vec<u8>, DiskError>>
where
    A: Iterator<Item = Result<Vec<u8>, DiskError>>,
    B: Iterator<Item = Result<Vec<u8>, DiskError>>,
{
    let from_one = match (one.peek(), other.peek()) {
        (None, None) => return None,
        (Some(Err(_)) | Some(_), None) | (Some(Err(_)), _) => true,
        (None, Some(_)) | (_, Some(Err(_))) => false,
        (Some(Ok(a)), Some(Ok(b))) => a <= b,
    };
    let key = match if from_one { one.next() } else { other.next() }? {
        Ok(key) => key,
        Err(error) => return Some(Err(error)),
    };
    while one.next_if(|next| matches!(next, Ok(again) if *again == key)).is_some() {}
    while other.next_if(|next| matches!(next, Ok(again) if *again == key)).is_some() {}
    Some(Ok(key))
}

impl Snapshot {
    /// The entries after the place `after` of the state after block `height`: bytes of `Entry::put`, ending with the entry that brings
    /// them to `bytes_max`. None when there are no more.
    ///
    /// # Errors
    /// `DiskError::StatePruned` below the window, `DiskError::UnknownBlock` above the head.
    pub fn entries(
        &self,
        height: u64,
        after: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<u8>, DiskError> {
        let state = self.at(height)?;
        let mut out = Vec::new();
        let (kind, key) = after.split_first().map_or((0, &[][..]), |(kind, key)| (*kind, key));
        if kind == 0 {
            let mut now = keys(&self.accounts, key, 20)?.peekable();
            let mut before = keys(&self.account_history, key, 20)?.peekable();
            while let Some(key) = next(&mut now, &mut before) {
                let address = Address::try_from(&key?[..]).map_err(|_| damaged("accounts"))?;
                if let Some(account) = state.past_account(address)? {
                    Entry::Account(address, account).put(&mut out);
                }
                if out.len() >= bytes_max {
                    return Ok(out);
                }
            }
        }
        let key = if kind == 0 { &[][..] } else { key };
        let mut now = keys(&self.slots, key, 52)?.peekable();
        let mut before = keys(&self.slot_history, key, 52)?.peekable();
        while let Some(key) = next(&mut now, &mut before) {
            let key = key?;
            let (address, slot) = key.split_at(20);
            let address = Address::try_from(address).map_err(|_| damaged("slots"))?;
            let slot = U256::try_from_be_slice(slot).ok_or(damaged("slots"))?;
            let value = state.past_slot(address, slot)?;
            if !value.is_zero() {
                Entry::Slot(address, slot, value).put(&mut out);
            }
            if out.len() >= bytes_max {
                return Ok(out);
            }
        }
        Ok(out)
    }
}
