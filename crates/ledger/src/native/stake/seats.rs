//! Which validators have a seat in which term: what consensus, votes and everybody outside read.
//!
//! ```text
//! term     0        1        2        3                 a term is `stake.term_blocks` blocks: Genesis::term_of(height)
//! set      genesis  genesis  fixed by the first block of term 1 …
//! ```
//! The set of term *t + 1* is fixed by the first block of term *t*, so that it is final state a whole term before its
//! first block. A set that does not change is not stored again: a term has the number of its set, and set 0 is genesis.
//!
//! **Invariant:** a set that is stored never changes; its operators and its keys are distinct.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use cairn_primitives::{Digest, Genesis, TimeMs, abi::STAKE};

use crate::{
    State, StateError,
    native::{self, Ctx, Facts, List, Mapping, Packer, Res, Sheet, Stop, Stored, Unpacker, Value},
};

/// Slot 0: how far sets are fixed.
pub(super) const TERMS: Value<Terms> = Value::new(STAKE, 0);
/// `mapping(term => uint32)` at slot 1: the number of each term's set.
pub(super) const SET_OF: Mapping<u64, Value<u32>> = Mapping::new(STAKE, 1);
/// `mapping(set => Seat[])` at slot 2.
pub(super) const SETS: Mapping<u32, List<Seat>> = Mapping::new(STAKE, 2);
/// `mapping(set => mapping(operator => uint32))` at slot 3: the seat, counted from 1.
pub(super) const SEAT_OF: Mapping<u32, Mapping<Address, Value<u32>>> = Mapping::new(STAKE, 3);

/// Price of looking at one seat of genesis: it is memory, not disk.
const SEAT_GAS: u64 = 20;

/// One seat: one bond, one vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// The Ethereum account that attests, votes and gets what the seat earns.
    pub operator: Address,
    /// The Ed25519 key in consensus and peer-to-peer.
    pub consensus_key: B256,
}

impl Stored for Seat {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = self.operator.into_word().into();
        words[1] = self.consensus_key.into();
    }
    fn from_words(words: &[U256]) -> Self {
        Self { operator: Unpacker::new(words[0]).address(), consensus_key: words[1].into() }
    }
}

/// How far sets are fixed: latest term 8 │ announced 8 │ sets 4 │ kept 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// The last term whose set is fixed; 0 until the first block of term 1 fixed that of term 2.
    pub latest: u64,
    /// The last term whose set was announced by an event.
    pub announced: u64,
    /// Sets that were elected so far; genesis is none of them.
    pub sets: u32,
    /// Whether the latest set is the one before because too few candidates could be taken.
    pub kept: bool,
}

impl Stored for Terms {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .u64(self.latest)
            .u64(self.announced)
            .u32(self.sets)
            .u8(u8::from(self.kept))
            .word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { latest: a.u64(), announced: a.u64(), sets: a.u32(), kept: a.u8() != 0 }
    }
}

/// The seats of a term as `state` knows them: none when its set is not fixed yet, which is so for every term beyond the
/// one after the state's own. Seats are in the order in which votes count them; genesis' order for the genesis set,
/// ascending operators for every other. Consensus numbers validators by their keys instead (docs/spec/finality.md).
///
/// # Errors
/// When the state cannot be read.
pub fn seats_of_term(
    state: &dyn State,
    genesis: &Arc<Genesis>,
    term: u64,
) -> Result<Option<Vec<Seat>>, StateError> {
    read(state, genesis, |c| match set_of(c, term)? {
        Some(set) => Ok(Some(seats(c, set)?)),
        None => Ok(None),
    })
}

