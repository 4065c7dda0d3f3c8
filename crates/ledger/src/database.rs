//! The EVM's database for one block: reads through to a state once, keeps the block's net writes.

use std::{collections::BTreeMap, collections::BTreeSet, fmt};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, map::AddressMap};
use revm::{
    Database, DatabaseCommit, DatabaseRef, bytecode::Bytecode, database_interface::DBErrorMarker,
    state::AccountInfo,
};

use crate::{Account, State, StateError, Writes};

impl DBErrorMarker for StateError {}

/// What the block knows of an account or a slot: as it is now, and whether the block wrote it.
#[derive(Clone, Copy)]
struct Known<T> {
    value: T,
    written: bool,
}

impl<T> Known<T> {
    const fn read(value: T) -> Self {
        Self { value, written: false }
    }
    const fn written(value: T) -> Self {
        Self { value, written: true }
    }
}

/// Those that the block wrote.
fn written<K: Ord, T>(known: BTreeMap<K, Known<T>>) -> BTreeMap<K, T> {
    known
        .into_iter()
        .filter(|(_, known)| known.written)
        .map(|(at, known)| (at, known.value))
        .collect()
}

/// A state as the EVM reads it, with what was written since.
pub struct BlockDb<'a> {
    base: &'a dyn State,
    /// Hashes of blocks that the state below does not have: the parent's, those of simulated blocks.
    hashes: BTreeMap<u64, B256>,
    accounts: BTreeMap<Address, Known<Option<Account>>>,
    slots: BTreeMap<(Address, U256), Known<U256>>,
    codes: BTreeMap<B256, Bytecode>,
    new_codes: BTreeMap<B256, Bytes>,
    /// Accounts whose storage below is gone. Only a call's overrides do this: EIP-6780 destroys nothing that is stored.
    wiped: BTreeSet<Address>,
}

impl fmt::Debug for BlockDb<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockDb").field("hashes", &self.hashes).finish_non_exhaustive()
    }
}

impl<'a> BlockDb<'a> {
    /// For the block after `parent` (height and hash).
    pub(crate) fn new(base: &'a dyn State, parent: (u64, B256)) -> Self {
        Self {
            base,
            hashes: BTreeMap::from([parent]),
            accounts: BTreeMap::new(),
            slots: BTreeMap::new(),
            codes: BTreeMap::new(),
            new_codes: BTreeMap::new(),
            wiped: BTreeSet::new(),
        }
    }

    /// What `BLOCKHASH` answers for a height.
    pub(crate) fn set_hash(&mut self, number: u64, hash: B256) {
        self.hashes.insert(number, hash);
    }

    /// What the block wrote.
    pub(crate) fn into_writes(self) -> Writes {
        Writes {
            accounts: written(self.accounts),
            slots: written(self.slots),
            codes: self.new_codes,
        }
    }

    pub(crate) fn account(&mut self, address: Address) -> Result<Option<Account>, StateError> {
        if let Some(known) = self.accounts.get(&address) {
            return Ok(known.value);
        }
        let account = self.base.account(address)?;
        self.accounts.insert(address, Known::read(account));
        Ok(account)
    }

    /// Adds to a counter slot outside any transaction.
    pub(crate) fn add_to_slot(
        &mut self,
        contract: Address,
        slot: U256,
        amount: U256,
    ) -> Result<(), StateError> {
        if amount.is_zero() {
            return Ok(());
        }
        let total = self.storage(contract, slot)?.saturating_add(amount);
        self.write_slot(contract, slot, total);
        Ok(())
    }

    /// Writes an account outside any transaction.
    pub(crate) fn write_account(&mut self, address: Address, account: Account) {
        self.accounts.insert(address, Known::written(Some(account)));
    }

    pub(crate) fn write_slot(&mut self, contract: Address, slot: U256, value: U256) {
        self.slots.insert((contract, slot), Known::written(value));
    }

    fn wipe(&mut self, address: Address) {
        let range = (address, U256::ZERO)..=(address, U256::MAX);
        let known: Vec<_> = self.slots.range(range).map(|(place, _)| *place).collect();
        for (contract, slot) in known {
            self.write_slot(contract, slot, U256::ZERO);
        }
        self.wiped.insert(address);
    }
}

impl Database for BlockDb<'_> {
    type Error = StateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.account(address)?.map(account_info))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StateError> {
        if let Some(code) = self.codes.get(&hash) {
            return Ok(code.clone());
        }
        // A delegation (EIP-7702), or anything else. Overrides of a call may hold bytes that are neither.
        let bytes = self.base.code(hash)?;
        let code = Bytecode::new_raw_checked(bytes.clone())
            .unwrap_or_else(|_| Bytecode::new_legacy(bytes));
        self.codes.insert(hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, contract: Address, slot: U256) -> Result<U256, StateError> {
        if let Some(known) = self.slots.get(&(contract, slot)) {
            return Ok(known.value);
        }
        let value = if self.wiped.contains(&contract) {
            U256::ZERO
        } else {
            self.base.slot(contract, slot)?
        };
        self.slots.insert((contract, slot), Known::read(value));
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, StateError> {
        self.block_hash_ref(number)
    }
}

/// Reads that remember nothing: for tracers, which look at the state before a transaction.
impl DatabaseRef for BlockDb<'_> {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let account = match self.accounts.get(&address) {
            Some(known) => known.value,
            None => self.base.account(address)?,
        };
        Ok(account.map(account_info))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, StateError> {
        match self.codes.get(&hash) {
            Some(code) => Ok(code.clone()),
            None => Ok(Bytecode::new_legacy(self.base.code(hash)?)),
        }
    }

    fn storage_ref(&self, contract: Address, slot: U256) -> Result<U256, StateError> {
        match self.slots.get(&(contract, slot)) {
            Some(known) => Ok(known.value),
            None if self.wiped.contains(&contract) => Ok(U256::ZERO),
            None => self.base.slot(contract, slot),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        self.hashes.get(&number).map_or_else(|| self.base.block_hash(number), |hash| Ok(*hash))
    }
}

fn account_info(account: Account) -> AccountInfo {
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        code: None,
        ..AccountInfo::default()
    }
}

/// The order of `changes` does not matter: each account is in it once.
impl DatabaseCommit for BlockDb<'_> {
    fn commit(&mut self, changes: AddressMap<revm::state::Account>) {
        for (address, changed) in changes {
            if !changed.is_touched() {
                continue;
            }
            let gone = changed.is_selfdestructed() || changed.is_empty();
            let account = (!gone).then_some(Account {
                nonce: changed.info.nonce,
                balance: changed.info.balance,
                code_hash: changed.info.code_hash,
            });
            if changed.is_selfdestructed() {
                self.wipe(address);
            }
            if self.accounts.get(&address).is_none_or(|known| known.value != account) {
                self.accounts.insert(address, Known::written(account));
            }
            if gone {
                continue;
            }
            if let Some(code) = changed.info.code
                && changed.info.code_hash != KECCAK256_EMPTY
                && !self.codes.contains_key(&changed.info.code_hash)
            {
                self.new_codes.insert(changed.info.code_hash, code.original_bytes());
                self.codes.insert(changed.info.code_hash, code);
            }
            for (slot, value) in changed.storage {
                if value.is_changed() {
                    self.write_slot(address, slot, value.present_value);
                }
            }
        }
    }
}
