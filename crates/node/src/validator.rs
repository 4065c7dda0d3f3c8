//! The validator role: disk, pool, consensus, JSON-RPC, the archive's files, the verifier and the accuser, started and stopped as one.
//!
//! ```text
//!   folder/  ledger.redb  pool.journal  consensus/  archive/  keys/
//!
//!   RpcServer ─► TxPool ─► gossip ─► peers        consensus ─► RedbDisk ─► RpcServer
//!                  ▲                                  │
//!                  └────────── candidates ────────────┘
//! ```
//! Everything listens before `start` returns, so that its endpoints are known; blocks follow when more than two thirds of
//! the validators are connected.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{B256, Bytes};
use cairn_client::{ClientError, KeyFileError, LedgerClient, Sender, Wallet};
use cairn_consensus::{
    Taker, ValidatorConfig, ValidatorError, ValidatorHandle, VoteLog, run_validator,
};
use cairn_evidence::{
    archive::{self, Archive},
    verifier::{self, SourceError, Sources, Verifier},
};
use cairn_kit::{
    NetworkClock, Shutdown, Tasks,
    http::{HttpError, Limits, Listener, Readiness, operations},
    metrics::Metrics,
    tasks::TasksError,
};
use cairn_primitives::{Digest, Genesis, Sector};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    accuser::Accuser,
    backfill::Backfill,
    disk::{BLOCKS_MIN, DiskError, RedbDisk},
    feed,
    keys::make_folder,
    mend,
    pool::TxPool,
    price::{Feeder, PriceFeed},
    report::{self, Report},
    rpc::{ProofParts, RpcError, RpcParts, RpcServer},
    signer::SignerError,
    sync::{self, TakeError},
};
pub use crate::{
    config::{Network, NodeConfig},
    keys::{ConsensusKey, NodeKeys, VOTES},
};

/// How often waiting local transactions are offered to the peers again: one may have been away.
const REGOSSIP: Duration = Duration::from_secs(5);
/// Without a new block for this long a validator is not ready, wall time.
const STALLED: Duration = Duration::from_secs(30);

