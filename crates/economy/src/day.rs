//! The day's budget: what may be emitted, and how much of it each sector may use for paid usage and for coverage.
//!
//! A day is opened once, before its first epoch is paid, from the state at the end of the day before. Paid work is
//! senior (`settle`); the subsidy is what is left of the day's emission, capped by need, by grant and by real burn.
//! Invariant: lifetime subsidy of a sector ≤ its grant + m × its burn. Source: docs/spec/economy.md §1.

use std::collections::BTreeMap;

use cairn_primitives::{EconomyParams, MicroUsd, STONE, Sector, Stones, mul_div_floor};
use serde::{Deserialize, Serialize};

use crate::params::{EMA_DAYS, GRANT_DAYS, KAPPA, MATCH_PACE, PPM, coverage_need, fees_of, price};
use crate::settle::Iou;

/// What the economy remembers of one sector. Amounts in micro-dollars are per day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// I: 30-day average of the providers' income from paid work.
    pub income: MicroUsd,
    /// B: 30-day average of what paid work burned and no subsidy has matched.
    pub burn: MicroUsd,
    /// What is left of the grant, base units.
    pub grant_left: Stones,
    /// Paid work of the open day so far, before fees.
    pub settled_today: MicroUsd,
    /// Usage subsidy paid in the open day so far: the burn that it matched is not matched again.
    #[serde(default)]
    pub matched_today: MicroUsd,
    /// Subsidy of the open day that follows paid usage.
    pub usage_budget: MicroUsd,
    /// Subsidy of the open day that follows verified coverage and draws on the grant.
    pub need_budget: MicroUsd,
}

/// The economy's whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EconomyState {
    /// Stones not yet issued.
    pub reserve: Stones,
    /// The open day, from 0.
    pub day: u64,
    /// E of the open day: most that the reserve may emit, before what paid work drew.
    pub emission: Stones,
    /// What paid work drew from the reserve during the open day.
    pub drawn_today: Stones,
    /// Each sector.
    pub services: BTreeMap<Sector, Service>,
    /// Debts to past epochs, oldest first, at most `IOUS_MAX`.
    pub ious: Vec<Iou>,
}

/// The subsidy of one epoch, micro-dollars. The two parts are split by different rules and never mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochPool {
    /// Follows paid, verified usage.
    pub usage: MicroUsd,
    /// Follows verified coverage.
    pub need: MicroUsd,
}

/// An operation that the economy's state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EconomyError {
    /// The sector was not given a grant at genesis.
    #[error("sector {0:?} is unknown to the economy")]
    UnknownSector(Sector),
    /// More was to be paid than the reserve holds.
    #[error("the reserve holds {reserve}, {asked} was asked")]
    ReserveExceeded {
        /// What it holds.
        reserve: Stones,
        /// What was asked.
        asked: Stones,
    },
    /// An amount left its range.
    #[error("an amount of the economy is out of range")]
    OutOfRange,
}

impl EconomyState {
    /// The state before the first epoch: the reserve full, the sensing sector's grant untouched, day 0 open.
    #[must_use]
    pub fn genesis(params: &EconomyParams) -> Self {
        let grant_left = Stones(u128::from(params.grant_stones) * STONE);
        let mut state = Self {
            reserve: Stones(u128::from(params.reserve_stones) * STONE),
            services: BTreeMap::from([(
                Sector::Sensing,
                Service { grant_left, ..Service::default() },
            )]),
            ..Self::default()
        };
        state.fix_budgets(params);
        state
    }

    /// The state of a sector.
    ///
    /// # Errors
    /// `UnknownSector`.
    pub fn service(&self, sector: Sector) -> Result<&Service, EconomyError> {
        self.services.get(&sector).ok_or(EconomyError::UnknownSector(sector))
    }

    /// See `service`.
    pub(crate) fn service_mut(&mut self, sector: Sector) -> Result<&mut Service, EconomyError> {
        self.services.get_mut(&sector).ok_or(EconomyError::UnknownSector(sector))
    }

    /// Closes the open day and opens the next: averages move by the day's paid work, then the budgets are fixed.
    pub fn open_next_day(&mut self, params: &EconomyParams) {
        self.open_next_day_with(params, params);
    }

    /// The same where a vote moved the parameters: what the day brought is counted by those that were in force in it
    /// (`closing`), the next day's budgets by its own (`opening`).
    pub fn open_next_day_with(&mut self, closing: &EconomyParams, opening: &EconomyParams) {
        for service in self.services.values_mut() {
            let fees = fees_of(closing, service.settled_today);
            service.income = averaged(service.income, fees.provider, 0);
            let matched = burn_of_match(closing, service.matched_today);
            service.burn = averaged(service.burn, fees.burn, matched);
            service.settled_today = MicroUsd::ZERO;
            service.matched_today = MicroUsd::ZERO;
        }
        self.day += 1;
        self.fix_budgets(opening);
        self.drawn_today = Stones::ZERO;
    }

