//! Streams of the treasury: what they pay and when, and everything that tries to take more.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use cairn_economy::{stream_unlocked, treasury_left};
use cairn_primitives::{
    Stones,
    abi::{GOVERNANCE, IGovernance, IKernel, ITreasury, STAKE, TREASURY},
};
use proptest::prelude::*;

use crate::{
    fixture::{ALICE, BOB, CAROL, Chain, TREASURY_STONES, governed, stones},
    native::{
        cost::{assert_paid, case},
        governance::tests::{RUN, lock, pass, propose, send, vote},
    },
};

const DAY_MS: u64 = 86_400_000;
const NONE: Stones = Stones::ZERO;
/// 2 % of the treasury.
const MONTHLY: u64 = TREASURY_STONES / 50;

/// A chain, and a lock of `ALICE` that decides every vote.
fn chain() -> (Chain, u64) {
    let mut chain = Chain::with(governed());
    let lock = lock(&mut chain, ALICE, 600_000, 1_461);
    (chain, lock)
}

fn terms(whole: u64, days: u64, milestones: u8) -> IGovernance::Terms {
    IGovernance::Terms {
        recipient: CAROL,
        insider: false,
        stones: U256::from(stones(whole).0),
        startMs: 0,
        lengthMs: days * DAY_MS,
        milestones,
    }
}

fn stream(terms: IGovernance::Terms) -> IGovernance::proposeStreamCall {
    IGovernance::proposeStreamCall { simulation: RUN, terms }
}

fn seen(chain: &Chain, id: u64) -> ITreasury::Stream {
    chain.call(BOB, TREASURY, &ITreasury::streamCall { id })
}

fn accounts(chain: &Chain) -> ITreasury::accountsReturn {
    chain.call(BOB, TREASURY, &ITreasury::accountsCall {})
}

/// Whole stones that a claim pays.
fn claim(chain: &mut Chain, id: u64) -> u64 {
    let sent = chain.send(BOB, TREASURY, NONE, &ITreasury::claimCall { id });
    let paid: Vec<ITreasury::Paid> = sent.events();
    paid.first().map_or(0, |paid| whole(paid.stones))
}

fn whole(base: U256) -> u64 {
    (base / U256::from(stones(1).0)).to()
}

#[test]
fn a_stream_pays_by_the_day() {
    let (mut chain, lock) = chain();
    pass(&mut chain, lock, &stream(IGovernance::Terms { insider: true, ..terms(100_000, 300, 0) }));
    assert_eq!(whole(accounts(&chain).promised), 100_000);
    assert_eq!(whole(accounts(&chain).pace), 10_000);
    assert_eq!(claim(&mut chain, 0), 0, "no time has passed");
    chain.wait(30 * DAY_MS);
    let before = chain.balance(CAROL);
    assert_eq!(claim(&mut chain, 0), 10_000);
    assert_eq!(chain.balance(CAROL).0 - before.0, stones(10_000).0, "whoever asks");
    let none: ITreasury::NothingToClaim =
        chain.revert(BOB, TREASURY, NONE, &ITreasury::claimCall { id: 0 });
    assert_eq!((none.id, none.unlocked), (0, U256::ZERO));
    assert!(whole(none.paceLeft) > 9_000);
    assert_eq!(whole(accounts(&chain).toInsiders), 10_000);
    let mut paid = 10_000;
    for _ in 0..10 {
        chain.wait(30 * DAY_MS);
        paid += claim(&mut chain, 0);
    }
    assert_eq!((paid, seen(&chain, 0).status), (100_000, 3));
    assert_eq!((accounts(&chain).promised, accounts(&chain).pace), (U256::ZERO, U256::ZERO));
}

