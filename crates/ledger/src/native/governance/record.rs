//! A proposal as it is stored, and what state it is in at a time.
//!
//! Nothing writes the state that time alone brings about: it follows from the tally and the clock, so that nobody has to be
//! called for a vote to end.

use alloy_primitives::{Address, B256, U256};
use cairn_primitives::{
    EpochSchedule, Stones, TimeMs,
    abi::{GOVERNANCE, IGovernance},
};

use super::propose::NOMINEES;
use crate::native::{Ctx, List, Packer, Res, Stored, Unpacker, Value, revert};

/// How long a proposal can be carried out after its timelock: a move that is too fast now is not after thirty days.
pub const EXECUTION_MS: u64 = 31 * EpochSchedule::DAY_MS;

/// Slot 1: deposits of proposals that are neither carried out nor closed.
pub(super) const DEPOSITS: Value<Stones> = Value::new(GOVERNANCE, 1);
/// Slot 6: every proposal; its id is its place.
pub(super) const PROPOSALS: List<Proposal> = List::new(GOVERNANCE, 6);

/// What a proposal would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Move parameters.
    Parameters = 1,
    /// Open a stream.
    Stream = 2,
    /// Release a milestone of a stream.
    Milestone = 3,
    /// End a stream.
    End = 4,
    /// Another guardian.
    Guardian = 5,
}

impl Kind {
    const fn from_number(number: u8) -> Self {
        match number {
            2 => Self::Stream,
            3 => Self::Milestone,
            4 => Self::End,
            5 => Self::Guardian,
            _ => Self::Parameters,
        }
    }
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    /// Locks may vote.
    Voting = 1,
    /// The majority, or more than the quorum, was against it.
    Rejected = 2,
    /// Too few stones voted.
    NoQuorum = 3,
    /// Passed, and not to be carried out yet.
    Timelocked = 4,
    /// To be carried out.
    Ready = 5,
    /// Passed, and not carried out in time.
    Expired = 6,
    /// Carried out.
    Executed = 7,
    /// Its deposit was returned or burned.
    Closed = 8,
}

/// proposer 20 │ kind 1 │ end 1 │ delayed 1 │ index 1 │ subject 8 ‖ start 8 │ voting end 8 │ ready 8 ‖ simulation 32 ‖
/// yes weight 16 │ no weight 16 ‖ yes stones 16 │ no stones 16 ‖ quorum 16 │ deposit 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub proposer: Address,
    pub kind: Kind,
    /// 0 while it is open, else `Executed` or `Closed`.
    pub end: u8,
    pub delayed: bool,
    /// A milestone.
    pub index: u8,
    /// A stream.
    pub subject: u64,
    pub start: TimeMs,
    pub voting_end: TimeMs,
    pub ready: TimeMs,
    pub simulation: B256,
    /// Weight for and against.
    pub weight: [u128; 2],
    /// Stones for and against.
    pub stones: [Stones; 2],
    /// Stones that must be for it.
    pub quorum: Stones,
    pub deposit: Stones,
}

impl Stored for Proposal {
    const SLOTS: usize = 6;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .address(self.proposer)
            .u8(self.kind as u8)
            .u8(self.end)
            .u8(u8::from(self.delayed))
            .u8(self.index)
            .u64(self.subject)
            .word();
        words[1] = Packer::new().u64(self.start.0).u64(self.voting_end.0).u64(self.ready.0).word();
        words[2] = self.simulation.into();
        words[3] = Packer::new().u128(self.weight[0]).u128(self.weight[1]).word();
        words[4] = Packer::new().u128(self.stones[0].0).u128(self.stones[1].0).word();
        words[5] = Packer::new().u128(self.quorum.0).u128(self.deposit.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let [mut a, mut b] = [words[0], words[1]].map(Unpacker::new);
        let [mut d, mut e, mut f] = [words[3], words[4], words[5]].map(Unpacker::new);
        Self {
            proposer: a.address(),
            kind: Kind::from_number(a.u8()),
            end: a.u8(),
            delayed: a.u8() != 0,
            index: a.u8(),
            subject: a.u64(),
            start: TimeMs(b.u64()),
            voting_end: TimeMs(b.u64()),
            ready: TimeMs(b.u64()),
            simulation: words[2].into(),
            weight: [d.u128(), d.u128()],
            stones: [Stones(e.u128()), Stones(e.u128())],
            quorum: Stones(f.u128()),
            deposit: Stones(f.u128()),
        }
    }
}

impl Proposal {
    /// When it can no longer be carried out.
    pub const fn expires(&self) -> TimeMs {
        TimeMs(self.ready.0.saturating_add(EXECUTION_MS))
    }

    /// Where it stands at a time.
    pub fn status(&self, now: TimeMs) -> Status {
        let [yes, no] = self.stones;
        match self.end {
            7 => Status::Executed,
            8 => Status::Closed,
            _ if now < self.voting_end => Status::Voting,
            _ if yes < self.quorum && yes.0.saturating_add(no.0) < self.quorum.0 => {
                Status::NoQuorum
            }
            _ if yes < self.quorum || self.weight[0] <= self.weight[1] => Status::Rejected,
            _ if now < self.ready => Status::Timelocked,
            _ if now < self.expires() => Status::Ready,
            _ => Status::Expired,
        }
    }
}

/// A proposal that was made.
pub(super) fn require(c: &mut Ctx<'_>, id: u64) -> Res<Proposal> {
    if id >= PROPOSALS.len(c)? {
        return revert(IGovernance::UnknownProposal { id });
    }
    PROPOSALS.at(id).get(c)
}

pub(super) fn to_abi(c: &mut Ctx<'_>, id: u64) -> Res<IGovernance::Proposal> {
    let proposal = require(c, id)?;
    let nominee = match proposal.kind {
        Kind::Guardian => NOMINEES.at(&id).get(c)?,
        _ => Address::ZERO,
    };
    Ok(IGovernance::Proposal {
        id,
        proposer: proposal.proposer,
        kind: proposal.kind as u8,
        status: proposal.status(c.now()) as u8,
        simulation: proposal.simulation,
        startMs: proposal.start.0,
        votingEndMs: proposal.voting_end.0,
        readyMs: proposal.ready.0,
        expiresMs: proposal.expires().0,
        delayed: proposal.delayed,
        yesWeight: U256::from(proposal.weight[0]),
        noWeight: U256::from(proposal.weight[1]),
        yesStones: U256::from(proposal.stones[0].0),
        noStones: U256::from(proposal.stones[1].0),
        quorum: U256::from(proposal.quorum.0),
        deposit: U256::from(proposal.deposit.0),
        subject: proposal.subject,
        index: proposal.index,
        nominee,
    })
}
