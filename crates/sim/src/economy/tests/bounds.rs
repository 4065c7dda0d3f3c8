//! What a scenario file may say: each refusal names the key, the value and the bound.

use super::super::{run::Setup, scenario::Scenario};

/// A scenario as people write it.
const GOOD: &str = "\
[economy]
price_micro_usd = 250000
cap_stones = 1000000000
reserve_stones = 600000000
fee_burn_ppm = 50000
fee_treasury_ppm = 20000
fee_insurance_ppm = 10000
burn_share_ppm = 500000
match_ppm = 900000
taper_ppm = 500000
grant_stones = 40000000
cell_target = 10
device_cost_micro_usd_day = 1000000
target_cells = 1000
device_bond_stones = 100
dispute_epochs = 1
vesting_epochs = 30

[simulate]
mechanism = \"ours\"
days = 30

[simulate.demand]
shape = \"flat\"
final_usd_day = 100

[simulate.price]
path = \"crash\"
at_day = 10
factor_ppm = 50000
";

fn refused(text: &str) -> String {
    match Scenario::parse("scenario.toml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_scenario_and_a_founders_file_are_read() {
    let scenario = Scenario::parse("scenario.toml", GOOD).unwrap();
    assert_eq!(scenario.simulate.days, 30);
    let founding = format!(
        "name = \"n\"\nchain_id = 7\nstart = \"now\"\n{GOOD}\n[[accounts]]\nname = \"f\"\nstones = \"rest\"\n"
    );
    assert_eq!(Scenario::parse("network.toml", &founding).unwrap(), scenario);
    let mut run = Setup::new(scenario.clone()).begin(0);
    run.advance(&Setup::new(scenario), 30);
    assert_eq!(run.rows.len(), 30);
}

#[test]
fn refusals_name_key_value_and_bound() {
    for (from, to, expected) in [
        ("days = 30", "days = 30\ncolour = 1", "setting `simulate.colour` = 1: unknown field"),
        ("days = 30", "days = \"30 d\"", "setting `simulate.days` = \"30 d\": invalid type"),
        ("days = 30", "days = -1", "setting `simulate.days` = -1: invalid value"),
        ("days = 30", "days = 0", "simulate.days is 0: 1 to 10000000000 days"),
        ("[economy]", "[economy]\nseigniorage = 1", "setting `economy.seigniorage` = 1"),
        ("price_micro_usd = 250000\n", "", "setting `price_micro_usd` = (missing)"),
        (
            "match_ppm = 900000",
            "match_ppm = 1000000",
            "economy.match_ppm is 1000000: must be below",
        ),
        (
            "grant_stones = 40000000",
            "grant_stones = 700000000",
            "economy.grant_stones is 700000000",
        ),
        ("\"ours\"", "\"bitcoin\"", "setting `simulate.mechanism` = \"bitcoin\": unknown variant"),
        (
            "final_usd_day = 100",
            "final_usd_day = 4000000000",
            "simulate.demand.final_usd_day is 4000000000: at most 3000000000",
        ),
        ("final_usd_day = 100", "usd = [1]", "simulate.demand.usd is a list of 1: shape"),
        (
            "final_usd_day = 100",
            "noise_ppm = 166667",
            "simulate.demand.noise_ppm is 166667: at most 166666",
        ),
        (
            "factor_ppm = 50000",
            "factor_ppm = 1000000",
            "simulate.price.factor_ppm is 1000000: a crash",
        ),
        ("\"crash\"", "\"boom\"", "simulate.price.factor_ppm is 50000: a boom multiplies"),
        ("\"crash\"", "\"fixed\"", "simulate.price.factor_ppm is 50000: only path"),
        (
            "factor_ppm = 50000",
            "factor_ppm = 50000\nsold_ppm = 1",
            "simulate.price.sold_ppm is 1: at most 1000000, and only",
        ),
        ("\"crash\"", "\"pool\"", "simulate.price.factor_ppm is 50000"),
        (
            "days = 30",
            "days = 1000000000\nrecord_every_days = 1",
            "simulate.record_every_days is 1",
        ),
        (
            "[simulate.price]",
            "[simulate.providers]\nstart = 0\n[simulate.price]",
            "simulate.providers.start is 0: 1 to",
        ),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let error = refused(&text);
        assert!(error.contains(expected), "{expected}\n got: {error}");
    }
    assert!(refused("[economy").contains("is not TOML"));
}

#[test]
fn keys_are_replaced_by_name() {
    let with = |key: &str, value| Scenario::parse_with("s", GOOD, &[(key.to_owned(), value)]);
    assert_eq!(with("economy.grant_stones", 5).unwrap().economy.grant_stones, 5);
    assert_eq!(with("simulate.providers.start", 5).unwrap().simulate.providers.unwrap().start, 5);
    for (key, expected) in [
        ("economy.granite", "setting `economy.granite` = 5: unknown field"),
        ("grant_stones", "grant_stones is 5: name a section and a key"),
        ("economy.", "economy. is 5: name a section"),
        ("economy.match_ppm.x", "a part of this key is a value"),
    ] {
        let error = with(key, 5).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// Whatever the bounds allow is simulated to its end, under every mechanism and price path.
#[test]
fn the_edges_of_the_bounds_do_not_stop_a_run() {
    use super::super::{mechanism::Name, scenario::*};
    let paths = [
        Price {
            path: Path::Gbm,
            volatility_ppm_year: 5_000_000,
            drift_ppm_year: 5_000_000,
            ..Price::default()
        },
        Price { path: Path::Crash, factor_ppm: 1, ..Price::default() },
        Price { path: Path::Boom, factor_ppm: 1_000_000_000, at_day: 3, ..Price::default() },
        Price {
            path: Path::Pool,
            depth_usd: 1,
            sold_ppm: 1_000_000,
            volatility_ppm_year: 5_000_000,
            ..Price::default()
        },
        Price {
            path: Path::Pool,
            depth_usd: 3_000_000_000,
            sold_ppm: 1_000_000,
            ..Price::default()
        },
        Price { path: Path::Replay, micro_usd: vec![1, 1_000_000_000_000, 1], ..Price::default() },
    ];
    let free = Providers {
        start: 1_000_000_000,
        hardware_usd: 0,
        install_usd: 0,
        opex_micro_usd_day: 0,
        entry_ppm_day: 1_000_000,
        ..Providers::default()
    };
    for name in Name::ALL {
        for price in &paths {
            for (first, usd) in
                [(1, 3_000_000_000), (1_000_000_000_000, 3_000_000_000), (1, 0), (250_000, 1)]
            {
                for (credit_days, cost) in [(0, u64::MAX), (365, 1)] {
                    let mut scenario = super::scenario();
                    let economy = &mut scenario.economy;
                    (economy.price_micro_usd, economy.device_cost_micro_usd_day) = (first, cost);
                    (economy.cap_stones, economy.reserve_stones) =
                        (1_000_000_000_000, 900_000_000_000);
                    (economy.target_cells, economy.cell_target) = (u32::MAX, u32::MAX);
                    let simulate = &mut scenario.simulate;
                    (simulate.mechanism, simulate.days, simulate.credit_days) =
                        (name, 80, credit_days);
                    simulate.price = price.clone();
                    (simulate.demand.shape, simulate.demand.final_usd_day) = (Shape::Flat, usd);
                    simulate.demand.noise_ppm = 166_666;
                    simulate.providers = (credit_days == 0).then(|| free.clone());
                    simulate.attacker =
                        Some(Attacker { wash_usd_day: 3_000_000_000, ..Attacker::default() });
                    scenario.check().unwrap();
                    let setup = Setup::new(scenario);
                    let mut run = setup.begin(0);
                    run.advance(&setup, u64::MAX);
                    assert_eq!(run.rows.len(), 80);
                }
            }
        }
    }
}
