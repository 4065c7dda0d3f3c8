//! What `cairn simulate` does: runs a scenario and leaves its files; the command itself only reads flags and prints.
//!
//! ```text
//! OUT/summary.json   metrics with their fans, the hash     OUT/rows.csv, rows.parquet   every kept day of every run
//! OUT/report.html    for people                            OUT/scenario.toml            what was simulated, with the flags' changes
//! OUT/history.json    the ledger's days that it goes on from, if there are any
//! OUT/checkpoint.json   of a run that was stopped; removed when it is done
//! ```

use std::{fs, io, path::Path};

use serde_json::{Value, json};

use super::{
    attacks::Attack,
    checkpoint::{self, CHECKPOINT_DAYS, CheckpointError},
    files,
    metric::Metric,
    montecarlo::{Results, run_all, together},
    report::Report,
    run::Setup,
};

/// What was asked.
pub struct Study<'a> {
    /// The scenario's name: of its file, without the ending.
    pub name: &'a str,
    /// The scenario, ready.
    pub setup: Setup,
    /// Threads.
    pub threads: usize,
}

/// A study that cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The disk.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// See `CheckpointError`.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The encoder of Parquet.
    #[error("cannot encode rows.parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// It was told to stop; with a folder it goes on from there.
    #[error("stopped after day {0}; the same command with --resume goes on from there")]
    Stopped(u64),
}

impl Study<'_> {
    /// Whether the study is one long run that can stop on any day: an attacker's is done twice, many are done at once.
    #[must_use]
    pub const fn is_one_run(&self) -> bool {
        let simulate = &self.setup.scenario.simulate;
        simulate.runs == 1 && simulate.attacker.is_none()
    }

    /// Runs the scenario. `told` gets how much is done of how much (runs, or days of a single run). A single run looks at
    /// `stop` now and then and writes a checkpoint into `out`; with `resume` it goes on from one.
    ///
    /// # Errors
    /// See `StudyError`.
    pub fn run(
        &self,
        out: Option<&Path>,
        resume: bool,
        stop: &(dyn Fn() -> bool + Sync),
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Results, StudyError> {
        let simulate = &self.setup.scenario.simulate;
        if !self.is_one_run() {
            let all = u64::from(simulate.runs);
            return Ok(run_all(&self.setup, self.threads, &|done| told(done.into(), all)));
        }
        let path = out.map(|dir| dir.join("checkpoint.json"));
        let kept = match &path {
            Some(path) if resume => checkpoint::load(path, &self.setup)?,
            _ => None,
        };
        let mut run = kept.unwrap_or_else(|| self.setup.begin(0));
        let step = (simulate.days / 100).clamp(1, CHECKPOINT_DAYS / 20);
        let mut saved = run.day;
        while !run.is_done(&self.setup) {
            run.advance(&self.setup, run.day.saturating_add(step));
            told(run.day, simulate.days);
            let stopped = stop() && !run.is_done(&self.setup);
            if let Some(path) = &path
                && (stopped || run.day - saved >= CHECKPOINT_DAYS)
            {
                checkpoint::save(path, &self.setup, &run)?;
                saved = run.day;
            }
            if stopped {
                return Err(StudyError::Stopped(run.day));
            }
        }
        if let Some(path) = &path {
            let _ = fs::remove_file(path);
        }
        Ok(together(&self.setup, vec![run]))
    }

    /// The summary as JSON.
    #[must_use]
    pub fn summary(&self, results: &Results) -> Value {
        let simulate = &self.setup.scenario.simulate;
        let metrics: serde_json::Map<String, Value> = Metric::ALL
            .into_iter()
            .map(|metric| {
                let fan = results.fan(metric);
                let shown = |value: i64| if value == i64::MAX { Value::Null } else { json!(value) };
                let fan =
                    json!({ "p10": shown(fan.p10), "p50": shown(fan.p50), "p90": shown(fan.p90) });
                (metric.key().to_owned(), fan)
            })
            .collect();
        let history = self.setup.scenario.history.as_deref().map(|history| {
            json!({
                "network": history.network,
                "days": history.days.len(),
                "digest": history.digest().to_string(),
            })
        });
        json!({
            "scenario": self.name,
            "mechanism": simulate.mechanism.key(),
            "days": simulate.days,
            "runs": simulate.runs,
            "seed": simulate.seed,
            "history": history,
            "hash": results.hash.to_string(),
            "metrics": metrics,
        })
    }

    /// The scenario with what flags changed of it: simulated again, it gives the same hash.
    fn effective(&self) -> String {
        let text = toml::to_string(&self.setup.scenario).expect("a scenario is plain data");
        format!("# What was simulated: {}, with the flags of the command.\n\n{text}", self.name)
    }

    /// Writes all files into `out`, each whole.
    ///
    /// # Errors
    /// The disk's, or the encoder's.
    pub fn write(
        &self,
        out: &Path,
        results: &Results,
        attacks: &[Attack],
    ) -> Result<(), StudyError> {
        let report = Report { name: self.name, setup: &self.setup, results, attacks };
        let summary = format!("{:#}\n", self.summary(results));
        let history = self.setup.scenario.history.as_deref();
        let history = history
            .map(|history| serde_json::to_vec_pretty(history).expect("a history is plain data"));
        let files = [
            ("scenario.toml", self.effective().into_bytes()),
            ("summary.json", summary.into_bytes()),
            ("rows.csv", files::csv(&results.runs).into_bytes()),
            ("rows.parquet", files::parquet(&results.runs)?),
            ("report.html", report.html().into_bytes()),
        ];
        for (name, bytes) in files.into_iter().chain(history.map(|bytes| ("history.json", bytes))) {
            let path = out.join(name);
            files::write_whole(&path, &bytes)
                .map_err(|source| StudyError::Write { path: path.display().to_string(), source })?;
        }
        Ok(())
    }
}
