//! Votes, final epochs and claims: what they move, and every refusal.

use alloy_primitives::{Address, B256, FixedBytes, U256};
use cairn_primitives::{
    Anchor, Batch, DeviceId, Envelope, Epoch, Rows, Seq, Stones, Stream, TimeMs, WEATHER,
    abi::{
        CREDITS, ECONOMY, IEconomy, IKernel, INSURANCE, IRegistry, IRewards, REGISTRY, REWARDS,
        TREASURY,
    },
};
use proptest::prelude::*;

use crate::{
    Violation,
    fixture::{ALICE, BOB, CAROL, VALIDATORS},
    native::scenario::{ATTESTING, COMMITTING, Computed, LATE, S, World, device_key, worth},
};

const NONE: Stones = Stones::ZERO;

fn vote(epoch: u64, round: u32, result: &IRewards::Result) -> IRewards::voteCall {
    IRewards::voteCall { epoch, sector: S, round, result: result.clone(), salt: B256::ZERO }
}

/// Epoch 0 with $ 1 paid to the first device and $ 0.50 to the second, frozen and not voted.
fn paid_epoch() -> World {
    let mut world = World::with_lease(10_000_000);
    world.settle(1, 10, &[(0, 1_000_000), (1, 500_000)]);
    world.chain.go_to(1, COMMITTING);
    world.commit(0, 0);
    world.commit(1, 0);
    for validator in 0..4 {
        world.attest(validator, 0, 0b11);
    }
    world
}

#[test]
fn a_final_epoch_moves_its_stones() {
    let mut world = paid_epoch();
    let pool = world.pool(0);
    assert_eq!((pool.earnedMicroUsd, pool.usageSubsidyMicroUsd), (1_380_000, 0), "92 % of $ 1.50");
    assert_eq!(pool.needSubsidyMicroUsd, 2_250_000 / 24);
    let computed = world.compute(0);
    let result = computed.result();
    let (reserve, burned) = (world.chain.balance(ECONOMY), burned(&world));
    let released = world.chain.balance(REWARDS).0;
    for (validator, operator) in VALIDATORS.into_iter().enumerate().take(2) {
        let sent = world.vote(validator, 0, 0, &result);
        assert!(sent.events::<IRewards::EpochFinal>().is_empty());
        assert_eq!(sent.events::<IRewards::Voted>()[0].validator, operator);
    }
    let sent = world.vote(2, 0, 0, &result);
    let event = &sent.events::<IRewards::EpochFinal>()[0];
    assert_eq!((event.epoch, event.votes, event.rewardRoot), (0, 3, result.rewardRoot));
    assert_eq!(world.next_epoch(), 1);
    assert_eq!(world.chain.balance(TREASURY).0, worth(30_000));
    assert_eq!(world.chain.balance(INSURANCE).0, worth(15_000));
    assert_eq!(burned_since(&world, burned), released - worth(1_425_000));
    let subsidy = computed.split.subsidy_stones.0;
    assert_eq!(world.chain.balance(ECONOMY).0, reserve.0 - subsidy);
    assert_eq!(world.chain.balance(REWARDS).0, worth(1_380_000) + subsidy);
    let shown = world.chain.call(ALICE, REWARDS, &IRewards::resultCall { epoch: 0, sector: S });
    assert_eq!(
        (shown.rewardRoot, shown.devices, shown.earnedStones),
        (result.rewardRoot, 3, result.earnedStones)
    );
    assert_eq!(
        world.pool(0).earnedStones,
        pool.earnedStones,
        "the pool that was used stays readable"
    );
    let today = world.chain.call(ALICE, ECONOMY, &IEconomy::todayCall { sector: S });
    assert_eq!((today.day, today.settledTodayMicroUsd), (0, 1_500_000));
}

fn burned(world: &World) -> u128 {
    world.chain.call(ALICE, ECONOMY, &IEconomy::burnedCall {}).to()
}

