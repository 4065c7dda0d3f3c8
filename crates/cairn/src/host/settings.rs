//! `node.toml`: the settings of one node, its operator's and nobody else's.
//!
//! Every key can be overridden by the environment (`CAIRN__RPC__LISTEN=…`); unknown keys are refused. No secret is in it:
//! keys are files of their own, so the effective settings can be shown.

mod price;

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use cairn_consensus::{PeerAddress, Reach, Trusted};
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

/// `0xKEY@HOST:PORT`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Consensus key.
    pub key: B256,
    /// Where it is.
    pub at: PeerAddress,
}

impl std::str::FromStr for Peer {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no peer: write 0xCONSENSUS_KEY@HOST:PORT");
        let (key, at) = text.split_once('@').ok_or_else(wrong)?;
        Ok(Self { key: key.parse().map_err(|_| wrong())?, at: at.parse().map_err(|_| wrong())? })
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.key, self.at)
    }
}

/// A value that is text in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncFrom {
    /// The state of a recent block, or every block.
    pub mode: SyncMode,
    /// JSON-RPC of nodes that are asked for the state.
    pub peers: Vec<String>,
    /// The last block of a term, known from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<Text<TrustedBlock>>,
}

impl SyncFrom {
    /// As the node takes it.
    pub fn config(&self) -> SyncConfig {
        let trusted = self.trusted.as_ref().map(|trusted| trusted.0.0);
        SyncConfig { mode: self.mode, peers: self.peers.clone(), trusted, ..SyncConfig::default() }
    }
}

/// `TERM:0xBLOCKHASH`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedBlock(pub Trusted);

impl std::str::FromStr for TrustedBlock {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no block to trust: write TERM:0xHASH_OF_ITS_LAST_BLOCK");
        let (term, hash) = text.split_once(':').ok_or_else(wrong)?;
        let (term, hash) = (term.parse().map_err(|_| wrong())?, hash.parse().map_err(|_| wrong())?);
        Ok(Self(Trusted { term, hash }))
    }
}

impl std::fmt::Display for TrustedBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0.term, self.0.hash)
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
        if role == Role::Validator && self.sync != SyncFrom::default() {
            bail!("[sync] is for nodes without a vote: a validator executes every block");
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

    /// A commented example.
    pub fn example(role: Role) -> String {
        let mut text = EXAMPLE_HEAD.to_owned();
        text += match role {
            Role::Validator => EXAMPLE_P2P,
            Role::Rpc | Role::Ingest => EXAMPLE_FOLLOW,
        };
        if role == Role::Ingest {
            text += EXAMPLE_INGEST;
        }
        if role == Role::Validator {
            text += price::EXAMPLE;
        }
        let _ = write!(
            text,
            "{EXAMPLE_REST}state_window_blocks = {STATE_WINDOW}\n{}{EXAMPLE_LOG}filter = \"{}\"\nformat = \"text\"\n",
            if role == Role::Validator { "" } else { EXAMPLE_SYNC },
            Log::default().filter
        );
        text
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

const EXAMPLE_HEAD: &str = r#"# Settings of this node. They are its operator's: a wrong one hurts this node only.
# Every key can be overridden by the environment: CAIRN__RPC__LISTEN=127.0.0.1:9545 sets rpc.listen.

# Hash of the genesis this node may run with (`cairn genesis hash genesis.toml`); another genesis is refused. Optional.
# genesis_hash = "0x…"
"#;

const EXAMPLE_P2P: &str = r#"
[p2p]
# Where it listens for the other validators: IP:PORT.
listen = "0.0.0.0:8601"
# Where the others reach it: IP:PORT or NAME:PORT. They learn it from this node, signed with its key.
dialable = "203.0.113.7:8601"
# "internet" (public addresses only, careful limits) or "private" (a private network or one machine).
reach = "internet"
# Validators to connect to first, as 0xCONSENSUS_KEY@HOST:PORT; one that runs is enough, it tells where the others are.
# Empty on the node that all others begin with.
bootstrap = []
"#;

const EXAMPLE_FOLLOW: &str = r#"
[follow]
# JSON-RPC of nodes, asked in turn: they give blocks and take transactions. Nothing they say is believed without a
# certificate of the validators. One or more.
upstream = ["http://203.0.113.7:8545"]
"#;

const EXAMPLE_INGEST: &str = r#"
[ingest]
# Where devices deliver over HTTP: IP:PORT. Validators fetch its files there; it must be the url in genesis.
http = "0.0.0.0:8600"
# Where devices deliver over MQTT 5: IP:PORT. Optional.
mqtt = "0.0.0.0:1883"
"#;

const EXAMPLE_REST: &str = r#"
[rpc]
# Where JSON-RPC listens: IP:PORT. Only loopback unless the public may use this node.
listen = "127.0.0.1:8545"
# Most connections at once, 1 or more.
connections_max = 512

[http]
# Where archive files, blocks, /health, /ready and /metrics are served: IP:PORT.
listen = "0.0.0.0:8602"
# How others reach it: a URL. Needed when it listens on all addresses.
public_url = "http://203.0.113.7:8602"

[archive]
# Archives of other nodes, asked for evidence files that this node lacks: base URLs (their http.public_url).
peers = []

[data]
# Folder of the ledger, relative to this file's folder.
folder = "data"
# "archive" keeps every block; "pruned" only the last `blocks` (1,024 or more), and the certificates that lead from genesis to them.
mode = "archive"
# Blocks that a pruned node keeps.
blocks = 65536
# Past blocks whose state JSON-RPC can read: 64 or more; each costs some kilobytes.
"#;

const EXAMPLE_SYNC: &str = r#"
[sync]
# How an empty folder is filled: "state" takes the state of a recent final block, proven by the validators' certificates, in seconds;
# "replay" fetches and executes every block from the first. Both give the same state. Fewer than 1,024 blocks are always replayed.
mode = "state"
# JSON-RPC of nodes that are asked for the state, none of them trusted. Empty: those of follow.upstream; without either it replays.
peers = []
# The last block of a term, from a source you trust, as TERM:0xHASH: then nobody who validated long ago can lead you astray. Optional.
# trusted = "12:0x…"
"#;

const EXAMPLE_LOG: &str = r#"
[log]
# What is logged to standard error; CAIRN_LOG overrides it.
# format: "text" or "json" (one object a line).
"#;

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