/// Reads a state as a contract does, without gas.
pub(crate) fn read<T>(
    state: &dyn State,
    genesis: &Arc<Genesis>,
    f: impl FnOnce(&mut Ctx<'_>) -> Res<T>,
) -> Result<T, StateError> {
    let facts = Facts {
        genesis: Arc::clone(genesis),
        genesis_hash: Digest([0; 32]),
        time: TimeMs(genesis.start_ms),
        number: 0,
        prices: native::prices(),
    };
    let mut sheet = Sheet::new(state);
    f(&mut Ctx::free(&mut sheet, &facts)).map_err(|stop| match stop {
        Stop::Fatal(reason) => StateError(reason.into()),
        Stop::OutOfGas | Stop::Revert(_) => StateError("a read of the seats stopped".into()),
    })
}

/// The number of a term's set, if it is fixed.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub fn set_of(c: &mut Ctx<'_>, term: u64) -> Res<Option<u32>> {
    if term <= 1 {
        return Ok(Some(0));
    }
    if term > TERMS.get(c)?.latest {
        return Ok(None);
    }
    Ok(Some(SET_OF.at(&term).get(c)?))
}

/// The number of the current term's set; of the last that is fixed where a simulated block has skipped one.
///
/// # Errors
/// See `set_of`.
pub fn current(c: &mut Ctx<'_>) -> Res<u32> {
    let term = c.genesis().term_of(c.block_number());
    if let Some(set) = set_of(c, term)? {
        return Ok(set);
    }
    let latest = TERMS.get(c)?.latest;
    Ok(set_of(c, latest)?.unwrap_or(0))
}

/// The number of the set of the term before the current one.
///
/// # Errors
/// See `set_of`.
pub fn previous(c: &mut Ctx<'_>) -> Res<u32> {
    let term = c.genesis().term_of(c.block_number()).saturating_sub(1);
    match set_of(c, term)? {
        Some(set) => Ok(set),
        None => current(c),
    }
}

/// Whether an account has a seat in this term or the last, as of a block of this height: the votes of those are free.
///
/// # Errors
/// When the state cannot be read.
pub(crate) fn is_voter(
    state: &dyn State,
    genesis: &Arc<Genesis>,
    height: u64,
    account: Address,
) -> Result<bool, StateError> {
    let term = genesis.term_of(height);
    read(state, genesis, |c| {
        for term in [term, term.saturating_sub(1)] {
            let set = match set_of(c, term)? {
                Some(set) => set,
                None => {
                    let latest = TERMS.get(c)?.latest;
                    set_of(c, latest)?.unwrap_or(0)
                }
            };
            if seat_in(c, set, account)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// The seats of a set.
///
/// # Errors
/// See `set_of`.
pub fn seats(c: &mut Ctx<'_>, set: u32) -> Res<Vec<Seat>> {
    if set == 0 {
        let genesis = c.genesis();
        c.charge(SEAT_GAS * genesis.validators.len() as u64)?;
        let seat = |v: &cairn_primitives::GenesisValidator| Seat {
            operator: v.operator,
            consensus_key: v.consensus_key,
        };
        return Ok(genesis.validators.iter().map(seat).collect());
    }
    let list = SETS.at(&set);
    (0..list.len(c)?).map(|i| list.at(i).get(c)).collect()
}

/// Number of seats of a set.
///
/// # Errors
/// See `set_of`.
pub fn count(c: &mut Ctx<'_>, set: u32) -> Res<u32> {
    let count = match set {
        0 => c.genesis().validators.len() as u64,
        set => SETS.at(&set).len(c)?,
    };
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The seat of an operator in a set, counted from 0.
///
/// # Errors
/// See `set_of`.
pub fn seat_in(c: &mut Ctx<'_>, set: u32, operator: Address) -> Res<Option<u32>> {
    if set == 0 {
        let genesis = c.genesis();
        c.charge(SEAT_GAS * genesis.validators.len() as u64)?;
        let seat = genesis.validators.iter().position(|v| v.operator == operator);
        return Ok(seat.and_then(|seat| u32::try_from(seat).ok()));
    }
    Ok(SEAT_OF.at(&set).at(&operator).get(c)?.checked_sub(1))
}
