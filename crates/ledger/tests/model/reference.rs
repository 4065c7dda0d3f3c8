//! The rules of docs/spec/state.md, registry.md and market.md over maps and integers.

use std::collections::BTreeMap;

use alloy_primitives::{Address, FixedBytes};
use alloy_sol_types::SolError;
use cairn_primitives::abi::{
    CREDITS, ICredits, IKernel, IMarket, IRegistry, MARKET, REGISTRY, REWARDS,
};

use super::chain::Refusal;

/// Base units of a STONE.
const STONE: u128 = 1_000_000_000_000_000_000;
/// Micro-dollars per STONE, of this model's genesis.
pub const PRICE: u128 = 50_000;
/// Whole stones that a device must bond.
pub const BOND: u128 = 100;
/// Epochs after a device's end until its bond is free.
pub const DISPUTE: u64 = 1;

pub type Device = FixedBytes<16>;

const fn no<E: SolError>() -> Refusal {
    E::SELECTOR
}
const OUT_OF_RANGE: Refusal = no::<IKernel::OutOfRange>();

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub owner: Address,
    pub registered: u64,
    /// First epoch that does not count any more.
    pub end: Option<u64>,
    pub bond: u128,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub offer: usize,
    pub consumer: Address,
    pub escrow: u64,
    pub settled: u64,
    pub units: u64,
    pub expiry: u64,
    pub open: bool,
}

/// Everything that the three contracts remember.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    pub epoch: u64,
    pub stones: BTreeMap<Address, u128>,
    pub credits: BTreeMap<Address, u64>,
    pub devices: BTreeMap<Device, Registered>,
    /// Providers.
    pub offers: Vec<Address>,
    pub leases: Vec<Lease>,
    /// By lease and device: totals.
    pub paid: BTreeMap<(u64, Device), u64>,
    /// By epoch: devices in order of first payment.
    pub lines: BTreeMap<u64, Vec<(Device, u64)>>,
}

/// A settlement as the market sees it.
pub struct Settlement<'a> {
    pub lease: u64,
    pub units: u64,
    pub amount: u64,
    pub shares: &'a [(Device, u64)],
    /// The shares are those that the signature covers.
    pub shares_signed: bool,
    /// Who signed, in the one allowed form.
    pub signer: Option<Address>,
}

impl Reference {
    pub fn supply(&self) -> u64 {
        self.credits.values().sum()
    }

    pub fn credits_of(&self, account: Address) -> u64 {
        self.credits.get(&account).copied().unwrap_or(0)
    }

    pub fn stones_of(&self, account: Address) -> u128 {
        self.stones.get(&account).copied().unwrap_or(0)
    }

    pub fn move_stones(&mut self, from: Address, to: Address, amount: u128) {
        *self.stones.entry(from).or_default() -= amount;
        *self.stones.entry(to).or_default() += amount;
    }

    fn move_credits(&mut self, from: Address, to: Address, amount: u64) {
        *self.credits.entry(from).or_default() -= amount;
        *self.credits.entry(to).or_default() += amount;
    }

    pub fn mint(&mut self, from: Address, stones: u128) -> Result<(), Refusal> {
        let credits = u64::try_from(stones * PRICE / STONE).expect("small amounts");
        if credits == 0 {
            return Err(no::<ICredits::MintTooSmall>());
        }
        self.move_stones(from, CREDITS, stones);
        *self.credits.entry(from).or_default() += credits;
        Ok(())
    }

    /// `flaw` as in `Act::Register`; all or none.
    pub fn register(
        &mut self,
        from: Address,
        devices: &[Device],
        stones: u128,
        flaw: u8,
    ) -> Result<(), Refusal> {
        let count = devices.len() as u128;
        if !stones.is_multiple_of(count) {
            return Err(OUT_OF_RANGE);
        }
        let mut next = self.clone();
        for device in devices {
            if flaw == 1 {
                return Err(no::<IRegistry::UnknownSector>());
            }
            if stones / count < BOND * STONE {
                return Err(no::<IRegistry::BondTooLow>());
            }
            if flaw == 2 {
                return Err(OUT_OF_RANGE);
            }
            if next.devices.contains_key(device) {
                return Err(no::<IRegistry::DeviceExists>());
            }
            if flaw == 3 {
                return Err(no::<IRegistry::BadProofOfPossession>());
            }
            let new =
                Registered { owner: from, registered: self.epoch, end: None, bond: stones / count };
            next.devices.insert(*device, new);
        }
        next.move_stones(from, REGISTRY, stones);
        *self = next;
        Ok(())
    }

    fn owned(&mut self, from: Address, device: Device) -> Result<&mut Registered, Refusal> {
        let known = self.devices.get_mut(&device).ok_or(no::<IRegistry::UnknownDevice>())?;
        if known.owner == from { Ok(known) } else { Err(no::<IRegistry::NotOwner>()) }
    }

    pub fn leave(&mut self, from: Address, device: Device) -> Result<(), Refusal> {
        let epoch = self.epoch;
        let known = self.owned(from, device)?;
        if known.end.is_some() {
            return Err(no::<IRegistry::NotActive>());
        }
        known.end = Some(epoch + 1);
        Ok(())
    }

