//! `cairn simulate`: a scenario in, an answer out. The work is `cairn_sim::economy`; here are flags, a bar and words.

mod devnet;

use std::{
    fs,
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use cairn_evidence::reality::History;
use cairn_primitives::MicroUsd;
use cairn_sim::economy::{
    attacks::{self, Attack},
    history,
    mechanism::Name,
    metric::Metric,
    montecarlo::{Fan, Results},
    presets,
    run::Setup,
    scenario::{Scenario, ScenarioError},
    solve::{Promise, Question},
    study::Study,
    sweep::{self, Axis},
};
use eyre::{OptionExt as _, Result, WrapErr as _, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    cli::SimulateArgs,
    output::{Output, table},
};

/// Millionths of a percent.
const PPM_OF_PERCENT: u64 = 10_000;

/// A scenario as it was given, and what flags change of it.
struct Given {
    name: String,
    text: String,
    threads: usize,
    mechanism: Option<Name>,
    history: Option<Arc<History>>,
}

/// Simulates, plays attacks, sweeps or solves. Wrong input is exit code 1 with its key, before anything is written.
pub fn simulate(args: &SimulateArgs) -> Result<ExitCode> {
    let output = Output { json: args.json };
    if args.preset.as_deref() == Some("list") {
        list(output);
        return Ok(ExitCode::SUCCESS);
    }
    let given = given(args)?;
    let mut scenario = Scenario::parse(&given.name, &given.text)?;
    change(args, &given, &mut scenario);
    scenario.check()?;
    if args.attacks {
        return play(&scenario, args.devnet, output);
    }
    if !args.sweep.is_empty() {
        swept(args, &given, output)?;
    } else if let Some(key) = &args.solve {
        return solved(args, key, &given, output);
    } else {
        studied(args, &given, scenario, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the file, or takes the preset.
fn given(args: &SimulateArgs) -> Result<Given> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(cores, usize::from);
    let mechanism = args.mechanism.as_deref().map(mechanism).transpose()?;
    let history = args.history.as_deref().map(past).transpose()?;
    if let Some(preset) = &args.preset {
        let text = presets::text(preset)
            .ok_or_else(|| eyre!("there is no preset `{preset}`: `--preset list` prints them"))?;
        let (name, text) = (preset.clone(), text.to_owned());
        return Ok(Given { name, text, threads, mechanism, history });
    }
    let path = args.scenario.as_ref().ok_or_eyre("a scenario or --preset is needed")?;
    let text = fs::read_to_string(path).wrap_err_with(|| format!("reading {}", path.display()))?;
    let name = path.file_stem().map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy());
    Ok(Given { name: name.into_owned(), text, threads, mechanism, history })
}

/// Reads the days of a ledger.
fn past(path: &Path) -> Result<Arc<History>> {
    let text = fs::read_to_string(path).wrap_err_with(|| format!("reading {}", path.display()))?;
    Ok(history::read(&path.display().to_string(), &text)?)
}

fn list(output: Output) {
    let about =
        |text: &str| text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
    let presets: Vec<(&str, String)> =
        presets::ALL.iter().map(|(name, text)| (*name, about(text))).collect();
    let value: Vec<Value> =
        presets.iter().map(|(name, about)| json!({ "name": name, "about": about })).collect();
    let rows = presets.iter().map(|(name, about)| vec![(*name).to_owned(), about.clone()]);
    output.answer(&json!({ "presets": value }), || table(&rows.collect::<Vec<_>>()));
}

fn mechanism(key: &str) -> Result<Name> {
    let known = || Name::ALL.map(Name::key).join(", ");
    Name::ALL
        .into_iter()
        .find(|name| name.key() == key)
        .ok_or_else(|| eyre!("--mechanism is `{key}`: choose one of {}", known()))
}

/// What flags say goes before what the file says.
fn change(args: &SimulateArgs, given: &Given, scenario: &mut Scenario) {
    let simulate = &mut scenario.simulate;
    simulate.runs = args.runs.unwrap_or(simulate.runs);
    simulate.seed = args.seed.unwrap_or(simulate.seed);
    simulate.days = args.days.unwrap_or(simulate.days);
    simulate.mechanism = given.mechanism.unwrap_or(simulate.mechanism);
    scenario.history.clone_from(&given.history);
}

fn bar(output: Output, unit: &str) -> ProgressBar {
    if !output.interactive() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {msg}  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_message(unit.to_owned())
}

/// One scenario: all runs, files, a summary.
fn studied(args: &SimulateArgs, given: &Given, scenario: Scenario, output: Output) -> Result<()> {
    if let Some(out) = &args.out {
        fs::create_dir_all(out).wrap_err_with(|| format!("making --out {}", out.display()))?;
    }
    let study = Study { name: &given.name, setup: Setup::new(scenario), threads: given.threads };
    let unit = if study.is_one_run() { "days" } else { "runs" };
    let bar = bar(output, unit);
    let told = |done: u64, all: u64| {
        bar.set_length(all);
        bar.set_position(done);
    };
    // Only a single run with a folder can go on later; any other is ended by Ctrl-C as usual.
    let resumable = study.is_one_run() && args.out.is_some();
    let stop = if resumable { stopped_by_signal() } else { Arc::default() };
    let results =
        study.run(args.out.as_deref(), args.resume, &|| stop.load(Ordering::Relaxed), &told)?;
    bar.finish_and_clear();
    if let Some(out) = &args.out {
        let economy = &study.setup.scenario.economy;
        let ours = study.setup.scenario.simulate.mechanism == Name::Ours;
        let played = if ours { attacks::suite(economy, &|_| {}) } else { Vec::new() };
        study.write(out, &results, &played)?;
    }
    let mut value = study.summary(&results);
    if let Some(out) = &args.out {
        value["report"] = json!(out.join("report.html"));
    }
    output.answer(&value, || summary(&results, args));
    Ok(())
}

/// Turns true when the person presses Ctrl-C: a long run then writes its checkpoint and ends.
fn stopped_by_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            seen.store(true, Ordering::Relaxed);
        }
    });
    stop
}

