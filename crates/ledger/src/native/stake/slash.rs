//! Slashing: a numbered reason, a window in which the validators can annul it, then the stones are gone.
//!
//! ```text
//! report ─► pending: the part is taken at once from bond, delegations and what unbonds ─ window over ─► execute: 70 % burned,
//!              └─ more than two thirds of the validators appeal ─► annulled: given back (reclaim)│ reporter │ insurance
//! ```
//! What is taken at the report cannot leave before the slash is executed. Whoever withdrew before the report is out of
//! reach: that is what the unbonding time is for.

mod entry;
mod evidence;
mod reclaim;
mod zip215;

pub(super) use reclaim::{reclaim, reclaimable};

use alloy_primitives::{Address, B256, U256, keccak256};
use cairn_economy::{part, split_slash};
use cairn_primitives::{
    Epoch, Stones, TimeMs,
    abi::{INSURANCE, IStake, STAKE},
    quorum,
};

use self::entry::{ANNULLED, Claims, EXECUTED, OPEN, Reason, Slash};
use super::{
    record::{self, Candidate},
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
    let code = reason as u8;
    c.charge(gas::hashes(2))?;
    let mut name = operator.to_vec();
    name.push(code);
    name.extend_from_slice(&term.to_be_bytes());
    name.extend_from_slice(&place.to_be_bytes());
    let done = DONE.at(&keccak256(name));
    if done.get(c)? {
        return revert(IStake::AlreadySlashed { operator, reason: code, term, place });
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
    let rights = [candidate.pool, candidate.unbonding].map(|pool| pool.shares);
    let (delegated, unbonding) = (candidate.pool.slash(ppm), candidate.unbonding.slash(ppm));
    let number = candidate.slashes;
    candidate.slashes = number.saturating_add(1);
    let (mut jail, mut before) = (0, 0);
    match reason {
        Reason::Equivocation => candidate.banned = true,
        Reason::Absence => {
            jail = work::term(c).saturating_add(1);
            let by = u32::try_from(SLASHES.len(c)?.saturating_add(1)).unwrap_or(u32::MAX);
            before = std::mem::replace(&mut candidate.jailed_by, by);
            candidate.jailed = jail;
        }
        Reason::WrongVote => {}
    }
    record::save(c, operator, &candidate)?;
    let slash = Slash {
        operator,
        reason: code,
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
        number,
        annulled: 0,
        claims: rights.map(|rights| Claims { shares: 0, rights }),
    };
    let id = SLASHES.push(c, &slash)?;
    let pending = PENDING.get(c)?;
    PENDING.set(c, &Stones(pending.0.saturating_add(slash.total().0)))?;
    let event = IStake::SlashPending {
        id,
        operator,
        reason: code,
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

/// Gives back what was taken. Income of terms that are over is divided first, among the stake that was there.
fn annul(c: &mut Ctx<'_>, id: u64, slash: Slash) -> Res<()> {
    let operator = slash.operator;
    work::settle(c, operator)?;
    let mut candidate = record::require(c, operator)?;
    let slash = reclaim::give_back(&mut candidate, slash)?;
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

/// Jails a candidate for the last absence that is not annulled, of those since it last stood. Steps over those that were
/// annulled: one for a term in which it sat, and a jailed operator is elected no more.
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
