//! The page of a network with a pool and votes: the price moves by swaps, validators feed theirs and stop the subsidy of an epoch, a vote
//! changes fee and need. What a node serves is what an auditor recomputes, and what the ledger says.

use cairn_client::PriceReads as _;
use cairn_primitives::{
    Bound, GovernanceParams, Parameter, PoolParams,
    abi::{GOVERNANCE, IGovernance, IPool, POOL},
};

use super::*;

/// Epochs of this devnet: three days and a third.
const EPOCHS: u64 = 80;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// The founder locks in the first of these epochs, proposes and votes in the second, and it is carried out in the third.
const VOTE: [u64; 3] = [18, 19, 32];
/// From the day after: two days of epochs.
const VOTED_FROM: u64 = 48;
/// The validators say in this epoch that the price is a fifth higher.
const APART: u64 = 60;
/// What a vote makes of the treasury's fee, and of a device-day's cost.
const FEE_PPM: u64 = 15_000;
const COST: u64 = 430_000;

fn change(genesis: &mut Genesis) {
    let pool = PoolParams {
        usd: 1_000_000,
        fee_ppm: 3_000,
        owner: genesis.accounts.last().expect("the founder").address,
        faucet_account_usd: 0,
        faucet_day_usd: 0,
    };
    let stones = pool.whole_stones(genesis.price());
    genesis.accounts.last_mut().expect("the founder").stones -= stones;
    genesis.pool = Some(pool);
    let bound = |low, high, step| Bound { low, high, step };
    let bounds = BTreeMap::from([
        (Parameter::FeeTreasuryPpm, bound(5_000, 20_000, 5_000)),
        (Parameter::DeviceCostMicroUsdDay, bound(10_000, 1_000_000, 100_000)),
    ]);
    let (voting_ms, timelock_ms) = (6 * HOUR_MS, 6 * HOUR_MS);
    let rules = GovernanceParams { voting_ms, timelock_ms, bounds, ..Default::default() };
    genesis.governance = Some(rules);
}

fn founder_calls<C: alloy_sol_types::SolCall>(
    simulation: &mut Simulation,
    to: Address,
    call: &C,
    whole_stones: u64,
) -> Sent {
    let stones = Stones(u128::from(whole_stones) * STONE);
    let (founder, call) = (simulation.watcher.clone(), Call::new(to, call).with_value(stones));
    simulation.chain.send(&founder, &call).expect("the founder's call succeeds")
}

/// Stones in or dollars out: the price goes down and up again, by a percent or so.
fn trade(simulation: &mut Simulation, epoch: u64) {
    let (min, deadline) = (0, u64::MAX);
    if epoch.is_multiple_of(5) {
        let call = IPool::sellCall { minMicroUsd: min, deadlineMs: deadline };
        founder_calls(simulation, POOL, &call, 11_000 + epoch);
    } else if epoch % 5 == 2 {
        let founder = simulation.watcher.address();
        let dollars = block_on(simulation.chain.dollars(founder, BlockTag::Latest));
        let micro = dollars.expect("a view").0 * 3 / 4;
        let call = IPool::buyCall { microUsd: micro, minStones: U256::ZERO, deadlineMs: deadline };
        founder_calls(simulation, POOL, &call, 0);
    }
}

fn feed(simulation: &mut Simulation, epoch: u64) {
    let last = block_on(simulation.chain.price_pool(BlockTag::Latest)).expect("a view").last.0;
    let price = if epoch == APART { last * 6 / 5 } else { last };
    for validator in simulation.validators.clone() {
        let call = Call::new(POOL, &IPool::feedCall { priceMicroUsd: price });
        simulation.chain.send(&validator, &call).expect("a seat feeds");
    }
}

fn vote(simulation: &mut Simulation, epoch: u64) {
    let now = simulation.chain.now().0;
    match VOTE.iter().position(|at| *at == epoch) {
        Some(0) => {
            let call = IGovernance::lockCall { untilMs: now + 300 * DAY_MS };
            founder_calls(simulation, GOVERNANCE, &call, 5_000_000);
        }
        Some(1) => {
            let change = |parameter: Parameter, value| IGovernance::Change {
                parameter: parameter.number(),
                value,
            };
            let changes = vec![
                change(Parameter::FeeTreasuryPpm, FEE_PPM),
                change(Parameter::DeviceCostMicroUsdDay, COST),
            ];
            let run = Digest::of(&[b"a run"]).0.into();
            let call = IGovernance::proposeParametersCall { simulation: run, changes };
            founder_calls(simulation, GOVERNANCE, &call, 10_000);
            let call = IGovernance::voteCall { id: 0, yes: true, lockIds: vec![0] };
            founder_calls(simulation, GOVERNANCE, &call, 0);
        }
        Some(_) => {
            let call = IGovernance::executeCall { id: 0 };
            let sent = founder_calls(simulation, GOVERNANCE, &call, 0);
            let set = sent.event::<IGovernance::ParametersSet>().expect("it is carried out");
            assert_eq!(set.fromDay, VOTED_FROM / 24);
        }
        None => {}
    }
}

