//! Which evidence exists for an epoch: ingests commit, validators attest what they hold, the set freezes.
//!
//! ```text
//! epoch ends ─► committing ─ all ingests committed, or commit window over ─► attesting ─► frozen ─► votes (`rewards`)
//!                                                                              ▲                     │
//!                                                                              └─ next round ◄───────┘ no quorum possible
//! ```
//! The set freezes in the attestation that completes it: all validators, or a quorum once the attest window is over. A
//! quorum reached within the window counts from the window's end on, without a transaction; so does an epoch without
//! commitments. From then on nothing changes the set, so that what `status` shows is what a vote will use.
//!
//! A round belongs to the validators of one term: those of the term in which its first attestation (or, without commitments,
//! its first vote) stands. They alone attest and vote in it, whoever sits in the terms after; so no change of the validators
//! counts anybody twice. When they have no seat in this term nor the last and the epoch is still not final, the next round
//! begins by itself, with the validators of the moment.
//!
//! **Invariant:** commitment i is in exactly if a quorum of validators attested in the set's round that they hold it.

use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_primitives::{
    Epoch, TimeMs,
    abi::{BATCHES, IBatches},
    quorum,
};

use super::{
    Ctx, List, Mapping, Packer, Res, Stored, Unpacker, Value, decode, economy_state, revert,
    rewards,
    stake::{self, seats},
};

/// Most commitments of an epoch and sector: the bits of `included`.
pub const COMMITMENTS_MAX: u64 = 256;
/// Gas per attestation that a count looks at, beside reading it: 256 bits.
const COUNT_GAS: u64 = 256;

type PerEpoch<V> = Mapping<u64, Mapping<u8, V>>;
type PerRound<V> = PerEpoch<Mapping<u32, V>>;

/// `mapping(epoch => mapping(sector => Commitment[]))` at slot 0.
const COMMITMENTS: PerEpoch<List<Commitment>> = Mapping::new(BATCHES, 0);
/// `mapping(epoch => mapping(sector => mapping(ingest => bool)))` at slot 1.
const COMMITTED: PerEpoch<Mapping<Address, Value<bool>>> = Mapping::new(BATCHES, 1);
/// `mapping(epoch => mapping(sector => Round))` at slot 2.
const ROUNDS: PerEpoch<Value<Round>> = Mapping::new(BATCHES, 2);
/// `mapping(epoch => mapping(sector => mapping(round => uint256)))` at slot 3: bit i = the validator of seat i attested.
const ATTESTED: PerRound<Value<U256>> = Mapping::new(BATCHES, 3);
/// `mapping(epoch => mapping(sector => mapping(round => uint256[])))` at slot 4: what they hold, in order of attestation.
const HELD: PerRound<List<U256>> = Mapping::new(BATCHES, 4);

/// A commitment as it is stored: ingest 20 │ count 4 │ size 8 ‖ root ‖ digest.
struct Commitment {
    ingest: Address,
    count: u32,
    size: u64,
    root: B256,
    digest: B256,
}

impl Stored for Commitment {
    const SLOTS: usize = 3;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().address(self.ingest).u32(self.count).u64(self.size).word();
        words[1] = self.root.into();
        words[2] = self.digest.into();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        let (ingest, count, size) = (a.address(), a.u32(), a.u64());
        Self { ingest, count, size, root: words[1].into(), digest: words[2].into() }
    }
}

/// Where an epoch stands: round 4 │ frozen 1 │ round's begin 8 (0 = with the epoch) │ 1 + set of validators 4 │ frozen at 8
/// ‖ included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Round {
    round: u32,
    frozen: bool,
    begin: TimeMs,
    /// The validators that it belongs to; none before the first attestation.
    set: Option<u32>,
    frozen_at: TimeMs,
    included: U256,
}

impl Stored for Round {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        let set = self.set.map_or(0, |set| set.saturating_add(1));
        words[0] = Packer::new()
            .u32(self.round)
            .u8(u8::from(self.frozen))
            .u64(self.begin.0)
            .u32(set)
            .u64(self.frozen_at.0)
            .word();
        words[1] = self.included;
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self {
            round: a.u32(),
            frozen: a.u8() != 0,
            begin: TimeMs(a.u64()),
            set: a.u32().checked_sub(1),
            frozen_at: TimeMs(a.u64()),
            included: words[1],
        }
    }
}