/// The fans as a table, by the names that `--keep` takes, and the hash.
fn summary(results: &Results, args: &SimulateArgs) -> String {
    let mut rows = vec![["", "P10", "P50", "P90", ""].map(str::to_owned).to_vec()];
    for metric in Metric::ALL {
        let Fan { p10, p50, p90 } = results.fan(metric);
        let mut row = vec![metric.key().to_owned()];
        row.extend([p10, p50, p90].map(|value| metric.shown(value)));
        row.push(metric.meaning().to_owned());
        rows.push(row);
    }
    let files = args
        .out
        .as_ref()
        .map_or_else(String::new, |out| format!("\nreport {}", out.join("report.html").display()));
    format!("{}\nhash {}{files}", table(&rows), results.hash)
}

/// The attack suite: exit code 1 when somebody gains.
fn play(scenario: &Scenario, on_devnet: bool, output: Output) -> Result<ExitCode> {
    let bar = bar(output, "attacks");
    let simulated = attacks::suite(&scenario.economy, &|name| {
        bar.set_message(name.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    let mut played: Vec<(&str, Attack)> =
        simulated.into_iter().map(|attack| ("simulator", attack)).collect();
    if on_devnet {
        let suite = devnet::suite(&scenario.economy);
        let found = tokio::runtime::Handle::current().block_on(suite)?;
        played.extend(found.into_iter().map(|attack| ("devnet", attack)));
    }
    let usd = |micro: i64| micro as f64 / 1e6;
    let one = |(place, attack): &(&str, Attack)| {
        json!({
            "name": attack.name, "where": place, "cases": attack.cases,
            "profit_usd_max": usd(attack.profit_micro_usd),
            "elsewhere_usd": attack.elsewhere_micro_usd.map(usd),
        })
    };
    let value = json!({ "attacks": played.iter().map(one).collect::<Vec<_>>() });
    let head = ["attack", "where", "cases", "best profit", "elsewhere"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(played.iter().map(|(place, attack)| {
        let elsewhere = attack.elsewhere_micro_usd.map(dollars);
        vec![
            attack.title.to_owned(),
            (*place).to_owned(),
            attack.cases.to_string(),
            dollars(attack.profit_micro_usd),
            elsewhere.unwrap_or_default(),
        ]
    }));
    output.answer(&value, || table(&rows));
    let gains = played.iter().any(|(_, attack)| attack.profit_micro_usd > 0);
    Ok(if gains { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Dollars that may be negative, with all six decimals.
fn dollars(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    format!("{sign}${}", MicroUsd(micro.unsigned_abs()))
}

fn swept(args: &SimulateArgs, given: &Given, output: Output) -> Result<()> {
    let axes: Result<Vec<Axis>, ScenarioError> =
        args.sweep.iter().map(|text| Axis::parse(text)).collect();
    let axes = axes?;
    let bar = bar(output, "combinations");
    let told = |done: u64, all: u64| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let changed = |scenario: &mut Scenario| change(args, given, scenario);
    let cells = sweep::sweep(&given.name, &given.text, &axes, &changed, given.threads, &told)?;
    bar.finish_and_clear();
    let csv = sweep::csv(&axes, &cells);
    if let Some(out) = &args.out {
        fs::create_dir_all(out).wrap_err_with(|| format!("making --out {}", out.display()))?;
        let path = out.join("sweep.csv");
        cairn_sim::economy::files::write_whole(&path, csv.as_bytes())
            .wrap_err_with(|| format!("writing {}", path.display()))?;
    }
    let value = json!({
        "axes": axes.iter().map(|axis| &axis.key).collect::<Vec<_>>(),
        "cells": cells.iter().map(|cell| {
            let medians: serde_json::Map<String, Value> = Metric::ALL
                .iter()
                .zip(&cell.fans)
                .map(|(metric, fan)| (metric.key().to_owned(), json!(fan.p50)))
                .collect();
            json!({ "values": cell.values, "p50": medians, "hash": cell.hash.to_string() })
        }).collect::<Vec<_>>(),
    });
    output.answer(&value, || csv.trim_end().to_owned());
    Ok(())
}

fn solved(args: &SimulateArgs, key: &str, given: &Given, output: Output) -> Result<ExitCode> {
    let keep = args.keep.as_deref().ok_or_eyre("--keep is needed")?;
    let question = Question {
        name: &given.name,
        text: &given.text,
        key,
        range: (args.from, args.to.ok_or_eyre("--to is needed")?),
        step: args.step,
        promise: Promise::parse(keep).map_err(|error| eyre!("--keep: {error}"))?,
        share_ppm: args.share * PPM_OF_PERCENT,
        threads: given.threads,
    };
    let bar = bar(output, "values tried");
    let changed = |scenario: &mut Scenario| change(args, given, scenario);
    let answer = question.solve(&changed, &|_, _| bar.inc(1))?;
    bar.finish_and_clear();
    let tried: Vec<Value> = answer
        .tried
        .iter()
        .map(|(value, ppm)| json!({ "value": value, "kept_ppm": ppm }))
        .collect();
    let value = json!({ "key": key, "keep": keep, "share_percent": args.share, "value": answer.value, "tried": tried });
    output.answer(&value, || match answer.value {
        Some(value) => format!(
            "{key} = {value} is the smallest with which {keep} in {} % of the runs",
            args.share
        ),
        None => format!(
            "no {key} up to {} keeps {keep} in {} % of the runs",
            question.range.1, args.share
        ),
    });
    Ok(if answer.value.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
