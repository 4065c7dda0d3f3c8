//! The batch a device signs, and the COSE envelope around it. Byte layout: docs/spec/envelope.md.
//!
//! ```text
//! Envelope = COSE_Sign1 (RFC 9052, tag 18): protected {1: −8 EdDSA | −7 ES256}, unprotected {}, payload, signature
//! payload  = deterministic CBOR (RFC 8949 §4.2) of
//!   [1, device, stream, first seq, base time ms, [anchor epoch, root prefix], position | null, schema, rows]
//! row      = [offset ms, value | null, …]        row i has sequence number first seq + i
//! ```
//! One batch has exactly one encoding: `decode` refuses any other, so that a sealed file can rebuild the signed bytes
//! from the rows. Nothing here looks at state; whether a batch counts is decided by `sectors`.

mod canonical;

use coset::{CoseSign1, TaggedCborSerializable as _, iana};
use minicbor::{Decoder, Encoder, data::Type};

use crate::{
    DeviceId, Digest, Epoch, KeyError, KeyType, Position, PublicKey, Schema, SchemaId, SecretKey,
    Seq, Signature, Stream, TimeMs, leaf_hash,
};

/// Largest envelope, in bytes.
pub const BATCH_BYTES_MAX: usize = 65_536;
/// Most rows in a batch.
pub const BATCH_ROWS_MAX: usize = 1_024;
/// Most values in a row.
pub const ROW_VALUES_MAX: usize = 32;

const VERSION: u8 = 1;

/// The latest ledger state a device knew when it signed: it proves that the batch was not made earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// 0 with the genesis hash, or `n` with the reward root of epoch `n − 1`.
    pub epoch: Epoch,
    /// First eight bytes of that hash.
    pub root_prefix: [u8; 8],
}

/// Readings in row-major order: `values[i * width ..]` belongs to `offsets_ms[i]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Milliseconds after the batch's base time, strictly increasing.
    pub offsets_ms: Vec<u32>,
    /// Scaled integers of the schema; `None` where nothing was measured.
    pub values: Vec<Option<i32>>,
}

impl Rows {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets_ms.len()
    }
    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets_ms.is_empty()
    }
    /// The values of row `i` of a schema with `width` fields.
    #[must_use]
    pub fn row(&self, i: usize, width: usize) -> &[Option<i32>] {
        &self.values[i * width..(i + 1) * width]
    }
}

/// What a device says, before its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The device that measured.
    pub device: DeviceId,
    /// The series within the device.
    pub stream: Stream,
    /// Sequence number of the first row.
    pub first_seq: Seq,
    /// Network time that the rows' offsets count from.
    pub base_time: TimeMs,
    /// Proof of not being older.
    pub anchor: Anchor,
    /// Where it was measured; `None` means at the registered place.
    pub position: Option<Position>,
    /// What the values mean.
    pub schema: SchemaId,
    /// The readings.
    pub rows: Rows,
}

/// Why bytes are no envelope. `sectors` maps each to a numbered rejection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Larger than `BATCH_BYTES_MAX`.
    #[error("{0} bytes are more than an envelope may have ({BATCH_BYTES_MAX})")]
    Oversized(usize),
    /// Cut off, trailing bytes, or not the expected structure.
    #[error("not a COSE_Sign1 envelope of a batch: {0}")]
    Malformed(&'static str),
    /// Valid CBOR in another than the one allowed encoding.
    #[error("not in deterministic encoding")]
    NotCanonical,
    /// Neither EdDSA nor ES256, or more than the algorithm in the protected header.
    #[error("the signature algorithm is not EdDSA or ES256")]
    UnknownAlgorithm,
    /// A signature that is not 64 bytes long, or none.
    #[error("unsigned: the signature has {0} bytes, not 64")]
    Unsigned(usize),
    /// A later version of the batch format.
    #[error("batch version {0} is unknown")]
    UnknownVersion(u64),
    /// A schema that is not registered.
    #[error("schema {0} is not registered")]
    UnknownSchema(u64),
    /// No rows, too many, not strictly increasing in time, or numbers out of range.
    #[error("rows: {0}")]
    BadRows(&'static str),
}

impl From<minicbor::decode::Error> for EnvelopeError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed("payload")
    }
}

impl Batch {
    /// Time of row `i`.
    #[must_use]
    pub fn time_of(&self, i: usize) -> TimeMs {
        TimeMs(self.base_time.0 + u64::from(self.rows.offsets_ms[i]))
    }

