//! Stake of others: delegating it to a candidate, taking it back, and the wait in between.
//!
//! ```text
//! delegate ─► shares of the candidate's pool ─ undelegate ─► shares of its unbonding pool ─ time over: withdraw ─► paid
//!               income raises, a slash lowers what all shares are worth       └─ can still be slashed, until withdrawn
//! ```
//! Everything that unbonds at one operator shares its slashes, whenever it began: nobody escapes by being quick.

use alloy_primitives::{Address, U256};
use cairn_economy::{DELEGATION_MIN, StakePool};
use cairn_primitives::{
    Stones, TimeMs,
    abi::{IStake, STAKE},
};

use super::{
    record::{self, Candidate, Status},
    shares::{self, Holdings, Pool},
    work,
};
use crate::native::{
    Ctx, List, Mapping, Packer, Res, Stored, Unpacker, Value, out_of_range, revert,
};

/// Most unbondings of one `withdraw`, and of one answer.
const UNBONDINGS_MAX: u64 = 32;

/// `mapping(owner => Unbonding[])` at slot 16: in order of time.
const UNBONDINGS: Mapping<Address, List<Unbonding>> = Mapping::new(STAKE, 16);
/// `mapping(owner => uint64)` at slot 17: the first that is not paid out.
const PAID: Mapping<Address, Value<u64>> = Mapping::new(STAKE, 17);

/// Stake that waits: operator 20 │ ready 8 ‖ shares 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unbonding {
    operator: Address,
    ready: TimeMs,
    shares: u128,
}

impl Stored for Unbonding {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().address(self.operator).u64(self.ready.0).word();
        words[1] = U256::from(self.shares);
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        let (operator, ready) = (a.address(), TimeMs(a.u64()));
        Self { operator, ready, shares: Unpacker::new(words[1]).u128() }
    }
}

fn too_small<T>(stones: Stones) -> Res<T> {
    let (stones, least) = (U256::from(stones.0), U256::from(DELEGATION_MIN.0));
    revert(IStake::DelegationTooSmall { stones, least })
}

pub(super) fn delegate(c: &mut Ctx<'_>, operator: Address) -> Res<()> {
    let (delegator, stones) = (c.caller(), c.value());
    if stones < DELEGATION_MIN {
        return too_small(stones);
    }
    let known = record::require(c, operator)?;
    if known.status != Status::Active {
        return revert(IStake::NotActive { operator, status: known.status as u8 });
    }
    if known.banned {
        return revert(IStake::IsBanned { operator });
    }
    work::settle(c, operator)?;
    let mut candidate = record::require(c, operator)?;
    let bought = shares::buy(c, operator, &mut candidate, Pool::Delegated, delegator, stones)?;
    record::save(c, operator, &candidate)?;
    let (stones, shares) = (U256::from(stones.0), U256::from(bought));
    c.emit(STAKE, &IStake::Delegated { operator, delegator, stones, shares })
}

pub(super) fn undelegate(c: &mut Ctx<'_>, operator: Address, asked: U256) -> Res<()> {
    let delegator = c.caller();
    record::require(c, operator)?;
    work::settle(c, operator)?;
    let mut candidate = record::require(c, operator)?;
    let held = Holdings::of(Pool::Delegated, operator, delegator).now(c)?;
    let worth = candidate.pool.value(held);
    if asked > U256::from(worth.0) {
        return revert(IStake::NotEnoughStake { asked, held: U256::from(worth.0) });
    }
    if asked.is_zero() {
        return out_of_range("stones", U256::ZERO, U256::from(1));
    }
    let wanted = Stones(asked.saturating_to());
    let sold = if wanted == worth { held } else { candidate.pool.price(wanted).unwrap_or(held) };
    let sold = sold.min(held);
    let left = held.saturating_sub(sold);
    let stones = shares::sell(c, operator, &mut candidate, Pool::Delegated, delegator, sold)?;
    let rest = candidate.pool.value(left);
    if left > 0 && rest < DELEGATION_MIN {
        return too_small(rest);
    }
    let ready = unbond(c, operator, &mut candidate, delegator, stones)?;
    record::save(c, operator, &candidate)?;
    let stones = U256::from(stones.0);
    c.emit(STAKE, &IStake::Undelegated { operator, delegator, stones, readyMs: ready.0 })
}

