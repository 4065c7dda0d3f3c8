//! Four validators on loopback sockets, each on its own thread, as `cairn up` runs them.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, U256};
use cairn_kit::clock::NetworkClock;
use cairn_ledger::Account;
use commonware_codec::Encode as _;
use commonware_cryptography::Signer as _;

use super::fixture::{MemoryDisk, MemoryPool, START_MS, identity, keys, raw, seed_of, transfer};
use crate::{
    FinalityProof, NetworkIdentity, Reach, StateKey, StateValue, ValidatorConfig, ValidatorHandle,
    run_validator,
};

const PAYEE: Address = Address::repeat_byte(0xee);
/// Transfers that are sent, one after the other.
const TRANSFERS: u64 = 5;
/// Deadline of every wait in this test.
const DEADLINE: Duration = Duration::from_secs(60);

struct Seat {
    disk: MemoryDisk,
    pool: MemoryPool,
    config: ValidatorConfig,
}

/// Free ports of loopback. They are released before use, so another process could take one; the test would then fail at
/// once rather than hang.
fn free_ports(n: usize) -> Vec<SocketAddr> {
    let listeners: Vec<TcpListener> =
        (0..n).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

fn seats(folder: &Path) -> Vec<Seat> {
    let keys = keys(4);
    let ports = free_ports(keys.len());
    let peers: Vec<(B256, SocketAddr)> = keys
        .iter()
        .zip(&ports)
        .map(|(key, port)| (B256::from_slice(&key.public_key().encode()), *port))
        .collect();
    keys.iter()
        .zip(&ports)
        .enumerate()
        .map(|(i, (key, port))| Seat {
            disk: MemoryDisk::default(),
            pool: MemoryPool::default(),
            config: ValidatorConfig {
                secret: seed_of(key),
                storage: folder.join(i.to_string()),
                listen: *port,
                peers: peers.clone(),
                reach: Reach::Local,
            },
        })
        .collect()
}

async fn start(identity: &NetworkIdentity, seat: &Seat, clock: &NetworkClock) -> ValidatorHandle {
    run_validator(
        identity,
        seat.config.clone(),
        seat.disk.clone(),
        seat.pool.clone(),
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
    let seats = seats(folder.path());
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

    // The proof of finality convinces an outsider.
    let proven = 3;
    until(&handles[2], proven).await;
    let proof = handles[2].finalization(proven).await.unwrap();
    let keys: Vec<B256> = identity.genesis.validators.iter().map(|v| v.consensus_key).collect();
    let header =
        FinalityProof::check(&proof, &identity.hash, &keys, &mut commonware_utils::test_rng())
            .unwrap();
    assert_eq!(header, seats[2].disk.block(proven).unwrap().header);
    assert!(
        FinalityProof::check(&proof, &identity.hash, &keys[..3], &mut commonware_utils::test_rng())
            .is_err()
    );
    println!("a proof has {} bytes", proof.len());

    // One goes, the others go on, it comes back and is level again.
    let stopping = Instant::now();
    handles[3].stop().await;
    println!("stopped in {:?}", stopping.elapsed());
    assert!(stopping.elapsed() < Duration::from_secs(5));
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
}
