//! The same integer model in radCAD, cadCAD and plain Python, and Filecoin's minting in mechaFIL, each as its own process.
//!
//! Their scripts are beside this file, written from the specification; they run in a virtual environment that is made here
//! from PyPI. Equal hashes of the final state say that the model is the same one; CPU time says what a step costs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use cairn_kit::cpu;
use cairn_primitives::{EconomyParams, MicroUsd, STONE};
use serde::Deserialize;
use serde_json::json;

use super::{
    curve::Curve,
    mechanism::{Day, Filecoin, Mechanism, Name, POWER_BYTES},
    scenario::Demand,
};

/// What is installed, at exactly these versions. radCAD imports `typing_extensions` without naming it.
const PACKAGES: [&str; 4] =
    ["radcad==0.14.0", "typing_extensions", "cadCAD==0.5.3", "mechafil==1.9"];
/// The scripts.
const SCRIPTS: [(&str, &str); 5] = [
    ("model.py", include_str!("peers/model.py")),
    ("plain.py", include_str!("peers/plain.py")),
    ("radcad_run.py", include_str!("peers/radcad_run.py")),
    ("cadcad_run.py", include_str!("peers/cadcad_run.py")),
    ("mechafil_run.py", include_str!("peers/mechafil_run.py")),
];
/// Days that a peer steps through.
const DAYS: u64 = 20_000;
/// Times that we step through them: our clock is as fine as theirs.
const ROUNDS: u32 = 20;
/// Days of Filecoin's minting: twenty years.
const MINT_DAYS: u64 = 7_300;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Who.
    pub name: String,
    /// Days stepped through.
    pub steps: u64,
    /// CPU time.
    pub cpu: Duration,
    /// Hash of the final state.
    pub hash: String,
}

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Ours first.
    pub peers: Vec<Peer>,
    /// Largest relative difference to mechaFIL's minting over twenty years.
    pub mechafil: f64,
}

/// A comparison that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// A program does not start, or the disk.
    #[error("{what}")]
    Io {
        /// Doing what.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("{what} failed: {output}")]
    Failed {
        /// Which.
        what: String,
        /// The end of what it said.
        output: String,
    },
    /// It did not say what it should.
    #[error("{what} answered something else")]
    Answer {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Stepped {
    hash: String,
    steps: u64,
    cpu_s: f64,
}

#[derive(Deserialize)]
struct Minted {
    simple: Vec<f64>,
    baseline: Vec<f64>,
}

/// Makes the environment in `dir` if it is not there, and runs everybody. `told` is called before each.
///
/// # Errors
/// See `PeerError`.
pub fn measure(
    params: &EconomyParams,
    dir: &Path,
    told: &dyn Fn(&str),
) -> Result<Measured, PeerError> {
    told("making a virtual environment from PyPI");
    let python = environment(dir)?;
    let curve = Curve::new(&Demand::default(), DAYS);
    let demand: Vec<u64> = (0..DAYS).map(|day| curve.at(day).0).collect();
    let input = dir.join("input.json");
    write(&input, &json!({ "economy": params, "demand": demand }).to_string())?;
    told("Cairn");
    let mut peers = vec![ours(params, &demand)?];
    for (name, script) in [
        ("plain Python", "plain.py"),
        ("radCAD 0.14", "radcad_run.py"),
        ("cadCAD 0.5.3", "cadcad_run.py"),
    ] {
        told(name);
        let answer: Stepped = run(&python, dir, script, &input)?;
        let cpu = Duration::try_from_secs_f64(answer.cpu_s).unwrap_or_default();
        peers.push(Peer { name: name.to_owned(), steps: answer.steps, cpu, hash: answer.hash });
    }
    told("mechaFIL 1.9");
    write(
        &input,
        &json!({ "days": MINT_DAYS, "power_bytes": POWER_BYTES.to_string() }).to_string(),
    )?;
    let minted: Minted = run(&python, dir, "mechafil_run.py", &input)?;
    Ok(Measured { peers, mechafil: apart(&minted) })
}

/// The deployed model on this thread.
fn ours(params: &EconomyParams, demand: &[u64]) -> Result<Peer, PeerError> {
    let price = MicroUsd(params.price_micro_usd);
    let begun = cpu::of_thread();
    let mut hash = String::new();
    for _ in 0..ROUNDS {
        let mut mechanism = Mechanism::new(Name::Ours, params);
        for (number, paid) in (0..).zip(demand) {
            let paid = MicroUsd(*paid);
            let released = paid.to_stones_floor(price);
            mechanism.day(params, &Day { number, price, paid, released, covered_ppm: 1_000_000 });
        }
        hash = mechanism.state_hash();
    }
    let cpu = cpu::of_thread().saturating_sub(begun);
    let steps = u64::from(ROUNDS) * u64::try_from(demand.len()).unwrap_or(0);
    Ok(Peer { name: "Cairn, one thread".to_owned(), steps, cpu, hash })
}

/// The largest relative difference of cumulative minting, simple and baseline.
fn apart(theirs: &Minted) -> f64 {
    let mut state = Filecoin::default();
    let mut most = 0.0_f64;
    for (simple, baseline) in theirs.simple.iter().zip(&theirs.baseline) {
        state.mint(POWER_BYTES);
        let (our_simple, our_baseline) = state.minted();
        for (ours, theirs) in [(our_simple, simple), (our_baseline, baseline)] {
            let ours = ours.0 as f64 / STONE as f64;
            most = most.max((ours - theirs).abs() / theirs);
        }
    }
    most
}

/// The environment's Python; made on first use.
fn environment(dir: &Path) -> Result<PathBuf, PeerError> {
    fs::create_dir_all(dir).map_err(io_error(&format!("making {}", dir.display())))?;
    for (name, text) in SCRIPTS {
        write(&dir.join(name), text)?;
    }
    let python = dir.join("venv/bin/python");
    let ready = dir.join("ready");
    if !ready.exists() {
        let venv = dir.join("venv").display().to_string();
        said("python3 -m venv", Command::new("python3").args(["-m", "venv", &venv]))?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
        said("pip install", &mut pip)?;
        write(&ready, &PACKAGES.join("\n"))?;
    }
    Ok(python)
}

/// Runs a script and reads the JSON on its last line.
fn run<T: for<'a> Deserialize<'a>>(
    python: &Path,
    dir: &Path,
    script: &str,
    input: &Path,
) -> Result<T, PeerError> {
    let mut command = Command::new(python);
    let output = said(script, command.arg(dir.join(script)).arg(input).current_dir(dir))?;
    let last = output.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .map_err(|source| PeerError::Answer { what: script.to_owned(), source })
}

/// What a program said on its output, if it succeeded.
fn said(what: &str, command: &mut Command) -> Result<String, PeerError> {
    let output = command.output().map_err(io_error(what))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let start = text.len().saturating_sub(2_000);
    let end = text.get(start..).unwrap_or(&text).trim().to_owned();
    Err(PeerError::Failed { what: what.to_owned(), output: end })
}

fn write(path: &Path, text: &str) -> Result<(), PeerError> {
    fs::write(path, text).map_err(io_error(&format!("writing {}", path.display())))
}

fn io_error(what: &str) -> impl FnOnce(io::Error) -> PeerError {
    let what = what.to_owned();
    move |source| PeerError::Io { what, source }
}
