//! The smallest number that keeps a promise: "the smallest grant with which the median payback is under 18 months in 90 % of
//! the runs".
//!
//! Bisection over one key. It assumes that more never breaks the promise; both ends are tried, and the answer is checked one
//! step below, so that a wrong assumption shows as an answer that is not the smallest.

use super::{
    metric::Metric,
    montecarlo::{Outcome, run_all},
    run::Setup,
    scenario::{Scenario, ScenarioError},
};

/// What must hold in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The number.
    pub metric: Metric,
    /// Whether it is an upper bound.
    pub at_most: bool,
    /// The bound, itself allowed.
    pub bound: i64,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The smallest value, if any keeps the promise.
    pub value: Option<u64>,
    /// What was tried: value, runs that kept the promise in ppm. In the order of trying.
    pub tried: Vec<(u64, u64)>,
}

/// A question.
pub struct Question<'a> {
    /// The scenario's name, for errors.
    pub name: &'a str,
    /// The scenario.
    pub text: &'a str,
    /// The key.
    pub key: &'a str,
    /// Smallest and largest value to try.
    pub range: (u64, u64),
    /// Steps that do not matter: the answer is a multiple of it above the smallest value.
    pub step: u64,
    /// What must hold.
    pub promise: Promise,
    /// In how many runs, ppm.
    pub share_ppm: u64,
    /// Threads.
    pub threads: usize,
}

impl Promise {
    /// Reads `payback_median_days<=548` or `coverage_min_ppm>=900000`.
    ///
    /// # Errors
    /// With the text, and the metrics that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (key, at_most, bound) = match (text.split_once("<="), text.split_once(">=")) {
            (Some((key, bound)), _) => (key, true, bound),
            (_, Some((key, bound))) => (key, false, bound),
            _ => return Err(format!("`{text}` is no promise: write payback_median_days<=548")),
        };
        let names = || Metric::ALL.map(Metric::key).join(", ");
        let metric = Metric::of(key.trim());
        let metric = metric.ok_or_else(|| format!("`{key}` is no metric: {}", names()))?;
        let number = bound.trim().replace('_', "").parse();
        let bound = number.map_err(|_| format!("`{bound}` is no whole number"))?;
        Ok(Self { metric, at_most, bound })
    }

    /// Whether a value keeps it.
    #[must_use]
    pub const fn is_kept(&self, value: i64) -> bool {
        if self.at_most { value <= self.bound } else { value >= self.bound }
    }
}

impl Question<'_> {
    /// The answer. `told` is called with each value that is tried.
    ///
    /// # Errors
    /// When a value makes no scenario; a range that ends before it begins.
    pub fn solve(
        &self,
        change: &dyn Fn(&mut Scenario),
        told: &dyn Fn(u64, u64),
    ) -> Result<Answer, ScenarioError> {
        let step = self.step.max(1);
        let width = self.range.1.checked_sub(self.range.0).ok_or_else(|| ScenarioError::Key {
            key: self.key.to_owned(),
            value: format!("to be tried from {} to {}", self.range.0, self.range.1),
            reason: "the largest value must not be below the smallest",
        })?;
        let steps = width / step;
        let mut tried = Vec::new();
        let mut keeps = |at: u64| -> Result<bool, ScenarioError> {
            let value = self.range.0 + at * step;
            let ppm = self.kept_ppm(value, change)?;
            told(value, ppm);
            tried.push((value, ppm));
            Ok(ppm >= self.share_ppm)
        };
        let value = if !keeps(steps)? {
            None
        } else if steps == 0 || keeps(0)? {
            Some(0)
        } else {
            let (mut fails, mut holds) = (0, steps);
            while holds - fails > 1 {
                let middle = fails + (holds - fails) / 2;
                if keeps(middle)? { holds = middle } else { fails = middle }
            }
            Some(holds)
        };
        Ok(Answer { value: value.map(|at| self.range.0 + at * step), tried })
    }

    /// Part of the runs that keep the promise with this value, ppm, rounded down.
    fn kept_ppm(&self, value: u64, change: &dyn Fn(&mut Scenario)) -> Result<u64, ScenarioError> {
        let replaced = [(self.key.to_owned(), value)];
        let mut scenario = Scenario::parse_with(self.name, self.text, &replaced)?;
        change(&mut scenario);
        scenario.check()?;
        let results = run_all(&Setup::new(scenario), self.threads, &|_| {});
        let keeps = |run: &&Outcome| self.promise.is_kept(run.value(self.promise.metric));
        let kept = results.runs.iter().filter(keeps).count();
        Ok(u64::try_from(kept * 1_000_000 / results.runs.len().max(1)).unwrap_or(0))
    }
}
