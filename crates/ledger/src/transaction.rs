//! What a transaction must be before it is executed: one numbered reason for each refusal.
//!
//! Accepted are EIP-155 legacy, EIP-2930 and EIP-1559 transactions. Blob (4844) and set-code (7702) transactions are
//! refused: there are no blobs here, and delegated accounts would make "sender is a validator" ambiguous.
//!
//! A **system transaction** is an ordinary one whose fee is zero: attestations and votes of validators, commitments of
//! ingests. It is free because the network needs it, and bounded because it is free.

use std::sync::Arc;

use alloy_consensus::{
    Transaction as _, TxEnvelope,
    transaction::{Recovered, SignerRecoverable as _},
};
use alloy_eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy_primitives::{TxKind, U256};
use alloy_sol_types::SolCall as _;
use cairn_primitives::{
    Genesis,
    abi::{BATCHES, IBatches, IRewards, REWARDS},
};

use crate::{
    State, StateError,
    native::stake::seats::is_voter,
    params::{SYSTEM_BYTES_MAX, SYSTEM_GAS_MAX, TX_BYTES_MAX, TX_GAS_MAX},
};

/// Why a transaction is refused. `code` is stable; the order is the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u16)]
pub enum TxError {
    /// Above `TX_BYTES_MAX`.
    #[error("{0} bytes are more than a transaction may have ({TX_BYTES_MAX})")]
    Oversized(usize) = 1,
    /// Not the EIP-2718 encoding of a transaction, or bytes after it.
    #[error("not an encoded transaction")]
    Malformed = 2,
    /// EIP-4844.
    #[error("blob transactions (EIP-4844) are not accepted")]
    Blob = 3,
    // 4 was SetCode: set-code transactions were refused until ADR 14. Numbers are not used again.
    /// A legacy transaction that would be valid on every network.
    #[error("the transaction names no chain id (EIP-155)")]
    NoChainId = 5,
    /// A transaction of another network.
    #[error("the transaction is for chain {got}, this is {expected}")]
    WrongChain {
        /// Chain id of the transaction.
        got: u64,
        /// Chain id of this network.
        expected: u64,
    } = 6,
    /// Not a signature with a low s.
    #[error("the signature is not valid")]
    BadSignature = 7,
    /// Above `TX_GAS_MAX` or the block's gas limit.
    #[error("a gas limit of {limit} is above {max}")]
    GasLimitTooHigh {
        /// Gas limit of the transaction.
        limit: u64,
        /// Highest allowed.
        max: u64,
    } = 8,
    /// The gas limit does not even pay for the transaction's bytes.
    #[error("intrinsic gas too low: {limit} given, {needed} needed")]
    GasLimitTooLow {
        /// Gas limit of the transaction.
        limit: u64,
        /// Least that it needs.
        needed: u64,
    } = 9,
    /// The priority fee exceeds the highest fee.
    #[error("max priority fee per gas is higher than max fee per gas")]
    TipAboveFee = 10,
    /// The fee does not reach the base fee, and the transaction is no system transaction.
    #[error("max fee per gas {fee} is less than the block's base fee {base_fee}")]
    FeeTooLow {
        /// Highest fee offered.
        fee: u128,
        /// Base fee.
        base_fee: u64,
    } = 11,
    /// A nonce that was used.
    #[error("nonce too low: {tx} given, {account} is next")]
    NonceTooLow {
        /// Nonce of the transaction.
        tx: u64,
        /// Next nonce of the sender.
        account: u64,
    } = 12,
    /// A nonce beyond the next one; it may wait in the pool.
    #[error("nonce too high: {tx} given, {account} is next")]
    NonceTooHigh {
        /// Nonce of the transaction.
        tx: u64,
        /// Next nonce of the sender.
        account: u64,
    } = 13,
    /// Value and highest fee exceed the balance.
    #[error("insufficient funds for gas * price + value: {balance} held, {needed} needed")]
    InsufficientFunds {
        /// Balance of the sender.
        balance: U256,
        /// Value plus highest fee.
        needed: U256,
    } = 14,
    /// The sender is a contract (EIP-3607).
    #[error("the sender is a contract")]
    SenderIsContract = 15,
    /// Contract creation code above the limit (EIP-3860).
    #[error("contract creation code is too large")]
    InitCodeTooLarge = 16,
    /// The block has no room left; the transaction may wait.
    #[error("the block has no room for the transaction")]
    BlockFull = 17,
    /// A system transaction that carries value, creates a contract, or exceeds its bytes or gas.
    #[error("a transaction without fee exceeds what a system transaction may do")]
    SystemBounds = 18,
    /// A system transaction that would revert.
    #[error("a system transaction may not revert; it would with {0}")]
    SystemReverts(alloy_primitives::Bytes) = 19,
    /// Refused by the EVM for another reason.
    #[error("refused: {0}")]
    Refused(String) = 20,
    /// A set-code transaction (EIP-7702) that sets no code.
    #[error("a set-code transaction needs at least one authorization (EIP-7702)")]
    NoAuthorizations = 21,
}

impl TxError {
    /// The stable number.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Oversized(_) => 1,
            Self::Malformed => 2,
            Self::Blob => 3,
            Self::NoChainId => 5,
            Self::WrongChain { .. } => 6,
            Self::BadSignature => 7,
            Self::GasLimitTooHigh { .. } => 8,
            Self::GasLimitTooLow { .. } => 9,
            Self::TipAboveFee => 10,
            Self::FeeTooLow { .. } => 11,
            Self::NonceTooLow { .. } => 12,
            Self::NonceTooHigh { .. } => 13,
            Self::InsufficientFunds { .. } => 14,
            Self::SenderIsContract => 15,
            Self::InitCodeTooLarge => 16,
            Self::BlockFull => 17,
            Self::SystemBounds => 18,
            Self::SystemReverts(_) => 19,
            Self::Refused(_) => 20,
            Self::NoAuthorizations => 21,
        }
    }

    /// Whether the same transaction may become valid in a later block without anything being wrong with it.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        matches!(
            self,
            Self::NonceTooHigh { .. }
                | Self::BlockFull
                | Self::FeeTooLow { .. }
                | Self::SystemReverts(_)
        )
    }
}

