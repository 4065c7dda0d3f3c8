//! Keys on disk: one JSON file a key, readable by its owner only. Format: docs/spec/wallet.md §3.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use alloy_primitives::hex;
use cairn_primitives::SecretKey;
use k256::elliptic_curve::rand_core::{OsRng, RngCore as _};
use serde::{Deserialize, Serialize};

use crate::{Wallet, api::hex_bytes};

/// What a key file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyFile {
    /// An account's secp256k1 key.
    Account,
    /// A device's, ingest's or validator's Ed25519 key.
    Ed25519,
}

/// A secret from a key file.
pub enum StoredKey {
    /// An account.
    Account(Wallet),
    /// An Ed25519 key.
    Ed25519(SecretKey),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u8,
    kind: KeyFile,
    #[serde(with = "hex_bytes")]
    secret: [u8; 32],
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Reading or writing failed.
    #[error("cannot {action} the key file {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not a key file. The content is not shown: it may be a secret.
    #[error("{path} is no key file of kind {kind:?}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected.
        kind: KeyFile,
    },
    /// Others may read it.
    #[error("others may read {path} (mode {mode:o}): run `chmod 600` on it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl Wallet {
    /// The account whose key is in the file; a new random one is made and stored when there is no file.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        match KeyFile::Account.load_or_create(path)? {
            StoredKey::Account(wallet) => Ok(wallet),
            StoredKey::Ed25519(_) => {
                Err(KeyFileError::Content { path: path.to_owned(), kind: KeyFile::Account })
            }
        }
    }

    /// Stores the key in a new file.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        KeyFile::Account.write(path, self.secret())
    }
}

impl KeyFile {
    /// The key in the file; a new random one is made and stored when there is no file.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn load_or_create(self, path: &Path) -> Result<StoredKey, KeyFileError> {
        if !path.exists() {
            let mut secret = [0; 32];
            OsRng.fill_bytes(&mut secret);
            self.write(path, secret)?;
        }
        self.load(path)
    }

    /// The key in the file.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn load(self, path: &Path) -> Result<StoredKey, KeyFileError> {
        check_mode(path)?;
        let text = fs::read(path).map_err(|source| KeyFileError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let bad = || KeyFileError::Content { path: path.to_owned(), kind: self };
        let content: Content = serde_json::from_slice(&text).map_err(|_| bad())?;
        if content.version != 1 || content.kind != self {
            return Err(bad());
        }
        match self {
            Self::Account => {
                Wallet::from_secret(&content.secret).map(StoredKey::Account).map_err(|_| bad())
            }
            Self::Ed25519 => Ok(StoredKey::Ed25519(SecretKey::ed25519(content.secret))),
        }
    }

    /// Stores a secret in a new file with mode 0600.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write(self, path: &Path, secret: [u8; 32]) -> Result<(), KeyFileError> {
        let fails = |source| KeyFileError::Io { action: "write", path: path.to_owned(), source };
        let text = format!(
            "{{\"version\":1,\"kind\":\"{}\",\"secret\":\"{}\"}}\n",
            match self {
                Self::Account => "account",
                Self::Ed25519 => "ed25519",
            },
            hex::encode_prefixed(secret)
        );
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(fails)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fails)
    }
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), KeyFileError> {
    use std::os::unix::fs::MetadataExt as _;
    let read = fs::metadata(path);
    let mode = read
        .map_err(|source| KeyFileError::Io { action: "read", path: path.to_owned(), source })?
        .mode();
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyFileError::Exposed { path: path.to_owned(), mode: mode & 0o777 })
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_kept_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("owner.json");
        let made = Wallet::load_or_create(&path).unwrap();
        assert_eq!(Wallet::load_or_create(&path).unwrap().address(), made.address());
        assert!(made.save(&path).is_err(), "a key is never overwritten");
        assert!(matches!(KeyFile::Ed25519.load(&path), Err(KeyFileError::Content { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(
                Wallet::load_or_create(&path),
                Err(KeyFileError::Exposed { mode: 0o644, .. })
            ));
        }
    }

    #[test]
    fn a_damaged_key_file_does_not_show_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.json");
        KeyFile::Account.write(&path, [0; 32]).unwrap();
        let error = Wallet::load_or_create(&path).unwrap_err().to_string();
        assert!(error.ends_with("is no key file of kind Account"), "{error}");
    }
}
