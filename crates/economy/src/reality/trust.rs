//! How work is verified, and what is found: independent judgements, refusals, time to detection, slashes.

use super::{
    band::{Band, Indicator},
    facts::Facts,
    figure::{Absent, Measured, Unit, ppm, ratio, stones, whole},
};

/// Thousandths in one.
const MILLI: u64 = 1_000;

/// The lower median, or that nothing was found.
fn median(values: &[u64]) -> Measured {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len().checked_sub(1).ok_or(Absent::NoneFound)? / 2;
    Ok(sorted.get(middle).map_or(0, |value| whole((*value).into())))
}

/// 17: how often each device is judged by how many.
pub(super) fn verification(facts: &Facts) -> Indicator {
    let checks = &facts.checks;
    let judged: u128 = facts.devices.iter().map(|device| u128::from(device.judged)).sum();
    let per_day = u128::from(checks.judgements) * u128::from(facts.schedule.epochs_per_day());
    let depth = ratio(per_day, judged, MILLI, Absent::NoDevices);
    let refused = ppm(checks.refused.into(), checks.batches.into(), Absent::NoDevices);
    let first = ("judgements_per_device_day", Unit::Milli, depth);
    Indicator::new(17, "verification_depth", Band::None, first)
        .with("canaries_passed", Unit::Ppm, Err(Absent::NotOnLedger))
        .with("epochs_to_detection", Unit::Epochs, median(&checks.detection_epochs))
        .with("batches_refused", Unit::Ppm, refused)
        .with(
            "device_epochs_refused",
            Unit::Ppm,
            ppm(checks.gated.into(), judged, Absent::NoDevices),
        )
}

/// 18: what was disputed, and what of it held.
pub(super) fn disputes(facts: &Facts) -> Indicator {
    let checks = &facts.checks;
    let begun = checks.devices_slashed.saturating_add(checks.pending);
    let upheld = checks.devices_slashed.saturating_add(checks.executed);
    let decided = upheld.saturating_add(checks.annulled);
    let settlements = u128::try_from(facts.sales.len()).unwrap_or(u128::MAX);
    let rate = ratio(begun.into(), settlements, MILLI * MILLI, Absent::NoRevenue);
    let first = ("slashes_per_1000_settlements", Unit::Milli, rate);
    Indicator::new(18, "disputes", Band::None, first)
        .with("upheld", Unit::Ppm, ppm(upheld.into(), decided.into(), Absent::NoneFound))
        .with("slashes", Unit::Count, Ok(whole(begun.into())))
        .with("slashed", Unit::MicroStones, Ok(stones(checks.slashed)))
}
