//! Sending: raw transactions, waiting for their receipt, filling in what a request leaves out, and what waits in the pool.

use std::{collections::BTreeMap, time::Duration};

use alloy_consensus::{
    Signed, Transaction as _, TxEip1559, TxEip2930, TxEnvelope, TxLegacy, transaction::Recovered,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, U64, U256};
use alloy_rpc_types_eth::{Transaction, TransactionReceipt, TransactionRequest};
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
    types::ErrorObjectOwned,
};
use serde::Serialize;

use super::{
    Node, Rpc,
    blocks::waiting_view,
    call::{capped, place},
    errors::{Answer, Failure, LIMIT, PARAMS, error},
    eth::{head, suggested_tip},
};

/// How long `eth_sendRawTransactionSync` waits for a receipt when the request does not say.
const SYNC_USUAL: Duration = Duration::from_secs(10);
/// The longest that it waits.
const SYNC_MAX: Duration = Duration::from_secs(20);
/// EIP-7966: the transaction is in the pool, its receipt did not come in time.
const SYNC_TIMEOUT: i32 = 4;
/// EIP-7966: the transaction left the pool without a receipt.
const SYNC_DROPPED: i32 = 5;

/// Number of transactions in the pool.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PoolStatus {
    /// Executable now.
    pub pending: U64,
    /// Behind a gap of nonces.
    pub queued: U64,
}

/// What waits of each sender, by nonce.
type BySender<T> = BTreeMap<Address, BTreeMap<String, T>>;

/// The pool's transactions.
#[derive(Clone, Debug, Serialize)]
pub struct PoolContent<T> {
    /// Executable now.
    pub pending: T,
    /// Behind a gap of nonces.
    pub queued: T,
}

/// A transaction that only lacks its signature.
#[derive(Clone, Debug, Serialize)]
pub struct Filled {
    /// EIP-2718 bytes with an empty signature.
    pub raw: Bytes,
    /// The same, readable.
    pub tx: Transaction,
}

/// Sending, and what waits.
#[rpc(server)]
pub trait SendingApi {
    /// Queues a signed transaction; it is on this node's disk when this returns.
    #[method(name = "eth_sendRawTransaction")]
    async fn send_raw_transaction(&self, raw: Bytes) -> RpcResult<B256>;
    /// The same, and waits for the receipt (EIP-7966).
    #[method(name = "eth_sendRawTransactionSync")]
    async fn send_raw_transaction_sync(
        &self,
        raw: Bytes,
        timeout_ms: Option<TimeoutMs>,
    ) -> RpcResult<TransactionReceipt>;
    /// Fills in nonce, gas and fees.
    #[method(name = "eth_fillTransaction")]
    async fn fill_transaction(&self, request: TransactionRequest) -> RpcResult<Filled>;
    /// Size of the pool.
    #[method(name = "txpool_status")]
    async fn pool_status(&self) -> RpcResult<PoolStatus>;
    /// All transactions of the pool.
    #[method(name = "txpool_content")]
    async fn pool_content(&self) -> RpcResult<PoolContent<BySender<Transaction>>>;
    /// Those of one sender.
    #[method(name = "txpool_contentFrom")]
    async fn pool_content_from(
        &self,
        sender: Address,
    ) -> RpcResult<PoolContent<BTreeMap<String, Transaction>>>;
    /// The pool for people.
    #[method(name = "txpool_inspect")]
    async fn pool_inspect(&self) -> RpcResult<PoolContent<BySender<String>>>;
}

/// Milliseconds, as a number or a quantity: clients differ.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum TimeoutMs {
    /// A JSON number.
    Number(u64),
    /// A hex quantity.
    Quantity(U64),
}

impl TimeoutMs {
    fn duration(self) -> Duration {
        let ms = match self {
            Self::Number(ms) => ms,
            Self::Quantity(ms) => ms.to(),
        };
        Duration::from_millis(ms).min(SYNC_MAX)
    }
}

/// A call as a transaction that nobody signed.
pub(super) fn unsigned(request: &TransactionRequest, chain_id: u64) -> Recovered<TxEnvelope> {
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let nonce = request.nonce.unwrap_or_default();
    let gas_limit = request.gas.unwrap_or_default();
    let to = request.to.unwrap_or_default();
    let value = request.value.unwrap_or_default();
    let input = request.input.input().cloned().unwrap_or_default();
    let envelope = match (request.gas_price, request.access_list.clone()) {
        (Some(gas_price), None) => {
            let chain_id = Some(chain_id);
            let tx = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
            TxEnvelope::Legacy(Signed::new_unhashed(tx, signature))
        }
        (Some(gas_price), Some(access_list)) => {
            let tx =
                TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
            TxEnvelope::Eip2930(Signed::new_unhashed(tx, signature))
        }
        (None, access_list) => {
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: request.max_fee_per_gas.unwrap_or_default(),
                max_priority_fee_per_gas: request.max_priority_fee_per_gas.unwrap_or_default(),
                to,
                value,
                access_list: access_list.unwrap_or_default(),
                input,
            };
            TxEnvelope::Eip1559(Signed::new_unhashed(tx, signature))
        }
    };
    Recovered::new_unchecked(envelope, request.from.unwrap_or_default())
}

