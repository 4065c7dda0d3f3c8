//! Refusals of governance and treasury in words: which value, which bound, and what to do about it.

use alloy_primitives::U256;
use cairn_client::{ClientError, NativeError};
use cairn_primitives::{
    Parameter, TimeMs,
    abi::{IGovernance::IGovernanceErrors, IKernel::IKernelErrors, ITreasury::ITreasuryErrors},
};
use eyre::Report;

use crate::{
    commands::stake::amount,
    output::{stones, when},
};

/// The error with the fix where governance or the treasury refused; any other error as it is.
pub fn refused(error: ClientError) -> Report {
    let native = error.revert().and_then(|revert| revert.error.clone());
    let fix = match &native {
        Some(NativeError::Governance(why)) => governance(why),
        Some(NativeError::Treasury(why)) => treasury(why),
        Some(NativeError::Kernel(IKernelErrors::OutOfRange(e))) if e.field == "untilMs" => {
            format!(
                "a lock lasts 180 to 1461 days: it can end at {} of the network's time",
                at(e.bound.saturating_to())
            )
        }
        _ => return error.into(),
    };
    Report::new(error).wrap_err(fix)
}

fn of(value: U256) -> String {
    stones(amount(value))
}

fn at(ms: u64) -> String {
    when(TimeMs(ms))
}

fn name(parameter: u8) -> String {
    let known = Parameter::from_number(parameter);
    known.map_or_else(|| format!("parameter {parameter}"), |known| known.name().to_owned())
}

fn governance(why: &IGovernanceErrors) -> String {
    use IGovernanceErrors as E;
    match why {
        E::UnknownLock(e) => {
            format!("there is no lock {}: `cairn govern locks` shows yours", e.id)
        }
        E::NotOwner(e) => format!("lock {} is not {}'s", e.id, e.caller),
        E::LockReleased(e) => format!("lock {} was paid back", e.id),
        E::LockNotOver(e) => {
            format!("lock {} ends at {} of the network's time", e.id, at(e.untilMs))
        }
        E::LockTooSmall(e) => {
            format!("{} is too little to lock: at least {}", of(e.stones), of(e.least))
        }
        E::LockTooYoung(e) => format!(
            "lock {} is of {}, the proposal of {}: only older locks vote on it",
            e.id,
            at(e.sinceMs),
            at(e.startMs)
        ),
        E::NoWeight(e) => format!(
            "lock {} had {} days left when the proposal began: it needs {}; `cairn govern extend` \
             makes it count in later ones",
            e.id, e.leftDays, e.leastDays
        ),
        E::UnknownProposal(e) => {
            format!("there is no proposal {}: `cairn govern show` lists them", e.id)
        }
        E::NoSimulation(_) => "give --simulation: the hash that `cairn simulate` prints".to_owned(),
        E::DepositTooSmall(e) => {
            format!("--deposit is {}: at least {}", of(e.deposit), of(e.least))
        }
        E::VotingOver(e) => format!("proposal {} was voted on until {}", e.id, at(e.endMs)),
        E::VotingOpen(e) => format!("proposal {} is voted on until {}", e.id, at(e.endMs)),
        E::AlreadyVoted(e) => {
            format!("lock {} has voted on proposal {}: a vote is for good", e.lock, e.id)
        }
        E::QuorumMissed(e) => format!(
            "proposal {} has {} for it of {} needed: `cairn govern close` ends it",
            e.id,
            of(e.yesStones),
            of(e.quorum)
        ),
        E::Rejected(e) => format!(
            "proposal {} was rejected, weight {} for and {} against: `cairn govern close` returns \
             its deposit",
            e.id,
            of(e.yesWeight),
            of(e.noWeight)
        ),
        E::TimelockOpen(e) => {
            format!("proposal {} can be carried out from {}", e.id, at(e.readyMs))
        }
        E::TimelockOver(e) => {
            format!("proposal {} could be delayed until {}", e.id, at(e.readyMs))
        }
        E::Expired(e) => format!(
            "proposal {} could be carried out until {}: `cairn govern close` returns its deposit",
            e.id,
            at(e.untilMs)
        ),
        E::ProposalClosed(e) => {
            format!("proposal {} is over: `cairn govern show {}` says how", e.id, e.id)
        }
        E::StillOpen(e) => {
            format!("proposal {} passed: `cairn govern execute` carries it out", e.id)
        }
        E::NotGuardian(e) => format!("{} is not the guardian, {} is", e.caller, e.guardian),
        E::AlreadyDelayed(e) => format!(
            "proposal {} was delayed already, and once is all: it is ready at {}",
            e.id,
            at(e.readyMs)
        ),
        E::NotMovable(e) => {
            format!("{}: genesis gives it no bounds, so no vote moves it", name(e.parameter))
        }
        E::OutOfBounds(e) => {
            format!("{} of {}: genesis allows {} to {}", name(e.parameter), e.value, e.low, e.high)
        }
        E::FeesTooHigh(e) => format!("the fees are {} ppm together, {} at most", e.ppm, e.most),
        E::TooFast(e) => format!(
            "{} of {}: for now {} to {}, a step from what was in force in the last 30 days; it can \
             be carried out later",
            name(e.parameter),
            e.value,
            e.low,
            e.high
        ),
        E::NeedTooFast(e) => format!(
            "a coverage need of {} micro-dollars a day: for now {} to {}, a tenth in 30 days; it \
             can be carried out later",
            e.needMicroUsd, e.low, e.high
        ),
        E::NothingNew(_) => "nothing would change: these values are in force".to_owned(),
    }
}

fn treasury(why: &ITreasuryErrors) -> String {
    use ITreasuryErrors as E;
    match why {
        E::UnknownStream(e) => {
            format!("there is no stream {}: `cairn treasury show` lists them", e.id)
        }
        E::StreamOver(e) => format!("stream {} is over", e.id),
        E::BadRecipient(e) => format!("{} is no account that a stream can pay", e.recipient),
        E::WrongMilestone(e) => format!(
            "stream {} has no milestone {} to release: {} is next",
            e.id, e.milestone, e.next
        ),
        E::FundsExceeded(e) => format!(
            "the treasury has {} that is not promised, less than {}",
            of(e.free),
            of(e.asked)
        ),
        E::PaceExceeded(e) => format!(
            "the stream would pay {} in 30 days, {} of the treasury's 2 % are left: make it longer, \
             or smaller",
            of(e.asked),
            of(e.left)
        ),
        E::NothingToClaim(e) => format!(
            "stream {} has {} unlocked and unpaid, and the treasury may pay {} now",
            e.id,
            of(e.unlocked),
            of(e.paceLeft)
        ),
    }
}
