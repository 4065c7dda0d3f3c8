//! From accepted readings to a score per device: gates, factors, leaves.
//!
//! ```text
//! own gates (Silent, OutOfBounds, Jump, Frozen) ─► copied feeds ─► neighbours: the rest, one of each other owner
//!   ─► pass 1: frozen field, time shift, offset ─► pass 2: the same without the devices gated in pass 1 ─► leaves
//! ```
//! Two passes, so that an honest station beside a cheat is judged without it.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use cairn_primitives::{DeviceId, Epoch, EpochSchedule, Position, Sector, TimeMs};

use super::{
    History, IRRADIANCE, Reading, Sample,
    compare::{Neighbour, alike, excess, field_number, frozen_field, frozen_whole, heat, offset},
    neighbours::{Index, Near, Point},
    params::{
        BOUNDS, DIURNAL_MIN, DIURNAL_WINDOW, FOLLOW_TOTAL, FOLLOW_WORST, GATE_NEIGHBOURS, JUMP,
        LEVEL_DEW, LEVEL_T, LOCATION_FULL_M, LOCATION_ZERO_M, N_ALONE, N_ONE, N_UNPROVEN, NO_FIELD,
        SOLAR_MIN, SOLAR_RATIO, SOLAR_WINDOW, T, TOLERANCES,
    },
    shape::{Follow, Pace, follow, pace, shifted},
    solar::clear_sky,
    track::Tracks,
};
use crate::{Detail, Rejection, ScoreLeaf, place::UnitVector};

/// A registered device that is active in the epoch, with what it delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInput {
    /// Its id.
    pub id: DeviceId,
    /// Its owner: neighbours of the same owner do not count.
    pub owner: Address,
    /// Where it is registered to stand.
    pub position: Position,
    /// Order of registration: of two that are alike, the later loses.
    pub index: u64,
    /// Readings it should deliver in an epoch, at least 1.
    pub expected: u32,
    /// The position its accepted batches claim last, if they claim one.
    pub reported: Option<Position>,
    /// Its accepted readings measured in this epoch, in any order.
    pub readings: Vec<Reading>,
}

/// Everything `score_epoch` looks at.
#[derive(Clone, Debug)]
pub struct ScoreInput<'a> {
    /// The epoch to score.
    pub epoch: Epoch,
    /// Where epochs begin and end.
    pub schedule: EpochSchedule,
    /// All active devices of the sector, in any order.
    pub devices: &'a [DeviceInput],
    /// Samples of earlier epochs; what is older than the longest window is not looked at.
    pub history: &'a History,
}

/// The scores of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreOutput {
    /// One leaf per device, sorted by device id.
    pub leaves: Vec<ScoreLeaf>,
    /// The samples to add to the history before the next epoch, sorted by device id.
    pub samples: Vec<(DeviceId, Sample)>,
}

type Gate = Option<(Rejection, Detail)>;

/// A device while it is judged.
struct Station<'a> {
    input: &'a DeviceInput,
    sample: Option<Sample>,
    tracks: Tracks,
    pace: Pace,
    at: UnitVector,
    gate: Gate,
    near: Near,
}

/// Scores every device.
///
/// Guarantees (each is a property test): every factor and score is 0…1000; the same leaves for every order of the
/// inputs; a device with a rejection has score 0. Cost: O(n log n), at most 8 neighbours a device.
#[must_use]
pub fn score_epoch(input: &ScoreInput<'_>) -> ScoreOutput {
    let mut stations = stations(input);
    let index = Index::new(&points(&stations));
    let points = points_by_station(&stations);
    for i in 0..stations.len() {
        if let Some(point) = &points[i] {
            stations[i].near = index.near(point);
        }
    }
    gate_copies(&mut stations);
    // Copies neither judge nor crowd out: the neighbours of other owners are found again without them.
    let honest = Index::new(&self::points(&stations));
    let copied = stations.iter().any(|s| matches!(s.gate, Some((Rejection::CopiedFeed, _))));
    for i in (0..stations.len()).filter(|_| copied) {
        if let Some(point) = points[i].as_ref().filter(|_| stations[i].gate.is_none()) {
            stations[i].near.others = honest.near(point).others;
        }
    }
    let all: Vec<usize> = (0..stations.len()).collect();
    let first: Vec<Gate> =
        all.iter().map(|i| gate_by_neighbours(&stations, *i, |_| true, GATE_NEIGHBOURS)).collect();
    let second: Vec<Gate> = all.iter().map(|i| judge_again(&stations, *i, &first)).collect();
    for (station, gate) in stations.iter_mut().zip(second) {
        station.gate = station.gate.take().or(gate);
    }
    let mut out = ScoreOutput { leaves: Vec::with_capacity(stations.len()), samples: Vec::new() };
    for i in all {
        out.leaves.push(leaf(input, &stations, i));
        out.samples.extend(stations[i].sample.map(|sample| (stations[i].input.id, sample)));
    }
    out
}

