//! Who paid whom stones, and which payers stand close to a provider: the share `w` that is not arm's length.
//!
//! A payment is *related* when its payer owns the device, when one account funded both the payer and the owner within
//! three steps each, or when the payer has a device of its own beside the paid one: in the same cell, registered within a
//! day of it. An account funded another when at least a tenth of the stones that the other ever received in transfers came
//! from it: dust that a stranger sends makes nobody related. All of it is read from blocks. It is an upper bound: who buys
//! stones at the same exchange as the owner is related too; transfers inside contracts are not seen.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use cairn_primitives::MicroUsd;

use super::{
    facts::{DeviceFacts, Facts},
    figure::{Absent, Measured, ppm},
};

/// Steps from an account to an ancestor that funded it.
pub const HOPS_MAX: u32 = 3;
/// Part of all stones received that makes a sender a funder, one in so many.
pub const FUNDER_ONE_IN: u128 = 10;
/// Accounts that one search looks at; more ancestors than that are nobody's.
const ANCESTORS_MAX: usize = 1_024;

/// Transfers of stones between accounts up to the end of the period, in sums of sender and receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Funding {
    /// By receiver, what each sender sent. Stones of genesis come from the zero address.
    received: BTreeMap<Address, BTreeMap<Address, u128>>,
}

impl Funding {
    /// Notes that `to` received stones, base units.
    pub fn add(&mut self, from: Address, to: Address, stones: u128) {
        if from == to || stones == 0 {
            return;
        }
        let sum = self.received.entry(to).or_default().entry(from).or_default();
        *sum = sum.saturating_add(stones);
    }

    /// Who gave `account` at least a tenth of all it ever received; genesis is nobody.
    #[must_use]
    pub fn funders(&self, account: Address) -> Vec<Address> {
        let Some(senders) = self.received.get(&account) else { return Vec::new() };
        let all = senders.values().fold(0_u128, |sum, stones| sum.saturating_add(*stones));
        let large = |stones: u128| stones >= all.div_ceil(FUNDER_ONE_IN);
        let funders = senders.iter().filter(|(from, stones)| !from.is_zero() && large(**stones));
        funders.map(|(from, _)| *from).collect()
    }

    /// The account and everybody within `HOPS_MAX` steps that funded it.
    #[must_use]
    pub fn ancestors(&self, account: Address) -> BTreeSet<Address> {
        let mut found = BTreeSet::from([account]);
        let mut edge = vec![account];
        for _ in 0..HOPS_MAX {
            let mut next = Vec::new();
            for funder in edge.into_iter().flat_map(|account| self.funders(account)) {
                if found.len() < ANCESTORS_MAX && found.insert(funder) {
                    next.push(funder);
                }
            }
            edge = next;
        }
        found
    }
}

/// What was paid between relatives, micro-dollars, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelatedPay {
    /// Everything paid.
    pub all: u128,
    /// By who owns the device.
    pub owner: u128,
    /// Between accounts with a funder in common.
    pub funder: u128,
    /// By who has a device beside it.
    pub place: u128,
}

impl RelatedPay {
    /// Everything paid between relatives.
    #[must_use]
    pub const fn related(&self) -> u128 {
        self.owner.saturating_add(self.funder).saturating_add(self.place)
    }

    /// w, millionths.
    ///
    /// # Errors
    /// `NoRevenue`.
    pub fn share(&self) -> Measured {
        ppm(self.related(), self.all, Absent::NoRevenue)
    }

    /// R·(1−w): what strangers paid.
    #[must_use]
    pub fn strangers(&self) -> MicroUsd {
        MicroUsd(u64::try_from(self.all.saturating_sub(self.related())).unwrap_or(u64::MAX))
    }
}

/// Sorts the period's payments by how close payer and owner stand.
///
/// # Errors
/// `TooMany` when the transfers were too many to follow.
pub fn related_pay(facts: &Facts) -> Result<RelatedPay, Absent> {
    let funding = facts.funding.as_ref().ok_or(Absent::TooMany)?;
    let mut ancestors: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    let mut owned: BTreeMap<Address, Vec<&DeviceFacts>> = BTreeMap::new();
    for device in &facts.devices {
        owned.entry(device.owner).or_default().push(device);
    }
    let day = facts.schedule.epochs_per_day();
    let mut sums = RelatedPay::default();
    for payment in &facts.payments {
        let amount = u128::from(payment.amount.0);
        sums.all = sums.all.saturating_add(amount);
        let Some(device) = facts.device(payment.device) else { continue };
        for account in [payment.payer, device.owner] {
            ancestors.entry(account).or_insert_with(|| funding.ancestors(account));
        }
        let (payer, owner) = (&ancestors[&payment.payer], &ancestors[&device.owner]);
        let beside = owned.get(&payment.payer).is_some_and(|devices| {
            devices.iter().any(|own| {
                own.cell == device.cell && own.registered.0.abs_diff(device.registered.0) <= day
            })
        });
        let sum = if payment.payer == device.owner {
            &mut sums.owner
        } else if !payer.is_disjoint(owner) {
            &mut sums.funder
        } else if beside {
            &mut sums.place
        } else {
            continue;
        };
        *sum = sum.saturating_add(amount);
    }
    Ok(sums)
}
