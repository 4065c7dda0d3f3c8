//! Where public files come from: this node's archive first, then peers over HTTP. What arrives is checked by its name.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cairn_primitives::{Digest, Epoch};
use reqwest::{Client, StatusCode, header};

use super::GatherError;
use crate::archive::{Archive, ArchiveError, EpochFile};

/// Attempts per peer; each goes on where the last one broke off.
const ATTEMPTS: u32 = 3;
/// Longest silence of a peer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest file of an epoch's folder that is fetched.
const EPOCH_FILE_BYTES_MAX: u64 = 1 << 30;

/// An archive to read and, when it is this node's own, to fill; and the peers that may have what it lacks.
#[derive(Clone, Debug)]
pub struct Sources {
    local: Vec<Archive>,
    keep: bool,
    peers: Vec<String>,
    http: Client,
}

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The local archive: the disk refused, or a file was changed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Nobody has it.
    #[error("{name} is not in the archive and no peer gave it: {last}")]
    Missing {
        /// The file.
        name: String,
        /// What the last peer said.
        last: String,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[from] reqwest::Error),
}

impl Sources {
    /// This node's archive, filled from `peers` (base URLs).
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn node(archive: Archive, peers: Vec<String>) -> Result<Self, SourceError> {
        Ok(Self { local: vec![archive], keep: true, peers, http: client()? })
    }

    /// A folder that is only read: a stopped network's archive.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn folder(archive: Archive) -> Result<Self, SourceError> {
        Self::folders(vec![archive])
    }

    /// Folders that are only read: several validators' archives, of which any may have what another lacks.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn folders(archives: Vec<Archive>) -> Result<Self, SourceError> {
        Ok(Self { local: archives, keep: false, peers: Vec::new(), http: client()? })
    }

    /// Peers only.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn http(peers: Vec<String>) -> Result<Self, SourceError> {
        Ok(Self { local: Vec::new(), keep: false, peers, http: client()? })
    }

    /// The archive that is filled, if there is one.
    #[must_use]
    pub fn archive(&self) -> Option<&Archive> {
        self.local.first().filter(|_| self.keep)
    }

    /// The file with this digest, at most `limit` bytes, asking `first` before the other peers.
    ///
    /// A changed file in this node's own archive is fetched again; in a folder that is only read it is an error.
    ///
    /// # Errors
    /// See `SourceError`.
    pub async fn file(
        &self,
        digest: &Digest,
        limit: u64,
        first: Option<&str>,
    ) -> Result<Bytes, SourceError> {
        for archive in &self.local {
            match archive.get(digest) {
                Ok(Some(content)) => return Ok(content),
                Ok(None) => {}
                Err(ArchiveError::Changed { path, .. }) if self.keep => {
                    tracing::error!(path = %path.display(), "a file of the archive was changed and is fetched again");
                    archive.discard(digest)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut last = "there are no peers".to_owned();
        for peer in first.into_iter().chain(self.peers.iter().map(String::as_str)) {
            let url = format!("{}/v1/files/{}", peer.trim_end_matches('/'), hex::encode(digest.0));
            match self.download(&url, limit).await {
                Ok(content) if Digest::of(&[&content]) == *digest => {
                    if let Some(archive) = self.archive() {
                        archive.put(&content)?;
                    }
                    return Ok(content);
                }
                Ok(_) => last = format!("{peer} gave another file"),
                Err(reason) => last = reason,
            }
        }
        Err(SourceError::Missing { name: digest.to_string(), last })
    }

    /// A file of an epoch's folder; its content is for the caller to check.
    ///
    /// # Errors
    /// See `SourceError`.
    pub async fn epoch_file(&self, epoch: Epoch, file: EpochFile) -> Result<Bytes, SourceError> {
        for archive in &self.local {
            if let Some(content) = archive.get_epoch(epoch, file)? {
                return Ok(content);
            }
        }
        let name = format!("epochs/{epoch}/{}", file.name());
        let mut last = "there are no peers".to_owned();
        for peer in &self.peers {
            match self
                .download(
                    &format!("{}/v1/{name}", peer.trim_end_matches('/')),
                    EPOCH_FILE_BYTES_MAX,
                )
                .await
            {
                Ok(content) => return Ok(content),
                Err(reason) => last = reason,
            }
        }
        Err(SourceError::Missing { name, last })
    }

    /// A file of an epoch's folder that `check` accepts, from the first peer that has one; this archive is not asked.
    ///
    /// # Errors
    /// What was wrong with the last one, or that no peer has any.
    pub(crate) async fn ask_peers<T>(
        &self,
        epoch: Epoch,
        file: EpochFile,
        check: impl Fn(&[u8]) -> Result<T, GatherError>,
    ) -> Result<T, GatherError> {
        let name = format!("epochs/{epoch}/{}", file.name());
        let missing = |last| GatherError::Source(SourceError::Missing { name: name.clone(), last });
        let mut trouble = missing("there are no peers".to_owned());
        for peer in &self.peers {
            let url = format!("{}/v1/{name}", peer.trim_end_matches('/'));
            match self.download(&url, EPOCH_FILE_BYTES_MAX).await.map_err(missing) {
                Ok(content) => match check(&content) {
                    Ok(checked) => return Ok(checked),
                    Err(error) => trouble = error,
                },
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// Downloads a file of at most `limit` bytes; a broken transfer goes on where it broke off.
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
        let mut request = self.http.get(url);
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

enum Failure {
    Final(String),
    Broken(String),
}

fn client() -> Result<Client, SourceError> {
    let client =
        Client::builder().connect_timeout(Duration::from_secs(5)).read_timeout(READ_TIMEOUT);
    Ok(client.build()?)
}
