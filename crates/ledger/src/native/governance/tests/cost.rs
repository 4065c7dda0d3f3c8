//! No call of this contract charges less than the EVM would for the same work (see `native::cost`).

use super::*;
use crate::native::cost::{Case, assert_paid, case};

#[test]
fn every_change_is_paid_for() {
    let mut chain = chain();
    let mine = lock(&mut chain, ALICE, 400_000, 1_000);
    let id = propose(&mut chain, ALICE, &taper(600_000));
    let until = chain.now().0 + 1_400 * DAY_MS;
    let votes = IGovernance::voteCall { id, yes: true, lockIds: vec![mine] };
    let terms = IGovernance::Terms {
        recipient: BOB,
        insider: true,
        stones: U256::from(stones(1_000).0),
        startMs: 0,
        lengthMs: 365 * DAY_MS,
        milestones: 3,
    };
    let stream = IGovernance::proposeStreamCall { simulation: RUN, terms };
    let paying = |case: Case, value| Case { value, ..case };
    assert_paid(
        &chain,
        &[
            paying(case(BOB, GOVERNANCE, &IGovernance::lockCall { untilMs: until }, 0), stones(9)),
            paying(case(ALICE, GOVERNANCE, &IGovernance::addCall { id: mine }, 0), stones(9)),
            case(ALICE, GOVERNANCE, &IGovernance::extendCall { id: mine, untilMs: until }, 0),
            paying(case(BOB, GOVERNANCE, &taper(600_000), 0), DEPOSIT),
            paying(case(BOB, GOVERNANCE, &stream, 0), DEPOSIT),
            case(ALICE, GOVERNANCE, &votes, 0),
            case(GUARDIAN, GOVERNANCE, &IGovernance::delayCall { id }, 0),
            case(BOB, GOVERNANCE, &IGovernance::proposalsCall { from: 0, limit: 32 }, 0),
            case(BOB, GOVERNANCE, &IGovernance::boundsCall {}, 0),
            case(BOB, GOVERNANCE, &IGovernance::quorumCall {}, 0),
            case(BOB, GOVERNANCE, &IGovernance::parametersOfCall { epoch: 7 }, 0),
            case(
                BOB,
                GOVERNANCE,
                &IGovernance::locksOfCall { owner: ALICE, from: 0, limit: 32 },
                0,
            ),
        ],
    );
    send(&mut chain, ALICE, NONE, &votes);
    chain.wait(2 * WEEK_MS);
    assert_paid(&chain, &[case(BOB, GOVERNANCE, &IGovernance::executeCall { id }, 0)]);
    let ignored = propose(&mut chain, ALICE, &taper(550_000));
    chain.wait(WEEK_MS);
    assert_paid(&chain, &[case(BOB, GOVERNANCE, &IGovernance::closeCall { id: ignored }, 0)]);
    chain.wait(1_000 * DAY_MS);
    assert_paid(&chain, &[case(BOB, GOVERNANCE, &IGovernance::releaseCall { id: mine }, 0)]);
}
