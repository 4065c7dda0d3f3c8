//! Comparisons between the tracks of devices: alike, frozen, offset, moved in time. Exact: docs/spec/sensing.md §5–8.

use super::{
    HUMIDITY, WIND_SPEED,
    params::{
        COPY_CALM, COPY_FIELDS, COPY_REFERENCE, COPY_SATURATED, COPY_STEPS, COPY_WINDOW, FAR_KM,
        FROZEN_FIELDS, FROZEN_MIN, FROZEN_RANGE, FROZEN_RUN, GATE_NEIGHBOURS, LAG_MAX, LAG_MIN,
        LAPSE_PER_1000_DM, NO_FIELD, OFFSET_STEPS, SHAPE_FIELDS, SHAPE_NOISE, SHAPE_SCALE,
        SHIFT_EACH, SHIFT_STEPS, SOFT_NEEDED, SOFT_STEP, T, TOLERANCES, TRACKED, TRACKS, Tolerance,
        WINDOW,
    },
    track::{Track, Tracks, below, ones},
};
use crate::Detail;

/// A neighbour as the comparisons see it.
pub(super) struct Neighbour<'a> {
    /// Its values.
    pub tracks: &'a Tracks,
    /// Tolerated difference per entry of `TOLERANCES`.
    pub tolerated: [i64; TOLERANCES.len()],
    /// Expected difference of temperature, own less neighbour's.
    pub expected: i64,
}

impl<'a> Neighbour<'a> {
    /// A neighbour at `metres` whose place is `rise_dm` lower than the device's.
    pub fn new(tracks: &'a Tracks, metres: u32, rise_dm: i64) -> Self {
        let km = i64::from(metres / 1_000);
        Self {
            tracks,
            tolerated: TOLERANCES.map(|t| tolerated(&t, km, rise_dm.abs())),
            expected: (LAPSE_PER_1000_DM * rise_dm).div_euclid(1_000),
        }
    }

