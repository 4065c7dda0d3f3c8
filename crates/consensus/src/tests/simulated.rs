//! Four validators and the real ledger on the deterministic runtime: clock, network, disk and scheduling are seeded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use cairn_ledger::{Memory, Seat};
use cairn_primitives::{Epoch, TimeMs};
use commonware_cryptography::{Signer as _, ed25519};
use commonware_glue::simulate::{
    action::{Action, Crash, Schedule},
    engine::{EngineDefinition, InitContext},
    exit::ProcessedHeightAtLeast,
    plan::PlanBuilder,
    processed::ProcessedHeight,
    reporter::MonitorReporter,
};
use commonware_p2p::simulated::Link;
use commonware_runtime::{
    Clock as _, Handle, Quota, Spawner as _, Storage as _, Supervisor as _, deterministic,
};
use commonware_utils::{ordered::Set, probability};
use tokio::sync::{oneshot, watch};

use super::{
    emptied::Trees,
    fixture::{MemoryDisk, MemoryPool, START_MS, identity, keys, rota, seat, transfer},
    one_chain::OneChain,
    sensing::{Ingest, Sensing, TIME_SCALE},
    two_faced::TwoFaced,
};
use crate::{
    application::{Conduct, Marshal},
    engine::{self, Parts},
    finality::namespace,
    genesis::{NetworkIdentity, chain},
    network::{Channels, message_bytes_max, quotas},
    pace::Pace,
    ports::NetworkTime,
    signer::Key,
    votes::VoteLog,
};

/// Who gets the transfers.
pub(super) const PAYEE: Address = Address::repeat_byte(0xee);
/// Transfers in each validator's pool at the start; all pools hold the same.
pub(super) const TRANSFERS: u64 = 40;

/// Virtual time as network time, and how many virtual ms its owner's clock is wrong.
pub struct VirtualTime {
    clock: deterministic::Context,
    skew_ms: i64,
    /// Network milliseconds in a virtual one.
    scale: u64,
}

impl VirtualTime {
    /// A right clock.
    pub const fn right(clock: deterministic::Context) -> Self {
        Self { clock, skew_ms: 0, scale: 1 }
    }
}

impl NetworkTime for VirtualTime {
    fn now(&self) -> TimeMs {
        let passed = self.clock.current().duration_since(UNIX_EPOCH).unwrap();
        let passed = u64::try_from(passed.as_millis()).unwrap();
        let skewed = (START_MS / self.scale + passed).saturating_add_signed(self.skew_ms);
        TimeMs(skewed * self.scale)
    }
}

/// One simulated network.
#[derive(Clone)]
pub struct Network {
    pub(super) identity: NetworkIdentity,
    keys: Vec<ed25519::PrivateKey>,
    pub(super) disks: Vec<MemoryDisk>,
    /// What each key has signed.
    votes: Vec<VoteLog>,
    /// This validator breaks a rule in every block that it proposes.
    pub byzantine: Option<usize>,
    /// Which one: unless a test says otherwise, it is richer than it should be.
    pub misconduct: Conduct,
    /// This validator signs two votes in every round, and keeps no chain.
    pub two_faced: Option<usize>,
    /// This validator's clock is so many ms ahead.
    pub skew: Option<(usize, i64)>,
    /// On its second start this validator finds its disk restored from a backup of this height.
    pub restore: Option<(usize, u64)>,
    /// On its second start this validator's journal of votes is from before its first, and only the log beside its key is not.
    pub forgetful: Option<usize>,
    /// At its start of this number this validator has nothing but its log of votes, and takes the state of another's last block; where
    /// nobody has one to give it executes every block.
    pub empty: Option<(usize, u32)>,
    /// State trees of the validators that run.
    pub(super) trees: Trees,
    /// What is sensed, in a network whose last process is an ingest.
    pub sensing: Option<Sensing>,
    /// The equivocations that each validator has seen.
    pub evidence: Arc<Mutex<BTreeMap<usize, watch::Receiver<Vec<Bytes>>>>>,
    /// How often each validator has started.
    pub starts: Arc<Mutex<BTreeMap<usize, u32>>>,
}

