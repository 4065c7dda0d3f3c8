//! `eth_subscribe` over WebSocket: new heads, logs, transactions on their way.
//!
//! A subscription remembers only the next height to look at; what it sends is read from the disk then, so a slow reader
//! costs a cursor and no memory. One that takes nothing for `SEND_MAX`, or falls behind, is ended with an error that says so.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::B256;
use alloy_rpc_types_eth::{Filter, Header, Log};
use jsonrpsee::{
    RpcModule, SubscriptionSink,
    core::{
        SubscriptionError,
        server::{PendingSubscriptionSink, SubscriptionCloseResponse},
        traits::IdProvider,
    },
    types::{ErrorObjectOwned, Params, SubscriptionId},
};
use serde::Serialize;
use serde_json::{Value, value::to_raw_value};
use tokio::sync::{broadcast, watch};

use super::{
    Node, Rpc,
    errors::{Answer, LIMIT, NO_METHOD, NO_NOTIFICATIONS, PARAMS, error},
    filters::{LOGS_MAX, logs_of},
};

/// Most subscriptions of all clients together.
pub const SUBSCRIPTIONS_MAX: usize = 1_024;
/// Most subscriptions of one connection.
pub const SUBSCRIPTIONS_PER_CONNECTION: u32 = 64;
/// Longest time that a connection may take to make room for a message.
pub const SEND_MAX: Duration = Duration::from_secs(10);
/// Most blocks that a subscription may be behind the head.
pub const BEHIND_MAX: u64 = 1_024;

/// What a client wants to hear of.
#[derive(Clone, Debug)]
enum Topic {
    Heads,
    Logs(Box<Filter>),
    /// Hashes, or whole transactions.
    Pending {
        full: bool,
    },
}

fn topic(params: &Params<'_>) -> Result<Topic, ErrorObjectOwned> {
    let mut params = params.sequence();
    let name: String = params.next()?;
    let extra = params.optional_next::<Value>()?.unwrap_or_default();
    let invalid = |reason: serde_json::Error| error(PARAMS, format!("invalid params: {reason}"));
    match name.as_str() {
        "newHeads" => Ok(Topic::Heads),
        "logs" if extra.is_null() => Ok(Topic::Logs(Box::default())),
        "logs" => Ok(Topic::Logs(Box::new(serde_json::from_value(extra).map_err(invalid)?))),
        "newPendingTransactions" => {
            let full: Option<bool> = serde_json::from_value(extra).map_err(invalid)?;
            Ok(Topic::Pending { full: full.unwrap_or(false) })
        }
        other => Err(error(NO_METHOD, format!("no \"{other}\" subscription in eth namespace"))),
    }
}

/// Why a subscription ended although its client did not ask for it.
enum End {
    /// Nobody is there to be told.
    Gone,
    /// The client is told.
    Failed(String),
}

impl From<ErrorObjectOwned> for End {
    fn from(failure: ErrorObjectOwned) -> Self {
        Self::Failed(failure.message().to_owned())
    }
}

/// One client's subscription.
struct Feed {
    rpc: Rpc,
    sink: SubscriptionSink,
}

impl Feed {
    async fn send(&self, found: &(impl Serialize + Sync)) -> Result<(), End> {
        let message = to_raw_value(found).map_err(|reason| End::Failed(reason.to_string()))?;
        match self.sink.send_timeout(message, SEND_MAX).await {
            Ok(()) => Ok(()),
            Err(jsonrpsee::core::server::SendTimeoutError::Closed(_)) => Err(End::Gone),
            Err(jsonrpsee::core::server::SendTimeoutError::Timeout(_)) => {
                Err(End::Failed(format!("too slow: took nothing for {} s", SEND_MAX.as_secs())))
            }
        }
    }

