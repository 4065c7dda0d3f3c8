//! Sensing: weather stations first. What this sector proves, and from what.
//!
//! A reading is worth something when it is true, placed, timely and bought. Nobody can look at the sensor, so a device
//! is judged by its own past and by its neighbours of other owners:
//!
//! ```text
//! accepted readings of epoch e ─Sample::of─► one sample a device ─┐
//! samples of the 48 epochs before (History) ──────────────────────┼─► score_epoch ─► ScoreLeaf per device
//! registry: owner, place, order of registration ──────────────────┘      A · N · D · L / 10⁹, or a gate with its reason
//! ```
//! Three rules that the formula alone would miss: a fault in one parameter that persists gates the whole device; of two
//! feeds that are implausibly alike the one registered later loses; neighbours are compared like with like.
//! Exact arithmetic: docs/spec/sensing.md. False alarms and detection on real stations: docs/sectors/sensing.md.
//! Sources: WeatherXM quality-of-data documents; DIMO; design page `sensing.md`.

mod compare;
mod dew;
mod evidence;
mod history;
mod neighbours;
pub mod params;
mod score;
mod shape;
mod solar;
pub mod support;
mod track;

pub use evidence::{
    FIELDS, HUMIDITY, IRRADIANCE, PRESSURE, RAIN, Reading, Sample, TEMPERATURE, WIND_DIR,
    WIND_SPEED, readings_of,
};
pub use history::{History, Series};
pub use score::{DeviceInput, ScoreInput, ScoreOutput, score_epoch};
