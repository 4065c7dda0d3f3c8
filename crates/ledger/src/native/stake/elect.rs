//! Who gets the seats of a term: the candidates with the most stake, one seat and one vote each.
//!
//! ```text
//! candidates ─ not banned, jailed or leaving; bond not slashed away ─► by stake, then who came first ─► at most `seats_max`
//! ```
//! Fewer than four cannot go on when one is down: then the set before stays, whoever is in it. Runs without gas at the
//! start of a term's first block, over at most `CANDIDATES_MAX` records.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_economy::part;
use cairn_primitives::{
    SEATS_MIN, Stones,
    abi::{IStake, STAKE},
};

use super::{
    record::{self, Candidate, EVER, KEYS, LISTED, Status},
    seats::{self, SEAT_OF, SET_OF, SETS, Seat, TERMS},
};
use crate::native::{Ctx, Res};

/// Most candidates at once: what an election looks at.
pub const CANDIDATES_MAX: u64 = 512;
/// Part of a seat's bond that must be left for a seat, ppm: a mild slash takes nobody's seat away.
const BOND_LEFT_PPM: u32 = 900_000;
/// Most terms that one announcement catches up with.
const ANNOUNCED_MAX: u64 = 4;

/// Makes the validators of genesis candidates.
pub(in crate::native) fn genesis(c: &mut Ctx<'_>) -> Res<()> {
    for validator in &c.genesis().validators {
        let (operator, key) = (validator.operator, validator.consensus_key);
        let bond = Stones(u128::from(validator.bond_stones) * cairn_primitives::STONE);
        let index = record::list(c, operator)?;
        EVER.push(c, &operator)?;
        KEYS.at(&key).set(c, &operator)?;
        record::save(c, operator, &Candidate::new(index, 0, key, bond))?;
    }
    Ok(())
}

/// Fixes the set of the term after the one that begins with this block.
///
/// # Errors
/// Disk trouble.
pub(crate) fn begin_term(c: &mut Ctx<'_>) -> Res<()> {
    let current = c.genesis().term_of(c.block_number());
    let mut terms = TERMS.get(c)?;
    let next = current + 1;
    if current == 0 || terms.latest >= next {
        return Ok(());
    }
    let before = seats::current(c)?;
    let elected = elect(c)?;
    let mut old = seats::seats(c, before)?;
    old.sort_unstable();
    terms.kept = elected.len() < usize::try_from(SEATS_MIN).unwrap_or(usize::MAX);
    let set = if terms.kept || elected == old {
        before
    } else {
        terms.sets += 1;
        store(c, terms.sets, &elected)?;
        terms.sets
    };
    terms.latest = next;
    SET_OF.at(&next).set(c, &set)?;
    TERMS.set(c, &terms)
}

/// The candidates that get a seat, in ascending order of their operators.
fn elect(c: &mut Ctx<'_>) -> Res<Vec<Seat>> {
    let least = part(c.genesis().seat_bond(), BOND_LEFT_PPM);
    let mut ranked = BTreeMap::new();
    for i in 0..LISTED.len(c)? {
        let operator = LISTED.at(i).get(c)?;
        let Some(candidate) = record::find(c, operator)? else { continue };
        let stands = candidate.status == Status::Active
            && !candidate.banned
            && candidate.jailed == 0
            && candidate.bond >= least;
        if stands {
            // Age before address: an address can be searched for, an age cannot.
            let rank = (std::cmp::Reverse(candidate.total()), candidate.since, operator);
            ranked.insert(rank, Seat { operator, consensus_key: candidate.key });
        }
    }
    let most = usize::try_from(c.genesis().stake.seats_max).unwrap_or(usize::MAX);
    let mut elected: Vec<Seat> = ranked.into_values().take(most).collect();
    elected.sort_unstable();
    Ok(elected)
}

fn store(c: &mut Ctx<'_>, set: u32, elected: &[Seat]) -> Res<()> {
    for (number, seat) in (1..).zip(elected) {
        SETS.at(&set).push(c, seat)?;
        SEAT_OF.at(&set).at(&seat.operator).set(c, &number)?;
    }
    Ok(())
}

/// Emits the events of sets that were fixed since the last time: a log needs a transaction, and no transaction fixes a
/// set. Called by everything that changes this contract, and by attestations and votes.
///
/// # Errors
/// Out of gas, or disk trouble.
pub(in crate::native) fn announce(c: &mut Ctx<'_>) -> Res<()> {
    let mut terms = TERMS.get(c)?;
    if terms.announced >= terms.latest {
        return Ok(());
    }
    let from = terms.announced.max(terms.latest.saturating_sub(ANNOUNCED_MAX)).max(1);
    for term in from + 1..=terms.latest {
        let set = SET_OF.at(&term).get(c)?;
        let seats = seats::count(c, set)?;
        let kept = terms.kept && term == terms.latest;
        c.emit(STAKE, &IStake::SetFixed { term, set, seats, kept })?;
    }
    terms.announced = terms.latest;
    TERMS.set(c, &terms)
}

/// Whether an operator has a seat in the current term or the next: what it does can still be punished there.
///
/// # Errors
/// Out of gas, or disk trouble.
pub(super) fn is_seated(c: &mut Ctx<'_>, operator: Address) -> Res<bool> {
    let current = c.genesis().term_of(c.block_number());
    for term in [current, current + 1] {
        if let Some(set) = seats::set_of(c, term)?
            && seats::seat_in(c, set, operator)?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}
