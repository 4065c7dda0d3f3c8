//! Connections: how many, how slow, and how much of each is under way.
//!
//! ```text
//!   accept ─ places, per address ─► Paced socket ─► hyper, HTTP/1.1 or WebSocket ─► jsonrpsee ─ Claims ─► methods
//!                                        ▲ reads wait while too many requests are under way ┘
//! ```
//! Invariants: a connection that is silent or takes nothing loses its place; over WebSocket, where requests run side by
//! side, nothing more is read while `UNDER_WAY_MAX` are; bytes that are never a request end the connection. So a client
//! can hold one place, a few requests and their answers, whatever it does.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use axum::http::StatusCode;
use hyper::{Request as HttpRequest, body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::{
    Methods, RpcModule,
    core::middleware::{Batch, Notification, RpcServiceBuilder, RpcServiceT},
    server::{BatchRequestConfig, PingConfig, Server, ServerConfig, StopHandle, ws},
    types::Request,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, Sleep},
};
use tower_http::{
    cors::{Any, CorsLayer},
    timeout::TimeoutLayer,
};

use super::{
    RpcConfig,
    subscriptions::{self, HexIds, SUBSCRIPTIONS_PER_CONNECTION},
};

/// Requests of one connection that may be under way; more are not read.
const UNDER_WAY_MAX: usize = 16;
/// Messages that may wait to be written to one WebSocket.
const MESSAGES_MAX: u32 = 64;
/// Bytes that a connection may send besides the bodies of its requests: heads, frames.
const FRAMING_BYTES: usize = 64 << 10;
/// Connections of one address; those of this machine (a proxy) are counted only together with all others.
const PER_ADDRESS_MAX: usize = 128;
/// How long accepting pauses when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a client without a place is told.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long a connection may take for each thing.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the start of a connection, or the last answer, to the end of the next request's head.
    pub head: Duration,
    /// For one HTTP request, from its head to its answer.
    pub request: Duration,
    /// For a client to take any byte of an answer.
    pub stall: Duration,
    /// Between two pings of a WebSocket; two without an answer end it.
    pub ping: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            request: Duration::from_secs(60),
            stall: Duration::from_secs(15),
            ping: Duration::from_secs(20),
        }
    }
}

/// The methods of both kinds of connection.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    pub http: Methods,
    pub socket: Methods,
}

impl Doors {
    pub(super) fn new(methods: RpcModule<()>) -> Self {
        let http = subscriptions::without(methods.clone()).into();
        Self { http, socket: methods.into() }
    }
}

/// Accepts until stopped, then lets the connections finish what they do.
pub(super) async fn serve(
    listener: TcpListener,
    config: RpcConfig,
    doors: Doors,
    stop: StopHandle,
) {
    let places = Arc::new(Semaphore::new(config.connections_max as usize));
    let addresses = Addresses::default();
    let limits = limits(&config);
    let mut connections = JoinSet::new();
    let stopped = stop.clone().shutdown();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            () = &mut stopped => break,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, from)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let place = Arc::clone(&places).try_acquire_owned().ok();
        let (Some(place), Some(counted)) = (place, addresses.enter(from)) else {
            // Best effort: who floods is not waited for.
            let _ = socket.into_std().and_then(|mut socket| io::Write::write(&mut socket, BUSY));
            continue;
        };
        let paced = Paced::new(socket, (place, counted), &config);
        connections.spawn(connection(paced, config, limits.clone(), doors.clone(), stop.clone()));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

pub(super) fn limits(config: &RpcConfig) -> ServerConfig {
    let ping = config.patience.ping;
    ServerConfig::builder()
        .max_request_body_size(config.request_bytes_max)
        .max_response_body_size(config.response_bytes_max)
        .max_connections(config.connections_max)
        .set_batch_request_config(BatchRequestConfig::Limit(config.batch_max))
        .set_message_buffer_capacity(MESSAGES_MAX)
        .max_subscriptions_per_connection(SUBSCRIPTIONS_PER_CONNECTION)
        .enable_ws_ping(PingConfig::new().ping_interval(ping).inactive_limit(ping * 2))
        .set_id_provider(HexIds::default())
        .build()
}

async fn connection(
    paced: Paced,
    config: RpcConfig,
    limits: ServerConfig,
    doors: Doors,
    stop: StopHandle,
) {
    let claims = {
        let gate = Arc::clone(&paced.gate);
        RpcServiceBuilder::new().layer_fn(move |inner| Claiming { inner, gate: Arc::clone(&gate) })
    };
    let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
    let patience = config.patience;
    let in_time = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, patience.request);
    let services = Server::builder()
        .set_config(limits)
        .set_rpc_middleware(claims)
        .set_http_middleware(tower::ServiceBuilder::new().layer(cors).layer(in_time))
        .to_service_builder();
    let http = services.clone().build(doors.http, stop.clone());
    let socket = services.build(doors.socket, stop.clone());
    let service = ByUpgrade { http, socket };
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .serve_connection(TokioIo::new(paced), service)
        .with_upgrades();
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.shutdown() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(reason) = ended {
        tracing::debug!(%reason, "rpc connection ended");
    }
}

