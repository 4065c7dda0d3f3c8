//! Votes of a local network: those of a real one with hours for weeks, so that a proposal is carried out while its author watches.

use alloy_primitives::Address;
use cairn_primitives::{Bound, EconomyParams, GovernanceParams, Parameter};

/// Six network hours: two minutes at the usual 20 seconds an hour.
const WAIT_MS: u64 = 6 * 3_600_000;
/// Deposit of a proposal, stones.
const DEPOSIT_STONES: u64 = 100;
/// Fewest stones for a proposal. What a vote could take from the network asks for more ([`cairn_economy::quorum_needed`]).
const QUORUM_STONES: u64 = 1_000;
/// What may be moved: lowest, highest, most within 30 days. The example of `cairn genesis example` has the same.
const BOUNDS: [(Parameter, u64, u64, u64); 9] = [
    (Parameter::FeeBurnPpm, 30_000, 60_000, 5_000),
    (Parameter::FeeTreasuryPpm, 5_000, 20_000, 5_000),
    (Parameter::FeeInsurancePpm, 5_000, 20_000, 5_000),
    (Parameter::BurnSharePpm, 250_000, 750_000, 50_000),
    (Parameter::MatchPpm, 500_000, 900_000, 50_000),
    (Parameter::TaperPpm, 250_000, 900_000, 50_000),
    (Parameter::CellTarget, 1, 1_024, 100),
    (Parameter::TargetCells, 1, 1_000_000, 100_000),
    (Parameter::DeviceCostMicroUsdDay, 10_000, 10_000_000, 1_000_000),
];

/// The rules; `guardian` may delay a proposal once. What a station log puts outside its bounds is not voted on.
pub fn governance(guardian: Address, economy: &EconomyParams) -> GovernanceParams {
    GovernanceParams {
        voting_ms: WAIT_MS,
        timelock_ms: WAIT_MS,
        guardian,
        guardian_delay_ms: WAIT_MS,
        deposit_stones: DEPOSIT_STONES,
        quorum_stones: QUORUM_STONES,
        bounds: BOUNDS
            .into_iter()
            .filter(|(parameter, low, high, _)| (*low..=*high).contains(&parameter.get(economy)))
            .map(|(parameter, low, high, step)| (parameter, Bound { low, high, step }))
            .collect(),
        ..GovernanceParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::economy;

    #[test]
    fn what_a_log_puts_outside_the_bounds_is_not_voted_on() {
        let rules = |cells, fullest| governance(Address::ZERO, &economy(cells, fullest)).bounds;
        assert_eq!(rules(3, 3).len(), BOUNDS.len());
        assert!(!rules(0, 3).contains_key(&Parameter::TargetCells));
        assert!(!rules(1, 2_000).contains_key(&Parameter::CellTarget));
    }
}
