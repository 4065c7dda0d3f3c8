//! The archive over HTTP: `GET /v1/files/{digest}` (resumable with `Range: bytes=N-`) and `GET /v1/epochs/{e}/{file}`.

use std::io::SeekFrom;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use cairn_kit::http::ApiError;
use cairn_primitives::{Digest, Epoch};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::{Archive, EpochFile};

const CHUNK_BYTES: usize = 1 << 18;

/// Serves an archive.
pub fn router(archive: Archive) -> Router {
    Router::new()
        .route("/v1/files/{digest}", get(file))
        .route("/v1/epochs/{epoch}/{file}", get(epoch_file))
        .with_state(archive)
}

async fn file(
    State(archive): State<Archive>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let digest: Digest =
        digest.parse().map_err(|error| ApiError::bad_request(format!("{error}")))?;
    let kind = "application/octet-stream";
    let mut response = send(&archive.file_path(&digest), kind, from(&headers)).await?;
    // The name is the content: it never changes.
    let forever = header::HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, forever);
    Ok(response)
}

async fn epoch_file(
    State(archive): State<Archive>,
    Path((epoch, name)): Path<(u64, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = EpochFile::named(&name).ok_or_else(|| {
        let names = EpochFile::ALL.map(EpochFile::name).join(", ");
        ApiError::not_found(format!("an epoch has the files {names}"))
    })?;
    let kind = if name.ends_with(".jsonl") { "application/jsonl" } else { "application/json" };
    send(&archive.epoch_path(Epoch(epoch), file), kind, from(&headers)).await
}

/// The first byte asked for; anything but `bytes=N-` is answered with the whole file, as the standard allows.
fn from(headers: &HeaderMap) -> u64 {
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    range
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .unwrap_or(0)
}

/// Streams a file from byte `start`, never holding more than a chunk of it.
async fn send(
    path: &std::path::Path,
    kind: &'static str,
    start: u64,
) -> Result<Response, ApiError> {
    let mut file = match tokio::fs::File::open(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ApiError::not_found("no such file in this archive"));
        }
        other => other.map_err(|error| ApiError::internal(&error))?,
    };
    let length = file.metadata().await.map_err(|error| ApiError::internal(&error))?.len();
    if start > length {
        let message = format!("the file has {length} bytes");
        return Err(ApiError::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            416,
            "RangeNotSatisfiable",
            message,
        ));
    }
    file.seek(SeekFrom::Start(start)).await.map_err(|error| ApiError::internal(&error))?;
    let chunks = futures::stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, (length - start).into());
    headers.insert(header::ACCEPT_RANGES, header::HeaderValue::from_static("bytes"));
    if start > 0 {
        let range = format!("bytes {start}-{}/{length}", length.saturating_sub(1));
        if let Ok(range) = range.parse() {
            headers.insert(header::CONTENT_RANGE, range);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}