/// Life of an epoch's set. The numbers are wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// The epoch is not over.
    Open = 0,
    /// Ingests may commit.
    Committing = 1,
    /// Validators may attest.
    Attesting = 2,
    /// The set is fixed for this round: validators may vote.
    Frozen = 3,
}

/// Where an epoch's set stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The phase.
    pub phase: Phase,
    /// The round, from 0.
    pub round: u32,
    /// Number of commitments.
    pub commitments: u32,
    /// Number of attestations in this round.
    pub attestations: u32,
    /// Since when it is frozen; 0 before.
    pub frozen_at: TimeMs,
    /// Which commitments are in, once frozen.
    pub included: U256,
}

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IBatches::IBatchesCalls as F;
    match decode(data)? {
        F::commit(q) => c.mutate_void(q, |c, q| commit(c, &q)),
        F::attest(q) => c.mutate_void(q, |c, q| attest(c, Epoch(q.epoch), q.sector, q.held)),
        F::commitments(q) => c.view(q, |c, q| commitments(c, Epoch(q.epoch), q.sector)),
        F::status(q) => c.view(q, |c, q| {
            let at = standing(c, Epoch(q.epoch), q.sector)?;
            Ok(IBatches::Status {
                phase: at.phase as u8,
                round: at.round,
                commitments: at.commitments,
                attestations: at.attestations,
                included: at.included,
            })
        }),
    }
}

/// The round of an epoch: the stored one, or the next where that one's validators are gone.
fn round(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<Round> {
    let stored = ROUNDS.at(&epoch.0).at(&sector).get(c)?;
    let Some(set) = stored.set else { return Ok(stored) };
    let seated = set == seats::current(c)? || set == seats::previous(c)?;
    if seated || rewards::next_epoch(c, economy_state::sector(sector)?)? > epoch {
        return Ok(stored);
    }
    let round = stored.round.saturating_add(1);
    let (frozen_at, included) = (TimeMs(0), U256::ZERO);
    Ok(Round { round, frozen: false, set: None, frozen_at, included, ..stored })
}

/// The validators that a round belongs to: those of this term, while it belongs to nobody.
fn set(c: &mut Ctx<'_>, round: &Round) -> Res<u32> {
    match round.set {
        Some(set) => Ok(set),
        None => seats::current(c),
    }
}

/// The set of validators that an epoch's round belongs to.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub(super) fn set_of(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<u32> {
    let round = round(c, epoch, sector)?;
    set(c, &round)
}

/// Where the set of an epoch stands at the time of this block.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub fn standing(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<Standing> {
    economy_state::sector(sector)?;
    let state = round(c, epoch, sector)?;
    let commitments = COMMITMENTS.at(&epoch.0).at(&sector).len(c)?;
    let attestations = HELD.at(&epoch.0).at(&sector).at(&state.round).len(c)?;
    let mut at = Standing {
        phase: Phase::Open,
        round: state.round,
        commitments: u32::try_from(commitments).unwrap_or(u32::MAX),
        attestations: u32::try_from(attestations).unwrap_or(u32::MAX),
        frozen_at: state.frozen_at,
        included: U256::ZERO,
    };
    if state.frozen {
        return Ok(Standing { phase: Phase::Frozen, included: state.included, ..at });
    }
    // Also keeps absurd epoch numbers away from the arithmetic on times.
    if c.epoch() <= epoch {
        return Ok(at);
    }
    let committed = commit_close(c, epoch);
    let everyone = commitments >= c.genesis().ingests.len() as u64;
    at.phase =
        if everyone || c.now().0 >= committed { Phase::Attesting } else { Phase::Committing };
    let quorum = votes_needed(c, &state)?;
    let enough = commitments == 0 || at.attestations >= quorum;
    let window_end = attest_close(c, epoch, &state);
    if enough && c.now() >= window_end {
        at.phase = Phase::Frozen;
        at.frozen_at = window_end;
        at.included = count(c, epoch, sector, &at, quorum)?;
    }
    Ok(at)
}

