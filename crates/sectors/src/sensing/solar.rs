//! Where the sun should be: the light that an outdoor sensor cannot miss.

use cairn_primitives::{Position, TimeMs};

use super::params::CLEAR_SKY;
use crate::place::{cos_q40, sin_q40};

/// March equinox of 2000, ms since 1970.
const EQUINOX_MS: i128 = 953_537_700_000;
/// Length of a tropical year in ms.
const YEAR_MS: i128 = 31_556_925_216;
/// Length of a day in ms.
const DAY_MS: i128 = 86_400_000;
/// A full circle in 1e-7 degrees.
const CIRCLE_E7: i128 = 3_600_000_000;
/// Obliquity of the ecliptic in 1e-7 degrees.
const OBLIQUITY_E7: i64 = 234_393_000;

/// sin of the sun's elevation times 2⁴⁰. A circular orbit is assumed: right to about 2°.
pub(super) fn elevation_sin_q40(at: Position, time: TimeMs) -> i128 {
    let ms = i128::from(time.0);
    let longitude = half_circle((ms - EQUINOX_MS).rem_euclid(YEAR_MS) * CIRCLE_E7 / YEAR_MS);
    let sin_declination = (sin_q40(OBLIQUITY_E7) * sin_q40(longitude)) >> 40;
    let squared = (1_i128 << 80) - sin_declination * sin_declination;
    let cos_declination = squared.max(0).isqrt();
    let turned = ms.rem_euclid(DAY_MS) * CIRCLE_E7 / DAY_MS + i128::from(at.lon_e7) - CIRCLE_E7 / 2;
    let hour_angle = half_circle(turned.rem_euclid(CIRCLE_E7));
    let latitude = i64::from(at.lat_e7);
    let flat = (cos_q40(latitude) * cos_declination) >> 40;
    (sin_q40(latitude) * sin_declination + flat * cos_q40(hour_angle)) >> 40
}

/// Irradiance under a clear sky in 0.1 W/m², 0 when the sun is down.
pub(super) fn clear_sky(at: Position, time: TimeMs) -> i64 {
    let product = i128::from(CLEAR_SKY) * elevation_sin_q40(at, time).max(0);
    i64::try_from(product >> 40).unwrap_or(CLEAR_SKY)
}

/// An angle of 0 … 360° as −180 … 180°.
fn half_circle(angle_e7: i128) -> i64 {
    let folded = if angle_e7 > CIRCLE_E7 / 2 { angle_e7 - CIRCLE_E7 } else { angle_e7 };
    i64::try_from(folded).expect("at most half a circle")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YORK: Position =
        Position { lat_e7: 407_000_000, lon_e7: -740_000_000, elevation_dm: 0 };

    #[test]
    fn noon_and_midnight_in_new_york() {
        // 2013-06-21 17:00 UTC is about solar noon: elevation 72.7°, sine 0.955. Winter noon: 25.9°, sine 0.437.
        let check = |ms: u64, low: i128, high: i128| {
            let per_mille = (elevation_sin_q40(NEW_YORK, TimeMs(ms)) * 1000) >> 40;
            assert!((low..=high).contains(&per_mille), "{per_mille}");
        };
        check(1_371_834_000_000, 945, 960);
        check(1_387_645_200_000, 425, 450);
        check(1_371_790_800_000, -500, -350);
    }
}
