//! Where the native contracts keep an epoch's roots: Solidity's layout (docs/spec/rewards.md §6, batches.md).

use alloy_primitives::{U256, keccak256};
use cairn_primitives::Epoch;

/// REWARDS: `mapping(epoch => mapping(sector => Outcome))`.
const OUTCOMES: u64 = 1;
/// Of an `Outcome`: verdict root, score root, reward root.
const REWARD_ROOT: u64 = 2;
/// BATCHES: `mapping(epoch => mapping(sector => Commitment[]))`.
const COMMITMENTS: u64 = 0;
/// Slots of a `Commitment`: ingest, count, size; root; digest.
const COMMITMENT_SLOTS: u64 = 3;
/// BATCHES: `mapping(epoch => mapping(sector => Round))`.
const ROUNDS: u64 = 2;

/// The slots that decide whether a batch counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSlots {
    /// The commitment's Merkle root; the slot after it holds the digest of its sidecar.
    pub root: U256,
    /// The epoch's round: number 4 bytes, frozen 1, begin 8, low end first.
    pub round: U256,
    /// Bit i: commitment i is in.
    pub included: U256,
}

/// Where the reward root of a final epoch is, in REWARDS.
#[must_use]
pub fn reward_root_slot(epoch: Epoch, sector: u8) -> U256 {
    per_epoch(OUTCOMES, epoch, sector).wrapping_add(U256::from(REWARD_ROOT))
}

/// Where the number of an epoch's commitments is, in BATCHES.
#[must_use]
pub fn commitment_count_slot(epoch: Epoch, sector: u8) -> U256 {
    per_epoch(COMMITMENTS, epoch, sector)
}

/// Where commitment number `index` of an epoch is, in BATCHES, and whether it is in.
#[must_use]
pub fn batch_slots(epoch: Epoch, sector: u8, index: u8) -> BatchSlots {
    let list = commitment_count_slot(epoch, sector);
    let first: U256 = keccak256(list.to_be_bytes::<32>()).into();
    let element = first.wrapping_add(U256::from(u64::from(index) * COMMITMENT_SLOTS));
    let round = per_epoch(ROUNDS, epoch, sector);
    BatchSlots {
        root: element.wrapping_add(U256::ONE),
        round,
        included: round.wrapping_add(U256::ONE),
    }
}

/// Whether commitment number `index` is in the set that these two values describe.
#[must_use]
pub fn included_in(round: U256, included: U256, index: u8) -> bool {
    round.byte(4) == 1 && included.bit(usize::from(index))
}

/// `mapping(epoch => mapping(sector => …))` at `slot`.
fn per_epoch(slot: u64, epoch: Epoch, sector: u8) -> U256 {
    mapped(mapped(U256::from(slot), U256::from(epoch.0)), U256::from(sector))
}

/// Where `key` of the mapping at `slot` is.
fn mapped(slot: U256, key: U256) -> U256 {
    keccak256([key.to_be_bytes::<32>(), slot.to_be_bytes::<32>()].concat()).into()
}
