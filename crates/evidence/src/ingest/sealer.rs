//! Seals closed epochs, stores their files, and commits them to the ledger; goes on after `kill -9` at any point.
//!
//! ```text
//! journal ─seal─► files in the archive ─► commit (system transaction) ─► note on disk ─► old journals are removed
//! ```
//! Each step may be repeated: sealing is a pure function of the journal, files are stored under their content, and the
//! ledger is asked whether a commitment is there before one is sent.

use std::{path::PathBuf, time::Duration};

use cairn_client::{Backoff, BlockTag, ClientError, LedgerRead, Reads as _};
use cairn_kit::{Shutdown, clock::NetworkClock};
use cairn_primitives::{Epoch, EpochSchedule, Sector};
use cairn_sectors::ANCHOR_WINDOW_EPOCHS;
use tokio::sync::mpsc;

use super::{Closed, journal, metrics::IngestMetrics};
use crate::{
    archive::{Archive, ArchiveError},
    desk::Desk,
    sealed::{Commitment, SealError, seal},
};

/// Closed epochs that wait to be sealed.
pub(super) const QUEUE_EPOCHS: usize = 64;
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Why an ingest cannot seal.
#[derive(Debug, thiserror::Error)]
pub enum SealerError {
    /// The batches cannot be sealed.
    #[error("epoch {0} cannot be sealed")]
    Seal(Epoch, #[source] SealError),
    /// The files cannot be stored.
    #[error("the files of epoch {0} cannot be stored")]
    Store(Epoch, #[source] ArchiveError),
    /// Old journals cannot be removed.
    #[error("old journals cannot be removed")]
    Journal(#[from] journal::JournalError),
}

/// The actor.
pub(super) struct Sealer<L, D> {
    pub ledger: L,
    pub desk: D,
    pub archive: Archive,
    /// Journals are in `folder/journal`, notes of what was committed in `folder/committed`.
    pub folder: PathBuf,
    pub sector: Sector,
    pub schedule: EpochSchedule,
    pub commit_window_ms: u64,
    pub clock: NetworkClock,
    pub metrics: IngestMetrics,
}

impl<L: LedgerRead, D: Desk> Sealer<L, D> {
    /// Seals what comes until `shutdown` or until the sender is gone.
    pub async fn run(
        self,
        mut closed: mpsc::Receiver<Closed>,
        shutdown: Shutdown,
    ) -> Result<(), SealerError> {
        while let Some(Some(next)) = shutdown.until(closed.recv()).await {
            let epoch = next.epoch;
            if self.note(epoch).is_file() {
                continue;
            }
            let commitment = self.store(next).await?;
            let Some(done) = shutdown.until(self.commit(epoch, &commitment)).await else {
                return Ok(());
            };
            if done {
                let note = serde_json::json!({
                    "epoch": epoch, "root": commitment.root, "digest": commitment.digest,
                    "count": commitment.count, "size": commitment.size,
                });
                crate::archive::write_whole(&self.note(epoch), note.to_string().as_bytes())
                    .map_err(|error| SealerError::Store(epoch, error))?;
            }
            self.clean(epoch)?;
        }
        Ok(())
    }

    fn note(&self, epoch: Epoch) -> PathBuf {
        self.folder.join("committed").join(format!("{epoch}.json"))
    }

    async fn store(&self, closed: Closed) -> Result<Commitment, SealerError> {
        let (archive, sector) = (self.archive.clone(), self.sector);
        let work = move || {
            let epoch = closed.epoch;
            let sealed = seal(epoch, sector, &closed.entries)
                .map_err(|error| SealerError::Seal(epoch, error))?;
            for file in [&sealed.readings, &sealed.sidecar] {
                archive.put(file).map_err(|error| SealerError::Store(epoch, error))?;
            }
            Ok(sealed.commitment())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Whether the commitment got onto the ledger before its window closed.
    async fn commit(&self, epoch: Epoch, commitment: &Commitment) -> bool {
        let closes = self.schedule.end_of(epoch).0 + self.commit_window_ms;
        let mut pauses = Backoff::endless(RETRY.0, RETRY.1);
        loop {
            match self.try_commit(epoch, commitment).await {
                Ok(()) => {
                    self.metrics.committed.inc();
                    tracing::info!(
                        epoch = epoch.0,
                        batches = commitment.count,
                        bytes = commitment.size,
                        "epoch committed"
                    );
                    return true;
                }
                Err(error) if self.clock.now_ms() >= closes => {
                    self.metrics.missed.inc();
                    tracing::error!(
                        epoch = epoch.0,
                        batches = commitment.count,
                        error = &error as &dyn std::error::Error,
                        "the commit window closed before the epoch was committed"
                    );
                    return false;
                }
                Err(error) => {
                    tracing::debug!(
                        epoch = epoch.0,
                        error = &error as &dyn std::error::Error,
                        "commit is tried again"
                    );
                    tokio::time::sleep(pauses.next().unwrap_or(RETRY.1)).await;
                }
            }
        }
    }

    async fn try_commit(&self, epoch: Epoch, commitment: &Commitment) -> Result<(), ClientError> {
        let there = self.ledger.commitments(epoch, self.sector, BlockTag::Latest).await?;
        if let Some(ours) = there.iter().find(|other| other.ingest == self.desk.address()) {
            if ours.digest.0 != commitment.digest.0 {
                tracing::error!(
                    epoch = epoch.0,
                    "the ledger has another commitment of this ingest"
                );
            }
            return Ok(());
        }
        self.desk.commit(epoch, self.sector, commitment).await
    }

    /// Removes journals that nothing can refer to any more.
    fn clean(&self, epoch: Epoch) -> Result<(), SealerError> {
        let folder = self.folder.join("journal");
        for old in journal::epochs(&folder)? {
            if old.0 + ANCHOR_WINDOW_EPOCHS + 1 < epoch.0 && self.note(old).is_file() {
                journal::remove(&folder, old)?;
            }
        }
        Ok(())
    }
}
