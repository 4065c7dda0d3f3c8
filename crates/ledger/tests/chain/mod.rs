//! A ledger in memory under the drivers of differential tests: blocks, calls that anyone may make, transactions that nobody signed.

use std::{fmt, sync::Arc};

use alloy_consensus::{Header, Signed, TxEip1559, TxEnvelope, TxReceipt, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::SolCall;
use cairn_ledger::{CallOutcome, Ledger, Memory, time_of};
use cairn_primitives::{Digest, Genesis, TimeMs};

/// EIP-155 id of every such network.
pub const CHAIN: u64 = 7_777;
/// What a transaction offers for gas, base units: above every base fee.
pub const MAX_FEE: u128 = 2_000_000_000;

/// Selector of the error with which a call must revert.
pub type Refusal = [u8; 4];

/// The bytes that stand for a history, read from the front; zeros when they have run out.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }
}

/// Holds what a call did against what the reference expects.
///
/// # Panics
/// When they differ.
pub fn agree(act: &impl fmt::Debug, called: &CallOutcome, answer: Result<(), Refusal>) {
    match (called, answer) {
        (CallOutcome::Success { .. }, Ok(())) => {}
        (CallOutcome::Revert { output, .. }, Err(refusal)) => {
            assert_eq!(output.get(..4), Some(&refusal[..]), "{act:?} reverts with {output}");
        }
        _ => panic!("{act:?}: {called:?}, expected {answer:02x?}"),
    }
}

/// The ledger, its state and its last block.
pub struct Chain {
    pub ledger: Ledger,
    pub state: Memory,
    pub head: Header,
    /// Who proposes the next blocks: an operator's account.
    pub proposer: Address,
}

impl Chain {
    pub fn new(genesis: Genesis) -> Self {
        genesis.check().expect("sound");
        let ledger = Ledger::new(Arc::new(genesis), Digest([7; 32]));
        let mut state = Memory::default();
        state.apply(&ledger.genesis_writes().expect("genesis"));
        let head = ledger.genesis_header(B256::ZERO);
        state.hashes.insert(0, head.hash_slow());
        Self { ledger, state, head, proposer: Address::ZERO }
    }

    /// Network time of the last block.
    pub fn now(&self) -> TimeMs {
        time_of(&self.head)
    }

    /// Base units of stones.
    pub fn held(&self, account: Address) -> u128 {
        let known = self.state.accounts.get(&account);
        known.map_or(0, |account| account.balance.to())
    }

    /// Every invariant of the ledger.
    ///
    /// # Panics
    /// When one is broken.
    pub fn check(&self) {
        let broken = self.ledger.check(&self.state, self.now()).expect("state");
        assert!(broken.is_empty(), "{broken:#?}");
    }

    /// A transaction of `from` with its next nonce.
    pub fn transaction(
        &self,
        from: Address,
        to: Address,
        stones: u128,
        input: Bytes,
    ) -> Recovered<TxEnvelope> {
        let tx = TxEip1559 {
            chain_id: CHAIN,
            nonce: self.state.accounts.get(&from).map_or(0, |account| account.nonce),
            gas_limit: 8_000_000,
            max_fee_per_gas: MAX_FEE,
            to: TxKind::Call(to),
            value: U256::from(stones),
            input,
            ..TxEip1559::default()
        };
        let signed = Signed::new_unhashed(tx, Signature::test_signature());
        Recovered::new_unchecked(signed.into(), from)
    }

    /// Adds a block; says whether its first transaction succeeded and what all cost.
    pub fn block(
        &mut self,
        time: TimeMs,
        transactions: Vec<Recovered<TxEnvelope>>,
    ) -> (bool, u128) {
        let env = self.ledger.next_env(&self.head, time, self.proposer);
        let executed = self.ledger.build(&self.state, &env, transactions).expect("state");
        assert!(executed.dropped.is_empty(), "{:?}", executed.dropped);
        self.state.apply(&executed.writes);
        self.head = executed.header(&env, B256::ZERO);
        self.state.hashes.insert(self.head.number, self.head.hash_slow());
        let success = executed.receipts.first().is_some_and(TxReceipt::status);
        let gas: u64 = executed.gas_used.iter().sum();
        (success, u128::from(gas) * u128::from(env.base_fee))
    }

    /// A call at the last block, or (`next`) in the block after it.
    pub fn call(
        &self,
        from: Address,
        to: Address,
        stones: u128,
        input: &Bytes,
        next: bool,
    ) -> CallOutcome {
        let request = TransactionRequest {
            from: Some(from),
            to: Some(TxKind::Call(to)),
            value: Some(U256::from(stones)),
            input: input.clone().into(),
            ..TransactionRequest::default()
        };
        let env = if next {
            self.ledger.next_env(&self.head, self.now(), self.proposer)
        } else {
            self.ledger.env_of(&self.head)
        };
        self.ledger.call(&self.state, &env, &request, None).expect("runs")
    }

    /// What a view answers.
    pub fn ask<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        match self.call(Address::ZERO, to, 0, &call.abi_encode().into(), false) {
            CallOutcome::Success { output, .. } => C::abi_decode_returns(&output).expect("decodes"),
            other => panic!("a view fails: {other:?}"),
        }
    }
}
