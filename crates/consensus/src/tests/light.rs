//! Light proofs: the verifier without the engine (`cairn_client::light`) against the engine's own, and the golden vectors
//! that every verifier must accept and refuse. A state tree of this crate, certificates by the engine's scheme, no network.
//!
//! `CAIRN_BLESS=1 cargo test -p cairn-consensus light` writes the vectors anew; a change is a protocol change.

use std::{collections::BTreeMap, path::PathBuf};

use alloy_consensus::{Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, proofs};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use cairn_client::light::{
    Entry, Evidence, LightError, LightProof, Path, ProofObject, Trust, batch_slots, bench::Sample,
    check_certificate, check_object, check_state, reward_root_slot, trie_nodes,
};
use cairn_ledger::{Account, Writes};
use cairn_primitives::{
    Digest, Epoch, MerkleTree,
    abi::{BATCHES, REWARDS},
    leaf_hash,
};
use commonware_consensus::{
    simplex::types::{Context, Finalization, Finalize, Proposal},
    types::{Epoch as Term, Height, Round, View},
};
use commonware_cryptography::{Digest as _, Hasher as _, Sha256, Signer as _, ed25519, sha256};
use commonware_glue::stateful::db::DatabaseSet;
use commonware_parallel::Sequential;
use commonware_runtime::{Runner as _, Supervisor as _, buffer::paged::CacheRef, tokio as runtime};
use commonware_storage::mmr::Location;
use commonware_utils::{NZU16, NZUsize, non_empty, non_empty_range};
use serde_json::{Value, json};

use super::fixture::{START_MS, keys, transfer};
use crate::{
    FinalityProof, Preamble, Reveal, StateKey, StateProof, StateProofs, StateValue,
    bench::grow,
    finality::{namespace, validator_set},
    proof::prove,
    scheme::Scheme,
    tree::{self, SharedTree},
};

type Tree = SharedTree<runtime::Context>;

const CONTRACT: Address = Address::repeat_byte(0xcc);
const ALICE: Address = Address::repeat_byte(0xa1);
/// The batches that the tests' trees grow by: across chunks of 256 operations and with mountains of every size.
const BATCHES_OF: [u64; 8] = [1, 2, 5, 40, 230, 1, 290, 33];

/// Runs `work` on a fresh tree.
fn on_a_tree<T: Send + 'static, F: Future<Output = T>>(
    work: impl FnOnce(Tree) -> F + Send + 'static,
) -> T {
    let folder = tempfile::tempdir().unwrap();
    let settings = runtime::Config::default()
        .with_worker_threads(1)
        .with_storage_directory(folder.path().to_path_buf());
    runtime::Runner::new(settings).start(|context| async move {
        let config = tree::config("light", CacheRef::new(NZU16!(4096), NZUsize!(64)));
        let tree =
            <Tree as DatabaseSet<runtime::Context>>::init(context.child("tree"), config, None)
                .await;
        work(tree).await
    })
}

fn slots(from: u64, count: u64) -> Writes {
    let slot = |n: u64| ((CONTRACT, U256::from(n)), U256::from(n + 1));
    Writes { slots: (from..from + count).map(slot).collect(), ..Writes::default() }
}

fn alice() -> Account {
    Account { nonce: 3, balance: U256::from(1_000_000_u64), code_hash: B256::repeat_byte(7) }
}

fn alice_entry() -> Entry {
    let Account { nonce, balance, code_hash } = alice();
    Entry::Account { address: ALICE, nonce, balance, code_hash }
}

/// Every way to damage `bytes` by one bit of one byte.
fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len()).map(|at| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    })
}

