//! A scenario: the network's genesis parameters, and the world they are tried in. One TOML file for both.
//!
//! `[economy]` is the table that `cairn genesis new` reads: the same type, the same parser, the same bounds; a founder's
//! other keys may stand beside it and are not looked at here. `[simulate]` is the simulator's own, and `genesis new` knows it
//! by name. Every key is in docs/spec/scenario.md; what cannot be is refused with its key, its value and its bound before
//! anything is written.

use std::sync::Arc;

use cairn_evidence::reality::History;
use cairn_primitives::{EconomyParams, GenesisError};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{check::check, mechanism::Name};

/// Keys of a founder's file (docs/spec/genesis.md) that say nothing about the economy.
pub const FOUNDING_KEYS: [&str; 18] = [
    "name",
    "chain_id",
    "start",
    "time_scale",
    "epoch_ms",
    "commit_window_ms",
    "attest_window_ms",
    "block_busy_ms",
    "block_idle_ms",
    "block_gas_limit",
    "base_fee_initial",
    "base_fee_min",
    "pool",
    "stake",
    "governance",
    "validators",
    "ingests",
    "accounts",
];

/// The file, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The genesis parameters of the economy.
    pub economy: EconomyParams,
    /// The world they are tried in.
    #[serde(default)]
    pub simulate: Simulate,
    /// The days of a ledger that the run goes on from; no part of the file.
    #[serde(skip)]
    pub history: Option<Arc<History>>,
}

/// The simulator's own table. Every key may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Simulate {
    /// Which network's rules pay the providers.
    pub mechanism: Name,
    /// Days to simulate.
    pub days: u64,
    /// Seed of every draw.
    pub seed: u64,
    /// Runs with different draws.
    pub runs: u32,
    /// Days between recorded rows; 0 chooses about 240 rows for many runs, 5,000 for one.
    pub record_every_days: u64,
    /// Days between buying a credit and spending it.
    pub credit_days: u32,
    /// What consumers want.
    pub demand: Demand,
    /// What a stone costs.
    pub price: Price,
    /// Who provides. Without it every target place is always filled.
    pub providers: Option<Providers>,
    /// Who pays itself.
    pub attacker: Option<Attacker>,
}

/// What consumers want to pay for, dollars a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demand {
    /// How it moves.
    pub shape: Shape,
    /// Dollars a day in the end.
    pub final_usd_day: u64,
    /// Logistic: day on which half of it is there.
    pub midpoint_day: u64,
    /// Logistic: days in which it grows by a factor e in the beginning.
    pub scale_days: u64,
    /// Days by which the whole curve comes later.
    pub lag_days: u64,
    /// Standard deviation of a day around the curve, ppm.
    pub noise_ppm: u32,
    /// Replay: dollars of each day; the last one holds on.
    pub usd: Vec<u64>,
}

/// How demand moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// The final value from the first day.
    Flat,
    /// An S-curve.
    #[default]
    Logistic,
    /// Day by day as given.
    Replay,
}

/// What a stone costs. It begins at `economy.price_micro_usd`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    /// How it moves.
    pub path: Path,
    /// Crash and boom: the day.
    pub at_day: u64,
    /// Crash and boom: what it is multiplied by, ppm: below 1,000,000 for a crash, above for a boom.
    pub factor_ppm: u64,
    /// GBM: yearly drift of the logarithm, ppm; may be negative.
    pub drift_ppm_year: i64,
    /// GBM: yearly standard deviation of the logarithm, ppm. Pool: of the traders' flow, as if the price had it.
    pub volatility_ppm_year: u64,
    /// Replay: micro-dollars per STONE of each day; the last one holds on.
    pub micro_usd: Vec<u64>,
    /// Pool: its dollars at the start.
    pub depth_usd: u64,
    /// Pool: its swap fee, ppm.
    pub swap_fee_ppm: u32,
    /// Pool: part of their stones that providers sell at once, ppm.
    pub sold_ppm: u32,
}

/// How the price moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// Not at all.
    #[default]
    Fixed,
    /// Geometric Brownian motion.
    Gbm,
    /// It falls on one day.
    Crash,
    /// It rises on one day.
    Boom,
    /// Day by day as given.
    Replay,
    /// By what is bought and sold in the network's own pool.
    Pool,
}

/// Who provides: devices that come while they pay back soon enough and leave when they cost more than they bring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Providers {
    /// Devices on day 0.
    pub start: u64,
    /// Dollars of one device on day 0.
    pub hardware_usd: u64,
    /// Yearly fall of that price, ppm.
    pub hardware_fall_ppm_year: u32,
    /// Dollars to install one.
    pub install_usd: u64,
    /// Micro-dollars a day to run one.
    pub opex_micro_usd_day: u64,
    /// People enter while payback is at most this many days.
    pub enter_payback_days: u64,
    /// Part of the devices that is added a day while people enter, ppm.
    pub entry_ppm_day: u32,
    /// Part that leaves a day while income is below the running costs, ppm.
    pub exit_ppm_day: u32,
    /// Part that breaks a day whatever it earns, ppm.
    pub failure_ppm_day: u32,
    /// Most micro-dollars of paid work of a device and day; 0: no limit.
    pub capacity_micro_usd_day: u64,
}

