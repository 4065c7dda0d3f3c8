//! Comparisons between the tracks of devices: alike, frozen, offset, moved in time. Exact: docs/spec/sensing.md §5–8.

use cairn_primitives::DeviceId;

use super::{
    params::{
        COPY_FIELDS, COPY_REFERENCE, COPY_STEPS, COPY_WINDOW, FAR_KM, FROZEN_FIELDS, FROZEN_MIN,
        FROZEN_RANGE, FROZEN_RUN, GATE_NEIGHBOURS, LAG_MAX, LAG_MIN, LAPSE_PER_1000_DM, NO_FIELD,
        OFFSET_STEPS, SHAPE_FIELDS, SHAPE_SCALE, SHIFT_STEPS, ShiftStep, T, TOLERANCES, TRACKED,
        TRACKS, Tolerance, WINDOW,
    },
    track::{Track, Tracks, below, ones},
};
use crate::Detail;

/// A neighbour as the comparisons see it.
pub(super) struct Neighbour<'a> {
    /// Its id.
    pub id: DeviceId,
    /// Its values.
    pub tracks: &'a Tracks,
    /// Tolerated difference per entry of `TOLERANCES`.
    pub tolerated: [i64; TOLERANCES.len()],
    /// Expected difference of temperature, own less neighbour's.
    pub expected: i64,
}

