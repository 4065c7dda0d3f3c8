//! A chain for contract authors: the same ledger, store, pool and JSON-RPC as a node's, without consensus.
//!
//! ```text
//!   eth_sendRawTransaction ─► TxPool ─┐
//!   eth_sendTransaction ── signed ────┴─► DevChain::mine ─► Ledger::build ─► RedbDisk      evm_revert ─► RedbDisk::rewind
//! ```
//! A block follows each transaction at once, time goes where a test sends it, and an earlier state comes back. None of it
//! exists on a network: a block here has no certificate and no state root.
//!
//! Invariant: a block is what `Ledger::build` makes of its transactions on its parent's state, as on a network.

mod accounts;
mod chain;
mod rpc;
mod sign;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use alloy_primitives::B256;
use cairn_client::Wallet;
use cairn_consensus::{Disk as _, FinalBlock};
use cairn_kit::{NetworkClock, Shutdown, metrics::Metrics};
use cairn_ledger::StateError;
use tokio::sync::broadcast::error::RecvError;

pub use accounts::wallets;
pub use chain::{DevChain, DevError};

use crate::{
    disk::{DiskConfig, DiskError, RedbDisk},
    pool::TxPool,
    rpc::{RpcConfig, RpcError, RpcParts, RpcServer},
    validator::Network,
};

/// A development chain cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DevStartError {
    /// The store cannot be opened.
    #[error("cannot open the ledger")]
    Disk(#[from] DiskError),
    /// Genesis cannot be written.
    #[error("cannot write block 0")]
    Genesis(#[from] StateError),
    /// The pool's journal cannot be opened.
    #[error("cannot open the pool's journal in {path}")]
    Journal {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// JSON-RPC does not start.
    #[error("cannot start the JSON-RPC server")]
    Rpc(#[from] RpcError),
}

/// A development chain that runs.
pub struct DevNode {
    chain: DevChain,
    rpc: RpcServer,
}

impl DevNode {
    /// Starts the chain of `network` in `folder` (it goes on if there is one) and serves its JSON-RPC. `wallets` are the
    /// accounts for which `eth_sendTransaction` signs.
    ///
    /// # Errors
    /// When the folder, block 0 or the address cannot be used.
    pub async fn start(
        folder: PathBuf,
        network: &Network,
        wallets: Vec<Wallet>,
        config: RpcConfig,
    ) -> Result<Self, DevStartError> {
        let ledger = network.ledger();
        let disk = RedbDisk::open(&folder, network.hash, DiskConfig::default())?;
        if disk.head()?.is_none() {
            disk.commit(FinalBlock {
                header: ledger.genesis_header(B256::ZERO),
                digest: [0; 32],
                transactions: Vec::new(),
                receipts: Vec::new(),
                gas_used: Vec::new(),
                writes: ledger.genesis_writes()?,
                certificate: Vec::new(),
            })?;
        }
        // The chain keeps its own time, which may go back; the pool only needs one that is not ahead of it.
        let clock = NetworkClock::manual(network.genesis.start_ms);
        let pool =
            TxPool::open(&folder, ledger.clone(), disk.clone(), clock.clone(), &Metrics::new())
                .map_err(|source| DevStartError::Journal { path: folder, source })?;
        // The journal still has what was sent to states that were given up: it must not come back with the next block.
        pool.clear();
        let chain = DevChain::new(ledger.clone(), disk.clone(), pool.clone(), wallets);
        let parts = RpcParts {
            ledger,
            genesis: Arc::clone(&network.genesis),
            genesis_text: Arc::clone(&network.text),
            disk,
            pool,
            clock,
            archive: None,
            proofs: None,
        };
        let rpc = RpcServer::start_with(parts, config, rpc::methods(chain.clone())).await?;
        Ok(Self { chain, rpc })
    }

    /// The JSON-RPC as a URL.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.rpc.addr())
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &DevChain {
        &self.chain
    }

    /// Serves until stopping is requested. Blocks come by themselves while an interval is set, and after transactions that came
    /// another way than `eth_sendRawTransaction`.
    pub async fn run(self, shutdown: Shutdown) {
        let stop = shutdown.clone();
        let mining = async {
            tokio::join!(every_interval(self.chain.clone()), after_each(self.chain.clone()));
        };
        tokio::join!(self.rpc.until(shutdown), stop.until(mining));
    }
}

/// Makes a block each time the interval is over, while there is one.
async fn every_interval(chain: DevChain) {
    let mut interval = chain.interval();
    loop {
        let every_ms = *interval.borrow_and_update();
        let pause = async {
            if every_ms == 0 {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
        };
        tokio::select! {
            () = pause => mine(chain.clone(), DevChain::mine).await,
            changed = interval.changed() => if changed.is_err() { return },
        }
    }
}

/// Makes a block of what is still waiting after it came into the pool.
async fn after_each(chain: DevChain) {
    let mut inserted = chain.inserted();
    while !matches!(inserted.recv().await, Err(RecvError::Closed)) {
        mine(chain.clone(), DevChain::mine_waiting).await;
    }
}

async fn mine(chain: DevChain, how: fn(&DevChain) -> Result<u64, DevError>) {
    let mined = tokio::task::spawn_blocking(move || how(&chain)).await;
    if let Ok(Err(error)) = mined {
        tracing::error!(error = &error as &dyn std::error::Error, "no block");
    }
}
