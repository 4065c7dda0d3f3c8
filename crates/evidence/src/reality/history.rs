//! The ledger's days that are over, for who goes on from them: what each day paid, issued and burned, and the economy's state
//! when the last of them ended. `cairn simulate --history` begins there (docs/economy/simulate.md).
//!
//! Every number is as it was when the ledger opened the next day, an hour or so of network time after the day's end. Credits that
//! were spent on epochs which are not final by then count as not spent: nobody was paid for them yet.

use std::collections::BTreeMap;

use cairn_economy::EconomyState;
use cairn_primitives::{Digest, EconomyParams, Epoch, EpochSchedule, MicroUsd, Sector, Stones};
use serde::{Deserialize, Serialize};

use super::{Book, rows::Registered};

/// The format that is written and read.
pub const HISTORY_FORMAT: u32 = 1;
/// Most days of a history: more than two centuries.
pub const HISTORY_DAYS_MAX: usize = 100_000;

/// The days of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// `HISTORY_FORMAT`.
    pub format: u32,
    /// The network's name.
    pub network: String,
    /// Its EIP-155 chain id.
    pub chain_id: u64,
    /// The economy's parameters that are in force after the last day, at its price.
    pub economy: EconomyParams,
    /// The days, from day 0.
    pub days: Vec<HistoryDay>,
    /// The economy when the day after the last one was open and nothing was paid in it.
    pub state: EconomyState,
}

/// A day. Sums are the day's own, but where they are said to be since genesis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryDay {
    /// From 0.
    pub day: u64,
    /// Micro-dollars per STONE at which its last epoch was settled.
    pub price: MicroUsd,
    /// Paid work of each sector, before fees.
    pub paid: BTreeMap<Sector, MicroUsd>,
    /// Providers' income from it, after fees.
    pub earned: MicroUsd,
    /// Subsidy that followed usage.
    pub usage_subsidy: MicroUsd,
    /// Subsidy that followed coverage.
    pub need_subsidy: MicroUsd,
    /// Issued as subsidy since genesis.
    pub emitted: Stones,
    /// Drawn from the reserve for paid work since genesis.
    pub drawn: Stones,
    /// Burned since genesis: what settlements left over, base fees and what the slashed lost.
    pub burned: Stones,
    /// Not issued.
    pub reserve: Stones,
    /// What is left of all grants.
    pub grant_left: Stones,
    /// Owed and not paid.
    pub owed: Stones,
    /// Credits that were not spent.
    pub outstanding: MicroUsd,
    /// Stones burned for them.
    pub vault: Stones,
    /// Devices in service when it ended.
    pub devices: u64,
    /// Devices whose first day it was.
    pub entered: u64,
    /// Devices whose last day it was.
    pub left: u64,
}

/// A ledger of which no history can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// No day is over.
    #[error("no day of the ledger is over: the first ends with epoch {0}")]
    Nothing(Epoch),
    /// The reserve is not where the ledger announced it.
    #[error(
        "the replay of the ledger's economy does not end where the ledger is: its days cannot be told"
    )]
    Replay,
    /// More days than a history has.
    #[error("the ledger has more than {HISTORY_DAYS_MAX} days")]
    TooLong,
}

/// What the book notes for a history while it folds.
#[derive(Clone, Debug, Default)]
pub(super) struct Days {
    /// The open day so far; sums since genesis run on.
    pub(super) open: HistoryDay,
    closed: Vec<HistoryDay>,
    /// When the last of them ended.
    state: EconomyState,
}

impl Days {
    /// Ends the open day; `state` has the next one open.
    pub(super) fn close(&mut self, state: &EconomyState, money: (MicroUsd, Stones, Stones)) {
        let (outstanding, vault, burned) = money;
        let grants = state.services.values().map(|service| service.grant_left.0);
        let owed = state.ious.iter().map(|iou| iou.dues.total().0);
        let day = HistoryDay {
            reserve: state.reserve,
            grant_left: Stones(grants.fold(0, u128::saturating_add)),
            owed: Stones(owed.fold(0, u128::saturating_add)),
            outstanding,
            vault,
            burned,
            ..std::mem::take(&mut self.open)
        };
        self.open = HistoryDay {
            day: day.day.saturating_add(1),
            emitted: day.emitted,
            drawn: day.drawn,
            ..HistoryDay::default()
        };
        self.closed.push(day);
        self.state = state.clone();
    }
}

impl History {
    /// What names a history: whoever has the same bytes goes on from the same day.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let text = serde_json::to_string(self).expect("a history is plain data");
        Digest::of(&[b"cairn/history/v1", text.as_bytes()])
    }
}

impl HistoryDay {
    /// Paid work of all sectors, before fees.
    #[must_use]
    pub fn paid(&self) -> MicroUsd {
        MicroUsd(self.paid.values().map(|paid| paid.0).fold(0, u64::saturating_add))
    }
}

impl Book {
    /// The days that are over.
    ///
    /// # Errors
    /// See `HistoryError`.
    pub fn history(&self) -> Result<History, HistoryError> {
        let schedule = self.genesis.schedule();
        if self.days.closed.is_empty() {
            return Err(HistoryError::Nothing(Epoch(schedule.epochs_per_day() - 1)));
        }
        if self.days.closed.len() > HISTORY_DAYS_MAX {
            return Err(HistoryError::TooLong);
        }
        if !self.is_replayed() {
            return Err(HistoryError::Replay);
        }
        let mut days = self.days.closed.clone();
        count(&mut days, &schedule, self.devices.values());
        let price = days.last().map_or(MicroUsd::ZERO, |day| day.price);
        Ok(History {
            format: HISTORY_FORMAT,
            network: self.genesis.name.clone(),
            chain_id: self.genesis.chain_id,
            economy: EconomyParams {
                price_micro_usd: price.0,
                ..self.prices.params(self.days.state.day)
            },
            days,
            state: self.days.state.clone(),
        })
    }
}

/// Counts devices into the days in which they began and ended.
fn count<'a>(
    days: &mut [HistoryDay],
    schedule: &EpochSchedule,
    devices: impl Iterator<Item = &'a Registered>,
) {
    let at = |epoch: Epoch| usize::try_from(schedule.day_of(epoch)).unwrap_or(usize::MAX);
    for device in devices {
        let end = device.end_at(Epoch(u64::MAX));
        if end.is_some_and(|end| end <= device.epoch) {
            continue;
        }
        if let Some(day) = days.get_mut(at(device.epoch)) {
            day.entered += 1;
        }
        let last = end.and_then(Epoch::previous);
        if let Some(day) = last.and_then(|last| days.get_mut(at(last))) {
            day.left += 1;
        }
    }
    let mut devices = 0_u64;
    for day in days {
        // Whoever ended had begun, on that day or before.
        devices = (devices + day.entered).saturating_sub(day.left);
        day.devices = devices;
    }
}
