//! Sensing, the whole path: stations measure or cheat, everybody else does what everybody does on a real network.
//!
//! ```text
//! in epoch e        devices sign and deliver; the consumer's receipt over the rows of epoch e − 1 settles
//! after its end     seal ─► commit ─► open ─► attest ×4 ─► recompute ─► vote ×4 ─► final; contradictions slash; claims
//! ```
//! A validator may be told to vote for something else (`Fault`); everything else follows from log, cheats and seed.

mod cheat;
mod fleet;
mod founding;
#[cfg(test)]
mod history;
mod market;
#[cfg(test)]
mod reality;
mod report;
#[cfg(test)]
mod tests;
mod weather;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::{Address, U256};
use cairn_agent::sensing::StationLog;
use cairn_client::{BlockTag, Call, ClientError, DevKeys, Reads as _, Role, Wallet};
use cairn_economy::{Reward, reward_tree};
use cairn_evidence::{
    archive::LeafLine,
    recompute::{Inputs, Outcome, RecomputeError, Recomputed, Window, recompute},
    sealed::{Entry, OpenError, SealError, Sealed, open, seal},
    verifier::{GatherError, Network, inputs},
};
use cairn_primitives::{
    Anchor, CellError, Digest, Envelope, Epoch, EpochSchedule, Genesis, GenesisError, KeyError,
    MerkleTree, MicroUsd, STONE, Sector, Stones, TimeMs,
    abi::{BATCHES, IBatches, IRegistry, IRewards, REGISTRY, REWARDS},
};
use cairn_sectors::{Rejection, ScoreLeaf, VerdictLeaf};
use futures::executor::block_on;

use crate::network::{Chain, ChainError, Sent};

pub use cheat::Cheat;
pub use fleet::{Cheater, Device, fleet};
pub use founding::{EPOCH_MS, VALIDATORS, genesis, validator};
pub use report::{DeviceEpoch, DeviceTotal, EpochReport, Report};
pub use weather::made_up;

use market::Market;

/// The sector that is simulated.
const SECTOR: Sector = Sector::Sensing;
/// How long after an epoch's end its batches are committed.
const COMMIT_AFTER_MS: u64 = 60_000;

/// What goes wrong among the validators in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One validator votes for another result.
    Dissent {
        /// Which, from 0.
        validator: usize,
    },
    /// Half of the validators vote for another result in the first round.
    Split,
}

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names every key.
    pub seed: u64,
    /// The stations.
    pub log: StationLog,
    /// Those that cheat, at most one entry a station.
    pub cheaters: Vec<Cheater>,
    /// Epochs to simulate.
    pub epochs: u64,
    /// What consumers spend in an epoch.
    pub spend: MicroUsd,
    /// Validators that do not vote as they should.
    pub faults: BTreeMap<Epoch, Fault>,
}

