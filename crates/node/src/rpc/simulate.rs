//! `eth_simulateV1`: several blocks of calls on top of a block, each seeing what the earlier did, none of it kept.
//!
//! The shape of requests, answers and errors is that of the execution APIs' specification and of geth. The simulated
//! headers have no state root: it is not a function of the state alone here (docs/spec/state.md).

use alloy_consensus::{
    EMPTY_ROOT_HASH, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope, TxReceipt as _,
    proofs, transaction::Recovered,
};
use alloy_eips::BlockId;
use alloy_primitives::{B256, Bloom, Bytes};
use alloy_rpc_types_eth::{
    Log, TransactionRequest,
    simulate::{
        MAX_SIMULATE_BLOCKS, SimBlock, SimCallResult, SimulateError, SimulatePayload,
        SimulatedBlock,
    },
};
use cairn_ledger::{CallError, CallOutcome, Env, Executed, Rules, Session, TxError, Writes};
use cairn_primitives::TimeMs;
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
};
use revm::context_interface::result::ExecutionResult;
use revm_inspectors::transfer::{TRANSFER_LOG_EMITTER, TransferInspector};

use super::{
    Node, Rpc,
    blocks::{block_view, height_or_error},
    call::{apply_overrides, failed, override_env},
    errors::{Answer, Failure, LIMIT, NOT_FOUND, PARAMS, error},
    guard::{Budget, Guard, PerStep},
    sending::unsigned,
    trace::budget,
};
use crate::disk::StoredBlock;

/// Most calls of one simulation.
const CALLS_MAX: usize = 1_000;
/// Network time between simulated blocks whose time is not given.
const SPACING_MS: u64 = 1_000;

/// Simulations.
#[rpc(server)]
pub trait SimulateApi {
    /// Runs blocks of calls on the state after a block.
    #[method(name = "eth_simulateV1")]
    async fn simulate(
        &self,
        payload: SimulatePayload,
        block: Option<BlockId>,
    ) -> RpcResult<Vec<SimulatedBlock>>;
}

/// Numbers of the specification for a call that cannot be part of a block.
fn refused(reason: &TxError) -> i32 {
    match reason {
        TxError::NonceTooLow { .. } => -38010,
        TxError::NonceTooHigh { .. } => -38011,
        TxError::FeeTooLow { .. } => -38012,
        TxError::GasLimitTooLow { .. } => -38013,
        TxError::InsufficientFunds { .. } => -38014,
        TxError::BlockFull | TxError::GasLimitTooHigh { .. } => -38015,
        TxError::SenderIsContract => -38024,
        TxError::InitCodeTooLarge => -38025,
        _ => PARAMS,
    }
}

/// One simulation under way.
struct Simulation<'n, 'a> {
    node: &'n Node,
    session: Session<'a>,
    budget: Budget,
    gas_left: u64,
    validation: bool,
    transfers: bool,
    full: bool,
}

/// A simulated block so far.
#[derive(Default)]
struct Tally {
    transactions: Vec<Recovered<TxEnvelope>>,
    receipts: Vec<ReceiptEnvelope>,
    gas_used: Vec<u64>,
    gas_total: u64,
    results: Vec<SimCallResult>,
    logs: u64,
}

impl Simulation<'_, '_> {
    /// Fills in what a call leaves out: its nonce, and the gas that is left.
    fn complete(
        &mut self,
        request: &mut TransactionRequest,
        gas_used: u64,
    ) -> Result<u64, Failure> {
        let from = *request.from.get_or_insert_default();
        if request.nonce.is_none() {
            request.nonce = Some(self.session.account(from)?.nonce);
        }
        let room = self.session.env().gas_limit.saturating_sub(gas_used);
        let most = if self.validation { cairn_ledger::params::TX_GAS_MAX } else { u64::MAX };
        let gas = request.gas.unwrap_or_else(|| room.min(self.gas_left).min(most));
        if gas > room {
            let message = format!("block gas limit reached: {gas} wanted, {room} left");
            return Err(error(-38015, message).into());
        }
        if gas > self.gas_left || self.gas_left == 0 {
            let most = self.node.config.call_gas_max;
            return Err(error(LIMIT, format!("all calls together may use {most} gas")).into());
        }
        request.gas = Some(gas);
        Ok(gas)
    }

