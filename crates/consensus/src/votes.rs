//! What this validator's key has signed: a log beside the key, written and synced before a vote leaves the machine.
//! The engine's own journal is synced before it, so a crash never leaves a vote here that the engine has forgotten.
//!
//! ```text
//! engine ─► Scheme::sign ─► does what left before allow it? ─► signature ─► engine's journal, fsync ─► this log, fsync ─► peers
//! ```
//! The engine journals its votes too, in the data folder. That journal comes back with a backup, older than the votes that others hold;
//! this log is never part of a backup. So a node with yesterday's data and today's log signs nothing that contradicts what it
//! signed, and a node without its log signs nothing at all until it is told that it was restored: then it waits for a term that begins after
//! that, in which the key cannot have signed (docs/adr/0020-sync.md, docs/runbooks/backup.md).
//!
//! Invariant: in one view the log never holds two notarizations, two finalizations, or a nullification and a finalization, which are the
//! pairs that convict (docs/spec/finality.md).

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cairn_primitives::{Digest, TimeMs};

const MAGIC: &[u8; 8] = b"CAIRNVT1";
/// Magic, not-before, floor's term and view, checksum.
const HEAD_BYTES: usize = 8 + 8 + 16 + 4;
/// Kind, term, view, message, checksum.
const VOTE_BYTES: usize = 1 + 16 + 32 + 4;
/// Views whose votes are kept; older ones are never signed again. More than the engine looks back.
const VIEWS_KEPT: usize = 256;
/// Votes in the file when it is written anew with only those that are kept.
const VOTES_MAX: usize = 8_192;

/// What a vote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VoteKind {
    Notarize = 0,
    Nullify = 1,
    Finalize = 2,
}

/// A vote, as the log knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) term: u64,
    pub(crate) view: u64,
    pub(crate) kind: VoteKind,
    /// What is voted for; zeros of a nullification.
    pub(crate) message: [u8; 32],
}

