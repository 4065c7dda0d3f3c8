//! From the bytes of an equivocation to an executed slash, on a real ledger with a block for each transaction.

use std::sync::Arc;

use alloy_primitives::B256;
use cairn_client::{DevKeys, LedgerClient, LedgerRead as _, Role};
use cairn_primitives::{Genesis, SecretKey, Stones, TimeMs};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    chain::{TestChain, genesis},
    dev::DevNode,
    validator::Network,
};

struct Chain {
    client: LedgerClient,
    keys: DevKeys,
    hash: [u8; 32],
    stop: Shutdown,
    served: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl Chain {
    async fn start() -> Self {
        let keys = DevKeys::new("accuser tests");
        let hash = Genesis::hash_of_text("accuser");
        let genesis = Arc::new(genesis(&keys));
        let network = Network { genesis, text: "accuser".into(), hash };
        let folder = TempDir::new().unwrap();
        let config = TestChain::config();
        let node =
            DevNode::start(folder.path().into(), &network, Vec::new(), config).await.unwrap();
        let client = LedgerClient::new(node.rpc_url()).unwrap();
        let stop = Shutdown::new();
        let served = tokio::spawn(node.run(stop.clone()));
        Self { client, keys, hash: hash.0, stop, served, _folder: folder }
    }

    fn sender(&self, label: &str) -> Sender {
        Sender::new(self.client.clone(), self.keys.wallet(Role::Owner, label))
    }

    /// Two blocks of view 9 of term 0, both finalized by the only validator.
    fn equivocation(&self) -> Bytes {
        let key = self.keys.ed25519(Role::Validator, "v0");
        let pair = [self.vote(&key, 1), self.vote(&key, 2)].concat();
        [B256::from_slice(key.public().as_bytes()).as_slice(), &pair].concat().into()
    }

    fn vote(&self, key: &SecretKey, block: u8) -> Vec<u8> {
        let payload = [[0, 9, 1].as_slice(), &[block; 32]].concat();
        let domain = [b"cairn/consensus/v1/".as_slice(), &self.hash, b"_FINALIZE"].concat();
        let length = u8::try_from(domain.len()).unwrap();
        let signed = [&[length], domain.as_slice(), &payload].concat();
        [&[2], payload.as_slice(), &key.sign(&signed).unwrap().0].concat()
    }

    async fn nonce(&self, label: &str) -> u64 {
        let account = self.keys.wallet(Role::Owner, label).address();
        self.client.nonce(account, true).await.unwrap()
    }

    async fn ask(&self, method: &str, params: Value) {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = reqwest::Client::new().post(self.client.url()).json(&body).send().await;
        let answer: Value = answer.unwrap().json().await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
    }

    async fn end(self) {
        self.stop.request();
        self.served.await.unwrap();
    }
}

/// A duty with this evidence, as after a start of its node.
fn accuser(sender: Sender, pairs: Vec<Bytes>) -> (Accuser, watch::Sender<Vec<Bytes>>) {
    let (kept, evidence) = watch::channel(pairs);
    let (_, heights) = watch::channel(0);
    (Accuser::new(sender, evidence, heights), kept)
}

/// As many turns as an account without a seat may have to wait, with a block in between.
async fn until_done(chain: &Chain, accuser: &mut Accuser, pair: &Bytes) {
    for _ in 0..=TURN_BLOCKS {
        accuser.turn().await.unwrap();
        if accuser.done.contains(pair) {
            return;
        }
        chain.ask("evm_mine", json!([])).await;
    }
    panic!("the turn never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equivocation_becomes_a_slash_once_and_is_executed_after_its_window() {
    let chain = Chain::start().await;
    let pair = chain.equivocation();
    let (mut alice, _kept) = accuser(chain.sender("alice"), vec![pair.clone()]);
    until_done(&chain, &mut alice, &pair).await;
    assert_eq!(chain.client.slash_count(BlockTag::Latest).await.unwrap(), 1);
    let slash = chain.client.slash(0, BlockTag::Latest).await.unwrap();
    assert_eq!((slash.status, slash.reason), (1, 1));
    assert_eq!(slash.reporter, alice.sender.address());
    assert_eq!(slash.operator, chain.keys.wallet(Role::Validator, "v0").address());

    // Again, after a restart, and from somebody else: nothing is sent.
    alice.turn().await.unwrap();
    let (mut again, _kept) = accuser(chain.sender("alice"), vec![pair.clone()]);
    let (mut bob, _kept) = accuser(chain.sender("bob"), vec![pair.clone()]);
    until_done(&chain, &mut again, &pair).await;
    until_done(&chain, &mut bob, &pair).await;
    assert_eq!((chain.nonce("alice").await, chain.nonce("bob").await), (1, 0));
    assert_eq!(again.open, BTreeMap::from([(0, TimeMs(slash.appealUntilMs))]));
    assert!(bob.open.is_empty(), "another's slash is not bob's to end");

    // The window ends; who was restarted in between executes it and is paid.
    // An hour more: blocks of one second each have run ahead of the clock.
    chain.ask("evm_increaseTime", json!([2 * 86_400 + 3_600])).await;
    chain.ask("evm_mine", json!([])).await;
    let before = held(&chain, &again).await;
    again.turn().await.unwrap();
    let ended = chain.client.slash(0, BlockTag::Latest).await.unwrap();
    assert_eq!(ended.status, 2);
    assert!(held(&chain, &again).await > before, "the reporter's part is more than the fee");
    // The first one finds it closed, and sends nothing.
    alice.turn().await.unwrap();
    assert!(alice.open.is_empty() && again.open.is_empty());
    assert_eq!(chain.nonce("alice").await, 2);
    chain.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_refuses_is_not_sent() {
    let chain = Chain::start().await;
    let mut broken = chain.equivocation().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let broken = Bytes::from(broken);
    let (mut alice, kept) = accuser(chain.sender("alice"), vec![broken.clone()]);
    alice.turn().await.unwrap();
    assert!(alice.done.contains(&broken));
    assert_eq!(chain.nonce("alice").await, 0);
    // What comes later is reported all the same.
    let pair = chain.equivocation();
    kept.send(vec![broken, pair.clone()]).unwrap();
    until_done(&chain, &mut alice, &pair).await;
    assert_eq!(chain.client.slash_count(BlockTag::Latest).await.unwrap(), 1);
    chain.end().await;
}

#[test]
fn turns_begin_with_the_validator_that_the_key_points_at() {
    let operators: Vec<Address> = (1..=4).map(Address::repeat_byte).collect();
    let pair = 6_u64.to_be_bytes();
    let places: Vec<u64> = operators.iter().map(|me| place(&operators, *me, &pair)).collect();
    assert_eq!(places, [2, 3, 0, 1]);
    assert_eq!(place(&operators, Address::ZERO, &pair), 4);
    assert_eq!(place(&[], Address::ZERO, &pair), 0);
}

async fn held(chain: &Chain, accuser: &Accuser) -> Stones {
    chain.client.balance(accuser.sender.address(), BlockTag::Latest).await.unwrap()
}
