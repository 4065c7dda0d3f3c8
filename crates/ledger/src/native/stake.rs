//! Validators: candidates bond, others delegate, the most staked get the seats of a term; income, and slashing. And the
//! ingests, which genesis names.
//!
//! ```text
//! candidacy ─┐                     ┌─ seats ─► consensus, batches, rewards
//! delegate ──┴► record ─► elect ───┘
//!                 ▲
//! work (income) ──┴── slash ◄─ evidence
//! ```
//! **Invariant:** this contract's stones cover bonds, delegations, what unbonds, income, what is not settled yet, and pending
//! slashes.

mod candidacy;
mod check;
mod delegate;
mod elect;
mod record;
pub(crate) mod seats;
mod shares;
mod slash;
mod work;

pub(super) use check::check;
pub use elect::CANDIDATES_MAX;
pub(crate) use elect::begin_term;
pub(super) use elect::{announce, genesis};
pub use seats::{Seat, seats_of_term};
pub(crate) use work::proposed;
pub(super) use work::{finalised, has_votes, unvoted, voted};

use alloy_primitives::{Address, Bytes, U256};
use cairn_economy::Presence;
use cairn_primitives::{STONE, Stones, abi::IStake, quorum};

use self::record::EVER;
use super::{Ctx, Res, decode, revert};

/// Price of looking at one seat of genesis: it is memory, not disk.
const SEAT_GAS: u64 = 20;
/// Most candidates of one `candidates`.
const PAGE_MAX: u64 = 64;

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IStake::IStakeCalls as F;
    match decode(data)? {
        F::candidate(q) => changes_payable(c, q, |c, q| {
            candidacy::candidate(c, q.consensusKey, &q.proofOfPossession)
        }),
        F::raiseBond(q) => changes_payable(c, q, |c, _| candidacy::raise_bond(c)),
        F::leave(q) => changes(c, q, |c, _| candidacy::leave(c)),
        F::exit(q) => changes(c, q, |c, _| candidacy::exit(c)),
        F::rotateKey(q) => {
            changes(c, q, |c, q| candidacy::rotate_key(c, q.newKey, &q.proofOfPossession))
        }
        F::setCommission(q) => changes(c, q, |c, q| candidacy::set_commission(c, q.ppm)),
        F::unjail(q) => changes(c, q, |c, _| candidacy::unjail(c)),
        F::claimIncome(q) => c.mutate(q, |c, _| candidacy::claim_income(c)),
        F::settle(q) => changes(c, q, |c, q| {
            record::require(c, q.operator)?;
            work::settle(c, q.operator)
        }),
        F::delegate(q) => changes_payable(c, q, |c, q| delegate::delegate(c, q.operator)),
        F::undelegate(q) => changes(c, q, |c, q| delegate::undelegate(c, q.operator, q.stones)),
        F::withdraw(q) => c.mutate(q, |c, _| delegate::withdraw(c)),
        F::reportEquivocation(q) => c.mutate(q, |c, q| slash::report_equivocation(c, &q.evidence)),
        F::reportWrongVote(q) => {
            c.mutate(q, |c, q| slash::report_wrong_vote(c, q.epoch, q.sector, q.operator))
        }
        F::reportAbsence(q) => {
            c.mutate(q, |c, q| slash::report_absence(c, q.termNumber, q.operator))
        }
        F::appeal(q) => changes(c, q, |c, q| slash::appeal(c, q.id)),
        F::reclaim(q) => changes(c, q, |c, q| slash::reclaim(c, q.id, q.owner)),
        F::execute(q) => changes(c, q, |c, q| slash::execute(c, q.id)),
        view => read(c, view),
    }
}

