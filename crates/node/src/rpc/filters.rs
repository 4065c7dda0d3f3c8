//! Logs: over a range of blocks, and since the last poll.
//!
//! A filter remembers only the next height to look at: polling is `eth_getLogs` from there. Finality makes `removed` logs
//! impossible. Filters that nobody polls expire; there are at most `FILTERS_MAX` of them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy_eips::BlockNumberOrTag as Tag;
use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, FilterChanges, Log};
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
};
use tokio::sync::broadcast;

use super::{
    Node, Rpc,
    blocks::log_views,
    errors::{Answer, LIMIT, NOT_FOUND, PARAMS, SERVER, error},
};
use crate::disk::{DiskError, Snapshot};

/// Most blocks that one query may cover.
pub const LOG_BLOCKS_MAX: u64 = 10_000;
/// Most logs that one query may return.
pub const LOGS_MAX: usize = 10_000;
/// Most filters of all clients together.
pub const FILTERS_MAX: usize = 1_024;
/// A filter that is not polled for this long is gone.
const FILTER_IDLE: Duration = Duration::from_secs(300);

/// Logs and filters.
#[rpc(server)]
pub trait FiltersApi {
    /// Logs that match, in order.
    #[method(name = "eth_getLogs")]
    async fn logs(&self, filter: Filter) -> RpcResult<Vec<Log>>;
    /// Starts a filter over new logs.
    #[method(name = "eth_newFilter")]
    async fn new_filter(&self, filter: Filter) -> RpcResult<U256>;
    /// Starts a filter over new blocks.
    #[method(name = "eth_newBlockFilter")]
    async fn new_block_filter(&self) -> RpcResult<U256>;
    /// Starts a filter over transactions as they enter the pool.
    #[method(name = "eth_newPendingTransactionFilter")]
    async fn new_pending_filter(&self) -> RpcResult<U256>;
    /// What came since the last poll.
    #[method(name = "eth_getFilterChanges")]
    async fn filter_changes(&self, id: U256) -> RpcResult<FilterChanges>;
    /// Everything that matches the filter, regardless of polls.
    #[method(name = "eth_getFilterLogs")]
    async fn filter_logs(&self, id: U256) -> RpcResult<Vec<Log>>;
    /// Ends a filter.
    #[method(name = "eth_uninstallFilter")]
    async fn uninstall_filter(&self, id: U256) -> RpcResult<bool>;
}

#[derive(Clone, Debug)]
enum Kind {
    Blocks,
    Logs(Box<Filter>),
    /// The pool keeps the hashes; of those that nobody polled for, the latest (docs/spec/rpc.md).
    Pending(Arc<Mutex<broadcast::Receiver<B256>>>),
}

/// The hashes that wait in a pending filter.
fn drain(hashes: &Mutex<broadcast::Receiver<B256>>) -> Vec<B256> {
    use broadcast::error::TryRecvError;
    let mut hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = Vec::new();
    loop {
        match hashes.try_recv() {
            Ok(hash) => found.push(hash),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return found,
        }
    }
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    next: u64,
    polled: Instant,
}

/// The filters of all clients.
#[derive(Debug, Default)]
pub(super) struct Filters {
    open: Mutex<HashMap<U256, Open>>,
    names: RandomState,
    made: std::sync::atomic::AtomicU64,
}

impl Filters {
    fn lock(&self) -> MutexGuard<'_, HashMap<U256, Open>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, filter| filter.polled.elapsed() < FILTER_IDLE);
        open
    }

    fn add(&self, kind: Kind, next: u64) -> Answer<U256> {
        let mut open = self.lock();
        if open.len() >= FILTERS_MAX {
            return Err(error(LIMIT, format!("too many filters: {FILTERS_MAX} are open")).into());
        }
        // A keyed hash of a counter: clients cannot guess, and so not end, each other's filters.
        let made = self.made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let id = U256::from(self.names.hash_one(made));
        open.insert(id, Open { kind, next, polled: Instant::now() });
        Ok(id)
    }

    /// What to look for and from where; afterwards the filter stands after `head`.
    fn poll(&self, id: U256, head: u64) -> Answer<(Kind, u64)> {
        let mut open = self.lock();
        let filter = open.get_mut(&id).ok_or_else(|| error(SERVER, "filter not found"))?;
        filter.polled = Instant::now();
        let from = filter.next;
        filter.next = filter.next.max(head + 1);
        Ok((filter.kind.clone(), from))
    }

    /// Puts a filter back to `next`, after a poll that could not be answered.
    fn rewind(&self, id: U256, next: u64) {
        if let Some(filter) = self.lock().get_mut(&id) {
            filter.next = next;
        }
    }

    fn kind(&self, id: U256) -> Answer<Kind> {
        let open = self.lock();
        Ok(open.get(&id).ok_or_else(|| error(SERVER, "filter not found"))?.kind.clone())
    }
}

/// First and last height that a filter covers; `None` when its range is empty.
fn range(snapshot: &Snapshot, filter: &Filter) -> Answer<Option<(u64, u64)>> {
    let head = snapshot.height();
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let height =
                snapshot.height_of(hash)?.ok_or_else(|| error(NOT_FOUND, "unknown block"))?;
            Ok(Some((height, height)))
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let end = |tag: Option<Tag>| match tag {
                Some(Tag::Number(height)) => height,
                Some(Tag::Earliest) => 0,
                _ => head,
            };
            let (from, to) = (end(from_block), end(to_block));
            if from > to && matches!(to_block, Some(Tag::Number(_) | Tag::Earliest)) {
                return Err(error(PARAMS, "invalid block range params").into());
            }
            Ok((from <= head).then_some((from, to.min(head))))
        }
    }
}

