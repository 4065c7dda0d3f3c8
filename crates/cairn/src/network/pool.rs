//! The price pool of a local network: deep enough that its people never meet the limits of minting, shallow enough that they can move it.

use alloy_primitives::Address;
use cairn_primitives::PoolParams;

/// Dollars in it at genesis. A half hour mints 7.6 % of them: thousands of times what the consumer of `cairn up` buys at once.
const USD: u64 = 1_000_000;
/// What a swap leaves in it, ppm: 0.3 %.
const FEE_PPM: u32 = 3_000;
/// Dollars a day from the faucet: an account, all together. An account moves the price by about two percent a day.
const FAUCET_USD: (u64, u64) = (10_000, 100_000);

/// The pool; `owner` has the first shares.
pub fn pool(owner: Address) -> PoolParams {
    PoolParams {
        usd: USD,
        fee_ppm: FEE_PPM,
        owner,
        faucet_account_usd: FAUCET_USD.0,
        faucet_day_usd: FAUCET_USD.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_economy::{mint_window, outstanding_bound};
    use cairn_primitives::{MicroUsd, STONE, Stones};

    /// The first customer, and a day later the hundredth, are not stopped by what is meant for crowds.
    #[test]
    fn the_limits_of_minting_leave_room_for_a_laptop() {
        let pool = pool(Address::repeat_byte(1));
        let window = mint_window(pool.depth(), 80_000);
        assert_eq!(window, MicroUsd(76_000_000_000));
        let supply = Stones(400_000_000 * STONE);
        let cents_a_day = MicroUsd(200_000);
        let bound = outstanding_bound(cents_a_day, supply, MicroUsd(250_000), window);
        assert_eq!(bound, window);
    }
}
