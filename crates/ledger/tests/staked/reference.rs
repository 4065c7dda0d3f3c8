//! Stake in maps: written from docs/spec/stake.md. Who stands, with what, and who sits.

mod delegations;
mod slashes;
mod votes;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolError;
use cairn_primitives::abi::{IKernel, IStake as S};

use self::delegations::Unbonding;
pub use self::slashes::Slash;
use self::votes::{Ballot, Pot};
use super::acts::{Act, Flaw, PEOPLE, STONE};
use super::chain::Refusal;

pub const TERM_BLOCKS: u64 = 8;
pub const SEATS_MAX: usize = 5;
pub const FOUNDERS: usize = 4;
/// Whole stones.
pub const BOND: u64 = 1_000;
pub const MINUTE: u64 = 60_000;
pub const EPOCH: u64 = 60 * MINUTE;
pub const UNBONDING: u64 = 72 * 60 * MINUTE;
pub const APPEAL: u64 = 24 * 60 * MINUTE;
pub const COMMISSION_MAX: u32 = 200_000;
const PPM: u128 = 1_000_000;

/// In no order, so that numbers, ages and addresses rank people differently.
pub const ADDRESSES: [Address; PEOPLE] = [
    Address::repeat_byte(0x51),
    Address::repeat_byte(0x32),
    Address::repeat_byte(0x73),
    Address::repeat_byte(0x14),
    Address::repeat_byte(0x45),
    Address::repeat_byte(0x66),
    Address::repeat_byte(0x27),
    Address::repeat_byte(0x58),
];

/// Operator and key.
pub type Seat = (usize, u8);

/// 1 active, 2 leaving, 3 left.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub status: u8,
    pub banned: bool,
    pub since: u64,
    pub left_term: u64,
    pub jailed: u64,
    /// The absences since it last stood: slash, term in which its jail ends.
    pub jail: Vec<(usize, u64)>,
    pub key: u8,
    pub commission: u32,
    pub next_commission: u32,
    pub next_from: u64,
    pub bond: u128,
    pub income: u128,
    pub pool: Pool,
    pub unbonding: Pool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Pool {
    pub stones: u128,
    pub shares: u128,
}

#[derive(Default)]
pub struct Reference {
    pub now: u64,
    pub start: u64,
    pub height: u64,
    pub proposer: Option<usize>,
    pub candidates: BTreeMap<usize, Candidate>,
    /// In the order in which they first stood.
    pub order: Vec<usize>,
    keys: BTreeMap<u8, usize>,
    /// Operator, delegator: shares.
    pub delegations: BTreeMap<(usize, usize), u128>,
    pub unbondings: BTreeMap<usize, Vec<Unbonding>>,
    pub sets: Vec<Vec<Seat>>,
    /// Term by term, which set.
    pub terms: Vec<usize>,
    pots: BTreeMap<u64, Pot>,
    /// Term, operator: proposals, counted votes.
    work: BTreeMap<(u64, usize), (u64, u64)>,
    /// Term, operator: votes that share the pot, fees; until they are carried.
    open: BTreeMap<(u64, usize), (u128, u128)>,
    /// Earned in terms that are over, and not divided.
    carried: BTreeMap<usize, u128>,
    /// µUSD by epoch.
    paid: BTreeMap<u64, u64>,
    ballots: BTreeMap<u64, Ballot>,
    pub next_epoch: u64,
    pub slashes: Vec<Slash>,
    slashed_for: BTreeSet<(usize, u8, u64, u64)>,
    /// Base units paid to each person, less what each paid, fees aside.
    pub moved: [i128; PEOPLE],
    pub insurance: u128,
    pub treasury: u128,
}

fn no<E: SolError, T>() -> Result<T, Refusal> {
    Err(E::SELECTOR)
}

fn need<E: SolError>(good: bool) -> Result<(), Refusal> {
    if good { Ok(()) } else { no::<E, ()>() }
}

/// Rounded down; nothing of nothing.
fn share(a: u128, b: u128, c: u128) -> u128 {
    if c == 0 { 0 } else { (U256::from(a) * U256::from(b) / U256::from(c)).to() }
}

fn ppm(amount: u128, part: u32) -> u128 {
    share(amount, part.into(), PPM)
}

fn quorum(seats: usize) -> usize {
    2 * seats / 3 + 1
}

impl Pool {
    pub fn worth(&self, shares: u128) -> u128 {
        share(self.stones, shares, self.shares)
    }

    fn buy(&mut self, stones: u128) -> u128 {
        let bought =
            if self.shares == 0 { stones } else { share(stones, self.shares, self.stones) };
        self.stones += stones;
        self.shares += bought;
        bought
    }

