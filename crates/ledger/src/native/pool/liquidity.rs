//! Shares of the pool come and go.

use alloy_primitives::U256;
use cairn_primitives::{
    MicroUsd,
    abi::{IPool, POOL},
};

use super::{
    shares_of,
    state::{HOLDERS, SHARES, TOTAL, pool},
    swap::{enough, full, settle},
};
use crate::native::{Ctx, Res, revert, usd};

/// Dollars that a pool keeps: it is never emptied, so that it always has a price. One dollar.
const FLOOR: MicroUsd = MicroUsd(1_000_000);

/// The stones that were sent, and the dollars that belong to them.
pub fn add(c: &mut Ctx<'_>, max: MicroUsd, min_shares: U256) -> Res<IPool::addLiquidityReturn> {
    let (account, stones) = (c.caller(), c.value());
    let (before, total) = (pool(c)?, TOTAL.get(c)?);
    let Some((after, dollars, shares)) = before.with_liquidity(stones, total) else {
        return full("stones", stones.0);
    };
    if dollars > max {
        return revert(IPool::TooMuch { microUsd: dollars.0, maxMicroUsd: max.0 });
    }
    enough(U256::from(shares), min_shares)?;
    usd::shift(c, account, POOL, dollars)?;
    // `with_liquidity` checked the sum.
    TOTAL.set(c, &total.saturating_add(shares))?;
    let mut holding = SHARES.at(&account).get(c)?;
    if !holding.listed {
        holding.listed = true;
        HOLDERS.push(c, &account)?;
    }
    holding.shares = holding.shares.saturating_add(shares);
    SHARES.at(&account).set(c, &holding)?;
    settle(c, &after)?;
    let (stones, shares) = (U256::from(stones.0), U256::from(shares));
    c.emit(POOL, &IPool::LiquidityAdded { account, stones, microUsd: dollars.0, shares })?;
    Ok(IPool::addLiquidityReturn { microUsd: dollars.0, shares })
}

/// What the caller's shares are worth.
pub fn remove(
    c: &mut Ctx<'_>,
    asked: U256,
    min_stones: U256,
    min: MicroUsd,
) -> Res<IPool::removeLiquidityReturn> {
    let account = c.caller();
    let (before, total) = (pool(c)?, TOTAL.get(c)?);
    let (mut holding, shares) = (SHARES.at(&account).get(c)?, shares_of(asked));
    let Some(rest) = holding.shares.checked_sub(shares) else {
        let shares = U256::from(holding.shares);
        return revert(IPool::NotEnoughShares { account, shares, asked });
    };
    let Some((after, stones, dollars)) = before.without_liquidity(shares, total) else {
        return full("shares", shares);
    };
    enough(U256::from(stones.0), min_stones)?;
    enough(U256::from(dollars.0), U256::from(min.0))?;
    if after.usd < FLOOR {
        let (left, least) = (after.usd.0, FLOOR.0);
        return revert(IPool::PoolFloor { leftMicroUsd: left, leastMicroUsd: least });
    }
    holding.shares = rest;
    SHARES.at(&account).set(c, &holding)?;
    TOTAL.set(c, &total.saturating_sub(shares))?;
    usd::shift(c, POOL, account, dollars)?;
    c.transfer(POOL, account, stones)?;
    settle(c, &after)?;
    let stones = U256::from(stones.0);
    let event = IPool::LiquidityRemoved { account, stones, microUsd: dollars.0, shares: asked };
    c.emit(POOL, &event)?;
    Ok(IPool::removeLiquidityReturn { stones, microUsd: dollars.0 })
}