/// The second pass: without the neighbours that the first one gated. Where fewer than two are left, a gate of the first
/// pass stands only if each that is left gates alone too; where none is left, each of the gated ones must.
fn judge_again(stations: &[Station<'_>], i: usize, first: &[Gate]) -> Gate {
    let others = &stations[i].near.others;
    let is_trusted = |n: usize| first[n].is_none();
    let trusted: Vec<usize> = others.iter().map(|n| at(*n)).filter(|n| is_trusted(*n)).collect();
    if trusted.len() == others.len() {
        return first[i].clone();
    }
    if trusted.len() >= GATE_NEIGHBOURS {
        return gate_by_neighbours(stations, i, is_trusted, GATE_NEIGHBOURS);
    }
    first[i].as_ref()?;
    let witnesses =
        if trusted.is_empty() { others.iter().map(|n| at(*n)).collect() } else { trusted };
    let mut gates = witnesses.iter().map(|w| gate_by_neighbours(stations, i, |n| n == *w, 1));
    gates.all(|gate| gate.is_some()).then(|| first[i].clone()).flatten()
}

fn stations<'a>(input: &ScoreInput<'a>) -> Vec<Station<'a>> {
    let mut devices: Vec<&DeviceInput> = input.devices.iter().collect();
    devices.sort_unstable_by_key(|d| d.id);
    devices.dedup_by_key(|d| d.id);
    devices
        .into_iter()
        .map(|device| {
            let series = input.history.get(device.id);
            let sample = Sample::of(&device.readings);
            let tracks = Tracks::new(input.epoch, series, sample.as_ref());
            let before = input.epoch.previous().and_then(|epoch| series?.get(epoch));
            let gate = own_gate(device, sample.as_ref(), before, &tracks);
            Station {
                input: device,
                sample,
                pace: pace(&tracks),
                tracks,
                at: UnitVector::of(device.position),
                gate,
                near: Near::default(),
            }
        })
        .collect()
}

/// The gates that need no other device.
fn own_gate(
    device: &DeviceInput,
    sample: Option<&Sample>,
    before: Option<&Sample>,
    tracks: &Tracks,
) -> Gate {
    let Some(sample) = sample else {
        let detail =
            Detail { field: NO_FIELD, value: 0, limit: device.expected.into(), other: None };
        return Some((Rejection::Silent, detail));
    };
    if let Some(detail) = out_of_bounds(device) {
        return Some((Rejection::OutOfBounds, detail));
    }
    for (field, limit) in JUMP {
        let change = sample.get(field).zip(before.and_then(|b| b.get(field)));
        let Some(change) = change.map(|(now, then)| i64::from(now) - i64::from(then)) else {
            continue;
        };
        if change.abs() > i64::from(limit) {
            let field = u8::try_from(field).unwrap_or(NO_FIELD);
            return Some((
                Rejection::Jump,
                Detail { field, value: change, limit: limit.into(), other: None },
            ));
        }
    }
    frozen_whole(tracks).map(|detail| (Rejection::Frozen, detail))
}

/// The first value, by time and then field, that cannot be.
fn out_of_bounds(device: &DeviceInput) -> Option<Detail> {
    let mut readings: Vec<&Reading> = device.readings.iter().collect();
    readings.sort_unstable();
    for reading in readings {
        for (field, (low, high)) in BOUNDS.into_iter().enumerate() {
            let Some(value) = reading.values[field] else { continue };
            if value < low || value > high {
                let limit = i64::from(if value < low { low } else { high });
                let field = u8::try_from(field).unwrap_or(NO_FIELD);
                return Some(Detail { field, value: value.into(), limit, other: None });
            }
        }
    }
    None
}

