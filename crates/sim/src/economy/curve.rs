//! What consumers want each day: a curve computed once, in integers, and each run's noise around it.

use cairn_economy::exp2_floor;
use cairn_kit::chance::Chance;
use cairn_primitives::{MicroUsd, mul_div_floor};

use super::scenario::{Demand, Shape};

/// log2(e) in 2^-32: a curve in powers of e is computed in powers of two.
pub const LOG2_E_Q32: u64 = 6_196_328_019;
/// Octaves beyond which a logistic curve is flat in micro-dollars.
const OCTAVES_MAX: u128 = 62;
/// Days computed beforehand; later ones are computed when they come, so that a long run needs no long table.
const TABLE_DAYS: u64 = 20_000;
/// Micro-dollars of a dollar.
pub const USD: u64 = 1_000_000;

/// The curve.
#[derive(Clone, Debug)]
pub struct Curve {
    demand: Demand,
    table: Vec<u64>,
}

impl Curve {
    /// The curve of a scenario for `days` days.
    #[must_use]
    pub fn new(demand: &Demand, days: u64) -> Self {
        let table = (0..days.min(TABLE_DAYS)).map(|day| value(demand, day)).collect();
        Self { demand: demand.clone(), table }
    }

    /// Micro-dollars of `day`, without noise.
    #[must_use]
    pub fn at(&self, day: u64) -> MicroUsd {
        let known = usize::try_from(day).ok().and_then(|day| self.table.get(day)).copied();
        MicroUsd(known.unwrap_or_else(|| value(&self.demand, day)))
    }

    /// Micro-dollars of `day` with a draw of noise; nothing is drawn when there is none.
    pub fn drawn(&self, day: u64, chance: &mut Chance) -> MicroUsd {
        let plain = self.at(day);
        if self.demand.noise_ppm == 0 {
            return plain;
        }
        let around = (i128::from(chance.normal_q32()) * i128::from(self.demand.noise_ppm)) >> 32;
        let ppm = u128::try_from(1_000_000 + around).unwrap_or(0);
        MicroUsd(u64::try_from(u128::from(plain.0) * ppm / 1_000_000).unwrap_or(u64::MAX))
    }
}

/// Micro-dollars of a day.
fn value(demand: &Demand, day: u64) -> u64 {
    let last = demand.final_usd_day * USD;
    match demand.shape {
        Shape::Flat if day < demand.lag_days => 0,
        Shape::Flat => last,
        Shape::Replay => {
            let Some(day) = day.checked_sub(demand.lag_days) else { return 0 };
            let at = usize::try_from(day).unwrap_or(usize::MAX).min(demand.usd.len() - 1);
            demand.usd[at] * USD
        }
        Shape::Logistic => {
            logistic(last, day, demand.midpoint_day + demand.lag_days, demand.scale_days)
        }
    }
}

/// `last / (1 + e^((midpoint − day) / scale))`, rounded down.
fn logistic(last: u64, day: u64, midpoint: u64, scale: u64) -> u64 {
    let exponent =
        u128::from(day.abs_diff(midpoint)) * u128::from(LOG2_E_Q32) / u128::from(scale.max(1));
    let early = day < midpoint;
    if exponent >= OCTAVES_MAX << 32 {
        return if early { 0 } else { last };
    }
    // e^(|day − midpoint| / scale) in 2^-32.
    let power = exp2_floor(u64::try_from(exponent).unwrap_or(0) + (32 << 32));
    let one = 1_u128 << 32;
    let part = if early { one } else { power };
    let value = mul_div_floor(last.into(), part, one + power).unwrap_or(0);
    u64::try_from(value).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_s_curve_has_its_points_and_rises() {
        let curve = Curve::new(&Demand::default(), 2_000);
        assert_eq!(curve.at(600), MicroUsd(20_000 * USD));
        // 40,000 / (1 + e^(510/110)) = 383.99…, 40,000 / (1 + e^(95/110)) = 11,863.6…
        assert_eq!(curve.at(90).0 / 10_000, 38_399);
        assert_eq!(curve.at(505).0 / USD, 11_863);
        assert!((1..2_000).all(|day| curve.at(day) >= curve.at(day - 1)));
        assert_eq!(curve.at(10_000_000), MicroUsd(40_000 * USD));
        assert_eq!(curve.at(1_999), Curve::new(&Demand::default(), 1).at(1_999), "table or not");
    }

    #[test]
    fn a_replay_holds_its_last_value_and_a_lag_moves_it() {
        let demand =
            Demand { shape: Shape::Replay, usd: vec![1, 5], lag_days: 2, ..Demand::default() };
        let curve = Curve::new(&demand, 3);
        assert_eq!([0, 1, 2, 3, 4].map(|day| curve.at(day).0 / USD), [0, 0, 1, 5, 5]);
    }
}
