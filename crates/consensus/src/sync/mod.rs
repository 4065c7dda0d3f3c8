//! State sync: an empty node takes the state of a recent final block from peers, and trusts none of them.
//!
//! ```text
//! genesis' validators ─► handovers, one a term ─► certificate of block H ─► its header, log root and log range
//!     ─► operations of the state tree's log, each with a proof ─► the tree ─► its root is the header's state root
//!     ─► accounts and slots, each looked up in the tree, as many as the tree has ─► code by its hash ─► the disk's head is H
//! ```
//! A certificate commits to the tree, the tree to a hash of every account and slot. So a peer can withhold and nothing else;
//! one that sends what does not fit is named and left. What is kept on the way is kept only after its check, so a node that is killed
//! goes on where it was. Wire format: docs/spec/sync.md; why: docs/adr/0020-sync.md.

mod anchor;
mod entry;
pub(crate) mod lab;
mod peers;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, thread};

use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use cairn_ledger::StateError;
use commonware_runtime::{Runner as _, Spawner, buffer::paged::CacheRef, tokio as runtime};
use commonware_storage::{
    Context as StorageContext, mmr,
    qmdb::sync::{self as log_sync, Target, engine},
};
use commonware_utils::{NZU16, NZU64, NZUsize, bitmap::Readable as _};
use rand_core::CryptoRng;
use tokio::sync::oneshot;

pub use anchor::{Anchor, AnchorError, Trusted, list, read_list};
pub use entry::{Entry, EntryError, PLACE_BYTES_MAX, read_entries};
pub use peers::{LOG_OPERATIONS_MAX, Question, SourceError, StateSource};
pub(crate) use peers::{LogError, serve_log};

use crate::{
    archives::Archives,
    engine::PREFIX,
    genesis::NetworkIdentity,
    params::{FOLLOWER, STACK_BYTES, WORKERS},
    ports::{Import, StateDisk},
    tree::{self, Tree},
};
use peers::{LogSource, Peers};

/// Headers before the state's block that execution may ask for (BLOCKHASH), the block's own among them.
const HEADERS: u64 = 257;
/// Hashes of code in one question.
const CODES: usize = 32;
/// Operations of the log asked for at once, and how many such questions wait.
const WAITING: usize = 4;
/// How often a newer block is taken because peers no longer have the state of the one before.
const ANCHORS_MAX: u32 = 16;
/// Pages of the tree's cache, of 4 KiB: entries come in the order of their places, their hashes lie in the log in any order.
const CACHE_PAGES: usize = 16_384;

/// Why a state could not be taken from peers.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The disk holds blocks already.
    #[error("the ledger has blocks already: state sync begins in an empty folder")]
    NotEmpty,
    /// The disk cannot be read or written.
    #[error("the ledger's disk cannot be used")]
    Disk(#[from] StateError),
    /// No peer gave an answer that stands.
    #[error("no peer gave {0}")]
    NoPeer(&'static str),
    /// Peers no longer have the state of the block, and of no later one either.
    #[error("no peer keeps the state of a block long enough to give it away")]
    Gone,
    /// The state tree cannot be read or written.
    #[error("the state tree cannot be used")]
    Tree(#[from] commonware_storage::qmdb::Error<mmr::Family>),
    /// The archives of blocks and certificates cannot be begun.
    #[error("the archives of blocks and certificates cannot be written")]
    Archives(#[from] commonware_storage::archive::Error),
    /// The log could not be rebuilt.
    #[error("the log of the state tree cannot be rebuilt: {0}")]
    Log(String),
    /// The validators signed a log root and a state root that do not belong together: a bug.
    #[error("the state root of block {0} is not that of the log that its certificate names")]
    OtherRoot(u64),
    /// The thread could not be started, or died.
    #[error("the thread of the state sync cannot be used")]
    Thread,
}

/// What a state sync brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The block whose state it is.
    pub height: u64,
    /// Accounts and slots.
    pub entries: u64,
    /// Operations of the tree's log.
    pub operations: u64,
}

/// Who takes a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// A node without a vote.
    Follower,
    /// A validator. The whole block of the state begins its archives; those of the blocks before stay with others.
    Validator,
}

impl Taker {
    /// Where it keeps its state tree.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Follower => FOLLOWER,
            Self::Validator => PREFIX,
        }
    }
}

