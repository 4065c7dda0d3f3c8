//! `cairn_getProof` against blocks that one validator signed: each answer convinces the light client, each refusal says why.
//! The certificate and the state tree of one entry are made here byte by byte, as docs/spec says.

use std::sync::{Arc, Mutex};

use cairn_client::light::{Trust, check_object};
use cairn_consensus::{StateKey, StateProofs};
use cairn_evidence::archive::{Archive, EpochFile, LeafLine};
use cairn_primitives::{DeviceId, Digest, Epoch};

use super::*;

/// A state tree of one entry.
#[derive(Default)]
struct OneEntry(Mutex<Option<(StateKey, StateProofs)>>);

#[jsonrpsee::core::async_trait]
impl Prover for OneEntry {
    async fn prove(&self, keys: Vec<StateKey>) -> Option<StateProofs> {
        let held = self.0.lock().unwrap().clone();
        let root = held.as_ref().map_or(B256::ZERO, |(_, proofs)| proofs.state_root);
        let proof = |key: &StateKey| {
            let (held, proofs) = held.as_ref()?;
            if held == key { proofs.proofs[0].clone() } else { None }
        };
        Some(StateProofs { state_root: root, proofs: keys.iter().map(proof).collect() })
    }
}

impl OneEntry {
    /// Holds an account and nothing else; returns the root.
    fn hold(&self, address: Address, nonce: u64, balance: U256) -> B256 {
        let hash = |parts: &[&[u8]]| Digest::of(parts).0;
        let key = hash(&[b"cairn/state/account/v1", address.as_slice()]);
        let code = alloy_primitives::KECCAK256_EMPTY;
        let value = hash(&[&nonce.to_be_bytes(), &balance.to_be_bytes::<32>(), code.as_slice()]);
        // One operation: its node is at position 0 and the only peak; its chunk is not full.
        let node = hash(&[&[0; 8], &[0xd2], &key, &value]);
        let one = 1_u64.to_be_bytes();
        let grafted = hash(&[&[0, 1], &one, &node]);
        let mut chunk = [0; 32];
        chunk[0] = 1;
        let (log_root, partial) = ([7; 32], hash(&[&chunk]));
        let state_root = B256::from(hash(&[&log_root, &grafted, &one, &partial]));
        // Location 0, chunk, one leaf, none inactive, no digests, the partial chunk, the log's root.
        let proof = [&[0][..], &chunk, &[1, 0, 0, 1], &partial, &log_root].concat();
        let proofs = StateProofs { state_root, proofs: vec![Some(proof)] };
        *self.0.lock().unwrap() = Some((StateKey::Account(address), proofs));
        state_root
    }
}

struct Signed {
    client: Client,
    tree: Arc<OneEntry>,
    archive: Archive,
    trust: Trust,
    _files: tempfile::TempDir,
}

impl Signed {
    fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let (tree, archive) = (Arc::new(OneEntry::default()), Archive::new(files.path()));
        let proofs = ProofParts { prover: tree.clone(), archive: archive.clone() };
        let client = Client::with(|parts| RpcParts { proofs: Some(proofs), ..parts });
        let trust = Trust::of(&client.chain.genesis, "test");
        Self { client, tree, archive, trust, _files: files }
    }

    /// The certificate of a block, by the only validator (docs/spec/finality.md).
    fn certify(&self, header: &Header) -> Vec<u8> {
        let rlp = alloy_rlp::encode(header);
        let leader = self.client.chain.seat.public();
        let view = u8::try_from(header.number).unwrap();
        let mut bytes = vec![0, view];
        bytes.extend_from_slice(leader.as_bytes());
        bytes.push(view - 1);
        bytes.extend_from_slice(&[5; 64]);
        bytes.push(view);
        bytes.extend_from_slice(&[6; 32]);
        bytes.extend_from_slice(&[0, 1, 0]);
        bytes.extend_from_slice(&[0; 80]);
        bytes.extend([u8::try_from(rlp.len() % 128).unwrap() | 0x80, (rlp.len() / 128) as u8]);
        bytes.extend_from_slice(&rlp);
        let body = [8; 32];
        let digest = Digest::of(&[b"cairn/block/v1", &bytes, &body]);
        let vote = [&[0, view, view - 1][..], &digest.0].concat();
        let domain = [b"cairn/consensus/v1/", &self.trust.genesis.0[..], b"_FINALIZE"].concat();
        let message = [&[domain.len() as u8][..], &domain, &vote].concat();
        let signature = self.client.chain.seat.sign(&message).unwrap();
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&vote);
        bytes.extend_from_slice(&1_u64.to_be_bytes());
        bytes.extend_from_slice(&[1, 1]);
        bytes.extend_from_slice(&signature.0);
        bytes
    }

    fn mine(&self, state_root: B256, signed: bool) {
        self.client
            .chain
            .mine_with(state_root, |header| if signed { self.certify(header) } else { Vec::new() });
    }

    /// A proof that the light client accepts: what it proves.
    async fn proven(&self, asked: Value) -> Value {
        let object = self.client.ok("cairn_getProof", json!([asked])).await;
        serde_json::to_value(check_object(&object, &self.trust).unwrap()).unwrap()
    }

    async fn refused(&self, asked: Value) -> (i64, String) {
        let (code, message, _) = self.client.err("cairn_getProof", json!([asked])).await;
        (code, message)
    }
}

