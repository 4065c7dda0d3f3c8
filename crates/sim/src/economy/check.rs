//! The bounds of a scenario, in the order of the file, and what contradicts: a key that its path or shape does not read.
//!
//! Each refusal says key, value and bound. Limits are wide: they keep arithmetic in range and memory finite, not opinions.

use cairn_primitives::GenesisError;

use super::{
    history,
    market::PRICE_MAX,
    scenario::{Attacker, Demand, Path, Price, Providers, Scenario, Shape, Simulate},
};

/// 10^10 days: longer than any run that someone waits for, and far from overflow.
const DAYS_MAX: u64 = 10_000_000_000;
/// Runs whose rows fit in memory.
const RUNS_MAX: u32 = 100_000;
/// Recorded rows of a run: a report does not show more.
pub const ROWS_MAX: u64 = 100_000;
/// Longest stock of credits, days.
const CREDIT_DAYS_MAX: u32 = 365;
/// Dollars a day: a trillion a year.
const USD_DAY_MAX: u64 = 3_000_000_000;
/// Values of a replayed list.
const LIST_MAX: usize = 100_000;
/// Yearly drift and volatility of a price, ppm of its logarithm.
const YEARLY_PPM_MAX: u64 = 5_000_000;
/// Devices on day 0.
const DEVICES_MAX: u64 = 1_000_000_000;
/// One, in millionths.
const PPM: u64 = 1_000_000;

/// Fails with `reason` unless `good`.
pub(super) fn need(
    good: bool,
    field: &str,
    value: impl ToString,
    reason: &'static str,
) -> Result<(), GenesisError> {
    if good {
        return Ok(());
    }
    Err(GenesisError { field: field.to_owned(), value: value.to_string(), reason })
}

/// Checks the whole scenario.
pub fn check(scenario: &Scenario) -> Result<(), GenesisError> {
    scenario.economy.check()?;
    let price = scenario.economy.price_micro_usd;
    need(
        price <= PRICE_MAX,
        "economy.price_micro_usd",
        price,
        "at most 1000000000000 in a simulation",
    )?;
    let cap = scenario.economy.cap_stones;
    let reason = "at most 1000000000000 stones, or amounts leave their range";
    need(cap <= 1_000_000_000_000, "economy.cap_stones", cap, reason)?;
    simulate(&scenario.simulate)?;
    demand(&scenario.simulate.demand)?;
    price_path(&scenario.simulate.price)?;
    scenario.simulate.providers.as_ref().map_or(Ok(()), providers)?;
    scenario.simulate.attacker.as_ref().map_or(Ok(()), attacker)?;
    history::check(scenario)
}

fn simulate(simulate: &Simulate) -> Result<(), GenesisError> {
    let days = simulate.days;
    need((1..=DAYS_MAX).contains(&days), "simulate.days", days, "1 to 10000000000 days")?;
    let runs = simulate.runs;
    need((1..=RUNS_MAX).contains(&runs), "simulate.runs", runs, "1 to 100000 runs")?;
    let every = simulate.record_every_days;
    let good = every == 0 || days / every <= ROWS_MAX;
    let reason = "a run records at most 100000 rows: 0 chooses, or at least simulate.days / 100000";
    need(good, "simulate.record_every_days", every, reason)?;
    let credit = simulate.credit_days;
    need(credit <= CREDIT_DAYS_MAX, "simulate.credit_days", credit, "at most 365 days")
}

fn demand(demand: &Demand) -> Result<(), GenesisError> {
    let last = demand.final_usd_day;
    let reason = "at most 3000000000 whole dollars a day";
    need(last <= USD_DAY_MAX, "simulate.demand.final_usd_day", last, reason)?;
    let scale = demand.scale_days;
    let reason = "a curve grows in 1 to 100000 days";
    need((1..=100_000).contains(&scale), "simulate.demand.scale_days", scale, reason)?;
    for (field, days) in [
        ("simulate.demand.midpoint_day", demand.midpoint_day),
        ("simulate.demand.lag_days", demand.lag_days),
    ] {
        need(days <= DAYS_MAX, field, days, "at most 10000000000 days")?;
    }
    let noise = demand.noise_ppm;
    let reason =
        "at most 166666, a sixth: the draws reach six deviations and demand is never negative";
    need(noise <= 166_666, "simulate.demand.noise_ppm", noise, reason)?;
    let count = demand.usd.len();
    let replayed = demand.shape == Shape::Replay;
    let reason = "shape \"replay\" needs 1 to 100000 values, another shape none";
    let good = if replayed { (1..=LIST_MAX).contains(&count) } else { count == 0 };
    need(good, "simulate.demand.usd", format!("a list of {count}"), reason)?;
    match demand.usd.iter().find(|usd| **usd > USD_DAY_MAX) {
        Some(usd) => {
            need(false, "simulate.demand.usd", usd, "at most 3000000000 whole dollars a day")
        }
        None => Ok(()),
    }
}

