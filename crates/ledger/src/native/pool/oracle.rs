//! What the price is, and whether it is healthy.

use cairn_economy::{
    PriceQ32, RING_PLACES, Ring, TWAP_LONG_MS, TWAP_SHORT_MS, WindowStart, clamped, is_healthy,
    mint_price, stale_ms,
};
use cairn_primitives::{Epoch, MicroUsd, abi::POOL};

use super::state::{
    ACCUMULATOR, EpochPrice, GOOD, Held, LONG_SLOT, MEDIAN, PRICED, PULSE, SHORT_SLOT, params, pool,
};
use crate::native::{Ctx, Res, Value, gas};

/// The pool is shallow when its dollars are less than this part of those at genesis, ppm: a price that costs little to push.
const SHALLOW_PPM: u32 = 50_000;

/// Whether the price may mint and subsidise. Numbers are the ABI's and are never reused; the first that applies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Mint, subsidise.
    Healthy,
    /// 1: most of the dollars have left.
    Shallow,
    /// 2: the network stood still within the last half hour, so that nobody could trade.
    Gap,
    /// 3: the median of the validators' feeds is more than 1.5 % from the half hour's mean.
    FeedsApart,
}

impl Health {
    /// As the ABI numbers it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Shallow => 1,
            Self::Gap => 2,
            Self::FeedsApart => 3,
        }
    }
}

/// The price and its means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Now.
    pub last: PriceQ32,
    /// Geometric mean of half an hour.
    pub half_hour: PriceQ32,
    /// Geometric mean of a day.
    pub day: PriceQ32,
}

impl Prices {
    /// At which stones become credits: the lowest.
    #[must_use]
    pub fn mint(&self) -> PriceQ32 {
        mint_price(self.last, self.half_hour, self.day)
    }
}

const RINGS: [(u64, u64); 2] = [(TWAP_SHORT_MS, SHORT_SLOT), (TWAP_LONG_MS, LONG_SLOT)];

/// The price and its means, held until now.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub fn prices(c: &mut Ctx<'_>) -> Res<Prices> {
    c.charge(gas::POOL_READ)?;
    let Held(held) = ACCUMULATOR.get(c)?;
    let now = held.until(c.now().0);
    let mut means = [PriceQ32::default(); RINGS.len()];
    for (mean, (length_ms, slot)) in means.iter_mut().zip(RINGS) {
        let (sum, at_ms) = match ring(c, length_ms).start(&held, now.at_ms) {
            WindowStart::Known { sum, at_ms } => (sum, at_ms),
            WindowStart::Kept { place, at_ms } => {
                (Value::<u128>::new(POOL, slot + place).get(c)?, at_ms)
            }
        };
        *mean = now.mean_since(sum, at_ms);
    }
    let [half_hour, day] = means;
    Ok(Prices { last: pool(c)?.price(), half_hour, day })
}

/// Moves the accumulator: `price` from now on. Snapshots that have come due are written first.
pub(super) fn moved(c: &mut Ctx<'_>, price: PriceQ32) -> Res<()> {
    c.charge(gas::POOL_READ)?;
    let Held(held) = ACCUMULATOR.get(c)?;
    let now_ms = c.now().0;
    for (length_ms, slot) in RINGS {
        for (place, sum) in ring(c, length_ms).due(held, now_ms) {
            Value::<u128>::new(POOL, slot + place).set(c, &sum)?;
        }
    }
    ACCUMULATOR.set(c, &Held(held.moved(price, now_ms)))
}

fn ring(c: &Ctx<'_>, length_ms: u64) -> Ring {
    Ring { length_ms, begun_ms: c.genesis().start_ms }
}
const _: () = assert!(SHORT_SLOT + RING_PLACES <= LONG_SLOT, "the rings do not overlap");

/// All that the pool says at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The price and its means.
    pub prices: Prices,
    /// Whether it may mint and subsidise.
    pub health: Health,
    /// At which work is settled: the half hour's mean; while the price is not healthy, the last good one moved towards it by at
    /// most 5 % for each hour.
    pub settle: PriceQ32,
}

/// What the pool says now.
///
/// # Errors
/// See `prices`.
pub fn quote(c: &mut Ctx<'_>) -> Res<Quote> {
    let prices = prices(c)?;
    let health = health_at(c, prices.half_hour)?;
    let settle = settled_at(c, prices.half_hour, health)?;
    Ok(Quote { prices, health, settle })
}

fn health_at(c: &mut Ctx<'_>, half_hour: PriceQ32) -> Res<Health> {
    let first = params(c)?.depth();
    if pool(c)?.usd < first.ppm_floor(SHALLOW_PPM) {
        return Ok(Health::Shallow);
    }
    let (now, resumed) = (c.now().0, PULSE.get(c)?.resumed_ms);
    if resumed > 0 && now.saturating_sub(resumed) < TWAP_SHORT_MS {
        return Ok(Health::Gap);
    }
    let median = median(c)?.map(PriceQ32::of);
    Ok(if is_healthy(half_hour, median, 0) { Health::Healthy } else { Health::FeedsApart })
}

/// The feeds' median, while it is fresh.
pub(super) fn median(c: &mut Ctx<'_>) -> Res<Option<MicroUsd>> {
    let median = MEDIAN.get(c)?;
    let age = c.now().0.saturating_sub(median.at_ms);
    let counts = median.price > MicroUsd::ZERO && age <= stale_ms(c.genesis());
    Ok(counts.then_some(median.price))
}

fn settled_at(c: &mut Ctx<'_>, half_hour: PriceQ32, health: Health) -> Res<PriceQ32> {
    if health == Health::Healthy {
        return Ok(half_hour);
    }
    let good = GOOD.get(c)?;
    Ok(clamped(good.price, half_hour, c.now().0.saturating_sub(good.at_ms)))
}

/// What an epoch is settled at; none while it is not over.
///
/// # Errors
/// See `prices`.
pub fn at_epoch(c: &mut Ctx<'_>, epoch: Epoch) -> Res<Option<EpochPrice>> {
    // Rows ascend and each stands for the epochs after the one before: the first that reaches the epoch.
    let (mut low, mut high) = (0, PRICED.len(c)?);
    let len = high;
    while low < high {
        let middle = low + (high - low) / 2;
        if PRICED.at(middle).get(c)?.until < epoch {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low < len { Ok(Some(PRICED.at(low).get(c)?)) } else { Ok(None) }
}
