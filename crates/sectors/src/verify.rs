//! Whether a signed batch counts: the same pure function at the ingest's edge and in every validator.
//!
//! ```text
//! bytes ─Envelope::decode─► Envelope ─check_batch─► (device, key, anchor, time, place) ─SeqCursor::admit─► Accepted
//!            1…8                            9…18 (no state but the registry)                  19…22
//! ```
//! Checks run in the order of `Rejection`; the first that fails is the verdict. `check_batch` looks at one batch only,
//! so callers may run it on many cores; `admit` must see the batches of an epoch in `batch_order`.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::Address;
use cairn_primitives::{
    Assurance, Batch, Cell, DeviceId, Digest, Envelope, Epoch, EpochSchedule, Position, PublicKey,
    Sector, Seq, Stream,
};

use crate::{Rejection, VerdictLeaf, place};

/// How many epochs an anchor may be older than the epoch its batch is committed in.
pub const ANCHOR_WINDOW_EPOCHS: u64 = 26;
/// How long readings may wait in a device's spool before their batch is committed.
pub const LATE_WINDOW_MS: u64 = 7 * 86_400_000;
/// How far from its registered place a fixed device may say it is.
pub const MOVED_LIMIT_M: u32 = 1_000;

/// A device as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Its id.
    pub id: DeviceId,
    /// Who is paid.
    pub owner: Address,
    /// What it does.
    pub sector: Sector,
    /// Its key.
    pub key: PublicKey,
    /// How well the key is protected.
    pub assurance: Assurance,
    /// Order of registration, from 0.
    pub index: u64,
    /// First epoch whose evidence counts.
    pub registered: Epoch,
    /// First epoch whose evidence counts no more.
    pub end: Option<Epoch>,
    /// Where it stands.
    pub position: Position,
    /// The cell of that position.
    pub cell: Cell,
}

impl DeviceRecord {
    /// Whether evidence of `epoch` counts.
    #[must_use]
    pub fn is_active(&self, epoch: Epoch) -> bool {
        self.registered <= epoch && self.end.is_none_or(|end| epoch < end)
    }
}

/// What the ledger says about the epoch that batches are judged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochContext {
    /// The epoch whose commitment contains the batch; at an ingest's edge, the current epoch.
    pub epoch: Epoch,
    /// Where epochs begin and end.
    pub schedule: EpochSchedule,
    /// Root prefixes that anchors may name: epoch 0 has the genesis hash, epoch k the reward root of epoch k − 1.
    pub anchors: BTreeMap<Epoch, [u8; 8]>,
}

impl EpochContext {
    /// The oldest epoch an anchor may name.
    #[must_use]
    pub const fn oldest_anchor(&self) -> Epoch {
        self.epoch.back(ANCHOR_WINDOW_EPOCHS)
    }
}

/// The order in which the batches of an epoch are judged and their verdict leaves are listed.
#[must_use]
pub fn batch_order(envelope: &Envelope) -> (Stream, DeviceId, Seq, Digest) {
    let batch = envelope.batch();
    (batch.stream, batch.device, batch.first_seq, envelope.leaf())
}

/// Judges one batch and, when it is accepted, moves the cursor.
///
/// # Errors
/// The first rejection that applies, in precedence order; the cursor is then unchanged.
pub fn verify_batch(
    envelope: &Envelope,
    device: Option<&DeviceRecord>,
    context: &EpochContext,
    cursor: &mut SeqCursor,
) -> Result<(), Rejection> {
    check_batch(envelope, device, context)?;
    cursor.admit(envelope, context.epoch)
}

/// The part of `verify_batch` that needs no other batch.
///
/// # Errors
/// The first of rejections 9 to 18 that applies.
pub fn check_batch(
    envelope: &Envelope,
    device: Option<&DeviceRecord>,
    context: &EpochContext,
) -> Result<(), Rejection> {
    let batch = envelope.batch();
    let device = device.filter(|d| d.id == batch.device).ok_or(Rejection::UnknownDevice)?;
    if envelope.key_type() != device.key.key_type() {
        return Err(Rejection::WrongKeyType);
    }
    if !envelope.verify(&device.key) {
        return Err(Rejection::BadSignature);
    }
    if !device.is_active(context.epoch) {
        return Err(Rejection::NotActive);
    }
    check_anchor(batch, context)?;
    check_times(batch, context)?;
    match batch.position {
        Some(at) if !at.is_valid() || !place::is_within(at, device.position, MOVED_LIMIT_M) => {
            Err(Rejection::Moved)
        }
        _ => Ok(()),
    }
}

