//! Results and pools as they are stored.

use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::SolValue;
use cairn_primitives::{Digest, MicroUsd, Stones, abi::IRewards};

use crate::native::{Packer, Stored, Unpacker};

/// A final result: verdict root ‖ score root ‖ reward root ‖ earned 16 │ subsidy 16 ‖ devices 4 │ usage 8 │ need 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub verdict_root: Digest,
    pub score_root: Digest,
    pub reward_root: Digest,
    pub earned_stones: Stones,
    pub subsidy_stones: Stones,
    pub devices: u32,
    pub usage: MicroUsd,
    pub need: MicroUsd,
}

impl Outcome {
    /// From a vote whose amounts were checked against the pool, so that they fit.
    pub fn from_abi(result: &IRewards::Result) -> Self {
        Self {
            verdict_root: Digest(result.verdictRoot.0),
            score_root: Digest(result.scoreRoot.0),
            reward_root: Digest(result.rewardRoot.0),
            earned_stones: Stones(result.earnedStones.saturating_to()),
            subsidy_stones: Stones(result.subsidyStones.saturating_to()),
            devices: result.devices,
            usage: MicroUsd(result.usageMicroUsd),
            need: MicroUsd(result.needMicroUsd),
        }
    }

    pub fn to_abi(self) -> IRewards::Result {
        IRewards::Result {
            verdictRoot: self.verdict_root.0.into(),
            scoreRoot: self.score_root.0.into(),
            rewardRoot: self.reward_root.0.into(),
            devices: self.devices,
            earnedStones: U256::from(self.earned_stones.0),
            subsidyStones: U256::from(self.subsidy_stones.0),
            usageMicroUsd: self.usage.0,
            needMicroUsd: self.need.0,
        }
    }

    /// What validators vote for: `keccak256(abi.encode(Result))`.
    pub fn hash(self) -> B256 {
        keccak256(self.to_abi().abi_encode())
    }
}

impl Stored for Outcome {
    const SLOTS: usize = 5;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = U256::from_be_bytes(self.verdict_root.0);
        words[1] = U256::from_be_bytes(self.score_root.0);
        words[2] = U256::from_be_bytes(self.reward_root.0);
        words[3] = Packer::new().u128(self.earned_stones.0).u128(self.subsidy_stones.0).word();
        words[4] = Packer::new().u32(self.devices).u64(self.usage.0).u64(self.need.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[3]), Unpacker::new(words[4]));
        Self {
            verdict_root: Digest(words[0].to_be_bytes()),
            score_root: Digest(words[1].to_be_bytes()),
            reward_root: Digest(words[2].to_be_bytes()),
            earned_stones: Stones(a.u128()),
            subsidy_stones: Stones(a.u128()),
            devices: b.u32(),
            usage: MicroUsd(b.u64()),
            need: MicroUsd(b.u64()),
        }
    }
}

/// Votes for one result: its hash ‖ votes 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub hash: B256,
    pub votes: u32,
}

impl Stored for Tally {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = self.hash.into();
        words[1] = U256::from(self.votes);
    }
    fn from_words(words: &[U256]) -> Self {
        Self { hash: words[0].into(), votes: Unpacker::new(words[1]).u32() }
    }
}

/// An epoch's pool: price 8 │ earned 8 │ usage 8 │ need 8 ‖ earned stones 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolRow {
    pub price: MicroUsd,
    pub earned: MicroUsd,
    pub usage: MicroUsd,
    pub need: MicroUsd,
    pub earned_stones: Stones,
}

impl Stored for PoolRow {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .u64(self.price.0)
            .u64(self.earned.0)
            .u64(self.usage.0)
            .u64(self.need.0)
            .word();
        words[1] = U256::from(self.earned_stones.0);
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[1]));
        Self {
            price: MicroUsd(a.u64()),
            earned: MicroUsd(a.u64()),
            usage: MicroUsd(a.u64()),
            need: MicroUsd(a.u64()),
            earned_stones: Stones(b.u128()),
        }
    }
}
