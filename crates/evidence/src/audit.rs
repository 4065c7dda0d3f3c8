//! Recomputes an epoch from its public files and compares every bit with the ledger: what `cairn audit` prints.
//!
//! The auditor runs the validators' own `recompute` over inputs read from the ledger; it believes neither the archive's
//! inputs nor its leaves. A changed byte of a batch file is an error of its own, since nothing can be recomputed then.

use cairn_client::{BlockTag, LedgerRead, Reads as _};
use cairn_economy::Reward;
use cairn_primitives::Epoch;
use cairn_sectors::{Rejection, ScoreLeaf, VerdictLeaf};
use serde::Serialize;

use crate::{
    archive::{EpochFile, LeafLine},
    recompute::{Inputs, Outcome, RecomputeError, recompute},
    verifier::{
        GatherError, Network, SourceError, Sources, blocking, included, inputs, record_content,
        window,
    },
};

/// One root or sum, on the ledger and recomputed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// What it is.
    pub name: &'static str,
    /// What validators voted.
    pub ledger: String,
    /// What the files give.
    pub recomputed: String,
    /// Whether they are equal.
    pub equal: bool,
}

/// One file of the epoch's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Its name.
    pub name: &'static str,
    /// Whether it is byte for byte what the epoch gives.
    pub equal: bool,
}

/// The first leaf that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `verdicts`, `scores` or `rewards`.
    pub tree: &'static str,
    /// Number of the leaf.
    pub index: usize,
    /// What the archive has, for readers.
    pub archived: Option<String>,
    /// What the files give, for readers.
    pub recomputed: Option<String>,
}

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// The epoch.
    pub epoch: Epoch,
    /// Whether every root, sum and file is equal.
    pub equal: bool,
    /// Batches judged.
    pub batches: usize,
    /// Readings in them.
    pub readings: u64,
    /// Devices scored.
    pub devices: usize,
    /// Bytes of the batch files, all checked against their digests.
    pub batch_file_bytes: u64,
    /// Roots and sums.
    pub compared: Vec<Compared>,
    /// Files of the epoch's folder.
    pub files: Vec<FileReport>,
    /// The first leaf that differs.
    pub first_difference: Option<Difference>,
}

/// Why an epoch cannot be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The epoch is not final.
    #[error("epoch {epoch} is not final; the next to become final is {next}")]
    NotFinal {
        /// The epoch asked for.
        epoch: Epoch,
        /// The next one to become final.
        next: Epoch,
    },
    /// Something needed is missing or was changed.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The inputs contradict themselves.
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
}

impl From<cairn_client::ClientError> for AuditError {
    fn from(error: cairn_client::ClientError) -> Self {
        Self::Gather(error.into())
    }
}

impl From<SourceError> for AuditError {
    fn from(error: SourceError) -> Self {
        Self::Gather(error.into())
    }
}

