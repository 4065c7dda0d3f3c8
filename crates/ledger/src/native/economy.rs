//! The economy's figures on the ledger: price, reserve, burned, supply, epoch and network time.
//!
//! Slots 0 to 15 are this file's, but 8 and 9 `beacon`'s; the day's budget keeps its state from slot 16 upwards (`economy_state`).

use alloy_primitives::{B256, Bytes, U256};
use cairn_primitives::{
    EconomyParams, Epoch, MicroUsd, STONE, Stones,
    abi::{ECONOMY, IEconomy},
};

use super::{
    Ctx, Res, Stop, Value, decode, governance,
    pool::{self, Health},
};

/// `uint256` at slot 0.
const BURNED: Value<Stones> = Value::new(ECONOMY, 0);

/// Slot of the burned counter; a block adds its base fees to it.
pub(crate) const BURNED_SLOT: U256 = BURNED.slot();

/// A cause of burning, as the `Burned` event shows it: ASCII, padded with zeros.
#[must_use]
pub const fn cause(text: &str) -> B256 {
    let (mut word, bytes, mut i) = ([0; 32], text.as_bytes(), 0);
    while i < bytes.len() && i < 32 {
        word[i] = bytes[i];
        i += 1;
    }
    B256::new(word)
}

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IEconomy::IEconomyCalls as F;
    match decode(data)? {
        F::price(q) => c.view(q, |c, _| Ok(price(c)?.0)),
        F::reserve(q) => c.view(q, |c, _| Ok(U256::from(reserve(c)?.0))),
        F::burned(q) => c.view(q, |c, _| Ok(U256::from(burned(c)?.0))),
        F::supply(q) => c.view(q, |c, _| Ok(U256::from(supply(c)?.0))),
        F::today(q) => c.view(q, |c, q| super::economy_state::today(c, q.sector)),
        F::epoch(q) => c.view(q, |c, _| Ok(c.epoch().0)),
        F::randomness(q) => c.view(q, |c, q| super::beacon::randomness(c, q.epoch)),
        F::networkTimeMs(q) => c.view(q, |c, _| Ok(c.now().0)),
    }
}

/// Micro-dollars per STONE, at which work is settled now: the pool's, or genesis's where there is none.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub fn price(c: &mut Ctx<'_>) -> Res<MicroUsd> {
    if pool::exists(c) { Ok(pool::quote(c)?.settle.floor()) } else { Ok(c.genesis().price()) }
}

/// What an epoch is settled at, and whether it may be subsidised: fixed once the epoch is over, a preview before.
///
/// # Errors
/// See `price`.
pub fn price_of(c: &mut Ctx<'_>, epoch: Epoch) -> Res<(MicroUsd, bool)> {
    if !pool::exists(c) {
        return Ok((c.genesis().price(), true));
    }
    if let Some(row) = pool::at_epoch(c, epoch)? {
        return Ok((row.price, row.health == Health::Healthy.number()));
    }
    let now = pool::quote(c)?;
    Ok((now.settle.floor(), now.health == Health::Healthy))
}

/// The economy's parameters in force in a day of the network, with a price of the ledger's.
///
/// # Errors
/// See `price`.
pub fn params_at(c: &mut Ctx<'_>, day: u64, price: MicroUsd) -> Res<EconomyParams> {
    Ok(EconomyParams { price_micro_usd: price.0, ..governance::in_force(c, day)? })
}

/// The hard cap less what was burned.
///
/// # Errors
/// See `price`.
pub fn supply(c: &mut Ctx<'_>) -> Res<Stones> {
    Ok(Stones(cap(c).0.saturating_sub(burned(c)?.0)))
}

/// The hard cap.
#[must_use]
pub fn cap(c: &Ctx<'_>) -> Stones {
    Stones(u128::from(c.genesis().economy.cap_stones) * STONE)
}

/// Stones not yet issued.
///
/// # Errors
/// See `price`.
pub fn reserve(c: &mut Ctx<'_>) -> Res<Stones> {
    c.balance(ECONOMY)
}

/// Stones that somebody has: what can be diluted.
///
/// # Errors
/// See `price`.
pub fn issued(c: &mut Ctx<'_>) -> Res<Stones> {
    let (supply, reserve) = (supply(c)?, reserve(c)?);
    Ok(Stones(supply.0.saturating_sub(reserve.0)))
}

/// Stones burned since genesis.
///
/// # Errors
/// See `price`.
pub fn burned(c: &mut Ctx<'_>) -> Res<Stones> {
    BURNED.get(c)
}

/// Adds to the burned total; the caller has taken the stones out of a balance.
pub(super) fn count_burned(c: &mut Ctx<'_>, amount: Stones) -> Res<()> {
    let total = burned(c)?.add(amount).map_err(|error| Stop::Fatal(error.to_string()))?;
    BURNED.set(c, &total)
}
