//! The secrets of a node: files of mode 0600 in its folder, made on first use.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_primitives::B256;
use cairn_client::{KeyFile, KeyFileError, StoredKey, Wallet};
use cairn_consensus::{ConsensusSigner, LocalSigner, VoteLog, VoteStart};
use cairn_primitives::{Digest, SecretKey};

use crate::{signer::SocketSigner, validator::NodeError};

/// Name of the log of what the consensus key has signed, in the folder of the keys.
pub const VOTES: &str = "votes.log";

/// Where the consensus key of a validator is.
#[derive(Clone)]
pub enum ConsensusKey {
    /// In the node's folder: the seed of an Ed25519 key.
    Here([u8; 32]),
    /// In another process.
    Signer(SocketSigner),
}

impl ConsensusKey {
    /// Its public half.
    #[must_use]
    pub fn public(&self) -> B256 {
        match self {
            Self::Here(seed) => B256::from_slice(SecretKey::ed25519(*seed).public().as_bytes()),
            Self::Signer(signer) => B256::from(signer.key()),
        }
    }

    /// Who signs with it, in the network of this genesis.
    pub(crate) fn signer(&self, genesis: Digest) -> Result<Arc<dyn ConsensusSigner>, NodeError> {
        match self {
            Self::Here(seed) => Ok(Arc::new(LocalSigner::new(seed, genesis)?)),
            Self::Signer(signer) if signer.genesis() == genesis => Ok(Arc::new(signer.clone())),
            Self::Signer(signer) => {
                Err(NodeError::OtherSigner { expected: genesis, found: signer.genesis() })
            }
        }
    }
}

/// The secrets of a validator.
#[derive(Clone)]
pub struct NodeKeys {
    /// The key of consensus.
    pub consensus: ConsensusKey,
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
        self.consensus.public()
    }

    /// The keys in the node's folder.
    ///
    /// # Errors
    /// When a file is missing, readable by others, or damaged.
    pub fn load(folder: &Path) -> Result<Self, NodeError> {
        let consensus = ConsensusKey::Here(Self::load_consensus(folder)?);
        Ok(Self { consensus, operator: Self::load_operator(folder)? })
    }

    /// The operator's key in the node's folder, and the consensus key behind a socket.
    ///
    /// # Errors
    /// When the file is missing, readable by others, or damaged, or no signer answers.
    pub fn with_signer(folder: &Path, socket: &Path) -> Result<Self, NodeError> {
        let consensus = ConsensusKey::Signer(SocketSigner::connect(socket)?);
        Ok(Self { consensus, operator: Self::load_operator(folder)? })
    }

    /// The operator's key of a validator whose consensus key is elsewhere, made on first use.
    ///
    /// # Errors
    /// When a file is readable by others, damaged, or cannot be made.
    pub fn make_operator(folder: &Path) -> Result<Wallet, NodeError> {
        make_folder(&folder.join("keys"))?;
        let path = Self::paths(folder).1;
        if !path.exists() {
            // What leaves this node is logged here as well; a key elsewhere has a log of its own.
            VoteLog::open(&folder.join("keys").join(VOTES), VoteStart::New)?;
        }
        Wallet::load_or_create(&path)?;
        Self::load_operator(folder)
    }

    /// The seed of the consensus key in a folder.
    ///
    /// # Errors
    /// When the file is missing, readable by others, or damaged.
    pub fn load_consensus(folder: &Path) -> Result<[u8; 32], NodeError> {
        let (path, _) = Self::paths(folder);
        match KeyFile::Ed25519.load(&path)? {
            StoredKey::Ed25519(SecretKey::Ed25519(key)) => Ok(key.to_bytes()),
            _ => Err(KeyFileError::Content { path, kind: KeyFile::Ed25519 }.into()),
        }
    }

    fn load_operator(folder: &Path) -> Result<Wallet, NodeError> {
        let (_, path) = Self::paths(folder);
        match KeyFile::Account.load(&path)? {
            StoredKey::Account(operator) => Ok(operator),
            _ => Err(KeyFileError::Content { path, kind: KeyFile::Account }.into()),
        }
    }

    /// Makes a consensus key and its log of votes in a folder that has none.
    ///
    /// # Errors
    /// When a file is readable by others, damaged, or cannot be made.
    pub fn make_consensus(folder: &Path) -> Result<(), NodeError> {
        let (consensus, _) = Self::paths(folder);
        make_folder(&folder.join("keys"))?;
        if !consensus.exists() {
            // A key that is made now has signed nothing.
            VoteLog::open(&folder.join("keys").join(VOTES), VoteStart::New)?;
        }
        KeyFile::Ed25519.load_or_create(&consensus)?;
        Ok(())
    }

    /// The keys in the node's folder, made on first use; files of mode 0600.
    ///
    /// # Errors
    /// When a file is readable by others, damaged, or cannot be made.
    pub fn load_or_create(folder: &Path) -> Result<Self, NodeError> {
        Self::make_consensus(folder)?;
        Wallet::load_or_create(&Self::paths(folder).1)?;
        Self::load(folder)
    }

    /// Stores keys made elsewhere in a node's folder; keys that are there already stay and must be used instead.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn store(&self, folder: &Path) -> Result<(), NodeError> {
        let (consensus, operator) = Self::paths(folder);
        make_folder(&folder.join("keys"))?;
        if let ConsensusKey::Here(seed) = self.consensus
            && !consensus.exists()
        {
            KeyFile::Ed25519.write(&consensus, seed)?;
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
