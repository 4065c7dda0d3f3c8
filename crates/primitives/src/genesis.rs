//! Genesis: what is the same for all, for ever. TOML on disk; its canonical JSON hash names the network.
//!
//! Node settings (ports, folders) are another file and another type: a wrong node setting hurts one operator, a wrong
//! genesis value hurts all.

mod check;
mod governance;
mod pool;
mod stake;

pub use governance::{Bound, GovernanceParams, Parameter};
pub use pool::PoolParams;
pub use stake::{SEATS_MIN, StakeParams};

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::{Digest, EpochSchedule, MicroUsd, TimeMs};

/// The whole of genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Name of the network, for people.
    pub name: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Network time of block 0 and of the start of epoch 0, in ms.
    pub start_ms: u64,
    /// Length of an epoch in network ms.
    pub epoch_ms: u64,
    /// Network milliseconds that pass in one wall millisecond: 1 on a real network, more in a replay.
    pub time_scale: u64,
    /// After an epoch's end, how long ingests may commit, in network ms.
    pub commit_window_ms: u64,
    /// After the commit window, how long until availability is decided without the missing validators, in network ms.
    pub attest_window_ms: u64,
    /// Blocks: pause between blocks when there are transactions, in wall ms.
    pub block_busy_ms: u64,
    /// Blocks: pause between blocks when there are none, in wall ms.
    pub block_idle_ms: u64,
    /// Gas limit of a block.
    pub block_gas_limit: u64,
    /// Base fee of block 0, in base units of STONE per gas; it never falls below `base_fee_min`.
    pub base_fee_initial: u64,
    /// Lowest base fee.
    pub base_fee_min: u64,
    /// The economy.
    pub economy: EconomyParams,
    /// The stone/dollar pool; none: the price is `economy.price_micro_usd` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolParams>,
    /// The validators' seats, from the third term on.
    #[serde(default)]
    pub stake: StakeParams,
    /// Votes of locked stones and the treasury's streams; none: the economy is genesis's for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governance: Option<GovernanceParams>,
    /// The validators of the first two terms, one seat each.
    pub validators: Vec<GenesisValidator>,
    /// The ingests that may commit batches.
    pub ingests: Vec<GenesisIngest>,
    /// Accounts that hold stones at genesis; together with the reserve and the bonds they make up the cap.
    pub accounts: Vec<GenesisAccount>,
}

/// Numbers of `docs/spec/economy.md`; ppm = millionths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EconomyParams {
    /// Micro-dollars per STONE: for ever, or at genesis where there is a pool.
    pub price_micro_usd: u64,
    /// Hard cap, in whole stones.
    pub cap_stones: u64,
    /// Not issued at genesis, in whole stones.
    pub reserve_stones: u64,
    /// Share of every settlement that is burned, ppm.
    pub fee_burn_ppm: u32,
    /// Share of every settlement for the treasury, ppm.
    pub fee_treasury_ppm: u32,
    /// Share of every settlement for insurance, ppm.
    pub fee_insurance_ppm: u32,
    /// α: share of a day's emission that is split by burn, ppm.
    pub burn_share_ppm: u32,
    /// m: most subsidy per burned dollar, ppm; below 1,000,000.
    pub match_ppm: u32,
    /// θ: how much of a device's income lowers its need, ppm.
    pub taper_ppm: u32,
    /// Grant of the sensing sector, in whole stones.
    pub grant_stones: u64,
    /// Devices wanted in each target cell.
    pub cell_target: u32,
    /// Audited cost of one device for one day, micro-dollars.
    pub device_cost_micro_usd_day: u64,
    /// Number of target cells (coverage need = cells × target × cost).
    pub target_cells: u32,
    /// Bond of a sensing device, in whole stones.
    pub device_bond_stones: u64,
    /// Epochs after its own until an earned reward unlocks.
    pub dispute_epochs: u64,
    /// Epochs after its own until a subsidy unlocks.
    pub vesting_epochs: u64,
}

