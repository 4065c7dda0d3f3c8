//! Random lives of locks and proposals against a plain reference, which keeps every lock's whole past by itself.

use std::collections::{BTreeMap, BTreeSet};

use alloy_sol_types::SolInterface as _;
use cairn_economy::vote_weight;
use cairn_primitives::abi::IGovernance::IGovernanceCalls;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    /// Who, whole stones, days.
    Lock(usize, u64, u64),
    Add(usize, usize, u64),
    Extend(usize, usize, u64),
    Release(usize),
    Propose(usize, u64),
    Vote(usize, usize, usize, bool),
    Delay(usize),
    Execute(usize),
    Close(usize),
    Hours(u64),
    Days(u64),
}

fn acts() -> impl Strategy<Value = Act> {
    let (who, lock, id) = (0_usize..3, 0_usize..6, 0_usize..5);
    prop_oneof![
        3 => (who.clone(), 0_u64..60_000, 170_u64..1_500).prop_map(|(w, s, d)| Act::Lock(w, s, d)),
        1 => (who.clone(), lock.clone(), 0_u64..50_000).prop_map(|(w, l, s)| Act::Add(w, l, s)),
        1 => (who.clone(), lock.clone(), 150_u64..1_500).prop_map(|(w, l, d)| Act::Extend(w, l, d)),
        1 => lock.clone().prop_map(Act::Release),
        3 => (who.clone(), 400_000_u64..600_000).prop_map(|(w, v)| Act::Propose(w, v)),
        6 => (who, id.clone(), lock, any::<bool>()).prop_map(|(w, i, l, y)| Act::Vote(w, i, l, y)),
        1 => id.clone().prop_map(Act::Delay),
        3 => id.clone().prop_map(Act::Execute),
        2 => id.prop_map(Act::Close),
        3 => (0_u64..30).prop_map(Act::Hours),
        2 => (1_u64..100).prop_map(Act::Days),
    ]
}

const PEOPLE: [Address; 3] = [ALICE, BOB, CAROL];
/// The quorum of genesis: with no treasury to speak of and a small need it is this or the share of what is locked.
const QUORUM: u64 = 30_000;

fn small() -> Genesis {
    let mut genesis = fixture::governed();
    let governance = genesis.governance.as_mut().expect("governed");
    governance.quorum_stones = QUORUM;
    genesis.accounts.retain(|account| account.name != "treasury");
    genesis.economy.reserve_stones += fixture::TREASURY_STONES;
    genesis.check().expect("sound");
    genesis
}

struct LockModel {
    owner: usize,
    released: bool,
    /// All that it ever was: from, until, whole stones.
    past: Vec<(u64, u64, u64)>,
}

struct ProposalModel {
    proposer: usize,
    value: u64,
    start: u64,
    ready: u64,
    delayed: bool,
    done: bool,
    votes: BTreeMap<usize, (bool, u128, u64)>,
    quorum: u128,
}

struct Model {
    now: u64,
    start: u64,
    locks: Vec<LockModel>,
    proposals: Vec<ProposalModel>,
    /// From day and θ.
    history: Vec<(u64, u64)>,
    voted: BTreeSet<(usize, usize)>,
}

impl Model {
    fn locked(&self) -> u64 {
        self.locks
            .iter()
            .filter(|lock| !lock.released)
            .filter_map(|lock| lock.past.last())
            .map(|p| p.2)
            .sum()
    }

    fn may_until(&self, until: u64) -> bool {
        (self.now + 180 * DAY_MS..=self.now + 1_461 * DAY_MS).contains(&until)
    }

    /// (for, against): stones and weight.
    fn tally(&self, id: usize) -> [(u64, u128); 2] {
        [true, false].map(|side| {
            let votes = self.proposals[id].votes.values().filter(|vote| vote.0 == side);
            votes.fold((0, 0), |sum, vote| (sum.0 + vote.2, sum.1 + vote.1))
        })
    }

    fn enough(&self, id: usize, whole: u64) -> bool {
        stones(whole).0 >= self.proposals[id].quorum
    }

    fn passed(&self, id: usize) -> bool {
        let [yes, no] = self.tally(id);
        self.enough(id, yes.0) && yes.1 > no.1
    }

