//! A small network for tests and examples: validators of one seed on loopback, funded accounts.

#![allow(dead_code, reason = "each test uses its part")]

use std::{net::SocketAddr, path::Path};

use alloy_primitives::B256;
use cairn_client::{DevKeys, Role, Wallet};
use cairn_kit::loopback::free_address;
use cairn_node::validator::{ConsensusKey, Network, NodeConfig, NodeKeys};
use cairn_primitives::{
    EconomyParams, Genesis, GenesisAccount, GenesisIngest, GenesisValidator, StakeParams,
};

/// Network time of genesis.
pub const START_MS: u64 = 1_357_000_000_000;
/// Stones of each funded account.
pub const STONES: u64 = 1_000_000;

/// A network and its secrets.
pub struct Devnet {
    /// The network.
    pub network: Network,
    /// Consensus key, port and secrets of each validator.
    pub validators: Vec<(B256, SocketAddr, NodeKeys)>,
    /// Accounts with stones.
    pub accounts: Vec<Wallet>,
}

impl Devnet {
    /// `count` validators and two funded accounts.
    pub fn new(count: usize) -> Self {
        let keys = DevKeys::new("node");
        let names: Vec<String> = (0..count).map(|i| format!("v{i}")).collect();
        let validators: Vec<_> = names
            .iter()
            .map(|name| {
                let seed = keys.ed25519_seed(Role::Validator, name);
                let public =
                    B256::from_slice(keys.ed25519(Role::Validator, name).public().as_bytes());
                let operator = keys.wallet(Role::Validator, name);
                let at = free_address().expect("loopback has a free port");
                (public, at, NodeKeys { consensus: ConsensusKey::Here(seed), operator })
            })
            .collect();
        let accounts: Vec<Wallet> =
            ["alice", "bob"].iter().map(|name| keys.wallet(Role::Owner, name)).collect();
        let seats =
            validators.iter().zip(&names).map(|((key, _, secrets), name)| GenesisValidator {
                name: name.clone(),
                operator: secrets.operator.address(),
                consensus_key: *key,
                bond_stones: 10_000,
            });
        let held = accounts.iter().zip(["alice", "bob"]).map(|(wallet, name)| GenesisAccount {
            name: name.to_owned(),
            address: wallet.address(),
            stones: STONES,
        });
        let bonds = 10_000 * u64::try_from(count).expect("few validators");
        let genesis = Genesis {
            start_ms: START_MS,
            time_scale: 180,
            block_busy_ms: 100,
            block_idle_ms: 400,
            economy: EconomyParams {
                price_micro_usd: 500_000,
                cap_stones: 10_000_000 + bonds + 2 * STONES,
                reserve_stones: 10_000_000,
                fee_burn_ppm: 40_000,
                fee_treasury_ppm: 10_000,
                fee_insurance_ppm: 5_000,
                match_ppm: 800_000,
                grant_stones: 1_000_000,
                device_cost_micro_usd_day: 500_000,
                target_cells: 10,
                device_bond_stones: 50,
                vesting_epochs: 4,
                ..EconomyParams::default()
            },
            stake: StakeParams { seats_max: 8, ..StakeParams::default() },
            validators: seats.collect(),
            ingests: vec![GenesisIngest {
                operator: keys.wallet(Role::Ingest, "i0").address(),
                receipt_key: B256::from_slice(keys.ed25519(Role::Ingest, "i0").public().as_bytes()),
                url: "http://127.0.0.1:8600".to_owned(),
            }],
            accounts: held.collect(),
            ..Genesis::empty("devnet", 7_777)
        };
        genesis.check().expect("the genesis of the tests is sound");
        let text = format!("devnet of {count}");
        Self { network: Network::new(genesis, &text), validators, accounts }
    }

    /// Settings of validator `index` with its data under `root`.
    pub fn config(&self, root: &Path, index: usize) -> NodeConfig {
        let peers = self.validators.iter().map(|(key, addr, _)| (*key, *addr)).collect();
        NodeConfig::local(root.join(format!("v{index}")), self.validators[index].1, peers)
    }
}
