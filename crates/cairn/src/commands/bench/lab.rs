//! Validators as processes of this program on loopback: CPU time and memory of a whole node are then the kernel's figures.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, U256};
use cairn_client::{Call, Fees, Wallet};
use cairn_kit::{cpu, loopback::free_address};
use cairn_node::validator::NodeKeys;
use cairn_primitives::Stones;
use eyre::{OptionExt as _, Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

use crate::{
    commands::genesis::{EXAMPLE, found},
    host::{Role, Settings, settings_path},
};

/// Whom the transfers pay.
const PAYEE: Address = Address::repeat_byte(0xee);
/// Gas of a transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Stones of each sender at genesis.
const SENDER_STONES: u64 = 1_000;
/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Requests in one JSON-RPC batch, as many as a node takes.
const BATCH: usize = 256;

/// A server that is measured.
pub struct Process {
    child: Child,
    /// Held so that what it prints has somewhere to go.
    _stdout: Option<BufReader<ChildStdout>>,
    /// Its JSON-RPC.
    pub url: String,
}

/// A network of validators, and accounts that may send.
pub struct Lab {
    folder: PathBuf,
    /// The validators.
    pub nodes: Vec<Process>,
    /// Funded accounts.
    pub senders: Vec<Wallet>,
    /// EIP-155.
    pub chain_id: u64,
}

impl Process {
    /// Starts a server that listens at `url` when it is up.
    pub fn spawn(mut command: Command, url: String) -> Result<Self> {
        let program = format!("{:?}", command.get_program());
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .wrap_err_with(|| format!("starting {program}"))?;
        Ok(Self { child, _stdout: None, url })
    }

    fn validator(dir: &Path, genesis: &Path, settings: &[(&str, String)]) -> Result<Self> {
        let program = std::env::current_exe().wrap_err("finding this program")?;
        let mut child = Command::new(program)
            .args(["validator", "run", "--json", "--dir"])
            .arg(dir)
            .arg("--genesis")
            .arg(genesis)
            .envs(settings.iter().map(|(key, value)| (*key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .wrap_err("starting a validator")?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or_eyre("its output is piped")?);
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).wrap_err("reading what a validator says")? == 0 {
                bail!("a validator ended before it was ready: {}", child.wait()?);
            }
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if told["event"] == "ready" {
                let url =
                    told["rpc"].as_str().ok_or_eyre("a ready validator names its JSON-RPC")?;
                return Ok(Self { child, _stdout: Some(stdout), url: url.to_owned() });
            }
        }
    }

    /// CPU time that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        cpu::of_pid(self.child.id()).wrap_err("reading the CPU time of a server")
    }

    /// Its resident memory, bytes.
    pub fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).wrap_err_with(|| format!("reading {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.ok_or_else(|| eyre!("{path} has no VmRSS"))? * 1_024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of it stays.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.nodes.clear();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Lab {
    /// Founds and starts a network of `validators` with `senders` funded accounts; returns when it makes blocks.
    pub async fn start(validators: usize, senders: usize) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("cairn-bench-lab-{}", std::process::id()));
        let senders: Vec<Wallet> = (0..senders).map(sender).collect::<Result<_>>()?;
        let mut lab = Self { folder, nodes: Vec::new(), senders, chain_id: 0 };
        let (mut stanzas, mut seats) = (String::new(), Vec::new());
        for index in 0..validators {
            let dir = lab.folder.join(format!("v{index}"));
            fs::create_dir_all(&dir).wrap_err_with(|| format!("making {}", dir.display()))?;
            let keys = NodeKeys::load_or_create(&dir)?;
            fs::write(settings_path(&dir), Settings::example(Role::Validator))
                .wrap_err("writing settings")?;
            stanzas += &format!(
                "[[validators]]\nname = \"v{index}\"\noperator = \"{}\"\nconsensus_key = \"{}\"\nbond_stones = 1000\n",
                keys.operator.address(),
                keys.consensus_key()
            );
            seats.push((dir, keys.consensus_key(), free_address()?));
        }
        for (index, wallet) in lab.senders.iter().enumerate() {
            let stones = if index == 0 { "\"rest\"".to_owned() } else { SENDER_STONES.to_string() };
            stanzas += &format!(
                "[[accounts]]\nname = \"s{index}\"\naddress = \"{}\"\nstones = {stones}\n",
                wallet.address()
            );
        }
        let (head, _) =
            EXAMPLE.split_once("# One section for each validator").unwrap_or((EXAMPLE, ""));
        let head = head.replace("\"2027-01-01T00:00:00Z\"", "\"now\"");
        let (genesis, text) = found("the benchmark's network", &format!("{head}{stanzas}"))?;
        lab.chain_id = genesis.chain_id;
        let path = lab.folder.join("genesis.toml");
        fs::write(&path, text).wrap_err("writing genesis")?;
        let peers: Vec<(B256, SocketAddr)> = seats.iter().map(|(_, key, at)| (*key, *at)).collect();
        for (dir, _, at) in &seats {
            lab.nodes.push(Process::validator(dir, &path, &settings(*at, &peers)?)?);
        }
        let rpc = Rpc::new()?;
        let url = lab.nodes[0].url.clone();
        until("the first block", async || {
            Ok(rpc.call(&url, "eth_blockNumber", json!([])).await? != json!("0x0"))
        })
        .await?;
        Ok(lab)
    }

    /// Signed transfers of one base unit: `each` from every sender, their nonces from `first` on, senders in turn.
    pub fn transfers(&self, first: u64, each: u64) -> Result<Vec<(usize, String)>> {
        let call = Call::transfer(PAYEE, Stones(1));
        let fees = Fees { max_fee: 100_000_000_000, tip: 1_000_000_000 };
        let mut out = Vec::new();
        for nonce in first..first + each {
            for (index, wallet) in self.senders.iter().enumerate() {
                let signed =
                    wallet.sign_transaction(self.chain_id, nonce, TRANSFER_GAS, fees, &call)?;
                out.push((index, format!("0x{}", hex::encode(signed.raw))));
            }
        }
        Ok(out)
    }

    /// Waits until every sender's transactions below `nonce` are final at the node of `url`.
    pub async fn settled(&self, rpc: &Rpc, url: &str, nonce: u64) -> Result<()> {
        let requests: Vec<(&str, Value)> = self
            .senders
            .iter()
            .map(|w| ("eth_getTransactionCount", json!([w.address(), "latest"])))
            .collect();
        let want = format!("{nonce:#x}");
        until(&format!("the transactions to be final at {url}"), async || {
            let counts = rpc.batch(url, &requests).await?;
            Ok(counts.iter().all(|count| count["result"] == json!(want)))
        })
        .await
    }
}

