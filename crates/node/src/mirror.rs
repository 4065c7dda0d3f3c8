//! The public files of final epochs, for a node that was away when they were made or that has no vote.
//!
//! Nothing is copied on trust: the batch files are fetched by hash, the epoch is recomputed as a validator does, and only
//! what has the roots of the ledger is written.

use std::time::Duration;

use cairn_client::{BlockTag, ClientError, LedgerClient, Reads as _};
use cairn_evidence::{
    archive::{Archive, ArchiveError, EpochFile},
    recompute::{Outcome, RecomputeError, recompute},
    verifier::{GatherError, Network, Sources, included, inputs, window, write_epoch},
};
use cairn_kit::Shutdown;
use cairn_primitives::Epoch;

/// Pause between two looks at the ledger, and before a missing file is looked for again.
const POLL: Duration = Duration::from_secs(2);

/// Why an epoch's files are not here yet.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Ledger(#[from] ClientError),
    /// A file is not to be had.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The inputs contradict themselves.
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
    /// The archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The files give another result than the validators voted.
    #[error("epoch {0} recomputes to other roots than the ledger's: run `cairn audit`")]
    Differs(Epoch),
}

/// Keeps an archive whole until `shutdown`.
pub async fn run(client: LedgerClient, sources: Sources, network: Network, shutdown: Shutdown) {
    let mut next = Epoch(0);
    let mut told = String::new();
    while !shutdown.is_requested() {
        match shutdown.until(turn(&client, &sources, &network, next)).await {
            None => return,
            Some(Ok(reached)) => {
                next = reached;
                told.clear();
            }
            Some(Err(error)) => {
                let text = format!("{error:?}");
                if text != told {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the files of a final epoch are looked for again");
                }
                told = text;
            }
        }
        shutdown.until(tokio::time::sleep(POLL)).await;
    }
}

/// Completes every final epoch from `next` on; returns the first that is not final.
async fn turn(
    client: &LedgerClient,
    sources: &Sources,
    network: &Network,
    mut next: Epoch,
) -> Result<Epoch, MirrorError> {
    let open = client.next_epoch(network.sector, BlockTag::Latest).await?;
    let Some(archive) = sources.archive() else { return Ok(open) };
    while next < open {
        if archive.get_epoch(next, EpochFile::Result)?.is_none() {
            complete(client, sources, archive, network, next).await?;
        }
        next = next.next();
    }
    Ok(next)
}

async fn complete(
    client: &LedgerClient,
    sources: &Sources,
    archive: &Archive,
    network: &Network,
    epoch: Epoch,
) -> Result<(), MirrorError> {
    let voted = client.result(epoch, network.sector, BlockTag::Latest).await?;
    let inputs = inputs(client, network, epoch).await?;
    let envelopes = included(sources, network, &inputs).await?;
    let mut before = window(client, sources, network, epoch).await?;
    let archive = archive.clone();
    let work = tokio::task::spawn_blocking(move || {
        let recomputed = recompute(&inputs, &envelopes, &mut before)?;
        if Outcome::of_ledger(&voted).as_ref() != Some(&recomputed.outcome) {
            return Err(MirrorError::Differs(epoch));
        }
        Ok(write_epoch(&archive, &inputs, &recomputed)?)
    });
    work.await.expect("recomputing is a total function of its inputs")
}
