//! What the ledger's price and parameters are at a time, from events: the pool's reserves and feeds, what epochs were settled at,
//! and what votes made of the parameters. A network without a pool has the genesis price, one without governance the genesis
//! parameters.

use std::collections::BTreeMap;

use cairn_economy::{MINT_WINDOW_MS, PPM, PricePool, price, reality::PoolFacts, stale_ms};
use cairn_primitives::{EconomyParams, Genesis, MicroUsd, Stones, abi::IPool, mul_div_floor};

use super::event::{Event, stones};

/// The pool as its events leave it.
#[derive(Clone, Copy, Debug)]
struct Pool {
    reserves: PricePool,
    /// The feeds' median, zero while there is none, and when it was taken: it does not hold for ever.
    median: (MicroUsd, u64),
    /// The half hour of the last mint, and what was minted in it.
    minted: (u64, u64),
}

/// See the file.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    genesis: EconomyParams,
    /// How long a median holds.
    stale_ms: u64,
    pool: Option<Pool>,
    settled: MicroUsd,
    /// By the day from which they are in force.
    versions: BTreeMap<u64, EconomyParams>,
}

impl Prices {
    pub(super) fn new(genesis: &Genesis) -> Self {
        let first = price(&genesis.economy);
        let pool = genesis.pool.as_ref().map(|pool| Pool {
            reserves: PricePool {
                stones: pool.stones(first),
                usd: pool.depth(),
                fee_ppm: pool.fee_ppm,
            },
            median: (MicroUsd::ZERO, 0),
            minted: (0, 0),
        });
        let economy = genesis.economy.clone();
        let stale_ms = stale_ms(genesis);
        Self { genesis: economy, stale_ms, pool, settled: first, versions: BTreeMap::new() }
    }

    /// The parameters in force in a day of the network, at the price of the epoch that was settled last.
    pub(super) fn params(&self, day: u64) -> EconomyParams {
        let version = self.versions.range(..=day).next_back().map(|(_, version)| version);
        let version = version.unwrap_or(&self.genesis).clone();
        EconomyParams { price_micro_usd: self.settled.0, ..version }
    }

    /// What is shown of the pool at a block's time.
    pub(super) fn facts(&self, now_ms: u64) -> Option<PoolFacts> {
        let Pool { reserves, median, minted } = self.pool?;
        let now = reserves.price().floor();
        let (median, at_ms) = median;
        let apart = mul_div_floor(median.0.abs_diff(now.0).into(), PPM.into(), now.0.into());
        let apart = apart.and_then(|apart| u32::try_from(apart).ok());
        let counts = median > MicroUsd::ZERO && now_ms.saturating_sub(at_ms) <= self.stale_ms;
        let minted = if minted.0 == now_ms / MINT_WINDOW_MS { minted.1 } else { 0 };
        Some(PoolFacts {
            depth: reserves.usd,
            window_minted: MicroUsd(minted),
            deviation_ppm: apart.filter(|_| counts),
        })
    }

    /// Notes what an event says of the price and the parameters.
    pub(super) fn note(&mut self, event: &Event, now_ms: u64) {
        if let Event::ParametersSet(set) = event {
            self.versions.insert(set.fromDay, set.parameters.over(&self.genesis));
        }
        if let Event::EpochSettled(IPool::EpochSettled { priceMicroUsd, .. }) = event {
            self.settled = MicroUsd(*priceMicroUsd);
        }
        let Some(pool) = &mut self.pool else { return };
        let Pool { reserves, median, minted } = pool;
        match event {
            Event::Bought(swap) => exchange(reserves, (0, swap.microUsd), (stones(swap.stones), 0)),
            Event::Sold(swap) => exchange(reserves, (stones(swap.stones), 0), (0, swap.microUsd)),
            Event::LiquidityAdded(more) => {
                exchange(reserves, (stones(more.stones), more.microUsd), (0, 0));
            }
            Event::LiquidityRemoved(less) => {
                exchange(reserves, (0, 0), (stones(less.stones), less.microUsd));
            }
            Event::Fed(fed) => *median = (MicroUsd(fed.medianMicroUsd), now_ms),
            Event::Minted(mint) => {
                let window = now_ms / MINT_WINDOW_MS;
                let before = if minted.0 == window { minted.1 } else { 0 };
                *minted = (window, before.saturating_add(mint.credits.saturating_to()));
            }
            _ => {}
        }
    }
}

/// Stones and micro-dollars that go in, and that come out.
fn exchange(pool: &mut PricePool, into: (u128, u64), out: (u128, u64)) {
    let stones = pool.stones.0.saturating_add(into.0).saturating_sub(out.0);
    let usd = pool.usd.0.saturating_add(into.1).saturating_sub(out.1);
    (pool.stones, pool.usd) = (Stones(stones), MicroUsd(usd));
}
