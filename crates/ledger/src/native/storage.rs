//! Typed places in a contract's storage, with Solidity's layout, so that `cast storage` and `cast index` find them.
//!
//! ```text
//! const BALANCES: Mapping<Address, Value<U256>> = Mapping::new(CREDITS, 0);     mapping(address => uint256) at slot 0
//! const SUPPLY: Value<U256> = Value::new(CREDITS, 1);                            uint256 at slot 1
//! let held = BALANCES.at(&account).get(c)?;
//! ```
//! A place knows its contract, so that one native contract may read and write another's through that one's functions.

use std::marker::PhantomData;

use alloy_primitives::{Address, B256, FixedBytes, U256, keccak256};
use cairn_primitives::{Cell, DeviceId, Digest, Epoch, MicroUsd, Stones, TimeMs};

use super::{Ctx, Res, Stop, Unpacker, gas};

/// Most slots of one stored struct.
pub const SLOTS_MAX: usize = 8;

/// Something that stands at a slot of a contract: a value, a mapping, an array, bytes.
pub trait Place: Sized {
    /// The place whose first slot is `slot`, which took `hashes` hashes to find; whoever uses the place pays for them.
    fn of(contract: Address, slot: U256, hashes: u8) -> Self;
}

/// A value of one or more whole slots.
pub trait Stored: Sized {
    /// Number of slots, at most `SLOTS_MAX`.
    const SLOTS: usize;
    /// Writes itself into `SLOTS` words.
    fn to_words(&self, words: &mut [U256]);
    /// Reads itself from `SLOTS` words. Unwritten storage reads as zeros, which must be a value.
    fn from_words(words: &[U256]) -> Self;
}

/// A mapping's key, padded to a word as Solidity does: numbers and addresses left, `bytesN` right.
pub trait Key {
    /// The word that is hashed.
    fn word(&self) -> [u8; 32];
}

/// One value.
pub struct Value<T> {
    contract: Address,
    slot: U256,
    hashes: u8,
    kind: PhantomData<fn() -> T>,
}

/// `mapping(K => V)`.
pub struct Mapping<K, V> {
    contract: Address,
    slot: U256,
    hashes: u8,
    kind: PhantomData<fn(K) -> V>,
}

/// `T[]` of whole-slot elements.
pub struct List<T> {
    contract: Address,
    slot: U256,
    hashes: u8,
    kind: PhantomData<fn() -> T>,
}

/// `bytes` or `string`.
pub struct Blob {
    contract: Address,
    slot: U256,
    hashes: u8,
}

impl<T> Place for Value<T> {
    fn of(contract: Address, slot: U256, hashes: u8) -> Self {
        Self { contract, slot, hashes, kind: PhantomData }
    }
}
impl<K, V> Place for Mapping<K, V> {
    fn of(contract: Address, slot: U256, hashes: u8) -> Self {
        Self { contract, slot, hashes, kind: PhantomData }
    }
}
impl<T> Place for List<T> {
    fn of(contract: Address, slot: U256, hashes: u8) -> Self {
        Self { contract, slot, hashes, kind: PhantomData }
    }
}
impl Place for Blob {
    fn of(contract: Address, slot: U256, hashes: u8) -> Self {
        Self { contract, slot, hashes }
    }
}

impl<T: Stored> Value<T> {
    /// The value at `slot` of `contract`.
    #[must_use]
    pub const fn new(contract: Address, slot: u64) -> Self {
        Self { contract, slot: U256::from_limbs([slot, 0, 0, 0]), hashes: 0, kind: PhantomData }
    }

    /// Its first slot.
    #[must_use]
    pub const fn slot(&self) -> U256 {
        self.slot
    }

    /// Reads it.
    ///
    /// # Errors
    /// Out of gas, or disk trouble.
    pub fn get(&self, c: &mut Ctx<'_>) -> Res<T> {
        c.charge(gas::hashes(self.hashes))?;
        let mut words = [U256::ZERO; SLOTS_MAX];
        for (i, word) in words.iter_mut().take(T::SLOTS).enumerate() {
            *word = c.load(self.contract, self.slot.wrapping_add(U256::from(i)))?;
        }
        Ok(T::from_words(&words[..T::SLOTS]))
    }

