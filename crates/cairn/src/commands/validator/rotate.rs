//! `cairn validator rotate-key`: another consensus key, without a block in which both or neither may vote.
//!
//! ```text
//! rotate-key            keys/consensus-next.json made, rotateKey sent      old key votes on in this term and the next
//! first term with it    rotate-key --finish, then restart the node         keys/consensus.json is the new key
//! ```
//! The node loads its key once, at its start, so the files can change under a running node. **Invariant:** the new key is put
//! in place only when the ledger gives it a seat in the current term, or no seat to the old one: no key votes in a term in
//! which another of this operator did.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use cairn_client::{BlockTag, KeyFile, Reads as _, StakeReads as _, StoredKey};
use cairn_node::{signer::SocketSigner, validator::ConsensusKey};
use cairn_primitives::{STONE, SecretKey, Stones};
use eyre::{Result, WrapErr as _, bail};
use serde_json::json;

use super::operator::Operator;
use crate::{cli::RotateKeyArgs, commands::stake::refused};

/// Stones for the transaction's fees, with much to spare.
const FEE: Stones = Stones(STONE / 10);

fn public(key: &SecretKey) -> B256 {
    B256::from_slice(key.public().as_bytes())
}

/// Makes the next key and tells the ledger, or puts it in place.
pub async fn rotate(args: &RotateKeyArgs) -> Result<()> {
    let operator = Operator::open(&args.operator).await?;
    if args.finish {
        finish(&operator).await
    } else {
        begin(&operator, args.signer.as_deref()).await
    }
}

fn next_path(operator: &Operator) -> PathBuf {
    operator.dir.join("keys").join("consensus-next.json")
}

async fn begin(operator: &Operator, signer: Option<&Path>) -> Result<()> {
    let (client, me) = (operator.client(), operator.sender.address());
    let Some(candidate) = client.candidate(me, BlockTag::Latest).await? else {
        bail!("{me} is no candidate: `cairn validator join` first");
    };
    let (next, place) = match signer {
        Some(socket) => (ConsensusKey::Signer(SocketSigner::connect(socket)?), socket.to_owned()),
        None => {
            // The file before the transaction: a key that the ledger knows must not be lost.
            let path = next_path(operator);
            let StoredKey::Ed25519(SecretKey::Ed25519(key)) =
                KeyFile::Ed25519.load_or_create(&path)?
            else {
                bail!("{} is no consensus key", path.display());
            };
            (ConsensusKey::Here(key.to_bytes()), path)
        }
    };
    let new = next.public();
    let sent = if candidate.consensusKey == new {
        None
    } else {
        operator.needs(FEE).await?;
        Some(operator.sender.rotate_key(&operator.possession(&next)?).await.map_err(refused)?)
    };
    let height = client.latest().await?.number;
    let block = sent.as_ref().map_or(height, |sent| sent.block);
    let term = operator.genesis.term_of(block) + 2;
    let first = operator.genesis.term_start(term);
    let value = json!({
        "operator": me.to_string(), "old_key": operator.keys.consensus_key().to_string(), "new_key": new.to_string(),
        "from_term": term, "from_block": first, "height": height,
        "transaction": sent.as_ref().map(|sent| sent.hash.to_string()),
    });
    operator.output.answer(&value, || {
        let then = match signer {
            Some(_) => "name that socket in node.toml, [signer] socket".to_owned(),
            None => format!("cairn validator rotate-key --dir {} --finish", operator.dir.display()),
        };
        format!(
            "the ledger knows the new key {new}, kept at {}\n\
             it votes from term {term} on at the latest (block {first}, {} blocks from now); until then the old key does: leave the node running\n\
             then: {then}, and restart the node",
            place.display(),
            first.saturating_sub(height),
        )
    });
    Ok(())
}

async fn finish(operator: &Operator) -> Result<()> {
    let path = next_path(operator);
    if !path.exists() {
        bail!("{} is missing: `cairn validator rotate-key` makes it", path.display());
    }
    let StoredKey::Ed25519(key) = KeyFile::Ed25519.load(&path)? else {
        bail!("{} is no consensus key", path.display());
    };
    let (client, me) = (operator.client(), operator.sender.address());
    let (old, new) = (operator.keys.consensus_key(), public(&key));
    let known = client.candidate(me, BlockTag::Latest).await?.map(|c| c.consensusKey);
    if known != Some(new) {
        bail!("the ledger does not know the key {new}: run `cairn validator rotate-key` first");
    }
    let at = client.term(BlockTag::Latest).await?;
    let seats = client.seats(at.current, BlockTag::Latest).await?;
    if seats.iter().any(|seat| seat.consensusKey == old) {
        let first = operator.genesis.term_start(at.current + 1);
        bail!(
            "the old key {old} has the seat in term {}: run this again in the next, from block {first} on",
            at.current
        );
    }
    let current = operator.dir.join("keys").join("consensus.json");
    let kept =
        operator.dir.join("keys").join(format!("consensus-old-{}.json", &old.to_string()[2..10]));
    // The old key is never lost, and after a crash between the two this command goes on.
    if !kept.exists() {
        fs::hard_link(&current, &kept)
            .wrap_err_with(|| format!("keeping the old key as {}", kept.display()))?;
    }
    fs::rename(&path, &current).wrap_err_with(|| format!("putting {} in place", path.display()))?;
    let value = json!({
        "operator": me.to_string(), "old_key": old.to_string(), "new_key": new.to_string(),
        "term": at.current, "old_key_file": kept,
    });
    operator.output.answer(&value, || {
        format!(
            "keys/consensus.json is the new key {new}; the old one is kept as {}\nrestart the node now: until then it has no vote",
            kept.display()
        )
    });
    Ok(())
}
