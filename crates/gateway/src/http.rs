//! The HTTP API of the gateway. Documented in docs/spec/gateway.md.
//!
//! ```text
//! GET  /v1/offer                       what is sold, at which price
//! POST /v1/quote    {"sql"}            units and price of a query, without rows
//! POST /v1/query    {"lease","sql"}    rows, origins, totals, shares; header `authorization: Cairn 0x…`
//! POST /v1/receipts {"receipt", …}     the consumer's signature under the totals
//! GET  /v1/receipts/{lease}            the highest receipt, for a consumer who lost theirs
//! GET  /health  /ready  /metrics
//! ```

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, header::AUTHORIZATION},
    routing::{get, post},
};
use cairn_client::api::{OfferInfo, QueryAnswer, QueryRequest, ReceiptReply, ReceiptSubmission};
use cairn_kit::http::ApiError;
use cairn_primitives::{MicroUsd, Sector};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    desk::{Desk, Quote},
    engine::tables,
    metrics::GatewayMetrics,
    ports::Ledger,
    refusal::{Reason, Refusal},
};

/// A query to be priced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// The query.
    pub sql: String,
}

struct Shared<L> {
    desk: Arc<Desk<L>>,
    metrics: GatewayMetrics,
}

/// The routes of a desk.
pub(crate) fn router<L: Ledger>(desk: Arc<Desk<L>>, metrics: GatewayMetrics) -> Router {
    Router::new()
        .route("/v1/offer", get(offer))
        .route("/v1/quote", post(quote))
        .route("/v1/query", post(query))
        .route("/v1/receipts", post(receipts))
        .route("/v1/receipts/{lease}", get(highest))
        .with_state(Arc::new(Shared { desk, metrics }))
}

type Result<T> = std::result::Result<Json<T>, ApiError>;

async fn offer<L: Ledger>(State(shared): State<Arc<Shared<L>>>) -> Json<OfferInfo> {
    let offer = shared.desk.offer();
    Json(OfferInfo {
        offer: offer.id,
        provider: offer.provider.to_string(),
        sector: Sector::Sensing.name().to_owned(),
        micro_usd_per_kilo_unit: offer.micro_usd_per_kilo_unit,
        unit: "row of readings used by a query".to_owned(),
        // One answer may be unpaid; what it may cost is bounded by the consumer's escrow and max_spend.
        unsigned_micro_usd_max: MicroUsd::ZERO,
        tables: tables(),
        chain_id: shared.desk.chain_id(),
    })
}

async fn quote<L: Ledger>(State(shared): State<Arc<Shared<L>>>, body: Bytes) -> Result<Quote> {
    let request: QuoteRequest = shared.parse(&body)?;
    let quote = shared.desk.quote(&request.sql).await;
    quote.map(Json).map_err(|refusal| shared.refuse(refusal))
}

async fn query<L: Ledger>(
    State(shared): State<Arc<Shared<L>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<QueryAnswer> {
    let request: QueryRequest = shared.parse(&body)?;
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let answer = shared.desk.query(&request, authorization.unwrap_or_default()).await;
    let answer = answer.map_err(|refusal| shared.refuse(refusal))?;
    shared.metrics.answers.inc();
    shared.metrics.rows_sold.add(answer.query_units);
    Ok(Json(answer))
}

async fn receipts<L: Ledger>(
    State(shared): State<Arc<Shared<L>>>,
    body: Bytes,
) -> Result<ReceiptReply> {
    let submission: ReceiptSubmission = shared.parse(&body)?;
    let reply = shared.desk.receipt(&submission).await;
    let reply = reply.map_err(|refusal| shared.refuse(refusal))?;
    shared.metrics.receipts.inc();
    Ok(Json(reply))
}

async fn highest<L: Ledger>(
    State(shared): State<Arc<Shared<L>>>,
    Path(lease): Path<u64>,
) -> Result<ReceiptSubmission> {
    let highest = shared.desk.highest(lease).await;
    highest.map(Json).map_err(|refusal| shared.refuse(refusal))
}

impl<L> Shared<L> {
    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> std::result::Result<T, ApiError> {
        serde_json::from_slice(body)
            .map_err(|error| self.refuse(Refusal::new(Reason::MalformedRequest, error.to_string())))
    }

    fn refuse(&self, refusal: Refusal) -> ApiError {
        self.metrics.refusals.inc();
        refusal.into()
    }
}

#[cfg(test)]
mod tests;
