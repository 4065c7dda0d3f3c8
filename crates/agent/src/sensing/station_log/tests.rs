//! The table of errors, the tolerances, and the data files of this repository.

use std::io::Cursor;

use super::*;

const HEADER: &str = "station,owner,lat,lon,elevation_m,time_utc,temperature_c,humidity_pct,wind_speed_ms,wind_dir_deg,pressure_hpa,rain_mm";
const GOOD: &str = "A,o,40.5,-73.5,4.0,2013-01-01T06:00:00Z,3.9,59.37,4.63,270,1012,0";

fn read(text: &str) -> Result<StationLog, ReplayError> {
    StationLog::read(Cursor::new(text.as_bytes()))
}

fn read_rows(rows: &[&str]) -> StationLog {
    read(&format!("{HEADER}\n{}\n", rows.join("\n"))).unwrap()
}

#[test]
fn rows_become_scaled_readings() {
    let log = read_rows(&[GOOD, "A,o,40.5,-73.5,4,2013-01-01T07:00:00Z,-3.9,,,,,"]);
    let [station] = log.stations.as_slice() else { panic!("one station") };
    assert_eq!((station.name.as_str(), station.owner.as_str()), ("A", "o"));
    assert_eq!(
        station.position,
        Position { lat_e7: 405_000_000, lon_e7: -735_000_000, elevation_dm: 40 }
    );
    assert_eq!(station.readings[0].time, TimeMs(1_357_020_000_000));
    let first = [Some(390), Some(5_937), Some(463), Some(270), Some(101_200), Some(0), None];
    assert_eq!(station.readings[0].values, first);
    assert_eq!(station.readings[1].values, [Some(-390), None, None, None, None, None, None]);
    assert_eq!((log.rows, log.errors_total), (2, 0));
}

