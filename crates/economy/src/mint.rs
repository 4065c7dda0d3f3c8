//! Minting credits: at what price, how many in a window, and when it must pause.
//!
//! A credit is a dollar put on STONE: whoever can push the price, or mint before a fall, gains at everybody's cost. So the
//! mint price is the lowest of three, a window's mints are bounded by the pool's depth, and what is outstanding by what a
//! reserve-paced settlement can honour. Source: docs/spec/price.md.

use cairn_primitives::{Genesis, MicroUsd, Stones, mul_div_floor};

use crate::params::PPM;
use crate::pool::PriceQ32;

/// Part of φ·y that may be minted in a window, ppm: the bound is φ·y for n = 1 block, less a margin for rounding.
pub const MINT_MARGIN_PPM: u32 = 950_000;
/// A window, network ms: half an hour, counted from 1970, for all accounts together.
pub const MINT_WINDOW_MS: u64 = 1_800_000;
/// Days of settled usage that outstanding credits may reach.
pub const OUTSTANDING_DAYS: u64 = 30;
/// Part of the supply's value that outstanding credits may reach, ppm: a crash by 95 % then dilutes by at most 19 %.
pub const OUTSTANDING_PPM: u32 = 10_000;
/// Credit coverage below which people are warned, ppm.
pub const COVERAGE_WARN_PPM: u32 = 950_000;
/// Credit coverage below which nothing is minted, ppm.
pub const COVERAGE_PAUSE_PPM: u32 = 900_000;
/// Most that the settle price moves in an hour while the price is unhealthy, ppm.
pub const CLAMP_PPM_HOUR: u64 = 50_000;
/// How far pool and feeds may be apart, ppm.
pub const FEED_APART_PPM: u64 = 15_000;
/// How old the last observation may be, ms.
pub const PRICE_STALE_MS: u64 = 600_000;
/// Idle pauses between blocks after which the network has stopped, where its time runs so fast that ten minutes are fewer.
const STALE_PAUSES: u64 = 20;
/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;

/// Most micro-dollars that a window may mint: `0.95 · φ · y`, rounded down. `fees_ppm` is φ, `depth` the pool's dollars y.
#[must_use]
pub fn mint_window(depth: MicroUsd, fees_ppm: u32) -> MicroUsd {
    depth.ppm_floor(fees_ppm).ppm_floor(MINT_MARGIN_PPM)
}

/// The price at which stones become credits: the lowest of the last price and both means.
#[must_use]
pub fn mint_price(last: PriceQ32, short: PriceQ32, long: PriceQ32) -> PriceQ32 {
    last.min(short).min(long)
}

/// Stones that mint at least `amount` of credits at `price` µUSD per STONE: a mint rounds down, so this is rounded down and one
/// base unit more. `price` is the one that mints (`ICredits.limits`), in whole µUSD: a mean that held still at 250,000 is 249,999 there.
#[must_use]
pub fn credit_cost(amount: MicroUsd, price: MicroUsd) -> Stones {
    let least = u128::from(amount > MicroUsd::ZERO);
    Stones(amount.to_stones_floor(price).0.saturating_add(least))
}

/// Most micro-dollars of credits that may be outstanding: 30 days of usage, or 1 % of the supply's value if that is less.
/// `settled` is an average day's paid work; a network without any has room for its first customers: the second bound alone.
#[must_use]
pub fn outstanding_max(settled: MicroUsd, supply: Stones, price: MicroUsd) -> MicroUsd {
    let by_supply = supply.to_micro_usd_floor(price).ppm_floor(OUTSTANDING_PPM);
    match settled.0.saturating_mul(OUTSTANDING_DAYS) {
        0 => by_supply,
        by_usage => MicroUsd(by_usage).min(by_supply),
    }
}

/// The same for a ledger, where the first customer's first cent must not close the door behind it: 30 days of usage count for at
/// least one `window`.
#[must_use]
pub fn outstanding_bound(
    settled: MicroUsd,
    supply: Stones,
    price: MicroUsd,
    window: MicroUsd,
) -> MicroUsd {
    let by_supply = outstanding_max(MicroUsd::ZERO, supply, price);
    outstanding_max(settled, supply, price).max(window).min(by_supply)
}

