//! The network's price from outside: what is minted at, what the pool holds and gives, and trades with it (docs/spec/price.md).

use std::future::Future;

use alloy_primitives::{Address, U256};
use cairn_primitives::{
    MicroUsd, Stones, TimeMs,
    abi::{self, ICredits, IPool, IUsd},
};

use crate::{BlockTag, Call, ClientError, LedgerRead, Reads, Sender};

/// Fractional bits of the pool's prices.
const PRICE_BITS: u32 = 32;
/// How long a trade may wait for its block: ten minutes of wall time, on top of the ledger's time.
const DEADLINE_MS: u64 = 600_000;

/// Why the pool's price may not mint and subsidise.
pub const HEALTH: [&str; 4] = ["healthy", "shallow", "gap", "feeds apart"];

/// The pool at a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// Its stones.
    pub stones: Stones,
    /// Its dollars: the depth.
    pub usd: MicroUsd,
    /// What a swap leaves in it, ppm.
    pub fee_ppm: u32,
    /// Price now, and its geometric means over half an hour and a day: whole micro-dollars per STONE, rounded down.
    pub last: MicroUsd,
    /// See `last`.
    pub half_hour: MicroUsd,
    /// See `last`.
    pub day: MicroUsd,
    /// Median of the validators' feeds, if a quorum of them has fed lately.
    pub feeds: Option<MicroUsd>,
}

/// Whose price it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceOf {
    /// Genesis's, for ever: the network has no pool.
    Genesis,
    /// The pool's last one.
    Pool,
}

impl PriceOf {
    /// The word for it, in JSON and in sentences.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Pool => "pool",
        }
    }
}

fn whole(price: u128) -> MicroUsd {
    MicroUsd(u64::try_from(price >> PRICE_BITS).unwrap_or(u64::MAX))
}

fn micro_usd(amount: U256) -> MicroUsd {
    MicroUsd(amount.saturating_to())
}

/// Whether these are limits of a network with a pool: without one nothing ends.
#[must_use]
pub const fn has_pool(limits: &ICredits::Limits) -> bool {
    limits.windowEndMs != u64::MAX
}

