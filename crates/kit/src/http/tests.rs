//! The shell over real sockets on port 0, with a hand-written HTTP/1.1 client.

use std::net::Ipv4Addr;

use axum::{body::Bytes, routing::post};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;

async fn exchange(addr: SocketAddr, request: String) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn bounds_errors_and_pages() {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let (addr, shutdown, readiness) = (listener.addr(), Shutdown::new(), Readiness::default());
    let router = Router::new()
        .route("/echo", post(|body: Bytes| async { body }))
        .route(
            "/bad",
            get(|| async { ApiError::new(StatusCode::FORBIDDEN, 11, "BadSignature", "no") }),
        )
        .merge(operations(readiness.clone(), Metrics::new()));
    let limits = Limits { body_bytes_max: 8, ..Limits::default() };
    let server = tokio::spawn(listener.serve(router, limits, None, shutdown.clone()));

    assert!(exchange(addr, get_request("/health")).await.starts_with("HTTP/1.1 200"));
    assert!(
        exchange(addr, get_request("/ready"))
            .await
            .contains("\"name\":\"NotReady\",\"message\":\"starting\"")
    );
    readiness.set_ready();
    assert!(exchange(addr, get_request("/ready")).await.starts_with("HTTP/1.1 200"));
    assert!(exchange(addr, get_request("/metrics")).await.contains("version=0.0.4"));
    let bad = exchange(addr, get_request("/bad")).await;
    assert!(
        bad.starts_with("HTTP/1.1 403")
            && bad.contains(r#"{"code":11,"name":"BadSignature","message":"no"}"#)
    );
    let post = |body: &str| {
        format!(
            "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert!(exchange(addr, post("12345678")).await.ends_with("12345678"));
    assert!(exchange(addr, post("123456789")).await.starts_with("HTTP/1.1 413"));

    shutdown.request();
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(addr).await.is_err(), "the port is free again");
}

#[test]
fn a_self_signed_certificate_is_made() {
    let tls = Tls::self_signed(&["localhost", "127.0.0.1"]).unwrap();
    assert!(!tls.certificate_der().is_empty());
}
