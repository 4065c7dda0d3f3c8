//! The causes of a difference, summed over devices and epochs, each with the strongest of what it rests on.

use cairn_economy::{WhyInput, why};
use cairn_primitives::{DeviceId, Digest, Epoch, MicroUsd, Sector, leaf_hash};
use cairn_sectors::{Detail, Rejection, profile};
use serde::Serialize;

use super::EpochView;
use crate::archive::EpochFile;

/// Grounds shown of a cause: those that changed most.
pub const GROUNDS_MAX: usize = 5;
/// Parts of a score, the first causes of `cairn_economy::why`.
const PARTS: usize = 4;

/// A refusal with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its number.
    pub code: u16,
    /// Its name.
    pub name: &'static str,
    /// The numbers behind it, where a score was refused.
    pub detail: Option<Detail>,
}

/// A batch that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// SHA-256(0x00 ‖ envelope).
    pub batch: Digest,
    /// The refusal's number.
    pub code: u16,
    /// Its name.
    pub name: &'static str,
}

/// What a cause rests on: a file of an epoch, and the leaf in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ground {
    /// The epoch.
    pub epoch: Epoch,
    /// The device.
    pub device: DeviceId,
    /// What it changed there, micro-dollars.
    pub micro_usd: i64,
    /// File of the epoch's folder.
    pub file: &'static str,
    /// SHA-256 of the file.
    pub sha256: Option<Digest>,
    /// Number of the leaf in the file; null where the file has no leaf of the device.
    pub leaf: Option<usize>,
    /// The leaf's Merkle hash.
    pub leaf_hash: Option<Digest>,
    /// Why the score was refused.
    pub rejection: Option<Refused>,
    /// The device's batches that were refused in the epoch.
    pub batches: Vec<Batch>,
}

/// A cause over the whole period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CauseSum {
    /// Its name; the parts of a score have their sector's names.
    pub name: &'static str,
    /// What it added, micro-dollars.
    pub micro_usd: i64,
    /// What it rests on, strongest first.
    pub grounds: Vec<Ground>,
}

/// From one period's income to another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waterfall {
    /// The sector.
    pub sector: Sector,
    /// Income of the period that is compared with, micro-dollars.
    pub before: MicroUsd,
    /// What was earned in the period.
    pub earned: MicroUsd,
    /// What was subsidised in it.
    pub subsidy: MicroUsd,
    /// The causes in their fixed order; they add up to the difference.
    pub causes: Vec<CauseSum>,
}

impl Waterfall {
    /// Nothing compared yet.
    #[must_use]
    pub const fn new(sector: Sector) -> Self {
        Self {
            sector,
            before: MicroUsd::ZERO,
            earned: MicroUsd::ZERO,
            subsidy: MicroUsd::ZERO,
            causes: Vec::new(),
        }
    }

    /// Income of the period.
    #[must_use]
    pub const fn after(&self) -> MicroUsd {
        MicroUsd(self.earned.0.saturating_add(self.subsidy.0))
    }

    /// Adds what `devices` earned in epoch `after` and in the one that it is compared with; in none before the network's first.
    pub fn add(&mut self, devices: &[DeviceId], before: Option<&EpochView>, after: &EpochView) {
        for device in devices {
            let now = after.input(*device);
            let nothing = WhyInput { price: now.price, ..WhyInput::default() };
            let then = before.map_or(nothing, |before| before.input(*device));
            let plus = |sum: MicroUsd, amount: MicroUsd| MicroUsd(sum.0.saturating_add(amount.0));
            self.before = plus(plus(self.before, then.earned), then.subsidy);
            self.earned = plus(self.earned, now.earned);
            self.subsidy = plus(self.subsidy, now.subsidy);
            let causes = why(&after.inputs.economy, &then, &now);
            for (index, cause) in causes.iter().enumerate() {
                let micro_usd = i64::try_from(cause.micro_usd).unwrap_or(i64::MAX);
                let total = self.cause(index, cause.name);
                total.micro_usd = total.micro_usd.saturating_add(micro_usd);
                if micro_usd != 0 {
                    total.grounds.push(ground(after, *device, index, cause.name, micro_usd));
                    strongest(&mut total.grounds);
                }
            }
        }
    }

    /// Cause number `index`; the causes come in one order always.
    fn cause(&mut self, index: usize, name: &'static str) -> &mut CauseSum {
        if self.causes.len() <= index {
            let name = named(self.sector, index, name);
            self.causes.push(CauseSum { name, micro_usd: 0, grounds: Vec::new() });
        }
        &mut self.causes[index]
    }
}

/// Keeps what changed most; of equals, the earliest.
fn strongest(grounds: &mut Vec<Ground>) {
    grounds.sort_by_key(|ground| std::cmp::Reverse(ground.micro_usd.unsigned_abs()));
    grounds.truncate(GROUNDS_MAX);
}

/// The sector's name of a part of its score; every other cause has one name in all sectors.
fn named(sector: Sector, index: usize, name: &'static str) -> &'static str {
    profile(sector).score_parts.get(index).copied().unwrap_or(name)
}

/// Where a reader finds what a cause rests on.
fn ground(view: &EpochView, device: DeviceId, index: usize, cause: &str, micro_usd: i64) -> Ground {
    let is_part = index < PARTS;
    let file = match cause {
        _ if is_part => EpochFile::Scores,
        "rounding" => EpochFile::Rewards,
        // Rank, price, budget and paid usage are what the ledger said.
        _ => EpochFile::Inputs,
    };
    let leaf = match file {
        EpochFile::Scores => view.scores.iter().position(|leaf| leaf.device == device),
        EpochFile::Rewards => view.rewards.iter().position(|leaf| leaf.device == device),
        _ => None,
    };
    let hash = leaf.map(|at| match file {
        EpochFile::Scores => view.scores[at].hash(),
        _ => leaf_hash(&view.rewards[at].encode()),
    });
    let score = view.score(device).filter(|_| is_part);
    let rejection = score.and_then(|score| {
        let rejection = score.rejection?;
        let (code, name) = (Rejection::code_of(Some(rejection)), rejection.name());
        Some(Refused { code, name, detail: score.detail.clone() })
    });
    let refused = view.verdicts.iter().filter(|leaf| is_part && leaf.device == device);
    let batches = refused.filter_map(|leaf| {
        let rejection = leaf.rejection?;
        let code = Rejection::code_of(Some(rejection));
        Some(Batch { batch: leaf.batch, code, name: rejection.name() })
    });
    Ground {
        epoch: view.epoch(),
        device,
        micro_usd,
        file: file.name(),
        sha256: view.digest(file),
        leaf,
        leaf_hash: hash,
        rejection,
        batches: batches.collect(),
    }
}
