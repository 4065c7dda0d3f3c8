//! Proof that a device signed two different batches for one sequence number: anybody may bring it, and it needs no judge.
//!
//! Only a cloned key or a lying device can produce it: an honest agent keeps the envelope it signed and resends its bytes.

use alloy_primitives::{FixedBytes, U256};
use cairn_primitives::{
    Batch, Envelope, Epoch, Stones,
    abi::{IRegistry, REGISTRY},
    mul_div_floor,
};
use cairn_sectors::Rejection;

use super::{DEVICES, Status, require};
use crate::native::{Ctx, Res, economy, gas, revert};

/// Share of a slashed bond that is burned, ppm; the rest goes to who brought the proof.
pub const SLASH_BURN_PPM: u32 = 700_000;

/// Why two envelopes prove nothing: the code of `NotEquivocation`. The numbers are wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum NotProof {
    /// The first is no envelope.
    MalformedA = 1,
    /// The second is no envelope.
    MalformedB = 2,
    /// They are of two devices.
    DifferentDevices = 3,
    /// They are of two streams of the device.
    DifferentStreams = 4,
    /// No sequence number is in both.
    NoCommonSequence = 5,
    /// They say the same.
    SameBatch = 6,
    /// The first is not signed by the device.
    BadSignatureA = 7,
    /// The second is not signed by the device.
    BadSignatureB = 8,
}

/// Slashes the device that signed both envelopes.
pub(super) fn prove(c: &mut Ctx<'_>, a: &[u8], b: &[u8]) -> Res<()> {
    let decode_gas = gas::envelope(a.len()) + gas::envelope(b.len());
    c.charge(decode_gas + 2 * gas::SIGNATURE)?;
    let a = Envelope::decode(a).or_else(|_| refuse(NotProof::MalformedA))?;
    let b = Envelope::decode(b).or_else(|_| refuse(NotProof::MalformedB))?;
    contradiction(a.batch(), b.batch()).or_else(refuse)?;
    let mut device = require(c, a.batch().device)?;
    if device.status == Status::Slashed {
        return revert(IRegistry::NotActive {
            id: FixedBytes(device.id.0),
            status: device.status as u8,
        });
    }
    let key = device.key.public().or_else(|_| refuse(NotProof::BadSignatureA))?;
    if !a.verify(&key) {
        return refuse(NotProof::BadSignatureA);
    }
    if !b.verify(&key) {
        return refuse(NotProof::BadSignatureB);
    }

    let bond = std::mem::take(&mut device.bond);
    let (burned, reward) = split(bond);
    device.status = Status::Slashed;
    // An end of 0 would read as open.
    let now = Epoch(c.epoch().0.max(1));
    device.end = Some(device.end.map_or(now, |end| end.min(now)));
    DEVICES.at(&device.id).set(c, &device)?;
    let challenger = c.caller();
    c.burn(REGISTRY, burned, economy::cause("slash"))?;
    c.transfer(REGISTRY, challenger, reward)?;
    let event = IRegistry::DeviceSlashed {
        id: FixedBytes(device.id.0),
        challenger,
        reason: Rejection::Equivocation as u16,
        burned: U256::from(burned.0),
        toChallenger: U256::from(reward.0),
    };
    c.emit(REGISTRY, &event)
}

fn refuse<T>(why: NotProof) -> Res<T> {
    revert(IRegistry::NotEquivocation { code: why as u16 })
}

/// Whether the two batches contradict each other, signatures aside.
fn contradiction(a: &Batch, b: &Batch) -> Result<(), NotProof> {
    if a.device != b.device {
        return Err(NotProof::DifferentDevices);
    }
    if a.stream != b.stream {
        return Err(NotProof::DifferentStreams);
    }
    if a.first_seq > b.last_seq() || b.first_seq > a.last_seq() {
        return Err(NotProof::NoCommonSequence);
    }
    if a == b {
        return Err(NotProof::SameBatch);
    }
    Ok(())
}

/// Burned and rewarded part of a bond; they add up to it.
fn split(bond: Stones) -> (Stones, Stones) {
    let burned = mul_div_floor(bond.0, u128::from(SLASH_BURN_PPM), 1_000_000).unwrap_or(bond.0);
    (Stones(burned), Stones(bond.0 - burned))
}