/// Puts stones of a candidate into its unbonding pool, for `owner`; the caller saves the candidate.
pub(super) fn unbond(
    c: &mut Ctx<'_>,
    operator: Address,
    candidate: &mut Candidate,
    owner: Address,
    stones: Stones,
) -> Res<TimeMs> {
    let ready = TimeMs(c.now().0.saturating_add(c.genesis().unbonding_ms()));
    let shares = shares::buy(c, operator, candidate, Pool::Unbonding, owner, stones)?;
    wait(c, operator, owner, shares, ready)?;
    Ok(ready)
}

/// Lets shares of an unbonding pool that `owner` has wait until `ready`.
pub(super) fn wait(
    c: &mut Ctx<'_>,
    operator: Address,
    owner: Address,
    shares: u128,
    ready: TimeMs,
) -> Res<()> {
    UNBONDINGS.at(&owner).push(c, &Unbonding { operator, ready, shares })?;
    Ok(())
}

pub(super) fn withdraw(c: &mut Ctx<'_>) -> Res<U256> {
    let owner = c.caller();
    let (list, cursor) = (UNBONDINGS.at(&owner), PAID.at(&owner));
    let (len, first) = (list.len(c)?, cursor.get(c)?);
    let mut paid = Stones::ZERO;
    let mut next = first;
    while next < len.min(first.saturating_add(UNBONDINGS_MAX)) {
        let unbonding = list.at(next).get(c)?;
        if c.now() < unbonding.ready {
            break;
        }
        let stones = pay(c, owner, &unbonding)?;
        paid = Stones(paid.0.saturating_add(stones.0));
        next += 1;
    }
    if next == first {
        let ready = if first < len { list.at(first).get(c)?.ready.0 } else { 0 };
        return revert(IStake::NothingToWithdraw { readyMs: ready });
    }
    cursor.set(c, &next)?;
    c.transfer(STAKE, owner, paid)?;
    Ok(U256::from(paid.0))
}

fn pay(c: &mut Ctx<'_>, owner: Address, unbonding: &Unbonding) -> Res<Stones> {
    let operator = unbonding.operator;
    let mut candidate = record::require(c, operator)?;
    let shares = unbonding.shares;
    let stones = shares::sell(c, operator, &mut candidate, Pool::Unbonding, owner, shares)?;
    record::save(c, operator, &candidate)?;
    c.emit(STAKE, &IStake::Withdrawn { owner, operator, stones: U256::from(stones.0) })?;
    Ok(stones)
}

pub(super) fn unbondings(
    c: &mut Ctx<'_>,
    owner: Address,
    limit: u64,
) -> Res<Vec<IStake::Unbonding>> {
    let list = UNBONDINGS.at(&owner);
    let first = PAID.at(&owner).get(c)?;
    let end = list.len(c)?.min(first.saturating_add(limit.min(UNBONDINGS_MAX)));
    let mut found = Vec::new();
    for i in first..end {
        let Unbonding { operator, ready, shares } = list.at(i).get(c)?;
        let stones = record::require(c, operator)?.unbonding.value(shares);
        let stones = U256::from(stones.0);
        found.push(IStake::Unbonding { operator, readyMs: ready.0, stones });
    }
    Ok(found)
}

/// Shares of a delegator, and what they are worth: what `undelegate` pays for all of them, which divides income first.
pub(super) fn delegation(
    c: &mut Ctx<'_>,
    operator: Address,
    delegator: Address,
) -> Res<IStake::delegationReturn> {
    let shares = Holdings::of(Pool::Delegated, operator, delegator).now(c)?;
    let candidate = record::require(c, operator)?;
    let income = work::undivided(c, operator, &candidate)?;
    let stones = Stones(candidate.pool.stones.0.saturating_add(income.0));
    let stones = StakePool { stones, ..candidate.pool }.value(shares);
    Ok(IStake::delegationReturn { stones: U256::from(stones.0), shares: U256::from(shares) })
}
