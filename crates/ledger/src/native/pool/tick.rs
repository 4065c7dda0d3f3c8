//! What every block does before its transactions: it sees gaps, remembers the last good price, and fixes the price of epochs that
//! ended. What is fixed here nobody in the same block can have moved.

use cairn_economy::{MINT_WINDOW_MS, stale_ms};
use cairn_primitives::{Epoch, MicroUsd};

use super::{
    bond,
    oracle::{Health, Quote, quote},
    state::{EpochPrice, GOOD, Good, PRICED, PULSE, pool},
};
use crate::native::{Ctx, Res};

/// See the file. Nothing where there is no pool.
pub(crate) fn tick(c: &mut Ctx<'_>) -> Res<()> {
    if !super::exists(c) {
        return Ok(());
    }
    let now_ms = c.now().0;
    let mut pulse = PULSE.get(c)?;
    if now_ms.saturating_sub(pulse.last_ms) > stale_ms(c.genesis()) {
        pulse.resumed_ms = now_ms;
    }
    pulse.last_ms = now_ms;
    let window = now_ms / MINT_WINDOW_MS;
    if window != pulse.window {
        (pulse.window, pulse.depth) = (window, pool(c)?.usd);
    }
    PULSE.set(c, &pulse)?;

    let Quote { health, settle, .. } = quote(c)?;
    fix_epochs(c, settle.floor(), health)?;
    if health == Health::Healthy {
        GOOD.set(c, &Good { price: settle, at_ms: now_ms })?;
        bond::revalue(c, settle.floor())?;
    }
    Ok(())
}

/// Fixes what the epochs are settled at that ended since the last block: one row, however many they are.
fn fix_epochs(c: &mut Ctx<'_>, price: MicroUsd, health: Health) -> Res<()> {
    let epoch = c.epoch();
    let next = match PRICED.len(c)?.checked_sub(1) {
        Some(last) => PRICED.at(last).get(c)?.until.next(),
        None => Epoch(0),
    };
    if epoch <= next {
        // Epoch `next` is not over.
        return Ok(());
    }
    let until = Epoch(epoch.0.saturating_sub(1));
    PRICED.push(c, &EpochPrice { until, price, health: health.number() })?;
    Ok(())
}
