//! An epoch as its public files tell it, ready to be asked about any device.

use std::collections::BTreeMap;

use bytes::Bytes;
use cairn_economy::{DistributeError, Reward, WhyInput, distribute};
use cairn_primitives::{DeviceId, Digest, Epoch, MicroUsd};
use cairn_sectors::{ScoreLeaf, VerdictLeaf};

use crate::{
    archive::{EpochFile, LeafLine},
    recompute::{Inputs, InputsError, candidates},
};

/// A final epoch.
#[derive(Clone, Debug)]
pub struct EpochView {
    /// What the ledger said.
    pub inputs: Inputs,
    /// Verdicts in leaf order.
    pub verdicts: Vec<VerdictLeaf>,
    /// Scores in leaf order.
    pub scores: Vec<ScoreLeaf>,
    /// Rewards in leaf order.
    pub rewards: Vec<Reward>,
    /// Rank in its cell, by device.
    ranks: BTreeMap<DeviceId, u32>,
    /// SHA-256 of each file, in the order of `FILES`.
    digests: [Digest; 4],
}

/// Files that do not tell of an epoch.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A file does not parse.
    #[error("{file}: {reason}")]
    File {
        /// Which.
        file: &'static str,
        /// Why not.
        reason: String,
    },
    /// Devices that cannot be.
    #[error(transparent)]
    Inputs(#[from] InputsError),
    /// A pool that cannot be split.
    #[error(transparent)]
    Distribute(#[from] DistributeError),
}

impl EpochView {
    /// The files that are read.
    pub const FILES: [EpochFile; 4] =
        [EpochFile::Inputs, EpochFile::Verdicts, EpochFile::Scores, EpochFile::Rewards];

    /// Reads an epoch's files, in the order of `FILES`.
    ///
    /// # Errors
    /// See `ViewError`.
    pub fn read(files: &[Bytes; 4]) -> Result<Self, ViewError> {
        let digests = files.each_ref().map(|content| Digest::of(&[content]));
        let [inputs, verdicts, scores, rewards] = files;
        let inputs: Inputs =
            serde_json::from_slice(inputs).map_err(|error| fail(EpochFile::Inputs, error))?;
        let verdicts = leaves(EpochFile::Verdicts, verdicts, VerdictLeaf::from_bytes)?;
        let scores = leaves(EpochFile::Scores, scores, ScoreLeaf::from_bytes)?;
        let rewards = leaves(EpochFile::Rewards, rewards, Reward::decode)?;
        let ranks = ranks(&inputs, &scores)?;
        Ok(Self { inputs, verdicts, scores, rewards, ranks, digests })
    }

    /// Which epoch it is.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.inputs.epoch
    }

    /// SHA-256 of a file; `None` for one that is not read.
    #[must_use]
    pub fn digest(&self, file: EpochFile) -> Option<Digest> {
        let index = Self::FILES.iter().position(|known| *known == file)?;
        self.digests.get(index).copied()
    }

    /// The score of a device.
    #[must_use]
    pub fn score(&self, device: DeviceId) -> Option<&ScoreLeaf> {
        self.scores.iter().find(|leaf| leaf.device == device)
    }

    /// Everything that determined a device's reward.
    #[must_use]
    pub fn input(&self, device: DeviceId) -> WhyInput {
        let reward = self.rewards.iter().find(|reward| reward.device == device);
        let paid = |of: Option<DeviceId>| {
            let lines = self.inputs.earned.iter();
            let lines = lines.filter(|line| of.is_none_or(|id| line.device == id));
            MicroUsd(lines.map(|line| line.paid.0).fold(0, u64::saturating_add))
        };
        WhyInput {
            earned: reward.map_or(MicroUsd::ZERO, |reward| reward.earned),
            subsidy: reward.map_or(MicroUsd::ZERO, |reward| reward.subsidy),
            paid: paid(Some(device)),
            paid_sum: paid(None),
            parts_permille: self.score(device).map_or([0; 4], parts),
            rank: self.ranks.get(&device).copied().unwrap_or(0),
            price: self.inputs.pool.price,
            usage_pool: self.inputs.pool.usage,
            need_pool: self.inputs.pool.need,
        }
    }
}

fn fail(file: EpochFile, error: impl ToString) -> ViewError {
    ViewError::File { file: file.name(), reason: error.to_string() }
}

fn leaves<T, E: ToString>(
    file: EpochFile,
    content: &[u8],
    read: fn(&[u8]) -> Result<T, E>,
) -> Result<Vec<T>, ViewError> {
    let bytes = LeafLine::bytes_of(content).map_err(|error| fail(file, error))?;
    bytes.iter().map(|leaf| read(leaf).map_err(|error| fail(file, error))).collect()
}

/// Each scored device's rank, as the split of the pool has it.
fn ranks(inputs: &Inputs, scores: &[ScoreLeaf]) -> Result<BTreeMap<DeviceId, u32>, ViewError> {
    let scored = candidates(inputs, &inputs.registry()?, scores);
    let split = distribute(&inputs.economy, &inputs.pool, &scored, &inputs.earned)?;
    Ok(scored.iter().map(|device| device.device).zip(split.ranks).collect())
}

/// The parts of a score; a gated one counts as nothing, whatever its parts say.
fn parts(leaf: &ScoreLeaf) -> [u16; 4] {
    if leaf.score == 0 && leaf.rejection.is_some() {
        return [0; 4];
    }
    [leaf.availability, leaf.neighbour, leaf.deployment, leaf.location]
}
