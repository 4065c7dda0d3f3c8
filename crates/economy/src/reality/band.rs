//! When a number is healthy and when it is alarming: the bands of docs/spec/reality.md, and nothing in between them.

use serde::{Deserialize, Serialize};

use super::figure::{Figure, Measured, Unit};

/// What a band says of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Within the healthy band.
    Healthy,
    /// Between the bands.
    Between,
    /// Within the alarm band.
    Alarm,
    /// There is no band: the number is only stated.
    Stated,
    /// There is no number.
    Unknown,
}

/// The two borders of a number. Below and above are strict, as the page says "<" and ">".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// Healthy above the first, alarming below the second.
    Rising(i64, i64),
    /// Healthy below the first, alarming above the second.
    Falling(i64, i64),
    /// Not judged.
    None,
}

impl Band {
    /// The mark of a number.
    #[must_use]
    pub fn mark(self, measured: Measured) -> Mark {
        let Ok(value) = measured else { return Mark::Unknown };
        match self {
            Self::Rising(healthy, _) if value > healthy => Mark::Healthy,
            Self::Rising(_, alarm) if value < alarm => Mark::Alarm,
            Self::Falling(healthy, _) if value < healthy => Mark::Healthy,
            Self::Falling(_, alarm) if value > alarm => Mark::Alarm,
            Self::None => Mark::Stated,
            Self::Rising(..) | Self::Falling(..) => Mark::Between,
        }
    }
}

/// One of the twenty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicator {
    /// 1 to 20, never reused.
    pub number: u8,
    /// Its name, stable.
    pub name: String,
    /// What its first figure says of it.
    pub mark: Mark,
    /// Its numbers; the first one is the indicator.
    pub figures: Vec<Figure>,
}

impl Indicator {
    /// An indicator whose first figure is `measured`.
    pub(super) fn new(
        number: u8,
        name: &str,
        band: Band,
        (figure, unit, measured): (&str, Unit, Measured),
    ) -> Self {
        let figures = vec![Figure::new(figure, unit, measured)];
        Self { number, name: name.to_owned(), mark: band.mark(measured), figures }
    }

    /// The same with one more figure.
    pub(super) fn with(mut self, figure: &str, unit: Unit, measured: Measured) -> Self {
        self.figures.push(Figure::new(figure, unit, measured));
        self
    }

    /// The figure with this name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}
