//! Comparisons between the tracks of devices: alike, frozen, offset, moved in time. Exact: docs/spec/sensing.md §5–8.

use super::{
    HUMIDITY, WIND_SPEED,
    params::{
        COPY_CALM, COPY_FIELDS, COPY_REFERENCE, COPY_SATURATED, COPY_STEPS, COPY_WINDOW, DEW_ALONE,
        DRY_ALONE, FAR_KM, FROZEN_FIELDS, FROZEN_RUN, FROZEN_STEPS, LAPSE_PER_1000_DM, LEVEL_DEW,
        LEVEL_T, NO_FIELD, OFFSET_LEAST, OFFSET_STEPS, T, TOLERANCES, TRACKED, TRACKS, Tolerance,
        WINDOW,
    },
    shape::Pace,
    track::{Track, Tracks, below, ones},
};
use crate::Detail;

/// A neighbour as the comparisons see it.
pub(super) struct Neighbour<'a> {
    /// Its values.
    pub tracks: &'a Tracks,
    /// How fast they change.
    pub pace: &'a Pace,
    /// Tolerated difference per entry of `TOLERANCES`.
    pub tolerated: [i64; TOLERANCES.len()],
    /// Expected difference of temperature, own less neighbour's.
    pub expected: i64,
}

impl<'a> Neighbour<'a> {
    /// A neighbour at `metres` whose place is `rise_dm` lower than the device's.
    pub fn new(tracks: &'a Tracks, pace: &'a Pace, metres: u32, rise_dm: i64) -> Self {
        let km = i64::from(metres / 1_000);
        Self {
            tracks,
            pace,
            tolerated: TOLERANCES.map(|t| tolerated(&t, km, rise_dm.abs())),
            expected: (LAPSE_PER_1000_DM * rise_dm).div_euclid(1_000),
        }
    }

    /// How much it counts in the shift test: the inverse fourth power of the tolerated difference in temperature, so
    /// that instruments side by side decide where there are any.
    pub const fn nearness(&self) -> i64 {
        let weight = weight(self.tolerated[0]) / 100;
        weight * weight + 1
    }
}

const fn weight(tolerance: i64) -> i64 {
    1_000_000_000 / (tolerance * tolerance)
}

fn tolerated(t: &Tolerance, km: i64, rise_dm: i64) -> i64 {
    t.base
        + (t.per_km * km).min(t.per_km_max)
        + t.per_far_km * (km - FAR_KM).max(0)
        + t.per_1000_dm * rise_dm / 1_000
}

/// Whether two feeds are implausibly alike: (mean ratio to honest differences, limit), per mille.
pub(super) fn alike(a: &Tracks, b: &Tracks) -> Option<(i64, i64)> {
    let mut fields = [(0_u32, 0_i64); TRACKS];
    for (track, field) in fields.iter_mut().enumerate() {
        let joint = a.fields[track].mask & b.fields[track].mask & below(COPY_WINDOW);
        let pairs = ones(joint).map(|age| (a.fields[track].at(age), b.fields[track].at(age)));
        let (mut n, mut sum) = (0, 0);
        for (a, b) in pairs.filter(|(a, b)| says_something(track, *a) || says_something(track, *b))
        {
            n += 1;
            sum += (a - b).abs();
        }
        *field = (n, if n == 0 { 0 } else { sum * 1_000 / (i64::from(n) * COPY_REFERENCE[track]) });
    }
    COPY_STEPS.iter().rev().find_map(|(needed, limit)| {
        let counted = fields.iter().filter(|(n, _)| n >= needed);
        let (mut count, mut sum) = (0_usize, 0_i64);
        for (_, ratio) in counted {
            if *ratio > 1_000 {
                return None;
            }
            count += 1;
            sum += ratio;
        }
        let mean = sum / i64::try_from(count.max(1)).ok()?;
        (count >= COPY_FIELDS && mean <= *limit).then_some((mean, *limit))
    })
}

/// Whether a value can differ between honest instruments: all of them read 100 % in fog and 0 m/s in a calm.
fn says_something(track: usize, value: i64) -> bool {
    match TRACKED[track] {
        HUMIDITY => value < COPY_SATURATED,
        WIND_SPEED => value > COPY_CALM,
        _ => true,
    }
}

/// The ages, the youngest first, over which a track has kept its present value; 0 when it has none now.
fn run(track: &Track) -> u64 {
    let Some(now) = track.get(0) else { return 0 };
    ones(track.mask)
        .take_while(|age| track.at(*age) == i64::from(now))
        .fold(0, |mask, age| mask | 1 << age)
}

/// Whether all fields stand still: the length of the shortest run.
pub(super) fn frozen_whole(own: &Tracks) -> Option<Detail> {
    let runs = own.fields.iter().map(|track| run(track).count_ones()).filter(|run| *run > 0);
    let (count, shortest) =
        runs.fold((0, u32::MAX), |(count, shortest), run| (count + 1, shortest.min(run)));
    let limit = u32::try_from(FROZEN_RUN).ok()?;
    (count >= FROZEN_FIELDS && shortest >= limit).then(|| Detail {
        field: NO_FIELD,
        value: shortest.into(),
        limit: limit.into(),
        other: None,
    })
}