    fn theta(&self) -> u64 {
        self.history.last().map_or(500_000, |version| version.1)
    }

    fn day(&self) -> u64 {
        (self.now - self.start) / 3_600_000 / 24
    }

    fn may_move(&self, value: u64) -> bool {
        let day = self.day() + 1;
        let first = day.saturating_sub(30);
        let mut starts: Vec<(u64, u64)> = vec![(0, 500_000)];
        starts.extend(self.history.iter().filter(|version| version.0 < day));
        let ends = starts.iter().skip(1).map(|version| version.0).chain([day]);
        let near = |old: u64| old.abs_diff(value) <= 100_000;
        value != self.theta()
            && starts.iter().zip(ends).all(|(version, end)| end <= first || near(version.1))
    }

    /// Whether the act succeeds, and its effect if it does; the call it stands for.
    fn play(&mut self, act: &Act) -> Option<(usize, u64, IGovernanceCalls, bool)> {
        let now = self.now;
        match *act {
            Act::Lock(who, whole, days) => {
                let until = now + days * DAY_MS;
                let good = whole >= 1 && self.may_until(until);
                if good {
                    let past = vec![(now, until, whole)];
                    self.locks.push(LockModel { owner: who, released: false, past });
                }
                Some((
                    who,
                    whole,
                    IGovernanceCalls::lock(IGovernance::lockCall { untilMs: until }),
                    good,
                ))
            }
            Act::Add(who, lock, whole) => {
                let call = IGovernanceCalls::add(IGovernance::addCall { id: lock as u64 });
                let may = self.locks.get(lock).is_some_and(|l| l.owner == who && !l.released);
                let good = may && whole >= 1 && self.may_until(self.locks[lock].past.last()?.1);
                if good {
                    let (_, until, held) = *self.locks[lock].past.last()?;
                    self.locks[lock].past.push((now, until, held + whole));
                }
                Some((who, whole, call, good))
            }
            Act::Extend(who, lock, days) => {
                let until = now + days * DAY_MS;
                let call = IGovernance::extendCall { id: lock as u64, untilMs: until };
                let may = self.locks.get(lock).is_some_and(|l| l.owner == who && !l.released);
                let good = may && until > self.locks[lock].past.last()?.1 && self.may_until(until);
                if good {
                    let held = self.locks[lock].past.last()?.2;
                    self.locks[lock].past.push((now, until, held));
                }
                Some((who, 0, IGovernanceCalls::extend(call), good))
            }
            Act::Release(lock) => {
                let call = IGovernanceCalls::release(IGovernance::releaseCall { id: lock as u64 });
                let good = self
                    .locks
                    .get(lock)
                    .is_some_and(|l| !l.released && now >= l.past.last().expect("a point").1);
                if good {
                    self.locks[lock].released = true;
                }
                Some((0, 0, call, good))
            }
            Act::Propose(who, value) => {
                let good = value != self.theta();
                if good {
                    // 30 days of $ 2.475 at $ 0.05 are 1,485 stones, eight times that is less than the least.
                    let share = stones(self.locked()).0 / 5 + 1;
                    let quorum = share.max(stones(QUORUM).0);
                    let (start, ready) = (now, now + 2 * WEEK_MS);
                    let (votes, proposer) = (BTreeMap::new(), who);
                    self.proposals.push(ProposalModel {
                        proposer,
                        value,
                        start,
                        ready,
                        delayed: false,
                        done: false,
                        votes,
                        quorum,
                    });
                }
                Some((who, 100, IGovernanceCalls::proposeParameters(taper(value)), good))
            }
            Act::Vote(who, id, lock, yes) => {
                let call = IGovernance::voteCall { id: id as u64, yes, lockIds: vec![lock as u64] };
                let call = IGovernanceCalls::vote(call);
                let (Some(proposal), Some(held)) = (self.proposals.get(id), self.locks.get(lock))
                else {
                    return Some((who, 0, call, false));
                };
                let point = held.past.iter().rfind(|point| point.0 < proposal.start);
                let left = point.map_or(0, |point| point.1.saturating_sub(proposal.start) / DAY_MS);
                let good = held.owner == who
                    && now < proposal.start + WEEK_MS
                    && left >= 180
                    && !self.voted.contains(&(id, lock));
                if good {
                    let whole = point.expect("has days left").2;
                    self.voted.insert((id, lock));
                    self.proposals[id]
                        .votes
                        .insert(lock, (yes, vote_weight(stones(whole), left), whole));
                }
                Some((who, 0, call, good))
            }
            Act::Delay(id) => {
                let call = IGovernanceCalls::delay(IGovernance::delayCall { id: id as u64 });
                let good = self.proposals.get(id).is_some_and(|p| {
                    let open = now < p.start + WEEK_MS || self.passed(id) && now < p.ready;
                    open && !p.delayed && !p.done
                });
                if good {
                    self.proposals[id].delayed = true;
                    self.proposals[id].ready += WEEK_MS;
                }
                Some((3, 0, call, good))
            }
            Act::Execute(id) => {
                let call = IGovernanceCalls::execute(IGovernance::executeCall { id: id as u64 });
                let good = self.proposals.get(id).is_some_and(|p| {
                    let ready = (p.ready..p.ready + super::super::EXECUTION_MS).contains(&now);
                    ready && self.passed(id) && !p.done && self.may_move(p.value)
                });
                if good {
                    let (day, value) = (self.day() + 1, self.proposals[id].value);
                    self.history.retain(|version| version.0 != day);
                    self.history.push((day, value));
                    self.proposals[id].done = true;
                }
                Some((0, 0, call, good))
            }
            Act::Close(id) => {
                let call = IGovernanceCalls::close(IGovernance::closeCall { id: id as u64 });
                let good = self.proposals.get(id).is_some_and(|p| {
                    let failed = now >= p.start + WEEK_MS && !self.passed(id);
                    !p.done
                        && (failed
                            || self.passed(id) && now >= p.ready + super::super::EXECUTION_MS)
                });
                if good {
                    self.proposals[id].done = true;
                }
                Some((0, 0, call, good))
            }
            Act::Hours(_) | Act::Days(_) => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn locks_and_votes_are_what_a_plain_reference_says(acts in prop::collection::vec(acts(), 1..60)) {
        let mut chain = Chain::with(small());
        let start = chain.now().0;
        let mut model = Model {
            now: start, start, locks: vec![], proposals: vec![], history: vec![], voted: BTreeSet::new(),
        };
        for act in acts {
            match act {
                Act::Hours(hours) => chain.wait(hours * 3_600_000),
                Act::Days(days) => chain.wait(days * DAY_MS),
                _ => {}
            }
            model.now = chain.now().0;
            let Some((who, whole, call, good)) = model.play(&act) else { continue };
            let from = PEOPLE.get(who).copied().unwrap_or(GUARDIAN);
            let to = alloy_primitives::TxKind::Call(GOVERNANCE);
            let sent = chain.send_raw(from, to, stones(whole), call.abi_encode().into());
            prop_assert_eq!(sent.success, good, "{:?}", act);
        }
        let locked = chain.call(ALICE, GOVERNANCE, &IGovernance::lockedCall {});
        prop_assert_eq!(locked, U256::from(stones(model.locked()).0));
        let open = model.proposals.iter().filter(|p| !p.done).count() as u64;
        prop_assert_eq!(chain.balance(GOVERNANCE), stones(model.locked() + 100 * open));
        for (id, known) in model.proposals.iter().enumerate() {
            let [yes, no] = model.tally(id);
            let seen = proposal(&chain, id as u64);
            prop_assert_eq!((seen.yesWeight, seen.noWeight), (U256::from(yes.1), U256::from(no.1)));
            prop_assert_eq!((seen.yesStones, seen.noStones), (U256::from(stones(yes.0).0), U256::from(stones(no.0).0)));
            prop_assert_eq!((seen.proposer, seen.readyMs), (PEOPLE[known.proposer], known.ready));
        }
        let history = chain.call(ALICE, GOVERNANCE, &IGovernance::historyCall { from: 0, limit: 32 });
        let history: Vec<_> = history.iter().map(|v| (v.fromDay, u64::from(v.taperPpm))).collect();
        prop_assert_eq!(history, model.history);
    }
}
