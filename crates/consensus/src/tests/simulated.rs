//! Four validators and the real ledger on the deterministic runtime: clock, network, disk and scheduling are seeded.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use alloy_consensus::Header;
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use cairn_ledger::{Memory, Seat, time_of};
use cairn_primitives::{Epoch, TimeMs};
use commonware_codec::{DecodeExt as _, Encode as _, varint::UInt};
use commonware_consensus::{
    simplex::types::{Finalize, Notarize, Proposal, Vote},
    types::Round,
};
use commonware_cryptography::{Signer as _, ed25519, sha256::Digest};
use commonware_glue::simulate::{
    action::{Action, Crash, Schedule},
    engine::{EngineDefinition, InitContext},
    exit::ProcessedHeightAtLeast,
    plan::PlanBuilder,
    processed::ProcessedHeight,
    property::Property,
    reporter::MonitorReporter,
    tracker::ProgressTracker,
};
use commonware_p2p::{Receiver, Recipients, Sender, simulated::Link, utils::mux};
use commonware_runtime::{
    Clock as _, Handle, Quota, Spawner as _, Storage as _, Supervisor as _, deterministic,
};
use commonware_utils::{ordered::Set, probability};
use rand_core::CryptoRng;
use tokio::sync::{oneshot, watch};

use super::{
    fixture::{MemoryDisk, MemoryPool, START_MS, identity, keys, rota, seat, transfer},
    sensing::{Ingest, Sensing, TIME_SCALE},
};
use crate::{
    application::{Conduct, Marshal},
    beacon::{Beacon, mix_after},
    engine::{self, Parts},
    finality::{FinalityProof, namespace, validator_set},
    genesis::{NetworkIdentity, chain},
    network::{Channels, message_bytes_max, quotas},
    pace::Pace,
    ports::NetworkTime,
    scheme::Scheme,
    signer::Key,
    sync::{StateSync, Taker, lab::Lab},
    tree::SharedTree,
    votes::VoteLog,
};

/// Who gets the transfers.
const PAYEE: Address = Address::repeat_byte(0xee);
/// Transfers in each validator's pool at the start; all pools hold the same.
const TRANSFERS: u64 = 40;

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
    identity: NetworkIdentity,
    keys: Vec<ed25519::PrivateKey>,
    disks: Vec<MemoryDisk>,
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
    trees: Trees,
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

    /// Fills the disk of a validator, and the engine's storage under `prefix`, with the state of another's last block; of nobody's where none
    /// that runs has executed everything and has a certificate.
    async fn take_state(&self, context: deterministic::Context, disk: &MemoryDisk, prefix: String) {
        let gives = |disk: &MemoryDisk| {
            let height = disk.height();
            disk.taken() == 0 && disk.block(height).is_some_and(|head| !head.certificate.is_empty())
        };
        let giver = self.trees.0.lock().unwrap().iter().find_map(|(index, tree)| {
            let disk = &self.disks[*index];
            gives(disk).then(|| (disk, tree.clone()))
        });
        let Some((giver, tree)) = giver else { return };
        let height = giver.height();
        let block = |height| giver.block(height).expect("it has executed everything");
        let headers = (0..=height).map(|height| block(height).header).collect();
        let terms = &self.identity.terms;
        let lasts = (0..terms.term_of(height)).map(|term| terms.last_of(term));
        let proofs = lasts.chain([height]).map(|height| block(height).certificate.into()).collect();
        let body = block(height).transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
        let sync = StateSync {
            identity: self.identity.clone(),
            trusted: None,
            taker: Taker::Validator,
            prefix,
            disk: Arc::new(disk.clone()),
        };
        let lab = Lab::of(tree, giver.state(), headers, proofs, body);
        let synced =
            sync.run(context, Arc::new(lab)).await.expect("an honest peer gives its state");
        assert_eq!(synced.height, height);
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
    fn validators(&self, term: u64) -> Vec<B256> {
        self.seats(term).iter().map(|seat| seat.consensus_key).collect()
    }

    /// The domain of its signatures.
    pub fn domain(&self) -> Vec<u8> {
        namespace(&self.identity.hash)
    }
}

