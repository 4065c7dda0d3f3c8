//! The state in memory: for genesis, tests, simulation and tools.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::{Account, FullState, State, StateError, Writes};

/// A whole state in ordered maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Accounts.
    pub accounts: BTreeMap<Address, Account>,
    /// Slots that are not zero.
    pub slots: BTreeMap<(Address, U256), U256>,
    /// Code by hash.
    pub codes: BTreeMap<B256, Bytes>,
    /// Hashes of earlier blocks by height.
    pub hashes: BTreeMap<u64, B256>,
}

impl Memory {
    /// Applies the net effect of a block.
    pub fn apply(&mut self, writes: &Writes) {
        for (address, account) in &writes.accounts {
            match account {
                Some(account) => self.accounts.insert(*address, *account),
                None => self.accounts.remove(address),
            };
        }
        for (place, value) in &writes.slots {
            if value.is_zero() {
                self.slots.remove(place);
            } else {
                self.slots.insert(*place, *value);
            }
        }
        self.codes.extend(writes.codes.iter().map(|(hash, code)| (*hash, code.clone())));
    }
}

impl State for Memory {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.accounts.get(&address).copied())
    }
    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.slots.get(&(address, slot)).copied().unwrap_or_default())
    }
    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        Ok(self.codes.get(&hash).cloned().unwrap_or_default())
    }
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(self.hashes.get(&number).copied().unwrap_or_default())
    }
}

impl FullState for Memory {
    fn each_account(
        &self,
        visit: &mut dyn FnMut(Address, Account) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        self.accounts.iter().try_for_each(|(address, account)| visit(*address, *account))
    }

    fn each_slot(
        &self,
        contract: Address,
        visit: &mut dyn FnMut(U256, U256) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let range = (contract, U256::ZERO)..=(contract, U256::MAX);
        self.slots.range(range).try_for_each(|((_, slot), value)| visit(*slot, *value))
    }

    fn as_state(&self) -> &dyn State {
        self
    }
}