impl<'a> Neighbour<'a> {
    /// A neighbour at `metres` whose place is `rise_dm` lower than the device's.
    pub fn new(id: DeviceId, tracks: &'a Tracks, metres: u32, rise_dm: i64) -> Self {
        let km = i64::from(metres / 1_000);
        Self {
            id,
            tracks,
            tolerated: TOLERANCES.map(|t| tolerated(&t, km, rise_dm.abs())),
            expected: (LAPSE_PER_1000_DM * rise_dm).div_euclid(1_000),
        }
    }
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
        let joint = a.0[track].mask & b.0[track].mask & below(COPY_WINDOW);
        let sum: i64 = ones(joint).map(|age| (a.0[track].at(age) - b.0[track].at(age)).abs()).sum();
        let n = joint.count_ones();
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

/// The ages, the youngest first, over which a track has kept its present value; 0 when it has none now.
fn run(track: &Track) -> u64 {
    let Some(now) = track.get(0) else { return 0 };
    ones(track.mask)
        .take_while(|age| track.at(*age) == i64::from(now))
        .fold(0, |mask, age| mask | 1 << age)
}

/// Whether all fields stand still: the length of the shortest run.
pub(super) fn frozen_whole(own: &Tracks) -> Option<Detail> {
    let runs = own.0.iter().map(|track| run(track).count_ones()).filter(|run| *run > 0);
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
pub(super) fn frozen_field(own: &Tracks, neighbours: &[Neighbour<'_>]) -> Option<Detail> {
    (0..TRACKS).find_map(|track| {
        let still = run(&own.0[track]);
        if still.count_ones() < FROZEN_MIN {
            return None;
        }
        let ranges = neighbours.iter().map(|n| n.tracks.0[track].only(still));
        let ranges: Vec<(u32, i64)> =
            ranges.map(|t| t.range(WINDOW)).filter(|(n, _)| *n >= FROZEN_MIN).collect();
        let limit = i64::from(FROZEN_RANGE[track]);
        let moved = ranges.iter().filter(|(_, range)| *range >= limit).count();
        (ranges.len() >= GATE_NEIGHBOURS && moved * 2 > ranges.len()).then(|| Detail {
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
    own: i64,
    neighbours: &[Neighbour<'_>],
    which: usize,
    age: usize,
) -> (i64, i64, usize) {
    let track = TOLERANCES[which].track;
    let mut seen: Vec<(i64, i64)> = Vec::with_capacity(neighbours.len());
    let mut differences: Vec<i64> = Vec::with_capacity(neighbours.len());
    for neighbour in neighbours {
        let Some(value) = neighbour.tracks.0[track].get(age) else { continue };
        let expected = if track == T { neighbour.expected } else { 0 };
        let difference = own - i64::from(value) - expected;
        let tolerance = neighbour.tolerated[which];
        let beyond = (difference.abs() - tolerance).max(0) * difference.signum();
        seen.push((beyond, 1_000_000_000 / (tolerance * tolerance)));
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

/// Whether temperature keeps away from a majority of neighbours on one side for hours.
pub(super) fn offset(own: &Tracks, neighbours: &[Neighbour<'_>]) -> Option<Detail> {
    if neighbours.len() < GATE_NEIGHBOURS {
        return None;
    }
    let [(short, ..), (long, enough, ..)] = OFFSET_STEPS;
    let track = &own.0[T];
    let by_age: Vec<(usize, i64)> = ones(track.mask & below(long))
        .filter_map(|age| {
            let (excess, _, n) = excess(track.at(age), neighbours, 0, age);
            (n >= GATE_NEIGHBOURS).then_some((age, excess))
        })
        .collect();
    let step = if by_age.len() >= enough { OFFSET_STEPS[1] } else { OFFSET_STEPS[0] };
    let (window, needed, share, limit) = step;
    debug_assert!(short <= long);
    let mut found: Vec<i64> =
        by_age.iter().filter(|(age, _)| *age < window).map(|(_, excess)| *excess).collect();
    if found.len() < needed {
        return None;
    }
    let above = found.iter().filter(|excess| **excess >= limit).count();
    let under = found.iter().filter(|excess| **excess <= -limit).count();
    let persists = above.max(under) * 1_000 >= share * found.len();
    found.sort_unstable();
    let value = found[(found.len() - 1) / 2];
    persists.then(|| Detail { field: field_number(T), value, limit, other: None })
}

/// Joint samples and mean shape cost, per mille, of a device moved by `lag` against a neighbour, per window of
/// `SHIFT_STEPS`; `None` when fewer than `SHAPE_FIELDS` fields have `overlap` samples.
///
/// The cost of a field is the variance of the difference over the field's scale squared: an offset costs nothing.
fn shape(own: &Tracks, other: &Tracks, lag: i64, step: &ShiftStep, overlap: i64) -> Option<i64> {
    let (mut fields, mut cost) = (0_usize, 0_i64);
    let shift = usize::try_from(lag.unsigned_abs()).ok()?;
    for track in 0..TRACKS {
        if SHAPE_SCALE[track] == 0 {
            continue;
        }
        let (a, b) = (&own.0[track], &other.0[track]);
        // A positive lag says that the device shows the past: its value of age x fits the neighbour's of age x + lag.
        let window = below(step.window);
        let joint = if lag >= 0 {
            a.mask & window & ((b.mask & window) >> shift)
        } else {
            (a.mask & window) >> shift & b.mask & window
        };
        let (mut sum, mut squares) = (0_i64, 0_i64);
        for age in ones(joint) {
            let difference = if lag >= 0 {
                a.at(age) - b.at(age + shift)
            } else {
                a.at(age + shift) - b.at(age)
            };
            sum += difference;
            squares += difference * difference;
        }
        let n = i64::from(joint.count_ones());
        if n < overlap {
            continue;
        }
        fields += 1;
        let scale = SHAPE_SCALE[track];
        cost += (n * squares - sum * sum) * 1_000 / (n * n * scale * scale);
    }
    (fields >= SHAPE_FIELDS).then(|| cost / i64::try_from(fields).unwrap_or(1))
}

/// The cost at lag 0 that more than half of the neighbours reach, in the second window; `None` below two neighbours.
pub(super) fn incoherence(own: &Tracks, neighbours: &[Neighbour<'_>]) -> Option<i64> {
    let step = &SHIFT_STEPS[1];
    let mut costs: Vec<i64> =
        neighbours.iter().filter_map(|n| shape(own, n.tracks, 0, step, step.overlap)).collect();
    costs.sort_unstable();
    (costs.len() >= GATE_NEIGHBOURS).then(|| costs[(costs.len() - 1) / 2])
}

/// Whether the device fits a majority of neighbours only when moved in time.
pub(super) fn shifted(own: &Tracks, neighbours: &[Neighbour<'_>]) -> Option<Detail> {
    SHIFT_STEPS.iter().find_map(|step| {
        let zero: Vec<(&Neighbour<'_>, i64)> = neighbours
            .iter()
            .filter_map(|n| Some((n, shape(own, n.tracks, 0, step, step.needed)?)))
            .collect();
        let far = zero.iter().filter(|(_, cost)| *cost >= step.floor).count();
        if zero.len() < GATE_NEIGHBOURS || far * 2 <= zero.len() {
            return None;
        }
        let votes: Vec<(DeviceId, i64)> = zero
            .iter()
            .filter_map(|(n, cost)| Some((n.id, better_lag(own, n.tracks, step, *cost)?)))
            .collect();
        let (other, lag) = *votes.first()?;
        (votes.len() * 2 > zero.len()).then(|| Detail {
            field: NO_FIELD,
            value: lag,
            limit: i64::try_from(LAG_MIN).unwrap_or(0),
            other: Some(other),
        })
    })
}

/// The lag that explains the difference to one neighbour, if one does: smallest cost, then smallest distance from 0,
/// then the positive one.
fn better_lag(own: &Tracks, other: &Tracks, step: &ShiftStep, zero: i64) -> Option<i64> {
    if zero < step.floor {
        return None;
    }
    let most = i64::try_from(LAG_MAX).ok()?;
    let lags = (1..=most).flat_map(|lag| [lag, -lag]);
    let costs = lags.filter_map(|lag| Some((shape(own, other, lag, step, step.overlap)?, lag)));
    let (cost, lag) = costs.min_by_key(|(cost, _)| *cost)?;
    let least = i64::try_from(LAG_MIN).ok()?;
    (lag.abs() >= least && cost * 1_000 <= zero * step.ratio).then_some(lag)
}

/// The schema's number of a tracked field.
pub(super) fn field_number(track: usize) -> u8 {
    u8::try_from(TRACKED[track]).unwrap_or(NO_FIELD)
}
