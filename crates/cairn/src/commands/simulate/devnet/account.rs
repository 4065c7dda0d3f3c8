//! An attacker's account: what it holds, and the way by which credits come back as stones, a lease with oneself.

use cairn_client::{
    BlockTag, LedgerRead as _, PriceReads as _, Reads as _, Sender,
    api::{ReceiptBody, ShareBody},
};
use cairn_primitives::{DeviceId, Epoch, MicroUsd, STONE, Stones, mul_div_floor};
use eyre::{Result, WrapErr as _, eyre};

use super::world::World;
use crate::session::SECTOR;

/// Epochs until a lease with oneself expires.
const LEASE_EPOCHS: u64 = 100;
/// State of an open lease.
const LEASE_OPEN: u8 = 1;
/// What the own offer asks for 1,000 units; what is owed is what the consumer signs.
const OWN_PRICE: u64 = 1_000_000;
/// A mint leaves this much of the room to others' mints of the same half hour, as a divisor.
const ROOM_DIVISOR: u64 = 50;

/// Everything that an account has a right to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Its balance, the bonds of its devices, and rewards of final epochs that are not claimed yet, locked or not.
    pub stones: u128,
    /// Dollars of the pool.
    pub usd: u64,
    /// Credits, and what is left in the escrow of its open leases.
    pub credits: u64,
}

impl Holdings {
    /// Micro-dollars that are more now than `before`, stones at one price, rounded up.
    pub fn since(self, before: Self, price: MicroUsd) -> i128 {
        let more = |now: u128, then: u128| {
            let size = i128::try_from(now.abs_diff(then)).unwrap_or(i128::MAX);
            if now < then { -size } else { size }
        };
        let stones = more(self.stones, before.stones) * i128::from(price.0);
        let unit = i128::try_from(STONE).unwrap_or(i128::MAX);
        let worth = -(-stones).div_euclid(unit);
        worth
            + more(self.usd.into(), before.usd.into())
            + more(self.credits.into(), before.credits.into())
    }
}

/// An attacker.
pub struct Account<'a> {
    pub world: &'a World<'a>,
    pub name: String,
    pub sender: Sender,
    pub devices: Vec<DeviceId>,
    leases: Vec<u64>,
    offer: Option<u64>,
    /// What it held when its case began, the price, and the first epoch whose rewards count.
    before: (Holdings, MicroUsd, Epoch),
}

impl<'a> Account<'a> {
    /// The account of genesis with this name, without a device.
    pub fn new(world: &'a World<'a>, name: &str) -> Self {
        Self {
            world,
            name: name.to_owned(),
            sender: world.sender(name),
            devices: Vec::new(),
            leases: Vec::new(),
            offer: None,
            before: (Holdings::default(), MicroUsd::ZERO, Epoch(0)),
        }
    }

    /// An account with a registered device that nobody plugs in: consumers may pay it, which is all that self-dealing needs.
    pub async fn with_device(world: &'a World<'a>, name: &str) -> Result<Self> {
        let mut account = Self::new(world, name);
        let position = world.station("EWR-1")?.position;
        account.devices.push(world.register(&account.sender, name, position).await?);
        Ok(account)
    }

    /// Takes dollars from the faucet.
    pub async fn take(&self, usd: MicroUsd) -> Result<()> {
        self.sender.take_dollars(usd).await.wrap_err("asking the faucet")
    }

    /// The attack begins now: what it holds is written down.
    pub async fn begin(&mut self) -> Result<()> {
        let epoch = self.world.next_final().await?;
        self.before.2 = epoch;
        self.before = (self.holdings().await?, self.world.price().await?, epoch);
        Ok(())
    }

    /// Micro-dollars that the attack brought so far.
    pub async fn profit(&self) -> Result<i128> {
        let (before, price, _) = self.before;
        Ok(self.holdings().await?.since(before, price))
    }

    /// The first epoch whose rewards count.
    pub const fn from(&self) -> Epoch {
        self.before.2
    }

    /// The price of stones when the attack began.
    pub const fn price(&self) -> MicroUsd {
        self.before.1
    }

