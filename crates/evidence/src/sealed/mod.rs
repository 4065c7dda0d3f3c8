//! Sealing an epoch's batches into two public files, and opening them again. Byte layout: docs/spec/sealed-files.md.
//!
//! ```text
//! envelopes ──sorted by (stream, device, first seq, leaf)──► sidecar  (CBOR: headers, signatures, digest of readings)
//!                                                       └──► readings (Parquet: one row per reading)
//! commitment = { root: Merkle root of the envelopes, digest: SHA-256(sidecar), count, size: bytes of both files }
//! ```
//! An envelope has one encoding only, so the signed bytes are rebuilt from the rows and need not be stored: 64 random
//! bytes in every row would be 96 % of a file. Both directions are pure functions over bytes.
//!
//! Invariant: `open(seal(x)) == x` bit for bit, and any changed byte of either file is an error.

mod readings;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;

use bytes::Bytes;
use cairn_primitives::{
    Batch, Digest, Envelope, Epoch, KeyType, MerkleTree, Schema, SchemaId, Sector, Sidecar,
    SidecarBatch, SidecarError, Signature,
};

pub use cairn_primitives::{
    COMMITMENT_BATCHES_MAX as BATCHES_MAX, COMMITMENT_READINGS_MAX as READINGS_MAX,
};
/// Largest file of a commitment, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// An accepted batch on its way into the files: the envelope without its bytes, which its parts determine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The Merkle leaf of the envelope.
    pub leaf: Digest,
    /// What was signed.
    pub batch: Batch,
    /// The kind of key that signed.
    pub key_type: KeyType,
    /// Its signature.
    pub signature: Signature,
}

impl From<Envelope> for Entry {
    fn from(envelope: Envelope) -> Self {
        Self::new(envelope.leaf(), envelope)
    }
}

impl Entry {
    /// The entry of an envelope whose leaf is known already.
    #[must_use]
    pub fn new(leaf: Digest, envelope: Envelope) -> Self {
        let (key_type, signature) = (envelope.key_type(), *envelope.signature());
        Self { leaf, batch: envelope.into_batch(), key_type, signature }
    }

    /// The envelope, with its bytes.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope::assemble(self.batch.clone(), self.key_type, self.signature)
    }

    /// Entries are sealed in this order. Series stay together, which is what makes the columns small.
    #[must_use]
    pub fn order(&self) -> impl Ord + use<> {
        (self.batch.stream, self.batch.device, self.batch.first_seq, self.leaf)
    }
}

/// The files of one epoch of one ingest, and what is committed to the ledger about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Headers and signatures.
    pub sidecar: Vec<u8>,
    /// SHA-256 of the sidecar: the commitment's digest.
    pub digest: Digest,
    /// The rows, as Parquet.
    pub readings: Vec<u8>,
    /// SHA-256 of the readings file.
    pub readings_digest: Digest,
    /// Merkle root over the envelopes.
    pub root: Digest,
    /// Number of envelopes.
    pub count: u32,
    /// Bytes of both files.
    pub size: u64,
}

/// What the ledger says about a pair of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Merkle root over the envelopes.
    pub root: Digest,
    /// SHA-256 of the sidecar.
    pub digest: Digest,
    /// Number of envelopes.
    pub count: u32,
    /// Bytes of both files.
    pub size: u64,
}

impl Sealed {
    /// What is committed to the ledger.
    #[must_use]
    pub const fn commitment(&self) -> Commitment {
        Commitment { root: self.root, digest: self.digest, count: self.count, size: self.size }
    }
}

/// Files that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The epoch the files say they are of.
    pub epoch: Epoch,
    /// The sector they say they are of.
    pub sector: Sector,
    /// The envelopes, in sealed order.
    pub envelopes: Vec<Envelope>,
}

/// What a sidecar says about its readings file: enough to fetch that next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingsFile {
    /// SHA-256 of the readings file.
    pub digest: Digest,
    /// Its length in bytes.
    pub bytes: u64,
    /// Number of rows.
    pub rows: u64,
}

