//! What every score keeps, whatever comes in; and the gates that real weather rarely shows.

mod support;

use alloy_primitives::Address;
use cairn_primitives::{Epoch, EpochSchedule, Position, TimeMs};
use cairn_sectors::{
    Rejection, ScoreLeaf,
    sensing::{
        DeviceInput, History, Reading, Sample, ScoreInput, score_epoch, support::bench_input,
    },
};
use proptest::prelude::*;
use support::{HOUR_MS, Values, id};

const SCHEDULE: EpochSchedule =
    EpochSchedule { start: TimeMs(1_357_000_000_000), epoch_ms: HOUR_MS };
const PLACE: Position = Position { lat_e7: 407_000_000, lon_e7: -740_000_000, elevation_dm: 50 };
const FAIR: Values = [Some(1_000), Some(5_000), Some(300), Some(90), Some(101_300), Some(0), None];

fn device(i: usize, rows: &[Values]) -> DeviceInput {
    let time =
        |n: usize| TimeMs(SCHEDULE.start_of(Epoch(10)).0 + u64::try_from(n).expect("few") * 1_000);
    DeviceInput {
        id: id(i),
        owner: Address::with_last_byte(u8::try_from(i).expect("few")),
        position: PLACE,
        index: u64::try_from(i).expect("few"),
        expected: 1,
        reported: None,
        readings: rows
            .iter()
            .enumerate()
            .map(|(n, values)| Reading { time: time(n), values: *values })
            .collect(),
    }
}

fn score(devices: &[DeviceInput], history: &History) -> Vec<ScoreLeaf> {
    score_epoch(&ScoreInput { epoch: Epoch(10), schedule: SCHEDULE, devices, history }).leaves
}

/// Scores one device alone, with `before` in epoch 9, and expects this gate and score.
fn check(
    rows: &[Values],
    before: Option<Values>,
    want: Option<Rejection>,
    points: u16,
) -> ScoreLeaf {
    let mut history = History::new();
    if let Some(values) = before {
        history.push(Epoch(9), id(1), Sample::from_values(values));
    }
    let leaf = score(&[device(1, rows)], &history).remove(0);
    assert_eq!((leaf.rejection, leaf.score), (want, points), "{leaf:?}");
    assert_eq!(ScoreLeaf::from_bytes(&leaf.to_bytes()), Ok(leaf.clone()));
    leaf
}

fn with(field: usize, value: i32) -> Values {
    let mut values = FAIR;
    values[field] = Some(value);
    values
}

#[test]
fn own_gates_in_precedence_order() {
    check(&[FAIR], None, None, 700);
    check(&[], None, Some(Rejection::Silent), 0);
    for (field, value, bound) in
        [(0, 6_001, 6_000), (1, -1, 0), (2, 46_100, 11_500), (4, 0, 50_000), (6, 16_001, 16_000)]
    {
        let leaf = check(&[FAIR, with(field, value)], None, Some(Rejection::OutOfBounds), 0);
        let detail = leaf.detail.expect("numbers");
        assert_eq!(
            (usize::from(detail.field), detail.value, detail.limit),
            (field, value.into(), bound)
        );
    }
    check(&[with(0, 2_500)], Some(FAIR), None, 700);
    check(&[with(0, 2_501)], Some(FAIR), Some(Rejection::Jump), 0);
    check(&[with(4, 99_799)], Some(FAIR), Some(Rejection::Jump), 0);
    check(&[[None; 7]], None, None, 0);
}

#[test]
fn a_sample_is_the_lower_median_and_rain_the_sum() {
    let readings: Vec<Reading> = [3, 1, 2, 9]
        .map(|v| Reading {
            time: TimeMs(0),
            values: [Some(v), None, None, None, None, Some(v), None],
        })
        .into();
    let sample = Sample::of(&readings).expect("readings");
    assert_eq!((sample.get(0), sample.get(1), sample.get(5)), (Some(2), None, Some(15)));
}

#[test]
fn a_device_that_says_it_is_elsewhere_loses_location() {
    for (north, want) in [(0, 1_000), (8_000, 1_000), (49_500, 500), (95_000, 0)] {
        let at = Position { lat_e7: PLACE.lat_e7 + north, ..PLACE };
        let leaf =
            score(&[DeviceInput { reported: Some(at), ..device(1, &[FAIR]) }], &History::new())
                .remove(0);
        assert!(leaf.location.abs_diff(want) < 10, "{north}: {}", leaf.location);
    }
}

#[test]
fn a_lamp_is_not_the_sun() {
    let run = |light: i32| {
        let mut history = History::new();
        for hour in 0..10 {
            history.push(
                Epoch(hour),
                id(1),
                Sample::from_values(with(6, light + i32::try_from(hour).expect("few"))),
            );
        }
        // Start and end between 00:26 and 11:26 UTC: night in New York, noon on the other side.
        let east = Position { lon_e7: 1_000_000_000, ..PLACE };
        score(&[DeviceInput { position: east, ..device(1, &[with(0, 900)]) }], &history).remove(0)
    };
    assert_eq!(run(60).rejection, Some(Rejection::Indoor));
    let outside = run(3_000);
    assert_eq!((outside.rejection, outside.deployment), (None, 1_000));
}

#[test]
fn a_crowd_is_scored_and_each_leaf_is_bounded() {
    let network = bench_input(400, 3);
    let out = score_epoch(&network.input());
    assert_eq!(out.leaves.len(), 400);
    assert!(out.leaves.is_sorted_by_key(|leaf| leaf.device));
    let accepted = out.leaves.iter().filter(|leaf| leaf.rejection.is_none()).count();
    assert!(accepted > 390, "{accepted}");
}

fn value() -> impl Strategy<Value = Option<i32>> {
    proptest::option::of(prop_oneof![
        -200_i32..200,
        900_i32..1_200,
        100_000_i32..102_000,
        any::<i32>()
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bounded_and_the_same_for_every_order(
        rows in proptest::collection::vec(proptest::collection::vec(proptest::array::uniform7(value()), 0..4), 1..12),
        past in proptest::collection::vec((0_usize..12, 0_u64..10, proptest::array::uniform7(value())), 0..80),
        turn in 0_usize..12,
    ) {
        let mut past = past;
        past.sort_by_key(|(_, epoch, _)| *epoch);
        let mut history = History::new();
        for (i, epoch, values) in past {
            history.push(Epoch(epoch), id(i), Sample::of(&[Reading { time: TimeMs(0), values }]).expect("one"));
        }
        let mut devices: Vec<DeviceInput> = rows.iter().enumerate().map(|(i, rows)| device(i, rows)).collect();
        let leaves = score(&devices, &history);
        for leaf in &leaves {
            let factors = [leaf.availability, leaf.neighbour, leaf.deployment, leaf.location, leaf.score];
            prop_assert!(factors.iter().all(|f| *f <= 1_000));
            prop_assert!(leaf.rejection.is_none() || leaf.score == 0);
            prop_assert_eq!(leaf.rejection.is_some(), leaf.detail.is_some());
            prop_assert_eq!(ScoreLeaf::from_bytes(&leaf.to_bytes()), Ok(leaf.clone()));
        }
        let middle = turn % devices.len();
        devices.rotate_left(middle);
        devices.iter_mut().for_each(|d| d.readings.reverse());
        prop_assert_eq!(score(&devices, &history), leaves);
    }
}
