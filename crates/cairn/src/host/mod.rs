//! What the roles of a network on many hosts have in common: settings, genesis, clock, and a life that a signal ends.
//!
//! `cairn up` runs a whole network in one process instead; both start the same roles of `cairn-node`.

mod clock;
mod life;
mod settings;

use std::path::{Path, PathBuf};

use cairn_node::validator::Network;
use cairn_primitives::{Digest, Genesis};
use eyre::{Result, WrapErr as _, bail};

pub use clock::start_clock;
pub use life::{Life, event, refetch};
pub use settings::{ENV_PREFIX, Role, Settings, check_url, open_url, settings_path};

/// Reads and checks a genesis file; its exact bytes are what is hashed.
pub fn read_genesis(path: &Path) -> Result<(Genesis, String)> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| {
        format!(
            "reading {}: copy the network's genesis.toml there, or name it with --genesis",
            path.display()
        )
    })?;
    let genesis: Genesis = cairn_kit::config::parse(&path.display().to_string(), &text, "", [])
        .wrap_err_with(|| format!("parsing {}", path.display()))?;
    genesis.check().wrap_err_with(|| format!("checking {}", path.display()))?;
    Ok((genesis, text))
}

/// The network of a node: its genesis file, and that it is the one that its settings pin.
pub fn read_network(dir: &Path, asked: Option<&PathBuf>, pin: Option<Digest>) -> Result<Network> {
    let path = asked.cloned().unwrap_or_else(|| dir.join("genesis.toml"));
    let (genesis, text) = read_genesis(&path)?;
    let network = Network::new(genesis, &text);
    if let Some(pin) = pin.filter(|pin| *pin != network.hash) {
        bail!(
            "{} has the hash {}, and genesis_hash in node.toml is {pin}: it is the genesis of another network",
            path.display(),
            network.hash
        );
    }
    Ok(network)
}
