//! Honest fleets and cheats over real data: what each earns, and that every run keeps every invariant.

use super::*;

/// Nine devices at three airports, January 2013.
const NINE: &[u8] = include_bytes!("../../../../data/nyc-nine-2013-01.csv");
/// Three days.
const EPOCHS: u64 = 72;
/// The station that cheats: EWR-2, whose neighbour EWR-1 registered before it.
const CHEATER: usize = 1;
/// When it begins to.
const FROM: Epoch = Epoch(24);

fn nine() -> StationLog {
    StationLog::read(NINE).expect("the log reads")
}

fn config(log: StationLog, epochs: u64) -> Config {
    let faults = BTreeMap::new();
    Config { seed: 1, log, cheaters: Vec::new(), epochs, spend: MicroUsd(200_000), faults }
}

/// A small made-up fleet, for what has nothing to do with weather.
fn small(epochs: u64) -> Config {
    config(made_up(7, 4, epochs, TimeMs(1_357_020_000_000)), epochs)
}

/// Whether nothing was refused in more than 95 % of the hours with a batch.
fn keeps_its_hours(total: &DeviceTotal) -> bool {
    total.delivered > 0 && total.kept * 1_000 > total.delivered * 950
}

/// EWR-2 cheats: it earns less than 30 % of what the others do, for `reason`, and they keep their hours.
fn check_cheat(cheat: Cheat, reason: Rejection) -> Report {
    let mut config = config(nine(), EPOCHS);
    config.cheaters.push(Cheater { station: CHEATER, cheat, from: FROM });
    let report = run(config).expect("every epoch becomes final");
    let honest: Vec<DeviceTotal> = (0..9)
        .filter(|number| *number != CHEATER)
        .map(|number| report.device(number, FROM))
        .collect();
    for (number, total) in honest.iter().enumerate() {
        assert!(keeps_its_hours(total), "{cheat:?} costs honest device {number}: {total:?}");
    }
    let mean = honest.iter().map(|total| total.income.0).sum::<u64>() / 8;
    let cheater = report.device(CHEATER, FROM);
    assert!(cheater.income.0 * 100 < mean * 30, "{cheat:?} pays: {cheater:?} against {mean}");
    let named = cheater.reasons.get(&reason).copied().unwrap_or_default();
    assert!(named > 0, "{cheat:?} is not called {reason:?}: {cheater:?}");
    // What is wrong with the readings is never taken for something else.
    let gates = cheater.reasons.keys().filter(|found| (101..200).contains(&found.code()));
    for gate in gates {
        assert_eq!(*gate, reason, "{cheat:?}: {cheater:?}");
    }
    report
}

#[test]
fn honest_devices_with_real_weather_keep_their_hours_and_are_paid() {
    let config = config(nine(), EPOCHS);
    let start = config.log.first_time().expect("has readings").0 / EPOCH_MS * EPOCH_MS;
    let schedule = EpochSchedule { start: TimeMs(start), epoch_ms: EPOCH_MS };
    let hours = |station: &cairn_agent::sensing::Station| {
        let measured = |epoch: &u64| station.expected(&schedule, Epoch(*epoch)) > 0;
        u64::try_from((0..EPOCHS).filter(measured).count()).expect("few")
    };
    let owners: Vec<(String, u64)> =
        config.log.stations.iter().map(|s| (s.owner.clone(), hours(s))).collect();
    let report = run(config).expect("every epoch becomes final");
    let keys = DevKeys::new(1_u64.to_be_bytes());
    for (number, (owner, hours)) in owners.iter().enumerate() {
        let total = report.device(number, Epoch(0));
        assert_eq!(total.delivered, *hours);
        assert!(keeps_its_hours(&total), "device {number}: {total:?}");
        let account = keys.wallet(Role::Owner, owner).address();
        let claimed = report.claimed.get(&account).copied().unwrap_or_default();
        assert!(claimed.0 > 0, "{owner} was paid nothing");
    }
    let paid: u64 = report.epochs.iter().flat_map(|e| &e.devices).map(|d| d.earned.0).sum();
    // The first epoch sells nothing and fees take 8 %.
    assert!(paid > 200_000 * (EPOCHS - 1) * 9 / 10, "consumers' money reached devices: {paid}");
    assert!(report.epochs.iter().all(|e| e.reopened == 0 && e.dissenters.is_empty()));
}

