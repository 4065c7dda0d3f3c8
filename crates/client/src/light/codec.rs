//! Reading strangers' bytes: every length is bounded by what is left, and a value has one encoding.

use super::LightError;

type Res<T> = Result<T, LightError>;

/// Bytes that are left to read.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn left(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, count: usize) -> Res<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(LightError::Malformed("cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Res<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(super) fn byte(&mut self) -> Res<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// 0 or 1.
    pub(super) fn flag(&mut self) -> Res<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(LightError::Malformed("a flag that is neither 0 nor 1")),
        }
    }

    /// Unsigned LEB128 of at most 64 bits, in its shortest form.
    pub(super) fn varint(&mut self) -> Res<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if (byte == 0 && shift > 0) || (shift == 63 && byte > 1) {
                return Err(LightError::Malformed("a varint that is not in its shortest form"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(LightError::Malformed("a varint of more than 64 bits"))
    }

    /// A count or length of at most `most`.
    pub(super) fn count(&mut self, most: usize) -> Res<usize> {
        usize::try_from(self.varint()?)
            .ok()
            .filter(|count| *count <= most)
            .ok_or(LightError::Malformed("a count beyond its limit"))
    }

    /// A varint length and that many bytes.
    pub(super) fn bytes(&mut self, most: usize) -> Res<&'a [u8]> {
        let length = self.count(most)?;
        self.take(length)
    }

    /// Nothing may be left.
    pub(super) const fn finish(self) -> Res<()> {
        if self.0.is_empty() { Ok(()) } else { Err(LightError::Malformed("bytes after its end")) }
    }
}

/// Appends a varint.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a varint length and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a varint count and each item with its length.
pub(super) fn put_list<T: AsRef<[u8]>>(out: &mut Vec<u8>, items: &[T]) {
    put_varint(out, items.len() as u64);
    for item in items {
        put_bytes(out, item.as_ref());
    }
}
