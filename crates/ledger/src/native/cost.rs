//! No native call charges less than the EVM would for the same work. The work is counted, not timed: slots, balances, logs,
//! hashes, signatures and bytes that a call touched, at the EVM's warm prices, which are the lowest.
//!
//! A function that forgets to pay for a loop, a signature or a decoded list fails here, on every machine.

use alloy_primitives::{Address, B256, Bytes, Log, U256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    Stones,
    abi::{
        BATCHES, CREDITS, ECONOMY, IBatches, ICredits, IEconomy, IMarket, IRegistry, IRewards,
        IStake, MARKET, REGISTRY, REWARDS, STAKE,
    },
};
use revm::interpreter::{SStoreResult, StateLoad};

use super::{
    Call, Ctx, Host, Sheet, Stop, contracts, enter,
    scenario::{S, Verdicts, World, offer},
};
use crate::fixture::{ALICE, BOB, Chain, INGESTS, VALIDATORS, stones};

/// What the EVM takes: SLOAD and BALANCE, warm.
const READ: u64 = 100;
/// SSTORE, warm and without effect.
const WRITE: u64 = 100;
/// LOG, and each byte of its data.
const LOG: (u64, u64) = (375, 8);
/// Keccak-256 of two words; a hashed slot took at least one.
const HASH: u64 = 42;
/// ECRECOVER: the cheapest signature.
pub(super) const SIGNATURE: u64 = 3_000;
/// SHA-256, of a node of a Merkle tree.
const NODE: u64 = 60 + 3 * 12;
/// SHA-256 a word of an envelope, and copying its call data.
pub(super) const WORD: u64 = 12 + 3;

/// What the host was asked, at the EVM's prices.
struct Counting<'a> {
    sheet: Sheet<'a>,
    work: u64,
    last: U256,
}

impl Counting<'_> {
    /// The slots of one value follow each other: one hash finds them all.
    fn find(&mut self, slot: U256) {
        let follows = slot == self.last || slot == self.last.wrapping_add(U256::ONE);
        self.work += if slot.bit_len() > 64 && !follows { HASH } else { 0 };
        self.last = slot;
    }
}

impl Host for Counting<'_> {
    fn load(&mut self, contract: Address, slot: U256) -> Result<StateLoad<U256>, Stop> {
        self.find(slot);
        self.work += READ;
        self.sheet.load(contract, slot)
    }
    fn store(
        &mut self,
        contract: Address,
        slot: U256,
        value: U256,
    ) -> Result<StateLoad<SStoreResult>, Stop> {
        self.work += WRITE;
        self.sheet.store(contract, slot, value)
    }
    fn balance(&mut self, account: Address) -> Result<StateLoad<U256>, Stop> {
        self.work += READ;
        self.sheet.balance(account)
    }
    fn set_balance(&mut self, account: Address, balance: U256) -> Result<(), Stop> {
        self.work += READ;
        self.sheet.set_balance(account, balance)
    }
    fn log(&mut self, log: Log) {
        self.work += LOG.0 + LOG.1 * log.data.data.len() as u64;
        self.sheet.log(log);
    }
}

/// A call, and the work in it that the host does not see.
pub(super) struct Case {
    pub name: &'static str,
    pub from: Address,
    pub to: Address,
    pub value: Stones,
    pub input: Bytes,
    pub unseen: u64,
    pub succeeds: bool,
}

pub(super) fn case<C: SolCall>(from: Address, to: Address, call: &C, unseen: u64) -> Case {
    let input = call.abi_encode().into();
    Case { name: C::SIGNATURE, from, to, value: Stones::ZERO, input, unseen, succeeds: true }
}

/// Gas that a call charges and the work it does, at the present state of the chain.
pub(super) fn measure(chain: &Chain, case: &Case) -> (u64, u64, bool) {
    let env = chain.ledger.next_env(&chain.head, chain.now(), VALIDATORS[0]);
    let facts = chain.ledger.facts(&env);
    let mut host = Counting { sheet: Sheet::new(&chain.state), work: 0, last: U256::ZERO };
    let held = host.sheet.balance(case.to).expect("memory").data;
    host.sheet.set_balance(case.to, held + U256::from(case.value.0)).expect("memory");
    let call = Call { this: case.to, caller: case.from, value: case.value, is_static: false };
    let mut c = Ctx::new(&mut host, &facts, call, 1 << 24, 0);
    let contract =
        contracts(chain.ledger.genesis()).find(|one| one.address == case.to).expect("a contract");
    let result = enter(&mut c, contract, true, &case.input);
    assert!(!matches!(result, Err(Stop::Fatal(_))), "{}", case.name);
    let (gas, succeeds) = (c.gas_used(), result.is_ok());
    let words = case.input.len().div_ceil(32) as u64;
    (gas, host.work + case.unseen + 3 * words, succeeds)
}

pub(super) fn assert_paid(chain: &Chain, cases: &[Case]) {
    for case in cases {
        let (gas, work, succeeds) = measure(chain, case);
        assert_eq!(succeeds, case.succeeds, "{}", case.name);
        assert!(gas >= work, "{} charges {gas} gas for work of {work}", case.name);
    }
}