#[test]
fn a_copied_feed_does_not_pay() {
    check_cheat(Cheat::Copy { of: 0 }, Rejection::CopiedFeed);
}

#[test]
fn a_copied_feed_with_a_little_noise_does_not_pay() {
    check_cheat(Cheat::NoisyCopy { of: 0, width: 2 }, Rejection::CopiedFeed);
}

#[test]
fn a_frozen_sensor_does_not_pay() {
    check_cheat(Cheat::Frozen, Rejection::Frozen);
}

#[test]
fn the_weather_of_six_hours_ago_does_not_pay() {
    check_cheat(Cheat::Shifted { hours: 6 }, Rejection::TimeShifted);
}

#[test]
fn five_kelvin_too_warm_does_not_pay() {
    check_cheat(Cheat::Offset { centikelvin: 500 }, Rejection::NeighbourOffset);
}

#[test]
fn silence_does_not_pay() {
    check_cheat(Cheat::Silent, Rejection::Silent);
}

#[test]
fn a_replayed_envelope_does_not_pay() {
    let report = check_cheat(Cheat::Replay, Rejection::Replayed);
    let reasons = report.device(CHEATER, FROM).reasons;
    // Once its anchor is out of the window, that is what stops it.
    assert!(reasons.contains_key(&Rejection::AnchorTooOld), "{reasons:?}");
}

#[test]
fn readings_of_last_week_do_not_pay() {
    check_cheat(Cheat::BackDated, Rejection::BackDated);
}

#[test]
fn a_strangers_signature_does_not_pay() {
    check_cheat(Cheat::WrongKey, Rejection::BadSignature);
}

#[test]
fn two_stories_for_one_number_cost_the_bond() {
    let report = check_cheat(Cheat::Equivocation, Rejection::Equivocation);
    let slashed: Vec<(Epoch, usize)> =
        report.epochs.iter().map(|e| (e.epoch, e.slashed.len())).filter(|(_, n)| *n > 0).collect();
    assert_eq!(slashed, [(FROM, 1)], "once, at the first contradiction");
    let after = report.device(CHEATER, FROM.next().next());
    assert_eq!(after.income, MicroUsd(0), "out of service: {after:?}");
    assert!(after.reasons.contains_key(&Rejection::NotActive));
}

#[test]
fn a_slashed_device_has_no_bond_left() {
    let mut config = small(3);
    config.cheaters.push(Cheater { station: 2, cheat: Cheat::Equivocation, from: Epoch(1) });
    let mut simulation = Simulation::new(config).expect("founds");
    let bond = |simulation: &Simulation| {
        let id = simulation.devices[2].id;
        block_on(simulation.chain().device(id, BlockTag::Latest)).expect("is registered").bond
    };
    simulation.step().expect("epoch 0");
    assert_eq!(bond(&simulation), Stones(100 * STONE));
    assert_eq!(simulation.step().expect("epoch 1").slashed, [simulation.devices[2].id]);
    assert_eq!(bond(&simulation), Stones(0));
    assert!(simulation.step().expect("epoch 2").slashed.is_empty());
}

#[test]
fn one_seed_gives_the_same_bytes_and_another_seed_others() {
    let configure = |seed| {
        let mut config = small(8);
        config.seed = seed;
        config.cheaters.push(Cheater {
            station: 1,
            cheat: Cheat::NoisyCopy { of: 0, width: 3 },
            from: Epoch(2),
        });
        config.faults.insert(Epoch(3), Fault::Split);
        config
    };
    let [once, again, other] = [1, 1, 2].map(|seed| run(configure(seed)).expect("runs"));
    assert_eq!(once, again);
    for (a, b) in once.epochs.iter().zip(&other.epochs) {
        assert_ne!(a.outcome.verdict_root, b.outcome.verdict_root);
        assert_ne!(a.outcome.score_root, b.outcome.score_root);
        assert_ne!(a.outcome.reward_root, b.outcome.reward_root);
    }
    assert_ne!(once.state, other.state);
}