/// What was burned since, base fees aside: votes pay none.
fn burned_since(world: &World, before: u128) -> u128 {
    burned(world) - before
}

#[test]
fn refusals_of_votes() {
    let mut world = paid_epoch();
    let good = world.compute(0).result();
    let error: IRewards::NotValidator =
        world.chain.revert(ALICE, REWARDS, NONE, &vote(0, 0, &good));
    assert_eq!(error.caller, ALICE);
    let from = VALIDATORS[0];
    let other = IRewards::voteCall { sector: 0, ..vote(0, 0, &good) };
    let _: IKernel::OutOfRange = world.chain.revert(from, REWARDS, NONE, &other);
    for epoch in [1, u64::MAX] {
        let error: IRewards::NotNextEpoch =
            world.chain.revert(from, REWARDS, NONE, &vote(epoch, 0, &good));
        assert_eq!((error.epoch, error.next), (epoch, 0));
    }
    let error: IRewards::WrongRound = world.chain.revert(from, REWARDS, NONE, &vote(0, 1, &good));
    assert_eq!((error.round, error.current), (1, 0));
    let one = U256::from(1);
    let greedy = [
        ("earned", IRewards::Result { earnedStones: good.earnedStones + one, ..good.clone() }),
        ("usage", IRewards::Result { usageMicroUsd: 1, ..good.clone() }),
        ("need", IRewards::Result { needMicroUsd: 2_250_000 / 24 + 1, ..good.clone() }),
        (
            "subsidy",
            IRewards::Result {
                subsidyStones: U256::from(worth(2_250_000 / 24)) + one,
                ..good.clone()
            },
        ),
    ];
    for (part, result) in greedy {
        let error: IRewards::PoolExceeded =
            world.chain.revert(from, REWARDS, NONE, &vote(0, 0, &result));
        assert_eq!((error.part.as_str(), error.asked), (part, error.pool + one));
    }
    let miser = IRewards::Result { earnedStones: good.earnedStones - one, ..good.clone() };
    let error: IKernel::OutOfRange = world.chain.revert(from, REWARDS, NONE, &vote(0, 0, &miser));
    assert_eq!(error.field, "earnedStones");
    world.vote(0, 0, 0, &good);
    let error: IRewards::DoubleVote = world.chain.revert(from, REWARDS, NONE, &vote(0, 0, &good));
    assert_eq!(error.validator, from);
    assert!(world.chain.system(from, REWARDS, &vote(0, 0, &good)).is_err(), "not even included");
    // Not final yet.
    let result = IRewards::resultCall { epoch: 0, sector: S };
    let error: IRewards::EpochNotFinal = world.chain.revert(from, REWARDS, NONE, &result);
    assert_eq!(error.epoch, 0);
    let pool = IRewards::poolCall { epoch: 1, sector: S };
    let error: IRewards::EpochNotFinal = world.chain.revert(from, REWARDS, NONE, &pool);
    assert_eq!(error.epoch, 0);
}

#[test]
fn without_a_possible_quorum_the_round_opens_again() {
    let mut world = paid_epoch();
    let good = world.compute(0).result();
    let wrong = IRewards::Result { verdictRoot: [9; 32].into(), ..good.clone() };
    world.vote(0, 0, 0, &good);
    world.vote(1, 0, 0, &wrong);
    let sent = world.vote(2, 0, 0, &good);
    assert!(sent.events::<IRewards::RoundReopened>().is_empty(), "the fourth can still decide");
    let sent = world.vote(3, 0, 0, &wrong);
    assert_eq!(sent.events::<IRewards::RoundReopened>()[0].round, 1);
    let status = world.status(0);
    assert_eq!((status.phase, status.round, status.attestations, status.commitments), (2, 1, 0, 2));
    let _: IRewards::SetNotFrozen =
        world.chain.revert(VALIDATORS[0], REWARDS, NONE, &vote(0, 1, &good));
    assert_eq!(world.next_epoch(), 0, "nothing is paid");
    for validator in 0..4 {
        world.attest(validator, 0, 0b01);
    }
    assert_eq!(world.status(0).included, U256::from(1), "the second round's own set");
    let _: IRewards::WrongRound =
        world.chain.revert(VALIDATORS[0], REWARDS, NONE, &vote(0, 0, &good));
    world.vote(3, 0, 1, &wrong);
    world.vote(0, 0, 1, &good);
    world.vote(1, 0, 1, &good);
    let sent = world.vote(2, 0, 1, &good);
    let dissent = sent.events::<IRewards::Dissent>();
    assert_eq!(dissent.iter().map(|event| event.validator).collect::<Vec<_>>(), [VALIDATORS[3]]);
    assert_eq!(world.next_epoch(), 1);
}

