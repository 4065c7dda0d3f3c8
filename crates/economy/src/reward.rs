//! The reward of one device for one epoch, and its 93 bytes as a leaf of the reward tree.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | epoch |
//! | 8 | 1 | sector |
//! | 9 | 16 | device |
//! | 25 | 20 | owner |
//! | 45 | 8 | earned, micro-dollars |
//! | 53 | 16 | earned, base units of STONE |
//! | 69 | 8 | subsidy, micro-dollars |
//! | 77 | 16 | subsidy, base units of STONE |
//!
//! All integers big-endian. Source: docs/spec/rewards.md.

use alloy_primitives::Address;
use cairn_primitives::{DeviceId, Digest, Epoch, MerkleTree, MicroUsd, Sector, Stones, leaf_hash};
use serde::{Deserialize, Serialize};

/// Length of a reward leaf.
pub const REWARD_BYTES: usize = 93;

/// What a device earned in an epoch: from consumers, and as subsidy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reward {
    /// The epoch.
    pub epoch: Epoch,
    /// The sector.
    pub sector: Sector,
    /// The device.
    pub device: DeviceId,
    /// Its owner at the time: who is paid.
    pub owner: Address,
    /// From consumers, after fees.
    pub earned: MicroUsd,
    /// The same in stones.
    pub earned_stones: Stones,
    /// Subsidy: the usage part and the need part together.
    pub subsidy: MicroUsd,
    /// The same in stones.
    pub subsidy_stones: Stones,
}

/// Bytes that are no reward leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewardError {
    /// Not `REWARD_BYTES` long.
    #[error("a reward leaf has 93 bytes, not {0}")]
    Length(usize),
    /// No such sector.
    #[error("there is no sector {0}")]
    UnknownSector(u8),
}

impl Reward {
    /// The leaf's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; REWARD_BYTES] {
        let mut out = [0; REWARD_BYTES];
        out[0..8].copy_from_slice(&self.epoch.0.to_be_bytes());
        out[8] = self.sector.number();
        out[9..25].copy_from_slice(&self.device.0);
        out[25..45].copy_from_slice(self.owner.as_slice());
        out[45..53].copy_from_slice(&self.earned.0.to_be_bytes());
        out[53..69].copy_from_slice(&self.earned_stones.0.to_be_bytes());
        out[69..77].copy_from_slice(&self.subsidy.0.to_be_bytes());
        out[77..93].copy_from_slice(&self.subsidy_stones.0.to_be_bytes());
        out
    }

    /// Reads a leaf. Every 93 bytes with a known sector are the encoding of exactly one reward.
    ///
    /// # Errors
    /// `Length`, `UnknownSector`.
    pub fn decode(bytes: &[u8]) -> Result<Self, RewardError> {
        let bytes: &[u8; REWARD_BYTES] =
            bytes.try_into().map_err(|_| RewardError::Length(bytes.len()))?;
        Ok(Self {
            epoch: Epoch(u64::from_be_bytes(field(bytes, 0))),
            sector: Sector::from_u8(bytes[8]).ok_or(RewardError::UnknownSector(bytes[8]))?,
            device: DeviceId(field(bytes, 9)),
            owner: Address::from(field::<20>(bytes, 25)),
            earned: MicroUsd(u64::from_be_bytes(field(bytes, 45))),
            earned_stones: Stones(u128::from_be_bytes(field(bytes, 53))),
            subsidy: MicroUsd(u64::from_be_bytes(field(bytes, 69))),
            subsidy_stones: Stones(u128::from_be_bytes(field(bytes, 77))),
        })
    }

    /// The leaf's hash in the reward tree.
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        leaf_hash(&self.encode())
    }

    /// The order of leaves: SHA-256 of the device id, which nobody can choose cheaply.
    #[must_use]
    pub fn order(device: DeviceId) -> Digest {
        Digest::of(&[&device.0])
    }
}

/// `N` bytes of a leaf from a fixed offset.
fn field<const N: usize>(bytes: &[u8; REWARD_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// The reward tree over `rewards` in the order given (`distribute` gives them in leaf order).
#[must_use]
pub fn reward_tree(rewards: &[Reward]) -> MerkleTree {
    MerkleTree::from_hashes(rewards.iter().map(Reward::leaf_hash).collect())
}
