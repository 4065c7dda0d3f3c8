//! What `cairn up` says while it works: a progress bar and one-line events for people, JSON lines for programs.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::output::Output;

/// Steps of starting, in order; the progress bar counts them.
const STEPS: [&str; 6] = ["network", "validators", "ingest", "devices", "gateway", "consumer"];
/// Pause of loops that wait for something on the ledger.
const POLL: Duration = Duration::from_millis(100);

/// Tells what happens.
pub struct Narrator {
    output: Output,
    started: Instant,
    bar: ProgressBar,
    quiet: bool,
}

impl Narrator {
    /// A narrator whose clock starts now.
    pub fn new(output: Output) -> Self {
        let bar = if output.interactive() {
            ProgressBar::new(STEPS.len() as u64)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("starting [{bar:24}] {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { output, started: Instant::now(), bar, quiet: false }
    }

    /// A narrator of a network that runs beside another command's work: it says nothing.
    pub fn quiet() -> Self {
        let bar = ProgressBar::hidden();
        Self { output: Output { json: true }, started: Instant::now(), bar, quiet: true }
    }

    /// Where answers go.
    pub const fn output(&self) -> Output {
        self.output
    }

    /// Milliseconds since the start.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A step of starting begins.
    pub fn step(&self, name: &'static str) {
        let position = STEPS.iter().position(|step| *step == name).unwrap_or(0);
        self.bar.set_position(position as u64);
        self.bar.set_message(name);
        if self.output.json {
            self.event("starting", json!({ "step": name }), String::new);
        }
    }

    /// Progress within a step.
    pub fn progress(&self, done: usize, of: usize) {
        self.bar.set_message(format!("devices {done}/{of}"));
    }

    /// Starting is over.
    pub fn started(&self) {
        self.bar.finish_and_clear();
    }

    /// One event: a line with the seconds since the start.
    pub fn event(&self, name: &str, mut value: Value, text: impl FnOnce() -> String) {
        if self.quiet {
            return;
        }
        let elapsed_ms = self.elapsed_ms();
        value["event"] = json!(name);
        value["elapsed_ms"] = json!(elapsed_ms);
        self.bar.suspend(|| {
            self.output.answer(&value, || {
                format!("{:>7}.{} s  {}", elapsed_ms / 1_000, elapsed_ms / 100 % 10, text())
            });
        });
    }

    /// A short pause in a loop that waits.
    pub async fn wait(&self) {
        tokio::time::sleep(POLL).await;
    }
}