#[tokio::test]
async fn receipts_and_logs_through_the_next_certificate() {
    let node = Signed::new();
    let transfer = node.client.send(&transfer()).await;
    let mint = node.client.send(&mint()).await;
    node.mine(B256::repeat_byte(1), false);
    node.mine(B256::repeat_byte(2), false);
    node.mine(B256::repeat_byte(3), true);

    let proven = node.proven(json!({ "transaction": transfer })).await;
    assert_eq!((&proven["block"]["number"], &proven["certified"]), (&json!(1), &json!(3)));
    let claim = &proven["claim"];
    assert_eq!((&claim["kind"], &claim["transaction"]), (&json!("receipt"), &transfer));
    assert_eq!((&claim["success"], &claim["index"]), (&json!(true), &json!(0)));

    let receipt = node.client.ok("eth_getTransactionReceipt", json!([mint])).await;
    let logs = receipt["logs"].as_array().unwrap();
    let last = logs.len() - 1;
    let proven = node.proven(json!({ "transaction": mint, "log": last })).await;
    let claim = &proven["claim"];
    assert_eq!((&claim["index"], &claim["position"]), (&json!(1), &json!(last)));
    for part in ["topics", "data"] {
        assert_eq!(claim["log"][part], logs[last][part]);
    }

    let (code, message) = node.refused(json!({ "transaction": mint, "log": last + 1 })).await;
    assert_eq!(code, -32001);
    assert!(message.contains(&format!("the receipt has {} logs", last + 1)), "{message}");
    let (code, message) = node.refused(json!({ "transaction": B256::ZERO })).await;
    assert_eq!(code, -32001);
    assert!(message.contains("is in no final block"), "{message}");
}

#[tokio::test]
async fn accounts_at_the_block_of_the_trees_root() {
    let node = Signed::new();
    let bob = node.client.chain.bob.address();
    let root = node.tree.hold(bob, 0, stones(1_000_000));
    node.mine(root, true);
    // The disk is ahead of the tree by one block.
    node.mine(B256::repeat_byte(9), true);
    let proven = node.proven(json!({ "account": bob })).await;
    assert_eq!((&proven["block"]["number"], &proven["certified"]), (&json!(1), &json!(1)));
    assert_eq!(proven["claim"]["balance"], json!(stones(1_000_000).to_string()));

    for asked in
        [json!({ "account": Address::repeat_byte(0x99) }), json!({ "address": bob, "slot": "0x0" })]
    {
        let (code, message) = node.refused(asked).await;
        assert_eq!(code, -32001);
        assert!(message.contains("at block 1; a proof only shows what is there"), "{message}");
    }
}

#[tokio::test]
async fn the_block_of_the_tree_and_its_certificate_may_come_later() {
    let node = Signed::new();
    let bob = node.client.chain.bob.address();
    let root = node.tree.hold(bob, 0, stones(1_000_000));
    let coming = async {
        node.mine(root, false);
        tokio::task::yield_now().await;
        node.mine(B256::repeat_byte(2), true);
    };
    let (proven, ()) = tokio::join!(node.proven(json!({ "account": bob })), coming);
    assert_eq!((&proven["block"]["number"], &proven["certified"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn rewards_and_batches_that_the_ledger_does_not_have() {
    let node = Signed::new();
    node.mine(B256::repeat_byte(1), true);
    let bob = node.client.chain.bob.address();
    let root = node.tree.hold(bob, 0, stones(1_000_000));
    node.mine(root, true);
    let device = DeviceId([7; 16]);
    let reward = json!({ "epoch": 3, "sector": "sensing", "device": device });
    let batch = json!({ "epoch": 3, "sector": 1, "batch": B256::repeat_byte(4) });
    for asked in [&reward, &batch] {
        let (code, message) = node.refused(asked.clone()).await;
        assert_eq!(code, -32000);
        assert!(
            message.contains("`epoch` is 3: this node's archive does not have it"),
            "{message}"
        );
    }

    let mut leaf = vec![0; 93];
    leaf[7] = 3;
    leaf[8] = 1;
    leaf[9..25].fill(7);
    let file = LeafLine::file([(leaf, Value::Null)]);
    node.archive.put_epoch(Epoch(3), EpochFile::Rewards, &file).unwrap();
    node.archive.put_epoch(Epoch(3), EpochFile::Verdicts, b"").unwrap();
    let (code, message) = node.refused(reward).await;
    assert_eq!(code, -32000);
    assert!(message.contains("this node's files are not the ledger's"), "{message}");
    let (code, message) = node.refused(batch).await;
    assert_eq!(code, -32001);
    assert!(message.contains("no such batch was judged in epoch 3"), "{message}");
    let other = json!({ "epoch": 3, "sector": 1, "device": DeviceId([8; 16]) });
    let (code, message) = node.refused(other).await;
    assert_eq!(code, -32001);
    assert!(message.contains("it has no reward in epoch 3"), "{message}");
}

#[tokio::test]
async fn a_chain_without_consensus_says_so() {
    let client = Client::new();
    let (code, message, _) =
        client.err("cairn_getProof", json!([{ "account": Address::ZERO }])).await;
    assert_eq!(code, -32004);
    assert!(message.contains("no consensus"), "{message}");
    assert_eq!(client.err("cairn_getProof", json!([{ "acount": 1 }])).await.0, -32602);
}