/// How a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteStart {
    /// It must be there.
    Known,
    /// It is made if it is not there: for a key that has never signed.
    New,
    /// The data or the key was restored from a copy, at this network time: nothing is signed before a term that begins later.
    Restored(TimeMs),
}

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VoteLogError {
    /// It is not there.
    #[error(
        "{path} is missing: it says what this key has signed. If the node was restored from a backup or moved without it, start it once \
         with --restored: it votes again from the next term on"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Another process uses it.
    #[error("{path} is in use: another validator runs with this key on this machine")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is no log of votes.
    #[error(
        "{path} is damaged: move it away and start once with --restored: the validator votes again from the next term on"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("cannot use the log of votes {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The log; clones share it.
#[derive(Clone, Debug)]
pub struct VoteLog(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    signed: BTreeMap<(u64, u64), Signed>,
    /// Nothing is signed in this round or before it.
    floor: (u64, u64),
    /// Terms that began at this network time or before are not voted in; 0 asks for nothing.
    not_before: u64,
    /// The term that may be voted in.
    open: Option<u64>,
    /// None of a log in memory.
    file: Option<Stored>,
}

#[derive(Debug)]
struct Stored {
    path: PathBuf,
    file: File,
    votes: usize,
    /// A write failed: what is on the disk is not known, and nothing is signed any more.
    failed: bool,
}

/// What was signed in one view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signed {
    notarized: Option<[u8; 32]>,
    nullified: bool,
    finalized: Option<[u8; 32]>,
}

impl Signed {
    /// Whether the vote was signed before, may be signed now, or contradicts.
    fn says(&self, vote: &Vote) -> Says {
        let same = |before: Option<[u8; 32]>| before.is_none_or(|before| before == vote.message);
        match vote.kind {
            VoteKind::Notarize if self.notarized == Some(vote.message) => Says::Again,
            VoteKind::Nullify if self.nullified => Says::Again,
            VoteKind::Finalize if self.finalized == Some(vote.message) => Says::Again,
            VoteKind::Notarize if same(self.notarized) && same(self.finalized) => Says::New,
            VoteKind::Nullify if self.finalized.is_none() => Says::New,
            VoteKind::Finalize
                if same(self.finalized) && same(self.notarized) && !self.nullified =>
            {
                Says::New
            }
            _ => Says::Never,
        }
    }

    fn put(&mut self, vote: &Vote) {
        match vote.kind {
            VoteKind::Notarize => self.notarized = Some(vote.message),
            VoteKind::Nullify => self.nullified = true,
            VoteKind::Finalize => self.finalized = Some(vote.message),
        }
    }

    fn votes(&self, (term, view): (u64, u64)) -> impl Iterator<Item = Vote> {
        let vote = move |kind, message| Vote { term, view, kind, message };
        let nullified = self.nullified.then(|| vote(VoteKind::Nullify, [0; 32]));
        let notarized = self.notarized.map(|message| vote(VoteKind::Notarize, message));
        let finalized = self.finalized.map(|message| vote(VoteKind::Finalize, message));
        [notarized, nullified, finalized].into_iter().flatten()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Again,
    New,
    Never,
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let Digest(hash) = Digest::of(&[b"cairn/votes/v1", bytes]);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Appends the checksum of everything before it.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

/// The bytes before a checksum that is right.
fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (bytes, sum) = bytes.split_last_chunk::<4>()?;
    (checksum(bytes) == *sum).then_some(bytes)
}

impl Vote {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.kind as u8];
        bytes.extend_from_slice(&self.term.to_be_bytes());
        bytes.extend_from_slice(&self.view.to_be_bytes());
        bytes.extend_from_slice(&self.message);
        sealed(bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = unsealed(bytes)?.split_first()?;
        let (term, rest) = rest.split_first_chunk::<8>()?;
        let (view, message) = rest.split_first_chunk::<8>()?;
        let kind = match kind {
            0 => VoteKind::Notarize,
            1 => VoteKind::Nullify,
            2 => VoteKind::Finalize,
            _ => return None,
        };
        Some(Self {
            term: u64::from_be_bytes(*term),
            view: u64::from_be_bytes(*view),
            kind,
            message: message.try_into().ok()?,
        })
    }
}

impl VoteLog {
    /// A log of no file in which no term is open.
    pub(crate) fn closed() -> Self {
        Self(Arc::default())
    }

    /// A log that is gone with its last handle: for simulations, where what survives a crash is said otherwise.
    #[cfg(test)]
    pub(crate) fn memory() -> Self {
        Self(Arc::default())
    }

    /// Opens the log at `path`.
    ///
    /// # Errors
    /// When it is missing and should be there, is damaged, in use by another process, or cannot be written.
    pub fn open(path: &Path, start: VoteStart) -> Result<Self, VoteLogError> {
        let io = |source| VoteLogError::Io { path: path.into(), source };
        if !path.exists() {
            if start == VoteStart::Known {
                return Err(VoteLogError::Missing { path: path.into() });
            }
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(io)?;
            }
            Inner::default().write_anew(path).map_err(io)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(VoteLogError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let mut inner =
            Inner::read(&bytes).ok_or_else(|| VoteLogError::Damaged { path: path.into() })?;
        if let VoteStart::Restored(now) = start {
            inner.not_before = inner.not_before.max(now.0);
        }
        // Written anew at every start: a record that was cut by a crash goes, and it was never sent.
        let file = inner.write_anew(path).map_err(io)?;
        inner.file = Some(Stored { path: path.into(), file, votes: inner.count(), failed: false });
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A term is run now that began with a block of this network time: from now on votes of this term are allowed and of no
    /// other, and none where this key may have signed in it before it was restored.
    pub(crate) fn begin(&self, term: u64, began: TimeMs) {
        let mut inner = self.lock();
        let silent = inner.not_before != 0 && began.0 <= inner.not_before;
        if silent {
            tracing::warn!(
                term,
                "this validator was restored: it does not vote in this term, in which its key may have voted before"
            );
        }
        inner.open = (!silent).then_some(term);
    }

    /// A term that the node of a key in another process is in: no earlier one is voted in any more.
    pub(crate) fn follow(&self, term: u64) {
        let mut inner = self.lock();
        let last = inner.signed.keys().next_back().map_or(inner.floor.0, |(term, _)| *term);
        inner.open = Some(inner.open.unwrap_or(last).max(term));
    }

    /// Whether the key may sign this.
    pub(crate) fn allow(&self, vote: &Vote) -> bool {
        let inner = self.lock();
        let says = inner.says(vote);
        if says == Says::Never && inner.open == Some(vote.term) {
            tracing::warn!(
                term = vote.term,
                view = vote.view,
                kind = ?vote.kind,
                "not signed: this key has signed otherwise in this view"
            );
        }
        says != Says::Never && !inner.file.as_ref().is_some_and(|stored| stored.failed)
    }

    /// Whether a signed vote may leave; then it is on the disk that it did.
    pub(crate) fn sent(&self, vote: &Vote) -> bool {
        let mut inner = self.lock();
        match inner.says(vote) {
            Says::Again => true,
            Says::New => inner.keep(vote),
            Says::Never => false,
        }
    }
}

impl Inner {
    fn says(&self, vote: &Vote) -> Says {
        let round = (vote.term, vote.view);
        if self.open != Some(vote.term) || round <= self.floor {
            return Says::Never;
        }
        self.signed.get(&round).copied().unwrap_or_default().says(vote)
    }

    fn count(&self) -> usize {
        self.signed.iter().map(|(round, signed)| signed.votes(*round).count()).sum()
    }

    fn put(&mut self, vote: &Vote) {
        self.signed.entry((vote.term, vote.view)).or_default().put(vote);
        while self.signed.len() > VIEWS_KEPT
            && let Some((round, _)) = self.signed.pop_first()
        {
            self.floor = self.floor.max(round);
        }
    }

    /// Writes a vote; whether it is on the disk.
    fn keep(&mut self, vote: &Vote) -> bool {
        if let Some(stored) = &mut self.file {
            if stored.failed {
                return false;
            }
            let written =
                stored.file.write_all(&vote.to_bytes()).and_then(|()| stored.file.sync_data());
            if let Err(error) = written {
                tracing::error!(
                    path = %stored.path.display(), %error,
                    "the log of votes cannot be written: this validator votes no more until it is started again"
                );
                stored.failed = true;
                return false;
            }
            stored.votes += 1;
        }
        self.put(vote);
        self.shrink();
        true
    }

    /// Writes the file anew when it has grown.
    fn shrink(&mut self) {
        let Some(stored) = &self.file else { return };
        if stored.votes <= VOTES_MAX {
            return;
        }
        let path = stored.path.clone();
        match self.write_anew(&path) {
            Ok(file) => {
                let votes = self.count();
                self.file = Some(Stored { path, file, votes, failed: false });
            }
            // The old file is whole and grows on; the next vote tries again.
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the log of votes stays long")
            }
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&self.not_before.to_be_bytes());
        head.extend_from_slice(&self.floor.0.to_be_bytes());
        head.extend_from_slice(&self.floor.1.to_be_bytes());
        let mut bytes = sealed(head);
        for (round, signed) in &self.signed {
            for vote in signed.votes(*round) {
                bytes.extend_from_slice(&vote.to_bytes());
            }
        }
        bytes
    }

    /// The log of these bytes. Only the last record may be cut: a crash does that to one that was never synced, and so never sent.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, records) = bytes.split_at_checked(HEAD_BYTES)?;
        let head = unsealed(head)?.strip_prefix(MAGIC)?;
        let number = |at: usize| {
            head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
        };
        let mut inner =
            Self { not_before: number(0)?, floor: (number(8)?, number(16)?), ..Self::default() };
        let mut chunks = records.chunks(VOTE_BYTES).peekable();
        while let Some(chunk) = chunks.next() {
            match Vote::from_bytes(chunk) {
                Some(vote) => inner.put(&vote),
                None if chunks.peek().is_none() => break,
                None => return None,
            }
        }
        Some(inner)
    }

    /// Writes the whole log beside the file and puts it in its place; returns it, locked and ready to be appended to.
    fn write_anew(&self, path: &Path) -> io::Result<File> {
        let beside = path.with_extension("new");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.write_all(&self.to_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests;