/// State trees by validator. They are open while their validators run, and no longer.
#[derive(Clone, Default)]
struct Trees(Arc<Mutex<BTreeMap<usize, SharedTree<deterministic::Context>>>>);

/// Takes a tree away with the task that owns this.
struct Shown(Trees, usize);

impl Trees {
    fn show(&self, index: usize, tree: SharedTree<deterministic::Context>) -> Shown {
        self.0.lock().unwrap().insert(index, tree);
        Shown(self.clone(), index)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().remove(&self.1);
    }
}

/// What a property sees of a validator.
#[derive(Clone)]
pub struct Node {
    /// None of a validator that keeps no chain.
    marshal: Option<Marshal>,
    disk: MemoryDisk,
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

/// A validator that signs, in every round in which it hears a vote, that vote and a contradicting one, and two for the next.
struct TwoFaced {
    network: Network,
    key: ed25519::PrivateKey,
}

impl TwoFaced {
    fn start(
        self,
        context: deterministic::Context,
        (mut sender, mut receiver): (impl Sender, impl Receiver),
    ) -> Handle<()> {
        context.spawn(move |mut context| async move {
            while let Ok((_, message)) = receiver.recv().await {
                let Ok((term, vote)) = mux::parse(message) else { continue };
                let Ok(vote) = Vote::<Scheme, Digest>::decode(vote) else { continue };
                for answer in self.answers(term, &vote, &mut context) {
                    let message = [UInt(term).encode(), answer.encode()].concat();
                    sender.send(Recipients::All, message, true);
                }
            }
        })
    }

    fn answers(
        &self,
        term: u64,
        vote: &Vote<Scheme, Digest>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Vote<Scheme, Digest>> {
        let set = validator_set(&self.network.validators(term)).unwrap();
        let Some(scheme) = Scheme::liar(&self.network.domain(), set, self.key.clone()) else {
            return Vec::new();
        };
        let mut random = || {
            let mut payload = [0; 32];
            rng.fill_bytes(&mut payload);
            Digest::from(payload)
        };
        let other = |proposal: &Proposal<Digest>, payload| {
            Proposal::new(proposal.round, proposal.parent, payload)
        };
        match vote {
            // Its answer to this round mostly comes after the certificate, when nobody looks at votes any more; the two for the next
            // round come before everybody's.
            Vote::Notarize(heard) => {
                let (round, payload) = (heard.proposal.round, heard.proposal.payload);
                let next = Round::new(round.epoch(), round.view().next());
                let ahead = Proposal::new(next, round.view(), payload);
                [
                    other(&heard.proposal, random()),
                    heard.proposal.clone(),
                    other(&ahead, random()),
                    other(&ahead, random()),
                ]
                .into_iter()
                .filter_map(|proposal| Notarize::sign(&scheme, proposal).map(Vote::Notarize))
                .collect()
            }
            Vote::Finalize(heard) => [other(&heard.proposal, random()), heard.proposal.clone()]
                .into_iter()
                .filter_map(|proposal| Finalize::sign(&scheme, proposal).map(Vote::Finalize))
                .collect(),
            Vote::Nullify(_) => Vec::new(),
        }
    }
}

/// What must hold at the end of every scenario: one chain, its certificates prove it by the validators of their terms, each
/// term's last block names the next, each block has its leader's reveal and its mix is that of all before, who led a block had a seat, every transfer was paid once, the ledger's invariants
/// hold; and nothing of `forbidden` was finalised.
#[derive(Clone)]
pub struct OneChain {
    network: Network,
    forbidden: Option<usize>,
    leaders: Arc<Mutex<BTreeMap<Address, u64>>>,
}

impl OneChain {
    /// The property of `network`, whose lying proposer finalises nothing.
    pub fn of(network: &Network) -> Self {
        let forbidden = network.byzantine;
        Self { network: network.clone(), forbidden, leaders: Arc::default() }
    }
}

impl OneChain {
    /// Checks a certificate by the validators of the block's term.
    fn check_proof(
        &self,
        header: &Header,
        certificate: &[u8],
        next_mix: Option<B256>,
        rng: &mut impl CryptoRng,
    ) -> Result<(), String> {
        let (network, height) = (&self.network, header.number);
        let validators = |term| Some(network.validators(term));
        let proof = FinalityProof::check(certificate, &network.identity.hash, validators, rng)
            .map_err(|error| format!("proof of {height}: {error}"))?;
        let term = network.identity.terms.term_of(height);
        if proof.preamble.header != *header || proof.term() != term {
            return Err(format!("the proof of {height} proves another block"));
        }
        if !Beacon::new(network.identity.hash).check(&proof.preamble) {
            return Err(format!("block {height} has another reveal than its leader's"));
        }
        if next_mix.is_some_and(|mix| mix_after(&proof.preamble) != Some(mix)) {
            return Err(format!("the mix after {height} is not in the header of the next block"));
        }
        let mut next = Vec::new();
        if height == network.identity.terms.last_of(term) {
            next = network.validators(term + 1);
            next.sort_unstable();
        }
        if proof.next_validators() == next {
            Ok(())
        } else {
            Err(format!("block {height} names other validators than those of the next term"))
        }
    }
}

impl Property<ed25519::PublicKey, Node> for OneChain {
    fn name(&self) -> &str {
        "one chain"
    }

