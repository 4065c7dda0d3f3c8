//! Fields packed into one word of storage, low end first, as Solidity packs a struct.

use alloy_primitives::{Address, U256};

/// Fills a word from its low end, as Solidity packs the fields of a struct.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packer {
    word: U256,
    bits: usize,
}

impl Packer {
    /// An empty word.
    #[must_use]
    pub const fn new() -> Self {
        Self { word: U256::ZERO, bits: 0 }
    }

    /// Adds the low `bytes` bytes of `value` above the earlier fields.
    ///
    /// # Panics
    /// When the fields exceed 32 bytes: a mistake in a layout, found by any test of it.
    #[must_use]
    pub fn push(self, bytes: usize, value: U256) -> Self {
        assert!(self.bits + bytes * 8 <= 256, "a packed word has 32 bytes");
        Self { word: self.word | (value << self.bits), bits: self.bits + bytes * 8 }
    }
    /// Adds a `uint64`.
    #[must_use]
    pub fn u64(self, value: u64) -> Self {
        self.push(8, U256::from(value))
    }
    /// Adds a `uint32`.
    #[must_use]
    pub fn u32(self, value: u32) -> Self {
        self.push(4, U256::from(value))
    }
    /// Adds an `int32`.
    #[must_use]
    pub fn i32(self, value: i32) -> Self {
        self.u32(value.cast_unsigned())
    }
    /// Adds a `uint8`.
    #[must_use]
    pub fn u8(self, value: u8) -> Self {
        self.push(1, U256::from(value))
    }
    /// Adds an `address`.
    #[must_use]
    pub fn address(self, value: Address) -> Self {
        self.push(20, value.into_word().into())
    }
    /// Adds a `uint128`.
    #[must_use]
    pub fn u128(self, value: u128) -> Self {
        self.push(16, U256::from(value))
    }
    /// Adds a `bytes16`.
    #[must_use]
    pub fn bytes16(self, value: [u8; 16]) -> Self {
        self.u128(u128::from_be_bytes(value))
    }
    /// The word.
    #[must_use]
    pub const fn word(self) -> U256 {
        self.word
    }
}

/// Takes the fields of a packed word, low end first.
#[derive(Clone, Copy, Debug)]
pub struct Unpacker(U256);

impl Unpacker {
    /// Starts at the low end of `word`.
    #[must_use]
    pub const fn new(word: U256) -> Self {
        Self(word)
    }

    fn low<const N: usize>(&mut self) -> [u8; N] {
        let bytes: [u8; 32] = self.0.to_be_bytes();
        self.0 = self.0.wrapping_shr(N * 8);
        let mut out = [0; N];
        out.copy_from_slice(&bytes[32 - N..]);
        out
    }
    /// Takes a `uint64`.
    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.low())
    }
    /// Takes a `uint32`.
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.low())
    }
    /// Takes an `int32`.
    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.low())
    }
    /// Takes a `uint8`.
    pub fn u8(&mut self) -> u8 {
        self.low::<1>()[0]
    }
    /// Takes an `address`.
    pub fn address(&mut self) -> Address {
        Address::from(self.low::<20>())
    }
    /// Takes a `uint128`.
    pub fn u128(&mut self) -> u128 {
        u128::from_be_bytes(self.low())
    }
    /// Takes a `bytes16`.
    pub fn bytes16(&mut self) -> [u8; 16] {
        self.low()
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Packer, U256, Unpacker};
    use proptest::prelude::*;

    #[test]
    fn from_the_low_end() {
        let word =
            Packer::new().u8(0x01).u32(0x0203_0405).address(Address::repeat_byte(0xaa)).word();
        let mut expected = [0; 32];
        expected[31] = 1;
        expected[27..31].copy_from_slice(&[2, 3, 4, 5]);
        expected[7..27].fill(0xaa);
        assert_eq!(word, U256::from_be_bytes(expected));
    }

    proptest! {
        #[test]
        fn fields_come_back(a: u64, b: i32, c: u8, d: u128) {
            let word = Packer::new().u64(a).i32(b).u8(c).u128(d).word();
            let mut fields = Unpacker::new(word);
            prop_assert_eq!((fields.u64(), fields.i32(), fields.u8(), fields.u128()), (a, b, c, d));
        }
    }
}
