//! What a vote may make of the parameters: how far from genesis, and how fast.
//!
//! ```text
//! latest parameters ─ changed (bounds of genesis, φ) ─► new ─ keeps_pace (all that was in force for 30 days) ─► from the next day
//! ```
//! The pace is held against every set of parameters of the last thirty days, not against the latest alone: two votes
//! together get no further than one. Source: docs/spec/governance.md.

use cairn_primitives::{EconomyParams, GovernanceParams, Parameter, mul_div_floor};

use crate::params::{PPM, coverage_need};

/// Most that C moves within `RATE_DAYS`, ppm of every C that was in force in them.
pub const NEED_STEP_PPM: u32 = 100_000;
/// Days over which a move is bounded.
pub const RATE_DAYS: u64 = 30;

/// One parameter's new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub parameter: Parameter,
    /// Its new value, in the parameter's unit.
    pub value: u64,
}

/// A change that no vote can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Genesis gives it no bounds.
    #[error("{} cannot be moved: genesis gives it no bounds", .0.name())]
    Fixed(Parameter),
    /// Outside genesis' bounds.
    #[error("{} of {value} is not within {low} to {high}", parameter.name())]
    Bounds {
        /// Which.
        parameter: Parameter,
        /// What was asked.
        value: u64,
        /// Lowest.
        low: u64,
        /// Highest.
        high: u64,
    },
    /// The three fees together.
    #[error("the fees are {ppm} ppm together, {most} at most")]
    Fees {
        /// Their sum.
        ppm: u64,
        /// φ.
        most: u32,
    },
    /// Too far from a value of the last thirty days.
    #[error("{} of {value} is not within {low} to {high} now", parameter.name())]
    Pace {
        /// Which.
        parameter: Parameter,
        /// What was asked.
        value: u64,
        /// Lowest for now.
        low: u64,
        /// Highest for now.
        high: u64,
    },
    /// C would move too far.
    #[error("a coverage need of {need} micro-dollars a day is not within {low} to {high} now")]
    Need {
        /// What it would be.
        need: u64,
        /// Lowest for now.
        low: u64,
        /// Highest for now.
        high: u64,
    },
}

/// The parameters after a vote, within the bounds of genesis.
///
/// # Errors
/// The first change that is not.
pub fn changed(
    latest: &EconomyParams,
    changes: &[Change],
    rules: &GovernanceParams,
) -> Result<EconomyParams, ChangeError> {
    let mut params = latest.clone();
    for &Change { parameter, value } in changes {
        let bound = rules.bounds.get(&parameter).ok_or(ChangeError::Fixed(parameter))?;
        let (low, high) = (bound.low, bound.high);
        if !(low..=high).contains(&value) {
            return Err(ChangeError::Bounds { parameter, value, low, high });
        }
        parameter.set(&mut params, value);
    }
    let fees = [params.fee_burn_ppm, params.fee_treasury_ppm, params.fee_insurance_ppm];
    let ppm = fees.into_iter().map(u64::from).sum();
    if ppm > rules.fees_ppm_max.into() {
        return Err(ChangeError::Fees { ppm, most: rules.fees_ppm_max });
    }
    Ok(params)
}

