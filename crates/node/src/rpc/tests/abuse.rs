//! Clients that mean harm, against a real server: each gets its error or loses its connection, and others are answered.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{socket::Socket, subscriptions::Served, *};

const ASK: &str = r#"{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber","params":[]}"#;

fn code_of(body: &str) -> Value {
    serde_json::from_str::<Value>(body).unwrap_or_default()["error"]["code"].clone()
}

/// Somebody else is still answered.
async fn well(served: &Served) {
    let (head, body) = post(served.addr, ASK).await;
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("result"), "{head} {body}");
}

/// The same of a server that waits for nobody: an honest client may be too slow for it a few times on a busy machine.
async fn well_at_last(served: &Served) {
    let answered = async {
        while !post(served.addr, ASK).await.0.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, answered).await.expect("somebody is answered");
}

fn request(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

#[tokio::test]
async fn deep_json_and_giant_requests() {
    let served = Served::new(TestChain::config()).await;
    let deep = "[".repeat(1 << 20);
    assert_eq!(code_of(&post(served.addr, &deep).await.1), -32700);
    let nested = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":{nested}}}"#);
    assert!(
        [-32700, -32602].map(Value::from).contains(&code_of(&post(served.addr, &body).await.1))
    );
    let batch = format!("[{}]", vec![ASK; 5_000].join(","));
    assert_eq!(code_of(&post(served.addr, &batch).await.1), -32010);
    let (head, _) = post(served.addr, &" ".repeat(3 << 20)).await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 413"), "{head}");
    let data = format!("0x{}", "00".repeat(200_000));
    let (_, body) = post(served.addr, &request("eth_sendRawTransaction", &json!([data]))).await;
    assert_eq!(code_of(&body), -32602, "too large for a transaction: {body}");
    let data = format!("0x{}", "ff".repeat(600_000));
    let call = json!([{"to": Address::ZERO, "data": data}]);
    let (_, body) = post(served.addr, &request("eth_estimateGas", &call)).await;
    assert_eq!(code_of(&body), -32000, "no gas limit of a transaction pays for it: {body}");
    let wide = json!([{"fromBlock": "0x0", "toBlock": "0xffffffffffff"}]);
    let (_, body) = post(served.addr, &request("eth_getLogs", &wide)).await;
    assert!(body.contains("result"), "clamped to the head: {body}");
    well(&served).await;
    served.stop().await;
}

#[tokio::test]
async fn endless_calls_end_and_reads_do_not_wait_for_them() {
    let config = RpcConfig { calls_max: 1, call_gas_max: 20_000_000, ..TestChain::config() };
    let served = Served::new(config).await;
    let target = address!("0x00000000000000000000000000000000000c0de0");
    let overrides = json!({target.to_string(): {"code": "0x5b5f56"}});
    let endless = request("eth_call", &json!([{"to": target}, "latest", overrides]));
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let (addr, endless) = (served.addr, endless.clone());
            tokio::spawn(async move { post(addr, &endless).await.1 })
        })
        .collect();
    let full = request("eth_getBlockByNumber", &json!(["latest", true]));
    let (_, body) = post(served.addr, &full).await;
    assert!(body.contains("\"number\":\"0x0\""), "{body}");
    for call in calls {
        let body = call.await.unwrap();
        assert!([-32000, -32005].map(Value::from).contains(&code_of(&body)), "{body}");
    }
    well(&served).await;
    served.stop().await;
}

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(1_200);
/// How long a server waits for what a test is about. For all else it has time.
const SHORT: Duration = Duration::from_millis(200);

fn impatient(change: impl FnOnce(&mut Patience)) -> RpcConfig {
    let mut config = RpcConfig { connections_max: 4, ..TestChain::config() };
    change(&mut config.patience);
    config
}

/// Reads until the server closes; what it said.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is a close, too.
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn slow_clients_lose_their_place() {
    let served = Served::new(impatient(|patience| patience.head = SHORT)).await;
    let mut slow = Vec::new();
    for begun in ["", "POST / HTTP/1.1\r\nHost: x\r\nContent-Len"] {
        let mut stream = TcpStream::connect(served.addr).await.unwrap();
        // It may be closed before a word was said.
        let _ = stream.write_all(begun.as_bytes()).await;
        slow.push(stream);
    }
    for mut stream in slow {
        let said = rest(&mut stream).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "closed: {said}");
    }
    well_at_last(&served).await;
    served.stop().await;
    // A body that does not come.
    let served = Served::new(impatient(|patience| patience.request = SHORT)).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    well_at_last(&served).await;
    served.stop().await;
}

#[tokio::test]
async fn who_finds_no_place_is_told_and_places_come_back() {
    let config = RpcConfig { connections_max: 2, ..TestChain::config() };
    let served = Served::new(config).await;
    let mut first = Socket::open(served.addr).await;
    let mut second = Socket::open(served.addr).await;
    assert_eq!(first.ask("eth_blockNumber", json!([])).await["result"], "0x0");
    let mut third = TcpStream::connect(served.addr).await.unwrap();
    assert!(rest(&mut third).await.starts_with("HTTP/1.1 503"));
    assert_eq!(second.ask("eth_blockNumber", json!([])).await["result"], "0x0");
    drop((first, second));
    // The server sees the two leave when it reads their ends.
    while !post(served.addr, ASK).await.0.starts_with("HTTP/1.1 200") {
        tokio::task::yield_now().await;
    }
    served.stop().await;
}

#[tokio::test]
async fn a_flooding_socket_waits_for_its_own_answers() {
    let served = Served::new(TestChain::config()).await;
    let mut flood = Socket::open(served.addr).await;
    for _ in 0..2_000 {
        flood.send_text(ASK).await.unwrap();
    }
    for _ in 0..2_000 {
        assert_eq!(flood.message().await.unwrap()["result"], "0x0");
    }
    // Bytes that are never a request end the connection.
    let noise = "x".repeat(1 << 20);
    let mut ended = false;
    for _ in 0..64 {
        if flood.send_text(&noise).await.is_err() {
            ended = true;
            break;
        }
    }
    assert!(ended, "64 MiB of noise were read");
    well(&served).await;
    served.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_dropped() {
    let served = Served::new(impatient(|patience| patience.stall = SHORT)).await;
    for _ in 0..200 {
        served.chain.mine();
    }
    let ask = request("eth_feeHistory", &json!(["0xc8", "latest", vec![1.0; 100]]));
    let mut deaf = Socket::open(served.addr).await;
    // It only ever asks; once the buffers between are full, the server stops reading, then gives up.
    let asks = async { while deaf.send_text(&ask).await.is_ok() {} };
    let closed = tokio::time::timeout(LONG, asks).await;
    assert!(closed.is_ok(), "the server keeps a client that takes nothing");
    well_at_last(&served).await;
    served.stop().await;
}
