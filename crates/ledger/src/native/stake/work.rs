//! What a seat does and what it earns: proposals and votes counted by term, fees booked, and divided with delegators.
//!
//! ```text
//! block: part of its base fees ─► its proposer's fees ────────────────────────┐
//! epoch final: part of the treasury's fee ─► the term's pot ─ by votes ───────┴► carried ─ settle ─► operator │ delegators
//! ```
//! A term's earnings are divided when the operator's first vote of a later term, or anybody, settles them; before any
//! stake of that operator moves, they are settled too, so that nobody joins for an income that is already earned.
//!
//! **Invariant:** `UNSETTLED` is what pots, fees and carried earnings add up to.

use alloy_primitives::{Address, U256};
use cairn_economy::{Presence, split_income};
use cairn_primitives::{
    Stones,
    abi::{IStake, STAKE},
    mul_div_floor,
};

use super::{
    record::{self, Candidate},
    seats,
};
use crate::native::{Ctx, Mapping, Packer, Res, Stored, Unpacker, Value, revert};

/// Slot 8: stones that were earned and not divided yet.
pub(super) const UNSETTLED: Value<Stones> = Value::new(STAKE, 8);
/// `mapping(term => TermRow)` at slot 9.
pub(super) const TERM_ROWS: Mapping<u64, Value<TermRow>> = Mapping::new(STAKE, 9);
/// `mapping(term => mapping(operator => Work))` at slot 10.
const WORK: Mapping<u64, Mapping<Address, Value<Work>>> = Mapping::new(STAKE, 10);
/// `mapping(operator => Earning)` at slot 11.
const EARNINGS: Mapping<Address, Value<Earning>> = Mapping::new(STAKE, 11);

/// A term: pot 16 │ votes that share it 4 │ epochs that became final 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TermRow {
    pub pot: Stones,
    pub votes: u32,
    pub finals: u32,
}

impl TermRow {
    /// The part of the pot that so many of its votes have, rounded down.
    fn part(&self, votes: u32) -> Stones {
        Stones(mul_div_floor(self.pot.0, votes.into(), self.votes.into()).unwrap_or(0))
    }
}

impl Stored for TermRow {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u128(self.pot.0).u32(self.votes).u32(self.finals).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { pot: Stones(a.u128()), votes: a.u32(), finals: a.u32() }
    }
}

/// One validator's work in one term: proposals 4 │ votes 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Work {
    proposed: u32,
    voted: u32,
}

impl Stored for Work {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u32(self.proposed).u32(self.voted).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { proposed: a.u32(), voted: a.u32() }
    }
}

/// What an operator earned: term 8 │ its votes in it 4 │ its fees in it 16 ‖ carried from earlier terms 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Earning {
    term: u64,
    votes: u32,
    fees: Stones,
    carried: Stones,
}

impl Stored for Earning {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.term).u32(self.votes).u128(self.fees.0).word();
        words[1] = U256::from(self.carried.0);
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[1]));
        Self { term: a.u64(), votes: a.u32(), fees: Stones(a.u128()), carried: Stones(b.u128()) }
    }
}

/// The term of this block.
pub(super) fn term(c: &Ctx<'_>) -> u64 {
    c.genesis().term_of(c.block_number())
}

const fn sum(a: Stones, b: Stones) -> Stones {
    Stones(a.0.saturating_add(b.0))
}

const fn rest(a: Stones, b: Stones) -> Stones {
    Stones(a.0.saturating_sub(b.0))
}

/// Counts a block and books its proposer's part of the base fees, which the caller has moved to this contract. Runs at the
/// end of every block. False when the proposer is nobody's operator: then nothing is booked.
///
/// # Errors
/// Disk trouble.
pub(crate) fn proposed(c: &mut Ctx<'_>, proposer: Address, fees: Stones) -> Res<bool> {
    if record::find(c, proposer)?.is_none() {
        return Ok(false);
    }
    let term = term(c);
    let place = WORK.at(&term).at(&proposer);
    let work = place.get(c)?;
    place.set(c, &Work { proposed: work.proposed.saturating_add(1), ..work })?;
    if fees > Stones::ZERO {
        let earning = roll(c, proposer)?;
        let booked = Earning { fees: sum(earning.fees, fees), ..earning };
        EARNINGS.at(&proposer).set(c, &booked)?;
        book(c, fees)?;
    }
    Ok(true)
}

/// Counts a vote for an epoch's result; returns the term that it is counted in.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub(in crate::native) fn voted(c: &mut Ctx<'_>, operator: Address) -> Res<u64> {
    let term = term(c);
    if record::find(c, operator)?.is_none() {
        return Ok(term);
    }
    settle(c, operator)?;
    let earning = roll(c, operator)?;
    let counted = Earning { votes: earning.votes.saturating_add(1), ..earning };
    EARNINGS.at(&operator).set(c, &counted)?;
    let place = WORK.at(&term).at(&operator);
    let work = place.get(c)?;
    place.set(c, &Work { voted: work.voted.saturating_add(1), ..work })?;
    let place = TERM_ROWS.at(&term);
    let row = place.get(c)?;
    place.set(c, &TermRow { votes: row.votes.saturating_add(1), ..row })?;
    Ok(term)
}