#[test]
fn a_late_vote_moves_nothing_and_shows_dissent() {
    let mut world = paid_epoch();
    let good = world.compute(0).result();
    for validator in 0..3 {
        world.vote(validator, 0, 0, &good);
    }
    let before = world.chain.balance(REWARDS);
    let wrong = IRewards::Result { scoreRoot: [9; 32].into(), ..good.clone() };
    let sent = world.vote(3, 0, 0, &wrong);
    assert_eq!(sent.events::<IRewards::Dissent>()[0].validator, VALIDATORS[3]);
    assert_eq!((world.chain.balance(REWARDS), world.next_epoch()), (before, 1));
    let _: IRewards::DoubleVote =
        world.chain.revert(VALIDATORS[0], REWARDS, NONE, &vote(0, 0, &good));
    world.finish_until(9);
    let _: IRewards::NotNextEpoch =
        world.chain.revert(VALIDATORS[3], REWARDS, NONE, &vote(0, 0, &good));
}

#[test]
fn a_reopened_round_waits_its_own_attest_window() {
    let mut world = paid_epoch();
    world.chain.go_to(1, LATE);
    let good = world.compute(0).result();
    let wrong = IRewards::Result { verdictRoot: [9; 32].into(), ..good.clone() };
    for (validator, result) in [(0, &good), (1, &wrong), (2, &good), (3, &wrong)] {
        world.vote(validator, 0, 0, result);
    }
    for validator in 0..3 {
        world.attest(validator, 0, 0b11);
    }
    assert_eq!(world.status(0).phase, 2, "the fourth has a whole window from now");
    world.chain.go_to(1, LATE + ATTESTING);
    assert_eq!(world.status(0).phase, 3);
}

#[test]
fn a_day_opens_after_its_last_epoch() {
    let mut world = World::with_lease(10_000_000);
    world.settle(1, 10, &[(0, 3_000_000)]);
    world.finish_until(23);
    world.chain.go_to(24, LATE);
    let result = world.compute(23).result();
    world.vote(0, 23, 0, &result);
    world.vote(1, 23, 0, &result);
    let sent = world.vote(2, 23, 0, &result);
    let day = &sent.events::<IEconomy::DayOpened>()[0];
    assert_eq!(day.day, 1);
    let today = world.chain.call(ALICE, ECONOMY, &IEconomy::todayCall { sector: S });
    assert_eq!((today.day, today.settledTodayMicroUsd), (1, 0));
    assert_eq!((today.incomeMicroUsd, today.burnMicroUsd), (2_760_000 / 30, 150_000 / 30));
    assert_eq!(today.usageSubsidyMicroUsd, 9 * 4_500, "nine times m of the average burn");
    assert!(world.pool(24).usageSubsidyMicroUsd > 0);
    let _: IKernel::OutOfRange =
        world.chain.revert(ALICE, ECONOMY, NONE, &IEconomy::todayCall { sector: 3 });
}

fn claimed(world: &World, epoch: u64, device: FixedBytes<16>) -> u8 {
    world.chain.call(ALICE, REWARDS, &IRewards::claimedCall { epoch, device })
}

