//! The disk of a node: one `redb` file with the finalised state, the blocks and what is needed to read the recent past.
//!
//! ```text
//!   consensus ──commit(FinalBlock)──► one durable write transaction ──► new Snapshot ──► readers
//!   execution ──State────────────────► cache ──► Snapshot (head)
//!   RPC ───────snapshot()────────────► Snapshot ──at(height)──► StateAt (within the window)
//! ```
//!
//! Invariants: a block is on disk entirely or not at all; heights have no gap; only the child of the head is accepted, so
//! there are no forks and nothing is ever undone (but by a development chain: `rewind.rs`). Tables and byte forms: `tables.rs`, docs/spec/storage-layout.md.

mod cache;
mod commit;
mod entries;
mod history;
mod import;
mod prune;
mod rewind;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_consensus::{FinalBlock, WRITES_KEPT};
use cairn_ledger::{Account, State, StateError, Writes};
use cairn_primitives::Digest;
use redb::{Builder, Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase};
use tokio::sync::watch;

use cache::Cache;
pub use history::StateAt;
pub use prune::BLOCKS_MIN;
pub use snapshot::{Snapshot, StoredBlock};
pub use tables::StoredReceipt;

/// Name of the file in a node's data folder.
pub const FILE: &str = "ledger.redb";
/// What helps when the file is not what was written.
const MEND: &str = "it comes again from other nodes: by itself where damage is found at a start, else start with --refetch (docs/runbooks/backup.md)";
/// Files up to this size are read and checked whole at every start: at half a gigabyte a second, some seconds. Larger ones are checked when
/// they were not closed well, by the store itself.
const CHECKED_BYTES_MAX: u64 = 4 << 30;
/// Memory of the store's page cache.
const PAGE_CACHE_BYTES: usize = 64 << 20;
/// Past blocks whose state can be read, unless the node is configured otherwise.
pub const STATE_WINDOW: u64 = 65_536;

/// The store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The folder cannot be made.
    #[error("cannot use the data folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No store in the folder.
    #[error("no ledger at {path}: start the network once to make it")]
    Missing {
        /// The file that should be there.
        path: PathBuf,
    },
    /// Another process has the file open.
    #[error("the ledger at {path} is in use: stop the node, or ask it over its RPC")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The folder belongs to another network.
    #[error(
        "the ledger at {path} belongs to another network: its genesis is {found}, {expected} is expected"
    )]
    OtherGenesis {
        /// The file.
        path: PathBuf,
        /// Genesis of the folder.
        found: Digest,
        /// Genesis of the node.
        expected: Digest,
    },
    /// The folder was written by a newer version of Cairn.
    #[error(
        "the ledger at {path} has format {found}, this program reads up to {}: use a newer cairn",
        tables::FORMAT
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A record does not have its table's form.
    #[error("{FILE} is damaged: a record of table `{table}` does not decode: {MEND}")]
    Damaged {
        /// The table.
        table: &'static str,
    },
    /// What the file holds is not what was written.
    #[error("{path} is damaged: {MEND}")]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// What the store found.
        #[source]
        source: Box<redb::Error>,
    },
    /// A block that does not follow the head.
    #[error("block {number} is not the child of the head {head}")]
    NotChild {
        /// Of the block.
        number: u64,
        /// Of the head, or -1 before genesis, as text.
        head: String,
    },
    /// A block above the head.
    #[error("block {height} is not known")]
    UnknownBlock {
        /// Asked for.
        height: u64,
    },
    /// The state of this block was pruned.
    #[error("the state at block {height} is pruned: {oldest} is the oldest kept")]
    StatePruned {
        /// Asked for.
        height: u64,
        /// Oldest block whose state can be read.
        oldest: u64,
    },
    /// The block's transactions and receipts are not kept here.
    #[error("block {height} is pruned: {oldest} is the oldest kept")]
    BlockPruned {
        /// Asked for.
        height: u64,
        /// Oldest block that is kept whole.
        oldest: u64,
    },
    /// A state was to be taken from other nodes, and there are blocks.
    #[error("the ledger is at block {height}: a state is taken into an empty one only")]
    NotEmpty {
        /// Its head.
        height: u64,
    },
    /// The file was opened for reading only.
    #[error("the ledger is open for reading only")]
    ReadOnly,
    /// The store itself failed.
    #[error(
        "{FILE} cannot be read or written: where the disk is full make room and start again; where it is damaged {MEND}"
    )]
    Store(#[source] Box<redb::Error>),
}

