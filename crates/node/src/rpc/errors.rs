//! JSON-RPC errors in geth's shapes: wallets and libraries decide by these codes and words.

use alloy_primitives::Bytes;
use alloy_sol_types::{GenericContractError, SolInterface as _};
use cairn_ledger::{StateError, TxError};
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::{disk::DiskError, pool::Rejection};

/// A call or a transaction reverted; `data` holds what it reverted with.
pub const REVERTED: i32 = 3;
/// The node refuses: see the message.
pub const SERVER: i32 = -32000;
/// What was asked for is not here.
pub const NOT_FOUND: i32 = -32001;
/// Subscribing where nothing can be sent unasked, as geth says it.
pub const NO_NOTIFICATIONS: i32 = -32001;
/// A method this node does not have, and says what to use instead.
pub const NOT_SUPPORTED: i32 = -32004;
/// History that this node has dropped (EIP-4444), as geth says it.
pub const PRUNED: i32 = 4444;
/// More was asked than one request may take.
pub const LIMIT: i32 = -32005;
/// A method that does not exist.
pub const NO_METHOD: i32 = -32601;
/// Parameters that make no sense.
pub const PARAMS: i32 = -32602;
/// The node's own failure.
pub const INTERNAL: i32 = -32603;

/// An error with a message only.
pub fn error(code: i32, message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message, None::<()>)
}

/// Code 3, `execution reverted: reason`, data = the revert bytes.
pub fn reverted(output: &Bytes) -> ErrorObjectOwned {
    let reason = match GenericContractError::abi_decode(output) {
        Ok(GenericContractError::Revert(revert)) => format!(": {}", revert.reason),
        Ok(GenericContractError::Panic(panic)) => format!(": {panic}"),
        // A custom error: the client decodes it from the data.
        Err(_) => String::new(),
    };
    ErrorObjectOwned::owned(REVERTED, format!("execution reverted{reason}"), Some(output))
}

/// A failure of this node: logged here with its chain, told without detail.
pub fn internal(source: &dyn std::error::Error) -> ErrorObjectOwned {
    let mut chain = source.to_string();
    let mut next = source.source();
    while let Some(cause) = next {
        chain = format!("{chain}: {cause}");
        next = cause.source();
    }
    tracing::error!(error = chain, "rpc request failed");
    error(INTERNAL, "internal error")
}

impl From<DiskError> for Failure {
    fn from(failure: DiskError) -> Self {
        Self(match failure {
            DiskError::UnknownBlock { .. } => error(SERVER, "header not found"),
            DiskError::BlockPruned { .. } => {
                error(PRUNED, format!("pruned history unavailable: {failure}"))
            }
            DiskError::StatePruned { .. } => error(SERVER, failure.to_string()),
            other => internal(&other),
        })
    }
}

impl From<StateError> for Failure {
    fn from(failure: StateError) -> Self {
        Self(internal(&failure))
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        if let Rejection::Ledger(TxError::SystemReverts(output)) = &rejection {
            return Self(reverted(output));
        }
        #[derive(Serialize)]
        struct Reason {
            code: u16,
            name: String,
        }
        let code = match rejection {
            Rejection::Ledger(
                TxError::Malformed | TxError::BadSignature | TxError::Oversized(_),
            ) => PARAMS,
            Rejection::Disk => INTERNAL,
            _ => SERVER,
        };
        let reason = Reason { code: rejection.code(), name: rejection.name() };
        Self(ErrorObjectOwned::owned(code, rejection.to_string(), Some(reason)))
    }
}

/// Any error on its way to the client, so that `?` works in handlers.
#[derive(Debug)]
pub struct Failure(pub ErrorObjectOwned);

impl From<ErrorObjectOwned> for Failure {
    fn from(error: ErrorObjectOwned) -> Self {
        Self(error)
    }
}

impl From<Failure> for ErrorObjectOwned {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

/// What handlers return inside.
pub type Answer<T> = Result<T, Failure>;