/// Every typed read about the price; implemented for whoever has [`Reads`].
pub trait PriceReads: Reads {
    /// At what stones become credits, and how many.
    fn limits(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<ICredits::Limits, ClientError>> + Send {
        self.view(abi::CREDITS, ICredits::limitsCall {}, at)
    }

    /// The pool; only of a network that has one (`has_pool`).
    fn price_pool(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<PoolView, ClientError>> + Send {
        async move {
            let reserves = self.view(abi::POOL, IPool::reservesCall {}, at).await?;
            let means = self.view(abi::POOL, IPool::twapsCall {}, at).await?;
            let median = self.view(abi::POOL, IPool::healthCall {}, at).await?.medianMicroUsd;
            Ok(PoolView {
                stones: Stones(reserves.stones.saturating_to()),
                usd: MicroUsd(reserves.microUsd),
                fee_ppm: self.view(abi::POOL, IPool::feePpmCall {}, at).await?,
                last: whole(self.view(abi::POOL, IPool::priceCall {}, at).await?),
                half_hour: whole(means.halfHour),
                day: whole(means.day),
                feeds: (median > 0).then_some(MicroUsd(median)),
            })
        }
    }

    /// Micro-dollars per STONE now, and whose price that is: for showing what stones are worth. Nothing is paid at it.
    fn price_now(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<(MicroUsd, PriceOf), ClientError>> + Send {
        async move {
            if !has_pool(&self.limits(at).await?) {
                return Ok((self.price(at).await?, PriceOf::Genesis));
            }
            let last = self.view(abi::POOL, IPool::priceCall {}, at).await?;
            Ok((whole(last), PriceOf::Pool))
        }
    }

    /// What a validator fed last, and when; none where it has no seat now, or fed nothing since it has this one.
    fn feed_of(
        &self,
        validator: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<Option<(MicroUsd, TimeMs)>, ClientError>> + Send {
        async move {
            let fed = self.view(abi::POOL, IPool::feedOfCall { validator }, at).await?;
            Ok((fed.priceMicroUsd > 0).then_some((MicroUsd(fed.priceMicroUsd), TimeMs(fed.timeMs))))
        }
    }

    /// The pool's dollars of an account.
    fn dollars(
        &self,
        account: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<MicroUsd, ClientError>> + Send {
        async move { Ok(micro_usd(self.view(abi::USD, IUsd::balanceOfCall { account }, at).await?)) }
    }

    /// Stones that dollars buy now.
    fn quote_buy(
        &self,
        usd: MicroUsd,
        at: BlockTag,
    ) -> impl Future<Output = Result<Stones, ClientError>> + Send {
        let call = IPool::quoteBuyCall { microUsd: usd.0 };
        async move { Ok(Stones(self.view(abi::POOL, call, at).await?.saturating_to())) }
    }

    /// Dollars that stones buy now.
    fn quote_sell(
        &self,
        stones: Stones,
        at: BlockTag,
    ) -> impl Future<Output = Result<MicroUsd, ClientError>> + Send {
        let call = IPool::quoteSellCall { stones: U256::from(stones.0) };
        async move { self.view(abi::POOL, call, at).await.map(MicroUsd) }
    }
}

impl<L: LedgerRead> PriceReads for L {}

impl Sender {
    /// Burns `stones` into the vault for at least `least` credits; returns the credits.
    ///
    /// # Errors
    /// Of sending; `MintBelow`, `MintPaused`, `MintWindowFull` and the like as reverts.
    pub async fn mint_at_least(
        &self,
        stones: Stones,
        least: MicroUsd,
    ) -> Result<MicroUsd, ClientError> {
        let call = ICredits::mintAtLeastCall { minCredits: U256::from(least.0) };
        let call = Call::new(abi::CREDITS, &call).with_value(stones);
        let sent = self.send_and_wait(&call).await?;
        Ok(micro_usd(sent.event::<ICredits::Minted>()?.credits))
    }

    /// Buys stones with dollars, at least `least`; returns the stones.
    ///
    /// # Errors
    /// Of sending; `TooLittle`, `InsufficientBalance`, `Expired` as reverts.
    pub async fn buy_stones(&self, usd: MicroUsd, least: Stones) -> Result<Stones, ClientError> {
        let call = IPool::buyCall {
            microUsd: usd.0,
            minStones: U256::from(least.0),
            deadlineMs: self.deadline().await?,
        };
        let sent = self.send_and_wait(&Call::new(abi::POOL, &call)).await?;
        Ok(Stones(sent.event::<IPool::Bought>()?.stones.saturating_to()))
    }

    /// Sells stones for dollars, at least `least`; returns the dollars.
    ///
    /// # Errors
    /// Of sending; `TooLittle`, `Expired` as reverts.
    pub async fn sell_stones(
        &self,
        stones: Stones,
        least: MicroUsd,
    ) -> Result<MicroUsd, ClientError> {
        let call = IPool::sellCall { minMicroUsd: least.0, deadlineMs: self.deadline().await? };
        let sent = self.send_and_wait(&Call::new(abi::POOL, &call).with_value(stones)).await?;
        Ok(MicroUsd(sent.event::<IPool::Sold>()?.microUsd))
    }

    /// Takes development dollars from the faucet.
    ///
    /// # Errors
    /// Of sending; `FaucetEmpty` as a revert.
    pub async fn take_dollars(&self, usd: MicroUsd) -> Result<(), ClientError> {
        let call = IUsd::faucetCall { microUsd: usd.0 };
        self.send_and_wait(&Call::new(abi::USD, &call)).await.map(drop)
    }

    /// A validator's view of the price; what the ledger made of all views.
    ///
    /// # Errors
    /// Of sending; `NotSeated` as a revert.
    pub async fn feed_price(&self, price: MicroUsd) -> Result<IPool::Fed, ClientError> {
        let call = IPool::feedCall { priceMicroUsd: price.0 };
        self.send_and_wait(&Call::new(abi::POOL, &call)).await?.event()
    }

    async fn deadline(&self) -> Result<u64, ClientError> {
        let call = abi::IEconomy::networkTimeMsCall {};
        let now = self.client().view(abi::ECONOMY, call, BlockTag::Latest).await?;
        let scale = self.client().time_scale().await?;
        Ok(now.saturating_add(DEADLINE_MS.saturating_mul(scale)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_whole_micro_dollars_rounded_down() {
        assert_eq!(whole(50_000 << 32), MicroUsd(50_000));
        assert_eq!(whole((50_000 << 32) - 1), MicroUsd(49_999));
        assert_eq!(whole(u128::MAX), MicroUsd(u64::MAX));
    }

    #[test]
    fn limits_that_never_end_are_of_a_network_without_a_pool() {
        let limits = |end| ICredits::Limits {
            mintPriceMicroUsd: 1,
            settlePriceMicroUsd: 1,
            health: 0,
            windowEndMs: end,
            windowMicroUsd: 0,
            windowLeftMicroUsd: 0,
            outstandingMicroUsd: 0,
            outstandingMaxMicroUsd: 0,
            coveragePpm: 1_000_000,
            warned: false,
            roomMicroUsd: 0,
        };
        assert!(has_pool(&limits(1_800_000)));
        assert!(!has_pool(&limits(u64::MAX)));
    }
}
