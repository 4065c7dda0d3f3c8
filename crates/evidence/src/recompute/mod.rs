//! From an epoch's public files to its verdicts, scores and rewards. Validators vote what comes out of here, and an
//! auditor compares it: the same function, so that a dispute is a replay.
//!
//! ```text
//! Inputs (ledger) ───────────┐
//! opened files (included) ───┼─► recompute ─► verdict leaves ─┐
//! Window (epochs before) ────┘                score leaves ───┼─► three roots, Outcome
//!                                             reward leaves ──┘
//! ```
//! Pure: no disk, no clock, no network. `Window` is what earlier epochs leave behind; it is itself a function of public
//! files (docs/spec/archive.md), so it is rebuilt after a restart and by an auditor in the same way.

mod inputs;

use std::collections::BTreeMap;

use cairn_economy::{DistributeError, Distribution, ScoredDevice, distribute, reward_tree};
use cairn_primitives::{
    DeviceId, Digest, Envelope, Epoch, EpochSchedule, MerkleTree, MicroUsd, Position, Stones,
    abi::IRewards,
};
use cairn_sectors::{
    DeviceRecord, EpochContext, ScoreLeaf, SeqCursor, VerdictLeaf, batch_order, check_batch,
    sensing::{DeviceInput, History, Reading, Sample, ScoreInput, readings_of, score_epoch},
};
use serde::{Deserialize, Serialize};

pub use inputs::{AnchorRoot, Committed, Device, Inputs, InputsError};

/// Readings that a station owes in an epoch. In a replay one epoch is one hour and stations report hourly; a network
/// of faster stations sets its own number once the registry carries a cadence.
pub const READINGS_EXPECTED: u32 = 1;

/// What the epochs before leave behind: sequence numbers in use, and samples for the scores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    cursor: SeqCursor,
    history: History,
}

/// What validators vote on, as `result.json` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Root over the verdict leaves.
    pub verdict_root: Digest,
    /// Root over the score leaves.
    pub score_root: Digest,
    /// Root over the reward leaves.
    pub reward_root: Digest,
    /// Number of reward leaves.
    pub devices: u32,
    /// Σ earned.
    pub earned_stones: Stones,
    /// Σ subsidy.
    pub subsidy_stones: Stones,
    /// Σ subsidy that follows usage.
    pub usage: MicroUsd,
    /// Σ subsidy that follows coverage.
    pub need: MicroUsd,
}

/// An epoch, recomputed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recomputed {
    /// A verdict for every batch of every included commitment, in judging order.
    pub verdicts: Vec<VerdictLeaf>,
    /// A score for every active device, by device id.
    pub scores: Vec<ScoreLeaf>,
    /// The rewards, in leaf order, and their sums.
    pub distribution: Distribution,
    /// The roots.
    pub outcome: Outcome,
}

