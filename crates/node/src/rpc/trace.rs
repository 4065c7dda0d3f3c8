//! Traces: what a transaction, a call or a block did inside, as geth's tracers tell it.
//!
//! A transaction is traced by running its block again up to it, on the parent's state, under the rules of the block: the
//! state window bounds how far back. What a trace may take is in `guard.rs`.

use std::time::Instant;

use alloy_eips::{BlockId, BlockNumberOrTag as Tag};
use alloy_primitives::B256;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::geth::{
    GethDebugBuiltInTracerType as Tracer, GethDebugTracerType, GethDebugTracingCallOptions,
    GethDebugTracingOptions, GethTrace, TraceResult,
};
use cairn_ledger::{CallError, Rules, Run, Session};
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
};
use revm::inspector::NoOpInspector;
use revm_inspectors::tracing::{DebugInspector, TransactionContext};

use super::{
    Node, Rpc,
    blocks::height_or_error,
    call::{apply_overrides, capped, place},
    errors::{Answer, NOT_FOUND, PARAMS, SERVER, error, internal},
    guard::{Budget, Guard, PerStep},
};
use crate::disk::{Snapshot, StoredBlock};

type Traced = TraceResult;

/// Traces of what was or would be executed.
#[rpc(server)]
pub trait TraceApi {
    /// A transaction in a block.
    #[method(name = "debug_traceTransaction")]
    async fn trace_transaction(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<GethTrace>;
    /// A call on the state after a block, or inside it after `txIndex` of its transactions.
    #[method(name = "debug_traceCall")]
    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<GethTrace>;
    /// Every transaction of a block.
    #[method(name = "debug_traceBlockByNumber")]
    async fn trace_block_by_number(
        &self,
        block: Tag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<Traced>>;
    /// Every transaction of a block.
    #[method(name = "debug_traceBlockByHash")]
    async fn trace_block_by_hash(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<Traced>>;
}

/// One request's tracer with its bounds.
struct Tracing {
    tracer: DebugInspector,
    keeps: PerStep,
    budget: Budget,
}

impl Tracing {
    fn new(node: &Node, options: GethDebugTracingOptions) -> Answer<Self> {
        let named = options.tracer.as_ref().filter(|tracer| !tracer.as_str().is_empty());
        let supported = match named {
            None => true,
            Some(GethDebugTracerType::BuiltInTracer(tracer)) => matches!(
                tracer,
                Tracer::CallTracer
                    | Tracer::PreStateTracer
                    | Tracer::FourByteTracer
                    | Tracer::FlatCallTracer
                    | Tracer::NoopTracer
            ),
            Some(_) => false,
        };
        if !supported {
            let message = "tracer not found: this node has callTracer, prestateTracer, 4byteTracer, \
                           flatCallTracer, noopTracer and the struct logger";
            return Err(error(SERVER, message).into());
        }
        let keeps = PerStep {
            steps: named.is_none(),
            stack: !options.config.disable_stack.unwrap_or_default(),
            memory: options.config.is_memory_enabled(),
        };
        let tracer = DebugInspector::new(options)
            .map_err(|reason| error(PARAMS, format!("invalid tracer config: {reason}")))?;
        Ok(Self { tracer, keeps, budget: budget(node) })
    }

    /// Runs something under the tracer and tells what it saw.
    fn trace<'a>(
        &mut self,
        session: &mut Session<'a>,
        context: TransactionContext,
        run: impl FnOnce(
            &mut Session<'a>,
            &mut Guard<'_, &mut DebugInspector>,
        ) -> Result<Run, CallError>,
    ) -> Answer<(GethTrace, Run)> {
        self.tracer.fuse().map_err(|reason| internal(&reason))?;
        let Self { tracer, budget, keeps } = self;
        let mut guard = Guard { inner: tracer, budget, keeps: *keeps };
        let ran = run(session, &mut guard);
        // A spent budget ends the run with an error of its own.
        self.budget.check()?;
        let run = ran?;
        let block = session.block_env();
        let mut before = session.reads();
        let trace = self
            .tracer
            .get_result(Some(context), &run.tx, &block, &run.outcome, &mut before)
            .map_err(|reason| internal(&reason))?;
        Ok((trace, run))
    }

    /// Runs the first `count` transactions of a block without looking.
    fn skip(&mut self, session: &mut Session<'_>, block: &StoredBlock, count: usize) -> Answer<()> {
        for transaction in block.transactions.iter().take(count) {
            let keeps = PerStep::default();
            let mut guard = Guard { inner: NoOpInspector, budget: &mut self.budget, keeps };
            let ran = session.replay(transaction, &mut guard);
            self.budget.check()?;
            session.keep(ran?);
        }
        Ok(())
    }

    /// Runs the transaction at `index` of a block, after those before it.
    fn transaction(
        &mut self,
        session: &mut Session<'_>,
        block: &StoredBlock,
        index: usize,
    ) -> Answer<(GethTrace, Run)> {
        let transaction = block
            .transactions
            .get(index)
            .ok_or_else(|| error(NOT_FOUND, "transaction not found"))?;
        let context = TransactionContext {
            block_hash: Some(block.hash),
            tx_index: Some(index),
            tx_hash: Some(*transaction.inner().tx_hash()),
        };
        self.trace(session, context, |session, guard| session.replay(transaction, guard))
    }
}

/// What one request may record: as much as an answer may have.
pub(super) fn budget(node: &Node) -> Budget {
    let bytes = usize::try_from(node.config.response_bytes_max).unwrap_or(usize::MAX);
    Budget::new(Instant::now() + node.config.deadline, bytes)
}

/// Calls `work` with a block and a session on the state before it.
fn replaying<T>(
    node: &Node,
    snapshot: &Snapshot,
    height: u64,
    work: impl FnOnce(&StoredBlock, Session<'_>) -> Answer<T>,
) -> Answer<T> {
    let Some(parent) = height.checked_sub(1) else {
        return Err(error(SERVER, "genesis is not traceable").into());
    };
    let block = snapshot.block(height)?.ok_or_else(|| error(NOT_FOUND, "header not found"))?;
    let state = snapshot.at(parent)?;
    work(&block, Session::new(&node.ledger, &state, node.ledger.env_of(&block.header)))
}

fn trace_transaction(
    node: &Node,
    hash: B256,
    options: GethDebugTracingOptions,
) -> Answer<GethTrace> {
    let snapshot = node.disk.snapshot();
    let (height, index) =
        snapshot.position(hash)?.ok_or_else(|| error(SERVER, "transaction not found"))?;
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let mut tracing = Tracing::new(node, options)?;
    replaying(node, &snapshot, height, |block, mut session| {
        tracing.skip(&mut session, block, index)?;
        Ok(tracing.transaction(&mut session, block, index)?.0)
    })
}

fn trace_block(
    node: &Node,
    block: BlockId,
    options: GethDebugTracingOptions,
) -> Answer<Vec<Traced>> {
    let snapshot = node.disk.snapshot();
    let height = height_or_error(&snapshot, block)?;
    let mut tracing = Tracing::new(node, options)?;
    replaying(node, &snapshot, height, |block, mut session| {
        let mut traces = Vec::new();
        for (index, transaction) in block.transactions.iter().enumerate() {
            let (result, run) = tracing.transaction(&mut session, block, index)?;
            session.keep(run);
            traces.push(Traced::new_success(result, Some(*transaction.inner().tx_hash())));
        }
        Ok(traces)
    })
}

fn trace_call(
    node: &Node,
    request: TransactionRequest,
    block: Option<BlockId>,
    options: GethDebugTracingCallOptions,
) -> Answer<GethTrace> {
    let snapshot = node.disk.snapshot();
    let height = height_or_error(&snapshot, block.unwrap_or_default())?;
    let GethDebugTracingCallOptions { tracing_options, state_overrides, block_overrides, tx_index } =
        options;
    let mut tracing = Tracing::new(node, tracing_options)?;
    let request = capped(node, request);
    let call = |tracing: &mut Tracing, mut session: Session<'_>| {
        apply_overrides(&mut session, state_overrides, block_overrides)?;
        let gas = request.gas.unwrap_or_default();
        let context = TransactionContext::default();
        let traced = tracing.trace(&mut session, context, |session, guard| {
            session.run(&request, gas, Rules::Call, guard)
        })?;
        Ok(traced.0)
    };
    match tx_index {
        Some(index) => replaying(node, &snapshot, height, |block, mut session| {
            let count = usize::try_from(index).unwrap_or(usize::MAX);
            tracing.skip(&mut session, block, count)?;
            call(&mut tracing, session)
        }),
        None => {
            let (state, env) = place(node, &snapshot, Some(height.into()))?;
            call(&mut tracing, Session::new(&node.ledger, &state, env))
        }
    }
}

#[async_trait]
impl TraceApiServer for Rpc {
    async fn trace_transaction(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<GethTrace> {
        self.compute(move |node| trace_transaction(node, hash, options.unwrap_or_default())).await
    }
    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<GethTrace> {
        self.compute(move |node| trace_call(node, request, block, options.unwrap_or_default()))
            .await
    }
    async fn trace_block_by_number(
        &self,
        block: Tag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<Traced>> {
        let options = options.unwrap_or_default();
        self.compute(move |node| trace_block(node, block.into(), options)).await
    }
    async fn trace_block_by_hash(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<Traced>> {
        let options = options.unwrap_or_default();
        self.compute(move |node| trace_block(node, hash.into(), options)).await
    }
}
