//! Follows the ledger: as soon as an epoch is final, its readings can be queried.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use cairn_kit::{Shutdown, http::Readiness};
use cairn_primitives::{Epoch, EpochSchedule, SidecarError};

use super::{
    Device, EpochError, Snapshot, Store, StoreError,
    epoch::{CommitmentFiles, Leaves, check_digest, readings_of, verify_epoch},
    store::Entry,
};
use crate::{
    metrics::GatewayMetrics,
    params::{FAILURES_TOLD, RETRY_PAUSE_MAX, SYNC_PAUSE},
    ports::{Archive, ArchiveError, Ledger, LedgerError},
};

/// Why an epoch could not be taken in; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The archives.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The files are not what the ledger says.
    #[error("the files of epoch {epoch} are not what the ledger says")]
    Epoch {
        /// Which.
        epoch: Epoch,
        /// Why.
        #[source]
        source: EpochError,
    },
    /// The own disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The final epochs that are at hand.
#[derive(Debug)]
pub struct Catalog {
    store: Arc<Store>,
    schedule: EpochSchedule,
    downloads: PathBuf,
    state: RwLock<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    entries: Arc<BTreeMap<Epoch, Entry>>,
    devices: Arc<Vec<Device>>,
}

impl Catalog {
    /// Opens the catalog in a folder, with what it kept before.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(dir: &Path, schedule: EpochSchedule) -> Result<Self, StoreError> {
        let store = Store::open(dir)?;
        let downloads = dir.join("downloads");
        std::fs::create_dir_all(&downloads)
            .map_err(|source| StoreError::Io { path: downloads.clone(), source })?;
        let mut entries = BTreeMap::new();
        let mut epoch = Epoch(0);
        while let Some(entry) = store.entry(epoch)? {
            entries.insert(epoch, entry);
            epoch = epoch.next();
        }
        let state = State { entries: Arc::new(entries), devices: Arc::default() };
        Ok(Self { store, schedule, downloads, state: RwLock::new(state) })
    }

    /// What a query sees from now on.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let state = self.state();
        Arc::new(Snapshot::new(Arc::clone(&self.store), state.entries, state.devices))
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first epoch that is not at hand.
    #[must_use]
    pub fn next(&self) -> Epoch {
        self.state().entries.keys().next_back().map_or(Epoch(0), |last| last.next())
    }

    /// Takes in every epoch that is final by now; how many there were.
    ///
    /// # Errors
    /// See `SyncError`; epochs taken in before the error stay.
    pub async fn catch_up<L: Ledger, A: Archive>(
        &self,
        ledger: &L,
        archive: &A,
    ) -> Result<u64, SyncError> {
        let end = ledger.next_epoch().await?;
        let mut taken = 0;
        if self.state().devices.is_empty() || self.next() < end {
            self.add_devices(ledger).await?;
        }
        while self.next() < end {
            self.take(self.next(), ledger, archive).await?;
            taken += 1;
        }
        Ok(taken)
    }

    async fn add_devices<L: Ledger>(&self, ledger: &L) -> Result<(), SyncError> {
        let known = self.state().devices;
        let new = ledger.devices(known.len() as u64).await?;
        if !new.is_empty() {
            let all = known.iter().cloned().chain(new).collect();
            self.state.write().unwrap_or_else(PoisonError::into_inner).devices = Arc::new(all);
        }
        Ok(())
    }

    async fn take<L: Ledger, A: Archive>(
        &self,
        epoch: Epoch,
        ledger: &L,
        archive: &A,
    ) -> Result<(), SyncError> {
        let result = ledger.final_epoch(epoch).await?;
        let verdicts = archive.epoch_file(epoch, "verdicts.jsonl").await?;
        let scores = archive.epoch_file(epoch, "scores.jsonl").await?;
        let bad = |source| SyncError::Epoch { epoch, source };
        let mut files = Vec::new();
        for (digest, _) in &result.included {
            let sidecar = archive.file(*digest).await?;
            let (readings, bytes) = readings_of(*digest, &sidecar).map_err(bad)?;
            let content = archive.file(readings).await?;
            check_digest(readings, &content).map_err(bad)?;
            if content.len() as u64 != bytes {
                let length = SidecarError::Malformed("another length of the readings file");
                return Err(bad(length.into()));
            }
            let path = self.downloads.join(format!("{}.parquet", files.len()));
            std::fs::write(&path, &content)
                .map_err(|source| StoreError::Io { path: path.clone(), source })?;
            files.push(CommitmentFiles { sidecar, readings: path });
        }
        let (state, schedule, store) = (self.state(), self.schedule, Arc::clone(&self.store));
        let entry = tokio::task::spawn_blocking(move || {
            let leaves = Leaves { verdicts: &verdicts, scores: &scores };
            let table = verify_epoch(epoch, &schedule, &result, leaves, &files, &state.devices)
                .map_err(|source| SyncError::Epoch { epoch, source })?;
            for file in &files {
                // A leftover is overwritten by the next epoch; the table is what counts.
                let _ = std::fs::remove_file(&file.readings);
            }
            Ok::<_, SyncError>(store.put(&table, result.verdict_root, result.score_root)?)
        });
        let entry = entry.await.expect("verify_epoch does not panic and is not cancelled")?;
        tracing::debug!(%epoch, rows = entry.rows, "epoch can be queried");
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut state.entries).insert(epoch, entry);
        Ok(())
    }

    /// Follows the ledger until `shutdown`. Failures that last are told once and tried again with growing pauses.
    ///
    /// # Errors
    /// Only when the own disk fails.
    pub(crate) async fn follow<L: Ledger, A: Archive>(
        &self,
        ledger: &L,
        archive: &A,
        readiness: &Readiness,
        metrics: &GatewayMetrics,
        shutdown: &Shutdown,
    ) -> Result<(), SyncError> {
        let (mut pause, mut failures) = (SYNC_PAUSE, 0_u32);
        while let Some(result) = shutdown.until(self.catch_up(ledger, archive)).await {
            match result {
                Ok(taken) => {
                    (pause, failures) = (SYNC_PAUSE, 0);
                    if taken > 0 {
                        metrics.epochs.set(self.next().0);
                        metrics.rows.set(self.snapshot().rows());
                    }
                    readiness.set_ready();
                }
                Err(SyncError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let (chain, epoch) = (crate::chain(&error), self.next());
                    if failures == FAILURES_TOLD {
                        tracing::warn!(error = chain, %epoch, "epoch cannot be had");
                        readiness.set_waiting(chain);
                    } else {
                        // Usual right after an epoch became final: the archives are still writing it.
                        tracing::debug!(error = chain, %epoch, failures, "epoch not at hand yet");
                    }
                    if failures >= FAILURES_TOLD {
                        pause = (pause * 2).min(RETRY_PAUSE_MAX);
                    }
                }
            }
            if shutdown.until(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        Ok(())
    }
}
