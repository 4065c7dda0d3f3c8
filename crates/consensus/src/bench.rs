//! What a block costs a validator: CPU time of recovering senders, of executing, and of the state tree, against the cost
//! of the signatures alone.
//!
//! Recovering a sender is the floor: a chain of Ethereum transactions cannot do less. `Measured::ratio_permille` says how
//! much more this one does. Linux only: CPU time is read from `/proc`, summed over all threads of the process, so that
//! nothing else may run in it.

mod gas;
mod sync;
mod workloads;

pub use gas::{GasRow, gas_table};
pub use sync::{SyncMeasured, sync};
pub use workloads::{Prepared, RECOVERIES, Workload, prepare};

use std::{
    path::Path,
    time::{Duration, Instant},
};

use alloy_consensus::{
    Header, TxEnvelope,
    crypto::{RecoveryError, secp256k1},
    transaction::Recovered,
};
use alloy_primitives::{Address, B256, Signature};
use bytes::Bytes;
use cairn_kit::cpu;
use cairn_ledger::{BlockError, Ledger, Memory, Writes};
use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::{Runner as _, Supervisor as _, buffer::paged::CacheRef, tokio as runtime};
use commonware_utils::{NZU16, NZUsize};

use crate::{
    application::recover,
    tree::{self, SharedTree},
};

/// Time that something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// On all CPUs together.
    pub cpu: Duration,
    /// On the clock on the wall.
    pub wall: Duration,
}

/// What a chain of blocks cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Blocks.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Decoding transactions and recovering their senders.
    pub recover: Spent,
    /// Executing and verifying the blocks.
    pub execute: Spent,
    /// Sealing, applying and persisting the state tree.
    pub tree: Spent,
    /// Recovering the same signatures from hashes that are known, and nothing else: the floor.
    pub raw: Spent,
    /// Verifying again the signatures that the calls carry beside the transaction's own: proofs of possession. Zero for
    /// kinds that carry none.
    pub carried: Spent,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A block with bytes that are no transaction.
    #[error("block {0} has a malformed transaction")]
    Malformed(usize),
    /// A signature without a signer.
    #[error("a signature cannot be recovered")]
    Signature(#[from] RecoveryError),
    /// A block that the ledger refuses.
    #[error("block {block} is refused")]
    Block {
        /// Which, from 0.
        block: usize,
        /// Why.
        #[source]
        source: BlockError,
    },
    /// A state could not be taken.
    #[error("the state cannot be taken")]
    Sync(#[from] crate::SyncError),
    /// The state tree cannot be read.
    #[error("the state tree cannot be read")]
    Tree(#[from] commonware_storage::qmdb::Error<commonware_storage::mmr::Family>),
}

impl Spent {
    fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.wall += other.wall;
    }
}

impl Measured {
    /// Everything that a validator does with the blocks.
    #[must_use]
    pub fn total(&self) -> Spent {
        let mut total = self.recover;
        total.add(self.execute);
        total.add(self.tree);
        total
    }

    /// CPU time of everything per CPU time of the signatures alone, in thousandths; `None` without transactions.
    #[must_use]
    pub fn ratio_permille(&self) -> Option<u64> {
        let ratio = (self.total().cpu.as_nanos() * 1_000).checked_div(self.raw.cpu.as_nanos())?;
        u64::try_from(ratio).ok()
    }
}

/// A point in time, of CPUs and wall.
struct Stopwatch {
    cpu: Duration,
    wall: Instant,
}

impl Stopwatch {
    fn start() -> Self {
        Self { cpu: cpu::of_process(), wall: Instant::now() }
    }

    fn stop(self) -> Spent {
        Spent { cpu: cpu::of_process().saturating_sub(self.cpu), wall: self.wall.elapsed() }
    }
}

/// Verifies `blocks` of raw transactions one after the other on `state`, whose last block is `parent`, as a validator
/// does; the state tree lives in `folder`, which should be empty.
///
/// # Errors
/// When a block is not valid, or the system does not tell CPU time.
///
/// # Panics
/// When the folder cannot be written: the engine's storage has no other answer.
pub fn measure(
    ledger: &Ledger,
    state: Memory,
    parent: Header,
    blocks: &[Vec<Vec<u8>>],
    folder: &Path,
) -> Result<Measured, BenchError> {
    let settings = runtime::Config::default()
        .with_worker_threads(1)
        .with_storage_directory(folder.to_path_buf());
    runtime::Runner::new(settings).start(|context| async move {
        let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(CACHE_PAGES));
        let config = tree::config("bench", page_cache);
        let tree = <SharedTree<runtime::Context> as DatabaseSet<runtime::Context>>::init(
            context.child("tree"),
            config,
            None,
        )
        .await;
        let (mut state, mut head) = (state, parent);
        grow(&tree, &all(&state)).await?;
        let mut measured = Measured::default();
        for (number, block) in blocks.iter().enumerate() {
            let block: Vec<Bytes> = block.iter().map(|raw| Bytes::copy_from_slice(raw)).collect();
            let watch = Stopwatch::start();
            let transactions = recover(&block).ok_or(BenchError::Malformed(number))?;
            measured.recover.add(watch.stop());
            measured.raw.add(raw(&transactions)?);
            measured.carried.add(carried(&transactions)?);

            let watch = Stopwatch::start();
            let proposer = ledger.genesis().validators[0].operator;
            let env = ledger.next_env(&head, cairn_ledger::time_of(&head), proposer);
            let executed = ledger
                .verify(&state, &env, transactions)
                .map_err(|source| BenchError::Block { block: number, source })?;
            measured.execute.add(watch.stop());

            let watch = Stopwatch::start();
            let root = grow(&tree, &executed.writes).await?;
            measured.tree.add(watch.stop());

            measured.blocks += 1;
            measured.transactions += executed.transactions.len() as u64;
            state.apply(&executed.writes);
            head = executed.header(&env, root);
            state.hashes.insert(head.number, head.hash_slow());
        }
        Ok(measured)
    })
}

