//! The server without its sockets: the body of one HTTP request in, the body of the answer out. What reads strangers' bytes (parsing, batches,
//! limits, dispatch) is the server's own, so tests and the fuzzer meet what a stranger meets. Subscriptions need a WebSocket, and are refused.

use axum::{
    body::Body,
    http::{Request, header},
};
use bytes::Bytes;
use jsonrpsee::{
    Methods,
    server::{Server, ServerConfig, ServerHandle, StopHandle, stop_channel},
};
use tower::{BoxError, Service as _};

use super::{Rpc, RpcConfig, RpcParts, methods, serve::limits, subscriptions};

/// See the file.
pub struct Door {
    methods: Methods,
    limits: ServerConfig,
    answer_bytes_max: usize,
    stop: StopHandle,
    /// The server stops with its last handle.
    _handle: ServerHandle,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    /// A door to the methods of a node of these parts; `config.listen` is not used.
    #[must_use]
    pub fn new(parts: RpcParts, config: RpcConfig) -> Self {
        let (stop, handle) = stop_channel();
        Self {
            methods: subscriptions::without(methods(Rpc::new(parts, config))).into(),
            limits: limits(&config),
            answer_bytes_max: config.response_bytes_max as usize * 2,
            stop,
            _handle: handle,
        }
    }

    /// The answer to the body of one request: of one call, or of a batch. Not always JSON: a body that is refused before it is read is
    /// answered in words, and notifications with nothing.
    ///
    /// # Errors
    /// When the server's own layers fail.
    ///
    /// # Panics
    /// Never: the request is well formed.
    pub async fn post(&self, body: Bytes) -> Result<Bytes, BoxError> {
        let mut service = Server::builder()
            .set_config(self.limits.clone())
            .to_service_builder()
            .build(self.methods.clone(), self.stop.clone());
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .expect("a path and a header are a request");
        let answer = service.call(request).await?;
        Ok(axum::body::to_bytes(Body::new(answer.into_body()), self.answer_bytes_max).await?)
    }
}
