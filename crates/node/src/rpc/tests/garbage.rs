//! Whatever a stranger asks, of whatever method: an answer or an error, never a panic.
//!
//! The values are of the kinds that parameters have, in all the wrong places and shapes; bytes that are no JSON at all are the server's
//! (`abuse.rs`).

use proptest::prelude::*;

use super::*;

/// Fields that objects of the interface have.
const FIELDS: [&str; 22] = [
    "from",
    "to",
    "data",
    "input",
    "value",
    "gas",
    "gasPrice",
    "maxFeePerGas",
    "nonce",
    "type",
    "fromBlock",
    "toBlock",
    "blockHash",
    "address",
    "topics",
    "accessList",
    "tracer",
    "blockStateCalls",
    "calls",
    "stateOverrides",
    "authorizationList",
    "kind",
];

/// Words that parameters have, and some that they have not.
const WORDS: [&str; 15] = [
    "latest",
    "pending",
    "earliest",
    "0x",
    "0x0",
    "0x1",
    "0xffffffffffffffff",
    "callTracer",
    "",
    "prestateTracer",
    "logs",
    "newHeads",
    "batch",
    "reward",
    "0x00000000000000000000000000000000000000zz",
];

fn leaf() -> impl Strategy<Value = Value> {
    let hex =
        proptest::collection::vec(any::<u8>(), 0..70).prop_map(|bytes| json!(Bytes::from(bytes)));
    prop_oneof![
        proptest::sample::select(&WORDS[..]).prop_map(|word| json!(word)),
        hex,
        any::<[u8; 20]>().prop_map(|bytes| json!(Address::from(bytes))),
        any::<[u8; 32]>().prop_map(|bytes| json!(B256::from(bytes))),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(format!("{number:#x}"))),
        any::<bool>().prop_map(|truth| json!(truth)),
        Just(Value::Null),
        Just(json!(CREDITS)),
        ".{0,12}".prop_map(|text| json!(text)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 5, |inner| {
        let field = proptest::sample::select(&FIELDS[..]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((field, inner), 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

fn params() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => proptest::collection::vec(value(), 0..5).prop_map(Value::from),
        1 => value(),
    ]
}

#[test]
fn every_method_answers_whatever_it_is_asked() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).thread_stack_size(8 << 20).enable_all().build();
    let runtime = runtime.unwrap();
    let client = runtime.block_on(async {
        let client = Client::new();
        client.send(&mint()).await;
        assert_eq!(client.chain.mine(), 1);
        client
    });
    let methods: Vec<&'static str> = client.module.method_names().collect();
    assert!(methods.len() > 60, "{methods:?}");
    let asked = (proptest::sample::select(methods), params());
    let config = ProptestConfig { cases: 1_500, ..ProptestConfig::default() };
    proptest!(config, |((method, params) in asked)| {
        let request = request_of(method, &params);
        let answered = runtime.block_on(client.module.raw_json_request(&request, 1));
        let (answer, _) = answered.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        let told = answer.get("result").is_some() || answer["error"]["code"].is_i64();
        prop_assert!(told, "{} {}: {}", method, params, answer);
        // Nothing that was asked is kept as a transaction: nobody signed one.
        prop_assert!(answer["error"]["code"] != json!(-32603), "an internal error: {answer}");
    });
}

/// Bodies that are nearly requests: batches, and calls with a piece missing, cut, doubled or replaced. `fuzz/fuzz_targets/rpc.rs` goes on from here.
#[test]
fn the_door_answers_whatever_is_posted() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.thread_stack_size(8 << 20).enable_all().build().unwrap();
    let (chain, door) = runtime.block_on(async {
        let chain = TestChain::new();
        let door = Door::new(chain.parts(), TestChain::config());
        (chain, door)
    });
    let post = |body: Vec<u8>| runtime.block_on(door.post(body.into())).unwrap();
    let one = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
    let answer: Value = serde_json::from_slice(&post(one.into())).unwrap();
    assert_eq!(answer["result"], format!("{:#x}", chain.genesis.chain_id));
    let two = format!("[{one},{one}]").into_bytes();
    let answers: Value = serde_json::from_slice(&post(two)).unwrap();
    assert_eq!((answers.as_array().unwrap().len(), &answers[1]), (2, &answer));
    let many = format!("[{}]", vec![one; 257].join(","));
    let refused: Value = serde_json::from_slice(&post(many.into())).unwrap();
    assert_eq!(refused["error"]["code"], -32010, "a batch of more than 256: {refused}");

    let methods: Vec<&'static str> = Client::new().module.method_names().collect();
    let call = || {
        (proptest::sample::select(methods.clone()), params())
            .prop_map(|(method, params)| request_of(method, &params))
    };
    let batch =
        proptest::collection::vec(call(), 0..4).prop_map(|calls| format!("[{}]", calls.join(",")));
    let asked = (prop_oneof![call(), batch], any::<proptest::sample::Index>(), any::<Option<u8>>());
    let config = ProptestConfig { cases: 400, ..ProptestConfig::default() };
    proptest!(config, |((body, at, with) in asked)| {
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        match with {
            Some(0..64) => body.truncate(at),
            Some(byte) => body[at] = byte,
            None => {}
        }
        let answer = post(body);
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        prop_assert!(!answer.contains("-32603"), "an internal error: {answer}");
    });
}

fn request_of(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}
