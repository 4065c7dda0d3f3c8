//! A scenario over and over with other numbers: every combination of some keys' values, and what each comes to.

use super::{
    metric::Metric,
    montecarlo::{Fan, run_all},
    run::Setup,
    scenario::{Scenario, ScenarioError},
};

/// Most combinations of a sweep.
pub const CELLS_MAX: usize = 10_000;

/// A key and the values that it is tried with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The key with its sections: `economy.grant_stones`.
    pub key: String,
    /// Its values.
    pub values: Vec<u64>,
}

/// A combination and what it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Value of each axis, in their order.
    pub values: Vec<u64>,
    /// Fan of each of `Metric::ALL`.
    pub fans: Vec<Fan>,
    /// Hash of its runs.
    pub hash: cairn_primitives::Digest,
}

impl Axis {
    /// Reads `key=1,2,3`.
    ///
    /// # Errors
    /// With the text, and how it is written.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let wrong = |value: &str, reason| ScenarioError::Key {
            key: text.split('=').next().unwrap_or(text).to_owned(),
            value: value.to_owned(),
            reason,
        };
        let reason = "write a key and whole numbers, like economy.grant_stones=10000000,40000000";
        let (key, values) = text.split_once('=').ok_or_else(|| wrong("(nothing)", reason))?;
        let values: Result<Vec<u64>, _> = values
            .split(',')
            .map(|value| value.trim().replace('_', "").parse().map_err(|_| wrong(value, reason)))
            .collect();
        Ok(Self { key: key.to_owned(), values: values? })
    }
}

/// Every combination, the last axis fastest. Every scenario is checked before the first is run. `told`: done, of.
///
/// # Errors
/// The first combination that is no scenario; more than `CELLS_MAX` of them.
pub fn sweep(
    name: &str,
    text: &str,
    axes: &[Axis],
    change: &dyn Fn(&mut Scenario),
    threads: usize,
    told: &dyn Fn(u64, u64),
) -> Result<Vec<Cell>, ScenarioError> {
    let count = axes.iter().try_fold(1_usize, |n, axis| n.checked_mul(axis.values.len()));
    let count = count.filter(|count| (1..=CELLS_MAX).contains(count));
    let count = count.ok_or_else(|| ScenarioError::Key {
        key: axes.iter().map(|axis| axis.key.as_str()).collect::<Vec<_>>().join(", "),
        value: "a sweep".to_owned(),
        reason: "1 to 10000 combinations",
    })?;
    let mut setups = Vec::with_capacity(count);
    for mut at in 0..count {
        let mut values = vec![0; axes.len()];
        for (value, axis) in values.iter_mut().zip(axes).rev() {
            *value = axis.values[at % axis.values.len()];
            at /= axis.values.len();
        }
        let replaced: Vec<_> = axes.iter().map(|a| a.key.clone()).zip(values.clone()).collect();
        let mut scenario = Scenario::parse_with(name, text, &replaced)?;
        change(&mut scenario);
        scenario.check()?;
        setups.push((values, Setup::new(scenario)));
    }
    let mut cells = Vec::with_capacity(count);
    for (done, (values, setup)) in setups.into_iter().enumerate() {
        let results = run_all(&setup, threads, &|_| {});
        let fans = Metric::ALL.iter().map(|metric| results.fan(*metric)).collect();
        cells.push(Cell { values, fans, hash: results.hash });
        told(u64::try_from(done + 1).unwrap_or(0), u64::try_from(count).unwrap_or(0));
    }
    Ok(cells)
}

/// The table: a column for each axis, then P10, P50 and P90 of each metric, then the hash. Never is an empty field.
#[must_use]
pub fn csv(axes: &[Axis], cells: &[Cell]) -> String {
    let mut head: Vec<String> = axes.iter().map(|axis| axis.key.clone()).collect();
    for metric in Metric::ALL {
        head.extend(["p10", "p50", "p90"].map(|part| format!("{}_{part}", metric.key())));
    }
    head.push("hash".to_owned());
    let shown = |value: i64| if value == i64::MAX { String::new() } else { value.to_string() };
    let line = |cell: &Cell| {
        let mut fields: Vec<String> = cell.values.iter().map(u64::to_string).collect();
        fields.extend(cell.fans.iter().flat_map(|fan| [fan.p10, fan.p50, fan.p90].map(shown)));
        fields.push(cell.hash.to_string());
        fields.join(",")
    };
    let lines: Vec<String> =
        std::iter::once(head.join(",")).chain(cells.iter().map(line)).collect();
    lines.join("\n") + "\n"
}
