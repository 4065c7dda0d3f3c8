//! Runs on a state that leave nothing behind, one after another, watched: traces and simulations.
//!
//! ```text
//!   state of a block, Env ─► Session ─ run or replay, under an inspector ─► Run ─ keep ─► the next run sees it
//!                               └ next block ◄─────────────────────────────────────┘
//! ```
//! What watches is the caller's: the ledger knows no tracer. A replayed transaction is held to the rules of its block, so
//! that its trace is of what happened; a request is held to the `Rules` that the caller names.

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_evm::{
    Evm as _, EvmEnv, IntoTxEnv as _,
    eth::{EthEvmBuilder, EthEvmContext},
    overrides::apply_state_overrides,
};
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};
use revm::{
    Database as _, DatabaseCommit as _, Inspector,
    context::{BlockEnv, TxEnv},
    context_interface::result::{ExecutionResult, ResultAndState},
};

use crate::{
    Account, CallError, Ledger, SPEC, State, StateError,
    block::{Env, call_env, refusal, request_tx},
    database::BlockDb,
    duties, native,
    transaction::{Kind, Voters, precheck},
};

/// What a request is checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// As `eth_call`: neither nonce nor fee nor balance.
    Call,
    /// The value must be there; neither nonce nor fee.
    Funded,
    /// As a transaction, but for its signature: nonce, base fee, balance, gas limits.
    Transaction,
}

/// A run that nothing depends on yet.
#[derive(Debug)]
pub struct Run {
    /// What ran.
    pub tx: TxEnv,
    /// How it ended, and what it would change.
    pub outcome: ResultAndState,
    /// Whether its fee pays the base fee, which is burned.
    burns: bool,
}

/// See the file.
#[derive(Debug)]
pub struct Session<'a> {
    ledger: Ledger,
    state: SessionState<'a>,
    db: BlockDb<'a>,
    env: Env,
    /// Whether the current block did what it does before its transactions.
    opened: bool,
    base_fees: U256,
}

#[derive(Clone, Copy)]
struct SessionState<'a>(&'a dyn State);

impl std::fmt::Debug for SessionState<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}

const fn parent(env: &Env) -> (u64, B256) {
    (env.number.saturating_sub(1), env.parent_hash)
}

impl<'a> Session<'a> {
    /// Of a block with this environment, on the state before its first transaction.
    #[must_use]
    pub fn new(ledger: &Ledger, state: &'a dyn State, env: Env) -> Self {
        let db = BlockDb::new(state, parent(&env));
        let state = SessionState(state);
        Self { ledger: ledger.clone(), state, db, env, opened: false, base_fees: U256::ZERO }
    }

    /// The environment of the current block.
    #[must_use]
    pub const fn env(&self) -> &Env {
        &self.env
    }

    /// Changes the environment of the runs that follow.
    pub fn set_env(&mut self, env: Env) {
        self.env = env;
    }

    /// The same as the EVM sees it.
    #[must_use]
    pub fn block_env(&self) -> BlockEnv {
        self.env.to_evm(self.ledger.genesis().chain_id).block_env
    }

