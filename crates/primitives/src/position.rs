//! Where something is, in fixed point.

use serde::{Deserialize, Serialize};

/// A place on Earth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Latitude in 1e-7 degrees, −900,000,000 to 900,000,000.
    pub lat_e7: i32,
    /// Longitude in 1e-7 degrees, −1,800,000,000 to 1,800,000,000.
    pub lon_e7: i32,
    /// Height above sea level in decimetres.
    pub elevation_dm: i32,
}

impl Position {
    /// Whether latitude and longitude are on Earth and the elevation between −500 m and 9,000 m.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.lat_e7 >= -900_000_000
            && self.lat_e7 <= 900_000_000
            && self.lon_e7 >= -1_800_000_000
            && self.lon_e7 <= 1_800_000_000
            && self.elevation_dm >= -5_000
            && self.elevation_dm <= 90_000
    }
}
