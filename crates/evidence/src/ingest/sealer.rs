//! Seals closed epochs, stores their files, and commits them to the ledger; goes on after `kill -9` at any point.
//!
//! ```text
//! journal ─seal─► files in the archive ─► commit (system transaction) ─► note on disk ─► old journals are removed
//!    ▲                                       └ window closed without it ─► carried
//!    └──────────── with the batches of the next epoch that is committed ◄─────┘
//! ```
//! Each step may be repeated: sealing is a pure function of the journals, files are stored under their content, and the
//! ledger is asked whether a commitment is there before one is sent.
//!
//! What was acknowledged is never dropped: batches of an epoch whose commit window closed without a commitment are
//! sealed with the next epoch that is committed, where every validator gives each a verdict with its number
//! (docs/spec/ingest.md, "A missed window"; ADR 12). Epochs are carried whole and in order, so that no sequence number
//! comes after a higher one.

use std::{path::PathBuf, time::Duration};

use cairn_client::{Backoff, BlockTag, ClientError, LedgerRead, Reads as _};
use cairn_kit::Shutdown;
use cairn_primitives::{Digest, Epoch, EpochSchedule, Sector};
use cairn_sectors::ANCHOR_WINDOW_EPOCHS;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Closed, journal, metrics::IngestMetrics};
use crate::{
    archive::{Archive, ArchiveError},
    desk::Desk,
    sealed::{BATCHES_MAX, Commitment, Entry, READINGS_MAX, SealError, seal},
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
    /// The files or notes cannot be stored.
    #[error("the files of epoch {0} cannot be stored")]
    Store(Epoch, #[source] ArchiveError),
    /// A note that this ingest did not write.
    #[error("the note {path} cannot be read")]
    Note {
        /// The note.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
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
    pub metrics: IngestMetrics,
}

/// `committed/{epoch}.json`: what is known to be on the ledger.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    epoch: Epoch,
    /// What the epoch's own commitment says; none when its window was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commitment: Option<NotedCommitment>,
    /// The later epoch in whose commitment the batches of this one are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    into: Option<Epoch>,
}

/// A commitment, as a note has it.
#[derive(Debug, Serialize, Deserialize)]
struct NotedCommitment {
    /// The epochs whose batches it holds.
    epochs: Vec<Epoch>,
    root: Digest,
    digest: Digest,
    count: u32,
    size: u64,
}

impl Note {
    fn holds(&self) -> &[Epoch] {
        self.commitment.as_ref().map_or(&[], |commitment| &commitment.epochs)
    }

    /// Whether the batches of this epoch are on the ledger.
    fn is_placed(&self) -> bool {
        self.into.is_some() || self.holds().contains(&self.epoch)
    }
}

/// Where an epoch stands on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its commitment is there.
    Committed(Digest),
    /// It may be committed.
    Open,
    /// Its window closed without a commitment; nothing can change that.
    Missed,
}

impl<L: LedgerRead, D: Desk> Sealer<L, D> {
    /// Seals what comes until `shutdown` or until the sender is gone.
    pub async fn run(
        self,
        mut closed: mpsc::Receiver<Closed>,
        shutdown: Shutdown,
    ) -> Result<(), SealerError> {
        // Epochs whose batches are on no commitment yet, the oldest first.
        let mut waiting: Vec<Closed> = Vec::new();
        while let Some(Some(next)) = shutdown.until(closed.recv()).await {
            let epoch = next.epoch;
            waiting.push(next);
            if let Some(note) = self.read_note(epoch)? {
                self.drop_committed(&mut waiting, &note)?;
                continue;
            }
            let Some(standing) = shutdown.until(self.standing(epoch)).await else { return Ok(()) };
            if standing == Standing::Missed {
                self.tell_missed(epoch, &waiting);
                continue;
            }
            let chosen = fitting(&waiting);
            let epochs: Vec<Epoch> = waiting[..chosen].iter().map(|closed| closed.epoch).collect();
            let commitment = self.store(epoch, merged(&waiting[..chosen])).await?;
            match shutdown.until(self.commit(epoch, &commitment)).await {
                None => return Ok(()),
                Some(false) => self.tell_missed(epoch, &waiting),
                Some(true) => {
                    let Commitment { root, digest, count, size } = commitment;
                    let commitment = Some(NotedCommitment { epochs, root, digest, count, size });
                    let note = Note { epoch, commitment, into: None };
                    self.write_note(&note)?;
                    self.drop_committed(&mut waiting, &note)?;
                }
            }
            self.clean(epoch)?;
        }
        Ok(())
    }