    fn sell(&mut self, shares: u128) -> u128 {
        let stones = self.worth(shares);
        self.stones -= stones;
        self.shares -= shares;
        stones
    }

    fn slash(&mut self, part: u32) -> u128 {
        let taken = ppm(self.stones, part);
        self.stones -= taken;
        taken
    }
}

impl Candidate {
    fn new(since: u64, key: u8, bond: u128) -> Self {
        Self {
            status: 1,
            banned: false,
            since,
            left_term: 0,
            jailed: 0,
            jail: Vec::new(),
            key,
            commission: 0,
            next_commission: 0,
            next_from: 0,
            bond,
            income: 0,
            pool: Pool::default(),
            unbonding: Pool::default(),
        }
    }
}

impl Reference {
    pub fn new(start: u64) -> Self {
        let mut new = Self { now: start, start, ..Self::default() };
        for who in 0..FOUNDERS {
            let key = u8::try_from(who).expect("few");
            new.candidates.insert(who, Candidate::new(0, key, u128::from(BOND) * STONE));
            new.order.push(who);
            new.keys.insert(key, who);
        }
        new.sets.push((0..FOUNDERS).zip(0..).collect());
        new.terms = vec![0, 0];
        new
    }

    pub fn term(&self) -> u64 {
        self.height / TERM_BLOCKS
    }

    /// The seats of a term, if they are fixed.
    pub fn seats(&self, term: u64) -> Option<&[Seat]> {
        let set = self.terms.get(usize::try_from(term).ok()?)?;
        Some(&self.sets[*set])
    }

    fn set_at(&self, term: u64) -> usize {
        self.terms[usize::try_from(term).expect("few")]
    }

    fn sits(&self, who: usize, term: u64) -> bool {
        self.seats(term).is_some_and(|seats| seats.iter().any(|seat| seat.0 == who))
    }

    /// All that the contract holds.
    pub fn held(&self) -> u128 {
        let staked = |c: &Candidate| c.bond + c.income + c.pool.stones + c.unbonding.stones;
        self.candidates.values().map(staked).sum::<u128>()
            + self.slashes.iter().filter(|slash| slash.status == 1).map(Slash::total).sum::<u128>()
            + self.pots.values().map(|pot| pot.stones).sum::<u128>()
            + self.open.values().map(|open| open.1).sum::<u128>()
            + self.carried.values().sum::<u128>()
    }

    fn moves(&mut self, person: usize, stones: u128, out: bool) {
        let stones = i128::try_from(stones).expect("small");
        self.moved[person] += if out { -stones } else { stones };
    }

    /// What a block does before its transactions.
    pub fn begin_block(&mut self) {
        self.height += 1;
        if self.height.is_multiple_of(TERM_BLOCKS) {
            self.elect();
        }
    }

    /// What a block does after its transactions, which paid these base fees.
    pub fn end_block(&mut self, fees: u128) {
        let Some(who) = self.proposer.filter(|who| self.candidates.contains_key(who)) else {
            return;
        };
        self.work.entry((self.term(), who)).or_default().0 += 1;
        let part = ppm(fees, 100_000);
        if part > 0 {
            self.carry(who);
            self.open.entry((self.term(), who)).or_default().1 += part;
        }
    }

    fn elect(&mut self) {
        let least = u128::from(BOND) * STONE / 10 * 9;
        let stands = |c: &Candidate| c.status == 1 && !c.banned && c.jailed == 0 && c.bond >= least;
        let mut ranked: Vec<_> = self.candidates.iter().filter(|(_, c)| stands(c)).collect();
        ranked.sort_by_key(|(who, c)| {
            (std::cmp::Reverse(c.bond + c.pool.stones), c.since, ADDRESSES[**who])
        });
        let mut elected: Vec<Seat> =
            ranked.into_iter().take(SEATS_MAX).map(|(who, c)| (*who, c.key)).collect();
        elected.sort_by_key(|seat| ADDRESSES[seat.0]);
        let before = self.set_at(self.term());
        let mut old = self.sets[before].clone();
        old.sort_by_key(|seat| ADDRESSES[seat.0]);
        let same = elected.len() < 4 || elected == old;
        if !same {
            self.sets.push(elected);
        }
        self.terms.push(if same { before } else { self.sets.len() - 1 });
    }

    fn known(&mut self, who: usize) -> Result<&mut Candidate, Refusal> {
        self.candidates.get_mut(&who).ok_or(S::UnknownCandidate::SELECTOR)
    }

    fn active(&mut self, who: usize) -> Result<&mut Candidate, Refusal> {
        let known = self.known(who)?;
        need::<S::NotActive>(known.status == 1)?;
        Ok(known)
    }