fn price_path(price: &Price) -> Result<(), GenesisError> {
    let jumps = matches!(price.path, Path::Crash | Path::Boom);
    let factor = price.factor_ppm;
    let (good, reason) = match price.path {
        Path::Crash => ((1..PPM).contains(&factor), "a crash multiplies by 1 to 999999 ppm"),
        Path::Boom => {
            let good = factor > PPM && factor <= 1_000 * PPM;
            (good, "a boom multiplies by 1000001 to 1000000000 ppm")
        }
        _ => (factor == 0, "only path \"crash\" and \"boom\" read it: leave it out"),
    };
    need(good, "simulate.price.factor_ppm", factor, reason)?;
    let at = price.at_day;
    let reason = "at most 10000000000, and only with path \"crash\" or \"boom\"";
    need(at <= DAYS_MAX && (jumps || at == 0), "simulate.price.at_day", at, reason)?;
    let drift = price.drift_ppm_year;
    let reason = "-5000000 to 5000000, and only with path \"gbm\"";
    let good = drift.unsigned_abs() <= YEARLY_PPM_MAX && (price.path == Path::Gbm || drift == 0);
    need(good, "simulate.price.drift_ppm_year", drift, reason)?;
    let volatility = price.volatility_ppm_year;
    let moves = matches!(price.path, Path::Gbm | Path::Pool);
    let reason = "at most 5000000, and only with path \"gbm\" or \"pool\"";
    let good = volatility <= YEARLY_PPM_MAX && (moves || volatility == 0);
    need(good, "simulate.price.volatility_ppm_year", volatility, reason)?;
    let count = price.micro_usd.len();
    let good =
        if price.path == Path::Replay { (1..=LIST_MAX).contains(&count) } else { count == 0 };
    let reason = "path \"replay\" needs 1 to 100000 values, another path none";
    need(good, "simulate.price.micro_usd", format!("a list of {count}"), reason)?;
    if let Some(value) = price.micro_usd.iter().find(|p| !(1..=PRICE_MAX).contains(*p)) {
        need(false, "simulate.price.micro_usd", value, "1 to 1000000000000 micro-dollars")?;
    }
    pool(price)
}

fn pool(price: &Price) -> Result<(), GenesisError> {
    let is_pool = price.path == Path::Pool;
    let depth = price.depth_usd;
    let good = if is_pool { (1..=USD_DAY_MAX).contains(&depth) } else { depth == 0 };
    let reason = "path \"pool\" needs 1 to 3000000000 whole dollars, another path none";
    need(good, "simulate.price.depth_usd", depth, reason)?;
    let fee = price.swap_fee_ppm;
    let reason = "at most 100000, and only with path \"pool\"";
    need(
        fee <= cairn_economy::SWAP_FEE_PPM_MAX && (is_pool || fee == 0),
        "simulate.price.swap_fee_ppm",
        fee,
        reason,
    )?;
    let sold = price.sold_ppm;
    let reason = "at most 1000000, and only with path \"pool\"";
    let good = u64::from(sold) <= PPM && (is_pool || sold == 0);
    need(good, "simulate.price.sold_ppm", sold, reason)
}

fn providers(providers: &Providers) -> Result<(), GenesisError> {
    let start = providers.start;
    let reason = "1 to 1000000000 devices";
    need((1..=DEVICES_MAX).contains(&start), "simulate.providers.start", start, reason)?;
    for (field, usd) in [
        ("simulate.providers.hardware_usd", providers.hardware_usd),
        ("simulate.providers.install_usd", providers.install_usd),
    ] {
        need(usd <= 1_000_000, field, usd, "at most 1000000 whole dollars")?;
    }
    for (field, amount) in [
        ("simulate.providers.opex_micro_usd_day", providers.opex_micro_usd_day),
        ("simulate.providers.capacity_micro_usd_day", providers.capacity_micro_usd_day),
    ] {
        need(amount <= PRICE_MAX, field, amount, "at most 1000000000000 micro-dollars")?;
    }
    let days = providers.enter_payback_days;
    need(days <= 36_500, "simulate.providers.enter_payback_days", days, "at most 36500 days")?;
    for (field, ppm) in [
        ("simulate.providers.hardware_fall_ppm_year", providers.hardware_fall_ppm_year),
        ("simulate.providers.entry_ppm_day", providers.entry_ppm_day),
        ("simulate.providers.exit_ppm_day", providers.exit_ppm_day),
        ("simulate.providers.failure_ppm_day", providers.failure_ppm_day),
    ] {
        need(u64::from(ppm) <= PPM, field, ppm, "a share is at most the whole: 1000000")?;
    }
    Ok(())
}

fn attacker(attacker: &Attacker) -> Result<(), GenesisError> {
    for (field, ppm) in [
        ("simulate.attacker.share_ppm", attacker.share_ppm),
        ("simulate.attacker.recapture_ppm", attacker.recapture_ppm),
    ] {
        need(u64::from(ppm) <= PPM, field, ppm, "a share is at most the whole: 1000000")?;
    }
    let wash = attacker.wash_usd_day;
    let reason = "at most 3000000000 whole dollars a day";
    need(wash <= USD_DAY_MAX, "simulate.attacker.wash_usd_day", wash, reason)?;
    let from = attacker.from_day;
    need(from <= DAYS_MAX, "simulate.attacker.from_day", from, "at most 10000000000 days")
}