    /// Takes out of `waiting` what is on the ledger with the commitment of `note`, and notes where it is.
    fn drop_committed(&self, waiting: &mut Vec<Closed>, note: &Note) -> Result<(), SealerError> {
        for held in waiting.iter().filter(|closed| note.holds().contains(&closed.epoch)) {
            let epoch = held.epoch;
            let own = self.read_note(epoch)?;
            if epoch == note.epoch || own.as_ref().is_some_and(Note::is_placed) {
                continue;
            }
            self.metrics.carried.add(held.entries.len() as u64);
            let commitment = own.and_then(|own| own.commitment);
            self.write_note(&Note { epoch, commitment, into: Some(note.epoch) })?;
        }
        waiting.retain(|closed| {
            let placed = closed.epoch == note.epoch && note.is_placed();
            !placed && !note.holds().contains(&closed.epoch)
        });
        Ok(())
    }

    fn note(&self, epoch: Epoch) -> PathBuf {
        self.folder.join("committed").join(format!("{epoch}.json"))
    }

    fn read_note(&self, epoch: Epoch) -> Result<Option<Note>, SealerError> {
        let path = self.note(epoch);
        let fail = |source| SealerError::Note { path: path.clone(), source };
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fail(error)),
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| fail(e.into())),
        }
    }

    fn write_note(&self, note: &Note) -> Result<(), SealerError> {
        let text = serde_json::to_vec(note).expect("plain data always encodes");
        crate::archive::write_whole(&self.note(note.epoch), &text)
            .map_err(|error| SealerError::Store(note.epoch, error))
    }

    async fn store(&self, epoch: Epoch, entries: Vec<Entry>) -> Result<Commitment, SealerError> {
        let (archive, sector) = (self.archive.clone(), self.sector);
        let work = move || {
            let sealed =
                seal(epoch, sector, &entries).map_err(|error| SealerError::Seal(epoch, error))?;
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

    /// Where an epoch stands; asks until the ledger answers.
    async fn standing(&self, epoch: Epoch) -> Standing {
        let mut pauses = Backoff::endless(RETRY.0, RETRY.1);
        loop {
            match self.look(epoch).await {
                Ok(standing) => return standing,
                Err(error) => self.wait(epoch, &error, &mut pauses).await,
            }
        }
    }

    /// Only the ledger can say that a window was missed: a commitment may be there although its answer was lost.
    async fn look(&self, epoch: Epoch) -> Result<Standing, ClientError> {
        let closes = self.schedule.end_of(epoch).0 + self.commit_window_ms;
        // The time first: what is not there at a later block than one after the window will never be.
        let late = self.ledger.latest().await?.time.0 >= closes;
        let there = self.ledger.commitments(epoch, self.sector, BlockTag::Latest).await?;
        let ours = there.iter().find(|other| other.ingest == self.desk.address());
        Ok(match ours {
            Some(ours) => Standing::Committed(Digest(ours.digest.0)),
            None if late => Standing::Missed,
            None => Standing::Open,
        })
    }

    /// Whether the commitment got onto the ledger before its window closed.
    async fn commit(&self, epoch: Epoch, commitment: &Commitment) -> bool {
        let mut pauses = Backoff::endless(RETRY.0, RETRY.1);
        loop {
            let sent = match self.look(epoch).await {
                Ok(Standing::Missed) => return false,
                Ok(Standing::Committed(digest)) => {
                    if digest != commitment.digest {
                        tracing::error!(
                            epoch = epoch.0,
                            "the ledger has another commitment of this ingest"
                        );
                    }
                    Ok(())
                }
                Ok(Standing::Open) => self.desk.commit(epoch, self.sector, commitment).await,
                Err(error) => Err(error),
            };
            match sent {
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
                Err(error) => self.wait(epoch, &error, &mut pauses).await,
            }
        }
    }

    async fn wait(&self, epoch: Epoch, error: &ClientError, pauses: &mut Backoff) {
        tracing::debug!(
            epoch = epoch.0,
            error = error as &dyn std::error::Error,
            "commit is tried again"
        );
        tokio::time::sleep(pauses.next().unwrap_or(RETRY.1)).await;
    }

    fn tell_missed(&self, epoch: Epoch, waiting: &[Closed]) {
        self.metrics.missed.inc();
        let batches: usize = waiting.iter().map(|closed| closed.entries.len()).sum();
        tracing::error!(
            epoch = epoch.0,
            batches,
            "the commit window closed before the epoch was committed: its batches go into the next commitment"
        );
    }

    /// Removes journals that nothing can refer to any more.
    fn clean(&self, epoch: Epoch) -> Result<(), SealerError> {
        let folder = self.folder.join("journal");
        for old in journal::epochs(&folder)? {
            if old.0 + ANCHOR_WINDOW_EPOCHS + 1 < epoch.0
                && self.read_note(old)?.is_some_and(|note| note.is_placed())
            {
                journal::remove(&folder, old)?;
            }
        }
        Ok(())
    }
}

/// How many of the waiting epochs go into one commitment: whole epochs, the oldest first, at least one.
fn fitting(waiting: &[Closed]) -> usize {
    let (mut batches, mut readings) = (0, 0);
    let fits = waiting.iter().take_while(|closed| {
        batches += closed.entries.len();
        readings += closed.entries.iter().map(|entry| entry.batch.rows.len() as u64).sum::<u64>();
        batches <= BATCHES_MAX && readings <= READINGS_MAX
    });
    fits.count().max(1)
}

/// The batches of several epochs in sealing order. A contradiction that a device sent in two epochs is sealed once.
fn merged(chosen: &[Closed]) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        chosen.iter().flat_map(|closed| closed.entries.iter().cloned()).collect();
    entries.sort_by_cached_key(Entry::order);
    entries.dedup_by_key(|entry| entry.leaf);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Station;

    fn closed(epoch: u64, station: &mut Station, batches: usize) -> Closed {
        let entries = (0..batches).map(|_| station.envelope(1).unwrap().into()).collect();
        Closed { epoch: Epoch(epoch), entries }
    }

    #[test]
    fn whole_epochs_are_carried_in_order_and_repeats_are_sealed_once() {
        let mut station = Station::new(1);
        let mut waiting = vec![closed(3, &mut station, 2), closed(4, &mut station, 3)];
        assert_eq!(fitting(&waiting), 2);
        let again = waiting[0].entries[1].clone();
        waiting[1].entries.push(again);
        let together = merged(&waiting);
        assert_eq!(together.len(), 5);
        assert!(together.windows(2).all(|pair| pair[0].order() < pair[1].order()));

        let entry = waiting[0].entries[0].clone();
        let full = Closed { epoch: Epoch(5), entries: vec![entry; BATCHES_MAX] };
        assert_eq!(fitting(&[closed(4, &mut station, 1), full.clone()]), 1);
        assert_eq!(fitting(std::slice::from_ref(&full)), 1);
        assert_eq!(fitting(&[full, closed(6, &mut station, 1)]), 1);
    }
}
