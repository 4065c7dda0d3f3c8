//! Writing: the meta records of a new store, and one block in one durable transaction.

use alloy_primitives::B256;
use cairn_consensus::FinalBlock;
use cairn_primitives::Digest;
use redb::{Database, ReadableTable, WriteTransaction};

use super::{
    DiskConfig, DiskError, prune,
    snapshot::Snapshot,
    tables::{self, damaged},
};

const GENESIS_KEY: &str = "genesis";

/// Makes the tables of a new store; of an existing one it changes nothing.
pub(super) fn prepare(database: &Database, genesis: Digest) -> Result<(), DiskError> {
    let write = database.begin_write()?;
    {
        let mut meta = write.open_table(tables::META)?;
        if meta.get(tables::FORMAT_KEY)?.is_some() {
            drop(meta);
            return Ok(write.abort()?);
        }
        meta.insert(tables::FORMAT_KEY, &tables::FORMAT.to_be_bytes()[..])?;
        meta.insert(GENESIS_KEY, &genesis.as_bytes()[..])?;
    }
    write.open_table(tables::ACCOUNTS)?;
    write.open_table(tables::SLOTS)?;
    write.open_table(tables::CODES)?;
    write.open_table(tables::HEADERS)?;
    write.open_table(tables::HEIGHTS)?;
    write.open_table(tables::TRANSACTIONS)?;
    write.open_table(tables::RECEIPTS)?;
    write.open_table(tables::POSITIONS)?;
    write.open_table(tables::CERTIFICATES)?;
    write.open_table(tables::DIGESTS)?;
    write.open_table(tables::WRITES)?;
    write.open_table(tables::ACCOUNT_HISTORY)?;
    write.open_table(tables::SLOT_HISTORY)?;
    Ok(write.commit()?)
}

/// Format and genesis of a store.
pub(super) fn read_meta(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<(u32, Digest), DiskError> {
    let format = meta.get(tables::FORMAT_KEY)?.ok_or(damaged("meta"))?;
    let genesis = meta.get(GENESIS_KEY)?.ok_or(damaged("meta"))?;
    let format = format.value().try_into().map_err(|_| damaged("meta"))?;
    let genesis = genesis.value().try_into().map_err(|_| damaged("meta"))?;
    Ok((u32::from_be_bytes(format), Digest(genesis)))
}

/// Writes `block`, the child of the snapshot's head, and drops what falls out of the window.
pub(super) fn commit(
    database: &Database,
    head: &Snapshot,
    hash: B256,
    block: &FinalBlock,
    config: &DiskConfig,
) -> Result<(), DiskError> {
    let write = database.begin_write()?;
    write_block(&write, hash, block)?;
    write_state(&write, head, block)?;
    if let Some(expired) = block.header.number.checked_sub(config.state_window) {
        forget(&write, expired)?;
    }
    if let Some(kept) = config.blocks_kept {
        prune::blocks(&write, head, block.header.number.saturating_sub(kept), config.term_blocks)?;
    }
    Ok(write.commit()?)
}

fn write_block(write: &WriteTransaction, hash: B256, block: &FinalBlock) -> Result<(), DiskError> {
    let height = block.header.number;
    write
        .open_table(tables::HEADERS)?
        .insert(height, &tables::header_to_bytes(hash, &block.header)[..])?;
    write.open_table(tables::HEIGHTS)?.insert(hash.as_slice(), height)?;
    write.open_table(tables::CERTIFICATES)?.insert(height, &block.certificate[..])?;
    let mut transactions = write.open_table(tables::TRANSACTIONS)?;
    let mut receipts = write.open_table(tables::RECEIPTS)?;
    let mut positions = write.open_table(tables::POSITIONS)?;
    let mut first_log = 0;
    let rows = block.transactions.iter().zip(&block.receipts).zip(&block.gas_used);
    for (index, ((transaction, receipt), gas_used)) in (0_u32..).zip(rows) {
        let position = (height, index);
        transactions.insert(position, &tables::transaction_to_bytes(transaction)[..])?;
        receipts.insert(position, &tables::receipt_to_bytes(*gas_used, first_log, receipt)[..])?;
        positions.insert(transaction.inner().tx_hash().as_slice(), position)?;
        first_log += u32::try_from(receipt.logs().len()).unwrap_or(u32::MAX);
    }
    Ok(())
}

fn write_state(
    write: &WriteTransaction,
    head: &Snapshot,
    block: &FinalBlock,
) -> Result<(), DiskError> {
    let height = block.header.number;
    let mut accounts = write.open_table(tables::ACCOUNTS)?;
    let mut account_history = write.open_table(tables::ACCOUNT_HISTORY)?;
    for (address, account) in &block.writes.accounts {
        let before = head.read_account(*address)?.map(|account| tables::account_to_bytes(&account));
        let before = before.as_ref().map_or(&[][..], |bytes| &bytes[..]);
        account_history.insert(&tables::account_history_key(*address, height)[..], before)?;
        match account {
            Some(account) => {
                accounts.insert(address.as_slice(), &tables::account_to_bytes(account)[..])?
            }
            None => accounts.remove(address.as_slice())?,
        };
    }
    let mut slots = write.open_table(tables::SLOTS)?;
    let mut slot_history = write.open_table(tables::SLOT_HISTORY)?;
    for ((address, slot), value) in &block.writes.slots {
        let before = head.read_slot(*address, *slot)?.to_be_bytes::<32>();
        slot_history.insert(&tables::slot_history_key(*address, *slot, height)[..], &before[..])?;
        let key = tables::slot_key(*address, *slot);
        if value.is_zero() {
            slots.remove(&key[..])?;
        } else {
            slots.insert(&key[..], &value.to_be_bytes::<32>()[..])?;
        }
    }
    let mut codes = write.open_table(tables::CODES)?;
    for (hash, code) in &block.writes.codes {
        codes.insert(hash.as_slice(), &code[..])?;
    }
    let writes = tables::writes_to_bytes(block.digest, &block.writes);
    write.open_table(tables::WRITES)?.insert(height, &writes[..])?;
    write.open_table(tables::DIGESTS)?.insert(&block.digest[..], height)?;
    Ok(())
}

/// Drops the diff of block `height`: afterwards its own state is the oldest that can be read.
fn forget(write: &WriteTransaction, height: u64) -> Result<(), DiskError> {
    let mut kept = write.open_table(tables::WRITES)?;
    let Some(bytes) = kept.remove(height)?.map(|bytes| bytes.value().to_vec()) else {
        return Ok(());
    };
    let (digest, writes) = tables::writes_from_bytes(&bytes)?;
    write.open_table(tables::DIGESTS)?.remove(&digest[..])?;
    let mut account_history = write.open_table(tables::ACCOUNT_HISTORY)?;
    for address in writes.accounts.keys() {
        account_history.remove(&tables::account_history_key(*address, height)[..])?;
    }
    let mut slot_history = write.open_table(tables::SLOT_HISTORY)?;
    for (address, slot) in writes.slots.keys() {
        slot_history.remove(&tables::slot_history_key(*address, *slot, height)[..])?;
    }
    Ok(())
}
