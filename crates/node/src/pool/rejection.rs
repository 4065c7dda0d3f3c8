//! Why a transaction does not enter the pool. Numbers are shown to the sender and never reused; messages have geth's words,
//! because wallets match on them.

use alloy_primitives::{B256, U256};

/// See the file. Declaration order is precedence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u16)]
pub enum Rejection {
    /// Larger than `TX_BYTES_MAX`.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Its bytes.
        size: usize,
        /// The most.
        limit: usize,
    } = 1,
    /// Not an EIP-2718 transaction.
    #[error("rlp: {0}")]
    Malformed(String) = 2,
    /// A type that the ledger does not execute (blobs).
    #[error("transaction type not supported")]
    UnsupportedType = 3,
    /// No sender can be recovered.
    #[error("invalid sender")]
    BadSignature = 4,
    /// In the pool already.
    #[error("already known")]
    AlreadyKnown(B256) = 5,
    /// The ledger is past this nonce.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// Next that the ledger takes.
        next: u64,
        /// Of the transaction.
        nonce: u64,
    } = 6,
    /// Further ahead than one sender may queue.
    #[error("nonce too high: next nonce {next}, tx nonce {nonce}")]
    NonceTooHigh {
        /// Next that the ledger takes.
        next: u64,
        /// Of the transaction.
        nonce: u64,
    } = 7,
    /// Balance below value plus highest fee, with what is queued before it not counted.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    InsufficientFunds {
        /// Of the sender.
        balance: U256,
        /// Most it can cost.
        cost: U256,
    } = 8,
    /// Another transaction of this sender and nonce is queued, and this one does not pay 10 % more.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced = 9,
    /// This sender has as many transactions queued as one may.
    #[error("txpool: account limit exceeded: {limit} transactions")]
    SenderFull {
        /// The most.
        limit: usize,
    } = 10,
    /// The pool is full and this one pays no more than the cheapest in it.
    #[error("txpool is full: transaction underpriced")]
    PoolFull = 11,
    /// The ledger's own rules refuse it; `code` is the ledger's number.
    #[error("{message}")]
    Refused {
        /// The ledger's number.
        code: u16,
        /// In words.
        message: String,
    } = 12,
    /// The disk failed: not the sender's fault, try again.
    #[error("internal error")]
    Disk(String) = 13,
}

impl Rejection {
    /// The number above.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Oversized { .. } => 1,
            Self::Malformed(_) => 2,
            Self::UnsupportedType => 3,
            Self::BadSignature => 4,
            Self::AlreadyKnown(_) => 5,
            Self::NonceTooLow { .. } => 6,
            Self::NonceTooHigh { .. } => 7,
            Self::InsufficientFunds { .. } => 8,
            Self::ReplacementUnderpriced => 9,
            Self::SenderFull { .. } => 10,
            Self::PoolFull => 11,
            Self::Refused { .. } => 12,
            Self::Disk(_) => 13,
        }
    }

    /// The name above.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Oversized { .. } => "Oversized",
            Self::Malformed(_) => "Malformed",
            Self::UnsupportedType => "UnsupportedType",
            Self::BadSignature => "BadSignature",
            Self::AlreadyKnown(_) => "AlreadyKnown",
            Self::NonceTooLow { .. } => "NonceTooLow",
            Self::NonceTooHigh { .. } => "NonceTooHigh",
            Self::InsufficientFunds { .. } => "InsufficientFunds",
            Self::ReplacementUnderpriced => "ReplacementUnderpriced",
            Self::SenderFull { .. } => "SenderFull",
            Self::PoolFull => "PoolFull",
            Self::Refused { .. } => "Refused",
            Self::Disk(_) => "Disk",
        }
    }
}