/// Holds new parameters against one that was in force within the last thirty days.
///
/// # Errors
/// The first parameter that moved further than its step, or C by more than a tenth.
pub fn keeps_pace(
    new: &EconomyParams,
    before: &EconomyParams,
    rules: &GovernanceParams,
) -> Result<(), ChangeError> {
    for (&parameter, bound) in &rules.bounds {
        let (value, old) = (parameter.get(new), parameter.get(before));
        let (low, high) = (old.saturating_sub(bound.step), old.saturating_add(bound.step));
        if !(low..=high).contains(&value) {
            return Err(ChangeError::Pace { parameter, value, low, high });
        }
    }
    let (need, old) = (coverage_need(new).0, coverage_need(before).0);
    let step = mul_div_floor(old.into(), NEED_STEP_PPM.into(), PPM.into()).unwrap_or(0);
    let step = u64::try_from(step).unwrap_or(u64::MAX);
    let (low, high) = (old.saturating_sub(step), old.saturating_add(step));
    if (low..=high).contains(&need) { Ok(()) } else { Err(ChangeError::Need { need, low, high }) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cairn_primitives::Bound;
    use proptest::prelude::*;

    use super::*;
    use crate::tests::params;

    fn rules() -> GovernanceParams {
        let bounds = BTreeMap::from([
            (Parameter::FeeBurnPpm, Bound { low: 30_000, high: 80_000, step: 10_000 }),
            (Parameter::FeeTreasuryPpm, Bound { low: 0, high: 40_000, step: 10_000 }),
            (Parameter::TaperPpm, Bound { low: 100_000, high: 900_000, step: 100_000 }),
            (Parameter::CellTarget, Bound { low: 1, high: 1_000, step: 1_000 }),
            (Parameter::DeviceCostMicroUsdDay, Bound { low: 1, high: 1 << 29, step: 1 << 29 }),
        ]);
        GovernanceParams { bounds, fees_ppm_max: 90_000, ..GovernanceParams::default() }
    }

    fn to(parameter: Parameter, value: u64) -> Change {
        Change { parameter, value }
    }

    #[test]
    fn bounds_are_those_of_genesis() {
        let now = params();
        let try_one = |change| changed(&now, &[change], &rules());
        assert_eq!(changed(&now, &[], &rules()), Ok(now.clone()));
        let new = try_one(to(Parameter::TaperPpm, 400_000)).expect("within");
        assert_eq!(new, EconomyParams { taper_ppm: 400_000, ..now.clone() });
        assert_eq!(
            try_one(to(Parameter::MatchPpm, 1)),
            Err(ChangeError::Fixed(Parameter::MatchPpm))
        );
        for value in [99_999, 900_001] {
            let parameter = Parameter::TaperPpm;
            let error = ChangeError::Bounds { parameter, value, low: 100_000, high: 900_000 };
            assert_eq!(try_one(to(parameter, value)), Err(error));
        }
        let fees = [to(Parameter::FeeBurnPpm, 60_000), to(Parameter::FeeTreasuryPpm, 30_000)];
        let sum = 90_000 + u64::from(now.fee_insurance_ppm);
        let error = ChangeError::Fees { ppm: sum, most: 90_000 };
        assert_eq!(changed(&now, &fees, &rules()), Err(error));
    }

    #[test]
    fn c_moves_by_a_tenth_whatever_moves_it() {
        let now = EconomyParams { cell_target: 100, target_cells: 7, ..params() };
        let need = coverage_need(&now).0;
        let with = |cell_target| EconomyParams { cell_target, ..now.clone() };
        assert_eq!(keeps_pace(&with(110), &now, &rules()), Ok(()));
        assert_eq!(keeps_pace(&with(90), &now, &rules()), Ok(()));
        let error =
            ChangeError::Need { need: need / 100 * 111, low: need / 10 * 9, high: need / 10 * 11 };
        assert_eq!(keeps_pace(&with(111), &now, &rules()), Err(error));
        // Two factors that cancel each other move nothing.
        let swapped = EconomyParams {
            cell_target: 200,
            device_cost_micro_usd_day: now.device_cost_micro_usd_day / 2,
            ..now.clone()
        };
        assert_eq!(keeps_pace(&swapped, &now, &rules()), Ok(()));
        let fast = EconomyParams { taper_ppm: now.taper_ppm + 100_001, ..now.clone() };
        assert!(matches!(keeps_pace(&fast, &now, &rules()), Err(ChangeError::Pace { .. })));
    }

    proptest! {
        /// However many votes follow each other within thirty days, none of them gets further than a step from what was in
        /// force at their start.
        #[test]
        fn many_votes_get_no_further_than_one(
            moves in prop::collection::vec((0_usize..5, 0_u64..1 << 20), 1..40),
        ) {
            let (start, rules) = (EconomyParams { cell_target: 50, ..params() }, rules());
            let mut history = vec![start.clone()];
            for (which, value) in moves {
                let parameter = rules.bounds.keys().copied().nth(which).unwrap();
                let latest = history.last().unwrap();
                let Ok(new) = changed(latest, &[to(parameter, value)], &rules) else { continue };
                if history.iter().all(|before| keeps_pace(&new, before, &rules).is_ok()) {
                    history.push(new);
                }
            }
            let last = history.last().unwrap();
            for (parameter, bound) in &rules.bounds {
                let (first, last) = (parameter.get(&start), parameter.get(last));
                prop_assert!(first.abs_diff(last) <= bound.step);
                prop_assert!(last == first || (bound.low..=bound.high).contains(&last));
            }
            let (first, last) = (coverage_need(&start).0, coverage_need(last).0);
            prop_assert!(first.abs_diff(last) <= first / 10);
        }
    }
}
