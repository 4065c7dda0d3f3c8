//! What this node answered for is not lost: local transactions are on disk, synced, before their sender hears of success.
//!
//! An append-only file of records `length u32 ++ first 4 bytes of SHA-256 ++ transaction`. A torn last record (power cut in
//! the middle of a write) was never acknowledged and is cut off. Concurrent senders share one sync.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, PoisonError},
};

use cairn_primitives::Digest;

/// The file in a node's data folder.
pub const FILE: &str = "pool.journal";
/// A length above this is damage, not a transaction.
const RECORD_BYTES_MAX: usize = 1 << 20;
/// The file is rewritten when it has this many records more than the pool has local transactions.
const DEAD_MAX: usize = 1_024;

#[derive(Debug)]
struct Inner {
    file: File,
    records: usize,
    written: u64,
    synced: u64,
    syncing: bool,
}

/// See the file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    inner: Mutex<Inner>,
    turn: Condvar,
}

impl Journal {
    /// Opens the journal in `folder` and returns what it holds, in order.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(folder: &Path) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let (records, whole) = parse(&bytes);
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        if whole < bytes.len() {
            file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
            file.sync_all()?;
        }
        let inner = Inner { file, records: records.len(), written: 0, synced: 0, syncing: false };
        Ok((Self { path, inner: Mutex::new(inner), turn: Condvar::new() }, records))
    }

    /// Appends transactions with one write and returns once they are on disk.
    ///
    /// # Errors
    /// When the disk refuses; none of them must then be acknowledged.
    pub fn append(&self, raws: &[impl AsRef<[u8]>]) -> io::Result<()> {
        if raws.is_empty() {
            return Ok(());
        }
        let records = raws.iter().flat_map(|raw| record(raw.as_ref())).collect::<Vec<u8>>();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.file.write_all(&records)?;
        inner.records += raws.len();
        inner.written += 1;
        let mine = inner.written;
        while inner.synced < mine {
            if inner.syncing {
                inner = self.turn.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            inner.syncing = true;
            let (upto, file) = (inner.written, inner.file.try_clone());
            drop(inner);
            let synced = file.and_then(|file| file.sync_data());
            inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.syncing = false;
            self.turn.notify_all();
            synced?;
            inner.synced = inner.synced.max(upto);
        }
        Ok(())
    }

    /// Rewrites the file with `live` only, once enough of it is dead. `live` is asked while no append can happen, and callers
    /// put a transaction into the pool before they append it, so nothing acknowledged is missing from it.
    ///
    /// # Errors
    /// When the disk refuses; the old file stays.
    pub fn trim(&self, live: impl FnOnce() -> Vec<Vec<u8>>) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.syncing || inner.records < DEAD_MAX {
            return Ok(());
        }
        let live = live();
        if inner.records < live.len() + DEAD_MAX {
            return Ok(());
        }
        let next = self.path.with_extension("next");
        let mut file = File::create(&next)?;
        for raw in &live {
            file.write_all(&record(raw))?;
        }
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        inner.file = OpenOptions::new().append(true).open(&self.path)?;
        inner.records = live.len();
        inner.synced = inner.written;
        Ok(())
    }
}

fn record(raw: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(raw.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.extend_from_slice(&Digest::of(&[raw]).as_bytes()[..4]);
    bytes.extend_from_slice(raw);
    bytes
}

/// The whole records, and how many bytes they take.
fn parse(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some((length, rest)) = bytes[at..].split_first_chunk::<4>() {
        let Ok(length) = usize::try_from(u32::from_be_bytes(*length)) else { break };
        let Some((check, rest)) = rest.split_first_chunk::<4>() else { break };
        let Some(raw) = rest.get(..length).filter(|_| length <= RECORD_BYTES_MAX) else { break };
        if Digest::of(&[raw]).as_bytes()[..4] != check[..] {
            break;
        }
        records.push(raw.to_vec());
        at += 8 + length;
    }
    (records, at)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_was_appended_comes_back_and_a_torn_tail_does_not() {
        let folder = TempDir::new().unwrap();
        let (journal, found) = Journal::open(folder.path()).unwrap();
        assert!(found.is_empty());
        journal.append(&[b"one"]).unwrap();
        journal.append(&[b"two"]).unwrap();
        drop(journal);
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (_, found) = Journal::open(folder.path()).unwrap();
            assert_eq!(found.len(), cut / 11, "cut at {cut}");
            assert_eq!(fs::read(&path).unwrap().len(), cut / 11 * 11);
        }
        fs::write(&path, [&whole[..], &[0xff; 40]].concat()).unwrap();
        let (journal, found) = Journal::open(folder.path()).unwrap();
        assert_eq!(found, [b"one".to_vec(), b"two".to_vec()]);
        journal.append(&[b"three"]).unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap().1.len(), 3);
    }

    #[test]
    fn dead_records_are_trimmed() {
        let folder = TempDir::new().unwrap();
        let (journal, _) = Journal::open(folder.path()).unwrap();
        for n in 0..DEAD_MAX + 1 {
            journal.append(&[n.to_be_bytes()]).unwrap();
        }
        journal.trim(|| vec![b"live".to_vec()]).unwrap();
        journal.append(&[b"after"]).unwrap();
        let (_, found) = Journal::open(folder.path()).unwrap();
        assert_eq!(found, [b"live".to_vec(), b"after".to_vec()]);
    }

    #[test]
    fn many_senders_share_syncs_and_lose_nothing() {
        let folder = TempDir::new().unwrap();
        let (journal, _) = Journal::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            for n in 0..16_u8 {
                let journal = &journal;
                scope
                    .spawn(move || (0..8).for_each(|_| journal.append(&[[n; 5], [n; 5]]).unwrap()));
            }
        });
        assert_eq!(Journal::open(folder.path()).unwrap().1.len(), 256);
    }
}
