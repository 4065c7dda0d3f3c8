//! State sync and replay over real sockets and disks: the same state, whoever gives it; pruned blocks; a node that is stopped.

mod support;

use std::{path::Path, sync::Arc, time::Duration};

use alloy_primitives::Address;
use cairn_client::{BlockTag, Call, ClientError, LedgerClient, LedgerRead as _, Sender};
use cairn_consensus::ValidatorHandle;
use cairn_kit::{NetworkClock, Shutdown, tasks::TasksError};
use cairn_node::{
    follower::{FollowConfig, FollowerNode},
    mend::ASIDE,
    rpc::RpcConfig,
    sync::{SyncConfig, SyncMode},
    validator::{Network, NodeConfig, ValidatorNode},
};
use cairn_primitives::{GenesisAccount, STONE, Sector, Stones};
use support::{Devnet, START_MS};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A test that hangs fails, one on a slow machine does not.
const DEADLINE: Duration = Duration::from_secs(1_200);
/// Blocks of a term: a few terms in some seconds.
const TERM_BLOCKS: u64 = 10;

struct Running {
    client: LedgerClient,
    disk: cairn_node::disk::RedbDisk,
    consensus: Option<ValidatorHandle>,
    shutdown: Shutdown,
    ended: JoinHandle<Result<(), TasksError>>,
}

impl Running {
    async fn validator(devnet: &Devnet, root: &Path, clock: &NetworkClock) -> Self {
        Self::one_of(devnet, root, clock, 0, &[]).await
    }

    /// Validator `index`, which takes the state from `givers` when it has none.
    async fn one_of(
        devnet: &Devnet,
        root: &Path,
        clock: &NetworkClock,
        index: usize,
        givers: &[&Self],
    ) -> Self {
        let shutdown = Shutdown::new();
        let peers = givers.iter().map(|node| node.client.url().to_owned()).collect();
        let sync = SyncConfig { peers, short_blocks: 0, ..SyncConfig::default() };
        let mut config = NodeConfig { sync, ..devnet.config(root, index) };
        // Nobody knows of one that genesis does not seat.
        let seats = &devnet.network.genesis.validators;
        config.bootstrap.retain(|(key, _)| seats.iter().any(|seat| seat.consensus_key == *key));
        let keys = &devnet.validators[index].2;
        let node =
            ValidatorNode::start(config, &devnet.network, keys, clock.clone(), shutdown.clone())
                .await
                .unwrap();
        let client = LedgerClient::new(node.endpoints().rpc_url()).unwrap();
        let (disk, consensus) = (node.disk().clone(), Some(node.consensus().clone()));
        Self { client, disk, consensus, shutdown, ended: tokio::spawn(node.run()) }
    }

    async fn follower(
        devnet: &Devnet,
        folder: &Path,
        clock: &NetworkClock,
        upstream: &[&Self],
        mode: SyncMode,
    ) -> Self {
        let shutdown = Shutdown::new();
        let free = ([127, 0, 0, 1], 0).into();
        let config = FollowConfig {
            folder: folder.to_path_buf(),
            rpc: RpcConfig::at(free),
            http: free,
            http_url: None,
            upstream: upstream.iter().map(|node| node.client.url().to_owned()).collect(),
            archives: Vec::new(),
            state_window: 1_024,
            blocks_kept: None,
            sync: SyncConfig { mode, short_blocks: 0, ..SyncConfig::default() },
        };
        let node = FollowerNode::start(
            config,
            &devnet.network,
            Sector::Sensing,
            clock.clone(),
            shutdown.clone(),
        );
        let node = node.await.unwrap();
        let client = LedgerClient::new(node.endpoints().rpc_url()).unwrap();
        let disk = node.disk().clone();
        Self { client, disk, consensus: None, shutdown, ended: tokio::spawn(node.run()) }
    }

    async fn reaches(&self, height: u64) {
        let mut heights = self.disk.heights();
        let reached = heights.wait_for(|now| *now >= height);
        tokio::time::timeout(DEADLINE, reached).await.expect("blocks come").unwrap();
    }

    async fn stop(self) {
        self.shutdown.request();
        drop((self.disk, self.consensus));
        self.ended.await.unwrap().unwrap();
    }
}

