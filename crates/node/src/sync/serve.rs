//! What a node gives of its state: `GET /v1/state/…`. Every answer is the bytes of docs/spec/sync.md; `410` says that it is no longer here.

use std::sync::Arc;

use alloy_eips::Encodable2718 as _;
use alloy_primitives::{B256, bytes::Bytes, hex};
use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use cairn_consensus::{BACKFILL_MAX, FollowerHandle, PLACE_BYTES_MAX, ValidatorHandle, list};
use cairn_kit::http::ApiError;
use jsonrpsee::core::async_trait;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::disk::{DiskError, RedbDisk, Snapshot};

/// An answer with entries ends after the one that brings it to so many bytes.
const PAGE_BYTES: usize = 1 << 20;
/// Most handovers in one answer, as readers expect; with one more there is no certificate behind them.
const PROOFS_MAX: u64 = 1_024;
/// Most headers in one answer.
const HEADERS_MAX: u64 = 257;
/// Most code in one answer.
const CODES_MAX: usize = 32;
/// Most hex digits of a question about the log.
const REQUEST_DIGITS_MAX: usize = 128;
/// Blocks that are looked through for the newest certificate.
const CERTIFICATE_WITHIN: u64 = 1_024;
/// Answers made at once; more wait.
const READERS: usize = 4;

/// Who answers questions about the log of the state tree.
#[async_trait]
pub(crate) trait StateLog: Send + Sync + 'static {
    /// The answer; `None` when there is none.
    async fn log(&self, request: Bytes) -> Option<Bytes>;
    /// Whole blocks; `None` when it has none of them.
    async fn blocks(&self, from: u64, count: u64) -> Option<Vec<u8>>;
}

#[async_trait]
impl StateLog for ValidatorHandle {
    async fn log(&self, request: Bytes) -> Option<Bytes> {
        self.state_log(request).await
    }
    async fn blocks(&self, from: u64, count: u64) -> Option<Vec<u8>> {
        self.whole_blocks(from, count).await
    }
}

#[async_trait]
impl StateLog for FollowerHandle {
    async fn log(&self, request: Bytes) -> Option<Bytes> {
        self.state_log(request).await
    }
    /// What consensus knows of a block beside its header is kept by validators only.
    async fn blocks(&self, _: u64, _: u64) -> Option<Vec<u8>> {
        None
    }
}

#[derive(Clone)]
struct Server {
    disk: RedbDisk,
    log: Arc<dyn StateLog>,
    term_blocks: u64,
    readers: Arc<Semaphore>,
}

#[derive(Deserialize)]
struct Proofs {
    term: u64,
}

#[derive(Deserialize)]
struct Headers {
    from: u64,
    count: u64,
}

#[derive(Deserialize)]
struct Log {
    request: String,
}

#[derive(Deserialize)]
struct Entries {
    height: u64,
    #[serde(default)]
    after: String,
}

#[derive(Deserialize)]
struct Codes {
    hashes: String,
}

#[derive(Deserialize)]
struct Height {
    height: u64,
}

/// Serves the state of a disk and the log of its tree. `term_blocks`: blocks of a term.
pub(crate) fn router(disk: RedbDisk, log: Arc<dyn StateLog>, term_blocks: u64) -> Router {
    let readers = Arc::new(Semaphore::new(READERS));
    Router::new()
        .route("/v1/state/proofs", get(proofs))
        .route("/v1/state/headers", get(headers))
        .route("/v1/state/log", get(log_of))
        .route("/v1/state/entries", get(entries))
        .route("/v1/state/codes", get(codes))
        .route("/v1/state/body", get(body))
        .route("/v1/state/blocks", get(blocks))
        .with_state(Server { disk, log, term_blocks, readers })
}

/// What answering ends with: bytes, or that it is not here.
type Made = Result<Option<Vec<u8>>, DiskError>;

async fn answer(
    server: Server,
    make: impl FnOnce(&Snapshot) -> Made + Send + 'static,
) -> Result<Response, ApiError> {
    let permit =
        server.readers.acquire_owned().await.map_err(|error| ApiError::internal(&error))?;
    let snapshot = server.disk.snapshot();
    let made = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        make(&snapshot)
    })
    .await
    .map_err(|error| ApiError::internal(&error))?;
    match made {
        Ok(Some(bytes)) => Ok(octets(bytes)),
        Ok(None)
        | Err(
            DiskError::StatePruned { .. }
            | DiskError::BlockPruned { .. }
            | DiskError::UnknownBlock { .. },
        ) => Ok(StatusCode::GONE.into_response()),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

fn octets(bytes: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes.into()).into_response()
}

