//! `cairn simulate` as people type it: a study with its files, the same hash on one thread or many, attacks, and refusals that
//! leave nothing behind.

use std::{
    fs,
    process::{Command, Output},
};

use cairn_economy::EconomyState;
use cairn_evidence::reality::{HISTORY_FORMAT, History, HistoryDay};
use cairn_primitives::MicroUsd;
use cairn_sim::economy::{presets, scenario::Scenario};
use serde_json::{Value, json};

fn cairn(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cairn")).args(arguments).output().expect("it runs")
}

fn json(arguments: &[&str]) -> Value {
    let output = cairn(arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cairn {arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// The error of a command that must fail with this exit code.
fn refused(code: i32, arguments: &[&str]) -> String {
    let output = cairn(arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "cairn {arguments:?}: {told}");
    told
}

#[test]
fn a_study_has_its_files_and_one_hash_on_any_number_of_threads() {
    let root = tempfile::tempdir().expect("a folder");
    let mut hashes = Vec::new();
    for threads in ["1", "4"] {
        let out = root.path().join(threads);
        let path = out.to_str().expect("text");
        let flags = ["--preset", "founder", "--runs", "8", "--days", "300", "--threads", threads];
        let told = json(&[&["simulate", "--out", path, "--json"], &flags[..]].concat());
        for file in ["report.html", "rows.csv", "rows.parquet", "scenario.toml", "summary.json"] {
            assert!(out.join(file).exists(), "{file}");
        }
        assert!(told["metrics"]["payback_median_days"]["p50"].is_number(), "{told}");
        hashes.push(told["hash"].clone());
    }
    assert_eq!(hashes[0], hashes[1]);
}

/// Five attacks by accounts and devices of strangers, on a network that runs: nobody gains.
#[test]
fn no_attack_on_a_running_network_gains() {
    let played = json(&["simulate", "--preset", "founder", "--attacks", "--devnet", "--json"]);
    let attacks = played["attacks"].as_array().expect("a list");
    let mut names = Vec::new();
    for attack in attacks.iter().filter(|attack| attack["where"] == "devnet") {
        assert!(attack["profit_usd_max"].as_f64().expect("a number") <= 0.0, "{attack}");
        assert!(attack["cases"].as_u64() > Some(1), "{attack}");
        names.push(attack["name"].as_str().expect("a name"));
    }
    let expected = ["wash-trading", "oracle-push", "credit-run", "sybil-devices", "lazy-verifier"];
    assert_eq!(names, expected);
}

#[test]
fn attacks_sweeps_and_the_solver_answer() {
    let played = json(&["simulate", "--preset", "demand-arrives", "--attacks", "--json"]);
    let attacks = played["attacks"].as_array().expect("a list");
    assert_eq!(attacks.len(), 13);
    for attack in attacks {
        assert_eq!(attack["where"], "simulator");
        assert!(attack["profit_usd_max"].as_f64().expect("a number") <= 0.0, "{attack}");
    }
    let grants = "economy.grant_stones=10000000,40000000";
    let swept = json(&["simulate", "--preset", "demand-weak", "--sweep", grants, "--json"]);
    assert_eq!(swept["cells"].as_array().expect("a list").len(), 2);
    let solve = ["--solve", "economy.grant_stones", "--to", "40000000", "--step", "1000000"];
    let keep = ["--keep", "payback_median_days<=548", "--runs", "10", "--json"];
    let solved = json(&[&["simulate", "--preset", "grant"], &solve[..], &keep[..]].concat());
    assert!(solved["value"].as_u64().expect("a value") > 0, "{solved}");
}

/// A ledger of one quiet day, with forty devices.
fn one_day() -> History {
    let text = presets::text("founder").expect("a preset");
    let economy = Scenario::parse("founder", text).expect("a scenario").economy;
    let mut state = EconomyState::genesis(&economy);
    state.open_next_day(&economy);
    let day = HistoryDay {
        price: MicroUsd(economy.price_micro_usd),
        reserve: state.reserve,
        devices: 40,
        entered: 40,
        ..HistoryDay::default()
    };
    let (network, days) = ("quiet".to_owned(), vec![day]);
    History { format: HISTORY_FORMAT, network, chain_id: 7, economy, days, state }
}

#[test]
fn a_ledgers_days_come_first_and_its_files_give_the_same_hash() {
    let root = tempfile::tempdir().expect("a folder");
    let (file, out) = (root.path().join("history.json"), root.path().join("study"));
    fs::write(&file, serde_json::to_string(&one_day()).expect("plain data")).expect("a file");
    let (file, path) = (file.to_str().expect("text"), out.to_str().expect("text"));
    let flags = ["--history", file, "--runs", "2", "--days", "60"];
    let asked = [&["simulate", "--preset", "founder", "--out", path, "--json"], &flags[..]];
    let told = json(&asked.concat());
    assert_eq!(
        (&told["history"]["network"], &told["history"]["days"]),
        (&json!("quiet"), &json!(1))
    );
    let rows = fs::read_to_string(out.join("rows.csv")).expect("rows");
    assert_eq!(rows.lines().filter(|line| line.ends_with(",1")).count(), 2, "a day of two runs");
    let (scenario, history) = (out.join("scenario.toml"), out.join("history.json"));
    let (scenario, history) = (scenario.to_str().expect("text"), history.to_str().expect("text"));
    let again = json(&["simulate", scenario, "--history", history, "--json"]);
    assert_eq!(again["hash"], told["hash"]);
    assert_ne!(json(&["simulate", scenario, "--json"])["hash"], told["hash"]);

    let other = ["simulate", scenario, "--history", history, "--mechanism", "akash"];
    let told = refused(1, &other);
    assert!(told.contains("simulate.mechanism is akash"), "{told}");
    let told = refused(1, &["simulate", scenario, "--history", scenario]);
    assert!(told.contains("is no history as `cairn reality --history` writes it"), "{told}");
    refused(2, &["simulate", scenario, "--history", history, "--attacks"]);
    refused(2, &["reality", "--history", file, "--html", path]);
    refused(2, &["reality", "--genesis", file]);
}

#[test]
fn bad_scenarios_are_refused_and_leave_nothing() {
    let root = tempfile::tempdir().expect("a folder");
    let (file, out) = (root.path().join("s.toml"), root.path().join("study"));
    let (file, path) = (file.to_str().expect("text"), out.to_str().expect("text"));
    let good = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../data/scenarios/demand-weak.toml"
    ))
    .expect("a preset");
    for (from, to, expected) in [
        ("days = 1461", "days = 1461\ncolour = 1", "setting `simulate.colour` = 1: unknown field"),
        ("days = 1461", "days = 0", "simulate.days is 0: 1 to 10000000000 days"),
        (
            "match_ppm = 900000",
            "match_ppm = 1000000",
            "economy.match_ppm is 1000000: must be below",
        ),
    ] {
        fs::write(file, good.replacen(from, to, 1)).expect("a file");
        let told = refused(1, &["simulate", file, "--out", path]);
        assert!(told.contains(expected), "{expected}: {told}");
        assert!(!out.exists(), "nothing is written");
    }
    let told = refused(1, &["simulate", "--preset", "luck"]);
    assert!(told.contains("there is no preset `luck`"), "{told}");
    refused(2, &["simulate"]);
    refused(2, &["simulate", file, "--preset", "founder"]);
    let help = String::from_utf8(cairn(&["simulate", "--help"]).stdout).expect("text");
    assert!(help.contains("Example:") && help.contains("--json"), "{help}");
}
