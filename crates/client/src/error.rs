//! What can go wrong between a client and a node.

use std::time::Duration;

use alloy_primitives::{B256, TxHash};

use crate::{Revert, WalletError};

/// Why a request to a node gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers, or the connection broke.
    #[error("no answer from {url}")]
    Transport {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is no JSON-RPC.
    #[error("{url} answered {method} with HTTP status {status}")]
    Status {
        /// Where.
        url: String,
        /// What was asked.
        method: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// A JSON-RPC error other than a revert.
    #[error("{method} failed with code {code}: {message}")]
    Rpc {
        /// What was asked.
        method: &'static str,
        /// JSON-RPC code.
        code: i64,
        /// The node's words.
        message: String,
    },
    /// The call reverted.
    #[error("{0}")]
    Reverted(Box<Revert>),
    /// An answer of another shape than asked for.
    #[error("cannot read the answer to {what}: {reason}")]
    Decode {
        /// What was asked.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A stored state (of a stopped network) that cannot be read.
    #[error("cannot read the ledger's state: {reason}")]
    Store {
        /// Why.
        reason: String,
    },
    /// The transaction was sent and did not get into a block in time. It may still.
    #[error("transaction {hash} is in no block after {waited:?}")]
    NotIncluded {
        /// Its hash.
        hash: TxHash,
        /// How long was waited.
        waited: Duration,
    },
    /// The transaction was sent and the node let go of it: the ledger would refuse it by now, or others in a full pool pay more.
    #[error(
        "transaction {hash} was dropped: it could not succeed any more, or others pay more; send it anew"
    )]
    Dropped {
        /// Its hash.
        hash: TxHash,
    },
    /// The transaction is in a block and had no effect.
    #[error("transaction {hash} failed: {revert}")]
    Failed {
        /// Its hash.
        hash: B256,
        /// Why.
        revert: Box<Revert>,
    },
    /// The transaction is in a block and had no effect: it needed more gas than was estimated when it was sent.
    #[error("transaction {hash} needed more than its {gas} gas")]
    OutOfGas {
        /// Its hash.
        hash: B256,
        /// The gas that it used up.
        gas: u64,
    },
    /// The event that a transaction must emit is not among its logs.
    #[error("transaction {hash} emitted no {event}")]
    NoEvent {
        /// Its hash.
        hash: B256,
        /// The event.
        event: &'static str,
    },
    /// The key refused.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl ClientError {
    /// Whether asking again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::NotIncluded { .. } | Self::Dropped { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            _ => false,
        }
    }

    /// Whether the node does not keep that: another may.
    #[must_use]
    pub const fn is_pruned(&self) -> bool {
        matches!(self, Self::Rpc { code: 4444, .. })
    }

    /// The revert behind this error, if it is one.
    #[must_use]
    pub fn revert(&self) -> Option<&Revert> {
        match self {
            Self::Reverted(revert) | Self::Failed { revert, .. } => Some(revert),
            _ => None,
        }
    }

    pub(crate) fn decode(what: &'static str, reason: impl ToString) -> Self {
        Self::Decode { what, reason: reason.to_string() }
    }
}