impl Network {
    /// Honest validators with right clocks.
    pub fn new(n: u64) -> Self {
        let disks = (0..n).map(|_| MemoryDisk::default()).collect();
        let votes = (0..n).map(|_| VoteLog::memory()).collect();
        Self {
            identity: identity(n, 250, 1_000),
            keys: keys(n),
            disks,
            votes,
            byzantine: None,
            misconduct: Conduct::MintsForItself,
            two_faced: None,
            skew: None,
            restore: None,
            forgetful: None,
            empty: None,
            trees: Trees::default(),
            sensing: None,
            evidence: Arc::default(),
            starts: Arc::default(),
        }
    }

    /// `n` validators that judge evidence, and one more process: the ingest.
    pub fn sensing(n: u64, seed: u64) -> Self {
        let mut network = Self::new(n);
        let sensing = Sensing::new(seed, network.disks.clone());
        network.identity = sensing.identity();
        network.keys = sensing.keys();
        network.disks.push(MemoryDisk::default());
        network.votes.push(VoteLog::memory());
        network.sensing = Some(sensing);
        network
    }

    /// `nodes` processes of which genesis seats the first `founders`; from term 2 on `seats` says who validates.
    pub fn rotating(
        nodes: u64,
        founders: u64,
        blocks: u64,
        seats: impl Fn(u64) -> Vec<Seat> + Send + Sync + 'static,
    ) -> Self {
        let mut network = Self::new(founders);
        network.identity.terms = rota(&network.identity, blocks, seats);
        network.keys = keys(nodes);
        network.disks = (0..nodes).map(|_| MemoryDisk::default()).collect();
        network.votes = (0..nodes).map(|_| VoteLog::memory()).collect();
        network
    }

    /// Height of each process' disk.
    pub fn heights(&self) -> Vec<u64> {
        self.disks.iter().map(MemoryDisk::height).collect()
    }

    /// Each process' disk.
    pub fn disks(&self) -> &[MemoryDisk] {
        &self.disks
    }

    /// Blocks of a term.
    pub fn blocks(&self) -> u64 {
        self.identity.terms.blocks().get()
    }

    /// The seats of a term.
    pub fn seats(&self, term: u64) -> Vec<Seat> {
        self.identity.terms.seats(&Memory::default(), term).unwrap().unwrap()
    }

    /// The consensus keys of a term.
    pub(super) fn validators(&self, term: u64) -> Vec<B256> {
        self.seats(term).iter().map(|seat| seat.consensus_key).collect()
    }

    /// The domain of its signatures.
    pub fn domain(&self) -> Vec<u8> {
        namespace(&self.identity.hash)
    }
}

/// What a property sees of a validator.
#[derive(Clone)]
pub struct Node {
    /// None of a validator that keeps no chain.
    pub(super) marshal: Option<Marshal>,
    pub(super) disk: MemoryDisk,
    clock: Arc<deterministic::Context>,
}

impl Node {
    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.clock.current().duration_since(UNIX_EPOCH).unwrap()
    }

    /// The first epoch that is not final here; `None` where no chain is kept.
    pub async fn next_epoch(&self, sensing: &Sensing) -> Option<Epoch> {
        self.marshal.as_ref()?;
        Some(sensing.next_epoch(&self.disk).await)
    }
}

impl ProcessedHeight for Node {
    /// A validator without a chain waits for nobody and nobody waits for it.
    async fn processed_height(&self) -> u64 {
        let Some(marshal) = &self.marshal else { return u64::MAX };
        marshal.get_processed().await.map_or(0, |processed| processed.height().get())
    }
}

impl EngineDefinition for Network {
    type PublicKey = ed25519::PublicKey;
    type Engine = Handle<()>;
    type State = Node;

    fn participants(&self) -> Vec<ed25519::PublicKey> {
        self.keys.iter().map(|key| key.public_key()).collect()
    }
    fn channels(&self) -> Vec<(u64, Quota)> {
        quotas()
    }
    fn max_message_size(&self) -> u32 {
        message_bytes_max(u32::try_from(self.keys.len()).unwrap())
    }

