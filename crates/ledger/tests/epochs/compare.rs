//! What people can see of batches and rewards, held against the reference.

use alloy_primitives::{U256, keccak256};
use alloy_sol_types::SolValue;
use cairn_primitives::abi::{
    BATCHES, CREDITS, ECONOMY, IBatches as B, IEconomy, INSURANCE, IRewards as R, IStake, REGISTRY,
    REWARDS, STAKE, TREASURY,
};

use super::{
    acts::Act,
    driver::Driver,
    network::{HELD, SEATS, STONE, VALIDATORS},
    plan::leaf,
};

impl Driver {
    /// Every invariant of the ledger, and every claim.
    ///
    /// # Panics
    /// When one is broken.
    pub fn check(&self) {
        self.chain.check();
        for epoch in 0..self.reference.next() {
            for device in 0..3 {
                self.compare_claimed(epoch, device);
            }
        }
    }

    fn compare_claimed(&self, epoch: u64, device: usize) {
        let call = R::claimedCall { epoch, device: self.owners[device].0 };
        let known = self.reference.money.claimed.get(&(epoch, device)).copied();
        assert_eq!(self.chain.ask(REWARDS, &call), known.unwrap_or(0), "{epoch} {device}");
    }

    /// Everything that people can see of the two contracts, and everybody's stones.
    pub(super) fn compare(&self, act: &Act) {
        self.compare_money(act);
        let model = &self.reference;
        let next = model.next();
        assert_eq!(self.chain.ask(REWARDS, &R::nextEpochCall { sector: 1 }), next, "{act:?}");
        for epoch in [next.saturating_sub(1), next, next + 1] {
            let seen = self.chain.ask(BATCHES, &B::statusCall { epoch, sector: 1 });
            let (phase, round, commits, attests, included) = model.status(epoch);
            assert_eq!(
                (seen.phase, seen.round, seen.commitments, seen.attestations, seen.included),
                (phase, round, commits, attests, U256::from(included)),
                "epoch {epoch} after {act:?}"
            );
            let seen = self.chain.ask(REWARDS, &R::ballotCall { epoch, sector: 1 });
            let (seals, votes, open) = model.ballot(epoch);
            let count = |count: usize| u32::try_from(count).expect("few");
            assert_eq!(
                (seen.round, seen.seats, seen.seals, seen.votes, seen.opensMs, seen.open),
                (round, count(SEATS), count(seals), count(votes), model.opens(epoch), open),
                "epoch {epoch} after {act:?}"
            );
        }
        if let Some(last) = model.finals.last() {
            let seen = self.chain.ask(REWARDS, &R::resultCall { epoch: next - 1, sector: 1 });
            assert_eq!(keccak256(seen.abi_encode()), last.hash, "{act:?}");
        }
        match act {
            Act::Vote { .. } => self.compare_voters(),
            Act::Claim { epoch, device, .. } => {
                self.compare_claimed(self.epoch(*epoch), *device);
                self.compare_leaf(self.epoch(*epoch), *device);
            }
            Act::ClaimMany { rewards, .. } => {
                for (epoch, device) in rewards {
                    self.compare_claimed(self.epoch(*epoch), *device);
                }
            }
            _ => {}
        }
    }

    fn compare_money(&self, act: &Act) {
        let (model, next) = (&self.reference.money, self.reference.next());
        for (n, (_, person)) in self.owners.into_iter().enumerate() {
            let first = i128::try_from(u128::from(HELD) * STONE - self.fees[n]).expect("small");
            let held = i128::try_from(self.chain.held(person));
            assert_eq!(held, Ok(first + model.moved[n]), "person {n} after {act:?}");
        }
        for (account, stones) in [
            (REWARDS, model.rewards),
            (ECONOMY, model.reserve),
            (TREASURY, model.treasury),
            (INSURANCE, model.insurance),
            (STAKE, model.stake),
            (REGISTRY, model.registry),
            (CREDITS, model.vault),
        ] {
            assert_eq!(self.chain.held(account), stones, "stones of {account} after {act:?}");
        }
        let burned = model.burned + self.fees.iter().sum::<u128>();
        let seen = self.chain.ask(ECONOMY, &IEconomy::burnedCall {});
        assert_eq!(seen, U256::from(burned), "burned after {act:?}");
        let day = self.chain.ask(ECONOMY, &IEconomy::todayCall { sector: 1 });
        assert_eq!(
            [
                day.day,
                day.usageSubsidyMicroUsd,
                day.needSubsidyMicroUsd,
                day.incomeMicroUsd,
                day.burnMicroUsd,
                day.settledTodayMicroUsd
            ]
            .map(u128::from),
            [
                u128::from(model.day.number),
                model.day.usage,
                model.day.need,
                model.day.income,
                model.day.burn,
                model.day.settled
            ],
            "after {act:?}"
        );
        assert_eq!(day.grantLeftStones, U256::from(model.day.grant), "after {act:?}");
        let seen = self.chain.ask(REWARDS, &R::poolCall { epoch: next, sector: 1 });
        let pool = model.pool(next);
        assert_eq!(
            (seen.earnedMicroUsd, seen.usageSubsidyMicroUsd, seen.needSubsidyMicroUsd),
            (pool.earned, pool.usage, pool.need),
            "after {act:?}"
        );
        assert_eq!(seen.earnedStones, U256::from(pool.earned_stones), "after {act:?}");
    }

    /// Whose votes count in this term and the last, and what was divided.
    fn compare_voters(&self) {
        let model = &self.reference;
        for (by, operator) in VALIDATORS.into_iter().enumerate() {
            for term in [model.term.saturating_sub(1), model.term] {
                let call = IStake::presenceCall { termNumber: term, operator };
                let seen = self.chain.ask(STAKE, &call);
                let (voted, finals) = model.presence(term, by);
                let seen = (usize::try_from(seen.voted).expect("few"), seen.votesDue);
                assert_eq!(seen, (voted, finals), "validator {by} in term {term}");
            }
            let seen = self.chain.ask(STAKE, &IStake::candidateOfCall { operator });
            assert_eq!(seen.income, U256::from(model.incomes[by]), "income of {by}");
        }
    }

    /// A contract that asks for a leaf of a final epoch's rewards is told the same.
    fn compare_leaf(&self, epoch: u64, device: usize) {
        if epoch >= self.reference.next() {
            return;
        }
        let (_, good) = self.claim(epoch, device, 0);
        let call = R::isLeafCall {
            epoch,
            sector: 1,
            tree: 3,
            leaf: leaf(&good.reward).into(),
            index: good.index,
            count: 3,
            proof: good.proof,
        };
        assert!(self.chain.ask(REWARDS, &call));
    }
}
