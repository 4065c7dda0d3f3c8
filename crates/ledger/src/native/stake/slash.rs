//! Slashing: a numbered reason, a window in which the validators can annul it, then the stones are gone.
//!
//! ```text
//! report ─► pending: the part is taken at once from bond, delegations and what unbonds ─ window over ─► execute: 70 % burned,
//!              └─ more than two thirds of the validators appeal ─► annulled: given back        │ reporter │ insurance
//! ```
//! What is taken at the report cannot leave before the slash is executed. Whoever withdrew before the report is out of
//! reach: that is what the unbonding time is for.

mod entry;
mod evidence;
mod zip215;

use alloy_primitives::{Address, B256, U256, keccak256};
use cairn_economy::{part, split_slash};
use cairn_primitives::{
    Epoch, Stones, TimeMs,
    abi::{INSURANCE, IStake, STAKE},
    quorum,
};

use self::entry::{ANNULLED, EXECUTED, OPEN, Reason, Slash};
use super::{
    record::{self, Candidate, Status},
    seats, work,
};
use crate::native::{Ctx, List, Mapping, Res, Value, economy, gas, revert, rewards};

/// `Slash[]` at slot 12.
pub(super) const SLASHES: List<Slash> = List::new(STAKE, 12);
/// `mapping(id => mapping(validator => bool))` at slot 13: who appealed.
const APPEALS: Mapping<u64, Mapping<Address, Value<bool>>> = Mapping::new(STAKE, 13);
/// `mapping(bytes32 => bool)` at slot 14: `keccak256(operator ‖ reason ‖ term ‖ place)` was slashed for.
const DONE: Mapping<B256, Value<bool>> = Mapping::new(STAKE, 14);
/// Slot 15: stones of pending slashes.
pub(super) const PENDING: Value<Stones> = Value::new(STAKE, 15);

/// Terms after which an absence is forgotten: nobody can save up a year of small ones and report them on one day.
const ABSENCE_TERMS_MAX: u64 = 24;

/// What somebody did, and where.
struct Deed {
    operator: Address,
    reason: Reason,
    term: u64,
    place: u64,
}

pub(super) fn report_equivocation(c: &mut Ctx<'_>, bytes: &[u8]) -> Res<u64> {
    let found = evidence::check(c, bytes)?;
    if record::require(c, found.operator)?.banned {
        return revert(IStake::IsBanned { operator: found.operator });
    }
    let evidence::Found { operator, term, view } = found;
    open(c, &Deed { operator, reason: Reason::Equivocation, term, place: view })
}

pub(super) fn report_wrong_vote(
    c: &mut Ctx<'_>,
    epoch: u64,
    sector: u8,
    operator: Address,
) -> Res<u64> {
    if !rewards::is_wrong_vote(c, Epoch(epoch), sector, operator)? {
        return revert(IStake::NotWrong { epoch, sector, operator });
    }
    let place = epoch.saturating_mul(256).saturating_add(u64::from(sector));
    open(c, &Deed { operator, reason: Reason::WrongVote, term: 0, place })
}

pub(super) fn report_absence(c: &mut Ctx<'_>, term: u64, operator: Address) -> Res<u64> {
    let current = work::term(c);
    if term >= current {
        return revert(IStake::TermNotOver { term, current });
    }
    if current - term > ABSENCE_TERMS_MAX {
        return revert(IStake::TooLate { term, current });
    }
    let least = c.genesis().stake.presence_ppm;
    if !work::presence(c, term, operator)?.is_absent(least) {
        return revert(IStake::NotAbsent { term, operator });
    }
    open(c, &Deed { operator, reason: Reason::Absence, term, place: 0 })
}

/// Takes the stake of a deed and opens its appeal window.
fn open(c: &mut Ctx<'_>, deed: &Deed) -> Res<u64> {
    let Deed { operator, reason, term, place } = *deed;
    let number = reason as u8;
    c.charge(gas::hashes(2))?;
    let mut name = operator.to_vec();
    name.push(number);
    name.extend_from_slice(&term.to_be_bytes());
    name.extend_from_slice(&place.to_be_bytes());
    let done = DONE.at(&keccak256(name));
    if done.get(c)? {
        return revert(IStake::AlreadySlashed { operator, reason: number, term, place });
    }
    done.set(c, &true)?;
    let stake = &c.genesis().stake;
    let ppm = match reason {
        Reason::Equivocation => stake.equivocation_ppm,
        Reason::WrongVote => stake.wrong_vote_ppm,
        Reason::Absence => stake.absence_ppm,
    };
    let until = TimeMs(c.now().0.saturating_add(stake.appeal_ms));
    let mut candidate = record::require(c, operator)?;
    let bond = part(candidate.bond, ppm);
    candidate.bond = Stones(candidate.bond.0.saturating_sub(bond.0));
    let (delegated, unbonding) = (candidate.pool.slash(ppm), candidate.unbonding.slash(ppm));
    let (mut jail, mut before) = (0, 0);
    match reason {
        Reason::Equivocation => candidate.banned = true,
        Reason::Absence => {
            jail = work::term(c).saturating_add(1);
            let number = SLASHES.len(c)?.saturating_add(1);
            before = std::mem::replace(
                &mut candidate.jailed_by,
                u32::try_from(number).unwrap_or(u32::MAX),
            );
            candidate.jailed = jail;
        }
        Reason::WrongVote => {}
    }
    record::save(c, operator, &candidate)?;
    let slash = Slash {
        operator,
        reason: number,
        status: OPEN,
        until,
        term,
        place,
        jail,
        before,
        reporter: c.caller(),
        bond,
        delegated,
        unbonding,
    };
    let id = SLASHES.push(c, &slash)?;
    let pending = PENDING.get(c)?;
    PENDING.set(c, &Stones(pending.0.saturating_add(slash.total().0)))?;
    let event = IStake::SlashPending {
        id,
        operator,
        reason: number,
        term,
        place,
        stones: U256::from(slash.total().0),
        appealUntilMs: until.0,
    };
    c.emit(STAKE, &event)?;
    Ok(id)
}

