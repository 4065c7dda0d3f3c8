//! What a new device must bond: the dollars that genesis asks for, in stones, revalued once a week and by a tenth at most.
//!
//! A bond that stays the same number of stones would lock people out when the price rises, and let fakes in when it falls. Devices
//! that are registered keep what they bonded.

use cairn_economy::bond_revalued;
use cairn_primitives::{MicroUsd, STONE, Stones};

use super::state::{BOND, Bond};
use crate::native::{Ctx, Res};

/// Network time between two revaluations.
const WEEK_MS: u64 = 7 * 86_400_000;

/// Stones that a device must bond now.
///
/// # Errors
/// Out of gas, or disk trouble.
pub fn device_bond(c: &mut Ctx<'_>) -> Res<Stones> {
    let first = at_genesis(c);
    if !super::exists(c) {
        return Ok(first);
    }
    let bond = BOND.get(c)?.stones;
    Ok(if bond == Stones::ZERO { first } else { bond })
}

fn at_genesis(c: &Ctx<'_>) -> Stones {
    Stones(u128::from(c.genesis().economy.device_bond_stones) * STONE)
}

/// Revalues the bond at a healthy settle price, for each week that has passed since the last time.
pub(super) fn revalue(c: &mut Ctx<'_>, settle: MicroUsd) -> Res<()> {
    let week = c.now().0.saturating_sub(c.genesis().start_ms) / WEEK_MS;
    let last = BOND.get(c)?.week;
    let first = at_genesis(c);
    if week <= last || first == Stones::ZERO {
        return Ok(());
    }
    let target = first.to_micro_usd_floor(c.genesis().price()).to_stones_floor(settle);
    let stones = bond_revalued(device_bond(c)?, target, week - last);
    BOND.set(c, &Bond { stones, week })
}
