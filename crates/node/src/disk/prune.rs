//! A pruned node's past: old blocks lose everything but what other nodes still need, the certificates that end terms.
//!
//! Every commit drops the block that falls out, and up to `CATCH_UP` more while older ones are left, so that a node that kept all
//! until now gets there without a pause.

use redb::WriteTransaction;

use super::{
    DiskError,
    snapshot::Snapshot,
    tables::{self, damaged},
};

/// Fewest blocks that are kept: contracts may ask for the hashes of 256, consensus replays 64 after a crash.
pub const BLOCKS_MIN: u64 = 1_024;
/// Blocks dropped with one commit.
const CATCH_UP: u64 = 64;

/// Drops blocks below `oldest`, some of them now.
pub(super) fn blocks(
    write: &WriteTransaction,
    head: &Snapshot,
    oldest: u64,
    term_blocks: u64,
) -> Result<(), DiskError> {
    let first = head.blocks_start();
    let end = oldest.min(first + CATCH_UP);
    if end <= first {
        return Ok(());
    }
    for height in first..end {
        block(write, height, (height + 1).is_multiple_of(term_blocks))?;
    }
    let mut meta = write.open_table(tables::META)?;
    meta.insert(tables::BLOCKS_KEY, &end.to_be_bytes()[..])?;
    meta.insert(tables::FORMAT_KEY, &tables::FORMAT.to_be_bytes()[..])?;
    Ok(())
}

/// Drops a block with all that leads to it, and its certificate unless that is kept.
pub(super) fn block(
    write: &WriteTransaction,
    height: u64,
    keeps_certificate: bool,
) -> Result<(), DiskError> {
    let header = write.open_table(tables::HEADERS)?.remove(height)?.map(|b| b.value().to_vec());
    let (hash, _) = tables::header_from_bytes(&header.ok_or(damaged("headers"))?)?;
    write.open_table(tables::HEIGHTS)?.remove(hash.as_slice())?;
    if !keeps_certificate {
        write.open_table(tables::CERTIFICATES)?.remove(height)?;
    }
    let mut transactions = write.open_table(tables::TRANSACTIONS)?;
    let mut receipts = write.open_table(tables::RECEIPTS)?;
    let mut positions = write.open_table(tables::POSITIONS)?;
    for index in 0.. {
        let removed = transactions.remove((height, index))?.map(|bytes| bytes.value().to_vec());
        let Some(bytes) = removed else { break };
        receipts.remove((height, index))?;
        let transaction = tables::transaction_from_bytes(&bytes)?;
        positions.remove(transaction.inner().tx_hash().as_slice())?;
    }
    Ok(())
}
