//! H3 cells, always derived from a position by the verifier and never taken from a device.
//!
//! `h3o` is built without its `std` feature: the portable mathematical library gives the same cell on every machine.

use std::fmt;

use h3o::{LatLng, Resolution};
use serde::{Deserialize, Serialize};

use crate::Position;

/// The resolution at which coverage is counted: about 5 km² a cell.
pub const CELL_RESOLUTION: Resolution = Resolution::Seven;

/// An H3 cell at `CELL_RESOLUTION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell(pub u64);

/// A position that is not on Earth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {0:?} is outside latitude ±90°, longitude ±180° or elevation −500…9,000 m")]
pub struct CellError(pub Position);

impl Cell {
    /// The cell that contains `position`.
    ///
    /// # Errors
    /// When the position is not on Earth.
    #[expect(
        clippy::float_arithmetic,
        reason = "exact scaling before a portable library; see the module's doc"
    )]
    pub fn at(position: Position) -> Result<Self, CellError> {
        if !position.is_valid() {
            return Err(CellError(position));
        }
        let lat = f64::from(position.lat_e7) / 1e7;
        let lon = f64::from(position.lon_e7) / 1e7;
        let point = LatLng::new(lat, lon).map_err(|_| CellError(position))?;
        Ok(Self(u64::from(point.to_cell(CELL_RESOLUTION))))
    }
}

/// The usual 15 hex digits.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
