//! Bad days: seven validators on seven hosts under load, and one that joins later, while a script kills, cuts off, slows down,
//! restarts, empties, adds and removes them.
//!
//! `CAIRN_SOAK_SECONDS` says how long; without it the script runs through once. It ends by checking that there is one chain, that
//! nothing acknowledged is lost, and that all are level again, and prints how long each took to recover.

mod load;
mod members;

use std::{
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use cairn_client::{BlockTag, LedgerClient, LedgerRead as _, TransactionReceipt};
use load::Load;
use members::Members;

use crate::{
    found::{Shape, found},
    lab::{Lab, on_hosts},
    node::{Node, Plan},
};

/// Validators of genesis; the one after them joins later.
const FOUNDERS: u8 = 7;
/// Blocks of a term: some fifteen seconds.
const TERM_BLOCKS: u64 = 40;
/// Blocks that the others make while something is broken, and the longest wait for them: two of seven seats may be gone,
/// of six only one.
const BROKEN_BLOCKS: u64 = 8;
const BROKEN_MAX: Duration = Duration::from_secs(6);
/// No wait for all to be level is longer: what hangs fails, what is slow does not, and is printed.
const RECOVERY: Duration = Duration::from_secs(1_200);
/// How long a slow host stands still.
const STANDSTILL: Duration = Duration::from_millis(250);
/// Between two looks at heights.
const LOOK: Duration = Duration::from_millis(50);

/// What is done to hosts.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// `kill -9`, and a start on the same disk.
    Kill,
    /// Two at once.
    KillTwo,
    /// Cut off from all others.
    CutOff,
    /// Three against four: nobody has two thirds.
    Split,
    /// It stands still for a quarter of a second again and again.
    Slow,
    /// Stopped in order, and started.
    Restart,
    /// Its ledger is gone: it begins with the state of a late block, which others give.
    Emptied,
}

const SCRIPT: [Fault; 7] = [
    Fault::Kill,
    Fault::CutOff,
    Fault::Slow,
    Fault::KillTwo,
    Fault::Restart,
    Fault::Split,
    Fault::Emptied,
];

/// A host: a running node, or what starts it.
enum Host {
    Up(Node),
    Down(Plan),
}

/// The hosts and what is known of their days.
struct Days {
    lab: Lab,
    genesis: PathBuf,
    hosts: Vec<Host>,
    clients: Vec<LedgerClient>,
    begin: Instant,
    /// Milliseconds from the end of each fault until everybody was level.
    recovered: Vec<(Fault, u128)>,
}

#[test]
fn seven_hosts_through_bad_days() {
    on_hosts("soak::seven_hosts_through_bad_days", days());
}

async fn days() {
    let root = tempfile::tempdir().expect("a folder");
    let lab = Lab::new(FOUNDERS + 1);
    let shape =
        Shape { founders: FOUNDERS, newcomers: 1, followers: false, term_blocks: TERM_BLOCKS };
    let net = found(root.path(), &shape);
    let nodes: Vec<Node> = net.plans.iter().map(|plan| plan.start(&lab, &net.genesis)).collect();
    let clients: Vec<LedgerClient> = nodes.iter().map(|node| node.client.clone()).collect();
    let founders = &clients[..usize::from(FOUNDERS)];
    let load = Load::start(founders.to_vec()).await;
    let members = Members::start(&net.plans, founders.to_vec());
    let hosts = nodes.into_iter().map(Host::Up).collect();
    let mut days = Days {
        lab,
        genesis: net.genesis,
        hosts,
        clients,
        begin: Instant::now(),
        recovered: vec![],
    };
    let until = env::var("CAIRN_SOAK_SECONDS").ok().map(|text| {
        Duration::from_secs(text.parse().expect("CAIRN_SOAK_SECONDS is a number of seconds"))
    });
    for round in 0.. {
        let over = until.map_or(round >= SCRIPT.len(), |until| days.begin.elapsed() >= until);
        if over && members.turns() > 0 {
            break;
        }
        days.bad(round).await;
    }
    let turns = members.stop().await;
    let acknowledged = load.stop().await;
    days.level("at the end").await;
    let common = days.one_chain().await;
    for (hash, block) in &acknowledged {
        let receipt = days.receipt(*hash).await;
        let receipt = receipt.unwrap_or_else(|| panic!("{hash} was acknowledged and is lost"));
        assert_eq!(receipt.block_hash, Some(*block), "{hash} is where it was acknowledged");
    }
    days.report(turns, common, acknowledged.len());
}

