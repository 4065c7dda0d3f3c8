//! Paid work of an epoch: senior to every subsidy, paid from the vault first, then from the reserve, else owed.
//!
//! ```text
//! vault release ─► old debts ─► providers ─► insurance ─► treasury ─► rest burned
//! reserve draw  ─┘ (only what the release lacks; at most the epoch's emission + reserve/64)
//! ```
//! At an unchanged price the release covers everything, because minting rounds credits down. Invariant:
//! `released + drawn == paid + paid to old debts + burned`, and what is not paid is owed. Source: docs/spec/economy.md §1.

use cairn_primitives::{EconomyParams, Epoch, MicroUsd, Sector, Stones};
use serde::{Deserialize, Serialize};

use crate::day::{EconomyError, EconomyState};
use crate::params::{fees_of, price};

/// Most open debts. Once there are this many, the newest debt grows instead, keeping its (earlier) date.
pub const IOUS_MAX: usize = 64;

/// Stones due to the three kinds of payee, base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dues {
    /// To the devices' owners.
    pub providers: Stones,
    /// To the insurance fund.
    pub insurance: Stones,
    /// To the treasury.
    pub treasury: Stones,
}

/// A dated debt: what epoch `epoch` could not be paid. Paid before anything newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iou {
    /// The first epoch it is owed to.
    pub epoch: Epoch,
    /// What is owed.
    pub dues: Dues,
}

/// What settling an epoch's paid work moves. All amounts in base units of STONE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// What the epoch's payees are owed; `owed.providers` is the epoch's earned pool.
    pub owed: Dues,
    /// What of it is paid now.
    pub paid: Dues,
    /// What older debts are paid now.
    pub old_paid: Dues,
    /// Taken from the reserve.
    pub drawn: Stones,
    /// What is left of the release: burned.
    pub burned: Stones,
    /// Providers' income in micro-dollars, after fees.
    pub income: MicroUsd,
}

impl Dues {
    /// The sum, saturating.
    #[must_use]
    pub fn total(&self) -> Stones {
        Stones(self.providers.0.saturating_add(self.insurance.0).saturating_add(self.treasury.0))
    }

    /// Pays from `funds` in order of seniority; returns what was paid, leaving `self` and `funds` with the rest.
    fn pay(&mut self, funds: &mut u128) -> Self {
        let mut take = |due: &mut Stones| {
            let paid = due.0.min(*funds);
            due.0 -= paid;
            *funds -= paid;
            Stones(paid)
        };
        Self {
            providers: take(&mut self.providers),
            insurance: take(&mut self.insurance),
            treasury: take(&mut self.treasury),
        }
    }

    /// Sum by payee.
    fn plus(self, other: Self) -> Self {
        Self {
            providers: Stones(self.providers.0.saturating_add(other.providers.0)),
            insurance: Stones(self.insurance.0.saturating_add(other.insurance.0)),
            treasury: Stones(self.treasury.0.saturating_add(other.treasury.0)),
        }
    }
}

impl EconomyState {
    /// Settles `paid` micro-dollars of an epoch's work, for which the vault released `released` stones, in a day of
    /// `epochs` epochs. Draws on the reserve, records the debt and the day's paid work.
    ///
    /// # Errors
    /// `UnknownSector`, then nothing changes.
    pub fn settle_epoch(
        &mut self,
        params: &EconomyParams,
        sector: Sector,
        epoch: Epoch,
        epochs: u64,
        paid: MicroUsd,
        released: Stones,
    ) -> Result<Settlement, EconomyError> {
        let service = self.service_mut(sector)?;
        service.settled_today = MicroUsd(service.settled_today.0.saturating_add(paid.0));
        let fees = fees_of(params, paid);
        let price = price(params);
        let owed = Dues {
            providers: fees.provider.to_stones_floor(price),
            insurance: fees.insurance.to_stones_floor(price),
            treasury: fees.treasury.to_stones_floor(price),
        };
        let debt: u128 =
            self.ious.iter().fold(0, |sum, iou| sum.saturating_add(iou.dues.total().0));
        let short = owed.total().0.saturating_add(debt).saturating_sub(released.0);
        let limit =
            (self.emission.0 / u128::from(epochs.max(1))).saturating_add(self.reserve.0 >> 6);
        let drawn = short.min(limit).min(self.reserve.0);
        self.reserve.0 -= drawn;
        self.drawn_today.0 = self.drawn_today.0.saturating_add(drawn);

        let mut funds = released.0.saturating_add(drawn);
        let mut old_paid = Dues::default();
        for iou in &mut self.ious {
            old_paid = old_paid.plus(iou.dues.pay(&mut funds));
        }
        self.ious.retain(|iou| iou.dues.total().0 > 0);
        let mut rest = owed;
        let paid_now = rest.pay(&mut funds);
        self.owe(epoch, rest);
        Ok(Settlement {
            owed,
            paid: paid_now,
            old_paid,
            drawn: Stones(drawn),
            burned: Stones(funds),
            income: fees.provider,
        })
    }

    /// Records a debt of `epoch`, if there is one.
    fn owe(&mut self, epoch: Epoch, dues: Dues) {
        if dues.total().0 == 0 {
            return;
        }
        let full = self.ious.len() >= IOUS_MAX;
        match self.ious.last_mut() {
            Some(last) if full => last.dues = last.dues.plus(dues),
            _ => self.ious.push(Iou { epoch, dues }),
        }
    }

    /// Whether everything owed to the providers of `epoch` has been paid: no open debt is dated then or earlier.
    #[must_use]
    pub fn is_paid(&self, epoch: Epoch) -> bool {
        self.ious.first().is_none_or(|iou| iou.epoch > epoch)
    }
}