    pub fn withdraw(&mut self, from: Address, device: Device) -> Result<(), Refusal> {
        let epoch = self.epoch;
        let known = self.owned(from, device)?;
        if known.end.is_none_or(|end| epoch < end + 1 + DISPUTE) {
            return Err(no::<IRegistry::BondLocked>());
        }
        if known.bond == 0 {
            return Err(OUT_OF_RANGE);
        }
        let bond = std::mem::take(&mut known.bond);
        self.move_stones(REGISTRY, from, bond);
        Ok(())
    }

    pub fn offer(&mut self, from: Address, sector: u8, endpoint: usize) -> Result<(), Refusal> {
        if sector != 1 || endpoint > 256 {
            return Err(OUT_OF_RANGE);
        }
        self.offers.push(from);
        Ok(())
    }

    fn lease(&self, id: u64) -> Result<usize, Refusal> {
        let at = usize::try_from(id).expect("small").checked_sub(1);
        let at = at.filter(|at| *at < self.leases.len()).ok_or(no::<IMarket::UnknownLease>())?;
        if self.leases[at].open { Ok(at) } else { Err(no::<IMarket::LeaseNotOpen>()) }
    }

    pub fn open(
        &mut self,
        from: Address,
        offer: u64,
        escrow: u64,
        expiry: u64,
    ) -> Result<(), Refusal> {
        let offer = usize::try_from(offer).expect("small").checked_sub(1);
        let offer = offer.filter(|at| *at < self.offers.len());
        let offer = offer.ok_or(no::<IMarket::UnknownOffer>())?;
        if expiry < self.epoch || expiry > self.epoch + 8_784 || escrow == 0 {
            return Err(OUT_OF_RANGE);
        }
        self.fund(from, escrow)?;
        let lease =
            Lease { offer, consumer: from, escrow, settled: 0, units: 0, expiry, open: true };
        self.leases.push(lease);
        Ok(())
    }

    fn fund(&mut self, from: Address, amount: u64) -> Result<(), Refusal> {
        if self.credits_of(from) < amount {
            return Err(no::<IMarket::LeaseWithoutFunds>());
        }
        self.move_credits(from, MARKET, amount);
        Ok(())
    }

    pub fn top_up(&mut self, from: Address, id: u64, amount: u64) -> Result<(), Refusal> {
        let at = self.lease(id)?;
        if self.leases[at].consumer != from {
            return Err(no::<IMarket::NotParty>());
        }
        if amount == 0 {
            return Err(OUT_OF_RANGE);
        }
        self.fund(from, amount)?;
        self.leases[at].escrow += amount;
        Ok(())
    }

    pub fn settle(&mut self, s: &Settlement<'_>) -> Result<(), Refusal> {
        let at = self.lease(s.lease)?;
        let lease = self.leases[at].clone();
        if s.amount <= lease.settled || s.units < lease.units {
            return Err(no::<IMarket::ReceiptNotHigher>());
        }
        if s.amount > lease.escrow {
            return Err(no::<IMarket::EscrowExceeded>());
        }
        if !s.shares_signed || s.shares.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(no::<IMarket::SharesMismatch>());
        }
        if s.signer != Some(lease.consumer) {
            return Err(no::<IMarket::BadReceiptSignature>());
        }
        let due = s.amount - lease.settled;
        let mut next = self.clone();
        let mut rest = due;
        for (device, total) in s.shares {
            let paid = next.paid.entry((s.lease, *device)).or_default();
            let more = total.checked_sub(*paid).filter(|more| *more <= rest);
            let more = more.ok_or(no::<IMarket::SharesMismatch>())?;
            if !next.devices.contains_key(device) {
                return Err(no::<IMarket::UnknownDevice>());
            }
            *paid = *total;
            rest -= more;
            if more > 0 {
                let lines = next.lines.entry(next.epoch).or_default();
                match lines.iter_mut().find(|line| line.0 == *device) {
                    Some(line) => line.1 += more,
                    None => lines.push((*device, more)),
                }
            }
        }
        if rest != 0 {
            return Err(no::<IMarket::SharesMismatch>());
        }
        let released = self.stones_of(CREDITS) * u128::from(due) / u128::from(self.supply());
        *next.credits.entry(MARKET).or_default() -= due;
        next.move_stones(CREDITS, REWARDS, released);
        (next.leases[at].settled, next.leases[at].units) = (s.amount, s.units);
        *self = next;
        Ok(())
    }

    pub fn close(&mut self, from: Address, id: u64) -> Result<(), Refusal> {
        let at = self.lease(id)?;
        let lease = self.leases[at].clone();
        if from != self.offers[lease.offer] && self.epoch < lease.expiry + 2 {
            return Err(if from == lease.consumer {
                no::<IMarket::NotExpired>()
            } else {
                no::<IMarket::NotParty>()
            });
        }
        self.leases[at].open = false;
        self.move_credits(MARKET, lease.consumer, lease.escrow - lease.settled);
        Ok(())
    }
}
