//! A node without a vote: archive and JSON-RPC over its own verified ledger, and the ledger under an ingest.
//!
//! ```text
//!   folder/  ledger.redb  pool.journal  follower/  archive/
//!
//!   other nodes' feeds ─► certificates ─► execution ─► RedbDisk ─► RpcServer ─► TxPool ─► other nodes' JSON-RPC
//! ```
//! It asks its upstream nodes in turn. None of them can make it believe a block; a lazy one only makes it ask the next.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use cairn_client::{Backoff, ClientError, LedgerClient};
use cairn_consensus::{FollowError, FollowerHandle, Taker, run_follower};
use cairn_evidence::{
    archive::{self, Archive},
    verifier::{self, Sources},
};
use cairn_kit::{
    NetworkClock, Shutdown, Tasks,
    http::{Limits, Listener, Readiness, operations},
    metrics::Metrics,
    tasks::TasksError,
};
use cairn_primitives::Sector;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    config::Network,
    disk::RedbDisk,
    feed, mend,
    pool::TxPool,
    report::{self, Report},
    rpc::{ProofParts, RpcConfig, RpcError, RpcParts, RpcServer},
    sync::{self, SyncConfig},
    validator::{Endpoints, NodeError, watch_progress},
};

/// Blocks asked for at once.
const COUNT: u64 = 128;
/// Longest silence of an upstream node: more than its feed waits for a block.
const READ_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest answer: one block more than the feed's bound.
const ANSWER_BYTES_MAX: usize = 4 * feed::ANSWER_BYTES;
/// How often waiting transactions are handed on again.
const FORWARD_AGAIN: Duration = Duration::from_secs(5);
/// Pauses while no upstream node has anything.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Settings of a node without a vote.
#[derive(Clone, Debug)]
pub struct FollowConfig {
    /// Data folder; nobody else's.
    pub folder: PathBuf,
    /// JSON-RPC: where and within which bounds.
    pub rpc: RpcConfig,
    /// Archive files, blocks, health and metrics; port 0 takes a free one.
    pub http: SocketAddr,
    /// How others reach it; the address it listens on where there is none.
    pub http_url: Option<String>,
    /// JSON-RPC of the nodes that it follows; at least one.
    pub upstream: Vec<String>,
    /// More archives (base URLs) to fetch files from.
    pub archives: Vec<String>,
    /// Past blocks whose state can be read.
    pub state_window: u64,
    /// Past blocks that are kept, `None` keeps all.
    pub blocks_kept: Option<u64>,
    /// How it gets the ledger when its folder is empty; it asks `upstream` where no peers are named.
    pub sync: SyncConfig,
}

/// A node that follows; it stops when `run` ends.
pub struct FollowerNode {
    endpoints: Endpoints,
    disk: RedbDisk,
    readiness: Readiness,
    tasks: Tasks,
}

/// Following ended by itself: a bug or a broken disk, told in the log.
#[derive(Debug, thiserror::Error)]
#[error("following stopped: see the log")]
struct FollowingStopped;