    /// Sequence number of the last row.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        Seq(self.first_seq.0 + self.rows.len() as u64 - 1)
    }

    /// The canonical bytes that are signed.
    ///
    /// # Panics
    /// Never: writing to a vector cannot fail.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.rows.values.len() * 3 + self.rows.len() * 5);
        self.encode(&mut Encoder::new(&mut out)).expect("a vector takes every byte");
        out
    }

    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(9)?
            .u8(VERSION)?
            .bytes(&self.device.0)?
            .u16(self.stream.0)?
            .u64(self.first_seq.0)?;
        e.u64(self.base_time.0)?
            .array(2)?
            .u64(self.anchor.epoch.0)?
            .bytes(&self.anchor.root_prefix)?;
        match self.position {
            None => e.null()?,
            Some(p) => e.array(3)?.i32(p.lat_e7)?.i32(p.lon_e7)?.i32(p.elevation_dm)?,
        };
        e.u16(self.schema.0)?.array(self.rows.len() as u64)?;
        let width = self.rows.values.len().checked_div(self.rows.len()).unwrap_or(0);
        for (i, offset) in self.rows.offsets_ms.iter().enumerate() {
            e.array(width as u64 + 1)?.u32(*offset)?;
            for value in self.rows.row(i, width) {
                match value {
                    None => e.null()?,
                    Some(value) => e.i32(*value)?,
                };
            }
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut d = Decoder::new(bytes);
        expect_array(&mut d, 9)?;
        match d.u64()? {
            1 => {}
            other => return Err(EnvelopeError::UnknownVersion(other)),
        }
        let device = DeviceId(fixed(d.bytes()?)?);
        let stream = Stream(d.u16()?);
        let first_seq = Seq(d.u64()?);
        let base_time = TimeMs(d.u64()?);
        expect_array(&mut d, 2)?;
        let anchor = Anchor { epoch: Epoch(d.u64()?), root_prefix: fixed(d.bytes()?)? };
        let position = if d.datatype()? == Type::Null {
            d.null()?;
            None
        } else {
            expect_array(&mut d, 3)?;
            Some(Position { lat_e7: d.i32()?, lon_e7: d.i32()?, elevation_dm: d.i32()? })
        };
        let number = d.u64()?;
        let schema = u16::try_from(number)
            .ok()
            .and_then(|id| Schema::get(SchemaId(id)))
            .ok_or(EnvelopeError::UnknownSchema(number))?;
        let rows = decode_rows(&mut d, schema.fields.len())?;
        if d.position() != bytes.len() {
            return Err(EnvelopeError::Malformed("bytes after the payload"));
        }
        let fits = first_seq.0.checked_add(rows.len() as u64).is_some()
            && base_time.0.checked_add(u64::from(u32::MAX)).is_some();
        if !fits {
            return Err(EnvelopeError::BadRows("sequence or time beyond 64 bits"));
        }
        Ok(Self { device, stream, first_seq, base_time, anchor, position, schema: schema.id, rows })
    }
}

fn decode_rows(d: &mut Decoder<'_>, width: usize) -> Result<Rows, EnvelopeError> {
    let count = d.array()?.ok_or(EnvelopeError::NotCanonical)?;
    let count = usize::try_from(count).ok().filter(|n| (1..=BATCH_ROWS_MAX).contains(n));
    let count = count.ok_or(EnvelopeError::BadRows("1 to 1,024 rows are allowed"))?;
    let mut rows =
        Rows { offsets_ms: Vec::with_capacity(count), values: Vec::with_capacity(count * width) };
    for _ in 0..count {
        expect_array(d, width as u64 + 1)?;
        let offset = d.u32()?;
        if rows.offsets_ms.last().is_some_and(|last| *last >= offset) {
            return Err(EnvelopeError::BadRows("times are not strictly increasing"));
        }
        rows.offsets_ms.push(offset);
        for _ in 0..width {
            let value = if d.datatype()? == Type::Null {
                d.null()?;
                None
            } else {
                Some(d.i32()?)
            };
            rows.values.push(value);
        }
    }
    Ok(rows)
}

fn expect_array(d: &mut Decoder<'_>, len: u64) -> Result<(), EnvelopeError> {
    match d.array()? {
        Some(n) if n == len => Ok(()),
        Some(_) => Err(EnvelopeError::Malformed("an array has another length")),
        None => Err(EnvelopeError::NotCanonical),
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], EnvelopeError> {
    bytes.try_into().map_err(|_| EnvelopeError::Malformed("a byte string has another length"))
}

/// A batch with its signature, exactly as the device sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    bytes: Vec<u8>,
    tbs: Vec<u8>,
    batch: Batch,
    key_type: KeyType,
    signature: Signature,
    leaf: Digest,
}

