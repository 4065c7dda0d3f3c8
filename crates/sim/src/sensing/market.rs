//! The demand side: one consumer, one gateway, one lease whose cumulative receipts are settled every epoch.
//!
//! As at a real gateway, only rows of devices with a score above 0 in the last final epoch are sold.

use std::collections::BTreeMap;

use alloy_primitives::{FixedBytes, U256, keccak256};
use alloy_sol_types::SolValue as _;
use cairn_client::{BlockTag, Call, DevKeys, PriceReads as _, Role, Wallet};
use cairn_economy::{Reward, credit_cost};
use cairn_primitives::{
    DeviceId, MicroUsd,
    abi::{CREDITS, ICredits, IMarket, IRewards, MARKET},
};
use cairn_sectors::ScoreLeaf;
use futures::executor::block_on;

use super::{SECTOR, SimError};
use crate::network::{Chain, ChainError};

/// Price of a thousand rows, in micro-dollars.
const PRICE: u64 = 1_000_000;
/// Epochs that the lease stays open beyond the run.
const SPARE_EPOCHS: u64 = 100;

/// Consumer, gateway and what they agreed on.
pub(super) struct Market {
    consumer: Wallet,
    gateway: Wallet,
    lease: u64,
    spend: MicroUsd,
    units: u64,
    /// All that each device was paid.
    shares: BTreeMap<DeviceId, u64>,
    /// Whose rows were sold last.
    served: Vec<DeviceId>,
}

impl Market {
    /// Buys credits, posts the offer and opens the lease.
    pub fn open(
        chain: &mut Chain,
        keys: &DevKeys,
        spend: MicroUsd,
        epochs: u64,
    ) -> Result<Self, SimError> {
        let consumer = keys.wallet(Role::Consumer, "consumer");
        let gateway = keys.wallet(Role::Gateway, "gateway");
        let escrow = MicroUsd(spend.0.saturating_mul(epochs).max(1));
        let limits = block_on(chain.limits(BlockTag::Latest))?;
        let cost = credit_cost(escrow, MicroUsd(limits.mintPriceMicroUsd));
        let mint = Call::new(CREDITS, &ICredits::mintCall {}).with_value(cost);
        chain.send(&consumer, &mint)?.event::<ICredits::Minted>()?;
        let offer = IMarket::postOfferCall {
            sector: SECTOR.number(),
            microUsdPerKiloUnit: PRICE,
            endpoint: "http://gateway.invalid".to_owned(),
        };
        let offer = chain.send(&gateway, &Call::new(MARKET, &offer))?;
        let offer = offer.event::<IMarket::OfferPosted>()?.id;
        let expiry = epochs.saturating_add(SPARE_EPOCHS);
        let lease = IMarket::openLeaseCall { offer, escrow: escrow.0, expiryEpoch: expiry };
        let lease = chain.send(&consumer, &Call::new(MARKET, &lease))?;
        let lease = lease.event::<IMarket::LeaseOpened>()?.id;
        Ok(Self {
            consumer,
            gateway,
            lease,
            spend,
            units: 0,
            shares: BTreeMap::new(),
            served: Vec::new(),
        })
    }

    /// What an epoch's scores allow to be sold.
    pub fn serve(&mut self, scores: &[ScoreLeaf]) {
        self.served = scores.iter().filter(|leaf| leaf.score > 0).map(|leaf| leaf.device).collect();
    }

    /// The consumer signs for what was sold, in equal shares, and the gateway settles it.
    pub fn settle(&mut self, chain: &mut Chain, chain_id: u64) -> Result<(), ChainError> {
        let Some(each) = u64::try_from(self.served.len())
            .ok()
            .and_then(|devices| self.spend.0.checked_div(devices))
            .filter(|each| *each > 0)
        else {
            return Ok(());
        };
        for device in std::mem::take(&mut self.served) {
            let paid = self.shares.entry(device).or_default();
            *paid = paid.saturating_add(each);
            self.units += 1;
        }
        let shares: Vec<IMarket::Share> = self
            .shares
            .iter()
            .map(|(device, amount)| IMarket::Share {
                device: FixedBytes(device.0),
                amount: *amount,
            })
            .collect();
        let receipt = IMarket::Receipt {
            lease: self.lease,
            units: self.units,
            amount: self.shares.values().sum(),
            shares: keccak256(shares.abi_encode()),
        };
        let signature = self.consumer.sign_receipt(chain_id, &receipt)?.to_vec().into();
        let call = IMarket::settleCall { receipt, shares, signature };
        chain.send(&self.gateway, &Call::new(MARKET, &call))?.event::<IMarket::Settled>()?;
        Ok(())
    }
}

/// A reward as the contract takes it.
pub(super) fn to_abi(reward: &Reward) -> IRewards::Reward {
    IRewards::Reward {
        epoch: reward.epoch.0,
        sector: reward.sector.number(),
        device: FixedBytes(reward.device.0),
        owner: reward.owner,
        earnedMicroUsd: reward.earned.0,
        earnedStones: U256::from(reward.earned_stones.0),
        subsidyMicroUsd: reward.subsidy.0,
        subsidyStones: U256::from(reward.subsidy_stones.0),
    }
}