/// HTTP and WebSocket on one connection, each with the methods that it can serve.
struct ByUpgrade<S> {
    http: S,
    socket: S,
}

impl<S> hyper::service::Service<HttpRequest<Incoming>> for ByUpgrade<S>
where
    S: tower::Service<HttpRequest<Incoming>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: HttpRequest<Incoming>) -> Self::Future {
        let service = if ws::is_upgrade_request(&request) { &self.socket } else { &self.http };
        service.clone().call(request)
    }
}

/// Open connections by address; of IPv6 by network, which one client has whole.
#[derive(Clone, Debug, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection, counted until it is dropped.
struct Counted {
    addresses: Addresses,
    address: Option<IpAddr>,
}

impl Addresses {
    fn enter(&self, from: SocketAddr) -> Option<Counted> {
        let mut address = from.ip().to_canonical();
        if address.is_loopback() {
            return Some(Counted { addresses: self.clone(), address: None });
        }
        if let IpAddr::V6(v6) = address {
            let [a, b, c, d, ..] = v6.segments();
            address = IpAddr::from([a, b, c, d, 0, 0, 0, 0]);
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Counted { addresses: self.clone(), address: Some(address) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut open = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

/// What a connection has under way: the requests tell, the socket obeys.
#[derive(Debug, Default)]
struct Gate {
    under_way: AtomicUsize,
    /// Bytes read since the last request began.
    unclaimed: AtomicUsize,
    reader: Mutex<Option<Waker>>,
}

/// One request under way.
struct Claim(Arc<Gate>);

impl Claim {
    fn new(gate: &Arc<Gate>) -> Self {
        gate.under_way.fetch_add(1, Ordering::AcqRel);
        gate.unclaimed.store(0, Ordering::Release);
        Self(Arc::clone(gate))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Gate {
    fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let full = || self.under_way.load(Ordering::Acquire) >= UNDER_WAY_MAX;
        if !full() {
            return Poll::Ready(());
        }
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        // One may have ended before the waker was there.
        if full() { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// Counts requests at the gate of their connection.
#[derive(Clone)]
struct Claiming<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> RpcServiceT for Claiming<S>
where
    S: RpcServiceT + Clone + Send + Sync + 'static,
{
    type MethodResponse = S::MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = S::BatchResponse;

    fn call<'a>(
        &self,
        request: Request<'a>,
    ) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        let (inner, claim) = (self.inner.clone(), Claim::new(&self.gate));
        async move {
            let answer = inner.call(request).await;
            drop(claim);
            answer
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        let (inner, claim) = (self.inner.clone(), Claim::new(&self.gate));
        async move {
            let answer = inner.batch(batch).await;
            drop(claim);
            answer
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        let (inner, claim) = (self.inner.clone(), Claim::new(&self.gate));
        async move {
            let answer = inner.notification(notification).await;
            drop(claim);
            answer
        }
    }
}

/// A socket that reads no more than its gate allows, and fails when its client takes nothing.
struct Paced {
    socket: TcpStream,
    gate: Arc<Gate>,
    unclaimed_max: usize,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// It stalled: nothing is read or written any more.
    given_up: bool,
    reader: Option<Waker>,
    /// Its place among all connections, for as long as the socket lives: a WebSocket outlives its HTTP request.
    _place: (OwnedSemaphorePermit, Counted),
}

impl Paced {
    fn new(socket: TcpStream, place: (OwnedSemaphorePermit, Counted), config: &RpcConfig) -> Self {
        // A socket that cannot be tuned works, only slower.
        let _ = socket.set_nodelay(true);
        Self {
            socket,
            gate: Arc::default(),
            // Two requests may be in before the first is claimed.
            unclaimed_max: 2 * config.request_bytes_max as usize + FRAMING_BYTES,
            stall: config.patience.stall,
            stalled: None,
            given_up: false,
            reader: None,
            _place: place,
        }
    }

    /// Passes on what a write came to; one that cannot go on starts the clock.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.given_up {
            return Poll::Ready(Err(gave_up()));
        }
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let end = Instant::now() + self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        ready!(stalled.as_mut().poll(context));
        self.given_up = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Err(gave_up()))
    }
}

fn gave_up() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given_up {
            return Poll::Ready(Err(gave_up()));
        }
        self.reader = Some(context.waker().clone());
        ready!(self.gate.poll_room(context));
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        let unclaimed = self.gate.unclaimed.fetch_add(read, Ordering::AcqRel) + read;
        if unclaimed > self.unclaimed_max {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "no request")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch(context, written)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        self.watch(context, written)
    }
    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        self.watch(context, flushed)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.socket).poll_shutdown(context);
        self.watch(context, shut)
    }
}