impl Envelope {
    /// Signs `batch`.
    ///
    /// # Errors
    /// When the key refuses to sign.
    pub fn sign(batch: Batch, key: &SecretKey) -> Result<Self, KeyError> {
        let key_type = key.public().key_type();
        let payload = batch.to_bytes();
        let signature = key.sign(&to_be_signed(key_type, &payload))?;
        Ok(Self::with_payload(batch, key_type, signature, &payload))
    }

    /// Rebuilds the envelope from what a sealed file keeps: the batch, the kind of key and the signature.
    #[must_use]
    pub fn assemble(batch: Batch, key_type: KeyType, signature: Signature) -> Self {
        let payload = batch.to_bytes();
        Self::with_payload(batch, key_type, signature, &payload)
    }

    /// `payload` must be the batch's canonical bytes.
    fn with_payload(batch: Batch, key_type: KeyType, signature: Signature, payload: &[u8]) -> Self {
        let bytes = on_the_wire(key_type, payload, &signature);
        let tbs = to_be_signed(key_type, payload);
        let leaf = leaf_hash(&bytes);
        Self { bytes, tbs, batch, key_type, signature, leaf }
    }

    /// Parses and checks everything that can be checked without state: size, structure, the one encoding, limits.
    ///
    /// # Errors
    /// See `EnvelopeError`; never panics, whatever the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > BATCH_BYTES_MAX {
            return Err(EnvelopeError::Oversized(bytes.len()));
        }
        if let Some(canonical::Parts { key_type, payload, signature, batch }) =
            canonical::read(bytes)
        {
            let (tbs, leaf) = (to_be_signed(key_type, payload), leaf_hash(bytes));
            return Ok(Self { bytes: bytes.to_vec(), tbs, batch, key_type, signature, leaf });
        }
        Self::decode_any(bytes)
    }

    /// The general way, which says what is wrong.
    fn decode_any(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let sign1 = CoseSign1::from_tagged_slice(bytes)
            .map_err(|_| EnvelopeError::Malformed("COSE_Sign1"))?;
        let key_type = match sign1.protected.header.alg {
            Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA)) => {
                KeyType::Ed25519
            }
            Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) => {
                KeyType::P256
            }
            _ => return Err(EnvelopeError::UnknownAlgorithm),
        };
        let signature: [u8; 64] = sign1
            .signature
            .as_slice()
            .try_into()
            .map_err(|_| EnvelopeError::Unsigned(sign1.signature.len()))?;
        let payload = sign1.payload.as_deref().ok_or(EnvelopeError::Malformed("no payload"))?;
        let batch = Batch::decode(payload)?;
        if batch.to_bytes() != payload {
            return Err(EnvelopeError::NotCanonical);
        }
        let envelope = Self::with_payload(batch, key_type, Signature(signature), payload);
        if envelope.bytes != bytes {
            return Err(EnvelopeError::NotCanonical);
        }
        Ok(envelope)
    }

    /// Whether the signature is by `key`.
    #[must_use]
    pub fn verify(&self, key: &PublicKey) -> bool {
        key.key_type() == self.key_type && key.verify(&self.tbs, &self.signature)
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// What the device says.
    #[must_use]
    pub const fn batch(&self) -> &Batch {
        &self.batch
    }
    /// What the device says, for who needs nothing else any more.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.batch
    }
    /// The kind of key that signed.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }
    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
    /// The batch's name everywhere: its Merkle leaf, SHA-256(0x00 ‖ bytes).
    #[must_use]
    pub const fn leaf(&self) -> Digest {
        self.leaf
    }
}

/// The protected header: {1: −8} or {1: −7}.
const fn protected(key_type: KeyType) -> [u8; 3] {
    match key_type {
        KeyType::Ed25519 => [0xa1, 0x01, 0x27],
        KeyType::P256 => [0xa1, 0x01, 0x26],
    }
}

/// What is signed: RFC 9052's `Sig_structure` without external data.
fn to_be_signed(key_type: KeyType, payload: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::with_capacity(payload.len() + 24));
    e.array(4)
        .and_then(|e| e.str("Signature1")?.bytes(&protected(key_type))?.bytes(&[])?.bytes(payload))
        .expect("a vector takes every byte");
    e.into_writer()
}

