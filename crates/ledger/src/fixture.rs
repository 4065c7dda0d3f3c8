//! A small network for this crate's tests: a genesis, a chain of blocks in memory, and calls without signatures.
//!
//! Every block is built and verified, must come out the same both times, and must leave every invariant whole.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{Header, Signed, TxEip1559, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256, address};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::{SolCall, SolError, SolEvent};
use cairn_primitives::{
    Bound, Digest, EconomyParams, Epoch, Genesis, GenesisAccount, GenesisIngest, GenesisValidator,
    GovernanceParams, Parameter, STONE, StakeParams, Stones, TimeMs, abi,
};

use crate::{
    CallOutcome, Executed, Ledger, Memory, TxError,
    native::{Call, Ctx, Facts, Res, Sheet},
    time_of,
};

/// Owns devices.
pub const ALICE: Address = address!("0xa11ce00000000000000000000000000000000001");
/// Pays for services.
pub const BOB: Address = address!("0xb0b0000000000000000000000000000000000002");
/// Somebody else.
pub const CAROL: Address = address!("0xca40100000000000000000000000000000000003");
/// The operators of the four validators.
pub const VALIDATORS: [Address; 4] = [
    address!("0x1a11da7040000000000000000000000000000001"),
    address!("0x1a11da7040000000000000000000000000000002"),
    address!("0x1a11da7040000000000000000000000000000003"),
    address!("0x1a11da7040000000000000000000000000000004"),
];
/// The operators of the two ingests.
pub const INGESTS: [Address; 2] = [
    address!("0x19e5700000000000000000000000000000000001"),
    address!("0x19e5700000000000000000000000000000000002"),
];

/// Stones of each person at genesis.
pub const HELD_STONES: u64 = 1_000_000;
/// Length of an epoch.
pub const EPOCH_MS: u64 = 3_600_000;
const START_MS: u64 = 1_356_998_400_000;

/// The genesis of the tests.
pub fn genesis() -> Genesis {
    let account = |name: &str, address| GenesisAccount {
        name: name.to_owned(),
        address,
        stones: HELD_STONES,
    };
    let genesis = Genesis {
        start_ms: START_MS,
        epoch_ms: EPOCH_MS,
        time_scale: 180,
        economy: EconomyParams {
            price_micro_usd: 50_000,
            reserve_stones: 1_000_000_000 - 3 * HELD_STONES - 4 * 10_000,
            device_cost_micro_usd_day: 250_000,
            ..EconomyParams::default()
        },
        // Without parts of fees, so that what other tests count is burned or the treasury's; `stake` has its own.
        stake: StakeParams {
            proposer_fee_ppm: 0,
            vote_fee_ppm: 0,
            seal_window_ms: 0,
            ..StakeParams::default()
        },
        validators: (1..=4)
            .zip(VALIDATORS)
            .map(|(n, operator)| GenesisValidator {
                name: format!("validator-{n}"),
                operator,
                consensus_key: B256::repeat_byte(n),
                bond_stones: 10_000,
            })
            .collect(),
        ingests: INGESTS
            .map(|operator| GenesisIngest {
                operator,
                receipt_key: B256::repeat_byte(9),
                url: "http://ingest.test".to_owned(),
            })
            .to_vec(),
        accounts: vec![account("alice", ALICE), account("bob", BOB), account("carol", CAROL)],
        ..Genesis::empty("test", 7_777)
    };
    genesis.check().expect("the fixture's genesis is sound");
    genesis
}

/// The guardian of `governed`.
pub const GUARDIAN: Address = address!("0x60a4d1a000000000000000000000000000000001");
/// Stones of the treasury of `governed`.
pub const TREASURY_STONES: u64 = 1_000_000;