/// Takes a vote back that was counted in a term: it was not for the result that became final, or its round came to nothing.
/// Where that term is over and divided already, it has been paid.
///
/// # Errors
/// See `voted`.
pub(in crate::native) fn unvoted(c: &mut Ctx<'_>, operator: Address, term: u64) -> Res<()> {
    let earning = EARNINGS.at(&operator).get(c)?;
    if earning.term != term || earning.votes == 0 {
        return Ok(());
    }
    EARNINGS.at(&operator).set(c, &Earning { votes: earning.votes - 1, ..earning })?;
    let place = WORK.at(&term).at(&operator);
    let work = place.get(c)?;
    place.set(c, &Work { voted: work.voted.saturating_sub(1), ..work })?;
    let place = TERM_ROWS.at(&term);
    let row = place.get(c)?;
    place.set(c, &TermRow { votes: row.votes.saturating_sub(1), ..row })
}

/// Whether a vote of this term shares its pot.
///
/// # Errors
/// See `voted`.
pub(in crate::native) fn has_votes(c: &mut Ctx<'_>) -> Res<bool> {
    Ok(TERM_ROWS.at(&term(c)).get(c)?.votes > 0)
}

/// Counts a final epoch and puts `stones`, which the caller has moved to this contract, into the term's pot.
///
/// # Errors
/// See `voted`.
pub(in crate::native) fn finalised(c: &mut Ctx<'_>, stones: Stones) -> Res<()> {
    let place = TERM_ROWS.at(&term(c));
    let row = place.get(c)?;
    let finals = row.finals.saturating_add(1);
    place.set(c, &TermRow { pot: sum(row.pot, stones), finals, ..row })?;
    book(c, stones)
}

fn book(c: &mut Ctx<'_>, stones: Stones) -> Res<()> {
    if stones == Stones::ZERO {
        return Ok(());
    }
    let unsettled = UNSETTLED.get(c)?;
    UNSETTLED.set(c, &sum(unsettled, stones))
}

/// An operator's earnings, with those of a finished term carried over. The caller writes them.
fn roll(c: &mut Ctx<'_>, operator: Address) -> Res<Earning> {
    let (term, mut earning) = (term(c), EARNINGS.at(&operator).get(c)?);
    if earning.term >= term {
        return Ok(earning);
    }
    let mut earned = earning.fees;
    if earning.votes > 0 {
        let place = TERM_ROWS.at(&earning.term);
        let row = place.get(c)?;
        let part = row.part(earning.votes);
        let votes = row.votes.saturating_sub(earning.votes);
        place.set(c, &TermRow { pot: rest(row.pot, part), votes, ..row })?;
        earned = sum(earned, part);
    }
    earning = Earning { term, votes: 0, fees: Stones::ZERO, carried: sum(earning.carried, earned) };
    EARNINGS.at(&operator).set(c, &earning)?;
    Ok(earning)
}

/// Divides what an operator earned in finished terms between it and its delegators.
///
/// # Errors
/// See `voted`.
pub(super) fn settle(c: &mut Ctx<'_>, operator: Address) -> Res<()> {
    let earning = roll(c, operator)?;
    let earned = earning.carried;
    if earned == Stones::ZERO {
        return Ok(());
    }
    let term = term(c);
    let mut candidate = record::require(c, operator)?;
    let commission = candidate.commission_in(term);
    let (own, theirs) = split_income(earned, candidate.bond, candidate.pool.stones, commission);
    candidate.income = sum(candidate.income, own);
    candidate.pool.stones = sum(candidate.pool.stones, theirs);
    record::save(c, operator, &candidate)?;
    EARNINGS.at(&operator).set(c, &Earning { carried: Stones::ZERO, ..earning })?;
    let unsettled = UNSETTLED.get(c)?;
    UNSETTLED.set(c, &rest(unsettled, earned))?;
    let event = IStake::Earned {
        operator,
        term,
        operatorStones: U256::from(own.0),
        delegatorStones: U256::from(theirs.0),
    };
    c.emit(STAKE, &event)
}

/// What `settle` would add to a candidate's pool.
///
/// # Errors
/// See `voted`.
pub(super) fn undivided(c: &mut Ctx<'_>, operator: Address, candidate: &Candidate) -> Res<Stones> {
    let (term, earning) = (term(c), EARNINGS.at(&operator).get(c)?);
    let mut earned = earning.carried;
    if earning.term < term {
        let part = match earning.votes {
            0 => Stones::ZERO,
            votes => TERM_ROWS.at(&earning.term).get(c)?.part(votes),
        };
        earned = sum(earned, sum(earning.fees, part));
    }
    let commission = candidate.commission_in(term);
    Ok(split_income(earned, candidate.bond, candidate.pool.stones, commission).1)
}

/// What an operator earned and was not divided yet, without its part of pots.
pub(super) fn open(c: &mut Ctx<'_>, operator: Address) -> Res<Stones> {
    let earning = EARNINGS.at(&operator).get(c)?;
    Ok(sum(earning.fees, earning.carried))
}

/// What a validator of a term did, and what the term asked of each of its validators.
///
/// # Errors
/// `TermNotFixed`, `NotValidator`.
pub(super) fn presence(c: &mut Ctx<'_>, term: u64, operator: Address) -> Res<Presence> {
    let set = super::fixed(c, term)?;
    if seats::seat_in(c, set, operator)?.is_none() {
        return revert(IStake::NotValidator { caller: operator });
    }
    let seats = u64::from(seats::count(c, set)?);
    let work = WORK.at(&term).at(&operator).get(c)?;
    Ok(Presence {
        proposed: work.proposed.into(),
        proposals_due: c.genesis().stake.term_blocks.checked_div(seats).unwrap_or(0),
        voted: work.voted.into(),
        votes_due: TERM_ROWS.at(&term).get(c)?.finals.into(),
    })
}
