//! Validators of one network in this process, over real sockets and disks: agreement, gossip, restart, catch-up.

mod support;

use std::time::Duration;

use alloy_primitives::Address;
use cairn_client::{BlockTag, Call, LedgerClient, LedgerRead as _, Sender};
use cairn_kit::{NetworkClock, Shutdown, tasks::TasksError};
use cairn_node::{
    offline::OfflineLedger,
    validator::{Network, NodeKeys, ValidatorNode},
};
use cairn_primitives::{STONE, Stones};
use support::{Devnet, START_MS};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Everything here takes a second or two; a test that hangs fails, one on a slow machine does not.
const DEADLINE: Duration = Duration::from_secs(1_200);

struct Running {
    client: LedgerClient,
    heights: tokio::sync::watch::Receiver<u64>,
    shutdown: Shutdown,
    ended: JoinHandle<Result<(), TasksError>>,
}

impl Running {
    async fn start(devnet: &Devnet, root: &TempDir, index: usize, clock: &NetworkClock) -> Self {
        let shutdown = Shutdown::new();
        let config = devnet.config(root.path(), index);
        let keys = &devnet.validators[index].2;
        let node =
            ValidatorNode::start(config, &devnet.network, keys, clock.clone(), shutdown.clone())
                .await
                .unwrap();
        let client = LedgerClient::new(node.endpoints().rpc_url()).unwrap();
        let heights = node.disk().heights();
        Self { client, heights, shutdown, ended: tokio::spawn(node.run()) }
    }

    async fn reaches(&self, height: u64) {
        let mut heights = self.heights.clone();
        let reached = heights.wait_for(|now| *now >= height);
        tokio::time::timeout(DEADLINE, reached).await.expect("blocks come").unwrap();
    }

    async fn stop(self) {
        self.shutdown.request();
        self.ended.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_agree_survive_a_restart_and_catch_up() {
    let (devnet, root) = (Devnet::new(4), TempDir::new().unwrap());
    let clock = NetworkClock::running(START_MS, 180);
    let mut nodes = Vec::new();
    for index in 0..4 {
        nodes.push(Running::start(&devnet, &root, index, &clock).await);
    }
    let friend = Address::repeat_byte(0x77);
    let pay = Call::transfer(friend, Stones(STONE));
    let alice = Sender::new(nodes[0].client.clone(), devnet.accounts[0].clone());
    let sent = alice.send_and_wait(&pay).await.unwrap();
    let mut blocks = Vec::new();
    for node in &nodes {
        node.reaches(sent.block).await;
        blocks.push(node.client.head(BlockTag::Number(sent.block)).await.unwrap().unwrap());
    }
    assert!(blocks.windows(2).all(|pair| pair[0] == pair[1]), "one block on all: {blocks:?}");

    // One validator goes away; three are enough, also for what only it would have proposed.
    nodes.pop().unwrap().stop().await;
    let bob = Sender::new(nodes[1].client.clone(), devnet.accounts[1].clone());
    let sent = bob.send_and_wait(&pay).await.unwrap();
    let back = Running::start(&devnet, &root, 3, &clock).await;
    back.reaches(sent.block).await;
    assert_eq!(back.client.balance(friend, BlockTag::Latest).await.unwrap(), Stones(2 * STONE));
    let own = nodes[0].client.head(BlockTag::Number(sent.block)).await.unwrap();
    assert_eq!(back.client.head(BlockTag::Number(sent.block)).await.unwrap(), own);

    nodes.push(back);
    for node in nodes {
        node.stop().await;
    }
    for index in 0..4 {
        let Network { genesis, hash, .. } = devnet.network.clone();
        let ledger =
            OfflineLedger::open(&root.path().join(format!("v{index}")), genesis, hash).unwrap();
        assert_eq!(ledger.check().unwrap(), [], "validator {index}");
        let state = ledger.balance(friend, BlockTag::Latest).await.unwrap();
        assert_eq!(state, Stones(2 * STONE));
    }
}

#[tokio::test]
async fn keys_are_private_files_that_are_made_once() {
    let folder = TempDir::new().unwrap();
    let made = NodeKeys::load_or_create(folder.path()).unwrap();
    let again = NodeKeys::load_or_create(folder.path()).unwrap();
    assert_eq!(
        (made.consensus_key(), made.operator.address()),
        (again.consensus_key(), again.operator.address())
    );
    let given = &Devnet::new(1).validators[0].2;
    let other = TempDir::new().unwrap();
    given.store(other.path()).unwrap();
    let stored = NodeKeys::load_or_create(other.path()).unwrap();
    assert_eq!(stored.consensus_key(), given.consensus_key());
    #[cfg(unix)]
    for file in ["consensus.json", "operator.json"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            std::fs::metadata(folder.path().join("keys").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_ne!(made.consensus_key(), given.consensus_key());
}
