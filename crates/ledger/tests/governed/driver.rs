//! Performs acts on a ledger in memory and on the reference, and compares them.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    Bound, EconomyParams, Genesis, GenesisAccount, GenesisValidator, GovernanceParams, Parameter,
    TimeMs,
    abi::{self, GOVERNANCE, IGovernance as G, ITreasury as T},
};

use super::{
    Act,
    chain::{CHAIN, Chain, Refusal, agree},
    reference::{DAY, DEPOSIT, QUORUM, Reference, STONE, TREASURY},
};

/// Whole stones of each person: more than any history locks.
const HELD: u64 = 50_000_000;
/// Three people and the guardian.
const PEOPLE: [Address; 4] = [
    Address::repeat_byte(0xa1),
    Address::repeat_byte(0xb2),
    Address::repeat_byte(0xc3),
    Address::repeat_byte(0xd4),
];

/// A ledger and its reference.
pub struct Driver {
    chain: Chain,
    reference: Reference,
    fees: [u128; 4],
}

impl Driver {
    pub fn new() -> Self {
        let genesis = genesis();
        let start = genesis.start_ms;
        let treasury = u128::from(TREASURY) * STONE;
        let reference = Reference { now: start, start, treasury, ..Reference::default() };
        Self { chain: Chain::new(genesis), reference, fees: [0; 4] }
    }

    /// Performs one act; says whether it succeeded.
    ///
    /// # Panics
    /// When ledger and reference differ.
    pub fn perform(&mut self, act: &Act) -> bool {
        if let Act::Later { hours } = act {
            self.reference.now += hours * 3_600_000;
            self.chain.block(TimeMs(self.reference.now), Vec::new());
            return true;
        }
        let (from, to, stones, input) = call(act, self.reference.now);
        let answer = self.reference.perform(act);
        self.send(act, from, to, stones, input.into(), answer);
        // Two changes of one millisecond are one: time moves on.
        self.reference.now += 1;
        self.chain.block(TimeMs(self.reference.now), Vec::new());
        answer.is_ok()
    }

    /// Calls, then sends: both must answer what is expected.
    fn send(
        &mut self,
        act: &Act,
        from: usize,
        to: Address,
        stones: u64,
        input: Bytes,
        answer: Result<(), Refusal>,
    ) {
        let (person, stones) = (PEOPLE[from], u128::from(stones) * STONE);
        agree(act, &self.chain.call(person, to, stones, &input, true), answer);
        let transaction = self.chain.transaction(person, to, stones, input);
        let (success, fee) = self.chain.block(self.chain.now(), vec![transaction]);
        assert_eq!(success, answer.is_ok(), "{act:?}");
        self.fees[from] += fee;
    }

    /// Everything that the contracts show, and everybody's stones.
    ///
    /// # Panics
    /// When ledger and reference differ.
    pub fn compare(&self) {
        self.chain.check();
        let model = &self.reference;
        let held = |account: Address| self.chain.held(account);
        for (n, person) in PEOPLE.into_iter().enumerate() {
            let first = i128::try_from(u128::from(HELD) * STONE - self.fees[n]).expect("small");
            assert_eq!(i128::try_from(held(person)), Ok(first + model.moved[n]), "person {n}");
        }
        assert_eq!(held(abi::TREASURY), model.treasury);
        let open = model.proposals.iter().filter(|proposal| proposal.over == 0).count();
        let deposits = u128::try_from(open).expect("few") * u128::from(DEPOSIT) * STONE;
        assert_eq!(held(GOVERNANCE), model.locked() + deposits);
        for id in 0..model.proposals.len() {
            let seen = self.chain.ask(GOVERNANCE, &G::proposalCall { id: id as u64 });
            let [yes, no] = model.tally(id);
            assert_eq!(
                [seen.yesWeight, seen.yesStones, seen.noWeight, seen.noStones],
                [yes.0, yes.1, no.0, no.1].map(U256::from)
            );
            assert_eq!((seen.status, seen.readyMs), (model.status(id), model.proposals[id].ready));
        }
        let history = self.chain.ask(GOVERNANCE, &G::historyCall { from: 0, limit: 32 });
        let history: Vec<_> = history.iter().map(|v| (v.fromDay, u64::from(v.taperPpm))).collect();
        assert_eq!(history, model.thetas.iter().copied().take(32).collect::<Vec<_>>());
        for (id, known) in model.streams.iter().enumerate() {
            let seen = self.chain.ask(abi::TREASURY, &T::streamCall { id: id as u64 });
            assert_eq!(
                [seen.stones, seen.paid, seen.unlocked],
                [known.stones, known.paid, known.unlocked(model.now)].map(U256::from)
            );
            assert_eq!(seen.status, known.status);
        }
    }
}

