//! Every limit of the state machine. A change is a hard fork.

/// Most gas of one transaction: EIP-7825's 2^24, so that one transaction never fills a block of the usual 60 M.
pub const TX_GAS_MAX: u64 = 1 << 24;
/// Largest encoded transaction, in bytes; what Ethereum nodes take, and two equivocation envelopes fit.
pub const TX_BYTES_MAX: usize = 131_072 + 16_384;
/// Most bytes of all transactions of a block.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// Most transactions of a block.
pub const BLOCK_TXS_MAX: usize = 10_000;
/// Most call data of a system transaction, in bytes.
pub const SYSTEM_BYTES_MAX: usize = 1_024;
/// Most gas of a system transaction.
pub const SYSTEM_GAS_MAX: u64 = 8_000_000;
/// Most gas of a call that is no transaction (`eth_call`), as in geth: it costs the caller nothing.
pub const CALL_GAS_MAX: u64 = 50_000_000;