/// Every kind of error, each in line 3 behind a good row: line, field, value, reason.
#[test]
fn errors_name_line_field_value_and_reason() {
    for (row, field, value, reason) in [
        ("B,o,40.5,-73.5,4", "row", "5", "5 fields, but the header has 12"),
        (",o,40.5,-73.5,4,2013-01-01T06:00,1,,,,,", "station", "", "a name is needed"),
        ("B,,40.5,-73.5,4,2013-01-01T06:00,1,,,,,", "owner", "", "a name is needed"),
        (
            "B\u{7},o,40.5,-73.5,4,2013-01-01T06:00,1,,,,,",
            "station",
            "B\u{7}",
            "control characters are not allowed",
        ),
        (
            "B,o,north,-73.5,4,2013-01-01T06:00,1,,,,,",
            "lat",
            "north",
            "a decimal number such as -12.5 is expected",
        ),
        ("B,o,90.1,-73.5,4,2013-01-01T06:00,1,,,,,", "lat", "90.1", "outside -90 to 90"),
        ("B,o,40.5,-180.5,4,2013-01-01T06:00,1,,,,,", "lon", "-180.5", "outside -180 to 180"),
        (
            "B,o,40.5,-73.5,9001,2013-01-01T06:00,1,,,,,",
            "elevation_m",
            "9001",
            "outside -500 to 9000",
        ),
        (
            "B,o,40.5,-73.5,,2013-01-01T06:00,1,,,,,",
            "elevation_m",
            "",
            "a decimal number such as -12.5 is expected",
        ),
        (
            "B,o,40.5,-73.5,4,yesterday,1,,,,,",
            "time_utc",
            "yesterday",
            "a UTC time such as 2013-01-01T06:00:00Z is expected",
        ),
        (
            "B,o,40.5,-73.5,4,2013-02-30T06:00,1,,,,,",
            "time_utc",
            "2013-02-30T06:00",
            "there is no such time",
        ),
        ("B,o,40.5,-73.5,4,1969-12-31T23:00,1,,,,,", "time_utc", "1969-12-31T23:00", "before 1970"),
        (
            "B,o,40.5,-73.5,4,2013-01-01T06:00,NA,,,,,",
            "temperature_c",
            "NA",
            "a decimal number such as -12.5 is expected",
        ),
        (
            "B,o,40.5,-73.5,4,2013-01-01T06:00,,,,,,99999999999",
            "rain_mm",
            "99999999999",
            "too large for 32 bits",
        ),
        ("B,o,40.5,-73.5,4,2013-01-01T06:00,,,,,,", "row", "", "nothing was measured"),
        (
            "A,p,40.5,-73.5,4,2013-01-01T07:00,1,,,,,",
            "owner",
            "p",
            "differs from the station's first row in line 2",
        ),
        (
            "A,o,40.6,-73.5,4,2013-01-01T07:00,1,,,,,",
            "lat,lon,elevation_m",
            "406000000,-735000000,40",
            "differs from the station's first row in line 2",
        ),
        (
            "A,o,40.5,-73.5,4,2013-01-01T06:00,1,,,,,",
            "time_utc",
            "2013-01-01T06:00",
            "the station has a reading of this time already",
        ),
        (
            "A,o,40.5,-73.5,4,2013-01-01T05:00,1,,,,,",
            "time_utc",
            "2013-01-01T05:00",
            "earlier than the station's reading before",
        ),
    ] {
        let log = read_rows(&[GOOD, row, "C,o,0,0,0,2013-01-01T06:00,1,,,,,"]);
        let expected = RowError {
            line: 3,
            field: field.to_owned(),
            value: value.to_owned(),
            reason: reason.to_owned(),
        };
        assert_eq!(log.errors, [expected], "{row}");
        assert_eq!(
            log.stations.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
            ["A", "C"],
            "the rest is used"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_one_rows_error() {
    let mut bytes = format!("{HEADER}\n{GOOD}\n").into_bytes();
    bytes.extend_from_slice(b"\xff,o,40.5,-73.5,4,2013-01-01T06:00,1,,,,,\n");
    let log = StationLog::read(Cursor::new(bytes)).unwrap();
    assert_eq!((log.errors[0].line, log.errors[0].reason.as_str()), (3, "not UTF-8"));
}

#[test]
fn headers_must_name_the_columns() {
    for (header, message) in [
        ("", "line 1: column `station` is missing"),
        ("station,owner", "line 1: column `lat` is missing"),
        (&format!("{HEADER},color"), "line 1: column `color` is unknown"),
        (&format!("{HEADER},owner"), "line 1: column `owner` is there twice"),
    ] {
        let error = read(&format!("{header}\n")).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    assert!(matches!(read(&format!("{HEADER}\nbad\n")), Err(ReplayError::Empty { errors: 1 })));
}

#[test]
fn byte_order_mark_carriage_returns_quotes_spaces_and_order_of_columns_do_not_matter() {
    let plain = read_rows(&[GOOD]);
    let windows = format!(
        "\u{feff}{HEADER}\r\n\"A\", o ,40.5,-73.5,4.0,2013-01-01 06:00,3.90,59.37,4.63,270,1012.0,0\r\n\r\n"
    );
    assert_eq!(read(&windows).unwrap(), plain);
    let moved = "time_utc,irradiance_w_m2,rain_mm,pressure_hpa,wind_dir_deg,wind_speed_ms,humidity_pct,temperature_c,elevation_m,lon,lat,owner,station\n\
                 2013-01-01T06:00:00+00:00,,0,1012,270,4.63,59.37,3.9,4,-73.5,40.5,o,A";
    assert_eq!(read(moved).unwrap(), plain);
}

#[test]
fn irradiance_is_read_where_it_is() {
    let log = read(&format!("{HEADER},irradiance_w_m2\n{GOOD},432.16\n")).unwrap();
    assert_eq!(log.stations[0].readings[0].values[6], Some(4_322));
}

#[test]
fn stations_keep_the_order_of_their_first_row() {
    let row = |name: &str, hour: u8| format!("{name},o,1,1,1,2013-01-01T{hour:02}:00,1,,,,,");
    let rows = [row("Z", 1), row("A", 1), row("M", 1), row("A", 2), row("Z", 2)];
    let log = read_rows(&rows.each_ref().map(String::as_str));
    assert_eq!(log.stations.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["Z", "A", "M"]);
    let schedule = EpochSchedule { start: log.first_time().unwrap(), epoch_ms: 3_600_000 };
    let expected = |station: usize, epoch| log.stations[station].expected(&schedule, Epoch(epoch));
    assert_eq!(
        [expected(0, 0), expected(0, 1), expected(2, 0), expected(2, 1), expected(0, 2)],
        [1, 1, 1, 0, 0]
    );
    assert_eq!(log.last_time().unwrap().0 - log.first_time().unwrap().0, 3_600_000);
}

#[test]
fn errors_are_counted_beyond_those_kept() {
    let mut text = format!("{HEADER}\n{GOOD}\n");
    text.push_str(&"bad\n".repeat(ERRORS_KEPT + 5));
    let log = read(&text).unwrap();
    assert_eq!((log.errors.len(), log.errors_total), (ERRORS_KEPT, ERRORS_KEPT as u64 + 5));
}

fn data(name: &str) -> StationLog {
    StationLog::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").join(name)).unwrap()
}

/// `data/make.py` is another program in another language: the same noise to the last digit.
#[test]
fn copies_of_the_airports_are_the_nine_devices_of_the_data_folder() {
    let (airports, nine) = (data("nyc-weather-2013-q1.csv"), data("nyc-nine-2013-01.csv"));
    assert_eq!((airports.errors_total, nine.errors_total), (0, 0));
    let mut copies = airports.with_copies(&Noise::new("cairn nyc nine 1")).stations;
    assert_eq!(copies.len(), 9);
    for (copy, made) in copies.iter_mut().zip(&nine.stations) {
        let january = copy.readings[..made.readings.len()].to_vec();
        copy.readings = january.into();
        assert_eq!(
            (&copy.name, &copy.owner, copy.position),
            (&made.name, &made.owner, made.position)
        );
        assert_eq!(copy.readings, made.readings, "{}", copy.name);
    }
}
