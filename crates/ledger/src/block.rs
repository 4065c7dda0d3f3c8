//! Blocks: their environment, their execution, and the Ethereum header that every tool knows them by.
//!
//! ```text
//! parent header, time, proposer ─► Env ─┐
//! candidates ─► checks ─► EVM, one for the block ─► Executed (writes, receipts, roots) ─► header(state root)
//! ```
//! `build` leaves out what cannot be included, `verify` refuses the block for it; both run the same code, so that what
//! one validator proposes another accepts.
//!
//! Docs: docs/spec/block.md.

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope,
    TxReceipt as _, proofs, transaction::Recovered,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_evm::{Evm as _, EvmEnv, eth::EthEvmBuilder};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, b256, keccak256};
use cairn_primitives::TimeMs;
use revm::{
    DatabaseCommit as _,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{
        block::BlobExcessGasAndPrice,
        either::Either,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
};

use crate::{
    Ledger, SPEC, State, StateError, TxError, Writes,
    bloom::Blooms,
    database::BlockDb,
    duties, native,
    params::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX, TX_GAS_MAX},
    transaction::{Kind, Voters, precheck},
};

/// Root of an empty trie, in every header for what Cairn has not (withdrawals).
const EMPTY_ROOT: B256 =
    b256!("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

/// What a block's transactions see of it. The same on every validator before the block runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Env {
    /// Hash of the parent's header.
    pub parent_hash: B256,
    /// Height.
    pub number: u64,
    /// Network time.
    pub time: TimeMs,
    /// Base fee, in base units per gas.
    pub base_fee: u64,
    /// Gas limit.
    pub gas_limit: u64,
    /// Operator account of the proposer, which gets the tips.
    pub proposer: Address,
    /// `PREVRANDAO`. Of a network's block the beacon's mix of all reveals before it (docs/spec/beacon.md); consensus sets it.
    /// Of a chain without consensus a hash of the parent's hash, which is **not random**.
    pub prevrandao: B256,
    /// Leaders' turns since block 0, this block's among them and those that brought no block; consensus sets it. A chain without
    /// consensus has one turn a block.
    pub turn: u64,
}

impl Env {
    pub(crate) fn prevrandao_after(parent_hash: B256) -> B256 {
        let mut preimage = b"cairn/prevrandao/v0".to_vec();
        preimage.extend_from_slice(parent_hash.as_slice());
        keccak256(preimage)
    }

    pub(crate) fn to_evm(&self, chain_id: u64) -> EvmEnv {
        let mut cfg = CfgEnv::new_with_spec(SPEC).with_chain_id(chain_id);
        cfg.tx_gas_limit_cap = Some(TX_GAS_MAX);
        let block = BlockEnv {
            number: U256::from(self.number),
            beneficiary: self.proposer,
            timestamp: U256::from(self.time.0 / 1_000),
            gas_limit: self.gas_limit,
            basefee: self.base_fee,
            difficulty: U256::ZERO,
            prevrandao: Some(self.prevrandao),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
                excess_blob_gas: 0,
                blob_gasprice: 1,
            }),
            ..BlockEnv::default()
        };
        EvmEnv::new(cfg, block)
    }
}

/// A block that was executed.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The included transactions, in order.
    pub transactions: Vec<Recovered<TxEnvelope>>,
    /// What `build` left out, and why.
    pub dropped: Vec<(B256, TxError)>,
    /// One receipt a transaction.
    pub receipts: Vec<ReceiptEnvelope>,
    /// Gas used by each transaction.
    pub gas_used: Vec<u64>,
    /// Net effect on the state.
    pub writes: Writes,
    /// Root of the transactions.
    pub transactions_root: B256,
    /// Root of the receipts.
    pub receipts_root: B256,
    /// Bloom filter over all logs.
    pub bloom: Bloom,
}

impl Executed {
    /// The header of the block. `state_root` comes from whoever keeps the state (docs/spec/state.md).
    #[must_use]
    pub fn header(&self, env: &Env, state_root: B256) -> Header {
        Header {
            parent_hash: env.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: env.proposer,
            state_root,
            transactions_root: self.transactions_root,
            receipts_root: self.receipts_root,
            logs_bloom: self.bloom,
            difficulty: U256::ZERO,
            number: env.number,
            gas_limit: env.gas_limit,
            gas_used: self.gas_used.iter().sum(),
            timestamp: env.time.0 / 1_000,
            extra_data: Bytes::copy_from_slice(&env.time.0.to_be_bytes()),
            mix_hash: env.prevrandao,
            nonce: B64::from(env.turn.to_be_bytes()),
            base_fee_per_gas: Some(env.base_fee),
            withdrawals_root: Some(EMPTY_ROOT),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            ..Header::default()
        }
    }
}