impl FollowerNode {
    /// Opens the folder and starts every part.
    ///
    /// # Errors
    /// When a part does not start; the others are stopped.
    pub async fn start(
        config: FollowConfig,
        network: &Network,
        sector: Sector,
        clock: NetworkClock,
        shutdown: Shutdown,
    ) -> Result<Self, NodeError> {
        let (metrics, readiness) = (Metrics::new(), Readiness::default());
        let listener = Listener::bind(config.http)?;
        let mut upstream = Vec::new();
        for url in &config.upstream {
            upstream.push(LedgerClient::new(url)?);
        }
        let opened = open(&config, network, &upstream, &clock, &metrics).await;
        let (disk, pool, follower) = match opened {
            Err(damage) if mend::is_damage(&damage) => {
                mend::mend(&config.folder, &damage)?;
                open(&config, network, &upstream, &clock, &metrics).await?
            }
            opened => opened?,
        };
        let (ledger, folder) = (network.ledger(), config.folder);
        let url = config.http_url.unwrap_or_else(|| format!("http://{}", listener.addr()));
        let archive = Archive::new(folder.join("archive"));
        let parts = RpcParts {
            ledger,
            genesis: Arc::clone(&network.genesis),
            genesis_text: Arc::clone(&network.text),
            disk: disk.clone(),
            pool: pool.clone(),
            clock: clock.clone(),
            archive: Some(url),
            proofs: Some(ProofParts {
                prover: Arc::new(follower.clone()),
                archive: archive.clone(),
            }),
        };
        let rpc = match RpcServer::start(parts, config.rpc).await {
            Ok(rpc) => rpc,
            Err(error) => {
                follower.stop().await;
                return Err(error.into());
            }
        };
        // No peers connect here: followers ask, nobody asks them but over HTTP.
        let endpoints = Endpoints { rpc: rpc.addr(), http: listener.addr(), p2p: listener.addr() };

        let mut tasks = Tasks::new(shutdown);
        let log = Arc::new(follower.clone());
        let work = Follow { follower, upstream: upstream.clone(), disk: disk.clone() };
        tasks.spawn("node.follow", |stop| work.run(stop));
        let forward = (pool, upstream.clone());
        tasks.spawn("node.forward", |stop| async move {
            stop.until(forward_all(&forward.0, &forward.1)).await;
            Ok::<(), ClientError>(())
        });
        tasks.spawn("node.progress", |stop| {
            watch_progress(disk.clone(), metrics.clone(), readiness.clone(), stop)
        });
        tasks.spawn("node.rpc", |stop| async move {
            rpc.until(stop).await;
            Ok::<(), RpcError>(())
        });
        let report = Report { network: network.clone(), disk: disk.clone(), clock, seat: None };
        let router = archive::router(archive.clone())
            .merge(operations(readiness.clone(), metrics.clone()))
            .merge(feed::router(disk.clone()))
            .merge(sync::router(disk.clone(), log, network.genesis.stake.term_blocks))
            .merge(report::router(report));
        tasks.spawn("node.http", |stop| listener.serve(router, Limits::default(), None, stop));
        let network =
            verifier::Network { genesis: (*network.genesis).clone(), hash: network.hash, sector };
        let client = LedgerClient::new(endpoints.rpc_url())?;
        let archives = config.archives;
        tasks.spawn("node.mirror", |stop| async move {
            let Some(sources) = stop.until(sources(archive, upstream, archives)).await else {
                return Ok(());
            };
            verifier::mirror(client, sources?, network, &metrics, stop).await;
            Ok::<(), verifier::SourceError>(())
        });
        Ok(Self { endpoints, disk, readiness, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn endpoints(&self) -> Endpoints {
        self.endpoints
    }
    /// Its ledger.
    #[must_use]
    pub const fn disk(&self) -> &RedbDisk {
        &self.disk
    }
    /// Whether it follows the network.
    #[must_use]
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }
    /// Its parts; add to them what belongs to the same life.
    pub const fn tasks(&mut self) -> &mut Tasks {
        &mut self.tasks
    }

    /// Runs until stopping is requested or a part fails; then every part has stopped and the folder is free.
    ///
    /// # Errors
    /// The first part that failed.
    pub async fn run(self) -> Result<(), TasksError> {
        self.tasks.run().await
    }
}

/// The ledger in the node's folder, taken from others where it is empty, and what follows on top of it.
async fn open(
    config: &FollowConfig,
    network: &Network,
    upstream: &[LedgerClient],
    clock: &NetworkClock,
    metrics: &Metrics,
) -> Result<(RedbDisk, TxPool, FollowerHandle), NodeError> {
    let folder = &config.folder;
    let kept = network.disk(config.state_window, config.blocks_kept);
    let disk = RedbDisk::open(folder, network.hash, kept)?;
    let peers = match config.sync.clients()? {
        named if named.is_empty() => upstream.to_vec(),
        named => named,
    };
    let storage = folder.join(mend::FOLLOWER);
    let taker = Taker::Follower;
    sync::take(&config.sync, network, taker, storage.clone(), &disk, peers, true).await?;
    let pool = TxPool::open(folder, network.ledger(), disk.clone(), clock.clone(), metrics)
        .map_err(|source| NodeError::Journal { path: folder.clone(), source })?;
    let (identity, blocks) = (network.identity(), Arc::new(disk.clone()));
    let follower = run_follower(&identity, storage, blocks, Arc::new(pool.clone())).await?;
    Ok((disk, pool, follower))
}

/// This node's archive, filled from those that the upstream nodes name and the ones of the settings.
async fn sources(
    archive: Archive,
    upstream: Vec<LedgerClient>,
    mut peers: Vec<String>,
) -> Result<Sources, verifier::SourceError> {
    for client in &upstream {
        // A node that is away now is asked no files; the others have the same.
        if let Ok(Some(url)) = client.archive_url().await {
            peers.push(url);
        }
    }
    Sources::node(archive, peers)
}

/// Hands this node's own transactions on: at once, and again while they wait.
pub(crate) async fn forward_all(pool: &TxPool, upstream: &[LedgerClient]) {
    let mut inserted = pool.on_insert();
    let mut again = tokio::time::interval(FORWARD_AGAIN);
    let mut first = 0;
    loop {
        tokio::select! {
            raw = inserted.recv() => match raw {
                Ok(raw) => first = forward(&raw, upstream, first).await,
                // What was missed is handed on below.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = again.tick() => {
                for raw in pool.local() {
                    first = forward(&raw, upstream, first).await;
                }
            }
        }
    }
}

/// Gives a transaction to an upstream node that answers, beginning with the last one that did; returns which. A refusal is
/// an answer: the pool drops the transaction in time.
async fn forward(raw: &[u8], upstream: &[LedgerClient], first: usize) -> usize {
    for (index, client) in upstream.iter().enumerate().cycle().skip(first).take(upstream.len()) {
        match client.send_raw(raw).await {
            Err(error @ (ClientError::Transport { .. } | ClientError::Status { .. })) => {
                tracing::debug!(%error, url = client.url(), "a transaction goes to another node");
            }
            Err(error) => {
                tracing::debug!(%error, url = client.url(), "a transaction was refused upstream");
                return index;
            }
            Ok(_) => return index,
        }
    }
    first
}

/// The loop that fetches blocks.
struct Follow {
    follower: FollowerHandle,
    upstream: Vec<LedgerClient>,
    disk: RedbDisk,
}

/// What asking one upstream node brought.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("it does not say where its blocks are")]
    NoFeed,
    #[error("it cannot be asked")]
    Client(#[from] ClientError),
    #[error("its blocks cannot be fetched")]
    Http(#[from] reqwest::Error),
    #[error("its answer is above {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error("its answer is no list of blocks")]
    Feed(#[from] feed::FeedError),
    #[error("its blocks prove nothing")]
    Blocks(#[from] FollowError),
}

impl Follow {
    async fn run(self, stop: Shutdown) -> Result<(), FollowingStopped> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|_| FollowingStopped)?;
        let work = async {
            let mut pauses = Backoff::endless(PAUSES.0, PAUSES.1);
            let mut told = String::new();
            for client in self.upstream.iter().cycle() {
                loop {
                    match self.ask(&http, client).await {
                        // More may wait at the same node.
                        Ok(true) => pauses = Backoff::endless(PAUSES.0, PAUSES.1),
                        Ok(false) => break,
                        Err(AskError::Blocks(FollowError::Stopped)) => return,
                        Err(error) => {
                            let text = format!("{error:?}");
                            if text != told {
                                let error = &error as &dyn std::error::Error;
                                tracing::warn!(error, url = client.url(), "the next node is asked");
                            }
                            told = text;
                            break;
                        }
                    }
                }
                tokio::time::sleep(pauses.next().unwrap_or(PAUSES.1)).await;
            }
        };
        if stop.until(work).await.is_some() {
            return Err(FollowingStopped);
        }
        self.follower.stop().await;
        Ok(())
    }

    /// Asks one node for the next blocks; whether there were any.
    async fn ask(&self, http: &reqwest::Client, client: &LedgerClient) -> Result<bool, AskError> {
        let feed = client.archive_url().await?.ok_or(AskError::NoFeed)?;
        let from = self.disk.snapshot().height() + 1;
        let url = format!("{}/v1/blocks?from={from}&count={COUNT}", feed.trim_end_matches('/'));
        let mut response = http.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(AskError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut run = feed::read(&body)?;
        let proven = run.iter().rposition(|block| !block.certificate.is_empty());
        run.truncate(proven.map_or(0, |last| last + 1));
        if run.is_empty() {
            return Ok(false);
        }
        self.follower.append(run).await?;
        Ok(true)
    }
}
