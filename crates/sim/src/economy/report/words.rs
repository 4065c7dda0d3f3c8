//! What the report says in words: the verdict, the facts, the meaning of terms.

use super::super::{
    metric::{Metric, payback},
    row::Row,
};
use super::{
    Report,
    chart::{Unit, shown},
};

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

/// The cards: each number with its spread.
pub fn facts(report: &Report<'_>) -> String {
    let mut cards = vec![
        Metric::Payback,
        Metric::Income,
        Metric::IncomeMin,
        Metric::SubsidyShare,
        Metric::Emitted,
        Metric::Drawn,
        Metric::Burned,
        Metric::CoverageMin,
    ];
    let simulate = &report.setup.scenario.simulate;
    cards.extend(simulate.providers.is_some().then_some(Metric::Devices));
    cards.extend(simulate.attacker.is_some().then_some(Metric::Attacker));
    let item = |metric: Metric| {
        let fan = report.results.fan(metric);
        let range = if report.results.runs.len() > 1 {
            let (low, high) = (metric.shown(fan.p10), metric.shown(fan.p90));
            format!(" (8 of 10 runs: {low} to {high})")
        } else {
            String::new()
        };
        format!("<li><b>{}</b><span>{}{range}</span></li>", metric.shown(fan.p50), metric.meaning())
    };
    let items: String = cards.into_iter().map(item).collect();
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
