//! The rules of docs/spec/batches.md, of rewards.md §4 and of stake.md's counted votes, over vectors and integers.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolError, SolValue};
use cairn_primitives::abi::{IBatches as B, IKernel, IRewards as R};

use super::{
    chain::Refusal,
    money::{Money, Pool},
    network::{
        ATTEST_MS, COMMIT_MS, EPOCH_MS, INGESTS, QUORUM, SEAL_MS, SEATS, START_MS, VALIDATORS,
    },
};

/// Final epochs that may still be sealed and voted for.
const LATE_EPOCHS: u64 = 8;

pub const OUT_OF_RANGE: Refusal = IKernel::OutOfRange::SELECTOR;

/// Refuses unless it holds.
pub fn need<E: SolError>(holds: bool) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(E::SELECTOR) }
}

/// One round of an epoch.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// When it was reopened; 0 for the first.
    begin: u64,
    /// Seats with what they hold, in order.
    attests: Vec<(usize, u64)>,
    /// When an attestation froze it, and what is in.
    frozen: Option<(u64, u64)>,
    /// Seats with their seals, and whether these count.
    pub seals: BTreeMap<usize, (B256, bool)>,
    /// Seats with their results, and which counted vote it is.
    votes: BTreeMap<usize, (B256, Option<usize>)>,
}

/// An epoch's evidence.
#[derive(Clone, Debug)]
pub struct Evidence {
    commits: Vec<usize>,
    pub rounds: Vec<Round>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { commits: Vec::new(), rounds: vec![Round::default()] }
    }
}

impl Evidence {
    pub fn last(&self) -> &Round {
        self.rounds.last().expect("one at least")
    }
}

/// A vote that shares a term's pot.
#[derive(Clone, Copy, Debug)]
struct Counted {
    by: usize,
    term: u64,
    taken_back: bool,
    divided: bool,
}

/// What a vote is for.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub hash: B256,
    pub earned_stones: u128,
    pub subsidy_stones: u128,
    pub usage: u64,
    pub need: u64,
}

/// A final epoch.
#[derive(Clone, Copy, Debug)]
pub struct Final {
    pub hash: B256,
    pub pool: Pool,
}

/// Everything that batches, rewards and the counting of votes remember.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    pub now: u64,
    /// Of the block in which the next act stands.
    pub term: u64,
    epochs: BTreeMap<u64, Evidence>,
    pub finals: Vec<Final>,
    /// When the last epoch became final.
    since: u64,
    counted: Vec<Counted>,
    /// By term: stones that are not divided, and epochs that became final.
    pots: BTreeMap<u64, (u128, u64)>,
    /// Of the four operators.
    pub incomes: [u128; SEATS],
    pub money: Money,
}

impl Reference {
    pub fn new() -> Self {
        Self { now: START_MS, money: Money::new(), ..Self::default() }
    }

    pub fn next(&self) -> u64 {
        u64::try_from(self.finals.len()).expect("few")
    }

    pub fn current(&self) -> u64 {
        (self.now - START_MS) / EPOCH_MS
    }

    pub fn evidence(&self, epoch: u64) -> Evidence {
        self.epochs.get(&epoch).cloned().unwrap_or_default()
    }

    /// A bit for each commitment.
    pub fn all(&self, epoch: u64) -> u64 {
        (1 << self.evidence(epoch).commits.len()) - 1
    }

    pub fn end(epoch: u64) -> u64 {
        START_MS + (epoch + 1) * EPOCH_MS
    }

    pub fn commit_close(epoch: u64) -> u64 {
        Self::end(epoch) + COMMIT_MS
    }

    pub fn attest_close(&self, epoch: u64) -> u64 {
        Self::commit_close(epoch).max(self.evidence(epoch).last().begin) + ATTEST_MS
    }

    /// When votes open for a quorum of seals; 0 when that is not known yet.
    pub fn opens(&self, epoch: u64) -> u64 {
        match self.frozen(epoch) {
            Some((at, _)) if epoch == self.next() => at.max(self.since) + SEAL_MS,
            _ => 0,
        }
    }

    /// Commitments that a quorum holds.
    fn included(&self, epoch: u64) -> u64 {
        let known = self.evidence(epoch);
        let held = |bit: &usize| {
            known.last().attests.iter().filter(|(_, held)| held >> bit & 1 == 1).count() >= QUORUM
        };
        (0..known.commits.len()).filter(held).map(|bit| 1 << bit).sum()
    }

