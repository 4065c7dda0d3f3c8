//! `node.toml`: the settings of one node, its operator's and nobody else's.
//!
//! Every key can be overridden by the environment (`CAIRN__RPC__LISTEN=…`); unknown keys are refused. No secret is in it:
//! keys are files of their own, so the effective settings can be shown.

mod example;
mod price;
mod text;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use cairn_consensus::{PeerAddress, Reach};
use cairn_kit::telemetry::Format;
use cairn_node::{
    disk::{BLOCKS_MIN, STATE_WINDOW},
    rpc::RpcConfig,
    sync::{SyncConfig, SyncMode},
    validator::NodeKeys,
};
use cairn_primitives::Digest;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::{Deserialize, Serialize};

pub use price::PriceFrom;
pub use text::{Peer, Text, TrustedBlock};

/// Environment variables that override settings begin with it and two underscores.
pub const ENV_PREFIX: &str = "CAIRN";

/// The settings file in a node's folder.
pub fn settings_path(dir: &Path) -> PathBuf {
    dir.join("node.toml")
}

/// What a node does in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Orders blocks, verifies evidence, votes.
    Validator,
    /// Follows, serves JSON-RPC and the archive.
    Rpc,
    /// Takes devices' evidence, on top of a follower's ledger.
    Ingest,
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The only genesis this node may run with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis_hash: Option<Digest>,
    /// Validators: who holds the consensus key, where it is not in the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// Validators: the other validators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p2p: Option<P2p>,
    /// All others: the nodes whose blocks are followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<Follow>,
    /// Ingests: where devices deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingest: Option<Door>,
    /// Validators: where their view of the price comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceFrom>,
    /// JSON-RPC.
    pub rpc: Rpc,
    /// Archive, blocks, health and metrics.
    pub http: Http,
    /// Where missing files come from.
    #[serde(default)]
    pub archive: Archives,
    /// What is kept.
    #[serde(default)]
    pub data: Data,
    /// How an empty node gets the ledger.
    #[serde(default)]
    pub sync: SyncFrom,
    /// Log lines.
    #[serde(default)]
    pub log: Log,
}

/// `[signer]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The Unix socket of `cairn signer run`.
    pub socket: PathBuf,
}

/// `[p2p]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct P2p {
    /// Where it listens for validators.
    pub listen: SocketAddr,
    /// Where they reach it.
    pub dialable: Text<PeerAddress>,
    /// Whether peers are on the internet or on private addresses.
    pub reach: ReachName,
    /// Validators to begin with.
    pub bootstrap: Vec<Text<Peer>>,
}

/// `reach`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReachName {
    /// Public addresses only.
    Internet,
    /// Private addresses too.
    Private,
}

impl From<ReachName> for Reach {
    fn from(name: ReachName) -> Self {
        match name {
            ReachName::Internet => Self::Internet,
            ReachName::Private => Self::Local,
        }
    }
}

/// `[follow]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// JSON-RPC of nodes, asked in turn.
    pub upstream: Vec<String>,
}

/// `[ingest]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// Where devices deliver over HTTP.
    pub http: SocketAddr,
    /// Where devices deliver over MQTT 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<SocketAddr>,
}

/// `[rpc]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rpc {
    /// Where JSON-RPC listens.
    pub listen: SocketAddr,
    /// Most connections.
    #[serde(default = "connections_max")]
    pub connections_max: u32,
}

fn connections_max() -> u32 {
    RpcConfig::at(SocketAddr::from(([127, 0, 0, 1], 0))).connections_max
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where archive, blocks, `/health`, `/ready` and `/metrics` are served.
    pub listen: SocketAddr,
    /// How others reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
}

/// `[archive]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archives {
    /// Base URLs of archives that are asked for files that this node lacks.
    pub peers: Vec<String>,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Folder, relative to the node's.
    pub folder: PathBuf,
    /// Past blocks whose state can be read.
    pub state_window_blocks: u64,
    /// Whether all blocks are kept.
    pub mode: DataMode,
    /// Past blocks that a pruned node keeps.
    pub blocks: u64,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            folder: "data".into(),
            state_window_blocks: STATE_WINDOW,
            mode: DataMode::Archive,
            blocks: STATE_WINDOW,
        }
    }
}