/// The slash with this number.
///
/// # Errors
/// `UnknownSlash`.
pub(super) fn require(c: &mut Ctx<'_>, id: u64) -> Res<Slash> {
    if id >= SLASHES.len(c)? {
        return revert(IStake::UnknownSlash { id });
    }
    SLASHES.at(id).get(c)
}

fn require_pending(c: &mut Ctx<'_>, id: u64) -> Res<Slash> {
    let slash = require(c, id)?;
    if slash.status != OPEN {
        return revert(IStake::SlashClosed { id, status: slash.status });
    }
    Ok(slash)
}

/// A validator's vote to annul. Votes are counted among the validators of the moment, so that no change of the set counts
/// a vote twice, and a window may be longer than a term.
pub(super) fn appeal(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let (caller, set) = (c.caller(), seats::current(c)?);
    if seats::seat_in(c, set, caller)?.is_none() {
        return revert(IStake::NotValidator { caller });
    }
    let slash = require_pending(c, id)?;
    if c.now() >= slash.until {
        return revert(IStake::AppealOver { id, untilMs: slash.until.0 });
    }
    let appealed = APPEALS.at(&id);
    if appealed.at(&caller).get(c)? {
        return revert(IStake::AlreadyAppealed { id, validator: caller });
    }
    appealed.at(&caller).set(c, &true)?;
    let seats = seats::seats(c, set)?;
    let mut votes = 0;
    for seat in &seats {
        votes += u32::from(appealed.at(&seat.operator).get(c)?);
    }
    let needed = quorum(u32::try_from(seats.len()).unwrap_or(u32::MAX));
    c.emit(STAKE, &IStake::Appealed { id, validator: caller, votes, needed })?;
    if votes >= needed { annul(c, id, slash) } else { Ok(()) }
}

/// Gives back what was taken. The operator gets the part of a pool that has less left than was taken: the few who stayed
/// have no claim to all of it, and a share that is suddenly worth much more cannot be bought in parts.
fn annul(c: &mut Ctx<'_>, id: u64, slash: Slash) -> Res<()> {
    let operator = slash.operator;
    let mut candidate = record::require(c, operator)?;
    give_back(&mut candidate, &slash);
    if slash.reason == Reason::Equivocation as u8 {
        candidate.banned = false;
    }
    close(c, id, Slash { status: ANNULLED, ..slash })?;
    if slash.reason == Reason::Absence as u8 {
        jail_that_stands(c, &mut candidate)?;
    }
    record::save(c, operator, &candidate)?;
    c.emit(STAKE, &IStake::SlashAnnulled { id, operator })
}

/// Jails a candidate for the last absence that is not annulled, of those since it last stood. Steps over as many as were
/// annulled: a jailed operator is elected no more, so that they are of the terms in which it sat when it was jailed, and of
/// `ABSENCE_TERMS_MAX` before.
fn jail_that_stands(c: &mut Ctx<'_>, candidate: &mut Candidate) -> Res<()> {
    while let Some(id) = candidate.jailed_by.checked_sub(1) {
        let slash = SLASHES.at(id.into()).get(c)?;
        if slash.status != ANNULLED {
            candidate.jailed = slash.jail;
            return Ok(());
        }
        candidate.jailed_by = slash.before;
    }
    candidate.jailed = 0;
    Ok(())
}

fn give_back(candidate: &mut Candidate, slash: &Slash) {
    let add = |to: &mut Stones, stones: Stones| to.0 = to.0.saturating_add(stones.0);
    let income = &mut candidate.income;
    let bond = if candidate.status == Status::Left { &mut *income } else { &mut candidate.bond };
    add(bond, slash.bond);
    let pools =
        [(&mut candidate.pool, slash.delegated), (&mut candidate.unbonding, slash.unbonding)];
    for (pool, stones) in pools {
        add(if pool.stones < stones { &mut *income } else { &mut pool.stones }, stones);
    }
}

/// Burns and pays what a slash took.
pub(super) fn execute(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let slash = require_pending(c, id)?;
    if c.now() < slash.until {
        return revert(IStake::AppealOpen { id, untilMs: slash.until.0 });
    }
    close(c, id, Slash { status: EXECUTED, ..slash })?;
    let parts = split_slash(slash.total(), c.genesis().seat_bond());
    c.burn(STAKE, parts.burned, economy::cause("slash"))?;
    c.transfer(STAKE, slash.reporter, parts.reporter)?;
    c.transfer(STAKE, INSURANCE, parts.insurance)?;
    let event = IStake::SlashExecuted {
        id,
        operator: slash.operator,
        burned: U256::from(parts.burned.0),
        toReporter: U256::from(parts.reporter.0),
        toInsurance: U256::from(parts.insurance.0),
    };
    c.emit(STAKE, &event)
}

fn close(c: &mut Ctx<'_>, id: u64, slash: Slash) -> Res<()> {
    SLASHES.at(id).set(c, &slash)?;
    let pending = PENDING.get(c)?;
    PENDING.set(c, &Stones(pending.0.saturating_sub(slash.total().0)))
}
