//! Recomputes an epoch from its public files and compares every bit with the ledger: what `cairn audit` prints.
//!
//! The auditor runs the validators' own `recompute` over inputs read from the ledger; it believes neither the archive's
//! inputs nor its leaves. A changed byte of a batch file is an error of its own, since nothing can be recomputed then.
//!
//! Epochs in rising order cost one recomputation each, however many copies of the files there are: what an epoch leaves
//! behind is carried to the next one, and the folders of the copies are compared with what was recomputed.

use cairn_client::{BlockTag, LedgerRead, Reads as _};
use cairn_economy::Reward;
use cairn_primitives::Epoch;
use cairn_sectors::{Rejection, ScoreLeaf, VerdictLeaf};
use serde::Serialize;

use crate::{
    archive::{EpochFile, LeafLine},
    recompute::{Inputs, Outcome, RecomputeError, Recomputed, recompute},
    verifier::{
        GatherError, Network, Past, SourceError, Sources, blocking, included, inputs,
        record_content,
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

/// The first leaf, or line, that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `verdicts`, `scores` or `rewards`; the file's name where every leaf is equal and only what it shows differs.
    pub tree: &'static str,
    /// Number of the leaf, or of the line, from 0.
    pub index: usize,
    /// What the archive has, for readers.
    pub archived: Option<String>,
    /// What the files give, for readers.
    pub recomputed: Option<String>,
}

/// One copy of the epoch's folder beside what was recomputed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyReport {
    /// Number of the copy.
    pub copy: usize,
    /// Whether the copy has this epoch: a validator that is behind has not written it yet, which is no difference.
    pub whole: bool,
    /// Files of the folder; none where the copy does not have the epoch.
    pub files: Vec<FileReport>,
    /// The first leaf that differs.
    pub first_difference: Option<Difference>,
}

impl CopyReport {
    /// Whether nothing in it is other than recomputed.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.files.iter().all(|file| file.equal)
    }
}

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// The epoch.
    pub epoch: Epoch,
    /// Whether every root, sum and file is equal, and at least one copy has the epoch.
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
    /// The copies.
    pub copies: Vec<CopyReport>,
}

impl AuditReport {
    /// The first leaf that differs in any copy, and that copy's number.
    #[must_use]
    pub fn first_difference(&self) -> Option<(usize, &Difference)> {
        let mut found =
            self.copies.iter().filter_map(|c| Some((c.copy, c.first_difference.as_ref()?)));
        found.next()
    }
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

/// Audits epochs one after another; rising order is cheap.
#[derive(Debug)]
pub struct Auditor<'a, L> {
    ledger: &'a L,
    network: &'a Network,
    /// Where batch files and earlier epochs come from.
    sources: &'a Sources,
    /// The copies whose folders are compared.
    copies: &'a [Sources],
    past: Past,
}

impl<'a, L: LedgerRead> Auditor<'a, L> {
    /// An auditor that takes evidence from `sources` and compares the epoch folders of `copies`.
    #[must_use]
    pub fn new(
        ledger: &'a L,
        network: &'a Network,
        sources: &'a Sources,
        copies: &'a [Sources],
    ) -> Self {
        Self { ledger, network, sources, copies, past: Past::new() }
    }

