//! A small network for targets that need a ledger: one validator, one ingest, one person with stones.

use alloy_primitives::{Address, B256};
use cairn_primitives::{EconomyParams, Genesis, GenesisAccount, GenesisIngest, GenesisValidator};

/// Holds stones.
pub const PERSON: Address = Address::repeat_byte(0xaa);

/// Its genesis.
pub fn genesis() -> Genesis {
    let seat = Address::repeat_byte(0x11);
    Genesis {
        start_ms: 1_356_998_400_000,
        time_scale: 180,
        economy: EconomyParams {
            reserve_stones: 1_000_000_000 - 1_010_000,
            ..EconomyParams::default()
        },
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
        ..Genesis::empty("fuzz", 7_777)
    }
}
