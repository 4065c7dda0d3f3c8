//! Governance and treasury in vectors: written from docs/spec/governance.md.

use alloy_sol_types::SolError;
use cairn_primitives::abi::{IGovernance as G, IKernel, ITreasury as T};

use super::Act;
use super::chain::Refusal;

pub const STONE: u128 = 1_000_000_000_000_000_000;
pub const DAY: u64 = 86_400_000;
const WEEK: u64 = 7 * DAY;
/// How long a proposal can be carried out.
const OPEN: u64 = 31 * DAY;
/// Whole stones.
pub const TREASURY: u64 = 400_000;
pub const DEPOSIT: u64 = 100;
pub const QUORUM: u64 = 20_000;
/// $ 2.25 a day at $ 0.05.
const NEED: u128 = 2_250_000;
const PRICE: u128 = 50_000;

pub struct Lock {
    pub owner: usize,
    pub released: bool,
    /// Every state it was in: from, until, base units.
    pub past: Vec<(u64, u64, u128)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Theta(u64),
    Stream { stones: u128, length: u64, milestones: u8 },
    Milestone { stream: u64, milestone: u8 },
    End { stream: u64 },
}

pub struct Proposal {
    pub from: usize,
    kind: Kind,
    start: u64,
    pub ready: u64,
    delayed: bool,
    /// 7 executed, 8 closed.
    pub over: u8,
    /// Lock, side, weight, base units.
    votes: Vec<(u64, bool, u128, u128)>,
    quorum: u128,
}

pub struct Stream {
    pub stones: u128,
    start: u64,
    length: u64,
    milestones: u8,
    reached: u8,
    /// 1 running, 2 ended, 3 paid.
    pub status: u8,
    pub paid: u128,
}

#[derive(Default)]
pub struct Reference {
    pub now: u64,
    pub start: u64,
    pub locks: Vec<Lock>,
    pub proposals: Vec<Proposal>,
    pub streams: Vec<Stream>,
    /// Day from which, θ.
    pub thetas: Vec<(u64, u64)>,
    /// Time, base units.
    pub payments: Vec<(u64, u128)>,
    /// Base units.
    pub treasury: u128,
    /// Base units paid to each person, less what each paid, fees aside.
    pub moved: [i128; 4],
}

fn no<E: SolError, T>() -> Result<T, Refusal> {
    Err(E::SELECTOR)
}

fn need<E: SolError>(good: bool) -> Result<(), Refusal> {
    if good { Ok(()) } else { no::<E, ()>() }
}

fn base(whole: u64) -> u128 {
    u128::from(whole) * STONE
}

fn weight(stones: u128, days: u64) -> u128 {
    if days < 180 {
        return 0;
    }
    let ppm = 1_000_000 + 3_000_000 * (days.min(1_461) - 180) / 1_281;
    stones * u128::from(ppm) / 1_000_000
}

impl Stream {
    pub fn unlocked(&self, now: u64) -> u128 {
        if self.status == 2 {
            return self.stones;
        }
        let part = |done: u64, all: u64| {
            if done >= all { self.stones } else { self.stones * u128::from(done) / u128::from(all) }
        };
        let time = part(now - self.start, self.length);
        match self.milestones {
            0 => time,
            all => time.min(part(self.reached.into(), all.into())),
        }
    }

    fn pace(&self) -> u128 {
        if self.length <= 30 * DAY {
            return self.stones;
        }
        let window = u128::from(30 * DAY);
        (self.stones * window / u128::from(self.length) + 1).min(self.stones)
    }
}

impl Reference {
    pub fn locked(&self) -> u128 {
        let open = self.locks.iter().filter(|lock| !lock.released);
        open.map(|lock| lock.past.last().expect("a state").2).sum()
    }

    pub fn tally(&self, id: usize) -> [(u128, u128); 2] {
        [true, false].map(|side| {
            let votes = self.proposals[id].votes.iter().filter(|vote| vote.1 == side);
            votes.fold((0, 0), |sum, vote| (sum.0 + vote.2, sum.1 + vote.3))
        })
    }

    pub fn status(&self, id: usize) -> u8 {
        let (proposal, [yes, no]) = (&self.proposals[id], self.tally(id));
        if proposal.over > 0 {
            return proposal.over;
        }
        if self.now < proposal.start + WEEK {
            return 1;
        }
        if yes.1 < proposal.quorum {
            return if yes.1 + no.1 < proposal.quorum { 3 } else { 2 };
        }
        if yes.0 <= no.0 {
            return 2;
        }
        match self.now {
            now if now < proposal.ready => 4,
            now if now < proposal.ready + OPEN => 5,
            _ => 6,
        }
    }

    fn lockable(&self, until: u64) -> Result<(), Refusal> {
        let days = self.now + 180 * DAY..=self.now + 1_461 * DAY;
        need::<IKernel::OutOfRange>(days.contains(&until))
    }

