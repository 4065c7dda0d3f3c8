//! Golden numbers, edges and properties of the twenty indicators.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_primitives::{
    Cell, DeviceId, EconomyParams, Epoch, EpochSchedule, MicroUsd, STONE, Sector, Stones, TimeMs,
};
use proptest::prelude::*;

use super::*;

/// One dollar.
const USD: u64 = 1_000_000;

fn account(n: u8) -> Address {
    Address::repeat_byte(n)
}

fn device(n: u8, owner: u8, cell: u64) -> DeviceFacts {
    DeviceFacts {
        id: DeviceId([n; 16]),
        owner: account(owner),
        sector: Sector::Sensing,
        cell: Cell(cell),
        registered: Epoch(0),
        end: None,
        earned: MicroUsd::ZERO,
        subsidy: MicroUsd::ZERO,
        subsidy_stones: Stones::ZERO,
        judged: 720,
        verified: 720,
        last_verified: Some(Epoch(3_599)),
        paid_epochs: 0,
        units: 720,
    }
}

fn payment(payer: u8, device: u8, usd: u64) -> Payment {
    Payment { payer: account(payer), device: DeviceId([device; 16]), amount: MicroUsd(usd * USD) }
}

/// The fifth month of a network of hourly epochs, with two devices of two owners and nobody who pays.
fn quiet() -> Facts {
    Facts {
        from: Epoch(2_880),
        to: Epoch(3_599),
        schedule: EpochSchedule { start: TimeMs(0), epoch_ms: 3_600_000 },
        economy: EconomyParams::default(),
        price: MicroUsd(250_000),
        references: BTreeMap::from([(
            Sector::Sensing,
            Reference {
                hardware: MicroUsd(100 * USD),
                install: MicroUsd(0),
                opex_per_day: MicroUsd(14_400),
                opportunity_ppm: 50_000,
                kilo_unit: None,
            },
        )]),
        devices: vec![device(1, 0x11, 7), device(2, 0x22, 8)],
        payments: Vec::new(),
        sales: Vec::new(),
        before: Some(Vec::new()),
        then: Some(Vec::new()),
        funding: Some(Funding::default()),
        money: Money { replayed: true, ..Money::default() },
        checks: Checks::default(),
        pool: None,
    }
}

/// The same with 100 dollars from four payers, half of it subsidised once more.
fn busy() -> Facts {
    let mut facts = quiet();
    facts.payments = vec![
        payment(0xa1, 1, 40),
        payment(0xa1, 2, 10),
        payment(0xa2, 1, 30),
        payment(0xa3, 2, 10),
        payment(0xa4, 2, 10),
    ];
    facts.sales = vec![
        Sale { sector: Sector::Sensing, amount: MicroUsd(60 * USD), units: 30_000 },
        Sale { sector: Sector::Sensing, amount: MicroUsd(40 * USD), units: 10_000 },
    ];
    facts.before = Some(vec![(account(0xa1), MicroUsd(80 * USD))]);
    facts.then = Some(vec![
        (account(0xa1), MicroUsd(40 * USD)),
        (account(0xa2), MicroUsd(40 * USD)),
        (account(0xa9), MicroUsd(20 * USD)),
    ]);
    for (device, earned, subsidy, paid) in
        [(0, 64_400_000, 16_000_000, 360), (1, 27_600_000, 30_000_000, 180)]
    {
        let device = &mut facts.devices[device];
        (device.earned, device.subsidy) = (MicroUsd(earned), MicroUsd(subsidy));
        device.paid_epochs = paid;
    }
    facts.money = Money {
        replayed: true,
        emitted: Stones(1_000 * STONE),
        burned: Stones(250 * STONE),
        burned_ever: Stones(1_000_000 * STONE),
        reserve: Stones(599_000_000 * STONE),
        to_funds: Stones(100 * STONE),
        to_founders: Stones(50 * STONE),
        grant_left: Stones(39_000_000 * STONE),
        grant_used: MicroUsd(30 * USD),
        subsidy_ever: MicroUsd(1_000 * USD),
        settled_ever: MicroUsd(10_000 * USD),
        outstanding: MicroUsd(50 * USD),
        vault: Stones(200 * STONE),
        minted: MicroUsd(70 * USD),
        promo: MicroUsd::ZERO,
    };
    facts.checks = Checks {
        judgements: 1_440 * 4,
        batches: 1_500,
        refused: 15,
        gated: 72,
        devices_slashed: 1,
        pending: 2,
        annulled: 1,
        executed: 1,
        slashed: Stones(150 * STONE),
        detection_epochs: vec![9, 1, 3],
    };
    facts
}

fn figure(report: &Report, number: u8, name: &str) -> Figure {
    let indicator = report.indicator(number).expect("there are twenty");
    indicator.figure(name).unwrap_or_else(|| panic!("{number} has no {name}")).clone()
}

