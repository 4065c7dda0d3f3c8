//! Development tasks: `cargo xtask tidy` checks the house, `cargo xtask test` is the README's second command.
//!
//! Rules that are not run are not rules: what ARCHITECTURE.md says about edges, purity and sizes is checked here.

mod steps;
mod tidy;

use clap::{Parser, Subcommand};
use eyre::Result;

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
}

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Tidy => tidy::run(),
        Task::Test { from, only } => steps::run(from.as_deref(), only.as_deref()),
    }
}
