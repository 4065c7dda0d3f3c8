//! JSON-RPC over HTTP to a node: deadlines, retries of what may be repeated, reverts as typed errors.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, TxHash, U64, U256};
use cairn_primitives::{Stones, TimeMs};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Backoff, BlockTag, ClientError, Head, LedgerRead, LogFilter, LogRecord, Revert, read::stones,
    wallet::Call,
};

/// Longest time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts for a request that may be repeated.
const ATTEMPTS: u32 = 5;
/// First and longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// The receipt of a transaction, as JSON-RPC gives it.
pub type TransactionReceipt = alloy_rpc_types_eth::TransactionReceipt;

/// A node's public JSON-RPC; clones share connections.
#[derive(Clone, Debug)]
pub struct LedgerClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    url: String,
    http: reqwest::Client,
    next_id: AtomicU64,
    chain_id: OnceLock<u64>,
    time_scale: OnceLock<u64>,
}

#[derive(Deserialize)]
struct RpcAnswer {
    #[serde(default)]
    result: Value,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    message: String,
    #[serde(default)]
    data: Value,
}

impl LedgerClient {
    /// A client of the node at `url`, e.g. `http://127.0.0.1:8545`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the HTTP library cannot start.
    pub fn new(url: impl Into<String>) -> Result<Self, ClientError> {
        let url = url.into();
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|source| ClientError::Transport { url: url.clone(), source })?;
        let (chain_id, time_scale) = (OnceLock::new(), OnceLock::new());
        let inner = Inner { url, http, next_id: AtomicU64::new(1), chain_id, time_scale };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where the node is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// One request, once.
    async fn request_once(
        &self,
        method: &'static str,
        params: &Value,
        to: Option<Address>,
    ) -> Result<Value, ClientError> {
        let Inner { url, http, next_id, .. } = &*self.inner;
        let transport = |source| ClientError::Transport { url: url.clone(), source };
        let id = next_id.fetch_add(1, Ordering::Relaxed);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let response = http.post(url).json(&body).send().await.map_err(transport)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(transport)?;
        let Ok(answer) = serde_json::from_slice::<RpcAnswer>(&bytes) else {
            return Err(ClientError::Status { url: url.clone(), method, status: status.as_u16() });
        };
        match answer.error {
            None => Ok(answer.result),
            Some(error) => Err(rpc_error(method, error, to)),
        }
    }