/// A node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A folder cannot be made.
    #[error("cannot use the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key cannot be read or made.
    #[error("cannot use the node's keys")]
    Keys(#[from] KeyFileError),
    /// The consensus key is none.
    #[error(transparent)]
    BadSecret(#[from] cairn_consensus::BadSecret),
    /// The consensus key is in another process, which is not there.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The signer is of another network.
    #[error("the signer signs for the network {found}, and this node is of {expected}")]
    OtherSigner {
        /// The node's genesis.
        expected: Digest,
        /// The signer's.
        found: Digest,
    },
    /// The ledger cannot be opened.
    #[error("cannot open the ledger")]
    Disk(#[from] DiskError),
    /// The pool's journal cannot be opened.
    #[error("cannot open the pool's journal in {path}")]
    Journal {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The state could not be taken from other nodes.
    #[error("cannot take the ledger's state from other nodes")]
    Sync(#[from] TakeError),
    /// A file or another node cannot be asked.
    #[error("cannot make an HTTP client")]
    Client(#[from] ClientError),
    /// Files cannot be fetched.
    #[error("cannot fetch files")]
    Sources(#[from] SourceError),
    /// The log of votes cannot be used.
    #[error("cannot use the log of what this validator's key has signed")]
    Votes(#[from] cairn_consensus::VoteLogError),
    /// A node without a vote does not start.
    #[error("cannot start to follow")]
    Follower(#[from] cairn_consensus::FollowerError),
    /// Consensus does not start.
    #[error("cannot start consensus")]
    Consensus(#[from] ValidatorError),
    /// JSON-RPC does not start.
    #[error("cannot start the JSON-RPC server")]
    Rpc(#[from] RpcError),
    /// The file server does not start.
    #[error("cannot start the HTTP server")]
    Http(#[from] HttpError),
}

/// Consensus ended by itself: a bug or a broken disk, told in the log.
#[derive(Debug, thiserror::Error)]
#[error("consensus stopped")]
pub(crate) struct ConsensusStopped;

/// Where a running validator listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// JSON-RPC.
    pub rpc: SocketAddr,
    /// Archive files, `/health`, `/ready`, `/metrics`.
    pub http: SocketAddr,
    /// Peers.
    pub p2p: SocketAddr,
}

impl Endpoints {
    /// The JSON-RPC as a URL that this machine can use.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}", near(self.rpc))
    }
    /// The HTTP server as a URL that this machine can use.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", near(self.http))
    }
}

/// Where this machine reaches a server that listens on all addresses: loopback.
fn near(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(at) if at.ip().is_unspecified() => ([127, 0, 0, 1], at.port()).into(),
        SocketAddr::V6(at) if at.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, at.port()).into(),
        other => other,
    }
}

/// A validator that runs; it stops when `run` ends.
pub struct ValidatorNode {
    endpoints: Endpoints,
    disk: RedbDisk,
    pool: TxPool,
    archive: Archive,
    metrics: Metrics,
    readiness: Readiness,
    consensus: ValidatorHandle,
    tasks: Tasks,
}

impl ValidatorNode {
    /// Opens the folder and starts every part; nothing of it outlives `shutdown` by more than `kit::tasks::STOP_GRACE` a part.
    ///
    /// # Errors
    /// When a part does not start; the others are stopped.
    pub async fn start(
        config: NodeConfig,
        network: &Network,
        keys: &NodeKeys,
        clock: NetworkClock,
        shutdown: Shutdown,
    ) -> Result<Self, NodeError> {
        let (metrics, readiness) = (Metrics::new(), Readiness::default());
        let ledger = network.ledger();
        make_folder(&config.folder)?;
        let key = keys.consensus_key();
        let disk = match open(&config, network, key).await {
            Err(damage) if mend::is_damage(&damage) => {
                mend::mend(&config.folder, &damage)?;
                open(&config, network, key).await?
            }
            opened => opened?,
        };
        let pool =
            TxPool::open(&config.folder, ledger.clone(), disk.clone(), clock.clone(), &metrics)
                .map_err(|source| NodeError::Journal { path: config.folder.clone(), source })?;
        let archive = Archive::new(config.folder.join("archive"));
        let listener = Listener::bind(config.http)?;

        let consensus = run_validator(
            &network.identity(),
            ValidatorConfig {
                signer: keys.consensus.signer(network.hash)?,
                votes: VoteLog::open(&config.votes, config.votes_start)?,
                storage: config.folder.join(mend::CONSENSUS),
                listen: config.p2p,
                dialable: config.dialable,
                bootstrap: config.bootstrap,
                reach: config.reach,
                blocks_kept: config.blocks_kept.map(|kept| kept.max(BLOCKS_MIN)),
            },
            Arc::new(disk.clone()),
            Arc::new(pool.clone()),
            Arc::new(clock.clone()),
        )
        .await?;
        let rpc = RpcServer::start(
            RpcParts {
                ledger,
                genesis: Arc::clone(&network.genesis),
                genesis_text: Arc::clone(&network.text),
                disk: disk.clone(),
                pool: pool.clone(),
                clock: clock.clone(),
                archive: Some(
                    config.http_url.unwrap_or_else(|| format!("http://{}", listener.addr())),
                ),
                proofs: Some(ProofParts {
                    prover: Arc::new(consensus.clone()),
                    archive: archive.clone(),
                }),
            },
            config.rpc,
        )
        .await;
        let rpc = match rpc {
            Ok(rpc) => rpc,
            Err(error) => {
                consensus.stop().await;
                return Err(error.into());
            }
        };
        let endpoints = Endpoints { rpc: rpc.addr(), http: listener.addr(), p2p: config.p2p };

        let mut tasks = Tasks::new(shutdown);
        tasks.spawn("node.consensus", |stop| watch_consensus(consensus.clone(), stop));
        tasks.spawn("node.gossip", |stop| gossip(pool.clone(), consensus.clone(), stop));
        let nodes = config.sync.clients()?;
        if !nodes.is_empty() {
            let (disk, pool) = (disk.clone(), pool.clone());
            let backfill = Backfill { consensus: consensus.clone(), disk, pool, nodes };
            tasks.spawn("node.backfill", |stop| backfill.run(stop));
        }
        tasks.spawn("node.progress", |stop| {
            watch_progress(disk.clone(), metrics.clone(), readiness.clone(), stop)
        });
        tasks.spawn("node.rpc", |stop| async move {
            rpc.until(stop).await;
            Ok::<(), RpcError>(())
        });
        let report = Report {
            network: network.clone(),
            disk: disk.clone(),
            clock,
            seat: Some((consensus.clone(), keys.operator.address())),
        };
        let log = Arc::new(consensus.clone());
        let router = archive::router(archive.clone())
            .merge(operations(readiness.clone(), metrics.clone()))
            .merge(feed::router(disk.clone()))
            .merge(sync::router(disk.clone(), log, network.genesis.stake.term_blocks))
            .merge(report::router(report));
        tasks.spawn("node.http", |stop| listener.serve(router, Limits::default(), None, stop));
        Ok(Self { endpoints, disk, pool, archive, metrics, readiness, consensus, tasks })
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
    /// Its pool.
    #[must_use]
    pub const fn pool(&self) -> &TxPool {
        &self.pool
    }
    /// The evidence files it keeps.
    #[must_use]
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }
    /// Its metrics.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }
    /// Whether it follows the network.
    #[must_use]
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }
    /// Its consensus.
    #[must_use]
    pub const fn consensus(&self) -> &ValidatorHandle {
        &self.consensus
    }
    /// Verifies epochs and votes as `operator`, and reports whom it saw vote twice; files that this node lacks come from `peers`
    /// (base URLs). The sender is the operator's, for further duties: two would not know of each other's nonces.
    ///
    /// # Errors
    /// When an HTTP client cannot be made.
    pub fn verify(
        &mut self,
        network: &Network,
        sector: Sector,
        operator: Wallet,
        peers: Vec<String>,
    ) -> Result<Sender, NodeError> {
        let client = LedgerClient::new(self.endpoints.rpc_url())?;
        let sender = Sender::new(client.clone(), operator);
        let accuser = Accuser::new(sender.clone(), self.consensus.evidence(), self.disk.heights());
        let network =
            verifier::Network { genesis: (*network.genesis).clone(), hash: network.hash, sector };
        let sources = Sources::node(self.archive.clone(), peers)?;
        let verifier =
            Verifier::new(client, sender.clone(), sources, network).with_metrics(&self.metrics);
        self.tasks.spawn("node.verifier", |stop| async move {
            verifier.run(stop).await;
            Ok::<(), ClientError>(())
        });
        self.tasks.spawn("node.accuser", |stop| async move {
            accuser.run(stop).await;
            Ok::<(), ClientError>(())
        });
        Ok(sender)
    }

    /// Feeds the operator's view of the price; `sender` is what `verify` gave. Trouble with the source is told and stops nothing.
    pub fn feed_price(&mut self, feed: PriceFeed, sender: Sender, genesis: &Genesis) {
        let feeder = Feeder::new(sender, feed, genesis);
        self.tasks.spawn("node.price", |stop| async move {
            feeder.run(stop).await;
            Ok::<(), ClientError>(())
        });
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

/// The ledger of the validator with this consensus key, with a state from others where nothing is there yet. Where the engine's storage is
/// there, it brings the ledger up to where it was.
async fn open(config: &NodeConfig, network: &Network, key: B256) -> Result<RedbDisk, NodeError> {
    let kept = network.disk(config.state_window, config.blocks_kept);
    let storage = config.folder.join(mend::CONSENSUS);
    let disk = RedbDisk::open(&config.folder, network.hash, kept)?;
    if !storage.exists() || disk.is_importing()? {
        // Founders may all start for the first time: then nobody has anything to give, and who waits for another waits for ever.
        let waits = network.genesis.validators.iter().all(|founder| founder.consensus_key != key);
        let peers = config.sync.clients()?;
        sync::take(&config.sync, network, Taker::Validator, storage, &disk, peers, waits).await?;
    }
    Ok(disk)
}

/// Fails when consensus ends by itself; stops it last, because it was started first.
async fn watch_consensus(
    consensus: ValidatorHandle,
    stop: Shutdown,
) -> Result<(), ConsensusStopped> {
    if stop.until(consensus.failed()).await.is_some() {
        return Err(ConsensusStopped);
    }
    consensus.stop().await;
    Ok(())
}

/// Offers local transactions to the peers: at once, and again while they wait.
async fn gossip(
    pool: TxPool,
    consensus: ValidatorHandle,
    stop: Shutdown,
) -> Result<(), ConsensusStopped> {
    let mut inserted: Receiver<Bytes> = pool.on_insert();
    let mut again = tokio::time::interval(REGOSSIP);
    let work = async {
        loop {
            tokio::select! {
                raw = inserted.recv() => match raw {
                    Ok(raw) => drop(consensus.gossip(raw.0)),
                    // What was missed is offered again below.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                _ = again.tick() => {
                    for raw in pool.local() {
                        consensus.gossip(raw.into());
                    }
                }
            }
        }
    };
    stop.until(work).await;
    Ok(())
}

/// Ready while blocks come.
pub(crate) async fn watch_progress(
    disk: RedbDisk,
    metrics: Metrics,
    readiness: Readiness,
    stop: Shutdown,
) -> Result<(), ConsensusStopped> {
    let height = metrics.gauge("cairn_ledger_height_blocks", "Height of the last final block.");
    let mut heights = disk.heights();
    height.set(*heights.borrow_and_update());
    let work = async {
        loop {
            match tokio::time::timeout(STALLED, heights.changed()).await {
                Ok(Ok(())) => {
                    height.set(*heights.borrow_and_update());
                    readiness.set_ready();
                }
                Ok(Err(_)) => return,
                Err(_) => readiness.set_waiting(format!("no block for {} s", STALLED.as_secs())),
            }
        }
    };
    stop.until(work).await;
    Ok(())
}
