//! The station log: a CSV file of readings, of one's own stations or of historic weather. Format: docs/spec/replay-csv.md.
//!
//! The file is read row by row. A row with an error is reported with line, field, value and reason, and the rest is used.
//! Stations keep the order in which they first appear: it is the order of registration, and who comes later loses when two
//! feeds are alike.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use cairn_primitives::{Epoch, EpochSchedule, Position, TimeMs, WEATHER};
use csv::{ByteRecord, ReaderBuilder, Trim};
use serde::Serialize;
use time::{Date, Month, PrimitiveDateTime, Time};

use super::{Noise, decimal::scaled};

/// Values of a reading: the fields of the weather schema.
pub const WIDTH: usize = WEATHER.fields.len();
/// The columns that must be there; `irradiance_w_m2` may.
pub const COLUMNS: [&str; 12] = [
    "station",
    "owner",
    "lat",
    "lon",
    "elevation_m",
    "time_utc",
    "temperature_c",
    "humidity_pct",
    "wind_speed_ms",
    "wind_dir_deg",
    "pressure_hpa",
    "rain_mm",
];
const OPTIONAL: &str = "irradiance_w_m2";
/// Most stations in a log.
pub const STATIONS_MAX: usize = 10_000;
/// Most readings in a log: 64 bytes of memory each.
pub const READINGS_MAX: usize = 8_000_000;
/// Most errors that are kept; all are counted.
pub const ERRORS_KEPT: usize = 1_000;
/// Longest name of a station or an owner, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// One reading: what was measured at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When, in network time.
    pub time: TimeMs,
    /// The fields of the weather schema as scaled integers; `None` where nothing was measured.
    pub values: [Option<i32>; WIDTH],
}

/// A station and all its readings, in order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its name in the file.
    pub name: String,
    /// Label of its owner: equal labels are one owner.
    pub owner: String,
    /// Where it stands.
    pub position: Position,
    /// Strictly increasing in time.
    pub readings: Arc<[Reading]>,
}

impl Station {
    /// Number of readings in `epoch`.
    #[must_use]
    pub fn expected(&self, schedule: &EpochSchedule, epoch: Epoch) -> usize {
        let before = |time: TimeMs| self.readings.partition_point(|reading| reading.time < time);
        before(schedule.end_of(epoch)) - before(schedule.start_of(epoch))
    }
}

/// A row that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// Line in the file, from 1.
    pub line: u64,
    /// The column; `row` when it is about the row as a whole.
    pub field: String,
    /// What stands there.
    pub value: String,
    /// Why it cannot be used.
    pub reason: String,
}

/// A file that is no station log at all.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("cannot read the station log {name}")]
    Read {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its header lacks a column, has one twice, or one that is unknown.
    #[error("line 1: column `{column}` {reason}; expected: {}", COLUMNS.join(","))]
    Header {
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More than this program takes.
    #[error("the station log has more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// No row could be used.
    #[error("the station log has no usable row ({errors} with errors)")]
    Empty {
        /// Rows with errors.
        errors: u64,
    },
}

/// A parsed station log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationLog {
    /// Stations in the order of their first row.
    pub stations: Vec<Station>,
    /// The first errors, in order of line.
    pub errors: Vec<RowError>,
    /// All errors.
    pub errors_total: u64,
    /// Rows that are used.
    pub rows: u64,
}

