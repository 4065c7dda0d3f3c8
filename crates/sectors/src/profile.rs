//! The sector table: what a page must know of every sector, in words and in declared references.
//!
//! One match a question, each exhaustive: a new sector does not compile until it has said what it sells, what a unit is,
//! how it is verified, what its score is made of, and what the network declares about its cost. `cairn reality` and
//! `cairn why` read nothing else about a sector (docs/spec/reality.md, "A new sector").

use cairn_economy::reality::Reference;
use cairn_primitives::{MicroUsd, Sector};

/// What is shown of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What it sells.
    pub service: &'static str,
    /// One unit of it.
    pub unit: &'static str,
    /// How its work is verified.
    pub verified_by: &'static str,
    /// The parts of a score, in the order of the score leaf.
    pub score_parts: [&'static str; 4],
    /// What the network declares about costs and prices.
    pub reference: Reference,
}

/// The profile of a sector.
#[must_use]
pub const fn profile(sector: Sector) -> Profile {
    match sector {
        Sector::Sensing => SENSING,
    }
}

/// A station of $ 100 that draws 3 W at $ 0.20 a kilowatt-hour, as `cairn payback` takes where nothing else is said; a bond
/// that would bring 5 %. No company's price is declared for a verified reading: nobody sells one to compare with.
const SENSING: Profile = Profile {
    service: "weather readings of known places, signed by their stations",
    unit: "reading",
    verified_by: "every validator recomputes each station's hour: signature, bounds, jumps, neighbours, deployment, copies",
    score_parts: ["availability", "neighbours", "deployment", "location"],
    reference: Reference {
        hardware: MicroUsd(100_000_000),
        install: MicroUsd(0),
        opex_per_day: MicroUsd(14_400),
        opportunity_ppm: 50_000,
        kilo_unit: None,
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sector_says_what_it_is() {
        for sector in Sector::ALL {
            let profile = profile(sector);
            for words in [profile.service, profile.unit, profile.verified_by] {
                assert!(!words.is_empty(), "{sector:?}");
            }
            assert!(profile.reference.hardware > MicroUsd::ZERO, "{sector:?}");
        }
    }
}
