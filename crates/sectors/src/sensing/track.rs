//! The last `WINDOW` epochs of one device as flat integers, so that comparisons of 100,000 devices stay in cache.
//!
//! Age 0 is the scored epoch, age 1 the one before.

use cairn_primitives::Epoch;

use super::{
    Sample, Series,
    dew::dew_point,
    params::{DEW_WINDOW, H, LEVEL_DEW, LEVEL_H, LEVEL_P, P, T, TRACKED, TRACKS, WINDOW},
};

/// One field of one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    /// Bit a: there is a value of age a.
    pub mask: u64,
    values: [i32; WINDOW],
}

/// The tracked fields of one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracks {
    /// By position in `TRACKED`.
    pub fields: [Track; TRACKS],
    /// The dew point where temperature and humidity are known, of the youngest `DEW_WINDOW` ages.
    pub dew: Track,
}

impl Track {
    /// The value of this age.
    pub const fn get(&self, age: usize) -> Option<i32> {
        if age < WINDOW && self.mask & (1 << age) != 0 { Some(self.values[age]) } else { None }
    }

    /// The value of an age whose bit in `mask` is set.
    pub fn at(&self, age: usize) -> i64 {
        i64::from(self.values[age])
    }

    /// Calls `add` with own value of age x less the other's of age x + shift, for the ages of `range` that are in
    /// `joint`. The usual case, no gap, is a plain walk over two slices, which the compiler turns into vectors.
    pub fn differences(
        &self,
        other: &Self,
        shift: usize,
        range: std::ops::Range<usize>,
        joint: u64,
        mut add: impl FnMut(i64),
    ) {
        let wanted = below(range.end) & !below(range.start);
        if joint & wanted == wanted {
            let others = &other.values[range.start + shift..range.end + shift];
            for (own, other) in self.values[range].iter().zip(others) {
                add(i64::from(*own) - i64::from(*other));
            }
        } else {
            for age in ones(joint & wanted) {
                add(self.at(age) - other.at(age + shift));
            }
        }
    }

    /// The values of the ages in `mask` only.
    pub const fn only(&self, mask: u64) -> Self {
        Self { mask: self.mask & mask, values: self.values }
    }

    /// Number of values and their range among the youngest `window` ages.
    pub fn range(&self, window: usize) -> (u32, i64) {
        let mask = self.mask & below(window);
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for age in ones(mask) {
            low = low.min(self.at(age));
            high = high.max(self.at(age));
        }
        (mask.count_ones(), high.saturating_sub(low).max(0))
    }
}

impl Tracks {
    /// Lays out the history and the sample of the scored epoch.
    pub fn new(epoch: Epoch, series: Option<&Series>, current: Option<&Sample>) -> Self {
        let empty = Track { mask: 0, values: [0; WINDOW] };
        let mut tracks = Self { fields: [empty; TRACKS], dew: empty };
        for (at, sample) in series.into_iter().flat_map(Series::iter) {
            let age = epoch.0.checked_sub(at.0).and_then(|age| usize::try_from(age).ok());
            if let Some(age) = age.filter(|age| (1..WINDOW).contains(age)) {
                tracks.set(age, sample);
            }
        }
        if let Some(sample) = current {
            tracks.set(0, sample);
        }
        let both = tracks.fields[T].mask & tracks.fields[H].mask & below(DEW_WINDOW);
        for age in ones(both) {
            let [temperature, humidity] = [T, H].map(|track| tracks.fields[track].values[age]);
            tracks.dew.values[age] = dew_point(temperature, humidity);
        }
        tracks.dew.mask = both;
        tracks
    }

    /// What entry `which` of `TOLERANCES` is about.
    pub const fn level(&self, which: usize) -> &Track {
        match which {
            LEVEL_H => &self.fields[H],
            LEVEL_P => &self.fields[P],
            LEVEL_DEW => &self.dew,
            _ => &self.fields[T],
        }
    }

    fn set(&mut self, age: usize, sample: &Sample) {
        for (track, field) in self.fields.iter_mut().zip(TRACKED) {
            if let Some(value) = sample.get(field) {
                track.mask |= 1 << age;
                track.values[age] = value;
            }
        }
    }
}

/// The lowest `n` bits, n < 64.
pub(super) const fn below(n: usize) -> u64 {
    (1 << n) - 1
}

/// Positions of the set bits, the lowest first.
pub(super) fn ones(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let at = mask.trailing_zeros();
        mask &= mask - 1;
        usize::try_from(at).ok()
    })
}