/// Decodes a transaction and recovers its sender. Never panics, whatever the bytes.
///
/// # Errors
/// `Oversized`, `Malformed`, `Blob` or `BadSignature`.
pub fn decode_transaction(bytes: &[u8]) -> Result<Recovered<TxEnvelope>, TxError> {
    if bytes.len() > TX_BYTES_MAX {
        return Err(TxError::Oversized(bytes.len()));
    }
    // By its first byte, so that nothing of an unwanted kind is parsed.
    if bytes.first() == Some(&3) {
        return Err(TxError::Blob);
    }
    let transaction = TxEnvelope::decode_2718_exact(bytes).map_err(|_| TxError::Malformed)?;
    transaction.try_into_recovered().map_err(|_| TxError::BadSignature)
}

/// What kind of transaction passed the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pays its fee.
    Paying,
    /// Pays nothing; must succeed.
    System,
}

/// Who may send transactions without fee in a block of this height: validators of this term and the last, and ingests.
#[derive(Clone, Copy)]
pub(crate) struct Voters<'a> {
    /// The state before the block.
    pub state: &'a dyn State,
    /// The network.
    pub genesis: &'a Arc<Genesis>,
    /// Height of the block.
    pub height: u64,
}

/// The checks that need no account. They look at the state only for who may vote, and only without a fee.
///
/// # Errors
/// When the state cannot be read; inside, the first check that fails.
pub(crate) fn precheck(
    voters: &Voters<'_>,
    base_fee: u64,
    transaction: &Recovered<TxEnvelope>,
) -> Result<Result<Kind, TxError>, StateError> {
    let bounded = bounds(voters.genesis, transaction);
    let fee = transaction.max_fee_per_gas();
    let free = bounded.is_ok() && fee == 0 && may_send_system(voters, transaction)?;
    Ok(bounded.and_then(|()| match free {
        true if system_is_bounded(transaction) => Ok(Kind::System),
        true => Err(TxError::SystemBounds),
        false if fee < u128::from(base_fee) => Err(TxError::FeeTooLow { fee, base_fee }),
        false => Ok(Kind::Paying),
    }))
}

/// What every transaction must keep.
fn bounds(genesis: &Genesis, transaction: &Recovered<TxEnvelope>) -> Result<(), TxError> {
    match transaction.inner() {
        TxEnvelope::Eip4844(_) => return Err(TxError::Blob),
        TxEnvelope::Legacy(_)
        | TxEnvelope::Eip2930(_)
        | TxEnvelope::Eip1559(_)
        | TxEnvelope::Eip7702(_) => {}
    }
    let size = transaction.inner().encode_2718_len();
    if size > TX_BYTES_MAX {
        return Err(TxError::Oversized(size));
    }
    let chain = transaction.chain_id().ok_or(TxError::NoChainId)?;
    if chain != genesis.chain_id {
        return Err(TxError::WrongChain { got: chain, expected: genesis.chain_id });
    }
    let (limit, max) = (transaction.gas_limit(), TX_GAS_MAX.min(genesis.block_gas_limit));
    if limit > max {
        return Err(TxError::GasLimitTooHigh { limit, max });
    }
    let fee = transaction.max_fee_per_gas();
    if transaction.max_priority_fee_per_gas().is_some_and(|tip| tip > fee) {
        return Err(TxError::TipAboveFee);
    }
    if transaction.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(TxError::NoAuthorizations);
    }
    Ok(())
}

/// Whether the sender may call this function without fee.
fn may_send_system(
    voters: &Voters<'_>,
    transaction: &Recovered<TxEnvelope>,
) -> Result<bool, StateError> {
    let Some(selector) = transaction.input().first_chunk::<4>() else { return Ok(false) };
    let sender = transaction.signer();
    match (transaction.kind(), *selector) {
        (TxKind::Call(BATCHES), IBatches::attestCall::SELECTOR)
        | (TxKind::Call(REWARDS), IRewards::sealCall::SELECTOR | IRewards::voteCall::SELECTOR) => {
            is_voter(voters.state, voters.genesis, voters.height, sender)
        }
        (TxKind::Call(BATCHES), IBatches::commitCall::SELECTOR) => {
            Ok(voters.genesis.ingests.iter().any(|seat| seat.operator == sender))
        }
        _ => Ok(false),
    }
}

fn system_is_bounded(transaction: &Recovered<TxEnvelope>) -> bool {
    transaction.input().len() <= SYSTEM_BYTES_MAX
        && transaction.gas_limit() <= SYSTEM_GAS_MAX
        && transaction.value().is_zero()
        && transaction.access_list().is_none_or(|list| list.is_empty())
        && transaction.authorization_list().is_none()
}

/// Whether an account's code is a delegation (EIP-7702): `0xef0100` and an address. Other code cannot begin so (EIP-3541).
pub(crate) fn is_delegation(code: &[u8]) -> bool {
    code.len() == 23 && code.starts_with(&[0xef, 0x01, 0x00])
}

/// The most a transaction can take from its sender.
#[must_use]
pub(crate) fn highest_cost(transaction: &Recovered<TxEnvelope>) -> U256 {
    let gas = U256::from(transaction.gas_limit())
        .saturating_mul(U256::from(transaction.max_fee_per_gas()));
    gas.saturating_add(transaction.value())
}

#[cfg(test)]
mod tests;
