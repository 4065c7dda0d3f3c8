//! A period of final epochs, and its facts out of a book and the epochs' judgements.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;
use cairn_economy::reality::{
    Checks, DeviceFacts, Facts, Funding, LAG_PERIODS, Money, Payment, Sale,
};
use cairn_primitives::{DeviceId, EconomyParams, Epoch, EpochSchedule, MicroUsd, Sector, Stones};
use cairn_sectors::profile;

use super::{
    Book, Judged,
    rows::{EpochRows, Totals},
};

/// Days of the usual period.
pub const PERIOD_DAYS: u64 = 30;
/// Longest period, epochs: a leap year of hours.
pub const PERIOD_EPOCHS_MAX: u64 = 8_784;
/// A young network's usual period is one in so many of its epochs, so that the windows before it exist.
const YOUNG_PART: u64 = LAG_PERIODS + 1;

/// The first and the last epoch of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// The first.
    pub from: Epoch,
    /// The last.
    pub to: Epoch,
}

/// A period that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Nothing is final.
    #[error("no epoch is final yet")]
    Nothing,
    /// It ends in the future.
    #[error("epoch {to} is not final; the next to become final is {next}")]
    NotFinal {
        /// The asked end.
        to: Epoch,
        /// The next to become final.
        next: Epoch,
    },
    /// It begins after its end.
    #[error("the period begins with epoch {from}, after its end {to}")]
    Backwards {
        /// Its first epoch.
        from: Epoch,
        /// Its last.
        to: Epoch,
    },
    /// It is too long.
    #[error("the period has {0} epochs, at most {PERIOD_EPOCHS_MAX} are answered at once")]
    TooLong(u64),
}

impl Period {
    /// The period that is asked for. Without an end it ends with the last final epoch; without a beginning it has 30 days, or
    /// a quarter of the life of a network younger than four such periods.
    ///
    /// # Errors
    /// See `PeriodError`.
    pub fn of(
        from: Option<Epoch>,
        to: Option<Epoch>,
        next: Epoch,
        schedule: &EpochSchedule,
    ) -> Result<Self, PeriodError> {
        let last = next.previous().ok_or(PeriodError::Nothing)?;
        let to = to.unwrap_or(last);
        if to > last {
            return Err(PeriodError::NotFinal { to, next });
        }
        let life = to.0.saturating_add(1);
        let usual = schedule.epochs_per_day().saturating_mul(PERIOD_DAYS).min(PERIOD_EPOCHS_MAX);
        let usual = usual.min(life / YOUNG_PART).max(1);
        let from = from.unwrap_or(Epoch(life - usual));
        if from > to {
            return Err(PeriodError::Backwards { from, to });
        }
        let period = Self { from, to };
        match period.epochs() {
            epochs if epochs > PERIOD_EPOCHS_MAX => Err(PeriodError::TooLong(epochs)),
            _ => Ok(period),
        }
    }

    /// Its length.
    #[must_use]
    pub const fn epochs(&self) -> u64 {
        self.to.0.saturating_sub(self.from.0).saturating_add(1)
    }

    /// The period of the same length `periods` lengths earlier; `None` before genesis.
    fn back(&self, periods: u64) -> Option<Self> {
        let shift = self.epochs().checked_mul(periods)?;
        let back = |epoch: Epoch| epoch.0.checked_sub(shift).map(Epoch);
        Some(Self { from: back(self.from)?, to: back(self.to)? })
    }
}

impl Book {
    /// The facts of a period; `judged` are those of every sector and epoch in it.
    #[must_use]
    pub fn facts(&self, period: Period, judged: &[(Sector, Epoch, Arc<Judged>)]) -> Facts {
        let Period { from, to } = period;
        let (schedule, end) = (self.genesis.schedule(), self.totals(Some(to)));
        let devices = self.device_facts(period, judged);
        let founders = devices.iter().filter(|device| self.founders.contains(&device.owner));
        let to_founders = founders.map(|d| d.subsidy_stones.0).fold(0, u128::saturating_add);
        Facts {
            from,
            to,
            schedule,
            economy: EconomyParams {
                price_micro_usd: end.price.0,
                ..self.prices.params(schedule.day_of(to))
            },
            price: end.price,
            references: Sector::ALL.into_iter().map(|s| (s, profile(s).reference)).collect(),
            payments: self.payments(period),
            sales: self.sales(period),
            before: period.back(1).map(|window| self.payers(window)),
            then: period.back(LAG_PERIODS).map(|window| self.payers(window)),
            funding: self.funding(to),
            money: Money { to_founders: Stones(to_founders), ..self.money(period) },
            checks: self.checks(period, judged),
            pool: end.pool,
            devices,
        }
    }

    fn within(&self, period: Period) -> impl Iterator<Item = (&Epoch, &EpochRows)> {
        self.epochs.range(period.from..=period.to)
    }

    fn payments(&self, period: Period) -> Vec<Payment> {
        let mut sums: BTreeMap<(Address, DeviceId), u64> = BTreeMap::new();
        for (_, rows) in self.within(period) {
            for (key, amount) in &rows.payments {
                let sum = sums.entry(*key).or_default();
                *sum = sum.saturating_add(*amount);
            }
        }
        let payment = |((payer, device), sum)| Payment { payer, device, amount: MicroUsd(sum) };
        sums.into_iter().map(payment).collect()
    }