    fn call(&mut self, mut request: TransactionRequest, tally: &mut Tally) -> Answer<()> {
        let gas = self.complete(&mut request, tally.gas_total)?;
        let rules = if self.validation { Rules::Transaction } else { Rules::Funded };
        let inner = TransferInspector::new(false).with_logs(self.transfers);
        let keeps = PerStep::default();
        let mut guard = Guard { inner, budget: &mut self.budget, keeps };
        let ran = self.session.run(&request, gas, rules, &mut guard);
        self.budget.check()?;
        let run = ran.map_err(|failure| match failure {
            CallError::Refused(reason) => Failure(error(refused(&reason), reason.to_string())),
            other => other.into(),
        })?;
        let result = self.session.keep(run);
        self.gas_left = self.gas_left.saturating_sub(result.tx_gas_used());
        let chain_id = self.node.genesis.chain_id;
        tally.include(unsigned(&request, chain_id), result);
        Ok(())
    }

    /// Runs the calls of a block and tells what became of it.
    fn block(&mut self, env: Env, calls: Vec<TransactionRequest>) -> Answer<SimulatedBlock> {
        let mut tally = Tally::default();
        for request in calls {
            self.call(request, &mut tally)?;
        }
        let (block, mut results) = tally.finish(&env);
        for result in &mut results {
            for log in &mut result.logs {
                log.block_hash = Some(block.hash);
                log.block_number = Some(block.header.number);
                log.block_timestamp = Some(block.header.timestamp);
            }
        }
        Ok(SimulatedBlock { inner: block_view(&block, self.full), calls: results })
    }
}

impl Tally {
    fn include(&mut self, transaction: Recovered<TxEnvelope>, result: ExecutionResult) {
        let (gas, success) = (result.tx_gas_used(), result.is_success());
        self.gas_total += gas;
        let index = u64::try_from(self.transactions.len()).ok();
        let hash = Some(*transaction.inner().tx_hash());
        let outcome = CallOutcome::from(result);
        let error = (!success).then(|| {
            let told = failed(&outcome);
            let reverted = matches!(outcome, CallOutcome::Revert { .. });
            let code = if reverted { told.code() } else { SimulateError::VM_EXECUTION_ERROR_CODE };
            SimulateError { code, message: told.message().to_owned(), data: None }
        });
        let (output, emitted) = match outcome {
            CallOutcome::Success { output, logs, .. } => (output, logs),
            CallOutcome::Revert { output, .. } => (output, Vec::new()),
            CallOutcome::Halt { .. } => (Bytes::new(), Vec::new()),
        };
        let error = error.map(|told| SimulateError {
            data: (!output.is_empty()).then(|| output.clone()),
            ..told
        });
        let place = |inner: &alloy_primitives::Log| {
            let log_index = Some(self.logs);
            self.logs += 1;
            let (transaction_hash, transaction_index) = (hash, index);
            Log {
                inner: inner.clone(),
                transaction_hash,
                transaction_index,
                log_index,
                ..Log::default()
            }
        };
        let logs = emitted.iter().map(place).collect();
        // Transfers are told as logs, but no contract emitted them.
        let emitted: Vec<_> =
            emitted.into_iter().filter(|log| log.address != TRANSFER_LOG_EMITTER).collect();
        let receipt =
            Receipt { status: success.into(), cumulative_gas_used: self.gas_total, logs: emitted };
        self.receipts.push(ReceiptEnvelope::from_typed(
            transaction.tx_type(),
            ReceiptWithBloom::from(receipt),
        ));
        self.results.push(SimCallResult {
            return_data: output,
            logs,
            gas_used: gas,
            max_used_gas: None,
            status: success,
            error,
        });
        self.gas_used.push(gas);
        self.transactions.push(transaction);
    }

