//! Who provides: devices that come while they pay back soon enough, leave when they cost more than they bring, and break.
//!
//! A device is one of many alike: income is shared evenly among all of them. The card that a person sees before buying
//! (`cairn_economy::payback`) is what decides here. Without a population every wanted place is filled. Parts of a device are
//! carried to the next day: a fleet of a hundred loses one in fifty days where one in five thousand breaks a day.

use cairn_economy::{Costs, Income, Payback, payback};
use cairn_primitives::MicroUsd;
use serde::{Deserialize, Serialize};

use super::{curve::USD, scenario::Providers};

/// One, in millionths.
const PPM: u64 = 1_000_000;
/// Days over which a person averages the income of neighbours.
const AVERAGE_DAYS: u64 = 30;
/// Most devices: more than there are people. Where nothing costs anything a population would grow for ever.
pub const DEVICES_MAX: u64 = 1_000_000_000_000;
/// Days of a year.
const YEAR_DAYS: u64 = 365;

/// The devices of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// How many there are.
    pub devices: u64,
    /// Came today.
    pub entered: u64,
    /// Left or broke today.
    pub left: u64,
    /// Price of one device today, micro-dollars in 2^-20: a daily step is smaller than a micro-dollar.
    hardware_q20: u128,
    /// 30-day averages of a device's income: earned and subsidy.
    earned: MicroUsd,
    subsidy: MicroUsd,
    /// Millionths of a device that came and that left, and were not counted yet.
    coming: u64,
    going: u64,
}

/// What the card says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    /// At today's income.
    pub today: Payback,
    /// If there were no subsidy.
    pub zero_subsidy: Payback,
}

impl Population {
    /// The devices before the first day: those of the scenario, or one in each of `target` places.
    #[must_use]
    pub fn new(providers: Option<&Providers>, target: u64) -> Self {
        let hardware =
            providers.map_or_else(|| Providers::default().hardware_usd, |p| p.hardware_usd);
        Self {
            devices: providers.map_or(target, |p| p.start),
            entered: 0,
            left: 0,
            hardware_q20: u128::from(hardware * USD) << 20,
            earned: MicroUsd::ZERO,
            subsidy: MicroUsd::ZERO,
            coming: 0,
            going: 0,
        }
    }

    /// Part of `target` places that is filled, ppm.
    #[must_use]
    pub fn covered_ppm(&self, target: u64) -> u32 {
        let filled = u128::from(self.devices.min(target)) * u128::from(PPM);
        let ppm = filled.checked_div(u128::from(target)).unwrap_or(0);
        u32::try_from(ppm).unwrap_or(u32::MAX)
    }

    /// What of a day's demand the devices can do.
    #[must_use]
    pub fn served(&self, providers: Option<&Providers>, wanted: MicroUsd) -> MicroUsd {
        match providers.map(|p| p.capacity_micro_usd_day) {
            None | Some(0) => wanted,
            Some(each) => wanted.min(MicroUsd(self.devices.saturating_mul(each))),
        }
    }

    /// Ends a day in which all devices together earned and were subsidised so much; people come and go. Returns the card.
    pub fn close(
        &mut self,
        providers: Option<&Providers>,
        earned: MicroUsd,
        subsidy: MicroUsd,
        first: bool,
    ) -> Card {
        let card = self.day(providers, earned, subsidy, first);
        if let Some(world) = providers {
            self.churn(world, card.today);
        }
        card
    }

    /// Averages a day's income and shows the card.
    fn day(
        &mut self,
        providers: Option<&Providers>,
        earned: MicroUsd,
        subsidy: MicroUsd,
        first: bool,
    ) -> Card {
        let each = |sum: MicroUsd| sum.0 / self.devices.max(1);
        let (earned, subsidy) = (each(earned), each(subsidy));
        let averaged = |average: MicroUsd, today: u64| match first {
            true => MicroUsd(today),
            false => {
                let days = u128::from(AVERAGE_DAYS);
                let sum = u128::from(average.0) * (days - 1) + u128::from(today);
                MicroUsd(u64::try_from(sum / days).unwrap_or(u64::MAX))
            }
        };
        self.earned = averaged(self.earned, earned);
        self.subsidy = averaged(self.subsidy, subsidy);
        let fallback = Providers::default();
        let world = providers.unwrap_or(&fallback);
        self.cheapen(world);
        let costs = self.costs(world);
        let income = Income { earned_per_day: self.earned, subsidy_per_day: self.subsidy };
        let zero = Income { subsidy_per_day: MicroUsd::ZERO, ..income };
        Card { today: payback(&costs, &income), zero_subsidy: payback(&costs, &zero) }
    }

