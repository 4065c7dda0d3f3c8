//! What a run comes to, in numbers that sweeps compare and a solver bounds.

use super::{
    report::chart::{Unit, shown},
    row::{NEVER, Row, milli},
};

/// A number of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Median over the recorded days of the payback of a device bought that day, days.
    Payback,
    /// The same without subsidy.
    PaybackZero,
    /// Providers' income on the last day, micro-dollars.
    Income,
    /// Lowest income of a recorded day, micro-dollars.
    IncomeMin,
    /// Σ subsidy over Σ income of the recorded days, ppm.
    SubsidyShare,
    /// Emitted, thousandths of a STONE.
    Emitted,
    /// Drawn for paid work, thousandths of a STONE.
    Drawn,
    /// Burned, thousandths of a STONE.
    Burned,
    /// Lowest cover of the credits, ppm.
    CoverageMin,
    /// Devices on the last day.
    Devices,
    /// Price on the last day, micro-dollars.
    Price,
    /// Σ demand that was not served on recorded days, micro-dollars.
    Unserved,
    /// Most that is owed on a recorded day, thousandths of a STONE.
    OwedMax,
    /// The attacker's profit, micro-dollars.
    Attacker,
}

impl Metric {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 14] = [
        Self::Payback,
        Self::PaybackZero,
        Self::Income,
        Self::IncomeMin,
        Self::SubsidyShare,
        Self::Emitted,
        Self::Drawn,
        Self::Burned,
        Self::CoverageMin,
        Self::Devices,
        Self::Price,
        Self::Unserved,
        Self::OwedMax,
        Self::Attacker,
    ];

    /// Its name in files, with its unit.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Payback => "payback_median_days",
            Self::PaybackZero => "payback_zero_median_days",
            Self::Income => "income_last_micro_usd",
            Self::IncomeMin => "income_min_micro_usd",
            Self::SubsidyShare => "subsidy_share_ppm",
            Self::Emitted => "emitted_milli_stones",
            Self::Drawn => "drawn_milli_stones",
            Self::Burned => "burned_milli_stones",
            Self::CoverageMin => "coverage_min_ppm",
            Self::Devices => "devices_last",
            Self::Price => "price_last_micro_usd",
            Self::Unserved => "unserved_micro_usd",
            Self::OwedMax => "owed_max_milli_stones",
            Self::Attacker => "attacker_micro_usd",
        }
    }

    /// What the number is, in words that follow it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Payback => {
                "until a device has paid for itself, the median of the days on which it is bought"
            }
            Self::PaybackZero => "the same without any subsidy",
            Self::Income => "income of all device owners on the last day",
            Self::IncomeMin => "income of all device owners on the worst day",
            Self::SubsidyShare => "of all income was subsidy, over all days",
            Self::Emitted => "new stones for the subsidy",
            Self::Drawn => "new stones to pay work whose prepaid stones had lost value",
            Self::Burned => "stones burned for good by customers' payments",
            Self::CoverageMin => {
                "lowest cover: worth of the stones burned for work that is prepaid and not done"
            }
            Self::Devices => "devices on the last day",
            Self::Price => "price of a stone on the last day",
            Self::Unserved => "of demand was not served, over all days",
            Self::OwedMax => "most stones that were owed to device owners on a day",
            Self::Attacker => "what the attacker gained by paying itself",
        }
    }

    /// A value as people read it.
    #[must_use]
    pub fn shown(self, value: i64) -> String {
        let (one, unit) = match self {
            Self::Payback | Self::PaybackZero => return payback(value),
            Self::Income | Self::IncomeMin | Self::Price | Self::Unserved | Self::Attacker => {
                (1e6, Unit::Usd)
            }
            Self::SubsidyShare | Self::CoverageMin => (1e4, Unit::Percent),
            Self::Emitted | Self::Drawn | Self::Burned | Self::OwedMax => (1e3, Unit::Stones),
            Self::Devices => (1.0, Unit::Count),
        };
        shown(value as f64 / one, unit)
    }

    /// The metric of this name.
    #[must_use]
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.key() == key)
    }

    /// Its value over recorded rows; days of a ledger count only where there are no others. A payback that never comes is larger than any number.
    #[must_use]
    pub fn value(self, rows: &[Row]) -> i64 {
        let past = rows.partition_point(|row| row.from_ledger);
        let rows = rows.get(past..).filter(|rows| !rows.is_empty()).unwrap_or(rows);
        let last = rows.last().copied().unwrap_or_default();
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let sum = |of: &dyn Fn(&Row) -> u64| rows.iter().map(|r| u128::from(of(r))).sum::<u128>();
        match self {
            Self::Payback => whole(median(rows.iter().map(|row| row.payback_days))),
            Self::PaybackZero => whole(median(rows.iter().map(|row| row.payback_zero_days))),
            Self::Income => whole(last.income().0),
            Self::IncomeMin => whole(rows.iter().map(|row| row.income().0).min().unwrap_or(0)),
            Self::SubsidyShare => {
                let income = sum(&|row| row.income().0);
                let part = (sum(&|row| row.subsidy().0) * 1_000_000).checked_div(income);
                i64::try_from(part.unwrap_or(0)).unwrap_or(i64::MAX)
            }
            Self::Emitted => milli(last.emitted),
            Self::Drawn => milli(last.drawn),
            Self::Burned => milli(last.burned),
            Self::CoverageMin => whole(rows.iter().map(|row| row.coverage_ppm).min().unwrap_or(0)),
            Self::Devices => whole(last.devices),
            Self::Price => whole(last.price.0),
            Self::Unserved => i64::try_from(sum(&|row| row.unserved.0)).unwrap_or(i64::MAX),
            Self::OwedMax => rows.iter().map(|row| milli(row.owed)).max().unwrap_or(0),
            Self::Attacker => last.attacker,
        }
    }
}

/// A payback in words.
#[must_use]
pub fn payback(days: i64) -> String {
    match days {
        i64::MAX => "never".to_owned(),
        days if days >= 730 => format!("{:.1} years", days as f64 / 365.25),
        days => format!("{days} days"),
    }
}

/// The lower median; `NEVER` of nothing.
fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut sorted: Vec<u64> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(NEVER)
}

/// The value of a sorted list at `percent`, by nearest rank; 0 of nothing.
#[must_use]
pub fn percentile(sorted: &[i64], percent: usize) -> i64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_dollars_percents_and_days() {
        assert_eq!(Metric::Income.shown(34_171_390_255), "$34.2 k");
        assert_eq!(Metric::Attacker.shown(-190_000), "−$0.19");
        assert_eq!(Metric::SubsidyShare.shown(61_102), "6.11 %");
        assert_eq!(Metric::Emitted.shown(6_894_872_608), "6.89 M");
        assert_eq!(Metric::Payback.shown(554), "554 days");
        assert_eq!(Metric::PaybackZero.shown(i64::MAX), "never");
    }
}
