//! State sync over HTTP: what a node gives to others, and how it asks them (docs/spec/sync.md).
//!
//! ```text
//!   GET /v1/state/proofs  headers  log  entries  codes ◄── HttpSource ◄── cairn_consensus::sync_state ─► RedbDisk, state tree
//! ```
//! Nothing here is believed: every answer is checked by `cairn_consensus` before it counts.

mod client;
mod serve;

use std::{path::PathBuf, sync::Arc, time::Duration};

use cairn_client::{Backoff, ClientError, LedgerClient};
use cairn_consensus::{SyncError, Taker, Trusted, sync_state};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

pub use client::HttpSource;
pub(crate) use serve::router;

use crate::{
    config::Network,
    disk::{DiskError, RedbDisk},
};

/// How an empty node gets the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// The state of a recent final block, proven by certificates; earlier blocks are not fetched.
    #[default]
    State,
    /// Every block from the first, executed.
    Replay,
}

/// A chain that ends below this height is replayed: that is done sooner, and a network that was just founded has no certificate yet.
const SHORT_BLOCKS: u64 = 1_024;
/// How long a node may take to say how high its chain is.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Pauses while nobody answers: first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How an empty node gets the ledger, and from whom.
#[derive(Clone, Debug)]
pub struct SyncConfig {
    /// How.
    pub mode: SyncMode,
    /// JSON-RPC of the nodes that are asked for a state; none asks nobody, and replays.
    pub peers: Vec<String>,
    /// A block that the operator trusts.
    pub trusted: Option<Trusted>,
    /// Chains that end below this height are replayed whatever `mode` says.
    pub short_blocks: u64,
}

impl Default for SyncConfig {
    fn default() -> Self {
        let mode = SyncMode::default();
        Self { mode, peers: Vec::new(), trusted: None, short_blocks: SHORT_BLOCKS }
    }
}

impl SyncConfig {
    /// Clients of its peers.
    pub(crate) fn clients(&self) -> Result<Vec<LedgerClient>, ClientError> {
        self.peers.iter().map(LedgerClient::new).collect()
    }
}

/// A state could not be taken from other nodes.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The store cannot be used.
    #[error("cannot use the ledger")]
    Disk(#[from] DiskError),
    /// The settings say replay, and a state sync has begun.
    #[error(
        "a state sync began in this folder and has not ended: set sync.mode to \"state\", or empty the folder"
    )]
    Unfinished,
    /// Nobody to ask.
    #[error("a state sync began in this folder and sync.peers names nobody to ask")]
    NoPeers,
    /// It failed.
    #[error("cannot take the state from other nodes")]
    Sync(#[from] SyncError),
    /// An HTTP client cannot be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// The greatest height that a peer tells, as soon as one answers; where nobody does, `None` unless it `waits`.
async fn highest(peers: &[LedgerClient], waits: bool) -> Option<u64> {
    let mut pauses = Backoff::endless(PAUSES.0, PAUSES.1);
    loop {
        let asked = peers.iter().map(|peer| timeout(ANSWER_WITHIN, peer.block_number()));
        let heights = join_all(asked).await;
        if let Some(height) = heights.into_iter().filter_map(|told| told.ok()?.ok()).max() {
            return Some(height);
        }
        if !waits {
            return None;
        }
        tracing::warn!("no node that could give the state answers: they are asked again");
        sleep(pauses.next().unwrap_or(PAUSES.1)).await;
    }
}

/// Fills an empty folder by state sync where the settings say so; otherwise it changes nothing. A node that is killed meanwhile goes on at
/// its next start. One that `waits` starts when a peer answers; another replays where nobody does.
pub(crate) async fn take(
    config: &SyncConfig,
    network: &Network,
    taker: Taker,
    storage: PathBuf,
    disk: &RedbDisk,
    peers: Vec<LedgerClient>,
    waits: bool,
) -> Result<(), TakeError> {
    let importing = disk.is_importing()?;
    if disk.snapshot().head().is_some() {
        return Ok(());
    }
    match (config.mode, importing) {
        (SyncMode::Replay, false) => return Ok(()),
        (SyncMode::Replay, true) => return Err(TakeError::Unfinished),
        (SyncMode::State, false) if peers.is_empty() => return Ok(()),
        (SyncMode::State, true) if peers.is_empty() => return Err(TakeError::NoPeers),
        (SyncMode::State, true) => {}
        (SyncMode::State, false) => match highest(&peers, waits).await {
            Some(height) if height >= config.short_blocks => {}
            Some(height) => {
                tracing::info!(height, "the chain is short: every block is fetched and executed");
                return Ok(());
            }
            None => {
                tracing::info!("nobody answers yet: every block is fetched and executed");
                return Ok(());
            }
        },
    }
    let source = Arc::new(HttpSource::new(peers).map_err(TakeError::Client)?);
    let identity = network.identity();
    let to = Arc::new(disk.clone());
    let synced = sync_state(&identity, config.trusted, taker, storage, to, source).await?;
    tracing::info!(
        height = synced.height,
        entries = synced.entries,
        "state sync: the state is here, blocks follow"
    );
    Ok(())
}
