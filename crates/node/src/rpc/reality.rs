//! `cairn_getReality`: the reality page of a period, from this node's blocks and archive (docs/spec/reality.md).
//!
//! ```text
//! disk ─► Book, folded once and then block by block ─┐
//! archive ─► Judged, a bounded number of epochs ─────┴─► report, kept by period: a final period never changes
//! ```
//! The first request of a long chain takes longer than a request may: the work is done in slices, what a slice did stays,
//! and the answer says how far it is. A node that dropped its old blocks cannot answer and says so.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
    time::{Duration, Instant},
};

use alloy_primitives::U64;
use cairn_economy::reality::{Report, report};
use cairn_evidence::{
    archive::Archive,
    reality::{Book, Judged, Period},
};
use cairn_primitives::{Epoch, Genesis, Sector};
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
};

use super::{
    Node, Rpc,
    errors::{Answer, Failure, LIMIT, NOT_FOUND, NOT_SUPPORTED, PARAMS, SERVER, error, internal},
};
use crate::disk::Snapshot;

/// How long one request works before it says how far it is; less than a request's deadline.
const SLICE: Duration = Duration::from_secs(5);
/// Devices of all epochs that are kept read, about 100 bytes each.
const KEPT_DEVICES_MAX: usize = 1_000_000;
/// Reports that are kept.
const KEPT_REPORTS_MAX: usize = 64;

/// The reality page.
#[rpc(server)]
pub trait RealityApi {
    /// The page of the epochs `from` to `to`; without them the usual period that ends with the last final epoch.
    #[method(name = "cairn_getReality")]
    async fn reality(&self, from: Option<U64>, to: Option<U64>) -> RpcResult<Report>;
}

/// What a node keeps for its pages.
#[derive(Debug)]
pub(super) struct Reality(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    book: Book,
    judged: BTreeMap<(Epoch, Sector), Arc<Judged>>,
    devices: usize,
    reports: BTreeMap<Period, Report>,
}

impl Reality {
    /// Nothing read yet.
    pub(super) fn new(genesis: &Genesis) -> Self {
        Self(Mutex::new(Kept::new(genesis)))
    }

    /// What is kept, unless another request is working on it: nobody waits here with a place for reads.
    fn kept(&self, genesis: &Genesis) -> Answer<MutexGuard<'_, Kept>> {
        match self.0.try_lock() {
            Ok(kept) => Ok(kept),
            Err(TryLockError::WouldBlock) => {
                let busy = "this node is reading its ledger for another request: ask again";
                Err(error(LIMIT, busy).into())
            }
            // A panic may have left half a block in the book.
            Err(TryLockError::Poisoned(poisoned)) => {
                let mut kept = poisoned.into_inner();
                *kept = Kept::new(genesis);
                self.0.clear_poison();
                Ok(kept)
            }
        }
    }
}

impl Kept {
    fn new(genesis: &Genesis) -> Self {
        let book = Book::new(genesis);
        Self { book, judged: BTreeMap::new(), devices: 0, reports: BTreeMap::new() }
    }

    /// Folds what is new on the disk, as far as the slice goes.
    fn fold(&mut self, snapshot: &Snapshot, genesis: &Genesis, until: Instant) -> Answer<()> {
        let head = snapshot.height();
        // Only a development chain ever goes back.
        if self.book.next_height() > head.saturating_add(1) {
            *self = Self::new(genesis);
        }
        while self.book.next_height() <= head {
            let height = self.book.next_height();
            if Instant::now() > until {
                return Err(unfinished("block", height, head));
            }
            let block = snapshot.block(height)?;
            let block = block.ok_or_else(|| error(SERVER, format!("block {height} is gone")))?;
            let receipts = snapshot.receipts(height)?.into_iter().map(|stored| stored.receipt);
            let receipts: Vec<_> = receipts.collect();
            if let Err(wrong) = self.book.fold(&block.header, &block.transactions, &receipts) {
                *self = Self::new(genesis);
                return Err(Failure(internal(&wrong)));
            }
        }
        Ok(())
    }

    /// What validators decided about an epoch of a sector.
    fn judged(&mut self, archive: &Archive, epoch: Epoch, sector: Sector) -> Answer<Arc<Judged>> {
        if let Some(known) = self.judged.get(&(epoch, sector)) {
            return Ok(Arc::clone(known));
        }
        let missing = || {
            let text = format!("this node has not the files of epoch {epoch} yet: try again");
            Failure::from(error(NOT_FOUND, text))
        };
        let row = *self.book.final_epoch(sector, epoch).ok_or_else(missing)?;
        let mut files = Vec::with_capacity(Judged::FILES.len());
        for file in Judged::FILES {
            let read = archive.get_epoch(epoch, file).map_err(|wrong| Failure(internal(&wrong)))?;
            files.push(read.ok_or_else(missing)?);
        }
        let files = <[_; 3]>::try_from(files).map_err(|_| missing())?;
        let judged =
            Arc::new(Judged::read(&row, files).map_err(|wrong| Failure(internal(&wrong)))?);
        self.devices += judged.len();
        self.judged.insert((epoch, sector), Arc::clone(&judged));
        while self.devices > KEPT_DEVICES_MAX && self.judged.len() > 1 {
            let Some((_, oldest)) = self.judged.pop_first() else { break };
            self.devices = self.devices.saturating_sub(oldest.len());
        }
        Ok(judged)
    }

    fn report(&mut self, archive: &Archive, period: Period, until: Instant) -> Answer<Report> {
        if let Some(known) = self.reports.get(&period) {
            return Ok(known.clone());
        }
        let mut judged = Vec::new();
        for epoch in (period.from.0..=period.to.0).map(Epoch) {
            if Instant::now() > until {
                return Err(unfinished("epoch", epoch.0, period.to.0));
            }
            for sector in Sector::ALL {
                judged.push((sector, epoch, self.judged(archive, epoch, sector)?));
            }
        }
        let report = report(&self.book.facts(period, &judged));
        if self.reports.len() >= KEPT_REPORTS_MAX {
            self.reports.pop_first();
        }
        self.reports.insert(period, report.clone());
        Ok(report)
    }
}

fn unfinished(what: &str, at: u64, of: u64) -> Failure {
    error(LIMIT, format!("this node is reading its ledger, {what} {at} of {of}: ask again")).into()
}

fn page(node: &Node, from: Option<Epoch>, to: Option<Epoch>) -> Answer<Report> {
    let archive = node.proofs.as_ref().map(|parts| parts.archive.clone()).ok_or_else(|| {
        error(NOT_SUPPORTED, "cairn_getReality is not supported here: this chain has no evidence")
    })?;
    let until = Instant::now() + SLICE;
    let mut kept = node.reality.kept(&node.genesis)?;
    kept.fold(&node.disk.snapshot(), &node.genesis, until)?;
    let schedule = node.genesis.schedule();
    let period = Period::of(from, to, kept.book.next_epoch(), &schedule)
        .map_err(|wrong| error(PARAMS, wrong.to_string()))?;
    kept.report(&archive, period, until)
}

#[async_trait]
impl RealityApiServer for Rpc {
    async fn reality(&self, from: Option<U64>, to: Option<U64>) -> RpcResult<Report> {
        let epoch = |number: Option<U64>| number.map(|number| Epoch(number.to()));
        self.heavy(move |node| page(node, epoch(from), epoch(to))).await
    }
}