    /// Writes it.
    ///
    /// # Errors
    /// `StaticCall`, out of gas, or disk trouble.
    pub fn set(&self, c: &mut Ctx<'_>, value: &T) -> Res<()> {
        c.charge(gas::hashes(self.hashes))?;
        let mut words = [U256::ZERO; SLOTS_MAX];
        value.to_words(&mut words[..T::SLOTS]);
        for (i, word) in words.iter().take(T::SLOTS).enumerate() {
            c.store(self.contract, self.slot.wrapping_add(U256::from(i)), *word)?;
        }
        Ok(())
    }
}

impl<K: Key, V: Place> Mapping<K, V> {
    /// The mapping at `slot` of `contract`.
    #[must_use]
    pub const fn new(contract: Address, slot: u64) -> Self {
        Self { contract, slot: U256::from_limbs([slot, 0, 0, 0]), hashes: 0, kind: PhantomData }
    }

    /// Where `key`'s value stands.
    #[must_use]
    pub fn at(&self, key: &K) -> V {
        let mut preimage = [0; 64];
        preimage[..32].copy_from_slice(&key.word());
        preimage[32..].copy_from_slice(&self.slot.to_be_bytes::<32>());
        V::of(self.contract, keccak256(preimage).into(), self.hashes.saturating_add(1))
    }
}

impl<T: Stored> List<T> {
    /// The array at `slot` of `contract`.
    #[must_use]
    pub const fn new(contract: Address, slot: u64) -> Self {
        Self { contract, slot: U256::from_limbs([slot, 0, 0, 0]), hashes: 0, kind: PhantomData }
    }

    /// Number of elements.
    ///
    /// # Errors
    /// Out of gas, or disk trouble.
    pub fn len(&self, c: &mut Ctx<'_>) -> Res<u64> {
        Value::<u64>::of(self.contract, self.slot, self.hashes).get(c)
    }

    /// Element `i`; zeros beyond the end.
    #[must_use]
    pub fn at(&self, i: u64) -> Value<T> {
        let first: U256 = keccak256(self.slot.to_be_bytes::<32>()).into();
        let slot = first.wrapping_add(U256::from(i) * U256::from(T::SLOTS));
        Value::of(self.contract, slot, self.hashes.saturating_add(1))
    }

    /// Appends an element and returns its index.
    ///
    /// # Errors
    /// `StaticCall`, out of gas, or disk trouble.
    pub fn push(&self, c: &mut Ctx<'_>, value: &T) -> Res<u64> {
        let len = self.len(c)?;
        self.at(len).set(c, value)?;
        // The hashes to the length were paid when it was read.
        Value::<u64>::of(self.contract, self.slot, 0).set(c, &(len + 1))?;
        Ok(len)
    }

    /// Forgets the elements from `len` on; the slots keep their bytes until overwritten.
    ///
    /// # Errors
    /// `StaticCall`, out of gas, or disk trouble.
    pub fn truncate(&self, c: &mut Ctx<'_>, len: u64) -> Res<()> {
        Value::<u64>::of(self.contract, self.slot, self.hashes).set(c, &len)
    }

    /// Forgets every element by setting the length to zero; the slots keep their bytes until overwritten.
    ///
    /// # Errors
    /// `StaticCall`, out of gas, or disk trouble.
    pub fn clear(&self, c: &mut Ctx<'_>) -> Res<()> {
        Value::<u64>::of(self.contract, self.slot, self.hashes).set(c, &0)
    }
}

impl Blob {
    /// Bytes that a native contract keeps are short: this bounds the reads of a damaged length.
    pub const BYTES_MAX: usize = 4_096;

    /// Reads the bytes.
    ///
    /// # Errors
    /// Out of gas, or disk trouble.
    pub fn get(&self, c: &mut Ctx<'_>) -> Res<Vec<u8>> {
        c.charge(gas::hashes(self.hashes.saturating_add(1)))?;
        let head = c.load(self.contract, self.slot)?;
        let bytes: [u8; 32] = head.to_be_bytes();
        if !head.bit(0) {
            let len = usize::from(bytes[31] / 2).min(31);
            return Ok(bytes[..len].to_vec());
        }
        let len = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if len > Self::BYTES_MAX {
            return Err(Stop::Fatal(format!("{} stores bytes of length {len}", self.contract)));
        }
        let first: U256 = keccak256(self.slot.to_be_bytes::<32>()).into();
        let mut out = Vec::with_capacity(len);
        for i in 0..len.div_ceil(32) {
            let word = c.load(self.contract, first.wrapping_add(U256::from(i)))?;
            out.extend_from_slice(&word.to_be_bytes::<32>());
        }
        out.truncate(len);
        Ok(out)
    }

