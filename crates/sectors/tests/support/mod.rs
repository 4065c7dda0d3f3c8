//! Real stations, honest and tampered, through the real scoring: shared by the tests of this folder.

#![allow(dead_code, missing_docs, reason = "each test uses its part")]

use std::collections::BTreeMap;

use cairn_primitives::{DeviceId, Epoch, EpochSchedule, Position, TimeMs};
use cairn_sectors::{
    Rejection, ScoreLeaf,
    sensing::{DeviceInput, FIELDS, History, Reading, ScoreInput, score_epoch},
};

pub const HOUR_MS: u64 = 3_600_000;
/// Standard deviations of the instrument noise: 0.12 K, 1 %, 0.2 m/s, 0.2 hPa.
pub const NOISE: [i64; FIELDS] = [12, 100, 20, 0, 20, 0, 0];
const LIMITS: [(i32, i32); FIELDS] =
    [(-9_000, 6_000), (0, 10_000), (0, 50_000), (0, 360), (0, 200_000), (0, 40_000), (0, 20_000)];

pub type Values = [Option<i32>; FIELDS];

/// A station log: values by hour since the first hour of the file.
#[derive(Clone, Debug)]
pub struct Station {
    pub position: Position,
    pub hours: BTreeMap<u64, Values>,
}

/// Hours since 1970 of `2013-01-01T06:00:00Z`.
fn hour(text: &str) -> u64 {
    let part = |from: usize, to: usize| text[from..to].parse::<u64>().expect("a number");
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719_468;
    days * 24 + part(11, 13)
}

fn scaled(text: &str, scale: i64) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut value: i64 = whole.parse().ok()?;
    let mut left = scale;
    for digit in fraction.chars() {
        if left == 1 {
            break;
        }
        value = value * 10 + i64::from(digit.to_digit(10)?);
        left /= 10;
    }
    Some(sign * value * left)
}

/// Reads a replay file: station names in order of first appearance, hours counted from the file's first.
pub fn load(text: &str) -> Vec<(String, Station)> {
    let mut stations: Vec<(String, Station)> = Vec::new();
    let mut first = None;
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |i: usize, scale: i64| {
            scaled(cells[i], scale).map(|v| i32::try_from(v).expect("in range"))
        };
        let at = hour(cells[5]);
        let start = *first.get_or_insert(at);
        let position = Position {
            lat_e7: number(2, 10_000_000).expect("latitude"),
            lon_e7: number(3, 10_000_000).expect("longitude"),
            elevation_dm: number(4, 10).expect("elevation"),
        };
        let values = [
            number(6, 100),
            number(7, 100),
            number(8, 100),
            number(9, 1),
            number(10, 100),
            number(11, 100),
            None,
        ];
        let known = stations.iter().position(|(name, _)| name == cells[0]);
        let i = known.unwrap_or_else(|| {
            stations.push((cells[0].to_owned(), Station { position, hours: BTreeMap::new() }));
            stations.len() - 1
        });
        stations[i].1.hours.insert(at - start, values);
    }
    stations
}

/// SplitMix64: the tests' only source of chance.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// About normal, times `sigma`.
    pub fn normal(&mut self, sigma: i64) -> i64 {
        let sum: i64 = (0..12).map(|_| i64::try_from(self.below(65_536)).expect("small")).sum();
        (sum - 6 * 65_536) * sigma / 65_536
    }
}

impl Station {
    /// A second instrument at the same place.
    pub fn with_noise(&self, seed: u64, noise: &[i64; FIELDS]) -> Self {
        let mut chance = Chance(seed);
        let mut out = self.clone();
        for values in out.hours.values_mut() {
            for (field, value) in values.iter_mut().enumerate() {
                if let Some(v) = value.as_mut().filter(|_| noise[field] > 0) {
                    let noisy = i64::from(*v) + chance.normal(noise[field]);
                    let (low, high) = LIMITS[field];
                    *v = i32::try_from(noisy).expect("in range").clamp(low, high);
                }
            }
        }
        out
    }

    /// A few hundred metres aside.
    pub fn moved(mut self, north_e7: i32, east_e7: i32) -> Self {
        self.position.lat_e7 += north_e7;
        self.position.lon_e7 += east_e7;
        self
    }

    /// Shows at hour h what was true at hour h − `hours`.
    pub fn shifted(&self, hours: i64) -> Self {
        let moved = self.hours.iter().filter_map(|(h, v)| Some((h.checked_add_signed(hours)?, *v)));
        Self { position: self.position, hours: moved.collect() }
    }

    /// Repeats from `start` on what it showed then.
    pub fn frozen(&self, start: u64) -> Self {
        let Some(stuck) = self.hours.range(start..).next().map(|(_, v)| *v) else {
            return self.clone();
        };
        let mut out = self.clone();
        out.hours.range_mut(start..).for_each(|(_, v)| *v = stuck);
        out
    }

    /// One field stuck from `start` on.
    pub fn stuck(&self, field: usize, start: u64) -> Self {
        let Some(stuck) = self.hours.range(start..).next().map(|(_, v)| v[field]) else {
            return self.clone();
        };
        let mut out = self.clone();
        out.hours.range_mut(start..).for_each(|(_, v)| v[field] = stuck);
        out
    }

    /// Temperature higher by `by` hundredths of a kelvin.
    pub fn offset(&self, by: i32) -> Self {
        let mut out = self.clone();
        for values in out.hours.values_mut() {
            values[0] = values[0].map(|v| v + by);
        }
        out
    }
}

/// Three instruments at each station, each with its own noise.
pub fn nine(three: &[Station], seed: u64) -> Vec<Station> {
    several(three, 3, seed)
}