/// The functions that change nothing.
fn read(c: &mut Ctx<'_>, call: IStake::IStakeCalls) -> Res<Bytes> {
    use IStake::IStakeCalls as F;
    match call {
        F::validators(q) => c.view(q, |c, _| {
            let set = seats::current(c)?;
            validators(c, set)
        }),
        F::isValidator(q) => c.view(q, |c, q| {
            let set = seats::current(c)?;
            Ok(seats::seat_in(c, set, q.operator)?.is_some())
        }),
        F::quorum(q) => c.view(q, |c, _| {
            let set = seats::current(c)?;
            Ok(quorum(seats::count(c, set)?))
        }),
        F::ingests(q) => {
            c.view(q, |c, _| Ok(c.genesis().ingests.iter().map(|i| i.operator).collect()))
        }
        F::isIngest(q) => c.view(q, |c, q| Ok(ingest_seat(c, q.operator)?.is_some())),
        F::term(q) => c.view(q, |c, _| term(c)),
        F::seats(q) => c.view(q, |c, q| {
            let set = fixed(c, q.termNumber)?;
            validators(c, set)
        }),
        F::candidateCount(q) => c.view(q, |c, _| EVER.len(c)),
        F::candidates(q) => c.view(q, |c, q| candidates(c, q.from, q.limit)),
        F::candidateOf(q) => {
            c.view(q, |c, q| Ok(record::require(c, q.operator)?.to_abi(q.operator)))
        }
        F::delegation(q) => c.view(q, |c, q| delegate::delegation(c, q.operator, q.delegator)),
        F::unbondings(q) => c.view(q, |c, q| delegate::unbondings(c, q.owner, q.limit)),
        F::slashCount(q) => c.view(q, |c, _| slash::SLASHES.len(c)),
        F::slash(q) => c.view(q, |c, q| Ok(slash::require(c, q.id)?.to_abi())),
        F::reclaimable(q) => c.view(q, |c, q| slash::reclaimable(c, q.id, q.owner)),
        F::presence(q) => c.view(q, |c, q| {
            let Presence { proposed, proposals_due, voted, votes_due } =
                work::presence(c, q.termNumber, q.operator)?;
            Ok(IStake::presenceReturn {
                proposed,
                proposalsDue: proposals_due,
                voted,
                votesDue: votes_due,
            })
        }),
        // The dispatch table has taken every other.
        _ => Ok(Bytes::new()),
    }
}

/// A function that changes something; what sets were fixed in between is announced with it.
fn changes<C: alloy_sol_types::SolCall>(
    c: &mut Ctx<'_>,
    call: C,
    f: impl FnOnce(&mut Ctx<'_>, C) -> Res<()>,
) -> Res<Bytes> {
    c.mutate_void(call, |c, call| {
        announce(c)?;
        f(c, call)
    })
}

/// The same for a function that takes stones.
fn changes_payable<C: alloy_sol_types::SolCall>(
    c: &mut Ctx<'_>,
    call: C,
    f: impl FnOnce(&mut Ctx<'_>, C) -> Res<()>,
) -> Res<Bytes> {
    c.mutate_payable_void(call, |c, call| {
        announce(c)?;
        f(c, call)
    })
}

/// The seat of an ingest, counted from 0 in genesis order.
///
/// # Errors
/// Out of gas.
pub fn ingest_seat(c: &mut Ctx<'_>, operator: Address) -> Res<Option<u32>> {
    c.charge(SEAT_GAS * c.genesis().ingests.len() as u64)?;
    let seat = c.genesis().ingests.iter().position(|i| i.operator == operator);
    Ok(seat.and_then(|seat| u32::try_from(seat).ok()))
}

/// The set of a term, or a revert.
fn fixed(c: &mut Ctx<'_>, term: u64) -> Res<u32> {
    match seats::set_of(c, term)? {
        Some(set) => Ok(set),
        None => {
            let latest = seats::TERMS.get(c)?.latest.max(1);
            revert(IStake::TermNotFixed { term, latest })
        }
    }
}

fn term(c: &mut Ctx<'_>) -> Res<IStake::termReturn> {
    let current = work::term(c);
    Ok(IStake::termReturn {
        current,
        firstBlock: c.genesis().term_start(current),
        fixedUntil: seats::TERMS.get(c)?.latest.max(1),
    })
}

fn validators(c: &mut Ctx<'_>, set: u32) -> Res<Vec<IStake::Validator>> {
    let mut found = Vec::new();
    for Seat { operator, consensus_key } in seats::seats(c, set)? {
        let bond = record::find(c, operator)?.map_or(Stones::ZERO, |candidate| candidate.bond);
        let bond = U256::from(bond.0);
        found.push(IStake::Validator { operator, consensusKey: consensus_key, bond });
    }
    Ok(found)
}

fn candidates(c: &mut Ctx<'_>, from: u64, limit: u64) -> Res<Vec<IStake::Candidate>> {
    let end = EVER.len(c)?.min(from.saturating_add(limit.min(PAGE_MAX)));
    (from..end)
        .map(|i| {
            let operator = EVER.at(i).get(c)?;
            Ok(record::require(c, operator)?.to_abi(operator))
        })
        .collect()
}

/// The bonds of all genesis validators.
#[must_use]
pub fn bonds(genesis: &cairn_primitives::Genesis) -> Stones {
    Stones(genesis.validators.iter().map(|seat| u128::from(seat.bond_stones) * STONE).sum())
}

#[cfg(test)]
mod tests;
