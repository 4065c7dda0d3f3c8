//! Instrument noise of simulated devices: small, seeded, documented (docs/spec/replay-csv.md §4), integers only.
//!
//! Two instruments side by side never show quite the same. Devices that replay one station's log need this too, or they
//! would be what the copied-feed rule looks for. The same seed gives the same readings on every machine.

use cairn_primitives::{Digest, TimeMs, WEATHER};
use time::OffsetDateTime;

use super::{Reading, WIDTH};

/// Standard deviation per field of the weather schema, in the schema's scaled units: 0.12 K, 1 %, 0.2 m/s, none, 0.2 hPa,
/// none, none.
const SIGMA: [i64; WIDTH] = [12, 100, 20, 0, 20, 0, 0];
/// Least and greatest value that noise may lead to.
const RANGE: [(i64, i64); WIDTH] = {
    let mut range = [(i32::MIN as i64, i32::MAX as i64); WIDTH];
    range[1] = (0, 10_000);
    range[2].0 = 0;
    range
};
/// Denominator of the variate: it is a sum of 16-bit numbers.
const UNIT: i64 = 65_536;

/// The noise of all instruments of one simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noise {
    seed: String,
}

impl Noise {
    /// Noise that follows from `seed`.
    #[must_use]
    pub fn new(seed: impl Into<String>) -> Self {
        Self { seed: seed.into() }
    }

    /// What the instrument at `station` shows of `truth`. What was not measured stays so.
    #[must_use]
    pub fn apply(&self, station: &str, truth: &Reading) -> Reading {
        let time = utc(truth.time);
        let mut values = truth.values;
        for (i, value) in values.iter_mut().enumerate() {
            if SIGMA[i] == 0 {
                continue;
            }
            if let Some(true_value) = value {
                let variate = self.variate(station, &time, WEATHER.fields[i].name);
                let shown = round_half_even(i64::from(*true_value) * UNIT + SIGMA[i] * variate);
                let shown = shown.clamp(RANGE[i].0, RANGE[i].1);
                *value = Some(i32::try_from(shown).unwrap_or(*true_value));
            }
        }
        Reading { time: truth.time, values }
    }

    /// A nearly normal variate in 1/65,536, between −6 and 6: the twelve 16-bit numbers in the first 24 bytes of
    /// SHA-256(`seed|station|time|field`), summed, less 6.
    fn variate(&self, station: &str, time: &str, field: &str) -> i64 {
        let digest = Digest::of(&[format!("{}|{station}|{time}|{field}", self.seed).as_bytes()]);
        let sum: i64 = digest.0[..24]
            .chunks_exact(2)
            .map(|pair| i64::from(pair[0]) * 256 + i64::from(pair[1]))
            .sum();
        sum - 6 * UNIT
    }
}

/// `2013-01-01T06:00:00Z`.
fn utc(time: TimeMs) -> String {
    let seconds = i64::try_from(time.0 / 1_000).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (at.date(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// `value / UNIT`, rounded half to even.
fn round_half_even(value: i64) -> i64 {
    let (floor, rest) = (value.div_euclid(UNIT), value.rem_euclid(UNIT));
    floor + i64::from(rest * 2 > UNIT || (rest * 2 == UNIT && floor % 2 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_to_even() {
        let half = UNIT / 2;
        for (value, rounded) in [
            (half, 0),
            (UNIT + half, 2),
            (-half, 0),
            (-UNIT - half, -2),
            (half + 1, 1),
            (-half - 1, -1),
        ] {
            assert_eq!(round_half_even(value), rounded, "{value}");
        }
    }

    #[test]
    fn noise_is_small_seeded_and_leaves_gaps() {
        let truth = Reading {
            time: TimeMs(1_357_020_000_000),
            values: [Some(390), Some(5_937), Some(463), Some(270), Some(101_200), Some(0), None],
        };
        let noise = Noise::new("cairn nyc nine 1");
        let seen = noise.apply("EWR-1", &truth);
        // The first row of data/nyc-nine-2013-01.csv, which an independent program made.
        assert_eq!(
            seen.values,
            [Some(393), Some(5_901), Some(450), Some(270), Some(101_197), Some(0), None]
        );
        assert_eq!(noise.apply("EWR-1", &truth), seen);
        assert_ne!(noise.apply("EWR-2", &truth), seen);
        assert_ne!(Noise::new("another").apply("EWR-1", &truth), seen);
    }

    #[test]
    fn noise_stays_in_range_and_is_normal_enough() {
        let noise = Noise::new("range");
        let mut squares = 0;
        for hour in 0..2_000 {
            let values = [Some(0), Some(10_000), Some(0), None, None, None, None];
            let seen = noise.apply("A", &Reading { time: TimeMs(hour * 3_600_000), values });
            let [Some(temperature), Some(humidity), Some(wind), ..] = seen.values else {
                panic!("measured")
            };
            assert!((0..=10_000).contains(&humidity) && wind >= 0);
            squares += i64::from(temperature) * i64::from(temperature);
        }
        let variance = squares / 2_000;
        assert!((130..160).contains(&variance), "σ = 12, so the variance is near 144: {variance}");
    }
}
