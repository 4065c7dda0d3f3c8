//! Votes, the guardian's delay, and the end of a proposal: carried out, or closed.
//!
//! A lock votes once and for good: a vote that can be changed is a vote that can be bought at the last minute.

use alloy_primitives::U256;
use cairn_economy::LOCK_DAYS_MIN;
use cairn_primitives::{
    Stones, TimeMs,
    abi::{GOVERNANCE, IGovernance},
};

use super::{
    GUARDIAN, PAGE_MAX, locks, parameters,
    propose::{NOMINEES, TERMS},
    record::{self, DEPOSITS, Kind, PROPOSALS, Proposal, Status},
    rules,
};
use crate::native::{Ctx, Mapping, Res, Value, economy, out_of_range, revert, treasury};

/// `mapping(proposal => mapping(lock => uint8))` at slot 8: 1 yes, 2 no.
pub(super) const VOTES: Mapping<u64, Mapping<u64, Value<u8>>> = Mapping::new(GOVERNANCE, 8);

pub(super) fn vote(c: &mut Ctx<'_>, id: u64, yes: bool, lock_ids: &[u64]) -> Res<()> {
    let mut proposal = record::require(c, id)?;
    if c.now() >= proposal.voting_end {
        return revert(IGovernance::VotingOver { id, endMs: proposal.voting_end.0 });
    }
    let len = u64::try_from(lock_ids.len()).unwrap_or(u64::MAX);
    if len == 0 || len > PAGE_MAX {
        return out_of_range("lockIds", U256::from(len), U256::from(len.clamp(1, PAGE_MAX)));
    }
    let side = usize::from(!yes);
    for &lock in lock_ids {
        let (weight, stones) = weigh(c, &proposal, lock)?;
        let place = VOTES.at(&id).at(&lock);
        if place.get(c)? != 0 {
            return revert(IGovernance::AlreadyVoted { id, lock });
        }
        place.set(c, &if yes { 1 } else { 2 })?;
        proposal.weight[side] = proposal.weight[side].saturating_add(weight);
        proposal.stones[side] = Stones(proposal.stones[side].0.saturating_add(stones.0));
        let (weight, stones) = (U256::from(weight), U256::from(stones.0));
        c.emit(GOVERNANCE, &IGovernance::Voted { id, lock, yes, weight, stones })?;
    }
    PROPOSALS.at(id).set(c, &proposal)
}

/// What a lock of the caller weighed just before the proposal.
fn weigh(c: &mut Ctx<'_>, proposal: &Proposal, id: u64) -> Res<(u128, Stones)> {
    if locks::require(c, id)?.owner != c.caller() {
        return revert(IGovernance::NotOwner { id, caller: c.caller() });
    }
    let start = proposal.start;
    let (point, since) = locks::before(c, id, start)?;
    let Some(point) = point else {
        return revert(IGovernance::LockTooYoung { id, sinceMs: since.0, startMs: start.0 });
    };
    let weight = point.weight(start);
    if weight == 0 {
        let (left, least) = (point.left_days(start), LOCK_DAYS_MIN);
        return revert(IGovernance::NoWeight { id, leftDays: left, leastDays: least });
    }
    Ok((weight, point.stones))
}

pub(super) fn delay(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let (guardian, caller) = (GUARDIAN.get(c)?, c.caller());
    if caller != guardian {
        return revert(IGovernance::NotGuardian { caller, guardian });
    }
    let proposal = record::require(c, id)?;
    match proposal.status(c.now()) {
        Status::Voting | Status::Timelocked => {}
        Status::Ready => {
            return revert(IGovernance::TimelockOver { id, readyMs: proposal.ready.0 });
        }
        status => return revert(IGovernance::ProposalClosed { id, status: status as u8 }),
    }
    if proposal.delayed {
        return revert(IGovernance::AlreadyDelayed { id, readyMs: proposal.ready.0 });
    }
    let ready = TimeMs(proposal.ready.0.saturating_add(rules(c)?.guardian_delay_ms));
    PROPOSALS.at(id).set(c, &Proposal { delayed: true, ready, ..proposal })?;
    c.emit(GOVERNANCE, &IGovernance::Delayed { id, readyMs: ready.0 })
}

pub(super) fn execute(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let proposal = record::require(c, id)?;
    let [yes, no] = proposal.weight.map(U256::from);
    match proposal.status(c.now()) {
        Status::Ready => {}
        Status::Voting => {
            return revert(IGovernance::VotingOpen { id, endMs: proposal.voting_end.0 });
        }
        Status::NoQuorum => {
            let (yes, quorum) = (U256::from(proposal.stones[0].0), U256::from(proposal.quorum.0));
            return revert(IGovernance::QuorumMissed { id, yesStones: yes, quorum });
        }
        Status::Rejected => {
            return revert(IGovernance::Rejected { id, yesWeight: yes, noWeight: no });
        }
        Status::Timelocked => {
            return revert(IGovernance::TimelockOpen { id, readyMs: proposal.ready.0 });
        }
        Status::Expired => {
            return revert(IGovernance::Expired { id, untilMs: proposal.expires().0 });
        }
        status => return revert(IGovernance::ProposalClosed { id, status: status as u8 }),
    }
    match proposal.kind {
        Kind::Parameters => parameters::enact(c, id)?,
        Kind::Stream => {
            let terms = TERMS.at(&id).get(c)?;
            treasury::open(c, id, &terms)?;
        }
        Kind::Milestone => treasury::reach(c, proposal.subject, proposal.index)?,
        Kind::End => treasury::end(c, proposal.subject)?,
        Kind::Guardian => {
            let guardian = NOMINEES.at(&id).get(c)?;
            GUARDIAN.set(c, &guardian)?;
            c.emit(GOVERNANCE, &IGovernance::GuardianSet { guardian })?;
        }
    }
    PROPOSALS.at(id).set(c, &Proposal { end: Status::Executed as u8, ..proposal })?;
    free(c, proposal.deposit)?;
    c.transfer(GOVERNANCE, proposal.proposer, proposal.deposit)?;
    c.emit(GOVERNANCE, &IGovernance::Executed { id, kind: proposal.kind as u8 })
}

pub(super) fn close(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let proposal = record::require(c, id)?;
    let status = proposal.status(c.now());
    let burned = match status {
        Status::NoQuorum => proposal.deposit,
        Status::Rejected | Status::Expired => Stones::ZERO,
        Status::Executed | Status::Closed => {
            return revert(IGovernance::ProposalClosed { id, status: status as u8 });
        }
        Status::Voting => {
            return revert(IGovernance::VotingOpen { id, endMs: proposal.voting_end.0 });
        }
        Status::Timelocked | Status::Ready => {
            return revert(IGovernance::StillOpen { id, status: status as u8 });
        }
    };
    let returned = Stones(proposal.deposit.0.saturating_sub(burned.0));
    PROPOSALS.at(id).set(c, &Proposal { end: Status::Closed as u8, ..proposal })?;
    free(c, proposal.deposit)?;
    c.burn(GOVERNANCE, burned, economy::cause("deposit"))?;
    c.transfer(GOVERNANCE, proposal.proposer, returned)?;
    let (returned, burned) = (U256::from(returned.0), U256::from(burned.0));
    c.emit(GOVERNANCE, &IGovernance::Closed { id, status: status as u8, returned, burned })
}

fn free(c: &mut Ctx<'_>, deposit: Stones) -> Res<()> {
    let deposits = DEPOSITS.get(c)?;
    DEPOSITS.set(c, &Stones(deposits.0.saturating_sub(deposit.0)))
}
