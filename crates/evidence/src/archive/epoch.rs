//! The files of a final epoch. JSON is for readers; what counts are the canonical bytes, as hex in every line.

use cairn_primitives::{Digest, leaf_hash};
use serde::{Deserialize, Serialize};

/// A file of an epoch's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EpochFile {
    /// What the ledger said.
    Inputs,
    /// One verdict leaf a line.
    Verdicts,
    /// One score leaf a line.
    Scores,
    /// One reward leaf a line.
    Rewards,
    /// The roots that were voted.
    Result,
}

impl EpochFile {
    /// Every file, in the order in which they are written: the result last, so that it marks a whole folder.
    pub const ALL: [Self; 5] =
        [Self::Inputs, Self::Verdicts, Self::Scores, Self::Rewards, Self::Result];

    /// Its name on disk and in URLs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inputs => "inputs.json",
            Self::Verdicts => "verdicts.jsonl",
            Self::Scores => "scores.jsonl",
            Self::Rewards => "rewards.jsonl",
            Self::Result => "result.json",
        }
    }

    /// The file with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.name() == name)
    }
}

/// A line of `verdicts.jsonl`, `scores.jsonl` or `rewards.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafLine {
    /// Number of the leaf in its tree.
    pub index: u32,
    /// Its Merkle hash.
    pub hash: Digest,
    /// Its canonical bytes, as hex.
    pub bytes: String,
    /// The same for readers.
    pub leaf: serde_json::Value,
}

/// A line of a leaf file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl LeafLine {
    /// The lines of a leaf file. `leaves`: canonical bytes and the view for readers.
    pub fn file(leaves: impl IntoIterator<Item = (Vec<u8>, serde_json::Value)>) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, (bytes, leaf)) in (0_u32..).zip(leaves) {
            let line = Self { index, hash: leaf_hash(&bytes), bytes: hex::encode(&bytes), leaf };
            serde_json::to_writer(&mut out, &line)
                .expect("a line of strings and numbers always encodes");
            out.push(b'\n');
        }
        out
    }

    /// The canonical bytes of every line; the rest of a line is only for readers and not believed.
    ///
    /// # Errors
    /// Names the first line that is no leaf line or out of order.
    pub fn bytes_of(file: &[u8]) -> Result<Vec<Vec<u8>>, LineError> {
        let mut leaves = Vec::new();
        for (number, line) in
            file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate()
        {
            let fail = |reason: String| LineError { line: number + 1, reason };
            let line: Self =
                serde_json::from_slice(line).map_err(|error| fail(error.to_string()))?;
            if line.index as usize != number {
                return Err(fail(format!("index {} is out of order", line.index)));
            }
            leaves
                .push(hex::decode(&line.bytes).map_err(|_| fail("bytes are not hex".to_owned()))?);
        }
        Ok(leaves)
    }
}
