//! A network on real separate hosts: four validators, an ingest and a follower, each a process with an address of its own.
//!
//! Transactions, discovery, a killed and restarted validator, a full disk, a partition and its end, evidence over the network. The test
//! waits for blocks and files, never for time, and is over in two minutes.

mod found;
mod lab;
mod node;
mod soak;

use std::{
    fs,
    io::Write as _,
    path::Path,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256};
use cairn_agent::{
    Device, DeviceConfig, LedgerAnchors, Spool,
    deliver::{Courier, HttpCourier},
    sensing::StationLog,
};
use cairn_client::{BlockTag, Call, LedgerRead as _, NewDevice, Reads as _, Sender};
use cairn_kit::{NetworkClock, Shutdown, Tasks};
use cairn_primitives::{Genesis, STONE, SecretKey, Sector, Stones, Stream};
use found::{Shape, TIME_SCALE, found, founder};
use lab::{Lab, on_hosts};
use node::{CAIRN, Node, read};
use serde_json::Value;

const FOLLOWER: u8 = 6;
const PAYEE: Address = Address::repeat_byte(0xee);
/// Pays a stone to `PAYEE` through `at`, and waits until every node of `all` has that block.
async fn pay(at: &Node, all: &[&Node], paid: u128) {
    let sent = Sender::new(at.client.clone(), founder())
        .send_and_wait(&Call::transfer(PAYEE, Stones(STONE)))
        .await
        .expect("paid");
    for node in all {
        node.reaches(sent.block).await;
        let balance = node.client.balance(PAYEE, BlockTag::Number(sent.block)).await;
        assert_eq!(balance.expect("a balance"), Stones(paid * STONE), "on host {}", node.host());
    }
}

/// Fills the disk that holds `folder` to the last byte, with a file that is returned.
fn fill(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).expect("a file");
    for size in [1 << 20, 4_096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

/// The commands of the runbook's backup and of its restore.
fn runbook() -> [String; 2] {
    let page = include_str!("../../../../docs/runbooks/backup.md");
    let tars = page.lines().filter(|line| line.contains("tar ")).map(|line| {
        let command = line.split('`').nth(1).unwrap_or(line);
        command.trim().to_owned()
    });
    tars.collect::<Vec<_>>().try_into().expect("one command saves, one restores")
}

/// Runs a command of the runbook where it says `validator` for the folder.
fn shell(root: &Path, folder: &Path, command: &str) {
    let name = folder.file_name().and_then(|name| name.to_str()).expect("text");
    let command = command.replace("validator", name);
    let mut shell = std::process::Command::new("sh");
    let ended = shell.args(["-ec", &command]).current_dir(root).status().expect("a shell");
    assert!(ended.success(), "{command}");
}

/// Other bytes in every file.
fn spoil(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            spoil(&path);
            continue;
        }
        let size = fs::metadata(&path).expect("a file").len();
        fs::write(&path, vec![0xa5; usize::try_from(size).expect("a small file")]).expect("spoilt");
    }
}

/// What `cairn validator status` says of a node, which must be well.
fn status(node: &Node) -> Option<Value> {
    let rpc = format!("http://{}:8545", Lab::address(node.host()));
    let arguments = ["validator", "status", "--rpc", &rpc, "--json"];
    let output = std::process::Command::new(CAIRN).args(arguments).output().expect("it runs");
    output.status.success().then(|| read(&arguments, &output))
}

fn peers(status: Option<&Value>) -> usize {
    status.and_then(|status| status["seat"]["peers"].as_array()).map_or(0, Vec::len)
}