#[test]
fn the_owner_is_paid_each_part_once_when_it_unlocks() {
    let mut world = paid_epoch();
    let computed = world.compute(0);
    for validator in 0..3 {
        world.vote(validator, 0, 0, &computed.result());
    }
    let device = world.devices[0];
    let (reward, claim) = (computed.reward(device), computed.claim(device));
    assert_eq!((reward.owner, reward.earned.0), (ALICE, 920_000));
    let unlocks = world.chain.call(ALICE, REWARDS, &IRewards::unlocksCall { epoch: 0 });
    assert_eq!((unlocks.earnedFrom, unlocks.subsidyFrom), (2, 31));
    let error: IRewards::StillLocked = world.chain.revert(CAROL, REWARDS, NONE, &claim);
    assert_eq!((error.earnedFrom, error.subsidyFrom), (2, 31));

    world.chain.go_to(2, 0);
    let before = world.chain.balance(ALICE);
    let sent = world.chain.send(CAROL, REWARDS, NONE, &claim);
    let event = &sent.events::<IRewards::Claimed>()[0];
    assert_eq!((event.owner, event.earnedStones), (ALICE, U256::from(reward.earned_stones.0)));
    assert_eq!(event.subsidyStones, U256::ZERO);
    assert_eq!(world.chain.balance(ALICE).0, before.0 + reward.earned_stones.0, "whoever sends it");
    assert_eq!(claimed(&world, 0, device), 1);
    let _: IRewards::StillLocked = world.chain.revert(CAROL, REWARDS, NONE, &claim);

    world.chain.go_to(31, 0);
    world.chain.send(CAROL, REWARDS, NONE, &claim);
    assert_eq!(
        world.chain.balance(ALICE).0,
        before.0 + reward.earned_stones.0 + reward.subsidy_stones.0
    );
    assert_eq!(claimed(&world, 0, device), 3);
    let error: IRewards::AlreadyClaimed = world.chain.revert(CAROL, REWARDS, NONE, &claim);
    assert_eq!((error.epoch, error.device), (0, device));
}

#[test]
fn forged_claims_are_refused() {
    let mut world = paid_epoch();
    let computed = world.compute(0);
    for validator in 0..3 {
        world.vote(validator, 0, 0, &computed.result());
    }
    world.chain.go_to(40, 0);
    let good = computed.claim(world.devices[0]);
    let mut forged = vec![
        IRewards::claimCall { index: good.index ^ 1, ..good.clone() },
        IRewards::claimCall { index: 3, ..good.clone() },
        IRewards::claimCall { proof: Vec::new(), ..good.clone() },
        IRewards::claimCall {
            proof: [good.proof.clone(), vec![[0; 32].into()]].concat(),
            ..good.clone()
        },
    ];
    let changes: [fn(&mut IRewards::Reward); 7] = [
        |r| r.owner = BOB,
        |r| r.device = FixedBytes([1; 16]),
        |r| r.earnedStones += U256::from(1),
        |r| r.earnedStones = U256::MAX,
        |r| r.subsidyStones += U256::from(1),
        |r| r.earnedMicroUsd += 1,
        |r| r.subsidyMicroUsd += 1,
    ];
    for change in changes {
        let mut claim = good.clone();
        change(&mut claim.reward);
        forged.push(claim);
    }
    for claim in &forged {
        let error: IRewards::BadProof = world.chain.revert(ALICE, REWARDS, NONE, claim);
        assert_eq!(error.epoch, 0);
    }
    let mut future = good.clone();
    future.reward.epoch = 1;
    let error: IRewards::EpochNotFinal = world.chain.revert(ALICE, REWARDS, NONE, &future);
    assert_eq!(error.epoch, 1);
    let mut long = good.clone();
    long.proof = vec![[0; 32].into(); 33];
    let error: IKernel::OutOfRange = world.chain.revert(ALICE, REWARDS, NONE, &long);
    assert_eq!(error.field, "proof");
    assert!(world.chain.send(ALICE, REWARDS, NONE, &good).success);
}

