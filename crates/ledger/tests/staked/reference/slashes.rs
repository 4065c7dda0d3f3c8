//! What a deed costs, who annuls it, and where the stones go.

use std::collections::BTreeMap;

use alloy_sol_types::SolError as _;
use cairn_primitives::abi::IStake as S;

use super::super::acts::{Act, Pair, STONE};
use super::{
    APPEAL, BOND, Reference, Refusal, UNBONDING, delegations::Unbonding, need, no, ppm, quorum,
    share,
};

const EQUIVOCATION: (u8, u32) = (1, 100_000);
const WRONG_VOTE: (u8, u32) = (2, 10_000);
const ABSENCE: (u8, u32) = (3, 1_000);
const PRESENCE: u128 = 500_000;

/// status: 1 pending, 2 executed, 3 annulled.
pub struct Slash {
    pub operator: usize,
    pub reason: u8,
    pub status: u8,
    pub until: u64,
    pub term: u64,
    pub place: u64,
    pub reporter: usize,
    pub bond: u128,
    pub delegated: u128,
    pub unbonding: u128,
    appeals: Vec<usize>,
    /// Of the pool and of what unbonds.
    returns: [Return; 2],
    /// Slashes there were when it was annulled.
    annulled: usize,
}

/// What one pool gets back.
#[derive(Default)]
struct Return {
    /// Shares that each has a right for.
    rights: BTreeMap<usize, u128>,
    /// Rights that are not used.
    all: u128,
    /// Whether shares changed hands since the slash.
    moved: bool,
    /// Shares that wait for who has rights.
    shares: u128,
}

impl Slash {
    pub fn total(&self) -> u128 {
        self.bond + self.delegated + self.unbonding
    }
}

impl Reference {
    /// The term that a report means.
    pub fn term_ahead(&self, ahead: i64) -> u64 {
        self.term().saturating_add_signed(ahead)
    }

    pub(super) fn report(&mut self, act: &Act) -> Result<(), Refusal> {
        match *act {
            Act::Equivocation { by, key, ahead, view, pair } => {
                let bad = matches!(pair, Pair::NotarizedAndFinalized | Pair::Foreign);
                need::<S::BadEvidence>(!bad)?;
                let term = self.term_ahead(ahead);
                let seats = self.seats(term).ok_or(S::BadEvidence::SELECTOR)?;
                let seat = seats.iter().find(|seat| seat.1 == key);
                let who = seat.ok_or(S::BadEvidence::SELECTOR)?.0;
                need::<S::IsBanned>(!self.candidates[&who].banned)?;
                self.slash(by, who, EQUIVOCATION, (term, view))?;
                self.known(who)?.banned = true;
            }
            Act::WrongVote { by, who, ahead } => {
                let epoch = self.epoch_ahead(ahead);
                need::<S::NotWrong>(self.voted(epoch, who)? == Some(false))?;
                self.slash(by, who, WRONG_VOTE, (0, epoch * 256 + 1))?;
            }
            Act::Absence { by, who, ahead } => {
                let (current, term) = (self.term(), self.term_ahead(ahead));
                need::<S::TermNotOver>(term < current)?;
                need::<S::TooLate>(current - term <= 24)?;
                let [proposed, proposals, voted, votes] = self.presence(term, who)?;
                let mut parts = Vec::new();
                for (done, due) in [(proposed, proposals), (voted, votes)] {
                    if due > 0 {
                        parts.push(u128::from(done.min(due)) * 1_000_000 / u128::from(due));
                    }
                }
                let count = u128::try_from(parts.len()).expect("two");
                need::<S::NotAbsent>(count > 0 && parts.iter().sum::<u128>() / count < PRESENCE)?;
                self.slash(by, who, ABSENCE, (term, 0))?;
                let id = self.slashes.len() - 1;
                let known = self.known(who)?;
                known.jailed = current + 1;
                known.jail.push((id, current + 1));
            }
            _ => unreachable!("no report"),
        }
        Ok(())
    }

    fn slash(
        &mut self,
        reporter: usize,
        operator: usize,
        (reason, part): (u8, u32),
        (term, place): (u64, u64),
    ) -> Result<(), Refusal> {
        need::<S::AlreadySlashed>(self.slashed_for.insert((operator, reason, term, place)))?;
        let until = self.now + APPEAL;
        let returns = self.held_by_each(operator);
        let known = self.known(operator)?;
        let bond = ppm(known.bond, part);
        known.bond -= bond;
        let (delegated, unbonding) = (known.pool.slash(part), known.unbonding.slash(part));
        self.slashes.push(Slash {
            operator,
            reason,
            status: 1,
            until,
            term,
            place,
            reporter,
            bond,
            delegated,
            unbonding,
            appeals: Vec::new(),
            returns,
            annulled: 0,
        });
        Ok(())
    }

    /// The number of a slash counted from the last one.
    pub fn slash_back(&self, back: i64) -> u64 {
        let count = i64::try_from(self.slashes.len()).expect("few");
        u64::try_from(count - 1 - back).unwrap_or(0)
    }

    fn pending(&self, back: i64) -> Result<usize, Refusal> {
        let id = usize::try_from(self.slash_back(back)).expect("few");
        let slash = self.slashes.get(id).ok_or(S::UnknownSlash::SELECTOR)?;
        need::<S::SlashClosed>(slash.status == 1)?;
        Ok(id)
    }

