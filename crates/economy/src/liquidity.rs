//! Shares of the pool: who puts both assets in, in the pool's own proportion, owns a part of what it holds.
//!
//! Everything rounds against whoever moves: what must be put in rounds up, shares and what is taken out round down. Invariant: what
//! a share is worth, in stones and in dollars, never falls by somebody else's coming or going. Source: docs/spec/price.md.

use alloy_primitives::U256;
use cairn_primitives::{MicroUsd, Stones, mul_div_floor};

use crate::pool::PricePool;

impl PricePool {
    /// Puts `stones` in with the dollars that belong to them. Returns the pool, the dollars (rounded up) and the shares (rounded
    /// down), `total` being all shares before. `None` when the pool is empty or full.
    #[must_use]
    pub fn with_liquidity(&self, stones: Stones, total: u128) -> Option<(Self, MicroUsd, u128)> {
        let dollars = mul_div_ceil(stones.0, self.usd.0.into(), self.stones.0)?;
        let dollars = MicroUsd(u64::try_from(dollars).ok()?);
        let shares = mul_div_floor(stones.0, total, self.stones.0)?;
        total.checked_add(shares)?;
        let next = Self {
            stones: self.stones.add(stones).ok()?,
            usd: self.usd.add(dollars).ok()?,
            ..*self
        };
        Some((next, dollars, shares))
    }

    /// Takes out what `shares` of `total` are worth, both rounded down. `None` when there are not so many shares.
    #[must_use]
    pub fn without_liquidity(&self, shares: u128, total: u128) -> Option<(Self, Stones, MicroUsd)> {
        if shares > total {
            return None;
        }
        let stones = Stones(mul_div_floor(self.stones.0, shares, total)?);
        let dollars = mul_div_floor(self.usd.0.into(), shares, total)?;
        let dollars = MicroUsd(u64::try_from(dollars).ok()?);
        let next = Self {
            stones: self.stones.sub(stones).ok()?,
            usd: self.usd.sub(dollars).ok()?,
            ..*self
        };
        Some((next, stones, dollars))
    }
}

/// `a · b / c`, rounded up.
fn mul_div_ceil(a: u128, b: u128, c: u128) -> Option<u128> {
    let floor = mul_div_floor(a, b, c)?;
    let exact = U256::from(a) * U256::from(b) == U256::from(floor) * U256::from(c);
    floor.checked_add(u128::from(!exact))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_primitives::STONE;
    use proptest::prelude::*;

    #[test]
    fn golden_shares() {
        let pool = PricePool::at(MicroUsd(250_000), MicroUsd(1_000_000_000), 3_000);
        let total = pool.stones.0;
        let (next, dollars, shares) = pool.with_liquidity(Stones(4 * STONE), total).unwrap();
        assert_eq!((dollars, shares), (MicroUsd(1_000_000), 4 * STONE));
        let (back, stones, dollars) = next.without_liquidity(shares, total + shares).unwrap();
        assert_eq!((back, stones, dollars), (pool, Stones(4 * STONE), MicroUsd(1_000_000)));
        // A single base unit asks for a whole micro-dollar.
        assert_eq!(pool.with_liquidity(Stones(1), total).unwrap().1, MicroUsd(1));
        assert_eq!(pool.without_liquidity(total + 1, total), None);
        assert_eq!(PricePool::default().with_liquidity(Stones(1), 1), None);
    }

    proptest! {
        /// What is behind a share never falls, and coming and going never gains.
        #[test]
        fn shares_never_lose(
            stones in STONE..1_000_000_000 * STONE, usd in 1_000_000_u64..1 << 50, total in STONE..1_000_000_000 * STONE,
            added in 1_u128..1_000_000_000 * STONE, part in 0_u128..=1_000_000,
        ) {
            let pool = PricePool { stones: Stones(stones), usd: MicroUsd(usd), fee_ppm: 0 };
            let behind = |a: &PricePool, b: u128, c: &PricePool, d: u128| {
                U256::from(c.stones.0) * U256::from(b) >= U256::from(a.stones.0) * U256::from(d)
                    && U256::from(c.usd.0) * U256::from(b) >= U256::from(a.usd.0) * U256::from(d)
            };
            if let Some((more, dollars, shares)) = pool.with_liquidity(Stones(added), total) {
                prop_assert!(behind(&pool, total, &more, total + shares));
                let (_, out, back) = more.without_liquidity(shares, total + shares).unwrap();
                prop_assert!(out.0 <= added && back <= dollars);
            }
            let taken = mul_div_floor(total, part, 1_000_000).unwrap();
            let (less, _, _) = pool.without_liquidity(taken, total).unwrap();
            prop_assert!(behind(&pool, total, &less, total - taken));
        }
    }
}