#[test]
fn whatever_is_called_with_zeros() {
    let world = World::with_lease(1_000_000);
    let zeros = |to, selectors: &'static [[u8; 4]]| {
        let input = move |selector: &[u8; 4]| {
            let mut input = selector.to_vec();
            input.resize(4 + 32 * 40, 0);
            input.into()
        };
        selectors.iter().map(move |selector| Case {
            name: "zeros",
            from: ALICE,
            to,
            value: Stones::ZERO,
            input: input(selector),
            unseen: 0,
            succeeds: true,
        })
    };
    let all = zeros(CREDITS, ICredits::ICreditsCalls::SELECTORS)
        .chain(zeros(REGISTRY, IRegistry::IRegistryCalls::SELECTORS))
        .chain(zeros(BATCHES, IBatches::IBatchesCalls::SELECTORS))
        .chain(zeros(REWARDS, IRewards::IRewardsCalls::SELECTORS))
        .chain(zeros(MARKET, IMarket::IMarketCalls::SELECTORS))
        .chain(zeros(STAKE, IStake::IStakeCalls::SELECTORS))
        .chain(zeros(ECONOMY, IEconomy::IEconomyCalls::SELECTORS));
    for mut case in all {
        case.succeeds = measure(&world.chain, &case).2;
        assert_paid(&world.chain, &[case]);
    }
}

#[test]
fn credits_registry_and_market() {
    let world = World::with_lease(1_000_000);
    let chain = &world.chain;
    let settle = world.settlement(1, 5, &[(0, 1_000), (1, 2_000), (2, 3_000)]);
    let register = super::scenario::registration(40, ALICE);
    let bond = stones(100);
    assert_paid(
        chain,
        &[
            Case { value: stones(1), ..case(ALICE, CREDITS, &ICredits::mintCall {}, 0) },
            case(ALICE, CREDITS, &ICredits::balanceOfCall { account: BOB }, 0),
            Case { value: bond, ..case(ALICE, REGISTRY, &register, SIGNATURE) },
            case(ALICE, REGISTRY, &IRegistry::leaveCall { id: world.devices[0] }, 0),
            case(ALICE, REGISTRY, &IRegistry::getCall { id: world.devices[0] }, 0),
            case(ALICE, REGISTRY, &IRegistry::pageCall { from: 0, limit: 256 }, 0),
            case(ALICE, MARKET, &offer(), 0),
            case(
                world.consumer,
                MARKET,
                &IMarket::openLeaseCall { offer: 1, escrow: 10, expiryEpoch: 9 },
                0,
            ),
            case(world.consumer, MARKET, &IMarket::topUpCall { lease: 1, amount: 5 }, 0),
            // The digest of the receipt is four hashes, that of the shares one a word.
            case(BOB, MARKET, &settle, SIGNATURE + 4 * HASH + 8 * 6),
            case(crate::fixture::CAROL, MARKET, &IMarket::closeCall { lease: 1 }, 0),
            case(ALICE, MARKET, &IMarket::getLeaseCall { id: 1 }, 0),
        ],
    );
    // Envelopes that are none are paid by their size; a signature that is never checked is not owed.
    let garbage = Bytes::from(vec![0xd2; 30_000]);
    let call = IRegistry::proveEquivocationCall { envelopeA: garbage.clone(), envelopeB: garbage };
    let words = 2 * 30_000 / 32 * WORD;
    assert_paid(chain, &[Case { succeeds: false, ..case(BOB, REGISTRY, &call, words) }]);
}

#[test]
fn evidence_and_rewards() {
    let mut world = World::new();
    let verdicts = Verdicts::new(&world, 0, &[1, 2, 3, 4, 5], &[]);
    let computed = world.finish_with(verdicts.root());
    world.chain.go_to(1, 3_600_000 - 1);
    let path = verdicts.proof(0);
    let siblings = path.siblings.len() as u64;
    let envelope: Bytes = verdicts.envelopes[0].bytes().to_vec().into();
    let words = envelope.len().div_ceil(32) as u64;
    let reading = IRewards::readingCall {
        epoch: 0,
        sector: S,
        envelope,
        row: 0,
        field: 0,
        index: path.index,
        count: path.count,
        proof: path.siblings.iter().map(|sibling| sibling.0.into()).collect(),
    };
    let held = U256::ZERO;
    assert_paid(
        &world.chain,
        &[
            case(ALICE, REWARDS, &reading, words * WORD + (siblings + 1) * NODE),
            case(ALICE, REWARDS, &IRewards::resultCall { epoch: 0, sector: S }, 0),
            case(ALICE, REWARDS, &IRewards::poolCall { epoch: 1, sector: S }, 0),
            case(ALICE, BATCHES, &IBatches::statusCall { epoch: 0, sector: S }, 0),
            case(ALICE, STAKE, &IStake::validatorsCall {}, 0),
            case(ALICE, ECONOMY, &IEconomy::todayCall { sector: S }, 0),
        ],
    );
    world.chain.go_to(2, super::scenario::COMMITTING);
    let commit = super::scenario::commit(1);
    assert_paid(&world.chain, &[case(INGESTS[0], BATCHES, &commit, 0)]);
    world.chain.go_to(2, super::scenario::ATTESTING);
    let attest = IBatches::attestCall { epoch: 1, sector: S, held };
    assert_paid(&world.chain, &[case(VALIDATORS[0], BATCHES, &attest, 0)]);
    world.chain.go_to(2, super::scenario::LATE);
    let result = world.compute(1).result();
    let vote = IRewards::voteCall { epoch: 1, sector: S, round: 0, result, salt: B256::ZERO };
    assert_paid(&world.chain, &[case(VALIDATORS[0], REWARDS, &vote, 10 * 6)]);
    world.finish_until(32);
    let claim = computed.claim(world.devices[0]);
    let nodes = claim.proof.len() as u64 + 1;
    assert_paid(&world.chain, &[case(BOB, REWARDS, &claim, nodes * NODE)]);
}