    fn take_key(&mut self, who: usize, key: u8, flaw: Flaw) -> Result<(), Refusal> {
        need::<S::BadKey>(flaw != Flaw::Key)?;
        need::<S::KeyTaken>(self.keys.get(&key).is_none_or(|owner| *owner == who))?;
        need::<S::BadProofOfPossession>(flaw != Flaw::Proof)?;
        self.keys.insert(key, who);
        Ok(())
    }

    /// What the act must answer; its effect if it succeeds.
    pub fn perform(&mut self, act: &Act) -> Result<(), Refusal> {
        let term = self.term();
        match *act {
            Act::Stand { who, key, bond, flaw } => self.stand(who, key, bond, flaw)?,
            Act::Raise { who, stones } => {
                self.active(who)?;
                self.divide(who);
                self.active(who)?.bond += stones;
                self.moves(who, stones, true);
            }
            Act::Rotate { who, key, flaw } => {
                self.active(who)?;
                self.take_key(who, key, flaw)?;
                self.active(who)?.key = key;
            }
            Act::Commission { who, ppm } => {
                need::<IKernel::OutOfRange>(ppm <= COMMISSION_MAX)?;
                self.active(who)?;
                self.divide(who);
                let known = self.active(who)?;
                if term >= known.next_from {
                    known.commission = known.next_commission;
                }
                (known.next_commission, known.next_from) = (ppm, term + 2);
            }
            Act::Leave { who } => {
                let known = self.active(who)?;
                (known.status, known.left_term) = (2, term);
            }
            Act::Exit { who } => {
                need::<S::NotActive>(self.known(who)?.status == 2)?;
                need::<S::StillSeated>(!self.sits(who, term) && !self.sits(who, term + 1))?;
                self.divide(who);
                let known = self.known(who)?;
                known.status = 3;
                let bond = std::mem::take(&mut known.bond);
                self.unbond(who, who, bond);
            }
            Act::Unjail { who } => {
                let known = self.active(who)?;
                need::<S::NotJailed>(known.jailed > 0)?;
                need::<S::TermNotOver>(term >= known.jailed)?;
                known.jailed = 0;
                known.jail.clear();
            }
            Act::Delegate { from, to, stones } => self.delegate(from, to, stones)?,
            Act::Undelegate { from, to, .. } => {
                let asked = self.asked(act);
                self.undelegate(from, to, asked)?;
            }
            Act::Withdraw { who } => self.withdraw(who)?,
            Act::Settle { who } => {
                self.known(who)?;
                self.divide(who);
            }
            Act::Claim { who } => {
                self.known(who)?;
                self.divide(who);
                let stones = std::mem::take(&mut self.known(who)?.income);
                self.moves(who, stones, false);
            }
            Act::Vote { who, ahead, round_ahead, result } => {
                self.vote(who, ahead, round_ahead, result)?;
            }
            Act::Work { micro } => {
                let epoch = (self.now - self.start) / EPOCH;
                *self.paid.entry(epoch).or_default() += micro;
            }
            Act::Equivocation { .. } | Act::WrongVote { .. } | Act::Absence { .. } => {
                self.report(act)?;
            }
            Act::Appeal { who, back } => self.appeal(who, back)?,
            Act::Reclaim { owner, back, .. } => self.reclaim(owner, back)?,
            Act::Execute { back, .. } => self.execute(back)?,
            Act::Proposer { .. }
            | Act::Votes { .. }
            | Act::WrongVotes { .. }
            | Act::Appeals { .. }
            | Act::Reclaims { .. }
            | Act::Term
            | Act::Later { .. } => unreachable!("no call"),
        }
        Ok(())
    }

    fn stand(&mut self, who: usize, key: u8, bond: u128, flaw: Flaw) -> Result<(), Refusal> {
        if let Some(known) = self.candidates.get(&who) {
            need::<S::CandidateExists>(known.status == 3)?;
            need::<S::IsBanned>(!known.banned)?;
        }
        need::<S::BondTooLow>(bond >= u128::from(BOND) * STONE)?;
        self.take_key(who, key, flaw)?;
        let mut new = Candidate::new(self.height, key, bond);
        if self.order.contains(&who) {
            self.divide(who);
            let old = self.known(who)?;
            new.commission = old.commission;
            new.next_commission = old.next_commission;
            new.next_from = old.next_from;
            (new.income, new.pool, new.unbonding) = (old.income, old.pool, old.unbonding);
        } else {
            self.order.push(who);
        }
        self.candidates.insert(who, new);
        self.moves(who, bond, true);
        Ok(())
    }
}