#[test]
fn state_proofs_are_accepted_and_refused_as_by_the_engine() {
    let checked = on_a_tree(|tree| async move {
        let (mut next, mut checked) = (0, 0_usize);
        for count in BATCHES_OF {
            let mut writes = slots(next, count);
            writes.accounts.insert(ALICE, Some(alice()));
            next += count;
            grow(&tree, &writes).await.unwrap();
            for n in [0, 1.min(next - 1), next / 2, next.saturating_sub(2), next - 1] {
                let (slot, value) = (U256::from(n), U256::from(n + 1));
                let key = StateKey::Slot(CONTRACT, slot);
                let proof = prove(&tree, &[key]).await.first().unwrap();
                let entry = Entry::Slot { address: CONTRACT, slot, value };
                let both = |bytes: &[u8]| {
                    let proof = StateProof { proof: bytes.to_vec(), ..proof.clone() };
                    let engine = proof.check(key, &StateValue::Slot(value));
                    let light = check_state(&proof.state_root, &entry, bytes).is_ok();
                    assert_eq!(engine, light, "of {next} slots, slot {n}");
                    light
                };
                assert!(both(&proof.proof), "of {next} slots, slot {n}");
                assert!(damaged(&proof.proof).all(|bytes| !both(&bytes)));
                assert!(!both(&proof.proof[1..]) && !both(&[&proof.proof[..], &[0]].concat()));
                let other = Entry::Slot { address: CONTRACT, slot, value: U256::ZERO };
                assert!(check_state(&proof.state_root, &other, &proof.proof).is_err());
                checked += proof.proof.len();
            }
            let proof = prove(&tree, &[StateKey::Account(ALICE)]).await.first().unwrap();
            assert_eq!(check_state(&proof.state_root, &alice_entry(), &proof.proof), Ok(()));
        }
        checked
    });
    assert!(checked > 8 * 5 * 300, "only {checked} bytes were damaged");
}

/// A chain of one real network's shape: genesis hash, keys, and blocks made by hand.
struct Chain {
    genesis: Digest,
    schemes: Vec<Scheme>,
    trust: Trust,
}

impl Chain {
    fn new(n: u64) -> Self {
        Self::of(Digest::of(&[b"light proofs", &n.to_be_bytes()]), keys(n))
    }

    /// The same network with `n` other validators.
    fn followed_by(&self, n: u64) -> Self {
        Self::of(self.genesis, keys(20 + n).into_iter().skip(20).collect())
    }

    fn of(genesis: Digest, keys: Vec<ed25519::PrivateKey>) -> Self {
        let validators: Vec<B256> =
            keys.iter().map(|key| B256::from_slice(key.public_key().as_ref())).collect();
        let set = validator_set(&validators).unwrap();
        let domain = namespace(&genesis);
        let signer = |key| Scheme::liar(&domain, set.clone(), key).unwrap();
        let schemes = keys.into_iter().map(signer).collect();
        Self { genesis, schemes, trust: Trust::new(genesis, validators) }
    }

    /// Its validators' keys.
    fn validators(&self) -> Vec<B256> {
        self.trust.validators(0).unwrap().to_vec()
    }

    /// The certificate of a block with this header, signed by the first `signers` validators.
    fn certify(&self, header: Header, signers: usize) -> Vec<u8> {
        self.certify_in(0, header, signers, &[])
    }

    /// The certificate of a block of a term, which names the validators of the next.
    fn certify_in(&self, term: u64, header: Header, signers: usize, next: &[B256]) -> Vec<u8> {
        let body = Sha256::hash(&[b"body"]);
        let view = View::new(header.number + 300);
        let parent = (View::new(header.number + 298), sha256::Digest::EMPTY);
        let round = Round::new(Term::new(term), view);
        let leader = keys(1)[0].public_key();
        let preamble = Preamble {
            context: Context { round, leader, parent },
            parent: sha256::Digest::EMPTY,
            height: Height::new(header.number),
            log_root: Sha256::hash(&[b"log"]),
            log_range: non_empty_range!(Location::new(0), Location::new(700)),
            next_validators: validator_set(next).unwrap().into_iter().collect(),
            reveal: Reveal::NONE,
            header,
        };
        let proposal = Proposal::new(round, parent.0, preamble.block_digest(&body));
        let votes: Vec<_> = self
            .schemes
            .iter()
            .take(signers)
            .map(|scheme| Finalize::sign(scheme, proposal.clone()).unwrap())
            .collect();
        let votes = non_empty![@votes.iter()];
        let finalization =
            Finalization::from_finalizes(&self.schemes[0], votes, &Sequential).unwrap();
        FinalityProof { preamble, body, finalization }.to_bytes()
    }
}

