//! Scenarios that come with the program: the rows of the design's table, a founder's question, and other networks' rules.

/// Names and texts.
pub const ALL: [(&str, &str); 15] = [
    ("demand-arrives", include_str!("../../../../data/scenarios/demand-arrives.toml")),
    ("demand-later", include_str!("../../../../data/scenarios/demand-later.toml")),
    ("demand-weak", include_str!("../../../../data/scenarios/demand-weak.toml")),
    ("demand-none", include_str!("../../../../data/scenarios/demand-none.toml")),
    ("price-crash", include_str!("../../../../data/scenarios/price-crash.toml")),
    ("price-boom", include_str!("../../../../data/scenarios/price-boom.toml")),
    ("founder", include_str!("../../../../data/scenarios/founder.toml")),
    ("grant", include_str!("../../../../data/scenarios/grant.toml")),
    ("own-pool", include_str!("../../../../data/scenarios/own-pool.toml")),
    ("fixed", include_str!("../../../../data/scenarios/fixed.toml")),
    ("helium-2021", include_str!("../../../../data/scenarios/helium-2021.toml")),
    ("band", include_str!("../../../../data/scenarios/band.toml")),
    ("render", include_str!("../../../../data/scenarios/render.toml")),
    ("akash", include_str!("../../../../data/scenarios/akash.toml")),
    ("filecoin", include_str!("../../../../data/scenarios/filecoin.toml")),
];

/// The text of a preset.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::economy::scenario::Scenario;

    /// Every preset is a scenario and says in its first line what it is.
    #[test]
    fn presets_are_scenarios() {
        for (name, text) in ALL {
            Scenario::parse(name, text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(text.starts_with("# "), "{name}");
        }
    }
}
