//! The native contracts: Rust behind the Solidity ABIs of `contracts/`, state in EVM storage slots.
//!
//! ```text
//! EVM call ─► contract at a fixed address ─► Ctx (gas, slots, logs, stones) ─► dispatch table ─► a function of the contract
//!                                                                                └─ functions of other native contracts
//! ```
//! The journal rolls a native contract back with its caller, every tool can read its slots, and Solidity contracts call
//! it like any other. **Invariant:** what a contract does is a function of its storage, the call and the block.

mod balances;
mod ctx;
mod gas;
mod host;
mod packing;
mod storage;

pub mod batches;
pub mod beacon;
pub mod credits;
pub mod economy;
pub mod economy_state;
pub mod governance;
pub mod market;
pub mod pool;
pub mod registry;
pub mod rewards;
pub mod stake;
pub mod treasury;
pub mod usd;

pub use ctx::{Call, Ctx, Facts, Res, Stop, decode, out_of_range, revert};
pub use gas::{CELL, SHA256, SIGNATURE, sha256};
pub(crate) use host::Between;
pub use host::{Host, Sheet};
pub use packing::{Packer, Unpacker};
pub use storage::{Blob, Key, List, Mapping, Place, SLOTS_MAX, Stored, Value};

use std::{borrow::Cow, sync::Arc};

use alloy_evm::precompiles::{DynPrecompile, PrecompileInput, PrecompilesMap};
use alloy_primitives::{Address, Bytes};
use cairn_primitives::{Genesis, abi};
use revm::{
    precompile::{PrecompileError, PrecompileId, PrecompileSpecId, Precompiles},
    primitives::hardfork::SpecId,
};

use crate::check::Violation;

/// One native contract.
pub struct Contract {
    /// Where it lives.
    pub address: Address,
    /// Its name, for people.
    pub name: &'static str,
    /// Its dispatch table.
    pub call: fn(&mut Ctx<'_>, &[u8]) -> Res<Bytes>,
    /// Writes its first slots and takes its stones at genesis.
    pub genesis: fn(&mut Ctx<'_>) -> Res<()>,
    /// Looks for broken invariants.
    pub check: fn(&mut Ctx<'_>, &mut Vec<Violation>) -> Res<()>,
}

/// Every native contract that all networks have, in order of its address.
pub const CONTRACTS: &[Contract] = &[
    Contract {
        address: abi::CREDITS,
        name: "credits",
        call: credits::call,
        genesis: nothing,
        check: credits::check,
    },
    Contract {
        address: abi::REGISTRY,
        name: "registry",
        call: registry::call,
        genesis: nothing,
        check: registry::check,
    },
    Contract {
        address: abi::BATCHES,
        name: "batches",
        call: batches::call,
        genesis: nothing,
        check: no_check,
    },
    Contract {
        address: abi::REWARDS,
        name: "rewards",
        call: rewards::call,
        genesis: nothing,
        check: rewards::check,
    },
    Contract {
        address: abi::MARKET,
        name: "market",
        call: market::call,
        genesis: nothing,
        check: market::check,
    },
    Contract {
        address: abi::STAKE,
        name: "stake",
        call: stake::call,
        genesis: stake::genesis,
        check: stake::check,
    },
    Contract {
        address: abi::ECONOMY,
        name: "economy",
        call: economy::call,
        genesis: economy_state::genesis,
        check: no_check,
    },
    Contract {
        address: abi::POOL,
        name: "pool",
        call: pool::call,
        genesis: pool::genesis,
        check: pool::check,
    },
    Contract { address: abi::USD, name: "usd", call: usd::call, genesis: nothing, check: no_check },
    Contract {
        address: abi::GOVERNANCE,
        name: "governance",
        call: governance::call,
        genesis: governance::genesis,
        check: governance::check,
    },
    Contract {
        address: abi::TREASURY,
        name: "treasury",
        call: treasury::call,
        genesis: nothing,
        check: treasury::check,
    },
];

impl Contract {
    /// Whether a network has it: the pool and its dollars, and governance with the treasury's streams, only where genesis says so. Without
    /// governance the treasury is an account that nobody spends from.
    #[must_use]
    pub fn is_in(&self, genesis: &Genesis) -> bool {
        match self.address {
            abi::POOL | abi::USD => genesis.pool.is_some(),
            abi::GOVERNANCE | abi::TREASURY => genesis.governance.is_some(),
            _ => true,
        }
    }
}

/// The native contracts of a network.
pub(crate) fn contracts(genesis: &Genesis) -> impl Iterator<Item = &'static Contract> {
    CONTRACTS.iter().filter(|contract| contract.is_in(genesis))
}

/// For a contract without storage at genesis.
pub(crate) fn nothing(_: &mut Ctx<'_>) -> Res<()> {
    Ok(())
}

/// For a contract without invariants of its own.
pub(crate) fn no_check(_: &mut Ctx<'_>, _: &mut Vec<Violation>) -> Res<()> {
    Ok(())
}

/// The EVM's precompiles and the native contracts, for one block.
pub(crate) fn precompiles(spec: SpecId, facts: &Arc<Facts>) -> PrecompilesMap {
    let mut map =
        PrecompilesMap::from_static(Precompiles::new(PrecompileSpecId::from_spec_id(spec)));
    map.extend_precompiles(
        contracts(&facts.genesis).map(|contract| (contract.address, native(contract, facts))),
    );
    map
}

fn native(contract: &'static Contract, facts: &Arc<Facts>) -> DynPrecompile {
    let facts = Arc::clone(facts);
    let id = PrecompileId::Custom(Cow::Borrowed(contract.name));
    DynPrecompile::new_stateful(id, move |input: PrecompileInput<'_>| {
        let direct = input.is_direct_call();
        let data = input.data;
        let call = Call {
            this: input.target_address,
            caller: input.caller,
            // Stones sent to a native contract come out of a balance, and balances fit (see `ctx::stones`).
            value: cairn_primitives::Stones(input.value.saturating_to()),
            is_static: input.is_static,
        };
        let (gas_limit, reservoir) = (input.gas, input.reservoir);
        let mut journal = host::Journal(input.internals);
        let mut c = Ctx::new(&mut journal, &facts, call, gas_limit, reservoir);
        let result = enter(&mut c, contract, direct, data);
        c.finish(result).map_err(PrecompileError::Fatal)
    })
}

/// What every call goes through before its contract's own table.
fn enter(c: &mut Ctx<'_>, contract: &Contract, direct: bool, data: &[u8]) -> Res<Bytes> {
    c.charge(gas::CALL + gas::CALL_WORD * data.len().div_ceil(32) as u64)?;
    if !direct {
        return revert(abi::IKernel::DelegateCall {});
    }
    (contract.call)(c, data)
}

/// Prices of the EVM's own operations, which native contracts share.
pub(crate) fn prices() -> revm::context_interface::cfg::GasParams {
    revm::context_interface::cfg::GasParams::new_spec(crate::SPEC)
}

#[cfg(test)]
mod cost;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod tests;
