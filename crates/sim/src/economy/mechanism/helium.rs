//! Helium as it was in 2021: 5,000,000 HNT a month until 1 August, half of it from then on, halved again every second year.
//!
//! ```text
//! emission of a day = the schedule + net emissions ─► coverage, by its share
//!                                                  ├► data: what was paid, at most its share; the rest of it to coverage
//!                                                  └► founders and consensus: not the device owners'
//! net emissions: what is burned for credits, at most 34.24 HNT an epoch, into a pool that gives a 336th of itself an epoch
//! ```
//! A stone stands for an HNT, day 0 for 1 January 2021, a credit's micro-dollar for a tenth of a data credit ($ 0.00001). Sources:
//! HIP-20 (schedule, shares by year, net emissions) and HIP-10 (data is paid what it cost its consumers). Left out: who of the
//! owners gets what (challengers, witnesses, challengees; transmit scaling), bursts of burning within a day, the exact block times.

use cairn_primitives::{MicroUsd, STONE, Stones};
use serde::{Deserialize, Serialize};

use super::{Day, Outcome};

/// Days of a year of the schedule.
const YEAR_DAYS: u64 = 365;
/// Days of the schedule before day 0: it began on 1 August 2019, its second year on 1 August 2020.
const DAYS_BEFORE: u64 = YEAR_DAYS + 153;
/// HNT of each of the first two years, base units.
const FIRST_YEARS: u128 = 60_000_000 * STONE;
/// Years between halvings.
const HALVING_YEARS: u64 = 2;
/// Shares of the first year, ppm: coverage falls by 1.5 % a year to nothing, data grows by 2.5 % as long as founders' falls.
const COVERAGE_PPM: u32 = 290_000;
/// See `COVERAGE_PPM`.
const COVERAGE_FALL_PPM: u32 = 15_000;
/// See `COVERAGE_PPM`.
const DATA_PPM: u32 = 300_000;
/// See `COVERAGE_PPM`.
const DATA_RISE_PPM: u32 = 25_000;
/// Data's share from the year on in which coverage has none, ppm.
const DATA_MOST_PPM: u32 = 790_000;
/// Epochs of a day: half hours.
const EPOCHS: u128 = 48;
/// Most of an epoch's burn that is emitted again, base units.
const NET_MOST: u128 = 34_240_000_000_000_000_000;
/// Part of the pool of net emissions that an epoch emits, one in this many: those of a week.
const NET_EPOCHS: u128 = 336;

/// The pool of net emissions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helium {
    net: Stones,
}

impl Helium {
    pub fn day(&mut self, day: &Day) -> Outcome {
        let year = DAYS_BEFORE.saturating_add(day.number) / YEAR_DAYS;
        let halvings = u32::try_from(year / HALVING_YEARS).unwrap_or(u32::MAX);
        let yearly = FIRST_YEARS.checked_shr(halvings).unwrap_or(0);
        let emitted = Stones(yearly / u128::from(YEAR_DAYS) + self.emit_burned(day.released));
        let (coverage, data) = shares_ppm(year);
        let worth = |ppm: u32| {
            let part = emitted.0 / 1_000_000 * u128::from(ppm);
            Stones(part).to_micro_usd_floor(day.price)
        };
        let data = worth(data);
        let earned = day.paid.min(data);
        let need = worth(coverage).0.saturating_add(data.0 - earned.0);
        Outcome {
            earned,
            need_subsidy: MicroUsd(need),
            emitted,
            burned: day.released,
            ..Outcome::default()
        }
    }

    /// Adds a day's burn to the pool, evenly over its epochs, and takes out what they emit.
    fn emit_burned(&mut self, burned: Stones) -> u128 {
        let each = (burned.0 / EPOCHS).min(NET_MOST);
        (0..EPOCHS).fold(0, |emitted, _| {
            let pool = self.net.0.saturating_add(each);
            let part = pool / NET_EPOCHS;
            self.net = Stones(pool - part);
            emitted + part
        })
    }
}