impl Data {
    /// Past blocks that are kept; `None` for all.
    pub fn blocks_kept(&self) -> Option<u64> {
        (self.mode == DataMode::Pruned).then_some(self.blocks)
    }
}

/// `data.mode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataMode {
    /// All blocks.
    #[default]
    Archive,
    /// The last ones.
    Pruned,
}

/// `[sync]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncFrom {
    /// The state of a recent block, or every block.
    pub mode: SyncMode,
    /// JSON-RPC of nodes that are asked for the state.
    pub peers: Vec<String>,
    /// Chains of fewer blocks are replayed whatever the mode.
    pub short_blocks: u64,
    /// The last block of a term, known from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<Text<TrustedBlock>>,
}

impl Default for SyncFrom {
    fn default() -> Self {
        let SyncConfig { mode, peers, short_blocks, .. } = SyncConfig::default();
        Self { mode, peers, short_blocks, trusted: None }
    }
}

impl SyncFrom {
    /// As the node takes it.
    pub fn config(&self) -> SyncConfig {
        let trusted = self.trusted.as_ref().map(|trusted| trusted.0.0);
        let Self { mode, short_blocks, .. } = *self;
        SyncConfig { mode, peers: self.peers.clone(), trusted, short_blocks }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Filter of `tracing`.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

/// `format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "warn,cairn=info".into(), format: LogFormat::Text }
    }
}

impl Settings {
    /// The validator's keys: the operator's from its folder, consensus' from there or behind the socket.
    pub fn keys(&self, dir: &Path) -> Result<NodeKeys> {
        let Some(signer) = &self.signer else {
            return NodeKeys::load(dir)
                .wrap_err("the keys of this validator: `cairn validator init` makes them");
        };
        Ok(NodeKeys::with_signer(dir, &signer.socket)?)
    }

    /// Reads the settings in `dir` with the environment on top, and starts the log that they ask for.
    pub fn open(dir: &Path, role: Role) -> Result<Self> {
        let path = settings_path(dir);
        let settings: Self = cairn_kit::config::load(&path, ENV_PREFIX).wrap_err_with(|| {
            format!("the settings {}: `init` writes an example", path.display())
        })?;
        settings.check(role)?;
        let format = match settings.log.format {
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        };
        cairn_kit::telemetry::init(&settings.log.filter, format)?;
        Ok(settings)
    }

    fn check(&self, role: Role) -> Result<()> {
        match (role, &self.p2p, &self.follow) {
            (Role::Validator, None, _) => bail!("[p2p] is missing: a validator needs it"),
            (Role::Rpc | Role::Ingest, _, None) => {
                bail!("[follow] is missing: a node without a vote needs `upstream` nodes")
            }
            (Role::Rpc | Role::Ingest, _, Some(follow)) if follow.upstream.is_empty() => {
                bail!("follow.upstream is []: name the JSON-RPC of one validator or more")
            }
            _ => {}
        }
        match (role, &self.price) {
            (Role::Validator, Some(price)) => price.check()?,
            (_, Some(_)) => bail!("[price] is for validators: nobody else feeds a price"),
            (_, None) => {}
        }
        if role == Role::Ingest && self.ingest.is_none() {
            bail!("[ingest] is missing: say where devices deliver");
        }
        if self.http.listen.ip().is_unspecified() && self.http.public_url.is_none() {
            bail!(
                "http.listen is {}: also write http.public_url, how others reach it",
                self.http.listen
            );
        }
        let mut urls: Vec<(&str, &String)> =
            self.archive.peers.iter().map(|url| ("archive.peers", url)).collect();
        urls.extend(self.sync.peers.iter().map(|url| ("sync.peers", url)));
        urls.extend(self.http.public_url.iter().map(|url| ("http.public_url", url)));
        urls.extend(
            self.follow.iter().flat_map(|f| &f.upstream).map(|url| ("follow.upstream", url)),
        );
        for (key, url) in urls {
            check_url(key, url)?;
        }
        let window = self.data.state_window_blocks;
        if window < cairn_consensus::WRITES_KEPT {
            bail!(
                "data.state_window_blocks is {window}: keep {} or more",
                cairn_consensus::WRITES_KEPT
            );
        }
        if self.data.blocks < BLOCKS_MIN {
            bail!("data.blocks is {}: keep {BLOCKS_MIN} or more", self.data.blocks);
        }
        Ok(())
    }

