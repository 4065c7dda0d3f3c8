//! The spool: everything a device measured and nobody has acknowledged yet, on disk (redb, one file a device).
//!
//! ```text
//! append ─► readings[seq] ─ seal (signed) ─► waiting[first seq] ─ acknowledge ─► receipts[first seq]
//!                                                               └ reject ─────► rejected[first seq]
//! ```
//! Each arrow is one durable transaction, so a crash leaves a reading in exactly one place. Sequence numbers are given out
//! in the transaction that stores the reading: they survive restarts and never repeat.
//!
//! Overflow: above [`WAITING_MAX`] batches (or [`READINGS_MAX`] unsigned readings) the *oldest* is dropped and counted. Old
//! evidence is worth less each day and nothing after seven; a device must go on measuring.

use std::path::{Path, PathBuf};

use cairn_client::api::IngestReceipt;
use cairn_primitives::{DeviceId, Envelope, Seq, TimeMs};
use redb::{
    Database, ReadableDatabase as _, ReadableTable, ReadableTableMetadata as _, TableDefinition,
};
use serde::{Deserialize, Serialize};

use crate::sensing::{Reading, WIDTH};

/// Most signed batches that wait for a receipt.
pub const WAITING_MAX: u64 = 100_000;
/// Most readings that wait for a signature.
pub const READINGS_MAX: u64 = 1_000_000;
/// Receipts and rejections that are kept, the newest ones.
const KEPT: u64 = 1_024;

const READINGS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("readings");
const WAITING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("waiting");
const RECEIPTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("receipts");
const REJECTED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rejected");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const DEVICE: TableDefinition<'_, (), &[u8]> = TableDefinition::new("device");

const NEXT_SEQ: &str = "next sequence number";
const LAST_TIME: &str = "time of the last reading";
const ACKNOWLEDGED: &str = "acknowledged batches";
const REFUSED: &str = "rejected batches";
const DROPPED: &str = "dropped for want of room";

/// A reading with its sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the stream.
    pub seq: Seq,
    /// What was measured.
    pub reading: Reading,
}

/// A signed batch that waits for a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Number of its first row: its key in the spool.
    pub first_seq: Seq,
    /// The envelope.
    pub envelope: Vec<u8>,
}

/// A batch that was refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Number of its first row.
    pub first_seq: Seq,
    /// Number of the rejection.
    pub code: u32,
    /// Its name.
    pub name: String,
}

/// What the spool has seen, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Readings appended; also the next sequence number.
    pub readings: u64,
    /// Readings without a signature yet.
    pub unsigned: u64,
    /// Signed batches that wait.
    pub waiting: u64,
    /// Batches with a receipt.
    pub acknowledged: u64,
    /// Batches refused for good.
    pub rejected: u64,
    /// Readings and batches dropped for want of room.
    pub dropped: u64,
}

/// Why the spool cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk, or the file on it.
    #[error("cannot {action} the spool at {path}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// The file belongs to another device: its sequence numbers are not ours.
    #[error("the spool at {path} belongs to device {owner}, not to {device}")]
    OtherDevice {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who asked.
        device: DeviceId,
    },
    /// An entry that this program did not write.
    #[error("the spool at {path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
}

/// The spool of one device.
#[derive(Debug)]
pub struct Spool {
    db: Database,
    path: PathBuf,
    waiting_max: u64,
}

impl Spool {
    /// Opens the spool of `device`, or makes a new one.
    ///
    /// # Errors
    /// When the file cannot be used or belongs to another device.
    pub fn open(path: &Path, device: DeviceId) -> Result<Self, SpoolError> {
        Self::open_bounded(path, device, WAITING_MAX)
    }

    fn open_bounded(path: &Path, device: DeviceId, waiting_max: u64) -> Result<Self, SpoolError> {
        let path = path.to_owned();
        let fails = |source: redb::Error| SpoolError::Store {
            action: "open",
            path: path.clone(),
            source: Box::new(source),
        };
        let db = Database::create(&path).map_err(|error| fails(error.into()))?;
        let made = || -> Result<Option<Vec<u8>>, redb::Error> {
            let write = db.begin_write()?;
            let other = {
                let mut table = write.open_table(DEVICE)?;
                let known = table.get(())?.map(|bytes| bytes.value().to_vec());
                if known.is_none() {
                    table.insert((), device.0.as_slice())?;
                }
                known.filter(|bytes| bytes != &device.0)
            };
            for table in [READINGS, WAITING, RECEIPTS, REJECTED] {
                write.open_table(table)?;
            }
            write.open_table(NUMBERS)?;
            write.commit()?;
            Ok(other)
        };
        if let Some(other) = made().map_err(fails)? {
            return Err(SpoolError::OtherDevice {
                path,
                owner: format!("0x{}", hex::encode(other)),
                device,
            });
        }
        Ok(Self { db, path, waiting_max })
    }

    fn store<T>(
        &self,
        action: &'static str,
        result: Result<T, redb::Error>,
    ) -> Result<T, SpoolError> {
        result.map_err(|source| SpoolError::Store {
            action,
            path: self.path.clone(),
            source: Box::new(source),
        })
    }

