//! Archives over HTTP: every validator keeps every file, so any of them will do.

use std::time::Duration;

use cairn_primitives::{Digest, Epoch};

use crate::{
    params::{FETCH_TIME_MAX, FILE_BYTES_MAX},
    ports::{Archive, ArchiveError},
};

/// The archives of the validators, asked in order until one answers.
#[derive(Clone, Debug)]
pub struct HttpArchive {
    client: reqwest::Client,
    bases: Vec<String>,
}

impl HttpArchive {
    /// Archives at these base URLs, for example `http://127.0.0.1:8700`.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(bases: Vec<String>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(FETCH_TIME_MAX)
            .build()?;
        Ok(Self { client, bases })
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, ArchiveError> {
        let mut last = "no archive is configured".to_owned();
        for base in &self.bases {
            match self.get_from(&format!("{}{path}", base.trim_end_matches('/'))).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = error,
            }
        }
        Err(ArchiveError::Missing { what: path.to_owned(), last })
    }

    async fn get_from(&self, url: &str) -> Result<Vec<u8>, String> {
        let fails = |error: reqwest::Error| error.to_string();
        let mut response =
            self.client.get(url).send().await.and_then(|r| r.error_for_status()).map_err(fails)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fails)? {
            if bytes.len() + chunk.len() > FILE_BYTES_MAX {
                return Err(format!("{url} is larger than {FILE_BYTES_MAX} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

impl Archive for HttpArchive {
    async fn file(&self, digest: Digest) -> Result<Vec<u8>, ArchiveError> {
        self.get(&format!("/v1/files/{digest}")).await
    }

    async fn epoch_file(&self, epoch: Epoch, name: &'static str) -> Result<Vec<u8>, ArchiveError> {
        self.get(&format!("/v1/epochs/{epoch}/{name}")).await
    }
}
