//! The fixed set of validators and ingests: read from genesis, where everybody can check it, and never stored twice.
//!
//! The validators' bonds are the balance of this contract.

pub(crate) mod seats;

pub use seats::{Seat, seats_of_term};

use alloy_primitives::{Address, Bytes, U256};
use cairn_primitives::{
    STONE, Stones,
    abi::{IStake, STAKE},
};

use super::{Ctx, Res, decode};
use crate::check::Violation;

/// Price of looking at one seat: it is memory, not disk.
const SEAT_GAS: u64 = 20;

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IStake::IStakeCalls as F;
    match decode(data)? {
        F::validators(q) => c.view(q, |c, _| validators(c)),
        F::isValidator(q) => c.view(q, |c, q| Ok(validator_seat(c, q.operator)?.is_some())),
        F::quorum(q) => c.view(q, |c, _| Ok(c.genesis().quorum())),
        F::ingests(q) => {
            c.view(q, |c, _| Ok(c.genesis().ingests.iter().map(|i| i.operator).collect()))
        }
        F::isIngest(q) => c.view(q, |c, q| Ok(ingest_seat(c, q.operator)?.is_some())),
    }
}

/// The seat of a validator, counted from 0 in genesis order.
///
/// # Errors
/// Out of gas.
pub fn validator_seat(c: &mut Ctx<'_>, operator: Address) -> Res<Option<u32>> {
    c.charge(SEAT_GAS * c.genesis().validators.len() as u64)?;
    let seat = c.genesis().validators.iter().position(|v| v.operator == operator);
    Ok(seat.and_then(|seat| u32::try_from(seat).ok()))
}

/// The seat of an ingest, counted from 0 in genesis order.
///
/// # Errors
/// Out of gas.
pub fn ingest_seat(c: &mut Ctx<'_>, operator: Address) -> Res<Option<u32>> {
    c.charge(SEAT_GAS * c.genesis().ingests.len() as u64)?;
    let seat = c.genesis().ingests.iter().position(|i| i.operator == operator);
    Ok(seat.and_then(|seat| u32::try_from(seat).ok()))
}

fn validators(c: &mut Ctx<'_>) -> Res<Vec<IStake::Validator>> {
    let seats = &c.genesis().validators;
    c.charge(SEAT_GAS * seats.len() as u64)?;
    Ok(seats
        .iter()
        .map(|seat| IStake::Validator {
            operator: seat.operator,
            consensusKey: seat.consensus_key,
            bond: U256::from(seat.bond_stones) * U256::from(STONE),
        })
        .collect())
}

/// The bonds of all seats.
#[must_use]
pub fn bonds(genesis: &cairn_primitives::Genesis) -> Stones {
    Stones(genesis.validators.iter().map(|seat| u128::from(seat.bond_stones) * STONE).sum())
}

pub(super) fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let (held, owed) = (c.balance(STAKE)?, bonds(c.genesis()));
    if held < owed {
        found.push(Violation::BalanceShort { account: STAKE, held, owed });
    }
    Ok(())
}