/// Fills in what a request leaves out.
fn fill(node: &Node, mut request: TransactionRequest) -> Answer<Filled> {
    let chain_id = node.genesis.chain_id;
    if let Some(other) = request.chain_id.filter(|id| *id != chain_id) {
        let message = format!("chainId does not match node's (have={other}, want={chain_id})");
        return Err(error(PARAMS, message).into());
    }
    if request.gas_price.is_some()
        && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        let message = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        return Err(error(PARAMS, message).into());
    }
    let snapshot = node.disk.snapshot();
    let from = *request.from.get_or_insert_default();
    let (state, env) = place(node, &snapshot, None)?;
    if request.nonce.is_none() {
        let account = cairn_ledger::State::account(&state, from)?.unwrap_or_default();
        let queued = node.pool.next_nonce(from).unwrap_or_default();
        request.nonce = Some(account.nonce.max(queued));
    }
    if request.gas_price.is_none() {
        let tip = match request.max_priority_fee_per_gas {
            Some(tip) => tip,
            None => suggested_tip(node, &snapshot)?,
        };
        let base = u128::from(node.next_base_fee(head(&snapshot)?));
        request.max_priority_fee_per_gas = Some(tip);
        // Twice the base fee outlives five full blocks.
        let fee =
            request.max_fee_per_gas.unwrap_or_else(|| base.saturating_mul(2).saturating_add(tip));
        if fee < tip {
            let message = format!("maxFeePerGas ({fee}) < maxPriorityFeePerGas ({tip})");
            return Err(error(PARAMS, message).into());
        }
        request.max_fee_per_gas = Some(fee);
    }
    if request.gas.is_none() {
        // The nonce may be ahead of the state; estimates do not look at it.
        let gas = node.ledger.estimate_gas(&state, &env, &capped(node, request.clone()), None)?;
        request.gas = Some(gas);
    }
    request.to.get_or_insert_default();
    let filled = unsigned(&request, chain_id);
    Ok(Filled { raw: filled.inner().encoded_2718().into(), tx: waiting_view(filled) })
}

/// One line of `txpool_inspect`, in geth's words.
fn line(transaction: &Recovered<TxEnvelope>) -> String {
    let to = transaction.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    format!(
        "{to}: {} wei + {} gas × {} wei",
        transaction.value(),
        transaction.gas_limit(),
        transaction.max_fee_per_gas()
    )
}

fn content<T>(
    node: &Node,
    sender: Option<Address>,
    view: impl Fn(Recovered<TxEnvelope>) -> T,
) -> PoolContent<BySender<T>> {
    let mut content = PoolContent { pending: BySender::new(), queued: BySender::new() };
    for (runs_now, transaction) in node.pool.content(sender) {
        let group = if runs_now { &mut content.pending } else { &mut content.queued };
        let (from, nonce) = (transaction.signer(), transaction.nonce().to_string());
        group.entry(from).or_default().insert(nonce, view(transaction));
    }
    content
}

/// A refusal of EIP-7966 that names the transaction.
fn without_receipt(code: i32, message: String, hash: B256) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message, Some(hash))
}

impl Rpc {
    /// Into the pool and onto the disk.
    async fn send(&self, raw: Bytes) -> RpcResult<B256> {
        let node = self.node();
        let sent = tokio::time::timeout(node.config.deadline, node.pool.send(raw));
        let sent = sent.await.map_err(|_| error(LIMIT, "request timed out"))?;
        Ok(sent.map_err(Failure::from)?)
    }
}

#[async_trait]
impl SendingApiServer for Rpc {
    async fn send_raw_transaction(&self, raw: Bytes) -> RpcResult<B256> {
        self.send(raw).await
    }
    async fn send_raw_transaction_sync(
        &self,
        raw: Bytes,
        timeout_ms: Option<TimeoutMs>,
    ) -> RpcResult<TransactionReceipt> {
        let wait = timeout_ms.map_or(SYNC_USUAL, TimeoutMs::duration);
        // Before it is sent, so that no block between is missed.
        let mut heights = self.node().disk.heights();
        let hash = self.send(raw).await?;
        let receipt = async {
            loop {
                // The pool first: what leaves it between the two reads is then found in the newer snapshot.
                let waits = self.node().pool.get(hash).is_some();
                if let Some(receipt) = self.find_receipt(hash).map_err(|failure| failure.0)? {
                    return Ok(receipt);
                }
                if !waits {
                    let message = "the transaction left the pool without a receipt".to_owned();
                    return Err(without_receipt(SYNC_DROPPED, message, hash));
                }
                if heights.changed().await.is_err() {
                    return Err(without_receipt(SYNC_TIMEOUT, "the node stops".to_owned(), hash));
                }
            }
        };
        tokio::time::timeout(wait, receipt).await.unwrap_or_else(|_| {
            let message = format!(
                "The transaction was added to the mempool but wasn't processed within {} ms",
                wait.as_millis()
            );
            Err(without_receipt(SYNC_TIMEOUT, message, hash))
        })
    }
    async fn fill_transaction(&self, request: TransactionRequest) -> RpcResult<Filled> {
        self.compute(move |node| fill(node, request)).await
    }
    async fn pool_status(&self) -> RpcResult<PoolStatus> {
        let (pending, queued) = self.node().pool.counts();
        let count = |n: usize| U64::from(u64::try_from(n).unwrap_or(u64::MAX));
        Ok(PoolStatus { pending: count(pending), queued: count(queued) })
    }
    async fn pool_content(&self) -> RpcResult<PoolContent<BySender<Transaction>>> {
        self.heavy(|node| Ok(content(node, None, waiting_view))).await
    }
    async fn pool_content_from(
        &self,
        sender: Address,
    ) -> RpcResult<PoolContent<BTreeMap<String, Transaction>>> {
        self.heavy(move |node| {
            let PoolContent { mut pending, mut queued } = content(node, Some(sender), waiting_view);
            let of = |group: &mut BySender<Transaction>| group.remove(&sender).unwrap_or_default();
            Ok(PoolContent { pending: of(&mut pending), queued: of(&mut queued) })
        })
        .await
    }
    async fn pool_inspect(&self) -> RpcResult<PoolContent<BySender<String>>> {
        self.heavy(|node| Ok(content(node, None, |transaction| line(&transaction)))).await
    }
}