/// Votes that a round needs.
fn votes_needed(c: &mut Ctx<'_>, round: &Round) -> Res<u32> {
    let set = set(c, round)?;
    Ok(quorum(seats::count(c, set)?))
}

/// When the attest window of the round closes.
fn attest_close(c: &Ctx<'_>, epoch: Epoch, state: &Round) -> TimeMs {
    let opened = commit_close(c, epoch).max(state.begin.0);
    TimeMs(opened.saturating_add(c.genesis().attest_window_ms))
}

/// When the commit window of an epoch that is over closes, network ms.
fn commit_close(c: &Ctx<'_>, epoch: Epoch) -> u64 {
    c.genesis().schedule().end_of(epoch).0.saturating_add(c.genesis().commit_window_ms)
}

/// The commitments that a quorum holds.
fn count(c: &mut Ctx<'_>, epoch: Epoch, sector: u8, at: &Standing, quorum: u32) -> Res<U256> {
    let list = HELD.at(&epoch.0).at(&sector).at(&at.round);
    let mut held = Vec::new();
    for i in 0..u64::from(at.attestations) {
        c.charge(COUNT_GAS)?;
        held.push(list.at(i).get(c)?);
    }
    let quorum = usize::try_from(quorum).unwrap_or(usize::MAX);
    let mut included = U256::ZERO;
    for i in 0..usize::try_from(at.commitments).unwrap_or(0) {
        let holders = held.iter().filter(|bits| bits.bit(i)).count();
        included.set_bit(i, holders >= quorum);
    }
    Ok(included)
}

