//! The one entry to the state machine: everything a node asks of it is a method of `Ledger`.

use std::sync::Arc;

use alloy_consensus::{
    EMPTY_ROOT_HASH, Header, Transaction as _, TxEnvelope, transaction::Recovered,
};
use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
use alloy_primitives::{Address, B256, Bloom, KECCAK256_EMPTY, U256, keccak256};
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};
use cairn_primitives::{
    Digest, Epoch, Genesis, STONE, TimeMs,
    abi::{ECONOMY, INSURANCE, POOL, STAKE, TREASURY},
};

use crate::{
    Account, FullState, Memory, State, StateError, TxError, Violation, Writes,
    block::{self, BlockError, Env, Executed, time_of, turn_of},
    call::{self, CallError, CallOutcome},
    check,
    native::{self, Ctx, Facts, Sheet, Stop, beacon, stake},
    transaction::{Kind, Voters, highest_cost, is_delegation, precheck},
};

/// Code of system accounts: an invalid instruction. It makes them contracts for `extcodesize` and keeps EIP-161 from
/// clearing them; the native contract runs in its place.
pub const SYSTEM_CODE: [u8; 1] = [0xef];

/// A network's state machine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    genesis: Arc<Genesis>,
    hash: Digest,
}

/// A transaction that the pool may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Pays its fee, or is a system transaction.
    pub kind: Kind,
    /// Next nonce of the sender: the transaction can run now if its nonce is this.
    pub next_nonce: u64,
    /// The sender's account has code of its own choice (EIP-7702), so that others can move its balance and its nonce.
    pub delegated: bool,
}

