//! A small network for targets that need a ledger: one validator, one ingest, one person with stones.

use alloy_primitives::{Address, B256};
use cairn_primitives::{
    EconomyParams, Genesis, GenesisAccount, GenesisIngest, GenesisValidator, StakeParams,
};

/// Holds stones.
pub const PERSON: Address = Address::repeat_byte(0xaa);

/// Its genesis.
pub fn genesis() -> Genesis {
    let seat = Address::repeat_byte(0x11);
    Genesis {
        name: "fuzz".to_owned(),
        chain_id: 7_777,
        start_ms: 1_356_998_400_000,
        epoch_ms: 3_600_000,
        time_scale: 180,
        commit_window_ms: 900_000,
        attest_window_ms: 900_000,
        block_busy_ms: 250,
        block_idle_ms: 1_000,
        block_gas_limit: 60_000_000,
        base_fee_initial: 1_000_000_000,
        base_fee_min: 1_000_000,
        economy: EconomyParams {
            price_micro_usd: 500_000,
            cap_stones: 12_010_000,
            reserve_stones: 11_000_000,
            fee_burn_ppm: 40_000,
            fee_treasury_ppm: 10_000,
            fee_insurance_ppm: 5_000,
            burn_share_ppm: 500_000,
            match_ppm: 800_000,
            taper_ppm: 500_000,
            grant_stones: 1_000_000,
            cell_target: 3,
            device_cost_micro_usd_day: 500_000,
            target_cells: 10,
            device_bond_stones: 50,
            dispute_epochs: 1,
            vesting_epochs: 4,
        },
        pool: None,
        stake: StakeParams::default(),
        governance: None,
        validators: vec![GenesisValidator {
            name: "v".to_owned(),
            operator: seat,
            consensus_key: B256::repeat_byte(1),
            bond_stones: 10_000,
        }],
        ingests: vec![GenesisIngest {
            operator: seat,
            receipt_key: B256::repeat_byte(9),
            url: "http://ingest.test".to_owned(),
        }],
        accounts: vec![GenesisAccount {
            name: "person".to_owned(),
            address: PERSON,
            stones: 1_000_000,
        }],
    }
}
