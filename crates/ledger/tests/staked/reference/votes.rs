//! What a seat earns: proposals, votes for epochs, and how both are divided.

use std::collections::BTreeMap;

use cairn_primitives::abi::{IRewards, IStake as S};

use super::super::acts::STONE;
use super::{EPOCH, MINUTE, Reference, Refusal, Seat, need, no, ppm, quorum, share};

/// µUSD per STONE.
pub const PRICE: u64 = 50_000;
/// Commit and attest windows.
const WINDOW: u64 = 15 * MINUTE;
/// Epochs that are final and can still be voted for.
const LATE: u64 = 8;

/// What the counted votes of a term share.
#[derive(Default)]
pub struct Pot {
    pub stones: u128,
    pub votes: u128,
    pub finals: u64,
}

/// The round of an epoch.
#[derive(Default)]
pub struct Ballot {
    round: u32,
    /// The set of its first vote.
    set: Option<usize>,
    begin: u64,
    /// By operator: result, and the term in which it was counted.
    votes: BTreeMap<usize, (u8, u64)>,
    outcome: Option<u8>,
}

/// µUSD of an epoch by fees.
struct Fees {
    provider: u64,
    treasury: u64,
    insurance: u64,
}

fn fees(paid: u64) -> Fees {
    let part = |ppm: u64| paid * ppm / 1_000_000;
    let (burn, treasury, insurance) = (part(50_000), part(20_000), part(10_000));
    Fees { provider: paid - burn - treasury - insurance, treasury, insurance }
}

fn stones(micro: u64) -> u128 {
    u128::from(micro) * STONE / u128::from(PRICE)
}

impl Reference {
    /// What a result must name as earned in this epoch, base units.
    pub fn earned(&self, epoch: u64) -> u128 {
        stones(fees(self.paid.get(&epoch).copied().unwrap_or(0)).provider)
    }

    /// The epoch's round and its set now: the next, of this term's, when its validators are gone.
    pub fn round(&self, epoch: u64) -> (u32, usize, bool) {
        let current = self.set_at(self.term());
        let Some(ballot) = self.ballots.get(&epoch) else { return (0, current, false) };
        let Some(set) = ballot.set else { return (ballot.round, current, false) };
        let before = self.set_at(self.term().saturating_sub(1));
        if set == current || set == before || ballot.outcome.is_some() {
            (ballot.round, set, false)
        } else {
            (ballot.round + 1, current, true)
        }
    }

    /// Who may vote for the next epoch.
    pub fn voters(&self) -> Vec<usize> {
        let (_, set, _) = self.round(self.next_epoch);
        self.sets[set].iter().map(|seat| seat.0).collect()
    }

    /// Who voted in the epoch's round.
    pub fn voted_for(&self, epoch: u64) -> Vec<usize> {
        let ballot = self.ballots.get(&epoch);
        ballot.into_iter().flat_map(|ballot| ballot.votes.keys().copied()).collect()
    }

    pub fn epoch_ahead(&self, ahead: i64) -> u64 {
        self.next_epoch.saturating_add_signed(ahead)
    }

    pub(super) fn vote(
        &mut self,
        who: usize,
        ahead: i64,
        round_ahead: u32,
        result: u8,
    ) -> Result<(), Refusal> {
        let epoch = self.epoch_ahead(ahead);
        let (round, set, lapsed) = self.round(epoch);
        need::<IRewards::NotValidator>(self.sets[set].iter().any(|seat| seat.0 == who))?;
        let late = epoch < self.next_epoch && self.next_epoch - epoch <= LATE;
        need::<IRewards::NotNextEpoch>(epoch == self.next_epoch || late)?;
        if !late {
            let begin = self.ballots.get(&epoch).map_or(0, |ballot| ballot.begin);
            let over = self.start + (epoch + 1) * EPOCH + WINDOW;
            need::<IRewards::SetNotFrozen>(self.now >= over.max(begin) + WINDOW)?;
        }
        need::<IRewards::WrongRound>(round_ahead == 0)?;
        let seats = self.sets[set].clone();
        if lapsed {
            self.take_back(epoch, None);
            let begin = self.ballots[&epoch].begin;
            self.ballots.insert(epoch, Ballot { round, begin, ..Ballot::default() });
        }
        let term = self.term();
        let ballot = self.ballots.entry(epoch).or_default();
        if ballot.votes.contains_key(&who) {
            return no::<IRewards::DoubleVote, _>();
        }
        ballot.set = Some(set);
        ballot.votes.insert(who, (result, term));
        match ballot.outcome {
            Some(outcome) if outcome == result => self.count(who),
            Some(_) => {}
            None => {
                self.count(who);
                self.tally(epoch, &seats, result);
            }
        }
        Ok(())
    }