/// Parts of the emission for coverage and for data in a year of the schedule, from 0.
fn shares_ppm(year: u64) -> (u32, u32) {
    let year = u32::try_from(year).unwrap_or(u32::MAX);
    let coverage = COVERAGE_PPM.saturating_sub(COVERAGE_FALL_PPM.saturating_mul(year));
    let data = DATA_PPM.saturating_add(DATA_RISE_PPM.saturating_mul(year));
    (coverage, if coverage == 0 { DATA_MOST_PPM } else { data })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One stone is a dollar: a micro-dollar is 10^12 base units.
    fn day(number: u64, paid_usd: u64, burned: u64) -> Day {
        Day {
            number,
            price: MicroUsd(1_000_000),
            paid: MicroUsd(paid_usd * 1_000_000),
            released: Stones(u128::from(burned) * STONE),
            covered_ppm: 1_000_000,
        }
    }

    /// Rows of HIP-20's table, coverage and data in thousandths.
    #[test]
    fn shares_are_those_of_hip_20() {
        for (year, coverage, data) in [
            (1, 290, 300),
            (2, 275, 325),
            (3, 260, 350),
            (10, 155, 525),
            (20, 5, 775),
            (21, 0, 790),
            (50, 0, 790),
        ] {
            assert_eq!(shares_ppm(year - 1), (coverage * 1_000, data * 1_000), "year {year}");
        }
    }

    /// By hand, year 2: 60 M / 365 = 164,383.561643 HNT a day; data 32.5 % = 53,424.657534; coverage 27.5 % = 45,205.479452.
    #[test]
    fn data_is_paid_what_it_cost_at_most_its_share() {
        let of = |paid| Helium::default().day(&day(0, paid, 0));
        let quiet = of(10_000);
        assert_eq!(quiet.emitted.0 / 1_000_000_000_000, 164_383_561_643);
        assert_eq!(quiet.earned, MicroUsd(10_000_000_000));
        // Coverage gets its own and what data left: 45,205.479452 + 53,424.657534 − 10,000.
        assert!(quiet.need_subsidy.0.abs_diff(88_630_136_986) <= 1, "{quiet:?}");
        let busy = of(100_000);
        assert!(busy.earned.0.abs_diff(53_424_657_534) <= 1, "{busy:?}");
        assert!(busy.need_subsidy.0.abs_diff(45_205_479_452) <= 1, "{busy:?}");
        assert_eq!(busy.usage_subsidy, MicroUsd::ZERO);
    }

    /// 5 M a month until 31 July 2021, 2.5 M from 1 August on, 1.25 M two years later; in the end all but what came before day 0.
    #[test]
    fn emission_halves_on_the_first_of_august() {
        let emitted = |number| Helium::default().day(&day(number, 0, 0)).emitted.0;
        let yearly = |millions: u128| millions * STONE * 1_000_000 / 365;
        assert_eq!([emitted(211), emitted(212)], [yearly(60), yearly(30)]);
        assert_eq!([emitted(212 + 729), emitted(212 + 730)], [yearly(30), yearly(15)]);
        let later: u128 = (0..365 * 60).map(emitted).sum::<u128>() / STONE;
        // Of year 2 the 212 days from January on, and 60 M for each pair of years after it and again half.
        let expected = 60_000_000 * 212 / 365 + 120_000_000;
        assert!(later.abs_diff(expected) < 10, "{later} {expected}");
    }

    /// A steady burn above the cap is emitted again up to it: 48 · 34.24 = 1,643.52 HNT a day. Below it, all of it.
    #[test]
    fn net_emissions_are_capped() {
        let settled = |burned: u64| {
            let mut state = Helium::default();
            let mut last = 0;
            for _ in 0..365 {
                last = state.emit_burned(Stones(u128::from(burned) * STONE));
            }
            last / 1_000_000_000_000_000
        };
        assert!(settled(10_000).abs_diff(1_643_520) <= 1, "{}", settled(10_000));
        assert!(settled(480).abs_diff(480_000) <= 1, "{}", settled(480));
    }
}
