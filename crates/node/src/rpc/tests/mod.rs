//! Every method against blocks that the ledger made, in the shapes that wallets expect.

use alloy_consensus::{Header, TxEnvelope};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_rlp::Decodable as _;
use alloy_sol_types::{SolCall, SolError as _, SolEvent as _};
use cairn_client::Call;
use cairn_primitives::{
    Stones,
    abi::{CREDITS, IBatches, ICredits, REGISTRY},
};
use serde_json::{Value, json};

use super::*;
use crate::chain::{CHAIN_ID, TestChain, stones};

mod abuse;
mod garbage;
mod proofs;
mod reality;
mod simulate;
mod socket;
mod subscriptions;
mod traces;

/// Returns 42, whatever it is asked.
const INIT_CODE: &str = "0x67602a5f5260205ff35f5260086018f3";

struct Client {
    chain: TestChain,
    module: RpcModule<()>,
}

impl Client {
    fn new() -> Self {
        Self::with(|parts| parts)
    }

    /// With other parts than the usual.
    fn with(change: impl FnOnce(RpcParts) -> RpcParts) -> Self {
        let chain = TestChain::new();
        let module = methods(Rpc::new(change(chain.parts()), TestChain::config()));
        Self { chain, module }
    }

    async fn answer(&self, method: &str, params: Value) -> Value {
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let (answer, _) = self.module.raw_json_request(&request, 1).await.unwrap();
        serde_json::from_str(answer.get()).unwrap()
    }