    async fn init(&self, init: InitContext<'_, ed25519::PublicKey>) -> (Handle<()>, Node) {
        let me = init.public_key.clone();
        let key = self.keys.iter().find(|key| key.public_key() == me).unwrap().clone();
        // It goes with the validator's state: a context must not outlive its runtime.
        let clock = Arc::new(init.context.child("clock"));
        if self.two_faced == Some(init.index) {
            let votes = init.channels.into_iter().next().expect("votes are the first channel");
            let handle = TwoFaced { network: self.clone(), key }
                .start(init.context.child("two_faced"), votes);
            return (handle, Node { marshal: None, disk: self.disks[init.index].clone(), clock });
        }
        if let Some(sensing) = &self.sensing
            && sensing.ingest_index() == init.index
        {
            let ingest = Ingest::new(sensing.clone());
            let handle = init.context.child("ingest").spawn(|context| ingest.run(context));
            return (handle, Node { marshal: None, disk: self.disks[init.index].clone(), clock });
        }
        let pool = MemoryPool::default();
        for nonce in 0..TRANSFERS {
            pool.push(transfer(nonce, PAYEE));
        }
        if let Some(sensing) = &self.sensing {
            sensing.fill(init.index, &pool);
        }
        let disk = self.disks[init.index].clone();
        let starts = {
            let mut starts = self.starts.lock().unwrap();
            let count = starts.entry(init.index).or_default();
            *count += 1;
            *count
        };
        if let Some((index, height)) = self.restore
            && (index, 2) == (init.index, starts)
        {
            assert!(disk.height() > height, "the backup is older than the disk");
            disk.restore(height);
        }
        let mut name = init.index.to_string();
        if let Some((index, start)) = self.empty
            && index == init.index
            && starts >= start
        {
            // What the engine stored until then stays where nobody looks.
            name.push_str("-again");
            if starts == start {
                disk.empty();
                let prefix = format!("{}{name}", engine::PREFIX);
                self.take_state(init.context.child("take"), &disk, prefix).await;
            }
        }
        if (self.forgetful, starts) == (Some(init.index), 2) {
            let journal = format!("{}{name}-simplex-0", engine::PREFIX);
            init.context.remove(&journal, None).await.expect("it has voted in term 0");
        }
        let skew_ms = self.skew.filter(|(i, _)| *i == init.index).map_or(0, |(_, ms)| ms);
        let scale = self.sensing.as_ref().map_or(1, |_| TIME_SCALE);
        let time = Arc::new(VirtualTime { clock: init.context.child("time"), skew_ms, scale });
        let (height, _) = watch::channel(0);
        let votes = self.votes[init.index].clone();
        let chain = Arc::new(
            chain(
                &self.identity,
                Arc::new(disk.clone()),
                Arc::new(pool),
                time,
                height,
                (Key::local(key, self.identity.hash), votes),
            )
            .unwrap(),
        );
        let parts = Parts {
            me: me.clone(),
            peers: init.oracle.manager(),
            blocker: init.oracle.control(me.clone()),
            // All processes are each other's peers from the start: the network is the harness's.
            track: Box::new(|_, _| ()),
            always: Set::default(),
            chain,
            pace: Pace { busy: Duration::from_millis(250), idle: Duration::from_secs(1) },
            conduct: if self.byzantine == Some(init.index) {
                self.misconduct
            } else {
                Conduct::Honest
            },
            blocks_kept: None,
            name,
        };
        let channels =
            Channels::from_list(init.channels).unwrap_or_else(|| panic!("eight channels"));
        let monitor = init.monitor.clone();
        // One task owns all of the validator's, so that a crash ends them as the end of a process does: what one of them
        // still holds open (the state tree, while it waits for a block's time) would keep the next start from opening it.
        let (opened, parts_opened) = oneshot::channel();
        let (sensing, index) = (self.sensing.clone(), init.index);
        let trees = self.empty.map(|_| self.trees.clone());
        let process = init.context.child("validator").spawn(move |context| async move {
            let watch = move |state| MonitorReporter::new(me, monitor, state);
            let running = engine::start(context.child("parts"), parts, channels, watch).await;
            let _ = opened.send((running.marshal, running.evidence));
            let mut shown = None;
            if let Some(trees) = trees {
                shown = Some(trees.show(index, running.state.subscribe_databases().await));
            }
            if let Some(sensing) = sensing {
                let verify = move |context| sensing.verify(index, running.gossip, context);
                context.child("verifier").spawn(verify);
            }
            let _ = running.engine.await;
            drop(shown);
        });
        let (marshal, evidence) = parts_opened.await.expect("the validator opens its storage");
        self.evidence.lock().unwrap().insert(init.index, evidence);
        (process, Node { marshal: Some(marshal), disk, clock })
    }

