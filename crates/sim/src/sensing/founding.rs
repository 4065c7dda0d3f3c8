//! The genesis of a simulated network: the numbers of `cairn up`, the accounts of its seed.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use cairn_agent::sensing::StationLog;
use cairn_client::{DevKeys, Role};
use cairn_primitives::{
    Cell, EconomyParams, Genesis, GenesisAccount, GenesisIngest, GenesisValidator,
};

use super::SimError;

/// Number of validators.
pub const VALIDATORS: usize = 4;
/// Length of an epoch: the hour of hourly weather.
pub const EPOCH_MS: u64 = 3_600_000;

const CHAIN_ID: u64 = 7_340;
const RESERVE_STONES: u64 = 600_000_000;
const CAP_STONES: u64 = 1_000_000_000;
const VALIDATOR_BOND_STONES: u64 = 50_000;
const CONSUMER_STONES: u64 = 10_000_000;
const OWNER_STONES: u64 = 100_000;

/// Name of validator `index` in the derivation of its keys.
#[must_use]
pub fn validator(index: usize) -> String {
    format!("validator-{index}")
}

/// The genesis of a fleet, judged by `seats` validators.
///
/// # Errors
/// `NoReadings`, `Place`, or what no network can begin with.
pub fn genesis(log: &StationLog, keys: &DevKeys, seats: usize) -> Result<Genesis, SimError> {
    let first = log.first_time().ok_or(SimError::NoReadings)?;
    let mut cells = BTreeMap::<Cell, u32>::new();
    for station in &log.stations {
        *cells.entry(Cell::at(station.position)?).or_default() += 1;
    }
    let economy = economy(
        u32::try_from(cells.len()).unwrap_or(u32::MAX),
        cells.values().copied().max().unwrap_or_default(),
    );
    let public = |role, name: &str| B256::from_slice(keys.ed25519(role, name).public().as_bytes());
    let validators: Vec<GenesisValidator> = (0..seats)
        .map(|index| {
            let name = validator(index);
            GenesisValidator {
                operator: keys.wallet(Role::Validator, &name).address(),
                consensus_key: public(Role::Validator, &name),
                bond_stones: VALIDATOR_BOND_STONES,
                name,
            }
        })
        .collect();
    let genesis = Genesis {
        start_ms: first.0 / EPOCH_MS * EPOCH_MS,
        epoch_ms: EPOCH_MS,
        time_scale: 180,
        commit_window_ms: EPOCH_MS / 3,
        attest_window_ms: EPOCH_MS / 3,
        block_busy_ms: 100,
        base_fee_min: 100_000_000,
        economy,
        accounts: accounts(log, keys, &validators),
        validators,
        ingests: vec![GenesisIngest {
            operator: keys.wallet(Role::Ingest, "ingest").address(),
            receipt_key: public(Role::Ingest, "ingest"),
            url: "http://ingest.invalid".to_owned(),
        }],
        ..Genesis::empty("cairn-sim", CHAIN_ID)
    };
    genesis.check()?;
    Ok(genesis)
}

/// Everybody who pays fees or bonds; the founder holds the rest of what the reserve does not.
fn accounts(
    log: &StationLog,
    keys: &DevKeys,
    validators: &[GenesisValidator],
) -> Vec<GenesisAccount> {
    let account = |role, label: &str, stones| GenesisAccount {
        name: label.to_owned(),
        address: keys.wallet(role, label).address(),
        stones,
    };
    let mut owners: Vec<&str> = log.stations.iter().map(|s| s.owner.as_str()).collect();
    owners.sort_unstable();
    owners.dedup();
    let mut accounts = vec![
        account(Role::Consumer, "consumer", CONSUMER_STONES),
        account(Role::Gateway, "gateway", OWNER_STONES),
    ];
    accounts.extend(owners.iter().map(|owner| account(Role::Owner, owner, OWNER_STONES)));
    let bonds: u64 = validators.iter().map(|seat| seat.bond_stones).sum();
    let held: u64 = accounts.iter().map(|account| account.stones).sum();
    let rest = (CAP_STONES - RESERVE_STONES).saturating_sub(bonds + held);
    accounts.push(account(Role::Founder, "founder", rest));
    accounts
}

fn economy(target_cells: u32, fullest: u32) -> EconomyParams {
    EconomyParams {
        cap_stones: CAP_STONES,
        reserve_stones: RESERVE_STONES,
        cell_target: fullest.max(3),
        target_cells,
        ..EconomyParams::default()
    }
}