/// Network time of a block, from its header; the seconds of `timestamp` when the header is not one of ours.
#[must_use]
pub fn time_of(header: &Header) -> TimeMs {
    let millis = <[u8; 8]>::try_from(header.extra_data.as_ref()).map(u64::from_be_bytes);
    TimeMs(millis.unwrap_or(header.timestamp.saturating_mul(1_000)))
}

/// Leaders' turns up to a block, from its header.
#[must_use]
pub const fn turn_of(header: &Header) -> u64 {
    u64::from_be_bytes(header.nonce.0)
}

/// Why a block is refused.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// A transaction that may not be in it.
    #[error("transaction {index} may not be in this block")]
    Transaction {
        /// Its place in the block.
        index: usize,
        /// What is wrong with it.
        #[source]
        error: TxError,
    },
    /// The state cannot be read, or the EVM stopped: nothing is known about the block.
    #[error("the block could not be executed")]
    State(#[from] StateError),
}

/// Includes what it can.
pub(crate) fn build(
    ledger: &Ledger,
    state: &dyn State,
    env: &Env,
    candidates: Vec<Recovered<TxEnvelope>>,
) -> Result<Executed, StateError> {
    let mut dropped = Vec::new();
    let executed = run(ledger, state, env, candidates, &mut |_, hash, error| {
        dropped.push((hash, error));
        Ok(())
    });
    match executed {
        Ok(executed) => Ok(Executed { dropped, ..executed }),
        Err(BlockError::State(error)) => Err(error),
        Err(BlockError::Transaction { .. }) => unreachable!("the handler above drops them"),
    }
}

/// Includes all or fails.
pub(crate) fn verify(
    ledger: &Ledger,
    state: &dyn State,
    env: &Env,
    transactions: Vec<Recovered<TxEnvelope>>,
) -> Result<Executed, BlockError> {
    run(ledger, state, env, transactions, &mut |index, _, error| {
        Err(BlockError::Transaction { index, error })
    })
}

/// Runs a block. `refused` decides what a transaction that cannot be included means.
fn run(
    ledger: &Ledger,
    state: &dyn State,
    env: &Env,
    candidates: Vec<Recovered<TxEnvelope>>,
    refused: &mut dyn FnMut(usize, B256, TxError) -> Result<(), BlockError>,
) -> Result<Executed, BlockError> {
    let mut db = BlockDb::new(state, (env.number.saturating_sub(1), env.parent_hash));
    duties::open(ledger, env, &mut db)?;
    let voters = Voters { state, genesis: ledger.shared_genesis(), height: env.number };
    let precompiles = native::precompiles(SPEC, &ledger.facts(env));
    let mut evm = EthEvmBuilder::new(db, env.to_evm(ledger.genesis().chain_id))
        .precompiles(precompiles)
        .build();
    let mut block = Tally::default();
    for (index, transaction) in candidates.into_iter().enumerate() {
        let size = transaction.inner().encode_2718_len();
        let checked = precheck(&voters, env.base_fee, &transaction)?
            .and_then(|kind| block.room(env, &transaction, size).map(|()| kind));
        let kind = match checked {
            Ok(kind) => kind,
            Err(error) => {
                refused(index, *transaction.tx_hash(), error)?;
                continue;
            }
        };
        // A zero fee passes the base fee check for system transactions alone.
        evm.ctx_mut().cfg.disable_base_fee = kind == Kind::System;
        let outcome = match evm.transact(&transaction) {
            Ok(outcome) => outcome,
            Err(error) => {
                refused(index, *transaction.tx_hash(), refusal(error, env)?)?;
                continue;
            }
        };
        if kind == Kind::System && !outcome.result.is_success() {
            let bytes = outcome.result.into_output().unwrap_or_default();
            refused(index, *transaction.tx_hash(), TxError::SystemReverts(bytes))?;
            continue;
        }
        evm.db_mut().commit(outcome.state);
        block.include(env, transaction, size, kind, outcome.result);
    }
    let mut db = evm.into_db();
    duties::close(ledger, env, &mut db, block.base_fees)?;
    Ok(block.finish(db.into_writes()))
}

/// What a block has so far.
#[derive(Default)]
struct Tally {
    transactions: Vec<Recovered<TxEnvelope>>,
    receipts: Vec<ReceiptEnvelope>,
    gas_used: Vec<u64>,
    gas_total: u64,
    bytes: usize,
    base_fees: U256,
    blooms: Blooms,
}

impl Tally {
    fn room(
        &self,
        env: &Env,
        transaction: &Recovered<TxEnvelope>,
        size: usize,
    ) -> Result<(), TxError> {
        use alloy_consensus::Transaction as _;
        let fits = self.gas_total.saturating_add(transaction.gas_limit()) <= env.gas_limit
            && self.bytes + size <= BLOCK_BYTES_MAX
            && self.transactions.len() < BLOCK_TXS_MAX;
        if fits { Ok(()) } else { Err(TxError::BlockFull) }
    }