/// Why an epoch cannot be recomputed. Each is a fault of the inputs: validators refuse to vote then.
#[derive(Debug, thiserror::Error)]
pub enum RecomputeError {
    /// The registry snapshot is broken.
    #[error("the devices of epoch {0} cannot be read")]
    Inputs(Epoch, #[source] InputsError),
    /// The pool cannot be split.
    #[error("the pool of epoch {0} cannot be split")]
    Distribute(Epoch, #[source] DistributeError),
    /// Not the files of this epoch.
    #[error("files of epoch {found} were given for epoch {expected}")]
    WrongEpoch {
        /// The epoch to recompute.
        expected: Epoch,
        /// The epoch the files say.
        found: Epoch,
    },
}

/// Recomputes an epoch and moves the window past it.
///
/// `envelopes`: of all included commitments, in any order. Cost: one signature verification per envelope.
///
/// # Errors
/// See `RecomputeError`; the window is then unchanged.
pub fn recompute(
    inputs: &Inputs,
    envelopes: &[Envelope],
    window: &mut Window,
) -> Result<Recomputed, RecomputeError> {
    let epoch = inputs.epoch;
    let registry = inputs.registry().map_err(|error| RecomputeError::Inputs(epoch, error))?;
    let mut next = window.clone();
    next.begin(epoch);
    let (verdicts, accepted) =
        judge(&inputs.context(), &registry, inputs, envelopes, &mut next.cursor);
    let devices = deliveries(inputs.epoch, &inputs.schedule, &registry, &accepted);
    let scored = score_epoch(&ScoreInput {
        epoch,
        schedule: inputs.schedule,
        devices: &devices,
        history: &next.history,
    });
    let candidates = candidates(inputs, &registry, &scored.leaves);
    let distribution = distribute(&inputs.economy, &inputs.pool, &candidates, &inputs.earned)
        .map_err(|error| RecomputeError::Distribute(epoch, error))?;
    for (device, sample) in scored.samples {
        next.history.push(epoch, device, sample);
    }
    let outcome = Outcome {
        verdict_root: MerkleTree::from_hashes(verdicts.iter().map(VerdictLeaf::hash).collect())
            .root(),
        score_root: MerkleTree::from_hashes(scored.leaves.iter().map(ScoreLeaf::hash).collect())
            .root(),
        reward_root: reward_tree(&distribution.rewards).root(),
        devices: u32::try_from(distribution.rewards.len())
            .expect("distribute allows a million devices"),
        earned_stones: distribution.earned_stones,
        subsidy_stones: distribution.subsidy_stones,
        usage: distribution.usage,
        need: distribution.need,
    };
    *window = next;
    Ok(Recomputed { verdicts, scores: scored.leaves, distribution, outcome })
}

/// A verdict for every envelope in judging order, and the accepted ones.
fn judge<'a>(
    context: &EpochContext,
    registry: &BTreeMap<DeviceId, DeviceRecord>,
    inputs: &Inputs,
    envelopes: &'a [Envelope],
    cursor: &mut SeqCursor,
) -> (Vec<VerdictLeaf>, Vec<&'a Envelope>) {
    let mut order: Vec<&Envelope> = envelopes.iter().collect();
    order.sort_by_cached_key(|envelope| batch_order(envelope));
    let mut verdicts = Vec::with_capacity(order.len());
    let mut accepted = Vec::new();
    for envelope in order {
        let batch = envelope.batch();
        let verdict = check_batch(envelope, registry.get(&batch.device), context)
            .and_then(|()| cursor.admit(envelope, context.epoch));
        if verdict.is_ok() {
            accepted.push(envelope);
        }
        verdicts.push(VerdictLeaf {
            epoch: inputs.epoch,
            sector: inputs.sector,
            batch: envelope.leaf(),
            device: batch.device,
            stream: batch.stream,
            first_seq: batch.first_seq,
            rows: u32::try_from(batch.rows.len()).expect("a batch has at most 1,024 rows"),
            rejection: verdict.err(),
        });
    }
    (verdicts, accepted)
}

/// What every active device delivered, by device id.
fn deliveries(
    epoch: Epoch,
    schedule: &EpochSchedule,
    registry: &BTreeMap<DeviceId, DeviceRecord>,
    accepted: &[&Envelope],
) -> Vec<DeviceInput> {
    let mut delivered: BTreeMap<DeviceId, (Vec<Reading>, Option<Position>)> = BTreeMap::new();
    for envelope in accepted {
        let batch = envelope.batch();
        let (readings, reported) = delivered.entry(batch.device).or_default();
        readings.extend(readings_of(batch, epoch, schedule));
        *reported = batch.position.or(*reported);
    }
    let active = registry.values().filter(|device| device.is_active(epoch));
    active
        .map(|device| {
            let (readings, reported) = delivered.remove(&device.id).unwrap_or_default();
            DeviceInput {
                id: device.id,
                owner: device.owner,
                position: device.position,
                index: device.index,
                expected: READINGS_EXPECTED,
                reported,
                readings,
            }
        })
        .collect()
}

/// Who shares in the pool: every scored device, and with score 0 those that were paid for and are no longer active.
pub(crate) fn candidates(
    inputs: &Inputs,
    registry: &BTreeMap<DeviceId, DeviceRecord>,
    scores: &[ScoreLeaf],
) -> Vec<ScoredDevice> {
    let mut permille: BTreeMap<DeviceId, u16> =
        scores.iter().map(|leaf| (leaf.device, leaf.score)).collect();
    for line in &inputs.earned {
        permille.entry(line.device).or_insert(0);
    }
    permille
        .into_iter()
        .filter_map(|(device, score_permille)| {
            let record = registry.get(&device)?;
            Some(ScoredDevice {
                device,
                owner: record.owner,
                cell: record.cell,
                index: record.index,
                score_permille,
            })
        })
        .collect()
}

impl Window {
    /// Nothing before.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The window as judging `epoch` sees it.
    #[cfg(test)]
    pub(crate) fn at(mut self, epoch: Epoch) -> Self {
        self.begin(epoch);
        self
    }

    fn begin(&mut self, epoch: Epoch) {
        self.cursor.begin(epoch);
        self.history.begin(epoch);
    }

    /// Moves past an epoch whose verdicts are known, without judging it again: after a restart, and for an audit.
    ///
    /// # Errors
    /// When the registry snapshot is broken.
    pub fn pass(
        &mut self,
        inputs: &Inputs,
        envelopes: &[Envelope],
        verdicts: &[VerdictLeaf],
    ) -> Result<(), RecomputeError> {
        let registry =
            inputs.registry().map_err(|error| RecomputeError::Inputs(inputs.epoch, error))?;
        self.begin(inputs.epoch);
        let mut order: Vec<&Envelope> = envelopes.iter().collect();
        order.sort_by_cached_key(|envelope| batch_order(envelope));
        let accepted: Vec<&Envelope> = order
            .into_iter()
            .zip(verdicts)
            .filter(|(_, verdict)| verdict.rejection.is_none())
            .map(|(envelope, _)| envelope)
            .collect();
        for verdict in verdicts {
            self.cursor.record_verdict(verdict);
        }
        for device in deliveries(inputs.epoch, &inputs.schedule, &registry, &accepted) {
            if let Some(sample) = Sample::of(&device.readings) {
                self.history.push(inputs.epoch, device.id, sample);
            }
        }
        Ok(())
    }
}

impl Outcome {
    /// What is sent with a vote.
    #[must_use]
    pub fn to_vote(&self) -> IRewards::Result {
        IRewards::Result {
            verdictRoot: self.verdict_root.0.into(),
            scoreRoot: self.score_root.0.into(),
            rewardRoot: self.reward_root.0.into(),
            devices: self.devices,
            earnedStones: alloy_primitives::U256::from(self.earned_stones.0),
            subsidyStones: alloy_primitives::U256::from(self.subsidy_stones.0),
            usageMicroUsd: self.usage.0,
            needMicroUsd: self.need.0,
        }
    }

    /// What the ledger says was voted; `None` when an amount is beyond what can exist.
    #[must_use]
    pub fn of_ledger(result: &IRewards::Result) -> Option<Self> {
        Some(Self {
            verdict_root: Digest(result.verdictRoot.0),
            score_root: Digest(result.scoreRoot.0),
            reward_root: Digest(result.rewardRoot.0),
            devices: result.devices,
            earned_stones: Stones(u128::try_from(result.earnedStones).ok()?),
            subsidy_stones: Stones(u128::try_from(result.subsidyStones).ok()?),
            usage: MicroUsd(result.usageMicroUsd),
            need: MicroUsd(result.needMicroUsd),
        })
    }
}