    fn own(&self, lock: u64, from: usize) -> Result<usize, Refusal> {
        let id = usize::try_from(lock).expect("few");
        let known = self.locks.get(id).ok_or(G::UnknownLock::SELECTOR)?;
        need::<G::NotOwner>(known.owner == from)?;
        need::<G::LockReleased>(!known.released)?;
        Ok(id)
    }

    fn find(&self, id: u64) -> Result<usize, Refusal> {
        let id = usize::try_from(id).expect("few");
        if id < self.proposals.len() { Ok(id) } else { no::<G::UnknownProposal, _>() }
    }

    fn stream(&self, id: u64) -> Result<usize, Refusal> {
        let id = usize::try_from(id).expect("few");
        if id < self.streams.len() { Ok(id) } else { no::<T::UnknownStream, _>() }
    }

    fn running(&self, id: u64) -> Result<usize, Refusal> {
        let id = self.stream(id)?;
        need::<T::StreamOver>(self.streams[id].status == 1)?;
        Ok(id)
    }

    fn theta(&self) -> u64 {
        self.thetas.last().map_or(500_000, |version| version.1)
    }

    fn tomorrow(&self) -> u64 {
        (self.now - self.start) / 3_600_000 / 24 + 1
    }

    fn moves(&mut self, person: usize, stones: u128, out: bool) {
        let stones = i128::try_from(stones).expect("small");
        self.moved[person] += if out { -stones } else { stones };
    }

    fn propose(&mut self, from: usize, kind: Kind) {
        let most = self.treasury * 20_000 / 1_000_000
            + 1
            + 30 * ((NEED + NEED / 10 + 1) * STONE / PRICE + 1);
        let quorum = base(QUORUM).max(self.locked() / 5 + 1).max(most * 1_000_000 / 125_000 + 1);
        let (start, ready) = (self.now, self.now + 2 * WEEK);
        let (delayed, over, votes) = (false, 0, Vec::new());
        self.moves(from, base(DEPOSIT), true);
        self.proposals.push(Proposal { from, kind, start, ready, delayed, over, votes, quorum });
    }

    /// What the act must answer; its effect if it succeeds.
    pub fn perform(&mut self, act: &Act) -> Result<(), Refusal> {
        let now = self.now;
        match *act {
            Act::Lock { from, stones, days } => {
                need::<G::LockTooSmall>(stones > 0)?;
                self.lockable(now + days * DAY)?;
                let past = vec![(now, now + days * DAY, base(stones))];
                self.locks.push(Lock { owner: from, released: false, past });
                self.moves(from, base(stones), true);
            }
            Act::Add { from, lock, stones } => {
                need::<G::LockTooSmall>(stones > 0)?;
                let id = self.own(lock, from)?;
                let (_, until, held) = *self.locks[id].past.last().expect("a state");
                self.lockable(until)?;
                self.locks[id].past.push((now, until, held + base(stones)));
                self.moves(from, base(stones), true);
            }
            Act::Extend { from, lock, days } => {
                let id = self.own(lock, from)?;
                let (_, until, held) = *self.locks[id].past.last().expect("a state");
                need::<IKernel::OutOfRange>(now + days * DAY > until)?;
                self.lockable(now + days * DAY)?;
                self.locks[id].past.push((now, now + days * DAY, held));
            }
            Act::Release { lock } => {
                let id = usize::try_from(lock).expect("few");
                let known = self.locks.get(id).ok_or(G::UnknownLock::SELECTOR)?;
                need::<G::LockReleased>(!known.released)?;
                let (owner, state) = (known.owner, *known.past.last().expect("a state"));
                need::<G::LockNotOver>(now >= state.1)?;
                self.locks[id].released = true;
                self.moves(owner, state.2, false);
            }
            Act::Theta { from, value } => {
                need::<G::OutOfBounds>((410_000..=640_000).contains(&value))?;
                need::<G::NothingNew>(value != self.theta())?;
                self.propose(from, Kind::Theta(value));
            }
            Act::Stream { from, stones, days, milestones } => {
                need::<IKernel::OutOfRange>(stones > 0 && days > 0)?;
                let (stones, length) = (base(stones), days * DAY);
                self.propose(from, Kind::Stream { stones, length, milestones });
            }
            Act::Milestone { from, stream, milestone } => {
                let known = &self.streams[self.running(stream)?];
                let ahead = known.reached + 1..=known.milestones;
                need::<T::WrongMilestone>(ahead.contains(&milestone))?;
                self.propose(from, Kind::Milestone { stream, milestone });
            }
            Act::End { from, stream } => {
                self.running(stream)?;
                self.propose(from, Kind::End { stream });
            }
            Act::Vote { from, id, lock, yes } => self.vote(from, id, lock, yes)?,
            Act::Delay { from, id } => {
                need::<G::NotGuardian>(from == 3)?;
                let id = self.find(id)?;
                match self.status(id) {
                    1 | 4 => {}
                    5 => return no::<G::TimelockOver, _>(),
                    _ => return no::<G::ProposalClosed, _>(),
                }
                need::<G::AlreadyDelayed>(!self.proposals[id].delayed)?;
                self.proposals[id].delayed = true;
                self.proposals[id].ready += WEEK;
            }
            Act::Execute { id } => self.execute(id)?,
            Act::Close { id } => {
                let id = self.find(id)?;
                let burned = match self.status(id) {
                    1 => return no::<G::VotingOpen, _>(),
                    4 | 5 => return no::<G::StillOpen, _>(),
                    7 | 8 => return no::<G::ProposalClosed, _>(),
                    status => status == 3,
                };
                self.proposals[id].over = 8;
                if !burned {
                    self.moves(self.proposals[id].from, base(DEPOSIT), false);
                }
            }
            Act::Claim { stream } => self.claim(stream)?,
            Act::Later { .. } => {}
        }
        Ok(())
    }