    /// Fixes the day's budgets from the averages, the reserve and what paid work drew during the day before.
    fn fix_budgets(&mut self, params: &EconomyParams) {
        self.emission = Stones(mul_div_floor(self.reserve.0, KAPPA, 1 << 32).unwrap_or(0));
        let price = price(params);
        let left = Stones(self.emission.0.saturating_sub(self.drawn_today.0));
        let budget = u128::from(left.to_micro_usd_floor(price).0);
        let burn_sum: u128 = self.services.values().map(|s| u128::from(s.burn.0)).sum();
        let gap = |s: &Service| {
            coverage_need(params).0.saturating_sub(s.income.ppm_floor(params.taper_ppm).0)
        };
        let gap_sum: u128 = self.services.values().map(|s| u128::from(gap(s))).sum();
        let unmatched = burn_sum.saturating_mul(MATCH_PACE);
        let by_burn = part(budget, params.burn_share_ppm).min(part(unmatched, params.match_ppm));
        let by_need = budget - by_burn;
        for service in self.services.values_mut() {
            let gap = gap(service);
            let usage = share(by_burn, service.burn.0.into(), burn_sum).min(gap);
            let grant_pace =
                Stones(service.grant_left.0 / u128::from(GRANT_DAYS)).to_micro_usd_floor(price).0;
            // The gap is filled by the matched part first: the grant is finite, the match is not.
            let need = share(by_need, gap.into(), gap_sum).min(grant_pace).min(gap - usage);
            service.usage_budget = MicroUsd(usage);
            service.need_budget = MicroUsd(need);
        }
    }

    /// The subsidy of epoch number `index` (from 0) of a day of `epochs` epochs. The pools of a day add up to its
    /// budget exactly. An index beyond the day, or a day of no epochs, has nothing.
    ///
    /// # Errors
    /// `UnknownSector`.
    pub fn epoch_pool(
        &self,
        sector: Sector,
        index: u64,
        epochs: u64,
    ) -> Result<EpochPool, EconomyError> {
        let service = self.service(sector)?;
        Ok(EpochPool {
            usage: MicroUsd(spread(service.usage_budget.0, index, epochs)),
            need: MicroUsd(spread(service.need_budget.0, index, epochs)),
        })
    }

    /// Takes an epoch's subsidy out of the reserve: `stones` in all, of which `need` micro-dollars draw on the grant
    /// (converted rounding up, so that the grant is never used twice).
    ///
    /// # Errors
    /// `UnknownSector`; `ReserveExceeded`, then nothing changes.
    pub fn pay_subsidy(
        &mut self,
        params: &EconomyParams,
        sector: Sector,
        stones: Stones,
        need: MicroUsd,
    ) -> Result<(), EconomyError> {
        let reserve = self
            .reserve
            .sub(stones)
            .map_err(|_| EconomyError::ReserveExceeded { reserve: self.reserve, asked: stones })?;
        let service = self.service_mut(sector)?;
        // What the stones are worth, rounded up: each share was rounded down when it became stones.
        let price = price(params);
        let floor = stones.to_micro_usd_floor(price).0;
        let exact = MicroUsd(floor).to_stones_floor(price) >= stones;
        let usage = floor.saturating_add(u64::from(!exact)).saturating_sub(need.0);
        service.matched_today = MicroUsd(service.matched_today.0.saturating_add(usage));
        let from_grant = (u128::from(need.0) * STONE).div_ceil(u128::from(price.0.max(1)));
        service.grant_left = Stones(service.grant_left.0.saturating_sub(from_grant));
        self.reserve = reserve;
        Ok(())
    }
}

/// The burn that a usage subsidy matched, micro-dollars, rounded up.
fn burn_of_match(params: &EconomyParams, matched: MicroUsd) -> u64 {
    let burn = u128::from(matched.0) * u128::from(PPM);
    let burn = burn.checked_next_multiple_of(u128::from(params.match_ppm)).unwrap_or(0);
    let burn = burn.checked_div(u128::from(params.match_ppm)).unwrap_or(0);
    u64::try_from(burn).unwrap_or(u64::MAX)
}

/// One step of the 30-day average, less what was `used` of it, rounded down.
fn averaged(average: MicroUsd, today: MicroUsd, used: u64) -> MicroUsd {
    let sum = u128::from(average.0) * u128::from(EMA_DAYS - 1) + u128::from(today.0);
    let sum = sum.saturating_sub(u128::from(used)) / u128::from(EMA_DAYS);
    MicroUsd(u64::try_from(sum).expect("an average of u64 values is a u64"))
}

/// `ppm` millionths of `value`, rounded down.
fn part(value: u128, ppm: u32) -> u128 {
    mul_div_floor(value, u128::from(ppm), u128::from(PPM)).unwrap_or(u128::MAX)
}

/// `pool × weight / sum`, rounded down; nothing when the weights are nothing.
fn share(pool: u128, weight: u128, sum: u128) -> u64 {
    u64::try_from(mul_div_floor(pool, weight, sum).unwrap_or(0)).unwrap_or(u64::MAX)
}

/// Part `index` of `parts` of `amount`: differences of rounded-down prefixes, so that all parts add up exactly.
fn spread(amount: u64, index: u64, parts: u64) -> u64 {
    if index >= parts {
        return 0;
    }
    let prefix = |n: u64| u128::from(amount) * u128::from(n) / u128::from(parts);
    u64::try_from(prefix(index + 1) - prefix(index)).expect("a part of a u64 is a u64")
}
