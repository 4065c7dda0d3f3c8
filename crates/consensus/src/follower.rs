//! A node without a vote: it takes final blocks from anywhere, believes only certificates, and executes everything itself.
//!
//! ```text
//! run of blocks ─► parents' hashes ─► certificate of the last ─► transactions' root ─► Ledger::verify ─► same header?
//!     ─► tree batch ─► same state root? ─► Disk::commit (fsync) ─► tree (fsync)
//! ```
//! More than two thirds of the term's validators signed the last header of a run; each header names the hash of the one before. So
//! whoever sent the run can withhold blocks and nothing else. Up to the transactions' root a difference is the sender's
//! fault; after it, it is a bug here or a broken disk, and the follower stops.
//!
//! Crash safety: the disk commits first, the tree follows, one block at a time. At a start the tree is level with the disk
//! or one block behind, and that block's net writes are on the disk.

use std::{path::PathBuf, sync::Arc, thread};

use alloy_consensus::{Header, proofs::calculate_transaction_root};
use alloy_primitives::B256;
use bytes::Bytes;
use cairn_ledger::{BlockError, Env, StateError, Writes, time_of, turn_of};
use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::{
    Runner as _, Spawner as _, Supervisor as _, buffer::paged::CacheRef, tokio as runtime,
};
use commonware_utils::{NZU16, NZUsize};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    application::recover,
    finality::{FinalityError, FinalityProof, validator_set},
    genesis::{Beginning, GenesisBlockError, NetworkIdentity, begin},
    params::{FOLLOWER, STACK_BYTES, STOP_WITHIN, WORKERS},
    ports::{Disk, FinalBlock, Pool},
    proof::{StateKey, StateProofs, prove},
    sync::serve_log,
    terms::Terms,
    tree::{self, SharedTree},
};

/// Requests for state proofs that may wait.
const REQUESTS: usize = 64;
/// Pages of the tree's cache, of 4 KiB: as many as a validator's.
const CACHE_PAGES: usize = 1_024;

/// A final block as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedBlock {
    /// Its Ethereum header.
    pub header: Header,
    /// Its raw transactions.
    pub transactions: Vec<Bytes>,
    /// The encoded proof that it is final; empty when only a later block has one.
    pub certificate: Bytes,
}

/// Why a run of blocks was not appended.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// It does not begin after this node's last block, or has a gap.
    #[error("block {found} came where block {expected} is next")]
    NotNext {
        /// Height that is next.
        expected: u64,
        /// Height that came.
        found: u64,
    },
    /// A block whose parent is another one.
    #[error("block {0} has another parent")]
    OtherParent(u64),
    /// The run's last block has no certificate, or it is about another block.
    #[error("block {0} ends the run and is not proven final")]
    NotProven(u64),
    /// The certificate proves nothing.
    #[error("the certificate of block {height} is not valid")]
    Certificate {
        /// The block.
        height: u64,
        /// Why.
        #[source]
        source: FinalityError,
    },
    /// The transactions are not those of the header.
    #[error("the transactions of block {0} are not those that its header names")]
    OtherTransactions(u64),
    /// The follower has stopped.
    #[error("the follower has stopped")]
    Stopped,
}

/// Why a follower did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// The disk holds another network, or cannot be used.
    #[error("cannot begin from the genesis block")]
    Genesis(#[from] GenesisBlockError),
    /// A validator of genesis has a bad key.
    #[error("genesis lists a consensus key that is no ed25519 key, or twice the same")]
    BadKey,
    /// The thread could not be started.
    #[error("cannot start the follower's thread")]
    Thread(#[source] std::io::Error),
    /// The disk cannot be read or written.
    #[error("the ledger's disk cannot be used")]
    Disk(#[from] StateError),
    /// The state tree cannot be read.
    #[error("the state tree cannot be read")]
    Tree(#[from] commonware_storage::qmdb::Error<commonware_storage::mmr::Family>),
    /// The state tree is not of the disk's last block or the one before.
    #[error(
        "the state tree does not belong to the ledger's block {0}: empty the folder and follow again"
    )]
    OtherTree(u64),
    /// The network agreed on something else than this node computes: a bug.
    #[error("block {height} is final, but executes otherwise here: {reason}")]
    Diverged {
        /// The block.
        height: u64,
        /// What differs.
        reason: String,
    },
    /// It failed while it started; the log says how.
    #[error(
        "the follower failed while it started: the log says how. If files in its folder are damaged, start with --refetch: they come again \
         from other nodes (docs/runbooks/backup.md)"
    )]
    Failed,
}

type Append = (Vec<FollowedBlock>, oneshot::Sender<Result<u64, FollowError>>);
type Proofs = (Vec<StateKey>, oneshot::Sender<StateProofs>);
type Logs = (Bytes, oneshot::Sender<Option<Bytes>>);

