//! The constant-product pool of stones and dollars: the ledger's own price, and what it costs to move it.
//!
//! `stones · usd` never falls: each swap keeps its fee in the pool and rounds against whoever swaps. Plain integers in,
//! plain integers out: a contract reads the two reserves from its slots, calls, and writes the pool that comes back.
//! Source: docs/spec/price.md.

use cairn_primitives::{MicroUsd, STONE, Stones, mul_div_floor};
use serde::{Deserialize, Serialize};

use crate::log2::LOG2_BITS;
use crate::params::PPM;

/// Most that a swap fee may be, ppm: 10 %.
pub const SWAP_FEE_PPM_MAX: u32 = 100_000;

/// µUSD per STONE in 2^-32: fine enough for coins worth a millionth of a cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PriceQ32(pub u128);

impl PriceQ32 {
    /// A price of whole micro-dollars per STONE.
    #[must_use]
    pub fn of(price: MicroUsd) -> Self {
        Self(u128::from(price.0) << LOG2_BITS)
    }

    /// Whole micro-dollars per STONE, rounded down, at least 1: no conversion divides by nothing.
    #[must_use]
    pub fn floor(self) -> MicroUsd {
        MicroUsd(u64::try_from(self.0 >> LOG2_BITS).unwrap_or(u64::MAX).max(1))
    }

    /// `ppm` millionths of the price, rounded down; above 1,000,000 it rises.
    #[must_use]
    pub fn scaled(self, ppm: u64) -> Self {
        Self(mul_div_floor(self.0, u128::from(ppm), u128::from(PPM)).unwrap_or(u128::MAX))
    }
}

/// What the pool holds. Both above 0, or every swap gives nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricePool {
    /// Stones, base units.
    pub stones: Stones,
    /// Dollars, micro-dollars: the depth y of docs/spec/price.md.
    pub usd: MicroUsd,
    /// What each swap leaves in the pool, ppm of what goes in; at most `SWAP_FEE_PPM_MAX`.
    pub fee_ppm: u32,
}

impl PricePool {
    /// A pool of `usd` at `price`, the stones rounded down.
    #[must_use]
    pub fn at(price: MicroUsd, usd: MicroUsd, fee_ppm: u32) -> Self {
        Self { stones: usd.to_stones_floor(price), usd, fee_ppm }
    }

    /// µUSD per STONE, rounded down; 0 for an empty pool.
    #[must_use]
    pub fn price(&self) -> PriceQ32 {
        let scaled = u128::from(self.usd.0) << LOG2_BITS;
        PriceQ32(mul_div_floor(scaled, STONE, self.stones.0).unwrap_or(0))
    }

    /// Puts dollars in and takes stones out, rounded down. `None` when the pool is empty or full.
    #[must_use]
    pub fn buy_stones(&self, usd: MicroUsd) -> Option<(Self, Stones)> {
        let out = swap(self.usd.0.into(), self.stones.0, usd.0.into(), self.fee_ppm)?;
        let next = Self {
            stones: Stones(self.stones.0.checked_sub(out)?),
            usd: self.usd.add(usd).ok()?,
            ..*self
        };
        Some((next, Stones(out)))
    }

    /// Puts stones in and takes dollars out, rounded down. `None` when the pool is empty or full.
    #[must_use]
    pub fn sell_stones(&self, stones: Stones) -> Option<(Self, MicroUsd)> {
        let out = swap(self.stones.0, self.usd.0.into(), stones.0, self.fee_ppm)?;
        let out = MicroUsd(u64::try_from(out).ok()?);
        let next =
            Self { stones: self.stones.add(stones).ok()?, usd: self.usd.sub(out).ok()?, ..*self };
        Some((next, out))
    }
}

/// `out · in' / (in + in')` with the fee taken from what goes in, rounded down: the product of the reserves never falls.
fn swap(reserve_in: u128, reserve_out: u128, amount: u128, fee_ppm: u32) -> Option<u128> {
    if reserve_in == 0 || reserve_out == 0 {
        return None;
    }
    let kept = u128::from(PPM).checked_sub(u128::from(fee_ppm))?;
    let effective = mul_div_floor(amount, kept, u128::from(PPM))?;
    mul_div_floor(reserve_out, effective, reserve_in.checked_add(effective)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use proptest::prelude::*;

    const USD: u64 = 1_000_000;

    #[test]
    fn golden_swaps() {
        let pool = PricePool::at(MicroUsd(250_000), MicroUsd(1_000_000 * USD), 3_000);
        assert_eq!(pool.price().floor(), MicroUsd(250_000));
        let (next, out) = pool.buy_stones(MicroUsd(10_000 * USD)).unwrap();
        // 4,000,000 · 9,970 / 1,009,970 stones.
        assert_eq!(out.0, 39_486_321_375_882_451_954_018);
        assert_eq!(next.price().floor(), MicroUsd(255_017));
        let (_, back) = next.sell_stones(out).unwrap();
        assert_eq!(back, MicroUsd(9_940_679_649));
        assert_eq!(PricePool::default().buy_stones(MicroUsd(1)), None);
        assert_eq!(PricePool::default().price(), PriceQ32(0));
        assert_eq!(PriceQ32::of(MicroUsd(8)).scaled(1_250_000), PriceQ32::of(MicroUsd(10)));
    }

    proptest! {
        /// The product of the reserves never falls, nothing is made, and a round trip never gains.
        #[test]
        fn swaps_never_gain(
            stones in 1_u128..1_000_000_000 * STONE, usd in 1_u64..1 << 50, fee_ppm in 0_u32..=SWAP_FEE_PPM_MAX,
            spent in 0_u64..1 << 50,
        ) {
            let pool = PricePool { stones: Stones(stones), usd: MicroUsd(usd), fee_ppm };
            let product = |p: &PricePool| U256::from(p.stones.0) * U256::from(p.usd.0);
            let (bought, out) = pool.buy_stones(MicroUsd(spent)).unwrap();
            prop_assert!(product(&bought) >= product(&pool));
            prop_assert_eq!(bought.stones.0 + out.0, stones);
            prop_assert!(bought.price() >= pool.price());
            let (sold, back) = bought.sell_stones(out).unwrap();
            prop_assert!(product(&sold) >= product(&bought));
            prop_assert!(back.0 <= spent);
        }
    }
}
