//! Calls that are no transactions: run on the state of a block, bounded by gas, and forgotten.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use alloy_eips::{
    BlockId,
    eip2930::{AccessList, AccessListItem, AccessListResult},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use cairn_ledger::{Account, CallError, CallOutcome, Env, Session, State, StateError};
use cairn_primitives::TimeMs;
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
    types::ErrorObjectOwned,
};

use super::{
    Node, Rpc,
    blocks::height_or_error,
    errors::{Answer, Failure, NOT_FOUND, PARAMS, SERVER, error, internal, reverted},
};
use crate::disk::{Snapshot, StateAt};

/// Times an access list is refined: each list may change what the call reads.
const ACCESS_ROUNDS: usize = 3;

/// Calls that are no transactions.
#[rpc(server)]
pub trait CallApi {
    /// Runs a call on the state after a block, with overrides of the state and of the block that it sees.
    #[method(name = "eth_call")]
    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
        block_overrides: Option<BlockOverrides>,
    ) -> RpcResult<Bytes>;
    /// The least gas limit with which a transaction succeeds.
    #[method(name = "eth_estimateGas")]
    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> RpcResult<U64>;
    /// The accounts and slots that a transaction touches (EIP-2930).
    #[method(name = "eth_createAccessList")]
    async fn create_access_list(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> RpcResult<AccessListResult>;
}

impl From<CallError> for Failure {
    fn from(failure: CallError) -> Self {
        Self(match failure {
            CallError::Refused(refusal) => error(SERVER, refusal.to_string()),
            CallError::Overrides(_) => error(PARAMS, failure.to_string()),
            CallError::Fails(outcome) => failed(&outcome),
            CallError::State(source) => internal(&source),
        })
    }
}

/// The error of a call that did not succeed.
pub(super) fn failed(outcome: &CallOutcome) -> ErrorObjectOwned {
    match outcome {
        CallOutcome::Revert { output, .. } => reverted(output),
        CallOutcome::Halt { reason, .. } => {
            let reason = format!("{reason:?}");
            if reason.starts_with("OutOfGas") {
                error(SERVER, "out of gas")
            } else {
                error(SERVER, format!("execution halted: {reason}"))
            }
        }
        CallOutcome::Success { .. } => error(SERVER, "the call did not fail"),
    }
}

/// A block's state and environment.
pub(super) fn place<'a>(
    node: &Node,
    snapshot: &'a Snapshot,
    block: Option<BlockId>,
) -> Answer<(StateAt<'a>, Env)> {
    let height = height_or_error(snapshot, block.unwrap_or_default())?;
    let (_, header) =
        snapshot.header(height)?.ok_or_else(|| error(NOT_FOUND, "header not found"))?;
    Ok((snapshot.at(height)?, node.ledger.env_of(&header)))
}

/// A request with at most the gas of a call.
pub(super) fn capped(node: &Node, mut request: TransactionRequest) -> TransactionRequest {
    let most = node.config.call_gas_max;
    request.gas = Some(request.gas.unwrap_or(most).min(most));
    request
}

/// What of a block's environment a request may replace. There is no difficulty, and blobs have no price.
pub(super) fn override_env(env: &mut Env, overrides: &BlockOverrides) {
    env.number = overrides.number.map_or(env.number, |number| number.saturating_to());
    env.time = overrides.time.map_or(env.time, |seconds| TimeMs(seconds.saturating_mul(1_000)));
    env.gas_limit = overrides.gas_limit.unwrap_or(env.gas_limit);
    env.proposer = overrides.coinbase.unwrap_or(env.proposer);
    env.prevrandao = overrides.random.unwrap_or(env.prevrandao);
    env.base_fee = overrides.base_fee.map_or(env.base_fee, |fee| fee.saturating_to());
}