fn header(number: u64) -> Header {
    let ms = START_MS + number * 1_000;
    Header {
        number,
        timestamp: ms / 1_000,
        extra_data: Bytes::copy_from_slice(&ms.to_be_bytes()),
        base_fee_per_gas: Some(1_000_000_000),
        withdrawals_root: Some(alloy_consensus::EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    }
}

#[test]
fn certificates_are_accepted_and_refused_as_by_the_engine() {
    for (n, signers) in [(1, 1), (2, 2), (4, 3), (4, 4), (7, 5), (10, 8)] {
        let chain = Chain::new(n);
        let certificate = chain.certify(header(9), signers);
        let both = |bytes: &[u8], trust: &Trust| {
            let mut rng = commonware_utils::test_rng();
            let known = |term| trust.validators(term).map(<[B256]>::to_vec);
            let engine = FinalityProof::check(bytes, &trust.genesis, known, &mut rng);
            let engine = engine.map(|proof| proof.preamble.header);
            let light = check_certificate(bytes, trust);
            assert_eq!(engine.as_ref().ok(), light.as_ref().ok(), "{n}: {engine:?} {light:?}");
            light.is_ok()
        };
        assert!(both(&certificate, &chain.trust));
        assert!(damaged(&certificate).all(|bytes| !both(&bytes, &chain.trust)));
        assert!(!both(&certificate[..certificate.len() - 1], &chain.trust));
        assert!(!both(&[&certificate[..], &[0]].concat(), &chain.trust));
        let other = Trust::new(Digest::ZERO, chain.validators());
        assert!(!both(&certificate, &other));
        let more = Chain::new(n + 1).validators();
        assert!(!both(&certificate, &Trust::new(chain.genesis, more)));
        let twice = [&chain.validators()[..], &chain.validators()[..1]].concat();
        assert!(!both(&certificate, &Trust::new(chain.genesis, twice)));
        let named = chain.certify_in(1, header(9), signers, &Chain::new(n + 1).validators());
        assert!(both(&named, &chain.trust));
        assert!(damaged(&named).all(|bytes| !both(&bytes, &chain.trust)));
        assert!(!both(&named, &Trust::at(chain.genesis, 2, chain.validators())));
    }
}

#[test]
fn a_certificate_by_too_few_is_refused_by_both() {
    // Signed by three of four validators, shown to someone who knows five more.
    let chain = Chain::new(4);
    let certificate = chain.certify(header(9), 3);
    let many = Trust::new(chain.genesis, Chain::new(9).validators());
    let mut rng = commonware_utils::test_rng();
    assert_eq!(check_certificate(&certificate, &many), Err(LightError::NotFinal));
    let known = |term| many.validators(term).map(<[B256]>::to_vec);
    assert!(FinalityProof::check(&certificate, &many.genesis, known, &mut rng).is_err());
}

#[test]
fn trust_goes_from_term_to_term_and_no_other_way() {
    let old = Chain::new(4);
    let new = old.followed_by(6);
    let handover = old.certify_in(1, header(39), 3, &new.validators());
    let certificate = new.certify_in(2, header(41), 5, &[]);
    let mut trust = old.trust.clone();
    assert_eq!(check_certificate(&certificate, &trust), Err(LightError::UnknownTerm(2)));
    assert_eq!(trust.learn(&certificate), Err(LightError::UnknownTerm(2)));
    assert_eq!(trust.learn(&old.certify(header(9), 3)), Err(LightError::NoHandover));
    // Four strangers hand over to themselves.
    let strangers = old.followed_by(4);
    let stolen = strangers.certify_in(1, header(39), 4, &strangers.validators());
    assert_eq!(trust.learn(&stolen), Err(LightError::NotFinal));
    assert_eq!(trust.newest(), 1);
    assert_eq!(trust.learn(&handover), Ok(2));
    let mut sorted = new.validators();
    sorted.sort_unstable();
    assert_eq!((trust.newest(), trust.validators(2)), (2, Some(&sorted[..])));
    assert!(check_certificate(&certificate, &trust).is_ok());
    // Old validators sign nothing in the new term.
    assert!(check_certificate(&old.certify_in(2, header(41), 4, &[]), &trust).is_err());
}

const EPOCH: Epoch = Epoch(12);
const SECTOR: u8 = 1;

/// A reward leaf: the bytes of docs/spec/rewards.md §3.
fn reward_leaf(device: u8) -> [u8; 93] {
    let mut leaf = [0; 93];
    leaf[..8].copy_from_slice(&EPOCH.0.to_be_bytes());
    leaf[8] = SECTOR;
    leaf[9..25].fill(device);
    leaf[25..45].fill(0x0f);
    leaf[45..53].copy_from_slice(&1_250_000_u64.to_be_bytes());
    leaf[53..69].copy_from_slice(&2_500_000_000_000_000_000_u128.to_be_bytes());
    leaf[69..77].copy_from_slice(&400_000_u64.to_be_bytes());
    leaf[77..93].copy_from_slice(&(u128::MAX / 3).to_be_bytes());
    leaf
}

/// Twenty transfers and their receipts, each with two logs.
fn transactions() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let log = |n: u64, topic: u8| {
        let data = Bytes::copy_from_slice(&U256::from(n).to_be_bytes::<32>());
        Log::new_unchecked(CONTRACT, vec![B256::repeat_byte(topic)], data)
    };
    let receipt = |n: u64| {
        let logs = vec![log(n, 1), log(n, 2)];
        let receipt = Receipt {
            status: (!n.is_multiple_of(5)).into(),
            cumulative_gas_used: 21_000 * (n + 1),
            logs,
        };
        ReceiptEnvelope::Eip1559(ReceiptWithBloom::from(receipt)).encoded_2718()
    };
    let transaction = |n: u64| transfer(n, ALICE).encoded_2718();
    ((0..20).map(transaction).collect(), (0..20).map(receipt).collect())
}

