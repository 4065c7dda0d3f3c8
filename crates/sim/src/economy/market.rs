//! What a stone costs: a path from outside, or the network's own pool moved by what is bought and sold in it.
//!
//! ```text
//! consumers ─ dollars ─► pool ─ stones ─► burned for credits at the mint price (lowest of last, 30 min, 24 h)
//! providers ─ stones they sell ─► pool          traders ─ a random flow ─► pool
//! ```
//! The pool, its means and the mint's limits are the functions of `cairn_economy` that the ledger calls. A day is 24 slices,
//! so that the means of half an hour and of a day differ. Draws are integers: the same path on every machine.

use cairn_economy::{
    Accumulator, PricePool, PriceQ32, TWAP_LONG_MS, TWAP_SHORT_MS, Window, exp2_floor, log2_floor,
    mint_price,
};
use cairn_kit::chance::Chance;
use cairn_primitives::{MicroUsd, Stones, mul_div_floor};
use serde::{Deserialize, Serialize};

use super::{
    curve::{LOG2_E_Q32, USD},
    scenario::{Path, Price},
};

/// Slices of a day in the pool.
const SLICES: u64 = 24;
/// Length of a slice, ms.
const SLICE_MS: u64 = 86_400_000 / SLICES;
/// sqrt(1/365) in ppm: a day's part of a yearly deviation.
const DAY_OF_YEAR_PPM: i128 = 52_342;
/// Days of a year.
const YEAR_DAYS: i128 = 365;
/// Highest price, µUSD per STONE: a million dollars.
pub const PRICE_MAX: u64 = 1_000_000_000_000;

/// The price's state within a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Market {
    /// Micro-dollars per STONE, today.
    pub price: MicroUsd,
    /// GBM: log2 of today's price to the first one, 2^-32.
    drifted: i64,
    /// The pool, if the price is its own.
    pool: Option<Pool>,
}

/// The pool with its means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pool {
    reserves: PricePool,
    now: Accumulator,
    short: Window,
    long: Window,
}

/// What a day's credits cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bought {
    /// Credits minted, micro-dollars.
    pub credits: MicroUsd,
    /// Stones burned for them.
    pub stones: Stones,
}

impl Market {
    /// The market on the day before the first.
    #[must_use]
    pub fn new(path: &Price, first: MicroUsd) -> Self {
        let pool = (path.path == Path::Pool).then(|| {
            let depth = MicroUsd(path.depth_usd * USD);
            let reserves = PricePool::at(first, depth, path.swap_fee_ppm);
            let now = Accumulator::begin(reserves.price(), 0);
            let window = |length| Window::begin(length, &now);
            Pool { reserves, now, short: window(TWAP_SHORT_MS), long: window(TWAP_LONG_MS) }
        });
        Self { price: first, drifted: 0, pool }
    }

    /// Moves to the price of `day`, when it comes from outside. `first` is the price of genesis, or of a ledger's last day.
    pub fn open(&mut self, path: &Price, first: MicroUsd, day: u64, chance: &mut Chance) {
        self.price = match path.path {
            Path::Fixed | Path::Pool => return,
            Path::Crash | Path::Boom if day < path.at_day => first,
            Path::Crash | Path::Boom => scaled(first, path.factor_ppm),
            Path::Replay => {
                let at = usize::try_from(day).unwrap_or(usize::MAX).min(path.micro_usd.len() - 1);
                MicroUsd(path.micro_usd[at])
            }
            Path::Gbm => {
                self.drifted = self.drifted.saturating_add(step_q32(path, chance));
                drifted(first, self.drifted)
            }
        };
    }

    /// Dollars in the pool; `None` when the price is from outside.
    #[must_use]
    pub fn depth(&self) -> Option<MicroUsd> {
        self.pool.as_ref().map(|pool| pool.reserves.usd)
    }

    /// A day of trade: consumers spend `usd` on credits, providers sell `sold`, traders come and go. Credits are the stones
    /// bought at the mint price, rounded down; the day ends at the half-hour mean, which settles.
    pub fn trade(
        &mut self,
        path: &Price,
        usd: MicroUsd,
        sold: Stones,
        chance: &mut Chance,
    ) -> Bought {
        let Some(pool) = &mut self.pool else {
            // At a price from outside a dollar of credits costs its stones, rounded up.
            let stones = Stones(usd.to_stones_floor(self.price).0 + u128::from(usd.0 > 0));
            return Bought { credits: usd, stones };
        };
        let mut bought = Bought::default();
        for _ in 0..SLICES {
            let stones = pool.buy(MicroUsd(usd.0 / SLICES));
            let last = pool.reserves.price();
            let at = mint_price(last, pool.short.mean(&pool.now), pool.long.mean(&pool.now));
            let credits = stones.to_micro_usd_floor(at.floor()).0;
            bought.credits.0 = bought.credits.0.saturating_add(credits);
            bought.stones.0 = bought.stones.0.saturating_add(stones.0);
            pool.sell(Stones(sold.0 / u128::from(SLICES)));
            pool.noise(path, chance);
            pool.pass(SLICE_MS);
        }
        self.price = pool.short.mean(&pool.now).floor();
        bought
    }
}

impl Pool {
    /// Buys stones; none when the pool cannot give them.
    fn buy(&mut self, usd: MicroUsd) -> Stones {
        let Some((next, stones)) = self.reserves.buy_stones(usd) else { return Stones::ZERO };
        self.reserves = next;
        stones
    }