macro_rules! from_store {
    ($($error:ty),*) => {$(
        impl From<$error> for DiskError {
            fn from(error: $error) -> Self {
                Self::Store(Box::new(error.into()))
            }
        }
    )*};
}
from_store!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError
);

impl From<DiskError> for StateError {
    fn from(error: DiskError) -> Self {
        Self(Box::new(error))
    }
}

/// How to open the disk.
#[derive(Clone, Copy, Debug)]
pub struct DiskConfig {
    /// Past blocks whose state can be read; at least `WRITES_KEPT`.
    pub state_window: u64,
    /// Past blocks that are kept with transactions and receipts, at least `BLOCKS_MIN`; `None` keeps all.
    pub blocks_kept: Option<u64>,
    /// Blocks of a term: the certificate that ends one is kept for ever.
    pub term_blocks: u64,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self { state_window: STATE_WINDOW, blocks_kept: None, term_blocks: u64::MAX }
    }
}

impl DiskConfig {
    /// Keeps all blocks, and the states of the last `state_window`.
    #[must_use]
    pub fn archive(state_window: u64) -> Self {
        Self { state_window, ..Self::default() }
    }
}

enum Store {
    Writable(Database),
    ReadOnly(ReadOnlyDatabase),
}

struct Inner {
    path: PathBuf,
    store: Store,
    config: DiskConfig,
    genesis: Digest,
    cache: Mutex<Cache>,
    snapshot: RwLock<Arc<Snapshot>>,
    heights: watch::Sender<u64>,
}

/// A handle to the open file; clones share it.
#[derive(Clone)]
pub struct RedbDisk(Arc<Inner>);

impl fmt::Debug for RedbDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbDisk").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl RedbDisk {
    /// Opens the store in `folder`, making it if there is none, for the network with this genesis.
    ///
    /// # Errors
    /// When the folder is another network's, was written by a newer version, is in use, or cannot be read.
    pub fn open(folder: &Path, genesis: Digest, config: DiskConfig) -> Result<Self, DiskError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| DiskError::Folder { path: folder.into(), source })?;
        let path = folder.join(FILE);
        let database = checked(&path).map_err(|error| opening(&path, error))?;
        commit::prepare(&database, genesis)?;
        Self::new(path, Store::Writable(database), Some(genesis), config)
    }

    /// Opens the store of a stopped node for reading. A store that was killed in the middle of a write is repaired first.
    ///
    /// # Errors
    /// As `open`, and when there is no store.
    pub fn open_stopped(folder: &Path, genesis: Option<Digest>) -> Result<Self, DiskError> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(DiskError::Missing { path });
        }
        let mut builder = Builder::new();
        builder.set_cache_size(PAGE_CACHE_BYTES);
        let store = match builder.open_read_only(&path) {
            Err(DatabaseError::RepairAborted) => {
                Store::Writable(builder.open(&path).map_err(|error| opening(&path, error))?)
            }
            opened => Store::ReadOnly(opened.map_err(|error| opening(&path, error))?),
        };
        Self::new(path, store, genesis, DiskConfig::default())
    }

    fn new(
        path: PathBuf,
        store: Store,
        genesis: Option<Digest>,
        config: DiskConfig,
    ) -> Result<Self, DiskError> {
        let read = store.begin_read()?;
        let meta = read.open_table(tables::META)?;
        let (format, found) = commit::read_meta(&meta)?;
        if format > tables::FORMAT {
            return Err(DiskError::NewerFormat { path, found: format });
        }
        if let Some(expected) = genesis.filter(|expected| *expected != found) {
            return Err(DiskError::OtherGenesis { path, found, expected });
        }
        let snapshot = Snapshot::open(&read)?;
        let heights = watch::Sender::new(snapshot.height());
        Ok(Self(Arc::new(Inner {
            path,
            store,
            config: DiskConfig {
                state_window: config.state_window.max(WRITES_KEPT),
                blocks_kept: config.blocks_kept.map(|kept| kept.max(prune::BLOCKS_MIN)),
                ..config
            },
            genesis: found,
            cache: Mutex::default(),
            snapshot: RwLock::new(Arc::new(snapshot)),
            heights,
        })))
    }

    /// The genesis hash of the network whose ledger this is.
    #[must_use]
    pub fn genesis(&self) -> Digest {
        self.0.genesis
    }

    /// The store after the last committed block.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The height of the head, and a wake-up for each new block.
    #[must_use]
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.0.heights.subscribe()
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // A panic cannot leave an entry half written: entries are `Copy`.
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, block: &FinalBlock) -> Result<(), DiskError> {
        let Store::Writable(database) = &self.0.store else {
            return Err(DiskError::ReadOnly);
        };
        let head = self.snapshot();
        let hash = block.header.hash_slow();
        match head.head() {
            Some((current, _)) if *current == hash => return Ok(()),
            Some((current, header))
                if block.header.parent_hash == *current
                    && block.header.number == header.number + 1 => {}
            None if block.header.number == 0 => {}
            other => {
                let head =
                    other.map_or_else(|| "-1".to_owned(), |(_, header)| header.number.to_string());
                return Err(DiskError::NotChild { number: block.header.number, head });
            }
        }
        commit::commit(database, &head, hash, block, &self.0.config)?;
        let snapshot = Arc::new(Snapshot::open(&database.begin_read()?)?);
        {
            let mut cache = self.cache();
            cache.apply(&block.writes);
            *self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        }
        self.0.heights.send_replace(block.header.number);
        Ok(())
    }

    /// Shows another state of the tables than the next block's.
    fn replace(&self, snapshot: Snapshot) {
        let height = snapshot.height();
        {
            let mut cache = self.cache();
            cache.clear();
            *self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        }
        self.0.heights.send_replace(height);
    }
}

