//! Performs acts on a ledger in memory and on the reference, and compares them.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    TimeMs,
    abi::{INSURANCE, IRewards, IStake as S, MARKET, REWARDS, STAKE, TREASURY},
};

use super::{
    acts::{Act, PEOPLE, STONE},
    chain::{Chain, agree},
    reference::{ADDRESSES, MINUTE, Reference, TERM_BLOCKS},
    world::{self, HELD, VENDOR, Work},
};

/// A ledger and its reference.
pub struct Driver {
    chain: Chain,
    reference: Reference,
    work: Work,
    /// Consensus keys by number.
    keys: [B256; 16],
    fees: [u128; PEOPLE],
}

/// Who, where, base units of stones, what.
type Call = (Address, Address, u128, Bytes);

impl Driver {
    pub fn new() -> Self {
        let genesis = world::genesis();
        let mut reference = Reference::new(genesis.start_ms);
        let mut chain = Chain::new(genesis);
        for _ in 0..Work::begin(&mut chain) {
            reference.begin_block();
            reference.end_block(0);
        }
        let keys = std::array::from_fn(|n| world::public(u8::try_from(n).expect("few")));
        Self { chain, reference, work: Work::default(), keys, fees: [0; PEOPLE] }
    }

    /// Performs one act; says whether it, or any that it stands for, succeeded.
    ///
    /// # Panics
    /// When ledger and reference differ.
    pub fn perform(&mut self, act: &Act) -> bool {
        match *act {
            Act::Proposer { who } => {
                let known = ADDRESSES.get(who);
                self.reference.proposer = known.map(|_| who);
                self.chain.proposer = known.copied().unwrap_or(Address::ZERO);
                true
            }
            Act::Votes { wrong } => {
                let (epoch, voters) = (self.reference.next_epoch, self.reference.voters());
                let mut any = false;
                for (n, who) in voters.into_iter().enumerate() {
                    // The last of them may find the epoch final.
                    let ahead = if self.reference.next_epoch > epoch { -1 } else { 0 };
                    let result = u8::from(n < wrong);
                    any |= self.send(&Act::Vote { who, ahead, round_ahead: 0, result });
                }
                any
            }
            Act::Appeals { back } => {
                let seats = self.reference.seats(self.reference.term()).expect("fixed").to_vec();
                let mut any = false;
                for (who, _) in seats {
                    any |= self.send(&Act::Appeal { who, back });
                }
                any
            }
            Act::Reclaims { back } => {
                let mut any = false;
                for owner in 0..PEOPLE {
                    any |= self.send(&Act::Reclaim { by: owner, owner, back });
                }
                any
            }
            Act::WrongVotes { by, ahead } => {
                let mut any = false;
                for who in self.reference.voted_for(self.reference.epoch_ahead(ahead)) {
                    any |= self.send(&Act::WrongVote { by, who, ahead });
                }
                any
            }
            Act::Term => {
                let term = self.reference.term();
                while self.reference.term() == term {
                    self.empty();
                }
                self.check();
                self.compare(act);
                true
            }
            Act::Later { minutes } => {
                self.reference.now += minutes * MINUTE;
                self.empty();
                self.compare(act);
                true
            }
            _ => self.send(act),
        }
    }

    fn empty(&mut self) {
        self.reference.begin_block();
        self.chain.block(TimeMs(self.reference.now), Vec::new());
        self.reference.end_block(0);
    }

    /// Calls, then sends: both must answer what is expected.
    fn send(&mut self, act: &Act) -> bool {
        self.reference.begin_block();
        let (from, to, stones, input) = self.call(act);
        let answer = self.reference.perform(act);
        // A call knows nothing of what a block does first: where a term begins it may answer otherwise.
        if !self.reference.height.is_multiple_of(TERM_BLOCKS) {
            agree(act, &self.chain.call(from, to, stones, &input, true), answer);
        }
        let transaction = self.chain.transaction(from, to, stones, input);
        let (success, fee) = self.chain.block(self.chain.now(), vec![transaction]);
        assert_eq!(success, answer.is_ok(), "{act:?}, expected {answer:02x?}");
        self.reference.end_block(fee);
        if let Some(who) = ADDRESSES.iter().position(|person| *person == from) {
            self.fees[who] += fee;
        }
        self.compare(act);
        success
    }

