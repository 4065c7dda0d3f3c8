//! Blocks, transactions and receipts as clients want them.
//!
//! `latest`, `safe`, `finalized` and `pending` all name the last final block: there is nothing after it that could be undone.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_eips::{BlockId, BlockNumberOrTag as Tag, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes, U64, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
};

use super::{
    Rpc,
    errors::{Answer, NOT_FOUND, error},
};
use crate::disk::{Snapshot, StoredBlock, StoredReceipt};

/// Blocks and what is in them.
#[rpc(server)]
pub trait BlocksApi {
    /// A block by height or tag.
    #[method(name = "eth_getBlockByNumber")]
    async fn block_by_number(&self, block: Tag, full: Option<bool>) -> RpcResult<Option<Block>>;
    /// A block by hash.
    #[method(name = "eth_getBlockByHash")]
    async fn block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<Block>>;
    /// Number of transactions in a block.
    #[method(name = "eth_getBlockTransactionCountByNumber")]
    async fn count_by_number(&self, block: Tag) -> RpcResult<Option<U64>>;
    /// Number of transactions in a block.
    #[method(name = "eth_getBlockTransactionCountByHash")]
    async fn count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;
    /// There are no uncles: the protocol has none.
    #[method(name = "eth_getUncleCountByBlockNumber")]
    async fn uncles_by_number(&self, block: Tag) -> RpcResult<Option<U64>>;
    /// There are no uncles: the protocol has none.
    #[method(name = "eth_getUncleCountByBlockHash")]
    async fn uncles_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;
    /// There are no uncles: always null.
    #[method(name = "eth_getUncleByBlockNumberAndIndex")]
    async fn uncle_by_number(&self, block: Tag, index: U64) -> RpcResult<Option<Block>>;
    /// There are no uncles: always null.
    #[method(name = "eth_getUncleByBlockHashAndIndex")]
    async fn uncle_by_hash(&self, hash: B256, index: U64) -> RpcResult<Option<Block>>;
    /// All receipts of a block.
    #[method(name = "eth_getBlockReceipts")]
    async fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>>;
    /// A transaction by its place.
    #[method(name = "eth_getTransactionByBlockNumberAndIndex")]
    async fn transaction_by_number(&self, block: Tag, index: U64)
    -> RpcResult<Option<Transaction>>;
    /// A transaction by its place.
    #[method(name = "eth_getTransactionByBlockHashAndIndex")]
    async fn transaction_by_block_hash(
        &self,
        hash: B256,
        index: U64,
    ) -> RpcResult<Option<Transaction>>;
    /// A transaction by hash, in a block or still waiting.
    #[method(name = "eth_getTransactionByHash")]
    async fn transaction(&self, hash: B256) -> RpcResult<Option<Transaction>>;
    /// The receipt of an executed transaction.
    #[method(name = "eth_getTransactionReceipt")]
    async fn receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>>;
    /// RLP of a header.
    #[method(name = "debug_getRawHeader")]
    async fn raw_header(&self, block: BlockId) -> RpcResult<Bytes>;
    /// RLP of a block.
    #[method(name = "debug_getRawBlock")]
    async fn raw_block(&self, block: BlockId) -> RpcResult<Bytes>;
    /// EIP-2718 receipts of a block.
    #[method(name = "debug_getRawReceipts")]
    async fn raw_receipts(&self, block: BlockId) -> RpcResult<Vec<Bytes>>;
    /// EIP-2718 bytes of a transaction.
    #[method(name = "debug_getRawTransaction")]
    async fn raw_transaction(&self, hash: B256) -> RpcResult<Option<Bytes>>;
}

/// The height that a tag or a hash names; `None` for blocks that do not exist.
pub(super) fn height_of(snapshot: &Snapshot, block: BlockId) -> Answer<Option<u64>> {
    Ok(match block {
        BlockId::Hash(hash) => snapshot.height_of(hash.block_hash)?,
        BlockId::Number(Tag::Number(height)) => (height <= snapshot.height()).then_some(height),
        BlockId::Number(Tag::Earliest) => Some(0),
        BlockId::Number(_) => Some(snapshot.height()),
    })
}

/// As `height_of`, for methods where a block that does not exist is an error.
pub(super) fn height_or_error(snapshot: &Snapshot, block: BlockId) -> Answer<u64> {
    height_of(snapshot, block)?.ok_or_else(|| error(NOT_FOUND, "header not found").into())
}

fn stored(snapshot: &Snapshot, block: BlockId) -> Answer<Option<StoredBlock>> {
    match height_of(snapshot, block)? {
        Some(height) => Ok(snapshot.block(height)?),
        None => Ok(None),
    }
}

