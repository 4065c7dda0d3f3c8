//! The report's plots, each with one sentence on how to read it.

use cairn_economy::bond_required;
use cairn_primitives::MicroUsd;

use super::super::{
    history,
    mechanism::Name,
    metric::Metric,
    montecarlo,
    row::{Row, milli},
    run::Setup,
    scenario::{Path, Scenario},
};
use super::{
    Report,
    chart::{Plot, Series, Unit, escaped, tornado},
};

/// How far an input is moved for the sensitivity plot, percent.
const MOVED_PERCENT: u64 = 20;
/// Runs of each bar of the sensitivity plot: their median is drawn.
const SENSITIVITY_RUNS: u32 = 31;
/// Days of each bar of the sensitivity plot: twenty years.
const SENSITIVITY_DAYS: u64 = 7_305;
/// Longest payback that is drawn, days: five years and a half.
const PAYBACK_MOST: f64 = 2_000.0;
/// Days until a subsidy unlocks when the scenario's epochs are days.
const VESTING_DAYS_MAX: u64 = 3_650;

/// A figure.
fn figure(title: &str, reading: &str, plot: &Plot, stacked: bool) -> String {
    let class = if stacked { " class=\"stack\"" } else { "" };
    format!(
        "<figure{class}><h3>{}</h3>{}{}<figcaption>{}</figcaption></figure>",
        escaped(title),
        plot.legend(),
        plot.svg(),
        escaped(reading)
    )
}

/// A plot over days, with the border between a ledger's days and simulated ones where there are both.
fn days(report: &Report<'_>, label: &str, unit: Unit, series: Vec<Series>) -> Plot {
    let past = history::days(&report.setup.scenario);
    let border = (past > 0).then_some(past as f64);
    Plot { label: label.to_owned(), unit, across: Unit::Days, most: None, border, series }
}

/// All plots.
pub fn section(report: &Report<'_>) -> String {
    // Grants and bonds are ours alone.
    let ours = report.setup.scenario.simulate.mechanism == Name::Ours;
    let figures = [
        income(report),
        share(report),
        payback(report),
        devices(report),
        use_of_capacity(report),
        supply(report),
        price(report),
        cover(report),
        if ours { runway(report) } else { String::new() },
        if ours { detection(report) } else { String::new() },
        sensitivity(report),
    ];
    format!("<h2>What happens, and why</h2><div class=\"plots\">{}</div>", figures.concat())
}

/// The middle run of a column on each day.
fn middle(report: &Report<'_>, column: &dyn Fn(&Row) -> i64, scale: f64) -> Vec<(f64, f64)> {
    report
        .results
        .fans(column)
        .into_iter()
        .map(|(day, fan)| (day as f64, fan.p50 as f64 / scale))
        .collect()
}

