//! What an answer costs, and whose it is: pure functions over the rows that a query used.

use std::collections::BTreeMap;

use cairn_client::api::{Origin, ShareBody};
use cairn_primitives::{DeviceId, MicroUsd};

/// The price of `units` rows at a price per 1,000: rounded up, so that no row is free; 0 only for no rows.
///
/// `None` when it does not fit 64 bits.
#[must_use]
pub fn price(units: u64, micro_usd_per_kilo_unit: u64) -> Option<MicroUsd> {
    if units == 0 {
        return Some(MicroUsd::ZERO);
    }
    let exact = u128::from(units) * u128::from(micro_usd_per_kilo_unit);
    u64::try_from(exact.div_ceil(1_000).max(1)).ok().map(MicroUsd)
}

/// Adds the split of `amount` over the devices of `origins`, in proportion to their rows, to earlier shares.
///
/// Largest remainder, ties to the lower device id; the sum of what is added is `amount` exactly. The result is sorted
/// by device. `None` when a sum does not fit 64 bits, or when there is an amount but no row.
#[must_use]
pub fn add_shares(
    earlier: &[ShareBody],
    amount: MicroUsd,
    origins: &[Origin],
) -> Option<Vec<ShareBody>> {
    let mut rows: BTreeMap<DeviceId, u64> = BTreeMap::new();
    for origin in origins {
        let sum = rows.entry(origin.device).or_default();
        *sum = sum.checked_add(origin.rows)?;
    }
    let total: u128 = rows.values().map(|n| u128::from(*n)).sum();
    let mut shares: BTreeMap<DeviceId, u64> =
        earlier.iter().map(|share| (share.device, share.amount.0)).collect();
    if amount.0 > 0 {
        let mut left = amount.0;
        let mut remainders = Vec::with_capacity(rows.len());
        for (device, rows) in &rows {
            let exact = u128::from(amount.0) * u128::from(*rows);
            let whole = u64::try_from(exact.checked_div(total)?).ok()?;
            left -= whole;
            remainders.push((std::cmp::Reverse(exact % total), *device));
            let share = shares.entry(*device).or_default();
            *share = share.checked_add(whole)?;
        }
        remainders.sort_unstable();
        let extra = usize::try_from(left).ok()?;
        for (_, device) in remainders.get(..extra)? {
            *shares.entry(*device).or_default() += 1;
        }
    }
    let sorted = shares.into_iter().filter(|(_, amount)| *amount > 0);
    Some(sorted.map(|(device, amount)| ShareBody { device, amount: MicroUsd(amount) }).collect())
}

#[cfg(test)]
mod tests {
    use cairn_primitives::Epoch;
    use proptest::prelude::*;

    use super::*;

    fn origin(device: u8, rows: u64) -> Origin {
        Origin { device: DeviceId([device; 16]), epoch: Epoch(0), rows }
    }

    #[test]
    fn prices() {
        for (units, rate, want) in [
            (0, 1_000, Some(0)),
            (1, 1, Some(1)),
            (1, 0, Some(1)),
            (999, 1_000, Some(999)),
            (1_000, 500, Some(500)),
            (1_001, 500, Some(501)),
            (u64::MAX, u64::MAX, None),
        ] {
            assert_eq!(price(units, rate), want.map(MicroUsd), "{units} rows at {rate}");
        }
    }

    #[test]
    fn the_largest_remainder_wins_and_ties_go_to_the_lower_id() {
        let shares = |rows: &[Origin], amount| {
            let shares = add_shares(&[], MicroUsd(amount), rows).unwrap();
            shares.iter().map(|s| (s.device.0[0], s.amount.0)).collect::<Vec<_>>()
        };
        assert_eq!(shares(&[origin(1, 1), origin(2, 1), origin(3, 1)], 2), [(1, 1), (2, 1)]);
        assert_eq!(shares(&[origin(1, 1), origin(2, 9)], 5), [(1, 1), (2, 4)]);
        assert_eq!(shares(&[origin(1, 5), origin(1, 5), origin(2, 10)], 4), [(1, 2), (2, 2)]);
        assert_eq!(add_shares(&[], MicroUsd(1), &[]), None);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_never_fall(
            first in proptest::collection::vec((0_u8..20, 1_u64..1_000_000), 1..30),
            second in proptest::collection::vec((0_u8..20, 1_u64..1_000_000), 1..30),
            a in 0_u64..1_000_000_000,
            b in 0_u64..1_000_000_000,
        ) {
            let origins = |rows: &[(u8, u64)]| rows.iter().map(|(d, n)| origin(*d, *n)).collect::<Vec<_>>();
            let one = add_shares(&[], MicroUsd(a), &origins(&first)).unwrap();
            let two = add_shares(&one, MicroUsd(b), &origins(&second)).unwrap();
            prop_assert_eq!(one.iter().map(|s| s.amount.0).sum::<u64>(), a);
            prop_assert_eq!(two.iter().map(|s| s.amount.0).sum::<u64>(), a + b);
            prop_assert!(two.windows(2).all(|pair| pair[0].device < pair[1].device));
            for share in &one {
                prop_assert!(two.iter().any(|s| s.device == share.device && s.amount >= share.amount));
            }
        }
    }
}
