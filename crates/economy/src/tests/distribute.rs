//! The split of an epoch's pool.

use std::collections::BTreeMap;

use cairn_primitives::{MicroUsd, Stones};
use proptest::prelude::*;

use super::{device, params, pool};
use crate::{
    DistributeError, Distribution, EarnedLine, REWARD_BYTES, Reward, RewardError, ScoredDevice,
    cell_budget, distribute, reward_tree,
};

fn line(device: &ScoredDevice, paid: u64) -> EarnedLine {
    EarnedLine { device: device.device, paid: MicroUsd(paid) }
}

fn split(need: u64, devices: &[ScoredDevice]) -> Distribution {
    distribute(&params(), &pool(0, 0, need), devices, &[]).unwrap()
}

fn subsidy_of(out: &Distribution, device: &ScoredDevice) -> u64 {
    out.rewards.iter().find(|reward| reward.device == device.device).unwrap().subsidy.0
}

#[test]
fn a_full_cell_gets_its_budget_by_rank() {
    let devices = [device(0, 1, 1, 1_000), device(1, 2, 1, 1_000), device(2, 3, 1, 1_000)];
    let out = split(3 * 1_100, &devices);
    let shares: Vec<u64> = devices.iter().map(|d| subsidy_of(&out, d)).collect();
    assert_eq!(shares, [600, 300, 200], "1 : 1/2 : 1/3 of 1,100");
    assert_eq!(out.need, MicroUsd(1_100));
    assert_eq!(out.ranks, [1, 2, 3]);
}

#[test]
fn an_owners_second_device_comes_after_everyones_first() {
    let devices = [
        device(0, 1, 1, 1_000),
        device(1, 1, 1, 1_000),
        device(2, 2, 1, 1_000),
        device(3, 3, 1, 1_000),
        device(4, 1, 1, 0),
    ];
    let out = split(3 * 1_100, &devices);
    assert_eq!(out.ranks, [1, 4, 2, 3, 0]);
    assert_eq!(subsidy_of(&out, &devices[1]), 0, "beyond the target");
}

#[test]
fn only_the_first_target_cells_are_funded() {
    let devices: Vec<_> = (0..4).map(|n| device(n, 1, 100 - n, 1_000)).collect();
    let out = split(3 * 1_100, &devices);
    let shares: Vec<u64> = devices.iter().map(|d| subsidy_of(&out, d)).collect();
    assert_eq!(shares, [600, 600, 600, 0], "the cell that was occupied last has no budget");
}

#[test]
fn payments_reach_exactly_the_devices_paid_for() {
    let devices = [device(0, 1, 1, 1_000), device(1, 2, 1, 0), device(2, 3, 1, 900)];
    let lines = [line(&devices[0], 700), line(&devices[1], 200), line(&devices[0], 100)];
    let out = distribute(&params(), &pool(920, 45, 0), &devices, &lines).unwrap();
    let of = |d: &ScoredDevice| *out.rewards.iter().find(|r| r.device == d.device).unwrap();
    assert_eq!(of(&devices[0]).earned, MicroUsd(736));
    assert_eq!(of(&devices[1]).earned, MicroUsd(184));
    assert_eq!(of(&devices[2]).earned, MicroUsd(0));
    assert_eq!(
        of(&devices[0]).subsidy,
        MicroUsd(36),
        "45 × 800/1000, its cap of 4.5 % being the same"
    );
    assert_eq!(of(&devices[1]).subsidy, MicroUsd(0), "no accepted evidence, no subsidy");
    assert_eq!(out.earned_stones, pool(920, 0, 0).earned_stones);
}

#[test]
fn refuses_what_it_cannot_split() {
    let one = device(0, 1, 1, 1_000);
    let check = |devices: &[ScoredDevice], lines: &[EarnedLine]| {
        distribute(&params(), &pool(1, 1, 1), devices, lines)
    };
    assert_eq!(check(&[one, one], &[]), Err(DistributeError::DuplicateDevice(one.device)));
    assert_eq!(check(&[], &[line(&one, 1)]), Err(DistributeError::UnknownDevice(one.device)));
    assert_eq!(
        check(&[one], &[line(&one, u64::MAX), line(&one, 1)]),
        Err(DistributeError::OutOfRange)
    );
}

