//! JSON-RPC for wallets, libraries and tools, and the `cairn` namespace (docs/spec/rpc.md).
//!
//! ```text
//!   HTTP/WebSocket ─ limits, CORS ─ jsonrpsee ─┬─ eth            chain, accounts, fees
//!                                              ├─ blocks         blocks, transactions, receipts, raw bytes
//!                                              ├─ call           eth_call, estimates, access lists
//!                                              ├─ trace          tracers, within the bounds of guard
//!                                              ├─ simulate       blocks of calls
//!                                              ├─ sending        transactions, the pool
//!                                              ├─ filters        logs and filters
//!                                              ├─ subscriptions  the same, pushed over WebSocket
//!                                              ├─ proof          what a light client checks by itself
//!                                              ├─ reality        the page of honest figures
//!                                              └─ cairn          status, genesis, certificates
//! ```
//!
//! Invariants: a request reads one snapshot, so its answer is of one block; what takes long runs on blocking threads, of
//! which a bounded number at once, under a gas cap and a deadline; every error has geth's code and words.

mod blocks;
mod cairn;
mod call;
mod door;
pub(crate) mod errors;
mod eth;
mod filters;
mod guard;
mod proof;
mod reality;
mod sending;
mod serve;
mod simulate;
mod subscriptions;
#[cfg(test)]
mod tests;
mod trace;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use alloy_consensus::Header;
use alloy_primitives::Address;
use cairn_client::light::Trust;
use cairn_consensus::TermRules;
use cairn_kit::{NetworkClock, Shutdown};
use cairn_ledger::{Ledger, time_of};
use cairn_primitives::Genesis;
use jsonrpsee::{
    Methods, RpcModule,
    core::RpcResult,
    server::{ServerHandle, stop_channel},
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};

use errors::{Answer, INTERNAL, LIMIT, error};
use filters::Filters;

use crate::{disk::RedbDisk, pool::TxPool};

pub use door::Door;
pub(crate) use filters::logs_of;
pub use filters::{FILTERS_MAX, LOG_BLOCKS_MAX, LOGS_MAX};
pub use proof::{ProofParts, Prover};
pub use serve::Patience;
pub use subscriptions::{SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_CONNECTION};

/// Name and version, as `web3_clientVersion` tells.
pub const CLIENT: &str = concat!("cairn/", env!("CARGO_PKG_VERSION"));

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct RpcConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Largest request, bytes.
    pub request_bytes_max: u32,
    /// Largest answer, bytes.
    pub response_bytes_max: u32,
    /// Most requests in a batch.
    pub batch_max: u32,
    /// Most connections.
    pub connections_max: u32,
    /// Most gas of one `eth_call`.
    pub call_gas_max: u64,
    /// Most requests at once that run the EVM.
    pub calls_max: usize,
    /// Most requests at once that read much from the disk.
    pub reads_max: usize,
    /// Longest time a heavy request may wait and run.
    pub deadline: Duration,
    /// How slow a connection may be.
    pub patience: Patience,
}

impl RpcConfig {
    /// The usual bounds, listening at `listen`.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            request_bytes_max: 2 << 20,
            response_bytes_max: 32 << 20,
            batch_max: 256,
            connections_max: 512,
            call_gas_max: 50_000_000,
            calls_max: 8,
            reads_max: 32,
            deadline: Duration::from_secs(10),
            patience: Patience::default(),
        }
    }
}

/// What handlers work on.
pub(crate) struct Node {
    pub(crate) ledger: Ledger,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) genesis_text: Arc<str>,
    pub(crate) disk: RedbDisk,
    pub(crate) pool: TxPool,
    pub(crate) clock: NetworkClock,
    pub(crate) archive: Option<String>,
    /// What this node's proofs are checked against before it answers them.
    trust: Trust,
    /// Which block ends a term.
    terms: TermRules,
    proofs: Option<ProofParts>,
    /// What the page of honest figures is made from.
    reality: reality::Reality,
    pub(crate) config: RpcConfig,
    filters: Filters,
    calls: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    /// Places for subscriptions of all clients together.
    subscribers: Arc<Semaphore>,
}

impl Node {
    /// Base fee of the child of `parent`.
    fn next_base_fee(&self, parent: &Header) -> u64 {
        self.ledger.next_env(parent, time_of(parent), Address::ZERO).base_fee
    }
}

/// The parts that a server answers from.
#[derive(Clone, Debug)]
pub struct RpcParts {
    /// The state machine.
    pub ledger: Ledger,
    /// Genesis.
    pub genesis: Arc<Genesis>,
    /// Its exact text.
    pub genesis_text: Arc<str>,
    /// The finalised ledger.
    pub disk: RedbDisk,
    /// Transactions on their way.
    pub pool: TxPool,
    /// Network time.
    pub clock: NetworkClock,
    /// Where this node serves the files of final epochs.
    pub archive: Option<String>,
    /// Where proofs come from; `None` without consensus.
    pub proofs: Option<ProofParts>,
}

