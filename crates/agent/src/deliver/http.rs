//! Delivery over HTTP(S): one POST, one answer.

use std::time::Duration;

use cairn_client::api::{APPLICATION_CBOR, APPLICATION_COSE, ErrorBody, EvidenceReply};
use reqwest::header::CONTENT_TYPE;

use super::{DeliverError, body};
use crate::Waiting;

/// Longest time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Delivers by `POST {url}/v1/evidence`.
#[derive(Debug)]
pub struct HttpCourier {
    url: String,
    http: reqwest::Client,
}

impl HttpCourier {
    /// A courier to the ingest at `url`.
    ///
    /// # Errors
    /// When the HTTP library cannot start.
    pub fn new(url: &str) -> Result<Self, DeliverError> {
        let url = url.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|source| DeliverError::Transport {
                url: url.clone(),
                source: Box::new(source),
            })?;
        Ok(Self { url, http })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn send(&self, batches: &[Waiting]) -> Result<EvidenceReply, DeliverError> {
        let url = || self.url.clone();
        let transport = |source| DeliverError::Transport { url: url(), source: Box::new(source) };
        let kind = if batches.len() == 1 { APPLICATION_COSE } else { APPLICATION_CBOR };
        let request =
            self.http.post(format!("{}/v1/evidence", self.url)).header(CONTENT_TYPE, kind);
        let response = request.body(body(batches)).send().await.map_err(transport)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(transport)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| DeliverError::Answer { url: url(), reason: error.to_string() });
        }
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| ErrorBody {
            code: u32::from(status.as_u16()),
            name: "Unexplained".to_owned(),
            message: "no reason given".to_owned(),
        });
        Err(DeliverError::Refused { url: url(), status: status.as_u16(), body })
    }
}
