//! The disk against blocks made by hand: reopening, the window, refused folders.

use alloy_consensus::{
    Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, SignableTransaction, TxLegacy,
};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, Signature, TxKind, U256, keccak256};
use cairn_consensus::{Disk as _, Entry, FinalBlock, ImportEnd, StateDisk as _, read_entries};
use cairn_ledger::{Account, FullState as _, State as _, Writes};
use cairn_primitives::Digest;
use tempfile::TempDir;

use super::*;

const GENESIS: Digest = Digest([7; 32]);

fn address(n: u8) -> Address {
    Address::repeat_byte(n)
}

fn transaction(nonce: u64) -> alloy_consensus::transaction::Recovered<alloy_consensus::TxEnvelope> {
    let unsigned =
        TxLegacy { chain_id: Some(1), nonce, to: TxKind::Call(address(9)), ..Default::default() };
    let signature = Signature::new(U256::from(1), U256::from(2), false);
    alloy_consensus::transaction::Recovered::new_unchecked(
        unsigned.into_signed(signature).into(),
        address(1),
    )
}

/// The child of `head` in which account 1 has nonce = height and slot (2, 0) = height, zero at multiples of 5.
fn child(head: Option<&Header>, transactions: u64) -> FinalBlock {
    let number = head.map_or(0, |header| header.number + 1);
    let header = Header {
        number,
        parent_hash: head.map_or(B256::ZERO, Header::hash_slow),
        ..Default::default()
    };
    let mut writes = Writes::default();
    let account = Account { nonce: number, balance: U256::from(number), code_hash: keccak256([1]) };
    writes.accounts.insert(address(1), Some(account));
    writes.accounts.insert(address(3), (number % 2 == 1).then_some(account));
    let value = if number.is_multiple_of(5) { 0 } else { number };
    writes.slots.insert((address(2), U256::ZERO), U256::from(value));
    writes.codes.insert(keccak256([1]), Bytes::from_static(&[1]));
    let receipt = || {
        let logs = vec![Log::empty(), Log::empty()];
        let receipt = Receipt { status: true.into(), cumulative_gas_used: 1, logs };
        ReceiptEnvelope::Legacy(ReceiptWithBloom { receipt, logs_bloom: Bloom::ZERO })
    };
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    FinalBlock {
        header,
        digest,
        transactions: (0..transactions).map(|i| transaction(number * 100 + i)).collect(),
        receipts: (0..transactions).map(|_| receipt()).collect(),
        gas_used: (0..transactions).map(|i| 21_000 + i).collect(),
        writes,
        certificate: vec![5; 3],
    }
}

fn grow(disk: &RedbDisk, blocks: u64) -> Vec<FinalBlock> {
    let mut made = Vec::new();
    for _ in 0..blocks {
        let head = disk.head().unwrap();
        let block = child(head.as_ref(), 2);
        disk.commit(block.clone()).unwrap();
        made.push(block);
    }
    made
}

fn open(folder: &TempDir) -> RedbDisk {
    RedbDisk::open(folder.path(), GENESIS, DiskConfig::archive(64)).unwrap()
}

#[test]
fn everything_committed_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let disk = open(&folder);
    assert!(disk.head().unwrap().is_none());
    let blocks = grow(&disk, 4);
    drop(disk);
    let disk = RedbDisk::open_stopped(folder.path(), Some(GENESIS)).unwrap();
    let snapshot = disk.snapshot();
    assert_eq!(disk.head().unwrap().as_ref(), Some(&blocks[3].header));
    for block in &blocks {
        let height = block.header.number;
        let stored = snapshot.block(height).unwrap().unwrap();
        assert_eq!((&stored.header, stored.hash), (&block.header, block.header.hash_slow()));
        assert_eq!(stored.transactions, block.transactions);
        assert_eq!(snapshot.height_of(stored.hash).unwrap(), Some(height));
        assert_eq!(snapshot.transaction_count(height).unwrap(), 2);
        let receipts = snapshot.receipts(height).unwrap();
        assert_eq!(receipts.iter().map(|r| r.first_log).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(receipts[1].receipt, block.receipts[1]);
        let hash = *block.transactions[1].inner().tx_hash();
        assert_eq!(snapshot.position(hash).unwrap(), Some((height, 1)));
        assert_eq!(
            snapshot.transaction((height, 1)).unwrap().as_ref(),
            Some(&block.transactions[1])
        );
        assert_eq!(snapshot.receipt((height, 1)).unwrap().unwrap().gas_used, 21_001);
        assert_eq!(snapshot.certificate(height).unwrap().unwrap()[..], [5; 3]);
        let (header, writes) = disk.writes_of(block.digest).unwrap().unwrap();
        assert_eq!((&header, &writes), (&block.header, &block.writes));
    }
    assert!(matches!(disk.write(&child(Some(&blocks[3].header), 0)), Err(DiskError::ReadOnly)));
}