/// One proof of each kind, and one through ancestors.
async fn proofs_of_each_kind(tree: &Tree, chain: &Chain) -> Vec<(&'static str, LightProof)> {
    let leaves: Vec<[u8; 93]> = (0..11).map(reward_leaf).collect();
    let rewards = MerkleTree::new(leaves.iter().map(|leaf| &leaf[..]));
    let batches: Vec<Digest> = (0..37_u8).map(|n| leaf_hash(&[n])).collect();
    let batch_tree = MerkleTree::from_hashes(batches.clone());
    let at = batch_slots(EPOCH, SECTOR, 2);
    let (round, included) = (U256::from(1_u64 << 32 | 1), U256::from(0b110));
    let values = [
        ((REWARDS, reward_root_slot(EPOCH, SECTOR)), U256::from_be_bytes(rewards.root().0)),
        ((BATCHES, at.root), U256::from_be_bytes(batch_tree.root().0)),
        ((BATCHES, at.round), round),
        ((BATCHES, at.included), included),
    ];
    let mut writes = slots(0, 600);
    writes.slots.extend(values);
    writes.accounts.insert(ALICE, Some(alice()));
    grow(tree, &writes).await.unwrap();
    let state_root = grow(tree, &slots(600, 51)).await.unwrap();

    let slots: Vec<(Address, U256)> =
        [(CONTRACT, U256::from(649))].into_iter().chain(values.map(|(key, _)| key)).collect();
    let keys: Vec<StateKey> = [StateKey::Account(ALICE)]
        .into_iter()
        .chain(slots.iter().map(|(address, slot)| StateKey::Slot(*address, *slot)))
        .collect();
    let StateProofs { state_root: proven_root, proofs } = prove(tree, &keys).await;
    assert_eq!(proven_root, state_root);
    let mut proofs = proofs.into_iter().map(Option::unwrap);
    let account = proofs.next().unwrap();
    let proven: BTreeMap<(Address, U256), Vec<u8>> = slots.into_iter().zip(proofs).collect();
    let slot = |address, slot| proven[&(address, slot)].clone();

    let (transactions, receipts) = transactions();
    let raw = |items: &[Vec<u8>]| {
        proofs::ordered_trie_root_with_encoder(items, |item, out| out.extend_from_slice(item))
    };
    let block = Header {
        state_root,
        transactions_root: raw(&transactions),
        receipts_root: raw(&receipts),
        ..header(41)
    };
    let evidence = [
        ("account", Evidence::State(alice_entry(), account.clone())),
        (
            "slot",
            Evidence::State(
                Entry::Slot { address: CONTRACT, slot: U256::from(649), value: U256::from(650) },
                slot(CONTRACT, U256::from(649)),
            ),
        ),
        (
            "receipt",
            Evidence::Receipt {
                index: 17,
                transaction: trie_nodes(&transactions, 17),
                receipt: trie_nodes(&receipts, 17),
            },
        ),
        ("log", Evidence::Log { index: 0, position: 1, receipt: trie_nodes(&receipts, 0) }),
        (
            "reward",
            Evidence::Reward {
                leaf: leaves[10],
                path: Path::of(&rewards.proof(10).unwrap()),
                root: slot(REWARDS, reward_root_slot(EPOCH, SECTOR)),
            },
        ),
        (
            "batch",
            Evidence::Batch {
                epoch: EPOCH,
                sector: SECTOR,
                commitment: 2,
                leaf: batches[21],
                path: Path::of(&batch_tree.proof(21).unwrap()),
                root: slot(BATCHES, at.root),
                round: (round, slot(BATCHES, at.round)),
                included: (included, slot(BATCHES, at.included)),
            },
        ),
    ];
    let certificate = chain.certify(block.clone(), 3);
    let direct = evidence.map(|(name, evidence)| {
        let (handovers, ancestors) = (Vec::new(), Vec::new());
        (name, LightProof { handovers, certificate: certificate.clone(), ancestors, evidence })
    });
    let mut ancestors = vec![block];
    for number in 42..44 {
        let parent_hash = ancestors.last().unwrap().hash_slow();
        ancestors.push(Header { parent_hash, ..header(number) });
    }
    let tip = Header { parent_hash: ancestors.last().unwrap().hash_slow(), ..header(44) };
    let through = LightProof {
        handovers: Vec::new(),
        certificate: chain.certify(tip, 4),
        ancestors: ancestors.iter().map(alloy_rlp::encode).collect(),
        evidence: Evidence::State(alice_entry(), account.clone()),
    };
    // Six others follow the four, and five of them go on: two terms after genesis' last.
    let (second, third) = (chain.followed_by(6), chain.followed_by(5));
    let later = LightProof {
        handovers: vec![
            chain.certify_in(1, header(19), 3, &second.validators()),
            second.certify_in(2, header(29), 5, &third.validators()),
        ],
        certificate: third.certify_in(3, ancestors[0].clone(), 4, &[]),
        ancestors: Vec::new(),
        evidence: Evidence::State(alice_entry(), account),
    };
    let more = [("account through three descendants", through), ("account two terms later", later)];
    direct.into_iter().chain(more).collect()
}

