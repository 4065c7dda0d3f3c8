//! A validator's view of the price: read where its operator says, checked, and fed to the ledger before the last one stops counting.
//!
//! ```text
//! file or URL ─ text ─► parse ─ µUSD per STONE ─► moved by 0.5 %, or the last one half stale? ─► IPool.feed
//! ```
//! A view sets nothing: the median of a quorum's views can pause minting and subsidy (docs/spec/price.md). So a source that is away
//! is told once and tried again, and never stops the validator.
//!
//! **Invariant:** what is fed was read in the same turn; an old view is never fed again.

mod source;
#[cfg(test)]
mod tests;
mod view;

pub use source::{PriceSource, SourceError};
pub use view::{PRICE_MAX, ViewError};

use std::time::Duration;

use cairn_client::{BlockTag, ClientError, PriceReads as _, Reads as _, Sender};
use cairn_economy::stale_ms;
use cairn_kit::Shutdown;
use cairn_primitives::{Genesis, MicroUsd};

use view::{is_due, pause};

/// Where a validator's view comes from, and how often it is looked for.
#[derive(Clone, Debug)]
pub struct PriceFeed {
    /// The source.
    pub source: PriceSource,
    /// Pause between two looks, wall time; the feeder looks more often where network time runs fast.
    pub every: Duration,
}

/// Why a turn fed nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the ledger does not take the price")]
    Ledger(#[from] ClientError),
}

/// Feeds one validator's view until it is stopped.
pub(crate) struct Feeder {
    sender: Sender,
    source: PriceSource,
    pause: Duration,
    stale_ms: u64,
}

impl Feeder {
    /// A feeder of `sender`'s account.
    pub(crate) fn new(sender: Sender, feed: PriceFeed, genesis: &Genesis) -> Self {
        let stale_ms = stale_ms(genesis);
        let pause = pause(feed.every, stale_ms, genesis.time_scale);
        Self { sender, source: feed.source, pause, stale_ms }
    }

    /// Looks and feeds until `stop`.
    pub(crate) async fn run(self, stop: Shutdown) {
        let mut told = Told::default();
        while let Some(done) = stop.until(self.turn()).await {
            let trouble = done.err();
            let text = trouble.as_ref().map(|error| chain(error));
            match told.change(text) {
                Some(Telling::Trouble) => {
                    let error = trouble.as_ref().map(|error| error as &dyn std::error::Error);
                    tracing::warn!(error, source = %self.source, "no price is fed");
                }
                Some(Telling::Over) => {
                    tracing::info!(source = %self.source, "the price is fed again");
                }
                None => {}
            }
            if stop.until(tokio::time::sleep(self.pause)).await.is_none() {
                return;
            }
        }
    }

    /// Feeds what the source says now, if it is due; what was fed. Without a seat nothing is asked and nothing is fed.
    pub(crate) async fn turn(&self) -> Result<Option<MicroUsd>, FeedError> {
        let (client, me) = (self.sender.client(), self.sender.address());
        let seats = client.validators(BlockTag::Latest).await?;
        if !seats.iter().any(|seat| seat.operator == me) {
            return Ok(None);
        }
        let seen = self.source.read().await?;
        let last = client.feed_of(me, BlockTag::Latest).await?;
        let now = client.latest().await?.time;
        if !is_due(seen, last, now, self.stale_ms) {
            return Ok(None);
        }
        self.sender.feed_price(seen).await?;
        tracing::debug!(price = %seen, "a price was fed");
        Ok(Some(seen))
    }
}

/// What went wrong, with its causes: two troubles with one beginning are two.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Trouble,
    Over,
}

/// The trouble that was told last; empty while there is none.
#[derive(Default)]
struct Told(Option<String>);

impl Told {
    /// Notes how a turn ended; something only when that is another trouble, or none after one.
    fn change(&mut self, trouble: Option<String>) -> Option<Telling> {
        let telling = match (&self.0, &trouble) {
            (before, Some(now)) if before.as_ref() != Some(now) => Some(Telling::Trouble),
            (Some(_), None) => Some(Telling::Over),
            _ => None,
        };
        self.0 = trouble;
        telling
    }
}
