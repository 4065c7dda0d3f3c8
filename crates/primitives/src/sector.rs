//! The sectors of the network, as a closed set: matches over it are exhaustive, so the compiler lists what a new one needs.

use serde::{Deserialize, Serialize};

/// A kind of useful work. The numbers are wire format, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Sector {
    /// Weather, air, noise, traffic, vehicles, goods in transit.
    Sensing = 1,
}

impl Sector {
    /// Every sector, in order of its number.
    pub const ALL: [Self; 1] = [Self::Sensing];

    /// The sector with this number.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Sensing),
            _ => None,
        }
    }
    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Sensing => 1,
        }
    }
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sensing => "sensing",
        }
    }
}
