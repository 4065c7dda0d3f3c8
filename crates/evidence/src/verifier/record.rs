//! Writes an epoch's public folder.

use cairn_economy::Reward;
use cairn_sectors::{ScoreLeaf, VerdictLeaf};
use serde_json::json;

use crate::{
    archive::{Archive, ArchiveError, EpochFile, LeafLine},
    recompute::{Inputs, Outcome, Recomputed},
};

/// An epoch's result: what its five files are made of, beside the inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub verdicts: &'a [VerdictLeaf],
    pub scores: &'a [ScoreLeaf],
    pub rewards: &'a [Reward],
    pub outcome: &'a Outcome,
}

impl<'a> From<&'a Recomputed> for Record<'a> {
    fn from(recomputed: &'a Recomputed) -> Self {
        Self {
            verdicts: &recomputed.verdicts,
            scores: &recomputed.scores,
            rewards: &recomputed.distribution.rewards,
            outcome: &recomputed.outcome,
        }
    }
}

/// Writes the five files of an epoch, `result.json` last.
///
/// # Errors
/// When the disk refuses.
pub fn write_epoch(
    archive: &Archive,
    inputs: &Inputs,
    recomputed: &Recomputed,
) -> Result<(), ArchiveError> {
    write_record(archive, inputs, recomputed.into())
}

pub(super) fn write_record(
    archive: &Archive,
    inputs: &Inputs,
    record: Record<'_>,
) -> Result<(), ArchiveError> {
    for file in EpochFile::ALL {
        archive.put_epoch(inputs.epoch, file, &content(file, inputs, record))?;
    }
    Ok(())
}

/// Writes a result that did not become final beside the one that did.
pub(super) fn write_own(
    archive: &Archive,
    inputs: &Inputs,
    record: Record<'_>,
) -> Result<(), ArchiveError> {
    for file in EpochFile::ALL {
        archive.put_own(inputs.epoch, file, &content(file, inputs, record))?;
    }
    Ok(())
}

/// What a file of the epoch's folder must contain.
pub(crate) fn content(file: EpochFile, inputs: &Inputs, record: Record<'_>) -> Vec<u8> {
    let view = |value: Result<serde_json::Value, serde_json::Error>| {
        value.unwrap_or(serde_json::Value::Null)
    };
    match file {
        EpochFile::Inputs => pretty(inputs),
        EpochFile::Verdicts => LeafLine::file(
            record.verdicts.iter().map(|leaf| (leaf.to_bytes(), view(serde_json::to_value(leaf)))),
        ),
        EpochFile::Scores => LeafLine::file(
            record.scores.iter().map(|leaf| (leaf.to_bytes(), view(serde_json::to_value(leaf)))),
        ),
        EpochFile::Rewards => LeafLine::file(record.rewards.iter().map(|reward| {
            // Stones are beyond what a JSON number holds everywhere: as text, like every other 256-bit amount.
            let leaf = json!({
                "epoch": reward.epoch, "sector": reward.sector, "device": reward.device, "owner": reward.owner,
                "earned_micro_usd": reward.earned.0, "earned_stones": reward.earned_stones.0.to_string(),
                "subsidy_micro_usd": reward.subsidy.0, "subsidy_stones": reward.subsidy_stones.0.to_string(),
            });
            (reward.encode().to_vec(), leaf)
        })),
        EpochFile::Result => pretty(record.outcome),
    }
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    let mut out = serde_json::to_vec_pretty(value).expect("plain data always encodes");
    out.push(b'\n');
    out
}