fn unhex(what: &str, digits: &str, most: usize) -> Result<Vec<u8>, ApiError> {
    if digits.len() > most {
        return Err(ApiError::bad_request(format!("{what} is too long")));
    }
    hex::decode(digits).map_err(|_| ApiError::bad_request(format!("{what} is no hex")))
}

async fn proofs(
    State(server): State<Server>,
    Query(asked): Query<Proofs>,
) -> Result<Response, ApiError> {
    let blocks = server.term_blocks;
    answer(server, move |snapshot| proofs_of(snapshot, asked.term, blocks)).await
}

/// The handovers of terms from `term` on, and the newest certificate.
fn proofs_of(snapshot: &Snapshot, term: u64, term_blocks: u64) -> Made {
    let head = snapshot.height();
    let certified = |height: u64| -> Result<Option<Bytes>, DiskError> {
        Ok(snapshot.certificate(height)?.filter(|bytes| !bytes.is_empty()).map(|bytes| bytes.0))
    };
    let mut newest = None;
    for height in (head.saturating_sub(CERTIFICATE_WITHIN).max(1)..=head).rev() {
        if let Some(certificate) = certified(height)? {
            newest = Some((height, certificate));
            break;
        }
    }
    let Some((height, certificate)) = newest else { return Ok(None) };
    let last_term = height / term_blocks;
    let mut items = Vec::new();
    for term in (term..last_term).take(usize::try_from(PROOFS_MAX).unwrap_or(usize::MAX) + 1) {
        let ends = (term + 1).saturating_mul(term_blocks) - 1;
        let Some(handover) = certified(ends)? else { return Ok(None) };
        items.push(handover);
    }
    if items.len() as u64 <= PROOFS_MAX {
        items.push(certificate);
    }
    Ok(Some(list(&items)))
}

async fn headers(
    State(server): State<Server>,
    Query(asked): Query<Headers>,
) -> Result<Response, ApiError> {
    if asked.count > HEADERS_MAX {
        return Err(ApiError::bad_request(format!("count is at most {HEADERS_MAX}")));
    }
    answer(server, move |snapshot| {
        let mut items = Vec::new();
        for height in asked.from..asked.from.saturating_add(asked.count) {
            let Some((_, header)) = snapshot.header(height)? else { return Ok(None) };
            items.push(alloy_rlp::encode(&header).into());
        }
        Ok(Some(list(&items)))
    })
    .await
}

async fn blocks(
    State(server): State<Server>,
    Query(asked): Query<Headers>,
) -> Result<Response, ApiError> {
    if asked.from == 0 || asked.count > BACKFILL_MAX {
        let reason = format!("from begins at 1, count is at most {BACKFILL_MAX}");
        return Err(ApiError::bad_request(reason));
    }
    match server.log.blocks(asked.from, asked.count).await {
        Some(bytes) => Ok(octets(bytes)),
        None => Ok(StatusCode::GONE.into_response()),
    }
}

async fn log_of(
    State(server): State<Server>,
    Query(asked): Query<Log>,
) -> Result<Response, ApiError> {
    let request = unhex("request", &asked.request, REQUEST_DIGITS_MAX)?;
    match server.log.log(request.into()).await {
        Some(bytes) => Ok(octets(bytes)),
        None => Ok(StatusCode::GONE.into_response()),
    }
}

async fn entries(
    State(server): State<Server>,
    Query(asked): Query<Entries>,
) -> Result<Response, ApiError> {
    let after = unhex("after", &asked.after, 2 * PLACE_BYTES_MAX)?;
    answer(server, move |snapshot| snapshot.entries(asked.height, &after, PAGE_BYTES).map(Some))
        .await
}

async fn codes(
    State(server): State<Server>,
    Query(asked): Query<Codes>,
) -> Result<Response, ApiError> {
    let hashes = unhex("hashes", &asked.hashes, 64 * CODES_MAX)?;
    let (hashes, []) = hashes.as_chunks::<32>() else {
        return Err(ApiError::bad_request("hashes are 32 bytes each".to_owned()));
    };
    let hashes: Vec<B256> = hashes.iter().map(|hash| B256::from(*hash)).collect();
    answer(server, move |snapshot| {
        let mut items = Vec::new();
        for hash in hashes {
            if let Some(code) = snapshot.find_code(hash)? {
                items.push(code.0);
            }
        }
        Ok(Some(list(&items)))
    })
    .await
}

async fn body(
    State(server): State<Server>,
    Query(asked): Query<Height>,
) -> Result<Response, ApiError> {
    answer(server, move |snapshot| {
        let Some(block) = snapshot.block(asked.height)? else { return Ok(None) };
        let raw: Vec<Bytes> =
            block.transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
        Ok(Some(list(&raw)))
    })
    .await
}
