//! Going back: the store as it was after an earlier block. For development chains only (`crate::dev`): a network's blocks
//! are final, and no other caller may exist.
//!
//! Every block keeps what it replaced, within the window of kept diffs; undoing them from the head down gives the exact
//! tables of that height.

use redb::{ReadableDatabase as _, WriteTransaction};

use super::{
    DiskError, RedbDisk, Store, prune,
    snapshot::Snapshot,
    tables::{self, damaged},
};

impl RedbDisk {
    /// Undoes every block above `height`, in one durable transaction.
    ///
    /// # Errors
    /// When `height` is above the head or below the window of kept diffs, or the store cannot be written.
    pub(crate) fn rewind(&self, height: u64) -> Result<(), DiskError> {
        let Store::Writable(database) = &self.0.store else {
            return Err(DiskError::ReadOnly);
        };
        let head = self.snapshot();
        head.at(height)?;
        let write = database.begin_write()?;
        for undone in (height + 1..=head.height()).rev() {
            prune::block(&write, undone, false)?;
            undo_state(&write, undone)?;
        }
        write.commit()?;
        self.replace(Snapshot::open(&database.begin_read()?)?);
        Ok(())
    }
}

fn undo_state(write: &WriteTransaction, height: u64) -> Result<(), DiskError> {
    let kept = write.open_table(tables::WRITES)?.remove(height)?.map(|b| b.value().to_vec());
    let (digest, writes) = tables::writes_from_bytes(&kept.ok_or(damaged("writes"))?)?;
    write.open_table(tables::DIGESTS)?.remove(&digest[..])?;
    let mut accounts = write.open_table(tables::ACCOUNTS)?;
    let mut account_history = write.open_table(tables::ACCOUNT_HISTORY)?;
    for address in writes.accounts.keys() {
        let key = tables::account_history_key(*address, height);
        let before = account_history.remove(&key[..])?.map(|bytes| bytes.value().to_vec());
        match before.ok_or(damaged("account_history"))?.as_slice() {
            [] => accounts.remove(address.as_slice())?,
            bytes => accounts.insert(address.as_slice(), bytes)?,
        };
    }
    let mut slots = write.open_table(tables::SLOTS)?;
    let mut slot_history = write.open_table(tables::SLOT_HISTORY)?;
    for (address, slot) in writes.slots.keys() {
        let key = tables::slot_history_key(*address, *slot, height);
        let before = slot_history.remove(&key[..])?.map(|bytes| bytes.value().to_vec());
        let before = before.ok_or(damaged("slot_history"))?;
        let place = tables::slot_key(*address, *slot);
        if before.iter().all(|byte| *byte == 0) {
            slots.remove(&place[..])?;
        } else {
            slots.insert(&place[..], &before[..])?;
        }
    }
    Ok(())
}
