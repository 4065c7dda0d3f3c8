//! The sidecar file: what a batch says besides its readings, and its signature. Byte layout: docs/spec/sealed-files.md.
//!
//! Whoever opens a commitment reads it with this one reader: validators, auditors and gateways. What comes out has been
//! checked against the limits and against itself; that it is the committed one is for the caller to check, by its digest.
//! Devices and anchors repeat across an epoch, so they are tables and a batch names them by index; what is left of a
//! batch of 64 readings is about 90 bytes, of which 64 are the signature.

use minicbor::{Decoder, Encoder, data::Type};

use crate::{
    Anchor, BATCH_ROWS_MAX, Batch, DeviceId, Digest, Envelope, Epoch, KeyType, Position, Rows,
    SchemaId, Sector, Seq, Signature, Stream, TimeMs,
};

/// Most batches in one commitment.
pub const COMMITMENT_BATCHES_MAX: usize = 1 << 20;
/// Most readings in one commitment.
pub const COMMITMENT_READINGS_MAX: u64 = 1 << 24;

const VERSION: u64 = 1;

/// A batch without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarBatch {
    /// Number of its device in the sidecar's list.
    pub device: u32,
    /// The series within the device.
    pub stream: Stream,
    /// Sequence number of the first row.
    pub first_seq: Seq,
    /// Network time that the rows' offsets count from.
    pub base_time: TimeMs,
    /// Number of its anchor in the sidecar's list.
    pub anchor: u32,
    /// Where it was measured.
    pub position: Option<Position>,
    /// What its values mean.
    pub schema: SchemaId,
    /// Number of its rows, 1 to `BATCH_ROWS_MAX`.
    pub rows: u32,
    /// The kind of key that signed.
    pub key_type: KeyType,
    /// The signature.
    pub signature: Signature,
}

/// The whole sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// The epoch it says it is of.
    pub epoch: Epoch,
    /// The sector it says it is of.
    pub sector: Sector,
    /// SHA-256 of the readings file.
    pub readings: Digest,
    /// Length of the readings file, in bytes.
    pub readings_bytes: u64,
    /// The schemas whose fields are the columns of the readings file, in this order.
    pub schemas: Vec<SchemaId>,
    /// The devices that batches name by number.
    pub devices: Vec<DeviceId>,
    /// The anchors that batches name by number.
    pub anchors: Vec<Anchor>,
    /// The batches, in sealed order.
    pub batches: Vec<SidecarBatch>,
}

/// Why bytes are no sidecar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SidecarError {
    /// A later version of the format.
    #[error("sidecar version {0} is unknown")]
    UnknownVersion(u64),
    /// Beyond a limit.
    #[error("sidecar: {value} {what} are more than the {limit} allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much it says.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// Not the expected structure, or it contradicts itself.
    #[error("sidecar: {0}")]
    Malformed(&'static str),
}

