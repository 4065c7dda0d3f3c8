//! Standing for a seat: the bond, the consensus key and its proof of possession, leaving.
//!
//! ```text
//! candidate ─► active ─ leave ─► leaving: no seat from the next set on ─ last seat over: exit ─► left, the bond unbonds
//! ```
//! **Invariant:** a consensus key is one account's for ever, so that no set has it twice and no vote changes its owner.

use alloy_primitives::{Address, B256, U256};
use cairn_primitives::{
    KeyType, PublicKey, Signature, Stones,
    abi::{IStake, STAKE},
    candidacy_message,
};

use super::{
    delegate,
    elect::{self, CANDIDATES_MAX},
    record::{self, Candidate, EVER, KEYS, LISTED, Status},
    work,
};
use crate::native::{Ctx, Res, gas, out_of_range, revert};

/// Terms until a new commission counts: delegators have one whole term to see it and leave.
const COMMISSION_TERMS: u64 = 2;

pub(super) fn candidate(c: &mut Ctx<'_>, key: B256, proof: &[u8]) -> Res<()> {
    let (operator, bond) = (c.caller(), c.value());
    let known = record::find(c, operator)?;
    if let Some(known) = &known {
        if known.status != Status::Left {
            return revert(IStake::CandidateExists { operator });
        }
        if known.banned {
            return revert(IStake::IsBanned { operator });
        }
    }
    let required = c.genesis().seat_bond();
    if bond < required {
        let (bond, required) = (U256::from(bond.0), U256::from(required.0));
        return revert(IStake::BondTooLow { bond, required });
    }
    if LISTED.len(c)? >= CANDIDATES_MAX {
        return revert(IStake::TooManyCandidates { limit: CANDIDATES_MAX });
    }
    take_key(c, operator, key, proof)?;
    if known.is_some() {
        work::settle(c, operator)?;
    }
    let index = record::list(c, operator)?;
    let new = Candidate::new(index, c.block_number(), key, bond);
    let stored = match record::find(c, operator)? {
        Some(known) => Candidate {
            income: known.income,
            pool: known.pool,
            unbonding: known.unbonding,
            slashes: known.slashes,
            pool_moved: known.pool_moved,
            unbonding_moved: known.unbonding_moved,
            commission: known.commission,
            next_commission: known.next_commission,
            next_from: known.next_from,
            ..new
        },
        None => {
            EVER.push(c, &operator)?;
            new
        }
    };
    record::save(c, operator, &stored)?;
    let event = IStake::CandidateJoined { operator, consensusKey: key, bond: U256::from(bond.0) };
    c.emit(STAKE, &event)
}

/// Checks a key and its proof, and makes it the operator's.
fn take_key(c: &mut Ctx<'_>, operator: Address, key: B256, proof: &[u8]) -> Res<()> {
    c.charge(gas::SIGNATURE)?;
    let Ok(public) = PublicKey::from_bytes(KeyType::Ed25519, key.as_slice()) else {
        return revert(IStake::BadKey { consensusKey: key });
    };
    let owner = KEYS.at(&key).get(c)?;
    if owner != Address::ZERO && owner != operator {
        return revert(IStake::KeyTaken { consensusKey: key });
    }
    let message = candidacy_message(c.genesis_hash(), operator, &key.0);
    let signature = <[u8; 64]>::try_from(proof).map(Signature);
    if !signature.is_ok_and(|signature| public.verify(&message, &signature)) {
        return revert(IStake::BadProofOfPossession { consensusKey: key });
    }
    KEYS.at(&key).set(c, &operator)
}

/// The caller's record, which must be an active candidate's.
fn require_active(c: &mut Ctx<'_>) -> Res<(Address, Candidate)> {
    let operator = c.caller();
    let candidate = record::require(c, operator)?;
    if candidate.status != Status::Active {
        return revert(IStake::NotActive { operator, status: candidate.status as u8 });
    }
    Ok((operator, candidate))
}

/// The same, with all divided that it earned in finished terms.
fn require_settled(c: &mut Ctx<'_>) -> Res<(Address, Candidate)> {
    let (operator, _) = require_active(c)?;
    work::settle(c, operator)?;
    require_active(c)
}

