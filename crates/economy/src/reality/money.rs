//! What happens to the stones: burned and emitted, dilution, the grant, credits and their cover, the price.

use cairn_primitives::{STONE, Stones};

use super::{
    band::{Band, Indicator},
    demand::revenue,
    facts::{Facts, Money},
    figure::{Absent, Measured, Unit, ppm, ratio, stones, usd, whole},
};
use crate::{
    mint::{coverage_ppm, mint_window},
    params::{MATCH_PACE, PPM},
};

/// Milliseconds of a year of 365 days.
const YEAR_MS: u64 = 365 * 86_400_000;
/// Most periods that a year is divided into.
const PERIODS_MAX: u64 = 8_760;
/// Thousandths of a day in a day.
const MILLI: u64 = 1_000;

/// What rests on the replay of the reserve.
fn replayed(money: &Money) -> Result<&Money, Absent> {
    if money.replayed { Ok(money) } else { Err(Absent::Diverged) }
}

/// 4: burned over emitted.
pub(super) fn burn_of_emission(facts: &Facts) -> Indicator {
    let money = &facts.money;
    let emitted = replayed(money).map(|money| money.emitted);
    let share = emitted.and_then(|emitted| ppm(money.burned.0, emitted.0, Absent::NoEmission));
    let band = Band::Rising(1_000_000, 100_000);
    Indicator::new(4, "burn_of_emission", band, ("burned_of_emitted", Unit::Ppm, share))
        .with("burned", Unit::MicroStones, Ok(stones(money.burned)))
        .with("emitted", Unit::MicroStones, emitted.map(stones))
}

/// Everything that is neither burned nor in the reserve; bonds, stake and the vault are in it.
fn circulating(facts: &Facts) -> Result<u128, Absent> {
    let money = replayed(&facts.money)?;
    let cap = u128::from(facts.economy.cap_stones) * STONE;
    Ok(cap.saturating_sub(money.burned_ever.0).saturating_sub(money.reserve.0))
}

/// (1 + emitted / circulating)^n − 1, n the whole periods in a year; each step rounds down.
fn dilution(facts: &Facts) -> Measured {
    let circulating = circulating(facts)?;
    let period_ms = facts.epochs().saturating_mul(facts.schedule.epoch_ms).max(1);
    let one = u128::from(PPM) * u128::from(PPM);
    let step = ratio(facts.money.emitted.0, circulating, PPM * PPM, Absent::NoEmission)?;
    let step = one.saturating_add(u128::try_from(step).unwrap_or(0));
    let mut grown = one;
    for _ in 0..(YEAR_MS / period_ms).clamp(1, PERIODS_MAX) {
        grown = grown.saturating_mul(step) / one;
    }
    Ok(whole((grown - one) / u128::from(PPM)))
}

/// 14: dilution a year, and what of the new stones insiders got.
pub(super) fn annual_dilution(facts: &Facts) -> Indicator {
    let money = &facts.money;
    let insiders = money.to_funds.0.saturating_add(money.to_founders.0);
    let share = replayed(money).and_then(|m| ppm(insiders, m.emitted.0, Absent::NoEmission));
    let circulating = circulating(facts).map(|amount| stones(Stones(amount)));
    let first = ("dilution", Unit::Ppm, dilution(facts));
    Indicator::new(14, "annual_dilution", Band::Falling(50_000, 200_000), first)
        .with("insiders_of_emission", Unit::Ppm, share)
        .with("to_funds", Unit::MicroStones, Ok(stones(money.to_funds)))
        .with("to_founders", Unit::MicroStones, Ok(stones(money.to_founders)))
        .with("circulating", Unit::MicroStones, circulating)
}

/// 15: how long the grant lasts at the period's pace, and all subsidy ever against its bound.
pub(super) fn grant_runway(facts: &Facts) -> Indicator {
    let money = &facts.money;
    let left = replayed(money).map(|money| money.grant_left.to_micro_usd_floor(facts.price));
    let daily = facts.daily(money.grant_used.0.into());
    let runway = left.and_then(|left| ratio(left.0.into(), daily, 1, Absent::Unused));
    let grant = Stones(u128::from(facts.economy.grant_stones) * STONE);
    // Lifetime subsidy ≤ grant + κ/(κ+1) · m · burn; a price that rose makes the grant's dollars more.
    let burn = money.settled_ever.ppm_floor(facts.economy.fee_burn_ppm);
    let matched = u128::from(burn.ppm_floor(facts.economy.match_ppm).0);
    let bound = u128::from(grant.to_micro_usd_floor(facts.price).0)
        + matched * MATCH_PACE / (MATCH_PACE + 1);
    let used = ppm(money.subsidy_ever.0.into(), bound, Absent::NoEmission);
    Indicator::new(15, "grant_runway", Band::None, ("runway", Unit::Days, runway))
        .with("grant_left", Unit::MicroUsd, left.map(usd))
        .with("grant_used", Unit::MicroUsd, Ok(usd(money.grant_used)))
        .with("subsidy_ever", Unit::MicroUsd, Ok(usd(money.subsidy_ever)))
        .with("subsidy_of_bound", Unit::Ppm, used)
}

/// 16: credits outstanding in days of use, and what stands behind them.
pub(super) fn credit_float(facts: &Facts) -> Indicator {
    let money = &facts.money;
    let daily = facts.daily(revenue(facts).0.into());
    let days = ratio(money.outstanding.0.into(), daily, MILLI, Absent::NoRevenue);
    let cover = match money.outstanding.0 {
        0 => Err(Absent::NoCredits),
        _ => Ok(whole(coverage_ppm(money.vault, facts.price, money.outstanding).into())),
    };
    let band = Band::Falling(30_000, 60_000);
    Indicator::new(16, "credit_float", band, ("float", Unit::MilliDays, days))
        .with("coverage", Unit::Ppm, cover)
        .with("outstanding", Unit::MicroUsd, Ok(usd(money.outstanding)))
        .with("vault", Unit::MicroStones, Ok(stones(money.vault)))
}

/// 19: what it costs to move the price, and how much was minted against it.
pub(super) fn price_integrity(facts: &Facts) -> Indicator {
    let pool = facts.pool.ok_or(Absent::NotOnLedger);
    let fees = &facts.economy;
    let phi = fees
        .fee_burn_ppm
        .saturating_add(fees.fee_treasury_ppm)
        .saturating_add(fees.fee_insurance_ppm);
    let used = pool.and_then(|pool| {
        let limit = mint_window(pool.depth, phi);
        ppm(pool.window_minted.0.into(), limit.0.into(), Absent::NotOnLedger)
    });
    let deviation = pool.and_then(|pool| pool.deviation_ppm.ok_or(Absent::NotOnLedger));
    let first = ("window_use", Unit::Ppm, used);
    Indicator::new(19, "price_integrity", Band::Falling(500_000, 950_000), first)
        .with("depth", Unit::MicroUsd, pool.map(|pool| usd(pool.depth)))
        .with("feed_deviation", Unit::Ppm, deviation.map(i64::from))
        .with("minted", Unit::MicroUsd, Ok(usd(facts.money.minted)))
        .with("price", Unit::MicroUsd, Ok(usd(facts.price)))
}
