//! Giving back what an annulled slash had taken: to those who lost it, wherever their stake is now.
//!
//! ```text
//! annulled ─┬─ a pool whose shares are whose they were: the stones go into it, and all have their part
//!           └─ else: they buy shares of it at today's price ─ reclaim ─► to each by the shares that it had at the slash
//! ```
//! Nobody's share is worth more by a purchase, so that who joined after the slash gains nothing; who left still has its
//! right. What was bought is stake at once: it earns, it counts for a seat, and other slashes take their part of it.

use alloy_primitives::{Address, U256};
use cairn_primitives::{
    Stones, TimeMs,
    abi::{IStake, STAKE},
};

use super::{
    SLASHES,
    entry::{ANNULLED, Slash},
    require,
};
use crate::native::{
    Ctx, Mapping, Packer, Res, Stored, Unpacker, Value, revert,
    stake::{
        delegate,
        record::{self, Candidate, Status},
        shares::{self, Holdings, Pool},
    },
};

/// `mapping(id => mapping(owner => Taken))` at slot 22.
const TAKEN: Mapping<u64, Mapping<Address, Value<Taken>>> = Mapping::new(STAKE, 22);

/// Rights that an owner has used: by pool, 16 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken([u128; 2]);

impl Stored for Taken {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u128(self.0[0]).u128(self.0[1]).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self([a.u128(), a.u128()])
    }
}

/// Gives the parts of an annulled slash back to a candidate and its pools; returns the slash with what is to be claimed.
pub(super) fn give_back(candidate: &mut Candidate, slash: Slash) -> Res<Slash> {
    let to =
        if candidate.status == Status::Left { &mut candidate.income } else { &mut candidate.bond };
    to.0 = to.0.saturating_add(slash.bond.0);
    let mut given = Slash { annulled: candidate.slashes, ..slash };
    for pool in Pool::BOTH {
        let (part, claims) = (slash.part(pool), &mut given.claims[pool as usize]);
        if part == Stones::ZERO {
            continue;
        }
        let (stones, moved) = match pool {
            Pool::Delegated => (&mut candidate.pool.stones, candidate.pool_moved),
            Pool::Unbonding => (&mut candidate.unbonding.stones, candidate.unbonding_moved),
        };
        if moved <= slash.number {
            stones.0 = stones.0.saturating_add(part.0);
        } else {
            claims.shares = shares::mint(candidate, pool, part)?;
        }
    }
    Ok(given)
}

/// What an owner can claim of an annulled slash: rights and shares, by pool. Takes both out of `slash`.
fn claim(c: &mut Ctx<'_>, slash: &mut Slash, owner: Address, taken: Taken) -> Res<[[u128; 2]; 2]> {
    let mut found = [[0; 2]; 2];
    for pool in Pool::BOTH {
        let i = pool as usize;
        if slash.status != ANNULLED || slash.claims[i].shares == 0 {
            continue;
        }
        let held = Holdings::of(pool, slash.operator, owner).at(c, slash.number)?;
        let rights = held.saturating_sub(taken.0[i]);
        found[i] = [rights, slash.claims[i].take(rights)];
    }
    Ok(found)
}

/// What these shares of the two pools are worth.
fn worth(candidate: &Candidate, shares: [u128; 2]) -> [U256; 2] {
    let stones = [candidate.pool.value(shares[0]), candidate.unbonding.value(shares[1])];
    stones.map(|stones| U256::from(stones.0))
}

/// Gives an owner its part of an annulled slash: shares of the pool, and shares that unbond as if they had begun to in the moment of
/// the slash. Anyone may.
pub(in crate::native::stake) fn reclaim(c: &mut Ctx<'_>, id: u64, owner: Address) -> Res<()> {
    let mut slash = require(c, id)?;
    let place = TAKEN.at(&id).at(&owner);
    let mut taken = place.get(c)?;
    let found = claim(c, &mut slash, owner, taken)?;
    if found.iter().all(|[rights, _]| *rights == 0) {
        return revert(IStake::NothingToReclaim { id, owner });
    }
    let operator = slash.operator;
    for (pool, [rights, shares]) in Pool::BOTH.into_iter().zip(found) {
        let used = &mut taken.0[pool as usize];
        *used = used.saturating_add(rights);
        if shares > 0 {
            Holdings::of(pool, operator, owner).grant(c, shares, slash.annulled)?;
        }
    }
    let stake = &c.genesis().stake;
    let began = slash.until.0.saturating_sub(stake.appeal_ms);
    let ready = TimeMs(began.saturating_add(c.genesis().unbonding_ms()));
    if found[1][1] > 0 {
        delegate::wait(c, operator, owner, found[1][1], ready)?;
    }
    place.set(c, &taken)?;
    SLASHES.at(id).set(c, &slash)?;
    let candidate = record::require(c, operator)?;
    let [delegated, unbonding] = worth(&candidate, found.map(|[_, shares]| shares));
    c.emit(STAKE, &IStake::Reclaimed { id, owner, delegated, unbonding })
}

/// What `reclaim` would give, in stones.
pub(in crate::native::stake) fn reclaimable(
    c: &mut Ctx<'_>,
    id: u64,
    owner: Address,
) -> Res<IStake::reclaimableReturn> {
    let mut slash = require(c, id)?;
    let taken = TAKEN.at(&id).at(&owner).get(c)?;
    let found = claim(c, &mut slash, owner, taken)?;
    let candidate = record::require(c, slash.operator)?;
    let [delegated, unbonding] = worth(&candidate, found.map(|[_, shares]| shares));
    Ok(IStake::reclaimableReturn { delegated, unbonding })
}
