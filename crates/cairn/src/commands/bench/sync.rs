//! `cairn bench sync`: a state of many accounts taken from a peer in the same process, opened again, and what a transaction takes on disk.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use cairn_consensus::{
    Disk as _, FinalBlock,
    bench::{Prepared, Workload, prepare},
};
use cairn_ledger::{Writes, decode_transaction, time_of};
use cairn_node::disk::{DiskConfig, FILE, RedbDisk};
use cairn_primitives::Digest;
use eyre::{OptionExt as _, Result, WrapErr as _};

use super::Figure;

/// Blocks and transactions in each from which the bytes of one are taken.
const BLOCKS: u64 = 20;
const BLOCK_TXS: u64 = 1_000;
/// The disks of the benchmark belong to no network.
const GENESIS: Digest = Digest([9; 32]);

/// Measures with `accounts` accounts.
pub fn sync(accounts: u64) -> Result<Vec<Figure>> {
    let folder = std::env::temp_dir().join(format!("cairn-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).wrap_err("making a folder for the nodes")?;
    let figures = measure(accounts, &folder);
    fs::remove_dir_all(&folder).wrap_err("removing the nodes' folder")?;
    figures
}

fn measure(accounts: u64, folder: &Path) -> Result<Vec<Figure>> {
    let ledger = folder.join("synced");
    let open = || RedbDisk::open(&ledger, GENESIS, DiskConfig::default());
    let disk = open()?;
    let measured =
        cairn_consensus::bench::sync(accounts, &folder.join("trees"), Arc::new(disk.clone()))
            .wrap_err("taking the state")?;
    drop(disk);
    let begin = Instant::now();
    drop(open()?);
    let restart = (begin.elapsed() + measured.open).as_secs_f64();
    let bytes = usize::try_from(measured.bytes).wrap_err("counting bytes")?;
    let writing = write(folder, bytes)?.as_secs_f64();
    let (per_tx, raw) = disk_bytes(&folder.join("blocks"))?;
    let cpu = measured.sync.cpu.as_secs_f64();
    let hashing = measured.hashing.cpu.as_secs_f64();
    let wall = measured.sync.wall.as_secs_f64();
    let figure = |name: String, value: f64, unit, reference, reference_value: f64| Figure {
        name,
        value,
        unit,
        reference,
        reference_value,
        ratio: value / reference_value,
    };
    let entries = measured.entries;
    Ok(vec![
        figure(
            format!("state sync of {entries} accounts, both sides"),
            cpu,
            "CPU seconds",
            "SHA-256 of every key and value once, CPU seconds",
            hashing,
        ),
        figure(
            format!("state sync of {entries} accounts, both sides, wall"),
            wall,
            "seconds",
            "the same bytes written to a file and synced, seconds",
            writing,
        ),
        figure(
            format!("opening the ledger and tree of {entries} accounts, checksums included"),
            restart,
            "seconds",
            "the same bytes written to a file and synced, seconds",
            writing,
        ),
        figure(
            "a Credits.mint on an archive node's disk, blocks of 1,000".to_owned(),
            per_tx,
            "bytes",
            "its own bytes",
            raw,
        ),
    ])
}

/// Writes so many bytes to a file and waits until they are on the disk.
fn write(folder: &Path, bytes: usize) -> Result<Duration> {
    let content = vec![0x5a_u8; bytes];
    let begin = Instant::now();
    let mut file = fs::File::create(folder.join("raw")).wrap_err("making a file")?;
    file.write_all(&content).and_then(|()| file.sync_all()).wrap_err("writing a file")?;
    Ok(begin.elapsed())
}

/// Bytes on disk of a transaction with everything that the ledger keeps of it, and its own bytes.
fn disk_bytes(folder: &Path) -> Result<(f64, f64)> {
    let Prepared { ledger, state, parent, blocks } = prepare(Workload::Mint, BLOCKS, BLOCK_TXS);
    let disk = RedbDisk::open(folder, GENESIS, DiskConfig::default())?;
    let empty = |header, writes| FinalBlock {
        header,
        digest: [0; 32],
        transactions: Vec::new(),
        receipts: Vec::new(),
        gas_used: Vec::new(),
        writes,
        certificate: Vec::new(),
    };
    let writes = Writes {
        accounts: state.accounts.iter().map(|(at, account)| (*at, Some(*account))).collect(),
        slots: state.slots.clone(),
        codes: state.codes.clone(),
    };
    disk.commit(empty(parent, writes))?;
    let size = || fs::metadata(folder.join(FILE)).map(|file| file.blocks() * 512);
    let (before, mut raw) = (size()?, 0);
    for (number, block) in (1_u8..).zip(&blocks) {
        raw += block.iter().map(Vec::len).sum::<usize>();
        let transactions = block.iter().map(|bytes| decode_transaction(bytes));
        let transactions = transactions.collect::<Result<Vec<_>, _>>()?;
        let head = disk.head()?.ok_or_eyre("block 0 is there")?;
        let proposer = ledger.genesis().validators[0].operator;
        let env = ledger.next_env(&head, time_of(&head), proposer);
        let executed = ledger.verify(&disk, &env, transactions)?;
        let header = executed.header(&env, B256::ZERO);
        disk.commit(FinalBlock {
            digest: [number; 32],
            transactions: executed.transactions,
            receipts: executed.receipts,
            gas_used: executed.gas_used,
            certificate: vec![0; 700],
            ..empty(header, executed.writes)
        })?;
    }
    let transactions = (BLOCKS * BLOCK_TXS) as f64;
    Ok(((size()?.saturating_sub(before)) as f64 / transactions, raw as f64 / transactions))
}