/// COSE_Sign1 with its tag. Written by hand because every batch of the network passes here: the general encoder copies
/// the payload several times. The test below holds it to `coset`.
fn on_the_wire(key_type: KeyType, payload: &[u8], signature: &Signature) -> Vec<u8> {
    let mut e = Encoder::new(Vec::with_capacity(payload.len() + 80));
    e.tag(minicbor::data::Tag::new(18))
        .and_then(|e| {
            e.array(4)?.bytes(&protected(key_type))?.map(0)?.bytes(payload)?.bytes(&signature.0)
        })
        .expect("a vector takes every byte");
    e.into_writer()
}

#[cfg(test)]
mod tests {
    use coset::{CoseSign1Builder, HeaderBuilder};

    use super::*;

    /// The short way takes exactly what the general one does.
    fn both_ways(bytes: &[u8]) {
        let general = Envelope::decode_any(bytes);
        assert_eq!(canonical::read(bytes).is_some(), general.is_ok(), "{}", hex::encode(bytes));
        assert_eq!(Envelope::decode(bytes), general);
    }

    #[test]
    fn integers_at_the_borders_of_their_forms() {
        let borders = [0, 23, 24, 255, 256, 65_535, 65_536, i32::MAX];
        let values: Vec<Option<i32>> = borders.iter().flat_map(|b| [Some(*b), Some(!*b)]).collect();
        let rows = Rows {
            offsets_ms: vec![0, 23, 24, 255, 256, 65_535, 65_536, u32::MAX],
            values: values.into_iter().cycle().take(56).collect(),
        };
        let seqs = [0, 23, 24, 256, 65_536, 1 << 32, u64::MAX - 9, u64::MAX - 7];
        for (seq, base) in seqs.into_iter().zip(seqs.into_iter().rev()) {
            let batch = Batch {
                device: DeviceId([1; 16]),
                stream: Stream(u16::MAX),
                first_seq: Seq(seq),
                base_time: TimeMs(base),
                anchor: Anchor { epoch: Epoch(seq), root_prefix: [5; 8] },
                position: Some(Position { lat_e7: i32::MIN, lon_e7: i32::MAX, elevation_dm: -1 }),
                schema: SchemaId(1),
                rows: rows.clone(),
            };
            both_ways(Envelope::assemble(batch, KeyType::Ed25519, Signature([8; 64])).bytes());
        }
    }

    #[test]
    fn the_envelope_is_what_coset_writes() {
        let key = SecretKey::ed25519([7; 32]);
        for rows in [1, 2, 300] {
            let batch = Batch {
                device: DeviceId::of(&key.public()),
                stream: Stream(3),
                first_seq: Seq(70_000),
                base_time: TimeMs(1_356_998_400_000),
                anchor: Anchor { epoch: Epoch(9), root_prefix: [5; 8] },
                position: Some(Position { lat_e7: -1, lon_e7: 2, elevation_dm: 3 }),
                schema: SchemaId(1),
                rows: Rows {
                    offsets_ms: (0..rows).map(|i| i * 1_000).collect(),
                    values: (0..rows * 7).map(|i| (i % 5 != 0).then_some(-40_i32)).collect(),
                },
            };
            for key_type in [KeyType::Ed25519, KeyType::P256] {
                let algorithm = match key_type {
                    KeyType::Ed25519 => iana::Algorithm::EdDSA,
                    KeyType::P256 => iana::Algorithm::ES256,
                };
                let other = CoseSign1Builder::new()
                    .protected(HeaderBuilder::new().algorithm(algorithm).build())
                    .payload(batch.to_bytes())
                    .signature(vec![8; 64])
                    .build();
                let ours = Envelope::assemble(batch.clone(), key_type, Signature([8; 64]));
                assert_eq!(ours.tbs, other.tbs_data(&[]));
                assert_eq!(ours.bytes, other.to_tagged_vec().unwrap());
                both_ways(&ours.bytes);
                // Every single wrong bit, and every cut.
                for at in 0..ours.bytes.len().min(400) {
                    let mut wrong = ours.bytes.clone();
                    for bit in 0..8 {
                        wrong[at] ^= 1 << bit;
                        both_ways(&wrong);
                        wrong[at] ^= 1 << bit;
                    }
                    both_ways(&ours.bytes[..at]);
                }
            }
            let signed = Envelope::sign(batch, &key).unwrap();
            assert!(signed.verify(&key.public()));
            assert_eq!(Envelope::decode(signed.bytes()), Ok(signed.clone()));
            assert_eq!(signed.leaf(), leaf_hash(signed.bytes()));
        }
    }
}
