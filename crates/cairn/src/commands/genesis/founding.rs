//! The founder's file: genesis as a person writes it, with a date for its start and one account that gets the rest.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::Address;
use cairn_primitives::{
    EconomyParams, Genesis, GenesisAccount, GenesisIngest, GenesisValidator, GovernanceParams,
    MicroUsd, PoolParams, StakeParams,
};
use cairn_sim::economy::scenario::{Scenario, Simulate};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A commented example, which is a whole founding.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founding {
    name: String,
    chain_id: u64,
    start: String,
    time_scale: u64,
    epoch_ms: u64,
    commit_window_ms: u64,
    attest_window_ms: u64,
    block_busy_ms: u64,
    block_idle_ms: u64,
    block_gas_limit: u64,
    base_fee_initial: u64,
    base_fee_min: u64,
    economy: EconomyParams,
    pool: Option<PoolParams>,
    #[serde(default)]
    stake: StakeParams,
    governance: Option<GovernanceParams>,
    /// The simulator's table: a scenario is a founder's file. Checked, and not part of genesis.
    simulate: Option<Simulate>,
    validators: Vec<GenesisValidator>,
    #[serde(default)]
    ingests: Vec<GenesisIngest>,
    accounts: Vec<Account>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    name: String,
    address: Address,
    stones: Share,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "write whole stones, or \"rest\"")]
enum Share {
    Stones(u64),
    Rest(Rest),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rest {
    Rest,
}

impl Founding {
    /// Reads the file's text; `name` is for errors.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        Ok(cairn_kit::config::parse(name, text, "", [])?)
    }

    /// The genesis, checked. `now` is what a start of "now" means.
    pub fn genesis(self, now: SystemTime) -> Result<Genesis> {
        let start_ms = start_ms(&self.start, now)?;
        if let Some(simulate) = self.simulate.clone() {
            let (economy, history) = (self.economy.clone(), None);
            Scenario { economy, simulate, history }.check()?;
        }
        for (index, ingest) in self.ingests.iter().enumerate() {
            crate::host::check_url(&format!("ingests[{index}].url"), &ingest.url)?;
        }
        for (index, validator) in self.validators.iter().enumerate() {
            cairn_consensus::validator_set(&[validator.consensus_key]).map_err(|_| {
                eyre!(
                    "validators[{index}].consensus_key is {}: copy the Ed25519 key that `cairn validator init` printed",
                    validator.consensus_key
                )
            })?;
        }
        let rest = self.rest()?;
        let account = |account: Account| GenesisAccount {
            name: account.name,
            address: account.address,
            stones: match account.stones {
                Share::Stones(stones) => stones,
                Share::Rest(Rest::Rest) => rest,
            },
        };
        let genesis = Genesis {
            name: self.name,
            chain_id: self.chain_id,
            start_ms,
            epoch_ms: self.epoch_ms,
            time_scale: self.time_scale,
            commit_window_ms: self.commit_window_ms,
            attest_window_ms: self.attest_window_ms,
            block_busy_ms: self.block_busy_ms,
            block_idle_ms: self.block_idle_ms,
            block_gas_limit: self.block_gas_limit,
            base_fee_initial: self.base_fee_initial,
            base_fee_min: self.base_fee_min,
            economy: self.economy,
            pool: self.pool,
            stake: self.stake,
            governance: self.governance,
            validators: self.validators,
            ingests: self.ingests,
            accounts: self.accounts.into_iter().map(account).collect(),
        };
        genesis.check()?;
        Ok(genesis)
    }

    /// What is left of the cap for the account that gets the rest; 0 when none asks for it.
    fn rest(&self) -> Result<u64> {
        let takers = self.accounts.iter().filter(|a| matches!(a.stones, Share::Rest(_))).count();
        if takers > 1 {
            bail!("accounts: {takers} of them have stones = \"rest\": only one can");
        }
        let bonds = self.validators.iter().map(|v| u128::from(v.bond_stones)).sum::<u128>();
        let held = self.accounts.iter().map(|a| match a.stones {
            Share::Stones(stones) => u128::from(stones),
            Share::Rest(_) => 0,
        });
        let price = MicroUsd(self.economy.price_micro_usd);
        let pooled = self.pool.as_ref().map_or(0, |pool| pool.whole_stones(price));
        let spent = u128::from(self.economy.reserve_stones)
            + u128::from(pooled)
            + bonds
            + held.sum::<u128>();
        let rest = u128::from(self.economy.cap_stones).checked_sub(spent);
        match rest.and_then(|rest| u64::try_from(rest).ok()) {
            Some(rest) => Ok(rest),
            // Without a taker `Genesis::check` says what does not add up.
            None if takers == 0 => Ok(0),
            None => bail!(
                "economy.cap_stones is {}: reserve, bonds and accounts are {spent} already; raise it or give less",
                self.economy.cap_stones
            ),
        }
    }
}

