//! The write-ahead journal of an ingest: a batch is in it, on disk, before its receipt leaves the house.
//!
//! ```text
//! one file per epoch:  "cairn/journal/1\n"  record*        record = length u32 LE | check 8 B | kind 1 B | bytes
//! check = first 8 bytes of SHA-256(kind ‖ bytes)           kind 0 = accepted envelope, 1 = equivocating envelope
//! ```
//! For kind 0 the check is the beginning of the batch's Merkle leaf, so it costs nothing to compute.
//! After `kill -9` only the end of a file can be torn: reading stops at the first record that does not check and the file
//! is cut there, which loses nothing that was acknowledged.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use cairn_primitives::{BATCH_BYTES_MAX, Digest, Epoch};

const MAGIC: &[u8; 16] = b"cairn/journal/1\n";
const HEADER: usize = 13;

/// What a record says about its envelope. The numbers are file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Accepted.
    Accepted = 0,
    /// Signed for sequence numbers of an accepted batch: proof against the device.
    Equivocating = 1,
}

/// One envelope of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Why it is kept.
    pub kind: Kind,
    /// The envelope.
    pub bytes: Vec<u8>,
}

/// The disk refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the journal {path}")]
pub struct JournalError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The open journal of one epoch.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens the journal of `epoch` in `folder`, or begins it, and returns what is already in it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(folder: &Path, epoch: Epoch) -> Result<(Self, Vec<Record>), JournalError> {
        let path = folder.join(format!("{epoch}.journal"));
        let fail = |action| {
            let path = path.clone();
            move |source| JournalError { action, path, source }
        };
        fs::create_dir_all(folder).map_err(fail("make the folder of"))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail("open"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail("read"))?;
        let (records, end) = parse(&bytes);
        if end < bytes.len() || end == 0 {
            if end < bytes.len() {
                tracing::warn!(path = %path.display(), torn_bytes = bytes.len() - end, "journal cut at its torn end");
            }
            file.set_len(end as u64).map_err(fail("cut"))?;
        }
        file.seek(SeekFrom::Start(end as u64)).map_err(fail("seek in"))?;
        let mut journal = Self { path, file, buffer: Vec::new() };
        if end == 0 {
            journal.buffer.extend(MAGIC);
            journal.sync()?;
            sync_folder(folder);
        }
        Ok((journal, records))
    }

    /// Adds an envelope to the next group. `leaf` must be its Merkle leaf.
    pub fn push(&mut self, kind: Kind, bytes: &[u8], leaf: &Digest) {
        let check = check(kind, bytes, leaf);
        let length = u32::try_from(bytes.len()).expect("an envelope is at most 64 KiB");
        self.buffer.extend(length.to_le_bytes());
        self.buffer.extend(check);
        self.buffer.push(kind as u8);
        self.buffer.extend(bytes);
    }

    /// Writes the group and waits until it is on disk. Call it before any of its receipts is given.
    ///
    /// # Errors
    /// When the disk refuses; the group is then not acknowledged, and the torn end is cut at the next start.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = self.file.write_all(&self.buffer).and_then(|()| self.file.sync_data());
        self.buffer.clear();
        result.map_err(|source| JournalError {
            action: "append to",
            path: self.path.clone(),
            source,
        })
    }
}

/// The epochs that have a journal in `folder`, the oldest first.
///
/// # Errors
/// When the folder cannot be read; a missing folder has none.
pub fn epochs(folder: &Path) -> Result<BTreeSet<Epoch>, JournalError> {
    let fail = |source| JournalError { action: "list", path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other.map_err(fail)?,
    };
    let mut epochs = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(fail)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal")?.parse().ok());
        epochs.extend(number.map(Epoch));
    }
    Ok(epochs)
}

/// Deletes the journal of `epoch`.
///
/// # Errors
/// When the disk refuses; a journal that is not there is fine.
pub fn remove(folder: &Path, epoch: Epoch) -> Result<(), JournalError> {
    let path = folder.join(format!("{epoch}.journal"));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(JournalError { action: "remove", path, source: error })
        }
        _ => Ok(()),
    }
}

/// Makes a new name in `folder` survive a power cut, as far as the platform can.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

fn check(kind: Kind, bytes: &[u8], leaf: &Digest) -> [u8; 8] {
    match kind {
        Kind::Accepted => leaf.prefix(),
        Kind::Equivocating => Digest::of(&[&[kind as u8], bytes]).prefix(),
    }
}

/// The records up to the first that does not check, and where they end.
fn parse(bytes: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    if !bytes.starts_with(MAGIC) {
        return (records, 0);
    }
    let mut at = MAGIC.len();
    while let Some((record, length)) = parse_record(&bytes[at..]) {
        records.push(record);
        at += length;
    }
    (records, at)
}

fn parse_record(bytes: &[u8]) -> Option<(Record, usize)> {
    let header = bytes.get(..HEADER)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let kind = match header[12] {
        0 => Kind::Accepted,
        1 => Kind::Equivocating,
        _ => return None,
    };
    if length > BATCH_BYTES_MAX {
        return None;
    }
    let body = bytes.get(HEADER..HEADER + length)?;
    let expected = Digest::of(&[&[kind as u8], body]).prefix();
    (expected == header[4..12]).then(|| (Record { kind, bytes: body.to_vec() }, HEADER + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_primitives::leaf_hash;

    fn write(folder: &Path, bodies: &[&[u8]]) {
        let (mut journal, _) = Journal::open(folder, Epoch(3)).unwrap();
        for body in bodies {
            journal.push(Kind::Accepted, body, &leaf_hash(body));
            journal.push(Kind::Equivocating, body, &leaf_hash(body));
        }
        journal.sync().unwrap();
    }

    fn bodies(folder: &Path) -> Vec<Vec<u8>> {
        let records = Journal::open(folder, Epoch(3)).unwrap().1;
        records
            .into_iter()
            .filter(|record| record.kind == Kind::Accepted)
            .map(|record| record.bytes)
            .collect()
    }

    #[test]
    fn what_was_synced_is_there_after_a_reopen() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[b"one", b"two"]);
        write(folder.path(), &[b"three"]);
        assert_eq!(bodies(folder.path()), [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
        assert_eq!(epochs(folder.path()).unwrap(), BTreeSet::from([Epoch(3)]));
        remove(folder.path(), Epoch(3)).unwrap();
        remove(folder.path(), Epoch(3)).unwrap();
        assert!(epochs(folder.path()).unwrap().is_empty());
        assert!(epochs(&folder.path().join("missing")).unwrap().is_empty());
    }

    #[test]
    fn a_torn_end_is_cut_and_writing_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[b"one", b"two"]);
        let path = folder.path().join("3.journal");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let kept = bodies(folder.path());
            assert!(kept.len() <= 2);
            write(folder.path(), &[b"again"]);
            assert_eq!(bodies(folder.path()).last().unwrap(), b"again", "cut at {length}");
        }
    }

    #[test]
    fn a_changed_byte_ends_the_journal_before_it() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[b"one", b"two"]);
        let path = folder.path().join("3.journal");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(Journal::open(folder.path(), Epoch(3)).unwrap().1.len() < 4, "byte {at}");
        }
    }
}