#[test]
fn state_of_past_blocks_is_readable_within_the_window() {
    let folder = TempDir::new().unwrap();
    let disk = open(&folder);
    grow(&disk, 101);
    let snapshot = disk.snapshot();
    for height in 36..=100 {
        let state = snapshot.at(height).unwrap();
        assert_eq!(state.account(address(1)).unwrap().unwrap().nonce, height);
        assert_eq!(state.account(address(3)).unwrap().is_some(), height % 2 == 1);
        let expected = if height % 5 == 0 { 0 } else { height };
        assert_eq!(state.slot(address(2), U256::ZERO).unwrap(), U256::from(expected));
        assert_eq!(state.code(keccak256([1])).unwrap()[..], [1]);
        assert_ne!(state.block_hash(height).unwrap(), B256::ZERO);
        assert_eq!(state.block_hash(height + 1).unwrap(), B256::ZERO);
    }
    assert!(matches!(snapshot.at(35), Err(DiskError::StatePruned { height: 35, oldest: 36 })));
    assert!(matches!(snapshot.at(101), Err(DiskError::UnknownBlock { height: 101 })));
    assert!(disk.writes_of([0; 32]).unwrap().is_none(), "the writes of block 0 are pruned");
}

#[test]
fn reads_at_the_head_follow_every_commit() {
    let folder = TempDir::new().unwrap();
    let disk = open(&folder);
    for height in 0..20 {
        grow(&disk, 1);
        assert_eq!(disk.account(address(1)).unwrap().unwrap().nonce, height);
        let expected = if height % 5 == 0 { 0 } else { height };
        assert_eq!(disk.slot(address(2), U256::ZERO).unwrap(), U256::from(expected));
        assert_eq!(disk.slot(address(2), U256::from(1)).unwrap(), U256::ZERO);
    }
    let snapshot = disk.snapshot();
    let mut accounts = Vec::new();
    let mut collect = |address, _| {
        accounts.push(address);
        Ok(())
    };
    snapshot.each_account(&mut collect).unwrap();
    assert_eq!(accounts, [address(1), address(3)]);
    let mut slots = 0;
    for contract in [address(1), address(2), address(3)] {
        let mut count = |_, _| {
            slots += 1;
            Ok(())
        };
        snapshot.each_slot(contract, &mut count).unwrap();
    }
    assert_eq!(slots, 1);
}

#[test]
fn only_the_child_of_the_head_is_accepted() {
    let folder = TempDir::new().unwrap();
    let disk = open(&folder);
    let first = child(None, 0);
    let orphan = child(Some(&Header { number: 4, ..Default::default() }), 0);
    assert!(matches!(disk.write(&orphan), Err(DiskError::NotChild { number: 5, .. })));
    disk.commit(first.clone()).unwrap();
    disk.commit(first.clone()).expect("committing the head again is a no-op");
    let sibling = child(Some(&Header { number: 0, gas_used: 1, ..Default::default() }), 0);
    assert!(matches!(disk.write(&sibling), Err(DiskError::NotChild { number: 1, .. })));
    assert_eq!(disk.head().unwrap(), Some(first.header));
}

