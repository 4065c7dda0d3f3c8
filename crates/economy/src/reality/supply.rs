//! Whether the hardware is there, works and is used: utilisation, activity, owners, and how long devices stay.

use cairn_primitives::Epoch;

use super::{
    band::{Band, Indicator},
    facts::{DeviceFacts, Facts},
    figure::{Absent, Measured, Unit, ppm, whole},
    share::Shares,
};

/// Periods after which a cohort is looked at again: twelve months for a period of one.
pub const COHORT_PERIODS: u64 = 12;

fn sum(facts: &Facts, of: fn(&DeviceFacts) -> u64) -> u128 {
    facts.devices.iter().map(|device| u128::from(of(device))).sum()
}

/// 6: how much of the verified work somebody paid for. The unit of capacity is a device's epoch.
pub(super) fn utilisation(facts: &Facts) -> Indicator {
    let (paid, verified) = (sum(facts, |d| d.paid_epochs), sum(facts, |d| d.verified));
    let sold: u128 = facts.sales.iter().map(|sale| u128::from(sale.units)).sum();
    let units = sum(facts, |d| d.units);
    let ratio = ppm(paid, verified, Absent::NoDevices);
    let band = Band::Rising(400_000, 50_000);
    Indicator::new(6, "paid_utilisation", band, ("paid_device_epochs", Unit::Ppm, ratio))
        .with("verified_device_epochs", Unit::Count, Ok(whole(verified)))
        .with("units_sold", Unit::Count, Ok(whole(sold)))
        .with("units_verified", Unit::Count, Ok(whole(units)))
        .with("units_sold_of_verified", Unit::Ppm, ppm(sold, units, Absent::NoDevices))
}

/// Whether a device's work was verified within the last day of the period.
fn is_active(facts: &Facts, device: &DeviceFacts) -> bool {
    let since = facts.to.back(facts.schedule.epochs_per_day() - 1).max(facts.from);
    device.last_verified.is_some_and(|last| last >= since)
}

fn count<'a>(devices: impl Iterator<Item = &'a DeviceFacts>) -> u128 {
    u128::try_from(devices.count()).unwrap_or(u128::MAX)
}

/// 7: devices that work of those registered, and devices that earn of those that work.
pub(super) fn activity(facts: &Facts) -> Indicator {
    let registered = count(facts.devices.iter().filter(|device| device.in_service(facts.to)));
    let active = || facts.devices.iter().filter(|device| is_active(facts, device));
    let earning = count(active().filter(|device| device.paid_epochs > 0));
    let active = count(active());
    let ratio = ppm(active, registered, Absent::NoDevices);
    Indicator::new(7, "active_ratio", Band::Rising(800_000, 500_000), ("active", Unit::Ppm, ratio))
        .with("earning", Unit::Ppm, ppm(earning, active, Absent::NoDevices))
        .with("devices_registered", Unit::Count, Ok(whole(registered)))
        .with("devices_active", Unit::Count, Ok(whole(active)))
}

/// The owners' shares of all income.
pub(super) fn owners(facts: &Facts) -> Shares {
    let income = |device: &DeviceFacts| u128::from(device.earned.0) + u128::from(device.subsidy.0);
    Shares::of(facts.devices.iter().map(|device| (device.owner, income(device))))
}

/// 9: how many providers there really are.
pub(super) fn provider_spread(facts: &Facts) -> Indicator {
    let (owners, none) = (owners(facts), Absent::NoIncome);
    let first = ("nakamoto", Unit::Count, owners.half(none));
    Indicator::new(9, "providers", Band::Rising(10, 3), first)
        .with("hhi", Unit::Ppm, owners.hhi(none))
        .with("effective_providers", Unit::Milli, owners.effective(none))
        .with("largest", Unit::Ppm, owners.top(none))
        .with("providers", Unit::Count, Ok(whole(owners.count().try_into().unwrap_or(0))))
}

/// The devices registered `COHORT_PERIODS` before the period, and how many of them still work.
fn cohort(facts: &Facts) -> Result<(u128, u128), Absent> {
    let back = facts.epochs().saturating_mul(COHORT_PERIODS);
    let shifted = |epoch: Epoch| epoch.0.checked_sub(back).map(Epoch).ok_or(Absent::TooYoung);
    let (first, last) = (shifted(facts.from)?, shifted(facts.to)?);
    let cohort = || facts.devices.iter().filter(|d| (first..=last).contains(&d.registered));
    Ok((count(cohort()), count(cohort().filter(|device| is_active(facts, device)))))
}

/// 11: devices of then that still work now.
pub(super) fn survival(facts: &Facts) -> Indicator {
    let cohort = cohort(facts);
    let ratio: Measured = cohort.and_then(|(all, stay)| ppm(stay, all, Absent::NoDevices));
    let first = ("survival", Unit::Ppm, ratio);
    Indicator::new(11, "cohort_survival", Band::Rising(700_000, 300_000), first).with(
        "cohort",
        Unit::Count,
        cohort.map(|(all, _)| whole(all)),
    )
}
