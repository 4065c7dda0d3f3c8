//! Sweeps, the solver and the report.

use super::super::{
    metric::Metric,
    montecarlo::run_all,
    presets,
    report::Report,
    run::Setup,
    scenario::Scenario,
    solve::{Promise, Question},
    study::{Study, StudyError},
    sweep::{self, Axis},
};

fn question<'a>(text: &'a str, keep: &str, range: (u64, u64)) -> Question<'a> {
    Question {
        name: "grant",
        text,
        key: "economy.grant_stones",
        range,
        step: 500_000,
        promise: Promise::parse(keep).unwrap(),
        share_ppm: 900_000,
        threads: 2,
    }
}

/// The smallest grant that keeps the median payback under 18 months in 90 % of the runs: it does, and a step less does not.
#[test]
fn the_solver_finds_the_smallest_grant() {
    let text = presets::text("grant").unwrap();
    let few = |scenario: &mut Scenario| scenario.simulate.runs = 20;
    let ask = question(text, "payback_median_days<=548", (0, 40_000_000));
    let answer = ask.solve(&few, &|_, _| {}).unwrap();
    let value = answer.value.unwrap();
    let kept = |grant| answer.tried.iter().find(|tried| tried.0 == grant).unwrap().1;
    assert!(kept(value) >= 900_000 && kept(value - 500_000) < 900_000, "{answer:?}");
    assert!((5_000_000..20_000_000).contains(&value), "{answer:?}");
    let never = question(text, "payback_median_days<=1", (0, 40_000_000));
    assert_eq!(never.solve(&few, &|_, _| {}).unwrap().value, None);
    let error = question(text, "devices_last>=0", (0, u64::MAX)).solve(&few, &|_, _| {});
    assert!(error.unwrap_err().to_string().contains("economy.grant_stones is"));
}

#[test]
fn promises_and_axes_are_read() {
    let promise = Promise::parse("coverage_min_ppm >= 900_000").unwrap();
    assert!(promise.is_kept(900_000) && !promise.is_kept(899_999));
    for (text, expected) in [
        ("payback", "is no promise"),
        ("luck<=3", "is no metric: payback_median_days"),
        ("devices_last<=few", "is no whole number"),
    ] {
        let error = Promise::parse(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let error = Axis::parse("economy.grant_stones=1,x").unwrap_err().to_string();
    assert!(error.contains("economy.grant_stones is x: write a key and whole numbers"), "{error}");
}

/// A sweep is the cartesian product, each cell a whole simulation with its own hash; a bad cell is refused before any run.
#[test]
fn a_sweep_tries_every_combination() {
    let text = presets::text("demand-weak").unwrap();
    let axis = |text: &str| Axis::parse(text).unwrap();
    let axes =
        [axis("economy.grant_stones=10_000_000,40000000"), axis("simulate.days=100,200,300")];
    let cells = sweep::sweep("s", text, &axes, &|_| {}, 2, &|_, _| {}).unwrap();
    assert_eq!(cells.len(), 6);
    assert_eq!((cells[1].values[0], cells[1].values[1]), (10_000_000, 200));
    let hashes: std::collections::BTreeSet<_> = cells.iter().map(|cell| cell.hash).collect();
    assert_eq!(hashes.len(), 6);
    let csv = sweep::csv(&axes, &cells);
    assert_eq!(csv.lines().count(), 7);
    assert!(csv.starts_with("economy.grant_stones,simulate.days,payback_median_days_p10,"));
    let bad = [axis("simulate.days=1,0")];
    let error = sweep::sweep("s", text, &bad, &|_| {}, 1, &|_, _| panic!("a run")).unwrap_err();
    assert!(error.to_string().contains("simulate.days is 0"), "{error}");
}

/// The page asks nobody for anything, says the hash, and escapes what comes from outside.
#[test]
fn a_report_stands_alone() {
    let text = presets::text("founder").unwrap();
    let mut scenario = Scenario::parse("founder", text).unwrap();
    (scenario.simulate.runs, scenario.simulate.days) = (5, 300);
    let setup = Setup::new(scenario);
    let results = run_all(&setup, 2, &|_| {});
    let report = Report { name: "<b>a & b", setup: &setup, results: &results, attacks: &[] };
    let html = report.html();
    for absent in ["<script", "http://", "https://", "url(", "@import", "<b>a", "NaN", "inf"] {
        assert!(!html.contains(absent), "{absent}");
    }
    assert!(html.contains(&results.hash.to_string()) && html.contains("&lt;b&gt;a &amp; b"));
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert!(html.matches("<svg").count() >= 11);
    assert!(results.fan(Metric::Payback).p50 > 0);
}

/// A study that is stopped leaves a checkpoint and no result; continued, it leaves the files of one that was never stopped.
#[test]
fn a_stopped_study_goes_on() {
    let text = presets::text("demand-arrives").unwrap();
    let study = |name| {
        let setup = Setup::new(Scenario::parse(name, text).unwrap());
        Study { name, setup, threads: 1 }
    };
    let whole = study("a").run(None, false, &|| false, &|_, _| {}).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = Some(dir.path());
    let mut stops = 0;
    let results = loop {
        match study("a").run(out, true, &|| stops < 3, &|_, _| {}) {
            Ok(results) => break results,
            Err(StudyError::Stopped(day)) => {
                stops += 1;
                assert_eq!(day, stops * 14, "a hundredth of the days each time");
                assert!(dir.path().join("checkpoint.json").exists());
                assert!(!dir.path().join("summary.json").exists());
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(results, whole);
    study("a").write(dir.path(), &results, &[]).unwrap();
    let mut left: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["report.html", "rows.csv", "rows.parquet", "scenario.toml", "summary.json"]);
    let summary = std::fs::read_to_string(dir.path().join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["hash"], whole.hash.to_string());
    let again = std::fs::read_to_string(dir.path().join("scenario.toml")).unwrap();
    let again = Scenario::parse("again", &again).unwrap();
    assert_eq!(again, study("a").setup.scenario);
    assert!(study("a").write(&dir.path().join("missing"), &results, &[]).is_err());
}
