//! Made-up weather: one front over all stations, each with its own place in it and its own instrument noise.
//!
//! Integers only and seeded, so that the same numbers come out on every machine. It is smoother than real weather and
//! no replacement for it: the rules are tuned on real data.

use cairn_agent::sensing::{Noise, Reading, Station, StationLog};
use cairn_kit::chance::Chance;
use cairn_primitives::{Position, TimeMs};

const HOUR_MS: u64 = 3_600_000;
/// Stations in a row of the grid.
const ROW: usize = 4;
/// Distance of neighbours in the grid, 1e-7 degrees: about 8 km.
const STEP_E7: i32 = 750_000;

/// `stations` stations that report hourly for `hours` hours from `start`, each of its own owner.
#[must_use]
pub fn made_up(seed: u64, stations: usize, hours: u64, start: TimeMs) -> StationLog {
    let front = front(seed, hours, start);
    let noise = Noise::new(format!("made up {seed}"));
    let station = |number: usize| {
        let name = format!("station-{}", number + 1);
        let mut chance = Chance::new(seed ^ u64::try_from(number + 1).unwrap_or_default());
        let (warmer, wetter) = (chance.around(40), chance.around(200));
        let place = |steps: usize| i32::try_from(steps).unwrap_or_default() * STEP_E7;
        let readings = front.iter().map(|truth| {
            let mut local = *truth;
            let moved = [warmer, wetter, 0, 0, 0, 0, 0];
            for (value, by) in local.values.iter_mut().zip(moved) {
                *value = value.map(|value| value + by);
            }
            noise.apply(&name, &local)
        });
        Station {
            readings: readings.collect(),
            owner: format!("owner-{}", number + 1),
            position: Position {
                lat_e7: 400_000_000 + place(number / ROW),
                lon_e7: -740_000_000 + place(number % ROW),
                elevation_dm: 100,
            },
            name,
        }
    };
    StationLog {
        stations: (0..stations).map(station).collect(),
        errors: Vec::new(),
        errors_total: 0,
        rows: hours * u64::try_from(stations).unwrap_or_default(),
    }
}

/// The weather of the region: a day's course of temperature with humidity against it, and walks of wind and pressure.
fn front(seed: u64, hours: u64, start: TimeMs) -> Vec<Reading> {
    let mut chance = Chance::new(seed);
    let (mut mean, mut wind, mut direction, mut pressure) = (1_200, 450, 270, 101_300);
    let hour = |n: u64| {
        mean += chance.around(60);
        wind = (wind + chance.around(120)).clamp(100, 2_000);
        direction = (direction + chance.around(20)).rem_euclid(360);
        pressure = (pressure + chance.around(80)).clamp(98_000, 104_000);
        let of_day = i32::try_from(n % 24).unwrap_or_default();
        // A triangle: −4 K at midnight, +4 K at noon.
        let course = (6 - (of_day - 12).abs()) * 66;
        let values = [mean + course, 6_500 - 4 * course, wind, direction, pressure, 0].map(Some);
        let [t, h, w, d, p, r] = values;
        Reading { time: TimeMs(start.0 + n * HOUR_MS), values: [t, h, w, d, p, r, None] }
    };
    (0..hours).map(hour).collect()
}