/// A running follower. It stops when it is told to, or when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct FollowerHandle {
    appends: mpsc::Sender<Append>,
    proofs: mpsc::Sender<Proofs>,
    logs: mpsc::Sender<Logs>,
    stop: mpsc::Sender<()>,
    ended: watch::Receiver<Option<bool>>,
}

impl FollowerHandle {
    /// Appends final blocks whose last one has a certificate; returns the new height.
    ///
    /// # Errors
    /// When the run proves nothing, or the follower has stopped. Of a run within one term and the next all or nothing is kept;
    /// a longer one is taken term by term, because the blocks of one say whose signatures count in the one after the next.
    pub async fn append(&self, run: Vec<FollowedBlock>) -> Result<u64, FollowError> {
        let (answer, receiver) = oneshot::channel();
        self.appends.send((run, answer)).await.map_err(|_| FollowError::Stopped)?;
        receiver.await.map_err(|_| FollowError::Stopped)?
    }

    /// Proofs of what `keys` have in the state tree now, as `ValidatorHandle::state_proofs`; `None` when the follower has
    /// ended. They wait while a run of blocks is being appended.
    pub async fn state_proofs(&self, keys: Vec<StateKey>) -> Option<StateProofs> {
        let (answer, receiver) = oneshot::channel();
        self.proofs.send((keys, answer)).await.ok()?;
        receiver.await.ok()
    }

    /// The answer to another node's question about the log of the state tree (docs/spec/sync.md); `None` when there is none.
    pub async fn state_log(&self, request: Bytes) -> Option<Bytes> {
        let (answer, receiver) = oneshot::channel();
        self.logs.send((request, answer)).await.ok()?;
        receiver.await.ok()?
    }

    /// Resolves when the follower has ended: `true` when something in it failed.
    pub async fn failed(&self) -> bool {
        let mut ended = self.ended.clone();
        ended.wait_for(Option::is_some).await.is_ok_and(|value| *value == Some(true))
    }

    /// Stops the follower and waits until its thread has ended and its files are closed.
    pub async fn stop(&self) {
        let _ = self.stop.try_send(());
        self.failed().await;
    }
}

/// Starts a follower on its own thread, its state tree in `storage`; returns once the tree is level with `disk`.
///
/// # Errors
/// When the disk is of another network, or the tree does not belong to it.
pub async fn run_follower(
    identity: &NetworkIdentity,
    storage: PathBuf,
    disk: Arc<dyn Disk>,
    pool: Arc<dyn Pool>,
) -> Result<FollowerHandle, FollowerError> {
    let validators: Vec<B256> =
        identity.genesis.validators.iter().map(|v| v.consensus_key).collect();
    validator_set(&validators).map_err(|_| FollowerError::BadKey)?;
    let Beginning { writes: genesis_writes, head, .. } = begin(identity, &*disk)?;
    let terms = Terms::new(identity.terms.clone(), &identity.hash, None);
    terms.learn(&*disk, head)?;
    let follower = Follower { identity: identity.clone(), terms, disk, pool, genesis_writes };
    let (append_sender, appends) = mpsc::channel(1);
    let (proof_sender, proofs) = mpsc::channel(REQUESTS);
    let (log_sender, logs) = mpsc::channel(REQUESTS);
    let (stop_sender, stop) = mpsc::channel(1);
    let (started, wait) = oneshot::channel();
    let (end, ended) = watch::channel(None);
    thread::Builder::new()
        .name("follower".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let mailbox = Mailbox { appends, proofs, logs, stop };
            let run = std::panic::AssertUnwindSafe(|| follower.run(storage, mailbox, started));
            let failed = match std::panic::catch_unwind(run) {
                Ok(Ok(())) => false,
                Ok(Err(error)) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "follower failed");
                    true
                }
                Err(_) => true,
            };
            let _ = end.send(Some(failed));
        })
        .map_err(FollowerError::Thread)?;
    let started = wait.await.unwrap_or(Err(FollowerError::Failed));
    if started.is_err() {
        // Its files are closed when the caller hears of it.
        let _ = ended.clone().wait_for(Option::is_some).await;
    }
    started?;
    Ok(FollowerHandle {
        appends: append_sender,
        proofs: proof_sender,
        logs: log_sender,
        stop: stop_sender,
        ended,
    })
}

/// What the thread is asked.
struct Mailbox {
    appends: mpsc::Receiver<Append>,
    proofs: mpsc::Receiver<Proofs>,
    logs: mpsc::Receiver<Logs>,
    stop: mpsc::Receiver<()>,
}

/// What moves into the thread.
struct Follower {
    identity: NetworkIdentity,
    terms: Terms,
    disk: Arc<dyn Disk>,
    pool: Arc<dyn Pool>,
    genesis_writes: Writes,
}

