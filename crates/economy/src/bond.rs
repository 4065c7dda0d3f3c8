//! The bond that makes a fake device a loss: `b ≥ r·(1−p)^(V+1)/p − c_fake`.
//!
//! r is the subsidy of a day, p the chance a day to be found out, V the days until subsidy unlocks, c_fake what a fake
//! costs to run. Raising p from 1 % to 5 % cuts an honest owner's bond 18 times. Source: docs/spec/economy.md §1.

use cairn_primitives::{MicroUsd, Stones, mul_div_floor};

use crate::params::PPM;

/// Fractional bits of the powers below.
const FRACTION_BITS: u32 = 32;
/// Longest lock, in days, for which a bond is computed.
const VESTING_DAYS_MAX: u32 = 3_650;

/// Most by which a week's revaluation moves a bond in stones, ppm: a price cannot lock newcomers out, or let fakes in, overnight.
pub const BOND_RATCHET_PPM: u32 = 100_000;
/// Most weeks that are revalued at once: 60 ratchets move a bond three hundredfold.
const WEEKS_MAX: u64 = 60;

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

/// A bond in stones after `weeks` revaluations towards `target`, what it should be at today's price: each moves it by a tenth at
/// most. Rounded towards the bond before, at least one base unit.
#[must_use]
pub fn bond_revalued(bond: Stones, target: Stones, weeks: u64) -> Stones {
    let mut bond = bond.0;
    for _ in 0..weeks.min(WEEKS_MAX) {
        let step = mul_div_floor(bond, BOND_RATCHET_PPM.into(), PPM.into()).unwrap_or(0);
        bond = target.0.clamp(bond.saturating_sub(step), bond.saturating_add(step));
    }
    Stones(bond.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_week_moves_a_bond_by_a_tenth() {
        let after = |target, weeks| bond_revalued(Stones(1_000), Stones(target), weeks).0;
        assert_eq!((after(5_000, 1), after(1, 1), after(1_050, 1)), (1_100, 900, 1_050));
        assert_eq!((after(5_000, 2), after(1_150, 2), after(5_000, 0)), (1_210, 1_150, 1_000));
        assert_eq!(after(0, u64::MAX), 9, "a tenth of nine base units is none");
        assert_eq!(bond_revalued(Stones(0), Stones(0), 1), Stones(1));
    }

    proptest! {
        /// It never passes its target and never moves away from it.
        #[test]
        fn a_bond_goes_towards_its_target(bond in 1_u128..1 << 100, target in 1_u128..1 << 100, weeks in 0_u64..99) {
            let after = bond_revalued(Stones(bond), Stones(target), weeks).0;
            prop_assert!(after >= bond.min(target) && after <= bond.max(target));
        }
    }
}
