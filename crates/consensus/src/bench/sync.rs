//! What it costs to take a state of many accounts from a peer in the same process, and to open it again.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use cairn_ledger::{Account, Ledger, Writes};
use commonware_cryptography::{Hasher as _, Sha256, Signer as _, ed25519};
use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::{Runner as _, Supervisor as _, buffer::paged::CacheRef, tokio as runtime};
use commonware_utils::{NZU16, NZUsize};

use super::{BenchError, CACHE_PAGES, Spent, Stopwatch, workloads};
use crate::{
    TermRules,
    genesis::NetworkIdentity,
    params::FOLLOWER,
    ports::StateDisk,
    sync::{Entry, StateSync, Taker, lab::Lab},
    tree::{self, SharedTree},
};

/// Seed of the only validator's key.
const KEY_SEED: u64 = 1;

/// What a state sync cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncMeasured {
    /// Accounts and slots.
    pub entries: u64,
    /// Operations of the tree's log.
    pub operations: u64,
    /// Bytes of the entries as they travel.
    pub bytes: u64,
    /// Both sides of the sync.
    pub sync: Spent,
    /// Hashing every entry's key and value once: no check can do without it.
    pub hashing: Spent,
    /// Opening the synced tree, wall.
    pub open: Duration,
}

type Db = SharedTree<runtime::Context>;

fn block(accounts: u64) -> Writes {
    let mut writes = Writes::default();
    for number in 0..accounts {
        let hash = Sha256::hash(&[b"bench account", &number.to_be_bytes()]);
        let account = Account { nonce: 1, balance: U256::from(number), code_hash: KECCAK256_EMPTY };
        writes.accounts.insert(Address::from_slice(&hash.0[..20]), Some(account));
    }
    writes
}

/// Takes a state of `accounts` accounts into `disk`, which must be empty; both state trees live in `folder`.
///
/// # Errors
/// When the sync fails, or the system does not tell CPU time.
///
/// # Panics
/// When the folder cannot be written: the engine's storage has no other answer.
pub fn sync(
    accounts: u64,
    folder: &Path,
    disk: Arc<dyn StateDisk>,
) -> Result<SyncMeasured, BenchError> {
    let key = ed25519::PrivateKey::from_seed(KEY_SEED);
    let (genesis, hash) = workloads::validated_by(B256::from_slice(key.public_key().as_ref()));
    let ledger = Ledger::new(Arc::clone(&genesis), hash);
    let identity = NetworkIdentity { genesis, hash, terms: TermRules::of(&ledger), ledger };
    let settings = runtime::Config::default()
        .with_worker_threads(1)
        .with_storage_directory(folder.to_path_buf());
    runtime::Runner::new(settings).start(|context| async move {
        let config =
            |prefix: &str| tree::config(prefix, CacheRef::new(NZU16!(4096), NZUsize!(CACHE_PAGES)));
        let given =
            <Db as DatabaseSet<runtime::Context>>::init(context.child("lab"), config("lab"), None)
                .await;
        let lab = Arc::new(Lab::new(&identity, key, given, 1, |_| block(accounts)).await);
        let mut measured = SyncMeasured::default();

        let watch = Stopwatch::start();
        let (mut bytes, mut sum) = (Vec::new(), 0_u8);
        for (address, account) in &lab.state().accounts {
            let entry = Entry::Account(*address, *account);
            entry.put(&mut bytes);
            let (key, value) = entry.in_tree();
            sum ^= key.0[0] ^ value.0[0];
        }
        measured.hashing = watch.stop();
        measured.bytes = bytes.len() as u64;
        // Shown so that the hashing cannot be left out.
        tracing::debug!(sum, "hashed");

        let prefix = FOLLOWER.to_owned();
        let taker = Taker::Follower;
        let sync = StateSync { identity, trusted: None, taker, prefix: prefix.clone(), disk };
        let watch = Stopwatch::start();
        let synced = sync.run(context.child("sync"), lab).await?;
        measured.sync = watch.stop();
        (measured.entries, measured.operations) = (synced.entries, synced.operations);

        let begin = Instant::now();
        let taken = <Db as DatabaseSet<runtime::Context>>::init(
            context.child("taken"),
            config(&prefix),
            None,
        )
        .await;
        measured.open = begin.elapsed();
        drop(taken);
        Ok(measured)
    })
}
