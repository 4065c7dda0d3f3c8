//! Distances on Earth in integers: unit vectors and the chord between them. Exact recipe: docs/spec/sensing.md §2.
//!
//! Floating-point sines differ between machines in their last bit, and any threshold near an edge would then split the
//! validators. Here every step is an integer operation that rounds down.

use cairn_primitives::Position;

/// π · 2⁴⁰, rounded to nearest.
const PI_Q40: i128 = 3_454_217_652_358;
/// 90° in 1e-7 degrees.
const RIGHT_ANGLE_E7: i64 = 900_000_000;
/// Mean radius of the Earth in metres.
pub(crate) const EARTH_RADIUS_M: u128 = 6_371_009;

/// A point on the unit sphere, components times 2³⁰.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitVector {
    /// Components x (0° N 0° E), y (0° N 90° E), z (north pole).
    pub xyz: [i64; 3],
}

impl UnitVector {
    /// The direction of a valid position.
    #[must_use]
    pub fn of(position: Position) -> Self {
        let (lat, lon) = (i64::from(position.lat_e7), i64::from(position.lon_e7));
        let flat = cos_q40(lat);
        let scale = |product: i128| narrow(product >> 50);
        Self {
            xyz: [
                scale(flat * cos_q40(lon)),
                scale(flat * sin_q40(lon)),
                narrow(sin_q40(lat) >> 10),
            ],
        }
    }

    /// Squared length of the straight line to `other`, times 2⁶⁰.
    #[must_use]
    pub fn chord_squared(&self, other: &Self) -> u64 {
        (0..3).map(|i| self.xyz[i].abs_diff(other.xyz[i]).pow(2)).sum()
    }

    /// Length of the straight line to `other` in metres, rounded down.
    #[must_use]
    pub fn chord_m(&self, other: &Self) -> u32 {
        let squared = u128::from(self.chord_squared(other));
        let metres = ((squared * EARTH_RADIUS_M * EARTH_RADIUS_M) >> 60).isqrt();
        u32::try_from(metres).unwrap_or(u32::MAX)
    }
}

/// Whether two valid positions are at most `limit_m` metres apart, elevation aside.
#[must_use]
pub fn is_within(a: Position, b: Position, limit_m: u32) -> bool {
    UnitVector::of(a).chord_m(&UnitVector::of(b)) <= limit_m
}

fn narrow(value: i128) -> i64 {
    i64::try_from(value).expect("a component of a unit vector is at most 2^30")
}

/// cos of an angle in 1e-7 degrees, |angle| ≤ 180°, times 2⁴⁰.
pub(crate) fn cos_q40(angle_e7: i64) -> i128 {
    sin_q40(RIGHT_ANGLE_E7 - angle_e7.abs())
}

/// sin of an angle in 1e-7 degrees, |angle| ≤ 180°, times 2⁴⁰: Taylor's series until a term is 0 or −1.
pub(crate) fn sin_q40(angle_e7: i64) -> i128 {
    let folded = if angle_e7 > RIGHT_ANGLE_E7 {
        2 * RIGHT_ANGLE_E7 - angle_e7
    } else if angle_e7 < -RIGHT_ANGLE_E7 {
        -2 * RIGHT_ANGLE_E7 - angle_e7
    } else {
        angle_e7
    };
    let x = (i128::from(folded) * PI_Q40).div_euclid(i128::from(2 * RIGHT_ANGLE_E7));
    let squared = (x * x) >> 40;
    let (mut term, mut sum) = (x, x);
    for n in 1..12 {
        term = (-((term * squared) >> 40)).div_euclid(2 * n * (2 * n + 1));
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat_e7: i32, lon_e7: i32) -> Position {
        Position { lat_e7, lon_e7, elevation_dm: 0 }
    }

    #[test]
    fn known_angles() {
        let one = 1_i128 << 40;
        for (angle, want) in [
            (0, 0),
            (300_000_000, one / 2),
            (900_000_000, one),
            (-900_000_000, -one),
            (1_800_000_000, 0),
        ] {
            assert!((sin_q40(angle) - want).abs() < 64, "{angle}: {} {want}", sin_q40(angle));
        }
    }

    #[test]
    fn known_distances() {
        // A quarter of a great circle has the chord √2 R; one degree of latitude is 111.2 km.
        assert_eq!(
            UnitVector::of(at(0, 0)).chord_m(&UnitVector::of(at(0, 900_000_000))) / 10,
            900_996
        );
        let degree = UnitVector::of(at(400_000_000, -740_000_000))
            .chord_m(&UnitVector::of(at(410_000_000, -740_000_000)));
        assert!((111_180..111_200).contains(&degree), "{degree}");
        // EWR to JFK.
        let far = UnitVector::of(at(406_924_800, -741_686_900))
            .chord_m(&UnitVector::of(at(406_397_500, -737_789_300)));
        assert!((33_000..33_600).contains(&far), "{far}");
        assert!(is_within(at(407_000_000, -740_000_000), at(407_080_000, -740_000_000), 1_000));
        assert!(!is_within(at(407_000_000, -740_000_000), at(407_100_000, -740_000_000), 1_000));
    }

    #[test]
    fn across_the_date_line() {
        let metres =
            UnitVector::of(at(0, 1_799_900_000)).chord_m(&UnitVector::of(at(0, -1_799_900_000)));
        assert!((2_220..2_230).contains(&metres), "{metres}");
    }
}