#[test]
fn milestones_are_votes() {
    let (mut chain, lock) = chain();
    pass(&mut chain, lock, &stream(terms(30_000, 60, 3)));
    chain.wait(40 * DAY_MS);
    assert_eq!(claim(&mut chain, 0), 0, "time alone releases nothing");
    let reach =
        |milestone| IGovernance::proposeMilestoneCall { simulation: RUN, stream: 0, milestone };
    for (milestone, next) in [(0, 1), (4, 1)] {
        let error: ITreasury::WrongMilestone =
            chain.revert(ALICE, GOVERNANCE, stones(100), &reach(milestone));
        assert_eq!((error.milestone, error.next), (milestone, next));
    }
    pass(&mut chain, lock, &reach(1));
    assert_eq!(claim(&mut chain, 0), 10_000);
    // The third does not come before the second.
    let third = propose(&mut chain, ALICE, &reach(3));
    vote(&mut chain, ALICE, third, true, lock);
    chain.wait(14 * DAY_MS);
    let execute = IGovernance::executeCall { id: third };
    let error: ITreasury::WrongMilestone = chain.revert(ALICE, GOVERNANCE, NONE, &execute);
    assert_eq!((error.milestone, error.next), (3, 2));
    pass(&mut chain, lock, &reach(2));
    send(&mut chain, BOB, NONE, &execute);
    chain.wait(30 * DAY_MS);
    // 20,000 are unlocked, and 2 % of the treasury is a little less by now.
    let left = whole(accounts(&chain).left);
    assert_eq!(claim(&mut chain, 0), left);
    chain.wait(30 * DAY_MS);
    assert_eq!(claim(&mut chain, 0), 20_000 - left);
}

#[test]
fn a_vote_ends_a_stream_and_leaves_what_is_unlocked() {
    let (mut chain, lock) = chain();
    pass(&mut chain, lock, &stream(terms(100_000, 200, 0)));
    chain.wait(6 * DAY_MS);
    let end = IGovernance::proposeEndCall { simulation: RUN, stream: 0 };
    pass(&mut chain, lock, &end);
    let kept = seen(&chain, 0);
    assert_eq!((whole(kept.stones), whole(kept.unlocked), kept.status), (10_000, 10_000, 2));
    assert_eq!((whole(accounts(&chain).promised), accounts(&chain).pace), (10_000, U256::ZERO));
    chain.wait(100 * DAY_MS);
    assert_eq!(claim(&mut chain, 0), 10_000);
    assert_eq!(claim(&mut chain, 0), 0);
    let over: ITreasury::StreamOver = chain.revert(ALICE, GOVERNANCE, stones(100), &end);
    assert_eq!((over.id, over.status), (0, 2));
}

#[test]
fn what_is_no_stream() {
    let (chain, _) = chain();
    for recipient in [Address::ZERO, TREASURY, STAKE] {
        let call = stream(IGovernance::Terms { recipient, ..terms(10, 100, 0) });
        let error: ITreasury::BadRecipient = chain.revert(ALICE, GOVERNANCE, stones(100), &call);
        assert_eq!(error.recipient, recipient);
    }
    let year = chain.now().0 + 366 * DAY_MS;
    for (terms, field, bound) in [
        (IGovernance::Terms { stones: U256::from(1), ..terms(1, 1, 0) }, "stones", stones(1).0),
        (
            IGovernance::Terms { stones: U256::MAX, ..terms(1, 1, 0) },
            "stones",
            stones(1_000_000_000).0,
        ),
        (terms(10, 0, 0), "lengthMs", 1),
        (terms(10, 3_654, 0), "lengthMs", 3_653 * u128::from(DAY_MS)),
        (terms(10, 10, 17), "milestones", 16),
        (IGovernance::Terms { startMs: year + 1, ..terms(1, 1, 0) }, "startMs", year.into()),
    ] {
        let error: IKernel::OutOfRange =
            chain.revert(ALICE, GOVERNANCE, stones(100), &stream(terms));
        assert_eq!((error.field.as_str(), error.bound), (field, U256::from(bound)));
    }
    let unknown: ITreasury::UnknownStream =
        chain.revert(BOB, TREASURY, NONE, &ITreasury::claimCall { id: 0 });
    assert_eq!(unknown.id, 0);
}