    /// Takes over a day of the ledger with so many devices, whose income is averaged as if it had been simulated.
    pub fn recall(
        &mut self,
        providers: Option<&Providers>,
        devices: u64,
        earned: MicroUsd,
        subsidy: MicroUsd,
        first: bool,
    ) -> Card {
        self.devices = devices.max(1);
        self.day(providers, earned, subsidy, first)
    }

    /// Lets a day's part of the yearly fall pass.
    fn cheapen(&mut self, world: &Providers) {
        let fall = u128::from(world.hardware_fall_ppm_year);
        self.hardware_q20 -= self.hardware_q20 * fall / u128::from(PPM * YEAR_DAYS);
    }

    /// What a device costs today.
    fn costs(&self, world: &Providers) -> Costs {
        Costs {
            hardware: MicroUsd(u64::try_from(self.hardware_q20 >> 20).unwrap_or(u64::MAX)),
            install: MicroUsd(world.install_usd * USD),
            bond: MicroUsd::ZERO,
            opportunity_ppm: 0,
            opex_per_day: MicroUsd(world.opex_micro_usd_day),
        }
    }

    fn churn(&mut self, world: &Providers, today: Payback) {
        let pays = today <= Payback::Days(world.enter_payback_days);
        let exit = if today == Payback::Never { world.exit_ppm_day } else { 0 };
        let entry = if pays { world.entry_ppm_day } else { 0 };
        self.entered = whole(self.devices, entry.into(), &mut self.coming);
        let leave = u64::from(exit) + u64::from(world.failure_ppm_day);
        // The last device stays: a network of none has no income to judge by.
        let left = whole(self.devices, leave, &mut self.going);
        self.left = left.min(self.devices.saturating_sub(1));
        self.devices = (self.devices + self.entered - self.left).min(DEVICES_MAX);
    }
}

/// Whole devices in `ppm` millionths of `devices` and what was carried; the rest is carried on.
fn whole(devices: u64, ppm: u64, carried: &mut u64) -> u64 {
    let part = u128::from(devices) * u128::from(ppm) + u128::from(*carried);
    let one = u128::from(PPM);
    *carried = u64::try_from(part % one).expect("a rest is below a million");
    u64::try_from(part / one).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_come_while_it_pays_and_leave_when_it_costs() {
        let world = Providers { failure_ppm_day: 0, ..Providers::default() };
        let mut rich = Population::new(Some(&world), 1_000);
        let mut poor = rich.clone();
        for day in 0..30 {
            let income = |p: &Population, each: u64| MicroUsd(p.devices * each);
            rich.close(Some(&world), income(&rich.clone(), USD), MicroUsd::ZERO, day == 0);
            poor.close(Some(&world), income(&poor.clone(), USD / 10), MicroUsd::ZERO, day == 0);
        }
        assert!(rich.devices > 120 && poor.devices < 90, "{rich:?} {poor:?}");
        assert_eq!(rich.covered_ppm(10_000_000), u32::try_from(rich.devices / 10).unwrap());
        let limited = Providers { capacity_micro_usd_day: 5, ..world };
        let capped = rich.served(Some(&limited), MicroUsd(1 << 40));
        assert_eq!(capped.0, rich.devices * 5);
    }

    /// One in five thousand breaks a day: of a hundred devices one in fifty days, not one every day.
    #[test]
    fn parts_of_a_device_are_carried() {
        let world = Providers { entry_ppm_day: 0, exit_ppm_day: 0, ..Providers::default() };
        let mut few = Population::new(Some(&world), 1_000);
        for day in 0..100 {
            few.close(Some(&world), MicroUsd(few.devices * USD), MicroUsd::ZERO, day == 0);
        }
        assert_eq!((few.devices, few.going), (99, 50 * 99 * 200));
    }
}