    fn finish(self, env: &Env) -> (StoredBlock, Vec<SimCallResult>) {
        let root = |empty: bool, root: &dyn Fn() -> B256| {
            if empty { EMPTY_ROOT_HASH } else { root() }
        };
        let empty = self.transactions.is_empty();
        let executed = Executed {
            transactions_root: root(empty, &|| {
                proofs::calculate_transaction_root(&self.transactions)
            }),
            receipts_root: root(empty, &|| proofs::calculate_receipt_root(&self.receipts)),
            bloom: self.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom()),
            transactions: self.transactions,
            dropped: Vec::new(),
            receipts: self.receipts,
            gas_used: self.gas_used,
            writes: Writes::default(),
        };
        let header = executed.header(env, B256::ZERO);
        let hash = header.hash_slow();
        (StoredBlock { hash, header, transactions: executed.transactions }, self.results)
    }
}

/// The blocks with their environments' numbers in order: what was left out between two numbers are empty blocks.
fn filled(base: u64, blocks: Vec<SimBlock>) -> Answer<Vec<(u64, SimBlock)>> {
    let mut last = base;
    let mut all = Vec::new();
    for block in blocks {
        let number = block.block_number_override().map_or(last + 1, |n| n.saturating_to::<u64>());
        if number <= last {
            let message = format!("block numbers must be in order: {number} <= {last}");
            return Err(error(-38020, message).into());
        }
        if number - base > MAX_SIMULATE_BLOCKS {
            let message = format!("too many blocks: at most {MAX_SIMULATE_BLOCKS}");
            return Err(error(-38026, message).into());
        }
        all.extend((last + 1..number).map(|gap| (gap, SimBlock::default())));
        all.push((number, block));
        last = number;
    }
    Ok(all)
}

fn simulate(
    node: &Node,
    payload: SimulatePayload,
    block: Option<BlockId>,
) -> Answer<Vec<SimulatedBlock>> {
    let SimulatePayload {
        block_state_calls,
        trace_transfers,
        validation,
        return_full_transactions,
    } = payload;
    if block_state_calls.is_empty() {
        return Err(error(PARAMS, "empty input").into());
    }
    if block_state_calls.iter().map(|block| block.calls.len()).sum::<usize>() > CALLS_MAX {
        return Err(error(LIMIT, format!("too many calls: at most {CALLS_MAX}")).into());
    }
    let snapshot = node.disk.snapshot();
    let height = height_or_error(&snapshot, block.unwrap_or_default())?;
    let (_, mut parent) =
        snapshot.header(height)?.ok_or_else(|| error(NOT_FOUND, "header not found"))?;
    let state = snapshot.at(height)?;
    let blocks = filled(height, block_state_calls)?;
    let env = node.ledger.env_of(&parent);
    let mut simulation = Simulation {
        node,
        session: Session::new(&node.ledger, &state, env),
        budget: budget(node),
        gas_left: node.config.call_gas_max,
        validation,
        transfers: trace_transfers,
        full: return_full_transactions,
    };
    let mut answers = Vec::new();
    for (number, block) in blocks {
        let time = cairn_ledger::time_of(&parent);
        let mut env =
            node.ledger.next_env(&parent, TimeMs(time.0 + SPACING_MS), parent.beneficiary);
        env.number = number;
        if !validation {
            // Nobody has to pay: as in `eth_call`.
            env.base_fee = 0;
        }
        let overrides = block.block_overrides.unwrap_or_default();
        override_env(&mut env, &overrides);
        if env.time <= time {
            let message =
                format!("block timestamps must be in order: {} <= {}", env.time.0, time.0);
            return Err(error(-38021, message).into());
        }
        simulation.session.next(env.parent_hash, env.clone())?;
        for (number, hash) in overrides.block_hash.unwrap_or_default() {
            simulation.session.override_hash(number, hash);
        }
        apply_overrides(&mut simulation.session, block.state_overrides, None)?;
        let answer = simulation.block(env, block.calls)?;
        parent = answer.inner.header.inner.clone();
        answers.push(answer);
    }
    Ok(answers)
}

#[async_trait]
impl SimulateApiServer for Rpc {
    async fn simulate(
        &self,
        payload: SimulatePayload,
        block: Option<BlockId>,
    ) -> RpcResult<Vec<SimulatedBlock>> {
        self.compute(move |node| simulate(node, payload, block)).await
    }
}
