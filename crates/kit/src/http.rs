//! The HTTP shell of every service: bounds on requests, one shape of errors, health and metrics pages, graceful stop.
//!
//! ```text
//! Listener (bound first, so that port 0 is known) ── serve(router, limits, shutdown) ── until the shutdown is requested
//! ```

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use axum_server::Handle;
use serde::{Deserialize, Serialize};
use tower_http::timeout::TimeoutLayer;

use crate::{Shutdown, metrics::Metrics, tls::Tls};

/// How long requests that are under way may take once stopping is requested.
pub const DRAIN: Duration = Duration::from_secs(3);

/// The error body of every HTTP API: a number that programs read, its name, and what a person needs to fix it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Stable number: a rejection's, or the HTTP status when nothing more precise is known.
    pub code: u32,
    /// Stable name in CamelCase.
    pub name: String,
    /// For people.
    pub message: String,
}

/// An [`ErrorBody`] with its HTTP status: return it from handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// What is sent.
    pub body: ErrorBody,
}

impl ApiError {
    /// An error with a number of its own.
    #[must_use]
    pub fn new(status: StatusCode, code: u32, name: &str, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { code, name: name.to_owned(), message: message.into() } }
    }
    /// 400 without a more precise number.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 400, "BadRequest", message)
    }
    /// 404.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, 404, "NotFound", message)
    }
    /// 503: try again later.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, 503, "Unavailable", message)
    }
    /// 500. The error is logged here with its chain and not shown to the client.
    #[must_use]
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain = format!("{chain}: {cause}");
            source = cause.source();
        }
        tracing::error!(error = chain, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            500,
            "Internal",
            "an error of this server; see its log",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// Bounds on every request of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body, bytes.
    pub body_bytes_max: usize,
    /// Longest time for one request, from its head to its answer.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: 1 << 20, request_timeout: Duration::from_secs(30) }
    }
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Accepting stopped.
    #[error("the server on {addr} stopped")]
    Serve {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A bound socket: its port is known before anything is served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Binds `addr`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(addr: SocketAddr) -> Result<Self, HttpError> {
        let bound = TcpListener::bind(addr).and_then(|socket| {
            socket.set_nonblocking(true)?;
            let addr = socket.local_addr()?;
            Ok(Self { socket, addr })
        });
        bound.map_err(|source| HttpError::Bind { addr, source })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves `router` within `limits` until `shutdown`, then lets requests under way finish for [`DRAIN`].
    ///
    /// # Errors
    /// When accepting fails.
    pub async fn serve(
        self,
        router: Router,
        limits: Limits,
        tls: Option<Tls>,
        shutdown: Shutdown,
    ) -> Result<(), HttpError> {
        let addr = self.addr;
        let service = bounded(router, limits).into_make_service_with_connect_info::<SocketAddr>();
        let handle = Handle::new();
        let fails = |source| HttpError::Serve { addr, source };
        let stop = {
            let handle = handle.clone();
            async move {
                shutdown.requested().await;
                handle.graceful_shutdown(Some(DRAIN));
            }
        };
        match tls {
            None => {
                let server = axum_server::from_tcp(self.socket).map_err(fails)?;
                until_stopped(server.handle(handle).serve(service), stop).await.map_err(fails)
            }
            Some(tls) => {
                let server =
                    axum_server::from_tcp_rustls(self.socket, tls.config).map_err(fails)?;
                until_stopped(server.handle(handle).serve(service), stop).await.map_err(fails)
            }
        }
    }
}

/// Drives the server to its end and `stop` beside it.
async fn until_stopped(
    server: impl Future<Output = io::Result<()>>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => ended,
        () = stop => server.await,
    }
}

/// `router` with the bounds of `limits`: 413 above the body size, 408 after the timeout.
pub fn bounded(router: Router, limits: Limits) -> Router {
    router
        .layer(DefaultBodyLimit::max(limits.body_bytes_max))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limits.request_timeout))
}

/// Whether a service can do its work, as `/ready` tells; clones share it. Not ready at first.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<Result<(), String>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Err("starting".to_owned()))))
    }
}

impl Readiness {
    /// The service can work.
    pub fn set_ready(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Ok(());
    }
    /// It cannot, for this reason.
    pub fn set_waiting(&self, reason: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Err(reason.into());
    }
    /// Nothing, or why it cannot work.
    ///
    /// # Errors
    /// The reason.
    pub fn get(&self) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `GET /health` (the process answers), `/ready` (it can work, else 503 with the reason) and `/metrics`.
pub fn operations(readiness: Readiness, metrics: Metrics) -> Router {
    let ready = move || async move {
        match readiness.get() {
            Ok(()) => (StatusCode::OK, "ready\n").into_response(),
            Err(reason) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, 503, "NotReady", reason)
                .into_response(),
        }
    };
    let page = move || async move {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
    };
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(page))
}

#[cfg(test)]
mod tests;
