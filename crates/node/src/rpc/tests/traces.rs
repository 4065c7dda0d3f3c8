//! Every tracer on transactions that the chain executed.

use super::*;

/// Calls the native contract `CREDITS` with its own call data and returns what came back:
/// CALLDATACOPY all, CALL(gas, CREDITS, 0, 0, size, 0, 0), RETURNDATACOPY all, RETURN.
fn forwarder() -> Bytes {
    let mut runtime = alloy_primitives::hex!("365f5f375f5f365f5f73").to_vec();
    runtime.extend(CREDITS.as_slice());
    runtime.extend(alloy_primitives::hex!("5af1503d5f5f3e3d5ff3"));
    let mut init = vec![0x60, u8::try_from(runtime.len()).unwrap()];
    // PUSH1 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN
    init.extend(alloy_primitives::hex!("80600a5f395ff300"));
    init.truncate(10);
    init.extend(runtime);
    init.into()
}

/// A chain with one block: a transfer, the forwarder's deployment, a call of it, minting.
async fn busy() -> (Client, Vec<Value>) {
    let client = Client::new();
    let mut hashes = vec![client.send(&transfer()).await];
    let deploy = Call { to: None, value: U256::ZERO, data: forwarder() };
    hashes.push(client.send(&deploy).await);
    let target = client.alice().create(1);
    let data = ICredits::balanceOfCall { account: client.alice() }.abi_encode().into();
    hashes.push(client.send(&Call { to: Some(target), value: U256::ZERO, data }).await);
    hashes.push(client.send(&mint()).await);
    assert_eq!(client.chain.mine(), 4);
    client.chain.mine();
    for hash in &hashes {
        let receipt = client.ok("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
    }
    (client, hashes)
}

#[tokio::test]
async fn calls_of_native_contracts_are_calls() {
    let (client, hashes) = busy().await;
    let options = json!({"tracer": "callTracer"});
    let trace = client.ok("debug_traceTransaction", json!([hashes[2], options])).await;
    let data = Bytes::from(ICredits::balanceOfCall { account: client.alice() }.abi_encode());
    assert_eq!((&trace["type"], &trace["input"]), (&json!("CALL"), &json!(data)), "{trace}");
    let inner = &trace["calls"][0];
    assert_eq!((&inner["to"], &inner["input"]), (&json!(CREDITS), &json!(data)), "{trace}");
    // Nothing minted yet at that point of the block.
    assert_eq!(inner["output"], json!(B256::ZERO));
    assert_eq!(trace["output"], inner["output"]);
    let receipt = client.ok("eth_getTransactionReceipt", json!([hashes[2]])).await;
    assert_eq!(trace["gasUsed"], receipt["gasUsed"]);

    let options = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let trace = client.ok("debug_traceTransaction", json!([hashes[3], options])).await;
    let receipt = client.ok("eth_getTransactionReceipt", json!([hashes[3]])).await;
    assert_eq!(trace["to"], json!(CREDITS));
    let traced = trace["logs"].as_array().unwrap();
    assert_eq!(traced.len(), receipt["logs"].as_array().unwrap().len());
    assert_eq!(traced[0]["topics"], receipt["logs"][0]["topics"]);
}

#[tokio::test]
async fn every_tracer_of_a_block_agrees_with_its_receipts() {
    let (client, hashes) = busy().await;
    let block = client.ok("eth_getBlockByNumber", json!(["0x1", false])).await["hash"].clone();
    let receipts = client.ok("eth_getBlockReceipts", json!(["0x1"])).await;
    for options in [
        json!({}),
        json!({"tracer": "callTracer"}),
        json!({"tracer": "prestateTracer"}),
        json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}}),
        json!({"tracer": "4byteTracer"}),
        json!({"tracer": "flatCallTracer"}),
        json!({"tracer": "noopTracer"}),
    ] {
        let by_number = client.ok("debug_traceBlockByNumber", json!(["0x1", options])).await;
        let by_hash = client.ok("debug_traceBlockByHash", json!([block, options])).await;
        assert_eq!(by_number, by_hash, "{options}");
        for (index, hash) in hashes.iter().enumerate() {
            assert_eq!(by_number[index]["txHash"], *hash, "{options}");
            let alone = client.ok("debug_traceTransaction", json!([hash, options])).await;
            assert_eq!(by_number[index]["result"], alone, "{options}");
            let gas: U256 = serde_json::from_value(receipts[index]["gasUsed"].clone()).unwrap();
            if options == json!({}) {
                assert_eq!(alone["gas"], json!(gas.to::<u64>()));
                assert_eq!(alone["failed"], false);
            }
        }
    }
    let logs = client.ok("debug_traceTransaction", json!([hashes[2]])).await;
    let steps: Vec<_> =
        logs["structLogs"].as_array().unwrap().iter().map(|step| step["op"].clone()).collect();
    assert_eq!(steps.first(), Some(&json!("CALLDATASIZE")));
    assert!(steps.contains(&json!("CALL")) && steps.last() == Some(&json!("RETURN")), "{steps:?}");
}

