//! A ledger in memory that is fed with signed transactions, and answers what a node would.

use std::sync::Arc;

use alloy_consensus::{Header, ReceiptEnvelope, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::SolEvent;
use cairn_client::{
    BlockTag, Call, ClientError, Fees, Head, LedgerRead, LogFilter, LogRecord, Revert, SYSTEM_GAS,
    Wallet, WalletError,
};
use cairn_ledger::{
    BlockError, CallOutcome, Ledger, Memory, State, StateError, TxError, Violation,
    decode_transaction, time_of,
};
use cairn_primitives::{Digest, Genesis, Stones, TimeMs};

/// Most that a paying transaction offers per gas, in base units: far above any base fee of a simulation.
const MAX_FEE: u128 = 1_000_000_000_000;
/// Gas limit of a paying transaction.
const GAS_LIMIT: u64 = 8_000_000;

/// A chain of blocks in memory. Every transaction is signed, encoded and decoded again; every block that is built is
/// verified as another validator would.
pub struct Chain {
    ledger: Ledger,
    genesis: Arc<Genesis>,
    state: Memory,
    head: Header,
    /// Every block after genesis, where they are kept.
    kept: Option<Vec<KeptBlock>>,
}

/// A block as a node would keep it.
#[derive(Clone, Debug)]
pub struct KeptBlock {
    /// Its header.
    pub header: Header,
    /// Its transactions with their senders.
    pub transactions: Vec<Recovered<TxEnvelope>>,
    /// One receipt a transaction.
    pub receipts: Vec<ReceiptEnvelope>,
}

/// Why the simulation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A state that cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A key that cannot sign.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// A transaction that is none.
    #[error("a transaction does not decode")]
    Decode(#[source] TxError),
    /// A transaction that no block may include.
    #[error("a transaction was left out")]
    Dropped(#[source] TxError),
    /// A block that its builder accepts and its verifier does not.
    #[error("block {number} was built and cannot be verified")]
    Verify {
        /// Its height.
        number: u64,
        /// Why.
        #[source]
        source: BlockError,
    },
    /// A block that comes out differently the second time.
    #[error("block {0} came out differently when it was verified")]
    Differs(u64),
    /// A transaction without effect.
    #[error("a transaction of {from} to {to:?} failed")]
    Failed {
        /// Who sent it.
        from: Address,
        /// The contract.
        to: Option<Address>,
    },
    /// An event that must be there.
    #[error("a transaction emitted no {0}")]
    NoEvent(&'static str),
    /// Broken invariants.
    #[error("the ledger's invariants are broken: {0:?}")]
    Broken(Vec<Violation>),
}

/// What a transaction emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    logs: Vec<Log>,
}

impl Sent {
    /// The events of this kind, in order.
    #[must_use]
    pub fn events<E: SolEvent>(&self) -> Vec<E> {
        self.logs.iter().filter_map(|log| E::decode_log_data(&log.data).ok()).collect()
    }

    /// The first event of this kind.
    ///
    /// # Errors
    /// When there is none.
    pub fn event<E: SolEvent>(&self) -> Result<E, ChainError> {
        self.events().into_iter().next().ok_or(ChainError::NoEvent(E::SIGNATURE))
    }
}

impl Chain {
    /// The chain of a checked genesis, at block 0.
    ///
    /// # Errors
    /// When a native contract refuses the genesis.
    pub fn new(genesis: Arc<Genesis>, hash: Digest) -> Result<Self, ChainError> {
        let ledger = Ledger::new(Arc::clone(&genesis), hash);
        let mut state = Memory::default();
        state.apply(&ledger.genesis_writes()?);
        // State roots are consensus' part; here the whole state is compared instead.
        let head = ledger.genesis_header(B256::ZERO);
        state.hashes.insert(0, head.hash_slow());
        Ok(Self { ledger, genesis, state, head, kept: None })
    }

    /// Keeps every block from now on, for who reads the ledger as an auditor does.
    pub fn keep_blocks(&mut self) {
        self.kept.get_or_insert_default();
    }

    /// The blocks that were kept.
    #[must_use]
    pub fn blocks(&self) -> &[KeptBlock] {
        self.kept.as_deref().unwrap_or_default()
    }

    /// Network time of the last block.
    #[must_use]
    pub fn now(&self) -> TimeMs {
        time_of(&self.head)
    }

    /// The state after the last block.
    #[must_use]
    pub const fn state(&self) -> &Memory {
        &self.state
    }

    /// Stones of an account.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn balance_of(&self, account: Address) -> Result<Stones, ChainError> {
        let account = self.state.account(account)?.unwrap_or_default();
        // The cap of all stones is far below 128 bits.
        Ok(Stones(account.balance.saturating_to()))
    }

    /// Adds an empty block at `time`.
    ///
    /// # Errors
    /// See `ChainError`.
    pub fn go_to(&mut self, time: TimeMs) -> Result<(), ChainError> {
        self.block(time, &[]).map(|_| ())
    }

    /// Sends a call that pays its fee, in a block of its own.
    ///
    /// # Errors
    /// When it is left out or fails.
    pub fn send(&mut self, wallet: &Wallet, call: &Call) -> Result<Sent, ChainError> {
        self.transact(wallet, call, GAS_LIMIT, Fees { max_fee: MAX_FEE, tip: 1 })
    }

    /// Sends a system transaction, which costs nothing, in a block of its own.
    ///
    /// # Errors
    /// When it is left out: one that would revert is never included.
    pub fn send_system(&mut self, wallet: &Wallet, call: &Call) -> Result<Sent, ChainError> {
        self.transact(wallet, call, SYSTEM_GAS, Fees::default())
    }

    /// Looks for broken invariants.
    ///
    /// # Errors
    /// `Broken` when there are any.
    pub fn check(&self) -> Result<(), ChainError> {
        let found = self.ledger.check(&self.state, self.now())?;
        if found.is_empty() { Ok(()) } else { Err(ChainError::Broken(found)) }
    }

    fn transact(
        &mut self,
        wallet: &Wallet,
        call: &Call,
        gas: u64,
        fees: Fees,
    ) -> Result<Sent, ChainError> {
        let from = wallet.address();
        let nonce = self.state.account(from)?.unwrap_or_default().nonce;
        let signed = wallet.sign_transaction(self.genesis.chain_id, nonce, gas, fees, call)?;
        let mut sent = self.block(self.now(), &[signed.raw])?;
        match sent.pop() {
            Some((true, sent)) => Ok(sent),
            _ => Err(ChainError::Failed { from, to: call.to }),
        }
    }

    /// Builds, verifies and applies a block; whether each transaction succeeded, and what it emitted.
    fn block(&mut self, time: TimeMs, raw: &[Vec<u8>]) -> Result<Vec<(bool, Sent)>, ChainError> {
        let transactions = raw.iter().map(|raw| decode_transaction(raw));
        let transactions =
            transactions.collect::<Result<Vec<_>, _>>().map_err(ChainError::Decode)?;
        let seats = &self.genesis.validators;
        let seat = usize::try_from(self.head.number).unwrap_or_default() % seats.len();
        let env = self.ledger.next_env(&self.head, time, seats[seat].operator);
        let mut built = self.ledger.build(&self.state, &env, transactions)?;
        if let Some((_, why)) = built.dropped.pop() {
            return Err(ChainError::Dropped(why));
        }
        let number = env.number;
        let again = self
            .ledger
            .verify(&self.state, &env, built.transactions.clone())
            .map_err(|source| ChainError::Verify { number, source })?;
        if (&built.writes, &built.receipts) != (&again.writes, &again.receipts) {
            return Err(ChainError::Differs(number));
        }
        self.state.apply(&built.writes);
        self.head = built.header(&env, B256::ZERO);
        self.state.hashes.insert(number, self.head.hash_slow());
        if let Some(kept) = &mut self.kept {
            kept.push(KeptBlock {
                header: self.head.clone(),
                transactions: built.transactions,
                receipts: built.receipts.clone(),
            });
        }
        let sent = built
            .receipts
            .iter()
            .map(|receipt| (receipt.status(), Sent { logs: receipt.logs().to_vec() }));
        Ok(sent.collect())
    }
}

/// What a node answers to `eth_call` on the state after `head`; `from` is who asks, if it matters.
///
/// # Errors
/// `Reverted` when the call reverts, `Store` when it cannot be run.
pub fn answer(
    ledger: &Ledger,
    state: &impl State,
    head: &Header,
    from: Option<Address>,
    call: &Call,
) -> Result<Bytes, ClientError> {
    let request = TransactionRequest {
        from,
        to: call.to.map(TxKind::Call),
        value: Some(call.value),
        input: call.data.clone().into(),
        ..TransactionRequest::default()
    };
    match ledger.call(state, &ledger.env_of(head), &request, None) {
        Ok(CallOutcome::Success { output, .. }) => Ok(output),
        Ok(CallOutcome::Revert { output, .. }) => {
            Err(ClientError::Reverted(Box::new(Revert::decode(call.to, output))))
        }
        Ok(CallOutcome::Halt { reason, .. }) => {
            Err(ClientError::Store { reason: format!("{reason:?}") })
        }
        Err(error) => Err(ClientError::Store { reason: error.to_string() }),
    }
}

/// What a node answers about its last block.
#[must_use]
pub fn head_of(header: &Header) -> Head {
    Head {
        number: header.number,
        hash: header.hash_slow(),
        time: time_of(header),
        base_fee: header.base_fee_per_gas.unwrap_or_default(),
        state_root: header.state_root,
        gas_used: header.gas_used,
    }
}

impl LedgerRead for Chain {
    async fn eth_call(&self, to: Address, data: Bytes, _: BlockTag) -> Result<Bytes, ClientError> {
        let call = Call { to: Some(to), value: U256::ZERO, data };
        answer(&self.ledger, &self.state, &self.head, None, &call)
    }

    async fn head(&self, _: BlockTag) -> Result<Option<Head>, ClientError> {
        Ok(Some(head_of(&self.head)))
    }

    async fn balance(&self, account: Address, _: BlockTag) -> Result<Stones, ClientError> {
        self.balance_of(account).map_err(|error| ClientError::Store { reason: error.to_string() })
    }

    async fn logs(&self, _: LogFilter) -> Result<Vec<LogRecord>, ClientError> {
        Err(ClientError::Store { reason: "a simulated chain keeps no logs".to_owned() })
    }
}