impl Days {
    fn told(&self, what: &str) {
        println!("{:>7.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    /// The validators that are hit in a round: another one each time, so that all have their turn.
    fn victims(round: usize, count: usize) -> Vec<usize> {
        let first = 5 * round + round / SCRIPT.len();
        (0..count).map(|n| (first + 3 * n) % usize::from(FOUNDERS)).collect()
    }

    /// One fault, from its beginning until everybody is level again.
    async fn bad(&mut self, round: usize) {
        let fault = SCRIPT[round % SCRIPT.len()];
        let count = match fault {
            Fault::KillTwo => 2,
            Fault::Split => 3,
            Fault::Kill | Fault::CutOff | Fault::Slow | Fault::Restart | Fault::Emptied => 1,
        };
        let victims = Self::victims(round, count);
        let hit: Vec<u8> = victims.iter().map(|at| u8::try_from(at + 1).expect("a host")).collect();
        let others: Vec<u8> = (1..=FOUNDERS + 1).filter(|host| !hit.contains(host)).collect();
        match fault {
            Fault::Kill | Fault::KillTwo => self.down(&victims, Node::kill),
            Fault::Restart | Fault::Emptied => self.down(&victims, Node::stop),
            Fault::CutOff | Fault::Split => self.lab.part(&hit, &others),
            // Its clock runs on while it stands still; what it sends and reads comes late.
            Fault::Slow => {}
        }
        self.others_go_on(&victims, matches!(fault, Fault::Slow)).await;
        match fault {
            Fault::Kill | Fault::KillTwo | Fault::Restart => self.up(&victims, &[]),
            Fault::Emptied => self.up(&victims, &["--refetch"]),
            Fault::CutOff | Fault::Split => self.lab.heal(&hit, &others),
            Fault::Slow => {}
        }
        let took = self.level(&format!("{fault:?} of {hit:?}")).await;
        self.recovered.push((fault, took.as_millis()));
    }

    /// A transaction's receipt from whoever has its block.
    async fn receipt(&self, hash: B256) -> Option<TransactionReceipt> {
        for client in &self.clients {
            if let Some(receipt) = client.receipt(hash).await.expect("an answer") {
                return Some(receipt);
            }
        }
        None
    }

    fn down(&mut self, victims: &[usize], end: impl Fn(Node) -> Plan) {
        for at in victims {
            let host = self.hosts.remove(*at);
            let down = match host {
                Host::Up(node) => Host::Down(end(node)),
                Host::Down(plan) => Host::Down(plan),
            };
            self.hosts.insert(*at, down);
        }
    }

    fn up(&mut self, victims: &[usize], flags: &[&str]) {
        for at in victims {
            let host = self.hosts.remove(*at);
            let up = match host {
                Host::Down(plan) => Host::Up(plan.start_with(flags, &self.lab, &self.genesis)),
                Host::Up(node) => Host::Up(node),
            };
            self.hosts.insert(*at, up);
        }
    }

    /// Waits until the others have made some blocks; not longer than [`BROKEN_MAX`], because they may be too few.
    async fn others_go_on(&self, victims: &[usize], stutters: bool) {
        let others = (0..usize::from(FOUNDERS)).filter(|at| !victims.contains(at));
        let other = &self.clients[others.min().expect("somebody is well")];
        let from = other.block_number().await.unwrap_or(0);
        let begin = Instant::now();
        while begin.elapsed() < BROKEN_MAX
            && other.block_number().await.unwrap_or(0) < from + BROKEN_BLOCKS
        {
            if let (true, Host::Up(node)) = (stutters, &self.hosts[victims[0]]) {
                node.signal("-STOP");
                tokio::time::sleep(STANDSTILL).await;
                node.signal("-CONT");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Heights of the founders' nodes; 0 of one that does not answer.
    async fn heights(&self) -> Vec<u64> {
        let mut heights = Vec::new();
        for client in &self.clients[..usize::from(FOUNDERS)] {
            heights.push(client.block_number().await.unwrap_or(0));
        }
        heights
    }

    /// Waits until every founder's node has a block that nobody had when this began; how long it took.
    async fn level(&self, what: &str) -> Duration {
        let begin = Instant::now();
        let goal = self.heights().await.into_iter().max().unwrap_or(0) + 1;
        loop {
            let heights = self.heights().await;
            if heights.iter().all(|height| *height >= goal) {
                break;
            }
            let waited = begin.elapsed();
            assert!(waited < RECOVERY, "{what}: not level after {waited:?}: {heights:?}");
            tokio::time::sleep(LOOK).await;
        }
        self.told(&format!("{what}: level at {goal} after {} ms", begin.elapsed().as_millis()));
        begin.elapsed()
    }

    /// Compares every block of every founder's node, where those that began with a state lack the ones before; returns the height up to which there is one chain.
    async fn one_chain(&self) -> u64 {
        let common = self.heights().await.into_iter().min().expect("seven");
        for height in 0..=common {
            let mut first = None::<B256>;
            for client in &self.clients[..usize::from(FOUNDERS)] {
                let head = match client.head(BlockTag::Number(height)).await {
                    Err(error) if error.is_pruned() => continue,
                    head => head.expect("an answer"),
                };
                let hash = head.expect("a block").hash;
                assert_eq!(*first.get_or_insert(hash), hash, "a fork at {height}");
            }
        }
        common
    }

    fn report(&self, turns: usize, common: u64, acknowledged: usize) {
        let seconds = self.begin.elapsed().as_secs();
        println!(
            "one chain of {common} blocks on seven hosts in {seconds} s; {acknowledged} transactions acknowledged, none lost; \
             {turns} times a validator joined or left"
        );
        for kind in SCRIPT {
            let name = format!("{kind:?}");
            let mut took: Vec<u128> = self
                .recovered
                .iter()
                .filter(|(fault, _)| format!("{fault:?}") == name)
                .map(|(_, ms)| *ms)
                .collect();
            took.sort_unstable();
            if let (Some(median), Some(most)) = (took.get(took.len() / 2), took.last()) {
                println!(
                    "{name:<8} {:>3} times: level after {median} ms (median), {most} ms (most)",
                    took.len()
                );
            }
        }
    }
}