    /// Writes the bytes.
    ///
    /// # Errors
    /// `OutOfRange` above `BYTES_MAX`; `StaticCall`, out of gas, or disk trouble.
    pub fn set(&self, c: &mut Ctx<'_>, bytes: &[u8]) -> Res<()> {
        c.charge(gas::hashes(self.hashes.saturating_add(1)))?;
        if bytes.len() > Self::BYTES_MAX {
            return super::out_of_range(
                "bytes",
                U256::from(bytes.len()),
                U256::from(Self::BYTES_MAX),
            );
        }
        if bytes.len() < 32 {
            let mut word = [0; 32];
            word[..bytes.len()].copy_from_slice(bytes);
            word[31] = u8::try_from(bytes.len() * 2).unwrap_or(0);
            return c.store(self.contract, self.slot, U256::from_be_bytes(word));
        }
        c.store(self.contract, self.slot, U256::from(bytes.len() * 2 + 1))?;
        let first: U256 = keccak256(self.slot.to_be_bytes::<32>()).into();
        for (i, chunk) in bytes.chunks(32).enumerate() {
            let mut word = [0; 32];
            word[..chunk.len()].copy_from_slice(chunk);
            c.store(self.contract, first.wrapping_add(U256::from(i)), U256::from_be_bytes(word))?;
        }
        Ok(())
    }
}

macro_rules! one_word {
    ($($type:ty: $value:ident => $to:expr, $word:ident => $from:expr;)+) => {$(
        impl Stored for $type {
            const SLOTS: usize = 1;
            fn to_words(&self, words: &mut [U256]) {
                let $value = self;
                words[0] = $to;
            }
            fn from_words(words: &[U256]) -> Self {
                let $word = words[0];
                $from
            }
        }
    )+};
}

one_word! {
    U256: v => *v, w => w;
    B256: v => (*v).into(), w => w.into();
    Digest: v => U256::from_be_bytes(v.0), w => Self(w.to_be_bytes());
    Address: v => v.into_word().into(), w => Unpacker::new(w).address();
    bool: v => U256::from(*v), w => !w.is_zero();
    u8: v => U256::from(*v), w => Unpacker::new(w).u8();
    u32: v => U256::from(*v), w => Unpacker::new(w).u32();
    u64: v => U256::from(*v), w => Unpacker::new(w).u64();
    u128: v => U256::from(*v), w => Unpacker::new(w).u128();
    Stones: v => U256::from(v.0), w => Self(Unpacker::new(w).u128());
    MicroUsd: v => U256::from(v.0), w => Self(Unpacker::new(w).u64());
    TimeMs: v => U256::from(v.0), w => Self(Unpacker::new(w).u64());
    Epoch: v => U256::from(v.0), w => Self(Unpacker::new(w).u64());
    Cell: v => U256::from(v.0), w => Self(Unpacker::new(w).u64());
    DeviceId: v => U256::from(u128::from_be_bytes(v.0)), w => Self(Unpacker::new(w).bytes16());
}

impl Key for U256 {
    fn word(&self) -> [u8; 32] {
        self.to_be_bytes()
    }
}
impl Key for u64 {
    fn word(&self) -> [u8; 32] {
        U256::from(*self).to_be_bytes()
    }
}
impl Key for u32 {
    fn word(&self) -> [u8; 32] {
        U256::from(*self).to_be_bytes()
    }
}
impl Key for u8 {
    fn word(&self) -> [u8; 32] {
        U256::from(*self).to_be_bytes()
    }
}
impl Key for Epoch {
    fn word(&self) -> [u8; 32] {
        self.0.word()
    }
}
impl Key for Address {
    fn word(&self) -> [u8; 32] {
        self.into_word().0
    }
}
impl Key for B256 {
    fn word(&self) -> [u8; 32] {
        self.0
    }
}
impl Key for FixedBytes<16> {
    fn word(&self) -> [u8; 32] {
        DeviceId(self.0).word()
    }
}
impl Key for DeviceId {
    fn word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        word[..16].copy_from_slice(&self.0);
        word
    }
}

#[cfg(test)]
mod tests;
