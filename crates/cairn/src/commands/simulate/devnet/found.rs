//! The network that is attacked: `cairn up`'s fleet with the scenario's economy, a pool, and funded strangers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cairn_client::{DevKeys, Role};
use cairn_primitives::{EconomyParams, Genesis, GenesisAccount, PoolParams};
use eyre::{Result, WrapErr as _, eyre};

use crate::up::{self, found_changed};

/// Wall seconds of an epoch, one network hour.
const EPOCH_SECONDS: u64 = 2;
/// Pause between blocks with transactions, wall ms: half of what `cairn up` has, so that half an hour of network time, which
/// is a second here, has blocks enough for a mean.
const BLOCK_BUSY_MS: u64 = 50;
/// The pool's part of all stones at genesis, as a divisor: its depth bounds what can be minted in half an hour.
const POOL_DIVISOR: u64 = 10;
/// An account's part of all stones at genesis, as a divisor: more than the largest case uses.
const ACCOUNT_DIVISOR: u64 = 40;
/// Blocks of a term: income is divided when one is over.
const TERM_BLOCKS: u64 = 100;
/// The seat of the lazy verifier.
pub const IDLE_SEAT: usize = 3;
/// What a swap leaves in the pool.
const POOL_FEE_PPM: u32 = 3_000;
/// Most dollars of the faucet: an account, all together in a day.
const FAUCET_USD: (u64, u64) = (3_000_000, 10_000_000);
/// Micro-dollars of a dollar.
const USD: u64 = 1_000_000;

/// Every account beside those of `cairn up`: the market's and the attackers'.
pub const ACCOUNTS: [&str; 18] = [
    "market", "wash-0", "wash-1", "wash-2", "push-0", "push-1", "push-2", "push-3", "down-0",
    "down-1", "run-0", "run-1", "run-2", "run-3", "sybil-0", "sybil-1", "sybil-2", "reporter",
];

/// A temporary folder that goes when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty folder.
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("cairn-attacks-{}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path).wrap_err_with(|| format!("clearing {}", path.display()))?;
        }
        fs::create_dir_all(&path).wrap_err_with(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, path = %self.0.display(), "a temporary folder stays");
        }
    }
}

/// Founds the network.
pub fn found(root: &Path, economy: &EconomyParams) -> Result<up::Founded> {
    let made = found_changed(root, EPOCH_SECONDS, &|genesis, keys| change(genesis, keys, economy))?;
    Ok(up::Founded { idle_seat: Some(IDLE_SEAT), ..made })
}

fn change(genesis: &mut Genesis, keys: &DevKeys, economy: &EconomyParams) -> Result<()> {
    // Coverage is needed where the fleet stands; everything else is the scenario's.
    let target_cells = genesis.economy.target_cells;
    genesis.economy = EconomyParams { target_cells, ..economy.clone() };
    genesis.block_busy_ms = BLOCK_BUSY_MS;
    // The bounds of a local network's votes are for its own parameters, and no attack here votes.
    genesis.governance = None;
    genesis.stake.term_blocks = TERM_BLOCKS;
    let issued = economy.cap_stones - economy.reserve_stones;
    let price = economy.price_micro_usd;
    // Whole dollars that buy whole stones.
    let step = price / gcd(price, USD);
    let asked = issued / POOL_DIVISOR * price / USD;
    let pool = PoolParams {
        usd: (asked / step * step).max(step),
        fee_ppm: POOL_FEE_PPM,
        owner: keys.wallet(Role::Founder, "founder").address(),
        faucet_account_usd: FAUCET_USD.0,
        faucet_day_usd: FAUCET_USD.1,
    };
    let founder = genesis.accounts.pop().ok_or_else(|| eyre!("genesis has no founder"))?;
    genesis.accounts.extend(ACCOUNTS.map(|name| GenesisAccount {
        name: name.to_owned(),
        address: keys.wallet(Role::Owner, name).address(),
        stones: issued / ACCOUNT_DIVISOR,
    }));
    let bonds: u64 = genesis.validators.iter().map(|validator| validator.bond_stones).sum();
    let accounts: u64 = genesis.accounts.iter().map(|account| account.stones).sum();
    let spent = bonds + accounts + pool.whole_stones(genesis.price());
    let stones = issued.checked_sub(spent).ok_or_else(|| {
        eyre!(
            "economy.cap_stones less economy.reserve_stones is {issued}: the devnet needs {spent}"
        )
    })?;
    genesis.accounts.push(GenesisAccount { stones, ..founder });
    genesis.pool = Some(pool);
    Ok(())
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
