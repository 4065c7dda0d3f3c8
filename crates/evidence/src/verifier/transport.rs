//! How a file comes from another node: over HTTP, or however a simulation brings it.

use std::{fmt::Debug, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt as _};
use reqwest::{Client, StatusCode, header};

/// Attempts per file; each goes on where the last one broke off.
const ATTEMPTS: u32 = 3;
/// Longest silence of a peer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Brings files of other nodes. What it brings is checked by who asked.
pub trait Transport: Debug + Send + Sync {
    /// The content at `url`, at most `limit` bytes; otherwise why not, in words for a log.
    fn get<'a>(&'a self, url: &'a str, limit: u64) -> BoxFuture<'a, Result<Bytes, String>>;
}

/// HTTP with ranges: a broken transfer goes on where it broke off.
#[derive(Clone, Debug)]
pub struct Http(Client);

impl Http {
    /// A client with the timeouts of this module.
    ///
    /// # Errors
    /// When the system's TLS cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
        client.build().map(Self)
    }

    async fn download(&self, url: &str, limit: u64) -> Result<Bytes, String> {
        let mut content = BytesMut::new();
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match self.transfer(url, limit, &mut content).await {
                Ok(()) => return Ok(content.freeze()),
                Err(Failure::Final(reason)) => return Err(reason),
                Err(Failure::Broken(reason)) => last = reason,
            }
        }
        Err(last)
    }

    async fn transfer(&self, url: &str, limit: u64, content: &mut BytesMut) -> Result<(), Failure> {
        let broken = |error: reqwest::Error| Failure::Broken(format!("{url}: {error}"));
        let mut request = self.0.get(url);
        if !content.is_empty() {
            request = request.header(header::RANGE, format!("bytes={}-", content.len()));
        }
        let mut response = request.send().await.map_err(broken)?;
        match response.status() {
            // The whole file, also where only its end was asked for.
            StatusCode::OK => content.clear(),
            StatusCode::PARTIAL_CONTENT => {}
            status if status.is_server_error() => {
                return Err(Failure::Broken(format!("{url}: {status}")));
            }
            status => return Err(Failure::Final(format!("{url}: {status}"))),
        }
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if (content.len() + chunk.len()) as u64 > limit {
                return Err(Failure::Final(format!("{url}: more than {limit} bytes")));
            }
            content.extend_from_slice(&chunk);
        }
        Ok(())
    }
}

impl Transport for Http {
    fn get<'a>(&'a self, url: &'a str, limit: u64) -> BoxFuture<'a, Result<Bytes, String>> {
        self.download(url, limit).boxed()
    }
}

enum Failure {
    Final(String),
    Broken(String),
}
