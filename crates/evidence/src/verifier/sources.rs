//! Where public files come from: this node's archive first, then peers. What arrives is checked by its name.

use std::sync::Arc;

use bytes::Bytes;
use cairn_primitives::{Digest, Epoch};

use super::{GatherError, Http, Transport};
use crate::archive::{Archive, ArchiveError, EpochFile};

/// Largest file of an epoch's folder that is fetched.
const EPOCH_FILE_BYTES_MAX: u64 = 1 << 30;

/// An archive to read and, when it is this node's own, to fill; and the peers that may have what it lacks.
#[derive(Clone, Debug)]
pub struct Sources {
    local: Vec<Archive>,
    keep: bool,
    peers: Vec<String>,
    transport: Arc<dyn Transport>,
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
        Ok(Self::over(Arc::new(Http::new()?), archive, peers))
    }

    /// The same over another transport than HTTP: a simulation's.
    #[must_use]
    pub fn over(transport: Arc<dyn Transport>, archive: Archive, peers: Vec<String>) -> Self {
        Self { local: vec![archive], keep: true, peers, transport }
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
        let transport = Arc::new(Http::new()?);
        Ok(Self { local: archives, keep: false, peers: Vec::new(), transport })
    }

    /// Peers only.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn http(peers: Vec<String>) -> Result<Self, SourceError> {
        Ok(Self { local: Vec::new(), keep: false, peers, transport: Arc::new(Http::new()?) })
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
            match self.transport.get(&url, limit).await {
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
            let url = format!("{}/v1/{name}", peer.trim_end_matches('/'));
            match self.transport.get(&url, EPOCH_FILE_BYTES_MAX).await {
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
            match self.transport.get(&url, EPOCH_FILE_BYTES_MAX).await.map_err(missing) {
                Ok(content) => match check(&content) {
                    Ok(checked) => return Ok(checked),
                    Err(error) => trouble = error,
                },
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }
}
