//! Swaps.

use alloy_primitives::U256;
use cairn_economy::PricePool;
use cairn_primitives::{
    MicroUsd, Stones,
    abi::{IPool, POOL},
};

use super::{
    oracle::moved,
    state::{RESERVES, Reserves, pool},
};
use crate::native::{Ctx, Res, out_of_range, revert, usd};

/// Dollars of the caller for stones.
pub fn buy(c: &mut Ctx<'_>, dollars: MicroUsd, min: U256) -> Res<Stones> {
    let (account, before) = (c.caller(), pool(c)?);
    let Some((after, stones)) = before.buy_stones(dollars) else {
        return full("microUsd", dollars.0.into());
    };
    enough(U256::from(stones.0), min)?;
    usd::shift(c, account, POOL, dollars)?;
    c.transfer(POOL, account, stones)?;
    let price = settle(c, &after)?;
    let stones_word = U256::from(stones.0);
    let event =
        IPool::Bought { account, microUsd: dollars.0, stones: stones_word, priceMicroUsd: price.0 };
    c.emit(POOL, &event)?;
    Ok(stones)
}

/// The stones that were sent for dollars.
pub fn sell(c: &mut Ctx<'_>, min: MicroUsd) -> Res<MicroUsd> {
    let (account, stones, before) = (c.caller(), c.value(), pool(c)?);
    let Some((after, dollars)) = before.sell_stones(stones) else {
        return full("stones", stones.0);
    };
    enough(U256::from(dollars.0), U256::from(min.0))?;
    usd::shift(c, POOL, account, dollars)?;
    let price = settle(c, &after)?;
    let event = IPool::Sold {
        account,
        stones: U256::from(stones.0),
        microUsd: dollars.0,
        priceMicroUsd: price.0,
    };
    c.emit(POOL, &event)?;
    Ok(dollars)
}

/// Stones that dollars would buy now.
pub fn quote_buy(c: &mut Ctx<'_>, dollars: MicroUsd) -> Res<U256> {
    match pool(c)?.buy_stones(dollars) {
        Some((_, stones)) => Ok(U256::from(stones.0)),
        None => full("microUsd", dollars.0.into()),
    }
}

/// Dollars that stones would buy now.
pub fn quote_sell(c: &mut Ctx<'_>, stones: U256) -> Res<u64> {
    let stones = u128::try_from(stones).unwrap_or(u128::MAX);
    match pool(c)?.sell_stones(Stones(stones)) {
        Some((_, dollars)) => Ok(dollars.0),
        None => full("stones", stones),
    }
}

/// Writes the reserves and moves the price; returns it in whole micro-dollars.
pub fn settle(c: &mut Ctx<'_>, after: &PricePool) -> Res<MicroUsd> {
    RESERVES.set(c, &Reserves { stones: after.stones, usd: after.usd })?;
    moved(c, after.price())?;
    Ok(after.price().floor())
}

/// Refuses less than was asked for, and nothing at all.
pub fn enough(out: U256, min: U256) -> Res<()> {
    if out < min || out == U256::ZERO {
        return revert(IPool::TooLittle { out, minOut: min });
    }
    Ok(())
}

/// More than the pool can calculate with.
pub fn full<T>(field: &str, asked: u128) -> Res<T> {
    out_of_range(field, U256::from(asked), U256::from(u64::MAX))
}
