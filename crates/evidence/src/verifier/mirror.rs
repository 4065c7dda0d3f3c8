//! The archive of a node without a vote: every final epoch, recomputed here before a file of it is kept.

use std::time::Duration;

use cairn_client::{BlockTag, LedgerRead, Reads as _};
use cairn_kit::{Shutdown, metrics::Metrics};

use super::{
    Network, Past, Sources, Told, VerifierError, VerifierMetrics,
    settle::{Around, Settler},
};

/// Pause between two looks at the ledger: nobody waits for a vote of this node.
const POLL: Duration = Duration::from_secs(1);

/// Keeps the archive of `sources` whole until `shutdown`, telling what it does in `metrics`.
pub async fn mirror<L: LedgerRead>(
    ledger: L,
    sources: Sources,
    network: Network,
    metrics: &Metrics,
    shutdown: Shutdown,
) {
    let metrics = VerifierMetrics::new(metrics);
    let (mut settler, mut past, mut told) = (Settler::default(), Past::new(), Told::default());
    let around =
        Around { ledger: &ledger, sources: &sources, network: &network, metrics: &metrics };
    while !shutdown.is_requested() {
        match shutdown.until(turn(&around, &mut settler, &mut past)).await {
            Some(result) => told.tell(result),
            None => return,
        }
        shutdown.until(tokio::time::sleep(POLL)).await;
    }
}

async fn turn<L: LedgerRead>(
    around: &Around<'_, L>,
    settler: &mut Settler,
    past: &mut Past,
) -> Result<(), VerifierError> {
    let next = around.ledger.next_epoch(around.network.sector, BlockTag::Latest).await?;
    settler.turn(around, past, next).await
}
