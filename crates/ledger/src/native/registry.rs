//! Who owns which device, what it offers, where it stands, and the bond behind it.
//!
//! ```text
//! register (bond, proof of possession) ─► active ─ leave ─► left ─ withdrawBond after the dispute window ─► bond returned
//!                                            └─ proveEquivocation ─► slashed: 70 % of the bond burned, 30 % to the challenger
//! ```
//! A device's id is derived from its key and its cell from its position: neither can be chosen.
//!
//! **Invariant:** the bonds of all devices are covered by the balance of this contract.

mod equivocation;
mod many;
mod record;

pub use record::{Device, KeyBytes, Status};

use alloy_primitives::{Address, Bytes, FixedBytes, U256};
use cairn_primitives::{
    Assurance, Cell, DeviceId, Epoch, KeyType, Position, PublicKey, Sector, Signature, Stones,
    abi::{IRegistry, REGISTRY},
    registration_message,
};

use super::{Ctx, List, Mapping, Res, Value, decode, gas, out_of_range, pool, revert};
use crate::check::Violation;

/// Devices in order of registration, one id a slot; the length at slot 0.
const ORDER: List<DeviceId> = List::new(REGISTRY, 0);
/// `mapping(bytes16 => Record)` at slot 1.
const DEVICES: Mapping<DeviceId, Value<Device>> = Mapping::new(REGISTRY, 1);

/// Most devices of one `page`.
pub const PAGE_MAX: u64 = 256;
/// Most devices of one `registerMany`: about what the gas of one transaction pays for.
pub const REGISTER_MAX: usize = 128;

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IRegistry::IRegistryCalls as F;
    match decode(data)? {
        F::register(q) => c.mutate_payable(q, |c, q| register(c, &q.r, &q.proof)),
        F::registerMany(q) => c.mutate_payable(q, |c, q| many::register_many(c, &q)),
        F::leave(q) => c.mutate_void(q, |c, q| leave(c, DeviceId(q.id.0))),
        F::withdrawBond(q) => c.mutate_void(q, |c, q| withdraw_bond(c, DeviceId(q.id.0))),
        F::proveEquivocation(q) => {
            c.mutate_void(q, |c, q| equivocation::prove(c, &q.envelopeA, &q.envelopeB))
        }
        F::bondRequired(q) => c.view(q, |c, q| Ok(U256::from(bond_required(c, q.sector)?.0))),
        F::get(q) => c.view(q, |c, q| Ok(require(c, DeviceId(q.id.0))?.to_abi())),
        F::count(q) => c.view(q, |c, _| count(c)),
        F::page(q) => c.view(q, |c, q| page(c, q.from, q.limit)),
    }
}

/// The device with this id.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub fn device(c: &mut Ctx<'_>, id: DeviceId) -> Res<Option<Device>> {
    let device = DEVICES.at(&id).get(c)?;
    Ok((device.status != Status::Unknown).then_some(Device { id, ..device }))
}

/// The device with this id, or a revert.
///
/// # Errors
/// `UnknownDevice`.
pub fn require(c: &mut Ctx<'_>, id: DeviceId) -> Res<Device> {
    match device(c, id)? {
        Some(device) => Ok(device),
        None => revert(IRegistry::UnknownDevice { id: FixedBytes(id.0) }),
    }
}

/// Number of devices ever registered.
///
/// # Errors
/// See `device`.
pub fn count(c: &mut Ctx<'_>) -> Res<u64> {
    ORDER.len(c)
}

/// Device number `index`, in order of registration.
///
/// # Errors
/// See `device`.
pub fn by_index(c: &mut Ctx<'_>, index: u64) -> Res<Device> {
    let id = ORDER.at(index).get(c)?;
    Ok(Device { id, ..DEVICES.at(&id).get(c)? })
}

/// Stones that a device of `sector` must bond.
///
/// # Errors
/// `UnknownSector`.
pub fn bond_required(c: &mut Ctx<'_>, sector: u8) -> Res<Stones> {
    match Sector::from_u8(sector) {
        Some(Sector::Sensing) => pool::device_bond(c),
        None => revert(IRegistry::UnknownSector { sector }),
    }
}

fn page(c: &mut Ctx<'_>, from: u64, limit: u64) -> Res<Vec<IRegistry::Device>> {
    let end = count(c)?.min(from.saturating_add(limit.min(PAGE_MAX)));
    (from..end).map(|i| Ok(by_index(c, i)?.to_abi())).collect()
}

fn register(c: &mut Ctx<'_>, r: &IRegistry::Registration, proof: &[u8]) -> Res<FixedBytes<16>> {
    let bond = c.value();
    admit(c, r, proof, bond)
}

