//! Makes this validator's archive whole: every final epoch, also those that became final without its vote.
//!
//! ```text
//! final epoch ─ folder has the ledger's result ─► nothing to do
//!             └ else recompute ─ equal roots ───► written
//!                              └ other roots ───► own result to `own/`, loudly; the final leaves from peers, by their roots
//! ```
//! A validator that is slower than the others, was away, or computes otherwise ends with the same public files as they:
//! an auditor may ask any of them. What cannot be completed now is tried again and does not hold up what can.

use std::collections::{BTreeSet, VecDeque};

use cairn_client::{BlockTag, LedgerRead, Reads as _};
use cairn_economy::{Reward, reward_tree};
use cairn_primitives::{Digest, Epoch, MerkleTree};
use cairn_sectors::{ScoreLeaf, VerdictLeaf};

use super::{
    GatherError, Network, Past, Sources, VerifierError, VerifierMetrics, blocking,
    gather::{included, inputs, leaves, verdicts},
    record::{Record, write_own, write_record},
    write_epoch,
};
use crate::{
    archive::{Archive, EpochFile},
    recompute::{Inputs, Outcome, RecomputeError, recompute},
};

/// Epochs that are recomputed in one turn: votes wait for no longer than these take.
const EPOCHS_PER_TURN: usize = 2;
/// Epochs whose folders are looked at in one turn.
const LOOKS_PER_TURN: usize = 64;

/// Where the completion of an archive stands. Nothing of it is kept on disk: after a restart every folder is looked at
/// once, which costs a small file and a call each.
#[derive(Debug, Default)]
pub(super) struct Settler {
    /// The first epoch that was not looked at.
    next: Epoch,
    /// Epochs that could not be completed, the next to try first.
    missing: VecDeque<Epoch>,
    /// Epochs whose own result differs and was kept.
    differing: BTreeSet<Epoch>,
    /// Its own window: it may be far behind the one for the next vote.
    behind: Past,
}

/// What completing an archive reads and tells.
pub(super) struct Around<'a, L> {
    pub ledger: &'a L,
    pub sources: &'a Sources,
    pub network: &'a Network,
    pub metrics: &'a VerifierMetrics,
}

impl Settler {
    /// Completes some of the epochs before `next`, which are final. `past` is the window for the next vote.
    pub async fn turn<L: LedgerRead>(
        &mut self,
        around: &Around<'_, L>,
        past: &mut Past,
        next: Epoch,
    ) -> Result<(), VerifierError> {
        let Some(archive) = around.sources.archive() else { return Ok(()) };
        let (mut work, mut trouble) = (0, Ok(()));
        // One of what is missing, so that new epochs have their turn too.
        if let Some(epoch) = self.missing.pop_front() {
            work += 1;
            if let Err(error) = self.complete(around, archive, past, epoch).await {
                self.missing.push_back(epoch);
                trouble = Err(error);
            }
        }
        for _ in 0..LOOKS_PER_TURN {
            if self.next >= next || work == EPOCHS_PER_TURN {
                break;
            }
            let epoch = self.next;
            if !is_whole(around, archive, epoch).await? {
                work += 1;
                if let Err(error) = self.complete(around, archive, past, epoch).await {
                    self.missing.push_back(epoch);
                    trouble = Err(error);
                }
            }
            self.next = epoch.next();
        }
        around.metrics.missing.set(self.missing.len() as u64);
        around.metrics.archived.set(self.next.0.saturating_sub(self.missing.len() as u64));
        trouble
    }

    async fn complete<L: LedgerRead>(
        &mut self,
        around: &Around<'_, L>,
        archive: &Archive,
        past: &mut Past,
        epoch: Epoch,
    ) -> Result<(), VerifierError> {
        let gather = |source| VerifierError::gather(epoch, source);
        let voted = final_result(around, epoch).await?;
        let inputs = inputs(around.ledger, around.network, epoch).await.map_err(gather)?;
        if !self.differing.contains(&epoch) {
            let mine = if past.is_before(epoch) { &mut *past } else { &mut self.behind };
            if recomputed(around, archive, mine, &inputs, &voted).await? {
                tracing::info!(
                    epoch = epoch.0,
                    "an epoch that became final without this vote is archived"
                );
                return Ok(());
            }
            self.differing.insert(epoch);
            around.metrics.differing.inc();
            past.forget();
            self.behind.forget();
        }
        let (verdicts, scores, rewards) =
            final_leaves(around.sources, epoch, &voted).await.map_err(gather)?;
        let record =
            Record { verdicts: &verdicts, scores: &scores, rewards: &rewards, outcome: &voted };
        write_record(archive, &inputs, record)?;
        Ok(())
    }
}

