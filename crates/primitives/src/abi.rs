//! The Solidity interfaces of the native contracts, read from `contracts/`, and the addresses they live at.
//!
//! One source for the ledger that implements them, the clients that call them and the tools that decode them.

#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::too_many_arguments,
    reason = "generated from the documented Solidity files"
)]

use alloy_primitives::{Address, address};
use alloy_sol_types::sol;

/// CREDIT: balances, minting.
pub const CREDITS: Address = address!("0xca14000000000000000000000000000000000001");
/// Devices, their owners, places and bonds.
pub const REGISTRY: Address = address!("0xca14000000000000000000000000000000000002");
/// Commitments to evidence and attestations of availability.
pub const BATCHES: Address = address!("0xca14000000000000000000000000000000000003");
/// Votes, final epochs, claims.
pub const REWARDS: Address = address!("0xca14000000000000000000000000000000000004");
/// Offers, leases, receipts.
pub const MARKET: Address = address!("0xca14000000000000000000000000000000000005");
/// Validators, their stake, and ingests.
pub const STAKE: Address = address!("0xca14000000000000000000000000000000000006");
/// Reserve, day budget, supply.
pub const ECONOMY: Address = address!("0xca14000000000000000000000000000000000007");
/// The pool of stones and dollars; only where genesis has one.
pub const POOL: Address = address!("0xca14000000000000000000000000000000000008");
/// The pool's dollars; only where genesis has a pool.
pub const USD: Address = address!("0xca14000000000000000000000000000000000009");
/// Locks, votes, and the parameters in force; only on networks whose genesis has governance.
pub const GOVERNANCE: Address = address!("0xca1400000000000000000000000000000000000a");
/// The treasury's stones; with governance in genesis a contract that streams them.
pub const TREASURY: Address = address!("0xca14000000000000000000000000000000000010");
/// Holds the insurance fund's stones.
pub const INSURANCE: Address = address!("0xca14000000000000000000000000000000000011");

/// Every native contract, in order of its address. The last two are there only with governance in genesis.
pub const CONTRACTS: [(Address, &str); 11] = [
    (CREDITS, "credits"),
    (REGISTRY, "registry"),
    (BATCHES, "batches"),
    (REWARDS, "rewards"),
    (MARKET, "market"),
    (STAKE, "stake"),
    (ECONOMY, "economy"),
    (POOL, "pool"),
    (USD, "usd"),
    (GOVERNANCE, "governance"),
    (TREASURY, "treasury"),
];

sol!(#![sol(all_derives)] "../../contracts/IKernel.sol");
sol!(#![sol(all_derives)] "../../contracts/ICredits.sol");
sol!(#![sol(all_derives)] "../../contracts/IRegistry.sol");
sol!(#![sol(all_derives)] "../../contracts/IBatches.sol");
sol!(#![sol(all_derives)] "../../contracts/IRewards.sol");
sol!(#![sol(all_derives)] "../../contracts/IMarket.sol");
sol!(#![sol(all_derives)] "../../contracts/IStake.sol");
sol!(#![sol(all_derives)] "../../contracts/IEconomy.sol");
sol!(#![sol(all_derives)] "../../contracts/IPool.sol");
sol!(#![sol(all_derives)] "../../contracts/IUsd.sol");
sol!(#![sol(all_derives)] "../../contracts/IGovernance.sol");
sol!(#![sol(all_derives)] "../../contracts/ITreasury.sol");