    fn start(engine: Handle<()>) -> Handle<()> {
        engine
    }
}

/// A usual link.
pub fn link() -> Link {
    Link {
        latency: Duration::from_millis(30),
        jitter: Duration::from_millis(10),
        success_rate: probability!(1.0),
    }
}

/// A scenario: `crash` on `link`, until every validator has `heights` blocks. Returns the trace's hash.
pub fn run(
    network: &Network,
    seed: u64,
    link: Link,
    crash: Option<Crash<ed25519::PublicKey>>,
    heights: u64,
) -> String {
    run_with(network, seed, link, crash, heights).0
}

pub fn run_with(
    network: &Network,
    seed: u64,
    link: Link,
    crash: Option<Crash<ed25519::PublicKey>>,
    heights: u64,
) -> (String, BTreeMap<Address, u64>) {
    run_all(network, seed, link, crash, heights)
}

pub fn run_all(
    network: &Network,
    seed: u64,
    link: Link,
    crashes: impl IntoIterator<Item = Crash<ed25519::PublicKey>>,
    heights: u64,
) -> (String, BTreeMap<Address, u64>) {
    let property = OneChain::of(network);
    let mut plan = PlanBuilder::new(network.clone())
        .link(link)
        .seed(seed)
        .exit_condition(ProcessedHeightAtLeast::new(heights))
        .timeout(Duration::from_secs(1_200))
        .property(property.clone());
    for crash in crashes {
        plan = plan.crash(crash);
    }
    let mut results = plan.run().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let leaders = property.leaders.lock().unwrap().clone();
    (results.remove(0).state, leaders)
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| run(&Network::new(4), seed, link(), None, 20);
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

#[test]
fn a_validator_that_crashes_catches_up() {
    for seed in 0..2 {
        let network = Network::new(4);
        let victim = network.participants()[0].clone();
        let schedule = Schedule::new()
            .at(Duration::from_secs(4), Action::Crash(victim.clone()))
            .at(Duration::from_secs(20), Action::Restart(victim));
        run(&network, seed, link(), Some(Crash::Schedule(schedule)), 60);
    }
}

#[test]
fn validators_that_crash_again_and_again_keep_one_chain() {
    for seed in 0..2 {
        let network = Network::new(4);
        let crash = Crash::Random {
            frequency: Duration::from_millis(1_700),
            downtime: Duration::from_millis(900),
            count: 1,
        };
        run(&network, seed, link(), Some(crash), 60);
    }
}

#[test]
fn a_partition_stops_the_chain_and_heals() {
    let network = Network::new(4);
    let nodes = network.participants();
    let cut = Link {
        latency: Duration::from_millis(30),
        jitter: Duration::ZERO,
        success_rate: probability!(0.0),
    };
    let mut schedule = Schedule::new();
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        for (from, to) in [(a, b), (b, a)] {
            let (from, to) = (nodes[from].clone(), nodes[to].clone());
            let action = Action::UpdateLink { from, to, link: cut.clone() };
            schedule = schedule.at(Duration::from_secs(3), action);
        }
    }
    schedule = schedule.at(Duration::from_secs(20), Action::Heal(link()));
    run(&network, 3, link(), Some(Crash::Schedule(schedule)), 60);
}

#[test]
fn a_third_of_the_messages_lost_is_no_fork() {
    let lossy = Link {
        latency: Duration::from_millis(100),
        jitter: Duration::from_millis(80),
        success_rate: probability!(0.7),
    };
    run(&Network::new(4), 4, lossy, None, 20);
}

#[test]
fn a_leader_that_lies_about_the_state_root_finalises_nothing() {
    let mut network = Network::new(4);
    let (_, leaders) = run_with(&network, 5, link(), None, 24);
    assert_eq!(leaders.len(), 4, "an honest network is led by all: {leaders:?}");
    network = Network { byzantine: Some(2), ..Network::new(4) };
    let (_, leaders) = run_with(&network, 5, link(), None, 24);
    assert_eq!(leaders.len(), 3, "the others go on without the liar: {leaders:?}");
}

