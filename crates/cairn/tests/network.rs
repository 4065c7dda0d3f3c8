//! The command as people and scripts use it: real networks on free loopback ports, killed, restarted, audited, tampered with.
//!
//! Nothing here sleeps: a test reads the network's own event lines, and every network stops by itself or is stopped.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
};

use serde_json::{Value, json};

const CAIRN: &str = env!("CARGO_BIN_EXE_cairn");
/// The contract that holds the reserve; its slot 0 is the total of burned fees.
const ECONOMY: &str = "0xca14000000000000000000000000000000000007";
/// Wall seconds of an epoch in these tests.
const EPOCH_SECONDS: &str = "2";
/// Blocks of a term of a local network.
const TERM_BLOCKS: u64 = 3_600;
/// Wall seconds that time stands still for a part that is late: no result here may depend on the machine's speed.
const PATIENCE_SECONDS: &str = "3600";

fn cairn(arguments: &[&str]) -> Output {
    Command::new(CAIRN).args(arguments).output().expect("the program of this build runs")
}

/// Runs a command that must succeed; the last line of its output as JSON.
fn json(arguments: &[&str]) -> Value {
    let output = cairn(arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cairn {arguments:?} failed\n{text}\n{told}");
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .unwrap_or_else(|error| panic!("cairn {arguments:?} printed `{last}`: {error}"))
}

fn up<'a>(dir: &'a str, until: &'a str) -> Vec<&'a str> {
    vec![
        "up",
        "--dir",
        dir,
        "--rpc-port",
        "0",
        "--epoch-seconds",
        EPOCH_SECONDS,
        "--patience-seconds",
        PATIENCE_SECONDS,
        "--until",
        until,
        "--json",
    ]
}

/// A network in the background, told about by its own lines.
struct Background {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Background {
    fn start(dir: &str) -> Self {
        let mut child = Command::new(CAIRN)
            .args([
                "up",
                "--dir",
                dir,
                "--rpc-port",
                "0",
                "--epoch-seconds",
                EPOCH_SECONDS,
                "--patience-seconds",
                PATIENCE_SECONDS,
                "--json",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program of this build runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// Reads events until one is called `name` and fits.
    fn until(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        for line in self.lines.by_ref() {
            let line = line.expect("the network's output is text");
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["event"] == name && fits(&event) {
                return event;
            }
        }
        panic!("the network ended before `{name}`");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("`kill` is there").success());
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Already ended in the good case; a failed test must leave no network behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn archive(dir: &Path, validator: usize) -> PathBuf {
    dir.join("validators").join(validator.to_string()).join("archive")
}

/// The roots of every final epoch, by whichever validators have written them; all of these wrote the same.
fn roots(dir: &Path) -> BTreeMap<u64, String> {
    let mut roots = BTreeMap::new();
    let mut see = |path: PathBuf| -> Option<()> {
        let epoch = path.file_name()?.to_str()?.parse().ok()?;
        let found = fs::read_to_string(path.join("result.json")).ok()?;
        let known = roots.entry(epoch).or_insert_with(|| found.clone());
        assert_eq!(*known, found, "{}", path.display());
        Some(())
    };
    for epochs in (0..4).filter_map(|index| fs::read_dir(archive(dir, index).join("epochs")).ok()) {
        for entry in epochs {
            see(entry.expect("readable").path());
        }
    }
    roots
}

#[test]
fn first_reward_then_goes_on_then_a_changed_byte_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("net");
    let path = dir.to_str().expect("text");

    let first = json(&up(path, "first-reward"));
    assert!(first["first_reward_ms"].as_u64().is_some_and(|ms| ms > 0), "{first}");
    let devices = first["devices"].as_array().expect("a list");
    assert_eq!(devices.len(), 9);
    for device in devices {
        assert!(device["score_permille"].as_u64().is_some_and(|score| score > 150), "{device}");
        assert_ne!(device["subsidy_usd"], "0.000000", "{device}");
    }
    assert!(devices.iter().any(|device| device["earned_usd"] != "0.000000"), "{first}");

    assert!(json(&["audit", "--dir", path, "--json"])["equal"].as_bool().unwrap_or_default());
    assert_eq!(json(&["check-state", "--dir", path, "--json"])["violations"], 0);

    let before = roots(&dir);
    let epochs = first["epochs_final"].as_u64().expect("a number");
    let second = json(&up(path, &format!("epoch:{}", epochs + 2)));
    assert!(second["epochs_final"].as_u64() >= Some(epochs + 2), "{second}");
    assert!(second["ledger_height"].as_u64() > first["ledger_height"].as_u64(), "{second}");
    for (epoch, result) in before {
        assert_eq!(roots(&dir).get(&epoch), Some(&result), "epoch {epoch} changed");
    }

    // A changed leaf is named; the other copies are compared with the same recomputation.
    let scores = archive(&dir, 2).join("epochs/0/scores.jsonl");
    let text = fs::read_to_string(&scores).expect("a leaf file");
    let changed = text.replacen("\"bytes\":\"8b02", "\"bytes\":\"8b03", 1);
    assert_ne!(changed, text, "score leaves begin otherwise");
    fs::write(&scores, changed).expect("a leaf file");
    let audit = cairn(&["audit", "--dir", path, "--json"]);
    assert_eq!(audit.status.code(), Some(1), "a changed leaf passed the audit");
    let told = String::from_utf8_lossy(&audit.stdout).into_owned();
    let told: Value = serde_json::from_str(told.lines().last().expect("a verdict")).expect("JSON");
    let first = &told["first_difference"];
    assert_eq!((&first["epoch"], &first["copy"]), (&0.into(), &2.into()), "{told}");
    assert_eq!((&first["leaf"]["tree"], &first["leaf"]["index"]), (&"scores".into(), &0.into()));
    fs::write(&scores, text).expect("a leaf file");

    let files = archive(&dir, 0).join("files");
    let victim =
        fs::read_dir(&files).expect("files").next().expect("one").expect("readable").path();
    let mut content = fs::read(&victim).expect("a file");
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&victim, content).expect("a file");
    let audit = cairn(&["audit", "--dir", path, "--json"]);
    assert_eq!(audit.status.code(), Some(1), "a changed byte passed the audit");
}

#[test]
fn two_runs_of_one_seed_have_equal_roots() {
    let folder = tempfile::tempdir().expect("a folder");
    let runs: Vec<_> = ["a", "b"]
        .map(|name| {
            let dir = folder.path().join(name);
            // One more than is compared: of the last one somebody may be writing the roots when it stops.
            json(&up(dir.to_str().expect("text"), "epoch:5"));
            roots(&dir)
        })
        .into();
    for epoch in 0..4 {
        assert!(runs[0].contains_key(&epoch), "epoch {epoch} has no result");
        assert_eq!(runs[0].get(&epoch), runs[1].get(&epoch), "epoch {epoch}");
    }
}

#[test]
fn kill_9_loses_nothing_that_was_final() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("net");
    let path = dir.to_str().expect("text");
    let mut network = Background::start(path);
    // When an epoch is final, most validators have written the one before.
    network.until("epoch_final", |event| event["epoch"] == 2);
    network.signal("-KILL");
    drop(network);

    let before = roots(&dir);
    assert!(before.len() >= 2);
    let report = json(&up(path, "epoch:6"));
    for device in report["devices"].as_array().expect("a list") {
        let lost = device["rejections"]["Silent"].as_u64().unwrap_or(0);
        assert!(lost <= 1, "readings were lost: {device}");
    }
    for (epoch, result) in before {
        assert_eq!(roots(&dir).get(&epoch), Some(&result), "epoch {epoch} changed");
    }
    assert!(json(&["audit", "--dir", path, "--json"])["equal"].as_bool().unwrap_or_default());
    assert_eq!(json(&["check-state", "--dir", path, "--json"])["violations"], 0);
}

#[test]
fn every_command_works_on_a_running_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("net");
    let path = dir.to_str().expect("text");
    let mut network = Background::start(path);
    let ready = network.until("ready", |_| true);
    network.until("rewards_paid", |event| event["first"] == true);

    let status = json(&["status", "--dir", path, "--json"]);
    assert_eq!((&status["devices"], &status["price_of"]), (&json!(9), &json!("pool")));
    let list = json(&["devices", "list", "--dir", path, "--json"]);
    assert_eq!(list["devices"].as_array().map(Vec::len), Some(9));
    let shown = json(&["devices", "show", "JFK-2", "--dir", path, "--json"]);
    assert_eq!(shown["station"], "JFK-2");
    let why = json(&["why", "EWR-1", "--dir", path, "--json"]);
    let causes = why["causes"].as_array().expect("causes");
    assert!(!causes.is_empty());
    for cause in causes.iter().filter(|cause| cause["micro_usd"] != 0) {
        assert!(cause["grounds"][0]["sha256"].is_string(), "{cause} rests on nothing");
    }
    let provider = json(&["why", "owner-EWR-1", "--dir", path, "--json"]);
    assert_eq!(provider["sectors"][0]["sector"], "sensing", "{provider}");

    let sql = "SELECT count(*) AS n, avg(temperature_c) AS t FROM readings WHERE epoch = 0";
    let answer = json(&["query", sql, "--max-spend", "0.05", "--dir", path, "--json"]);
    assert_eq!(answer["units"], 9, "{answer}");
    assert_ne!(answer["price_usd"], "0.000000");
    let refused = cairn(&["query", sql, "--max-spend", "0.000001", "--dir", path]);
    assert_eq!(refused.status.code(), Some(1), "a spend cap was ignored");

    let bought = json(&["credits", "buy", "--usd", "1.5", "--dir", path, "--json"]);
    let credits = bought["credits_usd"].as_str().and_then(|usd| usd.parse::<f64>().ok());
    assert!(credits.is_some_and(|usd| (1.5..1.51).contains(&usd)), "{bought}");
    let place =
        ["--lat", "40.6413", "--lon", "-73.7781", "--elevation-m", "4", "--hardware-usd", "120"];
    let card = json(&[&["join", "--dir", path, "--json"], &place[..]].concat());
    assert!(card["device"].is_null(), "nothing may be paid without --yes");
    let cell = card["cell"].as_str().expect("a cell");
    let costs = ["--hardware-usd", "120", "--dir", path, "--json"];
    let alone = json(&[&["payback", "--cell", cell], &costs[..]].concat());
    for part in ["card", "income", "costs", "next_rank_share_permille"] {
        assert_eq!(alone[part], card[part], "the card of `payback` is that of `join`");
    }
    let burning = ["payback", "--cell", cell, "--power-w", "100000", "--dir", path, "--json"];
    assert_eq!(json(&burning)["card"]["today"], "never");
    let wrong = cairn(&["payback", "--cell", "85283473fffffff", "--dir", path]);
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(1) && told.contains("resolution 7"), "{told}");
    let joined = json(&[&["join", "--dir", path, "--json", "--yes"], &place[..]].concat());
    assert!(joined["device"].is_string());
    assert_eq!(json(&["status", "--dir", path, "--json"])["devices"], 10);
    json(&["claim", "--all", "--dir", path, "--json"]);
    assert!(dir.join("claims").is_dir(), "where the next claim begins is not remembered");
    json(&["claim", "--all", "--dir", path, "--json"]);
    let rpc = ready["rpc"].as_str().expect("an address");
    assert!(
        json(&["audit", "--rpc", rpc, "--epoch", "0", "--json"])["equal"]
            .as_bool()
            .unwrap_or_default()
    );

    proofs_hold(&dir, rpc);
    price_and_votes(path);
    stake_works(path, folder.path(), rpc);

    network.signal("-INT");
    assert!(network.child.wait().expect("it ends").success(), "Ctrl-C is no failure");
    assert_eq!(json(&["check-state", "--dir", path, "--json"])["violations"], 0);
}

/// The network has its own price, which a swap moves, and votes.
fn price_and_votes(network: &str) {
    let at = ["--dir", network, "--json"];
    let before = json(&[&["price"][..], &at].concat());
    assert_eq!((&before["health"], &before["price_usd"]), (&json!(0), &json!("0.250000")));
    assert!(before["credits"]["room_usd"].as_str() > Some("1"), "{before}");
    assert_eq!(before["feeds_usd"], Value::Null);
    // A view counts for twenty seconds of the wall: on a slow machine it may take some goes until three count at once.
    let mut most = 0;
    while most < 3 {
        for fed in thread::scope(|scope| {
            let feed = |account| {
                json(&[&["price", "feed", "0.25", "--account", account][..], &at].concat())
            };
            ["validator-0", "validator-1", "validator-2"]
                .map(|account| scope.spawn(move || feed(account)))
                .map(|fed| fed.join().expect("it is fed"))
        }) {
            let feeds = fed["feeds"].as_u64().expect("a number");
            assert!((1..=3).contains(&feeds), "{fed}");
            let median = (feeds == 3).then_some("0.250000");
            assert_eq!(fed["median_usd"], json!(median), "three of four are a quorum: {fed}");
            assert_eq!(fed["health_name"], "healthy", "{fed}");
            most = most.max(feeds);
        }
    }
    let told = refused(&[&["price", "feed", "0.25", "--account", "keeper"][..], &at].concat());
    assert!(told.contains("has no seat in this term"), "{told}");
    // Far below the 1.5 % at which feeds and pool are apart.
    let swapped = json(&[&["swap", "--usd", "2000", "--faucet"][..], &at].concat());
    assert_eq!(swapped["in_usd"], "2000.000000", "{swapped}");
    let after = json(&[&["price"][..], &at].concat());
    assert!(after["price_usd"].as_str() > before["price_usd"].as_str(), "{after}");
    assert_eq!(after["price_usd"], json(&[&["status"][..], &at].concat())["price_usd"]);
    let locked = ["govern", "lock", "5000", "--days", "200", "--account", "founder"];
    assert!(json(&[&locked[..], &at].concat()).is_object());
    let shown = json(&[&["govern", "show"][..], &at].concat());
    assert!(shown.to_string().contains("taper_ppm"), "{shown}");
}

/// What a command that must fail says.
fn refused(arguments: &[&str]) -> String {
    let output = cairn(arguments);
    assert_eq!(output.status.code(), Some(1), "cairn {arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Somebody stands for a seat and leaves again; somebody delegates and takes it back; both are told what they may not do yet.
fn stake_works(network: &str, root: &Path, rpc: &str) {
    let dir = root.join("newcomer");
    let dir = dir.to_str().expect("text");
    json(&["validator", "init", "--dir", dir, "--name", "newcomer", "--json"]);
    let at = ["--dir", dir, "--network", network, "--json"];
    let own = |words: &[&str]| json(&[&["validator"], words, &at].concat());
    let denied = |words: &[&str]| refused(&[&["validator"], words, &at].concat());

    let told = denied(&["join", "--bond", "5"]);
    assert!(told.contains("--bond is") && told.contains("100000.000000 STONE"), "{told}");
    let told = denied(&["raise", "5"]);
    assert!(told.contains("is no candidate"), "{told}");
    let outlook = own(&["join", "--bond", "100000"]);
    assert_eq!(outlook["transaction"], Value::Null, "nothing may be paid without --yes");
    assert_eq!((&outlook["candidates_before"], &outlook["seat"]), (&json!(4), &json!(true)));
    // Terms pass while commands run, more of them on a slow machine.
    let term = |of: &Value| of.as_u64().expect("a term");
    let first_term = term(&outlook["first_term"]);
    let height = outlook["height"].as_u64().expect("a height");
    assert!(height < (first_term - 1) * TERM_BLOCKS, "{outlook}");
    assert_eq!(outlook["first_block"], first_term * TERM_BLOCKS);
    let joined = own(&["join", "--bond", "100000", "--yes"]);
    assert!(joined["transaction"].is_string(), "{joined}");
    let told = denied(&["join", "--bond", "100000", "--yes"]);
    assert!(told.contains("is a candidate already"), "{told}");
    let raised = own(&["raise", "0.5"]);
    assert_eq!(raised["bond_stones"], "100000.5", "{raised}");
    assert!(term(&own(&["commission", "5%"])["from_term"]) >= first_term);
    let told = denied(&["commission", "50%"]);
    assert!(told.contains("at most 20 %"), "{told}");
    assert_eq!(own(&["income"])["stones"], "0.0");
    assert!(denied(&["unjail"]).contains("is not jailed"));
    let rotated = own(&["rotate-key"]);
    assert_eq!(own(&["rotate-key"])["new_key"], rotated["new_key"], "one key until it is in place");
    let placed = own(&["rotate-key", "--finish"]);
    assert_eq!(placed["new_key"], rotated["new_key"]);
    assert_eq!(
        json(&["validator", "init", "--dir", dir, "--json"])["consensus_key"],
        rotated["new_key"]
    );

    let operator = joined["operator"].as_str().expect("an address");
    let by = ["--account", "consumer", "--dir", network, "--json"];
    let stake = |words: &[&str]| json(&[&["stake"], words, &by].concat());
    stake(&["delegate", operator, "100"]);
    let list = json(&["stake", "list", "--dir", network, "--json"]);
    let first = &list["candidates"][0];
    assert_eq!(list["candidates"].as_array().map(Vec::len), Some(5));
    assert_eq!((&first["operator"], &first["seat"]), (&json!(operator), &json!(false)), "{list}");
    assert_eq!(first["delegated_stones"], "100.0");
    assert_eq!(list["candidates"][1]["next_seat"], true);
    assert!(list["candidates"][1]["presence"]["proposed"].as_u64() > Some(0), "{list}");
    let told = refused(&[&["stake", "undelegate", operator, "200"], &by[..]].concat());
    assert!(told.contains("is worth 100.000000 STONE"), "{told}");
    stake(&["undelegate", operator, "40"]);
    let mine = stake(&["mine"]);
    assert_eq!(mine["delegations"][0]["stones"], "60.0", "{mine}");
    assert_eq!(mine["unbondings"][0]["ready"], false, "{mine}");
    let told = refused(&[&["stake", "withdraw"], &by[..]].concat());
    assert!(told.contains("nothing has unbonded yet"), "{told}");
    stake(&["undelegate", operator, "all"]);
    assert_eq!(stake(&["mine"])["total_stones"], "100.0");

    assert!(denied(&["exit"]).contains("`cairn validator leave` comes first"));
    assert!(term(&own(&["leave"])["exit_term"]) >= first_term);
    assert!(own(&["exit"])["ready_ms"].is_u64(), "it never had a seat to serve out");
    assert_eq!(json(&["slash", "list", "--dir", network, "--json"])["count"], 0);
    let told = refused(&["slash", "show", "0", "--dir", network]);
    assert!(told.contains("there is no slash 0"), "{told}");
    let told = refused(&[&["slash", "reclaim", "0"], &by[..]].concat());
    assert!(told.contains("there is no slash 0"), "{told}");
    let later = (first_term + 100).to_string();
    let absence = ["slash", "report-absence", &later, operator];
    let told = refused(&[&absence[..], &by].concat());
    assert!(told.contains(&format!("term {later} is not over")), "{told}");
    let told = refused(&[&["slash", "report-equivocation", "0x00"], &by[..]].concat());
    assert!(told.contains("not two votes"), "{told}");
    let status = json(&["validator", "status", "--rpc", rpc, "--json"]);
    assert_eq!(status["seats"]["seat"], true, "{status}");
    assert_eq!(status["seats"]["next_seat"], true, "{status}");
}

/// The result of a JSON-RPC request.
fn request(rpc: &str, method: &str, params: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer: Result<Value, reqwest::Error> = runtime.expect("a runtime").block_on(async {
        reqwest::Client::new().post(rpc).json(&body).send().await?.json().await
    });
    answer.expect("the node answers")["result"].clone()
}

/// A proof of every kind from a running network holds; with one changed byte it does not.
fn proofs_hold(dir: &Path, rpc: &str) {
    let network = dir.to_str().expect("text");
    let file = dir.join("proof.json");
    let (file, genesis) = (file.to_str().expect("text"), dir.join("genesis.toml"));
    let genesis = genesis.to_str().expect("text");
    let check = ["proof", "check", file, "--genesis", genesis, "--json"];
    let verdicts = fs::read_to_string(archive(dir, 0).join("epochs/0/verdicts.jsonl"))
        .expect("epoch 0 is in the archive");
    let verdict: Value =
        serde_json::from_str(verdicts.lines().next().expect("a verdict")).expect("JSON");
    let batch = verdict["leaf"]["batch"].as_str().expect("a leaf");
    let logs = request(rpc, "eth_getLogs", &json!([{ "fromBlock": "0x1" }]));
    let transaction = logs[0]["transactionHash"].as_str().expect("a block has logs");
    let asked = [
        ("account", vec!["--account", ECONOMY]),
        ("slot", vec!["--address", ECONOMY, "--slot", "0"]),
        ("receipt", vec!["--transaction", transaction]),
        ("log", vec!["--transaction", transaction, "--log", "0"]),
        ("reward", vec!["--epoch", "0", "--device", "JFK-2"]),
        ("batch", vec!["--epoch", "0", "--batch", batch]),
    ];
    for (kind, flags) in asked {
        let get = [&["proof", "get", "--dir", network, "--out", file, "--json"][..], &flags[..]];
        json(&get.concat());
        let checked = json(&check);
        assert_eq!(checked["holds"], true, "{checked}");
        assert_eq!(checked["proven"]["claim"]["kind"], kind, "{checked}");
    }
    let text = fs::read_to_string(file).expect("the proof");
    let mut object: Value = serde_json::from_str(&text).expect("JSON");
    let proof = object["proof"].as_str().expect("bytes");
    let (last, digit) = (proof.len() - 1, if proof.ends_with('0') { '1' } else { '0' });
    object["proof"] = format!("{}{digit}", &proof[..last]).into();
    fs::write(file, object.to_string()).expect("a file");
    assert_eq!(cairn(&check).status.code(), Some(1), "a changed proof was accepted");
}

/// Epochs of the devnet whose page is verified here; one of 200 epochs is in the simulator's tests, without waiting.
const REALITY_EPOCHS: u64 = 16;

#[test]
fn the_reality_page_is_verified_and_an_altered_number_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("net");
    let path = dir.to_str().expect("text");
    let mut network = Background::start(path);
    let ready = network.until("ready", |_| true);
    let last = REALITY_EPOCHS - 1;
    network.until("epoch_final", |event| event["epoch"] == last);
    let to = last.to_string();
    let page = dir.join("reality.html");
    let html = page.to_str().expect("text");

    let asked = ["reality", "--verify", "--from", "4", "--to", &to, "--json"];
    let told = json(&[&asked[..], &["--dir", path, "--html", html]].concat());
    assert_eq!((&told["verified"], &told["differences"]), (&json!(true), &json!([])), "{told}");
    assert_eq!(told["genesis_trusted"], true);
    assert_eq!(told["report"]["indicators"].as_array().map(Vec::len), Some(20));
    assert_eq!(told["report"]["questions"].as_array().map(Vec::len), Some(7));
    let revenue = &told["report"]["indicators"][0]["figures"][0];
    assert!(revenue["value"].as_i64() > Some(0), "the consumer paid: {revenue}");
    assert!(fs::read_to_string(&page).expect("a page").starts_with("<!doctype html>"));
    // Without an end the newest final epochs are asked for, and the letter is there.
    let usual = json(&["reality", "--verify", "--dir", path, "--json"]);
    assert_eq!(usual["verified"], true, "{usual}");
    assert!(usual["report"]["index"]["letter"].is_string(), "{usual}");

    let rpc = ready["rpc"].as_str().expect("an address");
    let proxy = Altering::start(rpc);
    let genesis = dir.join("genesis.toml");
    let genesis = genesis.to_str().expect("text");
    let altered = cairn(&[&asked[..], &["--rpc", &proxy.url, "--genesis", genesis]].concat());
    let text = String::from_utf8_lossy(&altered.stdout).into_owned();
    assert_eq!(altered.status.code(), Some(1), "an altered number passed: {text}");
    let told: Value = serde_json::from_str(text.lines().last().expect("a verdict")).expect("JSON");
    assert_eq!(told["verified"], false);
    let found = told["differences"].as_array().expect("a list");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["path"], "indicators.0.figures.0.value");
    network.signal("-INT");
    assert!(network.child.wait().expect("it ends").success(), "Ctrl-C is no failure");
}

/// Stands between a reader and a node, and adds one micro-dollar to the revenue that the node serves.
struct Altering {
    url: String,
    /// Ends the server when it is dropped.
    _runtime: tokio::runtime::Runtime,
}

impl Altering {
    fn start(rpc: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let upstream = rpc.to_owned();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(stream, upstream.clone()));
            }
        });
        Self { url, _runtime: runtime }
    }
}