    pub(super) fn appeal(&mut self, who: usize, back: i64) -> Result<(), Refusal> {
        let term = self.term();
        need::<S::NotValidator>(self.sits(who, term))?;
        let id = self.pending(back)?;
        need::<S::AppealOver>(self.now < self.slashes[id].until)?;
        if self.slashes[id].appeals.contains(&who) {
            return no::<S::AlreadyAppealed, _>();
        }
        self.slashes[id].appeals.push(who);
        let seats = self.seats(term).expect("fixed");
        let votes = seats.iter().filter(|seat| self.slashes[id].appeals.contains(&seat.0)).count();
        if votes >= quorum(seats.len()) {
            self.annul(id);
        }
        Ok(())
    }

    /// Everybody's shares of an operator's two pools, those that wait for it not among them; and all there are.
    fn held_by_each(&self, operator: usize) -> [Return; 2] {
        let mut found = <[Return; 2]>::default();
        for ((to, from), shares) in &self.delegations {
            if *to == operator {
                found[0].rights.insert(*from, *shares);
            }
        }
        for (owner, waiting) in &self.unbondings {
            for one in waiting.iter().filter(|one| one.operator == operator) {
                *found[1].rights.entry(*owner).or_default() += one.shares;
            }
        }
        if let Some(known) = self.candidates.get(&operator) {
            (found[0].all, found[1].all) = (known.pool.shares, known.unbonding.shares);
        }
        found
    }

    /// Shares of a pool changed hands: a slash that is pending gives nothing to all alike.
    pub(super) fn moved(&mut self, operator: usize, pool: usize) {
        for slash in self.slashes.iter_mut().filter(|slash| slash.operator == operator) {
            slash.returns[pool].moved = true;
        }
    }

    fn annul(&mut self, id: usize) {
        let operator = self.slashes[id].operator;
        self.divide(operator);
        let count = self.slashes.len();
        let slash = &mut self.slashes[id];
        (slash.status, slash.annulled) = (3, count);
        let (reason, bond) = (slash.reason, slash.bond);
        let parts = [slash.delegated, slash.unbonding];
        let known = self.candidates.get_mut(&operator).expect("known");
        match reason {
            1 => known.banned = false,
            3 => {
                known.jail.retain(|jail| jail.0 != id);
                known.jailed = known.jail.iter().map(|jail| jail.1).max().unwrap_or(0);
            }
            _ => {}
        }
        if known.status == 3 {
            known.income += bond;
        } else {
            known.bond += bond;
        }
        for (n, part) in parts.into_iter().enumerate().filter(|(_, part)| *part > 0) {
            let known = self.candidates.get_mut(&operator).expect("known");
            let pool = if n == 0 { &mut known.pool } else { &mut known.unbonding };
            if self.slashes[id].returns[n].moved {
                self.slashes[id].returns[n].shares = pool.buy(part);
                self.moved(operator, n);
            } else {
                pool.stones += part;
            }
        }
    }

    /// Shares of both pools that an owner would get.
    pub fn reclaimable(&self, id: usize, owner: usize) -> [u128; 2] {
        self.slashes[id].returns.each_ref().map(|one| match one.rights.get(&owner) {
            Some(rights) if *rights == one.all => one.shares,
            Some(rights) => share(one.shares, *rights, one.all),
            None => 0,
        })
    }

    /// Whether an owner has a right that it has not used.
    pub fn has_claim(&self, owner: usize, back: i64) -> bool {
        let id = usize::try_from(self.slash_back(back)).expect("few");
        let mut returns = self.slashes[id].returns.iter();
        returns.any(|one| one.shares > 0 && one.rights.get(&owner).is_some_and(|all| *all > 0))
    }

    /// Shares of an operator's two pools that somebody has.
    pub fn owned(&self, operator: usize) -> [u128; 2] {
        self.held_by_each(operator).map(|one| one.rights.values().sum())
    }

    pub(super) fn reclaim(&mut self, owner: usize, back: i64) -> Result<(), Refusal> {
        let id = usize::try_from(self.slash_back(back)).expect("few");
        need::<S::UnknownSlash>(id < self.slashes.len())?;
        let got = self.reclaimable(id, owner);
        let Slash { operator, until, annulled, .. } = self.slashes[id];
        let mut any = false;
        for (n, got) in got.into_iter().enumerate() {
            let one = &mut self.slashes[id].returns[n];
            if one.shares == 0 {
                continue;
            }
            let rights = one.rights.insert(owner, 0).unwrap_or(0);
            any |= rights > 0;
            one.all -= rights;
            one.shares -= got;
            if got == 0 {
                continue;
            }
            // They were the owner's when later slashes came.
            let later = self.slashes[annulled..].iter_mut();
            for slash in later.filter(|slash| slash.operator == operator) {
                *slash.returns[n].rights.entry(owner).or_default() += got;
            }
            if n == 0 {
                *self.delegations.entry((operator, owner)).or_default() += got;
            } else {
                let ready = until - APPEAL + UNBONDING;
                let waiting = Unbonding { operator, ready, shares: got };
                self.unbondings.entry(owner).or_default().push(waiting);
            }
        }
        need::<S::NothingToReclaim>(any)
    }

    pub(super) fn execute(&mut self, back: i64) -> Result<(), Refusal> {
        let id = self.pending(back)?;
        need::<S::AppealOpen>(self.now >= self.slashes[id].until)?;
        self.slashes[id].status = 2;
        let (total, reporter) = (self.slashes[id].total(), self.slashes[id].reporter);
        let rest = total - ppm(total, 700_000);
        let paid = rest.min(ppm(u128::from(BOND) * STONE, 20_000));
        self.moves(reporter, paid, false);
        self.insurance += rest - paid;
        Ok(())
    }
}