    /// Appends readings in order; each gets the next sequence number. Returns the first one.
    ///
    /// # Errors
    /// When the disk refuses; nothing is appended then.
    pub fn append(&self, readings: &[Reading]) -> Result<Seq, SpoolError> {
        let work = || -> Result<Seq, redb::Error> {
            let write = self.db.begin_write()?;
            let first = {
                let mut numbers = write.open_table(NUMBERS)?;
                let mut table = write.open_table(READINGS)?;
                let first = number(&numbers, NEXT_SEQ)?.unwrap_or(0);
                for (seq, reading) in (first..).zip(readings) {
                    table.insert(seq, encode(reading).as_slice())?;
                }
                numbers.insert(NEXT_SEQ, first + readings.len() as u64)?;
                if let Some(last) = readings.last() {
                    numbers.insert(LAST_TIME, last.time.0)?;
                }
                let dropped = drop_oldest(&mut table, READINGS_MAX)?;
                add(&mut numbers, DROPPED, dropped)?;
                first
            };
            write.commit()?;
            Ok(Seq(first))
        };
        self.store("append to", work())
    }

    /// The oldest readings without a signature, at most `limit`.
    ///
    /// # Errors
    /// When the disk refuses or an entry is damaged.
    pub fn unsigned(&self, limit: usize) -> Result<Vec<Row>, SpoolError> {
        let work = || -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
            let table = self.db.begin_read()?.open_table(READINGS)?;
            let mut rows = Vec::new();
            for entry in table.iter()?.take(limit) {
                let (seq, bytes) = entry?;
                rows.push((seq.value(), bytes.value().to_vec()));
            }
            Ok(rows)
        };
        let damaged = || SpoolError::Damaged { path: self.path.clone(), what: "a reading" };
        let rows = self.store("read", work())?;
        rows.into_iter()
            .map(|(seq, bytes)| {
                Ok(Row { seq: Seq(seq), reading: decode(&bytes).ok_or_else(damaged)? })
            })
            .collect()
    }

    /// Replaces the readings in `envelope` by the envelope.
    ///
    /// # Errors
    /// When the disk refuses; nothing changes then.
    pub fn seal(&self, envelope: &Envelope) -> Result<(), SpoolError> {
        let (first, last) = (envelope.batch().first_seq.0, envelope.batch().last_seq().0);
        let work = || -> Result<(), redb::Error> {
            let write = self.db.begin_write()?;
            {
                write.open_table(READINGS)?.retain_in(first..=last, |_, _| false)?;
                let mut waiting = write.open_table(WAITING)?;
                waiting.insert(first, envelope.bytes())?;
                let dropped = drop_oldest(&mut waiting, self.waiting_max)?;
                add(&mut write.open_table(NUMBERS)?, DROPPED, dropped)?;
            }
            write.commit()?;
            Ok(())
        };
        self.store("append to", work())
    }

    /// The oldest batches that wait for a receipt: at most `limit`, and at most `bytes_max` bytes but for the first.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn waiting(&self, limit: usize, bytes_max: usize) -> Result<Vec<Waiting>, SpoolError> {
        let work = || -> Result<Vec<Waiting>, redb::Error> {
            let table = self.db.begin_read()?.open_table(WAITING)?;
            let (mut batches, mut bytes) = (Vec::new(), 0);
            for entry in table.iter()?.take(limit) {
                let (first, envelope) = entry?;
                bytes += envelope.value().len();
                if bytes > bytes_max && !batches.is_empty() {
                    break;
                }
                batches.push(Waiting {
                    first_seq: Seq(first.value()),
                    envelope: envelope.value().to_vec(),
                });
            }
            Ok(batches)
        };
        self.store("read", work())
    }

    /// Removes batches for which `receipt`, already checked, was given; the receipt is kept.
    ///
    /// # Errors
    /// When the disk refuses; nothing changes then.
    pub fn acknowledge(&self, batches: &[Seq], receipt: &IngestReceipt) -> Result<(), SpoolError> {
        // A receipt is plain data: it always has a JSON form.
        let json = serde_json::to_vec(receipt).unwrap_or_default();
        self.finish(batches, RECEIPTS, &json, ACKNOWLEDGED)
    }

    /// Removes a batch that was refused for good; the reason is kept.
    ///
    /// # Errors
    /// When the disk refuses; nothing changes then.
    pub fn reject(&self, rejected: &Rejected) -> Result<(), SpoolError> {
        let json = serde_json::to_vec(rejected).unwrap_or_default();
        self.finish(&[rejected.first_seq], REJECTED, &json, REFUSED)
    }

    fn finish(
        &self,
        batches: &[Seq],
        kept: TableDefinition<'static, u64, &'static [u8]>,
        json: &[u8],
        counter: &str,
    ) -> Result<(), SpoolError> {
        let work = || -> Result<(), redb::Error> {
            let write = self.db.begin_write()?;
            {
                let mut waiting = write.open_table(WAITING)?;
                let mut kept = write.open_table(kept)?;
                let mut removed = 0;
                for seq in batches {
                    removed += u64::from(waiting.remove(seq.0)?.is_some());
                }
                if let Some(first) = batches.first() {
                    kept.insert(first.0, json)?;
                }
                drop_oldest(&mut kept, KEPT)?;
                add(&mut write.open_table(NUMBERS)?, counter, removed)?;
            }
            write.commit()?;
            Ok(())
        };
        self.store("write to", work())
    }

    /// The last rejections, oldest first.
    ///
    /// # Errors
    /// When the disk refuses or an entry is damaged.
    pub fn rejected(&self) -> Result<Vec<Rejected>, SpoolError> {
        self.kept(REJECTED, "a rejection")
    }

    /// The last receipts, oldest first: proof of what an ingest promised.
    ///
    /// # Errors
    /// When the disk refuses or an entry is damaged.
    pub fn receipts(&self) -> Result<Vec<IngestReceipt>, SpoolError> {
        self.kept(RECEIPTS, "a receipt")
    }

    fn kept<T: for<'de> Deserialize<'de>>(
        &self,
        table: TableDefinition<'static, u64, &'static [u8]>,
        what: &'static str,
    ) -> Result<Vec<T>, SpoolError> {
        let work = || -> Result<Vec<Vec<u8>>, redb::Error> {
            let table = self.db.begin_read()?.open_table(table)?;
            let entries = table.iter()?.map(|entry| Ok(entry?.1.value().to_vec()));
            entries.collect()
        };
        let damaged = || SpoolError::Damaged { path: self.path.clone(), what };
        let entries = self.store("read", work())?;
        entries.iter().map(|json| serde_json::from_slice(json).map_err(|_| damaged())).collect()
    }

    /// Time of the last reading that was appended.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn last_time(&self) -> Result<Option<TimeMs>, SpoolError> {
        let work = || -> Result<Option<u64>, redb::Error> {
            number(&self.db.begin_read()?.open_table(NUMBERS)?, LAST_TIME)
        };
        Ok(self.store("read", work())?.map(TimeMs))
    }

    /// Time of the oldest reading that is neither acknowledged nor rejected.
    ///
    /// # Errors
    /// When the disk refuses or an entry is damaged.
    pub fn oldest_outstanding(&self) -> Result<Option<TimeMs>, SpoolError> {
        if let Some(waiting) = self.waiting(1, 0)?.first() {
            let damaged = |_| SpoolError::Damaged { path: self.path.clone(), what: "an envelope" };
            return Ok(Some(
                Envelope::decode(&waiting.envelope).map_err(damaged)?.batch().time_of(0),
            ));
        }
        Ok(self.unsigned(1)?.first().map(|row| row.reading.time))
    }

    /// The counts.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn counts(&self) -> Result<Counts, SpoolError> {
        let work = || -> Result<Counts, redb::Error> {
            let read = self.db.begin_read()?;
            let numbers = read.open_table(NUMBERS)?;
            let count = |key| number(&numbers, key).map(Option::unwrap_or_default);
            Ok(Counts {
                readings: count(NEXT_SEQ)?,
                unsigned: read.open_table(READINGS)?.len()?,
                waiting: read.open_table(WAITING)?.len()?,
                acknowledged: count(ACKNOWLEDGED)?,
                rejected: count(REFUSED)?,
                dropped: count(DROPPED)?,
            })
        };
        self.store("read", work())
    }
}

