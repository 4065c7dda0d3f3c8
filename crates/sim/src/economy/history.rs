//! A running network's days as the first days of a run: rows as the ledger has them, then the simulation goes on from its state.
//!
//! `cairn_evidence::reality::History` is read from blocks; nothing here recomputes it. What the ledger does not say (what a device
//! costs its owner) comes from the scenario. Invariant: a row of the past has the ledger's numbers, and the first simulated day
//! begins with the ledger's `EconomyState`.

use std::sync::Arc;

use cairn_economy::coverage_ppm;
use cairn_evidence::reality::{HISTORY_DAYS_MAX, HISTORY_FORMAT, History, HistoryDay};
use cairn_primitives::{GenesisError, STONE, Sector, Stones};

use super::{
    check::need,
    market::PRICE_MAX,
    mechanism::Name,
    population::{Card, DEVICES_MAX},
    row::{Row, days_of},
    scenario::{Scenario, ScenarioError},
};

/// Reads a history; `name` is for errors. Whether it fits a scenario is checked with the scenario.
///
/// # Errors
/// When the text is no history of a format that is known here.
pub fn read(name: &str, text: &str) -> Result<Arc<History>, ScenarioError> {
    let history: History = serde_json::from_str(text)
        .map_err(|source| ScenarioError::History { path: name.to_owned(), source })?;
    Ok(Arc::new(history))
}

/// Days that a scenario takes from a ledger.
#[must_use]
pub fn days(scenario: &Scenario) -> u64 {
    let days = scenario.history.as_ref().map_or(0, |history| history.days.len());
    u64::try_from(days).unwrap_or(u64::MAX)
}

/// Checks a scenario's history: that it is one, of a network that the scenario can go on from.
pub(super) fn check(scenario: &Scenario) -> Result<(), GenesisError> {
    let Some(history) = scenario.history.as_deref() else { return Ok(()) };
    let (economy, ledger) = (&scenario.economy, &history.economy);
    let format = history.format;
    need(format == HISTORY_FORMAT, "history.format", format, "this program reads format 1")?;
    let mechanism = scenario.simulate.mechanism;
    let reason = "other networks' rules cannot go on from this ledger: \"ours\"";
    need(mechanism == Name::Ours, "simulate.mechanism", mechanism.key(), reason)?;
    let count = history.days.len();
    let reason = "1 to 100000 days";
    need((1..=HISTORY_DAYS_MAX).contains(&count), "history.days", count, reason)?;
    let (past, whole) = (days(scenario), scenario.simulate.days);
    let value = format!("{whole} with {past} of the ledger");
    let reason = "the ledger's days are the first of them: at least one must be left to simulate";
    need(whole > past, "simulate.days", value, reason)?;
    for (field, ours, theirs) in [
        ("economy.cap_stones", economy.cap_stones, ledger.cap_stones),
        ("economy.reserve_stones", economy.reserve_stones, ledger.reserve_stones),
    ] {
        let value = format!("{ours} where the ledger has {theirs}");
        need(ours == theirs, field, value, "no vote moves it: take the network's own [economy]")?;
    }
    let state = &history.state;
    need(state.day == past, "history.state.day", state.day, "the day after the last one")?;
    let known = state.services.contains_key(&Sector::Sensing);
    need(known, "history.state.services", state.services.len(), "sensing is what is simulated")?;
    let cap = Stones(u128::from(ledger.cap_stones) * STONE);
    need(state.reserve <= cap, "history.state.reserve", state.reserve, "at most the cap")?;
    history.days.iter().zip(0..).try_for_each(|(day, number)| check_day(day, number, cap))
}

fn check_day(day: &HistoryDay, number: u64, cap: Stones) -> Result<(), GenesisError> {
    let field = |name: &str| format!("history.days.{number}.{name}");
    need(day.day == number, &field("day"), day.day, "days follow each other from 0")?;
    let price = day.price.0;
    let reason = "1 to 1000000000000 micro-dollars";
    need((1..=PRICE_MAX).contains(&price), &field("price"), price, reason)?;
    let devices = day.devices;
    let reason = "at most 1000000000000 devices";
    need(devices <= DEVICES_MAX, &field("devices"), devices, reason)?;
    for (name, stones) in [
        ("emitted", day.emitted),
        ("drawn", day.drawn),
        ("burned", day.burned),
        ("reserve", day.reserve),
        ("grant_left", day.grant_left),
        ("vault", day.vault),
    ] {
        need(stones <= cap, &field(name), stones, "at most the cap")?;
    }
    Ok(())
}

/// Stones of people after a day: everything but what is not issued and what was burned.
fn supply(history: &History, day: &HistoryDay) -> Stones {
    let cap = u128::from(history.economy.cap_stones) * STONE;
    Stones(cap.saturating_sub(day.reserve.0).saturating_sub(day.burned.0))
}

/// What people would hold after the last day if nothing had been issued or burned: genesis's stones, less subsidies that were
/// forfeited and came back.
pub(super) fn held_at_first(history: &History, last: &HistoryDay) -> Stones {
    let issued = last.emitted.0.saturating_add(last.drawn.0);
    let held = supply(history, last).0.saturating_add(last.burned.0);
    Stones(held.saturating_sub(issued))
}

/// The row of a day of the ledger. What nobody could buy is not on a ledger.
pub(super) fn row(history: &History, day: &HistoryDay, card: Card) -> Row {
    Row {
        day: day.day,
        price: day.price,
        paid: day.paid(),
        earned: day.earned,
        usage_subsidy: day.usage_subsidy,
        need_subsidy: day.need_subsidy,
        emitted: day.emitted,
        drawn: day.drawn,
        burned: day.burned,
        supply: supply(history, day),
        grant_left: day.grant_left,
        owed: day.owed,
        outstanding: day.outstanding,
        coverage_ppm: coverage_ppm(day.vault, day.price, day.outstanding),
        devices: day.devices,
        entered: day.entered,
        left: day.left,
        payback_days: days_of(card.today),
        payback_zero_days: days_of(card.zero_subsidy),
        from_ledger: true,
        ..Row::default()
    }
}