/// A block as clients want it.
pub(super) fn block_view(block: &StoredBlock, full: bool) -> Block {
    let mut header = Header::new(block.header.clone());
    header.size = Some(U256::from(raw_block(block).len()));
    let transactions = if full {
        let place = |(index, tx): (u64, &Recovered<TxEnvelope>)| {
            transaction_view(block.hash, &block.header, index, tx.clone())
        };
        BlockTransactions::Full((0..).zip(&block.transactions).map(place).collect())
    } else {
        BlockTransactions::Hashes(
            block.transactions.iter().map(|tx| *tx.inner().tx_hash()).collect(),
        )
    };
    let withdrawals =
        block.header.withdrawals_root.map(|_| alloy_rpc_types_eth::Withdrawals::default());
    Block { header, uncles: Vec::new(), transactions, withdrawals }
}

fn transaction_view(
    block_hash: B256,
    header: &alloy_consensus::Header,
    index: u64,
    transaction: Recovered<TxEnvelope>,
) -> Transaction {
    Transaction {
        effective_gas_price: Some(transaction.effective_gas_price(header.base_fee_per_gas)),
        inner: transaction,
        block_hash: Some(block_hash),
        block_number: Some(header.number),
        transaction_index: Some(index),
        block_timestamp: Some(header.timestamp),
    }
}

/// A transaction that is in no block.
pub(super) fn waiting_view(inner: Recovered<TxEnvelope>) -> Transaction {
    Transaction {
        inner,
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    }
}

/// The logs of one receipt with their place in the ledger.
pub(super) fn log_views(
    block_hash: B256,
    header: &alloy_consensus::Header,
    transaction: (u64, B256),
    receipt: StoredReceipt,
) -> TransactionReceiptEnvelope {
    let mut log_index = u64::from(receipt.first_log);
    receipt.receipt.map_logs(|inner| {
        let log = Log {
            inner,
            block_hash: Some(block_hash),
            block_number: Some(header.number),
            block_timestamp: Some(header.timestamp),
            transaction_hash: Some(transaction.1),
            transaction_index: Some(transaction.0),
            log_index: Some(log_index),
            removed: false,
        };
        log_index += 1;
        log
    })
}

type TransactionReceiptEnvelope = alloy_consensus::ReceiptEnvelope<Log>;

fn receipt_view(
    block_hash: B256,
    header: &alloy_consensus::Header,
    index: u64,
    transaction: &Recovered<TxEnvelope>,
    receipt: StoredReceipt,
) -> TransactionReceipt {
    let hash = *transaction.inner().tx_hash();
    let from = transaction.signer();
    let created = transaction.to().is_none().then(|| from.create(transaction.nonce()));
    TransactionReceipt {
        gas_used: receipt.gas_used,
        inner: log_views(block_hash, header, (index, hash), receipt),
        transaction_hash: hash,
        transaction_index: Some(index),
        block_hash: Some(block_hash),
        block_number: Some(header.number),
        effective_gas_price: transaction.effective_gas_price(header.base_fee_per_gas),
        blob_gas_used: None,
        blob_gas_price: None,
        from,
        to: transaction.to(),
        contract_address: created,
    }
}

fn raw_block(block: &StoredBlock) -> Vec<u8> {
    let body = alloy_consensus::BlockBody {
        transactions: block.transactions.iter().map(|tx| tx.inner().clone()).collect(),
        ommers: Vec::new(),
        withdrawals: block
            .header
            .withdrawals_root
            .map(|_| alloy_rpc_types_eth::Withdrawals::default()),
    };
    let mut bytes = Vec::new();
    alloy_consensus::Block { header: block.header.clone(), body }.encode(&mut bytes);
    bytes
}

fn by_place(snapshot: &Snapshot, block: BlockId, index: U64) -> Answer<Option<Transaction>> {
    let Some(height) = height_of(snapshot, block)? else { return Ok(None) };
    let Ok(index) = u32::try_from(index.to::<u64>()) else { return Ok(None) };
    at_position(snapshot, (height, index))
}

fn at_position(snapshot: &Snapshot, position: (u64, u32)) -> Answer<Option<Transaction>> {
    let Some(transaction) = snapshot.transaction(position)? else { return Ok(None) };
    let Some((hash, header)) = snapshot.header(position.0)? else { return Ok(None) };
    Ok(Some(transaction_view(hash, &header, position.1.into(), transaction)))
}

