//! Values that are text in the file.

use alloy_primitives::B256;
use cairn_consensus::{PeerAddress, Trusted};
use serde::{Deserialize, Serialize};

/// `0xKEY@HOST:PORT`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Consensus key.
    pub key: B256,
    /// Where it is.
    pub at: PeerAddress,
}

impl std::str::FromStr for Peer {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no peer: write 0xCONSENSUS_KEY@HOST:PORT");
        let (key, at) = text.split_once('@').ok_or_else(wrong)?;
        Ok(Self { key: key.parse().map_err(|_| wrong())?, at: at.parse().map_err(|_| wrong())? })
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.key, self.at)
    }
}

/// A value that is text in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// `TERM:0xBLOCKHASH`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedBlock(pub Trusted);

impl std::str::FromStr for TrustedBlock {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no block to trust: write TERM:0xHASH_OF_ITS_LAST_BLOCK");
        let (term, hash) = text.split_once(':').ok_or_else(wrong)?;
        let (term, hash) = (term.parse().map_err(|_| wrong())?, hash.parse().map_err(|_| wrong())?);
        Ok(Self(Trusted { term, hash }))
    }
}

impl std::fmt::Display for TrustedBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0.term, self.0.hash)
    }
}
