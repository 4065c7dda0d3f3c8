//! Executed blocks that are not final yet, and the state after any of them.
//!
//! The disk holds the state of the last final block; every executed block above it is one layer of net writes. The state
//! after a block is the disk under the layers from that block down to the disk's head. Layers are dropped only after the
//! disk committed their block, so a reader never falls between the two; applying a layer that the disk already has
//! changes nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_consensus::{Header, ReceiptEnvelope, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_ledger::{Account, State, StateError, Writes};
use commonware_cryptography::sha256::Digest;

use crate::ports::Disk;

/// A block that this node executed, with all that follows from it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Consensus digest of the parent.
    pub parent: Digest,
    /// The header.
    pub header: Header,
    /// Its Ethereum hash.
    pub hash: B256,
    /// Transactions with senders.
    pub transactions: Vec<Recovered<TxEnvelope>>,
    /// One receipt a transaction.
    pub receipts: Vec<ReceiptEnvelope>,
    /// Gas of each transaction.
    pub gas_used: Vec<u64>,
    /// Net writes.
    pub writes: Writes,
}

/// Executed blocks by consensus digest. Clones share one cache.
///
/// Bound: one entry a block that passed every check and is not below the last final block; an engine verifies one block
/// a view, and the same blocks have their tree batches held by the engine.
#[derive(Clone, Debug, Default)]
pub struct Speculation(Arc<Mutex<BTreeMap<Digest, Arc<Layer>>>>);

impl Speculation {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Arc<Layer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an executed block.
    pub fn insert(&self, digest: Digest, layer: Layer) {
        self.lock().insert(digest, Arc::new(layer));
    }

    /// The executed block, if kept.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Arc<Layer>> {
        self.lock().get(digest).cloned()
    }

    /// Forgets blocks at or below `height`, which the disk has committed.
    pub fn committed(&self, height: u64) {
        self.lock().retain(|_, layer| layer.header.number > height);
    }

    /// The state after the block `digest` of `height`, or `None` when a block between it and the disk's head was never
    /// executed here, or when the disk is already past it.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn state_after(
        &self,
        disk: &Arc<dyn Disk>,
        digest: Digest,
        height: u64,
    ) -> Result<Option<StateAfter>, StateError> {
        let mut layers = Vec::new();
        let (mut at, mut below) = (digest, height);
        {
            let cache = self.lock();
            while let Some(layer) = cache.get(&at) {
                layers.push(Arc::clone(layer));
                at = layer.parent;
                below = layer.header.number.saturating_sub(1);
            }
        }
        // Read the head after the layers: a layer missing above was dropped after its commit, so the head covers it.
        let covered = disk.head()?.is_some_and(|head| (below..=height).contains(&head.number));
        Ok(covered.then(|| StateAfter { disk: Arc::clone(disk), layers }))
    }
}

/// The state after one block: layers from the newest to the oldest, above the disk.
#[derive(Clone)]
pub struct StateAfter {
    disk: Arc<dyn Disk>,
    layers: Vec<Arc<Layer>>,
}

impl State for StateAfter {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        match self.layers.iter().find_map(|layer| layer.writes.accounts.get(&address)) {
            Some(account) => Ok(*account),
            None => self.disk.account(address),
        }
    }

    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        match self.layers.iter().find_map(|layer| layer.writes.slots.get(&(address, slot))) {
            Some(value) => Ok(*value),
            None => self.disk.slot(address, slot),
        }
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        match self.layers.iter().find_map(|layer| layer.writes.codes.get(&hash)) {
            Some(code) => Ok(code.clone()),
            None => self.disk.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        match self.layers.iter().find(|layer| layer.header.number == number) {
            Some(layer) => Ok(layer.hash),
            None => self.disk.block_hash(number),
        }
    }
}
