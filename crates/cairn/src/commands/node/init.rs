//! `cairn node init`: settings, and for an ingest its keys and the lines for the founder's file.

use std::{fs, path::Path};

use alloy_primitives::B256;
use cairn_client::{KeyFile, StoredKey, Wallet};
use cairn_primitives::SecretKey;
use eyre::{Result, WrapErr as _, bail};
use serde_json::json;

use crate::{
    cli::{NodeInitArgs, NodeRole},
    commands::validator::write_settings,
    host::{Role, check_url},
    output::Output,
};

/// Makes what is missing in the folder; keys that are there stay.
pub fn init(args: &NodeInitArgs) -> Result<()> {
    let output = Output { json: args.json };
    fs::create_dir_all(&args.dir).wrap_err_with(|| format!("making {}", args.dir.display()))?;
    if args.role == NodeRole::Rpc {
        let settings = write_settings(&args.dir, Role::Rpc)?;
        output.answer(&json!({ "dir": args.dir, "settings": settings }), || {
            format!("settings   {}: set follow.upstream and http.public_url", settings.display())
        });
        return Ok(());
    }
    check_url("--url", &args.url)?;
    let keys = IngestKeys::make(&args.dir)?;
    let settings = write_settings(&args.dir, Role::Ingest)?;
    let (operator, key) = (keys.operator.address(), keys.receipt_key());
    let stanza = format!(
        "[[ingests]]\noperator = \"{operator}\"\nreceipt_key = \"{key}\"\nurl = \"{}\"\n",
        args.url
    );
    let value = json!({
        "dir": args.dir, "operator": operator.to_string(), "receipt_key": key.to_string(),
        "settings": settings, "stanza": stanza,
    });
    output.answer(&value, || {
        format!(
            "keys       {} (mode 0600)\noperator   {operator}\nreceipts   {key}\nsettings   {}: set follow.upstream and \
             http.public_url\n\nSend this to the founder:\n\n{stanza}",
            args.dir.join("keys").display(),
            settings.display(),
        )
    });
    Ok(())
}

/// The secrets of an ingest, in `keys/`.
pub struct IngestKeys {
    /// The account that commits.
    pub operator: Wallet,
    /// What signs receipts.
    pub receipts: SecretKey,
}

impl IngestKeys {
    fn make(dir: &Path) -> Result<Self> {
        let keys = dir.join("keys");
        fs::create_dir_all(&keys).wrap_err_with(|| format!("making {}", keys.display()))?;
        Wallet::load_or_create(&keys.join("operator.json"))?;
        KeyFile::Ed25519.load_or_create(&keys.join("receipts.json"))?;
        Self::load(dir)
    }

    /// The keys that `init` made.
    pub fn load(dir: &Path) -> Result<Self> {
        let keys = dir.join("keys");
        let operator = KeyFile::Account.load(&keys.join("operator.json"))?;
        let receipts = KeyFile::Ed25519.load(&keys.join("receipts.json"))?;
        let (StoredKey::Account(operator), StoredKey::Ed25519(receipts)) = (operator, receipts)
        else {
            bail!("the files in {} are not an ingest's keys", keys.display());
        };
        Ok(Self { operator, receipts })
    }

    /// The public key that devices check receipts with.
    pub fn receipt_key(&self) -> B256 {
        B256::from_slice(self.receipts.public().as_bytes())
    }
}
