//! The rules of docs/spec/economy.md, of rewards.md §5 and of what both need of market and registry: who is paid what, once.
//!
//! The network's price never changes, so that the vault's release covers what is owed, and nothing is drawn or owed.

use std::collections::BTreeMap;

use alloy_sol_types::SolError;
use cairn_primitives::abi::{IMarket, IRegistry, IRewards as R};

use super::{
    chain::Refusal,
    network::{
        DEVICE_BOND, DISPUTE, EPOCH_MS, ESCROW, GRANT, MINTED, PRICE, RESERVE, SEAT_BOND, STONE,
        VESTING, VOTE_FEE,
    },
    reference::{OUT_OF_RANGE, Outcome, need},
};

/// Epochs of a day.
const DAY: u64 = 86_400_000 / EPOCH_MS;
/// Fees, the match m, α and θ of the default parameters, ppm.
const BURN: u128 = 50_000;
const TREASURY: u128 = 20_000;
const INSURANCE: u128 = 10_000;
const MATCH: u128 = 900_000;
const ALPHA: u128 = 500_000;
const THETA: u128 = 500_000;
/// C: three target cells of three devices.
const COVERAGE: u128 = 3 * 3 * 250_000;

/// What may be paid for an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    pub earned: u64,
    pub earned_stones: u128,
    pub usage: u64,
    pub need: u64,
}

/// The open day, micro-dollars but for the grant.
#[derive(Clone, Debug, Default)]
pub struct Day {
    pub number: u64,
    pub income: u128,
    pub burn: u128,
    pub settled: u128,
    pub matched: u128,
    pub usage: u128,
    pub need: u128,
    pub grant: u128,
}

#[derive(Clone, Debug, Default)]
pub struct Device {
    slashed: bool,
    /// First epoch that does not count any more.
    end: Option<u64>,
}

/// A reward as it is shown to the contract.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    /// It is in the tree: stones earned, stones of subsidy.
    Good(u128, u128),
    /// It is not.
    Bad,
    /// It has more siblings than a tree of 2^32 leaves.
    Long,
}

/// One claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub epoch: u64,
    pub device: usize,
    pub proof: Proof,
}

/// Base units of everybody, and what they follow from.
#[derive(Clone, Debug, Default)]
pub struct Money {
    /// Of the three people, fees aside.
    pub moved: [i128; 3],
    pub rewards: u128,
    pub reserve: u128,
    pub treasury: u128,
    pub insurance: u128,
    pub stake: u128,
    pub registry: u128,
    /// Behind all credits.
    pub vault: u128,
    /// Base fees aside.
    pub burned: u128,
    /// Of final epochs, and not claimed.
    owed: u128,
    /// Credits.
    supply: u64,
    /// Of the one lease.
    settled: u64,
    /// By epoch: what consumers paid, stones that the vault released for it.
    incomes: BTreeMap<u64, (u64, u128)>,
    pub devices: [Device; 3],
    /// By epoch and device: bit 0 earned, bit 1 subsidy, bit 2 forfeited.
    pub claimed: BTreeMap<(u64, usize), u8>,
    pub day: Day,
}

fn ppm(amount: u128, part: u128) -> u128 {
    amount * part / 1_000_000
}

fn stones(micro_usd: u128) -> u128 {
    micro_usd * STONE / PRICE
}

fn usd(stones: u128) -> u128 {
    stones * PRICE / STONE
}

fn small(amount: u128) -> u64 {
    u64::try_from(amount).expect("small")
}

/// Providers, treasury, insurance of an amount; the rest is burned.
fn fees(amount: u128) -> [u128; 3] {
    let [burn, treasury, insurance] = [BURN, TREASURY, INSURANCE].map(|part| ppm(amount, part));
    [amount - burn - treasury - insurance, treasury, insurance]
}

impl Money {
    /// Everybody has a device, and person 0 a lease.
    pub fn new() -> Self {
        let bond = u128::from(DEVICE_BOND) * STONE;
        let mut moved = [-i128::try_from(bond).expect("small"); 3];
        moved[0] -= i128::try_from(MINTED).expect("small");
        let mut new = Self {
            moved,
            reserve: u128::from(RESERVE) * STONE,
            stake: 4 * u128::from(SEAT_BOND) * STONE,
            registry: 3 * bond,
            vault: MINTED,
            supply: ESCROW,
            ..Self::default()
        };
        new.day.grant = u128::from(GRANT) * STONE;
        new.fix_budgets();
        new
    }