/// The index entry of each station that can be somebody's neighbour.
fn points_by_station(stations: &[Station<'_>]) -> Vec<Option<Point>> {
    let owners: BTreeSet<Address> = stations.iter().map(|s| s.input.owner).collect();
    let owners: Vec<Address> = owners.into_iter().collect();
    stations
        .iter()
        .enumerate()
        .map(|(i, station)| {
            let owner =
                owners.binary_search(&station.input.owner).ok().and_then(|o| u32::try_from(o).ok());
            let device = u32::try_from(i).ok();
            let free = station.gate.is_none().then_some(());
            free.and_then(|()| {
                Some(Point {
                    device: device?,
                    owner: owner?,
                    index: station.input.index,
                    at: station.at,
                })
            })
        })
        .collect()
}

fn points(stations: &[Station<'_>]) -> Vec<Point> {
    points_by_station(stations).into_iter().flatten().collect()
}

fn at(i: u32) -> usize {
    usize::try_from(i).unwrap_or(usize::MAX)
}

/// Of two feeds that are alike, the device registered later loses (ties: the higher id).
fn gate_copies(stations: &mut [Station<'_>]) {
    let order =
        |i: usize, stations: &[Station<'_>]| (stations[i].input.index, stations[i].input.id);
    // (loser, order of the winner, winner, ratio, limit): the earliest winner comes first.
    let mut pairs = Vec::new();
    for i in 0..stations.len() {
        for j in stations[i].near.any.iter().map(|j| at(*j)) {
            let Some((ratio, limit)) = alike(&stations[i].tracks, &stations[j].tracks) else {
                continue;
            };
            let (winner, loser) =
                if order(i, stations) < order(j, stations) { (i, j) } else { (j, i) };
            pairs.push((loser, order(winner, stations), ratio, limit));
        }
    }
    pairs.sort_unstable();
    for (loser, (_, winner), ratio, limit) in pairs {
        let detail = Detail { field: NO_FIELD, value: ratio, limit, other: Some(winner) };
        stations[loser].gate.get_or_insert((Rejection::CopiedFeed, detail));
    }
}

/// The neighbours of other owners that `keep` names.
fn neighbours<'a>(
    stations: &'a [Station<'_>],
    i: usize,
    keep: impl Fn(usize) -> bool,
) -> Vec<Neighbour<'a>> {
    let own = &stations[i];
    let kept = own.near.others.iter().map(|n| at(*n)).filter(|n| keep(*n));
    kept.map(|n| {
        let other = &stations[n];
        let rise = i64::from(own.input.position.elevation_dm)
            - i64::from(other.input.position.elevation_dm);
        Neighbour::new(&other.tracks, &other.pace, own.at.chord_m(&other.at), rise)
    })
    .collect()
}

/// The gates that need neighbours, at least `least`: a field that stands still, a shift in time, an offset.
fn gate_by_neighbours(
    stations: &[Station<'_>],
    i: usize,
    keep: impl Fn(usize) -> bool,
    least: usize,
) -> Gate {
    let own = &stations[i];
    if own.gate.is_some() {
        return None;
    }
    let near = neighbours(stations, i, keep);
    if near.len() < least {
        return None;
    }
    frozen_field(&own.tracks, &near, least)
        .map(|detail| (Rejection::Frozen, detail))
        .or_else(|| {
            shifted(&own.tracks, &near, least).map(|detail| (Rejection::TimeShifted, detail))
        })
        .or_else(|| {
            offset(&own.tracks, &near, least).map(|detail| (Rejection::NeighbourOffset, detail))
        })
}

fn leaf(input: &ScoreInput<'_>, stations: &[Station<'_>], i: usize) -> ScoreLeaf {
    let own = &stations[i];
    let near = neighbours(stations, i, |n| stations[n].gate.is_none());
    let availability = availability(own.input);
    let neighbour = if own.sample.is_some() { agreement(own, &near) } else { 0 };
    let (deployment, indoor) = deployment(input, own, &near);
    let location = location(own.input);
    let gate = own.gate.clone().or_else(|| indoor.map(|detail| (Rejection::Indoor, detail)));
    let product = availability * neighbour * deployment * location / 1_000_000_000;
    let score = if gate.is_some() { 0 } else { product };
    let (rejection, detail) =
        gate.map_or((None, None), |(rejection, detail)| (Some(rejection), Some(detail)));
    ScoreLeaf {
        epoch: input.epoch,
        sector: Sector::Sensing,
        device: own.input.id,
        availability: per_mille(availability),
        neighbour: per_mille(neighbour),
        deployment: per_mille(deployment),
        location: per_mille(location),
        score: per_mille(score),
        rejection,
        detail,
    }
}

fn per_mille(value: i64) -> u16 {
    u16::try_from(value.clamp(0, 1_000)).unwrap_or(0)
}

/// A: readings that say something, over readings expected.
fn availability(device: &DeviceInput) -> i64 {
    let got = device.readings.iter().filter(|r| r.values.iter().any(Option::is_some)).count();
    let got = i64::try_from(got).unwrap_or(i64::MAX);
    (got.saturating_mul(1_000) / i64::from(device.expected.max(1))).min(1_000)
}

/// N: the worst of the level fields and of the shape.
fn agreement(own: &Station<'_>, near: &[Neighbour<'_>]) -> i64 {
    let mut worst = 1_000;
    let mut most = 0;
    for (which, tolerance) in TOLERANCES.iter().enumerate().take(LEVEL_DEW) {
        let (excess, mad, n) = if which == LEVEL_T {
            heat(&own.tracks, near, 0)
        } else {
            excess(&own.tracks, near, which, 0)
        };
        let scale = tolerance.scale + if n > 2 { 1_483 * mad / 1_000 } else { 0 };
        worst = worst.min((1_000 - excess.abs() * 1_000 / scale).max(0));
        most = most.max(n);
    }
    match most {
        0 => N_ALONE,
        1 => worst.clamp(N_ALONE, N_ONE),
        _ => worst.min(follow(&own.tracks, near).map_or(N_UNPROVEN, proven)),
    }
}