/// Turns the bytes of the second half of a file.
fn spoil(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn state_sync_and_replay_give_the_same_ledger() {
    let (mut devnet, root) = (Devnet::new(1), TempDir::new().unwrap());
    let mut genesis = (*devnet.network.genesis).clone();
    genesis.stake.term_blocks = TERM_BLOCKS;
    genesis.check().unwrap();
    devnet.network = Network::new(genesis, "devnet of short terms");
    let clock = NetworkClock::running(START_MS, 180);
    let validator = Running::validator(&devnet, root.path(), &clock).await;
    let friend = Address::repeat_byte(0x77);
    let pay = Call::transfer(friend, Stones(STONE));
    let alice = Sender::new(validator.client.clone(), devnet.accounts[0].clone());
    alice.send_and_wait(&pay).await.unwrap();
    // Over two ends of terms, so that the way to the state has handovers.
    validator.reaches(2 * TERM_BLOCKS + 3).await;

    let folder = |name: &str| root.path().join(name);
    let from = [&validator];
    let replayed =
        Running::follower(&devnet, &folder("replay"), &clock, &from, SyncMode::Replay).await;
    let synced = Running::follower(&devnet, &folder("state"), &clock, &from, SyncMode::State).await;
    let base = synced.disk.snapshot().blocks_start() - 1;
    assert!(base >= 2 * TERM_BLOCKS, "the state is a recent one: {base}");

    // Both go on by blocks, and have the same of everything.
    let sent = alice.send_and_wait(&pay).await.unwrap();
    for node in [&replayed, &synced] {
        node.reaches(sent.block.max(base + 2)).await;
        assert_eq!(
            node.client.balance(friend, BlockTag::Number(sent.block)).await.unwrap(),
            Stones(2 * STONE)
        );
    }
    let common = sent.block.max(base + 2);
    let head = validator.client.head(BlockTag::Number(common)).await.unwrap();
    for node in [&replayed, &synced] {
        assert_eq!(node.client.head(BlockTag::Number(common)).await.unwrap(), head);
    }
    let entries =
        |node: &Running, at: u64| node.disk.snapshot().entries(at, &[], usize::MAX).unwrap();
    assert_eq!(entries(&replayed, common), entries(&synced, common));
    assert_eq!(entries(&replayed, common), entries(&validator, common));

    // What it never had it does not make up.
    let refused = synced.client.logs(cairn_client::LogFilter {
        from: 1,
        to: Some(1),
        ..cairn_client::LogFilter::default()
    });
    let refused = refused.await.unwrap_err();
    assert!(matches!(&refused, ClientError::Rpc { code: 4444, .. }), "{refused:?}");

    // A node that took the state gives it to the next, with all that proves it; stopped, it goes on.
    let second =
        Running::follower(&devnet, &folder("second"), &clock, &[&synced], SyncMode::State).await;
    // Its state may be of a later block: the others went on.
    let common = common.max(second.disk.snapshot().blocks_start() - 1);
    for node in [&second, &replayed] {
        node.reaches(common).await;
    }
    assert_eq!(entries(&second, common), entries(&replayed, common));
    second.stop().await;
    let again = Arc::new(folder("second"));
    let second = Running::follower(&devnet, &again, &clock, &[&synced], SyncMode::Replay).await;
    let next = validator.disk.snapshot().height() + 1;
    second.reaches(next).await;

    // Bytes that the disk turned, then a state tree that is gone: it says so, and has the ledger again from the others.
    second.stop().await;
    spoil(&again.join("ledger.redb"));
    let second = Running::follower(&devnet, &again, &clock, &[&synced], SyncMode::State).await;
    assert!(again.join(ASIDE).join("ledger.redb").exists());
    let base = second.disk.snapshot().height();
    synced.reaches(base).await;
    assert_eq!(entries(&second, base), entries(&synced, base));
    second.stop().await;
    std::fs::remove_dir_all(again.join("follower")).unwrap();
    let second = Running::follower(&devnet, &again, &clock, &[&synced], SyncMode::State).await;
    second.reaches(base + 1).await;
    for node in [second, synced, replayed, validator] {
        node.stop().await;
    }
}

/// Four validators of which the last begins with the state that the first gives, then is needed for every block; stopped, damaged, and begun
/// with a state again, it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_begins_with_a_state_and_votes() {
    let (mut devnet, root) = (Devnet::new(4), TempDir::new().unwrap());
    let mut genesis = (*devnet.network.genesis).clone();
    genesis.stake.term_blocks = TERM_BLOCKS;
    genesis.check().unwrap();
    devnet.network = Network::new(genesis, "devnet of four");
    let clock = NetworkClock::running(START_MS, 180);
    let mut running = Vec::new();
    for index in 0..3 {
        running.push(Running::one_of(&devnet, root.path(), &clock, index, &[]).await);
    }
    running[0].reaches(2 * TERM_BLOCKS + 3).await;
    let late = Running::one_of(&devnet, root.path(), &clock, 3, &[&running[0], &running[1]]).await;
    let base = late.disk.snapshot().blocks_start() - 1;
    assert!(base >= 2 * TERM_BLOCKS, "the state is a recent one: {base}");
    late.reaches(base + 2).await;

    // Three of four are what a block needs.
    running.remove(1).stop().await;
    let height = late.disk.snapshot().height();
    let common = height + TERM_BLOCKS;
    late.reaches(common).await;
    running[0].reaches(common).await;
    let head = running[0].client.head(BlockTag::Number(common)).await.unwrap();
    assert_eq!(late.client.head(BlockTag::Number(common)).await.unwrap(), head);

    // It goes on from its own disk; nobody is asked.
    late.stop().await;
    let late = Running::one_of(&devnet, root.path(), &clock, 3, &[]).await;
    assert_eq!(late.disk.snapshot().blocks_start() - 1, base, "what it began with");
    let height = late.disk.snapshot().height();
    late.reaches(height + 3).await;

    // Bytes that its disk turned: the others wait for it, and it has a state from them.
    late.stop().await;
    let folder = root.path().join("v3");
    spoil(&folder.join("ledger.redb"));
    let late = Running::one_of(&devnet, root.path(), &clock, 3, &[&running[0]]).await;
    assert!(folder.join(ASIDE).join("consensus").exists());
    let again = late.disk.snapshot().blocks_start() - 1;
    assert!(again > base, "a newer state: {again}");
    late.reaches(again + 3).await;
    for node in running.into_iter().chain([late]) {
        node.stop().await;
    }
}

