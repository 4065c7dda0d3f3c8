//! What a native contract runs on: the EVM's journal inside a block, or a sheet over a plain state.
//!
//! `Sheet` is how genesis is written, how invariants read, and how a contract is tested without an EVM; the contract's
//! code, its gas and its bytes are the same on both.

use alloy_evm::{EvmInternals, EvmInternalsError};
use alloy_primitives::{Address, Log, U256};
use revm::{
    Database as _,
    interpreter::{SStoreResult, StateLoad},
};

use super::Stop;
use crate::{Account, BlockDb, State, StateError, Writes};

/// Storage, balances and logs, without prices: `Ctx` meters.
pub trait Host {
    /// A slot, and whether this is its first use in the transaction.
    ///
    /// # Errors
    /// `Stop::Fatal` when the store cannot be read; so for all methods.
    fn load(&mut self, contract: Address, slot: U256) -> Result<StateLoad<U256>, Stop>;
    /// Writes a slot; says what stood there at the start of the transaction and just before.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn store(
        &mut self,
        contract: Address,
        slot: U256,
        value: U256,
    ) -> Result<StateLoad<SStoreResult>, Stop>;
    /// A balance.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn balance(&mut self, account: Address) -> Result<StateLoad<U256>, Stop>;
    /// Sets a balance.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn set_balance(&mut self, account: Address, balance: U256) -> Result<(), Stop>;
    /// Appends a log.
    fn log(&mut self, log: Log);
}

/// The journal of a running transaction.
pub(super) struct Journal<'a>(pub EvmInternals<'a>);

impl From<EvmInternalsError> for Stop {
    fn from(error: EvmInternalsError) -> Self {
        Self::Fatal(error.to_string())
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::Fatal(format!("{error}: {}", error.0))
    }
}

impl Host for Journal<'_> {
    fn load(&mut self, contract: Address, slot: U256) -> Result<StateLoad<U256>, Stop> {
        Ok(self.0.sload(contract, slot)?)
    }

    fn store(
        &mut self,
        contract: Address,
        slot: U256,
        value: U256,
    ) -> Result<StateLoad<SStoreResult>, Stop> {
        Ok(self.0.sstore(contract, slot, value)?)
    }

    fn balance(&mut self, account: Address) -> Result<StateLoad<U256>, Stop> {
        let loaded = self.0.load_account(account)?;
        Ok(StateLoad::new(loaded.data.info.balance, loaded.is_cold))
    }

    fn set_balance(&mut self, account: Address, balance: U256) -> Result<(), Stop> {
        Ok(self.0.set_balance(account, balance)?)
    }

    fn log(&mut self, log: Log) {
        self.0.log(log);
    }
}

/// A block's state between its transactions. Nothing is undone here, and no log can be emitted: there is no receipt to
/// carry it.
pub(crate) struct Between<'a, 'b>(pub &'a mut BlockDb<'b>);

impl Host for Between<'_, '_> {
    fn load(&mut self, contract: Address, slot: U256) -> Result<StateLoad<U256>, Stop> {
        Ok(StateLoad::new(self.0.storage(contract, slot)?, false))
    }

    fn store(
        &mut self,
        contract: Address,
        slot: U256,
        value: U256,
    ) -> Result<StateLoad<SStoreResult>, Stop> {
        let present_value = self.0.storage(contract, slot)?;
        if present_value != value {
            self.0.write_slot(contract, slot, value);
        }
        let stored =
            SStoreResult { original_value: present_value, present_value, new_value: value };
        Ok(StateLoad::new(stored, false))
    }

    fn balance(&mut self, account: Address) -> Result<StateLoad<U256>, Stop> {
        Ok(StateLoad::new(self.0.account(account)?.unwrap_or_default().balance, false))
    }

    fn set_balance(&mut self, account: Address, balance: U256) -> Result<(), Stop> {
        let known = self.0.account(account)?.unwrap_or_default();
        self.0.write_account(account, Account { balance, ..known });
        Ok(())
    }

    fn log(&mut self, _: Log) {}
}

/// A state with changes on top that are kept apart, and the logs written so far.
pub struct Sheet<'a> {
    base: &'a dyn State,
    /// What was written.
    pub writes: Writes,
    /// What was emitted, in order.
    pub logs: Vec<Log>,
}

impl<'a> Sheet<'a> {
    /// A blank sheet over `base`.
    #[must_use]
    pub fn new(base: &'a dyn State) -> Self {
        Self { base, writes: Writes::default(), logs: Vec::new() }
    }

    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        match self.writes.accounts.get(&address) {
            Some(written) => Ok(*written),
            None => self.base.account(address),
        }
    }

    fn slot(&self, contract: Address, slot: U256) -> Result<U256, StateError> {
        match self.writes.slots.get(&(contract, slot)) {
            Some(written) => Ok(*written),
            None => self.base.slot(contract, slot),
        }
    }
}

impl Host for Sheet<'_> {
    fn load(&mut self, contract: Address, slot: U256) -> Result<StateLoad<U256>, Stop> {
        Ok(StateLoad::new(self.slot(contract, slot)?, false))
    }

    fn store(
        &mut self,
        contract: Address,
        slot: U256,
        value: U256,
    ) -> Result<StateLoad<SStoreResult>, Stop> {
        let original_value = self.base.slot(contract, slot)?;
        let present_value = self.slot(contract, slot)?;
        self.writes.slots.insert((contract, slot), value);
        Ok(StateLoad::new(SStoreResult { original_value, present_value, new_value: value }, false))
    }

    fn balance(&mut self, account: Address) -> Result<StateLoad<U256>, Stop> {
        Ok(StateLoad::new(self.account(account)?.unwrap_or_default().balance, false))
    }

    fn set_balance(&mut self, account: Address, balance: U256) -> Result<(), Stop> {
        let known = self.account(account)?.unwrap_or_default();
        self.writes.accounts.insert(account, Some(Account { balance, ..known }));
        Ok(())
    }

    fn log(&mut self, log: Log) {
        self.logs.push(log);
    }
}
