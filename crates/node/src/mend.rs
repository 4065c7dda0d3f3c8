//! Damage: what other nodes have too is set aside and fetched again; what only this node has is not touched.
//!
//! At every start the ledger's file is read whole against its checksums, and the state tree is held against the ledger's head. Damage
//! that is told apart from a full disk and from a mistake is mended by itself, once a start; for all else there is the operator's word
//! (`--refetch`). Keys, the log of votes, the pool's journal, archive and an ingest's batches stay where they are.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cairn_consensus::FollowerError;

use crate::{
    disk::{DiskError, FILE},
    sync::TakeError,
    validator::NodeError,
};

/// The folder inside the data folder to which damaged files are moved; one generation is kept.
pub const ASIDE: &str = "damaged";
/// Storage of a node without a vote: its state tree.
pub(crate) const FOLLOWER: &str = "follower";
/// Storage of a validator's consensus: state tree, blocks, certificates.
pub(crate) const CONSENSUS: &str = "consensus";
/// What comes again from other nodes.
const FETCHED: [&str; 3] = [FILE, FOLLOWER, CONSENSUS];

/// Whether a start failed for files that are not what was written.
pub(crate) const fn is_damage(error: &NodeError) -> bool {
    matches!(
        error,
        NodeError::Disk(DiskError::Damaged { .. } | DiskError::Corrupted { .. })
            | NodeError::Sync(TakeError::Disk(
                DiskError::Damaged { .. } | DiskError::Corrupted { .. }
            ))
            | NodeError::Follower(FollowerError::OtherTree(_) | FollowerError::Tree(_))
    )
}

/// Moves what can be fetched again out of the way, in place of what was moved there before; the node then starts as one whose folder
/// is empty. Returns where to.
///
/// # Errors
/// When a file cannot be moved.
pub fn set_aside(folder: &Path) -> io::Result<PathBuf> {
    let aside = folder.join(ASIDE);
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&aside)?,
    }
    for name in FETCHED {
        match fs::rename(folder.join(name), aside.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// Sets damaged files aside and tells of it.
pub(crate) fn mend(folder: &Path, damage: &NodeError) -> Result<(), NodeError> {
    let aside = set_aside(folder)
        .map_err(|source| NodeError::Folder { path: folder.to_path_buf(), source })?;
    let error = damage as &dyn std::error::Error;
    tracing::error!(error, aside = %aside.display(), "files are damaged: they are fetched again from other nodes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_only_this_node_has_stays() {
        let folder = TempDir::new().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        for text in ["first", "second"] {
            put(FILE, text);
            put("consensus/blocks", text);
            put("archive/epoch", "kept");
            put("ingest/journal", "kept");
            put("pool.journal", "kept");
            set_aside(folder.path()).unwrap();
            assert_eq!((read(FILE), read("consensus/blocks")), (None, None));
            assert_eq!(read("damaged/ledger.redb").as_deref(), Some(text), "one generation");
            assert_eq!(read("damaged/consensus/blocks").as_deref(), Some(text));
            for name in ["archive/epoch", "ingest/journal", "pool.journal"] {
                assert_eq!(read(name).as_deref(), Some("kept"));
            }
        }
        set_aside(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path().join(ASIDE)).unwrap().count(), 0);
    }
}