/// A validator's seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// Name for people.
    pub name: String,
    /// Ethereum account that sends attestations and votes.
    pub operator: Address,
    /// Ed25519 key in consensus and peer-to-peer.
    pub consensus_key: B256,
    /// Bond, in whole stones.
    pub bond_stones: u64,
}

/// An ingest that may commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisIngest {
    /// Ethereum account that sends commitments.
    pub operator: Address,
    /// Ed25519 key that signs receipts.
    pub receipt_key: B256,
    /// Where its files are served, e.g. `http://127.0.0.1:8600`. Empty: nodes learn it from their settings, and genesis is
    /// the same whatever port the ingest gets.
    pub url: String,
}

/// Stones at genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Name for people.
    pub name: String,
    /// The account.
    pub address: Address,
    /// Whole stones.
    pub stones: u64,
}

/// A genesis that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("genesis: {field} is {value}: {reason}")]
pub struct GenesisError {
    /// The key in the file.
    pub field: String,
    /// What it says.
    pub value: String,
    /// What it must be.
    pub reason: &'static str,
}

impl Default for EconomyParams {
    /// Values that docs/spec/economy.md reasons with, for three cells. The cap and the reserve are what a network's accounts, bonds and
    /// pool leave: who founds one sets them.
    fn default() -> Self {
        Self {
            price_micro_usd: 250_000,
            cap_stones: 1_000_000_000,
            reserve_stones: 600_000_000,
            fee_burn_ppm: 50_000,
            fee_treasury_ppm: 20_000,
            fee_insurance_ppm: 10_000,
            burn_share_ppm: 500_000,
            match_ppm: 900_000,
            taper_ppm: 500_000,
            grant_stones: 40_000_000,
            cell_target: 3,
            device_cost_micro_usd_day: 400_000,
            target_cells: 3,
            device_bond_stones: 100,
            dispute_epochs: 1,
            vesting_epochs: 30,
        }
    }
}

impl Genesis {
    /// A network of nobody, with hourly epochs and without a pool or votes: what devnets, simulations and tests begin with. It passes
    /// `check` once it has validators, and accounts whose stones add up with the reserve to the cap.
    #[must_use]
    pub fn empty(name: &str, chain_id: u64) -> Self {
        Self {
            name: name.to_owned(),
            chain_id,
            start_ms: 0,
            epoch_ms: 3_600_000,
            time_scale: 1,
            commit_window_ms: 900_000,
            attest_window_ms: 900_000,
            block_busy_ms: 250,
            block_idle_ms: 1_000,
            block_gas_limit: 60_000_000,
            base_fee_initial: 1_000_000_000,
            base_fee_min: 1_000_000,
            economy: EconomyParams::default(),
            pool: None,
            stake: StakeParams::default(),
            governance: None,
            validators: Vec::new(),
            ingests: Vec::new(),
            accounts: Vec::new(),
        }
    }

    /// Where epochs begin and end.
    #[must_use]
    pub const fn schedule(&self) -> EpochSchedule {
        EpochSchedule { start: TimeMs(self.start_ms), epoch_ms: self.epoch_ms }
    }

    /// Micro-dollars per STONE at genesis.
    #[must_use]
    pub const fn price(&self) -> MicroUsd {
        MicroUsd(self.economy.price_micro_usd)
    }

    /// Votes needed in the first two terms: the smallest number greater than two thirds of the validators.
    #[must_use]
    pub fn quorum(&self) -> u32 {
        quorum(u32::try_from(self.validators.len()).unwrap_or(u32::MAX))
    }
}

/// Votes needed of `seats`: the smallest number greater than two thirds of them.
#[must_use]
pub const fn quorum(seats: u32) -> u32 {
    // In parts, so that no number of seats overflows.
    seats / 3 * 2 + seats % 3 * 2 / 3 + 1
}

/// The hash that names the network: SHA-256 over its canonical text (docs/spec/genesis.md).
impl Genesis {
    /// See above; `text` is the exact file content that all nodes share.
    #[must_use]
    pub fn hash_of_text(text: &str) -> Digest {
        Digest::of(&[b"cairn/genesis/v1", text.as_bytes()])
    }
}
