//! The client and the sender against a small JSON-RPC server that keeps nonces like a node.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Mutex, atomic::AtomicU32},
};

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable as _};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_sol_types::{SolCall as _, SolError as _, SolValue as _};
use axum::{
    Json, Router, extract::State, http::StatusCode, response::IntoResponse as _, routing::post,
};
use cairn_primitives::abi::{self, ICredits, IEconomy, IRegistry, IRewards};
use tokio::net::TcpListener;

use super::*;
use crate::{Fees, Reads as _, Sender, Wallet};

/// What the server knows.
#[derive(Default)]
struct Node {
    /// Transactions by sender and nonce.
    pool: Mutex<BTreeMap<u64, TxEnvelope>>,
    requests: AtomicU32,
    /// Requests that fail with status 503 before anything is answered.
    failing: AtomicU32,
    /// Answers of `eth_sendRawTransaction` that are lost although the transaction is taken.
    losing: AtomicU32,
    /// Transactions whose nonce goes to another one of the account, from elsewhere.
    taking: AtomicU32,
    /// Transactions that are taken and dropped.
    dropping: AtomicU32,
}

/// Counts down; whether there was something left.
fn one_of(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
}

async fn serve(
    State(node): State<Arc<Node>>,
    Json(request): Json<Value>,
) -> axum::response::Response {
    node.requests.fetch_add(1, Ordering::Relaxed);
    if one_of(&node.failing) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let answer = match answer(&node, request["method"].as_str().unwrap(), &request["params"]) {
        Ok(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": request["id"], "error": error}),
    };
    if request["method"] == "eth_sendRawTransaction" && one_of(&node.losing) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    Json(answer).into_response()
}

fn answer(node: &Node, method: &str, params: &Value) -> Result<Value, Value> {
    let pool = || node.pool.lock().unwrap();
    match method {
        "eth_chainId" => Ok(json!("0x539")),
        "eth_blockNumber" => Ok(json!("0x7")),
        "eth_getBalance" => Ok(json!("0xde0b6b3a7640000")),
        "eth_estimateGas" => Ok(json!("0x5208")),
        "eth_getTransactionCount" => Ok(json!(U64::from(pool().len()))),
        "eth_getBlockByNumber" => Ok(block()),
        "eth_sendRawTransaction" => {
            let raw: Bytes = params[0].as_str().unwrap().parse().unwrap();
            let transaction = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
            let (nonce, hash) = (transaction.nonce(), *transaction.tx_hash());
            let next = pool().len() as u64;
            match pool().get(&nonce) {
                Some(known) if *known.tx_hash() == hash => {
                    return Err(json!({"code": -32000, "message": "already known"}));
                }
                _ if nonce != next => {
                    return Err(
                        json!({"code": -32000, "message": format!("nonce {nonce} is not {next}")}),
                    );
                }
                _ if one_of(&node.dropping) => return Ok(json!(hash)),
                _ => {}
            }
            let other = || {
                let wallet = Wallet::from_secret(&[0x47; 32]).unwrap();
                let call = Call::transfer(Address::ZERO, Stones(1));
                let sent = wallet.sign_transaction(1337, nonce, 21_000, Fees::default(), &call);
                TxEnvelope::decode_2718(&mut sent.unwrap().raw.as_slice()).unwrap()
            };
            let included = if one_of(&node.taking) { other() } else { transaction };
            pool().insert(nonce, included);
            Ok(json!(hash))
        }
        "eth_getTransactionReceipt" => {
            let hash: B256 = serde_json::from_value(params[0].clone()).unwrap();
            let pool = pool();
            Ok(pool.values().find(|t| *t.tx_hash() == hash).map_or(Value::Null, receipt_of))
        }
        "eth_getTransactionByHash" => {
            let hash: B256 = serde_json::from_value(params[0].clone()).unwrap();
            Ok(json!(pool().values().find(|t| *t.tx_hash() == hash)))
        }
        "eth_call" => call(&params[0]),
        other => Err(json!({"code": -32601, "message": format!("no method {other}")})),
    }
}

fn block() -> Value {
    let zero = B256::ZERO;
    json!({
        "number": "0x7", "hash": B256::repeat_byte(7), "parentHash": zero, "sha3Uncles": zero, "miner": Address::ZERO,
        "stateRoot": B256::repeat_byte(9), "transactionsRoot": zero, "receiptsRoot": zero,
        "logsBloom": format!("0x{}", "00".repeat(256)), "difficulty": "0x0", "gasLimit": "0x1c9c380", "gasUsed": "0x5",
        "timestamp": "0x4", "extraData": "0x000000000000138f", "mixHash": zero, "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x64", "transactions": [], "uncles": []
    })
}

/// Calls of the registry fail on the ledger; mints emit their event.
fn receipt_of(transaction: &TxEnvelope) -> Value {
    let to = transaction.to().unwrap();
    let succeeded = to != abi::REGISTRY;
    let log = |account: Address| {
        let event = ICredits::Minted {
            account,
            stones: U256::ONE,
            credits: U256::from(250_000),
            priceMicroUsd: 1,
        };
        let data = alloy_sol_types::SolEvent::encode_log_data(&event);
        json!({
            "address": to, "topics": data.topics(), "data": data.data, "blockNumber": "0x7", "transactionIndex": "0x0",
            "transactionHash": transaction.tx_hash(), "blockHash": B256::repeat_byte(7), "logIndex": "0x0", "removed": false
        })
    };
    let from = transaction.recover_signer().unwrap();
    let logs = if to == abi::CREDITS { vec![log(from)] } else { Vec::new() };
    json!({
        "type": "0x2", "status": if succeeded { "0x1" } else { "0x0" }, "transactionHash": transaction.tx_hash(),
        "transactionIndex": "0x0", "blockHash": B256::repeat_byte(7), "blockNumber": "0x7", "from": from, "to": to,
        "gasUsed": "0x5208", "cumulativeGasUsed": "0x5208", "effectiveGasPrice": "0x64", "contractAddress": null,
        "logs": logs, "logsBloom": format!("0x{}", "00".repeat(256))
    })
}

fn call(request: &Value) -> Result<Value, Value> {
    let data: Bytes = request["data"].as_str().unwrap().parse().unwrap();
    let revert = |data: Vec<u8>| json!({"code": 3, "message": "execution reverted", "data": Bytes::from(data)});
    match data[..4].try_into().unwrap() {
        IEconomy::priceCall::SELECTOR => Ok(json!(Bytes::from(250_000_u64.abi_encode()))),
        IRegistry::countCall::SELECTOR => Ok(json!(Bytes::from(300_u64.abi_encode()))),
        IRegistry::pageCall::SELECTOR => {
            let page = IRegistry::pageCall::abi_decode(&data).unwrap();
            let devices: Vec<IRegistry::Device> =
                (page.from..300).take(page.limit.min(256) as usize).map(device).collect();
            Ok(json!(Bytes::from(devices.abi_encode())))
        }
        IRewards::poolCall::SELECTOR => {
            Err(revert(IRewards::EpochNotFinal { epoch: 6 }.abi_encode()))
        }
        IRegistry::leaveCall::SELECTOR => {
            let error = IRegistry::NotOwner { id: [1; 16].into(), caller: Address::ZERO };
            Err(revert(error.abi_encode()))
        }
        _ => Err(json!({"code": -32602, "message": "bad params"})),
    }
}

fn device(index: u64) -> IRegistry::Device {
    let key = cairn_primitives::SecretKey::ed25519([3; 32]).public();
    IRegistry::Device {
        id: cairn_primitives::DeviceId::of(&key).0.into(),
        owner: Address::repeat_byte(1),
        sector: 1,
        keyType: 1,
        assurance: 3,
        status: 1,
        index,
        registeredEpoch: 2,
        endEpoch: 0,
        cell: 5,
        latE7: 1,
        lonE7: -2,
        elevationDm: 3,
        bond: U256::from(10),
        publicKey: key.as_bytes().to_vec().into(),
    }
}

async fn start(node: Node) -> (LedgerClient, Arc<Node>) {
    let node = Arc::new(node);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(serve)).with_state(node.clone());
    // Ends with the test's runtime.
    tokio::spawn(async { axum::serve(listener, router).await });
    (LedgerClient::new(url).unwrap(), node)
}