    async fn block(&self, topic: &Topic, height: u64) -> Result<(), End> {
        match topic {
            Topic::Logs(filter) => {
                let filter = filter.clone();
                let logs = self.rpc.heavy(move |node| logs_in(node, &filter, height)).await?;
                for log in &logs {
                    self.send(log).await?;
                }
            }
            _ => {
                let found = self.rpc.node().disk.snapshot().header(height);
                if let Some((_, header)) = found.map_err(|e| End::Failed(e.to_string()))? {
                    self.send(&Header::new(header)).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends what each new block has of `topic`, in order, without a gap.
    async fn blocks(&self, topic: &Topic, mut heights: watch::Receiver<u64>) -> Result<(), End> {
        let mut next = *heights.borrow_and_update() + 1;
        loop {
            heights.changed().await.map_err(|_| End::Gone)?;
            loop {
                let head = *heights.borrow_and_update();
                if next > head {
                    break;
                }
                if head - next > BEHIND_MAX {
                    return Err(End::Failed(format!("too slow: {} blocks behind", head - next)));
                }
                self.block(topic, next).await?;
                next += 1;
            }
        }
    }

    async fn pending(&self, full: bool, mut hashes: broadcast::Receiver<B256>) -> Result<(), End> {
        loop {
            let hash = hashes.recv().await.map_err(|ended| match ended {
                broadcast::error::RecvError::Closed => End::Gone,
                broadcast::error::RecvError::Lagged(missed) => {
                    End::Failed(format!("too slow: {missed} transactions were missed"))
                }
            })?;
            if !full {
                self.send(&hash).await?;
            } else if let Some(found) =
                self.rpc.find_transaction(hash).map_err(|failure| End::from(failure.0))?
            {
                self.send(&found).await?;
            }
        }
    }
}

/// The matching logs of one block; a block with more than a query may return ends the subscription.
fn logs_in(node: &Node, filter: &Filter, height: u64) -> Answer<Vec<Log>> {
    let logs = logs_of(&node.disk.snapshot(), filter, height)?;
    if logs.len() > LOGS_MAX {
        let message = format!("block {height} has more than {LOGS_MAX} matching logs");
        return Err(error(LIMIT, message).into());
    }
    Ok(logs)
}

async fn subscribe(
    rpc: Rpc,
    params: Params<'static>,
    pending: PendingSubscriptionSink,
) -> SubscriptionCloseResponse {
    let topic = match topic(&params) {
        Ok(topic) => topic,
        Err(refusal) => {
            pending.reject(refusal).await;
            return SubscriptionCloseResponse::None;
        }
    };
    let Ok(_place) = Arc::clone(&rpc.node().subscribers).try_acquire_owned() else {
        let message = format!("too many subscriptions: {SUBSCRIPTIONS_MAX} are open");
        pending.reject(error(LIMIT, message)).await;
        return SubscriptionCloseResponse::None;
    };
    // Before the answer, so that nothing that comes after it is missed.
    let (heights, hashes) = (rpc.node().disk.heights(), rpc.node().pool.on_accept());
    let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
    let feed = Feed { rpc, sink };
    let fed = async {
        match &topic {
            Topic::Pending { full } => feed.pending(*full, hashes).await,
            blocks => feed.blocks(blocks, heights).await,
        }
    };
    let ended = tokio::select! {
        () = feed.sink.closed() => Err(End::Gone),
        ended = fed => ended,
    };
    match ended {
        Err(End::Failed(reason)) => {
            SubscriptionCloseResponse::NotifErr(SubscriptionError::from(reason))
        }
        _ => SubscriptionCloseResponse::None,
    }
}

/// The two methods.
const SUBSCRIBE: &str = "eth_subscribe";
const UNSUBSCRIBE: &str = "eth_unsubscribe";

/// The methods as HTTP has them, where nothing can be sent unasked: subscribing is refused.
pub(super) fn without(mut module: RpcModule<()>) -> RpcModule<()> {
    for name in [SUBSCRIBE, UNSUBSCRIBE] {
        module.remove_method(name);
        module
            .register_method(name, |_, (), _| {
                Err::<(), _>(error(NO_NOTIFICATIONS, "notifications not supported"))
            })
            .expect("the method of this name is gone");
    }
    module
}

/// The methods as a WebSocket has them.
pub(super) fn module(rpc: Rpc) -> RpcModule<Rpc> {
    let mut module = RpcModule::new(rpc);
    module
        .register_subscription(
            SUBSCRIBE,
            "eth_subscription",
            UNSUBSCRIBE,
            |params, pending, rpc, _| subscribe(Rpc::clone(&rpc), params, pending),
        )
        .expect("the two names differ");
    module
}

/// Ids as clients expect them: hex strings that nobody guesses.
#[derive(Debug, Default)]
pub(super) struct HexIds {
    names: RandomState,
    made: AtomicU64,
}

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        SubscriptionId::Str(format!("{:#018x}", self.names.hash_one(made)).into())
    }
}
