//! A validator that has no peers follows over HTTP, and hands its transactions on: others take it for a peer only around the terms in
//! which it has a seat, and whoever wants one has to see the chain before.

use std::time::Duration;

use cairn_client::LedgerClient;
use cairn_consensus::{BACKFILL_MAX, BackfillError, Question, StateSource as _, ValidatorHandle};
use cairn_kit::Shutdown;

use crate::{disk::RedbDisk, follower::forward_all, pool::TxPool, sync::HttpSource};

/// Pause while peers are there or nobody has more.
const PAUSE: Duration = Duration::from_secs(1);
/// How long blocks that were taken may take to be executed before more are asked for.
const EXECUTED_WITHIN: Duration = Duration::from_secs(60);

/// What it needs.
pub(crate) struct Backfill {
    pub(crate) consensus: ValidatorHandle,
    pub(crate) disk: RedbDisk,
    pub(crate) pool: TxPool,
    pub(crate) nodes: Vec<LedgerClient>,
}

impl Backfill {
    /// Goes on until `stop`, or until consensus has ended.
    pub(crate) async fn run(self, stop: Shutdown) -> Result<(), reqwest::Error> {
        let source = HttpSource::new(self.nodes.clone())?;
        stop.until(async {
            loop {
                if !self.consensus.peers().await.is_empty() {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                // What waits here goes to others as long as no peer hears of it.
                let ended = tokio::select! {
                    ended = self.follow(&source) => ended,
                    () = forward_all(&self.pool, &self.nodes) => true,
                };
                if ended {
                    return;
                }
            }
        })
        .await;
        Ok(())
    }

    /// Follows until peers are there; whether consensus has ended.
    async fn follow(&self, source: &HttpSource) -> bool {
        let (mut node, mut told) = (0, String::new());
        while self.consensus.peers().await.is_empty() {
            match self.ask(source, node).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(BackfillError::Stopped) => return true,
                Err(error) => {
                    let text = format!("{error:?}");
                    if text != told {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, peer = source.name(node), "the next node is asked");
                    }
                    told = text;
                }
            }
            node = (node + 1) % source.peers().max(1);
            tokio::time::sleep(PAUSE).await;
        }
        false
    }

    /// Asks one node for the next blocks; whether there were any.
    async fn ask(&self, source: &HttpSource, node: usize) -> Result<bool, BackfillError> {
        let mut heights = self.disk.heights();
        let height = *heights.borrow_and_update();
        let question = Question::Blocks { from: height + 1, count: BACKFILL_MAX };
        // One that is away, or has no more, has nothing now.
        let Ok(answer) = source.ask(node, question).await else { return Ok(false) };
        let reaches = self.consensus.take_blocks(answer).await?;
        let executed = heights.wait_for(|height| *height >= reaches);
        let _ = tokio::time::timeout(EXECUTED_WITHIN, executed).await;
        Ok(reaches > height)
    }
}
