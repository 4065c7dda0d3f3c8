//! Runs: the same hash on any number of threads, after any interruption, for any recording; another seed, another hash.

use std::fs;

use super::scenario;
use crate::economy::{
    checkpoint, files,
    metric::Metric,
    montecarlo::{Results, run_all},
    row::COLUMNS,
    run::Setup,
    scenario::{Attacker, Path, Price, Providers, Scenario},
};

/// A scenario with every draw there is.
fn stormy() -> Scenario {
    let mut scenario = scenario();
    let simulate = &mut scenario.simulate;
    (simulate.days, simulate.runs) = (400, 12);
    simulate.demand.noise_ppm = 50_000;
    simulate.providers = Some(Providers::default());
    simulate.price = Price { path: Path::Gbm, volatility_ppm_year: 800_000, ..Price::default() };
    scenario
}

/// The same with a price of its own.
fn with_pool() -> Scenario {
    let mut scenario = stormy();
    scenario.simulate.price = Price {
        path: Path::Pool,
        depth_usd: 2_000_000,
        swap_fee_ppm: 3_000,
        sold_ppm: 500_000,
        volatility_ppm_year: 500_000,
        ..Price::default()
    };
    scenario
}

fn all(scenario: Scenario, threads: usize) -> Results {
    run_all(&Setup::new(scenario), threads, &|_| {})
}

#[test]
fn threads_and_recording_do_not_change_the_hash_and_a_seed_does() {
    for scenario in [stormy(), with_pool()] {
        let one = all(scenario.clone(), 1);
        assert_eq!(one, all(scenario.clone(), 8));
        let mut sparse = scenario.clone();
        sparse.simulate.record_every_days = 97;
        assert_eq!(one.hash, all(sparse, 3).hash);
        let mut other = scenario;
        other.simulate.seed = 2;
        assert_ne!(one.hash, all(other, 2).hash);
        let hashes: std::collections::BTreeSet<_> = one.runs.iter().map(|run| run.hash).collect();
        assert_eq!(hashes.len(), one.runs.len(), "each run has draws of its own");
    }
}

/// The hash of one run of the table's first row: another machine must get it.
#[test]
fn a_golden_hash() {
    let results = all(scenario(), 2);
    assert_eq!(
        results.hash.to_string(),
        "0xa4652f8947aa11bf756553fddbb367a984805d2b11e52209f935eae8c3136c22"
    );
}

#[test]
fn a_run_continues_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.json");
    for scenario in [stormy(), with_pool()] {
        let setup = Setup::new(scenario);
        let mut whole = setup.begin(3);
        whole.advance(&setup, u64::MAX);
        let mut run = setup.begin(3);
        for until in [1, 57, 58, 200, 400] {
            run.advance(&setup, until);
            checkpoint::save(&path, &setup, &run).unwrap();
            run = checkpoint::load(&path, &setup).unwrap().unwrap();
        }
        assert_eq!(run, whole);
        let mut other = setup.scenario.clone();
        other.simulate.seed = 9;
        let error = checkpoint::load(&path, &Setup::new(other)).unwrap_err();
        assert!(error.to_string().contains("another scenario"), "{error}");
    }
    fs::write(&path, b"{}").unwrap();
    assert!(checkpoint::load(&path, &Setup::new(stormy())).is_err());
    fs::remove_file(&path).unwrap();
    assert!(checkpoint::load(&path, &Setup::new(stormy())).unwrap().is_none());
}

#[test]
fn people_come_and_go_and_the_pool_moves() {
    let results = all(with_pool(), 2);
    let run = &results.runs[0];
    assert!(run.rows.iter().any(|row| row.entered > 0), "people came");
    let prices: std::collections::BTreeSet<_> = run.rows.iter().map(|row| row.price).collect();
    assert!(prices.len() > 100, "{}", prices.len());
    let devices = results.fan(Metric::Devices);
    assert!(devices.p10 <= devices.p50 && devices.p50 <= devices.p90);
}

/// Whoever pays itself loses, also with a part of the devices and all of treasury and insurance.
#[test]
fn an_attacker_loses() {
    let mut scenario = scenario();
    scenario.simulate.attacker = Some(Attacker { recapture_ppm: 1_000_000, ..Attacker::default() });
    let profit = all(scenario, 1).fan(Metric::Attacker).p50;
    assert!(profit < 0, "{profit}");
}

#[test]
fn files_have_every_row_and_column() {
    let results = all(stormy(), 2);
    let rows: usize = results.runs.iter().map(|run| run.rows.len()).sum();
    let csv = files::csv(&results.runs);
    assert_eq!(csv.lines().count(), rows + 1);
    assert!(csv.lines().all(|line| line.split(',').count() == COLUMNS.len() + 1));
    let bytes = files::parquet(&results.runs).unwrap();
    assert_eq!((&bytes[..4], &bytes[bytes.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
}