    /// A request that may be repeated: tried until it succeeds, fails for good, or the attempts are used up.
    async fn request<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
        to: Option<Address>,
    ) -> Result<T, ClientError> {
        let mut pauses = Backoff::new(PAUSES.0, PAUSES.1, ATTEMPTS);
        let value = loop {
            match self.request_once(method, &params, to).await {
                Ok(value) => break value,
                Err(error) if error.is_retryable() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        };
        serde_json::from_value(value).map_err(|error| ClientError::decode(method, error))
    }

    /// EIP-155 chain id; asked once.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn chain_id(&self) -> Result<u64, ClientError> {
        if let Some(known) = self.inner.chain_id.get() {
            return Ok(*known);
        }
        let id: U64 = self.request("eth_chainId", json!([]), None).await?;
        Ok(*self.inner.chain_id.get_or_init(|| id.to()))
    }

    /// Network milliseconds of a millisecond, 1 but in a replay; asked once.
    ///
    /// # Errors
    /// When the node does not answer or is no node of Cairn.
    pub async fn time_scale(&self) -> Result<u64, ClientError> {
        if let Some(known) = self.inner.time_scale.get() {
            return Ok(*known);
        }
        let status: Value = self.request("cairn_status", json!([]), None).await?;
        let scale = status["timeScale"].as_u64().unwrap_or(1);
        Ok(*self.inner.time_scale.get_or_init(|| scale))
    }

    /// The exact text of genesis, whose hash names the network.
    ///
    /// # Errors
    /// When the node does not answer or is no node of Cairn.
    pub async fn genesis(&self) -> Result<String, ClientError> {
        self.request("cairn_genesis", json!([]), None).await
    }

    /// Where the node serves the files of final epochs; `None` when it serves none.
    ///
    /// # Errors
    /// When the node does not answer or is no node of Cairn.
    pub async fn archive_url(&self) -> Result<Option<String>, ClientError> {
        let status: Value = self.request("cairn_status", json!([]), None).await?;
        Ok(status["archive"].as_str().map(str::to_owned))
    }

    /// A light proof of what `asked` names (docs/spec/proofs.md), unchecked: `light::check_object` checks it.
    ///
    /// # Errors
    /// When the node does not answer, or does not have it.
    pub async fn proof(&self, asked: &Value) -> Result<Value, ClientError> {
        self.request("cairn_getProof", json!([asked]), None).await
    }

    /// RLP of a block.
    ///
    /// # Errors
    /// When the node does not answer, or does not keep it.
    pub async fn raw_block(&self, height: u64) -> Result<Bytes, ClientError> {
        self.request("debug_getRawBlock", json!([U64::from(height)]), None).await
    }

    /// EIP-2718 bytes of a block's receipts.
    ///
    /// # Errors
    /// When the node does not answer, or does not keep them.
    pub async fn raw_receipts(&self, height: u64) -> Result<Vec<Bytes>, ClientError> {
        self.request("debug_getRawReceipts", json!([U64::from(height)]), None).await
    }

    /// The reality page of the epochs `from` to `to` as the node serves it (docs/spec/reality.md), unchecked.
    ///
    /// # Errors
    /// When the node does not answer, is still reading its blocks (code -32005), or has not everything.
    pub async fn reality(&self, from: Option<u64>, to: Option<u64>) -> Result<Value, ClientError> {
        let params = json!([from.map(U64::from), to.map(U64::from)]);
        self.request("cairn_getReality", params, None).await
    }

    /// Height of the last final block.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn block_number(&self) -> Result<u64, ClientError> {
        Ok(self.request::<U64>("eth_blockNumber", json!([]), None).await?.to())
    }

    /// The nonce of the next transaction of `account`; with `pending` those that wait for a block are counted.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn nonce(&self, account: Address, pending: bool) -> Result<u64, ClientError> {
        let tag = if pending { "pending" } else { "latest" };
        Ok(self.request::<U64>("eth_getTransactionCount", json!([account, tag]), None).await?.to())
    }

    /// Gas that `call` from `from` would use now.
    ///
    /// # Errors
    /// The revert, if it would revert.
    pub async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, ClientError> {
        let params = json!([{"from": from, "to": call.to, "value": call.value, "data": call.data}]);
        Ok(self.request::<U64>("eth_estimateGas", params, call.to).await?.to())
    }

    /// Runs `call` from `from` in the state of block `at` without sending it.
    ///
    /// # Errors
    /// The revert, if it reverts.
    pub async fn simulate(
        &self,
        from: Address,
        call: &Call,
        at: BlockTag,
    ) -> Result<Bytes, ClientError> {
        let params =
            json!([{"from": from, "to": call.to, "value": call.value, "data": call.data}, tag(at)]);
        self.request("eth_call", params, call.to).await
    }

    /// Hands a signed transaction to the node. Not repeated here: the caller decides with the nonce in hand.
    ///
    /// # Errors
    /// Why the node does not take it.
    pub async fn send_raw(&self, raw: &[u8]) -> Result<TxHash, ClientError> {
        let params = json!([Bytes::copy_from_slice(raw)]);
        let value = self.request_once("eth_sendRawTransaction", &params, None).await?;
        serde_json::from_value(value)
            .map_err(|error| ClientError::decode("eth_sendRawTransaction", error))
    }

    /// The receipt of a transaction; `None` while it is in no block.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn receipt(&self, hash: TxHash) -> Result<Option<TransactionReceipt>, ClientError> {
        self.request("eth_getTransactionReceipt", json!([hash]), None).await
    }

    /// Whether the node has a transaction, in a block or waiting for one.
    pub(crate) async fn knows(&self, hash: TxHash) -> Result<bool, ClientError> {
        let found: Value = self.request("eth_getTransactionByHash", json!([hash]), None).await?;
        Ok(!found.is_null())
    }

    /// Why a transaction in a block had no effect, where the node traces: the machine's word for it, and what was returned.
    pub(crate) async fn failure(&self, hash: TxHash) -> Result<Failure, ClientError> {
        let params =
            json!([hash, { "tracer": "callTracer", "tracerConfig": { "onlyTopCall": true } }]);
        self.request("debug_traceTransaction", params, None).await
    }
}

