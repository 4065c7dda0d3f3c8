//! From the public files of a final epoch to the rows that may be sold: a pure function, checked against two roots.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use cairn_primitives::{
    DeviceId, Digest, Envelope, Epoch, EpochSchedule, MerkleTree, Rows, Sector, Sidecar,
    SidecarError, WEATHER,
};
use cairn_sectors::{LeafError, ScoreLeaf, VerdictLeaf};

use super::{Device, Reading};
use crate::{
    engine::{EpochTable, RawBatch, TableError, read_batches},
    ports::FinalEpoch,
};

/// Why the public files of an epoch are not what the ledger says.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// Leaves that are no leaves.
    #[error("{file} line {line} is no leaf")]
    Leaf {
        /// The file.
        file: &'static str,
        /// The line, from 1.
        line: usize,
    },
    /// Leaves that do not give the root on the ledger.
    #[error("{file} has the root {found}, the ledger says {expected}")]
    Root {
        /// The file.
        file: &'static str,
        /// What the ledger says.
        expected: Digest,
        /// What the leaves give.
        found: Digest,
    },
    /// A file with another digest.
    #[error("a file is {found}, expected {expected}")]
    Digest {
        /// What was committed.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// A sidecar that is none, or not of this epoch and its readings.
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    /// A batch without a verdict.
    #[error("batch {0} has no verdict")]
    NoVerdict(Digest),
    /// A device that the registry does not know, although its batch was accepted.
    #[error("device {0} is not in the registry")]
    UnknownDevice(DeviceId),
    /// The readings file or the table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// The files of one commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitmentFiles {
    /// The sidecar's bytes.
    pub sidecar: Vec<u8>,
    /// Where the readings file lies.
    pub readings: PathBuf,
}

/// The public leaves of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaves<'a> {
    /// `verdicts.jsonl`.
    pub verdicts: &'a [u8],
    /// `scores.jsonl`.
    pub scores: &'a [u8],
}

/// What a sidecar says about the readings file that belongs to it, after its digest is checked.
pub(super) fn readings_of(digest: Digest, sidecar: &[u8]) -> Result<(Digest, u64), EpochError> {
    check_digest(digest, sidecar)?;
    let sidecar = Sidecar::decode(sidecar)?;
    Ok((sidecar.readings, sidecar.readings_bytes))
}

/// Refuses bytes with another SHA-256.
pub(super) fn check_digest(expected: Digest, bytes: &[u8]) -> Result<(), EpochError> {
    let found = Digest::of(&[bytes]);
    if found == expected { Ok(()) } else { Err(EpochError::Digest { expected, found }) }
}

/// Checks the leaves against the ledger's roots and keeps the rows that may be sold. The files' digests must have been
/// checked before.
///
/// # Errors
/// See `EpochError`.
pub fn verify_epoch(
    epoch: Epoch,
    schedule: &EpochSchedule,
    result: &FinalEpoch,
    leaves: Leaves<'_>,
    files: &[CommitmentFiles],
    devices: &[Device],
) -> Result<EpochTable, EpochError> {
    let verdicts = parse("verdicts.jsonl", leaves.verdicts, VerdictLeaf::from_bytes)?;
    check_root("verdicts.jsonl", result.verdict_root, verdicts.iter().map(VerdictLeaf::hash))?;
    let scores = parse("scores.jsonl", leaves.scores, ScoreLeaf::from_bytes)?;
    check_root("scores.jsonl", result.score_root, scores.iter().map(ScoreLeaf::hash))?;
    let judged: BTreeSet<Digest> = verdicts.iter().map(|v| v.batch).collect();
    // A batch that two ingests committed has two verdicts, of which at most one accepts; its rows are sold once.
    let mut accepted: BTreeSet<Digest> =
        verdicts.iter().filter(|v| v.rejection.is_none()).map(|v| v.batch).collect();
    let scored: BTreeSet<DeviceId> =
        scores.iter().filter(|s| s.score > 0).map(|s| s.device).collect();
    let devices: BTreeMap<DeviceId, &Device> = devices.iter().map(|d| (d.id, d)).collect();
    let mut readings = Vec::new();
    for file in files {
        for envelope in open(epoch, &file.sidecar, &file.readings)? {
            let (envelope, leaf) = envelope?;
            if !judged.contains(&leaf) {
                return Err(EpochError::NoVerdict(leaf));
            }
            let batch = envelope.batch();
            if !accepted.remove(&leaf) || !scored.contains(&batch.device) {
                continue;
            }
            let device = devices.get(&batch.device).copied();
            let device = device.ok_or(EpochError::UnknownDevice(batch.device))?;
            for i in 0..batch.rows.len() {
                let time = batch.time_of(i);
                // Rows of earlier epochs arrived too late to be scored: nobody vouches for them.
                if time < schedule.start_of(epoch) || time >= schedule.end_of(epoch) {
                    continue;
                }
                let mut values = [None; WEATHER.fields.len()];
                values.copy_from_slice(batch.rows.row(i, WEATHER.fields.len()));
                readings.push(Reading {
                    device: batch.device,
                    time,
                    seq: cairn_primitives::Seq(batch.first_seq.0 + i as u64),
                    cell: device.cell,
                    position: device.position,
                    values,
                });
            }
        }
    }
    Ok(EpochTable::new(epoch, readings)?)
}

