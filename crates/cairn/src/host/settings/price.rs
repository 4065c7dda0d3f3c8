//! `[price]`: where a validator's view of the price comes from.

use std::{path::Path, time::Duration};

use cairn_node::price::{PriceFeed, PriceSource};
use eyre::{Result, bail};
use serde::{Deserialize, Serialize};

/// Pause between two looks, seconds: shortest, longest, usual. The longest is a quarter of a view's ten minutes.
const EVERY_SECONDS: (u64, u64, u64) = (5, 150, 60);

/// The table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceFrom {
    /// A file's path, or a URL.
    pub source: String,
    /// Seconds of the wall between two looks.
    #[serde(default = "usual")]
    pub every_seconds: u64,
}

const fn usual() -> u64 {
    EVERY_SECONDS.2
}

impl PriceFrom {
    pub(super) fn check(&self) -> Result<()> {
        let (least, most, _) = EVERY_SECONDS;
        if !(least..=most).contains(&self.every_seconds) {
            bail!("price.every_seconds is {}: look every {least} to {most} s", self.every_seconds);
        }
        PriceSource::new(&self.source, Path::new("."))?;
        Ok(())
    }

    /// As the node takes it; a path is relative to the validator's folder.
    pub fn feed(&self, dir: &Path) -> Result<PriceFeed> {
        let source = PriceSource::new(&self.source, dir)?;
        Ok(PriceFeed { source, every: Duration::from_secs(self.every_seconds) })
    }
}

pub(super) const EXAMPLE: &str = r#"
# This validator's view of the price, where genesis has a pool. Optional, and good for all: the median of a quorum's views pauses
# minting and subsidy while the pool is far from it. It sets nothing. The operator's account pays for each feed, a little STONE.
# [price]
# Dollars per STONE as 1.23, or {"price_usd": "1.23"}: in a file (relative to this file's folder), or at an http(s) URL.
# source = "price.txt"
# Seconds between two looks: 5 to 150. It is fed when it moved by half a percent, and before ten minutes are over.
# every_seconds = 60
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Role, Settings};

    fn with(text: &str, role: Role) -> Result<Settings, String> {
        let toml = format!("{}{text}", Settings::example(role));
        let settings: Settings =
            cairn_kit::config::parse("node.toml", &toml, "", []).map_err(|e| e.to_string())?;
        settings.check(role).map_err(|e| e.to_string())?;
        Ok(settings)
    }

    #[test]
    fn the_example_without_its_hashes_is_a_price() {
        let shown: Vec<&str> = EXAMPLE.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let table = shown.iter().skip_while(|line| **line != "[price]");
        let table: Vec<&str> =
            table.filter(|line| line.starts_with('[') || line.contains(" = ")).copied().collect();
        let settings = with(&format!("\n{}\n", table.join("\n")), Role::Validator).expect("good");
        let price = settings.price.clone().expect("a price");
        assert_eq!(price, PriceFrom { source: "price.txt".into(), every_seconds: usual() });
        let feed = price.feed(Path::new("/srv/v")).expect("a feed");
        assert_eq!(feed.source.to_string(), "/srv/v/price.txt");
        assert!(settings.shown().expect("text").contains("[price]"));
        let short = with("\n[price]\nsource = \"p\"\n", Role::Validator).expect("good");
        assert_eq!(short.price.expect("a price").every_seconds, usual());
    }

    #[test]
    fn wrong_ones_are_named() {
        for (text, role, expected) in [
            ("source = \"\"", Role::Validator, "price.source is ``"),
            ("source = \"ftp://a/b\"", Role::Validator, "price.source is `ftp://a/b`"),
            ("source = \"p\"\nevery_seconds = 4", Role::Validator, "price.every_seconds is 4"),
            ("source = \"p\"\nevery_seconds = 151", Role::Validator, "5 to 150"),
            ("every_seconds = 60", Role::Validator, "missing field `source`"),
            ("source = \"p\"\nusd = 1", Role::Validator, "price.usd"),
            ("source = \"p\"", Role::Rpc, "[price] is for validators"),
        ] {
            let error = with(&format!("\n[price]\n{text}\n"), role).expect_err(text);
            assert!(error.contains(expected), "{error}");
        }
    }
}