    /// The state as it is now.
    #[must_use]
    pub const fn reads(&self) -> &BlockDb<'a> {
        &self.db
    }

    /// An account as it is now.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn account(&mut self, address: Address) -> Result<Account, StateError> {
        let info = self.db.basic(address)?.unwrap_or_default();
        Ok(Account { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash })
    }

    /// Changes the state before the next run.
    ///
    /// # Errors
    /// When the overrides contradict themselves, or the state cannot be read.
    pub fn override_state(&mut self, overrides: StateOverride) -> Result<(), CallError> {
        apply_state_overrides(overrides, &mut self.db)
            .map_err(|error| CallError::Overrides(error.to_string()))
    }

    /// Changes what `BLOCKHASH` answers.
    pub fn override_hash(&mut self, number: u64, hash: B256) {
        self.db.set_hash(number, hash);
    }

    /// Ends the current block under this hash and begins the one with `env`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn next(&mut self, hash: B256, env: Env) -> Result<(), StateError> {
        self.open()?;
        duties::close(&self.ledger, &self.env, &mut self.db, self.base_fees)?;
        self.base_fees = U256::ZERO;
        self.opened = false;
        self.db.set_hash(self.env.number, hash);
        self.env = env;
        Ok(())
    }

    /// What the block does before its first transaction, once.
    fn open(&mut self) -> Result<(), StateError> {
        if !std::mem::replace(&mut self.opened, true) {
            duties::open(&self.ledger, &self.env, &mut self.db)?;
        }
        Ok(())
    }

    /// Runs a transaction of this block as the block did.
    ///
    /// # Errors
    /// When it may not be in such a block, or the state cannot be read.
    pub fn replay<I>(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
        inspector: &mut I,
    ) -> Result<Run, CallError>
    where
        I: Inspector<EthEvmContext<BlockDb<'a>>>,
    {
        let voters = Voters {
            state: self.state.0,
            genesis: self.ledger.shared_genesis(),
            height: self.env.number,
        };
        let kind =
            precheck(&voters, self.env.base_fee, transaction)?.map_err(CallError::Refused)?;
        let mut evm = self.env.to_evm(self.ledger.genesis().chain_id);
        evm.cfg_env.disable_base_fee = kind == Kind::System;
        self.transact(evm, transaction.into_tx_env(), kind == Kind::Paying, inspector)
    }

    /// Runs a request.
    ///
    /// # Errors
    /// When the rules forbid it, or the state cannot be read.
    pub fn run<I>(
        &mut self,
        request: &TransactionRequest,
        gas_limit: u64,
        rules: Rules,
        inspector: &mut I,
    ) -> Result<Run, CallError>
    where
        I: Inspector<EthEvmContext<BlockDb<'a>>>,
    {
        let chain_id = self.ledger.genesis().chain_id;
        let evm = match rules {
            Rules::Call => call_env(&self.ledger, &self.env),
            Rules::Funded => {
                let mut evm = call_env(&self.ledger, &self.env);
                evm.cfg_env.disable_balance_check = false;
                evm
            }
            Rules::Transaction => {
                let mut evm = self.env.to_evm(chain_id);
                // Nobody signs a request: that its sender is a contract proves nothing.
                evm.cfg_env.disable_eip3607 = true;
                evm
            }
        };
        let burns = rules == Rules::Transaction;
        self.transact(evm, request_tx(request, chain_id, gas_limit), burns, inspector)
    }

    /// What the run changed, later runs see.
    pub fn keep(&mut self, run: Run) -> ExecutionResult {
        let ResultAndState { result, state } = run.outcome;
        if run.burns {
            let fee =
                U256::from(result.tx_gas_used()).saturating_mul(U256::from(self.env.base_fee));
            self.base_fees = self.base_fees.saturating_add(fee);
        }
        self.db.commit(state);
        result
    }

    fn transact<I>(
        &mut self,
        env: EvmEnv,
        tx: TxEnv,
        burns: bool,
        inspector: &mut I,
    ) -> Result<Run, CallError>
    where
        I: Inspector<EthEvmContext<BlockDb<'a>>>,
    {
        self.open()?;
        // The EVM owns its database while it runs.
        let empty = BlockDb::new(self.state.0, parent(&self.env));
        let db = std::mem::replace(&mut self.db, empty);
        let precompiles = native::precompiles(SPEC, &self.ledger.facts(&self.env));
        let mut evm = EthEvmBuilder::new(db, env)
            .activate_inspector(inspector)
            .precompiles(precompiles)
            .build();
        let outcome = evm.transact_raw(tx.clone());
        self.db = evm.into_db();
        match outcome {
            Ok(outcome) => Ok(Run { tx, outcome, burns }),
            Err(error) => Err(CallError::Refused(refusal(error, &self.env)?)),
        }
    }
}
