//! Governance in numbers: the weight of a lock, and what a captured vote could take at most.
//!
//! Weight needs a lock longer than a vote and its timelock, and rises to four times at four years; not a hundred times, which
//! let a few hold a network. A vote is safe when what it can take is below what its quorum would lose. Source:
//! docs/spec/economy.md.

use cairn_primitives::{MicroUsd, Stones, mul_div_floor};

use crate::params::PPM;

/// Shortest lock that votes, days.
pub const LOCK_DAYS_MIN: u64 = 180;
/// Lock from which the weight no longer rises, days: four years.
pub const LOCK_DAYS_MAX: u64 = 1_461;
/// Weight of the longest lock, ppm of its stones.
pub const WEIGHT_PPM_MAX: u64 = 4_000_000;

/// Weight of stones with `left_days` of lock left, rounded down: nothing below 180 days, once the stones there, linear to
/// four times at four years.
#[must_use]
pub fn vote_weight(locked: Stones, left_days: u64) -> u128 {
    if left_days < LOCK_DAYS_MIN {
        return 0;
    }
    let over = left_days.min(LOCK_DAYS_MAX) - LOCK_DAYS_MIN;
    let ppm = PPM + (WEIGHT_PPM_MAX - PPM) * over / (LOCK_DAYS_MAX - LOCK_DAYS_MIN);
    mul_div_floor(locked.0, ppm.into(), PPM.into()).unwrap_or(u128::MAX)
}

/// What capturing a vote costs, micro-dollars, rounded down: quorum share × voting stones × price × the part that the locked
/// stake is expected to lose when it abuses its power.
#[must_use]
pub fn capture_cost(voting: Stones, price: MicroUsd, quorum_ppm: u32, loss_ppm: u32) -> MicroUsd {
    let quorum = mul_div_floor(voting.0, quorum_ppm.into(), PPM.into()).unwrap_or(0);
    Stones(quorum).to_micro_usd_floor(price).ppm_floor(loss_ppm)
}

/// The smallest quorum, ppm rounded up, at which taking `most` micro-dollars does not pay; `None` when even all is too little.
#[must_use]
pub fn quorum_needed(
    most: MicroUsd,
    voting: Stones,
    price: MicroUsd,
    loss_ppm: u32,
) -> Option<u32> {
    let at_stake = voting.to_micro_usd_floor(price).ppm_floor(loss_ppm);
    let needed = mul_div_floor(most.0.into(), PPM.into(), at_stake.0.into())?.checked_add(1)?;
    u32::try_from(needed).ok().filter(|ppm| u64::from(*ppm) <= PPM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_primitives::STONE;
    use proptest::prelude::*;

    #[test]
    fn golden_weights() {
        let weight = |days| vote_weight(Stones(1_000 * STONE), days) / STONE;
        assert_eq!(
            [0, 179, 180, 820, 1_461, 9_999].map(weight),
            [0, 0, 1_000, 2_498, 4_000, 4_000]
        );
        let voting = Stones(100_000_000 * STONE);
        // A tenth of 100 M stones at $ 0.25, of which an eighth is lost.
        let cost = capture_cost(voting, MicroUsd(250_000), 100_000, 125_000);
        assert_eq!(cost, MicroUsd(312_500_000_000));
        let needed = quorum_needed(MicroUsd(100_000_000_000), voting, MicroUsd(250_000), 125_000);
        assert_eq!(needed, Some(32_001));
        assert_eq!(quorum_needed(MicroUsd(u64::MAX), voting, MicroUsd(1), 1), None);
    }

    proptest! {
        /// A longer lock never weighs less; a vote at the needed quorum costs more than it takes.
        #[test]
        fn weights_rise_and_quorums_hold(
            stones in 1_u128..1 << 88, days in 0_u64..2_000, more in 0_u64..500,
            most in 0_u64..1 << 45, price in 1_000_u64..10_000_000, loss in 1_000_u32..=1_000_000,
        ) {
            prop_assert!(vote_weight(Stones(stones), days + more) >= vote_weight(Stones(stones), days));
            prop_assert!(vote_weight(Stones(stones), days) <= 4 * stones);
            if let Some(quorum) = quorum_needed(MicroUsd(most), Stones(stones), MicroUsd(price), loss) {
                let cost = capture_cost(Stones(stones), MicroUsd(price), quorum, loss).0;
                // The cost is rounded down three times: of stones, of dollars, of the loss.
                prop_assert!(cost + price + 3 >= most, "{cost} {most}");
            }
        }
    }
}