/// Many streams, each of which would fit alone, and a holder of every vote.
#[test]
fn many_streams_drain_no_faster_than_one() {
    let (mut chain, lock) = chain();
    let ids: Vec<u64> = (0..4)
        .map(|_| {
            let id = propose(&mut chain, ALICE, &stream(terms(MONTHLY / 2, 30, 0)));
            vote(&mut chain, ALICE, id, true, lock);
            id
        })
        .collect();
    chain.wait(14 * DAY_MS);
    for &id in &ids[..2] {
        send(&mut chain, BOB, NONE, &IGovernance::executeCall { id });
    }
    let third = IGovernance::executeCall { id: ids[2] };
    let error: ITreasury::PaceExceeded = chain.revert(BOB, GOVERNANCE, NONE, &third);
    assert_eq!((whole(error.asked), whole(error.left)), (MONTHLY / 2, 0));
    // A stream of all and more that is promised to others.
    let all = propose(&mut chain, ALICE, &stream(terms(TREASURY_STONES - MONTHLY + 1, 3_650, 0)));
    vote(&mut chain, ALICE, all, true, lock);
    chain.wait(14 * DAY_MS);
    let error: ITreasury::FundsExceeded =
        chain.revert(BOB, GOVERNANCE, NONE, &IGovernance::executeCall { id: all });
    assert_eq!(whole(error.free), TREASURY_STONES - MONTHLY);
    // Both streams are over and paid out; a third may be opened, and is not paid before the window allows it.
    chain.wait(16 * DAY_MS);
    assert_eq!(claim(&mut chain, 0) + claim(&mut chain, 1), MONTHLY);
    send(&mut chain, BOB, NONE, &IGovernance::executeCall { id: ids[3] });
    chain.wait(29 * DAY_MS);
    assert_eq!(claim(&mut chain, 2), 0, "2 % in 30 days are paid already");
    chain.wait(DAY_MS);
    assert_eq!(claim(&mut chain, 2), MONTHLY / 2);
}

#[test]
fn anyone_gives_and_nobody_takes() {
    let (mut chain, _) = chain();
    assert!(chain.send(BOB, TREASURY, stones(50), &ITreasury::fundCall {}).success);
    assert_eq!(chain.balance(TREASURY), stones(TREASURY_STONES + 50));
    assert_eq!(whole(accounts(&chain).paceLimit), (TREASURY_STONES + 50) / 50);
}

#[test]
fn every_call_is_paid_for() {
    let (mut chain, lock) = chain();
    pass(&mut chain, lock, &stream(terms(30_000, 60, 0)));
    chain.wait(10 * DAY_MS);
    let cases = [
        case(BOB, TREASURY, &ITreasury::claimCall { id: 0 }, 0),
        case(BOB, TREASURY, &ITreasury::streamsCall { from: 0, limit: 32 }, 0),
        case(BOB, TREASURY, &ITreasury::accountsCall {}, 0),
        case(BOB, TREASURY, &ITreasury::fundCall {}, 0),
    ];
    assert_paid(&chain, &cases);
    assert_eq!(cases[0].name, ITreasury::claimCall::SIGNATURE);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    /// Claims at any times: what a plain sum over all payments says, and in no window of 30 days more than 2 %.
    #[test]
    fn payments_are_what_a_plain_reference_says(
        shapes in prop::collection::vec((1_000_u64..15_000, 20_u64..200), 1..4),
        acts in prop::collection::vec((0_usize..4, 0_u64..40 * 24), 1..24),
    ) {
        let (mut chain, lock) = chain();
        let mut streams = Vec::new();
        for (whole, days) in shapes {
            let id = propose(&mut chain, ALICE, &stream(terms(whole, days, 0)));
            vote(&mut chain, ALICE, id, true, lock);
            chain.wait(14 * DAY_MS);
            let call = IGovernance::executeCall { id };
            if chain.send(BOB, GOVERNANCE, NONE, &call).success {
                streams.push((stones(whole), chain.now().0, days * DAY_MS, 0_u128));
            }
        }
        let mut payments: Vec<(u64, u128)> = Vec::new();
        for (which, hours) in acts {
            chain.wait(hours * 3_600_000);
            let now = chain.now().0;
            let Some(known) = streams.get_mut(which) else { continue };
            let unlocked = stream_unlocked(known.0, now - known.1, known.2, 0, 0).0;
            let recent = payments.iter().filter(|payment| now - payment.0 < 30 * DAY_MS);
            let spent: u128 = recent.map(|payment| payment.1).sum();
            let held = chain.balance(TREASURY).0;
            let left = treasury_left(Stones(held + spent), Stones(spent)).0;
            let due = (unlocked - known.3).min(left);
            let sent = chain.send(BOB, TREASURY, NONE, &ITreasury::claimCall { id: which as u64 });
            let paid: Vec<ITreasury::Paid> = sent.events();
            prop_assert_eq!(paid.first().map_or(0, |paid| paid.stones.to::<u128>()), due);
            known.3 += due;
            if due > 0 {
                payments.push((now, due));
            }
            let spent = accounts(&chain).spent.to::<u128>();
            prop_assert!(spent <= (chain.balance(TREASURY).0 + spent) / 50);
        }
    }
}