/// Someone who owns devices and pays itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attacker {
    /// Part of the devices, and so of the pay for coverage, ppm.
    pub share_ppm: u32,
    /// Dollars a day it pays itself.
    pub wash_usd_day: u64,
    /// From this day on.
    pub from_day: u64,
    /// Part of treasury and insurance it gets back, ppm.
    pub recapture_ppm: u32,
}

impl Default for Simulate {
    fn default() -> Self {
        Self {
            mechanism: Name::default(),
            days: 1_461,
            seed: 1,
            runs: 1,
            record_every_days: 0,
            credit_days: 7,
            demand: Demand::default(),
            price: Price::default(),
            providers: None,
            attacker: None,
        }
    }
}

/// The first row of the table in docs/economy/simulate.md: $ 40,000 a day, half of it on day 600.
impl Default for Demand {
    fn default() -> Self {
        Self {
            shape: Shape::Logistic,
            final_usd_day: 40_000,
            midpoint_day: 600,
            scale_days: 110,
            lag_days: 0,
            noise_ppm: 0,
            usd: Vec::new(),
        }
    }
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            start: 100,
            hardware_usd: 250,
            hardware_fall_ppm_year: 100_000,
            install_usd: 20,
            opex_micro_usd_day: 200_000,
            enter_payback_days: 548,
            entry_ppm_day: 10_000,
            exit_ppm_day: 10_000,
            failure_ppm_day: 200,
            capacity_micro_usd_day: 0,
        }
    }
}

impl Default for Attacker {
    fn default() -> Self {
        Self { share_ppm: 100_000, wash_usd_day: 1_000, from_day: 0, recapture_ppm: 0 }
    }
}

/// A scenario that cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It cannot be read: a key that is unknown, missing or of another type.
    #[error(transparent)]
    File(#[from] cairn_kit::config::ConfigError),
    /// A value is out of bounds, or contradicts another.
    #[error("{}", .0.to_string().replacen("genesis: ", "scenario: ", 1))]
    Value(#[from] GenesisError),
    /// A history that cannot be read.
    #[error("{path} is no history as `cairn reality --history` writes it")]
    History {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A key that a sweep or a solver names is not there.
    #[error("scenario: {key} is {value}: {reason}")]
    Key {
        /// The key.
        key: String,
        /// What it was to be.
        value: String,
        /// What it must be.
        reason: &'static str,
    },
}

impl Scenario {
    /// Reads and checks a scenario; `name` is for errors.
    ///
    /// # Errors
    /// The first key that is unknown, missing, of another type, out of bounds or contradictory, with value and bound.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        Self::parse_with(name, text, &[])
    }

    /// The same with some keys replaced, each `(key with its sections, number)`: what sweeps and solvers try.
    ///
    /// # Errors
    /// As `parse`; and a key that is no number of the scenario.
    pub fn parse_with(
        name: &str,
        text: &str,
        replaced: &[(String, u64)],
    ) -> Result<Self, ScenarioError> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            cairn_kit::config::ConfigError::Syntax {
                path: name.to_owned(),
                reason: error.to_string(),
            }
        })?;
        table.retain(|key, _| !FOUNDING_KEYS.contains(&key));
        for (key, value) in replaced {
            replace(&mut table, key, *value)?;
        }
        let scenario: Self = cairn_kit::config::parse(name, &table.to_string(), "", [])?;
        scenario.check()?;
        Ok(scenario)
    }
}

impl Scenario {
    /// Checks the bounds of both tables.
    ///
    /// # Errors
    /// The first value that is out of bounds or contradicts another, with its key and its bound.
    pub fn check(&self) -> Result<(), ScenarioError> {
        Ok(check(self)?)
    }
}

/// Puts a number at a key, whose sections are made when they are not there. Whether the key exists is seen when the whole is
/// parsed: unknown keys are refused.
fn replace(table: &mut Table, key: &str, value: u64) -> Result<(), ScenarioError> {
    let wrong =
        |reason| ScenarioError::Key { key: key.to_owned(), value: value.to_string(), reason };
    let number = i64::try_from(value).map_err(|_| wrong("at most 9223372036854775807"))?;
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().filter(|last| !last.is_empty() && !parts.is_empty());
    let last = last.ok_or_else(|| wrong("name a section and a key, like economy.grant_stones"))?;
    let mut at = table;
    for part in parts {
        let next = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        at = next.as_table_mut().ok_or_else(|| wrong("a part of this key is a value"))?;
    }
    at.insert(last.to_owned(), Value::Integer(number));
    Ok(())
}