#[test]
fn a_leaf_has_one_encoding() {
    let out = split(1_000_000, &[device(3, 9, 1, 1_000)]);
    let reward = out.rewards[0];
    let bytes = reward.encode();
    assert_eq!(bytes.len(), REWARD_BYTES);
    assert_eq!(Reward::decode(&bytes), Ok(reward));
    assert_eq!(Reward::decode(&bytes[1..]), Err(RewardError::Length(92)));
    let mut unknown = bytes;
    unknown[8] = 0;
    assert_eq!(Reward::decode(&unknown), Err(RewardError::UnknownSector(0)));
    assert_eq!(
        reward.leaf_hash().to_string(),
        "0xe1ca279ea2e037ef8b1e380efa3cb0ddf7ab9c8502295842ced0fa910b27e20a",
        "the leaf's bytes are wire format"
    );
    let tree = reward_tree(&out.rewards);
    assert_eq!((tree.len(), tree.root()), (1, reward.leaf_hash()));
}

fn fleet() -> impl Strategy<Value = (Vec<ScoredDevice>, Vec<u64>)> {
    proptest::collection::vec((1_u8..6, 0_u64..5, 0_u16..=1_000, 0_u64..1_000_000_000), 0..40)
        .prop_map(|rows| {
            (0..)
                .zip(rows)
                .map(|(n, (owner, cell, score, paid))| (device(n, owner, cell, score), paid))
                .unzip()
        })
}

proptest! {
    /// Everything is conserved: earned exactly, subsidy with what stays unallocated, stones with dollars.
    #[test]
    fn splits_conserve(
        (devices, paid) in fleet(),
        earned in 0_u64..1 << 50,
        usage in 0_u64..1 << 40,
        need in 0_u64..1 << 40,
    ) {
        let lines: Vec<_> = devices.iter().zip(&paid).map(|(d, &p)| line(d, p)).collect();
        let pool = pool(earned, usage, need);
        let out = distribute(&params(), &pool, &devices, &lines).unwrap();
        prop_assert_eq!(out.rewards.len(), devices.len());
        let any = paid.iter().any(|&p| p > 0);
        let sum = |f: fn(&Reward) -> u128| out.rewards.iter().map(f).sum::<u128>();
        prop_assert_eq!(sum(|r| r.earned_stones.0), if any { pool.earned_stones.0 } else { 0 });
        prop_assert_eq!(sum(|r| r.earned.0.into()), if any { u128::from(earned) } else { 0 });
        prop_assert_eq!(out.earned_stones.0, sum(|r| r.earned_stones.0));
        prop_assert_eq!(u128::from(out.usage.0 + out.need.0), sum(|r| r.subsidy.0.into()));
        prop_assert_eq!(out.subsidy_stones, Stones(sum(|r| r.subsidy_stones.0)));
        prop_assert!(out.usage.0 <= usage && out.need.0 <= need);
        let whole = MicroUsd(usage + need).to_stones_floor(pool.price);
        prop_assert!(out.subsidy_stones <= whole);

        let budget = cell_budget(&params(), MicroUsd(need));
        let mut cells = BTreeMap::<u64, u64>::new();
        let alone = split(need, &devices);
        for d in &devices {
            *cells.entry(d.cell.0).or_default() += subsidy_of(&alone, d);
        }
        prop_assert!(cells.values().all(|&paid| paid <= budget.0));
        prop_assert!(cells.values().filter(|&&paid| paid > 0).count() <= 3);
    }

    /// The order of the inputs is no input.
    #[test]
    fn order_does_not_matter((devices, paid) in fleet(), need in 0_u64..1 << 40) {
        let lines: Vec<_> = devices.iter().zip(&paid).map(|(d, &p)| line(d, p)).collect();
        let pool = pool(need, need, need);
        let forward = distribute(&params(), &pool, &devices, &lines).unwrap();
        let reverse = |v: &[ScoredDevice]| v.iter().rev().copied().collect::<Vec<_>>();
        let lines: Vec<_> = lines.into_iter().rev().collect();
        let backward = distribute(&params(), &pool, &reverse(&devices), &lines).unwrap();
        prop_assert_eq!(forward.rewards, backward.rewards);
    }

    /// A higher score never earns less; an equal score at an equal rank earns the same.
    #[test]
    fn a_higher_score_never_earns_less((devices, _) in fleet(), pick in any::<prop::sample::Index>(), more in 0_u16..1_000, need in 0_u64..1 << 40) {
        prop_assume!(!devices.is_empty());
        let i = pick.index(devices.len());
        prop_assume!(devices[i].score_permille > 0);
        let before = subsidy_of(&split(need, &devices), &devices[i]);
        let mut better = devices.clone();
        better[i].score_permille = (better[i].score_permille + more).min(1_000);
        let after = subsidy_of(&split(need, &better), &better[i]);
        prop_assert!(after >= before);
        if better[i].score_permille == devices[i].score_permille {
            prop_assert_eq!(after, before);
        }
    }
}
