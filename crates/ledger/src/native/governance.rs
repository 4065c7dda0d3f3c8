//! Governance: stones that are locked for half a year or more vote on parameters, on the treasury's streams, on the guardian.
//!
//! ```text
//! lock ─► weight at the proposal's start ─► vote ─ quorum of yes stones, majority of weight ─► timelock ─► execute
//!                                                     └─ none: deposit burned        └─ guardian: later, once
//! execute ─► parameters (from the next day on) │ treasury: open, milestone, end │ another guardian
//! ```
//! The contract is there only where genesis has a `[governance]` table. **Invariant:** its stones cover all locks that are not
//! released and all open deposits; a proposal's tally is what its votes add up to; parameters never leave genesis' bounds.

mod ballot;
mod check;
mod locks;
mod parameters;
mod propose;
mod record;

pub(super) use check::check;
pub use locks::LOCK_STONES_MIN;
pub(super) use parameters::{in_force, latest};
pub use record::EXECUTION_MS;

use alloy_primitives::{Address, Bytes, U256};
use cairn_primitives::{
    GovernanceParams, Parameter,
    abi::{GOVERNANCE, IGovernance},
};

use super::{Ctx, Res, Stop, Value, decode};

/// Slot 2: the guardian; zero is none.
const GUARDIAN: Value<Address> = Value::new(GOVERNANCE, 2);
/// Most entries of one answer.
pub(super) const PAGE_MAX: u64 = 32;

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IGovernance::IGovernanceCalls as F;
    match decode(data)? {
        F::lock(q) => c.mutate_payable(q, |c, q| locks::lock(c, q.untilMs)),
        F::add(q) => c.mutate_payable_void(q, |c, q| locks::add(c, q.id)),
        F::extend(q) => c.mutate_void(q, |c, q| locks::extend(c, q.id, q.untilMs)),
        F::release(q) => c.mutate(q, |c, q| locks::release(c, q.id)),
        F::proposeParameters(q) => {
            c.mutate_payable(q, |c, q| propose::parameters(c, q.simulation, &q.changes))
        }
        F::proposeStream(q) => {
            c.mutate_payable(q, |c, q| propose::stream(c, q.simulation, &q.terms))
        }
        F::proposeMilestone(q) => {
            c.mutate_payable(q, |c, q| propose::milestone(c, q.simulation, q.stream, q.milestone))
        }
        F::proposeEnd(q) => c.mutate_payable(q, |c, q| propose::end(c, q.simulation, q.stream)),
        F::proposeGuardian(q) => {
            c.mutate_payable(q, |c, q| propose::guardian(c, q.simulation, q.guardian))
        }
        F::vote(q) => c.mutate_void(q, |c, q| ballot::vote(c, q.id, q.yes, &q.lockIds)),
        F::delay(q) => c.mutate_void(q, |c, q| ballot::delay(c, q.id)),
        F::execute(q) => c.mutate_void(q, |c, q| ballot::execute(c, q.id)),
        F::close(q) => c.mutate_void(q, |c, q| ballot::close(c, q.id)),
        view => read(c, view),
    }
}

/// The functions that change nothing.
fn read(c: &mut Ctx<'_>, call: IGovernance::IGovernanceCalls) -> Res<Bytes> {
    use IGovernance::IGovernanceCalls as F;
    match call {
        F::lockCount(q) => c.view(q, |c, _| locks::LOCKS.len(c)),
        F::lockOf(q) => c.view(q, |c, q| locks::to_abi(c, q.id)),
        F::locksOf(q) => c.view(q, |c, q| locks::locks_of(c, q.owner, q.from, q.limit)),
        F::locked(q) => c.view(q, |c, _| Ok(U256::from(locks::LOCKED.get(c)?.0))),
        F::proposalCount(q) => c.view(q, |c, _| record::PROPOSALS.len(c)),
        F::proposal(q) => c.view(q, |c, q| record::to_abi(c, q.id)),
        F::proposals(q) => c.view(q, |c, q| {
            let end = record::PROPOSALS.len(c)?.min(q.from.saturating_add(q.limit.min(PAGE_MAX)));
            (q.from..end).map(|id| record::to_abi(c, id)).collect()
        }),
        F::changesOf(q) => c.view(q, |c, q| propose::changes_of(c, q.id)),
        F::termsOf(q) => c.view(q, |c, q| propose::terms_of(c, q.id)),
        F::voteOf(q) => c.view(q, |c, q| ballot::VOTES.at(&q.id).at(&q.lockId).get(c)),
        F::quorum(q) => c.view(q, |c, _| {
            let (quorum, most) = propose::quorum(c)?;
            let (stones, most) = (U256::from(quorum.0), U256::from(most.0));
            Ok(IGovernance::quorumReturn { stones, captureStones: most })
        }),
        F::guardian(q) => c.view(q, |c, _| GUARDIAN.get(c)),
        F::bounds(q) => c.view(q, |c, _| bounds(c)),
        F::parametersOf(q) => c.view(q, |c, q| parameters::to_abi_of(c, q.epoch)),
        F::history(q) => c.view(q, |c, q| parameters::history(c, q.from, q.limit)),
        // The dispatch table has taken every other.
        _ => Ok(Bytes::new()),
    }
}

/// The table of genesis. The contract is called only where there is one.
fn rules<'a>(c: &Ctx<'a>) -> Res<&'a GovernanceParams> {
    let rules = c.genesis().governance.as_ref();
    rules.ok_or_else(|| Stop::Fatal("governance: called without its table in genesis".to_owned()))
}

/// Writes the guardian of genesis.
pub(super) fn genesis(c: &mut Ctx<'_>) -> Res<()> {
    let guardian = rules(c)?.guardian;
    if guardian == Address::ZERO { Ok(()) } else { GUARDIAN.set(c, &guardian) }
}

/// What may be moved, from where, how far and how fast.
fn bounds(c: &mut Ctx<'_>) -> Res<Vec<IGovernance::Bound>> {
    let (rules, now) = (rules(c)?, latest(c)?);
    let row = |parameter: &Parameter, bound: &cairn_primitives::Bound| IGovernance::Bound {
        parameter: parameter.number(),
        name: parameter.name().to_owned(),
        value: parameter.get(&now),
        low: bound.low,
        high: bound.high,
        step: bound.step,
    };
    Ok(rules.bounds.iter().map(|(parameter, bound)| row(parameter, bound)).collect())
}

#[cfg(test)]
pub(in crate::native) mod tests;
