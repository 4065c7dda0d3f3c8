//! Power cuts: the runtime drops every write that was not synced, the ledger's disk keeps what it committed.
//!
//! One validator is a whole network here, so that each cut hits the only copy there is.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use alloy_primitives::{Address, U256};
use commonware_cryptography::Signer as _;
use commonware_p2p::{Manager as _, simulated};
use commonware_runtime::{Clock as _, Supervisor as _, deterministic};
use commonware_utils::{NZUsize, ordered::Set};
use tokio::sync::watch;

use super::{
    fixture::{MemoryDisk, MemoryPool, identity, keys, rota, seat, transfer},
    simulated::VirtualTime,
};
use crate::{
    application::{Chain, Conduct},
    engine::{self, Parts, Running},
    genesis::chain,
    network::{Channels, message_bytes_max, quotas},
    pace::Pace,
    signer::Key,
    votes::VoteLog,
};

const PAYEE: Address = Address::repeat_byte(0xee);
/// Transfers that wait in the pool, and how often the power fails.
const TRANSFERS: u64 = 30;
const CUTS: u64 = 60;
/// Blocks of a term.
pub(super) const TERM_BLOCKS: u64 = 12;

/// When the power fails.
#[derive(Clone, Copy)]
enum Cut {
    /// After this much virtual time, whatever the validator is doing.
    After(Duration),
    /// As soon as the ledger's disk holds so many more blocks, before the engine acknowledges the last one.
    Committed(u64),
}

/// Runs the validator until the power fails.
async fn run_until(context: deterministic::Context, disk: MemoryDisk, votes: VoteLog, cut: Cut) {
    let before = disk.height();
    let (running, mut heights) = alone(context.child("alone"), disk, votes, None).await;
    match cut {
        Cut::After(time) => context.sleep(time).await,
        Cut::Committed(blocks) => {
            heights.wait_for(|height| *height >= before + blocks).await.unwrap();
        }
    }
    drop(running);
}

/// Starts a validator that is a whole network, with terms of `TERM_BLOCKS`; `blocks_kept` bounds its archives.
pub(super) async fn alone(
    context: deterministic::Context,
    disk: MemoryDisk,
    votes: VoteLog,
    blocks_kept: Option<u64>,
) -> (Running<deterministic::Context>, watch::Receiver<u64>) {
    let (running, heights, _) = without_peers(context, 0, disk, votes, blocks_kept).await;
    (running, heights)
}

/// Starts a validator without peers in a network whose only seat is that of number 0.
pub(super) async fn without_peers(
    context: deterministic::Context,
    number: usize,
    disk: MemoryDisk,
    votes: VoteLog,
    blocks_kept: Option<u64>,
) -> (Running<deterministic::Context>, watch::Receiver<u64>, Arc<Chain>) {
    let mut identity = identity(1, 20, 40);
    // Several terms between the cuts, and cuts at their ends.
    identity.terms = rota(&identity, TERM_BLOCKS, |_| vec![seat(0)]);
    let key = keys(2).remove(number);
    let me = key.public_key();
    let (network, oracle) = simulated::Network::new(
        context.child("network"),
        simulated::Config {
            max_size: message_bytes_max(1),
            max_peers_per_set: NZUsize!(1),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        },
    );
    network.start();
    oracle.manager().track(0, Set::from_iter_dedup([me.clone()]));
    let mut list = Vec::new();
    for (channel, quota) in quotas() {
        list.push(oracle.control(me.clone()).register(channel, quota).await.unwrap());
    }
    let pool = MemoryPool::default();
    for nonce in 0..TRANSFERS {
        pool.push(transfer(nonce, PAYEE));
    }
    let (height, heights) = watch::channel(0);
    let chain = Arc::new(
        chain(
            &identity,
            Arc::new(disk),
            Arc::new(pool),
            Arc::new(VirtualTime::right(context.child("time"))),
            height,
            (Key::local(key, identity.hash), votes),
        )
        .unwrap(),
    );
    let parts = Parts {
        me: me.clone(),
        peers: oracle.manager(),
        blocker: oracle.control(me),
        track: Box::new(|_, _| ()),
        always: Set::default(),
        chain: Arc::clone(&chain),
        pace: Pace { busy: Duration::from_millis(20), idle: Duration::from_millis(40) },
        conduct: Conduct::Honest,
        blocks_kept,
        name: if number == 0 { String::new() } else { number.to_string() },
    };
    let channels = Channels::from_list(list).unwrap_or_else(|| panic!("eight channels"));
    let running = engine::start(context.child("validator"), parts, channels, |state| state).await;
    (running, heights, chain)
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_that_was_final() {
    let disk = MemoryDisk::default();
    // What left the machine is on its log: it is synced before.
    let votes = VoteLog::memory();
    let mut checkpoint = None;
    let mut heights = vec![0];
    for cut in 0..CUTS {
        let when = if cut % 2 == 0 {
            // A little more than two seconds, and another moment each time.
            Cut::After(Duration::from_micros(2_000_000 + cut * 7_919))
        } else {
            Cut::Committed(1 + cut % 7)
        };
        let runner = match checkpoint.take() {
            None => deterministic::Runner::new(deterministic::Config::default().with_seed(cut)),
            Some(checkpoint) => deterministic::Runner::from(checkpoint),
        };
        let (disk_now, votes) = (disk.clone(), votes.clone());
        let ((), next) =
            runner.start_and_recover(|context| run_until(context, disk_now, votes, when));
        checkpoint = Some(next);
        heights.push(disk.height());
    }
    assert!(heights.is_sorted(), "nothing final is lost: {heights:?}");
    assert!(heights[heights.len() - 1] > CUTS, "blocks are made between the cuts: {heights:?}");
    assert_eq!(disk.balance(PAYEE), U256::from(TRANSFERS), "every transfer is paid once");
    let replayed = disk.replayed.load(Ordering::Relaxed);
    assert!(
        replayed >= CUTS / 6,
        "many cuts fell between the ledger's commit and the engine's acknowledgement: {replayed}"
    );
    println!("heights {heights:?}, replayed {replayed}");
}