type Db = SharedTree<runtime::Context>;

impl Follower {
    fn run(
        self,
        storage: PathBuf,
        Mailbox { mut appends, mut proofs, mut logs, mut stop }: Mailbox,
        started: oneshot::Sender<Result<(), FollowerError>>,
    ) -> Result<(), FollowerError> {
        let settings =
            runtime::Config::default().with_worker_threads(WORKERS).with_storage_directory(storage);
        runtime::Runner::new(settings).start(|mut context| async move {
            let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(CACHE_PAGES));
            let config = tree::config(FOLLOWER, page_cache);
            let tree =
                <Db as DatabaseSet<runtime::Context>>::init(context.child("tree"), config, None)
                    .await;
            let level = self.level(&tree).await;
            let is_level = level.is_ok();
            let _ = started.send(level);
            if !is_level {
                // Whoever started it has the reason.
                let _ = context.stop(0, Some(STOP_WITHIN)).await;
                return Ok(());
            }
            let mut ended = Ok(());
            loop {
                let (run, answer) = tokio::select! {
                    _ = stop.recv() => break,
                    Some((keys, answer)) = proofs.recv() => {
                        let _ = answer.send(prove(&tree, &keys).await);
                        continue;
                    }
                    Some((request, answer)) = logs.recv() => {
                        let _ = answer.send(serve_log(&tree, &request).await);
                        continue;
                    }
                    next = appends.recv() => match next { Some(next) => next, None => break },
                };
                match self.append(&tree, run, &mut context).await {
                    Ok(result) => {
                        let _ = answer.send(result);
                    }
                    Err(error) => {
                        ended = Err(error);
                        break;
                    }
                }
            }
            let _ = context.stop(0, Some(STOP_WITHIN)).await;
            ended
        })
    }

    fn head(&self) -> Result<Header, FollowerError> {
        Ok(self.disk.head()?.expect("block 0 was committed before the thread started"))
    }

    /// Brings a tree that is one block behind its disk level with it.
    async fn level(&self, tree: &Db) -> Result<(), FollowerError> {
        let head = self.head()?;
        if head.number == 0 {
            let empty = <Db as DatabaseSet<runtime::Context>>::initial_sync_targets();
            let now = DatabaseSet::<runtime::Context>::committed_targets(tree).await;
            return if now == empty { Ok(()) } else { Err(FollowerError::OtherTree(0)) };
        }
        if B256::from(tree.read().await.root().0) == head.state_root {
            return Ok(());
        }
        let kept = match self.disk.digest_at(head.number)? {
            Some(digest) => self.disk.writes_of(digest)?,
            None => None,
        };
        let Some((_, writes)) = kept else { return Err(FollowerError::OtherTree(head.number)) };
        let sealed = self.seal(tree, head.number, writes).await?;
        let root = B256::from(tree::commitment::<runtime::Context>(&sealed).state_root.0);
        if root != head.state_root {
            return Err(FollowerError::OtherTree(head.number));
        }
        persist(tree, sealed).await;
        Ok(())
    }

    async fn seal(
        &self,
        tree: &Db,
        height: u64,
        mut writes: Writes,
    ) -> Result<tree::Sealed<runtime::Context>, FollowerError> {
        if height == 1 {
            // Block 1 also brings the genesis state, as in a validator's tree.
            let mut all = self.genesis_writes.clone();
            all.merge(writes);
            writes = all;
        }
        let batch = DatabaseSet::<runtime::Context>::new_batches(tree).await;
        Ok(tree::seal(batch, &writes).await?)
    }

    /// Appends a run piece by piece; the outer error stops the follower.
    async fn append(
        &self,
        tree: &Db,
        mut run: Vec<FollowedBlock>,
        rng: &mut impl rand_core::CryptoRng,
    ) -> Result<Result<u64, FollowError>, FollowerError> {
        while !run.is_empty() {
            let rest = run.split_off(self.piece(&run));
            match self.prove(&run, rng) {
                Ok(recovered) => self.execute(tree, run, recovered).await?,
                Err(error) => return Ok(Err(error)),
            }
            run = rest;
        }
        Ok(Ok(self.head()?.number))
    }

    /// How many blocks of a run can be proven by what is known now: all, or those up to the last certificate of a term whose
    /// validators are known. The last block of every term has a certificate.
    fn piece(&self, run: &[FollowedBlock]) -> usize {
        let known = |block: &FollowedBlock| {
            self.terms.get(self.terms.rules().term_of(block.header.number)).is_some()
        };
        if run.last().is_some_and(known) {
            return run.len();
        }
        let proven = run.iter().rposition(|block| known(block) && !block.certificate.is_empty());
        proven.map_or(run.len(), |last| last + 1)
    }

    /// Checks that a run follows the disk's head and is final; returns its transactions with their senders.
    fn prove(
        &self,
        run: &[FollowedBlock],
        rng: &mut impl rand_core::CryptoRng,
    ) -> Result<Vec<Recovered>, FollowError> {
        let head = self.head().map_err(|_| FollowError::Stopped)?;
        let (mut expected, mut parent) = (head.number + 1, head.hash_slow());
        for block in run {
            let found = block.header.number;
            if found != expected {
                return Err(FollowError::NotNext { expected, found });
            }
            if block.header.parent_hash != parent {
                return Err(FollowError::OtherParent(found));
            }
            (expected, parent) = (found + 1, block.header.hash_slow());
        }
        let Some(last) = run.last() else { return Ok(Vec::new()) };
        let height = last.header.number;
        if last.certificate.is_empty() {
            return Err(FollowError::NotProven(height));
        }
        let header = self
            .certified(&last.certificate, rng)
            .map_err(|source| FollowError::Certificate { height, source })?;
        if header != last.header {
            return Err(FollowError::NotProven(height));
        }
        let transactions = |block: &FollowedBlock| {
            let recovered = recover(&block.transactions)?;
            let root = calculate_transaction_root(
                &recovered.iter().map(|tx| tx.inner()).collect::<Vec<_>>(),
            );
            (root == block.header.transactions_root).then_some(recovered)
        };
        run.iter()
            .map(|block| {
                transactions(block).ok_or(FollowError::OtherTransactions(block.header.number))
            })
            .collect()
    }

    /// The header that a certificate proves final.
    fn certified(
        &self,
        certificate: &[u8],
        rng: &mut impl rand_core::CryptoRng,
    ) -> Result<Header, FinalityError> {
        let proof = FinalityProof::from_bytes(certificate)?;
        let set = self.terms.get(proof.term()).ok_or(FinalityError::UnknownTerm(proof.term()))?;
        proof.check_by(&set.scheme, rng)?;
        Ok(proof.preamble.header)
    }

    /// Executes and commits a proven run.
    async fn execute(
        &self,
        tree: &Db,
        run: Vec<FollowedBlock>,
        recovered: Vec<Recovered>,
    ) -> Result<(), FollowerError> {
        let mut parent = self.head()?;
        for (block, transactions) in run.into_iter().zip(recovered) {
            let FollowedBlock { header, certificate, .. } = block;
            let height = header.number;
            let diverged =
                |reason: &str| FollowerError::Diverged { height, reason: reason.to_owned() };
            let ledger = &self.identity.ledger;
            let env = ledger.next_env(&parent, time_of(&header), header.beneficiary);
            // Mix and turn follow from rounds and reveals that more than two thirds checked before they signed.
            let env = Env { prevrandao: header.mix_hash, turn: turn_of(&header), ..env };
            let executed = match ledger.verify(&*self.disk, &env, transactions) {
                Ok(executed) => executed,
                Err(BlockError::State(error)) => return Err(error.into()),
                Err(error) => return Err(diverged(&error.to_string())),
            };
            if executed.header(&env, header.state_root) != header {
                return Err(diverged("the header"));
            }
            let sealed = self.seal(tree, height, executed.writes.clone()).await?;
            let root = B256::from(tree::commitment::<runtime::Context>(&sealed).state_root.0);
            if root != header.state_root {
                return Err(diverged("the state root"));
            }
            let hashes: Vec<B256> =
                executed.transactions.iter().map(|tx| *tx.inner().tx_hash()).collect();
            self.disk.commit(FinalBlock {
                digest: digest(&header, &certificate),
                header: header.clone(),
                transactions: executed.transactions,
                receipts: executed.receipts,
                gas_used: executed.gas_used,
                writes: executed.writes,
                certificate: certificate.into(),
            })?;
            self.terms.learn(&*self.disk, height)?;
            persist(tree, sealed).await;
            self.pool.finalized(&hashes);
            parent = header;
        }
        Ok(())
    }
}

type Recovered = Vec<alloy_consensus::transaction::Recovered<alloy_consensus::TxEnvelope>>;

/// Applies a sealed batch and waits until it is on disk.
async fn persist(tree: &Db, sealed: tree::Sealed<runtime::Context>) {
    DatabaseSet::<runtime::Context>::apply(tree, sealed).await;
    DatabaseSet::<runtime::Context>::finalize(tree).await.durable().await;
}

/// The name by which validators voted for a block; the hash of its header where no certificate tells it. The certificate
/// was checked if it is the run's last, and otherwise only names the block on this node's own disk.
fn digest(header: &Header, certificate: &[u8]) -> [u8; 32] {
    match FinalityProof::from_bytes(certificate) {
        Ok(proof) if proof.preamble.header == *header => proof.finalization.proposal.payload.0,
        _ => header.hash_slow().0,
    }
}
