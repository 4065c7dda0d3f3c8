//! Writes an epoch's public folder.

use serde_json::json;

use crate::{
    archive::{Archive, ArchiveError, EpochFile, LeafLine},
    recompute::{Inputs, Recomputed},
};

/// Writes the five files of an epoch, `result.json` last.
///
/// # Errors
/// When the disk refuses.
pub fn write_epoch(
    archive: &Archive,
    inputs: &Inputs,
    recomputed: &Recomputed,
) -> Result<(), ArchiveError> {
    let epoch = inputs.epoch;
    for file in EpochFile::ALL {
        archive.put_epoch(epoch, file, &content(file, inputs, recomputed))?;
    }
    Ok(())
}

/// What a file of the epoch's folder must contain.
pub(crate) fn content(file: EpochFile, inputs: &Inputs, recomputed: &Recomputed) -> Vec<u8> {
    let view = |value: Result<serde_json::Value, serde_json::Error>| {
        value.unwrap_or(serde_json::Value::Null)
    };
    match file {
        EpochFile::Inputs => pretty(inputs),
        EpochFile::Verdicts => LeafLine::file(
            recomputed.verdicts.iter().map(|leaf| (leaf.to_bytes(), view(serde_json::to_value(leaf)))),
        ),
        EpochFile::Scores => LeafLine::file(
            recomputed.scores.iter().map(|leaf| (leaf.to_bytes(), view(serde_json::to_value(leaf)))),
        ),
        EpochFile::Rewards => LeafLine::file(recomputed.distribution.rewards.iter().map(|reward| {
            // Stones are beyond what a JSON number holds everywhere: as text, like every other 256-bit amount.
            let leaf = json!({
                "epoch": reward.epoch, "sector": reward.sector, "device": reward.device, "owner": reward.owner,
                "earned_micro_usd": reward.earned.0, "earned_stones": reward.earned_stones.0.to_string(),
                "subsidy_micro_usd": reward.subsidy.0, "subsidy_stones": reward.subsidy_stones.0.to_string(),
            });
            (reward.encode().to_vec(), leaf)
        })),
        EpochFile::Result => pretty(&recomputed.outcome),
    }
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    let mut out = serde_json::to_vec_pretty(value).expect("plain data always encodes");
    out.push(b'\n');
    out
}
