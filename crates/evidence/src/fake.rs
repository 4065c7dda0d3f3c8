//! A ledger in memory for the tests of this crate: it answers the calls that `Reads` makes, and notes what is sent.

use std::sync::{Arc, Mutex, MutexGuard};

use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_client::{BlockTag, ClientError, Head, LedgerRead, LogFilter, LogRecord};
use cairn_kit::clock::NetworkClock;
use cairn_primitives::{
    DeviceId, EconomyParams, Epoch, EpochSchedule, Genesis, GenesisIngest, Position, PublicKey,
    Sector, Stones, TimeMs,
    abi::{
        self,
        IBatches::{self, IBatchesCalls},
        IEconomy::{self, IEconomyCalls},
        IMarket::{self, IMarketCalls},
        IRegistry::{self, IRegistryCalls},
        IRewards::{self, IRewardsCalls},
    },
};

use crate::{Desk, recompute::Outcome, sealed::Commitment};

/// What the fake knows.
#[derive(Default)]
pub(crate) struct State {
    pub devices: Vec<IRegistry::Device>,
    pub commitments: std::collections::BTreeMap<u64, Vec<IBatches::Commitment>>,
    pub results: Vec<IRewards::Result>,
    pub frozen: std::collections::BTreeMap<u64, U256>,
    pub attested: Vec<(u64, U256)>,
    pub sealed: Vec<(u64, Outcome)>,
    /// Seals before votes are open.
    pub seals_needed: usize,
    pub voted: Vec<(u64, Outcome)>,
    /// How often the commitments of an epoch were asked for: once for each time its inputs are read.
    pub commitment_calls: u64,
    /// The node does not answer.
    pub down: bool,
}

/// The fake; clones share its state.
#[derive(Clone)]
pub(crate) struct FakeLedger {
    pub state: Arc<Mutex<State>>,
    pub clock: NetworkClock,
    pub schedule: EpochSchedule,
    pub account: Address,
    windows_ms: (u64, u64),
}

