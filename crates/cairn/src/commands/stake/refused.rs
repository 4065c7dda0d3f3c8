//! Refusals of the stake contract in words: which value, and what to do about it.

use alloy_primitives::U256;
use cairn_client::{ClientError, NativeError};
use cairn_primitives::{TimeMs, abi::IStake::IStakeErrors};
use eyre::Report;

use super::amount;
use crate::output::{stones, when};

/// The error with the fix where the stake contract refused; any other error as it is.
pub fn refused(error: ClientError) -> Report {
    let native = error.revert().and_then(|revert| revert.error.clone());
    let Some(NativeError::Stake(why)) = native else { return error.into() };
    Report::new(error).wrap_err(fix(&why))
}

fn of(value: U256) -> String {
    stones(amount(value))
}

fn fix(why: &IStakeErrors) -> String {
    use IStakeErrors as E;
    match why {
        E::UnknownCandidate(e) => format!(
            "{} is no candidate: `cairn stake list` shows them, `cairn validator join` makes one",
            e.operator
        ),
        E::CandidateExists(e) => format!(
            "{} is a candidate already: `cairn validator raise` adds to its bond",
            e.operator
        ),
        E::TooManyCandidates(e) => {
            format!(
                "there are {} candidates, the most there can be: wait until one leaves",
                e.limit
            )
        }
        E::BondTooLow(e) => {
            format!("--bond is {}: a seat's bond is at least {}", of(e.bond), of(e.required))
        }
        E::BadKey(e) => format!("{} is no Ed25519 key of full order", e.consensusKey),
        E::KeyTaken(e) => format!(
            "the key {} was another operator's: use a folder with keys of its own",
            e.consensusKey
        ),
        E::BadProofOfPossession(e) => format!(
            "the proof of {} is of another network or operator: is the node of this network?",
            e.consensusKey
        ),
        E::NotActive(e) => match e.status {
            1 => format!("{} still stands: `cairn validator leave` comes first", e.operator),
            2 => format!("{} is leaving: it takes no further seat", e.operator),
            _ => format!("{} has left: `cairn validator join` stands again", e.operator),
        },
        E::IsBanned(e) => {
            format!("{} is banned for an equivocation, unless the slash is annulled", e.operator)
        }
        E::StillSeated(e) => format!(
            "{} has a seat in this term or the next: exit in term {} or later",
            e.operator, e.untilTerm
        ),
        E::DelegationTooSmall(e) => format!(
            "a delegation of {} is too small: at least {}, or take it back with `all`",
            of(e.stones),
            of(e.least)
        ),
        E::NotEnoughStake(e) => format!(
            "the delegation is worth {}, less than {}: ask for less, or `all`",
            of(e.held),
            of(e.asked)
        ),
        E::NothingToWithdraw(e) if e.readyMs == 0 => {
            "nothing unbonds: `cairn stake undelegate` comes first".to_owned()
        }
        E::NothingToWithdraw(e) => format!(
            "nothing has unbonded yet: the first is ready at {} of the network's time",
            when(TimeMs(e.readyMs))
        ),
        E::NotJailed(e) => format!("{} is not jailed: there is nothing to end", e.operator),
        E::TermNotOver(e) => {
            format!("term {} is not over: it is term {} now", e.term, e.current)
        }
        E::TooLate(e) => {
            format!("term {} is too long ago to report in term {}", e.term, e.current)
        }
        E::BadEvidence(e) => format!("the evidence proves nothing: {}", e.reason),
        E::AlreadySlashed(e) => {
            format!("{} was slashed for this already: `cairn slash list` shows it", e.operator)
        }
        E::NotWrong(e) => format!(
            "{} cast no vote in epoch {} for another result than the final one",
            e.operator, e.epoch
        ),
        E::NotAbsent(e) => format!("{} did enough of its duty in term {}", e.operator, e.term),
        E::UnknownSlash(e) => {
            format!("there is no slash {}: `cairn slash list` shows them", e.id)
        }
        E::SlashClosed(e) => format!(
            "slash {} is {} already",
            e.id,
            if e.status == 2 { "executed" } else { "annulled" }
        ),
        E::AppealOver(e) => format!(
            "appeals against slash {} were possible until {}",
            e.id,
            when(TimeMs(e.untilMs))
        ),
        E::AppealOpen(e) => format!(
            "slash {} can be annulled until {}: execute it then",
            e.id,
            when(TimeMs(e.untilMs))
        ),
        E::AlreadyAppealed(e) => {
            format!("{} has appealed against slash {} already", e.validator, e.id)
        }
        E::NothingToReclaim(e) => format!(
            "slash {} has nothing for {}: what it gave back to a whole pool is in `cairn stake mine`",
            e.id, e.owner
        ),
        E::NotValidator(e) => {
            format!("{} has no seat in that term: name a validator's account", e.caller)
        }
        E::TermNotFixed(e) => format!(
            "nobody has a seat in term {} yet: sets are fixed up to term {}",
            e.term, e.latest
        ),
    }
}
