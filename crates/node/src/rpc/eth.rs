//! The chain, accounts and fees.

use std::collections::BTreeMap;

use alloy_consensus::{BlockHeader as _, Header, Transaction as _};
use alloy_eips::{BlockId, BlockNumberOrTag as Tag};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rpc_types_eth::{AccountInfo, FeeHistory};
use alloy_serde::JsonStorageKey;
use cairn_ledger::State as _;
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
};

use super::{
    Node, Rpc,
    blocks::height_or_error,
    errors::{Answer, NOT_SUPPORTED, PARAMS, error},
};
use crate::disk::{Snapshot, StateAt};

/// Most blocks of one fee history.
const FEE_BLOCKS_MAX: u64 = 1_024;
/// Most percentiles of one fee history.
const PERCENTILES_MAX: usize = 100;
/// Blocks whose tips make the suggested tip.
const TIP_BLOCKS: u64 = 20;

/// The chain, accounts and fees.
#[rpc(server)]
pub trait EthApi {
    /// EIP-155 id.
    #[method(name = "eth_chainId")]
    async fn chain_id(&self) -> RpcResult<U64>;
    /// The same in decimal.
    #[method(name = "net_version")]
    async fn net_version(&self) -> RpcResult<String>;
    /// This node takes connections.
    #[method(name = "net_listening")]
    async fn net_listening(&self) -> RpcResult<bool>;
    /// Name and version of the program.
    #[method(name = "web3_clientVersion")]
    async fn client_version(&self) -> RpcResult<String>;
    /// A node answers from its last final block, so it is never half-way.
    #[method(name = "eth_syncing")]
    async fn syncing(&self) -> RpcResult<bool>;
    /// The node holds no keys for others.
    #[method(name = "eth_accounts")]
    async fn accounts(&self) -> RpcResult<Vec<Address>>;
    /// Height of the last final block.
    #[method(name = "eth_blockNumber")]
    async fn block_number(&self) -> RpcResult<U64>;
    /// Keccak-256 of bytes.
    #[method(name = "web3_sha3")]
    async fn sha3(&self, data: Bytes) -> RpcResult<B256>;
    /// Namespaces of this node.
    #[method(name = "rpc_modules")]
    async fn modules(&self) -> RpcResult<BTreeMap<&'static str, &'static str>>;
    /// Balance, nonce and code at once.
    #[method(name = "eth_getAccountInfo")]
    async fn account_info(
        &self,
        address: Address,
        block: Option<BlockId>,
    ) -> RpcResult<AccountInfo>;
    /// Refused: an account has no storage root.
    #[method(name = "eth_getAccount")]
    async fn account_with_root(&self, address: Address, block: Option<BlockId>) -> RpcResult<()>;
    /// Base units of STONE.
    #[method(name = "eth_getBalance")]
    async fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256>;
    /// Transactions sent; with `pending`, counting those in the pool.
    #[method(name = "eth_getTransactionCount")]
    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64>;
    /// Code of a contract.
    #[method(name = "eth_getCode")]
    async fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes>;
    /// A storage slot.
    #[method(name = "eth_getStorageAt")]
    async fn storage_at(
        &self,
        address: Address,
        slot: JsonStorageKey,
        block: Option<BlockId>,
    ) -> RpcResult<B256>;
    /// Refused: the state is not a Merkle-Patricia trie.
    #[method(name = "eth_getProof")]
    async fn proof(
        &self,
        address: Address,
        slots: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> RpcResult<()>;
    /// Base fee of the next block and the suggested tip.
    #[method(name = "eth_gasPrice")]
    async fn gas_price(&self) -> RpcResult<U256>;
    /// The suggested tip.
    #[method(name = "eth_maxPriorityFeePerGas")]
    async fn priority_fee(&self) -> RpcResult<U256>;
    /// Base fees and tips of past blocks.
    #[method(name = "eth_feeHistory")]
    async fn fee_history(
        &self,
        blocks: U64,
        newest: Tag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory>;
    /// Refused: there are no blobs.
    #[method(name = "eth_blobBaseFee")]
    async fn blob_base_fee(&self) -> RpcResult<()>;
}

/// The state after the block that is named; the head without a name.
pub(super) fn state_of(snapshot: &Snapshot, block: Option<BlockId>) -> Answer<StateAt<'_>> {
    let height = height_or_error(snapshot, block.unwrap_or_default())?;
    Ok(snapshot.at(height)?)
}

pub(super) fn head(snapshot: &Snapshot) -> Answer<&Header> {
    snapshot.head().map(|(_, header)| header).ok_or_else(|| error(-32000, "no blocks yet").into())
}

/// Tips that were paid in a block with the gas they were paid for, lowest first; system transactions pay none and do not count.
fn tips(snapshot: &Snapshot, height: u64) -> Answer<Vec<(u128, u64)>> {
    let Some(block) = snapshot.block(height)? else { return Ok(Vec::new()) };
    let base_fee = block.header.base_fee_per_gas().unwrap_or_default();
    let receipts = snapshot.receipts(height)?;
    let paid = block.transactions.iter().zip(receipts);
    let mut tips: Vec<(u128, u64)> = paid
        .filter_map(|(tx, receipt)| Some((tx.effective_tip_per_gas(base_fee)?, receipt.gas_used)))
        .collect();
    tips.sort_unstable();
    Ok(tips)
}

/// The tip at each percentile of the block's gas.
fn at_percentiles(tips: &[(u128, u64)], percentiles: &[f64]) -> Vec<u128> {
    let total: u64 = tips.iter().map(|(_, gas)| gas).sum();
    let at = |percentile: &f64| {
        #[expect(clippy::cast_precision_loss, reason = "an estimate for wallets, never money")]
        let wanted = percentile / 100.0 * total as f64;
        let mut seen = 0;
        let reached = tips.iter().find(|(_, gas)| {
            seen += gas;
            #[expect(clippy::cast_precision_loss, reason = "an estimate for wallets, never money")]
            let reached = seen as f64 >= wanted;
            reached
        });
        reached.or(tips.last()).map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}

/// The median tip of recent blocks; a tenth of the base fee while nobody pays any.
pub(super) fn suggested_tip(node: &Node, snapshot: &Snapshot) -> Answer<u128> {
    let last = head(snapshot)?;
    let mut paid = Vec::new();
    for height in last.number.saturating_sub(TIP_BLOCKS - 1)..=last.number {
        paid.extend(tips(snapshot, height)?.into_iter().map(|(tip, _)| tip));
    }
    paid.sort_unstable();
    let least = u128::from(node.next_base_fee(last) / 10).max(1);
    Ok(paid.get(paid.len() / 2).copied().unwrap_or(least))
}

fn fee_history(
    node: &Node,
    blocks: u64,
    newest: Tag,
    percentiles: Option<Vec<f64>>,
) -> Answer<FeeHistory> {
    let percentiles = percentiles.unwrap_or_default();
    let ascending =
        percentiles.is_sorted() && percentiles.iter().all(|p| (0.0..=100.0).contains(p));
    if !ascending || percentiles.len() > PERCENTILES_MAX {
        let message =
            format!("reward percentiles: up to {PERCENTILES_MAX}, ascending, from 0 to 100");
        return Err(error(PARAMS, message).into());
    }
    let snapshot = node.disk.snapshot();
    let newest = height_or_error(&snapshot, newest.into())?;
    let count = blocks.min(FEE_BLOCKS_MAX).min(newest + 1);
    if count == 0 {
        return Ok(FeeHistory { oldest_block: newest, ..FeeHistory::default() });
    }
    let oldest = newest + 1 - count;
    let mut history = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
    let mut rewards = Vec::new();
    for height in oldest..=newest {
        let Some((_, header)) = snapshot.header(height)? else { continue };
        history.base_fee_per_gas.push(header.base_fee_per_gas().unwrap_or_default().into());
        #[expect(clippy::cast_precision_loss, reason = "an estimate for wallets, never money")]
        history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        if !percentiles.is_empty() {
            rewards.push(at_percentiles(&tips(&snapshot, height)?, &percentiles));
        }
        if height == newest {
            history.base_fee_per_gas.push(node.next_base_fee(&header).into());
        }
    }
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    Ok(history)
}

#[async_trait]
impl EthApiServer for Rpc {
    async fn chain_id(&self) -> RpcResult<U64> {
        Ok(U64::from(self.node().genesis.chain_id))
    }
    async fn net_version(&self) -> RpcResult<String> {
        Ok(self.node().genesis.chain_id.to_string())
    }
    async fn net_listening(&self) -> RpcResult<bool> {
        Ok(true)
    }
    async fn client_version(&self) -> RpcResult<String> {
        Ok(super::CLIENT.to_owned())
    }
    async fn syncing(&self) -> RpcResult<bool> {
        Ok(false)
    }
    async fn accounts(&self) -> RpcResult<Vec<Address>> {
        Ok(Vec::new())
    }
    async fn block_number(&self) -> RpcResult<U64> {
        Ok(U64::from(self.node().disk.snapshot().height()))
    }
    async fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256> {
        Ok(self.account(address, block)?.balance)
    }
    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64> {
        let nonce = self.account(address, block)?.nonce;
        let queued = match block {
            Some(BlockId::Number(Tag::Pending)) => self.node().pool.next_nonce(address),
            _ => None,
        };
        Ok(U64::from(nonce.max(queued.unwrap_or_default())))
    }
    async fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes> {
        Ok(self.find_code(address, block)?)
    }
    async fn storage_at(
        &self,
        address: Address,
        slot: JsonStorageKey,
        block: Option<BlockId>,
    ) -> RpcResult<B256> {
        Ok(self.find_slot(address, slot.as_b256().into(), block).map(B256::from)?)
    }
    async fn proof(&self, _: Address, _: Vec<JsonStorageKey>, _: Option<BlockId>) -> RpcResult<()> {
        let message = "eth_getProof is not supported: the state root is not a Merkle-Patricia trie; \
                       cairn_getProof gives proofs against it";
        Err(error(NOT_SUPPORTED, message))
    }
    async fn gas_price(&self) -> RpcResult<U256> {
        self.heavy(|node| {
            let snapshot = node.disk.snapshot();
            let base_fee = node.next_base_fee(head(&snapshot)?);
            Ok(U256::from(u128::from(base_fee) + suggested_tip(node, &snapshot)?))
        })
        .await
    }
    async fn priority_fee(&self) -> RpcResult<U256> {
        self.heavy(|node| Ok(U256::from(suggested_tip(node, &node.disk.snapshot())?))).await
    }
    async fn fee_history(
        &self,
        blocks: U64,
        newest: Tag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory> {
        self.heavy(move |node| fee_history(node, blocks.to(), newest, percentiles)).await
    }
    async fn blob_base_fee(&self) -> RpcResult<()> {
        Err(error(NOT_SUPPORTED, "eth_blobBaseFee is not supported: there are no blobs (EIP-4844)"))
    }
    async fn sha3(&self, data: Bytes) -> RpcResult<B256> {
        Ok(keccak256(data))
    }
    async fn modules(&self) -> RpcResult<BTreeMap<&'static str, &'static str>> {
        let names = ["cairn", "debug", "eth", "net", "rpc", "txpool", "web3"];
        Ok(names.into_iter().map(|name| (name, "1.0")).collect())
    }
    async fn account_info(
        &self,
        address: Address,
        block: Option<BlockId>,
    ) -> RpcResult<AccountInfo> {
        Ok(self.find_account_info(address, block)?)
    }
    async fn account_with_root(&self, _: Address, _: Option<BlockId>) -> RpcResult<()> {
        let message = "eth_getAccount is not supported: an account has no storage root here; \
                       eth_getAccountInfo gives the rest";
        Err(error(NOT_SUPPORTED, message))
    }
}

impl Rpc {
    fn find_account_info(&self, address: Address, block: Option<BlockId>) -> Answer<AccountInfo> {
        let snapshot = self.node().disk.snapshot();
        let state = state_of(&snapshot, block)?;
        let account = state.account(address)?.unwrap_or_default();
        let code = state.code(account.code_hash)?;
        Ok(AccountInfo { balance: account.balance, nonce: account.nonce, code })
    }

    fn account(&self, address: Address, block: Option<BlockId>) -> Answer<cairn_ledger::Account> {
        let snapshot = self.node().disk.snapshot();
        Ok(state_of(&snapshot, block)?.account(address)?.unwrap_or_default())
    }

    fn find_code(&self, address: Address, block: Option<BlockId>) -> Answer<Bytes> {
        let snapshot = self.node().disk.snapshot();
        let state = state_of(&snapshot, block)?;
        let account = state.account(address)?.unwrap_or_default();
        Ok(state.code(account.code_hash)?)
    }

    fn find_slot(&self, address: Address, slot: U256, block: Option<BlockId>) -> Answer<U256> {
        let snapshot = self.node().disk.snapshot();
        Ok(state_of(&snapshot, block)?.slot(address, slot)?)
    }
}

#[cfg(test)]
mod tests {
    use super::at_percentiles;

    #[test]
    fn percentiles_are_weighted_by_gas() {
        let tips = [(1, 900), (5, 90), (100, 10)];
        assert_eq!(
            at_percentiles(&tips, &[0.0, 50.0, 90.0, 91.0, 99.5, 100.0]),
            [1, 1, 1, 5, 100, 100]
        );
        assert_eq!(at_percentiles(&[], &[50.0]), [0]);
    }
}