    fn pay_person(&mut self, person: usize, amount: u128) {
        self.moved[person] += i128::try_from(amount).expect("below the cap");
    }

    /// Of the open day.
    fn fix_budgets(&mut self) {
        let emission = (self.reserve * 2_037_193) >> 32;
        let budget = usd(emission);
        let day = &mut self.day;
        let gap = COVERAGE.saturating_sub(ppm(day.income, THETA));
        let by_burn = ppm(budget, ALPHA).min(ppm(9 * day.burn, MATCH));
        day.usage = if day.burn == 0 { 0 } else { by_burn.min(gap) };
        day.need = (budget - by_burn).min(usd(day.grant / 365)).min(gap - day.usage);
    }

    fn open_day(&mut self) {
        let day = &mut self.day;
        day.income = (29 * day.income + fees(day.settled)[0]) / 30;
        let matched = (day.matched * 1_000_000).div_ceil(MATCH);
        day.burn = (29 * day.burn + ppm(day.settled, BURN)).saturating_sub(matched) / 30;
        (day.settled, day.matched) = (0, 0);
        day.number += 1;
        self.fix_budgets();
    }

    /// Of the next epoch to become final.
    pub fn pool(&self, epoch: u64) -> Pool {
        let place = u128::from(epoch % DAY);
        let part = |budget: u128| {
            let parts = u128::from(DAY);
            small(budget * (place + 1) / parts - budget * place / parts)
        };
        let paid = self.incomes.get(&epoch).map_or(0, |income| income.0);
        let earned = fees(paid.into())[0];
        Pool {
            earned: small(earned),
            earned_stones: stones(earned),
            usage: part(self.day.usage),
            need: part(self.day.need),
        }
    }

    /// Whether a result is within the next epoch's pool.
    pub fn allows(&self, epoch: u64, result: &Outcome) -> Result<(), Refusal> {
        let pool = self.pool(epoch);
        let subsidy = stones(u128::from(pool.usage) + u128::from(pool.need)).min(self.reserve);
        need::<R::PoolExceeded>(
            result.earned_stones <= pool.earned_stones
                && result.usage <= pool.usage
                && result.need <= pool.need
                && result.subsidy_stones <= subsidy,
        )?;
        if result.earned_stones < pool.earned_stones { Err(OUT_OF_RANGE) } else { Ok(()) }
    }

    /// Moves what a final epoch moves; returns what voters get of it.
    pub fn finalise(&mut self, epoch: u64, result: &Outcome, has_votes: bool) -> u128 {
        let (paid, released) = self.incomes.get(&epoch).copied().unwrap_or_default();
        let [providers, treasury, insurance] = fees(paid.into()).map(stones);
        assert_eq!(providers, result.earned_stones, "all of it");
        let burned = released - providers - treasury - insurance;
        let voters = if has_votes { ppm(treasury, VOTE_FEE) } else { 0 };
        self.rewards -= treasury + insurance + burned;
        self.treasury += treasury - voters;
        self.stake += voters;
        self.insurance += insurance;
        self.burned += burned;

        let subsidy = result.subsidy_stones;
        self.reserve -= subsidy;
        self.rewards += subsidy;
        self.owed += providers + subsidy;
        let day = &mut self.day;
        day.settled += u128::from(paid);
        let need = u128::from(result.need);
        day.grant = day.grant.saturating_sub((need * STONE).div_ceil(PRICE));
        day.matched += (subsidy * PRICE).div_ceil(STONE).saturating_sub(need);
        if (epoch + 1) / DAY > day.number {
            self.open_day();
        }
        voters
    }

    /// Credits that are spent take their part of the vault along.
    pub fn pay(&mut self, epoch: u64, amount: u64) -> Result<(), Refusal> {
        need::<IMarket::ReceiptNotHigher>(amount > 0)?;
        need::<IMarket::EscrowExceeded>(self.settled + amount <= ESCROW)?;
        let released = self.vault * u128::from(amount) / u128::from(self.supply);
        self.settled += amount;
        self.supply -= amount;
        self.vault -= released;
        self.rewards += released;
        let income = self.incomes.entry(epoch).or_default();
        *income = (income.0 + amount, income.1 + released);
        Ok(())
    }