/// The handlers; clones share one node.
#[derive(Clone)]
pub(crate) struct Rpc(Arc<Node>);

impl Rpc {
    fn new(parts: RpcParts, config: RpcConfig) -> Self {
        let RpcParts { ledger, genesis, genesis_text, disk, pool, clock, archive, proofs } = parts;
        let trust = Trust::of(&genesis, &genesis_text);
        let terms = TermRules::of(&ledger);
        let calls = Arc::new(Semaphore::new(config.calls_max));
        let reads = Arc::new(Semaphore::new(config.reads_max));
        let subscribers = Arc::new(Semaphore::new(SUBSCRIPTIONS_MAX));
        let filters = Filters::default();
        let reality = reality::Reality::new(&genesis);
        Self(Arc::new(Node {
            ledger,
            genesis,
            genesis_text,
            disk,
            pool,
            clock,
            archive,
            trust,
            terms,
            proofs,
            reality,
            config,
            filters,
            calls,
            reads,
            subscribers,
        }))
    }

    fn node(&self) -> &Node {
        &self.0
    }

    /// Runs what reads much on a blocking thread.
    async fn heavy<T, F>(&self, work: F) -> RpcResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Node) -> Answer<T> + Send + 'static,
    {
        self.within(&self.0.reads, work).await
    }

    /// Runs what needs the EVM on a blocking thread. It has places of its own, so that calls do not keep reads waiting.
    async fn compute<T, F>(&self, work: F) -> RpcResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Node) -> Answer<T> + Send + 'static,
    {
        self.within(&self.0.calls, work).await
    }

    /// The permit goes with the work: a client that leaves does not free its place early.
    async fn within<T, F>(&self, places: &Arc<Semaphore>, work: F) -> RpcResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Node) -> Answer<T> + Send + 'static,
    {
        let (node, places) = (Arc::clone(&self.0), Arc::clone(places));
        let task = async move {
            let permit = places.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                work(&node)
            })
            .await
        };
        match tokio::time::timeout(self.0.config.deadline, task).await {
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(panicked)) => {
                tracing::error!(error = %panicked, "rpc handler panicked");
                Err(error(INTERNAL, "internal error"))
            }
            Err(_) => Err(error(LIMIT, "request timed out")),
        }
    }
}

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address is taken or not ours.
    #[error("cannot serve JSON-RPC at {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A running server.
#[derive(Debug)]
pub struct RpcServer {
    addr: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<()>,
}

impl RpcServer {
    /// Starts to serve.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(parts: RpcParts, config: RpcConfig) -> Result<Self, RpcError> {
        Self::start_with(parts, config, Methods::new()).await
    }

    /// Starts to serve; methods of `more` stand for those of the same name.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(crate) async fn start_with(
        parts: RpcParts,
        config: RpcConfig,
        more: Methods,
    ) -> Result<Self, RpcError> {
        let bind = |source| RpcError::Bind { addr: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
        let addr = listener.local_addr().map_err(bind)?;
        let (stop, handle) = stop_channel();
        let mut methods = methods(Rpc::new(parts, config));
        for name in more.method_names() {
            methods.remove_method(name);
        }
        methods.merge(more).expect("methods of the same name are gone");
        let serving =
            tokio::spawn(serve::serve(listener, config, serve::Doors::new(methods), stop));
        Ok(Self { addr, handle, serving })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until stopping is requested; requests under way are answered.
    pub async fn until(self, shutdown: Shutdown) {
        shutdown.requested().await;
        // Neither fails but when it stopped already.
        let _ = self.handle.stop();
        let _ = self.serving.await;
        self.handle.stopped().await;
    }
}

/// Every method of this node.
fn methods(rpc: Rpc) -> RpcModule<()> {
    let mut module = RpcModule::new(());
    let parts: [Methods; 11] = [
        eth::EthApiServer::into_rpc(rpc.clone()).into(),
        blocks::BlocksApiServer::into_rpc(rpc.clone()).into(),
        call::CallApiServer::into_rpc(rpc.clone()).into(),
        trace::TraceApiServer::into_rpc(rpc.clone()).into(),
        simulate::SimulateApiServer::into_rpc(rpc.clone()).into(),
        sending::SendingApiServer::into_rpc(rpc.clone()).into(),
        filters::FiltersApiServer::into_rpc(rpc.clone()).into(),
        subscriptions::module(rpc.clone()).into(),
        proof::ProofApiServer::into_rpc(rpc.clone()).into(),
        reality::RealityApiServer::into_rpc(rpc.clone()).into(),
        cairn::CairnApiServer::into_rpc(rpc).into(),
    ];
    for part in parts {
        module.merge(part).expect("method names are distinct");
    }
    module
}
