//! The ledger's invariants as shipped code: run after every test, and by anyone on any node's disk.
//!
//! Stones: the balances of all accounts and the burned total add up to the cap. Credits: the balances add up to the
//! supply, and so do the pool's dollars. Every native contract's balance covers what it owes.

use std::sync::Arc;

use alloy_primitives::{Address, U256};
use cairn_primitives::{
    DeviceId, Digest, Genesis, Stones, TimeMs,
    abi::{CREDITS, USD},
};

use crate::{
    FullState, StateError,
    native::{self, Ctx, Facts, Sheet, Stop, credits, economy, usd},
};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Stones appeared or vanished.
    #[error(
        "balances of {balances} and {burned} burned do not add up to the cap of {cap} base units"
    )]
    StonesNotConserved {
        /// Sum of all balances.
        balances: U256,
        /// Burned so far.
        burned: Stones,
        /// The cap.
        cap: Stones,
    },
    /// Credits appeared or vanished.
    #[error("credit balances add up to {sum} micro-dollars, the supply is {supply}")]
    CreditsNotConserved {
        /// Sum of all balances.
        sum: U256,
        /// Total supply.
        supply: U256,
    },
    /// Dollars of the pool's token appeared or vanished.
    #[error("dollar balances add up to {sum} micro-dollars, the supply is {supply}")]
    UsdNotConserved {
        /// Sum of all balances.
        sum: U256,
        /// Total supply.
        supply: U256,
    },
    /// A contract owes more stones than it holds.
    #[error("{account} holds {held} stones and owes {owed}")]
    BalanceShort {
        /// The contract.
        account: Address,
        /// Its balance.
        held: Stones,
        /// What it owes.
        owed: Stones,
    },
    /// The market's escrow does not cover its open leases.
    #[error("the market holds {held} micro-dollars of credits, its open leases are owed {owed}")]
    EscrowShort {
        /// Credits of the market.
        held: u64,
        /// Unspent escrow of open leases.
        owed: u64,
    },
    /// A device whose id does not follow from its key, or whose index is another.
    #[error(
        "device {index} is stored as {id}, which does not follow from its key or its place in the order"
    )]
    BrokenDevice {
        /// Order of registration.
        index: u64,
        /// Its stored id.
        id: DeviceId,
    },
    /// Another invariant of one contract.
    #[error("{contract}: {what}")]
    Other {
        /// The contract's name.
        contract: &'static str,
        /// What is wrong.
        what: String,
    },
}

/// Looks for broken invariants in a whole state. An empty list is a sound ledger.
///
/// # Errors
/// When the state cannot be read.
pub fn check(
    state: &dyn FullState,
    genesis: &Arc<Genesis>,
    genesis_hash: Digest,
    time: TimeMs,
) -> Result<Vec<Violation>, StateError> {
    let prices = native::prices();
    let facts = Facts { genesis: Arc::clone(genesis), genesis_hash, time, number: 0, prices };
    let mut balances = U256::ZERO;
    state.each_account(&mut |_, account| {
        balances = balances.saturating_add(account.balance);
        Ok(())
    })?;
    let credit_sum = sum_of(state, CREDITS, credits::SUPPLY_SLOT)?;
    let dollar_sum = sum_of(state, USD, usd::SUPPLY_SLOT)?;

    let mut sheet = Sheet::new(state.as_state());
    let mut c = Ctx::free(&mut sheet, &facts);
    let mut found = Vec::new();
    let mut run = || {
        let (burned, cap) = (economy::burned(&mut c)?, economy::cap(&c));
        if balances.saturating_add(U256::from(burned.0)) != U256::from(cap.0) {
            found.push(Violation::StonesNotConserved { balances, burned, cap });
        }
        credits::check_sum(&mut c, credit_sum, &mut found)?;
        usd::check_sum(&mut c, dollar_sum, &mut found)?;
        native::contracts(genesis).try_for_each(|contract| (contract.check)(&mut c, &mut found))
    };
    match run() {
        Ok(()) => Ok(found),
        Err(Stop::Fatal(reason)) => Err(StateError(reason.into())),
        Err(Stop::Revert(bytes)) => {
            Err(StateError(format!("a check reverted with {bytes}").into()))
        }
        Err(Stop::OutOfGas) => Err(StateError("a check ran out of its unlimited gas".into())),
    }
}

/// Sum over every slot of a contract but its supply's.
fn sum_of(state: &dyn FullState, contract: Address, supply: U256) -> Result<U256, StateError> {
    let mut sum = U256::ZERO;
    state.each_slot(contract, &mut |slot, value| {
        if slot != supply {
            sum = sum.saturating_add(value);
        }
        Ok(())
    })?;
    Ok(sum)
}

#[cfg(test)]
mod tests;
