//! A validator in this process: its own thread, its own small runtime, its own folder and port.
//!
//! The engine wants its own runtime, so a validator is a thread that owns one; everything crosses the border through the
//! handle, which works from any async runtime. A panic in any part of consensus (a bug, a broken disk) ends the thread
//! and shows in `ValidatorHandle::failed`: a stopped node is a bad day, a forked one a bad year.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, thread, time::Duration};

use alloy_primitives::B256;
use bytes::Bytes;
use cairn_primitives::Genesis;
use commonware_consensus::types::Height;
use commonware_cryptography::{Signer as _, ed25519};
use commonware_p2p::{Manager as _, authenticated::discovery};
use commonware_runtime::{
    Metrics as _, Runner as _, Spawner as _, Supervisor as _, tokio as runtime,
};
use commonware_utils::ordered::Set;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    application::{Chain, Conduct, Marshal, proof},
    backfill::{self, BackfillError},
    block::public_key,
    engine::{self, Parts, Running},
    genesis::{GenesisBlockError, NetworkIdentity, chain},
    gossip::Gossip,
    network::{self, Channels, PeerAddress, Place, Reach},
    pace::Pace,
    params::{STACK_BYTES, STOP_WITHIN, WORKERS},
    ports::{Disk, NetworkTime, Pool},
    proof::{StateKey, StateProof, StateProofs, prove},
    signer::{ConsensusSigner, Key},
    sync::{list, serve_log},
    tree::SharedTree,
    votes::VoteLog,
};

/// Requests for certificates that may wait.
const REQUESTS: usize = 64;

/// A validator's settings: its own, not the network's.
#[derive(Clone)]
pub struct ValidatorConfig {
    /// Who holds its Ed25519 consensus key. It votes in the terms in which the key has a seat.
    pub signer: Arc<dyn ConsensusSigner>,
    /// What the key has signed.
    pub votes: VoteLog,
    /// Folder for blocks, certificates, votes and the state tree.
    pub storage: PathBuf,
    /// Where it listens for peers.
    pub listen: SocketAddr,
    /// Where the others can reach it; they learn it from itself, signed.
    pub dialable: PeerAddress,
    /// Peers it connects to first, by consensus key; they tell where the others are, and stay peers when they have no seat.
    /// Its own key is passed over.
    pub bootstrap: Vec<(B256, PeerAddress)>,
    /// Where the peers are.
    pub reach: Reach,
    /// Blocks and certificates that it keeps for other validators; `None` for all. Those of the running term stay in any case.
    pub blocks_kept: Option<u64>,
}

impl std::fmt::Debug for ValidatorConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValidatorConfig")
            .field("storage", &self.storage)
            .field("listen", &self.listen)
            .field("dialable", &self.dialable)
            .field("bootstrap", &self.bootstrap)
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

/// Why a validator did not start.
#[derive(Debug, thiserror::Error)]
pub enum ValidatorError {
    /// Its own key is no key.
    #[error("the consensus key is no ed25519 key")]
    BadKey,
    /// A peer to begin with has a bad key.
    #[error("the key of the bootstrap peer {0} is no ed25519 key")]
    BadPeer(B256),
    /// The disk holds another network, or cannot be used.
    #[error("cannot begin from the genesis block")]
    Genesis(#[from] GenesisBlockError),
    /// It failed while it opened its storage; the log says how.
    #[error(
        "the validator failed while it started: the log says how. If files in its consensus folder are damaged, start with --refetch: \
         they come again from other validators (docs/runbooks/backup.md)"
    )]
    Failed,
    /// The thread could not be started.
    #[error("cannot start the validator's thread")]
    Thread(#[source] std::io::Error),
}

/// A question to the validator's thread.
enum Request {
    /// The proof of finality of a height.
    Finality(u64, oneshot::Sender<Option<Vec<u8>>>),
    /// Proofs of values of the state, all of one moment.
    State(Vec<StateKey>, oneshot::Sender<StateProofs>),
    /// Operations of the state tree's log, for another node.
    Log(Bytes, oneshot::Sender<Option<Bytes>>),
    /// Whole blocks from a height on, at most so many.
    Give(u64, u64, oneshot::Sender<Vec<u8>>),
    /// Whole blocks of another validator.
    Take(Bytes, oneshot::Sender<Result<u64, BackfillError>>),
    /// The peers connected now.
    Peers(oneshot::Sender<Vec<B256>>),
}

/// A running validator. It stops when it is told to, or when the last handle is dropped.
#[derive(Clone)]
pub struct ValidatorHandle {
    height: watch::Receiver<u64>,
    requests: mpsc::Sender<Request>,
    gossip: Gossip,
    evidence: watch::Receiver<Vec<Bytes>>,
    stop: mpsc::Sender<()>,
    ended: watch::Receiver<Option<bool>>,
}

impl ValidatorHandle {
    /// Height of the last block that is final and on disk.
    #[must_use]
    pub fn height(&self) -> watch::Receiver<u64> {
        self.height.clone()
    }

