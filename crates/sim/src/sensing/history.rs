//! A ledger's days as the first days of a simulated economy: every number is the ledger's, and so is the state at the border.

use std::sync::Arc;

use cairn_economy::EconomyState;
use cairn_evidence::reality::{Book, History, HistoryError};
use cairn_primitives::abi::{CREDITS, ICredits};

use super::*;
use crate::economy::{
    files, history,
    montecarlo::run_all,
    report::Report as Page,
    run::Setup,
    scenario::{Providers, Scenario, Simulate},
    study::Study,
};

/// Epochs of a day.
const DAY: u64 = 24;
/// Days of the ledger.
const DAYS: u64 = 5;
/// What its consumer spends in an epoch: 20 cents, so little that coverage and usage are still subsidised.
const SPEND: MicroUsd = MicroUsd(200_000);

/// What the ledger itself says when it has opened a day.
struct Said {
    day: cairn_primitives::abi::IEconomy::Day,
    supply: [Stones; 3],
    outstanding: u64,
    vault: Stones,
    /// Of the day before: subsidies and what devices earned, micro-dollars.
    usage: u64,
    need: u64,
}

/// A network's first days, and what its ledger said at the end of each.
fn network(spare: u64) -> (Simulation, Vec<Said>) {
    let epochs = DAYS * DAY + spare;
    let log = made_up(7, 4, epochs, TimeMs(1_357_020_000_000));
    let (cheaters, faults) = (Vec::new(), BTreeMap::new());
    let config = Config { seed: 1, log, cheaters, epochs, spend: SPEND, faults };
    let mut simulation = Simulation::recorded(config).expect("the network is founded");
    let (mut said, mut usage, mut need) = (Vec::new(), 0, 0);
    for epoch in 0..epochs {
        let report = simulation.step().expect("every epoch becomes final");
        usage += report.outcome.usage.0;
        need += report.outcome.need.0;
        if epoch % DAY == DAY - 1 {
            let (chain, at) = (simulation.chain(), BlockTag::Latest);
            let view = |call| block_on(chain.view(CREDITS, call, at)).expect("a view");
            let vault = block_on(chain.view(CREDITS, ICredits::vaultCall {}, at)).expect("a view");
            said.push(Said {
                day: block_on(chain.economy_day(SECTOR, at)).expect("a view"),
                supply: block_on(chain.supply(at)).expect("a view"),
                outstanding: view(ICredits::totalSupplyCall {}).to(),
                vault: Stones(vault.to()),
                usage: std::mem::take(&mut usage),
                need: std::mem::take(&mut need),
            });
        }
    }
    (simulation, said)
}

fn history_of(simulation: &Simulation) -> Result<History, HistoryError> {
    let mut book = Book::new(simulation.genesis());
    for block in simulation.chain().blocks() {
        book.fold(&block.header, &block.transactions, &block.receipts).expect("the next block");
    }
    book.history()
}

fn scenario(history: &History, days: u64) -> Scenario {
    let mut simulate = Simulate { days, record_every_days: 1, ..Simulate::default() };
    simulate.demand.noise_ppm = 50_000;
    simulate.providers = Some(Providers::default());
    let economy = history.economy.clone();
    Scenario { economy, simulate, history: Some(Arc::new(history.clone())) }
}

/// What the ledger shows of its state is what the history's state has.
fn is_the_ledgers(state: &EconomyState, said: &Said) {
    let service = state.services[&SECTOR];
    let day = &said.day;
    assert_eq!(state.day, day.day);
    assert_eq!(service.usage_budget.0, day.usageSubsidyMicroUsd);
    assert_eq!(service.need_budget.0, day.needSubsidyMicroUsd);
    assert_eq!(service.income.0, day.incomeMicroUsd);
    assert_eq!(service.burn.0, day.burnMicroUsd);
    assert_eq!(U256::from(service.grant_left.0), day.grantLeftStones);
    assert_eq!((service.settled_today.0, day.settledTodayMicroUsd), (0, 0));
    assert_eq!(state.reserve, said.supply[0]);
}

