//! The market around the attacks: somebody who trades the pool back whenever its price is away from what a stone is worth.
//!
//! Without it pushing a price would cost nothing but fees, anywhere: that arbitrage exists is what the bound on minting
//! assumes (docs/spec/price.md). It trades by transactions like everybody, so that a push stands for a block or two.

use std::convert::Infallible;

use cairn_client::{BlockTag, LedgerRead as _, PriceReads as _, Sender};
use cairn_primitives::{MicroUsd, STONE, Stones, mul_div_floor};
use eyre::{Result, WrapErr as _};

use super::world::{POLL, World};

/// Dollars that it begins with.
const DOLLARS: MicroUsd = MicroUsd(3_000_000_000_000);
/// It trades when the price is further away than this, ppm: above the fee, else it would lose.
const BAND_PPM: u64 = 4_000;
const PPM: u128 = 1_000_000;

/// The trader.
pub struct Market<'a> {
    world: &'a World<'a>,
    sender: Sender,
}

impl<'a> Market<'a> {
    pub fn new(world: &'a World<'a>) -> Result<Self> {
        Ok(Self { world, sender: world.sender("market") })
    }

    /// Takes its dollars.
    pub async fn open(&mut self) -> Result<()> {
        self.sender.take_dollars(DOLLARS).await.wrap_err("the market's dollars")
    }

    /// Trades until it is dropped; trouble is tried again.
    pub async fn run(&self) -> Infallible {
        loop {
            if let Err(error) = self.turn().await {
                tracing::debug!("the market tries again: {error:#}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn turn(&self) -> Result<()> {
        let (client, me) = (self.world.client(), self.sender.address());
        let pool = client.price_pool(BlockTag::Latest).await?;
        let usual = self.world.genesis().price();
        if pool.last.0.abs_diff(usual.0).saturating_mul(1_000_000) <= usual.0 * BAND_PPM {
            return Ok(());
        }
        let dollars = dollars_at(pool.stones, pool.usd, usual);
        if dollars > pool.usd.0 {
            let held = client.dollars(me, BlockTag::Latest).await?;
            let spent = MicroUsd((dollars - pool.usd.0).min(held.0));
            self.sender.buy_stones(spent, Stones::ZERO).await?;
        } else {
            let wanted = mul_div_floor(dollars.into(), STONE, usual.0.max(1).into()).unwrap_or(0);
            let held = client.balance(me, BlockTag::Latest).await?;
            // A hundredth is kept for fees.
            let sold = wanted.saturating_sub(pool.stones.0).min(held.0 / 100 * 99);
            self.sender.sell_stones(Stones(sold), MicroUsd::ZERO).await?;
        }
        Ok(())
    }
}

/// Dollars of a pool whose product stays and whose price is `price`: the root of stones · dollars · price.
fn dollars_at(stones: Stones, usd: MicroUsd, price: MicroUsd) -> u64 {
    // Millionths of stones, so that the product fits.
    let small = STONE / PPM;
    let product = (stones.0 / small) * u128::from(usd.0);
    let square = mul_div_floor(product, price.0.into(), PPM).unwrap_or(u128::MAX);
    u64::try_from(square.isqrt()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_at_its_price_stays() {
        let (stones, usd) = (Stones(40_000_000 * STONE), MicroUsd(10_000_000_000_000));
        assert_eq!(dollars_at(stones, usd, MicroUsd(250_000)), usd.0);
        // Four times the stones at a quarter of the dollars is the same product.
        let (more, fewer) = (Stones(stones.0 * 4), MicroUsd(usd.0 / 4));
        assert_eq!(dollars_at(more, fewer, MicroUsd(250_000)), usd.0);
    }
}