    async fn ok(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// (code, message, data)
    async fn err(&self, method: &str, params: Value) -> (i64, String, Value) {
        let answer = self.answer(method, params).await;
        let error =
            answer.get("error").unwrap_or_else(|| panic!("{method} did not fail: {answer}"));
        (
            error["code"].as_i64().unwrap(),
            error["message"].as_str().unwrap().to_owned(),
            error["data"].clone(),
        )
    }

    async fn send(&self, call: &Call) -> Value {
        let nonce = self.ok("eth_getTransactionCount", json!([self.alice(), "pending"])).await;
        let nonce: U256 = serde_json::from_value(nonce).unwrap();
        let raw = self.chain.sign(&self.chain.alice, nonce.to(), call);
        self.ok("eth_sendRawTransaction", json!([raw])).await
    }

    fn alice(&self) -> Address {
        self.chain.alice.address()
    }
}

fn call_of<C: SolCall>(to: Address, call: &C) -> Value {
    json!({"to": to, "data": Bytes::from(call.abi_encode())})
}

fn transfer() -> Call {
    Call::transfer(Address::repeat_byte(0x77), Stones(5))
}

fn mint() -> Call {
    Call::new(CREDITS, &ICredits::mintCall {}).with_value(Stones(2_000_000_000_000_000_000))
}

#[tokio::test]
async fn a_transfer_from_submission_to_receipt() {
    let client = Client::new();
    let hash = client.send(&transfer()).await;
    let waiting = client.ok("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&waiting["blockHash"], &waiting["nonce"]), (&Value::Null, &json!("0x0")));
    assert_eq!(client.ok("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    assert_eq!(
        client.ok("eth_getTransactionCount", json!([client.alice(), "pending"])).await,
        "0x1"
    );
    assert_eq!(
        client.ok("eth_getTransactionCount", json!([client.alice(), "latest"])).await,
        "0x0"
    );
    assert_eq!(
        client.ok("txpool_status", json!([])).await,
        json!({"pending": "0x1", "queued": "0x0"})
    );

    assert_eq!(client.chain.mine(), 1);
    let receipt = client.ok("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(
        (&receipt["blockNumber"], &receipt["transactionIndex"]),
        (&json!("0x1"), &json!("0x0"))
    );
    assert_eq!((&receipt["gasUsed"], &receipt["type"]), (&json!("0x5208"), &json!("0x2")));
    assert_eq!(receipt["contractAddress"], Value::Null);
    let final_tx = client.ok("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(final_tx["blockHash"], receipt["blockHash"]);
    assert_eq!(client.ok("eth_blockNumber", json!([])).await, "0x1");
    for tag in ["latest", "safe", "finalized", "pending", "0x1"] {
        assert_eq!(
            client.ok("eth_getBalance", json!([Address::repeat_byte(0x77), tag])).await,
            "0x5",
            "{tag}"
        );
    }
    assert_eq!(
        client.ok("eth_getBalance", json!([Address::repeat_byte(0x77), "earliest"])).await,
        "0x0"
    );
    assert_eq!(
        client.ok("eth_getBalance", json!([client.alice(), "0x0"])).await,
        json!(stones(1_000_000))
    );
}

#[tokio::test]
async fn blocks_by_every_name() {
    let client = Client::new();
    let hash = client.send(&transfer()).await;
    client.chain.mine();
    client.chain.mine();
    let block = client.ok("eth_getBlockByNumber", json!(["0x1", true])).await;
    let name = block["hash"].clone();
    assert_eq!(block["transactions"][0]["hash"], hash);
    assert_eq!(block["transactions"][0]["blockHash"], name);
    assert_eq!(
        client.ok("eth_getBlockByHash", json!([name, false])).await["transactions"],
        json!([hash])
    );
    let child = client.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!((&child["number"], &child["parentHash"]), (&json!("0x2"), &name));
    assert_eq!(client.ok("eth_getBlockByNumber", json!(["0x3", false])).await, Value::Null);
    assert_eq!(client.ok("eth_getBlockByHash", json!([B256::ZERO, false])).await, Value::Null);
    assert_eq!(client.ok("eth_getBlockTransactionCountByNumber", json!(["0x1"])).await, "0x1");
    assert_eq!(client.ok("eth_getBlockTransactionCountByHash", json!([name])).await, "0x1");
    assert_eq!(client.ok("eth_getUncleCountByBlockNumber", json!(["0x1"])).await, "0x0");
    assert_eq!(
        client.ok("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x0"])).await["hash"],
        hash
    );
    assert_eq!(
        client.ok("eth_getTransactionByBlockHashAndIndex", json!([name, "0x1"])).await,
        Value::Null
    );
    let receipts = client.ok("eth_getBlockReceipts", json!(["0x1"])).await;
    assert_eq!(receipts[0]["transactionHash"], hash);
    assert_eq!(client.ok("eth_getBlockReceipts", json!(["0x9"])).await, Value::Null);

    let raw: Bytes =
        serde_json::from_value(client.ok("debug_getRawHeader", json!(["0x1"])).await).unwrap();
    let header = Header::decode(&mut &raw[..]).unwrap();
    assert_eq!(json!(header.hash_slow()), name);
    let raw: Bytes =
        serde_json::from_value(client.ok("debug_getRawTransaction", json!([hash])).await).unwrap();
    assert_eq!(json!(TxEnvelope::decode_2718_exact(&raw).unwrap().tx_hash()), hash);
    let raw: Vec<Bytes> =
        serde_json::from_value(client.ok("debug_getRawReceipts", json!(["0x1"])).await).unwrap();
    assert_eq!(raw.len(), 1);
    let raw: Bytes =
        serde_json::from_value(client.ok("debug_getRawBlock", json!(["0x1"])).await).unwrap();
    let decoded = alloy_consensus::Block::<TxEnvelope>::decode(&mut &raw[..]).unwrap();
    assert_eq!((decoded.header, decoded.body.transactions.len()), (header, 1));
    assert_eq!(json!(U256::from(raw.len())), block["size"]);
}

#[tokio::test]
async fn contracts_are_deployed_called_and_found() {
    let client = Client::new();
    let deploy = Call { to: None, value: U256::ZERO, data: INIT_CODE.parse().unwrap() };
    let hash = client.send(&deploy).await;
    client.chain.mine();
    let receipt = client.ok("eth_getTransactionReceipt", json!([hash])).await;
    let contract: Address = serde_json::from_value(receipt["contractAddress"].clone()).unwrap();
    assert_eq!(contract, client.alice().create(0));
    assert_eq!(client.ok("eth_getCode", json!([contract, "latest"])).await, "0x602a5f5260205ff3");
    assert_eq!(client.ok("eth_getCode", json!([contract, "0x0"])).await, "0x");
    assert_eq!(client.ok("eth_getCode", json!([CREDITS, "latest"])).await, "0xef");
    let answer = client.ok("eth_call", json!([{"to": contract}, "latest"])).await;
    assert_eq!(answer, json!(B256::from(U256::from(42))));
    assert_eq!(
        client.ok("eth_call", json!([{"to": contract}, "0x0"])).await,
        "0x",
        "no code there yet"
    );
    let estimate =
        client.ok("eth_estimateGas", json!([{"from": client.alice(), "data": INIT_CODE}])).await;
    let estimate: U256 = serde_json::from_value(estimate).unwrap();
    assert!(estimate > U256::from(53_000), "{estimate}");
}

#[tokio::test]
async fn native_contracts_answer_and_their_errors_have_geths_shape() {
    let client = Client::new();
    let name =
        client.ok("eth_call", json!([call_of(CREDITS, &ICredits::nameCall {}), "latest"])).await;
    let name: Bytes = serde_json::from_value(name).unwrap();
    assert!(!ICredits::nameCall::abi_decode_returns(&name).unwrap().is_empty());

    let forbidden = ICredits::transferCall { to: Address::ZERO, value: U256::from(1) };
    for method in ["eth_call", "eth_estimateGas"] {
        let (code, message, data) = client.err(method, json!([call_of(CREDITS, &forbidden)])).await;
        assert_eq!((code, message.as_str()), (3, "execution reverted"), "{method}");
        assert_eq!(data, json!(Bytes::from(ICredits::AccountBound::SELECTOR)), "{method}");
    }
    let reverter = address!("0x00000000000000000000000000000000000c0de0");
    let overrides = json!({reverter.to_string(): {"code": "0x5f5ffd"}});
    let (code, message, data) =
        client.err("eth_call", json!([{"to": reverter}, "latest", overrides])).await;
    assert_eq!((code, message.as_str(), data), (3, "execution reverted", json!("0x")));
    // Copies its call data into memory and reverts with it.
    let overrides = json!({reverter.to_string(): {"code": "0x365f5f37365ffd"}});
    let reason = Bytes::from(alloy_sol_types::Revert::from("no").abi_encode());
    let request = json!([{"to": reverter, "data": reason}, "latest", overrides]);
    let (code, message, data) = client.err("eth_call", request).await;
    assert_eq!((code, message.as_str(), data), (3, "execution reverted: no", json!(reason)));
    let overrides = json!({reverter.to_string(): {"code": "0x5b5f56"}});
    let (code, message, _) =
        client.err("eth_call", json!([{"to": reverter}, "latest", overrides])).await;
    assert_eq!((code, message.as_str()), (-32000, "out of gas"));
    let overrides = json!({reverter.to_string(): {"code": "0xfe"}});
    let (code, ..) = client.err("eth_call", json!([{"to": reverter}, "latest", overrides])).await;
    assert_eq!(code, -32000);
    let rich = json!({client.alice().to_string(): {"balance": "0x7b"}});
    let balance = json!({"to": reverter, "data": "0x"});
    assert_eq!(client.ok("eth_call", json!([balance, "latest", rich])).await, "0x");
}

#[tokio::test]
async fn logs_by_range_topic_and_filter() {
    let client = Client::new();
    let everything = client.ok("eth_newFilter", json!([{"address": CREDITS}])).await;
    let blocks = client.ok("eth_newBlockFilter", json!([])).await;
    assert_eq!(client.ok("eth_getFilterChanges", json!([everything])).await, json!([]));
    client.send(&transfer()).await;
    client.send(&mint()).await;
    client.send(&mint()).await;
    assert_eq!(client.chain.mine(), 3);
    client.chain.mine();

    let minted = ICredits::Minted::SIGNATURE_HASH;
    let alice = alloy_primitives::B256::left_padding_from(client.alice().as_slice());
    let count = async |filter: Value| {
        client.ok("eth_getLogs", json!([filter])).await.as_array().unwrap().len()
    };
    assert_eq!(count(json!({"fromBlock": "0x0", "address": CREDITS, "topics": [minted]})).await, 2);
    assert_eq!(count(json!({"fromBlock": "earliest", "topics": [minted, alice]})).await, 2);
    assert_eq!(
        count(json!({"fromBlock": "0x0", "topics": [[minted, B256::ZERO], B256::ZERO]})).await,
        0
    );
    assert_eq!(count(json!({"fromBlock": "0x0", "address": REGISTRY})).await, 0);
    assert_eq!(count(json!({"fromBlock": "0x2", "address": CREDITS})).await, 0);
    assert_eq!(count(json!({"fromBlock": "0x5"})).await, 0, "a block to come");
    assert_eq!(count(json!({})).await, 0, "the last block has no logs");
    let block = client.ok("eth_getBlockByNumber", json!(["0x1", false])).await["hash"].clone();
    let logs = client.ok("eth_getLogs", json!([{"blockHash": block}])).await;
    let indices: Vec<&Value> =
        logs.as_array().unwrap().iter().map(|log| &log["logIndex"]).collect();
    let expected: Vec<Value> = (0..indices.len()).map(|i| json!(format!("{i:#x}"))).collect();
    assert_eq!(
        indices,
        expected.iter().collect::<Vec<_>>(),
        "log indices run over the whole block"
    );
    assert_eq!(logs[0]["transactionIndex"], "0x1");

    let changes = client.ok("eth_getFilterChanges", json!([everything])).await;
    assert_eq!(changes, logs);
    assert_eq!(client.ok("eth_getFilterChanges", json!([everything])).await, json!([]));
    assert_eq!(client.ok("eth_getFilterLogs", json!([everything])).await, logs);
    assert_eq!(
        client.ok("eth_getFilterChanges", json!([blocks])).await.as_array().unwrap().len(),
        2
    );
    assert_eq!(client.ok("eth_uninstallFilter", json!([everything])).await, true);
    assert_eq!(client.ok("eth_uninstallFilter", json!([everything])).await, false);
    assert_eq!(client.err("eth_getFilterChanges", json!([everything])).await.1, "filter not found");
    assert_eq!(client.err("eth_getFilterLogs", json!([blocks])).await.0, -32000);
    let (code, message, _) =
        client.err("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "0x1"}])).await;
    assert_eq!((code, message.as_str()), (-32602, "invalid block range params"));
    assert_eq!(client.err("eth_getLogs", json!([{"blockHash": B256::ZERO}])).await.0, -32001);
}

#[tokio::test]
async fn filters_are_bounded_in_number() {
    let client = Client::new();
    for _ in 0..FILTERS_MAX {
        client.ok("eth_newBlockFilter", json!([])).await;
    }
    assert_eq!(client.err("eth_newBlockFilter", json!([])).await.0, -32005);
}

#[tokio::test]
async fn refused_transactions_say_why() {
    let client = Client::new();
    let chain = &client.chain;
    let too_much = Call::transfer(Address::ZERO, Stones(2_000_000 * cairn_primitives::STONE));
    let (code, message, data) =
        client.err("eth_sendRawTransaction", json!([chain.sign(&chain.alice, 0, &too_much)])).await;
    assert_eq!((code, &data["name"]), (-32000, &json!("InsufficientFunds")));
    assert!(message.starts_with("insufficient funds for gas * price + value"), "{message}");
    client.send(&transfer()).await;
    chain.mine();
    let again = chain.sign(&chain.alice, 0, &transfer());
    let (code, message, data) = client.err("eth_sendRawTransaction", json!([again])).await;
    assert_eq!((code, &data["code"]), (-32000, &json!(12)));
    assert!(message.starts_with("nonce too low"), "{message}");
    let waiting = chain.sign(&chain.alice, 1, &transfer());
    client.ok("eth_sendRawTransaction", json!([waiting])).await;
    assert_eq!(client.err("eth_sendRawTransaction", json!([waiting])).await.1, "already known");
    for garbage in ["0x", "0x00", "0x02c0", "0xc0", "0x03aa", "0xdeadbeef"] {
        let (code, ..) = client.err("eth_sendRawTransaction", json!([garbage])).await;
        assert!([-32602, -32000].contains(&code), "{garbage}");
    }
    // A system transaction that would revert is refused with what it reverts with.
    let attest = Call::new(
        cairn_primitives::abi::BATCHES,
        &IBatches::attestCall { epoch: 9, sector: 1, held: U256::ZERO },
    );
    let raw = chain.sign_system(&chain.validator, 0, &attest);
    let (code, message, data) = client.err("eth_sendRawTransaction", json!([raw])).await;
    assert!(code == 3 && message.starts_with("execution reverted"), "{code} {message}");
    assert!(data.as_str().unwrap().starts_with("0x"));
    let raw = chain.sign_system(&chain.alice, 2, &attest);
    let (_, message, _) = client.err("eth_sendRawTransaction", json!([raw])).await;
    assert!(message.contains("underpriced"), "only validators send without fee: {message}");
}

#[tokio::test]
async fn malformed_requests_get_their_code_and_hurt_nobody() {
    let client = Client::new();
    let cases = [
        ("eth_getBalance", json!([]), -32602),
        ("eth_getBalance", json!(["0x12", "latest"]), -32602),
        ("eth_getBalance", json!([Address::ZERO, "yesterday"]), -32602),
        ("eth_getBlockByNumber", json!([{"a": 1}, true]), -32602),
        ("eth_call", json!([{"to": 5}]), -32602),
        ("eth_call", json!([{"to": Address::ZERO}, "0xffff"]), -32001),
        ("eth_getBalance", json!([Address::ZERO, "0xffff"]), -32001),
        ("eth_getStorageAt", json!([Address::ZERO, "zz"]), -32602),
        ("eth_feeHistory", json!(["0x4", "latest", [50, 10]]), -32602),
        ("eth_feeHistory", json!(["0x4", "latest", [-1]]), -32602),
        ("eth_feeHistory", json!(["0x4", "0xff", []]), -32001),
        ("eth_sendRawTransaction", json!(["no hex"]), -32602),
        ("eth_getProof", json!([Address::ZERO, [], "latest"]), -32004),
        ("eth_mine", json!([]), -32601),
        ("cairn_getCertificate", json!(["0x99"]), -32001),
    ];
    for (method, params, expected) in cases {
        let (code, message, _) = client.err(method, params.clone()).await;
        assert_eq!(code, expected, "{method} {params}: {message}");
    }
    let proof = client.err("eth_getProof", json!([Address::ZERO, [], "latest"])).await.1;
    assert!(proof.contains("cairn_getProof"), "{proof}");
}

#[tokio::test]
async fn fees_follow_what_was_paid() {
    let client = Client::new();
    client.send(&transfer()).await;
    client.send(&transfer()).await;
    client.chain.mine();
    client.chain.mine();
    let history = client.ok("eth_feeHistory", json!(["0x400", "latest", [25, 75]])).await;
    assert_eq!(history["oldestBlock"], "0x0");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 4);
    assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 3);
    assert_eq!(history["reward"][1], json!(["0x3b9aca00", "0x3b9aca00"]));
    assert_eq!(history["reward"][2], json!(["0x0", "0x0"]));
    assert_eq!(client.ok("eth_maxPriorityFeePerGas", json!([])).await, "0x3b9aca00");
    let price: U256 = serde_json::from_value(client.ok("eth_gasPrice", json!([])).await).unwrap();
    let base: U256 = serde_json::from_value(history["baseFeePerGas"][3].clone()).unwrap();
    assert_eq!(price, base + U256::from(1_000_000_000));
    let none = client.ok("eth_feeHistory", json!(["0x0", "latest"])).await;
    assert_eq!(none["gasUsedRatio"], json!([]));
}

#[tokio::test]
async fn access_lists_name_what_a_call_reads() {
    let client = Client::new();
    let balance = ICredits::balanceOfCall { account: client.alice() };
    let mut call = call_of(CREDITS, &balance);
    call["from"] = json!(client.alice());
    let list = client.ok("eth_createAccessList", json!([call, "latest"])).await;
    let entries = list["accessList"].as_array().unwrap();
    let credits = entries.iter().find(|entry| entry["address"] == json!(CREDITS)).unwrap();
    let slot = credits["storageKeys"][0].clone();
    assert!(list.get("error").is_none(), "{list}");
    client.send(&mint()).await;
    client.chain.mine();
    let value: U256 = serde_json::from_value(
        client.ok("eth_getStorageAt", json!([CREDITS, slot, "latest"])).await,
    )
    .unwrap();
    assert_eq!(value, U256::from(1_000_000), "two stones at half a dollar");
    assert_eq!(
        client.ok("eth_getStorageAt", json!([CREDITS, slot, "0x0"])).await,
        json!(B256::ZERO)
    );
}

#[tokio::test]
async fn the_network_introduces_itself() {
    let client = Client::new();
    client.chain.mine();
    assert_eq!(client.ok("eth_chainId", json!([])).await, json!(format!("{CHAIN_ID:#x}")));
    assert_eq!(client.ok("net_version", json!([])).await, json!(CHAIN_ID.to_string()));
    assert!(
        client.ok("web3_clientVersion", json!([])).await.as_str().unwrap().starts_with("cairn/")
    );
    assert_eq!(client.ok("eth_syncing", json!([])).await, false);
    assert_eq!(client.ok("eth_accounts", json!([])).await, json!([]));
    let status = client.ok("cairn_status", json!([])).await;
    assert_eq!(
        (&status["height"], &status["epoch"], &status["network"]),
        (&json!(1), &json!(0), &json!("test"))
    );
    assert_eq!(client.ok("cairn_genesis", json!([])).await, "test");
    let finality = client.ok("cairn_getCertificate", json!(["0x1"])).await;
    assert_eq!(
        (&finality["certificate"], &finality["height"]),
        (&json!("0x010203"), &json!("0x1"))
    );
    let header: Bytes = serde_json::from_value(finality["header"].clone()).unwrap();
    assert_eq!(json!(Header::decode(&mut &header[..]).unwrap().hash_slow()), finality["blockHash"]);
}

/// A request over a real socket: status line and headers, body.
async fn post(addr: SocketAddr, body: &str) -> (String, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nOrigin: http://page.example\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses by size may close before it read everything.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_server_bounds_requests_and_answers_batches_and_browsers() {
    let chain = TestChain::new();
    let config = RpcConfig { request_bytes_max: 4_096, batch_max: 3, ..TestChain::config() };
    let server = RpcServer::start(chain.parts(), config).await.unwrap();
    let addr = server.addr();
    let stop = Shutdown::new();
    let running = tokio::spawn(server.until(stop.clone()));

    let one = r#"{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber","params":[]}"#;
    let (head, body) = post(addr, one).await;
    assert!(
        head.starts_with("HTTP/1.1 200")
            && head.to_lowercase().contains("access-control-allow-origin: *")
    );
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"jsonrpc": "2.0", "id": 7, "result": "0x0"})
    );
    let (_, body) = post(addr, &format!("[{one},{one},{one}]")).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&body).unwrap().len(), 3);

    let code = |body: &str| serde_json::from_str::<Value>(body).unwrap()["error"]["code"].clone();
    assert_eq!(code(&post(addr, &format!("[{one},{one},{one},{one}]")).await.1), -32010);
    assert_eq!(code(&post(addr, "{\"jsonrpc\":").await.1), -32700);
    assert_eq!(code(&post(addr, "{\"jsonrpc\":\"2.0\",\"id\":1}").await.1), -32600);
    assert_eq!(code(&post(addr, "[]").await.1), -32600);
    assert_eq!(code(&post(addr, &"[".repeat(4_000)).await.1), -32700);
    let (head, _) = post(addr, &" ".repeat(5_000)).await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 413"), "{head}");
    let (_, body) = post(addr, one).await;
    assert!(body.contains("0x0"), "bad requests hurt nobody else");
    stop.request();
    running.await.unwrap();
}

#[tokio::test]
async fn a_heavy_request_that_takes_too_long_is_given_up() {
    let chain = TestChain::new();
    let config =
        RpcConfig { reads_max: 1, deadline: Duration::from_millis(20), ..TestChain::config() };
    let rpc = Rpc::new(chain.parts(), config);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let slow = {
        let rpc = rpc.clone();
        tokio::spawn(async move { rpc.heavy(move |_| Ok(held.recv().is_ok())).await })
    };
    assert_eq!(slow.await.unwrap().unwrap_err().code(), LIMIT);
    // The work still holds its place, so the next one cannot start.
    assert_eq!(rpc.heavy(|_| Ok(())).await.unwrap_err().code(), LIMIT);
    release.send(()).unwrap();
    while rpc.heavy(|_| Ok(())).await.is_err() {}
}