/// Who calls what with how many whole stones.
fn call(act: &Act, now: u64) -> (usize, Address, u64, Vec<u8>) {
    let simulation = B256::repeat_byte(1);
    let govern = |from: usize, stones: u64, input: Vec<u8>| (from, GOVERNANCE, stones, input);
    match *act {
        Act::Lock { from, stones, days } => {
            govern(from, stones, G::lockCall { untilMs: now + days * DAY }.abi_encode())
        }
        Act::Add { from, lock, stones } => {
            govern(from, stones, G::addCall { id: lock }.abi_encode())
        }
        Act::Extend { from, lock, days } => {
            govern(from, 0, G::extendCall { id: lock, untilMs: now + days * DAY }.abi_encode())
        }
        Act::Release { lock } => govern(0, 0, G::releaseCall { id: lock }.abi_encode()),
        Act::Theta { from, value } => {
            let changes = vec![G::Change { parameter: 6, value }];
            govern(from, DEPOSIT, G::proposeParametersCall { simulation, changes }.abi_encode())
        }
        Act::Stream { from, stones, days, milestones } => {
            let terms = G::Terms {
                recipient: PEOPLE[2],
                insider: false,
                stones: U256::from(u128::from(stones) * STONE),
                startMs: 0,
                lengthMs: days * DAY,
                milestones,
            };
            govern(from, DEPOSIT, G::proposeStreamCall { simulation, terms }.abi_encode())
        }
        Act::Milestone { from, stream, milestone } => {
            let call = G::proposeMilestoneCall { simulation, stream, milestone };
            govern(from, DEPOSIT, call.abi_encode())
        }
        Act::End { from, stream } => {
            govern(from, DEPOSIT, G::proposeEndCall { simulation, stream }.abi_encode())
        }
        Act::Vote { from, id, lock, yes } => {
            govern(from, 0, G::voteCall { id, yes, lockIds: vec![lock] }.abi_encode())
        }
        Act::Delay { from, id } => govern(from, 0, G::delayCall { id }.abi_encode()),
        Act::Execute { id } => govern(1, 0, G::executeCall { id }.abi_encode()),
        Act::Close { id } => govern(1, 0, G::closeCall { id }.abi_encode()),
        Act::Claim { stream } => (1, abi::TREASURY, 0, T::claimCall { id: stream }.abi_encode()),
        Act::Later { .. } => unreachable!("time passes by itself"),
    }
}

fn genesis() -> Genesis {
    let account = |address, stones| GenesisAccount { name: "person".to_owned(), address, stones };
    let mut accounts: Vec<_> = PEOPLE.into_iter().map(|person| account(person, HELD)).collect();
    accounts.push(account(abi::TREASURY, TREASURY));
    let theta = Bound { low: 410_000, high: 640_000, step: 60_000 };
    Genesis {
        start_ms: 1_356_998_400_000,
        time_scale: 180,
        economy: EconomyParams {
            price_micro_usd: 50_000,
            reserve_stones: 1_000_000_000 - 4 * HELD - TREASURY - 10_000,
            device_cost_micro_usd_day: 250_000,
            ..EconomyParams::default()
        },
        governance: Some(GovernanceParams {
            guardian: PEOPLE[3],
            deposit_stones: DEPOSIT,
            quorum_stones: QUORUM,
            bounds: BTreeMap::from([(Parameter::TaperPpm, theta)]),
            ..GovernanceParams::default()
        }),
        validators: vec![GenesisValidator {
            name: "v".to_owned(),
            operator: Address::repeat_byte(0x11),
            consensus_key: B256::repeat_byte(1),
            bond_stones: 10_000,
        }],
        accounts,
        ..Genesis::empty("governed", CHAIN)
    }
}