    fn call(&mut self, act: &Act) -> Call {
        let at = |who: usize| ADDRESSES[who];
        let stake = |who: usize, stones: u128, input: Vec<u8>| -> Call {
            (at(who), STAKE, stones, input.into())
        };
        let model = &self.reference;
        match *act {
            Act::Stand { who, key, bond, flaw } => {
                let (key, proof) = world::proven(who, key, flaw);
                let call = S::candidateCall { consensusKey: key, proofOfPossession: proof };
                stake(who, bond, call.abi_encode())
            }
            Act::Raise { who, stones } => stake(who, stones, S::raiseBondCall {}.abi_encode()),
            Act::Rotate { who, key, flaw } => {
                let (key, proof) = world::proven(who, key, flaw);
                let call = S::rotateKeyCall { newKey: key, proofOfPossession: proof };
                stake(who, 0, call.abi_encode())
            }
            Act::Commission { who, ppm } => {
                stake(who, 0, S::setCommissionCall { ppm }.abi_encode())
            }
            Act::Leave { who } => stake(who, 0, S::leaveCall {}.abi_encode()),
            Act::Exit { who } => stake(who, 0, S::exitCall {}.abi_encode()),
            Act::Unjail { who } => stake(who, 0, S::unjailCall {}.abi_encode()),
            Act::Delegate { from, to, stones } => {
                stake(from, stones, S::delegateCall { operator: at(to) }.abi_encode())
            }
            Act::Undelegate { from, to, .. } => {
                let stones = U256::from(model.asked(act));
                stake(from, 0, S::undelegateCall { operator: at(to), stones }.abi_encode())
            }
            Act::Withdraw { who } => stake(who, 0, S::withdrawCall {}.abi_encode()),
            Act::Settle { who } => {
                let call = S::settleCall { operator: at(who) };
                stake((who + 1) % PEOPLE, 0, call.abi_encode())
            }
            Act::Claim { who } => stake(who, 0, S::claimIncomeCall {}.abi_encode()),
            Act::Vote { who, ahead, round_ahead, result } => {
                let epoch = model.epoch_ahead(ahead);
                let result = IRewards::Result {
                    verdictRoot: B256::repeat_byte(result),
                    scoreRoot: B256::ZERO,
                    rewardRoot: B256::ZERO,
                    devices: 0,
                    earnedStones: U256::from(model.earned(epoch)),
                    subsidyStones: U256::ZERO,
                    usageMicroUsd: 0,
                    needMicroUsd: 0,
                };
                let round = model.round(epoch).0 + round_ahead;
                let call = IRewards::voteCall { epoch, sector: 1, round, result, salt: B256::ZERO };
                (at(who), REWARDS, 0, call.abi_encode().into())
            }
            Act::Work { micro } => (VENDOR, MARKET, 0, self.work.more(micro)),
            Act::Equivocation { by, key, ahead, view, pair } => {
                let evidence = world::evidence(key, model.term_ahead(ahead), view, pair);
                stake(by, 0, S::reportEquivocationCall { evidence }.abi_encode())
            }
            Act::WrongVote { by, who, ahead } => {
                let (epoch, operator) = (model.epoch_ahead(ahead), at(who));
                let call = S::reportWrongVoteCall { epoch, sector: 1, operator };
                stake(by, 0, call.abi_encode())
            }
            Act::Absence { by, who, ahead } => {
                let (term, operator) = (model.term_ahead(ahead), at(who));
                let call = S::reportAbsenceCall { termNumber: term, operator };
                stake(by, 0, call.abi_encode())
            }
            Act::Appeal { who, back } => {
                stake(who, 0, S::appealCall { id: model.slash_back(back) }.abi_encode())
            }
            Act::Reclaim { by, owner, back } => {
                let (id, owner) = (model.slash_back(back), at(owner));
                stake(by, 0, S::reclaimCall { id, owner }.abi_encode())
            }
            Act::Execute { by, back } => {
                stake(by, 0, S::executeCall { id: model.slash_back(back) }.abi_encode())
            }
            Act::Proposer { .. }
            | Act::Votes { .. }
            | Act::WrongVotes { .. }
            | Act::Appeals { .. }
            | Act::Reclaims { .. }
            | Act::Term
            | Act::Later { .. } => unreachable!("no call"),
        }
    }

    /// Everybody reclaims all there is: then every share of every pool is somebody's.
    ///
    /// # Panics
    /// When one is not, or when ledger and reference differ.
    pub fn reclaim_all(&mut self) {
        let count = i64::try_from(self.reference.slashes.len()).expect("few");
        // A claim can make another one of a later slash.
        for back in (0..count).rev() {
            for owner in 0..PEOPLE {
                let due = self.reference.has_claim(owner, back);
                let given = due && self.send(&Act::Reclaim { by: owner, owner, back });
                assert_eq!(given, due, "{owner} of {back}");
            }
        }
        for (who, known) in &self.reference.candidates {
            let [delegated, unbonding] = self.reference.owned(*who);
            assert_eq!(delegated, known.pool.shares, "delegated to {who}");
            assert_eq!(unbonding, known.unbonding.shares, "unbonding at {who}");
        }
    }

    /// Every invariant of the ledger.
    ///
    /// # Panics
    /// When one is broken.
    pub fn check(&self) {
        self.chain.check();
    }