/// Why the pool may not keep a transaction.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// It is not valid, or cannot be paid.
    #[error(transparent)]
    Refused(#[from] TxError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Ledger {
    /// The state machine of a checked genesis; `hash` names it.
    #[must_use]
    pub const fn new(genesis: Arc<Genesis>, hash: Digest) -> Self {
        Self { genesis, hash }
    }

    /// The network's parameters.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    pub(crate) const fn shared_genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    pub(crate) fn facts(&self, env: &Env) -> Arc<Facts> {
        Arc::new(Facts {
            genesis: Arc::clone(&self.genesis),
            genesis_hash: self.hash,
            time: env.time,
            number: env.number,
            prices: native::prices(),
        })
    }

    /// The state of block 0: accounts, reserve, bonds, and the system accounts with the first slots of their contracts.
    ///
    /// # Errors
    /// When a native contract refuses the genesis.
    pub fn genesis_writes(&self) -> Result<Writes, StateError> {
        let mut accounts = std::collections::BTreeMap::<Address, Account>::new();
        let pooled = self.genesis.pool.as_ref();
        let pooled = pooled.map(|pool| (POOL, pool.stones(self.genesis.price()).0));
        let contracts = native::contracts(&self.genesis).map(|contract| contract.address);
        let system = contracts.chain([TREASURY, INSURANCE]);
        for address in system {
            let code_hash = keccak256(SYSTEM_CODE);
            accounts.insert(address, Account { nonce: 1, balance: U256::ZERO, code_hash });
        }
        let reserve = u128::from(self.genesis.economy.reserve_stones) * STONE;
        let held = self.genesis.accounts.iter().map(|a| (a.address, u128::from(a.stones) * STONE));
        let all =
            held.chain([(ECONOMY, reserve), (STAKE, stake::bonds(&self.genesis).0)]).chain(pooled);
        for (address, stones) in all {
            let account = accounts.entry(address).or_default();
            account.balance = account.balance.saturating_add(U256::from(stones));
        }
        let mut writes = Writes {
            accounts: accounts
                .into_iter()
                .map(|(address, account)| (address, Some(account)))
                .collect(),
            ..Writes::default()
        };
        writes.codes.insert(keccak256(SYSTEM_CODE), SYSTEM_CODE.into());

        let mut base = Memory::default();
        base.apply(&writes);
        let facts = self.facts(&self.genesis_env());
        let mut sheet = Sheet::new(&base);
        let mut c = Ctx::free(&mut sheet, &facts);
        for contract in native::contracts(&self.genesis) {
            (contract.genesis)(&mut c).map_err(|stop| match stop {
                Stop::Fatal(reason) => StateError(reason.into()),
                other => {
                    StateError(format!("{} refuses the genesis: {other:?}", contract.name).into())
                }
            })?;
        }
        writes.merge(sheet.writes);
        Ok(writes)
    }

    /// The environment of block 0. Its parent is the genesis hash, so that the first header names the network.
    #[must_use]
    pub fn genesis_env(&self) -> Env {
        let parent_hash = B256::from(self.hash.0);
        Env {
            parent_hash,
            number: 0,
            time: TimeMs(self.genesis.start_ms),
            base_fee: self.genesis.base_fee_initial.max(self.genesis.base_fee_min),
            gas_limit: self.genesis.block_gas_limit,
            proposer: Address::ZERO,
            prevrandao: Env::prevrandao_after(parent_hash),
            turn: 0,
        }
    }

    /// The header of block 0, which has no transactions.
    #[must_use]
    pub fn genesis_header(&self, state_root: B256) -> Header {
        let executed = Executed {
            transactions: Vec::new(),
            dropped: Vec::new(),
            receipts: Vec::new(),
            gas_used: Vec::new(),
            writes: Writes::default(),
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            bloom: Bloom::ZERO,
        };
        executed.header(&self.genesis_env(), state_root)
    }

    /// The environment of the block after `parent`, at `time`, proposed by the validator with this operator account.
    /// A time before the parent's is the parent's: network time never runs back. Mix and turn are those of a chain without
    /// consensus.
    #[must_use]
    pub fn next_env(&self, parent: &Header, time: TimeMs, proposer: Address) -> Env {
        let parent_hash = parent.hash_slow();
        let base_fee = calc_next_block_base_fee(
            parent.gas_used,
            parent.gas_limit,
            parent.base_fee_per_gas.unwrap_or(self.genesis.base_fee_initial),
            BaseFeeParams::ethereum(),
        );
        Env {
            parent_hash,
            number: parent.number.saturating_add(1),
            time: time.max(time_of(parent)),
            base_fee: base_fee.max(self.genesis.base_fee_min),
            gas_limit: self.genesis.block_gas_limit,
            proposer,
            prevrandao: Env::prevrandao_after(parent_hash),
            turn: turn_of(parent).saturating_add(1),
        }
    }

    /// The environment that the block with this header ran in: for calls at it, and to run it again.
    #[must_use]
    pub fn env_of(&self, header: &Header) -> Env {
        Env {
            parent_hash: header.parent_hash,
            number: header.number,
            time: time_of(header),
            base_fee: header.base_fee_per_gas.unwrap_or(self.genesis.base_fee_initial),
            gas_limit: header.gas_limit,
            proposer: header.beneficiary,
            prevrandao: header.mix_hash,
            turn: turn_of(header),
        }
    }

    /// Executes candidates in order and leaves out what cannot be included.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn build(
        &self,
        state: &dyn State,
        env: &Env,
        candidates: impl IntoIterator<Item = Recovered<TxEnvelope>>,
    ) -> Result<Executed, StateError> {
        block::build(self, state, env, candidates.into_iter().collect())
    }

    /// Executes exactly these transactions.
    ///
    /// # Errors
    /// `BlockError::Transaction` when one may not be in the block: the block is invalid for ever.
    pub fn verify(
        &self,
        state: &dyn State,
        env: &Env,
        transactions: impl IntoIterator<Item = Recovered<TxEnvelope>>,
    ) -> Result<Executed, BlockError> {
        block::verify(self, state, env, transactions.into_iter().collect())
    }

    /// Whether a transaction may wait in the pool for a block like `env`. Fees below the base fee, nonces ahead of the
    /// account and system transactions that would revert now may become valid, so only the first is refused here.
    ///
    /// # Errors
    /// The numbered reason, or disk trouble.
    pub fn admit(
        &self,
        state: &dyn State,
        env: &Env,
        transaction: &Recovered<TxEnvelope>,
    ) -> Result<Admitted, AdmitError> {
        let voters = Voters { state, genesis: &self.genesis, height: env.number };
        let kind = precheck(&voters, env.base_fee, transaction)??;
        let account = state.account(transaction.signer())?.unwrap_or_default();
        let delegated = account.code_hash != KECCAK256_EMPTY;
        if delegated && !is_delegation(&state.code(account.code_hash)?) {
            return Err(TxError::SenderIsContract.into());
        }
        if transaction.nonce() < account.nonce {
            return Err(
                TxError::NonceTooLow { tx: transaction.nonce(), account: account.nonce }.into()
            );
        }
        let needed = highest_cost(transaction);
        if needed > account.balance {
            return Err(TxError::InsufficientFunds { balance: account.balance, needed }.into());
        }
        let intrinsic = native::prices().initial_tx_gas(
            transaction.input(),
            transaction.is_create(),
            transaction.access_list().map_or(0, |list| list.len() as u64),
            transaction.access_list().map_or(0, |list| list.storage_keys_count() as u64),
            transaction.authorization_list().map_or(0, |list| list.len() as u64),
            None,
        );
        let least = intrinsic.initial_total_gas().max(intrinsic.floor_gas());
        if transaction.gas_limit() < least {
            return Err(
                TxError::GasLimitTooLow { limit: transaction.gas_limit(), needed: least }.into()
            );
        }
        Ok(Admitted { kind, next_nonce: account.nonce, delegated })
    }

    /// Runs a request against a state without changing it (`eth_call`).
    ///
    /// # Errors
    /// When the request cannot run; a revert is an outcome, not an error.
    pub fn call(
        &self,
        state: &dyn State,
        env: &Env,
        request: &TransactionRequest,
        overrides: Option<StateOverride>,
    ) -> Result<CallOutcome, CallError> {
        call::call(self, state, env, request, overrides)
    }

    /// The least gas limit with which a request succeeds (`eth_estimateGas`).
    ///
    /// # Errors
    /// `CallError::Fails` when none does.
    pub fn estimate_gas(
        &self,
        state: &dyn State,
        env: &Env,
        request: &TransactionRequest,
        overrides: Option<StateOverride>,
    ) -> Result<u64, CallError> {
        call::estimate_gas(self, state, env, request, overrides)
    }

    /// The validators of a term (`Genesis::term_of`), from any state: fixed by the first block of the term before, so that
    /// the state of every block of that term has them; none when the state does not know them yet.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn seats_of_term(
        &self,
        state: &dyn State,
        term: u64,
    ) -> Result<Option<Vec<stake::Seat>>, StateError> {
        stake::seats_of_term(state, &self.genesis, term)
    }

    /// What is sampled with in an epoch (docs/spec/beacon.md): unknown until the epoch two before it has ended; `None` while it is
    /// not drawn.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn randomness(
        &self,
        state: &dyn State,
        epoch: Epoch,
    ) -> Result<Option<Digest>, StateError> {
        let read = |c: &mut Ctx<'_>| beacon::randomness(c, epoch.0);
        let drawn = stake::seats::read(state, &self.genesis, read)?;
        Ok((!drawn.is_zero()).then_some(Digest(drawn.0)))
    }

    /// Looks for broken invariants at network time `time`; none found means a sound ledger.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn check(&self, state: &dyn FullState, time: TimeMs) -> Result<Vec<Violation>, StateError> {
        check::check(state, &self.genesis, self.hash, time)
    }
}
