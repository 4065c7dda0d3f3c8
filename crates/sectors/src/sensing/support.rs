//! A seeded network of stations with two days of weather: input for benches and properties, never for rewards.
//!
//! Cities of 100 stations within about 15 km share a weather that wanders; every station adds the noise of its own
//! instrument. The same seed gives the same bytes on every machine.

use alloy_primitives::Address;
use cairn_primitives::{DeviceId, Digest, Epoch, EpochSchedule, Position, TimeMs};

use super::{DeviceInput, FIELDS, History, Reading, Sample, ScoreInput, params::HISTORY_EPOCHS};

/// Stations of a city.
const CITY: usize = 100;
/// Step of a city's weather from hour to hour and noise of an instrument, per field: T, H, W, direction, P.
const STEPS: [(i32, i32); 5] = [(80, 15), (200, 100), (60, 20), (20, 5), (60, 20)];
/// Where a city's weather begins.
const START: [i32; 5] = [1_200, 6_000, 500, 180, 101_300];
/// The epoch that is scored.
const EPOCH: Epoch = Epoch(HISTORY_EPOCHS);

/// Everything that `ScoreInput` borrows.
#[derive(Clone, Debug)]
pub struct Network {
    /// The devices, with their readings of the scored epoch.
    pub devices: Vec<DeviceInput>,
    /// Their samples of the epochs before.
    pub history: History,
    schedule: EpochSchedule,
}

/// SplitMix64: a small generator with a published sequence.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in −most … most.
    fn around(&mut self, most: i32) -> i32 {
        let span = u64::from(most.unsigned_abs()) * 2 + 1;
        i32::try_from(self.next() % span).unwrap_or(0) - most
    }
}

impl Network {
    /// The scoring input of epoch 48.
    #[must_use]
    pub fn input(&self) -> ScoreInput<'_> {
        ScoreInput {
            epoch: EPOCH,
            schedule: self.schedule,
            devices: &self.devices,
            history: &self.history,
        }
    }
}

/// A network of `n` stations with 48 hours of history, a pure function of `n` and `seed`.
#[must_use]
pub fn bench_input(n: usize, seed: u64) -> Network {
    let schedule = EpochSchedule { start: TimeMs(1_357_000_000_000), epoch_ms: 3_600_000 };
    let mut chance = Chance(seed);
    let mut network = Network { devices: Vec::with_capacity(n), history: History::new(), schedule };
    while network.devices.len() < n {
        let centre = city(network.devices.len() / CITY);
        let weather = city_weather(&mut chance);
        for _ in 0..CITY.min(n - network.devices.len()) {
            add_station(&mut network, &mut chance, centre, &weather, seed);
        }
    }
    network
}

/// Cities stand 4° apart, so that none is another's neighbour; after 2,380 they fall together.
fn city(number: usize) -> (i32, i32) {
    let (row, column) = (number % 28, number / 28 % 85);
    let along = |from: i32, steps: usize| from + 40_000_000 * i32::try_from(steps).unwrap_or(0);
    (along(-540_000_000, row), along(-1_700_000_000, column))
}

fn city_weather(chance: &mut Chance) -> Vec<[i32; 5]> {
    let mut now = START;
    (0..=HISTORY_EPOCHS)
        .map(|_| {
            for (value, (step, _)) in now.iter_mut().zip(STEPS) {
                *value += chance.around(step);
            }
            now
        })
        .collect()
}

fn add_station(
    network: &mut Network,
    chance: &mut Chance,
    centre: (i32, i32),
    weather: &[[i32; 5]],
    seed: u64,
) {
    let index = u64::try_from(network.devices.len()).unwrap_or(u64::MAX);
    let digest = Digest::of(&[b"cairn/bench/station", &seed.to_be_bytes(), &index.to_be_bytes()]);
    let mut id = [0; 16];
    id.copy_from_slice(&digest.0[..16]);
    let id = DeviceId(id);
    let position = Position {
        lat_e7: centre.0 + chance.around(1_000_000),
        lon_e7: centre.1 + chance.around(1_000_000),
        elevation_dm: 100 + chance.around(80),
    };
    let mut measured = weather.iter().map(|truth| {
        let mut values = [None; FIELDS];
        for (field, (value, (_, noise))) in truth.iter().zip(STEPS).enumerate() {
            values[field] = Some((value + chance.around(noise)).max(0));
        }
        values[1] = values[1].map(|humidity| humidity.min(10_000));
        values[3] = values[3].map(|direction| direction % 360);
        values[5] = Some(0);
        values
    });
    for epoch in 0..HISTORY_EPOCHS {
        if let Some(values) = measured.next() {
            network.history.push(Epoch(epoch), id, Sample::from_values(values));
        }
    }
    let time = network.schedule.start_of(EPOCH);
    let readings = measured.next().map(|values| Reading { time, values }).into_iter().collect();
    network.devices.push(DeviceInput {
        id,
        owner: Address::from_slice(&digest.0[12..]),
        position,
        index,
        expected: 1,
        reported: None,
        readings,
    });
}