#[tokio::test]
async fn reads_are_typed() {
    let (client, _) = start(Node::default()).await;
    assert_eq!(client.chain_id().await.unwrap(), 1_337);
    assert_eq!(client.block_number().await.unwrap(), 7);
    let head = client.latest().await.unwrap();
    assert_eq!(
        (head.number, head.time, head.base_fee),
        (7, TimeMs(5_007), 100),
        "time comes from the extra data"
    );
    assert_eq!(client.price(BlockTag::Number(3)).await.unwrap().0, 250_000);
    assert_eq!(
        client.balance(Address::ZERO, BlockTag::Latest).await.unwrap(),
        Stones(1_000_000_000_000_000_000)
    );
    let devices = client.devices(BlockTag::Latest).await.unwrap();
    assert_eq!(
        devices.iter().map(|d| d.record.index).collect::<Vec<_>>(),
        (0..300).collect::<Vec<_>>(),
        "two pages"
    );
    assert_eq!((devices[0].record.end, devices[0].bond), (None, Stones(10)));
}

#[tokio::test]
async fn errors_name_the_custom_error_and_its_fields() {
    let (client, node) = start(Node::default()).await;
    let sector = cairn_primitives::Sector::Sensing;
    let error =
        client.pool(cairn_primitives::Epoch(7), sector, BlockTag::Latest).await.unwrap_err();
    assert_eq!(error.to_string(), "EpochNotFinal { epoch: 6 }");
    assert!(!error.is_retryable());
    let error = client.credits(Address::ZERO, BlockTag::Latest).await.unwrap_err();
    assert_eq!(error.to_string(), "eth_call failed with code -32602: bad params");
    assert_eq!(node.requests.load(Ordering::Relaxed), 2, "what fails for good is not repeated");
}

