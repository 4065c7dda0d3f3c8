//! The pool of stones and dollars on the ledger: the network's own price, its means, and whether it can be trusted now.
//!
//! ```text
//! buy, sell ──────────────► reserves ─► price ─► accumulator, rings ─┬─► mint price   = min(last, half hour, day) ─► `credits`
//! add, removeLiquidity ───►    │                                     └─► settle price = half hour ─► `rewards`, `economy`
//! feed (seats) ─► median ──────┴─► health ─► pause mints, no subsidy, settle price held back
//! tick (each block) ─► gaps, the window's depth, the last good price, what each epoch that ended is settled at
//! ```
//! Only networks whose genesis has a pool have this contract; elsewhere the genesis price is the price. Rules: docs/spec/price.md.
//!
//! **Invariant:** the product of the reserves never falls by a swap; the balance in stones and in dollars covers the reserves; the
//! owners' shares add up to the total; what an epoch is settled at never changes once the epoch is over.

mod bond;
mod check;
mod feed;
mod liquidity;
mod oracle;
mod state;
mod swap;
mod tick;

use alloy_primitives::{Bytes, U256};
use cairn_economy::{Accumulator, MINT_WINDOW_MS, PriceQ32};
use cairn_primitives::{
    Epoch, MicroUsd,
    abi::{IPool, POOL},
};

use self::state::{
    ACCUMULATOR, EpochPrice, GOOD, Good, HOLDERS, Holding, PULSE, Pulse, SHARES, Shares, TOTAL,
};
use super::{Ctx, Res, decode, revert};

pub use bond::device_bond;
pub(super) use check::check;
pub use oracle::{Health, Prices, Quote, at_epoch, prices, quote};
pub(super) use state::{ALLOWANCES, DRAWN, DRAWN_ALL, Drawn, MINTED, Minted};
pub(crate) use tick::tick;

/// Where the network has a pool.
#[must_use]
pub fn exists(c: &Ctx<'_>) -> bool {
    c.genesis().pool.is_some()
}

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IPool::IPoolCalls as F;
    match decode(data)? {
        F::buy(q) => c.mutate(q, |c, q| {
            in_time(c, q.deadlineMs)?;
            Ok(U256::from(swap::buy(c, MicroUsd(q.microUsd), q.minStones)?.0))
        }),
        F::sell(q) => c.mutate_payable(q, |c, q| {
            in_time(c, q.deadlineMs)?;
            Ok(swap::sell(c, MicroUsd(q.minMicroUsd))?.0)
        }),
        F::addLiquidity(q) => c.mutate_payable(q, |c, q| {
            in_time(c, q.deadlineMs)?;
            liquidity::add(c, MicroUsd(q.maxMicroUsd), q.minShares)
        }),
        F::removeLiquidity(q) => c.mutate(q, |c, q| {
            in_time(c, q.deadlineMs)?;
            liquidity::remove(c, q.shares, q.minStones, MicroUsd(q.minMicroUsd))
        }),
        F::feed(q) => c.mutate_void(q, |c, q| feed::feed(c, MicroUsd(q.priceMicroUsd))),
        F::reserves(q) => c.view(q, |c, _| {
            let (pool, shares) = (state::pool(c)?, TOTAL.get(c)?);
            Ok(IPool::reservesReturn {
                stones: U256::from(pool.stones.0),
                microUsd: pool.usd.0,
                shares: U256::from(shares),
            })
        }),
        F::feePpm(q) => c.view(q, |c, _| Ok(state::params(c)?.fee_ppm)),
        F::sharesOf(q) => c.view(q, |c, q| Ok(U256::from(SHARES.at(&q.account).get(c)?.shares))),
        F::quoteBuy(q) => c.view(q, |c, q| swap::quote_buy(c, MicroUsd(q.microUsd))),
        F::quoteSell(q) => c.view(q, |c, q| swap::quote_sell(c, q.stones)),
        F::price(q) => c.view(q, |c, _| Ok(prices(c)?.last.0)),
        F::twaps(q) => c.view(q, |c, _| {
            let Prices { half_hour, day, .. } = prices(c)?;
            Ok(IPool::twapsReturn { halfHour: half_hour.0, day: day.0 })
        }),
        F::mintPrice(q) => c.view(q, |c, _| Ok(prices(c)?.mint().floor().0)),
        F::settlePrice(q) => c.view(q, |c, _| Ok(quote(c)?.settle.floor().0)),
        F::health(q) => c.view(q, |c, _| feed::health_view(c)),
        F::epochPrice(q) => c.view(q, |c, q| {
            let fixed = at_epoch(c, Epoch(q.epoch))?;
            let (price, reason) = match &fixed {
                Some(row) => (row.price, row.health),
                None => {
                    let now = quote(c)?;
                    (now.settle.floor(), now.health.number())
                }
            };
            let is_fixed = fixed.is_some();
            Ok(IPool::epochPriceReturn { priceMicroUsd: price.0, reason, isFixed: is_fixed })
        }),
        F::feedOf(q) => c.view(q, |c, q| feed::feed_of(c, q.validator)),
    }
}

