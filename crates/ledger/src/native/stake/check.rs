//! What must be true of validators, stake and slashes in every state.

use std::collections::{BTreeMap, BTreeSet};

use cairn_primitives::{SEATS_MIN, Stones, abi::STAKE};

use super::{
    record::{self, EVER, LISTED, Status},
    seats::{self, SEAT_OF, SET_OF, TERMS},
    slash::{PENDING, SLASHES},
    work::{self, TERM_ROWS, UNSETTLED},
};
use crate::{
    check::Violation,
    native::{Ctx, Res},
};

const fn sum(a: Stones, b: Stones) -> Stones {
    Stones(a.0.saturating_add(b.0))
}

fn broken(found: &mut Vec<Violation>, what: String) {
    found.push(Violation::Other { contract: "stake", what });
}

/// See the file.
pub(in crate::native) fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let staked = candidates(c, found)?;
    let (pending, unsettled) = (pending(c, found)?, UNSETTLED.get(c)?);
    let (held, owed) = (c.balance(STAKE)?, sum(staked, sum(pending, unsettled)));
    if held < owed {
        found.push(Violation::BalanceShort { account: STAKE, held, owed });
    }
    sets(c, found)
}

/// Looks at every candidate and its key; returns what all of them are owed.
fn candidates(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<Stones> {
    let (mut owed, mut open, mut listed) = (Stones::ZERO, Stones::ZERO, 0_u64);
    let mut keys = BTreeSet::new();
    for i in 0..EVER.len(c)? {
        let operator = EVER.at(i).get(c)?;
        let candidate = record::require(c, operator)?;
        owed = sum(owed, candidate.owed());
        open = sum(open, work::open(c, operator)?);
        if !keys.insert(candidate.key) && candidate.status != Status::Left {
            broken(found, format!("{operator} has the key {} of another", candidate.key));
        }
        if candidate.pool.shares == 0 && candidate.pool.stones > Stones::ZERO
            || candidate.unbonding.shares == 0 && candidate.unbonding.stones > Stones::ZERO
        {
            broken(found, format!("{operator} has stones that nobody has a share of"));
        }
        if candidate.status != Status::Left {
            listed += 1;
            if LISTED.at(u64::from(candidate.index)).get(c)? != operator {
                broken(found, format!("{operator} is not at {} of the list", candidate.index));
            }
        }
    }
    let len = LISTED.len(c)?;
    if len != listed {
        broken(found, format!("{listed} candidates stand, {len} are listed"));
    }
    for term in 0..=TERMS.get(c)?.latest {
        open = sum(open, TERM_ROWS.at(&term).get(c)?.pot);
    }
    let unsettled = UNSETTLED.get(c)?;
    if open != unsettled {
        broken(found, format!("{open} stones are earned, {unsettled} are booked"));
    }
    Ok(owed)
}

/// What pending slashes hold. And of annulled ones, that no more shares wait for their owners than the pools have.
fn pending(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<Stones> {
    let mut held = Stones::ZERO;
    let mut of: BTreeMap<_, (u32, [u128; 2])> = BTreeMap::new();
    for id in 0..SLASHES.len(c)? {
        let slash = SLASHES.at(id).get(c)?;
        held = sum(held, slash.owed());
        let (count, waiting) = of.entry(slash.operator).or_default();
        if slash.number != *count {
            broken(found, format!("slash {id} is number {} of {count}", slash.number));
        }
        *count = count.saturating_add(1);
        for (waiting, claims) in waiting.iter_mut().zip(slash.claims) {
            *waiting = waiting.saturating_add(claims.shares);
        }
    }
    for i in 0..EVER.len(c)? {
        let operator = EVER.at(i).get(c)?;
        let (count, waiting) = of.remove(&operator).unwrap_or_default();
        let known = record::require(c, operator)?;
        if known.slashes != count || known.pool_moved.max(known.unbonding_moved) > count {
            broken(found, format!("{operator} counts {} slashes of {count}", known.slashes));
        }
        if waiting[0] > known.pool.shares || waiting[1] > known.unbonding.shares {
            broken(found, format!("{operator} has fewer shares than the {waiting:?} that wait"));
        }
    }
    for operator in of.into_keys() {
        broken(found, format!("{operator} was slashed and never stood"));
    }
    let booked = PENDING.get(c)?;
    if held != booked {
        broken(found, format!("pending slashes hold {held} stones, {booked} are booked"));
    }
    Ok(held)
}

/// Every set has four seats or more, of distinct operators with distinct keys, and finds each of them.
fn sets(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let terms = TERMS.get(c)?;
    for set in 1..=terms.sets {
        let seats = seats::seats(c, set)?;
        let (mut operators, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for (number, seat) in (1..).zip(&seats) {
            let distinct = operators.insert(seat.operator) && keys.insert(seat.consensus_key);
            if !distinct || SEAT_OF.at(&set).at(&seat.operator).get(c)? != number {
                broken(found, format!("seat {number} of set {set} is {seat:?}"));
            }
        }
        let (least, most) = (SEATS_MIN, c.genesis().stake.seats_max);
        if !u32::try_from(seats.len()).is_ok_and(|count| (least..=most).contains(&count)) {
            broken(found, format!("set {set} has {} seats", seats.len()));
        }
    }
    for term in 2..=terms.latest {
        let set = SET_OF.at(&term).get(c)?;
        if set > terms.sets {
            broken(found, format!("term {term} has set {set} of {}", terms.sets));
        }
    }
    Ok(())
}