#[tokio::test]
async fn reads_are_repeated_with_an_end() {
    let (client, node) = start(Node { failing: AtomicU32::new(2), ..Node::default() }).await;
    assert_eq!(client.block_number().await.unwrap(), 7);
    node.failing.store(u32::MAX, Ordering::Relaxed);
    node.requests.store(0, Ordering::Relaxed);
    let error = client.block_number().await.unwrap_err();
    assert!(matches!(error, ClientError::Status { status: 503, .. }), "{error}");
    assert_eq!(node.requests.load(Ordering::Relaxed), ATTEMPTS);
}

#[tokio::test]
async fn concurrent_sends_of_one_account_get_consecutive_nonces() {
    let (client, node) = start(Node { losing: AtomicU32::new(2), ..Node::default() }).await;
    let sender = Sender::new(client, Wallet::from_secret(&[0x46; 32]).unwrap());
    let call = Call::transfer(Address::repeat_byte(2), Stones(1));
    let sends: Vec<_> = (0..6)
        .map(|_| {
            let (sender, call) = (sender.clone(), call.clone());
            tokio::spawn(async move { sender.send_and_wait(&call).await })
        })
        .collect();
    let mut hashes = Vec::new();
    for send in sends {
        hashes.push(send.await.unwrap().unwrap().hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
    let pool = node.pool.lock().unwrap();
    assert_eq!(pool.len(), 6, "a lost answer does not send twice");
    assert!(pool.values().all(|t| t.max_fee_per_gas() == 201 && t.gas_limit() == 21_000 + 221_000));
}

/// A validator's operator who types a command uses the account of its node, at the same time.
#[tokio::test]
async fn a_transaction_whose_nonce_another_one_took_is_sent_anew() {
    let (client, node) = start(Node { taking: AtomicU32::new(1), ..Node::default() }).await;
    let sender = Sender::new(client, Wallet::from_secret(&[0x46; 32]).unwrap());
    let call = Call::transfer(Address::repeat_byte(2), Stones(1));
    let sent = sender.send_and_wait(&call).await.unwrap();
    let pool = node.pool.lock().unwrap();
    assert_eq!(pool.len(), 2, "the other's, and this one after it");
    assert_eq!(*pool[&1].tx_hash(), sent.hash);
}

/// A commitment that came too late for its window, after which the account must not stand still.
#[tokio::test]
async fn a_transaction_that_the_node_dropped_is_told_at_once_and_its_nonce_is_used_again() {
    let (client, node) = start(Node { dropping: AtomicU32::new(1), ..Node::default() }).await;
    let sender = Sender::new(client, Wallet::from_secret(&[0x46; 32]).unwrap());
    let call = Call::transfer(Address::repeat_byte(2), Stones(1));
    let error = sender.send_and_wait(&call).await.unwrap_err();
    assert!(matches!(error, ClientError::Dropped { .. }), "{error}");
    let sent = sender.send_and_wait(&call).await.unwrap();
    assert_eq!(*node.pool.lock().unwrap()[&0].tx_hash(), sent.hash);
}

#[tokio::test]
async fn outcomes_are_events_or_reasons() {
    let (client, node) = start(Node::default()).await;
    let sender = Sender::new(client, Wallet::from_secret(&[0x46; 32]).unwrap());
    assert_eq!(sender.mint_credits(Stones(1)).await.unwrap().0, 250_000);
    let error = sender.leave(cairn_primitives::DeviceId([1; 16])).await.unwrap_err();
    assert!(error.to_string().contains("failed: NotOwner { id: 0x01"), "{error}");
    assert_eq!(error.revert().unwrap().name(), "NotOwner");

    let vote = Call::new(abi::REGISTRY, &IRegistry::leaveCall { id: [1; 16].into() });
    assert!(
        matches!(sender.send_system_and_wait(&vote).await, Err(ClientError::Reverted(_))),
        "refused before it is sent"
    );
    assert_eq!(node.pool.lock().unwrap().len(), 2);
}
