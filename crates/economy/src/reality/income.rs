//! What providers live on: subsidy against earnings, what a dollar of revenue costs in subsidy, payback, and the fee.

use cairn_primitives::MicroUsd;

use super::{
    band::{Band, Indicator, Mark},
    demand::revenue,
    facts::{DeviceFacts, Facts, Reference},
    figure::{Absent, Measured, Unit, ppm, whole},
    funding::related_pay,
};
use crate::{Costs, Income, Payback, params::fees_of, payback};

/// A healthy median payback: 18 months of 365 / 12 days.
const PAYBACK_HEALTHY_DAYS: i64 = 548;

/// Earned and subsidy of all devices in the period, micro-dollars.
#[must_use]
pub fn incomes(facts: &Facts) -> (u128, u128) {
    facts.devices.iter().fold((0, 0), |(earned, subsidy), device| {
        (earned + u128::from(device.earned.0), subsidy + u128::from(device.subsidy.0))
    })
}

/// 3: how much of their income is subsidy.
pub(super) fn subsidy_share(facts: &Facts) -> Indicator {
    let (earned, subsidy) = incomes(facts);
    let share = ppm(subsidy, earned + subsidy, Absent::NoIncome);
    let band = Band::Falling(300_000, 800_000);
    Indicator::new(3, "subsidy_share", band, ("subsidy_share", Unit::Ppm, share))
        .with("earned", Unit::MicroUsd, Ok(whole(earned)))
        .with("subsidy", Unit::MicroUsd, Ok(whole(subsidy)))
}

/// 5: subsidy for a dollar that a stranger paid.
pub(super) fn subsidy_per_revenue(facts: &Facts) -> Indicator {
    let (_, subsidy) = incomes(facts);
    let strangers = related_pay(facts).map(|related| u128::from(related.strangers().0));
    let ratio = strangers.and_then(|revenue| ppm(subsidy, revenue, Absent::NoRevenue));
    let band = Band::Falling(500_000, 5_000_000);
    Indicator::new(5, "subsidy_per_revenue", band, ("subsidy_per_dollar", Unit::Ppm, ratio))
}

/// A device's payback at its own income of the period; `None` when it was not in service.
fn payback_of(
    facts: &Facts,
    device: &DeviceFacts,
    reference: &Reference,
    subsidised: bool,
) -> Option<Payback> {
    let epochs = device.service_epochs(facts.from, facts.to);
    let days = facts.schedule.epochs_per_day();
    let daily = |amount: MicroUsd| {
        let sum = u128::from(amount.0) * u128::from(days);
        sum.checked_div(epochs.into()).map(|a| MicroUsd(u64::try_from(a).unwrap_or(u64::MAX)))
    };
    let bond = MicroUsd(facts.economy.device_bond_stones.saturating_mul(facts.price.0));
    let costs = Costs {
        hardware: reference.hardware,
        install: reference.install,
        bond,
        opportunity_ppm: reference.opportunity_ppm,
        opex_per_day: reference.opex_per_day,
    };
    let subsidy = if subsidised { device.subsidy } else { MicroUsd::ZERO };
    let income = Income { earned_per_day: daily(device.earned)?, subsidy_per_day: daily(subsidy)? };
    Some(payback(&costs, &income))
}

/// Paybacks of all devices in rising order, `Never` last.
fn paybacks(facts: &Facts, subsidised: bool) -> Result<Vec<Payback>, Absent> {
    let mut found = Vec::new();
    let mut declared = facts.devices.is_empty();
    for device in &facts.devices {
        let Some(reference) = facts.references.get(&device.sector) else { continue };
        declared = true;
        found.extend(payback_of(facts, device, reference, subsidised));
    }
    if !declared {
        return Err(Absent::NotDeclared);
    }
    found.sort_unstable();
    if found.is_empty() { Err(Absent::NoDevices) } else { Ok(found) }
}

/// The payback that `percent` of the devices reach sooner or at the same time, by nearest rank.
fn percentile(paybacks: &Result<Vec<Payback>, Absent>, percent: usize) -> Measured {
    let paybacks = paybacks.as_ref().map_err(|absent| *absent)?;
    let rank = (paybacks.len() * percent).div_ceil(100).saturating_sub(1);
    match paybacks.get(rank) {
        Some(Payback::Days(days)) => Ok(whole((*days).into())),
        Some(Payback::Never) => Err(Absent::Never),
        None => Err(Absent::NoDevices),
    }
}

/// 10: when a device has paid for itself, with the subsidy and without.
pub(super) fn payback_days(facts: &Facts) -> Indicator {
    let (with, without) = (paybacks(facts, true), paybacks(facts, false));
    let median = percentile(&with, 50);
    let band = Band::Falling(PAYBACK_HEALTHY_DAYS, i64::MAX);
    let mut indicator = Indicator::new(10, "payback", band, ("p50", Unit::Days, median))
        .with("p10", Unit::Days, percentile(&with, 10))
        .with("p90", Unit::Days, percentile(&with, 90))
        .with("p10_without_subsidy", Unit::Days, percentile(&without, 10))
        .with("p50_without_subsidy", Unit::Days, percentile(&without, 50))
        .with("p90_without_subsidy", Unit::Days, percentile(&without, 90));
    if median == Err(Absent::Never) {
        indicator.mark = Mark::Alarm;
    }
    indicator
}

/// 13: what of the revenue did not reach providers, by what they were really paid.
pub(super) fn take_rate(facts: &Facts) -> Indicator {
    let (revenue, (earned, _)) = (u128::from(revenue(facts).0), incomes(facts));
    let taken = ppm(revenue.saturating_sub(earned), revenue, Absent::NoRevenue);
    let fees = fees_of(&facts.economy, MicroUsd(1_000_000));
    let stated = 1_000_000 - fees.provider.0;
    Indicator::new(13, "take_rate", Band::None, ("collected", Unit::Ppm, taken)).with(
        "stated",
        Unit::Ppm,
        Ok(whole(stated.into())),
    )
}
