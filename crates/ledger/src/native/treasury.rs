//! The treasury: its fee of every settlement comes in, streams that votes opened go out, never more than 2 % in 30 days.
//!
//! ```text
//! settlements, gifts ─► balance ─ vote ─► stream (time, milestones) ─ claim ─► recipient
//!                                   └─ opened only if it fits what is not promised, and the pace of all streams
//! ```
//! The pace is held twice: streams that would pay faster together are not opened, and a claim pays what the last 30 days
//! leave. **Invariant:** the balance covers all that is promised and unpaid; paid in any 30 days is at most 2 % of what was there.

mod payments;
mod record;

pub(super) use record::Terms;

use alloy_primitives::{Bytes, U256};
use cairn_economy::{stream_pace, treasury_left};
use cairn_primitives::{
    Stones,
    abi::{ITreasury, TREASURY},
};

use self::record::{Status, Stream};
use super::{Ctx, List, Res, Value, decode, revert};
use crate::check::Violation;

/// Slot 0: promised to streams and not paid.
const PROMISED: Value<Stones> = Value::new(TREASURY, 0);
/// Slot 1: what running streams pay in 30 days.
const PACE: Value<Stones> = Value::new(TREASURY, 1);
/// Slot 2: every stream; its id is its place.
const STREAMS: List<Stream> = List::new(TREASURY, 2);
/// Slot 4: paid to insiders ever.
const TO_INSIDERS: Value<Stones> = Value::new(TREASURY, 4);
/// Most entries of one answer.
const PAGE_MAX: u64 = 32;

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use ITreasury::ITreasuryCalls as F;
    match decode(data)? {
        F::fund(q) => c.mutate_payable_void(q, |c, _| {
            let (from, stones) = (c.caller(), U256::from(c.value().0));
            c.emit(TREASURY, &ITreasury::Funded { from, stones })
        }),
        F::claim(q) => c.mutate(q, |c, q| claim(c, q.id)),
        F::streamCount(q) => c.view(q, |c, _| STREAMS.len(c)),
        F::stream(q) => c.view(q, |c, q| Ok(require(c, q.id)?.to_abi(q.id, c.now()))),
        F::streams(q) => c.view(q, |c, q| {
            let end = STREAMS.len(c)?.min(q.from.saturating_add(q.limit.min(PAGE_MAX)));
            (q.from..end).map(|id| Ok(STREAMS.at(id).get(c)?.to_abi(id, c.now()))).collect()
        }),
        F::accounts(q) => c.view(q, |c, _| accounts(c)),
    }
}

const fn sum(a: Stones, b: Stones) -> Stones {
    Stones(a.0.saturating_add(b.0))
}

const fn rest(a: Stones, b: Stones) -> Stones {
    Stones(a.0.saturating_sub(b.0))
}

fn require(c: &mut Ctx<'_>, id: u64) -> Res<Stream> {
    if id >= STREAMS.len(c)? {
        return revert(ITreasury::UnknownStream { id });
    }
    STREAMS.at(id).get(c)
}

/// A stream that still runs.
///
/// # Errors
/// `UnknownStream`, `StreamOver`.
pub(super) fn running(c: &mut Ctx<'_>, id: u64) -> Res<Stream> {
    let stream = require(c, id)?;
    match stream.status {
        Status::Running => Ok(stream),
        status => revert(ITreasury::StreamOver { id, status: status as u8 }),
    }
}

/// Refuses a milestone that the stream has not or that is reached.
///
/// # Errors
/// As `running`; `WrongMilestone`.
pub(super) fn check_milestone(c: &mut Ctx<'_>, id: u64, milestone: u8) -> Res<()> {
    let stream = running(c, id)?;
    let next = stream.reached.saturating_add(1);
    if (next..=stream.terms.milestones).contains(&milestone) {
        return Ok(());
    }
    revert(ITreasury::WrongMilestone { id, milestone, next })
}

/// Opens a stream that a vote decided.
///
/// # Errors
/// `FundsExceeded`, `PaceExceeded`.
pub(super) fn open(c: &mut Ctx<'_>, proposal: u64, terms: &Terms) -> Res<()> {
    let (balance, promised, pace) = (c.balance(TREASURY)?, PROMISED.get(c)?, PACE.get(c)?);
    let free = rest(balance, promised);
    if terms.stones > free {
        let (asked, free) = (U256::from(terms.stones.0), U256::from(free.0));
        return revert(ITreasury::FundsExceeded { asked, free });
    }
    let own = stream_pace(terms.stones, terms.length_ms);
    let left = rest(treasury_left(balance, Stones::ZERO), pace);
    if own > left {
        let (asked, left) = (U256::from(own.0), U256::from(left.0));
        return revert(ITreasury::PaceExceeded { asked, left });
    }
    let terms = Terms { start: terms.start.max(c.now()), ..*terms };
    let stream =
        Stream { terms, proposal, status: Status::Running, reached: 0, paid: Stones::ZERO };
    PROMISED.set(c, &sum(promised, terms.stones))?;
    PACE.set(c, &sum(pace, own))?;
    let id = STREAMS.push(c, &stream)?;
    let event = ITreasury::StreamOpened {
        id,
        proposal,
        recipient: terms.recipient,
        insider: terms.insider,
        stones: U256::from(terms.stones.0),
        startMs: terms.start.0,
        lengthMs: terms.length_ms,
        milestones: terms.milestones,
    };
    c.emit(TREASURY, &event)
}

