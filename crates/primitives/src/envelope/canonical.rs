//! Reads an envelope in its one allowed encoding, and nothing else: the way of every honest batch.
//!
//! The general way (`super`) decodes whatever CBOR allows, says what is wrong with it, and finds another encoding by writing the
//! batch again. This one accepts only the bytes that writing would give, so one pass suffices. Whatever it does not take goes
//! the general way; it never takes what that refuses (test below, and the fuzz target `envelope`).

use super::{Anchor, BATCH_ROWS_MAX, Batch, Rows, VERSION};
use crate::{DeviceId, Epoch, KeyType, Position, Schema, SchemaId, Seq, Signature, Stream, TimeMs};

/// CBOR's major types, shifted into their bits.
const UNSIGNED: u8 = 0x00;
const NEGATIVE: u8 = 0x20;
const BYTES: u8 = 0x40;
const ARRAY: u8 = 0x80;
const NULL: u8 = 0xf6;

/// What an envelope consists of.
pub(super) struct Parts<'a> {
    pub key_type: KeyType,
    pub payload: &'a [u8],
    pub signature: Signature,
    pub batch: Batch,
}

/// The parts of an envelope in canonical encoding.
pub(super) fn read(bytes: &[u8]) -> Option<Parts<'_>> {
    let mut r = Reader(bytes);
    // Tag 18, four elements, a protected header of three bytes that names the algorithm.
    r.constant(&[0xd2, 0x84, 0x43, 0xa1, 0x01])?;
    let key_type = match r.byte()? {
        0x27 => KeyType::Ed25519,
        0x26 => KeyType::P256,
        _ => return None,
    };
    r.constant(&[0xa0])?;
    let payload = r.bytes()?;
    let signature = Signature(r.fixed()?);
    r.end()?;
    Some(Parts { key_type, payload, signature, batch: batch(payload)? })
}

fn batch(payload: &[u8]) -> Option<Batch> {
    let mut r = Reader(payload);
    r.constant(&[ARRAY | 9, VERSION])?;
    let device = DeviceId(r.fixed()?);
    let stream = Stream(r.unsigned()?.try_into().ok()?);
    let first_seq = Seq(r.unsigned()?);
    let base_time = TimeMs(r.unsigned()?);
    r.constant(&[ARRAY | 2])?;
    let anchor = Anchor { epoch: Epoch(r.unsigned()?), root_prefix: r.fixed()? };
    let position = if r.null() {
        None
    } else {
        r.constant(&[ARRAY | 3])?;
        Some(Position { lat_e7: r.integer()?, lon_e7: r.integer()?, elevation_dm: r.integer()? })
    };
    let schema = Schema::get(SchemaId(r.unsigned()?.try_into().ok()?))?;
    let rows = rows(&mut r, schema.fields.len())?;
    r.end()?;
    first_seq.0.checked_add(rows.len() as u64)?;
    base_time.0.checked_add(u64::from(u32::MAX))?;
    Some(Batch { device, stream, first_seq, base_time, anchor, position, schema: schema.id, rows })
}

fn rows(r: &mut Reader<'_>, width: usize) -> Option<Rows> {
    let count = usize::try_from(r.head(ARRAY)?).ok()?;
    if !(1..=BATCH_ROWS_MAX).contains(&count) {
        return None;
    }
    let mut rows =
        Rows { offsets_ms: Vec::with_capacity(count), values: Vec::with_capacity(count * width) };
    let mut next = 0;
    for _ in 0..count {
        if r.head(ARRAY)? != width as u64 + 1 {
            return None;
        }
        let offset = u32::try_from(r.unsigned()?).ok()?;
        if u64::from(offset) < next {
            return None;
        }
        next = u64::from(offset) + 1;
        rows.offsets_ms.push(offset);
        for _ in 0..width {
            rows.values.push(if r.null() { None } else { Some(r.integer()?) });
        }
    }
    Some(rows)
}

/// What is left of the bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn constant(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    fn null(&mut self) -> bool {
        let null = self.0.first() == Some(&NULL);
        if null {
            self.0 = &self.0[1..];
        }
        null
    }

    /// The argument of an item of this major type, in its shortest form.
    fn head(&mut self, major: u8) -> Option<u64> {
        let first = self.byte()?;
        if first & 0xe0 != major {
            return None;
        }
        self.argument(first & 0x1f)
    }

    fn argument(&mut self, additional: u8) -> Option<u64> {
        let (value, least) = match additional {
            0..24 => return Some(additional.into()),
            24 => (self.byte()?.into(), 24),
            25 => (u16::from_be_bytes(self.take(2)?.try_into().ok()?).into(), 1 << 8),
            26 => (u32::from_be_bytes(self.take(4)?.try_into().ok()?).into(), 1 << 16),
            27 => (u64::from_be_bytes(self.take(8)?.try_into().ok()?), 1 << 32),
            _ => return None,
        };
        (value >= least).then_some(value)
    }

    fn unsigned(&mut self) -> Option<u64> {
        self.head(UNSIGNED)
    }

    fn integer(&mut self) -> Option<i32> {
        let first = self.byte()?;
        let value = i32::try_from(self.argument(first & 0x1f)?).ok()?;
        match first & 0xe0 {
            UNSIGNED => Some(value),
            // −1 − value.
            NEGATIVE => Some(!value),
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.head(BYTES)?).ok()?;
        self.take(length)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes()?.try_into().ok()
    }
}