#[test]
fn made_up_weather_is_taken_for_weather() {
    let report = run(config(made_up(3, 6, 30, TimeMs(1_357_020_000_000)), 30)).expect("runs");
    for number in 0..6 {
        let total = report.device(number, Epoch(0));
        assert!(keeps_its_hours(&total), "station {number}: {total:?}");
    }
}

#[test]
fn one_dissenter_changes_nothing_and_is_named() {
    let mut config = small(4);
    config.faults.insert(Epoch(2), Fault::Dissent { validator: 1 });
    let dissenter = DevKeys::new(1_u64.to_be_bytes())
        .wallet(Role::Validator, &founding::validator(1))
        .address();
    let report = run(config).expect("every epoch becomes final");
    let named: Vec<&[Address]> = report.epochs.iter().map(|e| e.dissenters.as_slice()).collect();
    assert_eq!(named, [&[][..], &[], &[dissenter], &[]]);
    let honest = run(small(4)).expect("runs");
    for (a, b) in report.epochs.iter().zip(&honest.epochs) {
        assert_eq!((a.outcome, a.reopened), (b.outcome, 0));
    }
}

#[test]
fn without_a_quorum_the_round_reopens_and_pays_nothing() {
    let mut config = small(4);
    config.faults.insert(Epoch(2), Fault::Split);
    let mut simulation = Simulation::new(config).expect("founds");
    for _ in 0..2 {
        simulation.step().expect("is final");
    }
    let owed = simulation.chain().balance_of(REWARDS).expect("reads");
    let epoch = Epoch(2);
    let envelopes = simulation.measure(epoch).expect("signs");
    simulation.sell(epoch).expect("settles");
    let close = simulation.schedule.end_of(epoch).0 + COMMIT_AFTER_MS;
    simulation.chain.go_to(TimeMs(close)).expect("advances");
    let sold = simulation.chain().balance_of(REWARDS).expect("reads");
    assert!(sold > owed, "what consumers paid waits there for the epoch's result");
    let sealed = simulation.commit(epoch, envelopes).expect("commits");
    simulation.attest(epoch).expect("attests");
    let inputs = block_on(inputs(simulation.chain(), &simulation.network, epoch)).expect("gathers");
    let envelopes = opened(epoch, &inputs, sealed).expect("opens");
    let outcome =
        recompute(&inputs, &envelopes, &mut simulation.window).expect("recomputes").outcome;

    let mut votes = Votes::default();
    simulation.vote_round(epoch, &outcome, Some(Fault::Split), &mut votes).expect("votes");
    assert!(!votes.is_final && votes.reopened == 1 && votes.dissenters.is_empty());
    let next = block_on(simulation.chain().next_epoch(SECTOR, BlockTag::Latest)).expect("reads");
    assert_eq!(next, epoch);
    assert_eq!(simulation.chain().balance_of(REWARDS).expect("reads"), sold);
    simulation.chain().check().expect("sound");

    simulation.attest(epoch).expect("attests again");
    simulation.vote_round(epoch, &outcome, None, &mut votes).expect("votes again");
    assert!(votes.is_final);
    let paid = simulation.chain().balance_of(REWARDS).expect("reads");
    assert!(paid.0 > owed.0 && outcome.subsidy_stones.0 > 0);
    simulation.chain().check().expect("sound");
}

#[test]
fn a_cheater_the_log_does_not_have_is_refused() {
    for cheat in [Cheat::Silent, Cheat::Copy { of: 9 }] {
        let mut config = small(1);
        let station = if cheat == Cheat::Silent { 4 } else { 0 };
        config.cheaters.push(Cheater { station, cheat, from: Epoch(0) });
        assert!(matches!(run(config), Err(SimError::NoStation(4 | 9))));
    }
}