    /// The proof of finality (docs/spec/finality.md) of the block at `height`; `None` while it is not final, or when only
    /// a later block has a certificate of its own.
    pub async fn finalization(&self, height: u64) -> Option<Vec<u8>> {
        let (answer, receiver) = oneshot::channel();
        self.requests.send(Request::Finality(height, answer)).await.ok()?;
        receiver.await.ok().flatten()
    }

    /// A proof of what `key` has in the state tree now; `None` when it has nothing. Its root is in the header of the last final block
    /// or of the one that is being committed.
    pub async fn state_proof(&self, key: StateKey) -> Option<StateProof> {
        self.state_proofs(vec![key]).await?.first()
    }

    /// The same for several keys under one root; `None` when the validator has ended.
    pub async fn state_proofs(&self, keys: Vec<StateKey>) -> Option<StateProofs> {
        let (answer, receiver) = oneshot::channel();
        self.requests.send(Request::State(keys, answer)).await.ok()?;
        receiver.await.ok()
    }

    /// The answer to another node's question about the log of the state tree (docs/spec/sync.md); `None` when there is none.
    pub async fn state_log(&self, request: Bytes) -> Option<Bytes> {
        let (answer, receiver) = oneshot::channel();
        self.requests.send(Request::Log(request, answer)).await.ok()?;
        receiver.await.ok()?
    }

    /// Whole blocks from a height on, at most `count` and `BACKFILL_MAX`, for a validator without peers (docs/spec/sync.md); `None` when
    /// this one's archives lack the first.
    pub async fn whole_blocks(&self, from: u64, count: u64) -> Option<Vec<u8>> {
        let (answer, receiver) = oneshot::channel();
        self.requests.send(Request::Give(from, count, answer)).await.ok()?;
        receiver.await.ok().filter(|given| *given != list(&[]))
    }

    /// Takes what another validator's `whole_blocks` gave, up to the last block that is proven final; returns the height that this
    /// validator comes to by it.
    ///
    /// # Errors
    /// When the blocks do not follow this validator's last one, or prove nothing.
    pub async fn take_blocks(&self, blocks: Bytes) -> Result<u64, BackfillError> {
        let (answer, receiver) = oneshot::channel();
        let sent = self.requests.send(Request::Take(blocks, answer)).await;
        sent.map_err(|_| BackfillError::Stopped)?;
        receiver.await.map_err(|_| BackfillError::Stopped)?
    }

    /// Consensus keys of the validators it is connected to now, itself not among them.
    pub async fn peers(&self) -> Vec<B256> {
        let (answer, receiver) = oneshot::channel();
        if self.requests.send(Request::Peers(answer)).await.is_err() {
            return Vec::new();
        }
        receiver.await.unwrap_or_default()
    }

    /// Sends a raw transaction to every validator; returns whether it was queued.
    pub fn gossip(&self, raw: Bytes) -> bool {
        self.gossip.send(raw)
    }

    /// The equivocations that this validator saw (docs/spec/finality.md), those of the oldest term first. They are on its disk, so
    /// whoever takes them to the ledger may begin anew after every start.
    #[must_use]
    pub fn evidence(&self) -> watch::Receiver<Vec<Bytes>> {
        self.evidence.clone()
    }

    /// Resolves when the validator has ended: `true` when something in it failed.
    pub async fn failed(&self) -> bool {
        let mut ended = self.ended.clone();
        ended.wait_for(Option::is_some).await.is_ok_and(|value| *value == Some(true))
    }

    /// Stops the validator and waits until its thread has ended and its files are closed.
    pub async fn stop(&self) {
        let _ = self.stop.try_send(());
        self.failed().await;
    }
}

/// Starts a validator on its own thread and returns once its storage is open and it listens. Blocks follow as soon as more than
/// two thirds of the term's validators are connected. One without a seat follows as long as the others take it for a peer:
/// from the first block of the term before its own to the third after.
///
/// # Errors
/// When a key is none, or the disk belongs to another network.
pub async fn run_validator(
    identity: &NetworkIdentity,
    config: ValidatorConfig,
    disk: Arc<dyn Disk>,
    pool: Arc<dyn Pool>,
    time: Arc<dyn NetworkTime>,
) -> Result<ValidatorHandle, ValidatorError> {
    let genesis = &identity.genesis;
    let key = Key::held(Arc::clone(&config.signer)).map_err(|_| ValidatorError::BadKey)?;
    let me = key.public_key();
    let mut bootstrap = Vec::with_capacity(config.bootstrap.len());
    for (peer, at) in &config.bootstrap {
        let peer = public_key(&peer.0).map_err(|_| ValidatorError::BadPeer(*peer))?;
        if peer != me {
            bootstrap.push((peer, at.clone()));
        }
    }

    let (height, heights) = watch::channel(0);
    let chain =
        Arc::new(chain(identity, disk, pool, time, height, (key.clone(), config.votes.clone()))?);
    let (request_sender, requests) = mpsc::channel(REQUESTS);
    let (stop_sender, stop) = mpsc::channel(1);
    let (started, wait) = oneshot::channel();
    let (end, ended) = watch::channel(None);

    let ValidatorConfig { storage, listen, dialable, reach, blocks_kept, .. } = config;
    let place = Place { listen, dialable, bootstrap, reach };
    let genesis = Arc::clone(genesis);
    let thread = Thread { storage, place, key, me, genesis, chain, blocks_kept };
    thread::Builder::new()
        .name("validator".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let run = std::panic::AssertUnwindSafe(|| thread.run(requests, stop, started));
            let failed = std::panic::catch_unwind(run).unwrap_or(true);
            if failed {
                tracing::error!("validator failed");
            }
            let _ = end.send(Some(failed));
        })
        .map_err(ValidatorError::Thread)?;
    let (gossip, evidence) = wait.await.map_err(|_| ValidatorError::Failed)?;
    Ok(ValidatorHandle {
        height: heights,
        requests: request_sender,
        gossip,
        evidence,
        stop: stop_sender,
        ended,
    })
}

