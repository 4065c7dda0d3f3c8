//! Every number of the sensing rules: unit, bounds, source. Changing one changes rewards: it is a protocol change.
//!
//! The tolerances were tuned on three airports 17 to 33 km apart through a whole year; docs/sectors/sensing.md has the
//! false-alarm and detection rates that they give.

use super::{FIELDS, HUMIDITY, PRESSURE, TEMPERATURE, WIND_SPEED};

/// Epochs before the scored one that scoring looks at.
pub const HISTORY_EPOCHS: u64 = 48;
/// Epochs in the longest window, the scored one included.
pub const WINDOW: usize = 48;

/// What each field can be, in its scaled unit. Source: WeatherXM quality-of-data limits, widened to world records.
pub const BOUNDS: [(i32, i32); FIELDS] = [
    (-9_000, 6_000),   // −90 … 60 °C
    (0, 10_000),       // 0 … 100 %
    (0, 11_500),       // 0 … 115 m/s
    (0, 360),          // 0 … 360°
    (50_000, 110_000), // 500 … 1,100 hPa
    (0, 40_000),       // 0 … 400 mm an epoch
    (0, 16_000),       // 0 … 1,600 W/m²
];

/// Largest change from one epoch to the next, (field, scaled unit): 15 K, 15 hPa. Only consecutive epochs are compared.
pub const JUMP: [(usize, i32); 2] = [(TEMPERATURE, 1_500), (PRESSURE, 1_500)];

/// Fields whose history is compared, in this order everywhere.
pub const TRACKED: [usize; 4] = [TEMPERATURE, HUMIDITY, WIND_SPEED, PRESSURE];
/// Number of tracked fields.
pub const TRACKS: usize = TRACKED.len();
/// Positions in `TRACKED`.
pub const T: usize = 0;
/// Humidity's position in `TRACKED`.
pub const H: usize = 1;
/// Pressure's position in `TRACKED`.
pub const P: usize = 3;

/// All tracked fields that are present, at least `FROZEN_FIELDS`, equal for so many consecutive epochs: frozen.
pub const FROZEN_RUN: usize = 4;
/// Fields that must be present for that.
pub const FROZEN_FIELDS: usize = 3;
/// When one field stands still: equal for at least `run` consecutive samples while more than half of the neighbours
/// moved by `ranges`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrozenStep {
    /// Samples.
    pub run: u32,
    /// Range of a neighbour meanwhile, per tracked field: K/100, %/100, cm/s, Pa.
    pub ranges: [i64; TRACKS],
}
/// Short runs first.
pub const FROZEN_STEPS: [FrozenStep; 3] = [
    FrozenStep { run: 4, ranges: [200, 1_500, 400, 200] },
    FrozenStep { run: 6, ranges: [150, 1_000, 400, 120] },
    FrozenStep { run: 12, ranges: [120, 800, 300, 100] },
];

/// Copied feed: epochs looked at.
pub const COPY_WINDOW: usize = 24;
/// Mean difference of two honest instruments side by side, per tracked field: 0.11 K, 1.1 %, 0.22 m/s, 0.22 hPa.
pub const COPY_REFERENCE: [i64; TRACKS] = [11, 110, 22, 22];
/// Humidity from which on two instruments that agree prove nothing: 99 %.
pub const COPY_SATURATED: i64 = 9_900;
/// Wind up to which two instruments that agree prove nothing: 0.5 m/s.
pub const COPY_CALM: i64 = 50;
/// Fields with enough joint samples that are needed.
pub const COPY_FIELDS: usize = 3;
/// (joint samples of every counted field, largest mean ratio to the reference in per mille).
pub const COPY_STEPS: [(u32, i64); 3] = [(4, 100), (6, 350), (8, 500)];
/// Devices that a device's feed is compared with: the nearest of any owner.
pub const COPY_NEIGHBOURS: usize = 8;

/// Neighbours that a device is judged by: the nearest, one of each other owner.
pub const NEIGHBOURS: usize = 8;
/// Fewest neighbours whose disagreement can gate a device: of two devices nobody can tell which is wrong.
pub const GATE_NEIGHBOURS: usize = 2;
/// Edges of the search cubes, log2 of unit-vector units (2³⁰ = Earth's radius): 1.5, 6.2, 25 and 99 km.
/// The last is the largest distance of a neighbour.
pub const CUBE_BITS: [u32; 4] = [18, 20, 22, 24];
/// Devices looked at in one cube, the earliest registered first.
pub const CUBE_DEVICES: usize = 64;

/// N without neighbours, per mille.
pub const N_ALONE: i64 = 700;
/// Highest N with one neighbour, per mille; the lowest is `N_ALONE`.
pub const N_ONE: i64 = 850;

/// Tolerated difference of a neighbour per level: at distance 0, per km up to a limit, per km beyond 40 km, and per
/// 1,000 dm of elevation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// At distance 0, scaled unit.
    pub base: i64,
    /// Per whole km.
    pub per_km: i64,
    /// Most that `per_km` adds.
    pub per_km_max: i64,
    /// Per whole km beyond `FAR_KM`.
    pub per_far_km: i64,
    /// Per 1,000 dm (100 m) of difference in elevation.
    pub per_1000_dm: i64,
    /// Excess over the tolerance that takes N to 0.
    pub scale: i64,
}

