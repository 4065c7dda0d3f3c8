//! Calls that are no transactions: `eth_call` and `eth_estimateGas`. They see a block's environment and change nothing.

use alloy_evm::{Evm as _, eth::EthEvmBuilder, overrides::apply_state_overrides};
use alloy_primitives::{Bytes, Log, U256};
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};
use revm::context_interface::result::{ExecutionResult, HaltReason};

use crate::{
    Ledger, SPEC, State, StateError, TxError,
    block::{Env, call_env, refusal, request_tx},
    database::BlockDb,
    native,
    params::{CALL_GAS_MAX, TX_GAS_MAX},
};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It returned.
    Success {
        /// What it returned.
        output: Bytes,
        /// Gas used, refunds taken off.
        gas_used: u64,
        /// What it emitted.
        logs: Vec<Log>,
    },
    /// It reverted.
    Revert {
        /// Its ABI-encoded error.
        output: Bytes,
        /// Gas used.
        gas_used: u64,
    },
    /// It ran out of gas, or hit an invalid instruction.
    Halt {
        /// Why.
        reason: HaltReason,
        /// Gas used.
        gas_used: u64,
    },
}

/// Why a call could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request is not one that can run.
    #[error(transparent)]
    Refused(TxError),
    /// The state overrides contradict themselves.
    #[error("bad state override: {0}")]
    Overrides(String),
    /// No gas limit makes it succeed; this is how it ends with the highest.
    #[error("the call fails whatever its gas limit")]
    Fails(Box<CallOutcome>),
    /// The state cannot be read.
    #[error("the call could not be executed")]
    State(#[from] StateError),
}

impl From<ExecutionResult> for CallOutcome {
    fn from(result: ExecutionResult) -> Self {
        let gas_used = result.tx_gas_used();
        match result {
            ExecutionResult::Success { output, logs, .. } => {
                Self::Success { output: output.into_data(), gas_used, logs }
            }
            ExecutionResult::Revert { output, .. } => Self::Revert { output, gas_used },
            ExecutionResult::Halt { reason, .. } => Self::Halt { reason, gas_used },
        }
    }
}

/// One EVM over a state, for one or more runs of the same request.
struct Runner<'a, 'r> {
    evm: alloy_evm::EthEvm<
        BlockDb<'a>,
        revm::inspector::NoOpInspector,
        alloy_evm::precompiles::PrecompilesMap,
    >,
    env: &'r Env,
    request: &'r TransactionRequest,
    chain_id: u64,
}

impl<'a, 'r> Runner<'a, 'r> {
    fn new(
        ledger: &Ledger,
        state: &'a dyn State,
        env: &'r Env,
        request: &'r TransactionRequest,
        overrides: Option<StateOverride>,
    ) -> Result<Self, CallError> {
        let mut db = BlockDb::new(state, (env.number.saturating_sub(1), env.parent_hash));
        if let Some(overrides) = overrides {
            apply_state_overrides(overrides, &mut db)
                .map_err(|error| CallError::Overrides(error.to_string()))?;
        }
        let precompiles = native::precompiles(SPEC, &ledger.facts(env));
        let evm = EthEvmBuilder::new(db, call_env(ledger, env)).precompiles(precompiles).build();
        Ok(Self { evm, env, request, chain_id: ledger.genesis().chain_id })
    }

    fn run(&mut self, gas_limit: u64) -> Result<CallOutcome, CallError> {
        match self.evm.transact(request_tx(self.request, self.chain_id, gas_limit)) {
            Ok(outcome) => Ok(outcome.result.into()),
            Err(error) => Err(CallError::Refused(refusal(error, self.env)?)),
        }
    }
}

/// See `Ledger::call`.
pub(crate) fn call(
    ledger: &Ledger,
    state: &dyn State,
    env: &Env,
    request: &TransactionRequest,
    overrides: Option<StateOverride>,
) -> Result<CallOutcome, CallError> {
    let gas_limit = request.gas.unwrap_or(CALL_GAS_MAX).min(CALL_GAS_MAX);
    Runner::new(ledger, state, env, request, overrides)?.run(gas_limit)
}

/// See `Ledger::estimate_gas`.
pub(crate) fn estimate_gas(
    ledger: &Ledger,
    state: &dyn State,
    env: &Env,
    request: &TransactionRequest,
    overrides: Option<StateOverride>,
) -> Result<u64, CallError> {
    let mut runner = Runner::new(ledger, state, env, request, overrides)?;
    let mut high = request.gas.unwrap_or(TX_GAS_MAX).min(TX_GAS_MAX).min(env.gas_limit);
    high = high.min(affordable(state, request)?);
    let first = runner.run(high)?;
    let CallOutcome::Success { gas_used, .. } = first else {
        return Err(CallError::Fails(Box::new(first)));
    };
    // Never enough: one less than what was used after refunds. Highest known to be enough: `high`.
    let mut low = gas_used.saturating_sub(1);
    while low + 1 < high {
        // A first guess near the gas used: most calls need little more than that.
        let middle = (low + (high - low) / 2).min(low.saturating_add(low / 8 + 64));
        let enough = match runner.run(middle) {
            Ok(outcome) => matches!(outcome, CallOutcome::Success { .. }),
            Err(CallError::Refused(TxError::GasLimitTooLow { .. })) => false,
            Err(other) => return Err(other),
        };
        if enough {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

/// Gas that the sender can pay at the price it names.
fn affordable(state: &dyn State, request: &TransactionRequest) -> Result<u64, CallError> {
    let price = request.max_fee_per_gas.or(request.gas_price).unwrap_or_default();
    let (Some(from), true) = (request.from, price > 0) else { return Ok(u64::MAX) };
    let balance = state.account(from)?.unwrap_or_default().balance;
    let value = request.value.unwrap_or_default();
    match balance.checked_sub(value) {
        Some(left) => Ok((left / U256::from(price)).saturating_to()),
        None => Err(CallError::Refused(TxError::InsufficientFunds { balance, needed: value })),
    }
}
