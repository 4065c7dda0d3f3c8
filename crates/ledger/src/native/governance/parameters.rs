//! The parameters in force: those of genesis until a vote moved them, from the day after it was carried out.
//!
//! ```text
//! day        d (carried out)   d + 1 …        an epoch of day d reads the old ones however late it becomes final
//! in force   old               new
//! ```
//! **Invariant:** what is in force in a day is fixed when the day begins, so that validators and auditors read the same at any
//! later block; every set is within the bounds of genesis, and within a step of all that was in force in the 30 days before.

use alloy_primitives::U256;
use cairn_economy::{ChangeError, RATE_DAYS, changed, keeps_pace};
use cairn_primitives::{
    EconomyParams, Epoch,
    abi::{GOVERNANCE, IGovernance},
};

use super::{PAGE_MAX, propose, rules};
use crate::native::{Ctx, List, Packer, Res, Stored, Unpacker, revert};

/// Slot 9: every set of parameters that a vote brought about, by ascending day.
pub(super) const VERSIONS: List<Version> = List::new(GOVERNANCE, 9);

/// fees: burn, treasury, insurance 4 each │ α 4 │ m 4 │ θ 4 │ cell target 4 │ target cells 4 ‖ from day 8 │ proposal 8 │
/// cost of a device-day 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub from_day: u64,
    pub proposal: u64,
    fees: [u32; 3],
    burn_share: u32,
    matched: u32,
    taper: u32,
    cell_target: u32,
    target_cells: u32,
    device_cost: u64,
}

impl Stored for Version {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        let [burn, treasury, insurance] = self.fees;
        words[0] = Packer::new()
            .u32(burn)
            .u32(treasury)
            .u32(insurance)
            .u32(self.burn_share)
            .u32(self.matched)
            .u32(self.taper)
            .u32(self.cell_target)
            .u32(self.target_cells)
            .word();
        words[1] = Packer::new().u64(self.from_day).u64(self.proposal).u64(self.device_cost).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[1]));
        Self {
            fees: [a.u32(), a.u32(), a.u32()],
            burn_share: a.u32(),
            matched: a.u32(),
            taper: a.u32(),
            cell_target: a.u32(),
            target_cells: a.u32(),
            from_day: b.u64(),
            proposal: b.u64(),
            device_cost: b.u64(),
        }
    }
}

impl Version {
    const fn of(from_day: u64, proposal: u64, params: &EconomyParams) -> Self {
        Self {
            from_day,
            proposal,
            fees: [params.fee_burn_ppm, params.fee_treasury_ppm, params.fee_insurance_ppm],
            burn_share: params.burn_share_ppm,
            matched: params.match_ppm,
            taper: params.taper_ppm,
            cell_target: params.cell_target,
            target_cells: params.target_cells,
            device_cost: params.device_cost_micro_usd_day,
        }
    }

    /// The whole parameters.
    pub fn params(self, genesis: &EconomyParams) -> EconomyParams {
        self.to_abi().over(genesis)
    }

    const fn to_abi(self) -> IGovernance::Parameters {
        let [burn, treasury, insurance] = self.fees;
        IGovernance::Parameters {
            fromDay: self.from_day,
            feeBurnPpm: burn,
            feeTreasuryPpm: treasury,
            feeInsurancePpm: insurance,
            burnSharePpm: self.burn_share,
            matchPpm: self.matched,
            taperPpm: self.taper,
            cellTarget: self.cell_target,
            targetCells: self.target_cells,
            deviceCostMicroUsdDay: self.device_cost,
        }
    }
}

/// The version of a day; none: genesis.
fn version(c: &mut Ctx<'_>, day: u64) -> Res<Option<Version>> {
    let (mut low, mut high) = (0, VERSIONS.len(c)?);
    let mut found = None;
    // The last one from this day or before; halves, so that an old epoch costs no more than a new one.
    while low < high {
        let middle = low + (high - low) / 2;
        let version = VERSIONS.at(middle).get(c)?;
        if version.from_day <= day {
            (low, found) = (middle + 1, Some(version));
        } else {
            high = middle;
        }
    }
    Ok(found)
}

