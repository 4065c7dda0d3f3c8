//! Governance in genesis: what a vote may move, how far and how fast, and how long everybody has to see it coming.
//!
//! The table is optional. A network without it has neither the contract nor a treasury that pays: its parameters are
//! those of genesis for ever. Numbers and reasons: docs/spec/governance.md.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::{
    EconomyParams, Genesis, GenesisError,
    check::{FEES_PPM_MAX, need},
};
use crate::{STONE, Stones, abi::IGovernance};

const DAY_MS: u64 = 86_400_000;

impl IGovernance::Parameters {
    /// The whole parameters that they stand for: what no vote moves is genesis'.
    #[must_use]
    pub fn over(&self, genesis: &EconomyParams) -> EconomyParams {
        EconomyParams {
            fee_burn_ppm: self.feeBurnPpm,
            fee_treasury_ppm: self.feeTreasuryPpm,
            fee_insurance_ppm: self.feeInsurancePpm,
            burn_share_ppm: self.burnSharePpm,
            match_ppm: self.matchPpm,
            taper_ppm: self.taperPpm,
            cell_target: self.cellTarget,
            target_cells: self.targetCells,
            device_cost_micro_usd_day: self.deviceCostMicroUsdDay,
            ..genesis.clone()
        }
    }
}

/// Thirty days each: vote, timelock and delay together stay below the shortest lock that votes (180 days), so that no
/// stone that voted is free before what it voted for is done.
const WAIT_MS_MAX: u64 = 30 * DAY_MS;
/// One, in millionths.
const PPM: u32 = 1_000_000;
/// A whole cap: a higher deposit or quorum could never be met.
const STONES_MAX: u64 = 1_000_000_000_000;

/// A number of the economy that a vote may move. Everything else is fixed for ever: the cap, κ, the upper bound of the
/// fees, m below one, what was paid, the price, and the locks of what is already earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Parameter {
    /// Share of a settlement that is burned, ppm.
    FeeBurnPpm = 1,
    /// Share of a settlement for the treasury, ppm.
    FeeTreasuryPpm = 2,
    /// Share of a settlement for insurance, ppm.
    FeeInsurancePpm = 3,
    /// α: share of a day's emission that is split by burn, ppm.
    BurnSharePpm = 4,
    /// m: most subsidy per burned dollar, ppm.
    MatchPpm = 5,
    /// θ: how much of the income lowers the need, ppm.
    TaperPpm = 6,
    /// Devices wanted in each target cell.
    CellTarget = 7,
    /// Number of target cells.
    TargetCells = 8,
    /// Audited cost of a device-day, micro-dollars.
    DeviceCostMicroUsdDay = 9,
}

impl Parameter {
    /// Every parameter, by number.
    pub const ALL: [Self; 9] = [
        Self::FeeBurnPpm,
        Self::FeeTreasuryPpm,
        Self::FeeInsurancePpm,
        Self::BurnSharePpm,
        Self::MatchPpm,
        Self::TaperPpm,
        Self::CellTarget,
        Self::TargetCells,
        Self::DeviceCostMicroUsdDay,
    ];

    /// Its number on the ledger.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The parameter with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.number() == number)
    }

    /// Its key in genesis.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FeeBurnPpm => "fee_burn_ppm",
            Self::FeeTreasuryPpm => "fee_treasury_ppm",
            Self::FeeInsurancePpm => "fee_insurance_ppm",
            Self::BurnSharePpm => "burn_share_ppm",
            Self::MatchPpm => "match_ppm",
            Self::TaperPpm => "taper_ppm",
            Self::CellTarget => "cell_target",
            Self::TargetCells => "target_cells",
            Self::DeviceCostMicroUsdDay => "device_cost_micro_usd_day",
        }
    }

    /// The parameter with this key.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name)
    }

    /// Its value in `params`.
    #[must_use]
    pub fn get(self, params: &EconomyParams) -> u64 {
        match self {
            Self::FeeBurnPpm => params.fee_burn_ppm.into(),
            Self::FeeTreasuryPpm => params.fee_treasury_ppm.into(),
            Self::FeeInsurancePpm => params.fee_insurance_ppm.into(),
            Self::BurnSharePpm => params.burn_share_ppm.into(),
            Self::MatchPpm => params.match_ppm.into(),
            Self::TaperPpm => params.taper_ppm.into(),
            Self::CellTarget => params.cell_target.into(),
            Self::TargetCells => params.target_cells.into(),
            Self::DeviceCostMicroUsdDay => params.device_cost_micro_usd_day,
        }
    }

    /// Sets it. A value above what the field holds becomes the highest it holds: bounds lie below (`most`).
    pub fn set(self, params: &mut EconomyParams, value: u64) {
        let small = u32::try_from(value).unwrap_or(u32::MAX);
        match self {
            Self::FeeBurnPpm => params.fee_burn_ppm = small,
            Self::FeeTreasuryPpm => params.fee_treasury_ppm = small,
            Self::FeeInsurancePpm => params.fee_insurance_ppm = small,
            Self::BurnSharePpm => params.burn_share_ppm = small,
            Self::MatchPpm => params.match_ppm = small,
            Self::TaperPpm => params.taper_ppm = small,
            Self::CellTarget => params.cell_target = small,
            Self::TargetCells => params.target_cells = small,
            Self::DeviceCostMicroUsdDay => params.device_cost_micro_usd_day = value,
        }
    }

    /// The highest bound that genesis may set.
    const fn most(self) -> u64 {
        match self {
            Self::FeeBurnPpm | Self::FeeTreasuryPpm | Self::FeeInsurancePpm => 200_000,
            Self::BurnSharePpm | Self::TaperPpm => 1_000_000,
            // m < 1: a matched dollar never pays for itself.
            Self::MatchPpm => 999_999,
            Self::CellTarget => 1_024,
            Self::TargetCells => 0xffff_ffff,
            // A thousand dollars a device-day.
            Self::DeviceCostMicroUsdDay => 1_000_000_000,
        }
    }
}