fn number(
    table: &impl ReadableTable<&'static str, u64>,
    key: &str,
) -> Result<Option<u64>, redb::Error> {
    Ok(table.get(key)?.map(|value| value.value()))
}

fn add(
    table: &mut redb::Table<'_, &'static str, u64>,
    key: &str,
    n: u64,
) -> Result<(), redb::Error> {
    if n > 0 {
        let sum = number(table, key)?.unwrap_or(0) + n;
        table.insert(key, sum)?;
    }
    Ok(())
}

/// Removes the oldest entries above `limit`; returns how many.
fn drop_oldest(
    table: &mut redb::Table<'_, u64, &'static [u8]>,
    limit: u64,
) -> Result<u64, redb::Error> {
    let excess = table.len()?.saturating_sub(limit);
    for _ in 0..excess {
        table.pop_first()?;
    }
    Ok(excess)
}

/// Time as 8 bytes, then per value a presence byte and 4 bytes, big-endian.
fn encode(reading: &Reading) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + 5 * WIDTH);
    bytes.extend_from_slice(&reading.time.0.to_be_bytes());
    for value in reading.values {
        bytes.push(u8::from(value.is_some()));
        bytes.extend_from_slice(&value.unwrap_or(0).to_be_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Reading> {
    let (time, rest) = bytes.split_first_chunk::<8>()?;
    let mut values = [None; WIDTH];
    let mut chunks = rest.chunks_exact(5);
    for value in &mut values {
        let chunk = chunks.next()?;
        let number = i32::from_be_bytes(chunk[1..].try_into().ok()?);
        *value = (chunk[0] == 1).then_some(number);
    }
    chunks.next().is_none().then_some(Reading { time: TimeMs(u64::from_be_bytes(*time)), values })
}

#[cfg(test)]
mod tests;
