//! The metered context of one native contract call.
//!
//! A contract gets `&mut Ctx` and nothing else: no thread-local, no global. Every load, store, log, transfer and
//! signature check is paid for here, at the prices the EVM takes for the same. Native contracts share one context: a
//! contract calls another's Rust functions, which name the contract whose slots they touch and whose events they emit.

use alloy_primitives::{Address, B256, Bytes, Log, LogData, U256};
use alloy_sol_types::{SolCall, SolError, SolEvent, SolInterface};
use cairn_primitives::{
    Digest, Epoch, Genesis, Stones, TimeMs,
    abi::{ECONOMY, IKernel},
};
use revm::{
    context_interface::cfg::{GasParams, gas::GasTracker},
    precompile::{PrecompileHalt, PrecompileOutput, PrecompileStatus},
};

use super::{Host, economy, gas};

/// Why a native call stops. Only `Fatal` stops the block: it is disk trouble or a bug, never a user's mistake.
#[derive(Debug)]
pub enum Stop {
    /// The call ran out of gas.
    OutOfGas,
    /// The call is undone; the caller gets these bytes (an ABI-encoded error).
    Revert(Bytes),
    /// The node cannot go on.
    Fatal(String),
}

/// Result of everything in a native contract.
pub type Res<T> = Result<T, Stop>;

/// Undoes the call with a Solidity error.
///
/// # Errors
/// Always.
pub fn revert<T>(error: impl SolError) -> Res<T> {
    Err(Stop::Revert(error.abi_encode().into()))
}

/// What is the same for every call of a block.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The network's parameters.
    pub genesis: std::sync::Arc<Genesis>,
    /// Their hash.
    pub genesis_hash: Digest,
    /// Network time of the block.
    pub time: TimeMs,
    /// Height of the block.
    pub number: u64,
    /// Prices of the EVM's own operations.
    pub prices: GasParams,
}

/// Who calls what, with how much.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The native contract that was called.
    pub this: Address,
    /// The account or contract that called it.
    pub caller: Address,
    /// Stones sent along; they are already in `this`'s balance.
    pub value: Stones,
    /// Whether writes are forbidden.
    pub is_static: bool,
}

/// One call of a native contract.
pub struct Ctx<'a> {
    host: &'a mut dyn Host,
    facts: &'a Facts,
    tracker: GasTracker,
    call: Call,
}

impl<'a> Ctx<'a> {
    /// A context with `gas_limit` gas; `reservoir` is passed through as EIP-8037 wants it.
    pub fn new(
        host: &'a mut dyn Host,
        facts: &'a Facts,
        call: Call,
        gas_limit: u64,
        reservoir: u64,
    ) -> Self {
        Self { host, facts, tracker: GasTracker::new(gas_limit, gas_limit, reservoir), call }
    }

    /// A context without a caller and a gas limit, for genesis, invariants and tests.
    pub fn free(host: &'a mut dyn Host, facts: &'a Facts) -> Self {
        let call = Call {
            this: Address::ZERO,
            caller: Address::ZERO,
            value: Stones::ZERO,
            is_static: false,
        };
        Self::new(host, facts, call, u64::MAX, 0)
    }

    /// The result in the EVM's terms.
    pub(super) fn finish(self, result: Res<Bytes>) -> Result<PrecompileOutput, String> {
        let reservoir = self.tracker.reservoir();
        match result {
            Ok(bytes) => Ok(PrecompileOutput::from_gas_tracker(
                PrecompileStatus::Success,
                bytes,
                self.tracker,
            )),
            Err(Stop::Revert(bytes)) => {
                Ok(PrecompileOutput::revert(self.gas_used(), bytes, reservoir))
            }
            Err(Stop::OutOfGas) => Ok(PrecompileOutput::halt(PrecompileHalt::OutOfGas, reservoir)),
            Err(Stop::Fatal(reason)) => Err(reason),
        }
    }

