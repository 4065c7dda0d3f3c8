//! Governance in numbers: the weight of a lock, and what a captured vote could take at most.
//!
//! Weight needs a lock longer than a vote and its timelock, and rises to four times at four years; not a hundred times, which
//! let a few hold a network. A vote is safe when what it can take is below what its quorum would lose. Source:
//! docs/spec/economy.md.

use cairn_primitives::{MicroUsd, Stones, mul_div_floor};

use crate::{govern::NEED_STEP_PPM, params::PPM, vesting::treasury_left};

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

/// Days of what a captured vote takes: a treasury's window, which is longer than a vote and a timelock.
const CAPTURE_DAYS: u64 = crate::vesting::TREASURY_DAYS;

/// What a network has that a vote decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtStake {
    /// Stones of the treasury.
    pub treasury: Stones,
    /// E: most stones that the reserve emits in a day.
    pub emission: Stones,
    /// C: coverage need, micro-dollars a day.
    pub need: MicroUsd,
    /// Micro-dollars per STONE.
    pub price: MicroUsd,
}

/// `G_max`: the most that a captured vote takes before another can undo it, stones rounded up. The treasury's pace for a
/// window, and the whole subsidy of as many days at the highest need that a vote can set: no parameter pays more than the
/// need, and nothing pays more than the emission.
#[must_use]
pub fn capture_most(at: &AtStake) -> Stones {
    let treasury = treasury_left(at.treasury, Stones::ZERO).0.saturating_add(1);
    let need = at.need.0.saturating_add(at.need.ppm_floor(NEED_STEP_PPM).0).saturating_add(1);
    let needed = MicroUsd(need).to_stones_floor(at.price).0.saturating_add(1);
    let daily = needed.min(at.emission.0);
    Stones(treasury.saturating_add(daily.saturating_mul(CAPTURE_DAYS.into())))
}

/// Stones that must vote yes: `share_ppm` of all that are locked, not below `least`, and so many that their expected loss
/// (`loss_ppm`) is not below what the vote could take: `G_max ≤ Q·S·P·d` holds for every proposal, whatever is locked.
/// Rounded up. A network that could lose more than its stones are worth carries out nothing.
#[must_use]
pub fn quorum_stones(
    most: Stones,
    locked: Stones,
    least: Stones,
    share_ppm: u32,
    loss_ppm: u32,
) -> Stones {
    let up = |value: u128, by: u128, of: u128| {
        mul_div_floor(value, by, of).unwrap_or(u128::MAX).saturating_add(1)
    };
    let share = up(locked.0, share_ppm.into(), PPM.into());
    let safe = up(most.0, PPM.into(), loss_ppm.max(1).into());
    Stones(share.max(safe)).max(least)
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

    /// The table of docs/spec/governance.md: the defaults of genesis against what a vote could take.
    #[test]
    fn the_defaults_keep_the_inequality() {
        let rules = cairn_primitives::GovernanceParams::default();
        let price = MicroUsd(250_000);
        for (need_usd, treasury, most, alone, usual, lost_usd, taken_usd) in [
            (120, 1_000_000, 35_840, 286_720, 20_000_000, 625_000, 8_960),
            (120, 50_000_000, 1_015_840, 8_126_720, 20_000_000, 625_000, 253_960),
            (10_000, 2_000_000, 1_360_000, 10_880_000, 20_000_000, 625_000, 340_000),
            (10_000, 50_000_000, 2_320_000, 18_560_000, 20_000_000, 625_000, 580_000),
            (10_000, 200_000_000, 5_320_000, 42_560_000, 42_560_000, 1_330_000, 1_330_000),
        ] {
            let at = AtStake {
                treasury: Stones(treasury * STONE),
                emission: Stones(284_582 * STONE),
                need: MicroUsd(need_usd * 1_000_000),
                price,
            };
            let taken = capture_most(&at);
            let quorum = |locked: u128, least| {
                let (share, loss) = (rules.quorum_ppm, rules.loss_ppm);
                quorum_stones(taken, Stones(locked * STONE), least, share, loss)
            };
            assert_eq!(taken.0 / STONE, most);
            assert_eq!(quorum(0, Stones::ZERO).0 / STONE, alone);
            let needed = quorum(100_000_000, rules.quorum_least());
            assert_eq!(needed.0 / STONE, usual);
            let lost = needed.to_micro_usd_floor(price).ppm_floor(rules.loss_ppm).0;
            assert!(lost + 2 >= taken.to_micro_usd_floor(price).0);
            let whole = [lost, taken.to_micro_usd_floor(price).0].map(|usd| usd / 1_000_000);
            assert_eq!(whole, [lost_usd, taken_usd]);
        }
    }

    #[test]
    fn a_quorum_by_the_book() {
        // $ 10,000 a day of need at $ 0.25, 2 M stones in the treasury, 284,582 stones of emission a day.
        let at = AtStake {
            treasury: Stones(2_000_000 * STONE),
            emission: Stones(284_582 * STONE),
            need: MicroUsd(10_000_000_000),
            price: MicroUsd(250_000),
        };
        // 40,000 of the treasury, and 44,000 a day of subsidy for 30 days.
        assert_eq!(capture_most(&at).0 / STONE, 1_360_000);
        let quorum = |locked| {
            let locked = Stones(locked * STONE);
            quorum_stones(capture_most(&at), locked, Stones(STONE), 200_000, 125_000).0 / STONE
        };
        assert_eq!([0, 50_000_000, 100_000_000].map(quorum), [10_880_000, 10_880_000, 20_000_000]);
        // The emission bounds what a need could take.
        let poor = AtStake { price: MicroUsd(1_000), ..at };
        assert_eq!(capture_most(&poor).0 / STONE, 40_000 + 30 * 284_582);
        assert_eq!(quorum_stones(Stones::ZERO, Stones::ZERO, Stones(7), 1, 1), Stones(7));
    }

    proptest! {
        /// `G_max ≤ Q·S_v·P·d`, in dollars, for every network that a vote can meet.
        #[test]
        fn a_captured_vote_loses_what_it_takes(
            treasury in 0_u128..1 << 88, emission in 0_u128..1 << 80, need in 0_u64..1 << 44,
            price in 1_000_u64..10_000_000, locked in 0_u128..1 << 88,
            share in 1_u32..=1_000_000, loss in 1_000_u32..=1_000_000,
        ) {
            let (treasury, emission) = (Stones(treasury), Stones(emission));
            let at = AtStake { treasury, emission, need: MicroUsd(need), price: MicroUsd(price) };
            let most = capture_most(&at);
            let quorum = quorum_stones(most, Stones(locked), Stones::ZERO, share, loss);
            prop_assert!(mul_div_floor(quorum.0, loss.into(), PPM.into()).unwrap() >= most.0);
            let cost = quorum.to_micro_usd_floor(MicroUsd(price)).ppm_floor(loss).0;
            prop_assert!(cost + 2 >= most.to_micro_usd_floor(MicroUsd(price)).0);
        }
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