/// How far the vault covers the credits, ppm, rounded down: `vault·P / outstanding`. Full when nothing is outstanding.
#[must_use]
pub fn coverage_ppm(vault: Stones, price: MicroUsd, outstanding: MicroUsd) -> u64 {
    let worth = vault.to_micro_usd_floor(price);
    let ratio = mul_div_floor(worth.0.into(), u128::from(PPM), outstanding.0.into());
    ratio.map_or(PPM, |ratio| u64::try_from(ratio).unwrap_or(u64::MAX))
}

/// What a coverage means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Mint.
    Sound,
    /// Mint, and say so.
    Warned,
    /// Nothing is minted: pay in stones.
    Paused,
}

/// The meaning of `coverage_ppm`.
#[must_use]
pub fn coverage(ppm: u64) -> Coverage {
    match ppm {
        _ if ppm < u64::from(COVERAGE_PAUSE_PPM) => Coverage::Paused,
        _ if ppm < u64::from(COVERAGE_WARN_PPM) => Coverage::Warned,
        _ => Coverage::Sound,
    }
}

/// Whether the price may mint and subsidise: observed lately, and the feeds' median (if there is one) close to it.
#[must_use]
pub fn is_healthy(pool: PriceQ32, feeds: Option<PriceQ32>, age_ms: u64) -> bool {
    let close = |median: PriceQ32| {
        let apart = pool.0.abs_diff(median.0);
        mul_div_floor(apart, u128::from(PPM), pool.0).is_some_and(|p| p <= FEED_APART_PPM.into())
    };
    age_ms <= PRICE_STALE_MS && feeds.is_none_or(close)
}

/// Network ms after which a feed no longer counts, and blocks that do not come are a gap: ten minutes, or more where network time
/// runs fast.
#[must_use]
pub const fn stale_ms(genesis: &Genesis) -> u64 {
    let pause = genesis.block_idle_ms.saturating_mul(genesis.time_scale);
    let pauses = pause.saturating_mul(STALE_PAUSES);
    if pauses > PRICE_STALE_MS { pauses } else { PRICE_STALE_MS }
}

