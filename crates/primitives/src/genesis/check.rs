//! What a genesis must keep: every bound, and that reserve, bonds and accounts make up the cap exactly.
//!
//! Checked in the order of the file, so that the first error is the first line to mend. Bounds: docs/spec/genesis.md.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use super::{EconomyParams, Genesis, GenesisError, stake::SEATS_MAX};

/// The largest chain id that wallets accept: ⌊(2^53 − 39) / 2⌋.
const CHAIN_ID_MAX: u64 = 4_503_599_627_370_476;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;
/// The year 9999.
const START_MS_MAX: u64 = 253_402_300_799_000;
/// 31 days: rewards should not wait longer to be judged.
const EPOCH_MS_MAX: u64 = 31 * 86_400_000;
/// Network time that passes at most while the wall moves by 1: a month in half a minute.
const TIME_SCALE_MAX: u64 = 100_000;
/// Ten seconds: with a longer pause the chain's time would fall behind (consensus: `BLOCK_STEP_MS`).
const BLOCK_PAUSE_MS_MAX: u64 = 10_000;
/// The most gas of a transaction (EIP-7825): a block must have room for one.
const BLOCK_GAS_MIN: u64 = 1 << 24;
/// A block that takes a second to execute.
const BLOCK_GAS_MAX: u64 = 1_000_000_000;
/// Ingests: availability is one bit each in a 256-bit word.
const INGESTS_MAX: usize = 256;
/// One, in millionths.
const PPM: u32 = 1_000_000;
/// 20 %.
pub(super) const FEES_PPM_MAX: u32 = 200_000;
/// About a century of hours.
const LOCK_EPOCHS_MAX: u64 = 1_000_000;

/// Fails with `reason` unless `good`.
pub(super) fn need(
    good: bool,
    field: impl Into<String>,
    value: impl ToString,
    reason: &'static str,
) -> Result<(), GenesisError> {
    if good {
        return Ok(());
    }
    Err(GenesisError { field: field.into(), value: value.to_string(), reason })
}

fn name(field: impl Into<String>, name: &str) -> Result<(), GenesisError> {
    let chars = name.chars().count();
    let good = (1..=NAME_CHARS_MAX).contains(&chars) && !name.chars().any(char::is_control);
    need(good, field, format!("{name:?}"), "write 1 to 64 printable characters")
}

impl Genesis {
    /// Checks every bound, and that reserve, bonds and accounts make up the cap exactly.
    ///
    /// # Errors
    /// Names the first field that is out of bounds, its value, and what it must be.
    pub fn check(&self) -> Result<(), GenesisError> {
        name("name", &self.name)?;
        self.check_time()?;
        self.check_blocks()?;
        self.economy.check()?;
        if let Some(pool) = &self.pool {
            pool.check(&self.economy)?;
        }
        self.stake.check(self)?;
        self.governance.as_ref().map_or(Ok(()), |governance| governance.check(self))?;
        self.check_validators()?;
        self.check_ingests()?;
        self.check_accounts()?;
        self.check_sum()
    }

    fn check_time(&self) -> Result<(), GenesisError> {
        let id = self.chain_id;
        need((1..=CHAIN_ID_MAX).contains(&id), "chain_id", id, "choose 1 to 4503599627370476")?;
        let start = self.start_ms;
        let reason = "write milliseconds since 1970, before the year 10000";
        need(start <= START_MS_MAX, "start_ms", start, reason)?;
        let epoch = self.epoch_ms;
        let reason = "an epoch lasts 1 ms to 31 days: 1 to 2678400000";
        need((1..=EPOCH_MS_MAX).contains(&epoch), "epoch_ms", epoch, reason)?;
        let scale = self.time_scale;
        let reason = "network time must move: 1 on a real network, at most 100000 in a replay";
        need((1..=TIME_SCALE_MAX).contains(&scale), "time_scale", scale, reason)?;
        let (commit, attest) = (self.commit_window_ms, self.attest_window_ms);
        let fits = commit.checked_add(attest).is_some_and(|both| both <= epoch);
        let reason = "commit_window_ms is above 0, and with attest_window_ms at most epoch_ms";
        need(commit > 0 && fits, "commit_window_ms", commit, reason)
    }

