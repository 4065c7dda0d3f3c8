//! What the state machine reads and what it writes, independent of any disk.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};

/// An account without its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Base units of STONE.
    pub balance: U256,
    /// Keccak-256 of the code; `KECCAK256_EMPTY` without code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

/// Reading the state failed: disk trouble, never a missing value.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the ledger state")]
pub struct StateError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The state at one block. Missing accounts, slots and code read as empty.
pub trait State {
    /// The account, if it exists.
    ///
    /// # Errors
    /// When the store cannot be read; so for all methods.
    fn account(&self, address: Address) -> Result<Option<Account>, StateError>;
    /// A storage slot; zero when never written.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError>;
    /// Code by its hash; empty for `KECCAK256_EMPTY`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn code(&self, hash: B256) -> Result<Bytes, StateError>;
    /// Hash of an earlier block, zero when unknown or older than 256 blocks.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn block_hash(&self, number: u64) -> Result<B256, StateError>;
}

/// A state that can be walked from end to end: what the invariants need, and no transaction.
pub trait FullState: State {
    /// Visits every account, in order of address.
    ///
    /// # Errors
    /// When the store cannot be read, or what `visit` returns.
    fn each_account(
        &self,
        visit: &mut dyn FnMut(Address, Account) -> Result<(), StateError>,
    ) -> Result<(), StateError>;
    /// Visits every slot of `contract` that is not zero, in order.
    ///
    /// # Errors
    /// When the store cannot be read, or what `visit` returns.
    fn each_slot(
        &self,
        contract: Address,
        visit: &mut dyn FnMut(U256, U256) -> Result<(), StateError>,
    ) -> Result<(), StateError>;
    /// The same as a plain state.
    fn as_state(&self) -> &dyn State;
}

/// The net effect of a block on the state. Sorted, so that every node applies the same bytes in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// New account values; `None` removes the account.
    pub accounts: BTreeMap<Address, Option<Account>>,
    /// New slot values; zero removes the slot.
    pub slots: BTreeMap<(Address, U256), U256>,
    /// New code.
    pub codes: BTreeMap<B256, Bytes>,
}

impl Writes {
    /// Applies `later` on top of these writes.
    pub fn merge(&mut self, later: Self) {
        self.accounts.extend(later.accounts);
        self.slots.extend(later.slots);
        self.codes.extend(later.codes);
    }
}

/// A state with one more block on top that is not on disk yet: speculative blocks read through a stack of these.
#[derive(Clone, Copy)]
pub struct Overlay<'a> {
    /// The state below.
    pub base: &'a dyn State,
    /// What the block wrote.
    pub writes: &'a Writes,
    /// Its height and hash: every validator must see the same, whether its ancestors are final yet or not.
    pub block: (u64, B256),
}

impl State for Overlay<'_> {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        self.writes
            .accounts
            .get(&address)
            .map_or_else(|| self.base.account(address), |written| Ok(*written))
    }
    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.writes
            .slots
            .get(&(address, slot))
            .map_or_else(|| self.base.slot(address, slot), |written| Ok(*written))
    }
    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        self.writes
            .codes
            .get(&hash)
            .map_or_else(|| self.base.code(hash), |written| Ok(written.clone()))
    }
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        let (height, hash) = self.block;
        if number == height { Ok(hash) } else { self.base.block_hash(number) }
    }
}