fn measured(report: &Report, number: u8, name: &str) -> Measured {
    figure(report, number, name).measured()
}

#[test]
fn golden_numbers_of_a_busy_month() {
    let report = report(&busy());
    for (number, name, value) in [
        (1, "revenue", 100_000_000),
        (1, "of_period_before", 1_250_000),
        (2, "related", 0),
        (2, "revenue", 100_000_000),
        // 46 of 138 dollars.
        (3, "subsidy_share", 333_333),
        (4, "burned_of_emitted", 250_000),
        (5, "subsidy_per_dollar", 460_000),
        // 540 of 1,440 device-epochs.
        (6, "paid_device_epochs", 375_000),
        (6, "units_sold", 40_000),
        (7, "active", 1_000_000),
        (7, "earning", 1_000_000),
        // 0.5² + 0.3² + 0.1² + 0.1² = 0.36.
        (8, "hhi", 360_000),
        (8, "effective_payers", 2_777),
        (8, "largest", 500_000),
        (8, "payers", 4),
        (9, "nakamoto", 1),
        (9, "providers", 2),
        // ($ 100 + 5 % of $ 25) / ($ 80.4 or 57.6 / 30 − $ 0.0144) days.
        (10, "p10", 38),
        (10, "p50", 38),
        (10, "p90", 54),
        (10, "p50_without_subsidy", 48),
        (10, "p90_without_subsidy", 112),
        // 80 of the 100 dollars of then; the third payer is gone.
        (12, "retention", 800_000),
        (13, "collected", 80_000),
        (13, "stated", 80_000),
        (14, "insiders_of_emission", 150_000),
        (14, "circulating", 400_000_000_000_000),
        // $ 9.75 M at a dollar a day.
        (15, "runway", 9_750_000),
        (16, "float", 15_000),
        (16, "coverage", 1_000_000),
        (17, "judgements_per_device_day", 96_000),
        (17, "epochs_to_detection", 3),
        (17, "batches_refused", 10_000),
        (17, "device_epochs_refused", 50_000),
        // 3 in 2 settlements.
        (18, "slashes_per_1000_settlements", 1_500_000),
        (18, "upheld", 666_666),
        (18, "slashed", 150_000_000),
        (19, "minted", 70_000_000),
        // $ 2 and $ 4 a kilo-unit: the lower median.
        (20, "median_price", 2_000_000),
    ] {
        assert_eq!(measured(&report, number, name), Ok(value), "{number}.{name}");
    }
    // (1 + 1,000 / 400 M)^12 − 1 = 30 millionths, rounded down at each step.
    assert_eq!(measured(&report, 14, "dilution"), Ok(30));
    for (number, name, reason) in [
        (11, "survival", Absent::TooYoung),
        (17, "canaries_passed", Absent::NotOnLedger),
        (19, "depth", Absent::NotOnLedger),
        (20, "of_reference", Absent::NotDeclared),
    ] {
        assert_eq!(measured(&report, number, name), Err(reason), "{number}.{name}");
    }
    let factors: Vec<_> = report.index.factors.iter().map(|f| f.value.unwrap()).collect();
    assert_eq!(factors, [666_666, 1_000_000, 138_850, 800_000]);
    assert_eq!(report.index.index.value, Some(74_052));
    assert_eq!(report.index.letter, Some('E'));
    assert!(!report.young);
}

#[test]
fn marks_follow_the_bands() {
    let report = report(&busy());
    let mark = |number| report.indicator(number).expect("there are twenty").mark;
    for (number, expected) in [
        (1, Mark::Healthy),
        (2, Mark::Healthy),
        (3, Mark::Between),
        (4, Mark::Between),
        (5, Mark::Healthy),
        (6, Mark::Between),
        (8, Mark::Alarm),
        (9, Mark::Alarm),
        (10, Mark::Healthy),
        (11, Mark::Unknown),
        (12, Mark::Between),
        (13, Mark::Stated),
        (14, Mark::Healthy),
        (16, Mark::Healthy),
        (19, Mark::Unknown),
    ] {
        assert_eq!(mark(number), expected, "{number}");
    }
    assert_eq!(Band::Falling(1, 3).mark(Ok(1)), Mark::Between);
    assert_eq!(Band::Rising(3, 1).mark(Ok(3)), Mark::Between);
    let question = |name: &str| report.questions.iter().find(|q| q.name == name).unwrap().mark;
    assert_eq!(question("payer"), Mark::Alarm);
    assert_eq!(question("competitiveness"), Mark::Unknown);
    assert_eq!(question("verification"), Mark::Stated);
}