/// The outermost call of a trace.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Failure {
    /// `out of gas`, `execution reverted` and the like.
    pub error: String,
    /// The revert's data.
    pub output: Bytes,
}

/// A JSON-RPC error; code 3 with data is a revert (geth's shape).
fn rpc_error(method: &'static str, error: RpcError, to: Option<Address>) -> ClientError {
    let data = error.data.as_str().or_else(|| error.data.get("data").and_then(Value::as_str));
    let data = data.and_then(|text| text.parse::<Bytes>().ok());
    match data {
        Some(data) if error.code == 3 || error.message.contains("revert") => {
            ClientError::Reverted(Box::new(Revert::decode(to, data)))
        }
        None if error.code == 3 => {
            ClientError::Reverted(Box::new(Revert::decode(to, Bytes::new())))
        }
        _ => ClientError::Rpc { method, code: error.code, message: error.message },
    }
}

fn tag(at: BlockTag) -> Value {
    match at {
        BlockTag::Latest => json!("latest"),
        BlockTag::Number(number) => json!(U64::from(number)),
    }
}

/// Network time of a header: 8 big-endian bytes of extra data, else its seconds.
#[must_use]
pub fn time_of(header: &alloy_consensus::Header) -> TimeMs {
    let millis = <[u8; 8]>::try_from(header.extra_data.as_ref()).map(u64::from_be_bytes);
    TimeMs(millis.unwrap_or_else(|_| header.timestamp.saturating_mul(1_000)))
}

impl LedgerRead for LedgerClient {
    async fn eth_call(&self, to: Address, data: Bytes, at: BlockTag) -> Result<Bytes, ClientError> {
        self.request("eth_call", json!([{"to": to, "data": data}, tag(at)]), Some(to)).await
    }

    async fn head(&self, at: BlockTag) -> Result<Option<Head>, ClientError> {
        let header: Option<alloy_rpc_types_eth::Header> =
            self.request("eth_getBlockByNumber", json!([tag(at), false]), None).await?;
        Ok(header.map(|header| Head {
            number: header.inner.number,
            hash: header.hash,
            time: time_of(&header.inner),
            base_fee: header.inner.base_fee_per_gas.unwrap_or_default(),
            state_root: header.inner.state_root,
            gas_used: header.inner.gas_used,
        }))
    }

    async fn balance(&self, account: Address, at: BlockTag) -> Result<Stones, ClientError> {
        stones(
            "eth_getBalance",
            self.request::<U256>("eth_getBalance", json!([account, tag(at)]), None).await?,
        )
    }

    async fn logs(&self, filter: LogFilter) -> Result<Vec<LogRecord>, ClientError> {
        let mut query = json!({"fromBlock": U64::from(filter.from), "topics": filter.topics});
        query["toBlock"] = filter.to.map_or(json!("latest"), |to| json!(U64::from(to)));
        if let Some(address) = filter.address {
            query["address"] = json!(address);
        }
        let logs: Vec<alloy_rpc_types_eth::Log> =
            self.request("eth_getLogs", json!([query]), None).await?;
        let record = |log: alloy_rpc_types_eth::Log| LogRecord {
            address: log.inner.address,
            topics: log.inner.data.topics().to_vec(),
            data: log.inner.data.data.clone(),
            block: log.block_number.unwrap_or_default(),
            transaction: log.transaction_hash.unwrap_or(B256::ZERO),
            index: log.log_index.unwrap_or_default(),
        };
        Ok(logs.into_iter().map(record).collect())
    }
}

#[cfg(test)]
mod tests;