/// A validator that nobody takes for a peer, because it has no seat and nobody named it: it sees the chain and is heard all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_without_peers_follows_and_hands_its_transactions_on() {
    let (mut devnet, root) = (Devnet::new(5), TempDir::new().unwrap());
    let mut genesis = (*devnet.network.genesis).clone();
    genesis.stake.term_blocks = TERM_BLOCKS;
    let waiting = genesis.validators.pop().unwrap();
    genesis.accounts.push(GenesisAccount {
        name: waiting.name,
        address: waiting.operator,
        stones: waiting.bond_stones,
    });
    genesis.check().unwrap();
    devnet.network = Network::new(genesis, "devnet of four and one");
    let clock = NetworkClock::running(START_MS, 180);
    let mut running = Vec::new();
    for index in 0..4 {
        running.push(Running::one_of(&devnet, root.path(), &clock, index, &[]).await);
    }
    running[0].reaches(TERM_BLOCKS + 3).await;
    let givers = [&running[0], &running[1]];
    let waiting = Running::one_of(&devnet, root.path(), &clock, 4, &givers).await;
    let base = waiting.disk.snapshot().height();

    // Over the end of a term, whose validators it learns on the way.
    waiting.reaches(base + TERM_BLOCKS + 2).await;
    assert!(waiting.consensus.as_ref().unwrap().peers().await.is_empty());
    let common = base + TERM_BLOCKS;
    let head = running[0].client.head(BlockTag::Number(common)).await.unwrap();
    assert_eq!(waiting.client.head(BlockTag::Number(common)).await.unwrap(), head);
    let operator = Sender::new(waiting.client.clone(), devnet.validators[4].2.operator.clone());
    let friend = Address::repeat_byte(0x78);
    let sent = operator.send_and_wait(&Call::transfer(friend, Stones(STONE))).await.unwrap();
    running[3].reaches(sent.block).await;
    let balance = running[3].client.balance(friend, BlockTag::Number(sent.block)).await.unwrap();
    assert_eq!(balance, Stones(STONE));

    // It goes on with what it took.
    waiting.stop().await;
    let givers = [&running[2]];
    let waiting = Running::one_of(&devnet, root.path(), &clock, 4, &givers).await;
    let height = waiting.disk.snapshot().height();
    waiting.reaches(height + 3).await;
    for node in running.into_iter().chain([waiting]) {
        node.stop().await;
    }
}