#[test]
fn folders_of_others_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(RedbDisk::open_stopped(folder.path(), None), Err(DiskError::Missing { .. })));
    let disk = open(&folder);
    grow(&disk, 1);
    assert!(matches!(RedbDisk::open_stopped(folder.path(), None), Err(DiskError::InUse { .. })));
    drop(disk);
    let other = RedbDisk::open(folder.path(), Digest([8; 32]), DiskConfig::default());
    assert!(matches!(other, Err(DiskError::OtherGenesis { found: GENESIS, .. })));
    {
        let database = redb::Database::open(folder.path().join(FILE)).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(tables::META).unwrap().insert("format", &3_u32.to_be_bytes()[..]).unwrap();
        write.commit().unwrap();
    }
    let newer = RedbDisk::open(folder.path(), GENESIS, DiskConfig::default());
    assert!(matches!(newer, Err(DiskError::NewerFormat { found: 3, .. })));
}

#[test]
fn a_copy_taken_while_open_is_a_whole_block() {
    // What kill -9 leaves is the file as it is at that moment: a copy of it must open at a committed block.
    let folder = TempDir::new().unwrap();
    let disk = open(&folder);
    for height in 0..6 {
        grow(&disk, 1);
        let copy = TempDir::new().unwrap();
        std::fs::copy(folder.path().join(FILE), copy.path().join(FILE)).unwrap();
        let reopened = RedbDisk::open_stopped(copy.path(), Some(GENESIS)).unwrap();
        assert_eq!(reopened.snapshot().height(), height);
        assert_eq!(reopened.account(address(1)).unwrap().unwrap().nonce, height);
    }
}

/// All entries of the state after `height`, in pages of `bytes`.
fn all_entries(snapshot: &Snapshot, height: u64, bytes: usize) -> Vec<Entry> {
    let (mut after, mut all) = (Vec::new(), Vec::new());
    loop {
        let page = read_entries(&snapshot.entries(height, &after, bytes).unwrap(), &after).unwrap();
        let Some(last) = page.last() else { return all };
        after = last.place();
        all.extend(page);
    }
}

#[test]
fn the_state_of_a_past_block_is_given_page_by_page() {
    let folder = TempDir::new().unwrap();
    let disk = open(&folder);
    for height in 0..12 {
        grow(&disk, 1);
        let now = all_entries(&disk.snapshot(), height, usize::MAX);
        let value = if height % 5 == 0 { None } else { Some(U256::from(height)) };
        let slots: Vec<U256> = now
            .iter()
            .filter_map(|entry| match entry {
                Entry::Slot(_, _, value) => Some(*value),
                Entry::Account(..) => None,
            })
            .collect();
        assert_eq!(slots, Vec::from_iter(value), "at {height}");
        assert_eq!(now.len() - slots.len(), 1 + usize::from(height % 2 == 1), "at {height}");
        // Later the same, whatever the size of a page.
        grow(&disk, 3);
        for bytes in [1, 93, 100, 1_000] {
            assert_eq!(all_entries(&disk.snapshot(), height, bytes), now, "at {height}");
        }
        disk.rewind(height).unwrap();
    }
    assert!(matches!(
        disk.snapshot().entries(99, &[], 1),
        Err(DiskError::UnknownBlock { height: 99 })
    ));
}