/// Where `per_far_km` begins.
pub const FAR_KM: i64 = 40;
/// Expected change of temperature per 1,000 dm upwards, in 0.01 K: −6.5 mK/m.
pub const LAPSE_PER_1000_DM: i64 = -65;
/// Positions in `TOLERANCES`: what is compared by its level.
pub const LEVEL_T: usize = 0;
/// Humidity.
pub const LEVEL_H: usize = 1;
/// Pressure.
pub const LEVEL_P: usize = 2;
/// Dew point.
pub const LEVEL_DEW: usize = 3;
/// What a neighbour may differ by: temperature, humidity, pressure, dew point.
pub const TOLERANCES: [Tolerance; 4] = [
    Tolerance { base: 100, per_km: 7, per_km_max: 100, per_far_km: 5, per_1000_dm: 50, scale: 200 },
    Tolerance {
        base: 1_500,
        per_km: 100,
        per_km_max: 1_500,
        per_far_km: 20,
        per_1000_dm: 500,
        scale: 2_000,
    },
    Tolerance {
        base: 300,
        per_km: 5,
        per_km_max: 100,
        per_far_km: 3,
        per_1000_dm: 1_300,
        scale: 400,
    },
    Tolerance { base: 100, per_km: 4, per_km_max: 50, per_far_km: 5, per_1000_dm: 50, scale: 200 },
];
/// Ages of which the dew point is known: those of the longest offset window.
pub const DEW_WINDOW: usize = 24;
/// Excess of the dew point that counts although temperature agrees, 0.01 K: no front brings that within 99 km.
pub const DEW_ALONE: i64 = 300;
/// Taken from the excess of temperature where no dew point is known, 0.01 K: a shore is cooler than its land.
pub const DRY_ALONE: i64 = 50;

/// Offset gate: (epochs looked at, samples needed, share of the samples that must exceed on one side in per mille).
/// The first entry is for devices without a day of samples.
pub const OFFSET_STEPS: [(usize, usize, usize); 2] = [(8, 6, 750), (24, 18, 600)];
/// Excess from which a sample counts there, 0.01 K.
pub const OFFSET_LEAST: i64 = 1;

/// Scale of the shape test per track (wind is not used): 1 K, 8 %, –, 0.5 hPa.
pub const SHAPE_SCALE: [i64; TRACKS] = [100, 800, 0, 30];
/// Fields that the shape test needs.
pub const SHAPE_FIELDS: usize = 2;
/// Largest lag that is tried, epochs.
pub const LAG_MAX: usize = 12;
/// Smallest lag that gates.
pub const LAG_MIN: usize = 2;
/// One window of the time-shift test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShiftStep {
    /// Epochs looked at.
    pub window: usize,
    /// Joint samples needed at lag 0.
    pub needed: i64,
    /// Joint samples needed at another lag.
    pub overlap: i64,
    /// Smallest gain, thousandths of a bit.
    pub gain: i64,
}
/// The windows of the time-shift test; one that fires is enough.
pub const SHIFT_STEPS: [ShiftStep; 4] = [
    ShiftStep { window: 8, needed: 6, overlap: 4, gain: 2_200 },
    ShiftStep { window: 12, needed: 8, overlap: 6, gain: 1_700 },
    ShiftStep { window: 24, needed: 16, overlap: 8, gain: 1_250 },
    ShiftStep { window: 48, needed: 32, overlap: 12, gain: 800 },
];
/// Added to every cost before its logarithm, per mille: what two honest instruments differ by anyway.
pub const SHAPE_NOISE: i64 = 100;
/// Gain from which one neighbour agrees, thousandths of a bit.
pub const SHIFT_EACH: i64 = 300;
/// A device must be nearer to its neighbours than they are to themselves so many epochs before.
pub const FOLLOW_LAG: usize = 2;
/// Follow test: epochs looked at, those of `SHIFT_STEPS[FOLLOW_STEP]`.
pub const FOLLOW_WINDOW: usize = 24;
/// Which of `SHIFT_STEPS` has that window.
pub const FOLLOW_STEP: usize = 2;
/// Joint samples that a field needs.
pub const FOLLOW_NEEDED: i64 = 3;
/// Total gain from which no shift is looked for, thousandths of a bit.
pub const FOLLOW_FREE: i64 = 1_500;
/// N is at most `N_UNPROVEN` up to the first total gain, and unlimited from the second, thousandths of a bit.
pub const FOLLOW_TOTAL: (i64, i64) = (500, 2_000);
/// The same for the gain of the field that follows worst.
pub const FOLLOW_WORST: (i64, i64) = (-1_500, 0);
/// Most that N is while nothing shows that the device measures here and now, per mille: the first hours of a station, or
/// weather that stands still.
pub const N_UNPROVEN: i64 = 200;

/// Location: full score up to this distance between reported and registered place, metres.
pub const LOCATION_FULL_M: u32 = 100;
/// Location: score 0 from this distance, metres.
pub const LOCATION_ZERO_M: u32 = 1_000;

/// Deployment: irradiance expected at the zenith under a clear sky, in 0.1 W/m².
pub const CLEAR_SKY: i64 = 10_500;
/// Deployment: epochs looked at.
pub const SOLAR_WINDOW: usize = 48;
/// Deployment: sum of expected irradiance below which nothing is judged, 0.1 W/m² · epochs: six hours of low sun.
pub const SOLAR_MIN: i64 = 20_000;
/// Deployment: D is 0 (indoor) up to this ratio of seen to expected irradiance, and 1000 from the second, per mille.
/// Two days of the darkest overcast let about 100 ‰ through; the glass and walls of a room far less.
pub const SOLAR_RATIO: (i64, i64) = (40, 100);
/// Deployment: below the second ratio, D is also 0 when the range of temperature over so many epochs is less than half
/// of that of a majority of neighbours.
pub const DIURNAL_WINDOW: usize = 24;
/// Deployment: samples of temperature needed for that.
pub const DIURNAL_MIN: u32 = 18;
/// Field number in a leaf's detail when no single field decided.
pub const NO_FIELD: u8 = 255;