    /// The effective settings as TOML.
    pub fn shown(&self) -> Result<String> {
        toml::to_string(self).wrap_err("writing the settings as TOML")
    }

    /// The data folder of the node in `dir`.
    pub fn data(&self, dir: &Path) -> PathBuf {
        dir.join(&self.data.folder)
    }

    /// JSON-RPC as the node needs it.
    pub fn rpc(&self) -> RpcConfig {
        RpcConfig { connections_max: self.rpc.connections_max, ..RpcConfig::at(self.rpc.listen) }
    }
}

/// Fails unless `url` is an HTTP address without a path's end.
pub fn check_url(key: &str, url: &str) -> Result<()> {
    let parsed = reqwest::Url::parse(url).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.query().is_none()
    });
    match parsed {
        Some(_) => Ok(()),
        None => Err(eyre!("{key} is `{url}`: write a URL like http://203.0.113.7:8602")),
    }
}

/// The URL at which this machine reaches a server on `listen`.
pub fn open_url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, env: &[(&str, &str)]) -> Result<Settings, String> {
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        cairn_kit::config::parse("node.toml", text, ENV_PREFIX, env).map_err(|e| e.to_string())
    }

    #[test]
    fn examples_are_whole_settings_and_every_key_is_explained() {
        for role in [Role::Validator, Role::Rpc, Role::Ingest] {
            let text = Settings::example(role);
            let settings = parse(&text, &[]).unwrap();
            settings.check(role).unwrap();
            assert_eq!(parse(&settings.shown().unwrap(), &[]).unwrap(), settings);
            let lines: Vec<&str> = text.lines().collect();
            for (before, line) in lines.iter().zip(&lines[1..]) {
                if line.contains(" = ") && !line.starts_with('#') {
                    let told = before.starts_with('#') || before.starts_with("filter");
                    assert!(told, "{role:?}: `{line}` has no comment");
                }
            }
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        let good = Settings::example(Role::Validator);
        for (from, to, expected) in [
            ("[rpc]", "[rpc]\nport = 1", "setting `rpc.port` = 1"),
            ("reach = \"internet\"", "reach = \"moon\"", "setting `p2p.reach` = \"moon\""),
            ("bootstrap = []", "bootstrap = [\"x@y:1\"]", "write 0xCONSENSUS_KEY@HOST:PORT"),
            (
                "dialable = \"203.0.113.7:8601\"",
                "dialable = \"203.0.113.7\"",
                "write IP:PORT or NAME:PORT",
            ),
            (
                "listen = \"127.0.0.1:8545\"",
                "listen = \"localhost\"",
                "setting `rpc.listen` = \"localhost\"",
            ),
        ] {
            let error = parse(&good.replacen(from, to, 1), &[]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let over = parse(&good, &[("CAIRN__RPC__LISTEN", "127.0.0.1:1")]).unwrap();
        assert_eq!(over.rpc.listen.port(), 1);
        let check = |from: &str, to: &str, role| {
            let settings = parse(&good.replacen(from, to, 1), &[]).unwrap();
            settings.check(role).unwrap_err().to_string()
        };
        assert!(check("\npublic_url", "\n#", Role::Validator).contains("http.public_url"));
        assert!(
            check("peers = []", "peers = [\"a\"]", Role::Validator)
                .contains("archive.peers is `a`")
        );
        assert!(check("", "", Role::Rpc).contains("[follow] is missing"));
        let window = format!("blocks = {STATE_WINDOW}");
        assert!(check(&window, "blocks = 1", Role::Validator).contains("blocks is 1"));
    }
}
