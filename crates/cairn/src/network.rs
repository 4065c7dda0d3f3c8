//! A network's folder: where everything lies, how genesis comes about, and what other commands find there.
//!
//! ```text
//! DIR/genesis.toml          the same for all, for ever
//!     network.json          endpoints and stations, rewritten by each `up`
//!     replay.csv            the station log
//!     keys/NAME.key         accounts (mode 0600)
//!     validators/N/         ledger.redb, consensus/, archive/
//!     ingest/  gateway/  agents/STATION/
//! ```

mod governance;
mod pool;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use cairn_agent::sensing::Station;
use cairn_client::{DevKeys, KeyFile, Role, StoredKey, Wallet};
use cairn_primitives::{
    Cell, DeviceId, Digest, EconomyParams, Genesis, GenesisAccount, GenesisIngest,
    GenesisValidator, MicroUsd, StakeParams,
};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::{Deserialize, Serialize};

/// Validators of a network on one machine: the fewest that go on when one is down.
pub const VALIDATORS: usize = 4;
/// Network milliseconds of one epoch in a replay.
pub const EPOCH_MS: u64 = 3_600_000;
/// EIP-155 chain id of local networks.
pub const CHAIN_ID: u64 = 31_415;
/// Stones of each owner at genesis: bonds and fees of a fleet's first months.
const OWNER_STONES: u64 = 10_000;
const CONSUMER_STONES: u64 = 1_000_000;
const GATEWAY_STONES: u64 = 10_000;
/// The keeper claims for every owner, so that nobody who watches a local network has to.
const KEEPER_STONES: u64 = 10_000;
const VALIDATOR_BOND_STONES: u64 = 100_000;
/// Of each validator's operator: fees of feeds and reports.
const OPERATOR_STONES: u64 = 100;

/// Paths inside a network's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`, which need not exist.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }
    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// `genesis.toml`.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.toml")
    }
    /// `network.json`.
    pub fn endpoints(&self) -> PathBuf {
        self.root.join("network.json")
    }
    /// The station log.
    pub fn replay(&self) -> PathBuf {
        self.root.join("replay.csv")
    }
    /// What the fleet was made from.
    pub fn origin(&self) -> PathBuf {
        self.root.join("origin.json")
    }
    /// The consumer's folder.
    pub fn consumer(&self) -> PathBuf {
        self.root.join("consumer")
    }
    /// The key file of an account or device; labels keep only letters, digits, `-` and `_`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.root.join("keys").join(format!("{}.key", file_name(name)))
    }
    /// A validator's folder.
    pub fn validator(&self, index: usize) -> PathBuf {
        self.root.join("validators").join(index.to_string())
    }
    /// The ingest's folder.
    pub fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }
    /// The gateway's folder.
    pub fn gateway(&self) -> PathBuf {
        self.root.join("gateway")
    }
    /// A device's spool.
    pub fn agent(&self, station: &str) -> PathBuf {
        self.root.join("agents").join(file_name(station))
    }

    /// The account of this name; an error that lists the accounts when there is none.
    pub fn wallet(&self, name: &str) -> Result<Wallet> {
        let path = self.key(name);
        if !path.exists() {
            bail!(
                "there is no account `{name}` in {}: its accounts are {}",
                self.root.display(),
                self.accounts()?.join(", ")
            );
        }
        match KeyFile::Account.load(&path)? {
            StoredKey::Account(wallet) => Ok(wallet),
            StoredKey::Ed25519(_) => bail!("{} is no account key", path.display()),
        }
    }

    /// Names of all accounts whose keys are here.
    pub fn accounts(&self) -> Result<Vec<String>> {
        let folder = self.root.join("keys");
        let mut names = Vec::new();
        let entries =
            fs::read_dir(&folder).wrap_err_with(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(name) =
                name.strip_suffix(".key").filter(|name| !name.starts_with("device-"))
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Genesis and its exact text.
    pub fn read_genesis(&self) -> Result<(Genesis, String)> {
        let path = self.genesis();
        let text = fs::read_to_string(&path).wrap_err_with(|| {
            format!("reading {}: is there a network in this folder?", path.display())
        })?;
        let genesis: Genesis =
            toml::from_str(&text).wrap_err_with(|| format!("parsing {}", path.display()))?;
        genesis.check()?;
        Ok((genesis, text))
    }

    /// Endpoints of the network that runs, or last ran, here.
    pub fn read_endpoints(&self) -> Result<Endpoints> {
        let path = self.endpoints();
        let text = fs::read_to_string(&path).wrap_err_with(|| {
            format!(
                "reading {}: start the network with `cairn up`, or name one with --rpc",
                path.display()
            )
        })?;
        serde_json::from_str(&text).wrap_err_with(|| format!("parsing {}", path.display()))
    }
}

fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let plain: String = name.chars().map(safe).collect();
    if plain == name {
        return plain;
    }
    // Two labels that differ only in odd characters must not share a file.
    let hash = Digest::of(&[name.as_bytes()]).to_string();
    format!("{plain}-{}", &hash[2..10])
}