#[async_trait]
impl BlocksApiServer for Rpc {
    async fn block_by_number(&self, block: Tag, full: Option<bool>) -> RpcResult<Option<Block>> {
        let full = full.unwrap_or(false);
        self.heavy(move |node| {
            Ok(stored(&node.disk.snapshot(), block.into())?.map(|b| block_view(&b, full)))
        })
        .await
    }
    async fn block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<Block>> {
        let full = full.unwrap_or(false);
        self.heavy(move |node| {
            Ok(stored(&node.disk.snapshot(), hash.into())?.map(|b| block_view(&b, full)))
        })
        .await
    }
    async fn count_by_number(&self, block: Tag) -> RpcResult<Option<U64>> {
        Ok(self.count(block.into())?)
    }
    async fn count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        Ok(self.count(hash.into())?)
    }
    async fn uncles_by_number(&self, block: Tag) -> RpcResult<Option<U64>> {
        Ok(self.count(block.into())?.map(|_| U64::ZERO))
    }
    async fn uncles_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        Ok(self.count(hash.into())?.map(|_| U64::ZERO))
    }
    async fn uncle_by_number(&self, _: Tag, _: U64) -> RpcResult<Option<Block>> {
        Ok(None)
    }
    async fn uncle_by_hash(&self, _: B256, _: U64) -> RpcResult<Option<Block>> {
        Ok(None)
    }
    async fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>> {
        self.heavy(move |node| {
            let snapshot = node.disk.snapshot();
            let Some(block) = stored(&snapshot, block)? else { return Ok(None) };
            let receipts = snapshot.receipts(block.header.number)?;
            let rows = (0..).zip(&block.transactions).zip(receipts);
            let view = |((index, tx), receipt): ((u64, &Recovered<TxEnvelope>), _)| {
                receipt_view(block.hash, &block.header, index, tx, receipt)
            };
            Ok(Some(rows.map(view).collect()))
        })
        .await
    }
    async fn transaction_by_number(
        &self,
        block: Tag,
        index: U64,
    ) -> RpcResult<Option<Transaction>> {
        Ok(by_place(&self.node().disk.snapshot(), block.into(), index)?)
    }
    async fn transaction_by_block_hash(
        &self,
        hash: B256,
        index: U64,
    ) -> RpcResult<Option<Transaction>> {
        Ok(by_place(&self.node().disk.snapshot(), hash.into(), index)?)
    }
    async fn transaction(&self, hash: B256) -> RpcResult<Option<Transaction>> {
        Ok(self.find_transaction(hash)?)
    }
    async fn receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>> {
        Ok(self.find_receipt(hash)?)
    }
    async fn raw_header(&self, block: BlockId) -> RpcResult<Bytes> {
        Ok(self.find_header(block).map(|header| alloy_rlp::encode(&header).into())?)
    }
    async fn raw_block(&self, block: BlockId) -> RpcResult<Bytes> {
        self.heavy(move |node| {
            let block = stored(&node.disk.snapshot(), block)?;
            block
                .map(|b| raw_block(&b).into())
                .ok_or_else(|| error(NOT_FOUND, "header not found").into())
        })
        .await
    }
    async fn raw_receipts(&self, block: BlockId) -> RpcResult<Vec<Bytes>> {
        self.heavy(move |node| {
            let snapshot = node.disk.snapshot();
            let receipts = snapshot.receipts(height_or_error(&snapshot, block)?)?;
            Ok(receipts.iter().map(|receipt| receipt.receipt.encoded_2718().into()).collect())
        })
        .await
    }
    async fn raw_transaction(&self, hash: B256) -> RpcResult<Option<Bytes>> {
        Ok(self.find_transaction(hash)?.map(|tx| tx.inner.inner().encoded_2718().into()))
    }
}

impl Rpc {
    fn count(&self, block: BlockId) -> Answer<Option<U64>> {
        let snapshot = self.node().disk.snapshot();
        match height_of(&snapshot, block)? {
            Some(height) => Ok(Some(U64::from(snapshot.transaction_count(height)?))),
            None => Ok(None),
        }
    }

    fn find_header(&self, block: BlockId) -> Answer<alloy_consensus::Header> {
        let snapshot = self.node().disk.snapshot();
        let header = snapshot.header(height_or_error(&snapshot, block)?)?;
        header.map(|(_, header)| header).ok_or_else(|| error(NOT_FOUND, "header not found").into())
    }

    pub(super) fn find_transaction(&self, hash: B256) -> Answer<Option<Transaction>> {
        // The pool first: what leaves it between the two reads is then found in the newer snapshot.
        let waiting = self.node().pool.get(hash);
        let snapshot = self.node().disk.snapshot();
        if let Some(position) = snapshot.position(hash)? {
            return at_position(&snapshot, position);
        }
        Ok(waiting.map(waiting_view))
    }

    pub(super) fn find_receipt(&self, hash: B256) -> Answer<Option<TransactionReceipt>> {
        let snapshot = self.node().disk.snapshot();
        let Some(position) = snapshot.position(hash)? else { return Ok(None) };
        let parts = (
            snapshot.transaction(position)?,
            snapshot.receipt(position)?,
            snapshot.header(position.0)?,
        );
        let (Some(transaction), Some(receipt), Some((hash, header))) = parts else {
            return Ok(None);
        };
        Ok(Some(receipt_view(hash, &header, position.1.into(), &transaction, receipt)))
    }
}
