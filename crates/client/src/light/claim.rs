//! What a proof proves, in words. The JSON names are those of docs/spec/proofs.md; amounts are decimal strings.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256};
use cairn_primitives::Epoch;
use serde::{Deserialize, Serialize};

use super::state::Entry;

/// Length of a reward leaf.
pub(super) const REWARD_BYTES: usize = 93;

/// The block that the claim is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// Keccak-256 of the header.
    pub hash: B256,
    /// Network time, ms.
    pub time_ms: u64,
}

/// What is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proven {
    /// After this block.
    pub block: Block,
    /// Height of the block whose certificate makes it final; the block itself or a descendant.
    pub certified: u64,
    /// This holds.
    pub claim: Claim,
}

/// A fact of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Claim {
    /// An account.
    Account {
        /// Its address.
        address: Address,
        /// Its nonce.
        #[serde(with = "decimal")]
        nonce: u64,
        /// Its balance, base units of STONE.
        #[serde(with = "decimal")]
        balance: U256,
        /// Keccak-256 of its code.
        code_hash: B256,
    },
    /// A storage slot.
    Slot {
        /// The contract.
        address: Address,
        /// The slot.
        slot: B256,
        /// Its value.
        value: B256,
    },
    /// A transaction and what it did.
    Receipt {
        /// Its hash.
        transaction: B256,
        /// Its number in the block.
        index: u32,
        /// Whether it succeeded.
        success: bool,
        /// Gas of the block up to and with it.
        #[serde(with = "decimal")]
        cumulative_gas_used: u64,
        /// What it emitted.
        logs: Vec<LogClaim>,
    },
    /// An event.
    Log {
        /// Number of its transaction in the block.
        index: u32,
        /// Its number in the receipt.
        position: u32,
        /// What was emitted.
        log: LogClaim,
    },
    /// What a device is owed for an epoch.
    Reward {
        /// The epoch.
        epoch: u64,
        /// The sector's number.
        sector: u8,
        /// The device.
        device: FixedBytes<16>,
        /// Who is paid.
        owner: Address,
        /// From consumers, µUSD.
        #[serde(with = "decimal")]
        earned: u64,
        /// The same in base units of STONE.
        #[serde(with = "decimal")]
        earned_stones: u128,
        /// Subsidy, µUSD.
        #[serde(with = "decimal")]
        subsidy: u64,
        /// The same in base units of STONE.
        #[serde(with = "decimal")]
        subsidy_stones: u128,
    },
    /// A batch that counts in an epoch.
    Batch {
        /// The epoch.
        epoch: u64,
        /// The sector's number.
        sector: u8,
        /// Number of the commitment that holds it.
        commitment: u8,
        /// SHA-256(0x00 ‖ envelope).
        leaf: B256,
    },
}

/// What a contract emitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogClaim {
    /// The contract.
    pub address: Address,
    /// Topics.
    pub topics: Vec<B256>,
    /// Data.
    pub data: Bytes,
}

impl From<&alloy_primitives::Log> for LogClaim {
    fn from(log: &alloy_primitives::Log) -> Self {
        Self {
            address: log.address,
            topics: log.data.topics().to_vec(),
            data: log.data.data.clone(),
        }
    }
}

impl From<Entry> for Claim {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Account { address, nonce, balance, code_hash } => {
                Self::Account { address, nonce, balance, code_hash }
            }
            Entry::Slot { address, slot, value } => {
                Self::Slot { address, slot: slot.into(), value: value.into() }
            }
        }
    }
}

impl Block {
    /// The block with this header, whose time is well-formed.
    pub(super) fn of(header: &Header) -> Self {
        let mut time = [0; 8];
        time.copy_from_slice(&header.extra_data);
        let time_ms = u64::from_be_bytes(time);
        Self { number: header.number, hash: header.hash_slow(), time_ms }
    }
}

/// The epoch, the sector and the claim of a reward leaf (docs/spec/rewards.md §3).
pub(super) fn reward(leaf: &[u8; REWARD_BYTES]) -> (Epoch, u8, Claim) {
    let (epoch, sector) = (u64::from_be_bytes(field(leaf, 0)), leaf[8]);
    let claim = Claim::Reward {
        epoch,
        sector,
        device: FixedBytes(field(leaf, 9)),
        owner: Address::from(field::<20>(leaf, 25)),
        earned: u64::from_be_bytes(field(leaf, 45)),
        earned_stones: u128::from_be_bytes(field(leaf, 53)),
        subsidy: u64::from_be_bytes(field(leaf, 69)),
        subsidy_stones: u128::from_be_bytes(field(leaf, 77)),
    };
    (Epoch(epoch), sector, claim)
}

/// `N` bytes of a leaf from a fixed offset.
fn field<const N: usize>(leaf: &[u8; REWARD_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&leaf[at..at + N]);
    out
}

/// Integers that may exceed 53 bits, as decimal strings.
mod decimal {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(|_| D::Error::custom("not a decimal number"))
    }
}