    pub fn leave(&mut self, epoch: u64, from: usize, device: usize) -> Result<(), Refusal> {
        need::<IRegistry::NotOwner>(from == device)?;
        let known = &mut self.devices[device];
        need::<IRegistry::NotActive>(known.end.is_none())?;
        known.end = Some(epoch + 1);
        Ok(())
    }

    pub fn slash(&mut self, epoch: u64, from: usize, device: usize) -> Result<(), Refusal> {
        let known = &mut self.devices[device];
        need::<IRegistry::NotActive>(!known.slashed)?;
        let end = epoch.max(1);
        *known = Device { slashed: true, end: Some(known.end.map_or(end, |old| old.min(end))) };
        let bond = u128::from(DEVICE_BOND) * STONE;
        self.registry -= bond;
        self.burned += bond * 7 / 10;
        self.pay_person(from, bond - bond * 7 / 10);
        Ok(())
    }

    /// What of a reward is paid now: earned, subsidy, forfeited, and what is done then.
    fn due(&self, now: u64, claim: &Claim, leaf: (u128, u128)) -> ([u128; 3], u8) {
        let Claim { epoch, device, .. } = *claim;
        let mut done = self.claimed.get(&(epoch, device)).copied().unwrap_or(0);
        let (mut due, subsidy_from) = ([0; 3], epoch + 1 + VESTING);
        if done & 1 == 0 && now > epoch + DISPUTE {
            due[0] = leaf.0;
            done |= 1;
        }
        if done & 2 == 0 {
            let known = &self.devices[device];
            if known.slashed && known.end.is_some_and(|end| end < subsidy_from) {
                due[2] = leaf.1;
                done |= 6;
            } else if now >= subsidy_from {
                due[1] = leaf.1;
                done |= 2;
            }
        }
        (due, done)
    }

    fn proven(next: u64, claim: &Claim) -> Result<(u128, u128), Refusal> {
        if matches!(claim.proof, Proof::Long) {
            return Err(OUT_OF_RANGE);
        }
        need::<R::EpochNotFinal>(claim.epoch < next)?;
        match claim.proof {
            Proof::Good(earned, subsidy) => Ok((earned, subsidy)),
            _ => Err(R::BadProof::SELECTOR),
        }
    }

    fn settle(&mut self, claim: &Claim, due: [u128; 3], done: u8) -> Result<(), Refusal> {
        let all: u128 = due.iter().sum();
        if all > self.owed {
            return Err(OUT_OF_RANGE);
        }
        self.owed -= all;
        self.rewards -= all;
        self.pay_person(claim.device, due[0] + due[1]);
        let burned = due[2] * 7 / 10;
        self.burned += burned;
        self.reserve += due[2] - burned;
        self.claimed.insert((claim.epoch, claim.device), done);
        Ok(())
    }

    pub fn claim(&mut self, now: u64, next: u64, claim: &Claim) -> Result<(), Refusal> {
        let leaf = Self::proven(next, claim)?;
        let before = self.claimed.get(&(claim.epoch, claim.device)).copied().unwrap_or(0);
        need::<R::Forfeited>(before != 7)?;
        need::<R::AlreadyClaimed>(before != 3)?;
        let (due, done) = self.due(now, claim, leaf);
        need::<R::StillLocked>(done != before)?;
        self.settle(claim, due, done)
    }

    /// All or none; `fits`: the lists have lengths that fit.
    pub fn claim_many(
        &mut self,
        now: u64,
        next: u64,
        claims: &[Claim],
        fits: bool,
    ) -> Result<(), Refusal> {
        if !fits {
            return Err(OUT_OF_RANGE);
        }
        let mut after = self.clone();
        for claim in claims {
            let leaf = Self::proven(next, claim)?;
            let (due, done) = after.due(now, claim, leaf);
            after.settle(claim, due, done)?;
        }
        *self = after;
        Ok(())
    }
}
