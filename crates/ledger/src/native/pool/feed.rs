//! Validators' own views of the price. They set nothing: their median can only pause minting and subsidy.
//!
//! A median counts when a quorum of the seats has fed within ten minutes: of more than two thirds of the seats, those that lie are
//! fewer than half, and the median is between two honest views.

use alloy_primitives::{Address, U256};
use cairn_economy::stale_ms;
use cairn_primitives::{
    MicroUsd,
    abi::{IPool, POOL},
    quorum,
};

use super::{
    oracle::{median, quote},
    state::{FEEDS, Feed, MEDIAN, Median},
};
use crate::native::{Ctx, Res, out_of_range, revert, stake::seats};

/// Takes a seated validator's view and the median of all that are fresh.
pub fn feed(c: &mut Ctx<'_>, price: MicroUsd) -> Res<()> {
    let (validator, set, now_ms) = (c.caller(), seats::current(c)?, c.now().0);
    let Some(seat) = seats::seat_in(c, set, validator)? else {
        return revert(IPool::NotSeated { caller: validator });
    };
    if price == MicroUsd::ZERO {
        return out_of_range("priceMicroUsd", U256::ZERO, U256::from(1));
    }
    let feeds = FEEDS.at(&set);
    feeds.at(&seat).set(c, &Feed { price, at_ms: now_ms })?;
    let (seats, stale) = (seats::count(c, set)?, stale_ms(c.genesis()));
    let mut fresh = Vec::new();
    for seat in 0..seats {
        let Feed { price, at_ms } = feeds.at(&seat).get(c)?;
        if price > MicroUsd::ZERO && now_ms.saturating_sub(at_ms) <= stale {
            fresh.push(price);
        }
    }
    fresh.sort_unstable();
    let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
    let middle = fresh.get(fresh.len().saturating_sub(1) / 2).copied();
    let price_of_all = if count >= quorum(seats) { middle } else { None };
    let found =
        Median { price: price_of_all.unwrap_or(MicroUsd::ZERO), at_ms: now_ms, feeds: count };
    MEDIAN.set(c, &found)?;
    let event = IPool::Fed {
        validator,
        priceMicroUsd: price.0,
        medianMicroUsd: found.price.0,
        feeds: count,
    };
    c.emit(POOL, &event)
}

/// `IPool.health`.
pub fn health_view(c: &mut Ctx<'_>) -> Res<IPool::healthReturn> {
    let (reason, counted) = (quote(c)?.health.number(), median(c)?);
    let feeds = if counted.is_some() { MEDIAN.get(c)?.feeds } else { 0 };
    Ok(IPool::healthReturn { reason, medianMicroUsd: counted.map_or(0, |price| price.0), feeds })
}

/// The last view of a validator that has a seat now; zeros of anybody else.
pub fn feed_of(c: &mut Ctx<'_>, validator: Address) -> Res<IPool::feedOfReturn> {
    let set = seats::current(c)?;
    let Feed { price, at_ms } = match seats::seat_in(c, set, validator)? {
        Some(seat) => FEEDS.at(&set).at(&seat).get(c)?,
        None => Feed { price: MicroUsd::ZERO, at_ms: 0 },
    };
    Ok(IPool::feedOfReturn { priceMicroUsd: price.0, timeMs: at_ms })
}