fn vectors_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/light-client/vectors.json")
}

/// Changes of one thing in a valid object, or in what the reader trusts, after which it must be refused.
fn refused(name: &str, object: &ProofObject, trust: &Trust) -> Vec<Value> {
    let bytes = object.proof.len();
    let flips = (0..24).map(|part| json!({ "flip": [part * (bytes - 1) / 23, part % 8] }));
    let validators = trust.validators(0).unwrap();
    let (first, rest) = validators.split_first().unwrap();
    let trusts = [
        (Digest::ZERO, validators.to_vec()),
        (trust.genesis, rest.to_vec()),
        (trust.genesis, [rest, &[B256::from_slice(keys(9)[8].public_key().as_ref())]].concat()),
        (trust.genesis, [rest, &[*first, *first]].concat()),
    ];
    flips
        .chain([
            json!({ "cut": 1 }),
            json!({ "append": "0x00" }),
            json!({ "number": object.proven.block.number + 1 }),
            json!({ "certified": object.proven.certified + 1 }),
        ])
        .chain(trusts.map(|(genesis, validators)| {
            json!({ "trust": { "genesis": genesis, "validators": validators } })
        }))
        .map(|change| json!({ "of": name, "change": change }))
        .collect()
}

/// The object and the trust of a case of `refused`, as every reader of the vectors makes them.
fn apply(case: &Value, object: &ProofObject, trust: &Trust) -> (Value, Trust) {
    let mut changed = serde_json::to_value(object).unwrap();
    let (mut bytes, mut trust) = (object.proof.to_vec(), trust.clone());
    for (what, with) in case["change"].as_object().unwrap() {
        let number = |at: usize| usize::try_from(with[at].as_u64().unwrap()).unwrap();
        match what.as_str() {
            "flip" => bytes[number(0)] ^= 1 << number(1),
            "cut" => bytes.truncate(bytes.len() - 1),
            "append" => bytes.push(0),
            "number" => changed["block"]["number"] = with.clone(),
            "certified" => changed["certified"] = with.clone(),
            "trust" => {
                trust = Trust::new(
                    serde_json::from_value(with["genesis"].clone()).unwrap(),
                    serde_json::from_value(with["validators"].clone()).unwrap(),
                )
            }
            other => panic!("an unknown change: {other}"),
        }
    }
    changed["proof"] = json!(Bytes::from(bytes));
    (changed, trust)
}