/// Releases a stream's next milestone, as a vote decided.
///
/// # Errors
/// As `running`; `WrongMilestone` when it is not the next one.
pub(super) fn reach(c: &mut Ctx<'_>, id: u64, milestone: u8) -> Res<()> {
    let stream = running(c, id)?;
    let next = stream.reached.saturating_add(1);
    if milestone != next || milestone > stream.terms.milestones {
        return revert(ITreasury::WrongMilestone { id, milestone, next });
    }
    STREAMS.at(id).set(c, &Stream { reached: milestone, ..stream })?;
    c.emit(TREASURY, &ITreasury::MilestoneReached { id, milestone })
}

/// Ends a stream, as a vote decided: what is unlocked stays its recipient's, the rest is the treasury's again.
///
/// # Errors
/// As `running`.
pub(super) fn end(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let stream = running(c, id)?;
    let kept = stream.unlocked(c.now());
    let freed = rest(stream.terms.stones, kept);
    leave_pace(c, &stream)?;
    let promised = PROMISED.get(c)?;
    PROMISED.set(c, &rest(promised, freed))?;
    let terms = Terms { stones: kept, ..stream.terms };
    STREAMS.at(id).set(c, &Stream { terms, status: Status::Ended, ..stream })?;
    let (kept, freed) = (U256::from(kept.0), U256::from(freed.0));
    c.emit(TREASURY, &ITreasury::StreamEnded { id, kept, freed })
}

fn leave_pace(c: &mut Ctx<'_>, stream: &Stream) -> Res<()> {
    let pace = PACE.get(c)?;
    PACE.set(c, &rest(pace, stream.pace()))
}

fn claim(c: &mut Ctx<'_>, id: u64) -> Res<U256> {
    let stream = require(c, id)?;
    let due = rest(stream.unlocked(c.now()), stream.paid);
    let (spent, balance) = (payments::spent(c)?, c.balance(TREASURY)?);
    let left = treasury_left(sum(balance, spent), spent);
    let stones = due.min(left);
    if stones == Stones::ZERO {
        let (unlocked, left) = (U256::from(due.0), U256::from(left.0));
        return revert(ITreasury::NothingToClaim { id, unlocked, paceLeft: left });
    }
    let mut paid = Stream { paid: sum(stream.paid, stones), ..stream };
    if paid.paid == stream.terms.stones && stream.status == Status::Running {
        leave_pace(c, &stream)?;
        paid.status = Status::Paid;
    }
    STREAMS.at(id).set(c, &paid)?;
    let promised = PROMISED.get(c)?;
    PROMISED.set(c, &rest(promised, stones))?;
    payments::count(c, stones)?;
    let Terms { recipient, insider, .. } = stream.terms;
    if insider {
        let before = TO_INSIDERS.get(c)?;
        TO_INSIDERS.set(c, &sum(before, stones))?;
    }
    c.transfer(TREASURY, recipient, stones)?;
    let stones = U256::from(stones.0);
    c.emit(TREASURY, &ITreasury::Paid { id, recipient, insider, stones })?;
    Ok(stones)
}

fn accounts(c: &mut Ctx<'_>) -> Res<ITreasury::accountsReturn> {
    let (balance, spent) = (c.balance(TREASURY)?, payments::spent(c)?);
    let to_abi = |stones: Stones| U256::from(stones.0);
    Ok(ITreasury::accountsReturn {
        balance: to_abi(balance),
        promised: to_abi(PROMISED.get(c)?),
        pace: to_abi(PACE.get(c)?),
        paceLimit: to_abi(treasury_left(balance, Stones::ZERO)),
        spent: to_abi(spent),
        left: to_abi(treasury_left(sum(balance, spent), spent)),
        toInsiders: to_abi(TO_INSIDERS.get(c)?),
    })
}

/// What must be true of the treasury in every state.
pub(super) fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let mut broken = |what: String| found.push(Violation::Other { contract: "treasury", what });
    let (mut owed, mut pace, mut insiders) = (Stones::ZERO, Stones::ZERO, Stones::ZERO);
    let mut paid = Stones::ZERO;
    for id in 0..STREAMS.len(c)? {
        let stream = STREAMS.at(id).get(c)?;
        if stream.paid > stream.unlocked(c.now()) {
            broken(format!("stream {id} was paid {}, more than is unlocked", stream.paid));
        }
        owed = sum(owed, rest(stream.terms.stones, stream.paid));
        paid = sum(paid, stream.paid);
        if stream.status == Status::Running {
            pace = sum(pace, stream.pace());
        }
        if stream.terms.insider {
            insiders = sum(insiders, stream.paid);
        }
    }
    for (what, parts, booked) in [
        ("promised", owed, PROMISED.get(c)?),
        ("a window's pace", pace, PACE.get(c)?),
        ("paid to insiders", insiders, TO_INSIDERS.get(c)?),
        ("paid", paid, payments::total(c)?),
    ] {
        if parts != booked {
            broken(format!("{what} is {parts} stones by stream, {booked} are booked"));
        }
    }
    let (held, spent) = (c.balance(TREASURY)?, payments::spent(c)?);
    if spent > treasury_left(sum(held, spent), Stones::ZERO) {
        broken(format!("{spent} stones were paid in 30 days of {held}"));
    }
    if held < owed {
        found.push(Violation::BalanceShort { account: TREASURY, held, owed });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