impl StationLog {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`ReplayError`]; errors of single rows are in the log.
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        let name = path.display().to_string();
        let file =
            File::open(path).map_err(|source| ReplayError::Read { name: name.clone(), source })?;
        Self::read(file).map_err(|error| match error {
            ReplayError::Read { source, .. } => ReplayError::Read { name, source },
            other => other,
        })
    }

    /// Reads a log from anywhere, row by row.
    ///
    /// # Errors
    /// See [`ReplayError`]; errors of single rows are in the log.
    pub fn read(source: impl Read) -> Result<Self, ReplayError> {
        // No header for the library, which would hide its line: a file without BOM and one with it read the same.
        let mut rows = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::All)
            .has_headers(false)
            .from_reader(source);
        let mut record = ByteRecord::new();
        let mut next = move |record: &mut ByteRecord| {
            rows.read_byte_record(record).map_err(|error| ReplayError::Read {
                name: "input".to_owned(),
                source: io::Error::other(error),
            })
        };
        if !next(&mut record)? {
            return Err(ReplayError::Header {
                column: COLUMNS[0].to_owned(),
                reason: "is missing",
            });
        }
        let mut parser = Parser::new(Layout::of(&record)?);
        while next(&mut record)? {
            parser.row(&record)?;
        }
        parser.finish()
    }

    /// Time of the first reading.
    #[must_use]
    pub fn first_time(&self) -> Option<TimeMs> {
        self.stations
            .iter()
            .filter_map(|station| station.readings.first())
            .map(|reading| reading.time)
            .min()
    }

    /// Time of the last reading.
    #[must_use]
    pub fn last_time(&self) -> Option<TimeMs> {
        self.stations
            .iter()
            .filter_map(|station| station.readings.last())
            .map(|reading| reading.time)
            .max()
    }

    /// Where each of the devices of [`Self::with_copies`] stands, north and east of its station, in 1e-7 degrees.
    const SPOTS: [(i32, i32); 3] = [(0, 0), (18_000, -12_000), (-15_000, 21_000)];

    /// Three devices at every station, `NAME-1` to `NAME-3`, each with its own owner, its own place within 300 m and its
    /// own instrument noise.
    #[must_use]
    pub fn with_copies(&self, noise: &Noise) -> Self {
        let copy = |station: &Station, spot: usize| {
            let (north, east) = Self::SPOTS[spot];
            let name = format!("{}-{}", station.name, spot + 1);
            let readings =
                station.readings.iter().map(|reading| noise.apply(&name, reading)).collect();
            let position = Position {
                lat_e7: station.position.lat_e7.saturating_add(north),
                lon_e7: station.position.lon_e7.saturating_add(east),
                ..station.position
            };
            Station { owner: format!("{}-{}", station.owner, spot + 1), position, readings, name }
        };
        let stations: Vec<Station> = self
            .stations
            .iter()
            .flat_map(|station| (0..Self::SPOTS.len()).map(move |spot| copy(station, spot)))
            .collect();
        Self { stations, rows: self.rows * Self::SPOTS.len() as u64, ..self.clone() }
    }
}

/// Which field of a row is which column.
struct Layout {
    columns: [usize; COLUMNS.len()],
    irradiance: Option<usize>,
    width: usize,
}

impl Layout {
    fn of(header: &ByteRecord) -> Result<Self, ReplayError> {
        let mut found = BTreeMap::new();
        for (index, name) in header.iter().enumerate() {
            let name =
                if index == 0 { name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name) } else { name };
            let name = String::from_utf8_lossy(name).trim().trim_matches('"').to_owned();
            if !COLUMNS.contains(&name.as_str()) && name != OPTIONAL {
                return Err(ReplayError::Header { column: name, reason: "is unknown" });
            }
            if found.insert(name.clone(), index).is_some() {
                return Err(ReplayError::Header { column: name, reason: "is there twice" });
            }
        }
        let mut columns = [0; COLUMNS.len()];
        for (slot, name) in columns.iter_mut().zip(COLUMNS) {
            let missing = ReplayError::Header { column: name.to_owned(), reason: "is missing" };
            *slot = found.get(name).copied().ok_or(missing)?;
        }
        Ok(Self { columns, irradiance: found.get(OPTIONAL).copied(), width: header.len() })
    }
}

/// A station while its rows are read.
struct Draft {
    name: String,
    owner: String,
    position: Position,
    line: u64,
    readings: Vec<Reading>,
}

struct Parser {
    layout: Layout,
    index: BTreeMap<String, usize>,
    stations: Vec<Draft>,
    errors: Vec<RowError>,
    errors_total: u64,
    rows: usize,
}