/// The same network with governance: everybody's day and step, and a treasury to fight for.
pub fn governed() -> Genesis {
    let mut genesis = genesis();
    let bound = |low, high, step| Bound { low, high, step };
    let bounds = BTreeMap::from([
        (Parameter::FeeBurnPpm, bound(30_000, 70_000, 10_000)),
        (Parameter::FeeTreasuryPpm, bound(0, 40_000, 10_000)),
        (Parameter::MatchPpm, bound(500_000, 950_000, 50_000)),
        (Parameter::TaperPpm, bound(200_000, 900_000, 100_000)),
        (Parameter::DeviceCostMicroUsdDay, bound(100_000, 1_000_000, 100_000)),
    ]);
    genesis.governance = Some(GovernanceParams {
        guardian: GUARDIAN,
        deposit_stones: 100,
        quorum_stones: 1_000,
        fees_ppm_max: 90_000,
        bounds,
        ..GovernanceParams::default()
    });
    let people = [("guardian", GUARDIAN, 1_000), ("treasury", abi::TREASURY, TREASURY_STONES)];
    for (name, address, stones) in people {
        genesis.accounts.push(GenesisAccount { name: name.to_owned(), address, stones });
        genesis.economy.reserve_stones -= stones;
    }
    genesis.check().expect("the fixture's genesis is sound");
    genesis
}

/// An unsigned EIP-1559 transaction with its sender: execution does not look at signatures again.
pub fn transaction(
    from: Address,
    nonce: u64,
    fee: u128,
    to: TxKind,
    value: U256,
    input: Bytes,
) -> Recovered<TxEnvelope> {
    let tx = TxEip1559 {
        chain_id: 7_777,
        nonce,
        gas_limit: 4_000_000,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: 0,
        to,
        value,
        access_list: Vec::new().into(),
        input,
    };
    Recovered::new_unchecked(Signed::new_unhashed(tx, Signature::test_signature()).into(), from)
}

/// A chain in memory.
pub struct Chain {
    pub ledger: Ledger,
    pub state: Memory,
    pub head: Header,
}

/// How a transaction ended.
#[derive(Clone, Debug)]
pub struct Sent {
    pub success: bool,
    pub logs: Vec<Log>,
}

impl Sent {
    /// The events of this kind, in order.
    pub fn events<E: SolEvent>(&self) -> Vec<E> {
        self.logs.iter().filter_map(|log| E::decode_log_data(&log.data).ok()).collect()
    }
}

impl Chain {
    pub fn new() -> Self {
        Self::with(genesis())
    }

    pub fn with(genesis: Genesis) -> Self {
        let ledger = Ledger::new(Arc::new(genesis), Digest([7; 32]));
        let mut state = Memory::default();
        state.apply(&ledger.genesis_writes().expect("genesis"));
        let head = ledger.genesis_header(B256::ZERO);
        state.hashes.insert(0, head.hash_slow());
        Self { ledger, state, head }
    }

    pub fn now(&self) -> TimeMs {
        time_of(&self.head)
    }

    /// Adds an empty block `ms` later.
    pub fn wait(&mut self, ms: u64) {
        self.block_at(TimeMs(self.now().0 + ms), Vec::new());
    }

    /// Adds an empty block at the start of `epoch` plus `offset_ms`.
    pub fn go_to(&mut self, epoch: u64, offset_ms: u64) {
        let start = self.ledger.genesis().schedule().start_of(Epoch(epoch));
        self.block_at(TimeMs(start.0 + offset_ms), Vec::new());
    }

    pub fn block(&mut self, transactions: Vec<Recovered<TxEnvelope>>) -> Executed {
        self.block_at(self.now(), transactions)
    }

    pub fn block_at(&mut self, time: TimeMs, transactions: Vec<Recovered<TxEnvelope>>) -> Executed {
        let env = self.ledger.next_env(&self.head, time, VALIDATORS[0]);
        let built = self.ledger.build(&self.state, &env, transactions).expect("state");
        let again =
            self.ledger.verify(&self.state, &env, built.transactions.clone()).expect("valid");
        assert_eq!(
            (&built.writes, &built.receipts),
            (&again.writes, &again.receipts),
            "two runs differ"
        );
        self.state.apply(&built.writes);
        self.head = built.header(&env, B256::ZERO);
        self.state.hashes.insert(self.head.number, self.head.hash_slow());
        self.check();
        built
    }

    pub fn check(&self) {
        let found = self.ledger.check(&self.state, self.now()).expect("state");
        assert!(found.is_empty(), "{found:#?}");
    }