/// Audits one final epoch.
///
/// # Errors
/// When the epoch is not final, or something needed is missing or was changed. An epoch that recomputes to other
/// roots is no error: the report says so.
pub async fn audit<L: LedgerRead>(
    ledger: &L,
    sources: &Sources,
    network: &Network,
    epoch: Epoch,
) -> Result<AuditReport, AuditError> {
    let next = ledger.next_epoch(network.sector, BlockTag::Latest).await?;
    if epoch >= next {
        return Err(AuditError::NotFinal { epoch, next });
    }
    let voted = ledger.result(epoch, network.sector, BlockTag::Latest).await?;
    let inputs = inputs(ledger, network, epoch).await?;
    let envelopes = included(sources, network, &inputs).await?;
    let mut window = window(ledger, sources, network, epoch).await?;
    let readings = envelopes.iter().map(|envelope| envelope.batch().rows.len() as u64).sum();
    let (inputs, recomputed) = blocking(move || {
        let recomputed = recompute(&inputs, &envelopes, &mut window)?;
        Ok::<_, RecomputeError>((inputs, recomputed))
    })
    .await?;
    let compared = compare(Outcome::of_ledger(&voted), &recomputed.outcome);
    let mut files = Vec::new();
    let mut first_difference = None;
    for file in EpochFile::ALL {
        let expected = record_content(file, &inputs, &recomputed);
        let found = match sources.epoch_file(epoch, file).await {
            Ok(found) => Some(found),
            Err(SourceError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let equal = found.as_ref().is_some_and(|found| *found == expected);
        files.push(FileReport { name: file.name(), equal });
        if !equal && first_difference.is_none() {
            first_difference = difference(file, found.as_deref(), &expected);
        }
    }
    let equal =
        compared.iter().all(|compared| compared.equal) && files.iter().all(|file| file.equal);
    Ok(AuditReport {
        epoch,
        equal,
        batches: recomputed.verdicts.len(),
        readings,
        devices: recomputed.scores.len(),
        batch_file_bytes: included_bytes(&inputs),
        compared,
        files,
        first_difference,
    })
}

fn included_bytes(inputs: &Inputs) -> u64 {
    inputs.included().map(|committed| committed.size).sum()
}

fn compare(voted: Option<Outcome>, ours: &Outcome) -> Vec<Compared> {
    let row = |name, value: fn(&Outcome) -> String| {
        let (ledger, recomputed) =
            (voted.as_ref().map_or_else(|| "out of range".to_owned(), value), value(ours));
        Compared { name, equal: ledger == recomputed, ledger, recomputed }
    };
    vec![
        row("verdict_root", |outcome| outcome.verdict_root.to_string()),
        row("score_root", |outcome| outcome.score_root.to_string()),
        row("reward_root", |outcome| outcome.reward_root.to_string()),
        row("devices", |outcome| outcome.devices.to_string()),
        row("earned_stones", |outcome| outcome.earned_stones.0.to_string()),
        row("subsidy_stones", |outcome| outcome.subsidy_stones.0.to_string()),
        row("usage_micro_usd", |outcome| outcome.usage.0.to_string()),
        row("need_micro_usd", |outcome| outcome.need.0.to_string()),
    ]
}

/// The first leaf of a leaf file that is not as it should be.
fn difference(file: EpochFile, found: Option<&[u8]>, expected: &[u8]) -> Option<Difference> {
    let (tree, show): (_, fn(&[u8]) -> String) = match file {
        EpochFile::Verdicts => ("verdicts", show_verdict),
        EpochFile::Scores => ("scores", show_score),
        EpochFile::Rewards => ("rewards", show_reward),
        EpochFile::Inputs | EpochFile::Result => return None,
    };
    let expected = LeafLine::bytes_of(expected).unwrap_or_default();
    let found = found.map(LeafLine::bytes_of).and_then(Result::ok).unwrap_or_default();
    let index = (0..expected.len().max(found.len()))
        .find(|index| expected.get(*index) != found.get(*index))?;
    let text = |leaves: &[Vec<u8>]| leaves.get(index).map(|leaf| show(leaf));
    Some(Difference { tree, index, archived: text(&found), recomputed: text(&expected) })
}

fn show_verdict(bytes: &[u8]) -> String {
    VerdictLeaf::from_bytes(bytes).map_or_else(
        |_| hex::encode(bytes),
        |leaf| {
            format!(
                "device {} seq {}: {}",
                leaf.device,
                leaf.first_seq.0,
                Rejection::name_of(leaf.rejection)
            )
        },
    )
}

fn show_score(bytes: &[u8]) -> String {
    ScoreLeaf::from_bytes(bytes).map_or_else(
        |_| hex::encode(bytes),
        |leaf| {
            format!(
                "device {}: {} per mille, {}",
                leaf.device,
                leaf.score,
                Rejection::name_of(leaf.rejection)
            )
        },
    )
}

fn show_reward(bytes: &[u8]) -> String {
    Reward::decode(bytes).map_or_else(
        |_| hex::encode(bytes),
        |leaf| {
            let (earned, subsidy) = (leaf.earned_stones, leaf.subsidy_stones);
            format!("device {}: {earned} STONE earned, {subsidy} STONE subsidy", leaf.device)
        },
    )
}
