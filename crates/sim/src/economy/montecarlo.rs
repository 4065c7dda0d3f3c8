//! Many runs of a scenario on all cores. The results are those of one thread, in order of their numbers, with one hash.
//!
//! Threads take the next number from a counter and share nothing else, so who computes what changes no bit. An attacker's run
//! is done twice, with and without its payments to itself: its profit is the difference.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use cairn_primitives::Digest;

use super::{
    metric::{Metric, percentile},
    row::Row,
    run::{Run, Setup},
};

/// Most threads: more than any machine that this was tried on.
pub const THREADS_MAX: usize = 1_024;

/// A run that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its number.
    pub number: u32,
    /// Its hash.
    pub hash: Digest,
    /// Its rows.
    pub rows: Vec<Row>,
    /// The values of `Metric::ALL`.
    pub metrics: [i64; Metric::ALL.len()],
}

/// All runs of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// In order of their numbers.
    pub runs: Vec<Outcome>,
    /// What somebody else must get: over the scenario and every run's hash.
    pub hash: Digest,
}

impl Outcome {
    /// The value of a metric.
    #[must_use]
    pub fn value(&self, metric: Metric) -> i64 {
        let at = Metric::ALL.iter().position(|known| *known == metric);
        self.metrics[at.expect("`ALL` has every metric")]
    }
}

/// P10, P50 and P90 over the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fan {
    /// A tenth of the runs have less or the same.
    pub p10: i64,
    /// Half of them.
    pub p50: i64,
    /// A tenth have more or the same.
    pub p90: i64,
}

/// One run from its first day to its last.
#[must_use]
pub fn run(setup: &Setup, number: u32) -> Outcome {
    let mut run = setup.begin(number);
    run.advance(setup, u64::MAX);
    let mut outcome = outcome(run);
    if let Some(honest) = honest(setup) {
        let mut without = honest.begin(number);
        without.advance(&honest, u64::MAX);
        for (with, without) in outcome.rows.iter_mut().zip(&without.rows) {
            with.attacker -= without.attacker;
        }
        outcome.metrics = Metric::ALL.map(|metric| metric.value(&outcome.rows));
    }
    outcome
}

/// What a finished run comes to.
fn outcome(run: Run) -> Outcome {
    Outcome {
        number: run.number,
        hash: run.hash(),
        metrics: Metric::ALL.map(|metric| metric.value(&run.rows)),
        rows: run.rows,
    }
}

/// Finished runs, in order of their numbers, as `run_all` gives them.
#[must_use]
pub fn together(setup: &Setup, runs: Vec<Run>) -> Results {
    let runs: Vec<Outcome> = runs.into_iter().map(outcome).collect();
    let hash = hash_of(setup, &runs);
    Results { runs, hash }
}

/// The same world in which the attacker owns the same and pays itself nothing.
fn honest(setup: &Setup) -> Option<Setup> {
    let mut scenario = setup.scenario.clone();
    scenario.simulate.attacker.as_mut()?.wash_usd_day = 0;
    Some(Setup::new(scenario))
}

/// All runs on `threads` threads. `told` is called with each count of runs that are done, from any thread.
#[must_use]
pub fn run_all(setup: &Setup, threads: usize, told: &(dyn Fn(u32) + Sync)) -> Results {
    let count = setup.scenario.simulate.runs;
    let (next, done) = (AtomicU32::new(0), AtomicU32::new(0));
    let runs = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, THREADS_MAX).min(usize::try_from(count).unwrap_or(1)) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let outcome = run(setup, number);
                    runs.lock().expect("no thread panics while it holds the list").push(outcome);
                    told(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let mut runs = runs.into_inner().expect("no thread panics while it holds the list");
    runs.sort_by_key(|outcome: &Outcome| outcome.number);
    let hash = hash_of(setup, &runs);
    Results { runs, hash }
}

/// SHA-256 over the domain, the scenario's canonical JSON, the digest of a ledger's days if there are any, and the hashes of the
/// runs in order.
fn hash_of(setup: &Setup, runs: &[Outcome]) -> Digest {
    let mut scenario = setup.scenario.clone();
    // What is kept of a run says nothing about it.
    scenario.simulate.record_every_days = 0;
    let text = serde_json::to_string(&scenario).expect("a scenario is plain data");
    let history = scenario.history.as_ref().map(|history| history.digest());
    let mut parts: Vec<&[u8]> = vec![b"cairn/simulate/v1", text.as_bytes()];
    parts.extend(history.iter().map(|digest| digest.as_bytes().as_slice()));
    parts.extend(runs.iter().map(|run| run.hash.as_bytes().as_slice()));
    Digest::of(&parts)
}

impl Results {
    /// A metric's fan over the runs.
    #[must_use]
    pub fn fan(&self, metric: Metric) -> Fan {
        fan(self.runs.iter().map(|run| run.value(metric)))
    }

    /// A column's fan on each recorded day.
    #[must_use]
    pub fn fans(&self, column: &dyn Fn(&Row) -> i64) -> Vec<(u64, Fan)> {
        let rows = self.runs.first().map_or(0, |run| run.rows.len());
        (0..rows)
            .map(|at| {
                let day = self.runs[0].rows[at].day;
                (day, fan(self.runs.iter().map(|run| column(&run.rows[at]))))
            })
            .collect()
    }
}

/// P10, P50 and P90.
fn fan(values: impl Iterator<Item = i64>) -> Fan {
    let mut sorted: Vec<i64> = values.collect();
    sorted.sort_unstable();
    let at = |percent| percentile(&sorted, percent);
    Fan { p10: at(10), p50: at(50), p90: at(90) }
}
