//! The shape of a feed against its neighbours': does it follow them, or fit only when moved in time? docs/spec §6–8.

use super::{
    compare::Neighbour,
    params::{
        FOLLOW_FREE, FOLLOW_LAG, FOLLOW_NEEDED, FOLLOW_STEP, FOLLOW_WINDOW, LAG_MAX, LAG_MIN,
        NO_FIELD, SHAPE_FIELDS, SHAPE_NOISE, SHAPE_SCALE, SHIFT_EACH, SHIFT_STEPS, TRACKS, WINDOW,
    },
    track::Tracks,
};
use crate::Detail;

/// Per track, how fast it changes: the cost against itself `FOLLOW_LAG` epochs before.
pub(super) type Pace = [Option<i64>; TRACKS];

/// Number, sum and sum of squares of the differences between two tracks.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: i64,
    sum: i64,
    squares: i64,
}

impl Moments {
    const fn add(&mut self, difference: i64) {
        self.n += 1;
        self.sum += difference;
        self.squares += difference * difference;
    }

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
        let (a, b) = (&own.fields[track], &other.fields[track]);
        let (near, far) = if lag >= 0 { (a, b) } else { (b, a) };
        let joint = near.mask & (far.mask >> shift);
        let (mut so_far, mut age) = (Moments::default(), 0);
        for (window, step) in windows.iter_mut().zip(&SHIFT_STEPS) {
            let end = step.window.saturating_sub(shift).max(age);
            near.differences(far, shift, age..end, joint, |d| so_far.add(d));
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

/// How fast each field changes: the cost of a device's own values against those of `FOLLOW_LAG` epochs before.
pub(super) fn pace(own: &Tracks) -> Pace {
    let mut out = [None; TRACKS];
    for (track, cost) in out.iter_mut().enumerate().filter(|(track, _)| SHAPE_SCALE[*track] > 0) {
        let values = &own.fields[track];
        let joint = values.mask & (values.mask >> FOLLOW_LAG);
        let mut sums = Moments::default();
        values.differences(values, FOLLOW_LAG, 0..FOLLOW_WINDOW, joint, |d| sums.add(d));
        *cost = sums.cost(SHAPE_SCALE[track], FOLLOW_NEEDED);
    }
    out
}

/// How well a device follows its neighbours, thousandths of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Follow {
    /// Sum over the fields.
    pub total: i64,
    /// The field that follows worst.
    pub worst: i64,
}

/// Whether a device follows its neighbours more closely than their own readings of `FOLLOW_LAG` epochs before do: what a
/// feed that is moved in time or stands still cannot, and what every station can as soon as the weather changes. Per
/// field log2(the neighbour's pace / the cost against it); of the neighbours, by weight, those that speak for the device
/// decide. `None` before there are enough joint samples of two fields.
pub(super) fn follow(own: &Tracks, neighbours: &[Neighbour<'_>]) -> Option<Follow> {
    let mut totals = Vec::with_capacity(neighbours.len());
    let mut by_track: [Vec<(i64, i64)>; TRACKS] = Default::default();
    for neighbour in neighbours {
        let costs = costs(&moments(own, neighbour.tracks, 0), FOLLOW_STEP, FOLLOW_NEEDED);
        let (mut total, mut fields) = (0, 0_usize);
        for (track, (cost, pace)) in costs.iter().zip(neighbour.pace).enumerate() {
            let Some((cost, pace)) = cost.zip(*pace) else { continue };
            let gain = log2_milli(pace + SHAPE_NOISE) - log2_milli(cost + SHAPE_NOISE);
            by_track[track].push((gain, neighbour.nearness()));
            total += gain;
            fields += 1;
        }
        if fields >= SHAPE_FIELDS {
            totals.push((total, neighbour.nearness()));
        }
    }
    let total = in_favour(&mut totals)?;
    let worst = by_track.iter_mut().filter_map(|gains| in_favour(gains)).min()?;
    Some(Follow { total, worst })
}

/// The largest value that neighbours with at least half of the weight reach; `None` without neighbours.
fn in_favour(gains: &mut [(i64, i64)]) -> Option<i64> {
    gains.sort_unstable();
    let all: i64 = gains.iter().map(|(_, weight)| weight).sum();
    let mut weight = 0;
    gains.iter().rev().find_map(|(gain, more)| {
        weight += more;
        (weight * 2 >= all).then_some(*gain)
    })
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
    if follow(own, neighbours).is_none_or(|follow| follow.total >= FOLLOW_FREE) {
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