/// What moves into the validator's thread.
struct Thread {
    storage: PathBuf,
    place: Place,
    key: Key,
    me: ed25519::PublicKey,
    genesis: Arc<Genesis>,
    chain: Arc<Chain>,
    blocks_kept: Option<u64>,
}

impl Thread {
    /// Runs until it is stopped (`false`) or a part fails (`true`).
    fn run(
        self,
        requests: mpsc::Receiver<Request>,
        mut stop: mpsc::Receiver<()>,
        started: oneshot::Sender<(Gossip, watch::Receiver<Vec<Bytes>>)>,
    ) -> bool {
        let settings = runtime::Config::default()
            .with_worker_threads(WORKERS)
            .with_storage_directory(self.storage.clone());
        runtime::Runner::new(settings).start(|context| async move {
            let terms = &self.chain.terms;
            let always =
                Set::from_iter_dedup(self.place.bootstrap.iter().map(|(key, _)| key.clone()));
            let seats = terms.rules().seats_max();
            let network = network::config(self.key.clone(), terms.domain(), self.place, seats);
            let (mut network, oracle) = discovery::Network::new(context.child("network"), network);
            let mut tracker = oracle.clone();
            let channels = network::quotas()
                .into_iter()
                .map(|(id, quota)| network.register(id, quota))
                .collect();
            let channels =
                Channels::from_list(channels).expect("there are as many channels as quotas");
            network.start();

            let parts = Parts {
                me: self.me,
                peers: oracle.clone(),
                blocker: oracle,
                track: Box::new(move |term, peers| {
                    let _ = tracker.track(term, peers);
                }),
                always,
                chain: Arc::clone(&self.chain),
                pace: Pace {
                    busy: Duration::from_millis(self.genesis.block_busy_ms),
                    idle: Duration::from_millis(self.genesis.block_idle_ms),
                },
                conduct: Conduct::Honest,
                blocks_kept: self.blocks_kept,
                name: String::new(),
            };
            let running =
                engine::start(context.child("validator"), parts, channels, |state| state).await;
            let Running { engine, marshal, gossip, evidence, state } = running;
            let _ = started.send((gossip, evidence));
            let chain = Arc::clone(&self.chain);
            context.child("requests").spawn(move |context| async move {
                let tree = state.subscribe_databases().await;
                answer(context, requests, marshal, tree, chain).await;
            });

            let stopped = stop.recv();
            futures::pin_mut!(stopped, engine);
            let failed = match futures::future::select(stopped, engine).await {
                futures::future::Either::Left(_) => false,
                futures::future::Either::Right(_) => true,
            };
            let _ = context.stop(0, Some(STOP_WITHIN)).await;
            failed
        })
    }
}

/// Answers the handle's questions until the handle is gone.
async fn answer(
    mut context: runtime::Context,
    mut requests: mpsc::Receiver<Request>,
    mut marshal: Marshal,
    tree: SharedTree<runtime::Context>,
    chain: Arc<Chain>,
) {
    while let Some(request) = requests.recv().await {
        match request {
            Request::Finality(height, answer) => {
                let block = if height == 0 {
                    Some(chain.genesis.clone())
                } else {
                    marshal.get_block(Height::new(height)).await.map(|block| block.inner().clone())
                };
                let proof = match block {
                    Some(block) => proof(&marshal, &block).await,
                    None => None,
                };
                let _ = answer.send(proof.map(|proof| proof.to_bytes()));
            }
            Request::State(keys, answer) => {
                let _ = answer.send(prove(&tree, &keys).await);
            }
            Request::Log(request, answer) => {
                let _ = answer.send(serve_log(&tree, &request).await);
            }
            Request::Give(from, count, answer) => {
                let _ = answer.send(backfill::give(&marshal, from, count).await);
            }
            Request::Take(blocks, answer) => {
                let taken = backfill::take(&chain, &mut marshal, &blocks, &mut context).await;
                let _ = answer.send(taken);
            }
            Request::Peers(answer) => {
                let peers = network::connected(&context.encode());
                let _ = answer.send(peers.iter().filter_map(|peer| peer.parse().ok()).collect());
            }
        }
    }
}