fn many(claims: &[IRewards::claimCall]) -> IRewards::claimManyCall {
    IRewards::claimManyCall {
        rewards: claims.iter().map(|claim| claim.reward.clone()).collect(),
        indices: claims.iter().map(|claim| claim.index).collect(),
        proofs: claims.iter().flat_map(|claim| claim.proof.clone()).collect(),
        lengths: claims.iter().map(|claim| claim.proof.len().try_into().expect("short")).collect(),
    }
}

#[test]
fn many_claims_skip_what_is_locked_or_paid() {
    let mut world = World::with_lease(10_000_000);
    let epochs: Vec<Computed> = (0..3)
        .map(|n| {
            world.settle(1, n + 1, &[(0, (n + 1) * 1_000_000)]);
            world.finish_epoch()
        })
        .collect();
    let device = world.devices[0];
    let claims: Vec<_> = epochs.iter().map(|epoch| epoch.claim(device)).collect();
    world.chain.go_to(4, 0);
    let before = world.chain.balance(ALICE);
    assert!(world.chain.send(CAROL, REWARDS, NONE, &many(&claims)).success);
    let paid: u128 = epochs.iter().map(|epoch| epoch.reward(device).earned_stones.0).sum();
    assert_eq!(
        world.chain.balance(ALICE).0,
        before.0 + paid,
        "the subsidy is locked, the earnings are not"
    );
    assert_eq!(
        world.chain.call(CAROL, REWARDS, &many(&claims)),
        U256::ZERO,
        "and no failure when nothing is left"
    );

    let mut wrong = many(&claims);
    wrong.indices.pop();
    let check = |call: &IRewards::claimManyCall, field: &str| {
        let error: IKernel::OutOfRange = world.chain.revert(CAROL, REWARDS, NONE, call);
        assert_eq!(error.field, field);
    };
    check(&wrong, "indices");
    let mut wrong = many(&claims);
    wrong.lengths.push(0);
    check(&wrong, "lengths");
    let mut wrong = many(&claims);
    wrong.proofs.pop();
    check(&wrong, "proofs");
    check(&many(&vec![claims[0].clone(); super::CLAIMS_MAX + 1]), "rewards");
    let mut forged = many(&claims);
    forged.rewards[1].owner = CAROL;
    let error: IRewards::BadProof = world.chain.revert(CAROL, REWARDS, NONE, &forged);
    assert_eq!(error.epoch, 1);
}

#[test]
fn a_slashed_devices_locked_subsidy_is_forfeited_and_its_earnings_are_not() {
    let mut world = paid_epoch();
    let computed = world.compute(0);
    for validator in 0..3 {
        world.vote(validator, 0, 0, &computed.result());
    }
    let device = world.devices[0];
    world.chain.go_to(5, 0);
    let sign = |value| {
        let batch = Batch {
            device: DeviceId(device.0),
            stream: Stream(0),
            first_seq: Seq(1),
            base_time: TimeMs(1_356_998_400_000),
            anchor: Anchor { epoch: Epoch(0), root_prefix: [7; 8] },
            position: None,
            schema: WEATHER.id,
            rows: Rows { offsets_ms: vec![0], values: vec![Some(value); WEATHER.fields.len()] },
        };
        Envelope::sign(batch, &device_key(1)).expect("signs").bytes().to_vec().into()
    };
    let proof = IRegistry::proveEquivocationCall { envelopeA: sign(1), envelopeB: sign(2) };
    assert!(world.chain.send(CAROL, REGISTRY, NONE, &proof).success);

    let (reward, claim) = (computed.reward(device), computed.claim(device));
    assert!(reward.subsidy_stones.0 > 0);
    let (alice, reserve) = (world.chain.balance(ALICE), world.chain.balance(ECONOMY));
    let sent = world.chain.send(BOB, REWARDS, NONE, &claim);
    let event = &sent.events::<IRewards::SubsidyForfeited>()[0];
    let burned = reward.subsidy_stones.0 * 7 / 10;
    assert_eq!(event.burned, U256::from(burned));
    assert_eq!(event.returned, U256::from(reward.subsidy_stones.0 - burned));
    assert_eq!(world.chain.balance(ECONOMY).0, reserve.0 + reward.subsidy_stones.0 - burned);
    assert_eq!(
        world.chain.balance(ALICE).0,
        alice.0 + reward.earned_stones.0,
        "a consumer paid for this"
    );
    assert_eq!(claimed(&world, 0, device), 7);
    world.chain.go_to(40, 0);
    let error: IRewards::Forfeited = world.chain.revert(BOB, REWARDS, NONE, &claim);
    assert_eq!((error.device, error.slashedEpoch), (device, 5));
    assert!(
        world.chain.send(BOB, REWARDS, NONE, &computed.claim(world.devices[1])).success,
        "others are not touched"
    );
}