/// Band and line of a column; the band only when there are many runs.
fn fan(
    report: &Report<'_>,
    name: &str,
    class: &'static str,
    column: &dyn Fn(&Row) -> i64,
    scale: f64,
) -> Vec<Series> {
    let fans = report.results.fans(column);
    let mut series = Vec::new();
    if report.results.runs.len() > 1 {
        let band = fans
            .iter()
            .map(|(day, fan)| (*day as f64, fan.p10 as f64 / scale, fan.p90 as f64 / scale));
        series.push(Series::band(&format!("{name}, 8 of 10 runs"), class, band.collect()));
    }
    let line = fans.iter().map(|(day, fan)| (*day as f64, fan.p50 as f64 / scale)).collect();
    series.push(Series::line(name, class, line));
    series
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn income(report: &Report<'_>) -> String {
    let earned = middle(report, &|row| signed(row.earned.0), 1e6);
    let subsidy = middle(report, &|row| signed(row.subsidy().0), 1e6);
    let below = earned.iter().map(|(day, value)| (*day, 0.0, *value)).collect();
    let above = earned.iter().zip(&subsidy).map(|((day, e), (_, s))| (*day, *e, e + s)).collect();
    let series = vec![
        Series::band("earned from customers", "c", below),
        Series::band("subsidy on top", "b", above),
    ];
    let plot = days(
        report,
        "Income of all device owners a day, earned and subsidy stacked",
        Unit::Usd,
        series,
    );
    figure(
        "Income of all device owners, a day",
        "The height is what all device owners together get. Green is paid by customers; orange is subsidy, which should shrink as green grows.",
        &plot,
        true,
    )
}

fn share(report: &Report<'_>) -> String {
    let series =
        fan(report, "subsidy's part of income", "b", &|row| signed(row.subsidy_share_ppm()), 1e4);
    let plot = days(report, "Subsidy's part of income over time", Unit::Percent, series);
    figure(
        "Subsidy's part of income",
        "100 % means that nobody pays but the network itself. In a healthy network the line comes down; one that stays above 80 % for years lives on its grant and ends with it.",
        &plot,
        false,
    )
}

fn payback(report: &Report<'_>) -> String {
    let mut series = fan(report, "payback today", "a", &|row| signed(row.payback_days), 1.0);
    series.extend(
        fan(report, "without subsidy", "d", &|row| signed(row.payback_zero_days), 1.0).pop(),
    );
    series.iter_mut().for_each(|s| s.leave_above(PAYBACK_MOST));
    let mut plot =
        days(report, "Days until a device bought that day has paid for itself", Unit::Days, series);
    plot.most = Some(PAYBACK_MOST);
    let entry = report.setup.scenario.simulate.providers.as_ref().map_or_else(String::new, |people| {
        format!(
            " In this scenario people buy while it is at most {} days: more devices share the same money, so it comes to rest there.",
            people.enter_payback_days
        )
    });
    figure(
        "Payback of a device bought that day",
        &format!(
            "Lower is better. Where a line leaves the plot a device takes more than five years, or never pays for itself. The line without subsidy is what counts once the grant is used up.{entry}"
        ),
        &plot,
        false,
    )
}

fn devices(report: &Report<'_>) -> String {
    if report.setup.scenario.simulate.providers.is_none() {
        return String::new();
    }
    let series = fan(report, "devices", "a", &|row| signed(row.devices), 1.0);
    let plot = days(report, "Number of devices", Unit::Count, series);
    let coming = vec![
        Series::line("came that day", "c", middle(report, &|row| signed(row.entered), 1.0)),
        Series::line("left or broke that day", "b", middle(report, &|row| signed(row.left), 1.0)),
    ];
    let churn = days(report, "Devices that came and left, a day", Unit::Count, coming);
    figure(
        "Devices",
        "People buy devices while the payback above is short enough, and switch them off when they cost more than they bring.",
        &plot,
        false,
    ) + &figure(
        "Who comes and who leaves",
        "Where orange is above green the network shrinks.",
        &churn,
        false,
    )
}

fn use_of_capacity(report: &Report<'_>) -> String {
    let capacity =
        report.setup.scenario.simulate.providers.as_ref().map_or(0, |p| p.capacity_micro_usd_day);
    if capacity == 0 {
        let series = vec![
            Series::line("paid for", "c", middle(report, &|row| signed(row.paid.0), 1e6)),
            Series::line(
                "wanted, not served",
                "b",
                middle(report, &|row| signed(row.unserved.0), 1e6),
            ),
        ];
        let plot = days(report, "What customers pay a day", Unit::Usd, series);
        return figure(
            "What customers pay, a day",
            "The demand that the scenario assumes, before fees. It is an input: no simulation proves that customers come.",
            &plot,
            false,
        );
    }
    let used = move |row: &Row| {
        let all = u128::from(row.devices) * u128::from(capacity);
        let ppm = (u128::from(row.paid.0) * 1_000_000).checked_div(all).unwrap_or(0);
        i64::try_from(ppm).unwrap_or(i64::MAX)
    };
    let plot = days(
        report,
        "Paid part of the devices' capacity",
        Unit::Percent,
        fan(report, "paid part of capacity", "c", &used, 1e4),
    );
    figure(
        "Paid utilisation",
        "How much of what the devices could do somebody pays for. Above 40 % is healthy; below 5 % most devices wait for customers.",
        &plot,
        false,
    )
}

fn supply(report: &Report<'_>) -> String {
    let series = vec![
        Series::line("emitted", "b", middle(report, &|row| milli(row.emitted), 1e3)),
        Series::line("burned", "c", middle(report, &|row| milli(row.burned), 1e3)),
        Series::line("drawn for credits", "d", middle(report, &|row| milli(row.drawn), 1e3)),
    ];
    let plot =
        days(report, "Stones emitted, burned and drawn since the start", Unit::Stones, series);
    figure(
        "New and burned stones, since the start",
        "Emitted stones, the subsidy, make everybody's stones a smaller part of all; burned ones a larger part. Drawn ones are made to pay for work that was prepaid before the price fell.",
        &plot,
        false,
    )
}

fn price(report: &Report<'_>) -> String {
    let plot = days(
        report,
        "Price of a stone",
        Unit::Usd,
        fan(report, "price of a stone", "a", &|row| signed(row.price.0), 1e6),
    );
    let reading = match report.setup.scenario.simulate.price.path {
        Path::Pool => {
            "The price in the network's own pool: customers buy, providers sell, traders do both."
        }
        _ => "The price that the scenario assumes. It is an input: no simulation predicts it.",
    };
    figure("Price of a stone", reading, &plot, false)
}

fn cover(report: &Report<'_>) -> String {
    let most = |row: &Row| signed(row.coverage_ppm.min(10_000_000));
    let mut plot = days(
        report,
        "Cover of unspent credits by burned stones",
        Unit::Percent,
        fan(report, "cover of credits", "d", &most, 1e4),
    );
    plot.most = Some(200.0);
    figure(
        "Cover of prepaid work",
        "At 100 % the stones burned for work that is prepaid and not done are worth what was paid. When the price falls they are worth less, and new stones pay the difference. Below 90 % a network with a market of its own sells no new credits.",
        &plot,
        false,
    )
}

fn runway(report: &Report<'_>) -> String {
    let left = fan(report, "left of the grant", "a", &|row| milli(row.grant_left), 1e3);
    let plot = days(report, "Stones left of the grant", Unit::Stones, left);
    figure(
        "What is left of the grant",
        "The grant is the number of stones that was set aside for the subsidy of places where devices are wanted. At most a 365th part of the rest is used a day, so it never ends at once and is never overdrawn.",
        &plot,
        false,
    )
}

/// Profit of a fake device with the bond that an honest one posts, over the chance to be found out.
fn detection(report: &Report<'_>) -> String {
    let economy = &report.setup.scenario.economy;
    let vesting = u32::try_from(economy.vesting_epochs.min(VESTING_DAYS_MAX)).unwrap_or(0);
    let reward = MicroUsd(economy.device_cost_micro_usd_day);
    let bond = MicroUsd(economy.device_bond_stones.saturating_mul(economy.price_micro_usd));
    let points = (2..=100_u32).filter_map(|tenths| {
        let needed = bond_required(reward, tenths * 1_000, vesting, MicroUsd::ZERO).ok()?;
        let profit = (needed.0 as f64 - bond.0 as f64) / 1e6;
        Some((f64::from(tenths) / 10.0, profit))
    });
    let mut plot = Plot {
        label: "Profit of a fake device over the daily chance to be found out".to_owned(),
        unit: Unit::Usd,
        across: Unit::Percent,
        most: None,
        border: None,
        series: vec![Series::line("profit of one fake device", "b", points.collect())],
    };
    let most = (bond.0 as f64 / 1e6 * 2.0).max(1.0);
    plot.series.iter_mut().for_each(|series| series.leave_above(most));
    figure(
        "Profit of a fake device, by the chance a day to find it",
        "What a device that only pretends to work brings its owner, less the bond that it loses when it is found; from left to right it is more likely to be found on a day. Where the line is below zero faking costs more than it brings: finding fakes more often is the cheapest defence.",
        &plot,
        false,
    )
}

/// How much the emission moves when an input moves by 20 %.
fn sensitivity(report: &Report<'_>) -> String {
    type Change = fn(&mut Scenario, u64);
    fn moved(value: u64, percent: u64) -> u64 {
        u64::try_from(u128::from(value) * u128::from(percent) / 100).unwrap_or(value)
    }
    fn moved_ppm(value: u32, percent: u64) -> u32 {
        u32::try_from(moved(value.into(), percent).min(999_999)).unwrap_or(value)
    }
    let changes: [(&str, Change); 6] = [
        ("customers' demand", |s, p| {
            s.simulate.demand.final_usd_day = moved(s.simulate.demand.final_usd_day, p)
        }),
        ("how late they come", |s, p| {
            s.simulate.demand.midpoint_day = moved(s.simulate.demand.midpoint_day, p)
        }),
        ("price of a stone", |s, p| {
            s.economy.price_micro_usd = moved(s.economy.price_micro_usd, p).max(1)
        }),
        ("cost of a device", |s, p| {
            s.economy.device_cost_micro_usd_day = moved(s.economy.device_cost_micro_usd_day, p)
        }),
        ("size of the grant", |s, p| {
            s.economy.grant_stones = moved(s.economy.grant_stones, p).min(s.economy.reserve_stones)
        }),
        ("how soon the subsidy shrinks", |s, p| {
            s.economy.taper_ppm = moved_ppm(s.economy.taper_ppm, p)
        }),
    ];
    let emitted = |scenario: Scenario| {
        let results = montecarlo::run_all(&Setup::new(scenario), 1, &|_| {});
        results.fan(Metric::Emitted).p50 as f64 / 1e3
    };
    let mut base = report.setup.scenario.clone();
    base.simulate.runs = base.simulate.runs.min(SENSITIVITY_RUNS);
    // A run of centuries would take the report's patience.
    base.simulate.days = base.simulate.days.min(SENSITIVITY_DAYS);
    let now = emitted(base.clone());
    let mut bars: Vec<(String, f64, f64)> = changes
        .into_iter()
        .map(|(name, change)| {
            let with = |percent| {
                let mut scenario = base.clone();
                change(&mut scenario, percent);
                emitted(scenario)
            };
            (name.to_owned(), with(100 - MOVED_PERCENT), with(100 + MOVED_PERCENT))
        })
        .collect();
    bars.sort_by(|a, b| (b.1 - b.2).abs().total_cmp(&(a.1 - a.2).abs()));
    let svg =
        tornado("Emitted stones when an input is 20 % lower or higher", now, &bars, Unit::Stones);
    format!(
        "<figure><h3>What the subsidy depends on most</h3><ul class=\"legend solid\"><li><i class=\"box a\"></i>20 % lower</li><li><i class=\"box b\"></i>20 % higher</li></ul>{svg}<figcaption>How many stones the subsidy takes in the typical run when one input is 20 % lower or higher and the rest stays. The longest bar is the assumption to check first.</figcaption></figure>"
    )
}
