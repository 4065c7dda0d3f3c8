//! Final blocks for whoever has no vote: `GET /v1/blocks?from=H&count=N`, one JSON object a line (docs/spec/feed.md).
//!
//! A reader needs to trust nobody here: the certificates prove the headers, the headers name everything else. A request
//! for a block that is not final yet waits a little, so that a follower neither polls nor lags.

use std::{sync::Arc, time::Duration};

use alloy_eips::Encodable2718 as _;
use alloy_primitives::Bytes;
use alloy_rlp::Decodable as _;
use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use cairn_consensus::FollowedBlock;
use cairn_kit::http::ApiError;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::disk::{DiskError, RedbDisk, Snapshot};

/// Most blocks in an answer.
pub const BLOCKS_MAX: u64 = 256;
/// An answer ends after the block that brings it above so many bytes.
pub const ANSWER_BYTES: usize = 4 << 20;
/// How long a request for the next block waits.
const WAIT: Duration = Duration::from_secs(5);
/// Answers made at once; more wait.
const READERS: usize = 8;

/// A line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// RLP of the header.
    header: Bytes,
    /// EIP-2718 bytes of each transaction.
    transactions: Vec<Bytes>,
    /// Proof of finality (docs/spec/finality.md); empty when only a later block has one.
    certificate: Bytes,
}

/// A line that is no block.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is no block: {reason}")]
pub struct FeedError {
    /// Number of the line, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

#[derive(Deserialize)]
struct Asked {
    from: u64,
    #[serde(default = "one")]
    count: u64,
}

const fn one() -> u64 {
    1
}

#[derive(Clone)]
struct Feed {
    disk: RedbDisk,
    readers: Arc<Semaphore>,
}

/// Serves the blocks of a disk.
pub fn router(disk: RedbDisk) -> Router {
    let feed = Feed { disk, readers: Arc::new(Semaphore::new(READERS)) };
    Router::new().route("/v1/blocks", get(blocks)).with_state(feed)
}

async fn blocks(
    State(feed): State<Feed>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    if asked.from == 0 || asked.count == 0 || asked.count > BLOCKS_MAX {
        let reason = format!("from begins at 1, count is 1 to {BLOCKS_MAX}");
        return Err(ApiError::bad_request(reason));
    }
    let mut heights = feed.disk.heights();
    // An answer without a line says that there is nothing new.
    let _ = tokio::time::timeout(WAIT, heights.wait_for(|height| *height >= asked.from)).await;
    let permit = feed.readers.acquire_owned().await.map_err(|error| ApiError::internal(&error))?;
    let made = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        answer(&feed.disk.snapshot(), asked.from, asked.count)
    })
    .await
    .map_err(|error| ApiError::internal(&error))?;
    let body = match made {
        Err(DiskError::BlockPruned { .. }) => return Ok(StatusCode::GONE.into_response()),
        made => made.map_err(|error| ApiError::internal(&error))?,
    };
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::from(body)).into_response())
}

fn answer(snapshot: &Snapshot, from: u64, count: u64) -> Result<Vec<u8>, DiskError> {
    let mut body = Vec::new();
    for height in from..from.saturating_add(count) {
        let Some(block) = snapshot.block(height)? else { break };
        let line = Line {
            header: alloy_rlp::encode(&block.header).into(),
            transactions: block.transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
            certificate: snapshot.certificate(height)?.unwrap_or_default(),
        };
        serde_json::to_writer(&mut body, &line).expect("strings always encode");
        body.push(b'\n');
        if body.len() > ANSWER_BYTES {
            break;
        }
    }
    Ok(body)
}

/// The blocks of an answer.
///
/// # Errors
/// Names the first line that is none.
pub fn read(body: &[u8]) -> Result<Vec<FollowedBlock>, FeedError> {
    let mut blocks = Vec::new();
    for (number, line) in
        body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate()
    {
        let fail = |reason: String| FeedError { line: number + 1, reason };
        let line: Line = serde_json::from_slice(line).map_err(|error| fail(error.to_string()))?;
        let header = alloy_consensus::Header::decode(&mut &line.header[..])
            .map_err(|error| fail(format!("header: {error}")))?;
        blocks.push(FollowedBlock {
            header,
            transactions: line.transactions.into_iter().map(|raw| raw.0).collect(),
            certificate: line.certificate.0,
        });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use cairn_client::Call;
    use cairn_primitives::{STONE, Stones};

    use super::*;
    use crate::chain::TestChain;

    #[test]
    fn what_the_feed_gives_reads_back_and_has_an_end() {
        let chain = TestChain::new();
        let pay = Call::transfer(chain.bob.address(), Stones(STONE));
        chain.send(&chain.alice, &pay).unwrap();
        for _ in 0..3 {
            chain.mine();
        }
        let snapshot = chain.disk.snapshot();
        let blocks = read(&answer(&snapshot, 1, 10).unwrap()).unwrap();
        assert_eq!(blocks.len(), 3);
        for (block, height) in blocks.iter().zip(1..) {
            let stored = snapshot.block(height).unwrap().unwrap();
            assert_eq!(block.header, stored.header);
            assert_eq!(block.transactions.len(), stored.transactions.len());
            assert_eq!(block.certificate, vec![1, 2, 3]);
        }
        assert_eq!(blocks[0].transactions.len(), 1);
        assert_eq!(read(&answer(&snapshot, 2, 1).unwrap()).unwrap().len(), 1);
        assert!(answer(&snapshot, 4, 10).unwrap().is_empty());
        assert!(read(b"{}\n").is_err());
        assert!(read(b"{\"header\":\"0x00\",\"transactions\":[],\"certificate\":\"0x\"}").is_err());
    }
}