/// A weather station on no host in particular, which delivers to the ingest.
async fn start_device(node: &Node, genesis: &Genesis, text: &str, root: &Path, tasks: &mut Tasks) {
    let hash = Genesis::hash_of_text(text);
    let mut log = "station,owner,lat,lon,elevation_m,time_utc,temperature_c,humidity_pct,wind_speed_ms,wind_dir_deg,pressure_hpa,rain_mm\n".to_owned();
    // For twenty hours of the wall: on a slow machine the device begins late.
    for hour in 0..5_000_i64 {
        let at = i64::try_from(genesis.start_ms / 1_000).expect("now") + hour * 3_600 + 600;
        let at = time::OffsetDateTime::from_unix_timestamp(at).expect("a time");
        let at = at.format(&time::format_description::well_known::Rfc3339).expect("text");
        log += &format!("S,S,40.60,-73.80,5,{at},{}.5,60,3.1,270,1012.1,\n", 10 + hour % 5);
    }
    let log = StationLog::read(log.as_bytes()).expect("a log");
    assert_eq!(log.errors, [], "every row counts");
    let station = &log.stations[0];
    let key = SecretKey::ed25519([9; 32]);
    let bond = node.client.bond_required(Sector::Sensing).await.expect("a bond");
    let device = NewDevice { key: &key, sector: Sector::Sensing, position: station.position, bond };
    let sender = Sender::new(node.client.clone(), founder());
    let id = sender.register_device(&device).await.expect("registered");
    let record = node.client.device(id, BlockTag::Latest).await.expect("a device").record;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("now").as_millis();
    let passed = u64::try_from(now).expect("now") - genesis.start_ms;
    let clock = NetworkClock::running(genesis.start_ms + passed * TIME_SCALE, TIME_SCALE);
    let config = DeviceConfig {
        key,
        stream: Stream(0),
        station: station.name.clone(),
        owner: station.owner.clone(),
        position: station.position,
        schedule: genesis.schedule(),
        chain_id: genesis.chain_id,
        ingests: genesis.ingests.iter().map(|ingest| ingest.receipt_key.0).collect(),
        serves_from: record.registered,
    };
    let spool = Spool::open(&root.join("spool.redb"), id).expect("a spool");
    let courier = HttpCourier::new(&genesis.ingests[0].url).expect("a courier");
    let anchors = LedgerAnchors::new(node.client.clone(), Sector::Sensing, hash);
    let (device, _) = Device::new(config, station, clock, anchors, Courier::Http(courier), spool)
        .expect("a device");
    tasks.spawn("device", |stop| device.run(stop));
}

/// The first final epoch with the device's evidence in it, the same file on every node.
async fn evidence_is_everywhere(nodes: &[&Node]) {
    let found = |epoch: u64| async move {
        let file = nodes[0].get(&format!("epochs/{epoch}/verdicts.jsonl")).await?;
        (!file.is_empty()).then_some(file)
    };
    let epoch = std::cell::Cell::new(None);
    let looked = || async {
        let next = nodes[0].client.next_epoch(Sector::Sensing, BlockTag::Latest).await;
        for at in 0..next.map_or(0, |next| next.0) {
            if found(at).await.is_some() {
                epoch.set(Some(at));
            }
        }
        epoch.get().is_some()
    };
    nodes[0].until("a final epoch with evidence", looked).await;
    let epoch = epoch.get().expect("it was found");
    for file in ["result.json", "verdicts.jsonl", "rewards.jsonl"] {
        let path = format!("epochs/{epoch}/{file}");
        let first = nodes[0].get(&path).await.expect("the file");
        for node in &nodes[1..] {
            let (path, first) = (&path, &first);
            let same = || async move { node.get(path).await.as_ref() == Some(first) };
            node.until(&format!("{path} as on host 1"), same).await;
        }
    }
    println!("epoch {epoch} has its evidence on {} hosts", nodes.len());
}

#[test]
fn a_network_on_separate_hosts() {
    on_hosts("a_network_on_separate_hosts", scenario());
}

