//! Flags of `simulate`: the economy in advance.

use std::path::PathBuf;

use clap::Args;

/// Flags of `simulate`.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("world").args(["scenario", "preset"]).required(true)))]
pub struct SimulateArgs {
    /// The scenario: a TOML file with the `[economy]` of a genesis and a `[simulate]` table (docs/spec/scenario.md).
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: Option<PathBuf>,
    /// A scenario that comes with the program instead of a file; `list` prints them.
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Whose rules pay the providers, instead of the scenario's: ours, fixed, band, helium-2021, render, akash or filecoin.
    #[arg(long, value_name = "NAME")]
    pub mechanism: Option<String>,
    /// A running network's days as the first ones: the file that `cairn reality --history` wrote. The scenario's `[economy]` is in
    /// force from then on; take the network's own but for what is to be tried.
    #[arg(long, value_name = "FILE", conflicts_with = "attacks")]
    pub history: Option<PathBuf>,
    /// Folder for report.html, summary.json, rows.csv, rows.parquet and the checkpoint; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Runs with different draws, instead of the scenario's.
    #[arg(long)]
    pub runs: Option<u32>,
    /// Seed of every draw, instead of the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Days, instead of the scenario's.
    #[arg(long)]
    pub days: Option<u64>,
    /// Threads; all cores by default. The result is the same.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Go on with the run that was stopped in the folder of --out.
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Play every known attack with the scenario's parameters; exits 1 when one of them gains.
    #[arg(long, conflicts_with_all = ["sweep", "solve", "resume"])]
    pub attacks: bool,
    /// Play them also against a network of real validators, devices and transactions on this machine: about two minutes.
    #[arg(long, requires = "attacks")]
    pub devnet: bool,
    /// Every combination of these values; may be given again for another key.
    #[arg(long, value_name = "KEY=A,B,…", conflicts_with_all = ["solve", "resume"])]
    pub sweep: Vec<String>,
    /// The smallest value of this key that keeps the promise of --keep.
    #[arg(long, value_name = "KEY", requires_all = ["keep", "to"], conflicts_with = "resume")]
    pub solve: Option<String>,
    /// What must hold in a run, like `payback_median_days<=548`.
    #[arg(long, value_name = "METRIC<=N", requires = "solve")]
    pub keep: Option<String>,
    /// Smallest value to try.
    #[arg(long, default_value_t = 0, requires = "solve")]
    pub from: u64,
    /// Largest value to try.
    #[arg(long, requires = "solve")]
    pub to: Option<u64>,
    /// Step that matters: the answer is --from and a multiple of it.
    #[arg(long, default_value_t = 1, requires = "solve", value_parser = clap::value_parser!(u64).range(1..))]
    pub step: u64,
    /// In how many percent of the runs the promise must hold.
    #[arg(long, default_value_t = 90, requires = "solve", value_parser = clap::value_parser!(u64).range(1..=100))]
    pub share: u64,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}
