//! What consensus asks of the node around it: a disk and a pool of transactions. `node` implements both.

use alloy_consensus::{Header, ReceiptEnvelope, TxEnvelope, transaction::Recovered};
use alloy_primitives::B256;
use bytes::Bytes;
use cairn_kit::clock::NetworkClock;
use cairn_ledger::{State, StateError, Writes};
use cairn_primitives::TimeMs;

use crate::sync::Entry;

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
    /// The proof of finality of a committed block, encoded; `None` or empty when only a later block has one. Those that end terms are
    /// kept for ever.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn certificate(&self, height: u64) -> Result<Option<Vec<u8>>, StateError>;
    /// Commits a finalised block durably (fsync) in one transaction. Committing the current head again is a no-op.
    ///
    /// # Errors
    /// When the block is not the child of the head, or the store cannot be written.
    fn commit(&self, block: FinalBlock) -> Result<(), StateError>;
}

/// An unfinished state sync, as the disk keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The proofs of the block whose state is taken.
    pub anchor: Vec<u8>,
    /// The place of the last entry that was taken; empty before the first.
    pub after: Vec<u8>,
    /// Entries taken.
    pub entries: u64,
}

/// What a state sync ends with.
#[derive(Clone, Debug)]
pub struct ImportEnd {
    /// The header of the block whose state was taken, last, and those before it that execution may ask for.
    pub headers: Vec<Header>,
    /// The name consensus knows the block by.
    pub digest: [u8; 32],
    /// Its certificate.
    pub certificate: Vec<u8>,
    /// Height and certificate of the last block of every term before.
    pub handovers: Vec<(u64, Vec<u8>)>,
}

/// A disk that can be filled with a state from elsewhere (`crate::sync_state`). Until `import_end` it has no head. Every method is durable
/// when it returns.
pub trait StateDisk: Disk {
    /// The unfinished import, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn import(&self) -> Result<Option<Import>, StateError>;
    /// Begins an import of the state of the block that `anchor` proves, in place of an unfinished one; the disk must have no block.
    ///
    /// # Errors
    /// When it is not, or the store cannot be written.
    fn import_begin(&self, anchor: &[u8]) -> Result<(), StateError>;
    /// Takes entries whose places come after those taken before, up to the place `after`; `entries` is how many there are then.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn import_entries(&self, page: &[Entry], after: &[u8], entries: u64) -> Result<(), StateError>;
    /// Hashes of the code that accounts have and the disk does not.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn import_codes_missing(&self) -> Result<Vec<B256>, StateError>;
    /// Takes code.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn import_codes(&self, codes: &[Bytes]) -> Result<(), StateError>;
    /// Ends the import: the block is the disk's head.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn import_end(&self, end: ImportEnd) -> Result<(), StateError>;
}

/// Transactions waiting for a block.
pub trait Pool: Send + Sync + 'static {
    /// Candidates in the order in which they should be tried, sender nonces ascending; they stay in the pool until final.
    fn candidates(&self, base_fee: u64, limit: usize) -> Vec<Recovered<TxEnvelope>>;
    /// Whether there is nothing to propose.
    fn is_empty(&self) -> bool;
    /// The waiting transaction of this hash, its sender recovered already: what gossip brought is not recovered again in a block.
    fn waiting(&self, hash: &B256) -> Option<Recovered<TxEnvelope>>;
    /// Takes the raw transactions of one message that a peer gossiped; bad ones are dropped and counted, and hold up no other.
    fn gossiped(&self, raws: &[Bytes]);
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