impl Sidecar {
    /// The bytes of the file.
    ///
    /// # Panics
    /// Never: writing to a vector cannot fail.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.devices.len() * 17 + self.batches.len() * 100);
        self.encode(&mut Encoder::new(&mut out)).expect("a vector takes every byte");
        out
    }

    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(9)?.u64(VERSION)?.u64(self.epoch.0)?.u8(self.sector.number())?;
        e.bytes(&self.readings.0)?.u64(self.readings_bytes)?;
        e.array(self.schemas.len() as u64)?;
        for schema in &self.schemas {
            e.u16(schema.0)?;
        }
        e.array(self.devices.len() as u64)?;
        for device in &self.devices {
            e.bytes(&device.0)?;
        }
        e.array(self.anchors.len() as u64)?;
        for anchor in &self.anchors {
            e.array(2)?.u64(anchor.epoch.0)?.bytes(&anchor.root_prefix)?;
        }
        e.array(self.batches.len() as u64)?;
        for header in &self.batches {
            header.encode(e)?;
        }
        Ok(())
    }

    /// Parses a sidecar.
    ///
    /// The number of entries is bounded by the file's own length (each takes at least one byte) and by the limits.
    ///
    /// # Errors
    /// See `SidecarError`; never panics, whatever the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SidecarError> {
        let mut d = Decoder::new(bytes);
        expect_array(&mut d, 9)?;
        match d.u64()? {
            VERSION => {}
            other => return Err(SidecarError::UnknownVersion(other)),
        }
        let epoch = Epoch(d.u64()?);
        let sector = d.u8()?;
        let sector = Sector::from_u8(sector).ok_or(SidecarError::Malformed("unknown sector"))?;
        let readings = Digest(fixed(d.bytes()?)?);
        let readings_bytes = d.u64()?;
        let schemas = list(&mut d, usize::from(u16::MAX), |d| Ok(SchemaId(d.u16()?)))?;
        let devices = list(&mut d, COMMITMENT_BATCHES_MAX, |d| Ok(DeviceId(fixed(d.bytes()?)?)))?;
        let anchors = list(&mut d, COMMITMENT_BATCHES_MAX, |d| {
            expect_array(d, 2)?;
            Ok(Anchor { epoch: Epoch(d.u64()?), root_prefix: fixed(d.bytes()?)? })
        })?;
        let batches = list(&mut d, COMMITMENT_BATCHES_MAX, SidecarBatch::decode)?;
        if d.position() != bytes.len() {
            return Err(SidecarError::Malformed("bytes after the end"));
        }
        let sidecar =
            Self { epoch, sector, readings, readings_bytes, schemas, devices, anchors, batches };
        sidecar.check()?;
        Ok(sidecar)
    }

    /// Number of readings over all batches.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.batches.iter().map(|header| u64::from(header.rows)).sum()
    }

    /// The envelope that the device signed, rebuilt from batch number `index` and its rows; `None` when there is no such
    /// batch. That the rows are as many as announced is for the caller to check.
    #[must_use]
    pub fn envelope(&self, index: usize, rows: Rows) -> Option<Envelope> {
        let header = self.batches.get(index)?;
        let batch = Batch {
            device: *self.devices.get(header.device as usize)?,
            stream: header.stream,
            first_seq: header.first_seq,
            base_time: header.base_time,
            anchor: *self.anchors.get(header.anchor as usize)?,
            position: header.position,
            schema: header.schema,
            rows,
        };
        Some(Envelope::assemble(batch, header.key_type, header.signature))
    }

    fn check(&self) -> Result<(), SidecarError> {
        let mut rows = 0_u64;
        for header in &self.batches {
            if header.device as usize >= self.devices.len() {
                return Err(SidecarError::Malformed("a batch names a device that is not listed"));
            }
            if header.anchor as usize >= self.anchors.len() {
                return Err(SidecarError::Malformed("a batch names an anchor that is not listed"));
            }
            if !self.schemas.contains(&header.schema) {
                return Err(SidecarError::Malformed("a batch names a schema that is not listed"));
            }
            if header.rows == 0 || header.rows as usize > BATCH_ROWS_MAX {
                return Err(SidecarError::Malformed("a batch has no rows or too many"));
            }
            let in_range = header.first_seq.0.checked_add(u64::from(header.rows)).is_some()
                && header.base_time.0.checked_add(u64::from(u32::MAX)).is_some();
            if !in_range {
                return Err(SidecarError::Malformed("sequence or time beyond 64 bits"));
            }
            rows += u64::from(header.rows);
        }
        if rows > COMMITMENT_READINGS_MAX {
            return Err(SidecarError::TooLarge {
                what: "readings",
                value: rows,
                limit: COMMITMENT_READINGS_MAX,
            });
        }
        Ok(())
    }
}

impl SidecarBatch {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(10)?
            .u32(self.device)?
            .u16(self.stream.0)?
            .u64(self.first_seq.0)?
            .u64(self.base_time.0)?;
        e.u32(self.anchor)?;
        match self.position {
            None => e.null()?,
            Some(p) => e.array(3)?.i32(p.lat_e7)?.i32(p.lon_e7)?.i32(p.elevation_dm)?,
        };
        e.u16(self.schema.0)?.u32(self.rows)?.u8(self.key_type as u8)?.bytes(&self.signature.0)?;
        Ok(())
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, SidecarError> {
        expect_array(d, 10)?;
        let device = d.u32()?;
        let stream = Stream(d.u16()?);
        let first_seq = Seq(d.u64()?);
        let base_time = TimeMs(d.u64()?);
        let anchor = d.u32()?;
        let position = if d.datatype()? == Type::Null {
            d.null()?;
            None
        } else {
            expect_array(d, 3)?;
            Some(Position { lat_e7: d.i32()?, lon_e7: d.i32()?, elevation_dm: d.i32()? })
        };
        let schema = SchemaId(d.u16()?);
        let rows = d.u32()?;
        let key_type =
            KeyType::from_u8(d.u8()?).map_err(|_| SidecarError::Malformed("unknown key type"))?;
        let signature = Signature(fixed(d.bytes()?)?);
        Ok(Self {
            device,
            stream,
            first_seq,
            base_time,
            anchor,
            position,
            schema,
            rows,
            key_type,
            signature,
        })
    }
}

impl From<minicbor::decode::Error> for SidecarError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed("not the expected CBOR")
    }
}

fn list<T>(
    d: &mut Decoder<'_>,
    limit: usize,
    mut item: impl FnMut(&mut Decoder<'_>) -> Result<T, SidecarError>,
) -> Result<Vec<T>, SidecarError> {
    let count = d.array()?.ok_or(SidecarError::Malformed("an array of unknown length"))?;
    if count > limit as u64 {
        return Err(SidecarError::TooLarge { what: "entries", value: count, limit: limit as u64 });
    }
    // No capacity from the file's word: the vector grows with what is really there.
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(item(d)?);
    }
    Ok(items)
}

fn expect_array(d: &mut Decoder<'_>, len: u64) -> Result<(), SidecarError> {
    match d.array()? {
        Some(n) if n == len => Ok(()),
        _ => Err(SidecarError::Malformed("an array has another length")),
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], SidecarError> {
    bytes.try_into().map_err(|_| SidecarError::Malformed("a byte string has another length"))
}