/// The logs of one block that match.
pub(crate) fn logs_of(
    snapshot: &Snapshot,
    filter: &Filter,
    height: u64,
) -> Result<Vec<Log>, DiskError> {
    // No logs is not the same as no block.
    snapshot.kept(height)?;
    let mut found = Vec::new();
    let Some((hash, header)) = snapshot.header(height)? else { return Ok(found) };
    if !filter.matches_bloom(header.logs_bloom) {
        return Ok(found);
    }
    for (index, receipt) in (0_u32..).zip(snapshot.receipts(height)?) {
        if !receipt.receipt.logs().iter().any(|log| filter.matches(log)) {
            continue;
        }
        let Some(transaction) = snapshot.transaction((height, index))? else { continue };
        let place = (u64::from(index), *transaction.inner().tx_hash());
        let logs = log_views(hash, &header, place, receipt).into_logs();
        found.extend(logs.into_iter().filter(|log| filter.matches(&log.inner)));
    }
    Ok(found)
}

fn logs_between(
    node: &Node,
    snapshot: &Snapshot,
    filter: &Filter,
    from: u64,
    to: u64,
) -> Answer<Vec<Log>> {
    if to - from >= LOG_BLOCKS_MAX {
        let message = format!("query exceeds the range of {LOG_BLOCKS_MAX} blocks: ask for less");
        return Err(error(LIMIT, message).into());
    }
    let started = Instant::now();
    let mut found = Vec::new();
    for height in from..=to {
        found.extend(logs_of(snapshot, filter, height)?);
        if found.len() > LOGS_MAX {
            let message = format!(
                "query returns more than {LOGS_MAX} logs: last block within the limit is {}",
                height.saturating_sub(1)
            );
            return Err(error(LIMIT, message).into());
        }
        if started.elapsed() > node.config.deadline {
            return Err(error(LIMIT, "query timed out: ask for fewer blocks").into());
        }
    }
    Ok(found)
}

fn logs(node: &Node, filter: &Filter) -> Answer<Vec<Log>> {
    let snapshot = node.disk.snapshot();
    match range(&snapshot, filter)? {
        Some((from, to)) => logs_between(node, &snapshot, filter, from, to),
        None => Ok(Vec::new()),
    }
}

fn changes(node: &Node, id: U256) -> Answer<FilterChanges> {
    let snapshot = node.disk.snapshot();
    let head = snapshot.height();
    let (kind, from) = node.filters.poll(id, head)?;
    let found = match &kind {
        Kind::Pending(hashes) => Ok(Some(FilterChanges::Hashes(drain(hashes)))),
        _ if from > head => Ok(None),
        Kind::Blocks => (from.max(head.saturating_sub(LOG_BLOCKS_MAX))..=head)
            .filter_map(|height| snapshot.header(height).transpose())
            .map(|header| Ok(header?.0))
            .collect::<Answer<Vec<B256>>>()
            .map(|hashes| Some(FilterChanges::Hashes(hashes))),
        Kind::Logs(filter) => match range(&snapshot, filter) {
            Ok(Some((first, last))) if first.max(from) <= last => {
                logs_between(node, &snapshot, filter, first.max(from), last)
                    .map(|logs| Some(FilterChanges::Logs(logs)))
            }
            other => other.map(|_| None),
        },
    };
    if found.is_err() {
        node.filters.rewind(id, from);
    }
    Ok(found?.unwrap_or(FilterChanges::Empty))
}

#[async_trait]
impl FiltersApiServer for Rpc {
    async fn logs(&self, filter: Filter) -> RpcResult<Vec<Log>> {
        self.heavy(move |node| logs(node, &filter)).await
    }
    async fn new_filter(&self, mut filter: Filter) -> RpcResult<U256> {
        let node = self.node();
        let next = node.disk.snapshot().height() + 1;
        // `latest` means "from now on": it must not move with the head.
        if let FilterBlockOption::Range { from_block, .. } = &mut filter.block_option
            && !matches!(from_block, Some(Tag::Number(_) | Tag::Earliest))
        {
            *from_block = Some(Tag::Number(next));
        }
        Ok(node.filters.add(Kind::Logs(Box::new(filter)), next)?)
    }
    async fn new_block_filter(&self) -> RpcResult<U256> {
        let node = self.node();
        Ok(node.filters.add(Kind::Blocks, node.disk.snapshot().height() + 1)?)
    }
    async fn new_pending_filter(&self) -> RpcResult<U256> {
        let node = self.node();
        let hashes = Arc::new(Mutex::new(node.pool.on_accept()));
        Ok(node.filters.add(Kind::Pending(hashes), 0)?)
    }
    async fn filter_changes(&self, id: U256) -> RpcResult<FilterChanges> {
        self.heavy(move |node| changes(node, id)).await
    }
    async fn filter_logs(&self, id: U256) -> RpcResult<Vec<Log>> {
        self.heavy(move |node| match node.filters.kind(id)? {
            Kind::Logs(filter) => logs(node, &filter),
            Kind::Blocks | Kind::Pending(_) => Err(error(SERVER, "filter not found").into()),
        })
        .await
    }
    async fn uninstall_filter(&self, id: U256) -> RpcResult<bool> {
        Ok(self.node().filters.lock().remove(&id).is_some())
    }
}
