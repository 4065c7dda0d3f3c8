//! What consensus asks of the node around it: a disk and a pool of transactions. `node` implements both.

use alloy_consensus::{Header, ReceiptEnvelope, TxEnvelope, transaction::Recovered};
use alloy_primitives::B256;
use cairn_kit::clock::NetworkClock;
use cairn_ledger::{State, StateError, Writes};
use cairn_primitives::TimeMs;

/// A finalised block with everything that follows from it, ready to be written.
#[derive(Clone, Debug)]
pub struct FinalBlock {
    /// The Ethereum header; its hash is the block's hash for every tool.
    pub header: Header,
    /// The name consensus knows the block by (SHA-256 over its encoding).
    pub digest: [u8; 32],
    /// Transactions with their senders, in order.
    pub transactions: Vec<Recovered<TxEnvelope>>,
    /// One receipt a transaction.
    pub receipts: Vec<ReceiptEnvelope>,
    /// Gas used by each transaction.
    pub gas_used: Vec<u64>,
    /// Net state changes.
    pub writes: Writes,
    /// The finality certificate, encoded as in docs/spec/finality.md; empty for genesis.
    pub certificate: Vec<u8>,
}

/// The finalised state on disk. Reads (`State`) are at the last committed block.
pub trait Disk: State + Send + Sync + 'static {
    /// The header of the last committed block; `None` before genesis is written.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn head(&self) -> Result<Option<Header>, StateError>;
    /// Net writes of a committed block by consensus digest, kept for the last `WRITES_KEPT` blocks: after a crash consensus may
    /// ask again for a block that the disk has already applied.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn writes_of(&self, digest: [u8; 32]) -> Result<Option<(Header, Writes)>, StateError>;
    /// The consensus digest of a committed block, kept as long as its net writes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn digest_at(&self, height: u64) -> Result<Option<[u8; 32]>, StateError>;
    /// Commits a finalised block durably (fsync) in one transaction. Committing the current head again is a no-op.
    ///
    /// # Errors
    /// When the block is not the child of the head, or the store cannot be written.
    fn commit(&self, block: FinalBlock) -> Result<(), StateError>;
}

/// Transactions waiting for a block.
pub trait Pool: Send + Sync + 'static {
    /// Candidates in the order in which they should be tried, sender nonces ascending; they stay in the pool until final.
    fn candidates(&self, base_fee: u64, limit: usize) -> Vec<Recovered<TxEnvelope>>;
    /// Whether there is nothing to propose.
    fn is_empty(&self) -> bool;
    /// Takes a raw transaction that a peer gossiped; bad ones are dropped and counted.
    fn gossiped(&self, raw: &[u8]);
    /// A block became final: its transactions leave the pool, and what became invalid with them.
    fn finalized(&self, transactions: &[B256]);
}

/// Blocks whose net writes the disk keeps for replay after a crash.
pub const WRITES_KEPT: u64 = 64;

/// The network's clock as this node sees it. `kit::clock::NetworkClock` in a process, virtual time in a simulation.
pub trait NetworkTime: Send + Sync + 'static {
    /// Now, in network time.
    fn now(&self) -> TimeMs;
}

impl NetworkTime for NetworkClock {
    fn now(&self) -> TimeMs {
        TimeMs(self.now_ms())
    }
}