fn start_ms(text: &str, now: SystemTime) -> Result<u64> {
    if text == "now" {
        let now = now.duration_since(UNIX_EPOCH).wrap_err("this machine's clock is before 1970")?;
        return Ok(u64::try_from(now.as_millis())?);
    }
    let wrong = || eyre!("start is `{text}`: write \"now\" or a time like 2027-01-01T00:00:00Z");
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Genesis, String> {
        let founding = Founding::parse("network.toml", text).map_err(|e| format!("{e:#}"))?;
        founding.genesis(UNIX_EPOCH).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_example_is_a_genesis_and_every_key_is_explained() {
        let genesis = found(EXAMPLE).unwrap();
        assert_eq!(genesis.start_ms, 1_798_761_600_000);
        assert_eq!(genesis.accounts[0].stones, 1_000_000_000 - 600_000_000 - 100_000);
        let text = toml::to_string(&genesis).unwrap();
        assert_eq!(toml::from_str::<Genesis>(&text).unwrap(), genesis);
        let lines: Vec<&str> = EXAMPLE.lines().collect();
        for (before, line) in lines.iter().zip(&lines[1..]) {
            if line.contains(" = ") && !line.starts_with('#') {
                assert!(before.starts_with("# "), "`{line}` has no comment");
            }
        }
        // Every key of genesis can be written, and no other.
        let keys = |text: &str| {
            let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(key)
                .collect::<std::collections::BTreeSet<_>>()
        };
        let (mut written, mut made) = (keys(EXAMPLE), keys(&text));
        assert!(written.remove("start") && made.remove("start_ms"));
        assert_eq!(written, made);
    }

    /// The example's pool is one that can be founded; its stones come out of the account that gets the rest.
    #[test]
    fn the_example_explains_a_pool() {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
            _ => line.to_owned(),
        };
        let text = EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n");
        let (genesis, plain) = (found(&text).unwrap(), found(EXAMPLE).unwrap());
        let pool = genesis.pool.as_ref().unwrap();
        assert_eq!((pool.usd, pool.whole_stones(genesis.price())), (100_000, 400_000));
        assert_eq!(genesis.accounts[0].stones, plain.accounts[0].stones - 400_000);
        assert!(plain.pool.is_none());
        let text = toml::to_string(&genesis).unwrap();
        assert_eq!(toml::from_str::<Genesis>(&text).unwrap(), genesis);
        assert!(!toml::to_string(&plain).unwrap().contains("pool"));
    }

    /// One file for both: what is simulated is what is founded.
    #[test]
    fn a_scenario_is_a_founders_file_and_the_other_way_round() {
        let both =
            format!("{EXAMPLE}\n[simulate]\ndays = 30\n[simulate.demand]\nfinal_usd_day = 7\n");
        let genesis = found(&both).unwrap();
        assert_eq!(genesis, found(EXAMPLE).unwrap());
        let scenario = Scenario::parse("network.toml", &both).unwrap();
        assert_eq!((scenario.economy, scenario.simulate.days), (genesis.economy, 30));
        for (name, text) in cairn_sim::economy::presets::ALL {
            let scenario: toml::Table = text.parse().unwrap();
            let mut network: toml::Table = EXAMPLE.parse().unwrap();
            network.extend(scenario);
            let genesis = found(&network.to_string()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(genesis.economy, Scenario::parse(name, text).unwrap().economy);
        }
    }

    #[test]
    fn errors_name_the_field_the_value_and_the_fix() {
        for (from, to, expected) in [
            (
                "name = \"example\"",
                "name = \"example\"\ncolour = 1",
                "setting `colour` = 1: unknown field",
            ),
            ("chain_id = 31416\n", "", "setting `chain_id` = (missing)"),
            ("chain_id = 31416", "chain_id = 0", "chain_id is 0: choose 1 to"),
            ("\"2027-01-01T00:00:00Z\"", "\"soon\"", "start is `soon`: write \"now\""),
            (
                "stones = \"rest\"",
                "stones = 5",
                "accounts is 600100005: reserve_stones, bonds and accounts",
            ),
            ("stones = \"rest\"", "stones = \"all\"", "write whole stones, or \"rest\""),
            (
                "cap_stones = 1000000000",
                "cap_stones = 600000000",
                "economy.cap_stones is 600000000",
            ),
            (
                "match_ppm = 900000",
                "match_ppm = 1000000",
                "economy.match_ppm is 1000000: must be below",
            ),
            (
                "url = \"http:",
                "url = \"ftp:",
                "ingests[0].url is `ftp://203.0.113.7:8600`: write a URL",
            ),
            ("0xd75a980182b10ab7", "0xffffffffffffffff", "validators[0].consensus_key is 0xffff"),
            ("operator = \"0x1111", "operator = \"0x11", "operator"),
        ] {
            let error = found(&EXAMPLE.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        let wrong = format!("{EXAMPLE}\n[simulate]\ndays = 0\n");
        let error = found(&wrong).unwrap_err();
        assert!(error.contains("simulate.days is 0: 1 to 10000000000 days"), "{error}");
        let twice = format!(
            "{EXAMPLE}\n[[accounts]]\nname = \"b\"\naddress = \"0x4444444444444444444444444444444444444444\"\nstones = \"rest\"\n"
        );
        assert!(found(&twice).unwrap_err().contains("2 of them have stones = \"rest\""));
        assert_eq!(found(&EXAMPLE.replace("2027-01-01T00:00:00Z", "now")).unwrap().start_ms, 0);
    }
}