/// Overrides of the state and the block, before a session's first run.
pub(super) fn apply_overrides(
    session: &mut Session<'_>,
    state: Option<StateOverride>,
    block: Option<BlockOverrides>,
) -> Answer<()> {
    if let Some(overrides) = state {
        if overrides.values().any(|account| account.move_precompile_to.is_some()) {
            return Err(error(PARAMS, "precompiles cannot be moved on this network").into());
        }
        session.override_state(overrides)?;
    }
    if let Some(overrides) = block {
        let mut env = session.env().clone();
        override_env(&mut env, &overrides);
        session.set_env(env);
        for (number, hash) in overrides.block_hash.unwrap_or_default() {
            session.override_hash(number, hash);
        }
    }
    Ok(())
}

fn access_list(
    node: &Node,
    request: TransactionRequest,
    block: Option<BlockId>,
    overrides: Option<&StateOverride>,
) -> Answer<AccessListResult> {
    let snapshot = node.disk.snapshot();
    let (state, env) = place(node, &snapshot, block)?;
    let mut request = capped(node, request);
    let mut result = AccessListResult::default();
    for _ in 0..ACCESS_ROUNDS {
        request.access_list = Some(result.access_list.clone());
        let recorder = Recorder { state: &state, read: RefCell::default() };
        let outcome = node.ledger.call(&recorder, &env, &request, overrides.cloned())?;
        let list = recorder.into_list(&request, env.proposer);
        let (gas_used, failure) = match &outcome {
            CallOutcome::Success { gas_used, .. } => (*gas_used, None),
            CallOutcome::Revert { gas_used, .. } | CallOutcome::Halt { gas_used, .. } => {
                (*gas_used, Some(failed(&outcome).message().to_owned()))
            }
        };
        let settled = list == result.access_list;
        result =
            AccessListResult { access_list: list, gas_used: U256::from(gas_used), error: failure };
        if settled {
            break;
        }
    }
    Ok(result)
}

/// A state that remembers what was read from it.
struct Recorder<'a> {
    state: &'a StateAt<'a>,
    read: RefCell<BTreeMap<Address, BTreeSet<B256>>>,
}

impl Recorder<'_> {
    /// Everything read but what is warm anyway: sender, receiver, proposer and precompiles, unless slots of theirs were.
    fn into_list(self, request: &TransactionRequest, proposer: Address) -> AccessList {
        let receiver = match request.to {
            Some(TxKind::Call(address)) => Some(address),
            _ => None,
        };
        let precompile = |address: &Address| address.0[..18] == [0; 18];
        let warm = |address: &Address| {
            precompile(address)
                || Some(*address) == request.from
                || Some(*address) == receiver
                || *address == proposer
        };
        let read = self
            .read
            .into_inner()
            .into_iter()
            .filter(|(address, slots)| !slots.is_empty() || !warm(address));
        AccessList(
            read.map(|(address, slots)| AccessListItem {
                address,
                storage_keys: slots.into_iter().collect(),
            })
            .collect(),
        )
    }
}

impl State for Recorder<'_> {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        self.read.borrow_mut().entry(address).or_default();
        self.state.account(address)
    }
    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.read.borrow_mut().entry(address).or_default().insert(slot.into());
        self.state.slot(address, slot)
    }
    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        self.state.code(hash)
    }
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        self.state.block_hash(number)
    }
}

#[async_trait]
impl CallApiServer for Rpc {
    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
        block_overrides: Option<BlockOverrides>,
    ) -> RpcResult<Bytes> {
        self.compute(move |node| {
            let snapshot = node.disk.snapshot();
            let (state, mut env) = place(node, &snapshot, block)?;
            if let Some(overrides) = &block_overrides {
                override_env(&mut env, overrides);
            }
            match node.ledger.call(&state, &env, &capped(node, request), overrides)? {
                CallOutcome::Success { output, .. } => Ok(output),
                other => Err(failed(&other).into()),
            }
        })
        .await
    }

    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> RpcResult<U64> {
        self.compute(move |node| {
            let snapshot = node.disk.snapshot();
            let (state, env) = place(node, &snapshot, block)?;
            let gas = node.ledger.estimate_gas(&state, &env, &capped(node, request), overrides)?;
            Ok(U64::from(gas))
        })
        .await
    }

    async fn create_access_list(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> RpcResult<AccessListResult> {
        self.compute(move |node| access_list(node, request, block, overrides.as_ref())).await
    }
}
