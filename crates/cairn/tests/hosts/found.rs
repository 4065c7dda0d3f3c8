//! A network as its people would found it: each makes keys, the founder makes genesis from what they send.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cairn_client::Wallet;

use crate::{
    lab::Lab,
    node::{Plan, json},
};

/// An hour of network time in fifteen seconds.
pub const TIME_SCALE: u64 = 240;
/// Half an epoch to commit and half to attest, a quarter to seal: a slow machine needs seconds for each.
const WINDOWS: [(&str, u64); 3] = [
    ("commit_window_ms = 900000", 1_800_000),
    ("attest_window_ms = 900000", 1_800_000),
    ("seal_window_ms = 300000", 900_000),
];
/// Whole stones of each validator's operator at genesis: for a bond that it lays down later.
const OPERATOR_STONES: u64 = 1_000_000;

/// Who there is. Hosts are numbered from 1: founders, newcomers, then the ingest and the follower.
pub struct Shape {
    /// Validators of genesis.
    pub founders: u8,
    /// Validators that genesis does not know.
    pub newcomers: u8,
    /// Whether there is an ingest, and a node without a vote.
    pub followers: bool,
    /// Blocks of a term.
    pub term_blocks: u64,
}

/// A network that is founded, and how each of its nodes is started.
pub struct Net {
    /// Its genesis file.
    pub genesis: PathBuf,
    /// Its nodes, by host.
    pub plans: Vec<Plan>,
}

/// Who has all stones that nobody else has.
pub fn founder() -> Wallet {
    Wallet::from_secret(&[7; 32]).expect("a key")
}

fn settings(host: u8) -> Vec<(&'static str, String)> {
    let at = Lab::address(host);
    vec![
        ("CAIRN__RPC__LISTEN", format!("{at}:8545")),
        ("CAIRN__HTTP__LISTEN", format!("{at}:8602")),
        ("CAIRN__HTTP__PUBLIC_URL", format!("http://{at}:8602")),
        ("CAIRN__LOG__FILTER", "warn".to_owned()),
    ]
}

/// What the nodes' people make, as they make it.
#[derive(Default)]
struct Made {
    /// Sections of the founder's file.
    stanzas: String,
    /// Consensus keys of the validators.
    keys: Vec<String>,
    plans: Vec<Plan>,
}

/// Founds a network in `root`.
pub fn found(root: &Path, shape: &Shape) -> Net {
    let mut made = Made::default();
    for host in 1..=shape.founders + shape.newcomers {
        make_validator(&mut made, root, host, host <= shape.founders);
    }
    if shape.followers {
        make_followers(&mut made, root, shape.founders + shape.newcomers);
    }
    let genesis = make_genesis(root, &made.stanzas, shape.term_blocks);
    Net { genesis, plans: made.plans }
}

fn make_validator(made: &mut Made, root: &Path, host: u8, founds: bool) {
    let dir = root.join(format!("v{host}"));
    let (name, folder) = (format!("validator-{host}"), dir.to_str().expect("text"));
    let told = json(&["validator", "init", "--dir", folder, "--name", &name, "--json"]);
    let text = |field: &str| {
        told[field].as_str().unwrap_or_else(|| panic!("{field} in {told}")).to_owned()
    };
    if founds {
        made.stanzas += &text("stanza");
    }
    made.stanzas += &format!(
        "[[accounts]]\nname = \"operator-{host}\"\naddress = \"{}\"\nstones = {OPERATOR_STONES}\n",
        text("operator")
    );
    made.keys.push(text("consensus_key"));
    // They know the first only; where the others are they find out.
    let first = match host {
        1 => "[]".to_owned(),
        _ => format!("[\"{}@{}:8601\"]", made.keys[0], Lab::address(1)),
    };
    let at = Lab::address(host);
    let givers = (1..=2).filter(|giver| *giver != host);
    let givers: Vec<String> =
        givers.map(|giver| format!("\"http://{}:8545\"", Lab::address(giver))).collect();
    let mut settings = settings(host);
    settings.extend([
        ("CAIRN__SYNC__PEERS", format!("[{}]", givers.join(","))),
        // Few enough for a network of minutes.
        ("CAIRN__SYNC__SHORT_BLOCKS", "8".to_owned()),
        ("CAIRN__P2P__LISTEN", format!("{at}:8601")),
        ("CAIRN__P2P__DIALABLE", format!("{at}:8601")),
        ("CAIRN__P2P__REACH", "private".to_owned()),
        ("CAIRN__P2P__BOOTSTRAP", first),
    ]);
    made.plans.push(Plan { host, role: "validator", dir, settings });
}

fn make_followers(made: &mut Made, root: &Path, validators: u8) {
    let upstream: Vec<String> =
        (1..=validators).map(|host| format!("\"http://{}:8545\"", Lab::address(host))).collect();
    let upstream = format!("[{}]", upstream.join(","));
    for (host, role) in [(validators + 1, "ingest"), (validators + 2, "rpc")] {
        let dir = root.join(role);
        let folder = dir.to_str().expect("text");
        let url = format!("http://{}:8600", Lab::address(host));
        let told =
            json(&["node", "init", "--dir", folder, "--role", role, "--url", &url, "--json"]);
        let mut settings = settings(host);
        settings.push(("CAIRN__FOLLOW__UPSTREAM", upstream.clone()));
        if role == "ingest" {
            made.stanzas += told["stanza"].as_str().expect("a stanza");
            settings.push(("CAIRN__INGEST__HTTP", format!("{}:8600", Lab::address(host))));
            settings.push(("CAIRN__INGEST__MQTT", format!("{}:1883", Lab::address(host))));
        }
        made.plans.push(Plan { host, role: "node", dir, settings });
    }
}

fn make_genesis(root: &Path, stanzas: &str, term_blocks: u64) -> PathBuf {
    let example = json(&["genesis", "example", "--json"]);
    let example = example["toml"].as_str().expect("TOML");
    let (head, _) = example.split_once("[[validators]]").expect("a section");
    let head = WINDOWS.iter().fold(head.to_owned(), |head, (usual, ms)| {
        let (name, _) = usual.split_once(" = ").expect("a setting");
        assert!(head.contains(usual), "the example has another {name}");
        head.replace(usual, &format!("{name} = {ms}"))
    });
    let head = head
        .replace("2027-01-01T00:00:00Z", "now")
        .replace("time_scale = 1\n", &format!("time_scale = {TIME_SCALE}\n"))
        .replace("term_blocks = 3600\n", &format!("term_blocks = {term_blocks}\n"))
        .replace("block_idle_ms = 1000", "block_idle_ms = 400")
        .replace("block_busy_ms = 250", "block_busy_ms = 100");
    let founder = format!(
        "[[accounts]]\nname = \"founder\"\naddress = \"{}\"\nstones = \"rest\"\n",
        founder().address()
    );
    let (file, out) = (root.join("network.toml"), root.join("genesis"));
    fs::write(&file, format!("{head}{stanzas}{founder}")).expect("a file");
    let (from, to) = (file.to_str().expect("text"), out.to_str().expect("text"));
    let made = json(&["genesis", "new", "--from", from, "--out", to, "--json"]);
    let genesis = out.join("genesis.toml");
    let hash = json(&["genesis", "hash", genesis.to_str().expect("text"), "--json"]);
    assert_eq!(made["hash"], hash["hash"]);
    genesis
}
