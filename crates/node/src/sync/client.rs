//! Asking nodes for a state, over the HTTP server that their JSON-RPC names.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use alloy_primitives::{bytes::Bytes, hex};
use cairn_client::LedgerClient;
use cairn_consensus::{Question, SourceError, StateSource};
use reqwest::StatusCode;

/// Longest silence of a node.
const READ_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest answer: the largest is a list of 1,025 proofs of a few kilobytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Nodes, by their JSON-RPC.
pub struct HttpSource {
    http: reqwest::Client,
    nodes: Vec<LedgerClient>,
    /// Where each one's HTTP server is, once it has told.
    urls: Mutex<Vec<Option<String>>>,
}

/// The future of an answer.
type Asking<'a> = Pin<Box<dyn Future<Output = Result<Bytes, SourceError>> + Send + 'a>>;

impl HttpSource {
    /// Asks these nodes.
    ///
    /// # Errors
    /// When an HTTP client cannot be made.
    pub fn new(nodes: Vec<LedgerClient>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()?;
        let urls = Mutex::new(vec![None; nodes.len()]);
        Ok(Self { http, nodes, urls })
    }

    async fn url(&self, peer: usize) -> Result<String, SourceError> {
        let urls = || self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(url)) = urls().get(peer) {
            return Ok(url.clone());
        }
        let node = self.nodes.get(peer).ok_or_else(|| unreachable("there is no such node"))?;
        let told = node.archive_url().await.map_err(|error| unreachable(&error.to_string()))?;
        let url = told.ok_or_else(|| unreachable("it does not say where its blocks are"))?;
        let url = url.trim_end_matches('/').to_owned();
        if let Some(place) = urls().get_mut(peer) {
            *place = Some(url.clone());
        }
        Ok(url)
    }

    async fn fetch(&self, peer: usize, question: Question) -> Result<Bytes, SourceError> {
        let failed = |error: reqwest::Error| unreachable(&error.to_string());
        let url = format!("{}/v1/state/{}", self.url(peer).await?, path(&question));
        let response = self.http.get(url).send().await.map_err(failed)?;
        if response.status() == StatusCode::GONE {
            return Err(SourceError::Gone);
        }
        let mut response = response.error_for_status().map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(unreachable("its answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }
}

fn unreachable(reason: &str) -> SourceError {
    SourceError::Unreachable(reason.to_owned())
}

/// The end of the URL of a question.
fn path(question: &Question) -> String {
    match question {
        Question::Proofs { term } => format!("proofs?term={term}"),
        Question::Headers { from, count } => format!("headers?from={from}&count={count}"),
        Question::Log(request) => format!("log?request={}", hex::encode(request)),
        Question::Entries { height, after } => {
            format!("entries?height={height}&after={}", hex::encode(after))
        }
        Question::Codes(hashes) => {
            let hashes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
            format!("codes?hashes={}", hex::encode(hashes))
        }
        Question::Blocks { from, count } => format!("blocks?from={from}&count={count}"),
        Question::Body { height } => format!("body?height={height}"),
    }
}

impl StateSource for HttpSource {
    fn peers(&self) -> usize {
        self.nodes.len()
    }

    fn name(&self, peer: usize) -> String {
        self.nodes.get(peer).map(|node| node.url().to_owned()).unwrap_or_default()
    }

    fn ask(&self, peer: usize, question: Question) -> Asking<'_> {
        Box::pin(self.fetch(peer, question))
    }
}