/// `each` instruments at each station, within a few hundred metres and each with its own noise; one stays as it is.
pub fn several(base: &[Station], each: usize, seed: u64) -> Vec<Station> {
    if each == 1 {
        return base.to_vec();
    }
    let spots = [(0, 0), (18_000, -12_000), (-15_000, 21_000), (9_000, 17_000)];
    let devices = base.iter().enumerate().flat_map(|(i, station)| {
        spots.iter().take(each).enumerate().map(move |(j, (north, east))| {
            let number = u64::try_from(3 * i + j).expect("small");
            station.with_noise(seed * 1_000 + number, &NOISE).moved(*north, *east)
        })
    });
    devices.collect()
}

/// What a device does instead of measuring.
#[derive(Clone, Copy, Debug)]
pub enum Cheat {
    /// Shows what the device before it shows.
    Copy,
    /// The same with 0.03 K, 0.2 %, 0.05 m/s and 0.03 hPa of noise.
    NoisyCopy,
    /// Shows always what it showed first.
    Frozen,
    /// One field does.
    Stuck(usize),
    /// Temperature is wrong by so many 0.01 K.
    Offset(i32),
    /// Shows what was true so many hours ago.
    Shifted(i64),
}

impl Cheat {
    /// One of each kind that the tables show.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Copy, Self::NoisyCopy, Self::Frozen];
        all.extend([0, 1, 2, 4].map(Self::Stuck));
        all.extend([500, -500].map(Self::Offset));
        all.extend([1, 2, 3, 4, 6, 9, 12].iter().flat_map(|h| [*h, -h]).map(Self::Shifted));
        all
    }

    /// Its rejection.
    pub fn reason(self) -> Rejection {
        match self {
            Self::Copy | Self::NoisyCopy => Rejection::CopiedFeed,
            Self::Frozen | Self::Stuck(_) => Rejection::Frozen,
            Self::Offset(_) => Rejection::NeighbourOffset,
            Self::Shifted(_) => Rejection::TimeShifted,
        }
    }

    /// The fleet in which device `bad` cheats from `start` on. Of two copies the later registered one is the cheat.
    pub fn among(self, fleet: &[Station], bad: usize, start: u64) -> Vec<Station> {
        let mut out = fleet.to_vec();
        let own = &fleet[bad];
        out[bad] = match self {
            Self::Copy => {
                Station { position: own.position, ..fleet[bad.saturating_sub(1)].clone() }
            }
            Self::NoisyCopy => {
                let copy = fleet[bad.saturating_sub(1)].with_noise(start, &[3, 20, 5, 0, 3, 0, 0]);
                Station { position: own.position, ..copy }
            }
            Self::Frozen => own.frozen(start),
            Self::Stuck(field) => own.stuck(field, start),
            Self::Offset(by) => own.offset(by),
            Self::Shifted(hours) => own.shifted(hours),
        };
        out
    }
}

pub fn id(i: usize) -> DeviceId {
    // Ids are hashes: their order has nothing to do with that of registration.
    let mixed = Chance(u64::try_from(i).expect("small")).next().to_be_bytes();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mixed);
    DeviceId(id)
}

/// Scores `hours` hours from `start`, beginning without history; every device has its own owner.
pub fn simulate(stations: &[Station], start: u64, hours: u64) -> Vec<Vec<ScoreLeaf>> {
    let schedule =
        EpochSchedule { start: TimeMs(1_357_020_000_000 + start * HOUR_MS), epoch_ms: HOUR_MS };
    let mut history = History::new();
    let mut leaves = vec![Vec::new(); stations.len()];
    for epoch in (0..hours).map(Epoch) {
        let devices: Vec<DeviceInput> = stations
            .iter()
            .enumerate()
            .map(|(i, station)| DeviceInput {
                id: id(i),
                owner: alloy_primitives::Address::with_last_byte(u8::try_from(i + 1).expect("few")),
                position: station.position,
                index: u64::try_from(i).expect("few"),
                expected: 1,
                reported: None,
                readings: station
                    .hours
                    .get(&(start + epoch.0))
                    .map(|values| Reading { time: schedule.start_of(epoch), values: *values })
                    .into_iter()
                    .collect(),
            })
            .collect();
        history.begin(epoch);
        let out =
            score_epoch(&ScoreInput { epoch, schedule, devices: &devices, history: &history });
        for leaf in out.leaves {
            let device =
                (0..stations.len()).find(|i| id(*i) == leaf.device).expect("a leaf per device");
            leaves[device].push(leaf);
        }
        for (device, sample) in out.samples {
            history.push(epoch, device, sample);
        }
    }
    leaves
}

/// What a person would say about a run of leaves.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Hours in which the device delivered anything.
    pub delivered: usize,
    /// Of those, hours without rejection, per mille.
    pub accepted: usize,
    /// Mean score.
    pub mean: u64,
    /// Hours by rejection.
    pub rejections: BTreeMap<Rejection, usize>,
}

pub fn summary(leaves: &[ScoreLeaf]) -> Summary {
    let mut out = Summary::default();
    let mut sum = 0;
    for leaf in leaves.iter().filter(|leaf| leaf.rejection != Some(Rejection::Silent)) {
        out.delivered += 1;
        sum += u64::from(leaf.score);
        match leaf.rejection {
            None => out.accepted += 1,
            Some(rejection) => *out.rejections.entry(rejection).or_default() += 1,
        }
    }
    out.mean = sum / u64::try_from(out.delivered.max(1)).expect("small");
    out.accepted = out.accepted * 1_000 / out.delivered.max(1);
    out
}
