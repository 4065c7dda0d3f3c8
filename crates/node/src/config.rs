//! A network and the settings of one of its nodes: the first is the same for all, the second its operator's.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use alloy_primitives::B256;
use cairn_consensus::{NetworkIdentity, PeerAddress, Reach, TermRules, VoteStart};
use cairn_ledger::Ledger;
use cairn_primitives::{Digest, Genesis};

use crate::{
    disk::{DiskConfig, STATE_WINDOW},
    keys::VOTES,
    rpc::RpcConfig,
    sync::SyncConfig,
};

/// A network: the same for all its nodes.
#[derive(Clone, Debug)]
pub struct Network {
    /// Genesis, checked.
    pub genesis: Arc<Genesis>,
    /// Its exact text.
    pub text: Arc<str>,
    /// The hash of the text, which names the network.
    pub hash: Digest,
}

impl Network {
    /// The network of a genesis that was read from `text`.
    #[must_use]
    pub fn new(genesis: Genesis, text: &str) -> Self {
        Self { genesis: Arc::new(genesis), text: text.into(), hash: Genesis::hash_of_text(text) }
    }

    /// Its state machine.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Arc::clone(&self.genesis), self.hash)
    }

    /// How its nodes keep their disks.
    pub(crate) fn disk(&self, state_window: u64, blocks_kept: Option<u64>) -> DiskConfig {
        DiskConfig { state_window, blocks_kept, term_blocks: self.genesis.stake.term_blocks.max(2) }
    }

    /// What consensus knows it by.
    #[must_use]
    pub fn identity(&self) -> NetworkIdentity {
        NetworkIdentity {
            genesis: Arc::clone(&self.genesis),
            hash: self.hash,
            terms: TermRules::of(&self.ledger()),
            ledger: self.ledger(),
        }
    }
}

/// Settings of one validator: its own, not the network's.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Data folder; nobody else's.
    pub folder: PathBuf,
    /// JSON-RPC: where and within which bounds.
    pub rpc: RpcConfig,
    /// Archive files, health and metrics; port 0 takes a free one.
    pub http: SocketAddr,
    /// How others reach the archive, as `cairn_status` tells; the address it listens on where there is none.
    pub http_url: Option<String>,
    /// Where peers connect.
    pub p2p: SocketAddr,
    /// Where peers can reach it: `p2p` as they see it.
    pub dialable: PeerAddress,
    /// Validators it connects to first, by consensus key; they tell where the others are.
    pub bootstrap: Vec<(B256, PeerAddress)>,
    /// Where the peers are.
    pub reach: Reach,
    /// Past blocks whose state can be read.
    pub state_window: u64,
    /// Past blocks that are kept, `None` keeps all.
    pub blocks_kept: Option<u64>,
    /// How it gets the ledger when its folder is empty; without peers to ask it replays.
    pub sync: SyncConfig,
    /// The log of what its key has signed, beside the key and never in a backup.
    pub votes: PathBuf,
    /// How the log is opened.
    pub votes_start: VoteStart,
}

impl NodeConfig {
    /// Settings for a validator on this machine with free ports for its servers, which knows all `peers`.
    #[must_use]
    pub fn local(folder: PathBuf, p2p: SocketAddr, peers: Vec<(B256, SocketAddr)>) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let votes = folder.join("keys").join(VOTES);
        Self {
            votes,
            votes_start: VoteStart::New,
            folder,
            rpc: RpcConfig::at(free),
            http: free,
            http_url: None,
            p2p,
            dialable: p2p.into(),
            bootstrap: peers.into_iter().map(|(key, at)| (key, at.into())).collect(),
            reach: Reach::Local,
            state_window: STATE_WINDOW,
            blocks_kept: None,
            sync: SyncConfig::default(),
        }
    }
}