    fn include(
        &mut self,
        env: &Env,
        transaction: Recovered<TxEnvelope>,
        size: usize,
        kind: Kind,
        result: ExecutionResult,
    ) {
        let (success, gas) = (result.is_success(), result.tx_gas_used());
        let logs = if success { result.into_logs() } else { Vec::new() };
        self.gas_total += gas;
        self.bytes += size;
        if kind == Kind::Paying {
            let fee = U256::from(gas) * U256::from(env.base_fee);
            self.base_fees = self.base_fees.saturating_add(fee);
        }
        let receipt = Receipt { status: success.into(), cumulative_gas_used: self.gas_total, logs };
        let logs_bloom = self.blooms.of(&receipt.logs);
        let receipt = ReceiptWithBloom { receipt, logs_bloom };
        self.receipts.push(ReceiptEnvelope::from_typed(transaction.tx_type(), receipt));
        self.gas_used.push(gas);
        self.transactions.push(transaction);
    }

    fn finish(self, writes: Writes) -> Executed {
        let transactions_root = proofs::calculate_transaction_root(&self.transactions);
        let receipts_root = proofs::calculate_receipt_root(&self.receipts);
        let bloom =
            self.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
        Executed {
            transactions: self.transactions,
            dropped: Vec::new(),
            receipts: self.receipts,
            gas_used: self.gas_used,
            writes,
            transactions_root,
            receipts_root,
            bloom,
        }
    }
}

/// The EVM's error as ours: what the transaction did wrong, or what stopped the node.
pub(crate) fn refusal(error: EVMError<StateError>, env: &Env) -> Result<TxError, StateError> {
    match error {
        EVMError::Transaction(invalid) => Ok(invalid_transaction(invalid, env)),
        EVMError::Database(error) => Err(error),
        EVMError::Header(error) => Err(StateError(Box::new(error))),
        EVMError::Custom(reason) => Err(StateError(reason.into())),
        EVMError::CustomAny(error) => Err(StateError(error.to_string().into())),
    }
}

fn invalid_transaction(invalid: InvalidTransaction, env: &Env) -> TxError {
    match invalid {
        InvalidTransaction::NonceTooLow { tx, state } => {
            TxError::NonceTooLow { tx, account: state }
        }
        InvalidTransaction::NonceTooHigh { tx, state } => {
            TxError::NonceTooHigh { tx, account: state }
        }
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            TxError::InsufficientFunds { balance: *balance, needed: *fee }
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            TxError::GasLimitTooLow { limit: gas_limit, needed: initial_gas }
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            TxError::GasLimitTooLow { limit: gas_limit, needed: gas_floor }
        }
        InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit, cap } => {
            TxError::GasLimitTooHigh { limit: gas_limit, max: cap }
        }
        InvalidTransaction::GasPriceLessThanBasefee => {
            TxError::FeeTooLow { fee: 0, base_fee: env.base_fee }
        }
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => TxError::TipAboveFee,
        InvalidTransaction::RejectCallerWithCode => TxError::SenderIsContract,
        InvalidTransaction::CreateInitCodeSizeLimit => TxError::InitCodeTooLarge,
        InvalidTransaction::EmptyAuthorizationList => TxError::NoAuthorizations,
        other => TxError::Refused(other.to_string()),
    }
}

/// The EVM environment of a call that is no transaction: no fee, nonce, balance or sender-code checks.
pub(crate) fn call_env(ledger: &Ledger, env: &Env) -> EvmEnv {
    let mut evm = env.to_evm(ledger.genesis().chain_id);
    evm.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
    evm.cfg_env.disable_base_fee = true;
    evm.cfg_env.disable_balance_check = true;
    evm.cfg_env.disable_nonce_check = true;
    evm.cfg_env.disable_eip3607 = true;
    evm.cfg_env.disable_block_gas_limit = true;
    evm
}

/// The transaction environment of a request that is no transaction.
pub(crate) fn request_tx(
    request: &alloy_rpc_types_eth::TransactionRequest,
    chain_id: u64,
    gas_limit: u64,
) -> TxEnv {
    let authorizations = request.authorization_list.clone().unwrap_or_default();
    let set_code = !authorizations.is_empty();
    TxEnv {
        caller: request.from.unwrap_or_default(),
        gas_limit,
        gas_price: request.max_fee_per_gas.or(request.gas_price).unwrap_or_default(),
        gas_priority_fee: request.max_priority_fee_per_gas,
        kind: request.to.unwrap_or_default(),
        value: request.value.unwrap_or_default(),
        data: request.input.input().cloned().unwrap_or_default(),
        nonce: request.nonce.unwrap_or_default(),
        chain_id: Some(chain_id),
        access_list: request.access_list.clone().unwrap_or_default(),
        authorization_list: authorizations.into_iter().map(Either::Left).collect(),
        tx_type: if set_code {
            4
        } else if request.max_priority_fee_per_gas.is_some() {
            2
        } else {
            u8::from(request.access_list.is_some())
        },
        ..TxEnv::default()
    }
}

#[cfg(test)]
mod tests;
