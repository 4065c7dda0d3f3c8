//! Development tasks: `cargo xtask tidy` checks the house, `cargo xtask test` is the README's second command, `cargo xtask sim`
//! runs seeded networks.
//!
//! Rules that are not run are not rules: what ARCHITECTURE.md says about edges, purity and sizes is checked here.

mod sim;
mod steps;
mod tidy;

use std::{
    env,
    ffi::OsStr,
    process::{Command, ExitCode},
};

use clap::{Parser, Subcommand};

/// Development tasks of Cairn.
#[derive(Parser)]
#[command(name = "xtask", about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check crate edges, the purity line, module docs, sibling imports, file sizes and dead files.
    Tidy,
    /// Everything a change must pass: fmt, tidy, clippy, Rust tests, docs, and the clients against a running network.
    Test {
        /// Skip the steps before this one (to go on after mending a failure).
        #[arg(long)]
        from: Option<String>,
        /// Run only this step.
        #[arg(long)]
        only: Option<String>,
    },
    /// Run seeded networks of validators that crash, part, lie and recover; exits 1 if one forks, stalls or loses money.
    ///
    /// Example: cargo xtask sim --from 1000 --seeds 200 --json
    Sim {
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many seeds.
        #[arg(long, default_value_t = 50)]
        seeds: u64,
        /// Print one JSON object last.
        #[arg(long)]
        json: bool,
        /// Show on stderr what the validators' engines say, for instance `debug` or `commonware_consensus=trace`.
        #[arg(long)]
        log: Option<String>,
    },
}

/// A program without the variables that cargo gave this one. `ring` is built anew when they change, and with it half of the
/// workspace: what `cargo run` has compiled would be compiled again by `cargo test`.
fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command
}

/// Says why a task failed in a line: what a log keeps is its end, where a backtrace would be.
fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Tidy => tidy::run(),
        Task::Sim { from, seeds, json, log } => sim::run(from, seeds, json, log),
        Task::Test { from, only } => steps::run(from.as_deref(), only.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