/// Moves stones between accounts behind the ledger's back.
fn smuggle(world: &mut World, from: Address, to: Address, stones: u128) {
    let amount = U256::from(stones);
    for (account, add) in [(from, false), (to, true)] {
        let entry = world.chain.state.accounts.get_mut(&account).expect("an account");
        entry.balance = if add { entry.balance + amount } else { entry.balance - amount };
    }
}

#[test]
fn what_the_vault_lacks_the_reserve_pays_or_owes() {
    let mut world = World::with_lease(10_000_000);
    let lost = world.chain.balance(CREDITS).0 / 2;
    smuggle(&mut world, CREDITS, ALICE, lost);
    let reserve = world.chain.balance(ECONOMY).0;
    // The reserve is all but gone: no emission was planned for such a day, but for what is fixed already.
    let rest = 64 * 10_u128.pow(18);
    smuggle(&mut world, ECONOMY, ALICE, reserve - rest);
    world.settle(1, 1, &[(0, 10_000_000)]);
    // Day 0 without emission (docs/spec/economy.md, storage).
    world.chain.state.slots.remove(&(ECONOMY, U256::from(16)));
    let no_subsidy = |world: &World| {
        let mut result = world.compute(world.next_epoch()).result();
        (result.subsidyStones, result.needMicroUsd, result.usageMicroUsd) = (U256::ZERO, 0, 0);
        result
    };
    world.chain.go_to(1, LATE);
    let computed = world.compute(0);
    let result = no_subsidy(&world);
    for validator in 0..3 {
        world.vote(validator, 0, 0, &result);
    }
    assert_eq!(world.chain.balance(ECONOMY).0, rest - rest / 64, "a 64th of the reserve");
    world.chain.go_to(3, LATE);
    let claim = computed.claim(world.devices[0]);
    let error: IRewards::StillLocked = world.chain.revert(ALICE, REWARDS, NONE, &claim);
    assert_eq!(error.earnedFrom, u64::MAX, "until the debt is paid");
    smuggle(&mut world, ALICE, ECONOMY, reserve - rest);
    let result = no_subsidy(&world);
    for validator in 0..3 {
        world.vote(validator, 1, 0, &result);
    }
    assert!(world.chain.balance(TREASURY).0 > 0, "the treasury's part of the debt, last of all");
    assert!(world.chain.send(ALICE, REWARDS, NONE, &claim).success);
}

