//! Why the gateway refuses a request: one numbered list. Numbers are part of the HTTP API and never reused.
//!
//! 1–19 are about the query, 20–29 about the lease, 30–39 about a receipt, 50–59 about this gateway.
//! A refusal costs nothing: no row is given and nothing is owed.

use std::fmt;

use axum::http::StatusCode;
use cairn_kit::http::ApiError;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $text:literal;)*) => {
        /// Why a request is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Reason { $($(#[$doc])* $name = $code),* }

        impl Reason {
            /// Every reason, in order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its number.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code),* }
            }
            /// Its name in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
            /// One sentence for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
            /// The HTTP status it travels with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }
        }
    };
}

refusals! {
    /// The body is not the expected JSON.
    MalformedRequest = 1, BAD_REQUEST, "the request is not the expected JSON";
    /// Longer than `params::SQL_BYTES_MAX`.
    SqlTooLong = 2, PAYLOAD_TOO_LARGE, "the query is too long";
    /// The parser gave up.
    SqlSyntax = 3, BAD_REQUEST, "the query is not valid SQL";
    /// None, or more than one.
    NotOneStatement = 4, BAD_REQUEST, "exactly one statement is allowed";
    /// DDL, DML, COPY, SET, EXPLAIN, …
    NotAQuery = 5, FORBIDDEN, "only a query that reads is allowed";
    /// A table other than `readings` and `devices`; files cannot be named.
    UnknownTable = 6, BAD_REQUEST, "only the tables readings and devices can be queried";
    /// Two runs could give two answers.
    NotDeterministic = 7, BAD_REQUEST, "a function gives another value at each run";
    /// Unknown column, wrong type, …
    BadQuery = 8, BAD_REQUEST, "the query cannot be planned";
    /// The answer has too many rows.
    TooManyRows = 9, PAYLOAD_TOO_LARGE, "the answer has too many rows";
    /// The answer has too many bytes.
    TooManyBytes = 10, PAYLOAD_TOO_LARGE, "the answer has too many bytes";
    /// The query needs more memory than it may have.
    OutOfMemory = 11, PAYLOAD_TOO_LARGE, "the query needs too much memory";
    /// The query took too long.
    TimedOut = 12, REQUEST_TIMEOUT, "the query took too long";
    /// Too many queries at once.
    Busy = 13, SERVICE_UNAVAILABLE, "too many queries run at the moment";
    /// The query failed on the data, for example a division by zero.
    QueryFailed = 14, BAD_REQUEST, "the query failed on the data";
    /// No such lease on the ledger.
    UnknownLease = 20, NOT_FOUND, "the lease is not on the ledger";
    /// Closed on the ledger.
    LeaseClosed = 21, CONFLICT, "the lease is closed";
    /// Past its expiry epoch.
    LeaseExpired = 22, CONFLICT, "the lease has expired";
    /// A lease of another offer.
    OtherOffer = 23, BAD_REQUEST, "the lease is for another offer";
    /// The answer before is not paid.
    UnpaidAnswer = 24, PAYMENT_REQUIRED, "the answer before this one is not paid by a receipt";
    /// The escrow does not cover the price.
    EscrowExceeded = 25, PAYMENT_REQUIRED, "the escrow of the lease does not cover the price";
    /// Above the caller's own limit.
    MaxSpendExceeded = 26, PAYMENT_REQUIRED, "the price is above the limit in the request";
    /// Not signed by the lease's consumer.
    NotConsumer = 27, FORBIDDEN, "the query is not signed by the lease's consumer";
    /// Nothing was answered on this lease.
    NothingOwed = 30, CONFLICT, "no answer of this lease waits for a receipt";
    /// Replayed or lowered.
    ReceiptNotHigher = 31, CONFLICT, "the receipt is not above the highest one signed";
    /// Other units or another amount than the answer's.
    ReceiptMismatch = 32, BAD_REQUEST, "the receipt's units or amount are not those of the answer";
    /// Other shares than the answer's, or another hash.
    SharesMismatch = 33, BAD_REQUEST, "the shares are not those of the answer";
    /// Not signed by the consumer.
    BadReceiptSignature = 34, FORBIDDEN, "the receipt is not signed by the lease's consumer";
    /// The ledger does not answer.
    LedgerUnavailable = 50, SERVICE_UNAVAILABLE, "the ledger does not answer";
    /// Disk or bug; see the log.
    Internal = 51, INTERNAL_SERVER_ERROR, "an error of this gateway; see its log";
}

/// A refused request: the numbered reason and the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What exactly, for people.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its facts.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: String::new() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let reason = refusal.reason;
        Self::new(reason.status(), u32::from(reason.code()), reason.name(), refusal.to_string())
    }
}
