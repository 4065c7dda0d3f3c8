//! Bonds, payback and the causes of a difference.

use cairn_primitives::MicroUsd;
use proptest::prelude::*;

use super::{USD, params};
use crate::{
    BondError, Costs, Income, Payback, WhyInput, bond_required, card, cell_budget, need_share,
    payback, percentiles, usage_share, why,
};

/// The table of docs/spec/economy.md, in tenths of a day's reward.
#[test]
fn bonds_match_the_table() {
    for (ppm, vesting, tenths) in
        [(10_000, 30, 732), (10_000, 180, 162), (50_000, 30, 41), (100_000, 14, 21)]
    {
        let bond = bond_required(MicroUsd(USD), ppm, vesting, MicroUsd(0)).unwrap();
        assert_eq!((bond.0 + USD / 20) * 10 / USD, tenths, "p = {ppm} ppm, V = {vesting}");
    }
    assert_eq!(bond_required(MicroUsd(USD), 10_000, 30, MicroUsd(100 * USD)), Ok(MicroUsd(0)));
    assert_eq!(bond_required(MicroUsd(USD), 0, 30, MicroUsd(0)), Err(BondError::Detection(0)));
    assert_eq!(
        bond_required(MicroUsd(USD), 1_000_001, 30, MicroUsd(0)),
        Err(BondError::Detection(1_000_001))
    );
    assert_eq!(bond_required(MicroUsd(USD), 1, 3_651, MicroUsd(0)), Err(BondError::Vesting(3_651)));
}

#[test]
fn payback_says_never_when_a_device_costs_more_than_it_brings() {
    let costs = Costs {
        hardware: MicroUsd(200 * USD),
        install: MicroUsd(50 * USD),
        bond: MicroUsd(100 * USD),
        opportunity_ppm: 100_000,
        opex_per_day: MicroUsd(USD / 10),
    };
    let income = Income { earned_per_day: MicroUsd(USD / 10), subsidy_per_day: MicroUsd(USD) };
    assert_eq!(payback(&costs, &income), Payback::Days(260));
    let neighbours: Vec<MicroUsd> = (1..=10).map(|n| MicroUsd(n * USD)).collect();
    let card = card(&costs, &income, &neighbours, 2, 3);
    assert_eq!(card.zero_subsidy, Payback::Never, "earns its running costs and no more");
    assert_eq!(card.price_minus_80, Payback::Days(1_300));
    let spread = card.neighbours.unwrap();
    assert_eq!(
        (spread.p10, spread.p50, spread.p90),
        (MicroUsd(USD), MicroUsd(5 * USD), MicroUsd(9 * USD))
    );
    assert_eq!((card.rank, card.rank_share_permille), (3, 181), "1/3 of 11/6");
    assert_eq!(percentiles(&[]), None);
    let one = percentiles(&[MicroUsd(7)]).unwrap();
    assert_eq!((one.p10, one.p90), (MicroUsd(7), MicroUsd(7)));
}

fn input() -> impl Strategy<Value = WhyInput> {
    let parts = proptest::array::uniform4(0_u16..=1_000);
    (
        parts,
        0_u32..5,
        1_u64..1_000_000,
        0_u64..1 << 40,
        0_u64..1 << 40,
        0_u64..1 << 40,
        0_u64..1 << 40,
    )
        .prop_map(|(parts_permille, rank, price, usage, need, paid, others)| {
            let params = params();
            let product: u64 = parts_permille.iter().map(|&p| u64::from(p)).product();
            let score = u16::try_from(product / 1_000_000_000).unwrap();
            let paid_sum = MicroUsd(paid + others);
            let verified = MicroUsd(if score > 0 { paid } else { 0 });
            let subsidy = usage_share(&params, MicroUsd(usage), verified, paid_sum).0
                + need_share(&params, cell_budget(&params, MicroUsd(need)), rank, score).0;
            WhyInput {
                earned: MicroUsd(paid - paid / 12),
                subsidy: MicroUsd(subsidy),
                paid: MicroUsd(paid),
                paid_sum,
                parts_permille,
                rank,
                price: MicroUsd(price),
                usage_pool: MicroUsd(usage),
                need_pool: MicroUsd(need),
            }
        })
}

proptest! {
    /// The causes add up to the difference exactly, and an honest leaf leaves nothing to rounding.
    #[test]
    fn causes_add_up(before in input(), after in input()) {
        let causes = why(&params(), &before, &after);
        let total = |i: &WhyInput| i128::from(i.earned.0) + i128::from(i.subsidy.0);
        prop_assert_eq!(causes.iter().map(|cause| cause.micro_usd).sum::<i128>(), total(&after) - total(&before));
        prop_assert_eq!(causes.last().map(|cause| (cause.name, cause.micro_usd)), Some(("rounding", 0)));
    }

    /// Nothing changed, nothing to explain; a better part of the score never takes.
    #[test]
    fn causes_have_the_right_sign(before in input(), part in 0_usize..4, better in 0_u16..=1_000) {
        prop_assert!(why(&params(), &before, &before).iter().all(|cause| cause.micro_usd == 0));
        let mut after = before;
        after.parts_permille[part] = after.parts_permille[part].max(better);
        let causes = why(&params(), &before, &after);
        prop_assert!(causes[part].micro_usd >= 0);
    }
}