/// The most that N can be, by how well the device follows its neighbours.
fn proven(follow: Follow) -> i64 {
    let between = |(from, to): (i64, i64), gain: i64| {
        (N_UNPROVEN + (gain - from) * (1_000 - N_UNPROVEN) / (to - from)).clamp(N_UNPROVEN, 1_000)
    };
    between(FOLLOW_TOTAL, follow.total).min(between(FOLLOW_WORST, follow.worst))
}

/// D, and the numbers when the device stands indoors. 1000 where no irradiance is measured or the sun was hardly up.
fn deployment(
    input: &ScoreInput<'_>,
    own: &Station<'_>,
    near: &[Neighbour<'_>],
) -> (i64, Option<Detail>) {
    let (mut seen, mut expected) = (0_i64, 0_i64);
    let current = own.sample.iter().map(|sample| (input.epoch, sample));
    let past = input.history.get(own.input.id).into_iter().flat_map(|series| series.iter());
    for (epoch, sample) in past.chain(current) {
        let Some(value) = sample.get(IRRADIANCE) else { continue };
        if epoch.0 + u64::try_from(SOLAR_WINDOW).unwrap_or(0) <= input.epoch.0
            || epoch > input.epoch
        {
            continue;
        }
        let middle = TimeMs(input.schedule.start_of(epoch).0 + input.schedule.epoch_ms / 2);
        seen += i64::from(value);
        expected += clear_sky(own.input.position, middle);
    }
    if expected < SOLAR_MIN {
        return (1_000, None);
    }
    let (zero, full) = SOLAR_RATIO;
    let ratio = seen * 1_000 / expected;
    let score = ((ratio - zero) * 1_000 / (full - zero)).clamp(0, 1_000);
    let score = if score < 1_000 && is_sheltered(own, near) { 0 } else { score };
    let field = u8::try_from(IRRADIANCE).unwrap_or(NO_FIELD);
    (score, (score == 0).then_some(Detail { field, value: ratio, limit: zero, other: None }))
}

/// Whether a majority of at least two neighbours saw more than twice the device's range of temperature.
fn is_sheltered(own: &Station<'_>, near: &[Neighbour<'_>]) -> bool {
    let (n, range) = own.tracks.fields[T].range(DIURNAL_WINDOW);
    let ranges = near.iter().map(|other| other.tracks.fields[T].range(DIURNAL_WINDOW));
    let ranges: Vec<i64> =
        ranges.filter(|(n, _)| *n >= DIURNAL_MIN).map(|(_, range)| range).collect();
    let wider = ranges.iter().filter(|other| **other > 2 * range).count();
    debug_assert_eq!(usize::from(field_number(T)), super::TEMPERATURE);
    n >= DIURNAL_MIN && ranges.len() >= GATE_NEIGHBOURS && wider * 2 > ranges.len()
}

/// L: how far from its registered place the device says it is.
fn location(device: &DeviceInput) -> i64 {
    let Some(reported) = device.reported else { return 1_000 };
    let metres = UnitVector::of(reported).chord_m(&UnitVector::of(device.position));
    let (full, zero) = (i64::from(LOCATION_FULL_M), i64::from(LOCATION_ZERO_M));
    ((zero - i64::from(metres)) * 1_000 / (zero - full)).clamp(0, 1_000)
}
