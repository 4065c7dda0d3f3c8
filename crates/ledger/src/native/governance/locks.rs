//! Locks: stones that nobody has until a time, and what they weighed at any time before.
//!
//! Every change of a lock adds a point to its history, so that a vote reads what stood before its proposal: neither stones nor
//! time that come later count. A lock cannot be moved to another account. **Invariant:** `LOCKED` is the sum of all that is not
//! released.

use alloy_primitives::{Address, U256};
use cairn_economy::{LOCK_DAYS_MAX, LOCK_DAYS_MIN, vote_weight};
use cairn_primitives::{
    EpochSchedule, STONE, Stones, TimeMs,
    abi::{GOVERNANCE, IGovernance},
};

use super::PAGE_MAX;
use crate::native::{
    Ctx, List, Mapping, Packer, Res, Stored, Unpacker, Value, out_of_range, revert,
};

/// The least that is locked, and added to a lock: dust would only make lists long.
pub const LOCK_STONES_MIN: Stones = Stones(STONE);

/// Slot 0: all stones that are locked.
pub(super) const LOCKED: Value<Stones> = Value::new(GOVERNANCE, 0);
/// Slot 3: every lock that there ever was; a lock's id is its place.
pub(super) const LOCKS: List<LockRow> = List::new(GOVERNANCE, 3);
/// `mapping(lock => Point[])` at slot 4: in order of time.
const POINTS: Mapping<u64, List<Point>> = Mapping::new(GOVERNANCE, 4);
/// `mapping(owner => uint64[])` at slot 5.
const OWNED: Mapping<Address, List<u64>> = Mapping::new(GOVERNANCE, 5);

/// A lock: owner 20 │ released 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LockRow {
    pub owner: Address,
    pub released: bool,
}

impl Stored for LockRow {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().address(self.owner).u8(u8::from(self.released)).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { owner: a.address(), released: a.u8() != 0 }
    }
}

/// What a lock was from a time on: from 8 │ until 8 │ stones 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub from: TimeMs,
    pub until: TimeMs,
    pub stones: Stones,
}

impl Stored for Point {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.from.0).u64(self.until.0).u128(self.stones.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { from: TimeMs(a.u64()), until: TimeMs(a.u64()), stones: Stones(a.u128()) }
    }
}

impl Point {
    /// Whole days that are left at a time.
    pub fn left_days(&self, at: TimeMs) -> u64 {
        self.until.0.saturating_sub(at.0) / EpochSchedule::DAY_MS
    }

    /// Its weight at a time.
    pub fn weight(&self, at: TimeMs) -> u128 {
        vote_weight(self.stones, self.left_days(at))
    }
}

const fn ms(days: u64) -> u64 {
    days * EpochSchedule::DAY_MS
}

/// Refuses an end that is too near or too far.
fn check_until(c: &Ctx<'_>, until: u64) -> Res<()> {
    let now = c.now().0;
    let (least, most) =
        (now.saturating_add(ms(LOCK_DAYS_MIN)), now.saturating_add(ms(LOCK_DAYS_MAX)));
    match until {
        until if until < least => out_of_range("untilMs", U256::from(until), U256::from(least)),
        until if until > most => out_of_range("untilMs", U256::from(until), U256::from(most)),
        _ => Ok(()),
    }
}

fn check_stones(stones: Stones) -> Res<()> {
    if stones >= LOCK_STONES_MIN {
        return Ok(());
    }
    let (stones, least) = (U256::from(stones.0), U256::from(LOCK_STONES_MIN.0));
    revert(IGovernance::LockTooSmall { stones, least })
}

/// A lock that was made.
pub(super) fn require(c: &mut Ctx<'_>, id: u64) -> Res<LockRow> {
    if id >= LOCKS.len(c)? {
        return revert(IGovernance::UnknownLock { id });
    }
    LOCKS.at(id).get(c)
}

/// A lock of the caller that is not released.
fn own(c: &mut Ctx<'_>, id: u64) -> Res<LockRow> {
    let row = require(c, id)?;
    if row.owner != c.caller() {
        return revert(IGovernance::NotOwner { id, caller: c.caller() });
    }
    if row.released { revert(IGovernance::LockReleased { id }) } else { Ok(row) }
}

/// What a lock is now.
fn point(c: &mut Ctx<'_>, id: u64) -> Res<Point> {
    let list = POINTS.at(&id);
    let last = list.len(c)?.saturating_sub(1);
    list.at(last).get(c)
}

/// What a lock was before a time, and the time of its first point; none when it is younger.
pub(super) fn before(c: &mut Ctx<'_>, id: u64, time: TimeMs) -> Res<(Option<Point>, TimeMs)> {
    let list = POINTS.at(&id);
    let mut since = TimeMs(0);
    for i in (0..list.len(c)?).rev() {
        let point = list.at(i).get(c)?;
        if point.from < time {
            return Ok((Some(point), point.from));
        }
        since = point.from;
    }
    Ok((None, since))
}