    fn check<'a>(
        &'a self,
        _: &'a ProgressTracker<ed25519::PublicKey>,
        nodes: &'a [&'a Node],
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move {
            let nodes: Vec<&Node> =
                nodes.iter().copied().filter(|node| node.marshal.is_some()).collect();
            // One that executed everything says what the others must have.
            let whole = nodes.iter().find(|node| node.disk.taken() == 0).ok_or("nobody has all")?;
            let rules = &self.network.identity.terms;
            let top = nodes.iter().map(|node| node.disk.height()).min().unwrap_or(0);
            let (mut proven, mut rng) = (0, commonware_utils::test_rng());
            for height in 1..=top {
                let block = whole.disk.block(height).ok_or(format!("no block {height}"))?;
                let next_mix = whole.disk.block(height + 1).map(|next| next.header.mix_hash);
                let term = rules.term_of(height);
                let last = rules.last_of(term);
                for node in &nodes {
                    if height <= node.disk.taken() {
                        continue;
                    }
                    let other = node.disk.block(height).ok_or(format!("no block {height}"))?;
                    if other.header != block.header
                        || other.digest != block.digest
                        || other.writes != block.writes
                    {
                        return Err(format!("two blocks at height {height}"));
                    }
                    if !other.certificate.is_empty() {
                        let certificate = &other.certificate;
                        self.check_proof(&block.header, certificate, next_mix, &mut rng)?;
                        proven += 1;
                    } else if height == last {
                        return Err(format!("block {height} ends a term and has no proof"));
                    }
                }
                if !self.network.seats(term).iter().any(|s| s.operator == block.header.beneficiary)
                {
                    return Err(format!("block {height} of a leader without a seat is final"));
                }
                if self.forbidden.is_some_and(|i| seat(i).operator == block.header.beneficiary) {
                    return Err(format!("block {height} of the byzantine validator is final"));
                }
                *self.leaders.lock().unwrap().entry(block.header.beneficiary).or_default() += 1;
            }
            if proven * 2 < top {
                return Err(format!("only {proven} proofs for {top} blocks"));
            }
            for node in &nodes {
                if node.disk.balance(PAYEE) != U256::from(TRANSFERS) {
                    return Err(format!("the payee has {}", node.disk.balance(PAYEE)));
                }
                let time =
                    whole.disk.block(top).map_or(TimeMs(START_MS), |block| time_of(&block.header));
                let state = node.disk.state();
                let violations =
                    self.network.identity.ledger.check(&state, time).map_err(|e| e.to_string())?;
                if !violations.is_empty() {
                    return Err(format!("invariants: {violations:?}"));
                }
            }
            if let Some(sensing) = &self.network.sensing {
                sensing.check(&whole.disk).await?;
            }
            Ok(())
        })
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
