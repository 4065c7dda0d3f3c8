//! What a contract can ask about a final epoch: whether a leaf is in one of its trees, and what a device measured.
//!
//! ```text
//! envelope ─ SHA-256 ─► verdict leaf "accepted" ─ siblings ─► verdict root of the epoch, voted by more than 2/3
//! ```
//! The verdict leaf is built here from the envelope, so that a caller can only prove a batch that was accepted in exactly
//! that epoch and sector. A prefix keeps nodes from being shown as leaves, so that a path of any shape proves membership.

use alloy_primitives::{FixedBytes, U256};
use cairn_primitives::{
    Batch, Digest, Envelope, Epoch, MerkleProof, Schema, Seq, abi::IRewards, leaf_hash,
    verify_proof,
};
use cairn_sectors::{Rejection, VerdictLeaf};

use super::{Outcome, PROOF_MAX, economy_state, outcome};
use crate::native::{Ctx, Res, gas, out_of_range, revert};

/// Bytes of a verdict leaf, at most.
const VERDICT_BYTES: usize = 96;

/// Number of the verdict tree in `isLeaf`.
const VERDICTS: u8 = 1;
/// Number of the score tree.
const SCORES: u8 = 2;
/// Number of the reward tree.
const REWARD_LEAVES: u8 = 3;

/// See `IRewards.isLeaf`.
pub(super) fn is_leaf(c: &mut Ctx<'_>, q: &IRewards::isLeafCall) -> Res<bool> {
    if !(VERDICTS..=REWARD_LEAVES).contains(&q.tree) {
        return out_of_range("tree", U256::from(q.tree), U256::from(REWARD_LEAVES));
    }
    let outcome = outcome(c, Epoch(q.epoch), q.sector)?;
    c.charge(gas::sha256(q.leaf.len() + 1))?;
    let leaf = leaf_hash(&q.leaf);
    let root = match q.tree {
        VERDICTS => outcome.verdict_root,
        SCORES => outcome.score_root,
        _ => outcome.reward_root,
    };
    let proven = leads(c, &root, &leaf, q.index, q.count, &q.proof)?;
    Ok(proven && (q.tree != REWARD_LEAVES || q.count == outcome.devices))
}

/// See `IRewards.reading`.
pub(super) fn reading(c: &mut Ctx<'_>, q: &IRewards::readingCall) -> Res<IRewards::Reading> {
    let sector = economy_state::sector(q.sector)?;
    let outcome: Outcome = outcome(c, Epoch(q.epoch), q.sector)?;
    c.charge(gas::envelope(q.envelope.len()) + gas::sha256(VERDICT_BYTES))?;
    let envelope = match Envelope::decode(&q.envelope) {
        Ok(envelope) => envelope,
        Err(error) => {
            return revert(IRewards::BadEnvelope { code: Rejection::from(&error) as u16 });
        }
    };
    let batch = envelope.batch();
    let verdict = VerdictLeaf {
        epoch: Epoch(q.epoch),
        sector,
        batch: envelope.leaf(),
        device: batch.device,
        stream: batch.stream,
        first_seq: batch.first_seq,
        rows: u32::try_from(batch.rows.len()).unwrap_or(u32::MAX),
        rejection: None,
    };
    let root = outcome.verdict_root;
    if !leads(c, &root, &verdict.hash(), q.index, q.count, &q.proof)? {
        let device = FixedBytes(batch.device.0);
        return revert(IRewards::BadProof { epoch: q.epoch, device });
    }
    value(batch, q.row, q.field)
}

/// One value of a batch.
fn value(batch: &Batch, row: u32, field: u8) -> Res<IRewards::Reading> {
    let width = Schema::get(batch.schema).map_or(0, |schema| schema.fields.len());
    let (row_at, field_at) = (usize::try_from(row).unwrap_or(usize::MAX), usize::from(field));
    if row_at >= batch.rows.len() {
        return out_of_range("row", U256::from(row), U256::from(batch.rows.len() - 1));
    }
    if field_at >= width {
        return out_of_range("field", U256::from(field), U256::from(width.saturating_sub(1)));
    }
    let measured = batch.rows.row(row_at, width)[field_at];
    let Seq(first) = batch.first_seq;
    Ok(IRewards::Reading {
        device: FixedBytes(batch.device.0),
        stream: batch.stream.0,
        schema: batch.schema.0,
        seq: first + u64::from(row),
        timeMs: batch.time_of(row_at).0,
        measured: measured.is_some(),
        value: measured.unwrap_or_default(),
    })
}

/// Whether a path leads from a leaf to the root.
fn leads(
    c: &mut Ctx<'_>,
    root: &Digest,
    leaf: &Digest,
    index: u32,
    count: u32,
    siblings: &[FixedBytes<32>],
) -> Res<bool> {
    if siblings.len() > PROOF_MAX {
        return out_of_range("proof", U256::from(siblings.len()), U256::from(PROOF_MAX));
    }
    c.charge(gas::sha256(65) * siblings.len() as u64)?;
    let siblings = siblings.iter().map(|sibling| Digest(sibling.0)).collect();
    Ok(verify_proof(root, leaf, &MerkleProof { index, count, siblings }))
}

#[cfg(test)]
mod tests;