    /// Since when the epoch's set is fixed, and what is in.
    fn frozen(&self, epoch: u64) -> Option<(u64, u64)> {
        let known = self.evidence(epoch);
        if known.last().frozen.is_some() {
            return known.last().frozen;
        }
        let enough = known.commits.is_empty() || known.last().attests.len() >= QUORUM;
        let by_time = epoch < self.current() && enough && self.now >= self.attest_close(epoch);
        by_time.then(|| (self.attest_close(epoch), self.included(epoch)))
    }

    /// Phase, round, commitments, attestations, included.
    pub fn status(&self, epoch: u64) -> (u8, u32, u32, u32, u64) {
        let known = self.evidence(epoch);
        let frozen = self.frozen(epoch);
        let phase = if epoch >= self.current() {
            0
        } else if frozen.is_some() {
            3
        } else if known.commits.len() == INGESTS.len() || self.now >= Self::commit_close(epoch) {
            2
        } else {
            1
        };
        let number = |count: usize| u32::try_from(count).expect("few");
        let (commits, attests) = (known.commits.len(), known.last().attests.len());
        let included = frozen.map_or(0, |frozen| frozen.1);
        (phase, number(known.rounds.len() - 1), number(commits), number(attests), included)
    }

    /// Seals that count, votes, and whether votes are open.
    pub fn ballot(&self, epoch: u64) -> (usize, usize, bool) {
        let known = self.evidence(epoch);
        let seals = known.last().seals.values().filter(|seal| seal.1).count();
        let opens = self.opens(epoch);
        let full = seals == SEATS || seals >= QUORUM && self.now >= opens;
        (seals, known.last().votes.len(), epoch < self.next() || opens > 0 && full)
    }

    fn ingest(by: usize) -> bool {
        by < INGESTS.len()
    }

    pub fn commit(&mut self, by: usize, epoch: u64, sector: u8) -> Result<(), Refusal> {
        need::<B::NotIngest>(Self::ingest(by))?;
        need::<IKernel::OutOfRange>(sector == 1)?;
        need::<B::EpochNotOver>(epoch < self.current())?;
        need::<B::CommitWindowClosed>(self.now < Self::commit_close(epoch))?;
        let known = self.epochs.entry(epoch).or_default();
        need::<B::AlreadyCommitted>(!known.commits.contains(&by))?;
        known.commits.push(by);
        Ok(())
    }

    pub fn attest(&mut self, by: usize, epoch: u64, sector: u8, held: u64) -> Result<(), Refusal> {
        need::<IKernel::OutOfRange>(sector == 1)?;
        need::<B::NotValidator>(by < SEATS)?;
        need::<B::EpochNotOver>(epoch < self.current())?;
        let phase = self.status(epoch).0;
        need::<B::AlreadyFrozen>(phase != 3)?;
        need::<B::AttestWindowNotOpen>(phase == 2)?;
        let (now, late) = (self.now, self.now >= self.attest_close(epoch));
        let known = self.epochs.entry(epoch).or_default();
        let commits = known.commits.len();
        let round = known.rounds.last_mut().expect("one at least");
        need::<B::AlreadyAttested>(round.attests.iter().all(|attest| attest.0 != by))?;
        need::<B::UnknownCommitment>(held >> commits == 0)?;
        round.attests.push((by, held));
        let count = round.attests.len();
        if count == SEATS || late && count >= QUORUM {
            let included = self.included(epoch);
            let known = self.epochs.entry(epoch).or_default();
            known.rounds.last_mut().expect("one at least").frozen = Some((now, included));
        }
        Ok(())
    }

    /// The checks that seals and votes share.
    fn place(&self, by: usize, epoch: u64, round: u32) -> Result<(), Refusal> {
        need::<R::NotValidator>(by < SEATS)?;
        let next = self.next();
        need::<R::NotNextEpoch>(epoch <= next && next - epoch <= LATE_EPOCHS)?;
        need::<R::SetNotFrozen>(self.frozen(epoch).is_some())?;
        need::<R::WrongRound>(round == self.status(epoch).1)
    }

    fn round_mut(&mut self, epoch: u64) -> &mut Round {
        self.epochs.entry(epoch).or_default().rounds.last_mut().expect("one at least")
    }

    pub fn seal(&mut self, by: usize, epoch: u64, round: u32, seal: B256) -> Result<(), Refusal> {
        self.place(by, epoch, round)?;
        let counts = !self.ballot(epoch).2;
        let known = self.round_mut(epoch);
        need::<R::AlreadySealed>(!known.seals.contains_key(&by))?;
        need::<IKernel::OutOfRange>(!seal.is_zero())?;
        known.seals.insert(by, (seal, counts));
        Ok(())
    }

