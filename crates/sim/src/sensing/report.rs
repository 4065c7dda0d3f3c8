//! What a simulation says about each epoch and, at its end, about each device.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_evidence::recompute::Outcome;
use cairn_primitives::{DeviceId, Digest, Epoch, MicroUsd, Stones};
use cairn_sectors::Rejection;

/// One device in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceEpoch {
    /// The verdict on each of its batches; `None` is accepted.
    pub verdicts: Vec<Option<Rejection>>,
    /// Its score, per mille; `None` when it was not in service.
    pub score: Option<u16>,
    /// The gate that took its score.
    pub gate: Option<Rejection>,
    /// From consumers, after fees.
    pub earned: MicroUsd,
    /// Subsidy.
    pub subsidy: MicroUsd,
}

/// One epoch, final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochReport {
    /// The epoch.
    pub epoch: Epoch,
    /// What became final.
    pub outcome: Outcome,
    /// Rounds that found no quorum before.
    pub reopened: u32,
    /// Validators that the ledger names for another result.
    pub dissenters: Vec<Address>,
    /// Devices that were slashed.
    pub slashed: Vec<DeviceId>,
    /// By station number.
    pub devices: Vec<DeviceEpoch>,
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every epoch in order.
    pub epochs: Vec<EpochReport>,
    /// What owners were paid by claims, by account.
    pub claimed: BTreeMap<Address, Stones>,
    /// SHA-256 over the whole state of the ledger at the end.
    pub state: Digest,
}

/// A device over a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTotal {
    /// Epochs with a batch of it.
    pub delivered: u64,
    /// Of those, epochs in which nothing was refused.
    pub kept: u64,
    /// Epochs by reason, of batches and of scores.
    pub reasons: BTreeMap<Rejection, u64>,
    /// From consumers and subsidy together.
    pub income: MicroUsd,
}

impl Report {
    /// Station `number` from epoch `from` on.
    #[must_use]
    pub fn device(&self, number: usize, from: Epoch) -> DeviceTotal {
        let mut total = DeviceTotal::default();
        let epochs = self.epochs.iter().filter(|report| report.epoch >= from);
        for device in epochs.filter_map(|report| report.devices.get(number)) {
            let mut reasons: Vec<Rejection> =
                device.verdicts.iter().flatten().copied().chain(device.gate).collect();
            reasons.sort_unstable();
            reasons.dedup();
            let delivered = !device.verdicts.is_empty();
            total.delivered += u64::from(delivered);
            total.kept += u64::from(delivered && reasons.is_empty());
            for reason in reasons {
                *total.reasons.entry(reason).or_default() += 1;
            }
            let paid = device.earned.0.saturating_add(device.subsidy.0);
            total.income.0 = total.income.0.saturating_add(paid);
        }
        total
    }
}