/// Writes what a lock is from now on; a second change in the same millisecond replaces the first.
fn save(c: &mut Ctx<'_>, id: u64, until: TimeMs, stones: Stones) -> Res<()> {
    let (list, from) = (POINTS.at(&id), c.now());
    let point = Point { from, until, stones };
    let len = list.len(c)?;
    if let Some(last) = len.checked_sub(1)
        && list.at(last).get(c)?.from == from
    {
        return list.at(last).set(c, &point);
    }
    list.push(c, &point)?;
    Ok(())
}

fn announce(c: &mut Ctx<'_>, id: u64, owner: Address, until: TimeMs, stones: Stones) -> Res<()> {
    let stones = U256::from(stones.0);
    c.emit(GOVERNANCE, &IGovernance::Locked { id, owner, stones, untilMs: until.0 })
}

fn count(c: &mut Ctx<'_>, stones: Stones) -> Res<()> {
    let locked = LOCKED.get(c)?;
    LOCKED.set(c, &Stones(locked.0.saturating_add(stones.0)))
}

pub(super) fn lock(c: &mut Ctx<'_>, until: u64) -> Res<u64> {
    let (owner, stones) = (c.caller(), c.value());
    check_stones(stones)?;
    check_until(c, until)?;
    let id = LOCKS.push(c, &LockRow { owner, released: false })?;
    OWNED.at(&owner).push(c, &id)?;
    save(c, id, TimeMs(until), stones)?;
    count(c, stones)?;
    announce(c, id, owner, TimeMs(until), stones)?;
    Ok(id)
}

pub(super) fn add(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let stones = c.value();
    check_stones(stones)?;
    let (row, now) = (own(c, id)?, point(c, id)?);
    // What is added is locked as long as anything is.
    check_until(c, now.until.0)?;
    let sum = Stones(now.stones.0.saturating_add(stones.0));
    save(c, id, now.until, sum)?;
    count(c, stones)?;
    announce(c, id, row.owner, now.until, sum)
}

pub(super) fn extend(c: &mut Ctx<'_>, id: u64, until: u64) -> Res<()> {
    let (row, now) = (own(c, id)?, point(c, id)?);
    if until <= now.until.0 {
        let bound = U256::from(now.until.0.saturating_add(1));
        return out_of_range("untilMs", U256::from(until), bound);
    }
    check_until(c, until)?;
    save(c, id, TimeMs(until), now.stones)?;
    announce(c, id, row.owner, TimeMs(until), now.stones)
}

pub(super) fn release(c: &mut Ctx<'_>, id: u64) -> Res<U256> {
    let row = require(c, id)?;
    if row.released {
        return revert(IGovernance::LockReleased { id });
    }
    let Point { until, stones, .. } = point(c, id)?;
    if c.now() < until {
        return revert(IGovernance::LockNotOver { id, untilMs: until.0 });
    }
    LOCKS.at(id).set(c, &LockRow { released: true, ..row })?;
    let locked = LOCKED.get(c)?;
    LOCKED.set(c, &Stones(locked.0.saturating_sub(stones.0)))?;
    c.transfer(GOVERNANCE, row.owner, stones)?;
    let stones = U256::from(stones.0);
    c.emit(GOVERNANCE, &IGovernance::Released { id, owner: row.owner, stones })?;
    Ok(stones)
}

pub(super) fn to_abi(c: &mut Ctx<'_>, id: u64) -> Res<IGovernance::Lock> {
    let LockRow { owner, released } = require(c, id)?;
    let point = point(c, id)?;
    let weight = if released { 0 } else { point.weight(c.now()) };
    Ok(IGovernance::Lock {
        id,
        owner,
        stones: U256::from(point.stones.0),
        untilMs: point.until.0,
        released,
        weight: U256::from(weight),
    })
}

pub(super) fn locks_of(
    c: &mut Ctx<'_>,
    owner: Address,
    from: u64,
    limit: u64,
) -> Res<Vec<IGovernance::Lock>> {
    let list = OWNED.at(&owner);
    let end = list.len(c)?.min(from.saturating_add(limit.min(PAGE_MAX)));
    let mut found = Vec::new();
    for i in from..end {
        let id = list.at(i).get(c)?;
        found.push(to_abi(c, id)?);
    }
    Ok(found)
}

/// Stones of a lock that are not paid back.
pub(super) fn held(c: &mut Ctx<'_>, id: u64) -> Res<Stones> {
    if LOCKS.at(id).get(c)?.released { Ok(Stones::ZERO) } else { Ok(point(c, id)?.stones) }
}
