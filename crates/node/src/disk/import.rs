//! Filling an empty store with the state of a block that other nodes gave (`cairn_consensus::sync_state`, which checks every entry).
//!
//! The store has no head until the import ends, so nothing reads a half state. What was taken is committed page by page with the
//! place of its last entry; a node that is killed goes on behind it.

use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, keccak256};
use cairn_consensus::{Entry, Import, ImportEnd, PLACE_BYTES_MAX, StateDisk};
use cairn_ledger::StateError;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, WriteTransaction};

use super::{
    DiskError, RedbDisk, Store,
    snapshot::Snapshot,
    tables::{self, damaged},
};

/// Proofs of the block whose state is taken.
const ANCHOR_KEY: &str = "import";
/// Number of entries ‖ place of the last one.
const PROGRESS_KEY: &str = "import_progress";

impl RedbDisk {
    /// Whether a state sync began here and has not ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_importing(&self) -> Result<bool, DiskError> {
        Ok(self.read_import()?.is_some())
    }

    fn writable(&self) -> Result<&Database, DiskError> {
        match &self.0.store {
            Store::Writable(database) => Ok(database),
            Store::ReadOnly(_) => Err(DiskError::ReadOnly),
        }
    }

    fn read_import(&self) -> Result<Option<Import>, DiskError> {
        let meta = self.0.store.begin_read()?.open_table(tables::META)?;
        let Some(anchor) = meta.get(ANCHOR_KEY)? else { return Ok(None) };
        let progress = meta.get(PROGRESS_KEY)?.ok_or(damaged("meta"))?;
        let mut progress = progress.value();
        let entries = u64::from_be_bytes(tables::take(&mut progress, "meta")?);
        if progress.len() > PLACE_BYTES_MAX {
            return Err(damaged("meta"));
        }
        Ok(Some(Import { anchor: anchor.value().to_vec(), after: progress.to_vec(), entries }))
    }

    fn begin_import(&self, anchor: &[u8]) -> Result<(), DiskError> {
        let head = self.snapshot();
        if let Some((_, header)) = head.head() {
            return Err(DiskError::NotEmpty { height: header.number });
        }
        let write = self.writable()?.begin_write()?;
        clear(&write)?;
        {
            let mut meta = write.open_table(tables::META)?;
            meta.insert(ANCHOR_KEY, anchor)?;
            meta.insert(PROGRESS_KEY, &0_u64.to_be_bytes()[..])?;
        }
        Ok(write.commit()?)
    }

    fn take_entries(&self, page: &[Entry], after: &[u8], entries: u64) -> Result<(), DiskError> {
        let write = self.writable()?.begin_write()?;
        {
            let mut accounts = write.open_table(tables::ACCOUNTS)?;
            let mut slots = write.open_table(tables::SLOTS)?;
            for entry in page {
                match entry {
                    Entry::Account(address, account) => {
                        let bytes = tables::account_to_bytes(account);
                        accounts.insert(address.as_slice(), &bytes[..])?;
                    }
                    Entry::Slot(address, slot, value) => {
                        let key = tables::slot_key(*address, *slot);
                        slots.insert(&key[..], &value.to_be_bytes::<32>()[..])?;
                    }
                }
            }
            let progress = [&entries.to_be_bytes()[..], after].concat();
            write.open_table(tables::META)?.insert(PROGRESS_KEY, &progress[..])?;
        }
        Ok(write.commit()?)
    }

    fn missing_codes(&self) -> Result<Vec<B256>, DiskError> {
        let read = self.0.store.begin_read()?;
        let (accounts, codes) =
            (read.open_table(tables::ACCOUNTS)?, read.open_table(tables::CODES)?);
        let mut missing = std::collections::BTreeSet::new();
        for entry in accounts.iter()? {
            let hash = tables::account_from_bytes(entry?.1.value())?.code_hash;
            if hash != KECCAK256_EMPTY
                && !missing.contains(&hash)
                && codes.get(hash.as_slice())?.is_none()
            {
                missing.insert(hash);
            }
        }
        Ok(missing.into_iter().collect())
    }

    fn take_codes(&self, taken: &[Bytes]) -> Result<(), DiskError> {
        let write = self.writable()?.begin_write()?;
        {
            let mut codes = write.open_table(tables::CODES)?;
            for code in taken {
                codes.insert(keccak256(code).as_slice(), &code[..])?;
            }
        }
        Ok(write.commit()?)
    }

    fn end_import(&self, end: &ImportEnd) -> Result<(), DiskError> {
        let Some(head) = end.headers.last() else { return Err(damaged("headers")) };
        let database = self.writable()?;
        let write = database.begin_write()?;
        {
            let mut headers = write.open_table(tables::HEADERS)?;
            let mut heights = write.open_table(tables::HEIGHTS)?;
            for header in &end.headers {
                let hash = header.hash_slow();
                headers.insert(header.number, &tables::header_to_bytes(hash, header)[..])?;
                heights.insert(hash.as_slice(), header.number)?;
            }
            let mut certificates = write.open_table(tables::CERTIFICATES)?;
            for (height, certificate) in &end.handovers {
                certificates.insert(height, &certificate[..])?;
            }
            certificates.insert(head.number, &end.certificate[..])?;
            let mut meta = write.open_table(tables::META)?;
            meta.insert(tables::BASE_KEY, &head.number.to_be_bytes()[..])?;
            meta.insert(tables::BLOCKS_KEY, &(head.number + 1).to_be_bytes()[..])?;
            meta.insert(tables::FORMAT_KEY, &tables::FORMAT.to_be_bytes()[..])?;
            meta.remove(ANCHOR_KEY)?;
            meta.remove(PROGRESS_KEY)?;
        }
        write.commit()?;
        self.replace(Snapshot::open(&database.begin_read()?)?);
        Ok(())
    }
}

/// Empties the tables that an import fills.
fn clear(write: &WriteTransaction) -> Result<(), DiskError> {
    for table in [tables::ACCOUNTS, tables::SLOTS, tables::CODES] {
        write.delete_table(table)?;
        write.open_table(table)?;
    }
    Ok(())
}

impl StateDisk for RedbDisk {
    fn import(&self) -> Result<Option<Import>, StateError> {
        Ok(self.read_import()?)
    }
    fn import_begin(&self, anchor: &[u8]) -> Result<(), StateError> {
        Ok(self.begin_import(anchor)?)
    }
    fn import_entries(&self, page: &[Entry], after: &[u8], entries: u64) -> Result<(), StateError> {
        Ok(self.take_entries(page, after, entries)?)
    }
    fn import_codes_missing(&self) -> Result<Vec<B256>, StateError> {
        Ok(self.missing_codes()?)
    }
    fn import_codes(&self, codes: &[alloy_primitives::bytes::Bytes]) -> Result<(), StateError> {
        let codes: Vec<Bytes> = codes.iter().cloned().map(Bytes).collect();
        Ok(self.take_codes(&codes)?)
    }
    fn import_end(&self, end: ImportEnd) -> Result<(), StateError> {
        Ok(self.end_import(&end)?)
    }
}
