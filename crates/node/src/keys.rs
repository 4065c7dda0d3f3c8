//! The secrets of a node: files of mode 0600 in its folder, made on first use.

use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use cairn_client::{KeyFile, KeyFileError, StoredKey, Wallet};
use cairn_consensus::{VoteLog, VoteStart};
use cairn_primitives::SecretKey;

use crate::validator::NodeError;

/// Name of the log of what the consensus key has signed, in the folder of the keys.
pub const VOTES: &str = "votes.log";

/// The secrets of a validator.
#[derive(Clone)]
pub struct NodeKeys {
    /// Seed of the Ed25519 key of consensus.
    pub consensus: [u8; 32],
    /// The account that attests and votes.
    pub operator: Wallet,
}

impl std::fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeKeys").field("operator", &self.operator).finish_non_exhaustive()
    }
}

impl NodeKeys {
    fn paths(folder: &Path) -> (PathBuf, PathBuf) {
        let keys = folder.join("keys");
        (keys.join("consensus.json"), keys.join("operator.json"))
    }

    /// The public consensus key.
    #[must_use]
    pub fn consensus_key(&self) -> B256 {
        B256::from_slice(SecretKey::ed25519(self.consensus).public().as_bytes())
    }

    /// The keys in the node's folder.
    ///
    /// # Errors
    /// When a file is missing, readable by others, or damaged.
    pub fn load(folder: &Path) -> Result<Self, NodeError> {
        let (consensus, operator) = Self::paths(folder);
        let bad = |path: &Path, kind| KeyFileError::Content { path: path.to_owned(), kind };
        let StoredKey::Ed25519(SecretKey::Ed25519(key)) = KeyFile::Ed25519.load(&consensus)? else {
            return Err(bad(&consensus, KeyFile::Ed25519).into());
        };
        let StoredKey::Account(operator) = KeyFile::Account.load(&operator)? else {
            return Err(bad(&operator, KeyFile::Account).into());
        };
        Ok(Self { consensus: key.to_bytes(), operator })
    }

    /// The keys in the node's folder, made on first use; files of mode 0600.
    ///
    /// # Errors
    /// When a file is readable by others, damaged, or cannot be made.
    pub fn load_or_create(folder: &Path) -> Result<Self, NodeError> {
        let (consensus, operator) = Self::paths(folder);
        make_folder(&folder.join("keys"))?;
        if !consensus.exists() {
            // A key that is made now has signed nothing.
            VoteLog::open(&folder.join("keys").join(VOTES), VoteStart::New)?;
        }
        KeyFile::Ed25519.load_or_create(&consensus)?;
        Wallet::load_or_create(&operator)?;
        Self::load(folder)
    }

    /// Stores keys made elsewhere in a node's folder; keys that are there already stay and must be used instead.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn store(&self, folder: &Path) -> Result<(), NodeError> {
        let (consensus, operator) = Self::paths(folder);
        make_folder(&folder.join("keys"))?;
        if !consensus.exists() {
            KeyFile::Ed25519.write(&consensus, self.consensus)?;
        }
        if !operator.exists() {
            self.operator.save(&operator)?;
        }
        Ok(())
    }
}

pub(crate) fn make_folder(path: &Path) -> Result<(), NodeError> {
    std::fs::create_dir_all(path).map_err(|source| NodeError::Folder { path: path.into(), source })
}
