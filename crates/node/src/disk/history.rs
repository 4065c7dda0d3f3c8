//! State at a past block: the first change after that block, if any, kept the value it replaced.

use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_ledger::{Account, State, StateError};

use super::{
    DiskError,
    snapshot::Snapshot,
    tables::{self, damaged},
};

/// The state after block `height`.
pub struct StateAt<'a> {
    snapshot: &'a Snapshot,
    height: u64,
}

impl<'a> StateAt<'a> {
    /// Of a height that the snapshot has checked.
    pub(super) const fn new(snapshot: &'a Snapshot, height: u64) -> Self {
        Self { snapshot, height }
    }

    /// The block after which this is the state.
    #[must_use]
    pub const fn height(&self) -> u64 {
        self.height
    }

    pub(super) fn past_account(&self, address: Address) -> Result<Option<Account>, DiskError> {
        if self.height < self.snapshot.height() {
            let first = tables::account_history_key(address, self.height + 1);
            let last = tables::account_history_key(address, u64::MAX);
            if let Some(entry) =
                self.snapshot.account_history.range::<&[u8]>(&first[..]..=&last[..])?.next()
            {
                let (_, before) = entry?;
                return match before.value() {
                    [] => Ok(None),
                    bytes => tables::account_from_bytes(bytes).map(Some),
                };
            }
        }
        self.snapshot.read_account(address)
    }

    pub(super) fn past_slot(&self, address: Address, slot: U256) -> Result<U256, DiskError> {
        if self.height < self.snapshot.height() {
            let first = tables::slot_history_key(address, slot, self.height + 1);
            let last = tables::slot_history_key(address, slot, u64::MAX);
            if let Some(entry) =
                self.snapshot.slot_history.range::<&[u8]>(&first[..]..=&last[..])?.next()
            {
                let (_, before) = entry?;
                return U256::try_from_be_slice(before.value()).ok_or(damaged("slot_history"));
            }
        }
        self.snapshot.read_slot(address, slot)
    }
}

impl State for StateAt<'_> {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.past_account(address)?)
    }
    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.past_slot(address, slot)?)
    }
    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        Ok(self.snapshot.read_code(hash)?)
    }
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(self.snapshot.read_block_hash(self.height, number)?)
    }
}
