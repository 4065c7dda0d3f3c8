//! Power: capturing a vote for the treasury, and validators that vote without verifying.

use cairn_economy::{capture_cost, quorum_needed, treasury_left};
use cairn_primitives::{EconomyParams, MicroUsd, STONE, Stones};

use super::{Attack, Best};

/// Part of a validator's stake that a vote for a wrong result costs, ppm (docs/spec/stake.md).
const WRONG_VOTE_PPM: u32 = 10_000;
/// What verifying an epoch costs a validator at most, micro-dollars: an hour of two cores.
const VERIFY_MICRO_USD: u64 = 100_000;
/// Part of the votes that are checked against a known answer at the least, ppm: one in a hundred.
const CANARY_PPM_MIN: u32 = 10_000;

/// A vote at the quorum that `quorum_needed` sets, for all that a timelock lets it take: 2 % of the treasury.
pub fn capture(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    let supply = params.cap_stones - params.reserve_stones;
    for price in [1_000, 250_000, 10_000_000] {
        for treasury_percent in [1, 5, 20] {
            for voting_percent in [5, 20, 50] {
                for loss in [50_000, 250_000, 900_000] {
                    let stones = |percent: u64| Stones(u128::from(supply / 100 * percent) * STONE);
                    let treasury = treasury_left(stones(treasury_percent), Stones::ZERO);
                    let most = treasury.to_micro_usd_floor(MicroUsd(price));
                    let voting = stones(voting_percent);
                    let Some(quorum) = quorum_needed(most, voting, MicroUsd(price), loss) else {
                        continue;
                    };
                    let cost = capture_cost(voting, MicroUsd(price), quorum, loss);
                    best.see(i128::from(most.0) - i128::from(cost.0));
                }
            }
        }
    }
    best.attack("governance-capture", "Buying a vote for the treasury")
}

/// Voting what others vote, without verifying: what it saves against what known answers in the evidence cost it.
pub fn lazy(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    for canary in [CANARY_PPM_MIN, 50_000, 100_000] {
        for bond in [100_000, 1_000_000] {
            for price_ppm in [50_000, 1_000_000] {
                let price = u128::from(params.price_micro_usd) * price_ppm / 1_000_000;
                let price = MicroUsd(u64::try_from(price).unwrap_or(u64::MAX));
                let stake = Stones(bond * STONE).to_micro_usd_floor(price);
                let slash = stake.ppm_floor(WRONG_VOTE_PPM).ppm_floor(canary);
                best.see(i128::from(VERIFY_MICRO_USD) - i128::from(slash.0));
            }
        }
    }
    best.attack("lazy-verifier", "A validator that votes without verifying")
}
