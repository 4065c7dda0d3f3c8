//! A WebSocket client that is only as good as the tests need it: text frames, pings answered, nothing else.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(super) struct Socket {
    stream: TcpStream,
    sent: u64,
    waiting: Vec<Value>,
}

impl Socket {
    pub(super) async fn open(addr: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self { stream, sent: 0, waiting: Vec::new() }
    }

    pub(super) async fn send_text(&mut self, text: &str) -> std::io::Result<()> {
        let mut frame = vec![0x81];
        match text.len() {
            small @ ..126 => frame.push(0x80 | u8::try_from(small).unwrap()),
            middle @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(middle).unwrap().to_be_bytes());
            }
            large => {
                frame.push(0x80 | 127);
                frame.extend(u64::try_from(large).unwrap().to_be_bytes());
            }
        }
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).await
    }

    async fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await? & 0x0f;
        let size = match self.stream.read_u8().await? {
            126 => usize::from(self.stream.read_u16().await?),
            127 => usize::try_from(self.stream.read_u64().await?).unwrap(),
            small => usize::from(small),
        };
        let mut body = vec![0; size];
        self.stream.read_exact(&mut body).await?;
        Ok((kind, body))
    }

    /// The next message; `None` when the server closed.
    pub(super) async fn message(&mut self) -> Option<Value> {
        loop {
            match self.frame().await.ok()? {
                (1, body) => return Some(serde_json::from_slice(&body).unwrap()),
                (8, _) => return None,
                _ => {}
            }
        }
    }

    /// Asks and waits for the answer; what else comes meanwhile is kept for `notice`.
    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send_text(&request.to_string()).await.unwrap();
        loop {
            let message = self.message().await.expect("the connection is open");
            if message["id"] == id {
                return message;
            }
            self.waiting.push(message);
        }
    }

    /// What the next notification is about.
    pub(super) async fn notice(&mut self) -> Value {
        let message = if self.waiting.is_empty() {
            self.message().await.expect("the connection is open")
        } else {
            self.waiting.remove(0)
        };
        assert_eq!(message["method"], "eth_subscription", "{message}");
        message["params"].clone()
    }
}
