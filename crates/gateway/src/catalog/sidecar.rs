//! The sidecar file of a commitment, as far as it is needed to name its batches. Layout: docs/spec/sealed-files.md.

use cairn_primitives::{
    Anchor, BATCH_ROWS_MAX, Batch, DeviceId, Digest, Envelope, Epoch, KeyType, Position, Rows,
    SchemaId, Sector, Seq, Signature, Stream, TimeMs, WEATHER,
};
use minicbor::{Decoder, data::Type};

use super::EpochError;
use crate::engine::RawBatch;

const VERSION: u64 = 1;

/// A batch without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    device: DeviceId,
    stream: Stream,
    first_seq: Seq,
    base_time: TimeMs,
    anchor: Anchor,
    position: Option<Position>,
    schema: SchemaId,
    rows: usize,
    key_type: KeyType,
    signature: Signature,
}

/// What a sidecar says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sidecar {
    pub epoch: Epoch,
    pub readings: Digest,
    pub readings_bytes: u64,
    pub batches: Vec<Header>,
}

impl From<minicbor::decode::Error> for EpochError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Sidecar("not the expected CBOR")
    }
}

impl Sidecar {
    /// Parses a sidecar whose digest has been checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, EpochError> {
        let mut d = Decoder::new(bytes);
        expect_array(&mut d, 9)?;
        if d.u64()? != VERSION {
            return Err(EpochError::Sidecar("unknown version"));
        }
        let epoch = Epoch(d.u64()?);
        if Sector::from_u8(d.u8()?) != Some(Sector::Sensing) {
            return Err(EpochError::Sidecar("another sector"));
        }
        let readings = Digest(fixed(d.bytes()?)?);
        let readings_bytes = d.u64()?;
        let _schemas = list(&mut d, |d| Ok(d.u16()?))?;
        let devices = list(&mut d, |d| Ok(DeviceId(fixed(d.bytes()?)?)))?;
        let anchors = list(&mut d, |d| {
            expect_array(d, 2)?;
            Ok(Anchor { epoch: Epoch(d.u64()?), root_prefix: fixed(d.bytes()?)? })
        })?;
        let batches = list(&mut d, |d| Header::decode(d, &devices, &anchors))?;
        Ok(Self { epoch, readings, readings_bytes, batches })
    }
}

impl Header {
    fn decode(
        d: &mut Decoder<'_>,
        devices: &[DeviceId],
        anchors: &[Anchor],
    ) -> Result<Self, EpochError> {
        let listed = EpochError::Sidecar("a batch names what is not listed");
        expect_array(d, 10)?;
        let device = devices.get(d.u32()? as usize).copied();
        let stream = Stream(d.u16()?);
        let first_seq = Seq(d.u64()?);
        let base_time = TimeMs(d.u64()?);
        let anchor = anchors.get(d.u32()? as usize).copied();
        let position = if d.datatype()? == Type::Null {
            d.null()?;
            None
        } else {
            expect_array(d, 3)?;
            Some(Position { lat_e7: d.i32()?, lon_e7: d.i32()?, elevation_dm: d.i32()? })
        };
        let schema = SchemaId(d.u16()?);
        let rows = d.u32()? as usize;
        let key_type =
            KeyType::from_u8(d.u8()?).map_err(|_| EpochError::Sidecar("unknown key type"))?;
        let signature = Signature(fixed(d.bytes()?)?);
        let (Some(device), Some(anchor)) = (device, anchor) else { return Err(listed) };
        if rows == 0 || rows > BATCH_ROWS_MAX {
            return Err(EpochError::Sidecar("a batch has no rows or too many"));
        }
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

    /// The envelope that the device signed, rebuilt from the header and its rows.
    pub fn envelope(&self, raw: RawBatch) -> Result<Envelope, EpochError> {
        let bad = EpochError::Sidecar("the rows are not those of the batch");
        if self.schema != WEATHER.id || raw.times_ms.len() != self.rows {
            return Err(bad);
        }
        let offsets_ms = raw
            .times_ms
            .iter()
            .map(|time| {
                time.checked_sub(self.base_time.0).and_then(|offset| u32::try_from(offset).ok())
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(bad)?;
        let batch = Batch {
            device: self.device,
            stream: self.stream,
            first_seq: self.first_seq,
            base_time: self.base_time,
            anchor: self.anchor,
            position: self.position,
            schema: self.schema,
            rows: Rows { offsets_ms, values: raw.values },
        };
        Ok(Envelope::assemble(batch, self.key_type, self.signature))
    }
}

fn list<T>(
    d: &mut Decoder<'_>,
    mut item: impl FnMut(&mut Decoder<'_>) -> Result<T, EpochError>,
) -> Result<Vec<T>, EpochError> {
    let count = d.array()?.ok_or(EpochError::Sidecar("an array of unknown length"))?;
    // No capacity from the file's word: the vector grows with what is really there.
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(item(d)?);
    }
    Ok(items)
}

fn expect_array(d: &mut Decoder<'_>, len: u64) -> Result<(), EpochError> {
    match d.array()? {
        Some(n) if n == len => Ok(()),
        _ => Err(EpochError::Sidecar("an array has another length")),
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], EpochError> {
    bytes.try_into().map_err(|_| EpochError::Sidecar("a byte string has another length"))
}
