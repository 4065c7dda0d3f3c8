//! Results that validators vote for, with the tree behind them: 93 bytes a leaf, as docs/spec/rewards.md §3 lays them out.

use alloy_primitives::{Address, B256, FixedBytes, U256, keccak256};
use alloy_sol_types::SolValue;
use cairn_primitives::{MerkleTree, abi::IRewards as R};

use super::{
    money::Pool,
    network::{PRICE, STONE},
    reference::Outcome,
};

/// A result and its rewards.
#[derive(Clone)]
pub struct Plan {
    pub result: R::Result,
    pub rewards: [R::Reward; 3],
    tree: MerkleTree,
}

pub fn leaf(reward: &R::Reward) -> Vec<u8> {
    let u128_of = |stones: U256| u128::try_from(stones).expect("below the cap").to_be_bytes();
    [
        &reward.epoch.to_be_bytes()[..],
        &[reward.sector],
        reward.device.as_slice(),
        reward.owner.as_slice(),
        &reward.earnedMicroUsd.to_be_bytes(),
        &u128_of(reward.earnedStones),
        &reward.subsidyMicroUsd.to_be_bytes(),
        &u128_of(reward.subsidyStones),
    ]
    .concat()
}

impl Plan {
    /// Number of a result: 0 = honest; 1 = another verdict root; 2 = a tree that pays out more than its result says; 3 to 6 = one
    /// unit more than the pool has of earned, usage, need, subsidy; 7 = one unit less of earned; 8 = no subsidy.
    pub fn new(
        epoch: u64,
        pool: &Pool,
        number: u8,
        people: &[(FixedBytes<16>, Address); 3],
    ) -> Self {
        let more = |kind: u8| u64::from(number == kind);
        let budget = (u128::from(pool.usage) + u128::from(pool.need)) * STONE / PRICE;
        let subsidy = if number == 8 { 0 } else { budget / 4 };
        let inflated = if number == 2 { budget + STONE } else { 0 };
        let earned = pool.earned_stones;
        let earned = [earned / 2, earned / 3, earned - earned / 2 - earned / 3];
        let reward = |n: usize| R::Reward {
            epoch,
            sector: 1,
            device: people[n].0,
            owner: people[n].1,
            earnedMicroUsd: pool.earned / 3,
            earnedStones: U256::from(earned[n]),
            subsidyMicroUsd: u64::try_from(subsidy * PRICE / STONE).expect("small"),
            subsidyStones: U256::from(subsidy + if n == 0 { inflated } else { 0 }),
        };
        let rewards = [0, 1, 2].map(reward);
        let leaves = rewards.each_ref().map(leaf);
        let tree = MerkleTree::new(leaves.iter().map(Vec::as_slice));
        let earned = (pool.earned_stones + u128::from(more(3))).saturating_sub(more(7).into());
        let [usage, need] = if number == 8 { [0; 2] } else { [pool.usage, pool.need] };
        let result = R::Result {
            verdictRoot: B256::repeat_byte(if number == 1 { 9 } else { 1 }),
            scoreRoot: B256::repeat_byte(2),
            rewardRoot: tree.root().0.into(),
            devices: 3,
            earnedStones: U256::from(earned),
            subsidyStones: U256::from(if number == 6 { budget + 1 } else { 3 * subsidy }),
            usageMicroUsd: usage + more(4),
            needMicroUsd: need + more(5),
        };
        Self { result, rewards, tree }
    }

    pub fn outcome(&self) -> Outcome {
        Outcome {
            hash: keccak256(self.result.abi_encode()),
            earned_stones: self.result.earnedStones.to(),
            subsidy_stones: self.result.subsidyStones.to(),
            usage: self.result.usageMicroUsd,
            need: self.result.needMicroUsd,
        }
    }

    pub fn proof(&self, device: usize) -> Vec<FixedBytes<32>> {
        let proof = self.tree.proof(device).expect("a leaf");
        proof.siblings.iter().map(|sibling| sibling.0.into()).collect()
    }
}