/// Whatever a leader reveals but its own part for its own turn, and whatever mix it would like, it finalises nothing.
#[test]
fn a_leader_has_one_reveal_or_no_block() {
    let wrong = [
        Conduct::HidesItsReveal,
        Conduct::RevealsAnotherTurn,
        Conduct::RevealsAnothersPart,
        Conduct::ChoosesItsMix,
    ];
    for misconduct in wrong {
        let network = Network { byzantine: Some(1), misconduct, ..Network::new(4) };
        let (_, leaders) = run_with(&network, 8, link(), None, 16);
        assert_eq!(leaders.len(), 3, "the others go on without {misconduct:?}: {leaders:?}");
    }
}

/// 150 turns of four validators that change every fifty blocks: all draw the same randomness for the first epochs.
#[test]
fn all_validators_draw_the_same_randomness() {
    let network = Network::rotating(5, 4, 50, |_| (1..5).map(seat).collect());
    run(&network, 9, link(), None, 140);
    let drawn = |disk: &MemoryDisk| {
        let (state, ledger) = (disk.state(), &network.identity.ledger);
        (0..3).map(|epoch| ledger.randomness(&state, Epoch(epoch)).unwrap()).collect::<Vec<_>>()
    };
    let first = drawn(&network.disks[0]);
    assert!(first[0].is_some() && first[1].is_some() && first[0] != first[1]);
    assert_eq!(first[2], None, "epoch 0 has not ended");
    assert!(network.disks.iter().all(|disk| drawn(disk) == first));
    let turn = cairn_ledger::turn_of(&network.disks[0].block(140).unwrap().header);
    assert!((140..160).contains(&turn), "turn {turn}");
}

/// How often each validator led when one clock is wrong by `skew_ms`. The chain may need twice its usual virtual time.
fn leaders_with_a_wrong_clock(skew_ms: i64) -> BTreeMap<Address, u64> {
    let network = Network { skew: Some((1, skew_ms)), ..Network::new(4) };
    let property = OneChain::of(&network);
    PlanBuilder::new(network)
        .link(link())
        .seed(7)
        .exit_condition(ProcessedHeightAtLeast::new(40))
        .timeout(Duration::from_secs(100))
        .property(property.clone())
        .run()
        .unwrap_or_else(|error| panic!("a clock wrong by {skew_ms} ms: {error}"));
    property.leaders.lock().unwrap().clone()
}

#[test]
fn a_wrong_clock_costs_its_owner_and_nobody_else() {
    let leaders = leaders_with_a_wrong_clock(-3_600_000);
    assert_eq!(leaders.len(), 4, "a slow clock proposes its parent's time: {leaders:?}");
    let leaders = leaders_with_a_wrong_clock(3_600_000);
    let wrong = leaders.get(&Address::repeat_byte(0xa1)).copied().unwrap_or(0);
    assert!(wrong * 5 < 40, "a fast clock loses turns: {leaders:?}");
}

#[test]
fn a_disk_restored_from_a_backup_is_brought_up_from_the_archive() {
    let network = Network { restore: Some((0, 5)), ..Network::new(4) };
    let victim = network.participants()[0].clone();
    let schedule = Schedule::new()
        .at(Duration::from_secs(8), Action::Crash(victim.clone()))
        .at(Duration::from_secs(12), Action::Restart(victim));
    run(&network, 6, link(), Some(Crash::Schedule(schedule)), 50);
    assert_eq!(
        network.starts.lock().unwrap()[&0],
        2,
        "the validator started again, with its backup"
    );
}

#[test]
fn a_validator_restored_from_a_backup_does_not_equivocate() {
    for seed in 0..4 {
        let network = Network { forgetful: Some(0), ..Network::new(4) };
        let victim = network.participants()[0].clone();
        // Away for less than a view: it comes back into the rounds in which it has voted.
        let schedule = Schedule::new()
            .at(Duration::from_millis(8_000 + 70 * seed), Action::Crash(victim.clone()))
            .at(Duration::from_millis(8_100 + 70 * seed), Action::Restart(victim));
        run(&network, seed, link(), Some(Crash::Schedule(schedule)), 40);
        assert_eq!(network.starts.lock().unwrap()[&0], 2);
        for (at, seen) in &*network.evidence.lock().unwrap() {
            assert!(
                seen.borrow().is_empty(),
                "seed {seed}: validator {at} saw two votes in one round"
            );
        }
    }
}
