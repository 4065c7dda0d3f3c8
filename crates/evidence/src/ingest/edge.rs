//! The decisions of an ingest, without its sockets: what is accepted into the open epoch, and what is journalled.
//!
//! ```text
//! bytes ─check (any thread)─► Checked ─admit (in order)─► Outcome ─journal.sync─► receipts
//! ```
//! `check` is pure and costly (signature); `admit` is cheap and must see batches one after another.
//! Invariant: an outcome that says a batch is held is given out only after `sync`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

use cairn_primitives::{DeviceId, Digest, Envelope, Epoch, Seq, Stream, TimeMs, leaf_hash};
use cairn_sectors::{
    ANCHOR_WINDOW_EPOCHS, DeviceRecord, EpochContext, Rejection, SeqCursor, check_batch,
};
use serde::Serialize;

use super::{
    journal::{self, Journal, JournalError, Kind, Record},
    params::{DEVICE_BATCHES_MAX, DEVICE_EQUIVOCATIONS_MAX, PROOFS_KEPT},
    rejections::{Refused, Rejections},
};
use crate::sealed::{BATCHES_MAX, Entry, READINGS_MAX};

/// What the ledger says, as far as the edge needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The epoch that is open, and the anchors it allows.
    pub context: EpochContext,
    /// The registry.
    pub devices: Arc<BTreeMap<DeviceId, DeviceRecord>>,
}

/// An envelope after every check that needs no other envelope.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The batch's name; of the bytes as they came when they are no envelope.
    pub leaf: Digest,
    /// The device it names, when the signature was checked.
    pub signed_by: Option<DeviceId>,
    /// The envelope, or why it is refused.
    pub result: Result<Box<Envelope>, Rejection>,
    /// The epoch for which it was checked.
    pub epoch: Epoch,
}

/// Checks size, structure, schema, registration, signature, anchor, times and place.
#[must_use]
pub fn check(view: &View, bytes: &[u8]) -> Checked {
    let epoch = view.context.epoch;
    let envelope = match Envelope::decode(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            return Checked {
                leaf: leaf_hash(bytes),
                signed_by: None,
                result: Err((&error).into()),
                epoch,
            };
        }
    };
    let (leaf, device) = (envelope.leaf(), envelope.batch().device);
    let checked = check_batch(&envelope, view.devices.get(&device), &view.context);
    let signed = checked.map_or_else(Rejections::is_signed, |()| true);
    Checked {
        leaf,
        signed_by: signed.then_some(device),
        result: checked.map(|()| Box::new(envelope)),
        epoch,
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The batch.
    pub leaf: Digest,
    /// The epoch in whose commitment it is or will be; `None` when it is refused.
    pub held: Option<Epoch>,
    /// Why it is refused, or `Duplicate` / `Replayed` when it is held already.
    pub rejection: Option<Rejection>,
    /// The epoch is full, for this device or for all: try again in the next one.
    pub full: bool,
}

/// Two batches that a device signed for the same sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Equivocation {
    /// The device.
    pub device: DeviceId,
    /// The epoch in which the second came.
    pub epoch: Epoch,
    /// The accepted one, as hex.
    pub first: String,
    /// The contradicting one, as hex.
    pub second: String,
}

/// A closed epoch, ready to be sealed.
#[derive(Clone, Debug)]
pub struct Closed {
    /// The epoch.
    pub epoch: Epoch,
    /// Its batches, in sealing order.
    pub entries: Vec<Entry>,
}

/// A batch that was accepted, for telling duplicates and for finding what a later one contradicts.
#[derive(Clone, Copy, Debug)]
struct Held {
    epoch: Epoch,
    first: Seq,
    last: Seq,
    leaf: Digest,
}

/// The state of the edge.
#[derive(Debug)]
pub struct Edge {
    folder: PathBuf,
    epoch: Epoch,
    journal: Journal,
    cursor: SeqCursor,
    held: BTreeMap<Digest, Epoch>,
    series: BTreeMap<(DeviceId, Stream), VecDeque<Held>>,
    entries: Vec<Entry>,
    readings: u64,
    batches_of: BTreeMap<DeviceId, u32>,
    /// Contradicting batches of the open epoch.
    contradicting: BTreeMap<DeviceId, BTreeSet<Digest>>,
    proofs: VecDeque<Equivocation>,
    rejections: Rejections,
}