    /// Everything that the contract shows, and everybody's stones.
    fn compare(&self, act: &Act) {
        let model = &self.reference;
        for (n, person) in ADDRESSES.into_iter().enumerate() {
            let first = i128::try_from(u128::from(HELD) * STONE - self.fees[n]).expect("small");
            let held = i128::try_from(self.chain.held(person));
            assert_eq!(held, Ok(first + model.moved[n]), "person {n} after {act:?}");
        }
        let money =
            [(STAKE, model.held()), (INSURANCE, model.insurance), (TREASURY, model.treasury)];
        for (account, stones) in money {
            assert_eq!(self.chain.held(account), stones, "{account} after {act:?}");
        }
        let seen = self.chain.ask(STAKE, &S::candidatesCall { from: 0, limit: 64 });
        assert_eq!(seen.len(), model.order.len(), "after {act:?}");
        for (seen, who) in seen.iter().zip(&model.order) {
            assert_eq!(*seen, self.shown(*who), "{who} after {act:?}");
        }
        for ((to, from), shares) in &model.delegations {
            let call = S::delegationCall { operator: ADDRESSES[*to], delegator: ADDRESSES[*from] };
            let seen = self.chain.ask(STAKE, &call);
            let worth = model.worth(*to, *shares);
            let wanted = (U256::from(worth), U256::from(*shares));
            assert_eq!((seen.stones, seen.shares), wanted, "{from} at {to} after {act:?}");
        }
        for (owner, waiting) in &model.unbondings {
            let seen =
                self.chain.ask(STAKE, &S::unbondingsCall { owner: ADDRESSES[*owner], limit: 32 });
            let wanted = waiting.iter().take(32).map(|w| S::Unbonding {
                operator: ADDRESSES[w.operator],
                readyMs: w.ready,
                stones: U256::from(model.candidates[&w.operator].unbonding.worth(w.shares)),
            });
            assert_eq!(seen, wanted.collect::<Vec<_>>(), "of {owner} after {act:?}");
        }
        let next = self.chain.ask(REWARDS, &IRewards::nextEpochCall { sector: 1 });
        assert_eq!(next, model.next_epoch, "after {act:?}");
        self.compare_seats(act);
        self.compare_slashes(act);
    }

    fn shown(&self, who: usize) -> S::Candidate {
        let known = &self.reference.candidates[&who];
        S::Candidate {
            operator: ADDRESSES[who],
            consensusKey: self.keys[usize::from(known.key)],
            status: known.status,
            banned: known.banned,
            since: known.since,
            leftTerm: known.left_term,
            jailedTerm: known.jailed,
            commissionPpm: known.commission,
            nextCommissionPpm: known.next_commission,
            nextCommissionTerm: known.next_from,
            bond: U256::from(known.bond),
            income: U256::from(known.income),
            delegated: U256::from(known.pool.stones),
            shares: U256::from(known.pool.shares),
            unbonding: U256::from(known.unbonding.stones),
        }
    }

    /// Who sits in this term and the next, and what it did in this and the last.
    fn compare_seats(&self, act: &Act) {
        let (model, current) = (&self.reference, self.reference.term());
        for term in [current, current + 1] {
            let seen = self.chain.ask(STAKE, &S::seatsCall { termNumber: term });
            let seen: Vec<_> = seen.iter().map(|seat| (seat.operator, seat.consensusKey)).collect();
            let wanted = model.seats(term).expect("fixed").iter();
            let wanted: Vec<_> =
                wanted.map(|(who, key)| (ADDRESSES[*who], self.keys[usize::from(*key)])).collect();
            assert_eq!(seen, wanted, "term {term} after {act:?}");
        }
        for term in [current.saturating_sub(1), current] {
            for (who, _) in model.seats(term).expect("fixed") {
                let call = S::presenceCall { termNumber: term, operator: ADDRESSES[*who] };
                let seen = self.chain.ask(STAKE, &call);
                let seen = [seen.proposed, seen.proposalsDue, seen.voted, seen.votesDue];
                let wanted = model.presence(term, *who);
                assert_eq!(Ok(seen), wanted, "{who} in term {term} after {act:?}");
            }
        }
    }

    fn compare_slashes(&self, act: &Act) {
        let model = &self.reference;
        let count = self.chain.ask(STAKE, &S::slashCountCall {});
        assert_eq!(usize::try_from(count), Ok(model.slashes.len()), "after {act:?}");
        for (id, known) in (0..).zip(&model.slashes) {
            let wanted = S::Slash {
                operator: ADDRESSES[known.operator],
                reason: known.reason,
                status: known.status,
                appealUntilMs: known.until,
                term: known.term,
                place: known.place,
                reporter: ADDRESSES[known.reporter],
                bond: U256::from(known.bond),
                delegated: U256::from(known.delegated),
                unbonding: U256::from(known.unbonding),
            };
            let seen = self.chain.ask(STAKE, &S::slashCall { id });
            assert_eq!(seen, wanted, "slash {id} after {act:?}");
            // Before it is annulled, there is nothing for anybody.
            if known.status != 3 {
                continue;
            }
            for (who, owner) in ADDRESSES.into_iter().enumerate() {
                let seen = self.chain.ask(STAKE, &S::reclaimableCall { id, owner });
                let known = &model.candidates[&known.operator];
                let [pool, unbonding] = model.reclaimable(usize::try_from(id).expect("few"), who);
                let wanted = [known.pool.worth(pool), known.unbonding.worth(unbonding)];
                let seen = [seen.delegated, seen.unbonding];
                assert_eq!(seen, wanted.map(U256::from), "{who} of slash {id} after {act:?}");
            }
        }
    }
}
