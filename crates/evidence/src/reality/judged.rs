//! A final epoch's leaves, checked against the roots in the blocks, and what the page needs of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use cairn_economy::Reward;
use cairn_primitives::{DeviceId, Digest, MerkleTree, MicroUsd, Stones, leaf_hash};
use cairn_sectors::{ScoreLeaf, VerdictLeaf};

use super::FinalEpoch;
use crate::archive::{EpochFile, LeafLine};

/// What validators decided about an epoch of a sector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// By device.
    pub(super) devices: BTreeMap<DeviceId, DeviceEpoch>,
    pub(super) batches: u64,
    pub(super) refused: u64,
    pub(super) gated: u64,
    /// Validators that judged it independently and agreed.
    pub(super) votes: u64,
}

/// A device's epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DeviceEpoch {
    pub(super) earned: MicroUsd,
    pub(super) subsidy: MicroUsd,
    pub(super) subsidy_stones: Stones,
    pub(super) judged: bool,
    pub(super) verified: bool,
    pub(super) units: u64,
}

/// Leaves that are not those of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct JudgedError {
    /// Which file.
    pub file: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Judged {
    /// The files that are read.
    pub const FILES: [EpochFile; 3] = [EpochFile::Verdicts, EpochFile::Scores, EpochFile::Rewards];

    /// Reads the leaf files of an epoch, in the order of `FILES`.
    ///
    /// # Errors
    /// When leaves do not have the ledger's root, or are none.
    pub fn read(
        row: &FinalEpoch,
        [verdicts, scores, rewards]: [Bytes; 3],
    ) -> Result<Self, JudgedError> {
        let mut judged = Self { votes: row.votes.into(), ..Self::default() };
        for leaf in leaves(EpochFile::Verdicts, &verdicts, &row.verdict_root)? {
            let leaf = VerdictLeaf::from_bytes(&leaf).map_err(fail(EpochFile::Verdicts))?;
            judged.batches += 1;
            if leaf.rejection.is_some() {
                judged.refused += 1;
            } else {
                judged.device(leaf.device).units += u64::from(leaf.rows);
            }
        }
        for leaf in leaves(EpochFile::Scores, &scores, &row.score_root)? {
            let leaf = ScoreLeaf::from_bytes(&leaf).map_err(fail(EpochFile::Scores))?;
            judged.gated += u64::from(leaf.rejection.is_some());
            let device = judged.device(leaf.device);
            (device.judged, device.verified) = (true, leaf.score > 0);
        }
        for leaf in leaves(EpochFile::Rewards, &rewards, &row.reward_root)? {
            let leaf = Reward::decode(&leaf).map_err(fail(EpochFile::Rewards))?;
            let device = judged.device(leaf.device);
            (device.earned, device.subsidy) = (leaf.earned, leaf.subsidy);
            device.subsidy_stones = leaf.subsidy_stones;
        }
        Ok(judged)
    }

    /// Devices in it: what it costs to keep.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether it names no device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    fn device(&mut self, id: DeviceId) -> &mut DeviceEpoch {
        self.devices.entry(id).or_default()
    }
}

fn fail<E: ToString>(file: EpochFile) -> impl Fn(E) -> JudgedError {
    move |error| JudgedError { file: file.name(), reason: error.to_string() }
}

/// The leaves of a file whose root is the ledger's.
fn leaves(file: EpochFile, content: &[u8], root: &Digest) -> Result<Vec<Vec<u8>>, JudgedError> {
    let leaves = LeafLine::bytes_of(content).map_err(fail(file))?;
    let found = MerkleTree::from_hashes(leaves.iter().map(|leaf| leaf_hash(leaf)).collect()).root();
    if found == *root {
        Ok(leaves)
    } else {
        Err(fail(file)(format!("its leaves have the root {found}, the ledger says {root}")))
    }
}
