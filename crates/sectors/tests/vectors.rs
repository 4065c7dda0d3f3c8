//! Golden vectors: inputs and the leaves they must give, read by implementations in other languages.
//!
//! `CAIRN_BLESS=1 cargo test -p cairn-sectors --test vectors` writes them anew; a change is a protocol change.

mod support;

use std::{fs, path::PathBuf};

use cairn_primitives::{Epoch, EpochSchedule, Position, TimeMs};
use cairn_sectors::sensing::{DeviceInput, History, Reading, ScoreInput, score_epoch};
use serde_json::{Value, json};
use support::{HOUR_MS, Station, Values, id, load, nine};

const START: u64 = 1_357_020_000_000;

/// Scores the last of `hours` hours from `start` and describes it; `touch` may change the inputs of that hour.
fn case(
    name: &str,
    stations: &[Station],
    start: u64,
    hours: u64,
    touch: impl Fn(&mut Vec<DeviceInput>, &mut Vec<(usize, u64, Values)>),
) -> Value {
    let schedule = EpochSchedule { start: TimeMs(START + start * HOUR_MS), epoch_ms: HOUR_MS };
    let epoch = Epoch(hours - 1);
    let mut past = Vec::new();
    let mut devices = Vec::new();
    for (i, station) in stations.iter().enumerate() {
        for hour in 0..hours - 1 {
            past.extend(station.hours.get(&(start + hour)).map(|values| (i, hour, *values)));
        }
        let time = TimeMs(schedule.start_of(epoch).0 + 60_000);
        let now = station.hours.get(&(start + epoch.0));
        devices.push(DeviceInput {
            id: id(i),
            owner: alloy_primitives::Address::with_last_byte(u8::try_from(i + 1).expect("few")),
            position: station.position,
            index: u64::try_from(i).expect("few"),
            expected: 1,
            reported: None,
            readings: now.map(|values| Reading { time, values: *values }).into_iter().collect(),
        });
    }
    touch(&mut devices, &mut past);
    let mut history = History::new();
    past.sort_by_key(|(_, hour, _)| *hour);
    for (i, hour, values) in &past {
        let reading = Reading { time: TimeMs(0), values: *values };
        history.push(
            Epoch(*hour),
            id(*i),
            cairn_sectors::sensing::Sample::of(&[reading]).expect("one reading"),
        );
    }
    let out = score_epoch(&ScoreInput { epoch, schedule, devices: &devices, history: &history });
    let place = |p: Position| json!([p.lat_e7, p.lon_e7, p.elevation_dm]);
    let described: Vec<Value> = devices
        .iter()
        .enumerate()
        .map(|(i, d)| {
            let readings: Vec<Value> = d.readings.iter().map(|r| json!([r.time.0, r.values])).collect();
            let history: Vec<Value> =
                past.iter().filter(|(of, ..)| *of == i).map(|(_, hour, values)| json!([hour, values])).collect();
            json!({
                "id": d.id, "owner": d.owner, "position": place(d.position), "index": d.index, "expected": d.expected,
                "reported": d.reported.map(place), "readings": readings, "history": history,
            })
        })
        .collect();
    let leaves: Vec<Value> = out
        .leaves
        .iter()
        .map(|leaf| json!({"cbor": hex(&leaf.to_bytes()), "view": leaf}))
        .collect();
    json!({
        "name": name, "epoch": epoch.0, "start_ms": schedule.start.0, "epoch_ms": schedule.epoch_ms,
        "devices": described, "leaves": leaves,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn cases() -> Vec<Value> {
    let three: Vec<Station> = load(include_str!("../../../data/nyc-weather-2013-q1.csv"))
        .into_iter()
        .map(|(_, s)| s)
        .collect();
    let many = nine(&three, 5);
    let as_is = |_: &mut Vec<DeviceInput>, _: &mut Vec<(usize, u64, Values)>| {};
    let with = |base: &[Station], i: usize, station: Station| {
        let mut out = base.to_vec();
        out[i] = station;
        out
    };
    let mut copied = three.clone();
    copied.push(three[1].with_noise(9, &[2, 10, 2, 0, 2, 0, 0]));
    let lit = |devices: &mut Vec<DeviceInput>, past: &mut Vec<(usize, u64, Values)>| {
        // Full sun for device 0, a lamp for device 1, in all hours.
        for (i, hour, values) in past.iter_mut() {
            let sun = if (15..22).contains(&((*hour + 6) % 24)) { 4_000 } else { 0 };
            values[6] = [Some(sun), Some(30), None].get(*i).copied().flatten();
        }
        devices[0].readings[0].values[6] = Some(100);
        devices[1].readings[0].values[6] = Some(30);
    };
    let odd = |devices: &mut Vec<DeviceInput>, _: &mut Vec<(usize, u64, Values)>| {
        devices[0].readings[0].values[2] = Some(46_100);
        devices[1].readings[0].values[0] = Some(3_000);
        devices[2].readings.clear();
        devices[3].reported =
            Some(Position { lat_e7: devices[3].position.lat_e7 + 50_000, ..devices[3].position });
        let first = devices[4].readings[0];
        for (minutes, change) in [(10_u64, -30), (20, 20), (30, 70)] {
            let mut more = first;
            more.time.0 += minutes * 60_000;
            more.values[0] = more.values[0].map(|t| t + change);
            more.values[5] = Some(10);
            devices[4].readings.push(more);
        }
        devices[4].expected = 6;
        devices[5].position.elevation_dm += 2_000;
        devices[6].owner = devices[7].owner;
        devices[8].position.lat_e7 += 9_000_000;
    };
    vec![
        case("three airports, first hour", &three, 0, 1, as_is),
        case("three airports, second day", &three, 0, 30, as_is),
        case("nine devices, whole window", &many, 100, 49, as_is),
        case("one alone", &three[..1], 0, 10, as_is),
        case("one neighbour", &three[..2], 0, 30, as_is),
        case("moved by 3 hours", &with(&three, 1, three[1].shifted(3)), 549, 40, as_is),
        case("moved by -6 hours, among nine", &with(&many, 4, many[4].shifted(-6)), 900, 20, as_is),
        case("5 K too warm", &with(&three, 2, three[2].offset(500)), 200, 30, as_is),
        case("5 K too cold, first hours", &with(&many, 0, many[0].offset(-500)), 200, 8, as_is),
        case("frozen", &with(&three, 0, three[0].frozen(300)), 300, 9, as_is),
        case("one field frozen", &with(&three, 0, three[0].stuck(0, 610)), 610, 30, as_is),
        case("copied with tiny noise", &copied, 50, 12, as_is),
        case("light and shade", &three, 0, 48, lit),
        case("odd inputs", &many, 10, 6, odd),
    ]
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test writes the committed vectors when it is told to"
)]
fn vectors_are_as_committed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/sensing/vectors/score.json");
    let lines: Vec<String> = cases().iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("CAIRN_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(&path, &text).expect("the vectors");
    }
    let committed = fs::read_to_string(&path).expect("the committed vectors");
    assert!(
        committed == text,
        "the leaves of the golden vectors have changed: that is a protocol change"
    );
}
