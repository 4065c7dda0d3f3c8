//! Epoch tables on disk, the decoded ones in memory within a limit, and the snapshots that queries hold.
//!
//! ```text
//! <dir>/epochs/<e>.parquet   the rows that may be sold
//! <dir>/epochs/<e>.json      what the table is: roots, rows, times, digest; written last, so it vouches for the file
//! ```

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use cairn_primitives::{Digest, Epoch};
use serde::{Deserialize, Serialize};

use super::Device;
use crate::{
    engine::{EpochTable, TableError, Wanted},
    params::CACHE_BYTES_MAX,
};

/// What is known about an epoch's table without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub epoch: Epoch,
    pub verdict_root: Digest,
    pub score_root: Digest,
    /// Rows, and the first and last time among them; none when the epoch has no rows.
    pub rows: u64,
    pub times_ms: Option<(i64, i64)>,
    /// SHA-256 of the table's file.
    pub digest: Digest,
}

/// Why the store cannot keep or give a table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("cannot access {path}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A manifest that is none.
    #[error("{path} is no manifest of an epoch")]
    Manifest {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A table whose bytes changed on the disk.
    #[error("{path} is damaged")]
    Damaged {
        /// Where.
        path: PathBuf,
    },
    /// The table cannot be written or read.
    #[error("cannot use the table of epoch {epoch}")]
    Table {
        /// Which.
        epoch: Epoch,
        /// Why.
        #[source]
        source: TableError,
    },
}

/// The tables of a folder.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    cache: Mutex<Cache>,
}

/// Decoded tables; the one used longest ago goes first.
#[derive(Debug, Default)]
struct Cache {
    tables: BTreeMap<Epoch, (u64, Arc<EpochTable>)>,
    bytes: usize,
    clock: u64,
}

impl Store {
    /// Opens or makes a folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(dir: &Path) -> Result<Arc<Self>, StoreError> {
        let dir = dir.join("epochs");
        fs::create_dir_all(&dir).map_err(|source| StoreError::Io { path: dir.clone(), source })?;
        let store = Self { dir, cache: Mutex::default() };
        Ok(Arc::new(store))
    }

    fn manifest_path(&self, epoch: Epoch) -> PathBuf {
        self.dir.join(format!("{epoch}.json"))
    }

    fn table_path(&self, epoch: Epoch) -> PathBuf {
        self.dir.join(format!("{epoch}.parquet"))
    }

    /// The manifest of an epoch, if it is kept.
    pub(super) fn entry(&self, epoch: Epoch) -> Result<Option<Entry>, StoreError> {
        let path = self.manifest_path(epoch);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { path, source }),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StoreError::Manifest { path, source })
    }

    /// Keeps a table; on the disk when this returns.
    pub(super) fn put(
        &self,
        table: &EpochTable,
        verdict_root: Digest,
        score_root: Digest,
    ) -> Result<Entry, StoreError> {
        let epoch = table.epoch;
        let path = self.table_path(epoch);
        table.write(&path).map_err(|source| StoreError::Table { epoch, source })?;
        let bytes =
            fs::read(&path).map_err(|source| StoreError::Io { path: path.clone(), source })?;
        let entry = Entry {
            epoch,
            verdict_root,
            score_root,
            rows: table.len() as u64,
            times_ms: table.time_range(),
            digest: Digest::of(&[&bytes]),
        };
        let path = self.manifest_path(epoch);
        write_whole(&path, &serde_json::to_vec_pretty(&entry).unwrap_or_default())
            .map_err(|source| StoreError::Io { path, source })?;
        Ok(entry)
    }

    fn table(&self, entry: &Entry) -> Result<Arc<EpochTable>, StoreError> {
        let epoch = entry.epoch;
        if let Some(table) = self.cache().get(epoch) {
            return Ok(table);
        }
        let path = self.table_path(epoch);
        let bytes =
            fs::read(&path).map_err(|source| StoreError::Io { path: path.clone(), source })?;
        if Digest::of(&[&bytes]) != entry.digest {
            return Err(StoreError::Damaged { path });
        }
        let table =
            EpochTable::read(epoch, &path).map_err(|source| StoreError::Table { epoch, source })?;
        let table = Arc::new(table);
        self.cache().put(Arc::clone(&table));
        Ok(table)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn get(&mut self, epoch: Epoch) -> Option<Arc<EpochTable>> {
        self.clock += 1;
        let (used, table) = self.tables.get_mut(&epoch)?;
        *used = self.clock;
        Some(Arc::clone(table))
    }

    fn put(&mut self, table: Arc<EpochTable>) {
        self.clock += 1;
        self.bytes += table.size_bytes();
        if let Some((_, old)) = self.tables.insert(table.epoch, (self.clock, table)) {
            self.bytes -= old.size_bytes();
        }
        while self.bytes > CACHE_BYTES_MAX && self.tables.len() > 1 {
            let oldest = self.tables.iter().min_by_key(|(_, (used, _))| *used).map(|(e, _)| *e);
            let Some((_, old)) = oldest.and_then(|epoch| self.tables.remove(&epoch)) else { break };
            self.bytes -= old.size_bytes();
        }
    }
}

/// Writes a small file that appears whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = fs::File::create(&partial)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

/// What a query sees: fixed when it begins.
#[derive(Clone, Debug)]
pub struct Snapshot {
    store: Arc<Store>,
    entries: Arc<BTreeMap<Epoch, Entry>>,
    devices: Arc<Vec<Device>>,
    /// The last epoch that is visible; `None` shows nothing.
    through: Option<Epoch>,
}

impl Snapshot {
    pub(super) fn new(
        store: Arc<Store>,
        entries: Arc<BTreeMap<Epoch, Entry>>,
        devices: Arc<Vec<Device>>,
    ) -> Self {
        let through = entries.keys().next_back().copied();
        Self { store, entries, devices, through }
    }

    /// The last epoch that is visible.
    #[must_use]
    pub const fn through(&self) -> Option<Epoch> {
        self.through
    }

    /// The same snapshot, as it was when `through` was its last epoch.
    #[must_use]
    pub fn until(&self, through: Option<Epoch>) -> Self {
        Self { through: through.min(self.through), ..self.clone() }
    }

    /// The registered devices.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Rows that can be queried.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.visible().map(|entry| entry.rows).sum()
    }

    fn visible(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| Some(entry.epoch) <= self.through)
    }

    /// The epochs with rows that can match, in order.
    pub(crate) fn epochs_in(&self, wanted: &Wanted) -> Vec<Epoch> {
        self.visible()
            .filter(|entry| entry.times_ms.is_some_and(|times| wanted.includes(entry.epoch, times)))
            .map(|entry| entry.epoch)
            .collect()
    }

    /// The table of an epoch of `epochs_in`.
    ///
    /// # Errors
    /// When its file is gone or damaged.
    pub fn table(&self, epoch: Epoch) -> Result<Arc<EpochTable>, StoreError> {
        let entry = self.entries.get(&epoch);
        let path = || self.store.table_path(epoch);
        self.store.table(entry.ok_or_else(|| StoreError::Damaged { path: path() })?)
    }
}