    /// Sells stones; nothing happens when the pool cannot take them.
    fn sell(&mut self, stones: Stones) {
        if let Some((next, _)) = self.reserves.sell_stones(stones) {
            self.reserves = next;
        }
    }

    /// Traders: a flow that moves the price as a yearly deviation would. A trade of d moves the price by 2·d/y.
    fn noise(&mut self, path: &Price, chance: &mut Chance) {
        if path.volatility_ppm_year == 0 {
            return;
        }
        // A slice's deviation: a day's divided by sqrt(24) = 4.899.
        let day = i128::from(path.volatility_ppm_year) * DAY_OF_YEAR_PPM / 1_000_000;
        let ppm = ((i128::from(chance.normal_q32()) * day) >> 32) * 1_000 / 4_899 / 2;
        let part = |amount: u128| {
            mul_div_floor(amount, ppm.unsigned_abs().min(400_000), 1_000_000).unwrap_or(0)
        };
        if ppm >= 0 {
            let usd = MicroUsd(u64::try_from(part(self.reserves.usd.0.into())).unwrap_or(0));
            self.buy(usd);
        } else {
            self.sell(Stones(part(self.reserves.stones.0)));
        }
    }

    /// Lets time pass at the price that the pool now has.
    fn pass(&mut self, ms: u64) {
        self.now = self.now.moved(self.reserves.price(), self.now.at_ms);
        self.now = self.now.until(self.now.at_ms + ms);
        self.short.observe(&self.now);
        self.long.observe(&self.now);
    }
}

/// A day's step of log2(price), 2^-32: `(drift − σ²/2)/365 + σ·z/√365`, in octaves.
fn step_q32(path: &Price, chance: &mut Chance) -> i64 {
    let sigma = i128::from(path.volatility_ppm_year);
    let trend_ppm = i128::from(path.drift_ppm_year) - sigma * sigma / 2_000_000;
    let log2_e = i128::from(LOG2_E_Q32);
    let trend = trend_ppm * log2_e / 1_000_000 / YEAR_DAYS;
    let deviation = sigma * DAY_OF_YEAR_PPM / 1_000_000;
    let shock = ((i128::from(chance.normal_q32()) * deviation / 1_000_000) * log2_e) >> 32;
    i64::try_from(trend + shock).unwrap_or(0)
}

/// `first · 2^drift`, from 1 to `PRICE_MAX` µUSD.
fn drifted(first: MicroUsd, drift: i64) -> MicroUsd {
    let log2 = i128::from(log2_floor(PriceQ32::of(first).0)) + i128::from(drift);
    let log2 = u64::try_from(log2.max(0)).unwrap_or(u64::MAX);
    let price = PriceQ32(exp2_floor(log2)).floor();
    MicroUsd(price.0.clamp(1, PRICE_MAX))
}

/// `ppm` millionths of a price, from 1 to `PRICE_MAX` µUSD.
fn scaled(price: MicroUsd, ppm: u64) -> MicroUsd {
    let value = u128::from(price.0) * u128::from(ppm) / 1_000_000;
    MicroUsd(u64::try_from(value).unwrap_or(u64::MAX).clamp(1, PRICE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gbm(drift: i64, volatility: u64) -> Price {
        Price {
            path: Path::Gbm,
            drift_ppm_year: drift,
            volatility_ppm_year: volatility,
            ..Price::default()
        }
    }

    /// With no volatility a drift of ln 2 a year doubles the price in a year.
    #[test]
    fn a_drift_compounds() {
        let path = gbm(693_147, 0);
        let mut market = Market::new(&path, MicroUsd(1_000_000));
        let mut chance = Chance::new(1);
        (0..365).for_each(|day| market.open(&path, MicroUsd(1_000_000), day, &mut chance));
        assert!(market.price.0.abs_diff(2_000_000) < 20, "{}", market.price);
    }

    /// The mean of the end prices of many paths without drift is the first price: σ²/2 is taken off the logarithm.
    #[test]
    fn volatility_alone_is_fair() {
        let path = gbm(0, 500_000);
        let mut sum = 0_u64;
        for seed in 0..2_000 {
            let mut market = Market::new(&path, MicroUsd(1_000_000));
            let mut chance = Chance::part(7, seed);
            (0..365).for_each(|day| market.open(&path, MicroUsd(1_000_000), day, &mut chance));
            sum += market.price.0;
        }
        let mean = sum / 2_000;
        assert!((960_000..1_040_000).contains(&mean), "{mean}");
    }

    #[test]
    fn buying_raises_the_pool_selling_lowers_it_and_the_mint_takes_the_lowest() {
        let path =
            Price { path: Path::Pool, depth_usd: 100_000, swap_fee_ppm: 3_000, ..Price::default() };
        let mut chance = Chance::new(1);
        let first = MicroUsd(250_000);
        let mut market = Market::new(&path, first);
        let bought = market.trade(&path, MicroUsd(10_000 * USD), Stones::ZERO, &mut chance);
        assert!(market.price > first);
        assert!(bought.credits < MicroUsd(10_000 * USD), "a rising price mints at the mean");
        let mut market = Market::new(&path, first);
        market.trade(&path, MicroUsd::ZERO, Stones(10_000 * cairn_primitives::STONE), &mut chance);
        assert!(market.price < first);
    }
}