#[test]
fn every_question_rests_on_figures_that_exist() {
    let report = report(&busy());
    assert_eq!(report.questions.len(), 7);
    for question in &report.questions {
        for ground in &question.rests_on {
            figure(&report, ground.indicator, &ground.figure);
        }
    }
    let numbers: Vec<u8> = report.indicators.iter().map(|indicator| indicator.number).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<u8>>());
}

#[test]
fn without_revenue_nothing_is_made_up() {
    let report = report(&quiet());
    for (number, name, reason) in [
        (2, "related", Absent::NoRevenue),
        (3, "subsidy_share", Absent::NoIncome),
        (4, "burned_of_emitted", Absent::NoEmission),
        (5, "subsidy_per_dollar", Absent::NoRevenue),
        (8, "effective_payers", Absent::NoRevenue),
        (9, "nakamoto", Absent::NoIncome),
        (10, "p50", Absent::Never),
        (12, "retention", Absent::NoRevenueThen),
        (13, "collected", Absent::NoRevenue),
        (15, "runway", Absent::Unused),
        (16, "float", Absent::NoRevenue),
        (16, "coverage", Absent::NoCredits),
        (17, "epochs_to_detection", Absent::NoneFound),
        (18, "upheld", Absent::NoneFound),
        (20, "median_price", Absent::NoRevenue),
    ] {
        assert_eq!(measured(&report, number, name), Err(reason), "{number}.{name}");
    }
    assert_eq!(report.indicator(10).unwrap().mark, Mark::Alarm, "never is an alarm");
    assert_eq!((report.index.letter, report.index.index.absent), (None, Some(Absent::NoIncome)));
}

#[test]
fn a_young_network_says_so() {
    let mut facts = busy();
    (facts.before, facts.then) = (None, None);
    let report = report(&facts);
    assert!(report.young);
    assert_eq!(measured(&report, 1, "of_period_before"), Err(Absent::TooYoung));
    assert_eq!(measured(&report, 12, "retention"), Err(Absent::TooYoung));
    assert_eq!(report.index.index.absent, Some(Absent::TooYoung));
    assert_eq!(report.index.letter, None);
}

#[test]
fn cohorts_of_a_year_ago_are_looked_at_again() {
    let mut facts = busy();
    (facts.from, facts.to) = (Epoch(9_000), Epoch(9_719));
    for (device, registered, last) in [(0, 400, Some(9_719)), (1, 500, Some(9_000))] {
        facts.devices[device].registered = Epoch(registered);
        facts.devices[device].last_verified = last.map(Epoch);
    }
    let report = report(&facts);
    assert_eq!(measured(&report, 11, "cohort"), Ok(2));
    assert_eq!(measured(&report, 11, "survival"), Ok(500_000), "one was last seen weeks ago");
}

#[test]
fn relatives_are_found_by_owner_funder_and_place() {
    let mut facts = busy();
    let w = |facts: &Facts| related_pay(facts).unwrap().share();
    assert_eq!(w(&facts), Ok(0));
    // The first payer is the owner of the first device: 40 of 100 dollars.
    facts.devices[0].owner = account(0xa1);
    assert_eq!(w(&facts), Ok(400_000));
    // It also has a device in its neighbour's cell since the same day: 10 more.
    facts.devices[1].cell = Cell(7);
    let sums = related_pay(&facts).unwrap();
    assert_eq!((sums.owner, sums.place), (40_000_000, 10_000_000));
    facts.devices[1].registered = Epoch(25);
    assert_eq!(w(&facts), Ok(400_000), "a day later it is a neighbour");
    // The second payer was funded, over three steps, by who funded the second owner; 30 more dollars to the first device.
    let funding = facts.funding.as_mut().unwrap();
    funding.add(account(0xf0), account(0xa1), 100);
    funding.add(account(0xf0), account(0xf1), 100);
    funding.add(account(0xf1), account(0xf2), 100);
    funding.add(account(0xf2), account(0xa2), 100);
    assert_eq!(related_pay(&facts).unwrap().funder, 30_000_000);
    // One step more is too far.
    let mut facts = busy();
    facts.devices[0].owner = account(0xa1);
    let funding = facts.funding.as_mut().unwrap();
    for (from, to) in [(0xf0, 0xa1), (0xf0, 0xf1), (0xf1, 0xf2), (0xf2, 0xf3), (0xf3, 0xa2)] {
        funding.add(account(from), account(to), 100);
    }
    assert_eq!(related_pay(&facts).unwrap().funder, 0);
    facts.funding = None;
    assert_eq!(related_pay(&facts), Err(Absent::TooMany));
}

#[test]
fn dust_makes_nobody_related() {
    let mut funding = Funding::default();
    funding.add(Address::ZERO, account(1), 900);
    funding.add(account(2), account(1), 100);
    funding.add(account(3), account(1), 99);
    // A tenth of 1,099 is 110.
    assert!(funding.funders(account(1)).is_empty());
    funding.add(account(2), account(1), 50);
    assert_eq!(funding.funders(account(1)), [account(2)]);
    assert_eq!(funding.ancestors(account(9)).len(), 1);
}