/// Why a simulation cannot go on. None of these is a result: each is a bug or an impossible configuration.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A log without readings.
    #[error("the station log has no readings")]
    NoReadings,
    /// A cheater that copies or is a station the log does not have.
    #[error("the log has no station {0}")]
    NoStation(usize),
    /// The numbers of the network.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A station that is not on Earth.
    #[error("a station's position cannot be")]
    Place(#[from] CellError),
    /// The ledger.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A view of the ledger.
    #[error(transparent)]
    Read(#[from] ClientError),
    /// The inputs of an epoch.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The ingest's half.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The validator's half.
    #[error("the sealed files of epoch {0} do not open")]
    Open(Epoch, #[source] OpenError),
    /// An epoch that opens as another than was sealed.
    #[error("the sealed files of epoch {0} open as something else")]
    Opened(Epoch),
    /// Judging and scoring.
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
    /// A device's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An epoch that all votes did not make final.
    #[error("epoch {0} is not final after every vote")]
    NotFinal(Epoch),
}

/// A network and its fleet.
pub struct Simulation {
    config: Config,
    network: Network,
    schedule: EpochSchedule,
    chain: Chain,
    ingest: Wallet,
    validators: Vec<Wallet>,
    /// Brings proofs of equivocation.
    watcher: Wallet,
    devices: Vec<Device>,
    market: Market,
    window: Window,
    next: Epoch,
    rewards: BTreeMap<Epoch, Vec<Reward>>,
    claimed: BTreeMap<Address, Stones>,
    /// Leaf files of every epoch (verdicts, scores, rewards), where they are kept.
    files: Option<BTreeMap<Epoch, [Vec<u8>; 3]>>,
}

/// What the votes on an epoch came to.
#[derive(Default)]
struct Votes {
    reopened: u32,
    dissenters: Vec<Address>,
    is_final: bool,
}

/// The leaf files of an epoch, without the view for readers.
fn leaf_files(recomputed: &Recomputed) -> [Vec<u8>; 3] {
    let lines = |leaves: Vec<Vec<u8>>| {
        LeafLine::file(leaves.into_iter().map(|bytes| (bytes, serde_json::Value::Null)))
    };
    [
        lines(recomputed.verdicts.iter().map(VerdictLeaf::to_bytes).collect()),
        lines(recomputed.scores.iter().map(ScoreLeaf::to_bytes).collect()),
        lines(recomputed.distribution.rewards.iter().map(|r| r.encode().to_vec()).collect()),
    ]
}

/// Runs a whole simulation.
///
/// # Errors
/// See `SimError`.
pub fn run(config: Config) -> Result<Report, SimError> {
    let epochs = config.epochs;
    let mut simulation = Simulation::new(config)?;
    let epochs = (0..epochs).map(|_| simulation.step()).collect::<Result<_, _>>()?;
    Ok(simulation.finish(epochs))
}

impl Simulation {
    /// Founds the network, registers every device, and opens the consumer's lease.
    ///
    /// # Errors
    /// See `SimError`.
    pub fn new(config: Config) -> Result<Self, SimError> {
        Self::found(config, false, |_| {})
    }

    /// The same, keeping every block and every leaf for who reads them as an auditor does.
    ///
    /// # Errors
    /// See `SimError`.
    pub fn recorded(config: Config) -> Result<Self, SimError> {
        Self::found(config, true, |_| {})
    }

    fn found(
        config: Config,
        keep: bool,
        change: impl FnOnce(&mut Genesis),
    ) -> Result<Self, SimError> {
        check_stations(&config)?;
        let keys = DevKeys::new(config.seed.to_be_bytes());
        let mut genesis = genesis(&config.log, &keys, VALIDATORS)?;
        change(&mut genesis);
        genesis.check()?;
        let schedule = genesis.schedule();
        // Genesis has no text here: its name stands for it.
        let hash = Digest::of(&[b"cairn/sim/genesis", &config.seed.to_be_bytes()]);
        let mut chain = Chain::new(Arc::new(genesis.clone()), hash)?;
        if keep {
            chain.keep_blocks();
        }
        let devices = fleet(&config.log, &config.cheaters, &keys, &schedule);
        let bond = Stones(u128::from(genesis.economy.device_bond_stones) * STONE);
        for device in &devices {
            register(&mut chain, genesis.chain_id, device, bond)?;
        }
        let market = Market::open(&mut chain, &genesis, &keys, config.spend, config.epochs)?;
        let validator = |n| keys.wallet(Role::Validator, &founding::validator(n));
        Ok(Self {
            network: Network { genesis, hash, sector: SECTOR },
            schedule,
            chain,
            ingest: keys.wallet(Role::Ingest, "ingest"),
            validators: (0..VALIDATORS).map(validator).collect(),
            watcher: keys.wallet(Role::Founder, "founder"),
            devices,
            market,
            window: Window::new(),
            next: Epoch(0),
            rewards: BTreeMap::new(),
            claimed: BTreeMap::new(),
            files: keep.then(BTreeMap::new),
            config,
        })
    }

    /// The ledger.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The genesis of the network.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.network.genesis
    }

    /// The leaf files of a final epoch (verdicts, scores, rewards), where they are kept.
    #[must_use]
    pub fn leaf_files(&self, epoch: Epoch) -> Option<&[Vec<u8>; 3]> {
        self.files.as_ref()?.get(&epoch)
    }

    /// Simulates the next epoch until it is final, and checks the ledger's invariants.
    ///
    /// # Errors
    /// See `SimError`.
    pub fn step(&mut self) -> Result<EpochReport, SimError> {
        let epoch = self.next;
        let envelopes = self.measure(epoch)?;
        self.sell(epoch)?;
        self.chain.go_to(TimeMs(self.schedule.end_of(epoch).0 + COMMIT_AFTER_MS))?;
        let sealed = self.commit(epoch, envelopes)?;
        self.attest(epoch)?;
        let inputs = block_on(inputs(&self.chain, &self.network, epoch))?;
        let envelopes = opened(epoch, &inputs, sealed)?;
        let recomputed = recompute(&inputs, &envelopes, &mut self.window)?;
        let votes = self.vote(epoch, &recomputed.outcome)?;
        if let Some(files) = &mut self.files {
            files.insert(epoch, leaf_files(&recomputed));
        }
        let slashed = self.slash(&recomputed, &envelopes)?;
        self.rewards.insert(epoch, recomputed.distribution.rewards.clone());
        self.claim(epoch)?;
        self.chain.check()?;
        self.market.serve(&recomputed.scores);
        self.next = epoch.next();
        Ok(self.report(epoch, recomputed, votes, slashed))
    }

    /// Ends the run.
    #[must_use]
    pub fn finish(self, epochs: Vec<EpochReport>) -> Report {
        Report { epochs, claimed: self.claimed, state: state_digest(&self.chain) }
    }

    fn measure(&mut self, epoch: Epoch) -> Result<Vec<Envelope>, SimError> {
        let named = epoch.back(1);
        let root = match named.previous() {
            None => self.network.hash,
            Some(before) => block_on(self.chain.reward_root(before, SECTOR, BlockTag::Latest))?,
        };
        let anchor = Anchor { epoch: named, root_prefix: root.prefix() };
        let mut all = Vec::new();
        for device in &mut self.devices {
            all.extend(device.deliver(epoch, &self.schedule, anchor)?);
        }
        Ok(all)
    }

    /// The receipt over what was accepted in the epoch before is settled in the middle of this one.
    fn sell(&mut self, epoch: Epoch) -> Result<(), SimError> {
        let middle = TimeMs(self.schedule.start_of(epoch).0 + EPOCH_MS / 2);
        self.chain.go_to(middle)?;
        Ok(self.market.settle(&mut self.chain, self.network.genesis.chain_id)?)
    }

    fn commit(&mut self, epoch: Epoch, envelopes: Vec<Envelope>) -> Result<Sealed, SimError> {
        let mut entries: Vec<Entry> = envelopes.into_iter().map(Entry::from).collect();
        entries.sort_by_cached_key(Entry::order);
        let sealed = seal(epoch, SECTOR, &entries)?;
        let call = IBatches::commitCall {
            epoch: epoch.0,
            sector: SECTOR.number(),
            root: sealed.root.0.into(),
            digest: sealed.digest.0.into(),
            count: sealed.count,
            size: sealed.size,
        };
        self.chain.send_system(&self.ingest, &Call::new(BATCHES, &call))?;
        Ok(sealed)
    }

    fn attest(&mut self, epoch: Epoch) -> Result<(), SimError> {
        let held = U256::from(1);
        let call = IBatches::attestCall { epoch: epoch.0, sector: SECTOR.number(), held };
        for validator in &self.validators {
            self.chain.send_system(validator, &Call::new(BATCHES, &call))?;
        }
        Ok(())
    }

    /// Every validator votes, in as many rounds as it takes.
    fn vote(&mut self, epoch: Epoch, outcome: &Outcome) -> Result<Votes, SimError> {
        let fault = self.config.faults.get(&epoch).copied();
        let mut votes = Votes::default();
        self.vote_round(epoch, outcome, fault, &mut votes)?;
        if !votes.is_final && votes.reopened > 0 {
            self.attest(epoch)?;
            self.vote_round(epoch, outcome, None, &mut votes)?;
        }
        if votes.is_final { Ok(votes) } else { Err(SimError::NotFinal(epoch)) }
    }

    fn vote_round(
        &mut self,
        epoch: Epoch,
        outcome: &Outcome,
        fault: Option<Fault>,
        votes: &mut Votes,
    ) -> Result<(), SimError> {
        let round = votes.reopened;
        for (number, validator) in self.validators.iter().enumerate() {
            let differs = match fault {
                Some(Fault::Dissent { validator }) => validator == number,
                Some(Fault::Split) => number % 2 == 1,
                None => false,
            };
            let mut result = outcome.to_vote();
            if differs {
                result.scoreRoot = Digest::of(&[b"another score"]).0.into();
            }
            let sector = SECTOR.number();
            let call = IRewards::voteCall { epoch: epoch.0, sector, round, result };
            let sent = self.chain.send_system(validator, &Call::new(REWARDS, &call))?;
            if votes.read(&sent) {
                break;
            }
        }
        Ok(())
    }

    /// Whoever sees two stories for one sequence number takes the bond.
    fn slash(
        &mut self,
        recomputed: &Recomputed,
        envelopes: &[Envelope],
    ) -> Result<Vec<cairn_primitives::DeviceId>, SimError> {
        let mut slashed = Vec::new();
        let contradictions =
            recomputed.verdicts.iter().filter(|v| v.rejection == Some(Rejection::Equivocation));
        for verdict in contradictions {
            let mut stories = envelopes.iter().filter(|envelope| {
                let batch = envelope.batch();
                batch.device == verdict.device && batch.first_seq == verdict.first_seq
            });
            let (Some(a), Some(b)) = (stories.next(), stories.next()) else { continue };
            let call = IRegistry::proveEquivocationCall {
                envelopeA: a.bytes().to_vec().into(),
                envelopeB: b.bytes().to_vec().into(),
            };
            let sent = self.chain.send(&self.watcher, &Call::new(REGISTRY, &call))?;
            sent.event::<IRegistry::DeviceSlashed>()?;
            slashed.push(verdict.device);
        }
        Ok(slashed)
    }

    /// Owners claim what this epoch's end unlocked: paid work after the dispute window, subsidy after it vested.
    fn claim(&mut self, epoch: Epoch) -> Result<(), SimError> {
        let economy = &self.network.genesis.economy;
        let waits = BTreeSet::from([economy.dispute_epochs, economy.vesting_epochs]);
        let unlocked: Vec<Epoch> =
            waits.iter().filter_map(|wait| epoch.0.checked_sub(*wait)).map(Epoch).collect();
        for owner in self.owners() {
            let call = self.claims_of(&owner, &unlocked);
            if call.rewards.is_empty() {
                continue;
            }
            let sent = self.chain.send(&owner, &Call::new(REWARDS, &call))?;
            let paid = self.claimed.entry(owner.address()).or_default();
            for claimed in sent.events::<IRewards::Claimed>() {
                let both = claimed.earnedStones.saturating_add(claimed.subsidyStones);
                paid.0 = paid.0.saturating_add(both.saturating_to());
            }
        }
        Ok(())
    }

    /// The owners' accounts, each once, in the order of their first device.
    fn owners(&self) -> Vec<Wallet> {
        let mut seen = BTreeSet::new();
        let owners = self.devices.iter().map(|device| &device.owner);
        owners.filter(|owner| seen.insert(owner.address())).cloned().collect()
    }

    fn claims_of(&self, owner: &Wallet, epochs: &[Epoch]) -> IRewards::claimManyCall {
        let mut call = IRewards::claimManyCall {
            rewards: Vec::new(),
            indices: Vec::new(),
            proofs: Vec::new(),
            lengths: Vec::new(),
        };
        for rewards in epochs.iter().filter_map(|epoch| self.rewards.get(epoch)) {
            let tree: MerkleTree = reward_tree(rewards);
            for (index, reward) in rewards.iter().enumerate() {
                let Some(proof) = tree.proof(index).filter(|_| reward.owner == owner.address())
                else {
                    continue;
                };
                call.rewards.push(market::to_abi(reward));
                call.indices.push(proof.index);
                // A proof has at most 32 siblings.
                call.lengths.push(u8::try_from(proof.siblings.len()).unwrap_or(u8::MAX));
                call.proofs
                    .extend(proof.siblings.iter().map(|s| alloy_primitives::B256::from(s.0)));
            }
        }
        call
    }

    fn report(
        &self,
        epoch: Epoch,
        recomputed: Recomputed,
        votes: Votes,
        slashed: Vec<cairn_primitives::DeviceId>,
    ) -> EpochReport {
        let device = |device: &Device| {
            let verdicts = recomputed.verdicts.iter().filter(|v| v.device == device.id);
            let score = recomputed.scores.iter().find(|leaf| leaf.device == device.id);
            let reward = recomputed.distribution.rewards.iter().find(|r| r.device == device.id);
            DeviceEpoch {
                verdicts: verdicts.map(|verdict| verdict.rejection).collect(),
                score: score.map(|leaf| leaf.score),
                gate: score.and_then(|leaf| leaf.rejection),
                earned: reward.map_or(MicroUsd(0), |reward| reward.earned),
                subsidy: reward.map_or(MicroUsd(0), |reward| reward.subsidy),
            }
        };
        EpochReport {
            epoch,
            outcome: recomputed.outcome,
            reopened: votes.reopened,
            dissenters: votes.dissenters,
            slashed,
            devices: self.devices.iter().map(device).collect(),
        }
    }
}

impl Votes {
    /// Takes in what a vote did; whether it ended the round.
    fn read(&mut self, sent: &Sent) -> bool {
        let dissent = sent.events::<IRewards::Dissent>();
        self.dissenters.extend(dissent.iter().map(|event| event.validator));
        let reopened = !sent.events::<IRewards::RoundReopened>().is_empty();
        self.reopened += u32::from(reopened);
        self.is_final |= !sent.events::<IRewards::EpochFinal>().is_empty();
        reopened
    }
}

fn check_stations(config: &Config) -> Result<(), SimError> {
    let count = config.log.stations.len();
    let named = config.cheaters.iter().flat_map(|cheater| {
        let copied = match cheater.cheat {
            Cheat::Copy { of } | Cheat::NoisyCopy { of, .. } => Some(of),
            _ => None,
        };
        [Some(cheater.station), copied].into_iter().flatten()
    });
    named.filter(|n| *n >= count).try_for_each(|n| Err(SimError::NoStation(n)))
}

fn register(
    chain: &mut Chain,
    chain_id: u64,
    device: &Device,
    bond: Stones,
) -> Result<(), SimError> {
    let call = device.registration(chain_id, bond)?;
    chain.send(device.owner(), &call)?.event::<IRegistry::DeviceRegistered>()?;
    Ok(())
}

/// What every validator does with the files of an epoch: opens them against what the ledger says.
fn opened(epoch: Epoch, inputs: &Inputs, sealed: Sealed) -> Result<Vec<Envelope>, SimError> {
    let mut included = inputs.included();
    let committed = included.next().ok_or(SimError::Opened(epoch))?;
    let opened = open(&committed.commitment(), &sealed.sidecar, sealed.readings.into())
        .map_err(|error| SimError::Open(epoch, error))?;
    if opened.epoch == epoch && opened.sector == SECTOR && included.next().is_none() {
        Ok(opened.envelopes)
    } else {
        Err(SimError::Opened(epoch))
    }
}

/// SHA-256 over every account and every slot, in order.
fn state_digest(chain: &Chain) -> Digest {
    let state = chain.state();
    let mut bytes = Vec::new();
    for (address, account) in &state.accounts {
        bytes.extend_from_slice(address.as_slice());
        bytes.extend_from_slice(&account.nonce.to_be_bytes());
        bytes.extend_from_slice(&account.balance.to_be_bytes::<32>());
        bytes.extend_from_slice(account.code_hash.as_slice());
    }
    for ((address, slot), value) in &state.slots {
        bytes.extend_from_slice(address.as_slice());
        bytes.extend_from_slice(&slot.to_be_bytes::<32>());
        bytes.extend_from_slice(&value.to_be_bytes::<32>());
    }
    Digest::of(&[&bytes])
}
