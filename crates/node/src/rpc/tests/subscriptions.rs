//! `eth_subscribe` over a real WebSocket.

use cairn_primitives::abi::ICredits;

use super::{socket::Socket, *};

/// A server that stops with the test.
pub(super) struct Served {
    pub(super) chain: TestChain,
    pub(super) addr: SocketAddr,
    stop: Shutdown,
    running: tokio::task::JoinHandle<()>,
}

impl Served {
    pub(super) async fn new(config: RpcConfig) -> Self {
        let chain = TestChain::new();
        let server = RpcServer::start(chain.parts(), config).await.unwrap();
        let (addr, stop) = (server.addr(), Shutdown::new());
        let running = tokio::spawn(server.until(stop.clone()));
        Self { chain, addr, stop, running }
    }

    pub(super) async fn stop(self) {
        self.stop.request();
        self.running.await.unwrap();
    }
}

async fn subscribe(socket: &mut Socket, params: Value) -> Value {
    let answer = socket.ask("eth_subscribe", params).await;
    let id = answer["result"].clone();
    assert!(id.as_str().is_some_and(|id| id.starts_with("0x")), "{answer}");
    id
}

#[tokio::test]
async fn heads_come_in_order_until_unsubscribed() {
    let served = Served::new(TestChain::config()).await;
    let mut socket = Socket::open(served.addr).await;
    let heads = subscribe(&mut socket, json!(["newHeads"])).await;
    for height in 1..=5_u64 {
        served.chain.mine();
        if height == 3 {
            served.chain.mine();
        }
        let expected: &[u64] = if height <= 2 {
            &[height]
        } else if height == 3 {
            &[3, 4]
        } else {
            &[height + 1]
        };
        for number in expected {
            let notice = socket.notice().await;
            assert_eq!(notice["subscription"], heads);
            assert_eq!(notice["result"]["number"], json!(format!("{number:#x}")));
            assert!(
                notice["result"]["hash"].is_string() && notice["result"]["parentHash"].is_string()
            );
        }
    }
    assert_eq!(socket.ask("eth_unsubscribe", json!([heads])).await["result"], true);
    assert_eq!(socket.ask("eth_unsubscribe", json!([heads])).await["result"], false);
    served.chain.mine();
    let height = socket.ask("eth_blockNumber", json!([])).await;
    assert_eq!(height["result"], "0x7", "an ended subscription says nothing more");
    served.stop().await;
}

#[tokio::test]
async fn logs_and_pending_transactions_as_they_come() {
    let served = Served::new(TestChain::config()).await;
    let chain = &served.chain;
    let mut socket = Socket::open(served.addr).await;
    let minted = ICredits::Minted::SIGNATURE_HASH;
    let filter = json!({"address": CREDITS, "topics": [minted]});
    let logs = subscribe(&mut socket, json!(["logs", filter])).await;
    let nothing = json!({"address": REGISTRY});
    subscribe(&mut socket, json!(["logs", nothing])).await;
    let hash = chain.send(&chain.alice, &mint()).unwrap();
    chain.send(&chain.bob, &transfer()).unwrap();
    chain.mine();
    let notice = socket.notice().await;
    assert_eq!(notice["subscription"], logs);
    assert_eq!(notice["result"]["transactionHash"], json!(hash));
    assert_eq!(
        (&notice["result"]["removed"], &notice["result"]["blockNumber"]),
        (&json!(false), &json!("0x1"))
    );

    let mut other = Socket::open(served.addr).await;
    let hashes = subscribe(&mut other, json!(["newPendingTransactions"])).await;
    let hash = chain.send(&chain.alice, &transfer()).unwrap();
    let notice = other.notice().await;
    assert_eq!((&notice["subscription"], &notice["result"]), (&hashes, &json!(hash)));
    subscribe(&mut other, json!(["newPendingTransactions", true])).await;
    let hash = chain.send(&chain.bob, &transfer()).unwrap();
    let both = [other.notice().await["result"].clone(), other.notice().await["result"].clone()];
    assert!(both.contains(&json!(hash)), "{both:?}");
    let full = both.iter().find(|found| found.is_object()).unwrap();
    assert_eq!((&full["hash"], &full["from"]), (&json!(hash), &json!(chain.bob.address())));
    served.stop().await;
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused() {
    let served = Served::new(TestChain::config()).await;
    let mut socket = Socket::open(served.addr).await;
    let cases = [
        (json!(["newUncles"]), -32601),
        (json!([]), -32602),
        (json!(["logs", {"address": 5}]), -32602),
        (json!(["newPendingTransactions", {}]), -32602),
    ];
    for (params, code) in cases {
        let answer = socket.ask("eth_subscribe", params.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{params}: {answer}");
    }
    for _ in 0..SUBSCRIPTIONS_PER_CONNECTION {
        subscribe(&mut socket, json!(["newHeads"])).await;
    }
    let refused = socket.ask("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(refused["error"]["code"], -32006, "{refused}");
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
    let batch = format!("[{request}]");
    for request in [request, batch.as_str()] {
        let (_, body) = post(served.addr, request).await;
        let told = r#""error":{"code":-32001,"message":"notifications not supported"}"#;
        assert!(body.contains(told), "only over WebSocket: {body}");
    }
    served.stop().await;
}

#[tokio::test]
async fn pending_filters_keep_hashes_between_polls() {
    let client = Client::new();
    let filter = client.ok("eth_newPendingTransactionFilter", json!([])).await;
    let hashes = [client.send(&transfer()).await, client.send(&transfer()).await];
    assert_eq!(client.ok("eth_getFilterChanges", json!([filter])).await, json!(hashes));
    assert_eq!(client.ok("eth_getFilterChanges", json!([filter])).await, json!([]));
    client.chain.mine();
    assert_eq!(client.ok("eth_getFilterChanges", json!([filter])).await, json!([]));
    assert_eq!(client.ok("eth_uninstallFilter", json!([filter])).await, true);
}