/// Why an epoch cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// More than one commitment may hold.
    #[error("{value} {what} are more than a commitment may hold ({limit})")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// Not sorted, or the same envelope twice.
    #[error("entry {0} is not after the one before it")]
    NotSorted(usize),
    /// The Parquet writer failed.
    #[error("cannot write the readings file")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// Why files are not what a commitment says.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The sidecar has another hash than the ledger says.
    #[error("the sidecar is {found}, the commitment says {expected}")]
    SidecarDigest {
        /// What the ledger says.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// The readings file has another hash than the sidecar says.
    #[error("the readings file is {found}, the sidecar says {expected}")]
    ReadingsDigest {
        /// What the sidecar says.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// The envelopes have another root, or the files another count or size, than the ledger says.
    #[error("{what} is {found}, the commitment says {expected}")]
    Commitment {
        /// Which part differs.
        what: &'static str,
        /// What the ledger says.
        expected: String,
        /// What the files give.
        found: String,
    },
    /// Beyond a limit.
    #[error("{what}: {value} is more than the {limit} allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it says it is.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The sidecar is none, or not this one.
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    /// The readings file is malformed.
    #[error("readings file: {0}")]
    Readings(&'static str),
    /// A row contradicts the sidecar.
    #[error("readings file: {0}")]
    Row(&'static str),
    /// The order of the envelopes is not the one order.
    #[error("envelope {0} is not after the one before it")]
    NotSorted(usize),
    /// The Parquet reader refused.
    #[error("the readings file cannot be read")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// Seals `entries`, which must be strictly sorted by `Entry::order`. No entries make a valid, empty pair of files.
///
/// # Errors
/// Above `BATCHES_MAX` or `READINGS_MAX`, or when not sorted.
pub fn seal(epoch: Epoch, sector: Sector, entries: &[Entry]) -> Result<Sealed, SealError> {
    check_seal(entries)?;
    let schemas: Vec<SchemaId> = Schema::ALL.iter().map(|schema| schema.id).collect();
    let mut writer = readings::Writer::new(&schemas)?;
    let (mut devices, mut anchors) = (Table::default(), Table::default());
    let mut batches = Vec::with_capacity(entries.len());
    for (index, entry) in (0_u32..).zip(entries) {
        let batch = &entry.batch;
        writer.push(index, batch)?;
        batches.push(SidecarBatch {
            device: devices.index(batch.device.0, batch.device),
            stream: batch.stream,
            first_seq: batch.first_seq,
            base_time: batch.base_time,
            anchor: anchors.index((batch.anchor.epoch, batch.anchor.root_prefix), batch.anchor),
            position: batch.position,
            schema: batch.schema,
            rows: batch.rows.len() as u32,
            key_type: entry.key_type,
            signature: entry.signature,
        });
    }
    let readings = writer.finish()?;
    let readings_digest = Digest::of(&[&readings]);
    let sidecar = Sidecar {
        epoch,
        sector,
        readings: readings_digest,
        readings_bytes: readings.len() as u64,
        schemas,
        devices: devices.items,
        anchors: anchors.items,
        batches,
    }
    .to_bytes();
    let tree = MerkleTree::from_hashes(entries.iter().map(|entry| entry.leaf).collect());
    Ok(Sealed {
        digest: Digest::of(&[&sidecar]),
        root: tree.root(),
        count: entries.len() as u32,
        size: (sidecar.len() + readings.len()) as u64,
        sidecar,
        readings,
        readings_digest,
    })
}

fn check_seal(entries: &[Entry]) -> Result<(), SealError> {
    let limit = |what, value: u64, limit: u64| {
        if value > limit { Err(SealError::TooMany { what, value, limit }) } else { Ok(()) }
    };
    limit("batches", entries.len() as u64, BATCHES_MAX as u64)?;
    limit(
        "readings",
        entries.iter().map(|entry| entry.batch.rows.len() as u64).sum(),
        READINGS_MAX,
    )?;
    match entries.windows(2).position(|pair| pair[0].order() >= pair[1].order()) {
        Some(at) => Err(SealError::NotSorted(at + 1)),
        None => Ok(()),
    }
}

/// Distinct items in order of first use.
struct Table<K, T> {
    index: BTreeMap<K, u32>,
    items: Vec<T>,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self { index: BTreeMap::new(), items: Vec::new() }
    }
}

impl<K: Ord, T> Table<K, T> {
    fn index(&mut self, key: K, item: T) -> u32 {
        let next = self.items.len() as u32;
        *self.index.entry(key).or_insert_with(|| {
            self.items.push(item);
            next
        })
    }
}

/// Reads what a sidecar says about its readings file, after checking it against the commitment.
///
/// # Errors
/// When the digest differs or the sidecar is malformed.
pub fn open_sidecar(commitment: &Commitment, sidecar: &[u8]) -> Result<ReadingsFile, OpenError> {
    let sidecar = checked_sidecar(commitment, sidecar)?;
    Ok(ReadingsFile {
        digest: sidecar.readings,
        bytes: sidecar.readings_bytes,
        rows: sidecar.rows(),
    })
}

/// Opens the two files of a commitment and checks every bit of them against it.
///
/// Memory: one row group beyond the envelopes, whatever the files say about themselves.
///
/// # Errors
/// See `OpenError`; never panics, whatever the bytes.
pub fn open(commitment: &Commitment, sidecar: &[u8], readings: Bytes) -> Result<Opened, OpenError> {
    let size = sidecar.len() as u64 + readings.len() as u64;
    if size != commitment.size {
        return Err(differs("size", commitment.size, size));
    }
    let sidecar = checked_sidecar(commitment, sidecar)?;
    let found = Digest::of(&[&readings]);
    if found != sidecar.readings {
        return Err(OpenError::ReadingsDigest { expected: sidecar.readings, found });
    }
    if readings.len() as u64 != sidecar.readings_bytes {
        return Err(SidecarError::Malformed("another length of the readings file").into());
    }
    let mut envelopes: Vec<Envelope> = Vec::new();
    let mut leaves = Vec::new();
    let key = |envelope: &Envelope| {
        let batch = envelope.batch();
        (batch.stream, batch.device, batch.first_seq)
    };
    readings::read(&sidecar, readings, &mut |envelope| {
        let leaf = envelope.leaf();
        if let (Some(last), Some(last_leaf)) = (envelopes.last(), leaves.last())
            && (key(last), *last_leaf) >= (key(&envelope), leaf)
        {
            return Err(OpenError::NotSorted(envelopes.len()));
        }
        leaves.push(leaf);
        envelopes.push(envelope);
        Ok(())
    })?;
    let root = MerkleTree::from_hashes(leaves).root();
    if root != commitment.root {
        return Err(differs("root", commitment.root, root));
    }
    Ok(Opened { epoch: sidecar.epoch, sector: sidecar.sector, envelopes })
}

fn checked_sidecar(commitment: &Commitment, sidecar: &[u8]) -> Result<Sidecar, OpenError> {
    let found = Digest::of(&[sidecar]);
    if found != commitment.digest {
        return Err(OpenError::SidecarDigest { expected: commitment.digest, found });
    }
    if commitment.size > FILE_BYTES_MAX {
        return Err(OpenError::TooLarge {
            what: "files",
            value: commitment.size,
            limit: FILE_BYTES_MAX,
        });
    }
    let decoded = Sidecar::decode(sidecar)?;
    if decoded.batches.len() as u64 != u64::from(commitment.count) {
        return Err(differs("count", commitment.count, decoded.batches.len()));
    }
    if decoded.readings_bytes.saturating_add(sidecar.len() as u64) != commitment.size {
        return Err(differs(
            "size",
            commitment.size,
            decoded.readings_bytes.saturating_add(sidecar.len() as u64),
        ));
    }
    Ok(decoded)
}

fn differs(what: &'static str, expected: impl ToString, found: impl ToString) -> OpenError {
    OpenError::Commitment { what, expected: expected.to_string(), found: found.to_string() }
}