    /// Everything that it has a right to now.
    pub async fn holdings(&self) -> Result<Holdings> {
        let (client, me) = (self.world.client(), self.sender.address());
        let mut held = Holdings {
            stones: client.balance(me, BlockTag::Latest).await?.0,
            usd: client.dollars(me, BlockTag::Latest).await?.0,
            credits: client.credits(me, BlockTag::Latest).await?.0,
        };
        for device in &self.devices {
            held.stones += client.device(*device, BlockTag::Latest).await?.bond.0;
        }
        for lease in &self.leases {
            let lease = client.lease(*lease, BlockTag::Latest).await?;
            if lease.state == LEASE_OPEN {
                held.credits += lease.escrow - lease.settled;
            }
        }
        held.stones += self.unclaimed().await?;
        Ok(held)
    }

    /// Stones of final epochs that are named in rewards and not paid yet.
    async fn unclaimed(&self) -> Result<u128> {
        let (client, me) = (self.world.client(), self.sender.address());
        let mut stones = 0;
        for epoch in (self.before.2.0..self.world.next_final().await?.0).map(Epoch) {
            for reward in self.world.session().rewards(epoch).await? {
                if reward.owner != me {
                    continue;
                }
                let done = client.claimed(epoch, reward.device, BlockTag::Latest).await?;
                stones += if done & 1 == 0 { reward.earned_stones.0 } else { 0 };
                stones += if done & 2 == 0 { reward.subsidy_stones.0 } else { 0 };
            }
        }
        Ok(stones)
    }

    /// Mints at most `most` micro-dollars of credits, as much as the limits leave room for; none when it is refused.
    pub async fn mint(&self, most: MicroUsd) -> Result<MicroUsd> {
        let limits = self.world.client().limits(BlockTag::Latest).await?;
        let room = limits.roomMicroUsd - limits.roomMicroUsd / ROOM_DIVISOR;
        let amount = most.0.min(room);
        let stones = mul_div_floor(amount.into(), STONE, limits.mintPriceMicroUsd.max(1).into());
        let stones = Stones(stones.ok_or_else(|| eyre!("more stones than there are"))?);
        if amount == 0 || stones == Stones::ZERO {
            return Ok(MicroUsd::ZERO);
        }
        match self.sender.mint_at_least(stones, MicroUsd::ZERO).await {
            Ok(credits) => Ok(credits),
            // Refusing is what the limits are for; the attack goes on without.
            Err(error) if error.revert().is_some() => {
                super::told(&format!("{}: the mint was refused: {error}", self.name));
                Ok(MicroUsd::ZERO)
            }
            Err(error) => Err(error).wrap_err("minting credits"),
        }
    }

    /// Spends all credits on the own device: offer, lease, receipt, settlement. The epoch in which it is settled.
    pub async fn pay_self(&mut self) -> Result<Option<Epoch>> {
        let (client, me) = (self.world.client(), self.sender.address());
        let amount = client.credits(me, BlockTag::Latest).await?;
        let Some(device) = self.devices.first().copied().filter(|_| amount.0 > 0) else {
            return Ok(None);
        };
        let offer = match self.offer {
            Some(offer) => offer,
            None => self.sender.post_offer(SECTOR, OWN_PRICE, "").await?,
        };
        self.offer = Some(offer);
        let expiry = Epoch(self.world.epoch().await?.0 + LEASE_EPOCHS);
        let lease = self.sender.open_lease(offer, amount, expiry).await?;
        self.leases.push(lease);
        let shares = [ShareBody { device, amount }];
        let receipt = ReceiptBody::new(lease, 1, amount, &shares);
        let chain_id = self.world.genesis().chain_id;
        let signature = self.sender.wallet().sign_receipt(chain_id, &receipt.to_sol())?;
        let sent = self.sender.settle(&receipt, &shares, &signature).await?;
        let epoch = client.current_epoch(BlockTag::Number(sent.block)).await?;
        Ok(Some(epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profit_is_rounded_up_and_signed() {
        let before = Holdings { stones: 10 * STONE, usd: 5, credits: 7 };
        let price = MicroUsd(250_000);
        assert_eq!(before.since(before, price), 0);
        let less = Holdings { stones: 10 * STONE - 1, ..before };
        assert_eq!(less.since(before, price), 0, "a part of a micro-dollar is the attacker's");
        let more = Holdings { stones: 11 * STONE, usd: 4, credits: 0 };
        assert_eq!(more.since(before, price), 250_000 - 1 - 7);
    }
}