/// Pages of the tree's cache, of 4 KiB: as many as a validator's.
const CACHE_PAGES: usize = 1_024;

/// A state as one batch of writes.
fn all(state: &Memory) -> Writes {
    Writes {
        accounts: state.accounts.iter().map(|(at, account)| (*at, Some(*account))).collect(),
        slots: state.slots.clone(),
        ..Writes::default()
    }
}

/// Seals, applies and persists a block's writes; the root after them.
pub(crate) async fn grow(
    tree: &SharedTree<runtime::Context>,
    writes: &Writes,
) -> Result<B256, commonware_storage::qmdb::Error<commonware_storage::mmr::Family>> {
    let batch = DatabaseSet::<runtime::Context>::new_batches(tree).await;
    let sealed = tree::seal(batch, writes).await?;
    let root = B256::from(tree::commitment::<runtime::Context>(&sealed).state_root.0);
    DatabaseSet::<runtime::Context>::apply(tree, sealed).await;
    DatabaseSet::<runtime::Context>::finalize(tree).await.durable().await;
    Ok(root)
}

/// Recovers the signatures again, from hashes that are made beforehand.
fn raw(transactions: &[Recovered<TxEnvelope>]) -> Result<Spent, BenchError> {
    let signed: Vec<(Signature, B256, Address)> =
        transactions.iter().map(|tx| (*tx.signature(), tx.signature_hash(), tx.signer())).collect();
    let watch = Stopwatch::start();
    for (signature, hash, signer) in signed {
        let found = secp256k1::recover_signer(&signature, hash)?;
        assert_eq!(found, signer, "the same signature has one signer");
    }
    Ok(watch.stop())
}

/// Verifies the devices' signatures in registrations again, from messages that are made beforehand.
fn carried(transactions: &[Recovered<TxEnvelope>]) -> Result<Spent, BenchError> {
    let signed: Vec<_> = transactions.iter().filter_map(workloads::proof_of_possession).collect();
    if signed.is_empty() {
        return Ok(Spent::default());
    }
    let watch = Stopwatch::start();
    for (key, message, signature) in signed {
        assert!(key.verify(&message, &signature), "the workload is signed");
    }
    Ok(watch.stop())
}

#[cfg(test)]
mod tests {
    use alloy_eips::Encodable2718 as _;

    use super::*;
    use crate::tests::fixture::{identity, transfer};

    /// Each kind runs, signed, through everything; nothing fails inside (a failed call is cheap and would measure nothing).
    #[test]
    fn every_workload_succeeds() {
        for workload in Workload::ALL {
            let Prepared { ledger, state, parent, blocks } = prepare(workload, 2, 5);
            let env = ledger.next_env(&parent, cairn_ledger::time_of(&parent), Address::ZERO);
            let raw: Vec<Bytes> = blocks[0].iter().map(|raw| Bytes::copy_from_slice(raw)).collect();
            let executed = ledger.verify(&state, &env, recover(&raw).unwrap()).unwrap();
            assert!(
                executed.receipts.iter().all(alloy_consensus::TxReceipt::status),
                "{workload:?}"
            );
            let folder = tempfile::tempdir().unwrap();
            let measured = measure(&ledger, state, parent, &blocks, folder.path()).unwrap();
            assert_eq!((measured.blocks, measured.transactions), (2, 10), "{workload:?}");
            let carries = workload == Workload::Register;
            assert_eq!(measured.carried.wall > Duration::ZERO, carries, "{workload:?}");
        }
        let rows = gas_table(2, 5).unwrap();
        assert_eq!(rows.len(), Workload::ALL.len() - 1);
        let recover = rows.iter().find(|row| row.workload == Workload::Recover).unwrap();
        assert!(recover.gas > RECOVERIES * 3_000 && recover.gas < RECOVERIES * 3_400);
    }

    #[test]
    fn every_part_of_a_block_costs_something() {
        let ledger = identity(1, 250, 1_000).ledger;
        let mut state = Memory::default();
        state.apply(&ledger.genesis_writes().unwrap());
        let parent = ledger.genesis_header(B256::ZERO);
        let transfers = |block: u64| -> Vec<Vec<u8>> {
            let nonces = block * 200..(block + 1) * 200;
            let to = |nonce: u64| {
                Address::from_word(B256::from(alloy_primitives::U256::from(nonce + 1_000)))
            };
            nonces.map(|nonce| transfer(nonce, to(nonce)).encoded_2718()).collect()
        };
        let blocks: Vec<_> = (0..5).map(transfers).collect();
        let folder = tempfile::tempdir().unwrap();
        let measured =
            measure(&ledger, state.clone(), parent.clone(), &blocks, folder.path()).unwrap();
        assert_eq!((measured.blocks, measured.transactions), (5, 1_000));
        for part in [measured.recover, measured.execute, measured.tree, measured.raw] {
            assert!(part.cpu > Duration::ZERO && part.wall > Duration::ZERO, "{measured:?}");
        }
        assert!(measured.ratio_permille().is_some_and(|ratio| ratio > 1_000), "{measured:?}");

        let folder = tempfile::tempdir().unwrap();
        let broken = measure(&ledger, state, parent, &blocks[1..], folder.path());
        assert!(matches!(broken, Err(BenchError::Block { block: 0, .. })), "{broken:?}");
    }
}
