//! What the report says in words: the verdict, the facts, the meaning of terms.

use super::super::{metric::Metric, row::Row};
use super::{
    Report,
    chart::{Unit, shown},
};

/// A payback in words.
pub fn payback(days: i64) -> String {
    match days {
        i64::MAX => "never".to_owned(),
        days if days >= 730 => format!("{:.1} years", days as f64 / 365.25),
        days => format!("{days} days"),
    }
}

/// The last rows of all runs.
fn last(report: &Report<'_>) -> Vec<Row> {
    report.results.runs.iter().filter_map(|run| run.rows.last().copied()).collect()
}

/// One sentence on each question that decides whether a network lives.
pub fn verdict(report: &Report<'_>) -> String {
    let fan = |metric| report.results.fan(metric);
    let (payback_fan, zero) = (fan(Metric::Payback), fan(Metric::PaybackZero));
    let rows = last(report);
    let share = rows.iter().map(|row| row.subsidy_share_ppm()).sum::<u64>() as f64
        / rows.len().max(1) as f64
        / 1e4;
    let device = match payback_fan.p50 {
        i64::MAX => "A device does <b>not</b> pay for itself in the typical run.".to_owned(),
        days => format!("A device typically pays for itself in <b>{}</b>.", payback(days)),
    };
    let zero = match zero.p50 {
        i64::MAX => "Without subsidies it never would".to_owned(),
        days => format!("Without subsidies it would take {}", payback(days)),
    };
    let end = match share {
        share if share < 5.0 => "in the end customers pay for nearly everything",
        share if share < 50.0 => "in the end customers pay for most of it",
        _ => "in the end the network still lives on subsidies",
    };
    format!(
        "<p class=\"verdict\">{device} {zero}; {end} ({} of income is subsidy on the last day).</p>",
        shown(share, Unit::Percent)
    )
}

/// What somebody who knows none of it must know to read the rest.
pub const fn how_it_works() -> &'static str {
    "<p>People buy <b>devices</b> and let them do work for the network. <b>Customers</b> prepay that work in dollars: for each dollar, \
     tokens called <b>stones</b> are bought and destroyed (burned). When the work is done, the device's owner is paid those dollars in stones, at the price of that day. \
     While customers are few, the network adds a <b>subsidy</b> in new stones. The question is whether owners still earn enough when \
     it ends. What will be demanded and what a stone will cost nobody knows: the scenario assumes it.</p>"
}

/// A number with its spread.
fn spread(report: &Report<'_>, metric: Metric, shown: &dyn Fn(i64) -> String) -> (String, String) {
    let fan = report.results.fan(metric);
    let range = if report.results.runs.len() > 1 {
        format!(" (8 of 10 runs: {} to {})", shown(fan.p10), shown(fan.p90))
    } else {
        String::new()
    };
    (shown(fan.p50), range)
}

/// The cards.
pub fn facts(report: &Report<'_>) -> String {
    let usd = |value: i64| shown(value as f64 / 1e6, Unit::Usd);
    let stones = |value: i64| shown(value as f64 / 1e3, Unit::Stones);
    let percent = |value: i64| shown(value as f64 / 1e4, Unit::Percent);
    let count = |value: i64| shown(value as f64, Unit::Count);
    let mut cards = vec![
        (
            Metric::Payback,
            &payback as &dyn Fn(i64) -> String,
            "until a device has paid for itself, the median of the days on which it is bought",
        ),
        (Metric::Income, &usd, "income of all device owners on the last day"),
        (Metric::IncomeMin, &usd, "income of all device owners on the worst day"),
        (Metric::SubsidyShare, &percent, "of all income was subsidy, over all days"),
        (Metric::Emitted, &stones, "new stones for the subsidy"),
        (Metric::Drawn, &stones, "new stones to pay work whose prepaid stones had lost value"),
        (Metric::Burned, &stones, "stones burned for good by customers' payments"),
        (
            Metric::CoverageMin,
            &percent,
            "lowest cover: worth of the stones burned for work that is prepaid and not done",
        ),
    ];
    let simulate = &report.setup.scenario.simulate;
    if simulate.providers.is_some() {
        cards.push((Metric::Devices, &count, "devices on the last day"));
    }
    if simulate.attacker.is_some() {
        cards.push((Metric::Attacker, &usd, "what the attacker gained by paying itself"));
    }
    let items: String = cards
        .into_iter()
        .map(|(metric, shown, meaning)| {
            let (value, range) = spread(report, metric, shown);
            format!("<li><b>{value}</b><span>{meaning}{range}</span></li>")
        })
        .collect();
    format!("<ul class=\"facts\">{items}</ul>")
}

/// The words that the page needs.
pub const fn glossary() -> &'static str {
    "<h2>Words</h2><dl>\
     <dt>Device owner</dt><dd>Owns a device that does useful work: stores, measures, computes, connects. Also called provider.</dd>\
     <dt>Earned</dt><dd>What customers paid for work, after fees.</dd>\
     <dt>Subsidy</dt><dd>What the network adds while customers are few, in new stones. It is finite.</dd>\
     <dt>Stone</dt><dd>The network's token. There is a highest number of them, for ever.</dd>\
     <dt>Burn</dt><dd>To destroy stones for good or until the work that they prepay is done: then they are made anew for who did it.</dd>\
     <dt>Credit</dt><dd>A dollar of prepaid work. It is made by burning stones and cannot be sold.</dd>\
     <dt>Bond</dt><dd>Stones that an owner leaves with the network for each device, and loses when it cheats.</dd>\
     <dt>Run</dt><dd>One possible future: the scenario with one draw of everything that chance decides. “8 of 10 runs” leaves out the best and the worst tenth.</dd>\
     <dt>Cover</dt><dd>What the stones burned for unspent credits are worth today, in percent of what those credits promise. A network with a market of its own makes no new credits below 90 %.</dd>\
     <dt>Grant</dt><dd>The stones that were set aside for the subsidy of places where the network wants devices. When they are used up only the part of the subsidy that follows real payments stays.</dd>\
     <dt>Payback</dt><dd>Days at the income of the last 30 days until a device has brought in what it and its installation cost, its running costs taken off.</dd></dl>"
}
