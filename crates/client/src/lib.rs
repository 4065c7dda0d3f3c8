//! The typed client and wallet of the public API: what agents, ingests, validators, gateways and people ask of a node.
//!
//! ```text
//! Reads (typed views) ─► LedgerRead ◄─ LedgerClient (JSON-RPC over HTTP)   or a stopped network's disk (`cairn audit --dir`)
//! Sender (typed writes) ─► Wallet (secp256k1) ─► LedgerClient
//! api: the JSON of ingest, archive and gateway       DevKeys: the keys of a devnet, from a seed
//! ```
//! Architecture invariant: secrets never leave this crate as text; `Debug` of a key shows its public half.

pub mod api;
mod dev_keys;
mod error;
mod governance;
mod key_file;
mod ledger_client;
pub mod light;
mod price;
mod read;
mod retry;
mod reverted;
mod sender;
mod stake;
mod vote;
mod wallet;
mod write;

pub use dev_keys::{DevKeys, Role};
pub use error::ClientError;
pub use governance::GovernanceReads;
pub use key_file::{KeyFile, KeyFileError, StoredKey};
pub use ledger_client::{LedgerClient, TransactionReceipt, time_of};
pub use price::{HEALTH, PoolView, PriceOf, PriceReads, has_pool};
pub use read::{
    BlockTag, Device, DeviceStatus, Head, LedgerRead, LogFilter, LogRecord, PAGE_MAX, Reads,
};
pub use retry::Backoff;
pub use reverted::{NativeError, Revert};
pub use sender::{SYSTEM_GAS, Sender, Sent};
pub use stake::{Possession, StakeReads, Standing};
pub use vote::SealedVote;
pub use wallet::{
    Call, Fees, SignedTransaction, Wallet, WalletError, market_domain, receipt_digest,
    recover_receipt,
};
pub use write::{Claim, NewDevice};
