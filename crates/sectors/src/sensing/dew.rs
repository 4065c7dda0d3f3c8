//! The dew point: how warm air is when its water begins to condense. Exact recipe: docs/spec/sensing.md §1.
//!
//! Temperature changes within a few kilometres where the sea cools the shore; the water in the air hardly does. A
//! thermometer that is wrong moves both, since the dew point is computed with it: that tells a wrong instrument from
//! a cool place.

/// Magnus: 17.62 / ln 2 times 2¹⁶, and 243.12 K in 0.01 K. Source: WMO guide no. 8, annex 4.B.
const SLOPE: i64 = 1_665_945;
const ORIGIN: i64 = 24_312;
/// Humidity below which the recipe means nothing: 1 %.
const DRIEST: i64 = 100;

/// The dew point in 0.01 °C of a possible temperature (0.01 °C) and humidity (0.01 %).
pub(super) fn dew_point(temperature: i32, humidity: i32) -> i32 {
    let t = i64::from(temperature);
    let moist = log2_q16(i64::from(humidity).max(DRIEST)) - log2_q16(10_000);
    let y = moist + (SLOPE * t).div_euclid(ORIGIN + t);
    let dew = (ORIGIN * y).div_euclid(SLOPE - y);
    i32::try_from(dew).expect("between −112 °C and the temperature")
}

/// log2 of x ≥ 1 times 2¹⁶: between powers of two a parabola, at most 0.009 off.
fn log2_q16(x: i64) -> i64 {
    let whole = x.ilog2();
    let part = ((x - (1 << whole)) << 16) >> whole;
    let bend = (part * (65_536 - part)) >> 16;
    (i64::from(whole) << 16) + part + ((bend * 22_558) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dew_points_are_those_of_the_tables() {
        // Temperature, humidity, dew point; 0.1 K is what the parabola may be off.
        for (t, h, dew) in
            [(2_000, 5_000, 926), (3_000, 8_000, 2_617), (0, 10_000, 0), (-1_000, 7_000, -1_444)]
        {
            assert!((dew_point(t, h) - dew).abs() <= 15, "{t} {h}: {}", dew_point(t, h));
        }
        for t in [-9_000, -500, 0, 6_000] {
            // Rounded down twice.
            assert!((t - 1..=t).contains(&dew_point(t, 10_000)));
            assert!(dew_point(t, 0) < t - 2_000);
        }
    }
}
