//! A candidate as it is stored, and where.

use alloy_primitives::{Address, B256, U256};
use cairn_economy::StakePool;
use cairn_primitives::{
    Stones,
    abi::{IStake, STAKE},
};

use crate::native::{Ctx, List, Mapping, Packer, Res, Stored, Unpacker, Value, revert};

/// `address[]` at slot 4: every candidate that has not left, in no order.
pub(super) const LISTED: List<Address> = List::new(STAKE, 4);
/// `mapping(address => Candidate)` at slot 5.
const CANDIDATES: Mapping<Address, Value<Candidate>> = Mapping::new(STAKE, 5);
/// `mapping(bytes32 => address)` at slot 6: whose consensus key it is or was. A key is never anybody else's again.
pub(super) const KEYS: Mapping<B256, Value<Address>> = Mapping::new(STAKE, 6);
/// `address[]` at slot 7: every account that ever was a candidate, in order.
pub(super) const EVER: List<Address> = List::new(STAKE, 7);

/// Where a candidate stands. The numbers are wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Never heard of.
    Unknown = 0,
    /// May be taken into a set.
    Active = 1,
    /// Is taken into no further set; its bond is still there.
    Leaving = 2,
    /// Its bond is unbonding or gone. It may stand again.
    Left = 3,
}

/// A candidate: status 1 │ banned 1 │ index 4 │ since 8 │ left term 8 │ jailed term 8 ‖ key ‖ commission 4 │ next 4 │ from 8 │
/// jailed by 4 │ slashes 4 │ pool moved 4 │ unbonding moved 4 ‖ bond 16 │ income 16 ‖ pool: stones 16 │ shares 16 ‖ unbonding: stones 16 │ shares 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it stands.
    pub status: Status,
    /// It equivocated: it never gets a seat again, unless the slash is annulled.
    pub banned: bool,
    /// Its place in `LISTED`, while it is listed.
    pub index: u32,
    /// Height of the block in which it became a candidate: of equal stakes the older one goes first.
    pub since: u64,
    /// The term in which it began to leave.
    pub left_term: u64,
    /// 0, or 1 + the term in which it was found absent: it gets no seat until it asks for one.
    pub jailed: u64,
    /// 0, or 1 + the number of the slash that jails it until then.
    pub jailed_by: u32,
    /// How many slashes took from it so far.
    pub slashes: u32,
    /// `slashes` when shares of its pool last changed their number or owner.
    pub pool_moved: u32,
    /// The same of what unbonds.
    pub unbonding_moved: u32,
    /// Key in consensus, in sets that are fixed from now on.
    pub key: B256,
    /// Commission until `next_from`, ppm.
    pub commission: u32,
    /// Commission from `next_from` on, ppm.
    pub next_commission: u32,
    /// Term from which `next_commission` counts.
    pub next_from: u64,
    /// Its own stake.
    pub bond: Stones,
    /// What it earned and has not taken.
    pub income: Stones,
    /// What others delegated to it.
    pub pool: StakePool,
    /// What unbonds: its own and its delegators' stake.
    pub unbonding: StakePool,
}

impl Candidate {
    /// A new one, active.
    pub(super) const fn new(index: u32, since: u64, key: B256, bond: Stones) -> Self {
        let none = StakePool { stones: Stones::ZERO, shares: 0 };
        Self {
            status: Status::Active,
            banned: false,
            index,
            since,
            left_term: 0,
            jailed: 0,
            jailed_by: 0,
            slashes: 0,
            pool_moved: 0,
            unbonding_moved: 0,
            key,
            commission: 0,
            next_commission: 0,
            next_from: 0,
            bond,
            income: Stones::ZERO,
            pool: none,
            unbonding: none,
        }
    }

    /// What ranks it.
    pub(super) const fn total(&self) -> Stones {
        Stones(self.bond.0.saturating_add(self.pool.stones.0))
    }

    /// What the contract owes because of it.
    pub(super) const fn owed(&self) -> Stones {
        let own = self.total().0.saturating_add(self.income.0);
        Stones(own.saturating_add(self.unbonding.stones.0))
    }

    /// Its commission in a term, ppm.
    pub(super) const fn commission_in(&self, term: u64) -> u32 {
        if term >= self.next_from { self.next_commission } else { self.commission }
    }