pub(super) fn raise_bond(c: &mut Ctx<'_>) -> Res<()> {
    let (operator, mut candidate) = require_settled(c)?;
    let stones = c.value();
    candidate.bond = Stones(candidate.bond.0.saturating_add(stones.0));
    record::save(c, operator, &candidate)?;
    let (stones, bond) = (U256::from(stones.0), U256::from(candidate.bond.0));
    c.emit(STAKE, &IStake::BondRaised { operator, stones, bond })
}

pub(super) fn leave(c: &mut Ctx<'_>) -> Res<()> {
    let (operator, mut candidate) = require_active(c)?;
    let term = work::term(c);
    candidate.status = Status::Leaving;
    candidate.left_term = term;
    record::save(c, operator, &candidate)?;
    c.emit(STAKE, &IStake::CandidateLeaving { operator, term })
}

pub(super) fn exit(c: &mut Ctx<'_>) -> Res<()> {
    let operator = c.caller();
    let known = record::require(c, operator)?;
    if known.status != Status::Leaving {
        return revert(IStake::NotActive { operator, status: known.status as u8 });
    }
    if elect::is_seated(c, operator)? {
        // A set that stays for want of candidates can hold a seat for longer.
        return revert(IStake::StillSeated { operator, untilTerm: work::term(c) + 2 });
    }
    work::settle(c, operator)?;
    let mut candidate = record::require(c, operator)?;
    let bond = std::mem::take(&mut candidate.bond);
    candidate.status = Status::Left;
    let index = candidate.index;
    let ready = delegate::unbond(c, operator, &mut candidate, operator, bond)?;
    record::save(c, operator, &candidate)?;
    record::unlist(c, index)?;
    let event = IStake::CandidateLeft { operator, bond: U256::from(bond.0), readyMs: ready.0 };
    c.emit(STAKE, &event)
}

pub(super) fn rotate_key(c: &mut Ctx<'_>, key: B256, proof: &[u8]) -> Res<()> {
    let (operator, mut candidate) = require_active(c)?;
    take_key(c, operator, key, proof)?;
    let old = std::mem::replace(&mut candidate.key, key);
    record::save(c, operator, &candidate)?;
    c.emit(STAKE, &IStake::KeyRotated { operator, oldKey: old, newKey: key })
}

pub(super) fn set_commission(c: &mut Ctx<'_>, ppm: u32) -> Res<()> {
    let most = c.genesis().stake.commission_max_ppm;
    if ppm > most {
        return out_of_range("ppm", U256::from(ppm), U256::from(most));
    }
    let (operator, mut candidate) = require_settled(c)?;
    let term = work::term(c);
    candidate.commission = candidate.commission_in(term);
    candidate.next_commission = ppm;
    candidate.next_from = term.saturating_add(COMMISSION_TERMS);
    record::save(c, operator, &candidate)?;
    c.emit(STAKE, &IStake::CommissionSet { operator, ppm, fromTerm: candidate.next_from })
}

pub(super) fn claim_income(c: &mut Ctx<'_>) -> Res<U256> {
    let operator = c.caller();
    record::require(c, operator)?;
    work::settle(c, operator)?;
    let mut candidate = record::require(c, operator)?;
    let stones = std::mem::take(&mut candidate.income);
    record::save(c, operator, &candidate)?;
    c.transfer(STAKE, operator, stones)?;
    let stones = U256::from(stones.0);
    c.emit(STAKE, &IStake::IncomeClaimed { operator, stones })?;
    Ok(stones)
}

pub(super) fn unjail(c: &mut Ctx<'_>) -> Res<()> {
    let (operator, mut candidate) = require_active(c)?;
    if candidate.jailed == 0 {
        return revert(IStake::NotJailed { operator });
    }
    let current = work::term(c);
    if current < candidate.jailed {
        return revert(IStake::TermNotOver { term: candidate.jailed - 1, current });
    }
    (candidate.jailed, candidate.jailed_by) = (0, 0);
    record::save(c, operator, &candidate)?;
    c.emit(STAKE, &IStake::Unjailed { operator })
}
