//! Two votes of one validator that exclude each other: the proof of an equivocation, as consensus signs votes.
//!
//! ```text
//! evidence = key 32 ‖ vote ‖ vote          vote = kind u8 ‖ term varint ‖ view varint ‖ [parent varint ‖ digest 32] ‖ signature 64
//! ```
//! kind 0 notarizes, 1 nullifies (and has no block), 2 finalizes. An honest validator signs at most one block of each kind
//! in a view, and never nullifies a view and finalizes a block of it. It may notarize one block and, when the others
//! notarized another, finalize that one: such a pair proves nothing. Spec: docs/spec/stake.md#evidence.

use alloy_primitives::{Address, B256};
use cairn_primitives::abi::IStake;

use super::zip215;
use crate::native::{
    Ctx, Res, gas, revert,
    stake::seats::{self, Seat},
};

/// Two votes of the longest numbers.
const BYTES_MAX: usize = 32 + 2 * (1 + 3 * 10 + 32 + 64);

const NOTARIZE: u8 = 0;
const NULLIFY: u8 = 1;
const FINALIZE: u8 = 2;

/// Who equivocated, and where.
#[derive(Debug)]
pub(super) struct Found {
    pub operator: Address,
    pub term: u64,
    pub view: u64,
}

/// One vote as its bytes say.
struct Vote<'a> {
    kind: u8,
    term: u64,
    view: u64,
    /// What is signed, without its domain.
    payload: &'a [u8],
    signature: [u8; 64],
}

fn bad<T>(reason: &str) -> Res<T> {
    revert(IStake::BadEvidence { reason: reason.to_owned() })
}

/// Checks a proof and finds the operator of its key in the set of its term.
pub(super) fn check(c: &mut Ctx<'_>, bytes: &[u8]) -> Res<Found> {
    if bytes.len() > BYTES_MAX {
        return bad("too many bytes");
    }
    c.charge(2 * (gas::SIGNATURE + gas::envelope(bytes.len())))?;
    let Some((key, a, b)) = decode(bytes) else { return bad("not two votes") };
    if (a.term, a.view) != (b.term, b.view) {
        return bad("votes of different views");
    }
    let kinds = (a.kind.min(b.kind), a.kind.max(b.kind));
    let excluded = match kinds {
        (NOTARIZE, NOTARIZE) | (FINALIZE, FINALIZE) => a.payload != b.payload,
        (NULLIFY, FINALIZE) => true,
        _ => false,
    };
    if !excluded {
        return bad("votes that do not exclude each other");
    }
    if !(signed(c, &key, &a) && signed(c, &key, &b)) {
        return bad("a signature is not the key's, or of another network");
    }
    let Some(set) = seats::set_of(c, a.term)? else { return bad("a term without validators") };
    let is_signer = |seat: &Seat| seat.consensus_key == B256::from(key);
    match seats::seats(c, set)?.into_iter().find(is_signer) {
        Some(seat) => Ok(Found { operator: seat.operator, term: a.term, view: a.view }),
        None => bad("the key is no validator's of that term"),
    }
}

fn signed(c: &Ctx<'_>, key: &[u8; 32], vote: &Vote<'_>) -> bool {
    let suffix: &[u8] = match vote.kind {
        NOTARIZE => b"_NOTARIZE",
        NULLIFY => b"_NULLIFY",
        _ => b"_FINALIZE",
    };
    zip215::verify(key, &message(&c.genesis_hash().0, suffix, vote.payload), &vote.signature)
}

/// What a validator signs: the domain with its length, and the vote.
fn message(genesis: &[u8; 32], suffix: &[u8], payload: &[u8]) -> Vec<u8> {
    let domain = [b"cairn/consensus/v1/".as_slice(), genesis, suffix].concat();
    // Below 128, so that the varint is one byte.
    let length = u8::try_from(domain.len()).unwrap_or(0x7f);
    [&[length], domain.as_slice(), payload].concat()
}

fn decode(bytes: &[u8]) -> Option<([u8; 32], Vote<'_>, Vote<'_>)> {
    let (key, mut rest) = bytes.split_first_chunk::<32>()?;
    let (a, b) = (vote(&mut rest)?, vote(&mut rest)?);
    rest.is_empty().then_some((*key, a, b))
}

fn vote<'a>(rest: &mut &'a [u8]) -> Option<Vote<'a>> {
    let (kind, after) = rest.split_first()?;
    *rest = after;
    let start = *rest;
    let (term, view) = (varint(rest)?, varint(rest)?);
    match *kind {
        NULLIFY => {}
        NOTARIZE | FINALIZE => {
            varint(rest)?;
            *rest = rest.split_at_checked(32)?.1;
        }
        _ => return None,
    }
    let payload = start.get(..start.len() - rest.len())?;
    let (signature, after) = rest.split_first_chunk::<64>()?;
    *rest = after;
    Some(Vote { kind: *kind, term, view, payload, signature: *signature })
}

/// Unsigned LEB128 of at most 64 bits in its shortest form.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        if (*byte == 0 && shift > 0) || (shift == 63 && *byte > 1) {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
