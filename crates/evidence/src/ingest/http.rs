//! The ingest over HTTP. Interface: docs/spec/ingest.md.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cairn_client::api::{APPLICATION_CBOR, APPLICATION_COSE, ENVELOPES_MAX, EvidenceReply};
use cairn_kit::http::ApiError;
use cairn_primitives::{BATCH_BYTES_MAX, DeviceId};
use cairn_sectors::Rejection;
use minicbor::Decoder;

use super::{DeviceReport, Door, Refusal, metrics::IngestMetrics, params::REQUEST_BYTES_MAX};

/// A request body that is no list of envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Neither an envelope nor an array of byte strings.
    #[error("the body is neither one envelope nor a CBOR array of byte strings")]
    Malformed,
    /// Too many envelopes.
    #[error("the body has {0} envelopes; {ENVELOPES_MAX} are allowed")]
    TooMany(u64),
}

/// The envelopes of a body: itself when it begins with COSE_Sign1's tag, else the byte strings of an array.
///
/// Told apart by the first byte, so that HTTP and MQTT take the same bodies. Memory: the body's own size.
pub(super) fn envelopes(body: &[u8]) -> Result<Vec<Vec<u8>>, BodyError> {
    if !matches!(body.first(), Some(0x80..=0x9f)) {
        return Ok(vec![body.to_vec()]);
    }
    let mut d = Decoder::new(body);
    let count = d.array().map_err(|_| BodyError::Malformed)?.ok_or(BodyError::Malformed)?;
    if count > ENVELOPES_MAX as u64 {
        return Err(BodyError::TooMany(count));
    }
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(d.bytes().map_err(|_| BodyError::Malformed)?.to_vec());
    }
    if d.position() == body.len() { Ok(all) } else { Err(BodyError::Malformed) }
}

#[derive(Clone)]
struct Api {
    door: Door,
    metrics: IngestMetrics,
}

/// `POST /v1/evidence`, `GET /v1/rejections` and `GET /v1/rejections/{device}`.
pub(super) fn router(door: Door, metrics: IngestMetrics) -> Router {
    Router::new()
        .route("/v1/evidence", post(evidence).layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX)))
        .route("/v1/rejections", get(totals))
        .route("/v1/rejections/{device}", get(report))
        .with_state(Api { door, metrics })
}

async fn evidence(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let single = match kind.split(';').next().unwrap_or("").trim() {
        APPLICATION_COSE => true,
        APPLICATION_CBOR | "" | "application/octet-stream" => {
            !matches!(body.first(), Some(0x80..=0x9f))
        }
        other => {
            let message = format!("`{other}` is not {APPLICATION_COSE} or {APPLICATION_CBOR}");
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                415,
                "UnsupportedMediaType",
                message,
            ));
        }
    };
    if single && body.len() > BATCH_BYTES_MAX {
        return Err(rejected(Rejection::Oversized));
    }
    let all = if single { Ok(vec![body.to_vec()]) } else { envelopes(&body) };
    let all = all.map_err(|error| match error {
        BodyError::Malformed => {
            ApiError::new(StatusCode::BAD_REQUEST, 400, "BadBody", error.to_string())
        }
        BodyError::TooMany(_) => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, 413, "TooManyBatches", error.to_string())
        }
    })?;
    let reply = api.door.submit(all).await.map_err(|refusal| {
        if refusal == Refusal::Busy {
            api.metrics.busy.inc();
        }
        refused(refusal)
    })?;
    answer(single, reply)
}

/// A single batch that is refused makes the request fail; in an array every batch has its own result.
fn answer(single: bool, reply: EvidenceReply) -> Result<Response, ApiError> {
    if let (true, [result]) = (single, &reply.results[..])
        && reply.receipt.is_none()
    {
        let rejection = u16::try_from(result.code).ok().and_then(Rejection::from_code);
        return Err(rejection.map_or_else(
            || {
                let message = "the epoch takes no more batches; send it again in the next one";
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, result.code, &result.name, message)
            },
            rejected,
        ));
    }
    Ok(Json(reply).into_response())
}

fn rejected(rejection: Rejection) -> ApiError {
    let status = match rejection.code() {
        1 => StatusCode::PAYLOAD_TOO_LARGE,
        2..=8 => StatusCode::BAD_REQUEST,
        9..=12 => StatusCode::FORBIDDEN,
        19..=22 => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    ApiError::new(status, rejection.code().into(), rejection.name(), rejection.text())
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Busy => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, 429, "Busy", refusal.to_string())
        }
        Refusal::Stopping => ApiError::unavailable(refusal.to_string()),
    }
}

async fn totals(State(api): State<Api>) -> Result<Json<serde_json::Value>, ApiError> {
    let totals = api.door.totals().await.map_err(refused)?;
    let totals = totals.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
    Ok(Json(serde_json::Value::Object(totals)))
}

async fn report(
    State(api): State<Api>,
    Path(device): Path<String>,
) -> Result<Json<DeviceReport>, ApiError> {
    let device: DeviceId = device.parse().map_err(ApiError::bad_request)?;
    api.door.report(device).await.map(Json).map_err(refused)
}
