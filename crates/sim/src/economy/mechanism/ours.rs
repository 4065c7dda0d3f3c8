//! Cairn: `cairn_economy`'s state, one epoch a day, in the order in which the ledger calls it.

use cairn_economy::{EconomyState, PPM, usage_share};
use cairn_primitives::{Digest, EconomyParams, Epoch, MicroUsd, Sector, Stones, mul_div_floor};
use serde::{Deserialize, Serialize};

use super::{Day, Outcome};

/// The sector that is simulated.
const SECTOR: Sector = Sector::Sensing;

/// The deployed state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ours {
    /// See `EconomyState`.
    pub state: EconomyState,
}

impl Ours {
    pub fn new(params: &EconomyParams) -> Self {
        Self { state: EconomyState::genesis(params) }
    }

    /// Paid work first, then the subsidy that was fixed when the day opened, then the next day opens at today's price.
    pub fn day(&mut self, params: &EconomyParams, day: &Day) -> Outcome {
        let state = &mut self.state;
        let pool = state.epoch_pool(SECTOR, 0, 1).expect("genesis knows the sector");
        let settled = state
            .settle_epoch(params, SECTOR, Epoch(day.number), 1, day.paid, day.released)
            .expect("genesis knows the sector");
        // One payment a day: the cap on a device's usage subsidy is linear in what it was paid.
        let usage = usage_share(params, pool.usage, day.paid, day.paid);
        let need = pool.need.ppm_floor(day.covered_ppm);
        let stones = MicroUsd(usage.0.saturating_add(need.0)).to_stones_floor(day.price);
        // The reserve holds at least a day's budget unless paid work drew it: then nothing is left to subsidise with.
        let paid = state.pay_subsidy(params, SECTOR, stones, need).is_ok();
        let subsidy = |amount| if paid { amount } else { MicroUsd::ZERO };
        let emitted = if paid { stones } else { Stones::ZERO };
        state.open_next_day(params);
        Outcome {
            earned: settled.income,
            usage_subsidy: subsidy(usage),
            need_subsidy: subsidy(need),
            emitted,
            drawn: settled.drawn,
            burned: settled.burned,
        }
    }

    pub fn grant_left(&self) -> Stones {
        self.state.services.get(&SECTOR).map_or(Stones::ZERO, |service| service.grant_left)
    }

    /// See `Mechanism::settled_a_day`: the state has the average after fees.
    pub fn settled_a_day(&self, fees_ppm: u32) -> MicroUsd {
        let income = self.state.services.get(&SECTOR).map_or(0, |service| service.income.0);
        let kept = PPM.saturating_sub(fees_ppm.into());
        let gross = mul_div_floor(income.into(), PPM.into(), kept.into()).unwrap_or(0);
        MicroUsd(u64::try_from(gross).unwrap_or(u64::MAX))
    }

    /// See `Mechanism::state_hash`.
    pub fn hash(&self) -> String {
        let state = &self.state;
        let service = state.services.get(&SECTOR).copied().unwrap_or_default();
        let text = format!(
            "{},{},{},{},{},{},{},{}",
            state.day,
            state.reserve.0,
            service.income.0,
            service.burn.0,
            service.grant_left.0,
            state.emission.0,
            service.usage_budget.0,
            service.need_budget.0
        );
        let hash = Digest::of(&[text.as_bytes()]).to_string();
        hash.trim_start_matches("0x").to_owned()
    }

    pub fn owed(&self) -> Stones {
        let sum = |sum: u128, debt: u128| sum.saturating_add(debt);
        Stones(self.state.ious.iter().map(|iou| iou.dues.total().0).fold(0, sum))
    }
}