/// What other commands need to know of a running network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoints {
    /// JSON-RPC of each validator.
    pub rpc: Vec<String>,
    /// Archive of each validator.
    pub archives: Vec<String>,
    /// The ingest's HTTP address.
    pub ingest: String,
    /// The ingest's MQTT address.
    pub mqtt: String,
    /// The gateway.
    pub gateway: String,
    /// Devices by station.
    pub stations: BTreeMap<String, StationEntry>,
}

/// A station of the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationEntry {
    /// Its device.
    pub device: DeviceId,
    /// Its owner's label.
    pub owner: String,
}

/// What a new network is made of.
pub struct Founding<'a> {
    /// The fleet.
    pub stations: &'a [Station],
    /// Network time of the first epoch.
    pub start_ms: u64,
    /// Wall seconds of one epoch.
    pub epoch_seconds: u64,
    /// The keys.
    pub keys: &'a DevKeys,
}

/// Label of a validator.
pub fn validator_label(index: usize) -> String {
    format!("validator-{index}")
}

/// Accounts of a local network that are no owner's.
const RESERVED: [&str; 5] = ["consumer", "founder", "gateway", "keeper", "me"];

/// Key file name of an owner: the label itself, unless it would pass for another kind of key.
pub fn owner_label(owner: &str) -> String {
    let is_taken = RESERVED.contains(&owner)
        || owner.starts_with("device-")
        || owner.starts_with("validator-");
    if is_taken { format!("owner-{owner}") } else { owner.to_owned() }
}

impl Founding<'_> {
    /// Genesis of the new network.
    ///
    /// Coverage is needed where the fleet stands: each of its cells wants three devices, or as many as stand there.
    pub fn genesis(&self) -> Result<Genesis> {
        let mut cells = BTreeMap::<Cell, u32>::new();
        for station in self.stations {
            *cells.entry(Cell::at(station.position)?).or_default() += 1;
        }
        let mut owners: Vec<&str> = self.stations.iter().map(|s| s.owner.as_str()).collect();
        owners.sort_unstable();
        owners.dedup();
        let keys = self.keys;
        let account = |name: String, role, label: &str, stones| GenesisAccount {
            name,
            address: keys.wallet(role, label).address(),
            stones,
        };
        let mut accounts = vec![
            account("consumer".into(), Role::Consumer, "consumer", CONSUMER_STONES),
            account("gateway".into(), Role::Gateway, "gateway", GATEWAY_STONES),
            account("keeper".into(), Role::Founder, "keeper", KEEPER_STONES),
        ];
        accounts.extend(
            owners
                .iter()
                .map(|owner| account(owner_label(owner), Role::Owner, owner, OWNER_STONES)),
        );
        accounts.extend((0..VALIDATORS).map(validator_label).map(|name| {
            let address = keys.wallet(Role::Validator, &name).address();
            GenesisAccount { name, address, stones: OPERATOR_STONES }
        }));
        let mut names: Vec<&str> = accounts.iter().map(|a| a.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("owner `{}` has the name of another account: choose another label", pair[0]);
        }
        let validators: Vec<GenesisValidator> = (0..VALIDATORS)
            .map(|index| {
                let name = validator_label(index);
                GenesisValidator {
                    operator: keys.wallet(Role::Validator, &name).address(),
                    consensus_key: B256::from_slice(
                        keys.ed25519(Role::Validator, &name).public().as_bytes(),
                    ),
                    bond_stones: VALIDATOR_BOND_STONES,
                    name,
                }
            })
            .collect();
        let economy =
            economy(u32::try_from(cells.len())?, cells.values().copied().max().unwrap_or(0));
        let spent = accounts.iter().map(|a| a.stones).sum::<u64>()
            + VALIDATOR_BOND_STONES * VALIDATORS as u64;
        let keeper = keys.wallet(Role::Founder, "keeper").address();
        let pool = pool::pool(keys.wallet(Role::Founder, "founder").address());
        let governance = governance::governance(keeper, &economy);
        let price = MicroUsd(economy.price_micro_usd);
        let issued = economy.cap_stones - economy.reserve_stones;
        let rest = issued.checked_sub(spent + pool.whole_stones(price)).ok_or_else(|| {
            eyre!("{} owners are more than a local network can fund", owners.len())
        })?;
        accounts.push(account("founder".into(), Role::Founder, "founder", rest));
        let genesis = Genesis {
            start_ms: self.start_ms,
            epoch_ms: EPOCH_MS,
            time_scale: crate::up::time_scale(self.epoch_seconds),
            commit_window_ms: EPOCH_MS / 3,
            attest_window_ms: EPOCH_MS / 3,
            block_busy_ms: 100,
            base_fee_min: 100_000_000,
            economy,
            pool: Some(pool),
            // Every seat sets memory for its messages aside, in four validators of one process.
            stake: StakeParams {
                seats_max: 8,
                seal_window_ms: EPOCH_MS / 6,
                ..StakeParams::default()
            },
            governance: Some(governance),
            validators,
            ingests: vec![GenesisIngest {
                operator: keys.wallet(Role::Ingest, "ingest").address(),
                receipt_key: B256::from_slice(
                    keys.ed25519(Role::Ingest, "ingest").public().as_bytes(),
                ),
                // In network.json: a free port in genesis would give two runs of one file different networks.
                url: String::new(),
            }],
            accounts,
            ..Genesis::empty("cairn-local", CHAIN_ID)
        };
        genesis.check()?;
        Ok(genesis)
    }
}

