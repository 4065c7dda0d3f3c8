//! Sensing, the device's half: a station log is replayed by simulated instruments, reading by reading, in network time.

mod decimal;
mod instrument;
mod noise;
mod station_log;

pub use instrument::Instrument;
pub use noise::Noise;
pub use station_log::{
    COLUMNS, ERRORS_KEPT, READINGS_MAX, Reading, ReplayError, RowError, STATIONS_MAX, Station,
    StationLog, WIDTH,
};
