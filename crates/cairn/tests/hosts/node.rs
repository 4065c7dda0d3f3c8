//! A `cairn` process on a host, and what a test asks it.

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use cairn_client::LedgerClient;
use serde_json::Value;

use crate::lab::Lab;

/// The program of this build.
pub const CAIRN: &str = env!("CARGO_BIN_EXE_cairn");
/// No wait of the test is longer: one that hangs fails, one on a slow machine does not.
const PATIENCE: Duration = Duration::from_secs(1_200);
/// For one answer; blocks are waited for up to five seconds.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Runs a command here that must succeed; the last line of its output as JSON.
pub fn json(arguments: &[&str]) -> Value {
    let output = Command::new(CAIRN).args(arguments).output().expect("the program runs");
    read(arguments, &output)
}

/// What a command that must have succeeded printed last.
pub fn read(arguments: &[&str], output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cairn {arguments:?} failed\n{text}\n{told}");
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("cairn {arguments:?}: {error}"))
}

/// What a node is started with.
#[derive(Clone)]
pub struct Plan {
    /// Its host.
    pub host: u8,
    /// `validator` or `node`.
    pub role: &'static str,
    /// Its folder.
    pub dir: PathBuf,
    /// Settings, as the environment overrides them.
    pub settings: Vec<(&'static str, String)>,
}

/// A running node.
pub struct Node {
    plan: Plan,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    http: reqwest::Client,
    /// Its JSON-RPC.
    pub client: LedgerClient,
}

impl Plan {
    fn command(&self, lab: &Lab, genesis: &Path) -> Command {
        let dir = self.dir.to_str().expect("text");
        let genesis = genesis.to_str().expect("text");
        let mut command = lab.on(self.host, CAIRN);
        command.args([self.role, "run", "--dir", dir, "--genesis", genesis, "--json"]);
        command.envs(self.settings.iter().map(|(key, value)| (*key, value)));
        // One of them is to fail: its backtrace would hide why the test did.
        command.env("RUST_BACKTRACE", "0");
        command
    }

    /// What the node says when it does not start, which it must not.
    pub fn refused(&self, lab: &Lab, genesis: &Path) -> String {
        let output = self.command(lab, genesis).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "host {}", self.host);
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts the node and waits until it says that it is ready.
    pub fn start(&self, lab: &Lab, genesis: &Path) -> Node {
        self.start_with(&[], lab, genesis)
    }

    /// The same with more flags.
    pub fn start_with(&self, flags: &[&str], lab: &Lab, genesis: &Path) -> Node {
        let mut command = self.command(lab, genesis);
        command.args(flags);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut ready = Value::Null;
        for line in lines.by_ref() {
            ready = serde_json::from_str(&line.expect("text")).unwrap_or_default();
            if ready["event"] == "ready" {
                break;
            }
        }
        let rpc = ready["rpc"].as_str().unwrap_or_else(|| panic!("host {} ended", self.host));
        let http = reqwest::Client::builder().timeout(ANSWER_MAX).build();
        Node {
            plan: self.clone(),
            child,
            lines,
            http: http.expect("a client"),
            client: LedgerClient::new(rpc).expect("a client"),
        }
    }
}

impl Node {
    /// Its host.
    pub fn host(&self) -> u8 {
        self.plan.host
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}:8602/v1/{path}", Lab::address(self.plan.host))
    }

    /// A public file or page; `None` while it is not there.
    pub async fn get(&self, path: &str) -> Option<String> {
        let answer = self.http.get(self.url(path)).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    /// Waits for the block after its last one as long as the node's feed does (five seconds); whether it came.
    pub async fn next_block(&self) -> bool {
        let height = self.client.block_number().await.expect("the node answers");
        let path = format!("blocks?from={}&count=1", height + 1);
        self.get(&path).await.is_some_and(|body| !body.is_empty())
    }

    /// Waits until a condition holds, looking again after every block.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> F) {
        let begin = Instant::now();
        while !holds().await {
            let host = self.plan.host;
            assert!(begin.elapsed() < PATIENCE, "host {host}: {what} within {PATIENCE:?}");
            self.next_block().await;
        }
    }

    /// Waits until it has the block at `height`.
    pub async fn reaches(&self, height: u64) {
        let has = || async { self.client.block_number().await.is_ok_and(|now| now >= height) };
        self.until(&format!("block {height}"), has).await;
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Plan {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        self.plan
    }

    /// Waits until the process ends by itself, which must be an error that a supervisor sees.
    pub fn fails(mut self) -> Plan {
        let rest: Vec<String> = self.lines.by_ref().map_while(Result::ok).collect();
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(1), "host {}: {rest:?}", self.plan.host);
        self.plan
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("`kill` is there").success());
    }

    /// SIGTERM; it must end well.
    pub fn stop(mut self) -> Plan {
        self.signal("-TERM");
        let rest: Vec<String> = self.lines.by_ref().map_while(Result::ok).collect();
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "host {}: {status}, {rest:?}", self.plan.host);
        self.plan
    }
}
