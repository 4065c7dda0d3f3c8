//! What happened in a period, as anyone reads it from blocks and from the evidence of final epochs.
//!
//! Plain records without behaviour: who collects them (a node, an auditor) cannot influence what is made of them. Lists are
//! in the order of their keys, so that the same blocks give the same record.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_primitives::{
    Cell, DeviceId, EconomyParams, Epoch, EpochSchedule, MicroUsd, Sector, Stones,
};

use super::funding::Funding;

/// A period's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// First epoch.
    pub from: Epoch,
    /// Last epoch; final, and so is everything before it.
    pub to: Epoch,
    /// Where epochs begin and end.
    pub schedule: EpochSchedule,
    /// The economy's parameters.
    pub economy: EconomyParams,
    /// Micro-dollars per STONE at the period's end.
    pub price: MicroUsd,
    /// What the network declares about each sector.
    pub references: BTreeMap<Sector, Reference>,
    /// Every device that was registered by the period's end, by id.
    pub devices: Vec<DeviceFacts>,
    /// What consumers paid in the period, by payer and device.
    pub payments: Vec<Payment>,
    /// What each settlement of the period sold.
    pub sales: Vec<Sale>,
    /// What each payer paid in the period of the same length just before; `None` when the network is younger.
    pub before: Option<Vec<(Address, MicroUsd)>>,
    /// The same `LAG_PERIODS` periods earlier.
    pub then: Option<Vec<(Address, MicroUsd)>>,
    /// Who funded whom, up to the period's end; `None` when there is more than is followed.
    pub funding: Option<Funding>,
    /// What the money did.
    pub money: Money,
    /// What was judged, found and disputed.
    pub checks: Checks,
    /// The pool of stones and dollars; `None` while the ledger has none.
    pub pool: Option<PoolFacts>,
}

/// What the network declares about a sector, for comparisons that no ledger can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What a device costs once.
    pub hardware: MicroUsd,
    /// What its installation costs.
    pub install: MicroUsd,
    /// What it costs a day.
    pub opex_per_day: MicroUsd,
    /// What locking the bond costs, ppm of it.
    pub opportunity_ppm: u32,
    /// What a thousand comparable units cost from a company; `None` where none is declared.
    pub kilo_unit: Option<MicroUsd>,
}

/// A device and its part of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Its id.
    pub id: DeviceId,
    /// Who is paid.
    pub owner: Address,
    /// Its sector.
    pub sector: Sector,
    /// Its cell.
    pub cell: Cell,
    /// First epoch that counts.
    pub registered: Epoch,
    /// First epoch that counts no more, as known at the period's end.
    pub end: Option<Epoch>,
    /// From consumers after fees.
    pub earned: MicroUsd,
    /// Subsidy.
    pub subsidy: MicroUsd,
    /// Subsidy in stones.
    pub subsidy_stones: Stones,
    /// Epochs of the period in which validators scored it.
    pub judged: u64,
    /// Epochs of the period with a score above 0: work that was verified.
    pub verified: u64,
    /// The last of them.
    pub last_verified: Option<Epoch>,
    /// Epochs of the period in which a consumer paid for it.
    pub paid_epochs: u64,
    /// Units of work in its accepted batches.
    pub units: u64,
}

impl DeviceFacts {
    /// Whether it is in service in `epoch`.
    #[must_use]
    pub fn in_service(&self, epoch: Epoch) -> bool {
        self.registered <= epoch && self.end.is_none_or(|end| epoch < end)
    }

    /// Epochs of `from` to `to` in which it was in service.
    #[must_use]
    pub fn service_epochs(&self, from: Epoch, to: Epoch) -> u64 {
        let first = self.registered.max(from).0;
        let end = self.end.map_or(u64::MAX, |end| end.0).min(to.0.saturating_add(1));
        end.saturating_sub(first)
    }
}

/// What a payer paid for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The lease's consumer.
    pub payer: Address,
    /// The device.
    pub device: DeviceId,
    /// Before fees.
    pub amount: MicroUsd,
}

/// A settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Sector of the offer.
    pub sector: Sector,
    /// What was paid, before fees.
    pub amount: MicroUsd,
    /// What was delivered.
    pub units: u64,
}

/// What stones and credits did. Amounts of the period are by the network time of blocks, the rest as of its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// Whether the replay ends where the ledger announced that it is; what rests on it is absent otherwise.
    pub replayed: bool,
    /// Left the reserve in the period.
    pub emitted: Stones,
    /// Burned in the period, base fees included.
    pub burned: Stones,
    /// Burned since genesis.
    pub burned_ever: Stones,
    /// Not yet issued.
    pub reserve: Stones,
    /// What treasury, insurance and validators received from settlements in the period.
    pub to_funds: Stones,
    /// Subsidy in the period of devices whose owner genesis names.
    pub to_founders: Stones,
    /// What is left of all grants.
    pub grant_left: Stones,
    /// Subsidy of the period that drew on the grants.
    pub grant_used: MicroUsd,
    /// All subsidy since genesis.
    pub subsidy_ever: MicroUsd,
    /// All paid work since genesis, before fees.
    pub settled_ever: MicroUsd,
    /// Credits in circulation.
    pub outstanding: MicroUsd,
    /// Stones behind them.
    pub vault: Stones,
    /// Credits minted in the period.
    pub minted: MicroUsd,
    /// Settled with credits for which nobody burned stones. None exist on this ledger: minting is burning.
    pub promo: MicroUsd,
}

/// What was judged, found and disputed in the period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Independent judgements of a device's epoch: validators who voted for the final result, times devices.
    pub judgements: u64,
    /// Batches judged.
    pub batches: u64,
    /// Of them refused.
    pub refused: u64,
    /// Device-epochs judged and refused by the score.
    pub gated: u64,
    /// Devices that lost their bond.
    pub devices_slashed: u64,
    /// Slashes of validators begun, annulled and executed.
    pub pending: u64,
    /// See `pending`.
    pub annulled: u64,
    /// See `pending`.
    pub executed: u64,
    /// Stones that the slashed lost.
    pub slashed: Stones,
    /// Epochs from a lie to its slash, for each that the chain shows.
    pub detection_epochs: Vec<u64>,
}

/// The on-ledger pool at the period's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFacts {
    /// Its dollars y.
    pub depth: MicroUsd,
    /// Minted in the last window.
    pub window_minted: MicroUsd,
    /// How far the feeds' median is from it, ppm; `None` without feeds.
    pub deviation_ppm: Option<u32>,
}

impl Facts {
    /// Epochs of the period.
    #[must_use]
    pub const fn epochs(&self) -> u64 {
        self.to.0.saturating_sub(self.from.0).saturating_add(1)
    }

    /// A device, if it is registered.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<&DeviceFacts> {
        let at = self.devices.binary_search_by_key(&id, |device| device.id).ok()?;
        self.devices.get(at)
    }

    /// `amount` a period as an amount a day, rounded down.
    #[must_use]
    pub fn daily(&self, amount: u128) -> u128 {
        amount.saturating_mul(self.schedule.epochs_per_day().into()) / u128::from(self.epochs())
    }
}