/// The settle price while the price is unhealthy: the last good one, moved towards `seen` by at most 5 % for each hour.
#[must_use]
pub fn clamped(good: PriceQ32, seen: PriceQ32, elapsed_ms: u64) -> PriceQ32 {
    let moved = u128::from(CLAMP_PPM_HOUR) * u128::from(elapsed_ms) / u128::from(HOUR_MS);
    let moved = u64::try_from(moved).unwrap_or(u64::MAX);
    let low = good.scaled(PPM.saturating_sub(moved));
    let high = good.scaled(PPM.saturating_add(moved));
    seen.clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::PricePool;
    use cairn_primitives::STONE;
    use proptest::prelude::*;

    const USD: u64 = 1_000_000;

    fn price(usd: u64) -> PriceQ32 {
        PriceQ32::of(MicroUsd(usd))
    }

    #[test]
    fn golden_limits() {
        // Rule of docs/spec/price.md: φ·y = 80,000 at y = $1 M; with the margin 76,000.
        assert_eq!(mint_window(MicroUsd(1_000_000 * USD), 80_000), MicroUsd(76_000 * USD));
        let supply = Stones(400_000_000 * STONE);
        let most = |settled| outstanding_max(MicroUsd(settled), supply, MicroUsd(250_000));
        assert_eq!(most(0), MicroUsd(1_000_000 * USD));
        assert_eq!(most(1_000 * USD), MicroUsd(30_000 * USD));
        assert_eq!(most(1_000_000 * USD), MicroUsd(1_000_000 * USD));
        let bound = |settled| {
            outstanding_bound(MicroUsd(settled), supply, MicroUsd(250_000), MicroUsd(76_000 * USD))
        };
        assert_eq!(bound(0), MicroUsd(1_000_000 * USD));
        assert_eq!(bound(1), MicroUsd(76_000 * USD));
        assert_eq!(bound(10_000 * USD), MicroUsd(300_000 * USD));
        assert_eq!(mint_price(price(3), price(2), price(4)), price(2));
        let cost = |amount, price| credit_cost(MicroUsd(amount), MicroUsd(price)).0;
        assert_eq!(cost(1_000_000, 250_000), 4 * STONE + 1);
        assert_eq!(cost(1_000_000, 249_999), 4_000_016_000_064_000_257);
        assert_eq!(cost(0, 250_000), 0);
    }

    #[test]
    fn coverage_has_two_borders() {
        let vault = Stones(100 * STONE);
        for (price, ppm, meaning) in [
            (1_000_000, 1_000_000, Coverage::Sound),
            (950_000, 950_000, Coverage::Sound),
            (949_999, 949_999, Coverage::Warned),
            (899_999, 899_999, Coverage::Paused),
        ] {
            let got = coverage_ppm(vault, MicroUsd(price), MicroUsd(100 * USD));
            assert_eq!((got, coverage(got)), (ppm, meaning));
        }
        assert_eq!(coverage_ppm(Stones::ZERO, MicroUsd(1), MicroUsd(0)), 1_000_000);
    }

    #[test]
    fn an_unhealthy_price_is_held_back() {
        assert!(is_healthy(price(1_000), None, PRICE_STALE_MS));
        assert!(!is_healthy(price(1_000), None, PRICE_STALE_MS + 1));
        assert!(is_healthy(price(1_000), Some(price(1_015)), 0));
        assert!(!is_healthy(price(1_000), Some(price(1_016)), 0));
        assert!(!is_healthy(price(0), Some(price(1)), 0));
        assert_eq!(clamped(price(1_000), price(10), HOUR_MS), price(950));
        assert_eq!(clamped(price(1_000), price(5_000), 2 * HOUR_MS), price(1_100));
        assert_eq!(clamped(price(1_000), price(990), HOUR_MS), price(990));
        assert_eq!(
            clamped(price(1_000), price(1), 100 * HOUR_MS),
            price(1),
            "any fall in 20 hours"
        );
    }

    proptest! {
        #[test]
        fn credits_cost_enough_and_hardly_more(amount in 0_u64..1 << 50, price in 1_u64..1 << 40) {
            let (amount, price) = (MicroUsd(amount), MicroUsd(price));
            let cost = credit_cost(amount, price);
            prop_assert!(cost.to_micro_usd_floor(price) >= amount);
            prop_assert!(cost.0 < 2 || Stones(cost.0 - 2).to_micro_usd_floor(price) < amount);
        }

        /// Pushing the pool within one block and minting the whole window never gains: the push's loss exceeds the mint's
        /// gain for every size, whatever the swap fee (none is the attacker's best case).
        #[test]
        fn a_push_never_pays(usd in 1_000 * USD..1_000_000_000 * USD, push_ppm in 1_u64..20_000_000, fees in 1_000_u32..=200_000) {
            let pool = PricePool::at(MicroUsd(250_000), MicroUsd(usd), 0);
            let spent = mul_div_floor(usd.into(), push_ppm.into(), PPM.into()).unwrap();
            let spent = MicroUsd(u64::try_from(spent).unwrap());
            let (pushed, bought) = pool.buy_stones(spent).unwrap();
            // Arbitrage resets the price: what was bought is worth the old price again.
            let lost = i128::from(spent.0) - i128::from(bought.to_micro_usd_floor(MicroUsd(250_000)).0);
            // Credits of the window, minted with stones at the pushed price, spent for (1 − φ) of their dollars.
            let window = mint_window(MicroUsd(usd), fees);
            let stones = mul_div_floor(u128::from(window.0), STONE << 32, pushed.price().0).unwrap();
            let cost = i128::from(Stones(stones).to_micro_usd_floor(MicroUsd(250_000)).0);
            let worth = i128::from(window.ppm_floor(1_000_000 - fees).0);
            prop_assert!(worth - cost - lost <= 2, "{}", worth - cost - lost);
        }

        #[test]
        fn a_clamp_stays_in_its_band(good in 1_u64..1 << 40, seen in 0_u64..1 << 50, hours in 0_u64..20) {
            let got = clamped(price(good), price(seen), hours * HOUR_MS).0;
            prop_assert!(got >= price(good).0 / 100 * u128::from(100 - 5 * hours) - 100);
            prop_assert!(got <= price(good).0 / 100 * u128::from(100 + 5 * hours) + u128::from(200_u64) * 100);
        }
    }
}
