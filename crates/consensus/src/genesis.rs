//! Block 0: how a chain begins, and the check that a disk belongs to it.

use std::sync::Arc;

use alloy_primitives::B256;
use cairn_ledger::{Ledger, StateError, Writes};
use cairn_primitives::{Digest, Genesis};
use commonware_cryptography::Digestible as _;
use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::tokio::Context;
use tokio::sync::watch;

use crate::{
    application::Chain,
    beacon::Beacon,
    block::Block,
    finality::validator_set,
    ports::{Disk, FinalBlock, NetworkTime, Pool},
    seats::TermRules,
    signer::Key,
    speculation::Speculation,
    terms::Terms,
    tree::SharedTree,
    votes::VoteLog,
};

/// The network that a validator belongs to: the same for all.
#[derive(Clone)]
pub struct NetworkIdentity {
    /// Genesis.
    pub genesis: Arc<Genesis>,
    /// Its hash; signatures of other networks mean nothing here.
    pub hash: Digest,
    /// The state machine of that genesis.
    pub ledger: Ledger,
    /// Who validates when.
    pub terms: TermRules,
}

/// Why a chain cannot begin on a disk.
#[derive(Debug, thiserror::Error)]
pub enum GenesisBlockError {
    /// The disk cannot be read or written.
    #[error("the ledger's disk cannot be used")]
    Disk(#[from] StateError),
    /// Block 0 on the disk is another one.
    #[error("the disk holds another network: its block 0 is not this genesis")]
    OtherNetwork,
    /// Genesis names a validator whose key is no key.
    #[error("genesis lists a consensus key that is no ed25519 key, or twice the same")]
    BadKey,
}

/// Block 0 of a network. Its `state_root` is zero: the genesis state enters the tree together with block 1.
#[must_use]
pub fn genesis_block(identity: &NetworkIdentity) -> Block {
    // The type parameter only names a runtime; an empty tree has the same root on all.
    let empty = <SharedTree<Context> as DatabaseSet<Context>>::initial_sync_targets();
    Block::genesis(identity.ledger.genesis_header(B256::ZERO), empty.root, empty.range)
}

/// How a chain begins on a disk.
pub(crate) struct Beginning {
    pub(crate) genesis: Block,
    /// The state of block 0.
    pub(crate) writes: Writes,
    /// Height of the disk's last block.
    pub(crate) head: u64,
}

/// Commits block 0 to an empty disk; of another one checks that it is this network's.
pub(crate) fn begin(
    identity: &NetworkIdentity,
    disk: &dyn Disk,
) -> Result<Beginning, GenesisBlockError> {
    let genesis = genesis_block(identity);
    let writes = identity.ledger.genesis_writes()?;
    let head = match disk.head()? {
        None => {
            disk.commit(FinalBlock {
                header: genesis.preamble.header.clone(),
                digest: genesis.digest().0,
                transactions: Vec::new(),
                receipts: Vec::new(),
                gas_used: Vec::new(),
                writes: writes.clone(),
                certificate: Vec::new(),
            })?;
            0
        }
        Some(head) => {
            // The EVM sees the last 256 hashes only, so a longer chain is told apart by the engine's own archive.
            let zero = if head.number == 0 { head.hash_slow() } else { disk.block_hash(0)? };
            if !zero.is_zero() && zero != genesis.hash() {
                return Err(GenesisBlockError::OtherNetwork);
            }
            head.number
        }
    };
    Ok(Beginning { genesis, writes, head })
}

/// The chain of `identity` on `disk`, with block 0 committed. `key` signs in the terms in which it has a seat.
pub(crate) fn chain(
    identity: &NetworkIdentity,
    disk: Arc<dyn Disk>,
    pool: Arc<dyn Pool>,
    time: Arc<dyn NetworkTime>,
    height: watch::Sender<u64>,
    key: (Key, VoteLog),
) -> Result<Chain, GenesisBlockError> {
    let Beginning { genesis, writes: genesis_writes, head } = begin(identity, &*disk)?;
    height.send_replace(head);
    let founders: Vec<B256> =
        identity.genesis.validators.iter().map(|validator| validator.consensus_key).collect();
    validator_set(&founders).map_err(|_| GenesisBlockError::BadKey)?;
    let secret = key.0.clone();
    let terms = Terms::new(identity.terms.clone(), &identity.hash, Some(key));
    terms.learn(&*disk, head)?;
    Ok(Chain {
        ledger: identity.ledger.clone(),
        disk,
        pool,
        time,
        time_scale: identity.genesis.time_scale,
        terms,
        beacon: Beacon::new(identity.hash),
        key: secret,
        genesis,
        genesis_writes,
        speculation: Speculation::default(),
        height,
        ordered: watch::Sender::new(head),
    })
}
