//! A slash as it is stored: what for, what was taken, where it stands.

use alloy_primitives::{Address, U256};
use cairn_primitives::{Stones, TimeMs, abi::IStake, mul_div_floor};

use crate::native::{Packer, Stored, Unpacker, stake::shares::Pool};

/// Why. The numbers are wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Two votes that exclude each other in one view of consensus.
    Equivocation = 1,
    /// A vote for another result of an epoch than the final one.
    WrongVote = 2,
    /// Too little of a term's duties done.
    Absence = 3,
}

/// Stands while it can be annulled. The numbers are wire format.
pub(super) const OPEN: u8 = 1;
/// Its stones are gone.
pub(super) const EXECUTED: u8 = 2;
/// Its stones were given back.
pub(super) const ANNULLED: u8 = 3;

/// Shares of a pool that an annulled slash bought with what it had taken from it, and those who had it then have not
/// claimed: shares of now 16 │ shares of then that claim them 16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::native::stake) struct Claims {
    pub shares: u128,
    pub rights: u128,
}

impl Claims {
    /// Takes so many rights out, with the shares for them, rounded down; the last takes what is left.
    pub(super) fn take(&mut self, rights: u128) -> u128 {
        let all = rights >= self.rights;
        let part = mul_div_floor(self.shares, rights, self.rights).unwrap_or(0);
        let part = if all { self.shares } else { part };
        self.shares = self.shares.saturating_sub(part);
        self.rights = self.rights.saturating_sub(rights);
        part
    }
}

/// A slash: operator 20 │ reason 1 │ status 1 │ until 8 ‖ term 8 │ place 8 │ jail 8 │ before 4 ‖ reporter 20 ‖ bond 16 │ delegated 16 ‖
/// unbonding 16 │ number 4 │ annulled 4 ‖ claims on the pool 32 ‖ claims on what unbonds 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::native::stake) struct Slash {
    pub operator: Address,
    pub reason: u8,
    pub status: u8,
    pub until: TimeMs,
    pub term: u64,
    pub place: u64,
    /// For an absence: 1 + the term in which it was reported.
    pub jail: u64,
    /// 0, or 1 + the number of the slash that jailed the operator when it was reported.
    pub before: u32,
    pub reporter: Address,
    pub bond: Stones,
    pub delegated: Stones,
    pub unbonding: Stones,
    /// How many slashes of the operator came before.
    pub number: u32,
    /// How many slashes of the operator had come when it was annulled.
    pub annulled: u32,
    /// By pool; before it is annulled, without shares.
    pub claims: [Claims; 2],
}

impl Stored for Slash {
    const SLOTS: usize = 7;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .address(self.operator)
            .u8(self.reason)
            .u8(self.status)
            .u64(self.until.0)
            .word();
        words[1] =
            Packer::new().u64(self.term).u64(self.place).u64(self.jail).u32(self.before).word();
        words[2] = self.reporter.into_word().into();
        words[3] = Packer::new().u128(self.bond.0).u128(self.delegated.0).word();
        words[4] = Packer::new().u128(self.unbonding.0).u32(self.number).u32(self.annulled).word();
        for (word, claims) in words[5..].iter_mut().zip(self.claims) {
            *word = Packer::new().u128(claims.shares).u128(claims.rights).word();
        }
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[1]));
        let (mut d, mut e) = (Unpacker::new(words[3]), Unpacker::new(words[4]));
        let claims = |word| {
            let mut a = Unpacker::new(word);
            Claims { shares: a.u128(), rights: a.u128() }
        };
        Self {
            operator: a.address(),
            reason: a.u8(),
            status: a.u8(),
            until: TimeMs(a.u64()),
            term: b.u64(),
            place: b.u64(),
            jail: b.u64(),
            before: b.u32(),
            reporter: Unpacker::new(words[2]).address(),
            bond: Stones(d.u128()),
            delegated: Stones(d.u128()),
            unbonding: Stones(e.u128()),
            number: e.u32(),
            annulled: e.u32(),
            claims: [claims(words[5]), claims(words[6])],
        }
    }
}

impl Slash {
    /// What was taken from a pool.
    pub(super) const fn part(&self, pool: Pool) -> Stones {
        match pool {
            Pool::Delegated => self.delegated,
            Pool::Unbonding => self.unbonding,
        }
    }

    /// All that was taken.
    pub(super) const fn total(&self) -> Stones {
        Stones(self.bond.0.saturating_add(self.delegated.0).saturating_add(self.unbonding.0))
    }

    /// What the contract owes because of it.
    pub(in crate::native::stake) const fn owed(&self) -> Stones {
        if self.status == OPEN { self.total() } else { Stones::ZERO }
    }

    pub(in crate::native::stake) fn to_abi(self) -> IStake::Slash {
        IStake::Slash {
            operator: self.operator,
            reason: self.reason,
            status: self.status,
            appealUntilMs: self.until.0,
            term: self.term,
            place: self.place,
            reporter: self.reporter,
            bond: U256::from(self.bond.0),
            delegated: U256::from(self.delegated.0),
            unbonding: U256::from(self.unbonding.0),
        }
    }
}
