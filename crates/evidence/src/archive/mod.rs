//! The public archive of a node: content-addressed files, and one folder per final epoch. Layout: docs/spec/archive.md.
//!
//! ```text
//! archive/files/<hex SHA-256>                  sidecars and readings files; the name is the content
//! archive/epochs/<e>/inputs.json               what the ledger said: devices, pool, earned, commitments, anchors
//!                    verdicts.jsonl scores.jsonl rewards.jsonl     one leaf a line, canonical bytes as hex
//!                    result.json               the roots that were voted
//!                    own/                      the same five, where this validator computes otherwise than the final result
//! ```
//! A file appears whole or not at all: it is written beside its place, synced, and renamed.

mod epoch;
mod http;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use cairn_primitives::{Digest, Epoch};

pub use epoch::{EpochFile, LeafLine};
pub use http::router;

/// A folder of public files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive {
    root: PathBuf,
}

/// The archive's disk refused, or holds something else than it should.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk refused.
    #[error("cannot {action} {path}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file's content is not what its name says.
    #[error("{path} is not what its name says: its content is {found}")]
    Changed {
        /// The file.
        path: PathBuf,
        /// The digest of what is in it.
        found: Digest,
    },
    /// Larger than a public file may be.
    #[error("{path} has {bytes} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

impl Archive {
    /// The archive in `root`; folders are made as needed.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file with this digest is, or would be.
    #[must_use]
    pub fn file_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("files").join(hex::encode(digest.0))
    }

    /// Where a file of an epoch is, or would be.
    #[must_use]
    pub fn epoch_path(&self, epoch: Epoch, file: EpochFile) -> PathBuf {
        self.root.join("epochs").join(epoch.to_string()).join(file.name())
    }

    /// Whether a file with this name is there; its content is checked when it is read.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.file_path(digest).is_file()
    }

    /// Stores a file under its digest. Storing it again does nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&self, content: &[u8]) -> Result<Digest, ArchiveError> {
        let digest = Digest::of(&[content]);
        let path = self.file_path(&digest);
        if !path.is_file() {
            write_whole(&path, content)?;
        }
        Ok(digest)
    }

    /// Reads the file with this digest and checks that it is; `None` when there is none.
    ///
    /// # Errors
    /// When the disk refuses or the content was changed.
    pub fn get(&self, digest: &Digest) -> Result<Option<Bytes>, ArchiveError> {
        let path = self.file_path(digest);
        let Some(content) = read_whole(&path)? else { return Ok(None) };
        let found = Digest::of(&[&content]);
        if found == *digest {
            Ok(Some(content))
        } else {
            Err(ArchiveError::Changed { path, found })
        }
    }

    /// Removes a file whose content was changed, so that it can be fetched again.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn discard(&self, digest: &Digest) -> Result<(), ArchiveError> {
        let path = self.file_path(digest);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(ArchiveError::Disk { action: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Writes one of an epoch's files.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_epoch(
        &self,
        epoch: Epoch,
        file: EpochFile,
        content: &[u8],
    ) -> Result<(), ArchiveError> {
        write_whole(&self.epoch_path(epoch, file), content)
    }

    /// Where this validator's own result of an epoch is, if it is not the final one.
    #[must_use]
    pub fn own_path(&self, epoch: Epoch) -> PathBuf {
        self.root.join("epochs").join(epoch.to_string()).join("own")
    }

    /// Writes one of the files of an own result that is not the final one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_own(
        &self,
        epoch: Epoch,
        file: EpochFile,
        content: &[u8],
    ) -> Result<(), ArchiveError> {
        write_whole(&self.own_path(epoch).join(file.name()), content)
    }

    /// Reads one of an epoch's files; `None` when there is none.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn get_epoch(&self, epoch: Epoch, file: EpochFile) -> Result<Option<Bytes>, ArchiveError> {
        read_whole(&self.epoch_path(epoch, file))
    }
}

/// Largest file the archive reads into memory.
const FILE_BYTES_MAX: u64 = crate::sealed::FILE_BYTES_MAX;

fn read_whole(path: &Path) -> Result<Option<Bytes>, ArchiveError> {
    let fail = |source| ArchiveError::Disk { action: "read", path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(fail)?,
    };
    if metadata.len() > FILE_BYTES_MAX {
        let (path, bytes, limit) = (path.to_owned(), metadata.len(), FILE_BYTES_MAX);
        return Err(ArchiveError::TooLarge { path, bytes, limit });
    }
    fs::read(path).map(|content| Some(Bytes::from(content))).map_err(fail)
}

/// Two writers of one file in one process use different temporary names.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// Writes a file so that after a crash it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), ArchiveError> {
    let fail = |action| move |source| ArchiveError::Disk { action, path: path.to_owned(), source };
    let folder = path.parent().expect("an archive path has a folder");
    fs::create_dir_all(folder).map_err(fail("make the folder of"))?;
    let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    let temporary = folder.join(format!(".{name}.{}.{number}", std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(fail("write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_what_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(folder.path());
        let digest = archive.put(b"stone").unwrap();
        assert_eq!(archive.put(b"stone").unwrap(), digest);
        assert!(archive.has(&digest));
        assert_eq!(archive.get(&digest).unwrap().unwrap(), b"stone"[..]);
        assert_eq!(archive.get(&Digest::ZERO).unwrap(), None);
    }

    #[test]
    fn a_changed_file_is_an_error_until_it_is_discarded() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(folder.path());
        let digest = archive.put(b"stone").unwrap();
        fs::write(archive.file_path(&digest), b"sand").unwrap();
        assert!(matches!(archive.get(&digest), Err(ArchiveError::Changed { .. })));
        archive.discard(&digest).unwrap();
        archive.discard(&digest).unwrap();
        assert_eq!(archive.get(&digest).unwrap(), None);
    }

    #[test]
    fn no_temporary_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(folder.path());
        archive.put_epoch(Epoch(4), EpochFile::Result, b"{}").unwrap();
        archive.put_epoch(Epoch(4), EpochFile::Result, b"{ }").unwrap();
        assert_eq!(archive.get_epoch(Epoch(4), EpochFile::Result).unwrap().unwrap(), b"{ }"[..]);
        assert_eq!(archive.get_epoch(Epoch(5), EpochFile::Result).unwrap(), None);
        let names: Vec<_> = fs::read_dir(folder.path().join("epochs/4")).unwrap().collect();
        assert_eq!(names.len(), 1);
    }
}