/// Whether one field stands still while a majority of neighbours moved.
pub(super) fn frozen_field(
    own: &Tracks,
    neighbours: &[Neighbour<'_>],
    least: usize,
) -> Option<Detail> {
    (0..TRACKS).find_map(|track| {
        let still = run(&own.fields[track]);
        // The longer it stands still, the less its neighbours need to have moved.
        let step = FROZEN_STEPS.iter().rev().find(|step| still.count_ones() >= step.run)?;
        let ranges = neighbours.iter().map(|n| n.tracks.fields[track].only(still));
        let ranges: Vec<(u32, i64)> =
            ranges.map(|t| t.range(WINDOW)).filter(|(n, _)| *n >= step.run).collect();
        let limit = step.ranges[track];
        let moved = ranges.iter().filter(|(_, range)| *range >= limit).count();
        (ranges.len() >= least && moved * 2 > ranges.len()).then(|| Detail {
            field: field_number(track),
            value: still.count_ones().into(),
            limit,
            other: None,
        })
    })
}

/// What a majority of neighbours agrees on, by number and by weight, at one age: the signed excess over tolerance that
/// more than half reach (0 when they do not agree on a side), the median absolute deviation of the differences, and how
/// many neighbours had a value.
pub(super) fn excess(
    own: &Tracks,
    neighbours: &[Neighbour<'_>],
    which: usize,
    age: usize,
) -> (i64, i64, usize) {
    let Some(own) = own.level(which).get(age) else { return (0, 0, 0) };
    let mut seen: Vec<(i64, i64)> = Vec::with_capacity(neighbours.len());
    let mut differences: Vec<i64> = Vec::with_capacity(neighbours.len());
    for neighbour in neighbours {
        let Some(value) = neighbour.tracks.level(which).get(age) else { continue };
        let expected = if which == LEVEL_T { neighbour.expected } else { 0 };
        let difference = i64::from(own) - i64::from(value) - expected;
        let tolerance = neighbour.tolerated[which];
        seen.push((beyond(difference, tolerance), weight(tolerance)));
        differences.push(difference);
    }
    let n = seen.len();
    if n == 0 {
        return (0, 0, 0);
    }
    seen.sort_unstable();
    let by_number = agreed(seen[(n - 1) / 2].0, seen[n / 2].0);
    let total: i64 = seen.iter().map(|(_, weight)| weight).sum();
    let reach = |sorted: &mut dyn Iterator<Item = &(i64, i64)>| {
        let mut weight = 0;
        for (value, more) in sorted {
            weight += more;
            if weight * 2 > total {
                return *value;
            }
        }
        0
    };
    let by_weight = agreed(reach(&mut seen.iter().rev()), reach(&mut seen.iter()));
    let both = if by_number.signum() == by_weight.signum() {
        by_number.abs().min(by_weight.abs()) * by_number.signum()
    } else {
        0
    };
    (both, mad(&mut differences), n)
}

/// The side on which more than half of the neighbours lie: the positive reach, the negative reach, or neither.
fn agreed(positive: i64, negative: i64) -> i64 {
    if positive > 0 { positive } else { negative.min(0) }
}

/// Median absolute deviation, lower medians.
fn mad(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    let middle = (values.len() - 1) / 2;
    let centre = values[middle];
    for value in values.iter_mut() {
        *value = (*value - centre).abs();
    }
    values.sort_unstable();
    values[middle]
}

/// The excess of heat at one age, and how many neighbours had a temperature: what temperature and dew point exceed on
/// the same side, or the dew point alone by far. A shore that the sea cools is as moist as its neighbours; a thermometer
/// that is wrong makes the air seem moister or drier too.
pub(super) fn heat(own: &Tracks, neighbours: &[Neighbour<'_>], age: usize) -> (i64, i64, usize) {
    let (warm, mad, n) = excess(own, neighbours, LEVEL_T, age);
    let (moist, _, with_dew) = excess(own, neighbours, LEVEL_DEW, age);
    let both = if with_dew == 0 {
        beyond(warm, DRY_ALONE)
    } else if warm.signum() == moist.signum() {
        warm.abs().min(moist.abs()) * warm.signum()
    } else {
        0
    };
    let alone = beyond(moist, DEW_ALONE);
    (if alone.abs() > both.abs() { alone } else { both }, mad, n)
}

/// What is left of a signed value beyond a tolerance on both sides of 0.
fn beyond(value: i64, tolerance: i64) -> i64 {
    (value.abs() - tolerance).max(0) * value.signum()
}

/// Whether the device keeps away from a majority of neighbours on one side for hours.
pub(super) fn offset(own: &Tracks, neighbours: &[Neighbour<'_>], least: usize) -> Option<Detail> {
    if neighbours.len() < least {
        return None;
    }
    let [_, (long, enough, _)] = OFFSET_STEPS;
    let by_age: Vec<(usize, i64)> = ones(own.fields[T].mask & below(long))
        .filter_map(|age| {
            let (heat, _, n) = heat(own, neighbours, age);
            (n >= least).then_some((age, heat))
        })
        .collect();
    let step = if by_age.len() >= enough { OFFSET_STEPS[1] } else { OFFSET_STEPS[0] };
    let (window, needed, share) = step;
    let mut found: Vec<i64> =
        by_age.iter().filter(|(age, _)| *age < window).map(|(_, heat)| *heat).collect();
    if found.len() < needed {
        return None;
    }
    let above = found.iter().filter(|heat| **heat >= OFFSET_LEAST).count();
    let under = found.iter().filter(|heat| **heat <= -OFFSET_LEAST).count();
    let persists = above.max(under) * 1_000 >= share * found.len();
    found.sort_unstable();
    let value = found[(found.len() - 1) / 2];
    persists.then(|| Detail { field: field_number(T), value, limit: OFFSET_LEAST, other: None })
}

/// The schema's number of a tracked field.
pub(super) fn field_number(track: usize) -> u8 {
    u8::try_from(TRACKED[track]).unwrap_or(NO_FIELD)
}
