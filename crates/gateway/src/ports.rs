//! What the gateway asks of the world: the ledger and the validators' archives. Small, so that tests can stand in.

use std::future::Future;

use alloy_primitives::{Address, B256};
use cairn_client::api::{ReceiptBody, ShareBody};
use cairn_primitives::{Digest, Epoch};

use crate::catalog::Device;

/// An epoch whose result is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalEpoch {
    /// Root of the verdict leaves.
    pub verdict_root: Digest,
    /// Root of the score leaves.
    pub score_root: Digest,
    /// The sidecar digests of the commitments that are in, with the size of both files.
    pub included: Vec<(Digest, u64)>,
}

/// An offer on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its number.
    pub id: u64,
    /// Who is paid for serving.
    pub provider: Address,
    /// Price of 1,000 rows.
    pub micro_usd_per_kilo_unit: u64,
}

/// A lease on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its number.
    pub id: u64,
    /// The offer it takes.
    pub offer: u64,
    /// Who pays and signs receipts.
    pub consumer: Address,
    /// Credits locked, micro-dollars.
    pub escrow: u64,
    /// Amount settled so far.
    pub settled: u64,
    /// Last epoch of service.
    pub expiry: Epoch,
    /// Whether it is open.
    pub is_open: bool,
}

/// The ledger did not answer, or refused.
#[derive(Debug, thiserror::Error)]
#[error("the ledger: {doing}")]
pub struct LedgerError {
    /// What was asked.
    pub doing: &'static str,
    /// The ledger understood and refused: repeating the same changes nothing.
    pub is_final: bool,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The ledger's part.
pub trait Ledger: Send + Sync + 'static {
    /// The first epoch of the sensing sector that is not final.
    fn next_epoch(&self) -> impl Future<Output = Result<Epoch, LedgerError>> + Send;
    /// A final epoch.
    fn final_epoch(
        &self,
        epoch: Epoch,
    ) -> impl Future<Output = Result<FinalEpoch, LedgerError>> + Send;
    /// The registered devices from number `from` on.
    fn devices(&self, from: u64) -> impl Future<Output = Result<Vec<Device>, LedgerError>> + Send;
    /// The network's epoch now.
    fn current_epoch(&self) -> impl Future<Output = Result<Epoch, LedgerError>> + Send;
    /// A lease, if there is one.
    fn lease(&self, id: u64) -> impl Future<Output = Result<Option<Lease>, LedgerError>> + Send;
    /// Settles a lease with a signed receipt and waits until that is final; the transaction's hash.
    fn settle(
        &self,
        receipt: &ReceiptBody,
        shares: &[ShareBody],
        signature: &[u8; 65],
    ) -> impl Future<Output = Result<B256, LedgerError>> + Send;
}

/// Public files could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No archive gave the file.
    #[error("no archive has {what}: {last}")]
    Missing {
        /// What was asked.
        what: String,
        /// What the last archive said.
        last: String,
    },
}

/// The validators' archives.
pub trait Archive: Send + Sync + 'static {
    /// A file by its SHA-256, not yet verified.
    fn file(&self, digest: Digest) -> impl Future<Output = Result<Vec<u8>, ArchiveError>> + Send;
    /// A file of a final epoch by its name, for example `verdicts.jsonl`.
    fn epoch_file(
        &self,
        epoch: Epoch,
        name: &'static str,
    ) -> impl Future<Output = Result<Vec<u8>, ArchiveError>> + Send;
}