/// Opens the file and reads it whole.
fn checked(path: &Path) -> Result<Database, DatabaseError> {
    let open = || {
        let mut database = Builder::new().set_cache_size(PAGE_CACHE_BYTES).create(path)?;
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        if bytes <= CHECKED_BYTES_MAX {
            // Every page has a checksum, which reads do not look at.
            let sound = database.check_integrity()?;
            if !sound {
                tracing::warn!(path = %path.display(), "the ledger's list of free pages was rebuilt");
            }
        }
        Ok(database)
    };
    // The store takes some pages for sound before it looks at their checksums.
    std::panic::catch_unwind(open).unwrap_or_else(|_| {
        let reason = "the store's pages are not what was written".to_owned();
        Err(DatabaseError::Storage(redb::StorageError::Corrupted(reason)))
    })
}

fn opening(path: &Path, error: DatabaseError) -> DiskError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => DiskError::InUse { path: path.into() },
        DatabaseError::Storage(error @ redb::StorageError::Corrupted(_)) => {
            DiskError::Corrupted { path: path.into(), source: Box::new(error.into()) }
        }
        other => other.into(),
    }
}

impl Store {
    fn begin_read(&self) -> Result<redb::ReadTransaction, redb::TransactionError> {
        match self {
            Self::Writable(database) => database.begin_read(),
            Self::ReadOnly(database) => database.begin_read(),
        }
    }
}

impl State for RedbDisk {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        let (tick, snapshot) = {
            let mut cache = self.cache();
            if let Some(account) = cache.account(address) {
                return Ok(account);
            }
            (cache.tick(), self.snapshot())
        };
        let account = snapshot.read_account(address)?;
        self.cache().keep_account(tick, address, account);
        Ok(account)
    }

    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        let (tick, snapshot) = {
            let mut cache = self.cache();
            if let Some(value) = cache.slot(address, slot) {
                return Ok(value);
            }
            (cache.tick(), self.snapshot())
        };
        let value = snapshot.read_slot(address, slot)?;
        self.cache().keep_slot(tick, address, slot, value);
        Ok(value)
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        Ok(self.snapshot().read_code(hash)?)
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        let snapshot = self.snapshot();
        Ok(snapshot.read_block_hash(snapshot.height(), number)?)
    }
}

impl cairn_consensus::Disk for RedbDisk {
    fn head(&self) -> Result<Option<Header>, StateError> {
        Ok(self.snapshot().head().map(|(_, header)| header.clone()))
    }

    fn writes_of(&self, digest: [u8; 32]) -> Result<Option<(Header, Writes)>, StateError> {
        Ok(self.snapshot().writes_of(digest)?)
    }

    fn digest_at(&self, height: u64) -> Result<Option<[u8; 32]>, StateError> {
        Ok(self.snapshot().digest_at(height)?)
    }

    fn certificate(&self, height: u64) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.snapshot().certificate(height)?.map(|bytes| bytes.to_vec()))
    }

    fn commit(&self, block: FinalBlock) -> Result<(), StateError> {
        Ok(self.write(&block)?)
    }
}
