//! A recorded day: one row of the CSV, the JSON, the Parquet file and every plot.
//!
//! Money is whole micro-dollars, stones are base units; shown files write stones in thousandths, so that they fit 64 bits.

use cairn_economy::Payback;
use cairn_primitives::{MicroUsd, STONE, Stones};
use serde::{Deserialize, Serialize};

/// Days of a payback that never comes.
pub const NEVER: u64 = u64::MAX;

/// A day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The day, from 0.
    pub day: u64,
    /// Micro-dollars per STONE.
    pub price: MicroUsd,
    /// Paid work, before fees.
    pub paid: MicroUsd,
    /// Wanted, but not served or not sold. What was not served stays a credit and is used before new ones are bought.
    pub unserved: MicroUsd,
    /// Providers' income from consumers.
    pub earned: MicroUsd,
    /// Subsidy that follows usage.
    pub usage_subsidy: MicroUsd,
    /// Subsidy that follows coverage or time.
    pub need_subsidy: MicroUsd,
    /// Emitted since day 0.
    pub emitted: Stones,
    /// Drawn for paid work since day 0.
    pub drawn: Stones,
    /// Burned since day 0.
    pub burned: Stones,
    /// In people's hands: genesis, emitted and drawn, less what credits burned.
    pub supply: Stones,
    /// What is left of the grant.
    pub grant_left: Stones,
    /// Owed and not paid yet.
    pub owed: Stones,
    /// Credits not spent yet.
    pub outstanding: MicroUsd,
    /// How far burned stones cover them, ppm.
    pub coverage_ppm: u64,
    /// Devices.
    pub devices: u64,
    /// Came today.
    pub entered: u64,
    /// Left today.
    pub left: u64,
    /// Payback of a device bought today, days; `NEVER`.
    pub payback_days: u64,
    /// The same without any subsidy.
    pub payback_zero_days: u64,
    /// Cash of the attacker since day 0, micro-dollars.
    pub attacker: i64,
    /// Whether a ledger says so; otherwise it is simulated.
    pub from_ledger: bool,
}

/// Names, units and values of the columns, in the order of every file.
pub const COLUMNS: [&str; 24] = [
    "day",
    "price_micro_usd",
    "paid_micro_usd",
    "unserved_micro_usd",
    "earned_micro_usd",
    "usage_subsidy_micro_usd",
    "need_subsidy_micro_usd",
    "subsidy_share_ppm",
    "emitted_milli_stones",
    "drawn_milli_stones",
    "burned_milli_stones",
    "supply_milli_stones",
    "grant_left_milli_stones",
    "runway_days",
    "owed_milli_stones",
    "outstanding_micro_usd",
    "coverage_ppm",
    "devices",
    "entered",
    "left",
    "payback_days",
    "payback_zero_days",
    "attacker_micro_usd",
    "from_ledger",
];

impl Row {
    /// Subsidy of the day.
    #[must_use]
    pub fn subsidy(&self) -> MicroUsd {
        MicroUsd(self.usage_subsidy.0.saturating_add(self.need_subsidy.0))
    }

    /// Income of all providers.
    #[must_use]
    pub fn income(&self) -> MicroUsd {
        MicroUsd(self.earned.0.saturating_add(self.subsidy().0))
    }

    /// Subsidy's part of income, ppm; 0 without income.
    #[must_use]
    pub fn subsidy_share_ppm(&self) -> u64 {
        let part = u128::from(self.subsidy().0) * 1_000_000;
        let ppm = part.checked_div(u128::from(self.income().0)).unwrap_or(0);
        u64::try_from(ppm).unwrap_or(1_000_000)
    }

    /// Days that the grant lasts at today's use of it; `None` while nothing is used.
    #[must_use]
    pub fn runway_days(&self) -> Option<u64> {
        let daily = self.need_subsidy.to_stones_floor(self.price).0;
        self.grant_left.0.checked_div(daily).and_then(|days| u64::try_from(days).ok())
    }

    /// The values of `COLUMNS`; `None` for a payback that never comes and a runway without end.
    #[must_use]
    pub fn values(&self) -> [Option<i64>; COLUMNS.len()] {
        let money = |amount: MicroUsd| i64::try_from(amount.0).ok();
        let stones = |amount: Stones| Some(milli(amount));
        let count = |number: u64| i64::try_from(number).ok();
        [
            count(self.day),
            money(self.price),
            money(self.paid),
            money(self.unserved),
            money(self.earned),
            money(self.usage_subsidy),
            money(self.need_subsidy),
            count(self.subsidy_share_ppm()),
            stones(self.emitted),
            stones(self.drawn),
            stones(self.burned),
            stones(self.supply),
            stones(self.grant_left),
            self.runway_days().and_then(count),
            stones(self.owed),
            money(self.outstanding),
            count(self.coverage_ppm),
            count(self.devices),
            count(self.entered),
            count(self.left),
            count(self.payback_days),
            count(self.payback_zero_days),
            Some(self.attacker),
            Some(self.from_ledger.into()),
        ]
    }

    /// The bytes that a run's hash covers: every field but the last, little-endian, in order of the struct. Which days are the
    /// ledger's is in the hash of the whole.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(240);
        for number in [
            self.day,
            self.price.0,
            self.paid.0,
            self.unserved.0,
            self.earned.0,
            self.usage_subsidy.0,
            self.need_subsidy.0,
        ] {
            out.extend(number.to_le_bytes());
        }
        for stones in
            [self.emitted, self.drawn, self.burned, self.supply, self.grant_left, self.owed]
        {
            out.extend(stones.0.to_le_bytes());
        }
        for number in [
            self.outstanding.0,
            self.coverage_ppm,
            self.devices,
            self.entered,
            self.left,
            self.payback_days,
            self.payback_zero_days,
        ] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.attacker.to_le_bytes());
        out
    }
}

/// Thousandths of a STONE, rounded down: what files and pictures show.
#[must_use]
pub fn milli(stones: Stones) -> i64 {
    i64::try_from(stones.0 / (STONE / 1_000)).unwrap_or(i64::MAX)
}

/// A payback as a number of days.
#[must_use]
pub fn days_of(payback: Payback) -> u64 {
    match payback {
        Payback::Days(days) => days,
        Payback::Never => NEVER,
    }
}
