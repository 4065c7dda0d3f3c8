//! Final blocks for a validator without peers, over another transport: given as archives keep them, checked, and put into the archives.
//!
//! Others take a validator for a peer around the terms in which it has a seat. Before and after, and where it is cut off from them, it
//! follows what other validators give over HTTP (docs/spec/sync.md), and believes certificates only.

use bytes::Bytes;
use cairn_ledger::StateError;
use commonware_codec::{Copying, Decode as _, Encode as _, Error as CodecError};
use commonware_consensus::{Reporter as _, simplex::types::Activity, types::Height};
use commonware_cryptography::{
    Digested, Digestible as _, certificate::Verifier as _, sha256::Digest,
};
use rand_core::CryptoRng;

use crate::{
    application::{Chain, Marshal},
    archives::Certificate,
    block::Block,
    finality::{FinalityError, FinalityProof},
    scheme::Scheme,
    sync::{list, read_list},
};

/// Most blocks of one answer.
pub const BACKFILL_MAX: u64 = 128;
/// An answer ends with the block that brings it to so many bytes.
const ANSWER_BYTES: usize = 4 << 20;

/// Why blocks were not taken.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The bytes are no list of blocks and certificates.
    #[error("it is no list of blocks and certificates")]
    Malformed,
    /// A block or a certificate has no such bytes.
    #[error("the bytes of block {height} or of its certificate are none")]
    Block {
        /// The height that was expected.
        height: u64,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// A block of another height, or of another chain.
    #[error("block {found} does not follow this validator's block {before}")]
    NotNext {
        /// The height before.
        before: u64,
        /// The height that came.
        found: u64,
    },
    /// A certificate proves nothing.
    #[error("the certificate of block {height} is not valid")]
    Certificate {
        /// The block.
        height: u64,
        /// Why.
        #[source]
        source: FinalityError,
    },
    /// The ledger's disk cannot be read.
    #[error("the ledger's disk cannot be used")]
    Disk(#[from] StateError),
    /// The validator has stopped.
    #[error("the validator has stopped")]
    Stopped,
}

/// Blocks from a height on: of each its bytes, then its certificate or nothing; empty where the archives lack the first.
pub(crate) async fn give(marshal: &Marshal, from: u64, count: u64) -> Vec<u8> {
    let (mut items, mut bytes) = (Vec::new(), 0);
    for height in (from..from.saturating_add(count.min(BACKFILL_MAX))).map(Height::new) {
        let Some(block) = marshal.get_block(height).await else { break };
        let certificate = marshal.get_finalization(height).await;
        let certificate = certificate.map_or_else(Bytes::new, |certificate| certificate.encode());
        let block = Bytes::from(block.inner().to_bytes());
        bytes += block.len() + certificate.len();
        items.extend([block, certificate]);
        if bytes >= ANSWER_BYTES {
            break;
        }
    }
    list(&items)
}

/// Takes the blocks of an answer up to the last one that certificates prove final; returns its height, that of the disk where there is
/// none. They are delivered, executed and committed as those of peers.
///
/// # Errors
/// When it is no answer, of another chain, or a certificate proves nothing.
pub(crate) async fn take(
    chain: &Chain,
    marshal: &mut Marshal,
    answer: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<u64, BackfillError> {
    let most = usize::try_from(2 * BACKFILL_MAX).unwrap_or(usize::MAX);
    let items = read_list(answer, most).ok_or(BackfillError::Malformed)?;
    let (pairs, []) = items.as_chunks::<2>() else { return Err(BackfillError::Malformed) };
    let head = chain.disk.head()?.map_or(0, |head| head.number);
    let Some(parent) = digest_at(chain, marshal, head).await else { return Ok(head) };
    let mut run = read(pairs, head, parent)?;

    // Of a block of a term whose validators are not known yet nothing is taken: those before it say who they are.
    let known = |block: &Block| chain.terms.get(block.preamble.context.round.epoch().get());
    let proven = run
        .iter()
        .rposition(|(block, certificate)| certificate.is_some() && known(block).is_some());
    run.truncate(proven.map_or(0, |last| last + 1));
    for (block, certificate) in &run {
        let (Some(set), Some(certificate)) = (known(block), certificate) else { continue };
        let (preamble, body) = (block.preamble.clone(), block.body_digest());
        let proof = FinalityProof { preamble, body, finalization: certificate.clone() };
        let height = block.preamble.height.get();
        proof
            .check_by(&set.scheme, rng)
            .map_err(|source| BackfillError::Certificate { height, source })?;
    }
    let mut taken = head;
    for (block, certificate) in run {
        taken = block.preamble.height.get();
        let (round, digest) = (block.preamble.context.round, block.digest());
        if !marshal.verified(round, Digested::precomputed(block, digest)).await {
            return Err(BackfillError::Stopped);
        }
        if let Some(certificate) = certificate {
            marshal.report(Activity::Finalization(certificate));
        }
    }
    Ok(taken)
}

async fn digest_at(chain: &Chain, marshal: &Marshal, height: u64) -> Option<Digest> {
    if height == 0 {
        return Some(chain.genesis.digest());
    }
    Some(marshal.get_block(Height::new(height)).await?.digest())
}

/// The blocks of an answer, each the child of the one before.
fn read(
    pairs: &[[Bytes; 2]],
    head: u64,
    parent: Digest,
) -> Result<Vec<(Block, Option<Certificate>)>, BackfillError> {
    let (mut before, mut parent) = (head, parent);
    let mut run = Vec::with_capacity(pairs.len());
    for [block, certificate] in pairs {
        let fail = |source| BackfillError::Block { height: before + 1, source };
        let block = Block::from_bytes(block).map_err(fail)?;
        let found = block.preamble.height.get();
        if found != before + 1 || block.preamble.parent != parent {
            return Err(BackfillError::NotNext { before, found });
        }
        let limits = Scheme::certificate_codec_config_unbounded();
        let certificate = (!certificate.is_empty())
            .then(|| Certificate::decode_cfg(Copying(&certificate[..]), &limits))
            .transpose()
            .map_err(fail)?;
        (before, parent) = (found, block.digest());
        run.push((block, certificate));
    }
    Ok(run)
}