type Opened = Result<(Envelope, Digest), EpochError>;

fn open(
    epoch: Epoch,
    sidecar: &[u8],
    readings: &Path,
) -> Result<impl Iterator<Item = Opened> + use<>, EpochError> {
    let sidecar = Sidecar::decode(sidecar)?;
    if (sidecar.epoch, sidecar.sector) != (epoch, Sector::Sensing) {
        return Err(SidecarError::Malformed("another epoch or sector").into());
    }
    let rows = read_batches(readings, sidecar.batches.len())?;
    Ok(rows.into_iter().enumerate().map(move |(index, rows)| {
        let envelope = envelope(&sidecar, index, rows)?;
        let leaf = envelope.leaf();
        Ok((envelope, leaf))
    }))
}

/// The envelope that the device signed, rebuilt from a batch of the sidecar and its rows.
fn envelope(sidecar: &Sidecar, index: usize, raw: RawBatch) -> Result<Envelope, EpochError> {
    let bad = || SidecarError::Malformed("the rows are not those of the batch");
    let header = sidecar.batches.get(index).ok_or_else(bad)?;
    if header.schema != WEATHER.id || raw.times_ms.len() != header.rows as usize {
        return Err(bad().into());
    }
    let offset = |time: &u64| u32::try_from(time.checked_sub(header.base_time.0)?).ok();
    let offsets_ms = raw.times_ms.iter().map(offset).collect::<Option<Vec<_>>>();
    let rows = Rows { offsets_ms: offsets_ms.ok_or_else(bad)?, values: raw.values };
    Ok(sidecar.envelope(index, rows).ok_or_else(bad)?)
}

/// A line of a leaf file. Only the canonical bytes are believed; the rest is for readers.
#[derive(serde::Deserialize)]
struct Line {
    bytes: String,
}

fn parse<T>(
    file: &'static str,
    content: &[u8],
    leaf: fn(&[u8]) -> Result<T, LeafError>,
) -> Result<Vec<T>, EpochError> {
    let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .enumerate()
        .map(|(i, line)| {
            let bad = || EpochError::Leaf { file, line: i + 1 };
            let line: Line = serde_json::from_slice(line).map_err(|_| bad())?;
            let bytes = hex::decode(&line.bytes).map_err(|_| bad())?;
            leaf(&bytes).map_err(|_| bad())
        })
        .collect()
}

fn check_root(
    file: &'static str,
    expected: Digest,
    leaves: impl Iterator<Item = Digest>,
) -> Result<(), EpochError> {
    let found = MerkleTree::from_hashes(leaves.collect()).root();
    if found == expected { Ok(()) } else { Err(EpochError::Root { file, expected, found }) }
}