async fn scenario() {
    let begin = Instant::now();
    let told = |what: &str| println!("{:>6.1} s  {what}", begin.elapsed().as_secs_f64());
    let root = tempfile::tempdir().expect("a folder");
    let lab = Lab::new(6);
    for host in 1..=4 {
        if let Err(reason) = lab.delay(host, 20) {
            println!("without delays: {reason}");
            break;
        }
    }
    lab.disk(&root.path().join("v3"), 256);
    let net = found(
        root.path(),
        &Shape { founders: 4, newcomers: 0, followers: true, term_blocks: 3_600 },
    );
    let text = fs::read_to_string(&net.genesis).expect("genesis");
    let genesis: Genesis = toml::from_str(&text).expect("genesis");
    let mut nodes: Vec<Node> =
        net.plans.iter().map(|plan| plan.start(&lab, &net.genesis)).collect();
    told("all six run");

    let all: Vec<&Node> = nodes.iter().collect();
    pay(all[0], &all, 1).await;
    told("paid on host 1, read on six");
    pay(all[5], &all, 2).await;
    told("paid through the follower, read on six");
    for node in &all[..4] {
        node.until("three peers found through one", || async { peers(status(node).as_ref()) == 3 })
            .await;
    }
    told("everyone is connected to everyone");
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    start_device(all[0], &genesis, &text, root.path(), &mut tasks).await;
    let device = tokio::spawn(tasks.run());

    let plan = nodes.remove(3).kill();
    let rest: Vec<&Node> = nodes.iter().collect();
    pay(rest[1], &rest, 3).await;
    told("host 4 was killed, the others go on");
    nodes.insert(3, plan.start(&lab, &net.genesis));
    let all: Vec<&Node> = nodes.iter().collect();
    let head = all[0].client.block_number().await.expect("a height");
    all[3].reaches(head + 1).await;
    told("host 4 is back and level");

    let full = fill(&root.path().join("v3"));
    let plan = nodes.remove(2).fails();
    told("host 3 stopped: its disk is full");
    let rest: Vec<&Node> = nodes.iter().collect();
    pay(rest[0], &rest, 4).await;
    fs::remove_file(full).expect("a file");
    nodes.insert(2, plan.start(&lab, &net.genesis));
    let all: Vec<&Node> = nodes.iter().collect();
    let head = all[0].client.block_number().await.expect("a height");
    all[2].reaches(head + 1).await;
    told("host 3 has room again, and is level");

    evidence_is_everywhere(&all[..4]).await;
    evidence_is_everywhere(&[all[0], all[FOLLOWER as usize - 1]]).await;
    told("evidence went from the ingest to everybody");
    let seen = std::cell::RefCell::new(None);
    let is_well = || async {
        let now = status(all[0]);
        now.is_some_and(|now| seen.replace(Some(now)).is_none())
    };
    all[0].until("a well validator", is_well).await;
    let seen = seen.take().expect("it was well");
    let duties = &seen["duties"];
    assert!(duties["voted"].as_u64() > Some(0) && duties["attested"].as_u64() > Some(0), "{seen}");
    assert!(seen["seat"]["proposed"].as_u64() > Some(0), "{seen}");

    lab.part(&[1, 2], &[3, 4]);
    // What was already under way may become final on one side; then both stand still.
    let still = all[..4].iter().map(|node| async move { while node.next_block().await {} });
    futures::future::join_all(still).await;
    let stood: Vec<u64> = heights(&all[..4]).await;
    told(&format!("parted: both halves stand still at {stood:?}"));
    lab.heal(&[1, 2], &[3, 4]);
    let top = stood.iter().max().expect("four") + 3;
    for node in &all {
        node.reaches(top).await;
    }
    told("healed: blocks come again on all six");
    pay(all[2], &all, 5).await;

    let plan = nodes.remove(1).stop();
    let commands = runbook();
    shell(root.path(), &plan.dir, &commands[0]);
    fs::remove_dir_all(&plan.dir).expect("the old machine is off");
    shell(root.path(), &plan.dir, &commands[1]);
    let told_so = plan.refused(&lab, &net.genesis);
    assert!(told_so.contains("votes.log is missing"), "{told_so}");
    nodes.insert(1, plan.start_with(&["--restored"], &lab, &net.genesis));
    let head = nodes[0].client.block_number().await.expect("a height");
    nodes[1].reaches(head + 1).await;
    told("host 2 was restored from a backup as the runbook says, and is level");

    // Files of consensus with other bytes: it begins anew with a state that other validators give, and votes with the log that it kept.
    let plan = nodes.remove(2).stop();
    spoil(&plan.dir.join("data/consensus"));
    nodes.insert(2, plan.start_with(&["--refetch"], &lab, &net.genesis));
    let head = nodes[0].client.block_number().await.expect("a height");
    for node in &nodes {
        node.reaches(head + 3).await;
    }
    told("host 3 began with the state of a late block, and is level");

    let all: Vec<&Node> = nodes.iter().collect();
    let common = *heights(&all).await.iter().min().expect("six");
    let mut lacking = 0;
    for height in 0..=common {
        let mut hashes = Vec::<B256>::new();
        for (host, node) in (1..).zip(&all) {
            match node.client.head(BlockTag::Number(height)).await {
                // Host 3 has no block from before its state, and says so.
                Err(error) if host == 3 && error.is_pruned() => lacking += 1,
                head => hashes.push(head.expect("an answer").expect("a block").hash),
            }
        }
        assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "a fork at {height}: {hashes:?}");
    }
    assert!(lacking > 8, "host 3 lacks only {lacking} of {common} blocks");
    told(&format!("one chain of {common} blocks on six hosts"));
    shutdown.request();
    device.await.expect("it ends").expect("the device ends well");
    for node in nodes {
        node.stop();
    }
    told("all stopped");
}

async fn heights(nodes: &[&Node]) -> Vec<u64> {
    let mut heights = Vec::new();
    for node in nodes {
        heights.push(node.client.block_number().await.expect("a height"));
    }
    heights
}