#[test]
fn golden_vectors() {
    let chain = Chain::new(4);
    let trust = chain.trust.clone();
    let proofs = on_a_tree(move |tree| async move { proofs_of_each_kind(&tree, &chain).await });
    let (mut valid, mut wrong) = (Vec::new(), Vec::new());
    for (name, proof) in &proofs {
        let bytes = proof.encode();
        assert_eq!(LightProof::decode(&bytes).as_ref(), Ok(proof));
        let object = ProofObject::new(proof, &trust).unwrap_or_else(|e| panic!("{name}: {e}"));
        let value = serde_json::to_value(&object).unwrap();
        assert_eq!(check_object(&value, &trust).as_ref(), Ok(&object.proven));
        for bytes in damaged(&bytes) {
            assert!(LightProof::verify(&bytes, &trust).is_err(), "{name}");
        }
        for case in refused(name, &object, &trust) {
            let (changed, trust) = apply(&case, &object, &trust);
            assert!(check_object(&changed, &trust).is_err(), "{case}");
            wrong.push(case);
        }
        let sample = Sample::new(&bytes, &trust).unwrap();
        sample.check().unwrap();
        sample.signatures_alone().unwrap();
        println!("{name}: {} bytes, {} of them finality", bytes.len(), sample.finality_bytes());
        valid.push(json!({ "name": name, "object": value }));
    }
    let vectors = json!({
        "trust": { "genesis": trust.genesis, "validators": trust.validators(0) },
        "valid": valid,
        "refused": wrong,
    });
    let text = serde_json::to_string_pretty(&vectors).unwrap() + "\n";
    if std::env::var_os("CAIRN_BLESS").is_some() {
        std::fs::write(vectors_path(), &text).unwrap();
    }
    let golden = std::fs::read_to_string(vectors_path()).unwrap();
    assert!(golden == text, "the vectors differ: a change of the protocol, or of the engine");
}