    pub fn nonce(&self, account: Address) -> u64 {
        self.state.accounts.get(&account).map_or(0, |account| account.nonce)
    }

    pub fn balance(&self, account: Address) -> Stones {
        Stones(self.state.accounts.get(&account).map_or(0, |account| account.balance.to()))
    }

    /// Sends one transaction that pays its fee, in a block of its own.
    pub fn send_raw(&mut self, from: Address, to: TxKind, stones: Stones, input: Bytes) -> Sent {
        self.send_at_fee(from, to, stones, input, 2_000_000_000).expect("included")
    }

    /// Sends one call that pays its fee, in a block of its own.
    pub fn send<C: SolCall>(
        &mut self,
        from: Address,
        to: Address,
        stones: Stones,
        call: &C,
    ) -> Sent {
        self.send_raw(from, TxKind::Call(to), stones, call.abi_encode().into())
    }

    /// Sends one system transaction; `Err` when it is left out.
    pub fn system<C: SolCall>(
        &mut self,
        from: Address,
        to: Address,
        call: &C,
    ) -> Result<Sent, TxError> {
        self.send_at_fee(from, TxKind::Call(to), Stones::ZERO, call.abi_encode().into(), 0)
    }

    fn send_at_fee(
        &mut self,
        from: Address,
        to: TxKind,
        stones: Stones,
        input: Bytes,
        fee: u128,
    ) -> Result<Sent, TxError> {
        let tx = transaction(from, self.nonce(from), fee, to, U256::from(stones.0), input);
        let mut executed = self.block(vec![tx]);
        if let Some((_, error)) = executed.dropped.pop() {
            return Err(error);
        }
        let receipt = executed.receipts[0].as_receipt().expect("a receipt");
        Ok(Sent { success: receipt.status.coerce_status(), logs: receipt.logs.clone() })
    }

    /// Calls without a transaction.
    pub fn try_call(
        &self,
        from: Address,
        to: Address,
        stones: Stones,
        input: Bytes,
    ) -> CallOutcome {
        let request = TransactionRequest {
            from: Some(from),
            to: Some(TxKind::Call(to)),
            value: Some(U256::from(stones.0)),
            input: input.into(),
            ..TransactionRequest::default()
        };
        let env = self.ledger.env_of(&self.head);
        self.ledger.call(&self.state, &env, &request, None).expect("runs")
    }

    /// What a call returns.
    pub fn call<C: SolCall>(&self, from: Address, to: Address, call: &C) -> C::Return {
        match self.try_call(from, to, Stones::ZERO, call.abi_encode().into()) {
            CallOutcome::Success { output, .. } => C::abi_decode_returns(&output).expect("decodes"),
            other => panic!("the call fails: {other:?}"),
        }
    }

    /// The error a call reverts with.
    pub fn revert<C: SolCall, E: SolError>(
        &self,
        from: Address,
        to: Address,
        stones: Stones,
        call: &C,
    ) -> E {
        match self.try_call(from, to, stones, call.abi_encode().into()) {
            CallOutcome::Revert { output, .. } => {
                E::abi_decode(&output).unwrap_or_else(|_| panic!("another error: {output}"))
            }
            other => panic!("the call does not revert: {other:?}"),
        }
    }
}

/// Runs `f` as a native contract does, called by `caller`, on a state without an EVM; its writes are kept.
pub fn enter<T>(
    state: &mut Memory,
    time: TimeMs,
    caller: Address,
    value: Stones,
    f: impl FnOnce(&mut Ctx<'_>) -> Res<T>,
) -> Res<T> {
    let facts = Facts {
        genesis: Arc::new(genesis()),
        genesis_hash: Digest([7; 32]),
        time,
        number: 1,
        prices: crate::native::prices(),
    };
    let before = state.clone();
    let mut sheet = Sheet::new(&before);
    let call = Call { this: Address::ZERO, caller, value, is_static: false };
    let result = f(&mut Ctx::new(&mut sheet, &facts, call, 100_000_000, 0));
    if result.is_ok() {
        state.apply(&sheet.writes);
    }
    result
}

/// `n` whole stones.
pub const fn stones(n: u64) -> Stones {
    Stones(n as u128 * STONE)
}
