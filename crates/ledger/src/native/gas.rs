//! Gas of what native contracts do and the EVM has no price for. One gas is about 4 ns of a validator's time.

/// Base price of a native call, before its call data.
pub const CALL: u64 = 100;
/// Per 32-byte word of call data: decoding.
pub const CALL_WORD: u64 = 6;
/// Base price of a log, as in the EVM.
pub const LOG: u64 = 375;
/// Moving stones between two accounts.
pub const TRANSFER: u64 = 2_300;
/// Checking an Ed25519 or P-256 signature, or recovering a secp256k1 signer: as P256VERIFY (EIP-7951) and above ECRECOVER.
pub const SIGNATURE: u64 = 6_900;
/// One step of a mapping or an array: Keccak-256 over two words, as in the EVM.
pub const HASH: u64 = 42;
/// Base price of SHA-256, as in the EVM.
pub const SHA256: u64 = 60;
/// Per word of SHA-256 input, as in the EVM.
pub const SHA256_WORD: u64 = 12;
/// Deriving an H3 cell from a position.
pub const CELL: u64 = 500;

/// The pool's means or its next step: three logarithms or powers of 32 multiplications each.
pub const POOL_READ: u64 = 300;
/// Base price of decoding an envelope.
pub const ENVELOPE: u64 = 500;
/// Per 32-byte word of an envelope: parsing it, writing its one encoding again to compare, hashing it.
pub const ENVELOPE_WORD: u64 = 60;

/// Decoding an envelope of `len` bytes, with its hash.
#[must_use]
pub const fn envelope(len: usize) -> u64 {
    ENVELOPE + ENVELOPE_WORD * len.div_ceil(32) as u64
}

/// SHA-256 over `len` bytes.
#[must_use]
pub const fn sha256(len: usize) -> u64 {
    SHA256 + SHA256_WORD * len.div_ceil(32) as u64
}

/// Finding a slot through this many mappings and arrays.
#[must_use]
pub const fn hashes(count: u8) -> u64 {
    HASH * count as u64
}