/// How far and how fast one parameter may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Lowest value.
    pub low: u64,
    /// Highest value.
    pub high: u64,
    /// Most that it moves within 30 days, up or down.
    pub step: u64,
}

/// Numbers of `docs/spec/governance.md`; times are network time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GovernanceParams {
    /// How long a proposal is voted on, ms.
    pub voting_ms: u64,
    /// From the end of the vote until it may be carried out, ms.
    pub timelock_ms: u64,
    /// The account that may delay a proposal once; zero: none.
    pub guardian: Address,
    /// How long it delays one, ms.
    pub guardian_delay_ms: u64,
    /// Deposit of a proposal, whole stones: burned when it misses the quorum.
    pub deposit_stones: u64,
    /// Part of all locked stones that must vote yes, ppm.
    pub quorum_ppm: u32,
    /// Fewest stones that must vote yes, whole stones.
    pub quorum_stones: u64,
    /// d: part of their worth that locked stones are expected to lose when a vote takes what it can, ppm.
    pub loss_ppm: u32,
    /// φ: most of a settlement that the three fees take together, ppm. No vote moves it.
    pub fees_ppm_max: u32,
    /// What may be moved; a parameter that is not here stays as it is.
    pub bounds: BTreeMap<Parameter, Bound>,
}

impl Default for GovernanceParams {
    fn default() -> Self {
        Self {
            voting_ms: 7 * DAY_MS,
            timelock_ms: 7 * DAY_MS,
            guardian: Address::ZERO,
            guardian_delay_ms: 7 * DAY_MS,
            deposit_stones: 10_000,
            quorum_ppm: 200_000,
            quorum_stones: 1_000_000,
            loss_ppm: 125_000,
            fees_ppm_max: 80_000,
            bounds: BTreeMap::new(),
        }
    }
}

impl GovernanceParams {
    /// The deposit in base units.
    #[must_use]
    pub fn deposit(&self) -> Stones {
        Stones(u128::from(self.deposit_stones) * STONE)
    }

    /// The lowest quorum in base units.
    #[must_use]
    pub fn quorum_least(&self) -> Stones {
        Stones(u128::from(self.quorum_stones) * STONE)
    }

    pub(super) fn check(&self, genesis: &Genesis) -> Result<(), GenesisError> {
        let reason = "1 ms to 30 days: at most 2592000000";
        for (field, ms) in
            [("governance.voting_ms", self.voting_ms), ("governance.timelock_ms", self.timelock_ms)]
        {
            need((1..=WAIT_MS_MAX).contains(&ms), field, ms, reason)?;
        }
        let ms = self.guardian_delay_ms;
        let reason = "a delay is at most 30 days: 2592000000";
        need(ms <= WAIT_MS_MAX, "governance.guardian_delay_ms", ms, reason)?;
        for (field, stones) in [
            ("governance.deposit_stones", self.deposit_stones),
            ("governance.quorum_stones", self.quorum_stones),
        ] {
            let good = (1..=STONES_MAX).contains(&stones);
            need(good, field, stones, "at least one stone, and not more than there can be")?;
        }
        let ppm = self.quorum_ppm;
        need((1..=PPM).contains(&ppm), "governance.quorum_ppm", ppm, "1 to 1000000")?;
        let ppm = self.loss_ppm;
        need((1..=PPM).contains(&ppm), "governance.loss_ppm", ppm, "1 to 1000000")?;
        let economy = &genesis.economy;
        let fees = [economy.fee_burn_ppm, economy.fee_treasury_ppm, economy.fee_insurance_ppm];
        let fees = fees.into_iter().fold(0, u32::saturating_add);
        let ppm = self.fees_ppm_max;
        let reason = "not below the three fees of economy, and at most 20 %: 200000";
        need(fees <= ppm && ppm <= FEES_PPM_MAX, "governance.fees_ppm_max", ppm, reason)?;
        self.bounds.iter().try_for_each(|(parameter, bound)| bound.check(*parameter, economy))
    }
}