    /// As the ABI shows it.
    pub(super) fn to_abi(self, operator: Address) -> IStake::Candidate {
        IStake::Candidate {
            operator,
            consensusKey: self.key,
            status: self.status as u8,
            banned: self.banned,
            since: self.since,
            leftTerm: self.left_term,
            jailedTerm: self.jailed,
            commissionPpm: self.commission,
            nextCommissionPpm: self.next_commission,
            nextCommissionTerm: self.next_from,
            bond: U256::from(self.bond.0),
            income: U256::from(self.income.0),
            delegated: U256::from(self.pool.stones.0),
            shares: U256::from(self.pool.shares),
            unbonding: U256::from(self.unbonding.stones.0),
        }
    }
}

fn pool_word(pool: &StakePool) -> U256 {
    Packer::new().u128(pool.stones.0).u128(pool.shares).word()
}

fn pool_of(word: U256) -> StakePool {
    let mut a = Unpacker::new(word);
    StakePool { stones: Stones(a.u128()), shares: a.u128() }
}

impl Stored for Candidate {
    const SLOTS: usize = 6;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .u8(self.status as u8)
            .u8(u8::from(self.banned))
            .u32(self.index)
            .u64(self.since)
            .u64(self.left_term)
            .u64(self.jailed)
            .word();
        words[1] = self.key.into();
        words[2] = Packer::new()
            .u32(self.commission)
            .u32(self.next_commission)
            .u64(self.next_from)
            .u32(self.jailed_by)
            .u32(self.slashes)
            .u32(self.pool_moved)
            .u32(self.unbonding_moved)
            .word();
        words[3] = Packer::new().u128(self.bond.0).u128(self.income.0).word();
        words[4] = pool_word(&self.pool);
        words[5] = pool_word(&self.unbonding);
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[2]));
        let mut d = Unpacker::new(words[3]);
        let status = match a.u8() {
            1 => Status::Active,
            2 => Status::Leaving,
            3 => Status::Left,
            _ => Status::Unknown,
        };
        Self {
            status,
            banned: a.u8() != 0,
            index: a.u32(),
            since: a.u64(),
            left_term: a.u64(),
            jailed: a.u64(),
            key: words[1].into(),
            commission: b.u32(),
            next_commission: b.u32(),
            next_from: b.u64(),
            jailed_by: b.u32(),
            slashes: b.u32(),
            pool_moved: b.u32(),
            unbonding_moved: b.u32(),
            bond: Stones(d.u128()),
            income: Stones(d.u128()),
            pool: pool_of(words[4]),
            unbonding: pool_of(words[5]),
        }
    }
}

/// The candidate with this account, if it ever was one.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub(super) fn find(c: &mut Ctx<'_>, operator: Address) -> Res<Option<Candidate>> {
    let found = CANDIDATES.at(&operator).get(c)?;
    Ok((found.status != Status::Unknown).then_some(found))
}

/// The candidate with this account, or a revert.
///
/// # Errors
/// `UnknownCandidate`.
pub(super) fn require(c: &mut Ctx<'_>, operator: Address) -> Res<Candidate> {
    match find(c, operator)? {
        Some(candidate) => Ok(candidate),
        None => revert(IStake::UnknownCandidate { operator }),
    }
}

/// Writes a candidate.
///
/// # Errors
/// See `find`.
pub(super) fn save(c: &mut Ctx<'_>, operator: Address, candidate: &Candidate) -> Res<()> {
    CANDIDATES.at(&operator).set(c, candidate)
}

/// Puts a candidate on the list; returns its place there.
///
/// # Errors
/// See `find`.
pub(super) fn list(c: &mut Ctx<'_>, operator: Address) -> Res<u32> {
    let index = LISTED.push(c, &operator)?;
    Ok(u32::try_from(index).unwrap_or(u32::MAX))
}

/// Takes the candidate at `index` off the list: the last one takes its place.
///
/// # Errors
/// See `find`.
pub(super) fn unlist(c: &mut Ctx<'_>, index: u32) -> Res<()> {
    let last = LISTED.len(c)?.saturating_sub(1);
    if u64::from(index) < last {
        let moved = LISTED.at(last).get(c)?;
        LISTED.at(u64::from(index)).set(c, &moved)?;
        let mut candidate = require(c, moved)?;
        candidate.index = index;
        save(c, moved, &candidate)?;
    }
    LISTED.truncate(c, last)
}
