//! Whether anyone pays, and who: revenue, arm's length, payers, their return, and the price against a company's.

use alloy_primitives::Address;
use cairn_primitives::{MicroUsd, mul_div_floor};

use super::{
    band::{Band, Indicator},
    facts::{Facts, Sale},
    figure::{Absent, Measured, Unit, ppm, usd, whole},
    funding::related_pay,
    share::Shares,
};
use crate::params::PPM;

/// Periods between the window of payers that the period is compared with and the period: 90 days for one of 30.
pub const LAG_PERIODS: u64 = 3;
/// Units in a kilo-unit.
const KILO: u128 = 1_000;

/// Everything that was settled in the period, promotion excluded.
#[must_use]
pub fn revenue(facts: &Facts) -> MicroUsd {
    let all = facts.payments.iter().fold(0_u64, |sum, p| sum.saturating_add(p.amount.0));
    MicroUsd(all.saturating_sub(facts.money.promo.0))
}

fn paid_in(window: Option<&Vec<(Address, MicroUsd)>>) -> Option<u128> {
    Some(window?.iter().map(|(_, paid)| u128::from(paid.0)).sum())
}

/// 1: R.
pub(super) fn real_revenue(facts: &Facts) -> Indicator {
    let now = revenue(facts);
    let before = paid_in(facts.before.as_ref()).ok_or(Absent::TooYoung);
    let growth = before.and_then(|before| ppm(now.0.into(), before, Absent::NoRevenueThen));
    // "Rising" is the band: more than the period before is healthy, less than half of it alarming.
    let mark = Band::Rising(whole(PPM.into()), whole(PPM.into()) / 2).mark(growth);
    let first = ("revenue", Unit::MicroUsd, Ok(usd(now)));
    let mut indicator = Indicator::new(1, "real_revenue", Band::None, first)
        .with("revenue_before", Unit::MicroUsd, before.map(whole))
        .with("of_period_before", Unit::Ppm, growth)
        .with("promotion_excluded", Unit::MicroUsd, Ok(usd(facts.money.promo)))
        .with("settlements", Unit::Count, Ok(whole(facts.sales.len().try_into().unwrap_or(0))));
    indicator.mark = mark;
    indicator
}

/// 2: R·(1−w). Judged by w.
pub(super) fn arms_length(facts: &Facts) -> Indicator {
    let related = related_pay(facts);
    let share = related.and_then(|related| related.share());
    let part = |of: fn(&super::funding::RelatedPay) -> u128| {
        related.and_then(|related| ppm(of(&related), related.all, Absent::NoRevenue))
    };
    Indicator::new(2, "arms_length", Band::Falling(50_000, 200_000), ("related", Unit::Ppm, share))
        .with("revenue", Unit::MicroUsd, related.map(|related| usd(related.strangers())))
        .with("by_owner", Unit::Ppm, part(|related| related.owner))
        .with("by_funder", Unit::Ppm, part(|related| related.funder))
        .with("by_place", Unit::Ppm, part(|related| related.place))
}

/// The period's payers.
pub(super) fn payers(facts: &Facts) -> Shares {
    Shares::of(facts.payments.iter().map(|payment| (payment.payer, payment.amount.0.into())))
}

/// 8: how many payers there really are.
pub(super) fn payer_spread(facts: &Facts) -> Indicator {
    let (payers, none) = (payers(facts), Absent::NoRevenue);
    let first = ("effective_payers", Unit::Milli, payers.effective(none));
    Indicator::new(8, "payers", Band::Rising(50_000, 5_000), first)
        .with("hhi", Unit::Ppm, payers.hhi(none))
        .with("largest", Unit::Ppm, payers.top(none))
        .with("payers", Unit::Count, Ok(whole(payers.count().try_into().unwrap_or(0))))
}

/// Revenue now from those who paid then, over what they paid then; above one when they pay more.
pub(super) fn retention(facts: &Facts) -> Measured {
    let then = facts.then.as_ref().ok_or(Absent::TooYoung)?;
    let paid_then: u128 = then.iter().map(|(_, paid)| u128::from(paid.0)).sum();
    let stayed = facts
        .payments
        .iter()
        .filter(|payment| then.binary_search_by_key(&payment.payer, |(payer, _)| *payer).is_ok());
    let paid_now: u128 = stayed.map(|payment| u128::from(payment.amount.0)).sum();
    ppm(paid_now, paid_then, Absent::NoRevenueThen)
}

/// 12: whether payers come back.
pub(super) fn payer_retention(facts: &Facts) -> Indicator {
    let then = paid_in(facts.then.as_ref()).ok_or(Absent::TooYoung);
    let first = ("retention", Unit::Ppm, retention(facts));
    Indicator::new(12, "payer_retention", Band::Rising(900_000, 500_000), first).with(
        "revenue_then",
        Unit::MicroUsd,
        then.map(whole),
    )
}

/// The lower median of a list; `None` for an empty one.
fn median(mut values: Vec<u128>) -> Option<u128> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// What a thousand units of a sale cost; `None` when none were delivered.
fn kilo_price(sale: &Sale) -> Option<u128> {
    mul_div_floor(sale.amount.0.into(), KILO, sale.units.into())
}

/// 20: the median price against the declared one of a company.
pub(super) fn price_of_reference(facts: &Facts) -> Indicator {
    let prices = facts.sales.iter().filter_map(kilo_price);
    let price = median(prices.collect()).map(whole).ok_or(Absent::NoRevenue);
    let compared = facts.sales.iter().filter_map(|sale| {
        let declared = facts.references.get(&sale.sector)?.kilo_unit?;
        mul_div_floor(kilo_price(sale)?, PPM.into(), declared.0.into())
    });
    let ratio = match median(compared.collect()) {
        Some(ratio) => Ok(whole(ratio)),
        None if price.is_err() => Err(Absent::NoRevenue),
        None => Err(Absent::NotDeclared),
    };
    let first = ("of_reference", Unit::Ppm, ratio);
    Indicator::new(20, "price_of_reference", Band::Falling(1_000_000, 1_000_000), first).with(
        "median_price",
        Unit::MicroUsdPerKiloUnit,
        price,
    )
}