#[test]
fn the_check_sees_a_result_beyond_its_pool_and_stones_that_are_gone() {
    let mut world = paid_epoch();
    let result = world.compute(0).result();
    for validator in 0..3 {
        world.vote(validator, 0, 0, &result);
    }
    let check = |world: &World| {
        world.chain.ledger.check(&world.chain.state, world.chain.now()).expect("state")
    };
    assert_eq!(check(&world), []);
    let outcome = super::OUTCOMES.at(&0).at(&S).slot() + U256::from(3);
    *world.chain.state.slots.get_mut(&(REWARDS, outcome)).expect("a result") -= U256::from(1);
    assert!(matches!(check(&world)[..], [Violation::Other { contract: "rewards", .. }]));
    *world.chain.state.slots.get_mut(&(REWARDS, outcome)).expect("a result") += U256::from(1);
    smuggle(&mut world, REWARDS, ALICE, 1);
    assert!(matches!(check(&world)[..], [Violation::BalanceShort { account: REWARDS, .. }]));
}

/// What anyone may do in one step.
#[derive(Clone, Debug)]
enum Step {
    Mint(u64),
    Open(u64),
    Settle(usize, u64),
    TopUp(u64),
    Close,
    Pass,
    Finish,
    Claim(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u64..5_000_000).prop_map(Step::Mint),
        (1_u64..5_000_000).prop_map(Step::Open),
        (0_usize..3, 1_u64..2_000_000).prop_map(|(device, amount)| Step::Settle(device, amount)),
        (1_u64..1_000_000).prop_map(Step::TopUp),
        Just(Step::Close),
        Just(Step::Pass),
        Just(Step::Finish),
        (0_usize..8, 0_usize..3).prop_map(|(epoch, device)| Step::Claim(epoch, device)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is done in whatever order, refused or not, stones and credits are conserved and every contract covers
    /// what it owes: the fixture checks every invariant after every block.
    #[test]
    fn random_histories_conserve_stones_and_credits(steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = World::with_lease(3_000_000);
        let (mut lease, mut units, mut totals) = (1, 0, [0_u64; 3]);
        let mut finals: Vec<Computed> = Vec::new();
        for step in steps {
            match step {
                Step::Mint(credits) => { world.mint(credits); }
                Step::Open(escrow) => {
                    let sent = world.open(escrow, 50);
                    if sent.success {
                        lease = sent.events::<cairn_primitives::abi::IMarket::LeaseOpened>()[0].id;
                        (units, totals) = (0, [0; 3]);
                    }
                }
                Step::Settle(device, amount) => {
                    let mut next = totals;
                    next[device] += amount;
                    let shares: Vec<_> = next.into_iter().enumerate().filter(|(_, total)| *total > 0).collect();
                    if world.settle(lease, units + 1, &shares).success {
                        (units, totals) = (units + 1, next);
                    }
                }
                Step::TopUp(amount) => {
                    let call = cairn_primitives::abi::IMarket::topUpCall { lease, amount };
                    world.chain.send(world.consumer, cairn_primitives::abi::MARKET, NONE, &call);
                }
                Step::Close => {
                    let call = cairn_primitives::abi::IMarket::closeCall { lease };
                    world.chain.send(CAROL, cairn_primitives::abi::MARKET, NONE, &call);
                }
                Step::Pass => {
                    let epoch = world.chain.ledger.genesis().schedule().epoch_at(world.chain.now()).0;
                    world.chain.go_to(epoch + 1, 0);
                }
                Step::Finish => {
                    let epoch = world.next_epoch();
                    world.chain.go_to(epoch + 1, LATE);
                    let computed = world.compute(epoch);
                    for validator in 0..3 {
                        world.vote(validator, epoch, 0, &computed.result());
                    }
                    finals.push(computed);
                }
                Step::Claim(epoch, device) => {
                    if let Some(computed) = finals.get(epoch) {
                        let claim = computed.claim(world.devices[device]);
                        world.chain.send(ALICE, REWARDS, NONE, &claim);
                    }
                }
            }
        }
        let paid: u64 = finals.iter().map(|c| c.split.rewards.iter().map(|r| r.earned.0).sum::<u64>()).sum();
        prop_assert!(paid <= 50_000_000);
    }
}
