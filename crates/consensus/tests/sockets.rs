//! Four validators on loopback sockets, each on its own thread, as `cairn up` runs them.
//!
//! Outside the crate, because this is the only test that needs the engine on real sockets: the library has it compiled
//! already, the crate's own test program would compile it once more.

#[path = "../src/tests/fixture.rs"]
#[expect(dead_code, reason = "simulations use the rest of it")]
mod fixture;

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use cairn_consensus::{
    ConsensusSigner, Disk, FinalityProof, FollowError, FollowedBlock, LocalSigner, NetworkIdentity,
    Reach, StateKey, StateValue, ValidatorConfig, ValidatorHandle, VoteLog, VoteStart,
    run_follower, run_validator,
};
use cairn_kit::{clock::NetworkClock, loopback::free_address};
use cairn_ledger::Account;
use cairn_primitives::Digest;
use commonware_codec::Encode as _;
use commonware_cryptography::{Signer as _, ed25519};

use fixture::{MemoryDisk, MemoryPool, START_MS, identity, keys, transfer};

const PAYEE: Address = Address::repeat_byte(0xee);
/// Transfers that are sent, one after the other.
const TRANSFERS: u64 = 5;
/// Deadline of every wait in this test: one that hangs fails, one on a slow machine does not.
const DEADLINE: Duration = Duration::from_secs(1_200);

struct Seat {
    disk: MemoryDisk,
    pool: MemoryPool,
    config: ValidatorConfig,
}

/// Who holds a consensus key.
fn signer(key: &ed25519::PrivateKey, genesis: Digest) -> Arc<dyn ConsensusSigner> {
    let seed = key.encode().as_ref().try_into().unwrap();
    Arc::new(LocalSigner::new(&seed, genesis).unwrap())
}

/// Raw bytes of a transaction.
fn raw(tx: &Recovered<TxEnvelope>) -> Vec<u8> {
    tx.encoded_2718()
}

fn seats(folder: &Path, genesis: Digest) -> Vec<Seat> {
    let keys = keys(4);
    let ports: Vec<SocketAddr> = keys.iter().map(|_| free_address().unwrap()).collect();
    // One address is all that they know of each other; the rest is discovered.
    let first = (B256::from_slice(&keys[0].public_key().encode()), ports[0].into());
    keys.iter()
        .zip(&ports)
        .enumerate()
        .map(|(i, (key, port))| Seat {
            disk: MemoryDisk::default(),
            pool: MemoryPool::default(),
            config: ValidatorConfig {
                signer: signer(key, genesis),
                votes: VoteLog::open(&folder.join(format!("{i}.votes")), VoteStart::New).unwrap(),
                storage: folder.join(i.to_string()),
                listen: *port,
                dialable: (*port).into(),
                bootstrap: vec![first.clone()],
                reach: Reach::Local,
                blocks_kept: None,
            },
        })
        .collect()
}

async fn start(identity: &NetworkIdentity, seat: &Seat, clock: &NetworkClock) -> ValidatorHandle {
    run_validator(
        identity,
        seat.config.clone(),
        Arc::new(seat.disk.clone()),
        Arc::new(seat.pool.clone()),
        Arc::new(clock.clone()),
    )
    .await
    .unwrap()
}

async fn until(handle: &ValidatorHandle, height: u64) {
    let mut heights = handle.height();
    tokio::time::timeout(DEADLINE, heights.wait_for(|now| *now >= height))
        .await
        .unwrap_or_else(|_| panic!("height {height} within {DEADLINE:?}"))
        .unwrap();
}

