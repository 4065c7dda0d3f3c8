//! A long run on disk: stopped at any day, continued later, with the hash of a run that was never stopped.
//!
//! The file is one JSON object: the scenario's digest, so that another scenario cannot continue it, and the run's state. It is
//! replaced whole, so a power cut leaves the one before.

use std::{fs, io, path::Path};

use cairn_primitives::Digest;
use serde::{Deserialize, Serialize};

use super::{
    files::write_whole,
    run::{Run, Setup},
};

/// Days between checkpoints: half a minute or so of a fast run.
pub const CHECKPOINT_DAYS: u64 = 20_000_000;

/// The file.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    scenario: Digest,
    run: Run,
}

/// A checkpoint that cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk.
    #[error("cannot use the checkpoint {path}")]
    Disk {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no checkpoint.
    #[error("{path} is no checkpoint of `cairn simulate`")]
    Content {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It was made by another scenario.
    #[error("{path} was made by another scenario: its hash is {found}, this one's {expected}")]
    Scenario {
        /// The file.
        path: String,
        /// Of the file.
        found: Digest,
        /// Of the scenario.
        expected: Digest,
    },
}

/// What names a scenario and the ledger's days that it goes on from.
#[must_use]
pub fn digest(setup: &Setup) -> Digest {
    let text = serde_json::to_string(&setup.scenario).expect("a scenario is plain data");
    let history = setup.scenario.history.as_ref().map(|history| history.digest());
    let history = history.as_ref().map_or(&[][..], |digest| digest.as_bytes());
    Digest::of(&[b"cairn/scenario/v1", text.as_bytes(), history])
}

/// Writes a run down.
///
/// # Errors
/// The disk's.
pub fn save(path: &Path, setup: &Setup, run: &Run) -> Result<(), CheckpointError> {
    let name = path.display().to_string();
    let checkpoint = Checkpoint { scenario: digest(setup), run: run.clone() };
    let bytes = serde_json::to_vec(&checkpoint)
        .map_err(|source| CheckpointError::Content { path: name.clone(), source })?;
    write_whole(path, &bytes).map_err(|source| CheckpointError::Disk { path: name, source })
}

/// Reads a run back; `None` when there is no file.
///
/// # Errors
/// See `CheckpointError`.
pub fn load(path: &Path, setup: &Setup) -> Result<Option<Run>, CheckpointError> {
    let name = path.display().to_string();
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CheckpointError::Disk { path: name, source }),
    };
    let checkpoint: Checkpoint = serde_json::from_slice(&bytes)
        .map_err(|source| CheckpointError::Content { path: name.clone(), source })?;
    let expected = digest(setup);
    if checkpoint.scenario != expected {
        return Err(CheckpointError::Scenario { path: name, found: checkpoint.scenario, expected });
    }
    Ok(Some(checkpoint.run))
}
