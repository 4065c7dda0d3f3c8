//! Where a validator's view comes from: a file that some program writes, or a URL.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use cairn_primitives::MicroUsd;
use reqwest::Url;
use tokio::{fs::File, io::AsyncReadExt as _};

use super::view::{ViewError, parse};

/// Longest answer, bytes: a price is a line.
const ANSWER_MAX: usize = 4_096;
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a source gave no price.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The setting is none.
    #[error("price.source is `{0}`: write a file's path or a URL like https://203.0.113.7/price")]
    NoSource(String),
    /// The file.
    #[error("cannot read the price in {path}")]
    File {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The URL.
    #[error("cannot get the price from its URL")]
    Http(#[from] reqwest::Error),
    /// An answer that goes on and on.
    #[error("the price's source answers with more than {ANSWER_MAX} bytes")]
    TooLong,
    /// A source that does not answer.
    #[error("the price's source gave no answer within {} s", PATIENCE.as_secs())]
    TooSlow,
    /// Its text.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// A file or a URL.
#[derive(Clone, Debug)]
pub enum PriceSource {
    /// Read anew at each look.
    File(PathBuf),
    /// Asked anew at each look.
    Http(reqwest::Client, Url),
}

impl PriceSource {
    /// The source that a setting names; a path is relative to `folder`.
    ///
    /// # Errors
    /// `NoSource`, or `Http` when no client can be made.
    pub fn new(text: &str, folder: &Path) -> Result<Self, SourceError> {
        let wrong = || SourceError::NoSource(text.to_owned());
        if text.trim().is_empty() {
            return Err(wrong());
        }
        if !text.contains("://") {
            return Ok(Self::File(folder.join(text)));
        }
        let url = Url::parse(text).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong());
        }
        Ok(Self::Http(reqwest::Client::builder().timeout(PATIENCE).build()?, url))
    }

    /// The price now.
    ///
    /// # Errors
    /// See `SourceError`.
    pub async fn read(&self) -> Result<MicroUsd, SourceError> {
        let answer = tokio::time::timeout(PATIENCE, self.answer()).await;
        let answer = answer.map_err(|_| SourceError::TooSlow)??;
        Ok(parse(&String::from_utf8_lossy(&answer))?)
    }

    async fn answer(&self) -> Result<Vec<u8>, SourceError> {
        let mut answer = Vec::new();
        match self {
            Self::File(path) => {
                let failed = |source| SourceError::File { path: path.clone(), source };
                let file = File::open(path).await.map_err(failed)?;
                let mut file = file.take(ANSWER_MAX as u64 + 1);
                file.read_to_end(&mut answer).await.map_err(failed)?;
            }
            Self::Http(client, url) => {
                let mut response = client.get(url.clone()).send().await?.error_for_status()?;
                while let Some(chunk) = response.chunk().await? {
                    answer.extend_from_slice(&chunk);
                    if answer.len() > ANSWER_MAX {
                        break;
                    }
                }
            }
        }
        if answer.len() > ANSWER_MAX { Err(SourceError::TooLong) } else { Ok(answer) }
    }
}

/// Where it is. A URL is shown without its query and password: a key may be in them.
impl fmt::Display for PriceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Http(_, url) => {
                write!(f, "{}://{}{}", url.scheme(), url.host_str().unwrap_or(""), url.path())
            }
        }
    }
}
