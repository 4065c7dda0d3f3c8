//! Bounds on what watches the EVM: a tracer records until its time or its bytes are spent, then the run stops.
//!
//! Gas bounds the work of a call but not what a tracer keeps of it: fifty million gas are twenty million steps. Cancelling
//! from outside is not possible, a run holds its thread; so the watcher itself looks at the clock.

use std::time::Instant;

use alloy_primitives::{Address, Log, U256};
use revm::{
    Inspector,
    context_interface::{ContextTr, context::ContextError},
    handler::FrameResult,
    inspector::JournalExt,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, FrameInput, Interpreter,
        interpreter_types::LoopControl as _,
    },
};

use super::errors::{Failure, LIMIT, error};

/// Steps between two looks at the clock.
const STEPS_PER_LOOK: u32 = 4_096;
/// What one recorded step is counted as, beside its stack and memory.
const STEP_BYTES: usize = 256;
/// What one recorded call or log is counted as, beside its bytes.
const ENTRY_BYTES: usize = 512;

/// What the tracer keeps of every step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PerStep {
    /// Anything at all.
    pub(super) steps: bool,
    /// The stack.
    pub(super) stack: bool,
    /// The memory.
    pub(super) memory: bool,
}

/// What is left for one request.
#[derive(Debug)]
pub(super) struct Budget {
    until: Instant,
    bytes: usize,
    steps: u32,
    spent: Option<&'static str>,
}

impl Budget {
    /// Until `until`, with at most `bytes` recorded.
    pub(super) const fn new(until: Instant, bytes: usize) -> Self {
        Self { until, bytes, steps: 0, spent: None }
    }

    fn take(&mut self, bytes: usize) {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => self.spent = Some("the trace is too large: ask for less of it"),
        }
    }

    fn look(&mut self) {
        if Instant::now() > self.until {
            self.spent = Some("execution timeout");
        }
    }

    /// Between two transactions.
    ///
    /// # Errors
    /// When nothing is left.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        self.look();
        match self.spent {
            Some(why) => Err(error(LIMIT, why).into()),
            None => Ok(()),
        }
    }
}

/// A watcher within a budget.
#[derive(Debug)]
pub(super) struct Guard<'b, I> {
    /// What watches.
    pub(super) inner: I,
    /// What it may take.
    pub(super) budget: &'b mut Budget,
    /// What it keeps.
    pub(super) keeps: PerStep,
}

impl<I> Guard<'_, I> {
    /// Stops the run when the budget is spent: the error aborts the transaction, the halt this frame.
    fn stop_if_spent<CTX: ContextTr>(&self, interp: &mut Interpreter, context: &mut CTX) {
        let Some(why) = self.budget.spent else { return };
        if context.error().is_ok() {
            *context.error() = Err(ContextError::Custom(why.into()));
        }
        interp.bytecode.action().take();
        interp.bytecode.reset_action();
        interp.halt_fatal();
    }
}

impl<CTX, I> Inspector<CTX> for Guard<'_, I>
where
    CTX: ContextTr<Journal: JournalExt>,
    I: Inspector<CTX>,
{
    fn initialize_interp(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.inner.initialize_interp(interp, context);
    }

    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.budget.steps = self.budget.steps.wrapping_add(1);
        if self.budget.steps.is_multiple_of(STEPS_PER_LOOK) {
            self.budget.look();
        }
        if self.keeps.steps {
            let stack = if self.keeps.stack { interp.stack.len() * 32 } else { 0 };
            let memory = if self.keeps.memory { interp.memory.len() } else { 0 };
            self.budget.take(STEP_BYTES + stack + memory);
        }
        if self.budget.spent.is_none() {
            self.inner.step(interp, context);
        }
        self.stop_if_spent(interp, context);
    }

    fn step_end(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        if self.budget.spent.is_none() {
            self.inner.step_end(interp, context);
        }
        self.stop_if_spent(interp, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.budget.take(ENTRY_BYTES + log.data.data.len());
        self.inner.log(context, log);
    }

    fn log_full(&mut self, interp: &mut Interpreter, context: &mut CTX, log: Log) {
        self.budget.take(ENTRY_BYTES + log.data.data.len());
        self.inner.log_full(interp, context, log);
    }

    fn frame_start(&mut self, context: &mut CTX, input: &mut FrameInput) -> Option<FrameResult> {
        self.inner.frame_start(context, input)
    }

    fn frame_end(&mut self, context: &mut CTX, input: &FrameInput, result: &mut FrameResult) {
        self.inner.frame_end(context, input, result);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.budget.look();
        self.budget.take(ENTRY_BYTES + inputs.input.len());
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.budget.take(outcome.result.output.len());
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.budget.look();
        self.budget.take(ENTRY_BYTES + inputs.init_code().len());
        self.inner.create(context, inputs)
    }

    fn create_end(
        &mut self,
        context: &mut CTX,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.budget.take(outcome.result.output.len());
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.inner.selfdestruct(contract, target, value);
    }
}