/// Registers one device of the caller; `bond` is already in this contract's balance.
fn admit(
    c: &mut Ctx<'_>,
    r: &IRegistry::Registration,
    proof: &[u8],
    bond: Stones,
) -> Res<FixedBytes<16>> {
    let owner = c.caller();
    let required = bond_required(c, r.sector)?;
    if bond < required {
        return revert(IRegistry::BondTooLow {
            sent: U256::from(bond.0),
            required: U256::from(required.0),
        });
    }
    let key = parse_key(r)?;
    let position = parse_position(r)?;
    let id = DeviceId::of(&key);
    if device(c, id)?.is_some() {
        return revert(IRegistry::DeviceExists { id: FixedBytes(id.0) });
    }
    c.charge(gas::SIGNATURE + gas::CELL)?;
    check_proof(c, owner, r.sector, &key, position, proof)?;
    let Ok(cell) = Cell::at(position) else {
        return out_of_range("position", U256::ZERO, U256::ZERO);
    };
    let index = ORDER.push(c, &id)?;
    let registered = Device {
        id,
        owner,
        sector: r.sector,
        key: KeyBytes::from(&key),
        assurance: Assurance::Bare as u8,
        status: Status::Active,
        index,
        registered: c.epoch(),
        end: None,
        cell,
        position,
        bond,
    };
    DEVICES.at(&id).set(c, &registered)?;
    let (id, bond) = (FixedBytes(id.0), U256::from(bond.0));
    c.emit(
        REGISTRY,
        &IRegistry::DeviceRegistered { id, owner, sector: r.sector, cell: cell.0, bond },
    )?;
    Ok(id)
}

fn parse_key(r: &IRegistry::Registration) -> Res<PublicKey> {
    let key =
        KeyType::from_u8(r.keyType).and_then(|kind| PublicKey::from_bytes(kind, &r.publicKey));
    match key {
        Ok(key) => Ok(key),
        Err(_) => {
            revert(IRegistry::BadKey { keyType: r.keyType, length: U256::from(r.publicKey.len()) })
        }
    }
}

fn parse_position(r: &IRegistry::Registration) -> Res<Position> {
    let position = Position { lat_e7: r.latE7, lon_e7: r.lonE7, elevation_dm: r.elevationDm };
    if position.is_valid() {
        return Ok(position);
    }
    let fields = [
        ("latE7", r.latE7, 900_000_000),
        ("lonE7", r.lonE7, 1_800_000_000),
        ("elevationDm", r.elevationDm, 90_000),
    ];
    let beyond = |(_, value, bound): &(&str, i32, u32)| value.unsigned_abs() > *bound;
    let (field, value, bound) =
        fields.into_iter().find(beyond).unwrap_or(("elevationDm", r.elevationDm, 5_000));
    out_of_range(field, U256::from(value.unsigned_abs()), U256::from(bound))
}

fn check_proof(
    c: &Ctx<'_>,
    owner: Address,
    sector: u8,
    key: &PublicKey,
    position: Position,
    proof: &[u8],
) -> Res<()> {
    let message = registration_message(c.genesis().chain_id, owner, sector, key, position);
    let signature = <[u8; 64]>::try_from(proof).map(Signature);
    if signature.is_ok_and(|signature| key.verify(&message, &signature)) {
        return Ok(());
    }
    revert(IRegistry::BadProofOfPossession { id: FixedBytes(DeviceId::of(key).0) })
}

fn require_owned(c: &mut Ctx<'_>, id: DeviceId) -> Res<Device> {
    let (caller, device) = (c.caller(), require(c, id)?);
    if device.owner != caller {
        return revert(IRegistry::NotOwner { id: FixedBytes(id.0), caller });
    }
    Ok(device)
}

fn leave(c: &mut Ctx<'_>, id: DeviceId) -> Res<()> {
    let mut device = require_owned(c, id)?;
    if device.status != Status::Active {
        return revert(IRegistry::NotActive { id: FixedBytes(id.0), status: device.status as u8 });
    }
    device.status = Status::Left;
    device.end = Some(c.epoch().next());
    DEVICES.at(&id).set(c, &device)?;
    let event = IRegistry::DeviceLeft {
        id: FixedBytes(id.0),
        owner: device.owner,
        bondReturned: U256::ZERO,
    };
    c.emit(REGISTRY, &event)
}

fn withdraw_bond(c: &mut Ctx<'_>, id: DeviceId) -> Res<()> {
    let mut device = require_owned(c, id)?;
    if device.status == Status::Slashed {
        return revert(IRegistry::NotActive { id: FixedBytes(id.0), status: device.status as u8 });
    }
    let until = device
        .end
        .map_or(Epoch(u64::MAX), |end| Epoch(end.0 + 1 + c.genesis().economy.dispute_epochs));
    if c.epoch() < until {
        return revert(IRegistry::BondLocked { id: FixedBytes(id.0), untilEpoch: until.0 });
    }
    if device.bond == Stones::ZERO {
        return out_of_range("bond", U256::ZERO, U256::from(1));
    }
    let bond = std::mem::take(&mut device.bond);
    DEVICES.at(&id).set(c, &device)?;
    c.transfer(REGISTRY, device.owner, bond)?;
    let event = IRegistry::DeviceLeft {
        id: FixedBytes(id.0),
        owner: device.owner,
        bondReturned: U256::from(bond.0),
    };
    c.emit(REGISTRY, &event)
}

pub(super) fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let mut owed = Stones::ZERO;
    for index in 0..count(c)? {
        let device = by_index(c, index)?;
        owed = Stones(owed.0.saturating_add(device.bond.0));
        let id = device.key.public().map(|key| DeviceId::of(&key));
        if device.index != index || id.ok() != Some(device.id) {
            found.push(Violation::BrokenDevice { index, id: device.id });
        }
    }
    let held = c.balance(REGISTRY)?;
    if held < owed {
        found.push(Violation::BalanceShort { account: REGISTRY, held, owed });
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
