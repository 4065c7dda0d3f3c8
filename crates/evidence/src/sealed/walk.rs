//! A look at a Parquet file before the library sees it: every size it declares must be one it can really have.
//!
//! The library reserves memory for the page sizes and list lengths that a file declares, so a file of a hundred bytes
//! could ask for gigabytes. This walk reads only Thrift framing (compact protocol), allocates nothing, recurses to a
//! fixed depth, and refuses a list longer than the bytes that are left and a page larger than `PAGE_BYTES_MAX`.

use super::OpenError;

/// Largest page, uncompressed. The writer closes pages at 1 MiB.
pub(super) const PAGE_BYTES_MAX: u64 = 8 << 20;
/// Largest footer.
pub(super) const FOOTER_BYTES_MAX: usize = 32 << 20;

const MAGIC: &[u8; 4] = b"PAR1";
/// Nesting of a real footer is below 8.
const DEPTH_MAX: u8 = 16;

/// The footer's own bytes, checked.
pub(super) fn footer(file: &[u8]) -> Result<(), OpenError> {
    let bad = OpenError::Readings("not a Parquet file");
    if file.len() < 12 || !file.starts_with(MAGIC) || !file.ends_with(MAGIC) {
        return Err(bad);
    }
    let tail = file.len() - 8;
    let mut length = [0; 4];
    length.copy_from_slice(&file[tail..tail + 4]);
    let length = u32::from_le_bytes(length) as usize;
    if length > FOOTER_BYTES_MAX || length > tail - 4 {
        return Err(bad);
    }
    let mut thrift = Thrift { bytes: &file[tail - length..tail], at: 0 };
    thrift.structure(0, |_, _| ())
}

/// Every page of the column chunk that occupies `chunk`.
pub(super) fn pages(chunk: &[u8]) -> Result<(), OpenError> {
    let mut at = 0;
    while at < chunk.len() {
        let mut thrift = Thrift { bytes: &chunk[at..], at: 0 };
        let (mut uncompressed, mut compressed) = (None, None);
        thrift.structure(0, |field, value| match field {
            2 => uncompressed = Some(value),
            3 => compressed = Some(value),
            _ => (),
        })?;
        let size = |value: Option<i64>| value.and_then(|v| u64::try_from(v).ok());
        let (Some(uncompressed), Some(compressed)) = (size(uncompressed), size(compressed)) else {
            return Err(OpenError::Readings("a page without sizes"));
        };
        if uncompressed > PAGE_BYTES_MAX {
            return Err(OpenError::TooLarge {
                what: "page",
                value: uncompressed,
                limit: PAGE_BYTES_MAX,
            });
        }
        let left = (chunk.len() - at - thrift.at) as u64;
        if compressed > left {
            return Err(OpenError::Readings("a page is longer than its column"));
        }
        at += thrift.at + compressed as usize;
    }
    Ok(())
}

struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Thrift<'_> {
    const CUT: OpenError = OpenError::Readings("cut off inside its metadata");

    fn byte(&mut self) -> Result<u8, OpenError> {
        let byte = *self.bytes.get(self.at).ok_or(Self::CUT)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, OpenError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(OpenError::Readings("a number without end"))
    }

    fn skip(&mut self, count: u64) -> Result<(), OpenError> {
        if count > (self.bytes.len() - self.at) as u64 {
            return Err(Self::CUT);
        }
        self.at += count as usize;
        Ok(())
    }

    /// Reads one structure and reports its integer fields by number.
    fn structure(&mut self, depth: u8, mut integer: impl FnMut(i64, i64)) -> Result<(), OpenError> {
        let mut field = 0_i64;
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Ok(());
            }
            field = match header >> 4 {
                0 => zigzag(self.varint()?),
                delta => field.wrapping_add(i64::from(delta)),
            };
            match header & 0x0f {
                // A boolean field's value is its type.
                1 | 2 => (),
                4..=6 => integer(field, zigzag(self.varint()?)),
                kind => self.value(kind, depth)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: u8) -> Result<(), OpenError> {
        if depth >= DEPTH_MAX {
            return Err(OpenError::Readings("metadata nested too deeply"));
        }
        match kind {
            1..=3 => self.skip(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => {
                let header = self.byte()?;
                let count = if header >> 4 == 15 { self.varint()? } else { u64::from(header >> 4) };
                if count > (self.bytes.len() - self.at) as u64 {
                    return Err(OpenError::Readings("a list longer than the file"));
                }
                for _ in 0..count {
                    self.value(header & 0x0f, depth + 1)?;
                }
                Ok(())
            }
            12 => self.structure(depth + 1, |_, _| ()),
            _ => Err(OpenError::Readings("metadata of an unknown kind")),
        }
    }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