#[test]
fn a_ledgers_days_are_the_first_days_of_a_run() {
    // The last day is not over: it is no part of the history.
    let (simulation, said) = network(7);
    let history = history_of(&simulation).expect("days are over");
    assert_eq!(u64::try_from(history.days.len()), Ok(DAYS));
    let last = said.last().expect("a day is over");
    is_the_ledgers(&history.state, last);
    assert!(history.state.services[&SECTOR].usage_budget > MicroUsd::ZERO, "usage is subsidised");

    // A file of it is read back as the same.
    let text = serde_json::to_string_pretty(&history).expect("plain data");
    let read = history::read("history.json", &text).expect("a history");
    assert_eq!((&*read, read.digest()), (&history, history.digest()));
    history::read("history.json", &text.replacen("\"format\"", "\"shape\"", 1)).unwrap_err();

    let scenario = scenario(&history, 60);
    scenario.check().expect("the network's own economy");
    let setup = Setup::new(scenario);
    let mut run = setup.begin(0);
    run.advance(&setup, DAYS);
    is_the_ledgers(run.economy_state().expect("ours"), last);
    assert_eq!(run.economy_state(), Some(&history.state));
    for ((row, said), number) in run.rows.iter().zip(&said).zip(0..) {
        assert_eq!((row.day, row.from_ledger), (number, true));
        // Nothing is sold in the first epoch: no device has a score yet.
        let sales = DAY - u64::from(number == 0);
        assert_eq!(row.paid.0, SPEND.0 * sales, "day {number}");
        assert_eq!((row.usage_subsidy.0, row.need_subsidy.0), (said.usage, said.need));
        assert_eq!(U256::from(row.grant_left.0), said.day.grantLeftStones);
        let held = u128::from(history.economy.cap_stones) * STONE - row.burned.0 - said.supply[0].0;
        assert_eq!(row.supply.0, held, "everything that is issued and not burned");
        // The base fees of the block in which the day ended and of the claims after it are burned later.
        let later = said.supply[1].0 - history.days[usize::try_from(number).expect("few")].burned.0;
        assert!(later < STONE / 100, "{later}");
        assert_eq!((row.devices, row.entered), (4, 4 * u64::from(number == 0)));
        assert_eq!(
            (row.outstanding.0, row.price),
            (said.outstanding, simulation.genesis().price())
        );
    }
    assert_eq!(history.days.last().expect("a day").vault, last.vault);
    let subsidised = run.rows.last().expect("a row").emitted;
    let reserve = u128::from(history.economy.reserve_stones) * STONE;
    let drawn = run.rows.last().expect("a row").drawn;
    assert_eq!(subsidised.0 + drawn.0, reserve - last.supply[0].0, "what left the reserve");

    // The first simulated day goes on from there, with the credits that the ledger has.
    run.advance(&setup, DAYS + 1);
    let (before, row) = (run.rows[4], run.rows[5]);
    assert_eq!((row.day, row.from_ledger), (DAYS, false));
    assert!(row.emitted >= before.emitted && row.burned > before.burned, "{row:?}");
    assert!(row.grant_left < before.grant_left, "{row:?}");
    let state = run.economy_state().expect("ours");
    assert_eq!(state.day, DAYS + 1);
    assert!(row.outstanding.0 + row.paid.0 >= before.outstanding.0, "no credit is lost");
}

/// Files, hash and refusals of a run that goes on from a ledger.
#[test]
fn a_study_of_a_ledger_says_where_it_begins() {
    let (simulation, _) = network(0);
    let history = history_of(&simulation).expect("days are over");
    let mut scenario = scenario(&history, 800);
    scenario.simulate.runs = 3;
    let all =
        |scenario: &Scenario, threads| run_all(&Setup::new(scenario.clone()), threads, &|_| {});
    let results = all(&scenario, 1);
    assert_eq!(results, all(&scenario, 2));
    let mut other = history.clone();
    other.days[2].earned.0 += 1;
    let altered = Scenario { history: Some(Arc::new(other)), ..scenario.clone() };
    assert_ne!(all(&altered, 2).hash, results.hash, "a history that was altered shows");
    assert_ne!(all(&Scenario { history: None, ..scenario.clone() }, 2).hash, results.hash);

    let csv = files::csv(&results.runs);
    let marked = csv.lines().filter(|line| line.ends_with(",1")).count();
    assert_eq!(marked, 3 * 5);
    assert!(
        csv.starts_with("run,day,")
            && csv.lines().next().expect("a head").ends_with(",from_ledger")
    );
    let setup = Setup::new(scenario.clone());
    let page = Page { name: "study", setup: &setup, results: &results, attacks: &[] }.html();
    assert!(page.contains(
        "The first 5 days are no simulation: they are what the ledger of cairn-sim says"
    ));
    assert!(page.contains("class=\"border\"") && page.contains("--history history.json"));
    let dir = tempfile::tempdir().expect("a folder");
    let study = Study { name: "study", setup, threads: 1 };
    study.write(dir.path(), &results, &[]).expect("files");
    let text = std::fs::read_to_string(dir.path().join("history.json")).expect("a file");
    assert_eq!(*history::read("history.json", &text).expect("a history"), history);
    assert_eq!(study.summary(&results)["history"]["days"], 5);

    let refused = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = scenario.clone();
        change(&mut scenario);
        scenario.check().expect_err("refused").to_string()
    };
    for (expected, change) in [
        (
            "simulate.days is 5 with 5 of the ledger: the ledger's days are the first",
            (&|s: &mut Scenario| s.simulate.days = 5) as &dyn Fn(&mut Scenario),
        ),
        ("simulate.mechanism is akash: other networks'", &|s| {
            s.simulate.mechanism = crate::economy::mechanism::Name::Akash;
        }),
        ("economy.reserve_stones is 500000000 where the ledger has 600000000", &|s| {
            s.economy.reserve_stones = 500_000_000;
        }),
        ("history.days.3.price is 0: 1 to", &|s| {
            let mut history = (**s.history.as_ref().expect("there is one")).clone();
            history.days[3].price = MicroUsd::ZERO;
            s.history = Some(Arc::new(history));
        }),
    ] {
        let error = refused(change);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// Before a day is over there is nothing to go on from.
#[test]
fn a_young_ledger_has_no_days() {
    let log = made_up(7, 4, 3, TimeMs(1_357_020_000_000));
    let (cheaters, faults) = (Vec::new(), BTreeMap::new());
    let config = Config { seed: 1, log, cheaters, epochs: 3, spend: SPEND, faults };
    let mut simulation = Simulation::recorded(config).expect("the network is founded");
    for _ in 0..3 {
        simulation.step().expect("every epoch becomes final");
    }
    assert_eq!(history_of(&simulation), Err(HistoryError::Nothing(Epoch(23))));
}