    /// The account or contract that called.
    #[must_use]
    pub const fn caller(&self) -> Address {
        self.call.caller
    }
    /// The native contract that was called.
    #[must_use]
    pub const fn this(&self) -> Address {
        self.call.this
    }
    /// Stones sent along; they are already in the balance of `this`.
    #[must_use]
    pub const fn value(&self) -> Stones {
        self.call.value
    }
    /// Network time of the block.
    #[must_use]
    pub const fn now(&self) -> TimeMs {
        self.facts.time
    }
    /// The epoch in which the block's time lies.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.facts.genesis.schedule().epoch_at(self.facts.time)
    }
    /// Height of the block.
    #[must_use]
    pub const fn block_number(&self) -> u64 {
        self.facts.number
    }
    /// The network's parameters.
    #[must_use]
    pub fn genesis(&self) -> &'a Genesis {
        &self.facts.genesis
    }
    /// The hash that names the network.
    #[must_use]
    pub const fn genesis_hash(&self) -> Digest {
        self.facts.genesis_hash
    }
    /// Gas spent so far.
    #[must_use]
    pub const fn gas_used(&self) -> u64 {
        self.tracker.limit().saturating_sub(self.tracker.remaining())
    }

    /// Pays for work; see `gas` for the prices of what the EVM has no price for.
    ///
    /// # Errors
    /// `Stop::OutOfGas`.
    pub fn charge(&mut self, amount: u64) -> Res<()> {
        if self.tracker.record_regular_cost(amount) { Ok(()) } else { Err(Stop::OutOfGas) }
    }

    /// Reads a slot of `contract`. `storage` has typed places; use those.
    ///
    /// # Errors
    /// Out of gas, or disk trouble.
    pub fn load(&mut self, contract: Address, slot: U256) -> Res<U256> {
        self.charge(self.facts.prices.warm_storage_read_cost())?;
        let loaded = self.host.load(contract, slot)?;
        if loaded.is_cold {
            self.charge(self.facts.prices.cold_storage_additional_cost())?;
        }
        Ok(loaded.data)
    }

    /// Writes a slot of `contract`.
    ///
    /// # Errors
    /// `StaticCall`, out of gas, or disk trouble.
    pub fn store(&mut self, contract: Address, slot: U256, value: U256) -> Res<()> {
        self.refuse_static()?;
        self.charge(self.facts.prices.sstore_static_gas())?;
        let stored = self.host.store(contract, slot, value)?;
        self.charge(self.facts.prices.sstore_dynamic_gas(true, &stored.data, stored.is_cold))?;
        self.tracker.record_refund(self.facts.prices.sstore_refund(true, &stored.data));
        Ok(())
    }

    /// Emits an event of `contract`.
    ///
    /// # Errors
    /// `StaticCall` or out of gas.
    pub fn emit(&mut self, contract: Address, event: &impl SolEvent) -> Res<()> {
        self.refuse_static()?;
        let data: LogData = event.encode_log_data();
        let topics = u8::try_from(data.topics().len()).unwrap_or(u8::MAX);
        self.charge(gas::LOG + self.facts.prices.log_cost(topics, data.data.len() as u64))?;
        self.host.log(Log { address: contract, data });
        Ok(())
    }

    /// Stones of `account`.
    ///
    /// # Errors
    /// Out of gas, or disk trouble.
    pub fn balance(&mut self, account: Address) -> Res<Stones> {
        self.charge(self.facts.prices.warm_storage_read_cost())?;
        let loaded = self.host.balance(account)?;
        if loaded.is_cold {
            self.charge(self.facts.prices.cold_account_additional_cost())?;
        }
        stones(loaded.data)
    }

    /// Moves stones. A shortage is a bug of the calling contract, which must have checked: it stops the block.
    ///
    /// # Errors
    /// `StaticCall`, out of gas, disk trouble; `Fatal` when `from` has too little.
    pub fn transfer(&mut self, from: Address, to: Address, amount: Stones) -> Res<()> {
        self.refuse_static()?;
        if amount == Stones::ZERO || from == to {
            return Ok(());
        }
        self.charge(gas::TRANSFER)?;
        self.debit(from, amount)?;
        let to_balance = self.balance(to)?;
        let credited = to_balance.add(amount).map_err(|error| Stop::Fatal(error.to_string()))?;
        self.host.set_balance(to, U256::from(credited.0))
    }

    /// Destroys stones of `from` and counts them in the economy's burned total.
    ///
    /// # Errors
    /// As `transfer`.
    pub fn burn(&mut self, from: Address, amount: Stones, cause: B256) -> Res<()> {
        self.refuse_static()?;
        if amount == Stones::ZERO {
            return Ok(());
        }
        self.charge(gas::TRANSFER)?;
        self.debit(from, amount)?;
        economy::count_burned(self, amount)?;
        let event = cairn_primitives::abi::IEconomy::Burned { stones: U256::from(amount.0), cause };
        self.emit(ECONOMY, &event)
    }

    fn debit(&mut self, from: Address, amount: Stones) -> Res<()> {
        let balance = self.balance(from)?;
        let rest = balance.sub(amount).map_err(|_| {
            Stop::Fatal(format!("{from} holds {balance} stones, a native contract takes {amount}"))
        })?;
        self.host.set_balance(from, U256::from(rest.0))
    }

    fn refuse_static(&self) -> Res<()> {
        if self.call.is_static { revert(IKernel::StaticCall {}) } else { Ok(()) }
    }

    fn refuse_value(&self) -> Res<()> {
        if self.call.value == Stones::ZERO { Ok(()) } else { revert(IKernel::NonPayable {}) }
    }

    /// Runs a function that only reads.
    ///
    /// # Errors
    /// `NonPayable`, or what `f` returns.
    pub fn view<C: SolCall>(
        &mut self,
        call: C,
        f: impl FnOnce(&mut Self, C) -> Res<C::Return>,
    ) -> Res<Bytes> {
        self.refuse_value()?;
        Ok(C::abi_encode_returns(&f(self, call)?).into())
    }

    /// Runs a function that writes and returns something.
    ///
    /// # Errors
    /// `StaticCall`, `NonPayable`, or what `f` returns.
    pub fn mutate<C: SolCall>(
        &mut self,
        call: C,
        f: impl FnOnce(&mut Self, C) -> Res<C::Return>,
    ) -> Res<Bytes> {
        self.refuse_value()?;
        self.mutate_payable(call, f)
    }

    /// Runs a function that writes and returns nothing.
    ///
    /// # Errors
    /// `StaticCall`, `NonPayable`, or what `f` returns.
    pub fn mutate_void<C: SolCall>(
        &mut self,
        call: C,
        f: impl FnOnce(&mut Self, C) -> Res<()>,
    ) -> Res<Bytes> {
        self.refuse_static()?;
        self.refuse_value()?;
        f(self, call)?;
        Ok(Bytes::new())
    }

    /// Runs a function that takes stones and returns nothing.
    ///
    /// # Errors
    /// `StaticCall`, or what `f` returns.
    pub fn mutate_payable_void<C: SolCall>(
        &mut self,
        call: C,
        f: impl FnOnce(&mut Self, C) -> Res<()>,
    ) -> Res<Bytes> {
        self.refuse_static()?;
        f(self, call)?;
        Ok(Bytes::new())
    }

    /// Runs a function that takes stones.
    ///
    /// # Errors
    /// `StaticCall`, or what `f` returns.
    pub fn mutate_payable<C: SolCall>(
        &mut self,
        call: C,
        f: impl FnOnce(&mut Self, C) -> Res<C::Return>,
    ) -> Res<Bytes> {
        self.refuse_static()?;
        Ok(C::abi_encode_returns(&f(self, call)?).into())
    }
}

/// Decodes call data, strictly.
///
/// # Errors
/// `UnknownSelector` for an unknown function or arguments that do not decode.
pub fn decode<T: SolInterface>(data: &[u8]) -> Res<T> {
    T::abi_decode_validate(data).or_else(|_| {
        let mut selector = [0; 4];
        let known = data.len().min(4);
        selector[..known].copy_from_slice(&data[..known]);
        revert(IKernel::UnknownSelector { selector: selector.into() })
    })
}

/// Balances stay below the cap, so they fit.
fn stones(balance: U256) -> Res<Stones> {
    u128::try_from(balance)
        .map(Stones)
        .map_err(|_| Stop::Fatal(format!("a balance of {balance} is above the cap")))
}

/// Reverts with `OutOfRange`.
///
/// # Errors
/// Always.
pub fn out_of_range<T>(field: &str, value: impl Into<U256>, bound: impl Into<U256>) -> Res<T> {
    revert(IKernel::OutOfRange {
        field: field.to_owned(),
        value: value.into(),
        bound: bound.into(),
    })
}