#[test]
fn what_rests_on_a_replay_that_differs_is_absent() {
    let mut facts = busy();
    facts.money.replayed = false;
    let report = report(&facts);
    for (number, name) in [(4, "emitted"), (14, "dilution"), (15, "runway")] {
        assert_eq!(measured(&report, number, name), Err(Absent::Diverged), "{number}.{name}");
    }
    assert_eq!(measured(&report, 4, "burned"), Ok(250_000_000));
}

#[test]
fn a_price_pool_and_a_declared_price_fill_their_places() {
    let mut facts = busy();
    let depth = MicroUsd(1_000_000 * USD);
    facts.pool =
        Some(PoolFacts { depth, window_minted: MicroUsd(38_000 * USD), deviation_ppm: Some(700) });
    facts.references.get_mut(&Sector::Sensing).unwrap().kilo_unit = Some(MicroUsd(8 * USD));
    let report = report(&facts);
    // 0.95 · 8 % of a million dollars may be minted.
    assert_eq!(measured(&report, 19, "window_use"), Ok(500_000));
    assert_eq!(measured(&report, 19, "feed_deviation"), Ok(700));
    assert_eq!(measured(&report, 20, "of_reference"), Ok(250_000));
    assert_eq!(report.indicator(20).unwrap().mark, Mark::Healthy);
}

#[test]
fn reasons_have_stable_numbers() {
    let numbers: Vec<u8> = Absent::ALL.into_iter().map(Absent::code).collect();
    assert_eq!(numbers, (1..=14).collect::<Vec<u8>>());
    let letters = [(1_000_000, 'A'), (800_000, 'A'), (799_999, 'B'), (50_000, 'E'), (0, 'F')];
    for (index, expected) in letters {
        assert_eq!(letter(index), expected);
    }
}

proptest! {
    /// Whatever happened, there are twenty indicators; shares stay shares and the index is within its factors.
    #[test]
    fn no_facts_break_a_report(
        paid in prop::collection::vec((1_u8..6, 1_u8..4, any::<u64>()), 0..12),
        incomes in prop::collection::vec((any::<u64>(), any::<u64>()), 2),
        money in prop::collection::vec(any::<u128>(), 4),
        from in 0_u64..4_000, length in 0_u64..900, lag in any::<bool>(),
    ) {
        let mut facts = quiet();
        (facts.from, facts.to) = (Epoch(from), Epoch(from + length));
        let payments = paid.iter().map(|(payer, device, amount)| Payment {
            payer: account(*payer), device: DeviceId([*device; 16]), amount: MicroUsd(*amount),
        });
        facts.payments = payments.collect();
        for (device, (earned, subsidy)) in facts.devices.iter_mut().zip(&incomes) {
            (device.earned, device.subsidy) = (MicroUsd(*earned), MicroUsd(*subsidy));
        }
        facts.money.emitted = Stones(money[0]);
        facts.money.burned = Stones(money[1]);
        facts.money.reserve = Stones(money[2]);
        facts.money.vault = Stones(money[3]);
        facts.money.outstanding = MicroUsd(incomes[0].0);
        if !lag { facts.then = None; }
        let report = report(&facts);
        prop_assert_eq!(report.indicators.len(), 20);
        for (number, name) in [(2, "related"), (3, "subsidy_share"), (8, "largest"), (9, "largest"), (13, "collected")] {
            if let Ok(share) = measured(&report, number, name) {
                prop_assert!((0..=1_000_000).contains(&share), "{}.{}: {}", number, name, share);
            }
        }
        for indicator in &report.indicators {
            for figure in &indicator.figures {
                prop_assert!(figure.value.is_some() != figure.absent.is_some(), "{:?}", figure);
            }
        }
        if let Some(index) = report.index.index.value {
            for factor in &report.index.factors {
                prop_assert!(index <= factor.value.unwrap());
            }
        }
    }

    /// Splitting a payer in k equal ones multiplies the effective payers by k, within rounding; nobody is below one.
    #[test]
    fn effective_payers_count_equal_parts(k in 1_u8..40, amount in 1_u128..1 << 60) {
        let shares = Shares::of((1..=k).map(|n| (account(n), amount)));
        let effective = shares.effective(Absent::NoRevenue).unwrap();
        // A share is rounded down to a millionth: of k equal ones, by less than k millionths of itself.
        let (exact, error) = (i64::from(k) * 1_000, i64::from(k) * i64::from(k) / 500 + 1);
        prop_assert!((exact..=exact + error).contains(&effective), "{}", effective);
        prop_assert_eq!(shares.half(Absent::NoRevenue).unwrap(), i64::from(k.div_ceil(2)));
    }
}