/// Refuses what arrives after its deadline.
fn in_time(c: &Ctx<'_>, deadline_ms: u64) -> Res<()> {
    let now_ms = c.now().0;
    if now_ms <= deadline_ms {
        return Ok(());
    }
    revert(IPool::Expired { deadlineMs: deadline_ms, nowMs: now_ms })
}

/// Tells what an epoch that becomes final is settled at: whoever has only the blocks can then follow the money. Nothing where there is
/// no pool.
///
/// # Errors
/// Out of gas, or disk trouble.
pub fn announce(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<()> {
    if !exists(c) {
        return Ok(());
    }
    let Some(row) = at_epoch(c, epoch)? else { return Ok(()) };
    let EpochPrice { price, health, .. } = row;
    let event = IPool::EpochSettled { epoch: epoch.0, sector, priceMicroUsd: price.0, health };
    c.emit(POOL, &event)
}

/// The pool's dollars that count for what may be minted: the fewest of now and of the beginning of the half hour, so that dollars
/// which come only to raise the bound do not.
///
/// # Errors
/// Out of gas, or disk trouble.
pub fn counted_depth(c: &mut Ctx<'_>) -> Res<MicroUsd> {
    let (now, pulse) = (state::pool(c)?.usd, PULSE.get(c)?);
    let window = c.now().0 / MINT_WINDOW_MS;
    Ok(if pulse.window == window { now.min(pulse.depth) } else { now })
}

/// Fills the pool, and gives its first shares to their owner. The stones are in the balance already.
pub(super) fn genesis(c: &mut Ctx<'_>) -> Res<()> {
    let Some(params) = c.genesis().pool.clone() else { return Ok(()) };
    let (price, start_ms) = (c.genesis().price(), c.genesis().start_ms);
    let (stones, usd) = (params.stones(price), params.depth());
    state::RESERVES.set(c, &state::Reserves { stones, usd })?;
    TOTAL.set(c, &stones.0)?;
    SHARES.at(&params.owner).set(c, &Holding { shares: stones.0, listed: true })?;
    HOLDERS.push(c, &params.owner)?;
    let price = PriceQ32::of(price);
    ACCUMULATOR.set(c, &state::Held(Accumulator::begin(price, start_ms)))?;
    GOOD.set(c, &Good { price, at_ms: start_ms })?;
    let window = start_ms / MINT_WINDOW_MS;
    PULSE.set(c, &Pulse { last_ms: start_ms, resumed_ms: 0, window, depth: usd })?;
    super::usd::create(c, POOL, usd)
}

/// Number of shares, from the word of a call. More than there can be is more than anybody has.
fn shares_of(word: U256) -> Shares {
    u128::try_from(word).unwrap_or(u128::MAX)
}

#[cfg(test)]
pub(in crate::native) mod tests;
