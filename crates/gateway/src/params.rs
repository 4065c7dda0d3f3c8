//! Every limit of the gateway. What has no limit will be attacked there.

use std::time::Duration;

/// Longest query text, in bytes.
pub const SQL_BYTES_MAX: usize = 16 * 1024;
/// Most words and signs of a query: a chain of operators is a tree as deep as half of them; the engine recurses over it, and plans it
/// in time that grows with the square (2,000 operators: 42 seconds in a build without optimisation).
pub const SQL_TOKENS_MAX: usize = 1_024;
/// Stack of the threads that queries run on: 2,000 operators needed between 8 and 32 MiB. What is not touched costs nothing.
pub const QUERY_STACK_BYTES: usize = 64 << 20;
/// Most rows of an answer.
pub const ANSWER_ROWS_MAX: usize = 100_000;
/// Largest answer, in bytes of its columns before they become JSON.
pub const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Memory of one query beyond the cached epochs: sorts, joins, groups.
pub const QUERY_MEMORY_BYTES_MAX: usize = 256 << 20;
/// Longest run of one query.
pub const QUERY_TIME_MAX: Duration = Duration::from_secs(20);
/// Queries that run at once.
pub const QUERIES_MAX: usize = 4;
/// Rows handed to the plan at a time.
pub const SCAN_ROWS_MAX: usize = 8_192;
/// Decoded epochs kept in memory, in bytes.
pub const CACHE_BYTES_MAX: usize = 512 << 20;
/// Largest file fetched from an archive.
pub const FILE_BYTES_MAX: usize = 1 << 30;
/// How long one fetch may take.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(60);
/// Pause between looks at the ledger for final epochs.
pub const SYNC_PAUSE: Duration = Duration::from_millis(250);
/// Failed looks in a row after which an operator is told.
pub const FAILURES_TOLD: u32 = 8;
/// First pause after a failed settlement.
pub const SETTLE_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause after failures.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;
