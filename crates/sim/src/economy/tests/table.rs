//! Six scenarios by four mechanisms: income at day 90, 505 and 1460, subsidy share at day 730, stones emitted and drawn.

use cairn_primitives::STONE;

use super::scenario;
use crate::economy::{
    mechanism::Name,
    row::Row,
    run::Setup,
    scenario::{Path, Scenario, Shape},
};

/// Rows of a scenario, every day.
fn rows(mut scenario: Scenario, name: Name) -> Vec<Row> {
    scenario.simulate.mechanism = name;
    scenario.simulate.record_every_days = 1;
    let setup = Setup::new(scenario);
    let mut run = setup.begin(0);
    run.advance(&setup, u64::MAX);
    run.rows
}

/// The table's scenarios.
fn scenarios() -> [(&'static str, Scenario); 6] {
    let base = scenario();
    let with = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = base.clone();
        change(&mut scenario);
        scenario
    };
    let jump = |path, factor_ppm| {
        with(&|s: &mut Scenario| {
            (s.simulate.price.path, s.simulate.price.at_day) = (path, 500);
            s.simulate.price.factor_ppm = factor_ppm;
        })
    };
    [
        ("demand arrives", base.clone()),
        ("13 months later", with(&|s| s.simulate.demand.lag_days = 400)),
        ("weak demand", with(&|s| s.simulate.demand.final_usd_day = 8_000)),
        (
            "no demand",
            with(&|s| {
                s.simulate.demand.shape = Shape::Flat;
                s.simulate.demand.final_usd_day = 200;
            }),
        ),
        ("price -95 %", jump(Path::Crash, 50_000)),
        ("price x10", jump(Path::Boom, 10_000_000)),
    ]
}

/// Of a mechanism: income at day 90, 505 and 1460 in dollars, subsidy share at day 730 in percent, M stones emitted, drawn.
type Line = ([u64; 3], u64, [u64; 2]);

/// The table as it was published, to the digits that it had; but 31.6 M stones instead of 30.9 M are emitted after the crash, for
/// two reasons in docs/economy/simulate.md: the day of the fall has the budget of the day before, and no burn is matched twice.
const TABLE: [[Line; 4]; 6] = [
    [
        ([68_000, 56_000, 36_000], 39, [300_000, 0]),
        ([1_200, 36_000, 36_000], 39, [300_000, 0]),
        ([400, 12_000, 40_000], 0, [0, 0]),
        ([10_200, 16_400, 36_800], 0, [19_600, 0]),
    ],
    [
        ([68_000, 56_000, 36_000], 94, [300_000, 0]),
        ([0, 1_300, 36_000], 67, [300_000, 0]),
        ([0, 400, 39_000], 0, [0, 0]),
        ([10_000, 10_200, 36_200], 73, [34_800, 0]),
    ],
    [
        ([68_000, 56_000, 36_000], 88, [300_000, 0]),
        ([200, 7_000, 24_000], 67, [300_000, 0]),
        ([100, 2_400, 8_000], 0, [0, 0]),
        ([10_000, 11_300, 9_000], 57, [39_400, 0]),
    ],
    [
        ([68_000, 56_000, 36_000], 100, [300_000, 0]),
        ([600, 600, 600], 67, [300_000, 0]),
        ([200, 200, 200], 0, [0, 0]),
        ([10_100, 10_100, 1_300], 98, [38_500, 0]),
    ],
    [
        ([68_000, 2_800, 1_800], 0, [300_000, 0]),
        ([1_200, 5_900, 20_000], 0, [1_444_000, 0]),
        ([400, 11_900, 40_000], 0, [0, 6_231]),
        ([10_200, 10_900, 36_800], 0, [31_600, 5_900]),
    ],
    [
        ([68_000, 560_000, 356_000], 94, [300_000, 0]),
        ([1_200, 36_000, 120_000], 67, [300_000, 0]),
        ([400, 12_000, 40_000], 0, [0, 0]),
        ([10_200, 16_400, 36_800], 0, [18_000, 0]),
    ],
];

/// Whether a value is within 2 % of a published one, or within 0.2 % of what rounds to it: the table has three digits at most.
fn close(value: u64, published: u64, unit: u64) -> bool {
    let apart = value.abs_diff(published);
    apart * 50 <= published || apart * 1_000 <= unit * 500 + published * 2
}

#[test]
fn the_table_is_reproduced_within_two_percent() {
    let names = [Name::Fixed, Name::Band, Name::Akash, Name::Ours];
    for ((title, scenario), lines) in scenarios().into_iter().zip(TABLE) {
        for (name, (incomes, share, [emitted, drawn])) in names.into_iter().zip(lines) {
            let rows = rows(scenario.clone(), name);
            for (day, published) in [90, 505, 1_460].into_iter().zip(incomes) {
                let income = rows[day].income().0 / 1_000_000;
                let unit = if published < 10_000 { 100 } else { 1_000 };
                assert!(close(income, published, unit), "{title}, {name:?}, day {day}: {income}");
            }
            let percent = rows[730].subsidy_share_ppm();
            assert!(close(percent, share * 10_000, 10_000), "{title}, {name:?}: {percent} ppm");
            let last = rows.last().unwrap();
            for (stones, published) in [(last.emitted, emitted), (last.drawn, drawn)] {
                let thousands = u64::try_from(stones.0 / STONE / 1_000).unwrap();
                assert!(
                    close(thousands, published, 100),
                    "{title}, {name:?}: {thousands} k stones"
                );
            }
        }
    }
}