    /// How much it counts in the shift test: the inverse fourth power of the tolerated difference in temperature, so
    /// that instruments side by side decide where there are any.
    const fn nearness(&self) -> i64 {
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
        let joint = a.0[track].mask & b.0[track].mask & below(COPY_WINDOW);
        let pairs = ones(joint).map(|age| (a.0[track].at(age), b.0[track].at(age)));
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
pub(super) fn frozen_field(
    own: &Tracks,
    neighbours: &[Neighbour<'_>],
    least: usize,
) -> Option<Detail> {
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
        seen.push((beyond, weight(tolerance)));
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
pub(super) fn offset(own: &Tracks, neighbours: &[Neighbour<'_>], least: usize) -> Option<Detail> {
    if neighbours.len() < least {
        return None;
    }
    let [_, (long, enough, ..)] = OFFSET_STEPS;
    let track = &own.0[T];
    let by_age: Vec<(usize, i64)> = ones(track.mask & below(long))
        .filter_map(|age| {
            let (excess, _, n) = excess(track.at(age), neighbours, 0, age);
            (n >= least).then_some((age, excess))
        })
        .collect();
    let step = if by_age.len() >= enough { OFFSET_STEPS[1] } else { OFFSET_STEPS[0] };
    let (window, needed, share, limit) = step;
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

/// Number, sum and sum of squares of the differences between two tracks.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: i64,
    sum: i64,
    squares: i64,
}

impl Moments {
    /// The variance over `scale` squared, per mille, so that an offset costs nothing; `None` below `needed` samples.
    fn cost(&self, scale: i64, needed: i64) -> Option<i64> {
        let Self { n, sum, squares } = *self;
        (n >= needed).then(|| (n * squares - sum * sum) * 1_000 / (n * n * scale * scale))
    }
}

/// The differences of a device moved by `lag` against a neighbour, per track with a shape scale and window of
/// `SHIFT_STEPS`. A positive lag says that the device shows the past: its value of age x fits the neighbour's of age
/// x + lag. The windows are nested, so one walk from the youngest age serves all.
fn moments(own: &Tracks, other: &Tracks, lag: i64) -> [[Moments; SHIFT_STEPS.len()]; TRACKS] {
    let mut out = [[Moments::default(); SHIFT_STEPS.len()]; TRACKS];
    let shift = usize::try_from(lag.unsigned_abs()).unwrap_or(WINDOW);
    for (track, windows) in out.iter_mut().enumerate().filter(|(track, _)| SHAPE_SCALE[*track] > 0)
    {
        let (a, b) = (&own.0[track], &other.0[track]);
        let (near, far) = if lag >= 0 { (a, b) } else { (b, a) };
        let joint = near.mask & (far.mask >> shift);
        let (mut so_far, mut age) = (Moments::default(), 0);
        for (window, step) in windows.iter_mut().zip(&SHIFT_STEPS) {
            let end = step.window.saturating_sub(shift).max(age);
            near.differences(far, shift, age..end, joint, |difference| {
                so_far.n += 1;
                so_far.sum += difference;
                so_far.squares += difference * difference;
            });
            age = end;
            *window = so_far;
        }
    }
    out
}

/// The cost per track in one window of `moments`.
fn costs(
    moments: &[[Moments; SHIFT_STEPS.len()]; TRACKS],
    step: usize,
    needed: i64,
) -> [Option<i64>; TRACKS] {
    let mut out = [None; TRACKS];
    for (track, cost) in out.iter_mut().enumerate().filter(|(track, _)| SHAPE_SCALE[*track] > 0) {
        *cost = moments[track][step].cost(SHAPE_SCALE[track], needed);
    }
    out
}

/// The mean cost at lag 0 that more than half of the neighbours reach, over a day; `None` below two neighbours.
pub(super) fn incoherence(own: &Tracks, neighbours: &[Neighbour<'_>]) -> Option<i64> {
    let mean = |n: &Neighbour<'_>| {
        let costs = costs(&moments(own, n.tracks, 0), SOFT_STEP, SOFT_NEEDED);
        let count = costs.iter().flatten().count();
        (count >= SHAPE_FIELDS)
            .then(|| costs.iter().flatten().sum::<i64>() / i64::try_from(count).unwrap_or(1))
    };
    let mut costs: Vec<i64> = neighbours.iter().filter_map(mean).collect();
    costs.sort_unstable();
    (costs.len() >= GATE_NEIGHBOURS).then(|| costs[(costs.len() - 1) / 2])
}

/// Whether the device fits its neighbours only when moved in time.
///
/// The gain of a lag is the mean of log2(cost at lag 0 / cost at the lag) over fields and neighbours, the latter by
/// weight: the likelihood ratio of series whose noise is not known. A gate needs a large gain at a lag of two or more,
/// and a positive one with more than half of the neighbours by number.
pub(super) fn shifted(own: &Tracks, neighbours: &[Neighbour<'_>], fewest: usize) -> Option<Detail> {
    if neighbours.len() < fewest {
        return None;
    }
    let most = i64::try_from(LAG_MAX).ok()?;
    let zero: Vec<_> = neighbours.iter().map(|n| moments(own, n.tracks, 0)).collect();
    // Lags in the order of preference: the smallest distance from 0 first, then the positive one.
    let lags = (1..=most).flat_map(|lag| [lag, -lag]);
    let moved: Vec<(i64, Vec<_>)> = lags
        .map(|lag| (lag, neighbours.iter().map(|n| moments(own, n.tracks, lag)).collect()))
        .collect();
    SHIFT_STEPS.iter().enumerate().find_map(|(at, step)| {
        let zero: Vec<_> = zero.iter().map(|m| costs(m, at, step.needed)).collect();
        let usable = |costs: &[Option<i64>; TRACKS]| costs.iter().flatten().count() >= SHAPE_FIELDS;
        let comparable = zero.iter().filter(|costs| usable(costs)).count();
        if comparable < fewest {
            return None;
        }
        // Largest gain, then the order of preference.
        let mut best: Option<(i64, i64, usize)> = None;
        for (lag, moved) in &moved {
            let (mut sum, mut total, mut votes) = (0, 0, 0);
            let pairs = neighbours.iter().zip(&zero).zip(moved);
            for ((neighbour, zero), moved) in pairs.filter(|((_, zero), _)| usable(zero)) {
                let costs = costs(moved, at, step.overlap);
                let (mut gain, mut fields) = (0, 0);
                for (zero, cost) in
                    zero.iter().zip(&costs).filter_map(|(zero, cost)| (*zero).zip(*cost))
                {
                    gain += log2_milli(zero + SHAPE_NOISE) - log2_milli(cost + SHAPE_NOISE);
                    fields += 1;
                }
                if fields < SHAPE_FIELDS {
                    continue;
                }
                let fields = i64::try_from(fields).ok()?;
                sum += neighbour.nearness() * gain;
                total += neighbour.nearness() * fields;
                votes += usize::from(gain >= SHIFT_EACH * fields);
            }
            if total == 0 {
                continue;
            }
            let gain = sum.div_euclid(total);
            if best.is_none_or(|(most, ..)| gain > most) {
                best = Some((gain, *lag, votes));
            }
        }
        let (gain, lag, votes) = best?;
        let least = i64::try_from(LAG_MIN).ok()?;
        let found = lag.abs() >= least && gain >= step.gain && votes * 2 > comparable;
        found.then_some(Detail { field: NO_FIELD, value: lag, limit: least, other: None })
    })
}

/// log2 of x ≥ 1 in thousandths, linear between powers of two, rounded down.
fn log2_milli(x: i64) -> i64 {
    let x = x.max(1);
    let whole = x.ilog2();
    i64::from(whole) * 1_000 + (((x - (1 << whole)) * 1_000) >> whole)
}

/// The schema's number of a tracked field.
pub(super) fn field_number(track: usize) -> u8 {
    u8::try_from(TRACKED[track]).unwrap_or(NO_FIELD)
}