/// Account number `index`.
fn sender(index: usize) -> Result<Wallet> {
    let secret = U256::from(index + 1).to_be_bytes::<32>();
    Wallet::from_secret(&secret).wrap_err("making an account")
}

fn settings(at: SocketAddr, peers: &[(B256, SocketAddr)]) -> Result<Vec<(&'static str, String)>> {
    let others: Vec<String> = peers
        .iter()
        .filter(|(_, peer)| *peer != at)
        .map(|(key, peer)| format!("\"{key}@{peer}\""))
        .collect();
    let http = free_address()?;
    Ok(vec![
        ("CAIRN__RPC__LISTEN", "127.0.0.1:0".to_owned()),
        ("CAIRN__HTTP__LISTEN", http.to_string()),
        ("CAIRN__HTTP__PUBLIC_URL", format!("http://{http}")),
        ("CAIRN__P2P__LISTEN", at.to_string()),
        ("CAIRN__P2P__DIALABLE", at.to_string()),
        ("CAIRN__P2P__REACH", "private".to_owned()),
        ("CAIRN__P2P__BOOTSTRAP", format!("[{}]", others.join(","))),
        ("CAIRN__LOG__FILTER", "error".to_owned()),
    ])
}

/// Looks again until `holds`.
pub async fn until(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !holds().await? {
        if begun.elapsed() > PATIENCE {
            bail!("waited {PATIENCE:?} for {what}");
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// A plain JSON-RPC client: the same for every server that is measured.
#[derive(Clone)]
pub struct Rpc(reqwest::Client);

impl Rpc {
    /// A client that keeps its connections.
    pub fn new() -> Result<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build();
        Ok(Self(client.wrap_err("making an HTTP client")?))
    }

    /// One request; its result.
    pub async fn call(&self, url: &str, method: &str, params: Value) -> Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self.post(url, &body).await?;
        match answer["error"].take() {
            Value::Null => Ok(answer["result"].take()),
            error => bail!("{method} at {url}: {error}"),
        }
    }

    /// Many requests, in batches of what a node takes; their answers.
    pub async fn batch(&self, url: &str, requests: &[(&str, Value)]) -> Result<Vec<Value>> {
        let mut answers = Vec::with_capacity(requests.len());
        for chunk in requests.chunks(BATCH) {
            let body: Vec<Value> = chunk
                .iter()
                .enumerate()
                .map(|(id, (method, params))| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
                .collect();
            match self.post(url, &Value::Array(body)).await? {
                Value::Array(list) => answers.extend(list),
                other => bail!("a batch at {url}: {other}"),
            }
        }
        Ok(answers)
    }

    async fn post(&self, url: &str, body: &Value) -> Result<Value> {
        let response = self.0.post(url).json(body).send().await;
        let response = response.and_then(reqwest::Response::error_for_status);
        let response = response.wrap_err_with(|| format!("asking {url}"))?;
        response.json().await.wrap_err_with(|| format!("reading the answer of {url}"))
    }
}