/// Fills an empty disk and the taker's state tree in `storage` with the state of a recent final block, or goes on where it was
/// stopped. On its own thread, because the tree wants its own runtime; drop the future to leave it.
///
/// # Errors
/// When no peer gives what stands, the disk is not empty, or something here cannot be written.
pub async fn sync_state(
    identity: &NetworkIdentity,
    trusted: Option<Trusted>,
    taker: Taker,
    storage: PathBuf,
    disk: Arc<dyn StateDisk>,
    source: Arc<dyn StateSource>,
) -> Result<Synced, SyncError> {
    let prefix = taker.prefix().to_owned();
    let sync = StateSync { identity: identity.clone(), trusted, taker, prefix, disk };
    let (answer, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("state sync".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let settings = runtime::Config::default()
                .with_worker_threads(WORKERS)
                .with_storage_directory(storage);
            runtime::Runner::new(settings).start(|context| async move {
                let mut answer = answer;
                // Whoever asked may leave: then this ends too.
                let done = tokio::select! {
                    done = sync.run(context, source) => Some(done),
                    () = answer.closed() => None,
                };
                if let Some(done) = done {
                    let _ = answer.send(done);
                }
            });
        })
        .map_err(|_| SyncError::Thread)?;
    receiver.await.map_err(|_| SyncError::Thread)?
}

/// One state sync.
pub(crate) struct StateSync {
    pub(crate) identity: NetworkIdentity,
    pub(crate) trusted: Option<Trusted>,
    pub(crate) taker: Taker,
    pub(crate) prefix: String,
    pub(crate) disk: Arc<dyn StateDisk>,
}

/// How one try ended without an error.
enum Try {
    Done(Synced),
    /// The state of that block is kept nowhere any more.
    Gone,
    /// Fewer entries were given than the tree has.
    Short,
}

impl StateSync {
    pub(crate) async fn run<E>(
        self,
        mut context: E,
        source: Arc<dyn StateSource>,
    ) -> Result<Synced, SyncError>
    where
        E: StorageContext + Spawner + CryptoRng,
    {
        if self.disk.head()?.is_some() {
            return Err(SyncError::NotEmpty);
        }
        let peers = Peers::new(context.child("peers"), source);
        let mut unfinished = self.disk.import()?;
        for attempt in 0..ANCHORS_MAX {
            let (anchor, import) = self.anchor(&peers, unfinished.take(), &mut context).await?;
            tracing::info!(
                height = anchor.header().number,
                "state sync: taking the state of this block"
            );
            let attempt = context.child("sync").with_attribute("attempt", attempt);
            match self.attempt(attempt, &peers, &anchor, import).await? {
                Try::Done(synced) => return Ok(synced),
                Try::Gone => {
                    tracing::warn!(
                        height = anchor.header().number,
                        "no peer keeps this block's state any more: a newer one is taken"
                    );
                }
                Try::Short => {}
            }
        }
        Err(SyncError::Gone)
    }

    /// The block whose state is taken: that of the unfinished import, or the newest one of the peers, in place of any other.
    async fn anchor<E: StorageContext + Spawner>(
        &self,
        peers: &Peers<E>,
        unfinished: Option<Import>,
        rng: &mut impl CryptoRng,
    ) -> Result<(Anchor, Import), SyncError> {
        let network = &self.identity;
        if let Some(import) = unfinished {
            match Anchor::of_proofs(network, self.trusted, import.anchor.clone(), rng) {
                Ok(anchor) => return Ok((anchor, import)),
                Err(error) => tracing::warn!(%error, "an unfinished state sync is begun anew"),
            }
        }
        let anchor = peers.anchor(network, self.trusted, rng).await?;
        self.disk.import_begin(anchor.proofs())?;
        let import = Import { anchor: anchor.proofs().to_vec(), after: Vec::new(), entries: 0 };
        Ok((anchor, import))
    }