/// The economy's parameters in a day of the network. A network without governance has those of genesis, and pays no gas to
/// know it.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub(in crate::native) fn in_force(c: &mut Ctx<'_>, day: u64) -> Res<EconomyParams> {
    let genesis = c.genesis();
    if genesis.governance.is_none() {
        return Ok(genesis.economy.clone());
    }
    let version = version(c, day)?;
    Ok(version.map_or_else(|| genesis.economy.clone(), |v| v.params(&genesis.economy)))
}

/// The latest parameters: in force, or from tomorrow on.
///
/// # Errors
/// See `in_force`.
pub(in crate::native) fn latest(c: &mut Ctx<'_>) -> Res<EconomyParams> {
    in_force(c, u64::MAX)
}

/// Carries a vote out: the parameters from tomorrow on.
pub(super) fn enact(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let (rules, genesis) = (rules(c)?, c.genesis());
    let day = genesis.schedule().day_of(c.epoch()).saturating_add(1);
    let (now, changes) = (latest(c)?, propose::changes(c, id)?);
    let new = changed(&now, &changes, rules).or_else(refused)?;
    if new == now {
        return revert(IGovernance::NothingNew {});
    }
    for before in recent(c, day)? {
        keeps_pace(&new, &before, rules).or_else(refused)?;
    }
    let version = Version::of(day, id, &new);
    let len = VERSIONS.len(c)?;
    // A second vote of a day goes on top of the first, which was in force nowhere.
    match len.checked_sub(1) {
        Some(last) if VERSIONS.at(last).get(c)?.from_day == day => {
            VERSIONS.at(last).set(c, &version)?;
        }
        _ => _ = VERSIONS.push(c, &version)?,
    }
    let parameters = version.to_abi();
    c.emit(GOVERNANCE, &IGovernance::ParametersSet { proposal: id, fromDay: day, parameters })
}

/// Every set that is in force in one of the 30 days before `day`: one a day at most.
pub(super) fn recent(c: &mut Ctx<'_>, day: u64) -> Res<Vec<EconomyParams>> {
    let genesis = &c.genesis().economy;
    let first = day.saturating_sub(RATE_DAYS);
    let mut found = Vec::new();
    for i in (0..VERSIONS.len(c)?).rev() {
        let version = VERSIONS.at(i).get(c)?;
        if version.from_day >= day {
            continue;
        }
        found.push(version.params(genesis));
        if version.from_day <= first {
            return Ok(found);
        }
    }
    found.push(genesis.clone());
    Ok(found)
}

/// A change that no vote makes, as the ABI's error.
pub(super) fn refused<T>(error: ChangeError) -> Res<T> {
    match error {
        ChangeError::Fixed(parameter) => {
            revert(IGovernance::NotMovable { parameter: parameter.number() })
        }
        ChangeError::Bounds { parameter, value, low, high } => {
            let parameter = parameter.number();
            revert(IGovernance::OutOfBounds { parameter, value, low, high })
        }
        ChangeError::Fees { ppm, most } => {
            revert(IGovernance::FeesTooHigh { ppm, most: most.into() })
        }
        ChangeError::Pace { parameter, value, low, high } => {
            revert(IGovernance::TooFast { parameter: parameter.number(), value, low, high })
        }
        ChangeError::Need { need, low, high } => {
            revert(IGovernance::NeedTooFast { needMicroUsd: need, low, high })
        }
    }
}

pub(super) fn to_abi_of(c: &mut Ctx<'_>, epoch: u64) -> Res<IGovernance::Parameters> {
    let genesis = c.genesis();
    let day = genesis.schedule().day_of(Epoch(epoch));
    let version = version(c, day)?;
    Ok(version.unwrap_or_else(|| Version::of(0, 0, &genesis.economy)).to_abi())
}

pub(super) fn history(c: &mut Ctx<'_>, from: u64, limit: u64) -> Res<Vec<IGovernance::Parameters>> {
    let end = VERSIONS.len(c)?.min(from.saturating_add(limit.min(PAGE_MAX)));
    (from..end).map(|i| Ok(VERSIONS.at(i).get(c)?.to_abi())).collect()
}
