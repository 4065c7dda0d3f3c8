//! The state tree: which keys and values the state root commits to (docs/spec/state-root.md).
//!
//! A flat map of SHA-256 keys to SHA-256 values in QMDB `current`. Keys and values are digests, so that every entry has
//! one size; whoever checks a proof knows the account or the slot and hashes it again.
//!
//! Invariant: the tree's root depends on the order of batches, so every node applies exactly one batch per block, and
//! nothing else.

use alloy_primitives::{Address, U256};
use cairn_ledger::{Account, Writes};
use commonware_cryptography::{Hasher as _, Sha256, sha256};
use commonware_glue::stateful::db::{DatabaseSet, Shared, Unmerkleized as _};
use commonware_parallel::Sequential;
use commonware_runtime::{Spawner, buffer::paged::CacheRef};
use commonware_storage::{
    Context as StorageContext,
    journal::contiguous::fixed::Config as LogConfig,
    mmr::{self, Location, full::Config as MmrConfig},
    qmdb::current::{
        FixedConfig,
        unordered::{fixed, proof::constant::KeyValueProof},
    },
    translator::EightCap,
};
use commonware_utils::{NZUsize, non_empty_range, range::NonEmptyRange};

use crate::params::{ITEMS_PER_BLOB, STORAGE_BUFFER};

/// Bytes of one chunk of the activity bitmap, as QMDB asks.
pub const BITMAP_CHUNK: usize = 32;

/// The state tree's database.
pub type Tree<E> = fixed::Db<
    mmr::Family,
    E,
    sha256::Digest,
    sha256::Digest,
    Sha256,
    EightCap,
    BITMAP_CHUNK,
    Sequential,
>;
/// The state tree, shared with the engine.
pub type SharedTree<E> = Shared<Tree<E>>;
/// An open batch on some block's tree.
pub type Batch<E> = <SharedTree<E> as DatabaseSet<E>>::Unmerkleized;
/// A sealed batch.
pub type Sealed<E> = <SharedTree<E> as DatabaseSet<E>>::Merkleized;

/// What a sealed batch says about the tree after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// The root that the header carries.
    pub state_root: sha256::Digest,
    /// Root of the operations log.
    pub log_root: sha256::Digest,
    /// Live operations of the log.
    pub log_range: NonEmptyRange<Location>,
}

/// Key of an account.
#[must_use]
pub fn account_key(address: Address) -> sha256::Digest {
    Sha256::hash(&[b"cairn/state/account/v1", address.as_slice()])
}

/// Key of a storage slot.
#[must_use]
pub fn slot_key(address: Address, slot: U256) -> sha256::Digest {
    Sha256::hash(&[b"cairn/state/slot/v1", address.as_slice(), &slot.to_be_bytes::<32>()])
}

/// Value of an account: SHA-256 over nonce (8 bytes), balance (32) and code hash (32), big-endian.
#[must_use]
pub fn account_value(account: &Account) -> sha256::Digest {
    let balance = account.balance.to_be_bytes::<32>();
    Sha256::hash(&[&account.nonce.to_be_bytes(), &balance, account.code_hash.as_slice()])
}

/// Value of a slot: SHA-256 over its 32 big-endian bytes.
#[must_use]
pub fn slot_value(value: U256) -> sha256::Digest {
    Sha256::hash(&[&value.to_be_bytes::<32>()])
}

/// Seals `writes` into `batch`: accounts by address, then slots by address and slot; zero and `None` delete.
///
/// # Errors
/// When the tree cannot be read.
pub async fn seal<E: Spawner + StorageContext>(
    mut batch: Batch<E>,
    writes: &Writes,
) -> Result<Sealed<E>, commonware_storage::qmdb::Error<mmr::Family>> {
    for (address, account) in &writes.accounts {
        batch = batch.write(account_key(*address), account.as_ref().map(account_value));
    }
    for ((address, slot), value) in &writes.slots {
        batch =
            batch.write(slot_key(*address, *slot), (!value.is_zero()).then(|| slot_value(*value)));
    }
    batch.merkleize().await
}

/// Whether `proof` shows that `key` has `value` under `root`.
#[must_use]
pub fn check_value(
    key: sha256::Digest,
    value: sha256::Digest,
    proof: &KeyValueProof<mmr::Family, sha256::Digest, BITMAP_CHUNK>,
    root: &sha256::Digest,
) -> bool {
    // The type parameter only names a runtime.
    Tree::<commonware_runtime::tokio::Context>::verify_key_value_proof(key, value, proof, root)
}

/// What `sealed` commits to.
#[must_use]
pub fn commitment<E: Spawner + StorageContext>(sealed: &Sealed<E>) -> Commitment {
    Commitment {
        state_root: commonware_glue::stateful::db::Merkleized::root(sealed),
        log_root: sealed.ops_root(),
        log_range: non_empty_range!(sealed.sync_boundary(), sealed.bounds().tip.size),
    }
}

/// Where the tree lives under `prefix`.
#[must_use]
pub fn config(prefix: &str, page_cache: CacheRef) -> FixedConfig<EightCap, Sequential> {
    FixedConfig {
        merkle_config: MmrConfig {
            journal_partition: format!("{prefix}-tree-mmr-journal"),
            metadata_partition: format!("{prefix}-tree-mmr-metadata"),
            items_per_blob: ITEMS_PER_BLOB,
            write_buffer: STORAGE_BUFFER,
            replay_buffer: STORAGE_BUFFER,
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: format!("{prefix}-tree-log"),
            items_per_blob: ITEMS_PER_BLOB,
            page_cache,
            write_buffer: STORAGE_BUFFER,
            replay_buffer: STORAGE_BUFFER,
        },
        grafted_metadata_partition: format!("{prefix}-tree-bitmap"),
        translator: EightCap,
        init_cache: Some(NZUsize!(1024)),
        init_buffer: STORAGE_BUFFER,
        init_concurrency: (),
    }
}
