//! Why a transaction does not enter the pool. Numbers are shown to the sender and never reused; messages have geth's words,
//! because wallets match on them.

use alloy_primitives::B256;
use cairn_ledger::TxError;

/// See the file. Numbers 1 to 99 are the ledger's (`TxError`), those of the pool follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The ledger would refuse it.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// 101: in the pool already.
    #[error("already known")]
    AlreadyKnown(B256),
    /// 102: the fee is below what any block may have.
    #[error("transaction underpriced: max fee per gas {fee}, minimum {least}")]
    Underpriced {
        /// Highest fee offered.
        fee: u128,
        /// The lowest base fee of this network.
        least: u64,
    },
    /// 103: another transaction of this sender and nonce is queued, and this one does not pay 10 % more.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// 104: further ahead than one sender may queue.
    #[error("nonce too high: {nonce} given, {next} is next and {limit} may wait")]
    NonceTooFar {
        /// Next that the ledger takes.
        next: u64,
        /// Of the transaction.
        nonce: u64,
        /// Most that may wait.
        limit: usize,
    },
    /// 105: the pool is full and this one pays no more than the cheapest in it.
    #[error("txpool is full: transaction underpriced")]
    PoolFull,
    /// 107: the account has code of its own choice (EIP-7702), and one transaction of such an account may wait.
    #[error("in-flight transaction limit reached for delegated accounts: {next} is next")]
    DelegatedLimit {
        /// Next nonce that the ledger takes.
        next: u64,
    },
    /// 106: the disk failed: not the sender's fault, try again.
    #[error("the node cannot use its disk")]
    Disk,
}

impl Rejection {
    /// The stable number.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Ledger(error) => error.code(),
            Self::AlreadyKnown(_) => 101,
            Self::Underpriced { .. } => 102,
            Self::ReplacementUnderpriced => 103,
            Self::NonceTooFar { .. } => 104,
            Self::PoolFull => 105,
            Self::Disk => 106,
            Self::DelegatedLimit { .. } => 107,
        }
    }

    /// The stable name.
    #[must_use]
    pub fn name(&self) -> String {
        let debug = match self {
            Self::Ledger(error) => format!("{error:?}"),
            own => format!("{own:?}"),
        };
        debug.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
    }
}