fn economy(target_cells: u32, fullest: u32) -> EconomyParams {
    EconomyParams { cell_target: fullest.max(3), target_cells, ..EconomyParams::default() }
}

/// Writes the key files of a new network.
pub fn write_keys(folder: &Folder, keys: &DevKeys, stations: &[Station]) -> Result<()> {
    let keys_folder = folder.root().join("keys");
    fs::create_dir_all(&keys_folder)
        .wrap_err_with(|| format!("making {}", keys_folder.display()))?;
    let save = |name: &str, wallet: Wallet| -> Result<()> {
        let path = folder.key(name);
        if path.exists() { Ok(()) } else { wallet.save(&path).map_err(Into::into) }
    };
    save("consumer", keys.wallet(Role::Consumer, "consumer"))?;
    save("gateway", keys.wallet(Role::Gateway, "gateway"))?;
    save("keeper", keys.wallet(Role::Founder, "keeper"))?;
    save("founder", keys.wallet(Role::Founder, "founder"))?;
    for name in (0..VALIDATORS).map(validator_label) {
        save(&name, keys.wallet(Role::Validator, &name))?;
    }
    for station in stations {
        save(&owner_label(&station.owner), keys.wallet(Role::Owner, &station.owner))?;
    }
    Ok(())
}

/// Genesis of a network without a fleet whose wallets hold all stones: that of a development chain.
///
/// It has the genesis price and no votes: contracts' suites count on whole numbers, and a pool whose time is made to jump pauses minting.
pub fn funded_genesis(keys: &DevKeys, wallets: &[Wallet], start_ms: u64) -> Result<Genesis> {
    let founding = Founding { stations: &[], start_ms, epoch_seconds: 20, keys };
    let mut genesis = founding.genesis()?;
    genesis.governance = None;
    let pool = genesis.pool.take().map_or(0, |pool| pool.whole_stones(genesis.price()));
    let founder = genesis.accounts.last_mut().ok_or_else(|| eyre!("genesis has no founder"))?;
    founder.stones += pool;
    let share = founder.stones / (wallets.len() as u64 + 1);
    founder.stones -= share * wallets.len() as u64;
    genesis.accounts.extend(wallets.iter().enumerate().map(|(n, wallet)| GenesisAccount {
        name: format!("sender-{n}"),
        address: wallet.address(),
        stones: share,
    }));
    genesis.check()?;
    Ok(genesis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_network_has_a_pool_and_votes_and_a_development_chain_has_neither() {
        let keys = DevKeys::new(1_u64.to_be_bytes());
        let founding = Founding { stations: &[], start_ms: 0, epoch_seconds: 20, keys: &keys };
        let genesis = founding.genesis().expect("a network");
        assert_eq!(genesis.pool.map(|pool| pool.whole_stones(MicroUsd(250_000))), Some(4_000_000));
        assert!(genesis.governance.is_some_and(|rules| !rules.guardian.is_zero()));
        // `check` holds the sum of all stones against the cap.
        let chain = funded_genesis(&keys, &[], 0).expect("a chain");
        assert!(chain.pool.is_none() && chain.governance.is_none());
    }
}