impl Bound {
    fn check(&self, parameter: Parameter, economy: &EconomyParams) -> Result<(), GenesisError> {
        let field = |key: &str| format!("governance.bounds.{}.{key}", parameter.name());
        let value = parameter.get(economy);
        let reason = "low is not above the value in economy";
        need(self.low <= value, field("low"), self.low, reason)?;
        let reason =
            "high is not below the value in economy, nor above what docs/spec/governance.md allows";
        need(
            value <= self.high && self.high <= parameter.most(),
            field("high"),
            self.high,
            reason,
        )?;
        need(self.step > 0, field("step"), self.step, "leave a parameter out that may not move")
    }
}

#[cfg(test)]
mod tests {
    use serde::de::{IntoDeserializer as _, value::StrDeserializer};

    use super::super::check::tests::genesis;
    use super::*;

    fn governed() -> Genesis {
        let bound = Bound { low: 100_000, high: 900_000, step: 100_000 };
        let bounds = BTreeMap::from([(Parameter::TaperPpm, bound)]);
        let governance = Some(GovernanceParams { bounds, ..GovernanceParams::default() });
        Genesis { governance, ..genesis() }
    }

    #[test]
    fn numbers_and_names_come_back() {
        let mut params = genesis().economy;
        for parameter in Parameter::ALL {
            assert_eq!(Parameter::from_number(parameter.number()), Some(parameter));
            assert_eq!(Parameter::from_name(parameter.name()), Some(parameter));
            parameter.set(&mut params, 77);
            assert_eq!(parameter.get(&params), 77);
            let key: StrDeserializer<'_, serde::de::value::Error> =
                parameter.name().into_deserializer();
            assert_eq!(Parameter::deserialize(key), Ok(parameter));
        }
        assert_eq!((Parameter::from_number(0), Parameter::from_number(10)), (None, None));
        assert_eq!(Parameter::from_name("cap_stones"), None);
    }

    #[test]
    fn every_number_out_of_bounds_is_named() {
        assert_eq!(governed().check(), Ok(()));
        type Spoil = (&'static str, fn(&mut GovernanceParams));
        let spoils: Vec<Spoil> = vec![
            ("voting_ms is 0", |g| g.voting_ms = 0),
            ("timelock_ms is 2592000001", |g| g.timelock_ms = WAIT_MS_MAX + 1),
            ("guardian_delay_ms is 2592000001", |g| g.guardian_delay_ms = WAIT_MS_MAX + 1),
            ("deposit_stones is 0", |g| g.deposit_stones = 0),
            ("quorum_stones is 0", |g| g.quorum_stones = 0),
            ("quorum_ppm is 1000001", |g| g.quorum_ppm = PPM + 1),
            ("loss_ppm is 0", |g| g.loss_ppm = 0),
            ("fees_ppm_max is 79999", |g| g.fees_ppm_max = 79_999),
            ("fees_ppm_max is 200001", |g| g.fees_ppm_max = 200_001),
            ("bounds.taper_ppm.low is 500001", |g| {
                g.bounds.get_mut(&Parameter::TaperPpm).expect("there").low = 500_001;
            }),
            ("bounds.taper_ppm.high is 1000001", |g| {
                g.bounds.get_mut(&Parameter::TaperPpm).expect("there").high = 1_000_001;
            }),
            ("bounds.match_ppm.high is 1000000", |g| {
                g.bounds.insert(Parameter::MatchPpm, Bound { low: 0, high: 1_000_000, step: 1 });
            }),
            ("bounds.taper_ppm.step is 0", |g| {
                g.bounds.get_mut(&Parameter::TaperPpm).expect("there").step = 0;
            }),
        ];
        for (expected, spoil) in spoils {
            let mut spoilt = governed();
            spoil(spoilt.governance.as_mut().expect("governed"));
            let error = spoilt.check().expect_err(expected).to_string();
            assert!(error.starts_with(&format!("genesis: governance.{expected}")), "{error}");
        }
    }
}