impl FakeLedger {
    pub fn new(clock: NetworkClock, genesis: &Genesis) -> Self {
        let account = genesis.ingests[0].operator;
        let windows_ms = (genesis.commit_window_ms, genesis.attest_window_ms);
        Self { state: Arc::default(), clock, schedule: genesis.schedule(), account, windows_ms }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn register(&self, key: &PublicKey, owner: u8, position: Position) -> DeviceId {
        self.register_from(key, owner, position, 0)
    }

    /// A device whose evidence counts from `epoch` on.
    pub fn register_from(
        &self,
        key: &PublicKey,
        owner: u8,
        position: Position,
        epoch: u64,
    ) -> DeviceId {
        let id = DeviceId::of(key);
        let mut state = self.state();
        let index = state.devices.len() as u64;
        state.devices.push(IRegistry::Device {
            id: id.0.into(),
            owner: Address::with_last_byte(owner),
            sector: 1,
            keyType: key.key_type() as u8,
            assurance: 3,
            status: 1,
            index,
            registeredEpoch: epoch,
            endEpoch: 0,
            cell: cairn_primitives::Cell::at(position).unwrap().0,
            latE7: position.lat_e7,
            lonE7: position.lon_e7,
            elevationDm: position.elevation_dm,
            bond: U256::ZERO,
            publicKey: key.as_bytes().to_vec().into(),
        });
        id
    }

    fn epoch(&self) -> Epoch {
        self.schedule.epoch_at(TimeMs(self.clock.now_ms()))
    }

    /// Whether an epoch ended so long ago, network ms.
    fn ended_for(&self, epoch: u64, ms: u64) -> bool {
        self.clock.now_ms() >= self.schedule.end_of(Epoch(epoch)).0 + ms
    }

    fn answer(&self, to: Address, data: &[u8]) -> Option<Vec<u8>> {
        use alloy_sol_types::{SolCall as _, SolInterface as _};
        let mut state = self.state();
        Some(match to {
            abi::REGISTRY => match IRegistryCalls::abi_decode(data).ok()? {
                IRegistryCalls::count(_) => {
                    IRegistry::countCall::abi_encode_returns(&(state.devices.len() as u64))
                }
                IRegistryCalls::page(call) => {
                    let page: Vec<_> =
                        state.devices.iter().skip(call.from as usize).take(256).cloned().collect();
                    IRegistry::pageCall::abi_encode_returns(&page)
                }
                _ => return None,
            },
            abi::BATCHES => match IBatchesCalls::abi_decode(data).ok()? {
                IBatchesCalls::commitments(call) => {
                    state.commitment_calls += 1;
                    let all = state.commitments.get(&call.epoch).cloned().unwrap_or_default();
                    IBatches::commitmentsCall::abi_encode_returns(&all)
                }
                IBatchesCalls::status(call) => {
                    let commitments = state.commitments.get(&call.epoch).map_or(0, Vec::len);
                    let frozen = state.frozen.get(&call.epoch);
                    let windows = self.windows_ms.0 + self.windows_ms.1;
                    let phase = match (frozen, self.epoch().0 > call.epoch, commitments) {
                        (Some(_), ..) => 3,
                        (None, true, 1..) => 2,
                        // Nothing to attest: time alone freezes the set.
                        (None, true, 0) if self.ended_for(call.epoch, windows) => 3,
                        (None, true, 0) => 1,
                        (None, false, _) => 0,
                    };
                    IBatches::statusCall::abi_encode_returns(&IBatches::Status {
                        phase,
                        round: 0,
                        commitments: commitments as u32,
                        attestations: 0,
                        included: frozen.copied().unwrap_or_default(),
                    })
                }
                _ => return None,
            },
            abi::REWARDS => match IRewardsCalls::abi_decode(data).ok()? {
                IRewardsCalls::nextEpoch(_) => {
                    IRewards::nextEpochCall::abi_encode_returns(&(state.results.len() as u64))
                }
                IRewardsCalls::result(call) => IRewards::resultCall::abi_encode_returns(
                    state.results.get(call.epoch as usize)?,
                ),
                IRewardsCalls::ballot(call) => {
                    let seals = state.sealed.iter().filter(|(at, _)| *at == call.epoch).count();
                    IRewards::ballotCall::abi_encode_returns(&IRewards::Ballot {
                        seals: seals as u32,
                        open: seals >= state.seals_needed.max(1),
                        ..Default::default()
                    })
                }
                IRewardsCalls::pool(call) => {
                    IRewards::poolCall::abi_encode_returns(&IRewards::Pool {
                        epoch: call.epoch,
                        priceMicroUsd: 1_000_000,
                        earnedMicroUsd: 0,
                        earnedStones: U256::ZERO,
                        usageSubsidyMicroUsd: 0,
                        needSubsidyMicroUsd: 1_000_000,
                    })
                }
                _ => return None,
            },
            abi::MARKET => match IMarketCalls::abi_decode(data).ok()? {
                IMarketCalls::earnedCount(_) => IMarket::earnedCountCall::abi_encode_returns(&0),
                _ => return None,
            },
            abi::ECONOMY => match IEconomyCalls::abi_decode(data).ok()? {
                IEconomyCalls::epoch(_) => IEconomy::epochCall::abi_encode_returns(&self.epoch().0),
                _ => return None,
            },
            _ => return None,
        })
    }
}

impl LedgerRead for FakeLedger {
    async fn eth_call(
        &self,
        to: Address,
        data: Bytes,
        _at: BlockTag,
    ) -> Result<Bytes, ClientError> {
        let missing = || ClientError::Store { reason: "the fake does not answer this".to_owned() };
        if self.state().down {
            return Err(missing());
        }
        self.answer(to, &data).map(Bytes::from).ok_or_else(missing)
    }
    async fn head(&self, _at: BlockTag) -> Result<Option<Head>, ClientError> {
        if self.state().down {
            return Err(ClientError::Store { reason: "the node does not answer".to_owned() });
        }
        let time = TimeMs(self.clock.now_ms());
        let (devices, results) = {
            let state = self.state();
            (state.devices.len() as u64, state.results.len() as u64)
        };
        // Any change makes another block.
        let number = time.0 ^ devices ^ (results << 32);
        let (hash, state_root) = (B256::ZERO, B256::ZERO);
        Ok(Some(Head { number, hash, time, base_fee: 0, state_root, gas_used: 0 }))
    }
    async fn balance(&self, _account: Address, _at: BlockTag) -> Result<Stones, ClientError> {
        Ok(Stones::ZERO)
    }
    async fn logs(&self, _filter: LogFilter) -> Result<Vec<LogRecord>, ClientError> {
        Ok(Vec::new())
    }
}

impl Desk for FakeLedger {
    fn address(&self) -> Address {
        self.account
    }
    async fn commit(
        &self,
        epoch: Epoch,
        _sector: Sector,
        commitment: &Commitment,
    ) -> Result<(), ClientError> {
        let refuse = |reason: &str| Err(ClientError::Store { reason: reason.to_owned() });
        if self.state().down {
            return refuse("the node does not answer");
        }
        if self.ended_for(epoch.0, self.windows_ms.0) {
            return refuse("CommitWindowClosed");
        }
        if self.state().commitments.contains_key(&epoch.0) {
            return refuse("AlreadyCommitted");
        }
        let commitment = IBatches::Commitment {
            ingest: self.account,
            root: commitment.root.0.into(),
            digest: commitment.digest.0.into(),
            count: commitment.count,
            size: commitment.size,
        };
        self.state().commitments.entry(epoch.0).or_default().push(commitment);
        Ok(())
    }
    async fn attest(&self, epoch: Epoch, _sector: Sector, held: U256) -> Result<(), ClientError> {
        let mut state = self.state();
        state.attested.push((epoch.0, held));
        state.frozen.insert(epoch.0, held);
        Ok(())
    }
    async fn seal(
        &self,
        epoch: Epoch,
        _sector: Sector,
        _round: u32,
        outcome: &Outcome,
    ) -> Result<(), ClientError> {
        self.state().sealed.push((epoch.0, *outcome));
        Ok(())
    }
    async fn vote(
        &self,
        epoch: Epoch,
        _sector: Sector,
        _round: u32,
        outcome: &Outcome,
    ) -> Result<(), ClientError> {
        let mut state = self.state();
        state.voted.push((epoch.0, *outcome));
        if epoch.0 == state.results.len() as u64 {
            state.results.push(outcome.to_vote());
        }
        Ok(())
    }
}

/// A network with one ingest and hourly epochs.
pub(crate) fn genesis(ingest_url: &str) -> Genesis {
    Genesis {
        start_ms: crate::workload::START_MS,
        commit_window_ms: 600_000,
        attest_window_ms: 600_000,
        block_busy_ms: 1,
        block_idle_ms: 1,
        block_gas_limit: 30_000_000,
        base_fee_initial: 1,
        base_fee_min: 1,
        economy: EconomyParams {
            price_micro_usd: 1_000_000,
            cap_stones: 1_000,
            reserve_stones: 1_000,
            burn_share_ppm: 100_000,
            grant_stones: 100,
            device_cost_micro_usd_day: 1_000_000,
            target_cells: 1,
            device_bond_stones: 1,
            ..EconomyParams::default()
        },
        ingests: vec![GenesisIngest {
            operator: Address::with_last_byte(0xaa),
            receipt_key: B256::ZERO,
            url: ingest_url.to_owned(),
        }],
        ..Genesis::empty("test", 7)
    }
}