    async fn attempt<E: StorageContext + Spawner>(
        &self,
        context: E,
        peers: &Peers<E>,
        anchor: &Anchor,
        import: Import,
    ) -> Result<Try, SyncError> {
        // Of what an earlier process took it is not known who gave it.
        let fresh = import.entries == 0;
        let Some(headers) = peers.headers(anchor.header(), HEADERS).await? else {
            return Ok(Try::Gone);
        };
        let mut block = None;
        if self.taker == Taker::Validator {
            block = peers.block(anchor).await?;
            if block.is_none() {
                return Ok(Try::Gone);
            }
        }
        let Some(tree) = self.tree(context.child("state"), peers, anchor).await? else {
            return Ok(Try::Gone);
        };
        let Some(entries) = self.entries(peers, &tree, anchor.header().number, import).await?
        else {
            return Ok(Try::Gone);
        };
        let expected = live(&tree);
        if entries != expected {
            peers.short(expected, entries, fresh);
            return Ok(Try::Short);
        }
        self.codes(peers).await?;
        if let Some(block) = block {
            let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(64));
            let certificate = &anchor.proof().finalization;
            Archives::begin(&context, &self.prefix, &page_cache, block, certificate).await?;
        }
        let operations = *tree.bounds().end;
        tree.sync().await?;
        // Last: a disk that has a head has all that goes with it.
        self.disk.import_end(anchor.ending(headers))?;
        Ok(Try::Done(Synced { height: anchor.header().number, entries, operations }))
    }

    /// The state tree of the anchor's block; `None` when no peer can show it.
    async fn tree<E: StorageContext + Spawner>(
        &self,
        context: E,
        peers: &Peers<E>,
        anchor: &Anchor,
    ) -> Result<Option<Tree<E>>, SyncError> {
        let preamble = anchor.preamble();
        let target = Target::new(preamble.log_root, preamble.log_range.clone());
        let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(CACHE_PAGES));
        let synced = log_sync::sync::<Tree<E>, _>(engine::Config {
            context: context.child("tree"),
            source: LogSource { peers: peers.clone(), root: preamble.log_root },
            target,
            max_outstanding_requests: NZUsize!(WAITING),
            fetch_batch_size: LOG_OPERATIONS_MAX,
            apply_batch_size: NZU64!(8_192),
            db_config: tree::config(&self.prefix, page_cache),
            update_rx: None,
            finish_rx: None,
            reached_target_tx: None,
        })
        .await;
        let tree = match synced {
            Ok(tree) => tree,
            Err(log_sync::Error::Source(LogError::Gone)) => return Ok(None),
            Err(log_sync::Error::Source(LogError::NoPeer)) => {
                return Err(SyncError::NoPeer("the log of the state tree"));
            }
            Err(log_sync::Error::Database(error)) => return Err(error.into()),
            Err(error) => return Err(SyncError::Log(error.to_string())),
        };
        // The sync proves the log; the state root says in addition which of its operations still count.
        if B256::from(tree.root().0) != anchor.header().state_root {
            return Err(SyncError::OtherRoot(anchor.header().number));
        }
        Ok(Some(tree))
    }

    /// Takes accounts and slots, in the order of their places; how many there are, or `None` when no peer has them.
    async fn entries<E: StorageContext + Spawner>(
        &self,
        peers: &Peers<E>,
        tree: &Tree<E>,
        height: u64,
        import: Import,
    ) -> Result<Option<u64>, SyncError> {
        let Import { mut after, mut entries, .. } = import;
        loop {
            let Some(page) = peers.entries(tree, height, &after).await? else { return Ok(None) };
            let Some(last) = page.last() else { return Ok(Some(entries)) };
            after = last.place();
            entries += page.len() as u64;
            self.disk.import_entries(&page, &after, entries)?;
        }
    }

    /// Takes the code of all accounts.
    async fn codes<E: StorageContext + Spawner>(&self, peers: &Peers<E>) -> Result<(), SyncError> {
        let missing = self.disk.import_codes_missing()?;
        for hashes in missing.chunks(CODES) {
            let mut wanted = hashes.to_vec();
            while !wanted.is_empty() {
                let codes = peers.codes(&wanted).await?;
                let found: Vec<B256> = codes.iter().map(keccak256).collect();
                self.disk.import_codes(&codes)?;
                wanted.retain(|hash| !found.contains(hash));
            }
        }
        Ok(())
    }
}

/// How many keys a tree has: its live operations, without the last one, which closes a batch.
fn live<E: StorageContext + Spawner>(tree: &Tree<E>) -> u64 {
    let last = tree.bounds().end.saturating_sub(1);
    tree.bitmap().ones_iter_from(0).filter(|at| *at != *last).count() as u64
}

/// A chain of headers, newest last, as an answer lists them.
pub(crate) fn read_headers(answer: &[u8]) -> Option<Vec<Header>> {
    let items = read_list(answer, usize::try_from(HEADERS).ok()?)?;
    items.iter().map(|rlp| crate::block::decode_header(rlp).ok()).collect()
}