fn devnet() -> (Simulation, Vec<EpochReport>) {
    let log = made_up(7, 4, EPOCHS, TimeMs(1_357_020_000_000));
    let (cheaters, faults) = (Vec::new(), BTreeMap::new());
    let config = Config { seed: 1, log, cheaters, epochs: EPOCHS, spend: SPEND, faults };
    let mut simulation = Simulation::found(config, true, change).expect("the network is founded");
    for validator in simulation.validators.clone() {
        let fees = Call {
            to: Some(validator.address()),
            value: U256::from(10 * STONE),
            data: Bytes::new(),
        };
        let founder = simulation.watcher.clone();
        simulation.chain.send(&founder, &fees).expect("a transfer");
    }
    let mut reports = Vec::new();
    for epoch in 0..EPOCHS {
        trade(&mut simulation, epoch);
        if epoch.is_multiple_of(2) {
            feed(&mut simulation, epoch);
        }
        vote(&mut simulation, epoch);
        reports.push(simulation.step().expect("every epoch becomes final"));
    }
    (simulation, reports)
}

/// What the page says of the price is what the ledger says.
fn agrees_with_the_pool(simulation: &Simulation, report: &Report) {
    let chain = simulation.chain();
    let pool = block_on(chain.price_pool(BlockTag::Latest)).expect("a view");
    let number = |amount: u64| i64::try_from(amount).expect("small");
    assert_eq!(value(report, 19, "depth"), number(pool.usd.0));
    let call = IPool::epochPriceCall { epoch: EPOCHS - 1 };
    let settled = block_on(chain.view(POOL, call, BlockTag::Latest)).expect("a view");
    assert_eq!(value(report, 19, "price"), number(settled.priceMicroUsd));
    assert_ne!(settled.priceMicroUsd, simulation.genesis().price().0, "swaps move it");
}

#[test]
fn with_a_pool_and_a_vote_the_page_is_recomputed_and_an_altered_price_shows() {
    let (simulation, reports) = devnet();
    let (node, auditor) = (book_of(&simulation), audited(&simulation));
    let head = page(&simulation, &node, Period { from: Epoch(0), to: Epoch(EPOCHS) });
    agrees_with_the_state(&simulation, &head);
    agrees_with_the_pool(&simulation, &head);

    // Feeds that are far from the pool take an epoch's subsidy, and the replayed reserve knows.
    let subsidy = |epoch: u64| {
        let report = usize::try_from(epoch).ok().and_then(|epoch| reports.get(epoch));
        report.expect("it ran").devices.iter().map(|device| device.subsidy.0).sum::<u64>()
    };
    assert_eq!(subsidy(APART), 0);
    assert!(subsidy(APART - 1) > 0 && subsidy(APART + 1) > 0);

    let of = |from, to| Period { from: Epoch(from), to: Epoch(to) };
    let whole = of(0, EPOCHS - 1);
    for period in [whole, of(20, 47), of(VOTED_FROM, EPOCHS - 1), of(APART, APART)] {
        let json = |report: &Report| serde_json::to_value(report).expect("plain data");
        let served = page(&simulation, &node, period);
        assert!(value(&served, 4, "burned") > 0 && value(&served, 4, "emitted") > 0, "replayed");
        let (served, recomputed) = (json(&served), json(&page(&simulation, &auditor, period)));
        assert_eq!(differences(&served, &recomputed), []);
        let figures = &served["indicators"][18]["figures"];
        let prices = ["depth", "price"].map(|name| {
            let mut names = figures.as_array().expect("figures").iter();
            names.position(|figure| figure["name"] == name).expect("it is there")
        });
        for at in prices {
            let mut altered = served.clone();
            let figure = &mut altered["indicators"][18]["figures"][at]["value"];
            *figure = (figure.as_i64().expect("a number") + 1).into();
            let found = differences(&altered, &recomputed);
            let paths: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
            assert_eq!(paths, [format!("indicators.18.figures.{at}.value")]);
        }
    }

    // A day is paid by the fees it began with.
    let before = page(&simulation, &node, of(24, 47));
    assert_eq!((value(&before, 13, "collected"), value(&before, 13, "stated")), (80_000, 80_000));
    let after = page(&simulation, &node, of(VOTED_FROM, EPOCHS - 1));
    assert_eq!((value(&after, 13, "collected"), value(&after, 13, "stated")), (75_000, 75_000));

    // A median holds as long as the ledger says, and no longer: nobody fed in an odd epoch.
    let deviation = |epoch| page(&simulation, &node, of(epoch, epoch));
    assert_eq!(value(&deviation(40), 19, "feed_deviation"), 0);
    assert!(value(&deviation(APART), 19, "feed_deviation") > 150_000);
    assert_eq!(absent(&deviation(41), 19, "feed_deviation"), Some(Absent::NotOnLedger));
}
