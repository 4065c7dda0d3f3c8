//! Founding a network and making its nodes, as people type it; and what is refused, with which words.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

fn cairn(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cairn")).args(arguments).output().expect("it runs")
}

fn json(arguments: &[&str]) -> Value {
    let output = cairn(arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cairn {arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// The error of a command that must fail.
fn refused(arguments: &[&str]) -> String {
    let output = cairn(arguments);
    assert_eq!(output.status.code(), Some(1), "cairn {arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Founds a network of one validator, whose lines are `stanza`; returns the path of genesis.
fn found(root: &Path, name: &str, stanza: &str) -> String {
    let example = cairn(&["genesis", "example"]).stdout;
    let example = String::from_utf8(example).expect("text");
    let (head, rest) = example.split_once("[[validators]]").expect("a section");
    let (_, tail) = rest.split_once("# One section for each ingest").expect("a section");
    let file = root.join(format!("{name}.toml"));
    let text = format!("{head}{stanza}\n#{tail}").replace("\"example\"", &format!("\"{name}\""));
    fs::write(&file, text.replace("2027-01-01T00:00:00Z", "now")).expect("a file");
    let out = root.join(name);
    let (file, out) = (file.to_str().expect("text"), out.to_str().expect("text"));
    let made = json(&["genesis", "new", "--from", file, "--out", out, "--json"]);
    made["genesis"].as_str().expect("a path").to_owned()
}

#[test]
fn keys_are_made_once_and_are_private() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = root.path().join("v");
    let path = dir.to_str().expect("text");
    let init = ["validator", "init", "--dir", path, "--name", "a \"b\"", "--json"];
    let made = json(&init);
    assert_eq!(json(&init)["stanza"], made["stanza"]);
    for file in ["consensus.json", "operator.json"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(dir.join("keys").join(file)).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let genesis = found(root.path(), "one", made["stanza"].as_str().expect("a stanza"));
    let shown = json(&["genesis", "show", &genesis, "--json"]);
    assert_eq!(shown["validators"][0]["name"], "a \"b\"");
    assert_eq!(shown["validators"][0]["consensus_key"], made["consensus_key"]);
    assert_eq!(shown["hash"], json(&["genesis", "hash", &genesis, "--json"])["hash"]);
    let ingest = root.path().join("i");
    let ingest = ingest.to_str().expect("text");
    let made = json(&["node", "init", "--dir", ingest, "--role", "ingest", "--json"]);
    assert!(made["stanza"].as_str().is_some_and(|stanza| stanza.starts_with("[[ingests]]")));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = |name: &str| root.path().join(name).to_str().expect("text").to_owned();
    let (mine, other) = (dir("mine"), dir("other"));
    let stanza = |dir: &str| {
        let made = json(&["validator", "init", "--dir", dir, "--json"]);
        made["stanza"].as_str().expect("a stanza").to_owned()
    };
    let (ours, theirs) = (stanza(&mine), stanza(&other));
    let (ours, theirs) = (found(root.path(), "ours", &ours), found(root.path(), "theirs", &theirs));
    let run = |genesis: &str| refused(&["validator", "run", "--dir", &mine, "--genesis", genesis]);

    // The seat of one, the money of another.
    let keys = |of: &str| root.path().join(of).join("keys/operator.json");
    let own = fs::read(keys("mine")).expect("a key");
    fs::copy(keys("other"), keys("mine")).expect("a key");
    let told = run(&ours);
    assert!(told.contains("put the operator's key there"), "{told}");
    fs::write(keys("mine"), own).expect("a key");
    let hash = json(&["genesis", "hash", &theirs, "--json"]);
    let settings = fs::read_to_string(root.path().join("mine/node.toml")).expect("settings");
    let pin = format!("genesis_hash = {}\n{settings}", hash["hash"]);
    fs::write(root.path().join("mine/node.toml"), &pin).expect("settings");
    let told = run(&ours);
    assert!(told.contains("it is the genesis of another network"), "{told}");
    fs::write(root.path().join("mine/node.toml"), format!("{settings}\ncolour = 1\n"))
        .expect("settings");
    let told = run(&ours);
    assert!(told.contains("colour"), "{told}");
    fs::write(root.path().join("mine/node.toml"), &settings).expect("settings");

    let broken =
        fs::read_to_string(&ours).expect("genesis").replace("time_scale = 1", "time_scale = 0");
    let bad = dir("bad.toml");
    fs::write(&bad, broken).expect("a file");
    let told = run(&bad);
    assert!(told.contains("time_scale is 0: network time must move"), "{told}");
    let told = refused(&["validator", "run", "--dir", &dir("nothing")]);
    assert!(told.contains("node.toml"), "{told}");
    let told = refused(&["genesis", "new", "--from", &dir("ours.toml"), "--out", &dir("ours")]);
    assert!(told.contains("a genesis never changes"), "{told}");
    let told = refused(&["validator", "status", "--rpc", "http://127.0.0.1:9"]);
    assert!(told.contains("does the node run?"), "{told}");
}

/// A process that says in one line that it is ready, and is killed with its handle.
struct Running(Child);

impl Running {
    fn start(arguments: &[&str], env: &[(&str, &str)]) -> (Self, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command.args(arguments).envs(env.iter().copied()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let running = Self(child);
        for line in lines {
            let told: Value = serde_json::from_str(&line.expect("text")).unwrap_or_default();
            if told["event"] == "ready" {
                return (running, told);
            }
        }
        panic!("cairn {arguments:?} ended before it was ready");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a test asks a node.
struct Asked {
    runtime: tokio::runtime::Runtime,
    client: cairn_client::LedgerClient,
    http: String,
}

impl Asked {
    fn new(ready: &Value) -> Self {
        let url = |field: &str| ready[field].as_str().expect("a URL").to_owned();
        Self {
            runtime: tokio::runtime::Runtime::new().expect("a runtime"),
            client: cairn_client::LedgerClient::new(url("rpc")).expect("a client"),
            http: url("http"),
        }
    }

    fn height(&self) -> u64 {
        self.runtime.block_on(self.client.block_number()).expect("the node answers")
    }

    /// Whether a block comes within the five seconds that a node's feed waits.
    fn next_block(&self) -> bool {
        let url = format!("{}/v1/blocks?from={}&count=1", self.http, self.height() + 1);
        let body = async { reqwest::get(url).await?.bytes().await };
        !self.runtime.block_on(body).expect("the node answers").is_empty()
    }
}

#[test]
fn a_validator_votes_with_a_key_in_another_process() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = |name: &str| root.path().join(name).to_str().expect("text").to_owned();
    let (signer, validator, socket) = (dir("signer"), dir("validator"), dir("signer.sock"));
    let made = json(&["signer", "init", "--dir", &signer, "--json"]);
    let key = made["consensus_key"].as_str().expect("a key");
    let init = ["validator", "init", "--dir", &validator, "--signer", &socket];
    let told = json(&[&init[..], &["--consensus-key", key, "--json"]].concat());
    assert!(!root.path().join("validator/keys/consensus.json").exists());
    let genesis = found(root.path(), "signed", told["stanza"].as_str().expect("a stanza"));

    let run = ["validator", "run", "--dir", &validator, "--genesis", &genesis, "--json"];
    let told = refused(&run);
    assert!(told.contains("does `cairn signer run` run"), "{told}");
    let sign = ["signer", "run", "--dir", &signer, "--genesis", &genesis, "--socket", &socket];
    let sign = [&sign[..], &["--json"]].concat();
    let (holder, _) = Running::start(&sign, &[]);
    let told = refused(&sign);
    assert!(told.contains("in use"), "a second process with the same key: {told}");

    let free = [("CAIRN__RPC__LISTEN", "127.0.0.1:0"), ("CAIRN__HTTP__LISTEN", "127.0.0.1:0")];
    let p2p = cairn_kit::loopback::free_address().expect("a port").to_string();
    let peers = [("CAIRN__P2P__LISTEN", p2p.as_str()), ("CAIRN__P2P__DIALABLE", p2p.as_str())];
    let private = [("CAIRN__P2P__REACH", "private"), ("CAIRN__P2P__BOOTSTRAP", "[]")];
    let (_node, ready) = Running::start(&run, &[free, peers, private].concat());
    let node = Asked::new(&ready);
    // It votes.
    while node.height() < 2 {
        node.next_block();
    }
    let status = json(&["signer", "status", "--socket", &socket, "--json"]);
    assert_eq!((&status["consensus_key"], &status["well"]), (&made["consensus_key"], &true.into()));
    assert!(status["votes"].as_u64() >= Some(2) && status["last"]["view"].is_u64(), "{status}");
    assert_eq!(status["refused"]["contradiction"], 0, "{status}");

    // Without its key it orders nothing; with it, it goes on.
    drop(holder);
    while node.next_block() {}
    let stood = node.height();
    let (_holder, _) = Running::start(&sign, &[]);
    while node.height() < stood + 3 {
        node.next_block();
    }
}

#[test]
fn every_command_has_an_example_and_json() {
    for command in [
        &["genesis", "example"][..],
        &["genesis", "new"],
        &["genesis", "show"],
        &["genesis", "hash"],
        &["validator", "init"],
        &["validator", "run"],
        &["validator", "status"],
        &["signer", "init"],
        &["signer", "run"],
        &["signer", "status"],
        &["node", "init"],
        &["node", "run"],
    ] {
        let help = cairn(&[command, &["--help"]].concat());
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(text.contains("Example:") && text.contains("--json"), "{command:?}\n{text}");
    }
}