/// Whether the folder of a final epoch has all files, and the ledger's result.
async fn is_whole<L: LedgerRead>(
    around: &Around<'_, L>,
    archive: &Archive,
    epoch: Epoch,
) -> Result<bool, VerifierError> {
    if !EpochFile::ALL.iter().all(|file| archive.epoch_path(epoch, *file).is_file()) {
        return Ok(false);
    }
    let kept = archive.get_epoch(epoch, EpochFile::Result)?.unwrap_or_default();
    let kept: Option<Outcome> = serde_json::from_slice(&kept).ok();
    Ok(kept == Some(final_result(around, epoch).await?))
}

async fn final_result<L: LedgerRead>(
    around: &Around<'_, L>,
    epoch: Epoch,
) -> Result<Outcome, VerifierError> {
    let result = around.ledger.result(epoch, around.network.sector, BlockTag::Latest).await?;
    let too_many = || GatherError::File {
        epoch,
        file: "the ledger's result",
        reason: "more stones than there can be".to_owned(),
    };
    Outcome::of_ledger(&result).ok_or_else(|| VerifierError::gather(epoch, too_many()))
}

/// Recomputes an epoch and writes its folder if the result is the final one; else keeps it beside, and says `false`.
async fn recomputed<L: LedgerRead>(
    around: &Around<'_, L>,
    archive: &Archive,
    past: &mut Past,
    inputs: &Inputs,
    voted: &Outcome,
) -> Result<bool, VerifierError> {
    let epoch = inputs.epoch;
    let gather = |source| VerifierError::gather(epoch, source);
    let Around { ledger, sources, network, .. } = around;
    let envelopes = included(sources, network, inputs).await.map_err(gather)?;
    let mut after = past.before(*ledger, sources, network, epoch).await.map_err(gather)?.clone();
    let (archive, inputs, voted) = (archive.clone(), inputs.clone(), *voted);
    let work = move || match recompute(&inputs, &envelopes, &mut after) {
        Ok(mine) if mine.outcome == voted => {
            write_epoch(&archive, &inputs, &mine)?;
            Ok(Some(after))
        }
        Ok(mine) => {
            write_own(&archive, &inputs, (&mine).into())?;
            differs(&archive, epoch, &voted, &mine.outcome);
            Ok(None)
        }
        Err(error) => {
            tell_broken(epoch, &error);
            Ok(None)
        }
    };
    let after: Result<_, VerifierError> = blocking(work).await;
    Ok(match after? {
        Some(after) => {
            past.advance(epoch, after);
            true
        }
        None => false,
    })
}

fn differs(archive: &Archive, epoch: Epoch, voted: &Outcome, own: &Outcome) {
    tracing::error!(
        epoch = epoch.0,
        final_verdict_root = %voted.verdict_root, own_verdict_root = %own.verdict_root,
        final_score_root = %voted.score_root, own_score_root = %own.score_root,
        final_reward_root = %voted.reward_root, own_reward_root = %own.reward_root,
        own = %archive.own_path(epoch).display(),
        "the final result is not what this validator computes: its own is kept beside"
    );
}

fn tell_broken(epoch: Epoch, error: &RecomputeError) {
    tracing::error!(
        epoch = epoch.0,
        error = error as &dyn std::error::Error,
        "a final epoch cannot be recomputed here"
    );
}

/// The final leaves from peers. Only canonical bytes are believed, by the ledger's roots.
async fn final_leaves(
    sources: &Sources,
    epoch: Epoch,
    voted: &Outcome,
) -> Result<(Vec<VerdictLeaf>, Vec<ScoreLeaf>, Vec<Reward>), GatherError> {
    let root = |hashes: Vec<Digest>| MerkleTree::from_hashes(hashes).root();
    let check = |file, expected: Digest, found: Digest| {
        let equal = found == expected;
        equal.then_some(()).ok_or(GatherError::Root { file, epoch, expected, found })
    };
    let found = sources
        .ask_peers(epoch, EpochFile::Verdicts, |file| {
            let leaves = verdicts(epoch, file)?;
            let hashes = leaves.iter().map(VerdictLeaf::hash).collect();
            check(EpochFile::Verdicts, voted.verdict_root, root(hashes)).map(|()| leaves)
        })
        .await?;
    let scores = sources
        .ask_peers(epoch, EpochFile::Scores, |file| {
            let leaves = leaves(epoch, EpochFile::Scores, file, ScoreLeaf::from_bytes)?;
            let hashes = leaves.iter().map(ScoreLeaf::hash).collect();
            check(EpochFile::Scores, voted.score_root, root(hashes)).map(|()| leaves)
        })
        .await?;
    let rewards = sources
        .ask_peers(epoch, EpochFile::Rewards, |file| {
            let leaves = leaves(epoch, EpochFile::Rewards, file, Reward::decode)?;
            let tree = reward_tree(&leaves);
            check(EpochFile::Rewards, voted.reward_root, tree.root()).map(|()| leaves)
        })
        .await?;
    Ok((found, scores, rewards))
}
