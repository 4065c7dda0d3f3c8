//! The bond that makes a fake device a loss: `b ≥ r·(1−p)^(V+1)/p − c_fake`.
//!
//! r is the subsidy of a day, p the chance a day to be found out, V the days until subsidy unlocks, c_fake what a fake
//! costs to run. Raising p from 1 % to 5 % cuts an honest owner's bond 18 times. Source: docs/spec/economy.md §1.

use cairn_primitives::MicroUsd;

use crate::params::PPM;

/// Fractional bits of the powers below.
const FRACTION_BITS: u32 = 32;
/// Longest lock, in days, for which a bond is computed.
const VESTING_DAYS_MAX: u32 = 3_650;

/// A bond that cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BondError {
    /// The chance to be found out must be above 0 and at most 1,000,000 ppm.
    #[error("a detection probability of {0} ppm is not in 1 to 1,000,000")]
    Detection(u32),
    /// The lock is longer than is computed.
    #[error("a lock of {0} days is longer than 3,650")]
    Vesting(u32),
}

/// The smallest bond, rounded up, micro-dollars. `detection_ppm`: chance a day. `fake_cost`: what one fake costs.
///
/// # Errors
/// See `BondError`.
pub fn bond_required(
    subsidy_per_day: MicroUsd,
    detection_ppm: u32,
    vesting_days: u32,
    fake_cost: MicroUsd,
) -> Result<MicroUsd, BondError> {
    if detection_ppm == 0 || u64::from(detection_ppm) > PPM {
        return Err(BondError::Detection(detection_ppm));
    }
    if vesting_days > VESTING_DAYS_MAX {
        return Err(BondError::Vesting(vesting_days));
    }
    let ppm = u128::from(PPM);
    let escape = ppm - u128::from(detection_ppm);
    // (1−p)^(V+1) in 2^-32, rounded up at each step: the bond errs on the safe side.
    let mut power = 1_u128 << FRACTION_BITS;
    for _ in 0..=vesting_days {
        power = (power * escape).div_ceil(ppm);
    }
    let days = (power * ppm).div_ceil(u128::from(detection_ppm));
    let bond = (u128::from(subsidy_per_day.0) * days).div_ceil(1 << FRACTION_BITS);
    let bond = bond.saturating_sub(u128::from(fake_cost.0));
    Ok(MicroUsd(u64::try_from(bond).unwrap_or(u64::MAX)))
}