    fn vote(&mut self, from: usize, id: u64, lock: u64, yes: bool) -> Result<(), Refusal> {
        let id = self.find(id)?;
        let start = self.proposals[id].start;
        need::<G::VotingOver>(self.now < start + WEEK)?;
        let known = usize::try_from(lock).ok().and_then(|lock| self.locks.get(lock));
        let known = known.ok_or(G::UnknownLock::SELECTOR)?;
        need::<G::NotOwner>(known.owner == from)?;
        let state = known.past.iter().rfind(|state| state.0 < start);
        let &(_, until, held) = state.ok_or(G::LockTooYoung::SELECTOR)?;
        let weight = weight(held, until.saturating_sub(start) / DAY);
        need::<G::NoWeight>(weight > 0)?;
        let votes = &mut self.proposals[id].votes;
        need::<G::AlreadyVoted>(votes.iter().all(|vote| vote.0 != lock))?;
        votes.push((lock, yes, weight, held));
        Ok(())
    }

    fn execute(&mut self, id: u64) -> Result<(), Refusal> {
        let id = self.find(id)?;
        match self.status(id) {
            1 => return no::<G::VotingOpen, _>(),
            2 => return no::<G::Rejected, _>(),
            3 => return no::<G::QuorumMissed, _>(),
            4 => return no::<G::TimelockOpen, _>(),
            5 => {}
            6 => return no::<G::Expired, _>(),
            _ => return no::<G::ProposalClosed, _>(),
        }
        match self.proposals[id].kind {
            Kind::Theta(value) => {
                need::<G::NothingNew>(value != self.theta())?;
                let day = self.tomorrow();
                // In force from a day until the next one; tomorrow's is in force nowhere yet.
                let mut known = vec![(0, 500_000)];
                known.extend(self.thetas.iter().copied().filter(|version| version.0 < day));
                for (i, version) in known.iter().enumerate() {
                    let until = known.get(i + 1).map_or(day, |next| next.0);
                    let recent = until + 30 > day;
                    need::<G::TooFast>(!recent || version.1.abs_diff(value) <= 60_000)?;
                }
                self.thetas.retain(|version| version.0 < day);
                self.thetas.push((day, value));
            }
            Kind::Stream { stones, length, milestones } => {
                let owed: u128 =
                    self.streams.iter().map(|stream| stream.stones - stream.paid).sum();
                need::<T::FundsExceeded>(stones <= self.treasury - owed)?;
                let running = self.streams.iter().filter(|stream| stream.status == 1);
                let pace: u128 = running.map(Stream::pace).sum();
                let (start, status) = (self.now, 1);
                let new = Stream { stones, start, length, milestones, reached: 0, status, paid: 0 };
                let limit = self.treasury * 20_000 / 1_000_000;
                need::<T::PaceExceeded>(new.pace() <= limit.saturating_sub(pace))?;
                self.streams.push(new);
            }
            Kind::Milestone { stream, milestone } => {
                let stream = self.running(stream)?;
                let known = &mut self.streams[stream];
                need::<T::WrongMilestone>(milestone == known.reached + 1)?;
                known.reached = milestone;
            }
            Kind::End { stream } => {
                let (now, stream) = (self.now, self.running(stream)?);
                let known = &mut self.streams[stream];
                known.stones = known.unlocked(now);
                known.status = 2;
            }
        }
        self.proposals[id].over = 7;
        self.moves(self.proposals[id].from, base(DEPOSIT), false);
        Ok(())
    }

    fn claim(&mut self, id: u64) -> Result<(), Refusal> {
        let (now, id) = (self.now, self.stream(id)?);
        let recent = self.payments.iter().filter(|payment| now - payment.0 < 30 * DAY);
        let spent: u128 = recent.map(|payment| payment.1).sum();
        let left = ((self.treasury + spent) * 20_000 / 1_000_000).saturating_sub(spent);
        let known = &mut self.streams[id];
        let stones = (known.unlocked(now) - known.paid).min(left);
        need::<T::NothingToClaim>(stones > 0)?;
        known.paid += stones;
        if known.paid == known.stones && known.status == 1 {
            known.status = 3;
        }
        self.treasury -= stones;
        self.payments.push((now, stones));
        self.moves(2, stones, false);
        Ok(())
    }
}
