//! Locks, votes and parameters on a small network with a treasury to fight for; invariants are checked after every block.

mod attacks;
mod cost;
mod invariants;
mod parameters;
mod votes;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, SolError};
use cairn_primitives::{
    Genesis, Stones,
    abi::{GOVERNANCE, IGovernance},
};

use crate::fixture::{self, ALICE, BOB, CAROL, Chain, GUARDIAN, Sent, stones};

pub(super) const DAY_MS: u64 = 86_400_000;
pub(super) const WEEK_MS: u64 = 7 * DAY_MS;
const NONE: Stones = Stones::ZERO;
/// A deposit.
const DEPOSIT: Stones = stones(100);
/// The run hash of a simulation.
pub(in crate::native) const RUN: B256 = B256::repeat_byte(0x51);

fn chain() -> Chain {
    Chain::with(fixture::governed())
}

/// Sends and must succeed.
pub(in crate::native) fn send<C: SolCall>(
    chain: &mut Chain,
    from: Address,
    value: Stones,
    call: &C,
) -> Sent {
    let sent = chain.send(from, GOVERNANCE, value, call);
    assert!(sent.success, "{}", C::SIGNATURE);
    sent
}

/// The error that a call without stones reverts with.
fn refused<C: SolCall, E: SolError>(chain: &Chain, from: Address, call: &C) -> E {
    chain.revert(from, GOVERNANCE, NONE, call)
}

/// Locks stones for some days; returns the id.
pub(in crate::native) fn lock(chain: &mut Chain, owner: Address, whole: u64, days: u64) -> u64 {
    // The block of the transaction has the time of the one before.
    let until = chain.now().0 + days * DAY_MS;
    let call = IGovernance::lockCall { untilMs: until };
    send(chain, owner, stones(whole), &call).events::<IGovernance::Locked>()[0].id
}

/// Makes a proposal; returns its id.
pub(in crate::native) fn propose<C: SolCall>(chain: &mut Chain, from: Address, call: &C) -> u64 {
    chain.wait(1);
    send(chain, from, DEPOSIT, call).events::<IGovernance::Proposed>()[0].id
}

pub(in crate::native) fn vote(chain: &mut Chain, from: Address, id: u64, yes: bool, lock: u64) {
    let call = IGovernance::voteCall { id, yes, lockIds: vec![lock] };
    send(chain, from, NONE, &call);
}

fn proposal(chain: &Chain, id: u64) -> IGovernance::Proposal {
    chain.call(ALICE, GOVERNANCE, &IGovernance::proposalCall { id })
}

fn to(parameter: u8, value: u64) -> IGovernance::Change {
    IGovernance::Change { parameter, value }
}

/// A proposal that moves θ.
fn taper(value: u64) -> IGovernance::proposeParametersCall {
    IGovernance::proposeParametersCall { simulation: RUN, changes: vec![to(6, value)] }
}

/// Proposes, votes with a lock of `ALICE`, waits and executes.
pub(in crate::native) fn pass<C: SolCall>(chain: &mut Chain, lock: u64, call: &C) -> u64 {
    let id = propose(chain, ALICE, call);
    vote(chain, ALICE, id, true, lock);
    chain.wait(2 * WEEK_MS);
    send(chain, BOB, NONE, &IGovernance::executeCall { id });
    id
}

/// With short waits, so that epochs can be finished in between.
fn hasty() -> Genesis {
    let mut genesis = fixture::governed();
    let governance = genesis.governance.as_mut().expect("governed");
    (governance.voting_ms, governance.timelock_ms) = (60_000, 60_000);
    genesis.check().expect("sound");
    genesis
}
