//! What the book keeps: sums by epoch, so that any period of final epochs can be asked for later.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_economy::reality::{Checks, PoolFacts};
use cairn_primitives::{Cell, DeviceId, Epoch, MicroUsd, Sector, Stones};

/// Rows that a book keeps of payments and settlements, and as many of transfers: some hundred megabytes.
pub(super) const ROWS_MAX: usize = 2_000_000;

/// A registration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registered {
    pub(super) owner: Address,
    pub(super) sector: Sector,
    pub(super) cell: Cell,
    pub(super) epoch: Epoch,
    /// In which epoch it left or was slashed, and the first epoch that counts no more; in order.
    pub(super) ends: [Option<(Epoch, Epoch)>; 2],
}

impl Registered {
    /// The first epoch that counts no more, as known at the end of `to`.
    pub(super) fn end_at(&self, to: Epoch) -> Option<Epoch> {
        let known = self.ends.iter().flatten().filter(|(when, _)| *when <= to);
        known.map(|(_, end)| *end).min()
    }
}

/// A settlement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    pub(super) payer: Address,
    pub(super) sector: Sector,
    pub(super) amount: MicroUsd,
    pub(super) units: u64,
}

/// What happened in one epoch of block time.
#[derive(Clone, Debug, Default)]
pub(super) struct EpochRows {
    /// By payer and device, before fees.
    pub(super) payments: BTreeMap<(Address, DeviceId), u64>,
    pub(super) sales: Vec<Settled>,
    /// By receiver and sender, base units.
    pub(super) transfers: BTreeMap<(Address, Address), u128>,
    /// What was found and disputed; what was judged comes from the evidence.
    pub(super) checks: Checks,
    /// The money at the epoch's last block.
    pub(super) totals: Totals,
}

/// The money since genesis.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) replayed: bool,
    pub(super) emitted: u128,
    pub(super) burned: u128,
    pub(super) to_funds: u128,
    pub(super) reserve: Stones,
    pub(super) grant_left: Stones,
    pub(super) grant_used: u64,
    pub(super) subsidy: u64,
    pub(super) settled: u64,
    pub(super) minted: u64,
    pub(super) outstanding: u64,
    pub(super) vault: u128,
    /// The pool, where there is one.
    pub(super) pool: Option<PoolFacts>,
    /// Micro-dollars per STONE of the epoch that was settled last.
    pub(super) price: MicroUsd,
}