/// One request a connection: read whole, asked of the node, altered, answered.
async fn pass_on(mut stream: tokio::net::TcpStream, upstream: String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut request, mut chunk) = (Vec::new(), [0; 4_096]);
    let body = loop {
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase();
        let length = length.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        if body.len() >= length {
            break body.to_owned();
        }
    };
    let asked: Value = serde_json::from_str(&body).expect("JSON-RPC");
    let answer = reqwest::Client::new().post(&upstream).json(&asked).send().await;
    let mut answer: Value = answer.expect("the node answers").json().await.expect("JSON");
    if asked["method"] == "cairn_getReality" {
        let value = &mut answer["result"]["indicators"][0]["figures"][0]["value"];
        *value = json!(value.as_i64().unwrap_or(0) + 1);
    }
    let body = answer.to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    let head = format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}

#[test]
fn a_station_log_with_errors_is_used_as_far_as_it_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log.csv");
    let mut text = "station,owner,lat,lon,elevation_m,time_utc,temperature_c,humidity_pct,wind_speed_ms,wind_dir_deg,pressure_hpa,rain_mm\n".to_owned();
    for hour in 0..4 {
        for (station, lat) in [("A", "40.60"), ("B", "40.65"), ("C", "40.70")] {
            text.push_str(&format!("{station},{station},{lat},-73.80,5,2013-01-01T0{hour}:00:00Z,{hour}.5,60,3.1,270,1012.{hour},\n"));
        }
    }
    text.push_str("A,A,40.60,-73.80,5,2013-01-01T09:00:00Z,warm,60,3.1,270,1012,\n");
    fs::write(&log, text).expect("a file");
    let dir = folder.path().join("net");
    let path = dir.to_str().expect("text");
    let log = log.to_str().expect("text");
    let output = cairn(&[&up(path, "epoch:2")[..], &["--replay", log]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let refused =
        text.lines().find(|line| line.contains("row_refused")).expect("the bad row is told");
    assert!(refused.contains("\"line\":14") && refused.contains("temperature_c"), "{refused}");
    let report: Value = serde_json::from_str(text.lines().last().expect("a report")).expect("JSON");
    let stations: Vec<_> = report["devices"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|d| d["station"].as_str())
        .collect();
    assert_eq!(stations, [Some("A"), Some("B"), Some("C")]);

    let other =
        cairn(&up(path, "epoch:2").iter().copied().chain(["--replay", CAIRN]).collect::<Vec<_>>());
    assert_eq!(other.status.code(), Some(1), "another log in the same folder must be refused");
}

#[test]
fn wrong_usage_and_help() {
    for wrong in [
        &["up", "--until", "soon"][..],
        &["bench", "nothing"],
        &["query", "SELECT 1"],
        &["up", "--epoch-seconds", "0"],
        &["proof", "get"],
        &["proof", "get", "--device", "JFK-2"],
        &["proof", "check", "proof.json"],
    ] {
        assert_eq!(cairn(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(cairn(&["status", "--dir", "no-such-folder"]).status.code(), Some(1));
    let commands = [
        &["up"][..],
        &["status"],
        &["devices", "list"],
        &["devices", "show"],
        &["join"],
        &["payback"],
        &["why"],
        &["reality"],
        &["claim"],
        &["price"],
        &["price", "feed"],
        &["swap"],
        &["credits", "buy"],
        &["query"],
        &["audit"],
        &["proof", "get"],
        &["proof", "check"],
        &["check-state"],
        &["bench"],
        &["validator", "join"],
        &["validator", "raise"],
        &["validator", "leave"],
        &["validator", "exit"],
        &["validator", "rotate-key"],
        &["validator", "commission"],
        &["validator", "income"],
        &["validator", "unjail"],
        &["stake", "list"],
        &["stake", "delegate"],
        &["stake", "undelegate"],
        &["stake", "withdraw"],
        &["stake", "mine"],
        &["slash", "list"],
        &["slash", "show"],
        &["slash", "report-absence"],
        &["slash", "report-vote"],
        &["slash", "report-equivocation"],
        &["slash", "appeal"],
        &["slash", "reclaim"],
        &["slash", "execute"],
    ];
    for command in commands {
        let help = cairn(&[command, &["--help"]].concat());
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(
            help.status.success() && text.contains("Example:") && text.contains("--json"),
            "{command:?}\n{text}"
        );
    }
}