/// What is wrong with a row: field, value, reason.
type Fault = (&'static str, String, String);

impl Parser {
    const fn new(layout: Layout) -> Self {
        Self {
            layout,
            index: BTreeMap::new(),
            stations: Vec::new(),
            errors: Vec::new(),
            errors_total: 0,
            rows: 0,
        }
    }

    fn row(&mut self, record: &ByteRecord) -> Result<(), ReplayError> {
        let line = record.position().map_or(0, csv::Position::line);
        match self.parse(record, line) {
            Ok(()) => self.rows += 1,
            Err((field, value, reason)) => {
                self.errors_total += 1;
                if self.errors.len() < ERRORS_KEPT {
                    self.errors.push(RowError { line, field: field.to_owned(), value, reason });
                }
            }
        }
        if self.stations.len() > STATIONS_MAX {
            return Err(ReplayError::TooLarge { what: "stations", limit: STATIONS_MAX });
        }
        if self.rows > READINGS_MAX {
            return Err(ReplayError::TooLarge { what: "readings", limit: READINGS_MAX });
        }
        Ok(())
    }

    fn parse(&mut self, record: &ByteRecord, line: u64) -> Result<(), Fault> {
        if record.len() != self.layout.width {
            let reason =
                format!("{} fields, but the header has {}", record.len(), self.layout.width);
            return Err(("row", record.len().to_string(), reason));
        }
        let text = |column: usize| field(record, self.layout.columns[column], COLUMNS[column]);
        let (name, owner) = (label(COLUMNS[0], text(0)?)?, label(COLUMNS[1], text(1)?)?);
        let position = Position {
            lat_e7: number(COLUMNS[2], text(2)?, 10_000_000)?,
            lon_e7: number(COLUMNS[3], text(3)?, 10_000_000)?,
            elevation_dm: number(COLUMNS[4], text(4)?, 10)?,
        };
        check_position(record, &self.layout, position)?;
        let time = parse_time(text(5)?)
            .map_err(|reason| fault(COLUMNS[5], text(5).unwrap_or(""), reason))?;
        let mut values = [None; WIDTH];
        for (slot, schema) in values.iter_mut().zip(WEATHER.fields) {
            let index = COLUMNS.iter().position(|column| *column == schema.name);
            let index =
                index.map_or(self.layout.irradiance, |column| Some(self.layout.columns[column]));
            let shown = index.map_or(Ok(""), |index| field(record, index, schema.name))?;
            if !shown.is_empty() {
                *slot = Some(number(schema.name, shown, schema.scale)?);
            }
        }
        if values.iter().all(Option::is_none) {
            return Err(("row", String::new(), "nothing was measured".to_owned()));
        }
        self.add(line, name, owner, position, Reading { time, values }, text(5)?)
    }

    /// Adds a reading to its station, which must stay the same and move forward in time.
    fn add(
        &mut self,
        line: u64,
        name: &str,
        owner: &str,
        position: Position,
        reading: Reading,
        time: &str,
    ) -> Result<(), Fault> {
        let Some(at) = self.index.get(name) else {
            self.index.insert(name.to_owned(), self.stations.len());
            let (name, owner) = (name.to_owned(), owner.to_owned());
            self.stations.push(Draft { name, owner, position, line, readings: vec![reading] });
            return Ok(());
        };
        let station = &mut self.stations[*at];
        let differs = format!("differs from the station's first row in line {}", station.line);
        if station.owner != owner {
            return Err(("owner", owner.to_owned(), differs));
        }
        if station.position != position {
            let shown =
                format!("{},{},{}", position.lat_e7, position.lon_e7, position.elevation_dm);
            return Err(("lat,lon,elevation_m", shown, differs));
        }
        match station.readings.last() {
            Some(last) if last.time == reading.time => {
                Err(fault("time_utc", time, "the station has a reading of this time already"))
            }
            Some(last) if last.time > reading.time => {
                Err(fault("time_utc", time, "earlier than the station's reading before"))
            }
            _ => {
                station.readings.push(reading);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<StationLog, ReplayError> {
        if self.stations.is_empty() {
            return Err(ReplayError::Empty { errors: self.errors_total });
        }
        let station = |draft: Draft| Station {
            name: draft.name,
            owner: draft.owner,
            position: draft.position,
            readings: draft.readings.into(),
        };
        Ok(StationLog {
            stations: self.stations.into_iter().map(station).collect(),
            errors: self.errors,
            errors_total: self.errors_total,
            rows: self.rows as u64,
        })
    }
}

fn fault(field: &'static str, value: &str, reason: impl Into<String>) -> Fault {
    // A value is shown, not repeated at any length.
    (field, value.chars().take(NAME_BYTES_MAX).collect(), reason.into())
}

fn field<'r>(record: &'r ByteRecord, index: usize, name: &'static str) -> Result<&'r str, Fault> {
    let bytes = record.get(index).unwrap_or_default();
    std::str::from_utf8(bytes)
        .map_err(|_| fault(name, &String::from_utf8_lossy(bytes), "not UTF-8"))
}

fn label<'r>(name: &'static str, text: &'r str) -> Result<&'r str, Fault> {
    if text.is_empty() {
        return Err(fault(name, text, "a name is needed"));
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(fault(name, text, format!("longer than {NAME_BYTES_MAX} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(fault(name, text, "control characters are not allowed"));
    }
    Ok(text)
}

fn number(name: &'static str, text: &str, scale: u32) -> Result<i32, Fault> {
    scaled(text, scale).map_err(|reason| fault(name, text, reason))
}

fn check_position(record: &ByteRecord, layout: &Layout, position: Position) -> Result<(), Fault> {
    if position.is_valid() {
        return Ok(());
    }
    let column = if position.lat_e7.unsigned_abs() > 900_000_000 {
        2
    } else if position.lon_e7.unsigned_abs() > 1_800_000_000 {
        3
    } else {
        4
    };
    let reason = ["outside -90 to 90", "outside -180 to 180", "outside -500 to 9000"][column - 2];
    Err(fault(COLUMNS[column], field(record, layout.columns[column], COLUMNS[column])?, reason))
}

/// `2013-01-01T06:00:00Z`; a space for the T, no seconds and no Z are accepted. Always UTC.
fn parse_time(text: &str) -> Result<TimeMs, &'static str> {
    const SYNTAX: &str = "a UTC time such as 2013-01-01T06:00:00Z is expected";
    let bare = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).unwrap_or(text);
    let (date, clock) = bare.split_once(['T', ' ']).ok_or(SYNTAX)?;
    let digits = |part: &str, length: usize| -> Result<u16, &'static str> {
        let fits = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        if fits { part.parse().map_err(|_| SYNTAX) } else { Err(SYNTAX) }
    };
    let small = |part: &str| digits(part, 2).and_then(|n| u8::try_from(n).map_err(|_| SYNTAX));
    let mut parts = date.split('-');
    let mut part = || parts.next().ok_or(SYNTAX);
    let (year, month, day) = (digits(part()?, 4)?, small(part()?)?, small(part()?)?);
    let mut clock = clock.split(':');
    let mut part = || clock.next().ok_or(SYNTAX);
    let (hour, minute) = (small(part()?)?, small(part()?)?);
    let second = clock.next().map_or(Ok(0), small)?;
    if parts.next().is_some() || clock.next().is_some() {
        return Err(SYNTAX);
    }
    let none = "there is no such time";
    let month = Month::try_from(month).map_err(|_| none)?;
    let date = Date::from_calendar_date(i32::from(year), month, day).map_err(|_| none)?;
    let clock = Time::from_hms(hour, minute, second).map_err(|_| none)?;
    let seconds = PrimitiveDateTime::new(date, clock).assume_utc().unix_timestamp();
    u64::try_from(seconds).map(|seconds| TimeMs(seconds * 1_000)).map_err(|_| "before 1970")
}

#[cfg(test)]
mod tests;
