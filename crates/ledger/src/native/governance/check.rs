//! What must be true of locks, proposals and parameters in every state.

use cairn_economy::{changed, keeps_pace};
use cairn_primitives::{Stones, abi::GOVERNANCE};

use super::{
    ballot::VOTES,
    locks::{self, LOCKED, LOCKS},
    parameters::{VERSIONS, recent},
    record::{DEPOSITS, PROPOSALS, Proposal},
    rules,
};
use crate::{
    check::Violation,
    native::{Ctx, Res},
};

fn broken(found: &mut Vec<Violation>, what: String) {
    found.push(Violation::Other { contract: "governance", what });
}

const fn sum(a: Stones, b: Stones) -> Stones {
    Stones(a.0.saturating_add(b.0))
}

/// See the file.
pub(in crate::native) fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let (mut locked, mut deposits) = (Stones::ZERO, Stones::ZERO);
    for id in 0..LOCKS.len(c)? {
        locked = sum(locked, locks::held(c, id)?);
    }
    for id in 0..PROPOSALS.len(c)? {
        let proposal = PROPOSALS.at(id).get(c)?;
        if proposal.end == 0 {
            deposits = sum(deposits, proposal.deposit);
        }
        // What is over can do nothing any more, and there are more and more of them.
        if c.now() < proposal.expires() {
            tally(c, id, &proposal, found)?;
        }
    }
    for (what, parts, booked) in
        [("locked", locked, LOCKED.get(c)?), ("deposited", deposits, DEPOSITS.get(c)?)]
    {
        if parts != booked {
            broken(found, format!("{parts} stones are {what}, {booked} are booked"));
        }
    }
    let (held, owed) = (c.balance(GOVERNANCE)?, sum(locked, deposits));
    if held < owed {
        found.push(Violation::BalanceShort { account: GOVERNANCE, held, owed });
    }
    versions(c, found)
}

/// A tally is what its votes weighed before the proposal.
fn tally(c: &mut Ctx<'_>, id: u64, proposal: &Proposal, found: &mut Vec<Violation>) -> Res<()> {
    let (mut weight, mut stones) = ([0_u128; 2], [Stones::ZERO; 2]);
    for lock in 0..LOCKS.len(c)? {
        let side = match VOTES.at(&id).at(&lock).get(c)? {
            0 => continue,
            1 => 0,
            _ => 1,
        };
        let (point, _) = locks::before(c, lock, proposal.start)?;
        let Some(point) = point else {
            broken(found, format!("lock {lock} voted on proposal {id}, which is older"));
            continue;
        };
        weight[side] = weight[side].saturating_add(point.weight(proposal.start));
        stones[side] = sum(stones[side], point.stones);
    }
    if (weight, stones) != (proposal.weight, proposal.stones) {
        broken(found, format!("the tally of proposal {id} is not what its votes add up to"));
    }
    Ok(())
}

/// Every set of parameters is later than the one before, within the bounds, and within a step of 30 days.
fn versions(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let (rules, genesis) = (rules(c)?, &c.genesis().economy);
    let mut last = 0;
    for i in 0..VERSIONS.len(c)? {
        let version = VERSIONS.at(i).get(c)?;
        let (day, params) = (version.from_day, version.params(genesis));
        if day <= last {
            broken(found, format!("parameters of day {day} come after those of day {last}"));
        }
        last = day;
        let outside = rules
            .bounds
            .iter()
            .any(|(parameter, bound)| !(bound.low..=bound.high).contains(&parameter.get(&params)));
        let fast = recent(c, day)?.iter().any(|before| keeps_pace(&params, before, rules).is_err());
        if outside || fast || changed(&params, &[], rules).is_err() {
            broken(found, format!("parameters of day {day} are out of bounds"));
        }
    }
    Ok(())
}
