//! `eth_simulateV1`, and what fills in, waits for and shows transactions.

use super::*;

fn call(from: Address, to: Address, value: &str) -> Value {
    json!({"from": from, "to": to, "value": value})
}

#[tokio::test]
async fn blocks_of_calls_see_each_other() {
    let client = Client::new();
    client.chain.mine();
    let (poor, target) = (Address::repeat_byte(0x31), Address::repeat_byte(0x32));
    let counter = address!("0x00000000000000000000000000000000000c0de0");
    // Adds one to slot 0 and returns it.
    let code = "0x5f54600101805f555f5260205ff3";
    let payload = json!({
        "blockStateCalls": [
            {
                "stateOverrides": {
                    poor.to_string(): {"balance": "0x64"},
                    counter.to_string(): {"code": code},
                },
                "calls": [call(poor, target, "0x10"), {"from": poor, "to": counter}, {"to": counter}],
            },
            {"blockOverrides": {"number": "0x4", "time": "0x70000000"},
             "calls": [{"to": counter}, call(target, poor, "0x1")]},
        ],
        "traceTransfers": true,
        "returnFullTransactions": true,
    });
    let answer = client.ok("eth_simulateV1", json!([payload, "latest"])).await;
    let blocks = answer.as_array().unwrap();
    let numbers: Vec<_> = blocks.iter().map(|block| block["number"].clone()).collect();
    assert_eq!(numbers, ["0x2", "0x3", "0x4"], "the gap is filled");
    let first = &blocks[0];
    let head = client.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(first["parentHash"], head["hash"]);
    assert_eq!(blocks[1]["parentHash"], first["hash"]);
    assert_eq!(blocks[2]["timestamp"], "0x70000000");
    assert_eq!(first["baseFeePerGas"], "0x0");
    let transfer = &first["calls"][0];
    assert_eq!((&transfer["status"], &transfer["gasUsed"]), (&json!("0x1"), &json!("0x5208")));
    let log = &transfer["logs"][0];
    assert_eq!(log["address"], "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    assert_eq!(
        (&log["data"], &log["blockHash"]),
        (&json!(B256::from(U256::from(16))), &first["hash"])
    );
    assert_eq!(first["transactions"][1]["from"], json!(poor));
    assert_eq!(first["transactions"][1]["nonce"], "0x1");
    for (block, call, expected) in [(0, 1, 1), (0, 2, 2), (2, 0, 3)] {
        assert_eq!(
            blocks[block]["calls"][call]["returnData"],
            json!(B256::from(U256::from(expected)))
        );
    }
    assert_eq!(client.ok("eth_getBalance", json!([target, "latest"])).await, "0x0");
}

#[tokio::test]
async fn failures_inside_and_of_simulations() {
    let client = Client::new();
    let reverter = address!("0x00000000000000000000000000000000000c0de0");
    let forbidden = ICredits::transferCall { to: Address::ZERO, value: U256::from(1) };
    let payload = |validation: bool, calls: Value| {
        json!([{
            "validation": validation,
            "blockStateCalls": [{
                "stateOverrides": {reverter.to_string(): {"code": "0xfe"}},
                "calls": calls,
            }],
        }])
    };
    let calls = json!([call_of(CREDITS, &forbidden), {"to": reverter}]);
    let answer = client.ok("eth_simulateV1", payload(false, calls)).await;
    let results = &answer[0]["calls"];
    assert_eq!((&results[0]["status"], &results[0]["error"]["code"]), (&json!("0x0"), &json!(3)));
    assert_eq!(results[0]["returnData"], json!(Bytes::from(ICredits::AccountBound::SELECTOR)));
    assert_eq!(results[1]["error"]["code"], -32015, "{results}");

    let alice = client.alice();
    let fee = "0x77359400";
    let cases = [
        (false, json!([call(Address::repeat_byte(9), reverter, "0x1")]), -38014),
        (
            true,
            json!([{"from": alice, "to": reverter, "nonce": "0x7", "maxFeePerGas": fee}]),
            -38011,
        ),
        (true, json!([{"from": alice, "to": alice}]), -38012),
        (true, json!([{"from": alice, "to": alice, "gas": "0x1", "maxFeePerGas": fee}]), -38013),
        (false, json!([{"to": alice, "gas": "0xffffffffff"}]), -38015),
    ];
    for (validation, calls, expected) in cases {
        let (code, message, _) =
            client.err("eth_simulateV1", payload(validation, calls.clone())).await;
        assert_eq!(code, expected, "{calls}: {message}");
    }
    let paid = json!([{"from": alice, "to": alice, "maxFeePerGas": fee}]);
    let answer = client.ok("eth_simulateV1", payload(true, paid)).await;
    assert_eq!(answer[0]["calls"][0]["status"], "0x1");
    assert_ne!(answer[0]["baseFeePerGas"], "0x0");
    let block = |number: &str| json!({"blockOverrides": {"number": number}});
    let many = json!([{"blockStateCalls": [block("0x7ff")]}]);
    assert_eq!(client.err("eth_simulateV1", many).await.0, -38026);
    let back = json!([{"blockStateCalls": [block("0x3"), block("0x2")]}]);
    assert_eq!(client.err("eth_simulateV1", back).await.0, -38020);
    let past = json!([{"blockStateCalls": [{"blockOverrides": {"time": "0x1"}}]}]);
    assert_eq!(client.err("eth_simulateV1", past).await.0, -38021);
    assert_eq!(client.err("eth_simulateV1", json!([{"blockStateCalls": []}])).await.0, -32602);
    let loops = json!([{"blockStateCalls": [{
        "stateOverrides": {reverter.to_string(): {"code": "0x5b5f56"}},
        "calls": [{"to": reverter}, {"to": reverter}],
    }]}]);
    assert_eq!(client.err("eth_simulateV1", loops).await.0, -32005, "all calls share one gas cap");
}