#[tokio::test]
async fn prestates_and_diffs() {
    let (client, hashes) = busy().await;
    let alice = client.alice().to_string().to_lowercase();
    let state = json!({"tracer": "prestateTracer"});
    let before = client.ok("debug_traceTransaction", json!([hashes[0], state])).await;
    assert_eq!(before[&alice]["balance"], json!(stones(1_000_000)));
    let before = client.ok("debug_traceTransaction", json!([hashes[3], state])).await;
    assert_eq!(before[&alice]["nonce"], 3, "three were sent before it: {before}");
    let diff = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let diff = client.ok("debug_traceTransaction", json!([hashes[3], diff])).await;
    assert_eq!(diff["post"][&alice]["nonce"], 4);
    let credits = CREDITS.to_string().to_lowercase();
    assert!(!diff["post"][&credits]["storage"].as_object().unwrap().is_empty(), "{diff}");
}

#[tokio::test]
async fn calls_are_traced_with_overrides_and_inside_blocks() {
    let (client, hashes) = busy().await;
    let data = Bytes::from(ICredits::balanceOfCall { account: client.alice() }.abi_encode());
    let request = json!({"to": CREDITS, "data": data});
    let tracer = |extra: Value| {
        let mut options = json!({"tracer": "callTracer"});
        options.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        options
    };
    let credits = json!(B256::from(U256::from(1_000_000)));
    let after = client.ok("debug_traceCall", json!([request, "latest", tracer(json!({}))])).await;
    assert_eq!(after["output"], credits);
    let inside = |index: &str| json!([request, "0x1", tracer(json!({"txIndex": index}))]);
    assert_eq!(client.ok("debug_traceCall", inside("0x3")).await["output"], json!(B256::ZERO));
    assert_eq!(client.ok("debug_traceCall", inside("0x4")).await["output"], credits);
    // Returns the block's number.
    let target = address!("0x00000000000000000000000000000000000c0de0");
    let overrides = json!({
        "stateOverrides": {target.to_string(): {"code": "0x435f5260205ff3"}},
        "blockOverrides": {"number": "0x1234"},
    });
    let traced =
        client.ok("debug_traceCall", json!([{"to": target}, "latest", tracer(overrides)])).await;
    assert_eq!(traced["output"], json!(B256::from(U256::from(0x1234))));
    let failing = json!({"stateOverrides": {target.to_string(): {"code": "0x5f5ffd"}}});
    let traced =
        client.ok("debug_traceCall", json!([{"to": target}, "latest", tracer(failing)])).await;
    assert_eq!(traced["error"], "execution reverted");
    drop(hashes);
}

#[tokio::test]
async fn what_cannot_be_traced_is_refused() {
    let (client, hashes) = busy().await;
    let none = json!([B256::ZERO]);
    assert_eq!(client.err("debug_traceTransaction", none).await.1, "transaction not found");
    let (code, message, _) = client.err("debug_traceBlockByNumber", json!(["0x0"])).await;
    assert_eq!((code, message.as_str()), (-32000, "genesis is not traceable"));
    assert_eq!(client.err("debug_traceBlockByNumber", json!(["0x99"])).await.0, -32001);
    for tracer in ["muxTracer", "{fault: function() {}}", "nope"] {
        let request = json!([hashes[0], {"tracer": tracer}]);
        let (code, message, _) = client.err("debug_traceTransaction", request).await;
        assert!(code == -32000 && message.starts_with("tracer not found"), "{code} {message}");
    }
}

#[tokio::test]
async fn traces_are_bounded_in_size_and_time() {
    let chain = TestChain::new();
    let config = RpcConfig { response_bytes_max: 1 << 20, ..TestChain::config() };
    let module = methods(Rpc::new(chain.parts(), config));
    let client = Client { chain, module };
    let target = address!("0x00000000000000000000000000000000000c0de0");
    // JUMPDEST, PUSH0, JUMP: for ever.
    let options = json!({"stateOverrides": {target.to_string(): {"code": "0x5b5f56"}}});
    let (code, message, _) =
        client.err("debug_traceCall", json!([{"to": target}, "latest", options])).await;
    assert_eq!(code, -32005, "{message}");
    assert!(message.contains("too large"), "{message}");

    let config = RpcConfig { deadline: Duration::ZERO, ..TestChain::config() };
    let node = Rpc::new(client.chain.parts(), config);
    let mut spent = trace::budget(node.node());
    assert_eq!(spent.check().unwrap_err().0.code(), LIMIT);
}
