//! The role as tasks: follow the ledger, serve HTTP, settle receipts.

use std::{path::PathBuf, sync::Arc};

use cairn_client::{ClientError, Sender};
use cairn_kit::{
    Tasks,
    http::{Limits, Listener, Readiness, operations},
    metrics::Metrics,
    tls::Tls,
};
use cairn_primitives::{EpochSchedule, MicroUsd};

use crate::{
    Book, BookError, Catalog, ClientLedger, Desk, Engine, HttpArchive, Offer, QueryLimits,
    StoreError, http, metrics::GatewayMetrics, params,
};

/// Everything a gateway needs to know.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Its folder: `epochs/`, `downloads/`, `receipts.redb`.
    pub dir: PathBuf,
    /// Where epochs begin and end, from genesis.
    pub schedule: EpochSchedule,
    /// EIP-155 chain id, from genesis.
    pub chain_id: u64,
    /// Base URLs of the validators' archives.
    pub archives: Vec<String>,
    /// The public URL under which this gateway is reached; part of the offer.
    pub endpoint: String,
    /// Price of 1,000 rows.
    pub price_per_kilo_unit: MicroUsd,
    /// Bounds on queries.
    pub limits: QueryLimits,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The catalog's folder.
    #[error("cannot open the catalog")]
    Catalog(#[from] StoreError),
    /// The receipts.
    #[error("cannot open the book of receipts")]
    Book(#[from] BookError),
    /// The ledger.
    #[error("cannot post the offer")]
    Ledger(#[from] ClientError),
    /// The HTTP client.
    #[error("cannot make an HTTP client")]
    Http(#[from] reqwest::Error),
}

/// Posts the offer if it is new, and adds the gateway's tasks to `tasks`. Returns the offer; the listener's address is
/// known to the caller before.
///
/// # Errors
/// See `GatewayError`.
pub async fn start(
    tasks: &mut Tasks,
    config: GatewayConfig,
    sender: Sender,
    listener: Listener,
    tls: Option<Tls>,
) -> Result<Offer, GatewayError> {
    let ledger = Arc::new(ClientLedger::new(sender));
    let offer = ledger.ensure_offer(config.price_per_kilo_unit, &config.endpoint).await?;
    let catalog = Arc::new(Catalog::open(&config.dir, config.schedule)?);
    let book = Arc::new(Book::open(&config.dir.join("receipts.redb"))?);
    let archive = HttpArchive::new(config.archives)?;
    let (readiness, metrics) = (Readiness::default(), Metrics::new());
    let numbers = GatewayMetrics::new(&metrics);
    let desk = Arc::new(Desk::new(
        Arc::clone(&ledger),
        Arc::clone(&catalog),
        Engine::new(config.limits),
        book,
        offer.clone(),
        config.chain_id,
    ));
    let router = http::router(Arc::clone(&desk), numbers.clone())
        .merge(operations(readiness.clone(), metrics));
    tasks.spawn("gateway.settler", |shutdown| {
        let desk = Arc::clone(&desk);
        async move { desk.settle_forever(&shutdown).await }
    });
    tasks.spawn("gateway.catalog", |shutdown| async move {
        catalog.follow(&*ledger, &archive, &readiness, &numbers, &shutdown).await
    });
    let limits = Limits {
        body_bytes_max: params::BODY_BYTES_MAX,
        request_timeout: params::QUERY_TIME_MAX * 2,
    };
    tasks.spawn("gateway.http", |shutdown| listener.serve(router, limits, tls, shutdown));
    Ok(offer)
}