fn memory_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn four_validators_on_loopback_lose_one_and_get_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(4, 100, 400);
    let clock = NetworkClock::running(START_MS, 1);
    let seats = seats(folder.path(), identity.hash);
    let before = memory_mb();
    let begin = Instant::now();
    let mut handles = Vec::new();
    for seat in &seats {
        handles.push(start(&identity, seat, &clock).await);
    }
    until(&handles[0], 1).await;
    println!("first block after {:?}", begin.elapsed());

    // Transfers that only validator 1's user sent reach every disk.
    for nonce in 0..TRANSFERS {
        let tx = transfer(nonce, PAYEE);
        seats[1].pool.push(tx.clone());
        let sent = Instant::now();
        assert!(handles[1].gossip(raw(&tx).into()));
        while seats[0].disk.balance(PAYEE) <= U256::from(nonce) {
            let next = seats[0].disk.height() + 1;
            until(&handles[0], next).await;
        }
        println!("submitted to final on another validator: {:?}", sent.elapsed());
    }
    // And the state tree proves to an outsider what the payee has.
    let key = StateKey::Account(PAYEE);
    let proof = handles[0].state_proof(key).await.unwrap();
    let account = seats[0].disk.state().accounts[&PAYEE];
    assert!(proof.check(key, &StateValue::Account(account)));
    let richer = Account { balance: account.balance + U256::ONE, ..account };
    assert!(!proof.check(key, &StateValue::Account(richer)));
    assert!(handles[0].state_proof(StateKey::Account(Address::repeat_byte(0xdd))).await.is_none());
    println!("a state proof has {} bytes", proof.proof.len());

    // Three of them were told of the first only; by now everyone has found everyone.
    for handle in &handles {
        let begin = Instant::now();
        while handle.peers().await.len() < 3 {
            assert!(begin.elapsed() < DEADLINE, "three peers within {DEADLINE:?}");
            // On a line of its own: the guard of the borrow would hold up the validator while this waits.
            let next = *handle.height().borrow() + 1;
            until(handle, next).await;
        }
    }

    // The proof of finality convinces an outsider.
    let proven = 3;
    until(&handles[2], proven).await;
    let proof = handles[2].finalization(proven).await.unwrap();
    let keys: Vec<B256> = identity.genesis.validators.iter().map(|v| v.consensus_key).collect();
    let check = |keys: &[B256]| {
        let mut rng = commonware_utils::test_rng();
        FinalityProof::check(&proof, &identity.hash, |_| Some(keys.to_vec()), &mut rng)
    };
    let header = check(&keys).unwrap().preamble.header;
    assert_eq!(header, seats[2].disk.block(proven).unwrap().header);
    assert!(check(&keys[..3]).is_err());
    println!("a proof has {} bytes", proof.len());

    // One goes, the others go on, it comes back and is level again.
    let stopping = Instant::now();
    handles[3].stop().await;
    println!("stopped in {:?}", stopping.elapsed());
    let away = seats[3].disk.height();
    until(&handles[0], away + 8).await;
    assert_eq!(seats[3].disk.height(), away);
    let back = Instant::now();
    handles[3] = start(&identity, &seats[3], &clock).await;
    let target = seats[0].disk.height();
    until(&handles[3], target + 2).await;
    println!("back and level in {:?}", back.elapsed());

    // Steady state: how fast blocks come.
    let (from, since) = (seats[0].disk.height(), Instant::now());
    until(&handles[0], from + 10).await;
    let interval = since.elapsed() / 10;
    println!(
        "idle block interval {interval:?}, memory of four validators {} MB",
        memory_mb().saturating_sub(before)
    );

    for handle in &handles {
        handle.stop().await;
    }
    let top = seats.iter().map(|seat| seat.disk.height()).min().unwrap();
    for height in 1..=top {
        let digest = seats[0].disk.block(height).unwrap().digest;
        assert!(
            seats.iter().all(|seat| seat.disk.block(height).unwrap().digest == digest),
            "one chain"
        );
    }
    assert!(seats.iter().all(|seat| seat.disk.balance(PAYEE) == U256::from(TRANSFERS)));
    follow(&identity, &seats[0].disk, top, folder.path()).await;
}

/// A node without a vote gets to the same state from blocks and certificates alone, and believes nothing else.
async fn follow(identity: &NetworkIdentity, chain: &MemoryDisk, top: u64, folder: &Path) {
    let (disk, storage) = (MemoryDisk::default(), folder.join("follower"));
    let start = |storage| {
        run_follower(identity, storage, Arc::new(disk.clone()), Arc::new(MemoryPool::default()))
    };
    let follower = start(storage.clone()).await.unwrap();
    let run = |heights: std::ops::RangeInclusive<u64>| -> Vec<FollowedBlock> {
        heights
            .map(|height| {
                let block = chain.block(height).unwrap();
                FollowedBlock {
                    header: block.header,
                    transactions: block.transactions.iter().map(|tx| raw(tx).into()).collect(),
                    certificate: block.certificate.into(),
                }
            })
            .collect()
    };
    let proven = |height: &u64| !chain.block(*height).unwrap().certificate.is_empty();
    let top = (1..=top).rev().find(proven).unwrap();

    let whole = run(1..=top);
    let spoils: [fn(&mut Vec<FollowedBlock>); 6] = [
        |run| drop(run.remove(0)),
        |run| run[0].header.gas_limit += 1,
        |run| run.last_mut().unwrap().certificate = Bytes::new(),
        |run| run.last_mut().unwrap().certificate = run[0].certificate.clone(),
        |run| run.iter_mut().for_each(|block| block.transactions.clear()),
        |run| run.last_mut().unwrap().header.number += 1,
    ];
    for (number, spoil) in spoils.iter().enumerate() {
        let mut spoilt = whole.clone();
        spoil(&mut spoilt);
        let error = follower.append(spoilt).await.unwrap_err();
        assert!(!matches!(error, FollowError::Stopped), "spoil {number}: {error}");
        assert_eq!(disk.height(), 0, "spoil {number}: nothing of a false run is kept");
    }
    let half = (1..=top / 2).rev().find(proven).unwrap();
    assert_eq!(follower.append(run(1..=half)).await.unwrap(), half);
    follower.stop().await;

    // A crash after the disk's commit and before the tree's: the next start brings the tree level.
    let ahead = chain.block(half + 1).unwrap();
    Disk::commit(&disk, ahead).unwrap();
    let follower = start(storage).await.unwrap();
    assert_eq!(follower.append(run(half + 2..=top)).await.unwrap(), top);
    assert_eq!(disk.balance(PAYEE), chain.balance(PAYEE));
    for height in (1..=top).filter(proven) {
        assert_eq!(disk.block(height).unwrap().digest, chain.block(height).unwrap().digest);
    }
    follower.stop().await;
}