    fn sales(&self, period: Period) -> Vec<Sale> {
        let sales = self.within(period).flat_map(|(_, rows)| &rows.sales);
        sales.map(|s| Sale { sector: s.sector, amount: s.amount, units: s.units }).collect()
    }

    /// What each payer paid in a window, by payer.
    fn payers(&self, window: Period) -> Vec<(Address, MicroUsd)> {
        let mut sums: BTreeMap<Address, u64> = BTreeMap::new();
        for sale in self.within(window).flat_map(|(_, rows)| &rows.sales) {
            let sum = sums.entry(sale.payer).or_default();
            *sum = sum.saturating_add(sale.amount.0);
        }
        sums.into_iter().map(|(payer, sum)| (payer, MicroUsd(sum))).collect()
    }

    fn funding(&self, to: Epoch) -> Option<Funding> {
        if self.unfollowed.is_some_and(|epoch| epoch <= to) {
            return None;
        }
        let mut funding = Funding::default();
        for rows in self.epochs.range(..=to).map(|(_, rows)| rows) {
            for ((receiver, sender), stones) in &rows.transfers {
                funding.add(*sender, *receiver, *stones);
            }
        }
        Some(funding)
    }

    /// The money after the last block of `epoch` or of the one before that had any.
    fn totals(&self, epoch: Option<Epoch>) -> Totals {
        let Some(epoch) = epoch else { return Totals::default() };
        self.epochs.range(..=epoch).next_back().map(|(_, rows)| rows.totals).unwrap_or_default()
    }

    fn money(&self, period: Period) -> Money {
        let (start, end) = (self.totals(period.from.previous()), self.totals(Some(period.to)));
        Money {
            replayed: end.replayed,
            emitted: Stones(end.emitted.saturating_sub(start.emitted)),
            burned: Stones(end.burned.saturating_sub(start.burned)),
            burned_ever: Stones(end.burned),
            reserve: end.reserve,
            to_funds: Stones(end.to_funds.saturating_sub(start.to_funds)),
            to_founders: Stones::ZERO,
            grant_left: end.grant_left,
            grant_used: MicroUsd(end.grant_used.saturating_sub(start.grant_used)),
            subsidy_ever: MicroUsd(end.subsidy),
            settled_ever: MicroUsd(end.settled),
            outstanding: MicroUsd(end.outstanding),
            vault: Stones(end.vault),
            minted: MicroUsd(end.minted.saturating_sub(start.minted)),
            promo: MicroUsd::ZERO,
        }
    }

    fn checks(&self, period: Period, judged: &[(Sector, Epoch, Arc<Judged>)]) -> Checks {
        let mut checks = Checks::default();
        for (_, rows) in self.within(period) {
            let found = &rows.checks;
            checks.devices_slashed += found.devices_slashed;
            checks.pending += found.pending;
            checks.annulled += found.annulled;
            checks.executed += found.executed;
            checks.slashed.0 = checks.slashed.0.saturating_add(found.slashed.0);
            checks.detection_epochs.extend(&found.detection_epochs);
        }
        for (_, _, judged) in judged {
            let devices = judged.devices.values().filter(|device| device.judged).count();
            let devices = u64::try_from(devices).unwrap_or(u64::MAX);
            checks.judgements =
                checks.judgements.saturating_add(devices.saturating_mul(judged.votes));
            checks.batches += judged.batches;
            checks.refused += judged.refused;
            checks.gated += judged.gated;
        }
        checks
    }

    fn device_facts(
        &self,
        period: Period,
        judged: &[(Sector, Epoch, Arc<Judged>)],
    ) -> Vec<DeviceFacts> {
        let known = self.devices.iter().filter(|(_, device)| device.epoch <= period.to);
        let mut devices: BTreeMap<DeviceId, DeviceFacts> = known
            .map(|(id, device)| {
                let facts = DeviceFacts {
                    id: *id,
                    owner: device.owner,
                    sector: device.sector,
                    cell: device.cell,
                    registered: device.epoch,
                    end: device.end_at(period.to),
                    earned: MicroUsd::ZERO,
                    subsidy: MicroUsd::ZERO,
                    subsidy_stones: Stones::ZERO,
                    judged: 0,
                    verified: 0,
                    last_verified: None,
                    paid_epochs: 0,
                    units: 0,
                };
                (*id, facts)
            })
            .collect();
        for (_, epoch, judged) in judged {
            for (id, part) in &judged.devices {
                let Some(device) = devices.get_mut(id) else { continue };
                device.earned.0 = device.earned.0.saturating_add(part.earned.0);
                device.subsidy.0 = device.subsidy.0.saturating_add(part.subsidy.0);
                let stones = device.subsidy_stones.0.saturating_add(part.subsidy_stones.0);
                device.subsidy_stones = Stones(stones);
                device.judged += u64::from(part.judged);
                device.verified += u64::from(part.verified);
                device.units = device.units.saturating_add(part.units);
                if part.verified {
                    device.last_verified = device.last_verified.max(Some(*epoch));
                }
            }
        }
        for (_, rows) in self.within(period) {
            let mut paid: Vec<DeviceId> = rows.payments.keys().map(|(_, id)| *id).collect();
            paid.sort_unstable();
            paid.dedup();
            for id in paid {
                if let Some(device) = devices.get_mut(&id) {
                    device.paid_epochs += 1;
                }
            }
        }
        devices.into_values().collect()
    }
}