impl Edge {
    /// Opens the edge at `epoch` from the journals in `folder`, and gives the epochs that were closed meanwhile.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(folder: &Path, epoch: Epoch) -> Result<(Self, Vec<Closed>), JournalError> {
        let mut epochs = journal::epochs(folder)?;
        let newest = epochs.last().copied().unwrap_or(epoch).max(epoch);
        epochs.insert(newest);
        let mut iterator = epochs.into_iter();
        let first = iterator.next().expect("the open epoch is among them");
        let (journal, records) = Journal::open(folder, first)?;
        let mut edge = Self {
            folder: folder.to_owned(),
            epoch: first,
            journal,
            cursor: SeqCursor::new(),
            held: BTreeMap::new(),
            series: BTreeMap::new(),
            entries: Vec::new(),
            readings: 0,
            batches_of: BTreeMap::new(),
            contradicting: BTreeMap::new(),
            proofs: VecDeque::new(),
            rejections: Rejections::default(),
        };
        edge.replay(records);
        let mut closed = Vec::new();
        for next in iterator {
            let (journal, records) = Journal::open(folder, next)?;
            closed.push(edge.turn(next, journal));
            edge.replay(records);
        }
        Ok((edge, closed))
    }

    /// The open epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }
    /// Number of batches in the open epoch.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.entries.len()
    }
    /// Number of readings in the open epoch.
    #[must_use]
    pub const fn readings(&self) -> u64 {
        self.readings
    }
    /// What was refused.
    #[must_use]
    pub const fn rejections(&self) -> &Rejections {
        &self.rejections
    }
    /// Proofs of equivocation, the newest last.
    pub fn proofs(&self) -> impl Iterator<Item = &Equivocation> {
        self.proofs.iter()
    }

    /// Closes the open epoch and opens `next`, which must be later.
    ///
    /// # Errors
    /// When the disk refuses; nothing has changed then.
    pub fn close(&mut self, next: Epoch) -> Result<Closed, JournalError> {
        assert!(next > self.epoch, "epochs only rise");
        self.journal.sync()?;
        let (journal, records) = Journal::open(&self.folder, next)?;
        let closed = self.turn(next, journal);
        self.replay(records);
        Ok(closed)
    }

    fn turn(&mut self, next: Epoch, journal: Journal) -> Closed {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_by_cached_key(Entry::order);
        let closed = Closed { epoch: self.epoch, entries };
        self.epoch = next;
        self.journal = journal;
        self.readings = 0;
        self.batches_of.clear();
        self.contradicting.clear();
        self.cursor.begin(next);
        let oldest = next.back(ANCHOR_WINDOW_EPOCHS);
        self.held.retain(|_, epoch| *epoch >= oldest);
        self.series.retain(|_, held| {
            while held.front().is_some_and(|first| first.epoch < oldest) {
                held.pop_front();
            }
            !held.is_empty()
        });
        closed
    }

    /// Repeats what the journal says; it was all decided before.
    fn replay(&mut self, records: Vec<Record>) {
        for record in records {
            let Ok(envelope) = Envelope::decode(&record.bytes) else {
                tracing::error!(
                    epoch = self.epoch.0,
                    "a journalled envelope cannot be read and is left out"
                );
                continue;
            };
            let leaf = envelope.leaf();
            match record.kind {
                Kind::Accepted => {
                    // The cursor may refuse what contradicts an epoch whose journal is gone; it was accepted all the same.
                    let _ = self.cursor.admit(&envelope, self.epoch);
                    self.hold(leaf, envelope);
                }
                Kind::Equivocating => self.contradict(leaf, envelope),
            }
        }
    }

    /// Decides about a checked batch; what is held is in the journal's next group.
    pub fn admit(&mut self, view: &View, checked: Checked, now: TimeMs) -> Outcome {
        let Checked { leaf, signed_by, result, epoch } = checked;
        let refuse =
            |rejection| Outcome { leaf, held: None, rejection: Some(rejection), full: false };
        // The epoch turned while the batch was being checked: what depends on it is checked again.
        let result = result.and_then(|envelope| {
            let device = view.devices.get(&envelope.batch().device);
            if epoch != self.epoch {
                check_batch(&envelope, device, &view.context)?;
            }
            Ok(envelope)
        });
        let outcome = match result {
            Err(rejection) => refuse(rejection),
            Ok(envelope) => self.admit_valid(leaf, *envelope),
        };
        if let (Some(rejection), None) = (outcome.rejection, outcome.held) {
            let refused = Refused { time: now, epoch: self.epoch, leaf, rejection };
            self.rejections.record(signed_by, refused);
        }
        outcome
    }

    fn admit_valid(&mut self, leaf: Digest, envelope: Envelope) -> Outcome {
        let outcome = |held, rejection| Outcome { leaf, held, rejection, full: false };
        if let Some(epoch) = self.held.get(&leaf) {
            let again =
                if *epoch == self.epoch { Rejection::Duplicate } else { Rejection::Replayed };
            return outcome(Some(*epoch), Some(again));
        }
        let rows = envelope.batch().rows.len() as u64;
        let of_device = self.batches_of.get(&envelope.batch().device).copied().unwrap_or(0);
        let full = of_device >= DEVICE_BATCHES_MAX
            || self.entries.len() >= BATCHES_MAX
            || self.readings + rows > READINGS_MAX;
        if full {
            return Outcome { leaf, held: None, rejection: None, full };
        }
        match self.cursor.admit(&envelope, self.epoch) {
            Ok(()) => {
                self.journal.push(Kind::Accepted, envelope.bytes(), &leaf);
                self.hold(leaf, envelope);
                outcome(Some(self.epoch), None)
            }
            Err(Rejection::Equivocation) => {
                let kept = self.contradicting.entry(envelope.batch().device).or_default();
                if kept.len() < DEVICE_EQUIVOCATIONS_MAX && !kept.contains(&leaf) {
                    self.journal.push(Kind::Equivocating, envelope.bytes(), &leaf);
                    self.contradict(leaf, envelope);
                }
                outcome(None, Some(Rejection::Equivocation))
            }
            Err(rejection) => outcome(None, Some(rejection)),
        }
    }

    fn hold(&mut self, leaf: Digest, envelope: Envelope) {
        let batch = envelope.batch();
        let held = Held { epoch: self.epoch, first: batch.first_seq, last: batch.last_seq(), leaf };
        self.series.entry((batch.device, batch.stream)).or_default().push_back(held);
        *self.batches_of.entry(batch.device).or_default() += 1;
        self.readings += batch.rows.len() as u64;
        self.held.insert(leaf, self.epoch);
        self.entries.push(Entry::new(leaf, envelope));
    }

    /// Keeps a contradicting batch: as proof, and in the sealed files, so that every validator sees it too.
    fn contradict(&mut self, leaf: Digest, envelope: Envelope) {
        let batch = envelope.batch();
        self.contradicting.entry(batch.device).or_default().insert(leaf);
        let series = self.series.get(&(batch.device, batch.stream));
        let first = series.and_then(|held| {
            held.iter()
                .rev()
                .find(|held| held.first <= batch.last_seq() && held.last >= batch.first_seq)
                .copied()
        });
        if let Some(first) = first.and_then(|held| self.bytes_of(&held)) {
            self.proofs.push_back(Equivocation {
                device: batch.device,
                epoch: self.epoch,
                first: format!("0x{}", hex::encode(first)),
                second: format!("0x{}", hex::encode(envelope.bytes())),
            });
            if self.proofs.len() > PROOFS_KEPT {
                self.proofs.pop_front();
            }
        }
        self.readings += batch.rows.len() as u64;
        self.entries.push(Entry::new(leaf, envelope));
    }

    /// The bytes of an accepted batch: from the open epoch, or from the journal of an earlier one.
    fn bytes_of(&self, held: &Held) -> Option<Vec<u8>> {
        if held.epoch == self.epoch {
            let entry = self.entries.iter().find(|entry| entry.leaf == held.leaf)?;
            return Some(entry.envelope().bytes().to_vec());
        }
        let (_, records) = Journal::open(&self.folder, held.epoch).ok()?;
        records.into_iter().map(|record| record.bytes).find(|bytes| leaf_hash(bytes) == held.leaf)
    }

    /// Puts everything admitted since the last call on disk. Outcomes may be told afterwards.
    ///
    /// # Errors
    /// When the disk refuses: the ingest must then stop, since what it holds in memory is not what is on disk.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.journal.sync()
    }
}