    /// Audits one final epoch.
    ///
    /// # Errors
    /// When the epoch is not final, or something needed is missing or was changed. An epoch that recomputes to other
    /// roots is no error: the report says so.
    pub async fn audit(&mut self, epoch: Epoch) -> Result<AuditReport, AuditError> {
        let Self { ledger, network, sources, copies, past } = self;
        let next = ledger.next_epoch(network.sector, BlockTag::Latest).await?;
        if epoch >= next {
            return Err(AuditError::NotFinal { epoch, next });
        }
        let voted = ledger.result(epoch, network.sector, BlockTag::Latest).await?;
        let inputs = inputs(*ledger, network, epoch).await?;
        let envelopes = included(sources, network, &inputs).await?;
        let mut window = past.before(*ledger, sources, network, epoch).await?.clone();
        let readings = envelopes.iter().map(|envelope| envelope.batch().rows.len() as u64).sum();
        let (inputs, recomputed, window) = blocking(move || {
            let recomputed = recompute(&inputs, &envelopes, &mut window)?;
            Ok::<_, RecomputeError>((inputs, recomputed, window))
        })
        .await?;
        let compared = compare(Outcome::of_ledger(&voted), &recomputed.outcome);
        let equal = compared.iter().all(|compared| compared.equal);
        if equal {
            past.advance(epoch, window);
        } else {
            // What comes after follows from what became final.
            past.forget();
        }
        let reports = compare_copies(copies, &inputs, &recomputed).await?;
        Ok(AuditReport {
            epoch,
            equal: equal
                && reports.iter().any(|copy| copy.whole)
                && reports.iter().all(CopyReport::equal),
            batches: recomputed.verdicts.len(),
            readings,
            devices: recomputed.scores.len(),
            batch_file_bytes: included_bytes(&inputs),
            compared,
            copies: reports,
        })
    }
}

/// Audits one final epoch of one copy.
///
/// # Errors
/// See `Auditor::audit`.
pub async fn audit<L: LedgerRead>(
    ledger: &L,
    sources: &Sources,
    network: &Network,
    epoch: Epoch,
) -> Result<AuditReport, AuditError> {
    Auditor::new(ledger, network, sources, std::slice::from_ref(sources)).audit(epoch).await
}

async fn compare_copies(
    copies: &[Sources],
    inputs: &Inputs,
    recomputed: &Recomputed,
) -> Result<Vec<CopyReport>, AuditError> {
    let epoch = inputs.epoch;
    let expected =
        EpochFile::ALL.map(|file| (file, record_content(file, inputs, recomputed.into())));
    let mut reports = Vec::new();
    for (copy, sources) in copies.iter().enumerate() {
        let mut report =
            CopyReport { copy, whole: false, files: Vec::new(), first_difference: None };
        // The result is written last: a folder without it is one that is not written yet.
        if found(sources, epoch, EpochFile::Result).await?.is_none() {
            reports.push(report);
            continue;
        }
        report.whole = true;
        for (file, expected) in &expected {
            let found = found(sources, epoch, *file).await?;
            let equal = found.as_ref().is_some_and(|found| found == expected);
            report.files.push(FileReport { name: file.name(), equal });
            if !equal && report.first_difference.is_none() {
                report.first_difference = difference(*file, found.as_deref(), expected);
            }
        }
        reports.push(report);
    }
    Ok(reports)
}

async fn found(
    sources: &Sources,
    epoch: Epoch,
    file: EpochFile,
) -> Result<Option<bytes::Bytes>, AuditError> {
    match sources.epoch_file(epoch, file).await {
        Ok(found) => Ok(Some(found)),
        Err(SourceError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
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
    let leaves = LeafLine::bytes_of(expected).unwrap_or_default();
    let archived = found.map(LeafLine::bytes_of).and_then(Result::ok).unwrap_or_default();
    let differs = |index: &usize| leaves.get(*index) != archived.get(*index);
    let Some(index) = (0..leaves.len().max(archived.len())).find(differs) else {
        return shown_otherwise(file, found.unwrap_or_default(), expected);
    };
    let text = |leaves: &[Vec<u8>]| leaves.get(index).map(|leaf| show(leaf));
    Some(Difference { tree, index, archived: text(&archived), recomputed: text(&leaves) })
}

/// The first line that shows something else than it should, where every leaf is equal.
fn shown_otherwise(file: EpochFile, found: &[u8], expected: &[u8]) -> Option<Difference> {
    let lines = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
    let (found, expected) = (lines(found), lines(expected));
    let (mut found, mut expected) = (found.split('\n'), expected.split('\n'));
    for index in 0.. {
        let (archived, recomputed) = (found.next(), expected.next());
        if archived == recomputed {
            archived?;
            continue;
        }
        let text = |line: Option<&str>| line.map(str::to_owned);
        let (archived, recomputed) = (text(archived), text(recomputed));
        return Some(Difference { tree: file.name(), index, archived, recomputed });
    }
    None
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