    fn check_blocks(&self) -> Result<(), GenesisError> {
        let reason = "a pause between blocks is at most 10000 ms";
        let (busy, idle) = (self.block_busy_ms, self.block_idle_ms);
        need(busy <= BLOCK_PAUSE_MS_MAX, "block_busy_ms", busy, reason)?;
        need(idle <= BLOCK_PAUSE_MS_MAX, "block_idle_ms", idle, reason)?;
        let gas = self.block_gas_limit;
        let reason =
            "a block has room for one transaction and takes a second: 16777216 to 1000000000";
        need((BLOCK_GAS_MIN..=BLOCK_GAS_MAX).contains(&gas), "block_gas_limit", gas, reason)?;
        let (first, least) = (self.base_fee_initial, self.base_fee_min);
        need(least > 0, "base_fee_min", least, "a base fee above 0 is needed")?;
        let reason = "the first base fee is not below base_fee_min";
        need(first >= least, "base_fee_initial", first, reason)
    }

    fn check_validators(&self) -> Result<(), GenesisError> {
        let count = self.validators.len();
        let reason = "1 to 128 validators are allowed; 4 go on when one is down";
        let good = u32::try_from(count).is_ok_and(|count| (1..=SEATS_MAX).contains(&count));
        need(good, "validators", count, reason)?;
        let (mut operators, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for (index, validator) in self.validators.iter().enumerate() {
            let field = |key: &str| format!("validators[{index}].{key}");
            name(field("name"), &validator.name)?;
            let operator = validator.operator;
            need(operator != Address::ZERO, field("operator"), operator, "write an account")?;
            let reason = "every validator has its own operator account";
            need(operators.insert(operator), field("operator"), operator, reason)?;
            let key = validator.consensus_key;
            need(key != B256::ZERO, field("consensus_key"), key, "write an Ed25519 public key")?;
            let reason = "every validator has its own consensus key";
            need(keys.insert(key), field("consensus_key"), key, reason)?;
        }
        Ok(())
    }

    fn check_ingests(&self) -> Result<(), GenesisError> {
        let count = self.ingests.len();
        need(count <= INGESTS_MAX, "ingests", count, "at most 256 ingests are allowed")?;
        let mut operators = BTreeSet::new();
        for (index, ingest) in self.ingests.iter().enumerate() {
            let field = format!("ingests[{index}].operator");
            let operator = ingest.operator;
            need(operator != Address::ZERO, field.as_str(), operator, "write an account")?;
            let reason = "every ingest has its own operator account";
            need(operators.insert(operator), field, operator, reason)?;
        }
        Ok(())
    }

    fn check_accounts(&self) -> Result<(), GenesisError> {
        let mut addresses = BTreeSet::new();
        for (index, account) in self.accounts.iter().enumerate() {
            let field = |key: &str| format!("accounts[{index}].{key}");
            name(field("name"), &account.name)?;
            let address = account.address;
            need(address != Address::ZERO, field("address"), address, "write an account")?;
            let reason = "an account is listed once: add its stones up";
            need(addresses.insert(address), field("address"), address, reason)?;
        }
        Ok(())
    }

    fn check_sum(&self) -> Result<(), GenesisError> {
        let bonds = self.validators.iter().map(|validator| validator.bond_stones);
        let held = self.accounts.iter().map(|account| account.stones);
        let issued = bonds.chain(held).map(u128::from).sum::<u128>();
        let pooled = self.pool.as_ref().map_or(0, |pool| pool.whole_stones(self.price()));
        let total = issued + u128::from(self.economy.reserve_stones) + u128::from(pooled);
        let reason = "reserve_stones, bonds and accounts, with the pool's stones, must add up to economy.cap_stones exactly";
        need(total == u128::from(self.economy.cap_stones), "accounts", total, reason)
    }
}

impl EconomyParams {
    /// Checks the bounds of the economy alone: genesis does, and the simulator.
    ///
    /// # Errors
    /// Names the first field that is out of bounds, its value, and what it must be.
    pub fn check(&self) -> Result<(), GenesisError> {
        let price = self.price_micro_usd;
        need(price > 0, "economy.price_micro_usd", price, "a price above 0 is needed")?;
        let (cap, reserve) = (self.cap_stones, self.reserve_stones);
        need(reserve <= cap, "economy.reserve_stones", reserve, "at most economy.cap_stones")?;
        let fees = [self.fee_burn_ppm, self.fee_treasury_ppm, self.fee_insurance_ppm];
        let fees = fees.into_iter().fold(0, u32::saturating_add);
        let reason = "the three fees are at most 20 % together: 200000";
        need(fees <= FEES_PPM_MAX, "economy.fee_*_ppm", fees, reason)?;
        for (field, share) in
            [("economy.burn_share_ppm", self.burn_share_ppm), ("economy.taper_ppm", self.taper_ppm)]
        {
            need(share <= PPM, field, share, "a share is at most the whole: 1000000")?;
        }
        let share = self.match_ppm;
        need(share < PPM, "economy.match_ppm", share, "must be below 1000000: m < 1")?;
        let grant = self.grant_stones;
        let reason = "at most economy.reserve_stones: it is paid from there";
        need(grant <= reserve, "economy.grant_stones", grant, reason)?;
        for (field, epochs) in [
            ("economy.dispute_epochs", self.dispute_epochs),
            ("economy.vesting_epochs", self.vesting_epochs),
        ] {
            need(epochs <= LOCK_EPOCHS_MAX, field, epochs, "at most 1000000 epochs")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{GenesisAccount, GenesisIngest, GenesisValidator, PoolParams};

    pub(in crate::genesis) fn genesis() -> Genesis {
        Genesis {
            base_fee_initial: 2,
            base_fee_min: 1,
            economy: EconomyParams {
                price_micro_usd: 1,
                cap_stones: 1_110,
                reserve_stones: 1_000,
                grant_stones: 10,
                device_cost_micro_usd_day: 1,
                target_cells: 1,
                device_bond_stones: 1,
                ..EconomyParams::default()
            },
            validators: (1..=2)
                .map(|n| GenesisValidator {
                    name: format!("v{n}"),
                    operator: Address::repeat_byte(n),
                    consensus_key: B256::repeat_byte(n),
                    bond_stones: 5,
                })
                .collect(),
            ingests: vec![GenesisIngest {
                operator: Address::repeat_byte(7),
                receipt_key: B256::repeat_byte(7),
                url: "http://127.0.0.1:1".into(),
            }],
            accounts: vec![GenesisAccount {
                name: "founder".into(),
                address: Address::repeat_byte(9),
                stones: 100,
            }],
            ..Genesis::empty("test", 1)
        }
    }

    /// Gives a genesis a pool of a dollar.
    fn pool(genesis: &mut Genesis) -> &mut PoolParams {
        let owner = Address::repeat_byte(9);
        genesis.pool.insert(PoolParams {
            usd: 1,
            fee_ppm: 3_000,
            owner,
            faucet_account_usd: 5,
            faucet_day_usd: 5,
        })
    }

    #[test]
    fn every_field_out_of_bounds_is_named_with_its_value() {
        assert_eq!(genesis().check(), Ok(()));
        type Spoil = (&'static str, fn(&mut Genesis));
        let spoils: Vec<Spoil> = vec![
            ("name is \"\"", |g| g.name.clear()),
            ("chain_id is 0", |g| g.chain_id = 0),
            ("start_ms is 18446744073709551615", |g| g.start_ms = u64::MAX),
            ("epoch_ms is 0", |g| g.epoch_ms = 0),
            ("time_scale is 0", |g| g.time_scale = 0),
            ("commit_window_ms is 0", |g| g.commit_window_ms = 0),
            ("commit_window_ms is 900000", |g| g.attest_window_ms = u64::MAX),
            ("block_busy_ms is 10001", |g| g.block_busy_ms = 10_001),
            ("block_idle_ms is 10001", |g| g.block_idle_ms = 10_001),
            ("block_gas_limit is 21000", |g| g.block_gas_limit = 21_000),
            ("base_fee_min is 0", |g| g.base_fee_min = 0),
            ("base_fee_initial is 0", |g| g.base_fee_initial = 0),
            ("economy.price_micro_usd is 0", |g| g.economy.price_micro_usd = 0),
            ("economy.reserve_stones is 1111", |g| g.economy.reserve_stones = 1_111),
            ("economy.fee_*_ppm is 4294967295", |g| g.economy.fee_burn_ppm = u32::MAX),
            ("economy.burn_share_ppm is 1000001", |g| g.economy.burn_share_ppm = 1_000_001),
            ("economy.taper_ppm is 1000001", |g| g.economy.taper_ppm = 1_000_001),
            ("economy.match_ppm is 1000000", |g| g.economy.match_ppm = 1_000_000),
            ("economy.grant_stones is 1001", |g| g.economy.grant_stones = 1_001),
            ("economy.vesting_epochs is 1000001", |g| g.economy.vesting_epochs = 1_000_001),
            ("pool.usd is 0", |g| pool(g).usd = 0),
            ("pool.usd is 7", |g| {
                g.economy.price_micro_usd = 3;
                pool(g).usd = 7;
            }),
            ("pool.fee_ppm is 100001", |g| pool(g).fee_ppm = 100_001),
            ("pool.owner is 0x0000", |g| pool(g).owner = Address::ZERO),
            ("pool.faucet_day_usd is 10000001", |g| pool(g).faucet_day_usd = 10_000_001),
            ("pool.faucet_account_usd is 6", |g| pool(g).faucet_account_usd = 6),
            ("accounts is 1111:", |g| {
                g.economy.price_micro_usd = 1_000_000;
                pool(g);
            }),
            ("stake.term_blocks is 7", |g| g.stake.term_blocks = 7),
            ("stake.seats_max is 3", |g| g.stake.seats_max = 3),
            ("stake.seat_bond_stones is 6", |g| g.stake.seat_bond_stones = 6),
            ("stake.appeal_ms is 18446744073709551615", |g| g.stake.appeal_ms = u64::MAX),
            ("stake.absence_ppm is 500001", |g| g.stake.absence_ppm = 500_001),
            ("stake.vote_fee_ppm is 1000001", |g| g.stake.vote_fee_ppm = 1_000_001),
            ("validators is 0", |g| g.validators.clear()),
            ("validators[1].operator is 0x0101", |g| {
                g.validators[1].operator = g.validators[0].operator
            }),
            ("validators[1].consensus_key is 0x0101", |g| {
                g.validators[1].consensus_key = g.validators[0].consensus_key;
            }),
            ("validators[0].name is", |g| g.validators[0].name = "\n".into()),
            ("ingests[1].operator is", |g| g.ingests.push(g.ingests[0].clone())),
            ("accounts[1].address is", |g| g.accounts.push(g.accounts[0].clone())),
            ("accounts is 1111:", |g| g.accounts[0].stones += 1),
            ("accounts is 18446744073709552625:", |g| g.accounts[0].stones = u64::MAX),
        ];
        for (expected, spoil) in spoils {
            let mut spoilt = genesis();
            spoil(&mut spoilt);
            let error = spoilt.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("genesis: {expected}")), "{expected}: {error}");
        }
    }
}
