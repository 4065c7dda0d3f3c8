//! The network of these histories: four validators, two ingests, three people with a device each, short windows and terms.

use alloy_primitives::{Address, B256};
use cairn_primitives::{
    EconomyParams, Genesis, GenesisAccount, GenesisIngest, GenesisValidator, SecretKey, StakeParams,
};
use k256::ecdsa::SigningKey;

use super::chain::CHAIN;

pub const START_MS: u64 = 1_356_998_400_000;
/// Half a day, so that days open within a history.
pub const EPOCH_MS: u64 = 43_200_000;
pub const COMMIT_MS: u64 = 600_000;
pub const ATTEST_MS: u64 = 900_000;
pub const SEAL_MS: u64 = 300_000;
/// Blocks of a term: every act is one, so that epochs cross terms.
pub const TERM_BLOCKS: u64 = 16;
pub const SEATS: usize = 4;
pub const QUORUM: usize = 3;
pub const VALIDATORS: [Address; SEATS] = [
    Address::repeat_byte(0x11),
    Address::repeat_byte(0x22),
    Address::repeat_byte(0x33),
    Address::repeat_byte(0x44),
];
pub const INGESTS: [Address; 2] = [Address::repeat_byte(0x55), Address::repeat_byte(0x66)];
/// Neither ingest nor validator.
pub const STRANGER: Address = Address::repeat_byte(0x77);

pub const STONE: u128 = 1_000_000_000_000_000_000;
/// Micro-dollars per STONE.
pub const PRICE: u128 = 50_000;
/// Whole stones of each person.
pub const HELD: u64 = 1_000_000;
/// Whole stones of a validator's bond and of a device's.
pub const SEAT_BOND: u64 = 10_000;
pub const DEVICE_BOND: u64 = 100;
pub const RESERVE: u64 = 1_000_000_000 - 3 * HELD - 4 * SEAT_BOND;
pub const GRANT: u64 = 40_000_000;
/// Base units that the consumer mints credits with: seven more than they are worth.
pub const MINTED: u128 = 100 * STONE + 7;
/// Credits of the consumer, all of them the escrow of its lease.
pub const ESCROW: u64 = 5_000_000;
pub const DISPUTE: u64 = 1;
pub const VESTING: u64 = 3;
/// Part of the treasury's fee for voters, ppm.
pub const VOTE_FEE: u128 = 500_000;

pub fn people() -> [SigningKey; 3] {
    [1, 2, 3].map(|n| SigningKey::from_slice(&[n; 32]).expect("a key"))
}

pub fn device_key(device: usize) -> SecretKey {
    SecretKey::ed25519([u8::try_from(device + 1).expect("few"); 32])
}

pub fn genesis(people: &[SigningKey; 3]) -> Genesis {
    Genesis {
        start_ms: START_MS,
        epoch_ms: EPOCH_MS,
        time_scale: 180,
        commit_window_ms: COMMIT_MS,
        attest_window_ms: ATTEST_MS,
        economy: EconomyParams {
            price_micro_usd: u64::try_from(PRICE).expect("small"),
            reserve_stones: RESERVE,
            grant_stones: GRANT,
            device_cost_micro_usd_day: 250_000,
            device_bond_stones: DEVICE_BOND,
            dispute_epochs: DISPUTE,
            vesting_epochs: VESTING,
            ..EconomyParams::default()
        },
        stake: StakeParams {
            term_blocks: TERM_BLOCKS,
            seal_window_ms: SEAL_MS,
            vote_fee_ppm: u32::try_from(VOTE_FEE).expect("small"),
            ..StakeParams::default()
        },
        validators: (1..)
            .zip(VALIDATORS)
            .map(|(n, operator)| GenesisValidator {
                name: format!("v{n}"),
                operator,
                consensus_key: B256::repeat_byte(n),
                bond_stones: SEAT_BOND,
            })
            .collect(),
        ingests: INGESTS
            .map(|operator| GenesisIngest {
                operator,
                receipt_key: B256::repeat_byte(9),
                url: "http://ingest.test".to_owned(),
            })
            .to_vec(),
        accounts: people
            .iter()
            .map(|person| GenesisAccount {
                name: "person".to_owned(),
                address: Address::from_private_key(person),
                stones: HELD,
            })
            .collect(),
        ..Genesis::empty("epochs", CHAIN)
    }
}
