//! What Ethereum clients have no word for: the network's status, its genesis, certificates of finality.

use alloy_primitives::{Address, B256, Bytes, U64};
use cairn_ledger::time_of;
use cairn_primitives::Digest;
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
};
use serde::Serialize;

use super::{
    Node, Rpc,
    errors::{Answer, NOT_FOUND, error},
};

/// Where this node and the network stand.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Name of the network.
    pub network: String,
    /// Hash of the genesis text.
    pub genesis: Digest,
    /// EIP-155 id.
    pub chain_id: u64,
    /// Program and version.
    pub version: &'static str,
    /// Last final block.
    pub height: u64,
    /// Its hash.
    pub block_hash: B256,
    /// Its network time, ms.
    pub block_time_ms: u64,
    /// The epoch of that time.
    pub epoch: u64,
    /// Network time of this node's clock, ms.
    pub network_time_ms: u64,
    /// Network milliseconds of a millisecond: 1 but in a replay.
    pub time_scale: u64,
    /// Executable transactions in the pool.
    pub pool_pending: usize,
    /// Transactions behind a gap.
    pub pool_queued: usize,
    /// Validators' operator accounts, in order of their seats.
    pub validators: Vec<Address>,
    /// Where this node serves the files of final epochs.
    pub archive: Option<String>,
}

/// A block with the proof that it is final.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finality {
    /// Height.
    pub height: U64,
    /// Keccak-256 of the header.
    pub block_hash: B256,
    /// RLP of the header.
    pub header: Bytes,
    /// The name by which consensus voted for the block; null once it left the window of recent blocks.
    pub digest: Option<B256>,
    /// Votes of more than two thirds of the validators (docs/spec/finality.md); empty for genesis.
    pub certificate: Bytes,
}

/// The `cairn` namespace.
#[rpc(server)]
pub trait CairnApi {
    /// Where this node and the network stand.
    #[method(name = "cairn_status")]
    async fn status(&self) -> RpcResult<Status>;
    /// The exact text whose hash names the network.
    #[method(name = "cairn_genesis")]
    async fn genesis(&self) -> RpcResult<String>;
    /// The certificate of the block at a height.
    #[method(name = "cairn_getCertificate")]
    async fn certificate(&self, height: U64) -> RpcResult<Finality>;
}

fn status(node: &Node) -> Answer<Status> {
    let snapshot = node.disk.snapshot();
    let (hash, header) = snapshot.head().ok_or_else(|| error(NOT_FOUND, "no blocks yet"))?;
    let time = time_of(header);
    let (pending, queued) = node.pool.counts();
    Ok(Status {
        network: node.genesis.name.clone(),
        genesis: node.disk.genesis(),
        chain_id: node.genesis.chain_id,
        version: super::CLIENT,
        height: header.number,
        block_hash: *hash,
        block_time_ms: time.0,
        epoch: node.genesis.schedule().epoch_at(time).0,
        network_time_ms: node.clock.now_ms(),
        time_scale: node.genesis.time_scale,
        pool_pending: pending,
        pool_queued: queued,
        validators: node.genesis.validators.iter().map(|validator| validator.operator).collect(),
        archive: node.archive.clone(),
    })
}

fn finality(node: &Node, height: u64) -> Answer<Finality> {
    let snapshot = node.disk.snapshot();
    let Some((block_hash, header)) = snapshot.header(height)? else {
        return Err(error(NOT_FOUND, format!("block {height} is not final on this node")).into());
    };
    Ok(Finality {
        height: U64::from(height),
        block_hash,
        header: alloy_rlp::encode(&header).into(),
        digest: snapshot.digest_at(height)?.map(B256::from),
        certificate: snapshot.certificate(height)?.unwrap_or_default(),
    })
}

#[async_trait]
impl CairnApiServer for Rpc {
    async fn status(&self) -> RpcResult<Status> {
        Ok(status(self.node())?)
    }
    async fn genesis(&self) -> RpcResult<String> {
        Ok(self.node().genesis_text.to_string())
    }
    async fn certificate(&self, height: U64) -> RpcResult<Finality> {
        Ok(finality(self.node(), height.to())?)
    }
}
