//! The network's own price: a pool of stones and dollars on the ledger. A genesis without it has one price for ever.
//!
//! The dollars are a token of the network itself (`contracts/IUsd.sol`), which a faucet hands out: they are worth something only
//! where somebody redeems them. They are for development networks.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::{EconomyParams, GenesisError, check::need};
use crate::{MicroUsd, STONE, Stones};

/// Micro-dollars of a dollar.
const USD: u64 = 1_000_000;
/// 10 %.
const FEE_PPM_MAX: u32 = 100_000;
/// A billion dollars: with what the faucet gives in centuries, every sum of micro-dollars fits 64 bits.
const USD_MAX: u64 = 1_000_000_000;
/// Ten million dollars a day from the faucet.
const FAUCET_USD_MAX: u64 = 10_000_000;

/// Numbers of `docs/spec/price.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolParams {
    /// Whole dollars in the pool at genesis. Its stones are worth as much at `economy.price_micro_usd`, and part of the cap.
    pub usd: u64,
    /// What each swap leaves in the pool, ppm of what goes in.
    pub fee_ppm: u32,
    /// The account that owns the first shares.
    pub owner: Address,
    /// Most whole dollars that an account may take from the faucet in a day; 0: there is no faucet.
    #[serde(default)]
    pub faucet_account_usd: u64,
    /// Most whole dollars that all accounts together may take in a day.
    #[serde(default)]
    pub faucet_day_usd: u64,
}

impl PoolParams {
    /// Dollars in the pool at genesis.
    #[must_use]
    pub const fn depth(&self) -> MicroUsd {
        MicroUsd(self.usd.saturating_mul(USD))
    }

    /// Whole stones in the pool at genesis, at a price in micro-dollars; rounded down, which a checked genesis never needs.
    #[must_use]
    pub fn whole_stones(&self, price: MicroUsd) -> u64 {
        self.depth().0 / price.0.max(1)
    }

    /// The same in base units.
    #[must_use]
    pub fn stones(&self, price: MicroUsd) -> Stones {
        Stones(u128::from(self.whole_stones(price)) * STONE)
    }

    /// Most that an account, and that all accounts may take from the faucet in a day.
    #[must_use]
    pub fn faucet(&self) -> (MicroUsd, MicroUsd) {
        let micro = |usd: u64| MicroUsd(usd.saturating_mul(USD));
        (micro(self.faucet_account_usd), micro(self.faucet_day_usd))
    }

    /// See `Genesis::check`.
    pub(super) fn check(&self, economy: &EconomyParams) -> Result<(), GenesisError> {
        let usd = self.usd;
        need((1..=USD_MAX).contains(&usd), "pool.usd", usd, "choose 1 to 1000000000 dollars")?;
        let reason = "must buy whole stones at economy.price_micro_usd";
        need(self.depth().0.is_multiple_of(economy.price_micro_usd), "pool.usd", usd, reason)?;
        let fee = self.fee_ppm;
        need(fee <= FEE_PPM_MAX, "pool.fee_ppm", fee, "at most 10 %: 100000")?;
        need(self.owner != Address::ZERO, "pool.owner", self.owner, "write an account")?;
        let (account, day) = (self.faucet_account_usd, self.faucet_day_usd);
        let reason = "at most 10000000 dollars a day";
        need(day <= FAUCET_USD_MAX, "pool.faucet_day_usd", day, reason)?;
        need(account <= day, "pool.faucet_account_usd", account, "at most pool.faucet_day_usd")
    }
}
