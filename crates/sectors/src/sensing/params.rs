//! Every number of the sensing rules: unit, bounds, source. Changing one changes rewards: it is a protocol change.

/// Epochs of history that scoring looks at.
pub const HISTORY_EPOCHS: u64 = 48;

/// What each field can be, in its scaled unit. Source: WeatherXM quality-of-data limits, widened to world records.
pub const BOUNDS: [(i32, i32); super::FIELDS] = [
    (-9_000, 6_000),   // −90 … 60 °C
    (0, 10_000),       // 0 … 100 %
    (0, 11_500),       // 0 … 115 m/s
    (0, 360),          // 0 … 360°
    (50_000, 110_000), // 500 … 1,100 hPa
    (0, 40_000),       // 0 … 400 mm an hour
    (0, 16_000),       // 0 … 1,600 W/m²
];
