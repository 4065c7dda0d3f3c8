//! Anchors: the latest agreed result that a device knew when it signed. They prove that a batch was not made earlier.
//!
//! In epoch e a device names epoch k = e − 1: the reward root of epoch k − 1, which is final by then, or the genesis hash
//! for k = 0. Because e decides k, two runs of one replay sign the same bytes.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use cairn_client::{BlockTag, ClientError, LedgerClient, Reads as _};
use cairn_primitives::{Anchor, Digest, Epoch, Sector};

/// Anchors kept in memory.
const CACHED: usize = 64;

/// Whoever knows the anchor for a batch.
pub trait Anchors: Send + Sync {
    /// The anchor of a batch that is signed in `epoch`.
    fn anchor(&self, epoch: Epoch) -> impl Future<Output = Result<Anchor, ClientError>> + Send;
}

/// Anchors from a node; clones share what was asked already.
#[derive(Clone, Debug)]
pub struct LedgerAnchors {
    client: LedgerClient,
    sector: Sector,
    genesis: Digest,
    cache: Arc<Mutex<BTreeMap<Epoch, [u8; 8]>>>,
}

impl LedgerAnchors {
    /// Anchors of the network with this genesis.
    #[must_use]
    pub fn new(client: LedgerClient, sector: Sector, genesis: Digest) -> Self {
        Self { client, sector, genesis, cache: Arc::default() }
    }

    fn cached(&self, epoch: Epoch) -> Option<Anchor> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(&epoch).map(|prefix| Anchor { epoch, root_prefix: *prefix })
    }
}

impl Anchors for LedgerAnchors {
    async fn anchor(&self, epoch: Epoch) -> Result<Anchor, ClientError> {
        let wanted = epoch.back(1);
        if wanted == Epoch(0) {
            return Ok(Anchor { epoch: wanted, root_prefix: self.genesis.prefix() });
        }
        if let Some(known) = self.cached(wanted) {
            return Ok(known);
        }
        // When the ledger lags, the latest that is final: older than the rule, and valid all the same.
        let next = self.client.next_epoch(self.sector, BlockTag::Latest).await?;
        let epoch = wanted.min(next);
        let Some(rewarded) = epoch.previous() else {
            return Ok(Anchor { epoch, root_prefix: self.genesis.prefix() });
        };
        let root = self.client.reward_root(rewarded, self.sector, BlockTag::Latest).await?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(epoch, root.prefix());
        if cache.len() > CACHED {
            cache.pop_first();
        }
        Ok(Anchor { epoch, root_prefix: root.prefix() })
    }
}
