//! Who has how many shares of an operator's pools: now, and when each of its slashes came.
//!
//! ```text
//! slash of the operator     0          1          2          3            slash k finds what is held from k or before
//! holding               10 from 0 ─────────── 4 from 2 ─────── 7 from 4   a change between two slashes overwrites the last
//! ```
//! A holding has at most one entry for each slash of its operator, and only where it changed after it: a list that others
//! cannot make long.
//!
//! **Invariant:** entries are in the order of the slashes they hold from, and no two hold from the same.

use alloy_primitives::{Address, U256};
use cairn_economy::StakePool;
use cairn_primitives::{Stones, abi::STAKE};

use super::record::Candidate;
use crate::native::{Ctx, Mapping, Packer, Res, Stop, Stored, Unpacker, Value};

/// The pools of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    Delegated,
    Unbonding,
}

impl Pool {
    pub(super) const BOTH: [Self; 2] = [Self::Delegated, Self::Unbonding];
}

/// Shares from a slash of the operator on: shares 16 │ since 4 │ earlier entries 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holding {
    shares: u128,
    /// The first slash that finds these shares: as many slashes of the operator came before.
    since: u32,
    /// Entries before this one.
    earlier: u32,
}

impl Stored for Holding {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u128(self.shares).u32(self.since).u32(self.earlier).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { shares: a.u128(), since: a.u32(), earlier: a.u32() }
    }
}

type Last = Mapping<Address, Mapping<Address, Value<Holding>>>;
type Earlier = Mapping<Address, Mapping<Address, Mapping<u32, Value<Holding>>>>;

/// `mapping(operator => mapping(owner => Holding))` at slots 18, of delegations, and 20, of what unbonds: the last entries.
const LAST: [Last; 2] = [Mapping::new(STAKE, 18), Mapping::new(STAKE, 20)];
/// `mapping(operator => mapping(owner => mapping(uint32 => Holding)))` at slots 19 and 21: those before, from 0.
const EARLIER: [Earlier; 2] = [Mapping::new(STAKE, 19), Mapping::new(STAKE, 21)];

/// What one owner has of one pool of one operator.
pub(super) struct Holdings {
    last: Value<Holding>,
    earlier: Mapping<u32, Value<Holding>>,
}

impl Holdings {
    pub(super) fn of(pool: Pool, operator: Address, owner: Address) -> Self {
        let (last, earlier) = (&LAST[pool as usize], &EARLIER[pool as usize]);
        Self { last: last.at(&operator).at(&owner), earlier: earlier.at(&operator).at(&owner) }
    }

    /// Shares now.
    ///
    /// # Errors
    /// Out of gas, or disk trouble; so for the functions below.
    pub(super) fn now(&self, c: &mut Ctx<'_>) -> Res<u128> {
        Ok(self.last.get(c)?.shares)
    }

    /// Shares when the operator's slash of this number came.
    ///
    /// # Errors
    /// See `now`.
    pub(super) fn at(&self, c: &mut Ctx<'_>, slash: u32) -> Res<u128> {
        Ok(self.from(c, slash)?[0].shares)
    }

    /// The entry that the slash of this number found, zeros if there was none, and all that follow.
    fn from(&self, c: &mut Ctx<'_>, slash: u32) -> Res<Vec<Holding>> {
        let mut entry = self.last.get(c)?;
        let mut entries = vec![entry];
        while entry.since > slash {
            entry = match entry.earlier.checked_sub(1) {
                Some(before) => self.earlier.at(&before).get(c)?,
                None => Holding::default(),
            };
            entries.push(entry);
        }
        entries.reverse();
        Ok(entries)
    }

    /// Sets the shares that slashes from this number on find; no entry is of a later one.
    fn set(&self, c: &mut Ctx<'_>, shares: u128, since: u32) -> Res<()> {
        let last = self.last.get(c)?;
        let mut earlier = last.earlier;
        if last != Holding::default() && last.since < since {
            self.earlier.at(&earlier).set(c, &last)?;
            earlier = earlier.saturating_add(1);
        }
        self.last.set(c, &Holding { shares, since, earlier })
    }

    /// Adds shares that were the owner's since before the slash of this number, and were booked nowhere.
    ///
    /// # Errors
    /// See `now`.
    pub(super) fn grant(&self, c: &mut Ctx<'_>, shares: u128, since: u32) -> Res<()> {
        let mut entries = self.from(c, since)?;
        let found = entries[0];
        if found.since < since {
            entries.insert(1, Holding { since, ..found });
        }
        for entry in entries.iter_mut().filter(|entry| entry.since >= since) {
            entry.shares = entry.shares.saturating_add(shares);
        }
        // A holding that never was needs no entry.
        let first = usize::from(found == Holding::default());
        let last = entries.len() - 1;
        for (earlier, (i, entry)) in (found.earlier..).zip(entries.iter().enumerate().skip(first)) {
            let entry = Holding { earlier, ..*entry };
            if i < last {
                self.earlier.at(&earlier).set(c, &entry)?;
            } else {
                self.last.set(c, &entry)?;
            }
        }
        Ok(())
    }
}

/// What only a bug can bring about.
fn broken<T>(what: &str) -> Res<T> {
    Err(Stop::Fatal(format!("stake: {what}")))
}

/// Adds stones to a pool for shares that nobody has yet; the caller saves the candidate, here and below.
///
/// # Errors
/// A bug: the pool has shares and no stones.
pub(super) fn mint(candidate: &mut Candidate, pool: Pool, stones: Stones) -> Res<u128> {
    let Some(bought) = moved(candidate, pool).join(stones) else {
        return broken("a pool of shares without stones");
    };
    Ok(bought)
}

/// Adds stones to a pool for an owner; returns the shares that they bought.
///
/// # Errors
/// See `Holdings::now`.
pub(super) fn buy(
    c: &mut Ctx<'_>,
    operator: Address,
    candidate: &mut Candidate,
    pool: Pool,
    owner: Address,
    stones: Stones,
) -> Res<u128> {
    let bought = mint(candidate, pool, stones)?;
    let holdings = Holdings::of(pool, operator, owner);
    let held = holdings.now(c)?;
    holdings.set(c, held.saturating_add(bought), candidate.slashes)?;
    Ok(bought)
}

/// Takes an owner's shares out of a pool; returns the stones that they were worth.
///
/// # Errors
/// See `Holdings::now`.
pub(super) fn sell(
    c: &mut Ctx<'_>,
    operator: Address,
    candidate: &mut Candidate,
    pool: Pool,
    owner: Address,
    shares: u128,
) -> Res<Stones> {
    let holdings = Holdings::of(pool, operator, owner);
    let left = holdings.now(c)?.checked_sub(shares);
    let (Some(left), Some(stones)) = (left, moved(candidate, pool).leave(shares)) else {
        return broken("a pool of fewer shares than one owner has");
    };
    holdings.set(c, left, candidate.slashes)?;
    Ok(stones)
}

/// A pool whose shares change now.
fn moved(candidate: &mut Candidate, pool: Pool) -> &mut StakePool {
    let slashes = candidate.slashes;
    let (stones, moved) = match pool {
        Pool::Delegated => (&mut candidate.pool, &mut candidate.pool_moved),
        Pool::Unbonding => (&mut candidate.unbonding, &mut candidate.unbonding_moved),
    };
    *moved = slashes;
    stones
}

#[cfg(test)]
mod tests;