fn commitments(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<Vec<IBatches::Commitment>> {
    economy_state::sector(sector)?;
    let list = COMMITMENTS.at(&epoch.0).at(&sector);
    (0..list.len(c)?)
        .map(|i| {
            let Commitment { ingest, root, digest, count, size } = list.at(i).get(c)?;
            Ok(IBatches::Commitment { ingest, root, digest, count, size })
        })
        .collect()
}

fn commit(c: &mut Ctx<'_>, q: &IBatches::commitCall) -> Res<()> {
    let (caller, epoch) = (c.caller(), Epoch(q.epoch));
    if stake::ingest_seat(c, caller)?.is_none() {
        return revert(IBatches::NotIngest { caller });
    }
    economy_state::sector(q.sector)?;
    require_over(c, epoch)?;
    let closed = commit_close(c, epoch);
    if c.now().0 >= closed {
        return revert(IBatches::CommitWindowClosed {
            epoch: epoch.0,
            nowMs: c.now().0,
            closedMs: closed,
        });
    }
    let done = COMMITTED.at(&epoch.0).at(&q.sector).at(&caller);
    if done.get(c)? {
        return revert(IBatches::AlreadyCommitted { epoch: epoch.0, ingest: caller });
    }
    let list = COMMITMENTS.at(&epoch.0).at(&q.sector);
    if list.len(c)? >= COMMITMENTS_MAX {
        return revert(IBatches::TooManyCommitments {
            epoch: epoch.0,
            limit: U256::from(COMMITMENTS_MAX),
        });
    }
    done.set(c, &true)?;
    let stored =
        Commitment { ingest: caller, count: q.count, size: q.size, root: q.root, digest: q.digest };
    let index = list.push(c, &stored)?;
    let event = IBatches::BatchCommitted {
        epoch: epoch.0,
        sector: q.sector,
        ingest: caller,
        index: u32::try_from(index).unwrap_or(u32::MAX),
        root: q.root,
        digest: q.digest,
        count: q.count,
        size: q.size,
    };
    c.emit(BATCHES, &event)
}

fn attest(c: &mut Ctx<'_>, epoch: Epoch, sector: u8, held: U256) -> Res<()> {
    let caller = c.caller();
    economy_state::sector(sector)?;
    let state = round(c, epoch, sector)?;
    let set = set(c, &state)?;
    let Some(seat) = seats::seat_in(c, set, caller)? else {
        return revert(IBatches::NotValidator { caller });
    };
    require_over(c, epoch)?;
    let at = standing(c, epoch, sector)?;
    match at.phase {
        Phase::Frozen => return revert(IBatches::AlreadyFrozen { epoch: epoch.0 }),
        Phase::Open | Phase::Committing => {
            let opens = commit_close(c, epoch);
            let (epoch, now) = (epoch.0, c.now().0);
            return revert(IBatches::AttestWindowNotOpen { epoch, nowMs: now, opensMs: opens });
        }
        Phase::Attesting => {}
    }
    let seats = ATTESTED.at(&epoch.0).at(&sector).at(&at.round);
    let mut attested = seats.get(c)?;
    let seat = usize::try_from(seat).unwrap_or(usize::MAX);
    if attested.bit(seat) {
        return revert(IBatches::AlreadyAttested {
            epoch: epoch.0,
            round: at.round,
            validator: caller,
        });
    }
    if held.bit_len() > usize::try_from(at.commitments).unwrap_or(0) {
        return revert(IBatches::UnknownCommitment { epoch: epoch.0, held });
    }
    stake::announce(c)?;
    let state = Round { set: Some(set), ..state };
    keep(c, epoch, sector, &state)?;
    attested.set_bit(seat, true);
    seats.set(c, &attested)?;
    HELD.at(&epoch.0).at(&sector).at(&at.round).push(c, &held)?;
    c.emit(
        BATCHES,
        &IBatches::Attested { epoch: epoch.0, sector, validator: caller, round: at.round, held },
    )?;

    let at = Standing { attestations: at.attestations + 1, ..at };
    let seats = seats::count(c, set)?;
    let (everyone, quorum) = (at.attestations >= seats, quorum(seats));
    if everyone || at.attestations >= quorum && c.now() >= attest_close(c, epoch, &state) {
        let included = count(c, epoch, sector, &at, quorum)?;
        fix(c, epoch, sector, included, c.now())?;
    }
    Ok(())
}

/// The frozen set of an epoch, written down if time alone froze it; none while it is not frozen.
///
/// # Errors
/// See `standing`.
pub(super) fn freeze(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<Option<Standing>> {
    let at = standing(c, epoch, sector)?;
    if at.phase != Phase::Frozen {
        return Ok(None);
    }
    if !round(c, epoch, sector)?.frozen {
        fix(c, epoch, sector, at.included, at.frozen_at)?;
    }
    Ok(Some(at))
}

fn fix(c: &mut Ctx<'_>, epoch: Epoch, sector: u8, included: U256, frozen_at: TimeMs) -> Res<()> {
    let state = round(c, epoch, sector)?;
    let set = Some(set(c, &state)?);
    let fixed = Round { frozen: true, frozen_at, included, set, ..state };
    keep(c, epoch, sector, &fixed)?;
    c.emit(BATCHES, &IBatches::SetFrozen { epoch: epoch.0, sector, round: state.round, included })
}

/// Writes an epoch's round down. Where it began by itself, the votes of the round before it came to nothing, and this is the
/// first transaction that can say so.
fn keep(c: &mut Ctx<'_>, epoch: Epoch, sector: u8, round: &Round) -> Res<()> {
    let place = ROUNDS.at(&epoch.0).at(&sector);
    let before = place.get(c)?;
    if before == *round {
        return Ok(());
    }
    place.set(c, round)?;
    match before.set {
        Some(set) if before.round != round.round => {
            rewards::came_to_nothing(c, epoch, sector, before.round, set)
        }
        _ => Ok(()),
    }
}

/// Begins the next round of an epoch that cannot become final: availability is attested again, from now on.
///
/// # Errors
/// See `standing`.
pub(super) fn reopen(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<u32> {
    let place = ROUNDS.at(&epoch.0).at(&sector);
    let round = place.get(c)?.round.saturating_add(1);
    let (begin, frozen_at, included) = (c.now(), TimeMs(0), U256::ZERO);
    place.set(c, &Round { round, frozen: false, begin, set: None, frozen_at, included })?;
    Ok(round)
}

fn require_over(c: &Ctx<'_>, epoch: Epoch) -> Res<()> {
    let current = c.epoch();
    if current > epoch {
        return Ok(());
    }
    revert(IBatches::EpochNotOver { epoch: epoch.0, currentEpoch: current.0 })
}

#[cfg(test)]
mod tests;