#[tokio::test]
async fn a_transaction_is_sent_and_waited_for() {
    let client = Client::new();
    let raw = client.chain.sign(&client.chain.alice, 0, &transfer());
    let mut accepted = client.chain.pool.on_accept();
    let (receipt, ()) =
        tokio::join!(client.ok("eth_sendRawTransactionSync", json!([raw])), async {
            accepted.recv().await.unwrap();
            client.chain.mine();
        });
    assert_eq!((&receipt["status"], &receipt["blockNumber"]), (&json!("0x1"), &json!("0x1")));
    let raw = client.chain.sign(&client.chain.alice, 1, &transfer());
    let (code, message, data) = client.err("eth_sendRawTransactionSync", json!([raw, 1])).await;
    assert_eq!(code, 4, "{message}");
    assert!(data.as_str().is_some_and(|hash| hash.len() == 66), "the hash is told: {data}");
    assert_eq!(client.err("eth_sendRawTransactionSync", json!([raw])).await.1, "already known");
}

#[tokio::test]
async fn requests_are_filled_in() {
    let client = Client::new();
    client.send(&transfer()).await;
    let request = json!({"from": client.alice(), "to": Address::repeat_byte(4), "value": "0x5"});
    let filled = client.ok("eth_fillTransaction", json!([request])).await;
    let tx = &filled["tx"];
    assert_eq!((&tx["nonce"], &tx["gas"]), (&json!("0x1"), &json!("0x5208")), "{tx}");
    assert_eq!((&tx["type"], &tx["chainId"]), (&json!("0x2"), &json!(format!("{CHAIN_ID:#x}"))));
    assert!(filled["raw"].as_str().unwrap().starts_with("0x02"));
    let request = json!({"from": client.alice(), "to": CREDITS, "chainId": "0x1"});
    assert_eq!(client.err("eth_fillTransaction", json!([request])).await.0, -32602);
    let forbidden = ICredits::transferCall { to: Address::ZERO, value: U256::from(1) };
    let mut forbidden = call_of(CREDITS, &forbidden);
    forbidden["from"] = json!(client.alice());
    assert_eq!(client.err("eth_fillTransaction", json!([forbidden])).await.0, 3);
}

#[tokio::test]
async fn the_pool_shows_what_waits() {
    let client = Client::new();
    let first = client.send(&transfer()).await;
    let ahead = client.chain.sign(&client.chain.alice, 5, &transfer());
    let ahead = client.ok("eth_sendRawTransaction", json!([ahead])).await;
    let alice = client.alice().to_string().to_lowercase();
    let content = client.ok("txpool_content", json!([])).await;
    assert_eq!(content["pending"][&alice]["0"]["hash"], first, "{content}");
    assert_eq!(content["queued"][&alice]["5"]["hash"], ahead);
    let of = client.ok("txpool_contentFrom", json!([client.alice()])).await;
    assert_eq!(
        (&of["pending"], &of["queued"]),
        (&content["pending"][&alice], &content["queued"][&alice])
    );
    let none = client.ok("txpool_contentFrom", json!([Address::ZERO])).await;
    assert_eq!(none, json!({"pending": {}, "queued": {}}));
    let lines = client.ok("txpool_inspect", json!([])).await;
    let line = lines["pending"][&alice]["0"].as_str().unwrap();
    assert!(line.contains("5 wei + 1000000 gas × 4000000000 wei"), "{line}");
}

#[tokio::test]
async fn small_questions_have_answers() {
    let client = Client::new();
    client.chain.mine();
    assert_eq!(
        client.ok("web3_sha3", json!(["0x68656c6c6f20776f726c64"])).await,
        "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad"
    );
    assert_eq!(client.ok("rpc_modules", json!([])).await["eth"], "1.0");
    let info = client.ok("eth_getAccountInfo", json!([CREDITS, "latest"])).await;
    assert_eq!((&info["code"], &info["nonce"]), (&json!("0xef"), &json!("0x1")));
    let uncle = json!(["0x1", "0x0"]);
    assert_eq!(client.ok("eth_getUncleByBlockNumberAndIndex", uncle).await, Value::Null);
    let uncle = json!([B256::ZERO, "0x0"]);
    assert_eq!(client.ok("eth_getUncleByBlockHashAndIndex", uncle).await, Value::Null);
    assert_eq!(client.err("eth_blobBaseFee", json!([])).await.0, -32004);
    assert_eq!(client.err("eth_getAccount", json!([CREDITS, "latest"])).await.0, -32004);
}
