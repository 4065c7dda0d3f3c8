//! Sealed votes: a validator fixes its vote before it can read another's, or is not paid for it.
//!
//! ```text
//! set frozen, epoch next ─► seals ─ every seat has sealed, or a quorum has and the window is over ─► votes open, with salts
//! ```
//! A seal names its validator and hides the result behind a salt: copied it opens nothing, and no guess can be tried on it.
//! Without a seal a vote counts, so that an epoch does not wait for who sealed and went away; it is not paid. Neither is one
//! for another result than the final one.
//!
//! **Invariant:** an epoch becomes final after a quorum has sealed, and no seat is paid twice for an epoch.

use alloy_primitives::{B256, U256};
use cairn_primitives::{
    Epoch, Sector, TimeMs,
    abi::{IRewards, REWARDS},
    quorum, vote_seal,
};

use super::{COUNTED, PerRound, Place, VOTED, VOTES, next_epoch, place};
use crate::native::{
    Ctx, Mapping, Res, Value, batches, economy_state, out_of_range, revert, stake,
};

/// `mapping(epoch => mapping(sector => mapping(round => uint256)))` at slot 8: bit i = the validator of seat i sealed.
const SEALED: PerRound<Value<U256>> = Mapping::new(REWARDS, 8);
/// `… => mapping(uint32 seat => bytes32))` at slot 9.
const SEALS: PerRound<Mapping<u32, Value<B256>>> = Mapping::new(REWARDS, 9);
/// `mapping(sector => uint64)` at slot 10: since when the next epoch is the next.
const SINCE: Mapping<u8, Value<TimeMs>> = Mapping::new(REWARDS, 10);

/// How far the sealing of a round is.
struct Sealing {
    sealed: U256,
    /// Seats whose seals are enough when the window is over.
    needed: u32,
    opens: TimeMs,
    is_open: bool,
}

fn bit(seat: u32) -> usize {
    usize::try_from(seat).unwrap_or(usize::MAX)
}

fn ones(bits: &U256) -> u32 {
    u32::try_from(bits.count_ones()).unwrap_or(u32::MAX)
}

/// Where a frozen round stands.
fn sealing(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    sector: u8,
    round: u32,
    set: u32,
    frozen_at: TimeMs,
) -> Res<Sealing> {
    let window = c.genesis().stake.seal_window_ms;
    let sealed = SEALED.at(&epoch.0).at(&sector).at(&round).get(c)?;
    let seats = stake::seats::count(c, set)?;
    let since = SINCE.at(&sector).get(c)?.max(frozen_at);
    let opens = TimeMs(since.0.saturating_add(window));
    let (seals, needed) = (ones(&sealed), quorum(seats));
    let is_open = window == 0 || seals >= seats || seals >= needed && c.now() >= opens;
    Ok(Sealing { sealed, needed, opens, is_open })
}

pub(super) fn seal(c: &mut Ctx<'_>, epoch: Epoch, number: u8, round: u32, voted: B256) -> Res<()> {
    let validator = c.caller();
    let at = place(c, epoch, number, round)?;
    let Sealing { mut sealed, is_open, .. } =
        sealing(c, epoch, number, round, at.set, at.frozen_at)?;
    let place = SEALS.at(&epoch.0).at(&number).at(&round).at(&at.seat);
    if place.get(c)? != B256::ZERO {
        return revert(IRewards::AlreadySealed { epoch: epoch.0, round, validator });
    }
    if voted == B256::ZERO {
        return out_of_range("voteSeal", U256::ZERO, U256::ONE);
    }
    stake::announce(c)?;
    place.set(c, &voted)?;
    // One that was sent in time and comes too late must not stay behind, with all that its sender sends after it: it is
    // taken, once, and counts for nothing.
    let counts = !at.is_final && !is_open;
    if counts {
        sealed.set_bit(bit(at.seat), true);
        SEALED.at(&epoch.0).at(&number).at(&round).set(c, &sealed)?;
    }
    let sector = number;
    let event =
        IRewards::Sealed { epoch: epoch.0, sector, validator, round, voteSeal: voted, counts };
    c.emit(REWARDS, &event)
}

/// Lets a vote through when votes are open and it is what its seat sealed. True when it is paid.
pub(super) fn open(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    number: u8,
    round: u32,
    at: &Place,
    result: B256,
    salt: B256,
) -> Res<bool> {
    if c.genesis().stake.seal_window_ms == 0 {
        return Ok(true);
    }
    let Sealing { sealed, needed, opens, is_open } =
        sealing(c, epoch, number, round, at.set, at.frozen_at)?;
    if !at.is_final && !is_open {
        let seals = ones(&sealed);
        return revert(IRewards::VotesSealed { epoch: epoch.0, seals, needed, opensMs: opens.0 });
    }
    if !sealed.bit(bit(at.seat)) {
        return Ok(false);
    }
    let validator = c.caller();
    let stands = SEALS.at(&epoch.0).at(&number).at(&round).at(&at.seat).get(c)?;
    if vote_seal(validator, epoch, number, round, result, salt) != stands {
        return revert(IRewards::SealMismatch { epoch: epoch.0, round, validator });
    }
    Ok(true)
}

/// Votes of a round that was decided, or came to nothing, and were not for `hash` are not paid.
pub(super) fn take_back(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    number: u8,
    round: u32,
    set: u32,
    hash: Option<B256>,
) -> Res<()> {
    let voted = VOTED.at(&epoch.0).at(&number).at(&round).get(c)?;
    for (seat, validator) in (0_u32..).zip(stake::seats::seats(c, set)?) {
        if !voted.bit(bit(seat)) {
            continue;
        }
        let vote = VOTES.at(&epoch.0).at(&number).at(&round).at(&seat).get(c)?;
        if Some(vote) == hash {
            continue;
        }
        let counted = COUNTED.at(&epoch.0).at(&number).at(&round).at(&seat).get(c)?;
        if let Some(term) = counted.checked_sub(1) {
            stake::unvoted(c, validator.operator, term)?;
        }
    }
    Ok(())
}

/// The window of the next epoch's seals begins now at the earliest, however long ago its set froze.
pub(super) fn begin_next(c: &mut Ctx<'_>, sector: Sector) -> Res<()> {
    let now = c.now();
    SINCE.at(&sector.number()).set(c, &now)
}

pub(super) fn ballot(c: &mut Ctx<'_>, epoch: Epoch, number: u8) -> Res<IRewards::Ballot> {
    let next = next_epoch(c, economy_state::sector(number)?)?;
    let standing = batches::standing(c, epoch, number)?;
    let set = batches::set_of(c, epoch, number)?;
    let round = standing.round;
    let seats = stake::seats::count(c, set)?;
    let voted = VOTED.at(&epoch.0).at(&number).at(&round).get(c)?;
    let Sealing { sealed, opens, is_open, .. } =
        sealing(c, epoch, number, round, set, standing.frozen_at)?;
    let is_frozen = standing.phase == batches::Phase::Frozen;
    Ok(IRewards::Ballot {
        round,
        seats,
        seals: ones(&sealed),
        votes: ones(&voted),
        opensMs: if is_frozen && epoch == next { opens.0 } else { 0 },
        open: epoch < next || is_frozen && epoch == next && is_open,
    })
}

#[cfg(test)]
mod tests;
