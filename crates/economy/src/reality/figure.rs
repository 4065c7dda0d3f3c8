//! One number of the reality page: a value with its unit, or the numbered reason why there is none.
//!
//! Nothing is ever made up: what the ledger cannot say is absent, and the reason says why. Integers only, so that two
//! machines give the same bytes; every ratio rounds down.

use cairn_primitives::{MicroUsd, Stones, mul_div_floor};
use serde::{Deserialize, Serialize};

use crate::params::PPM;

/// Base units of STONE in a millionth of one.
const MICRO_STONE: u128 = 1_000_000_000_000;

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Micro-dollars.
    MicroUsd,
    /// Millionths of a STONE, rounded down.
    MicroStones,
    /// Millionths of one whole.
    Ppm,
    /// Thousandths.
    Milli,
    /// Whole things.
    Count,
    /// Days, rounded up.
    Days,
    /// Thousandths of a day.
    MilliDays,
    /// Epochs.
    Epochs,
    /// Micro-dollars for a thousand units sold.
    MicroUsdPerKiloUnit,
}

/// Why there is no value. The numbers are part of the answer's format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "Shown", try_from = "Shown")]
#[repr(u8)]
pub enum Absent {
    /// The network is younger than the window that the number looks back on.
    TooYoung = 1,
    /// Consumers paid nothing in the period.
    NoRevenue = 2,
    /// No device had an income in the period.
    NoIncome = 3,
    /// The reserve gave nothing in the period.
    NoEmission = 4,
    /// There is no device to count.
    NoDevices = 5,
    /// Nobody paid in the window that the period is compared with.
    NoRevenueThen = 6,
    /// The ledger has no such thing.
    NotOnLedger = 7,
    /// No credit is outstanding.
    NoCredits = 8,
    /// Nothing was found or disputed in the period.
    NoneFound = 9,
    /// More accounts paid each other than are followed.
    TooMany = 10,
    /// The network declares no reference for the sector.
    NotDeclared = 11,
    /// The replay of the economy does not end where the ledger says it is.
    Diverged = 12,
    /// It never happens at the period's income. An answer, not a gap.
    Never = 13,
    /// The grant is not drawn on: it lasts for ever.
    Unused = 14,
}

/// A number and a name, as every answer shows a reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shown {
    code: u8,
    name: String,
}

impl Absent {
    /// Every reason, in order of its number.
    pub const ALL: [Self; 14] = [
        Self::TooYoung,
        Self::NoRevenue,
        Self::NoIncome,
        Self::NoEmission,
        Self::NoDevices,
        Self::NoRevenueThen,
        Self::NotOnLedger,
        Self::NoCredits,
        Self::NoneFound,
        Self::TooMany,
        Self::NotDeclared,
        Self::Diverged,
        Self::Never,
        Self::Unused,
    ];

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::TooYoung => 1,
            Self::NoRevenue => 2,
            Self::NoIncome => 3,
            Self::NoEmission => 4,
            Self::NoDevices => 5,
            Self::NoRevenueThen => 6,
            Self::NotOnLedger => 7,
            Self::NoCredits => 8,
            Self::NoneFound => 9,
            Self::TooMany => 10,
            Self::NotDeclared => 11,
            Self::Diverged => 12,
            Self::Never => 13,
            Self::Unused => 14,
        }
    }

    /// The same for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::TooYoung => "the network is too young",
            Self::NoRevenue => "nothing was paid",
            Self::NoIncome => "no device had an income",
            Self::NoEmission => "nothing was emitted",
            Self::NoDevices => "there are no devices",
            Self::NoRevenueThen => "nobody paid then",
            Self::NotOnLedger => "the ledger has no such thing",
            Self::NoCredits => "no credit is outstanding",
            Self::NoneFound => "none was found",
            Self::TooMany => "too many accounts to follow",
            Self::NotDeclared => "the network declares no reference",
            Self::Diverged => "the replay differs from the ledger",
            Self::Never => "never",
            Self::Unused => "not drawn on",
        }
    }
}

impl From<Absent> for Shown {
    fn from(absent: Absent) -> Self {
        Self { code: absent.code(), name: format!("{absent:?}") }
    }
}

impl TryFrom<Shown> for Absent {
    type Error = String;
    fn try_from(shown: Shown) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|absent| absent.code() == shown.code);
        known.ok_or_else(|| format!("there is no reason {}", shown.code))
    }
}

/// What was measured, or why nothing was.
pub type Measured = Result<i64, Absent>;

/// A named number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name, unique within its indicator.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
    /// The value.
    pub value: Option<i64>,
    /// Why there is none; null where there is one.
    pub absent: Option<Absent>,
}

impl Figure {
    /// A figure of what was measured.
    #[must_use]
    pub fn new(name: &str, unit: Unit, measured: Measured) -> Self {
        Self { name: name.to_owned(), unit, value: measured.ok(), absent: measured.err() }
    }

    /// What was measured.
    ///
    /// # Errors
    /// The reason why nothing was; `NotOnLedger` where a reader lost both.
    pub fn measured(&self) -> Measured {
        self.value.ok_or(self.absent.unwrap_or(Absent::NotOnLedger))
    }
}

/// A count as a value; what exceeds the range is the range's end.
pub(super) fn whole(value: u128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `part / of` in parts of `scale`, rounded down; `absent` when there is nothing to divide by.
pub(super) fn ratio(part: u128, of: u128, scale: u64, absent: Absent) -> Measured {
    if of == 0 {
        return Err(absent);
    }
    Ok(mul_div_floor(part, u128::from(scale), of).map_or(i64::MAX, whole))
}

/// `part / of` in millionths.
pub(super) fn ppm(part: u128, of: u128, absent: Absent) -> Measured {
    ratio(part, of, PPM, absent)
}

/// Dollars as a value.
pub(super) fn usd(amount: MicroUsd) -> i64 {
    whole(amount.0.into())
}

/// Stones as a value, in millionths, rounded down.
pub(super) fn stones(amount: Stones) -> i64 {
    whole(amount.0 / MICRO_STONE)
}