fn check_anchor(batch: &Batch, context: &EpochContext) -> Result<(), Rejection> {
    let anchor = batch.anchor;
    if anchor.epoch > context.epoch {
        return Err(Rejection::AnchorFromFuture);
    }
    if anchor.epoch < context.oldest_anchor() {
        return Err(Rejection::AnchorTooOld);
    }
    match context.anchors.get(&anchor.epoch) {
        Some(prefix) if *prefix == anchor.root_prefix => Ok(()),
        _ => Err(Rejection::AnchorUnknown),
    }
}

fn check_times(batch: &Batch, context: &EpochContext) -> Result<(), Rejection> {
    let oldest = context.schedule.start_of(context.epoch).0.saturating_sub(LATE_WINDOW_MS);
    let (first, last) = (batch.time_of(0), batch.time_of(batch.rows.len() - 1));
    if first.0 < oldest {
        return Err(Rejection::BackDated);
    }
    if last >= context.schedule.end_of(context.epoch) {
        return Err(Rejection::FutureDated);
    }
    Ok(())
}

/// An accepted batch, as the cursor remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    epoch: Epoch,
    first: Seq,
    last: Seq,
    leaf: Digest,
}

/// What was accepted from each device and stream in the last `ANCHOR_WINDOW_EPOCHS` epochs and in this one.
///
/// An older batch cannot come back: its anchor is too old. So the cursor of an epoch is a function of the verdict
/// leaves of the 26 epochs before it, which the ledger's roots prove: an auditor rebuilds it with `record_verdict`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeqCursor {
    series: BTreeMap<(DeviceId, Stream), VecDeque<Seen>>,
}

impl SeqCursor {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The highest sequence number accepted from a device's stream.
    #[must_use]
    pub fn high_water(&self, device: DeviceId, stream: Stream) -> Option<Seq> {
        self.series.get(&(device, stream)).and_then(|seen| seen.back()).map(|seen| seen.last)
    }

    /// Forgets what no batch committed in `epoch` or later can repeat. Call it once at the start of an epoch.
    pub fn begin(&mut self, epoch: Epoch) {
        let oldest = epoch.back(ANCHOR_WINDOW_EPOCHS);
        self.series.retain(|_, seen| {
            while seen.front().is_some_and(|first| first.epoch < oldest) {
                seen.pop_front();
            }
            !seen.is_empty()
        });
    }

    /// Accepts a checked batch into `epoch`.
    ///
    /// # Errors
    /// `Duplicate`, `Replayed`, `Equivocation` or `SequenceNotIncreasing`.
    pub fn admit(&mut self, envelope: &Envelope, epoch: Epoch) -> Result<(), Rejection> {
        let batch = envelope.batch();
        let leaf = envelope.leaf();
        let (first, last) = (batch.first_seq, batch.last_seq());
        let series = (batch.device, batch.stream);
        let none = VecDeque::new();
        let seen = self.series.get(&series).unwrap_or(&none);
        // Sequence numbers rise along `seen`, so what overlaps lies at its end.
        for earlier in seen.iter().rev().take_while(|earlier| earlier.last >= first) {
            if earlier.leaf == leaf {
                let same = earlier.epoch == epoch;
                return Err(if same { Rejection::Duplicate } else { Rejection::Replayed });
            }
            if earlier.first <= last {
                return Err(Rejection::Equivocation);
            }
        }
        if seen.back().is_some_and(|latest| latest.last >= first) {
            return Err(Rejection::SequenceNotIncreasing);
        }
        self.series.entry(series).or_default().push_back(Seen { epoch, first, last, leaf });
        Ok(())
    }

    /// Repeats an earlier verdict: an accepted leaf moves the cursor, any other does nothing. Leaves must come in the
    /// order in which they were judged.
    pub fn record_verdict(&mut self, verdict: &VerdictLeaf) {
        if verdict.rejection.is_none() && verdict.rows > 0 {
            let last = Seq(verdict.first_seq.0.saturating_add(u64::from(verdict.rows) - 1));
            self.series.entry((verdict.device, verdict.stream)).or_default().push_back(Seen {
                epoch: verdict.epoch,
                first: verdict.first_seq,
                last,
                leaf: verdict.batch,
            });
        }
    }
}

#[cfg(test)]
mod tests;