    pub fn vote(
        &mut self,
        by: usize,
        epoch: u64,
        round: u32,
        result: &Outcome,
        salt: B256,
    ) -> Result<(), Refusal> {
        self.place(by, epoch, round)?;
        need::<R::VotesSealed>(self.ballot(epoch).2)?;
        let known = self.evidence(epoch);
        let sealed = known.last().seals.get(&by).filter(|seal| seal.1);
        if let Some((sealed, _)) = sealed {
            let own = seal_of(VALIDATORS[by], epoch, round, result.hash, salt);
            need::<R::SealMismatch>(*sealed == own)?;
        }
        need::<R::DoubleVote>(!known.last().votes.contains_key(&by))?;
        if let Some(done) = usize::try_from(epoch).ok().and_then(|at| self.finals.get(at)) {
            let paid = sealed.is_some() && done.hash == result.hash;
            let counted = paid.then(|| self.count(by));
            self.round_mut(epoch).votes.insert(by, (result.hash, counted));
            return Ok(());
        }
        self.money.allows(epoch, result)?;
        let counted = sealed.is_some().then(|| self.count(by));
        self.round_mut(epoch).votes.insert(by, (result.hash, counted));
        self.decide(epoch, result);
        Ok(())
    }

    /// A result with a quorum is final; when none can have one any more, the next round begins.
    fn decide(&mut self, epoch: u64, result: &Outcome) {
        let votes = self.evidence(epoch).last().votes.clone();
        let agree = |hash| votes.values().filter(|vote| vote.0 == hash).count();
        let most = votes.values().map(|vote| agree(vote.0)).max().unwrap_or(0);
        if agree(result.hash) >= QUORUM {
            for (_, counted) in votes.values().filter(|vote| vote.0 != result.hash) {
                self.take_back(*counted);
            }
            let has_votes = self.counted.iter().any(|c| c.term == self.term && !c.taken_back);
            let pool = self.money.pool(epoch);
            let voters = self.money.finalise(epoch, result, has_votes);
            let pot = self.pots.entry(self.term).or_default();
            *pot = (pot.0 + voters, pot.1 + 1);
            self.finals.push(Final { hash: result.hash, pool });
            self.since = self.now;
        } else if most + SEATS - votes.len() < QUORUM {
            for (_, counted) in votes.values() {
                self.take_back(*counted);
            }
            let begin = self.now;
            let known = self.epochs.entry(epoch).or_default();
            known.rounds.push(Round { begin, ..Round::default() });
        }
    }

    /// Counts a vote; what its operator earned in earlier terms is divided first.
    fn count(&mut self, by: usize) -> usize {
        let (now, counted) = (self.term, self.counted.clone());
        let is_open = |c: &&Counted| !c.taken_back && !c.divided;
        for (term, pot) in self.pots.range_mut(..now) {
            let all: Vec<_> = counted.iter().filter(is_open).filter(|c| c.term == *term).collect();
            let own = all.iter().filter(|c| c.by == by).count() as u128;
            if own > 0 {
                let part = pot.0 * own / all.len() as u128;
                pot.0 -= part;
                self.incomes[by] += part;
            }
        }
        for old in self.counted.iter_mut().filter(|c| c.by == by && c.term < now) {
            old.divided = true;
        }
        self.counted.push(Counted { by, term: now, taken_back: false, divided: false });
        self.counted.len() - 1
    }

    fn take_back(&mut self, counted: Option<usize>) {
        if let Some(at) = counted {
            let vote = &mut self.counted[at];
            vote.taken_back = !vote.divided;
        }
    }

    /// Counted votes of an operator in a term, and epochs that became final in it.
    pub fn presence(&self, term: u64, by: usize) -> (usize, u64) {
        let own = |c: &&Counted| c.by == by && c.term == term && !c.taken_back;
        (self.counted.iter().filter(own).count(), self.pots.get(&term).map_or(0, |pot| pot.1))
    }
}

/// What hides a vote, docs/spec/rewards.md §4: six words and their hash.
pub fn seal_of(validator: Address, epoch: u64, round: u32, result: B256, salt: B256) -> B256 {
    let words = [epoch, 1, u64::from(round)].map(U256::from);
    keccak256((validator, words[0], words[1], words[2], result, salt).abi_encode())
}
