//! A stream as it is proposed and as it is stored.

use alloy_primitives::{Address, U256};
use cairn_economy::{stream_pace, stream_unlocked};
use cairn_primitives::{
    EpochSchedule, STONE, Stones, TimeMs,
    abi::{self, IGovernance, INSURANCE, ITreasury},
};

use crate::native::{Ctx, Packer, Res, Stored, Unpacker, out_of_range, revert};

/// Ten years: a longer promise binds people who were not asked.
const LENGTH_MS_MAX: u64 = 3_653 * EpochSchedule::DAY_MS;
/// A year: how far ahead a stream may begin.
const AHEAD_MS_MAX: u64 = 366 * EpochSchedule::DAY_MS;
/// Milestones: each is a vote.
const MILESTONES_MAX: u8 = 16;
/// The least that is streamed.
const STREAM_STONES_MIN: Stones = Stones(STONE);

/// recipient 20 │ insider 1 │ milestones 1 ‖ stones 16 │ start 8 │ length 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::native) struct Terms {
    pub recipient: Address,
    /// Whoever proposes it says whether the recipient is an insider; it is shown with every payment.
    pub insider: bool,
    pub milestones: u8,
    pub stones: Stones,
    pub start: TimeMs,
    pub length_ms: u64,
}

impl Stored for Terms {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .address(self.recipient)
            .u8(u8::from(self.insider))
            .u8(self.milestones)
            .word();
        words[1] = Packer::new().u128(self.stones.0).u64(self.start.0).u64(self.length_ms).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[1]));
        Self {
            recipient: a.address(),
            insider: a.u8() != 0,
            milestones: a.u8(),
            stones: Stones(b.u128()),
            start: TimeMs(b.u64()),
            length_ms: b.u64(),
        }
    }
}

impl Terms {
    /// What somebody proposes, if a stream can be so.
    ///
    /// # Errors
    /// `BadRecipient` for nobody and for a contract of the network, whose stones are counted otherwise; `OutOfRange`.
    pub fn from_abi(c: &Ctx<'_>, asked: &IGovernance::Terms) -> Res<Self> {
        let recipient = asked.recipient;
        let system = abi::CONTRACTS.iter().any(|(address, _)| *address == recipient);
        if recipient == Address::ZERO || system || recipient == INSURANCE {
            return revert(ITreasury::BadRecipient { recipient });
        }
        let stones = Stones(u128::try_from(asked.stones).unwrap_or(u128::MAX));
        let cap = crate::native::economy::cap(c);
        if stones < STREAM_STONES_MIN || stones > cap {
            let bound = stones.clamp(STREAM_STONES_MIN, cap);
            return out_of_range("stones", asked.stones, U256::from(bound.0));
        }
        let (now, start) = (c.now().0, asked.startMs);
        let bounds = [
            ("startMs", start, 0, now.saturating_add(AHEAD_MS_MAX)),
            ("lengthMs", asked.lengthMs, 1, LENGTH_MS_MAX),
            ("milestones", asked.milestones.into(), 0, MILESTONES_MAX.into()),
        ];
        for (field, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                return out_of_range(field, U256::from(value), U256::from(value.clamp(low, high)));
            }
        }
        Ok(Self {
            recipient,
            insider: asked.insider,
            milestones: asked.milestones,
            stones,
            start: TimeMs(start),
            length_ms: asked.lengthMs,
        })
    }

    pub fn to_abi(self) -> IGovernance::Terms {
        IGovernance::Terms {
            recipient: self.recipient,
            insider: self.insider,
            stones: U256::from(self.stones.0),
            startMs: self.start.0,
            lengthMs: self.length_ms,
            milestones: self.milestones,
        }
    }
}

/// Whether a stream runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::native) enum Status {
    /// It runs, or waits for its start, its milestones or its claims.
    Running = 1,
    /// A vote ended it; what was unlocked can be claimed.
    Ended = 2,
    /// All of it was paid.
    Paid = 3,
}

/// terms ‖ paid 16 │ proposal 8 │ status 1 │ milestones reached 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::native) struct Stream {
    pub terms: Terms,
    pub proposal: u64,
    pub status: Status,
    pub reached: u8,
    pub paid: Stones,
}

impl Stored for Stream {
    const SLOTS: usize = 3;
    fn to_words(&self, words: &mut [U256]) {
        self.terms.to_words(&mut words[..2]);
        words[2] = Packer::new()
            .u128(self.paid.0)
            .u64(self.proposal)
            .u8(self.status as u8)
            .u8(self.reached)
            .word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[2]);
        let (paid, proposal) = (Stones(a.u128()), a.u64());
        let status = match a.u8() {
            2 => Status::Ended,
            3 => Status::Paid,
            _ => Status::Running,
        };
        Self { terms: Terms::from_words(&words[..2]), proposal, status, reached: a.u8(), paid }
    }
}

impl Stream {
    /// What is the recipient's at a time, paid or not. A stream that ended has its unlocked stones as its whole.
    pub fn unlocked(&self, now: TimeMs) -> Stones {
        let Terms { stones, start, length_ms, milestones, .. } = self.terms;
        if self.status == Status::Ended {
            return stones;
        }
        let passed = now.0.saturating_sub(start.0);
        stream_unlocked(stones, passed, length_ms, self.reached.into(), milestones.into())
    }

    /// What it pays in 30 days.
    pub fn pace(&self) -> Stones {
        stream_pace(self.terms.stones, self.terms.length_ms)
    }

    pub fn to_abi(self, id: u64, now: TimeMs) -> ITreasury::Stream {
        let Terms { recipient, insider, milestones, stones, start, length_ms } = self.terms;
        ITreasury::Stream {
            id,
            proposal: self.proposal,
            recipient,
            insider,
            status: self.status as u8,
            stones: U256::from(stones.0),
            paid: U256::from(self.paid.0),
            unlocked: U256::from(self.unlocked(now).0),
            startMs: start.0,
            lengthMs: length_ms,
            milestones,
            reached: self.reached,
        }
    }
}