    fn tally(&mut self, epoch: u64, seats: &[Seat], result: u8) {
        let ballot = &self.ballots[&epoch];
        let votes = |result| ballot.votes.values().filter(|vote| vote.0 == result).count();
        let (own, other) = (votes(result), votes(1 - result));
        let silent = seats.len() - own - other;
        let round = ballot.round + 1;
        if own >= quorum(seats.len()) {
            self.take_back(epoch, Some(result));
            self.ballots.get_mut(&epoch).expect("known").outcome = Some(result);
            self.next_epoch += 1;
            let Fees { treasury, insurance, .. } =
                fees(self.paid.get(&epoch).copied().unwrap_or(0));
            let treasury = stones(treasury);
            let pot = self.pots.entry(self.height / super::TERM_BLOCKS).or_default();
            let voters = if pot.votes > 0 { ppm(treasury, 500_000) } else { 0 };
            pot.stones += voters;
            pot.finals += 1;
            self.treasury += treasury - voters;
            self.insurance += stones(insurance);
        } else if own.max(other) + silent < quorum(seats.len()) {
            self.take_back(epoch, None);
            let begin = self.now;
            self.ballots.insert(epoch, Ballot { round, begin, ..Ballot::default() });
        }
    }

    /// Counts a vote of this term.
    fn count(&mut self, who: usize) {
        if !self.candidates.contains_key(&who) {
            return;
        }
        self.divide(who);
        let term = self.term();
        self.open.entry((term, who)).or_default().0 += 1;
        self.work.entry((term, who)).or_default().1 += 1;
        self.pots.entry(term).or_default().votes += 1;
    }

    /// Votes of an epoch's round that were not for the outcome are not counted, where their term is not divided yet.
    fn take_back(&mut self, epoch: u64, outcome: Option<u8>) {
        let votes: Vec<_> =
            self.ballots[&epoch].votes.iter().map(|(who, vote)| (*who, *vote)).collect();
        for (who, (result, term)) in votes {
            if Some(result) == outcome {
                continue;
            }
            if let Some(open) = self.open.get_mut(&(term, who)) {
                open.0 -= 1;
                self.pots.entry(term).or_default().votes -= 1;
                self.work.entry((term, who)).or_default().1 -= 1;
            }
        }
    }

    /// Takes an operator's parts of the pots of terms that are over.
    pub(super) fn carry(&mut self, who: usize) {
        let now = self.term();
        let over: Vec<_> =
            self.open.keys().filter(|(term, of)| *of == who && *term < now).copied().collect();
        for key in over {
            let (votes, fees) = self.open.remove(&key).expect("known");
            let pot = self.pots.entry(key.0).or_default();
            let part = share(pot.stones, votes, pot.votes);
            pot.stones -= part;
            pot.votes -= votes;
            *self.carried.entry(who).or_default() += part + fees;
        }
    }

    /// Divides what an operator earned in terms that are over.
    pub(super) fn divide(&mut self, who: usize) {
        self.carry(who);
        let income = self.carried.remove(&who).unwrap_or(0);
        let theirs = self.theirs(who, income);
        let known = self.candidates.get_mut(&who).expect("known");
        known.income += income - theirs;
        known.pool.stones += theirs;
    }

    /// What `divide` would add to the pool.
    pub(super) fn undivided(&self, who: usize) -> u128 {
        let mut income = self.carried.get(&who).copied().unwrap_or(0);
        for ((term, of), (votes, fees)) in &self.open {
            if *of == who && *term < self.term() {
                let pot = self.pots.get(term).map_or((0, 0), |pot| (pot.stones, pot.votes));
                income += fees + share(pot.0, *votes, pot.1);
            }
        }
        self.theirs(who, income)
    }

    fn theirs(&self, who: usize, income: u128) -> u128 {
        let Some(known) = self.candidates.get(&who) else { return 0 };
        let commission =
            if self.term() >= known.next_from { known.next_commission } else { known.commission };
        let theirs = share(income, known.pool.stones, known.bond + known.pool.stones);
        ppm(theirs, 1_000_000 - commission)
    }

    /// Proposals and votes of an operator in a term, with what was due; `NotValidator` for who had no seat.
    pub fn presence(&self, term: u64, who: usize) -> Result<[u64; 4], Refusal> {
        need::<S::NotValidator>(self.sits(who, term))?;
        let seats = u64::try_from(self.seats(term).expect("fixed").len()).expect("few");
        let (proposed, voted) = self.work.get(&(term, who)).copied().unwrap_or_default();
        let finals = self.pots.get(&term).map_or(0, |pot| pot.finals);
        Ok([proposed, super::TERM_BLOCKS / seats, voted, finals])
    }

    /// The result of the epoch and an operator's vote for it, once it is final.
    pub(super) fn voted(&self, epoch: u64, who: usize) -> Result<Option<bool>, Refusal> {
        need::<IRewards::EpochNotFinal>(epoch < self.next_epoch)?;
        let ballot = &self.ballots[&epoch];
        Ok(ballot.votes.get(&who).map(|vote| Some(vote.0) == ballot.outcome))
    }
}