#[test]
fn an_imported_state_is_the_head_and_nothing_before_it_is_made_up() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let old = open(&from);
    let blocks = grow(&old, 8);
    let snapshot = old.snapshot();
    let (header, entries) = (blocks[7].header.clone(), all_entries(&snapshot, 7, usize::MAX));

    let disk = open(&to);
    disk.import_begin(b"proofs").unwrap();
    disk.import_entries(&entries[..1], &entries[0].place(), 1).unwrap();
    drop(disk);
    // Killed here, it is found as it was.
    let disk = open(&to);
    let import = disk.import().unwrap().unwrap();
    assert_eq!((import.anchor.as_slice(), import.entries), (&b"proofs"[..], 1));
    assert_eq!(import.after, entries[0].place());
    assert!(disk.head().unwrap().is_none() && disk.is_importing().unwrap());
    disk.import_entries(&entries[1..], &entries.last().unwrap().place(), 3).unwrap();
    assert_eq!(disk.import_codes_missing().unwrap(), [keccak256([1])]);
    disk.import_codes(&[alloy_primitives::bytes::Bytes::from_static(&[1])]).unwrap();
    assert_eq!(disk.import_codes_missing().unwrap(), Vec::<B256>::new());
    let end = ImportEnd {
        headers: blocks[4..].iter().map(|block| block.header.clone()).collect(),
        digest: [1; 32],
        certificate: vec![9],
        handovers: vec![(3, vec![8])],
    };
    disk.import_end(end).unwrap();
    let holds = |disk: &RedbDisk| {
        let snapshot = disk.snapshot();
        assert_eq!(disk.head().unwrap(), Some(header.clone()));
        assert_eq!(all_entries(&snapshot, 7, usize::MAX), entries);
        assert_eq!(disk.block_hash(5).unwrap(), blocks[5].header.hash_slow());
        assert_eq!(snapshot.certificate(3).unwrap().unwrap()[..], [8]);
        assert!(!disk.is_importing().unwrap());
        assert!(matches!(snapshot.at(6), Err(DiskError::StatePruned { height: 6, oldest: 7 })));
        let pruned = snapshot.block(7);
        assert!(matches!(pruned, Err(DiskError::BlockPruned { height: 7, oldest: 8 })));
        assert!(disk.import_begin(b"").is_err(), "it is not empty");
    };
    holds(&disk);
    drop(disk);
    let disk = open(&to);
    holds(&disk);
    grow(&disk, 3);
    let snapshot = disk.snapshot();
    assert_eq!(snapshot.block(8).unwrap().unwrap().transactions.len(), 2);
    assert!(snapshot.at(7).is_ok() && snapshot.at(6).is_err());
}

#[test]
fn a_pruned_node_keeps_its_window_and_what_ends_terms() {
    let folder = TempDir::new().unwrap();
    let whole = open(&folder);
    grow(&whole, BLOCKS_MIN + 200);
    drop(whole);
    let config = DiskConfig { blocks_kept: Some(1), term_blocks: 50, ..DiskConfig::archive(64) };
    let disk = RedbDisk::open(folder.path(), GENESIS, config).unwrap();
    // The backlog goes with the next blocks.
    let blocks = grow(&disk, 6);
    let snapshot = disk.snapshot();
    let oldest = snapshot.height() - BLOCKS_MIN;
    assert_eq!(snapshot.blocks_start(), oldest);
    for height in 0..oldest {
        assert!(matches!(snapshot.block(height), Err(DiskError::BlockPruned { .. })));
        assert!(matches!(snapshot.receipts(height), Err(DiskError::BlockPruned { .. })));
        assert!(snapshot.header(height).unwrap().is_none());
        assert_eq!(snapshot.certificate(height).unwrap().is_some(), height % 50 == 49);
    }
    assert_eq!(snapshot.block(oldest).unwrap().unwrap().transactions.len(), 2);
    assert_eq!(snapshot.position(*transaction(100).inner().tx_hash()).unwrap(), None);
    assert_eq!(snapshot.head().unwrap().1, blocks[5].header);
}

#[test]
fn a_flipped_bit_is_found_and_named() {
    let folder = TempDir::new().unwrap();
    let disk = open(&folder);
    grow(&disk, 200);
    drop(disk);
    let path = folder.path().join(FILE);
    let sound = std::fs::read(&path).unwrap();
    let (mut found, mut tried) = (0, 0);
    // Many places, some of which hold nothing.
    for at in (4_096..sound.len()).step_by(sound.len() / 60) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        tried += 1;
        match RedbDisk::open(folder.path(), GENESIS, DiskConfig::default()) {
            Err(error) => {
                assert!(error.to_string().contains(FILE), "{error}");
                assert!(error.to_string().contains("backup.md"), "{error}");
                found += 1;
            }
            // Then it hit a free page, and everything is as it was.
            Ok(disk) => {
                let snapshot = disk.snapshot();
                assert_eq!(snapshot.height(), 199);
                for height in 0..200 {
                    assert_eq!(snapshot.block(height).unwrap().unwrap().transactions.len(), 2);
                    assert_eq!(snapshot.receipts(height).unwrap().len(), 2);
                }
                assert_eq!(all_entries(&snapshot, 199, usize::MAX).len(), 3);
            }
        }
    }
    assert!(found > 3, "{found} of {tried} were found");
}
