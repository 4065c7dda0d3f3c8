//! Whose rules pay the providers: ours, and those of the networks that founders compare us with.
//!
//! Each mechanism gets a day's price, paid work and coverage, and says who is paid what. Ours is `cairn_economy`'s state,
//! unchanged; the others are their published formulas in the same integers. All of them see the same world.

mod akash;
mod band;
mod filecoin;
mod fixed;
mod helium;
mod ours;
mod render;

use cairn_economy::{EconomyState, KAPPA, fees_of};
use cairn_primitives::{EconomyParams, MicroUsd, STONE, Stones, mul_div_floor};
use serde::{Deserialize, Serialize};

pub use filecoin::{BASELINE_ATTO, Filecoin, POWER_BYTES, SIMPLE_ATTO};

/// Whose rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// Cairn's, as deployed.
    #[default]
    Ours,
    /// A schedule by time alone; everything that is paid is burned.
    Fixed,
    /// Helium's HIP-149: emission by schedule within a band of usage.
    Band,
    /// Helium in 2021: a schedule that halves, coverage by its share, data at most what was paid.
    #[serde(rename = "helium-2021")]
    Helium2021,
    /// Render: a schedule for two years, then once to three times what was burned.
    Render,
    /// Akash's burn and mint: providers are paid what consumers pay, and nothing else.
    Akash,
    /// Filecoin's minting, simple and baseline.
    Filecoin,
}

impl Name {
    /// All of them, ours first.
    pub const ALL: [Self; 7] = [
        Self::Ours,
        Self::Fixed,
        Self::Helium2021,
        Self::Band,
        Self::Render,
        Self::Akash,
        Self::Filecoin,
    ];

    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ours => "Cairn",
            Self::Fixed => "Fixed schedule, all burned",
            Self::Helium2021 => "Helium in 2021",
            Self::Band => "HIP-149 band (Helium)",
            Self::Render => "Render",
            Self::Akash => "Burn and mint (Akash)",
            Self::Filecoin => "Filecoin minting",
        }
    }

    /// What they are, in a sentence for people who never heard of them.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Ours => {
                "Paid work first; new tokens only where devices are wanted and customers are still few."
            }
            Self::Fixed => "New tokens by the calendar; what customers pay is destroyed.",
            Self::Helium2021 => {
                "A calendar that halves every two years: a part for being there, a part for data that was paid."
            }
            Self::Band => {
                "The calendar's tokens, but at least half and at most three times what customers paid."
            }
            Self::Render => {
                "A calendar for two years, then one to three times what customers' payments destroyed."
            }
            Self::Akash => "What customers pay, and nothing else.",
            Self::Filecoin => "New tokens for capacity, used or not, and what customers pay.",
        }
    }

    /// As in a scenario.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Fixed => "fixed",
            Self::Helium2021 => "helium-2021",
            Self::Band => "band",
            Self::Render => "render",
            Self::Akash => "akash",
            Self::Filecoin => "filecoin",
        }
    }
}

/// What a mechanism is told of a day.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    /// The day, from 0.
    pub number: u64,
    /// Micro-dollars per STONE.
    pub price: MicroUsd,
    /// Paid work, micro-dollars.
    pub paid: MicroUsd,
    /// Stones that were burned for the credits spent today, when they were bought.
    pub released: Stones,
    /// Part of the wanted places that is filled, ppm.
    pub covered_ppm: u32,
}

/// What a mechanism does on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Providers' income from consumers, micro-dollars.
    pub earned: MicroUsd,
    /// Subsidy that follows paid usage, micro-dollars.
    pub usage_subsidy: MicroUsd,
    /// Subsidy that follows coverage or time, micro-dollars.
    pub need_subsidy: MicroUsd,
    /// Issued as subsidy or by schedule.
    pub emitted: Stones,
    /// Issued because paid work was owed more than its credits had burned.
    pub drawn: Stones,
    /// Burned.
    pub burned: Stones,
}

/// A mechanism in the middle of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mechanism {
    /// See `Name::Ours`.
    Ours(ours::Ours),
    /// See `Name::Fixed`.
    Fixed(fixed::Fixed),
    /// See `Name::Helium2021`.
    Helium2021(helium::Helium),
    /// See `Name::Band`.
    Band(band::Band),
    /// See `Name::Render`.
    Render(render::Render),
    /// See `Name::Akash`.
    Akash(akash::Akash),
    /// See `Name::Filecoin`.
    Filecoin(filecoin::Filecoin),
}

impl Mechanism {
    /// The mechanism before its first day.
    #[must_use]
    pub fn new(name: Name, params: &EconomyParams) -> Self {
        match name {
            Name::Ours => Self::Ours(ours::Ours::new(params)),
            Name::Fixed => Self::Fixed(fixed::Fixed::new(params)),
            Name::Helium2021 => Self::Helium2021(helium::Helium::default()),
            Name::Band => Self::Band(band::Band::new(params)),
            Name::Render => Self::Render(render::Render::default()),
            Name::Akash => Self::Akash(akash::Akash::default()),
            Name::Filecoin => Self::Filecoin(filecoin::Filecoin::default()),
        }
    }

    /// Ours, as a ledger's days left it.
    #[must_use]
    pub const fn continued(state: EconomyState) -> Self {
        Self::Ours(ours::Ours { state })
    }

    /// Does a day. `params.price_micro_usd` is the day's price.
    pub fn day(&mut self, params: &EconomyParams, day: &Day) -> Outcome {
        match self {
            Self::Ours(state) => state.day(params, day),
            Self::Fixed(state) => state.day(day),
            Self::Helium2021(state) => state.day(day),
            Self::Band(state) => state.day(day),
            Self::Render(state) => state.day(day),
            Self::Akash(state) => state.day(day),
            Self::Filecoin(state) => state.day(day),
        }
    }

    /// The deployed state; none for others.
    #[must_use]
    pub const fn economy_state(&self) -> Option<&EconomyState> {
        match self {
            Self::Ours(ours) => Some(&ours.state),
            _ => None,
        }
    }

    /// What is left of the grant; nothing where there is none.
    #[must_use]
    pub fn grant_left(&self) -> Stones {
        match self {
            Self::Ours(state) => state.grant_left(),
            _ => Stones::ZERO,
        }
    }

    /// Paid work of an average day, before fees, as the mint's limit on outstanding credits counts it; nothing for others.
    #[must_use]
    pub fn settled_a_day(&self, fees_ppm: u32) -> MicroUsd {
        match self {
            Self::Ours(state) => state.settled_a_day(fees_ppm),
            _ => MicroUsd::ZERO,
        }
    }

    /// What is owed to providers, insurance and treasury.
    #[must_use]
    pub fn owed(&self) -> Stones {
        match self {
            Self::Ours(state) => state.owed(),
            _ => Stones::ZERO,
        }
    }

    /// What the mechanism holds of a vault, beyond the credits not yet spent.
    #[must_use]
    pub fn vault(&self) -> Stones {
        match self {
            Self::Akash(state) => state.vault,
            _ => Stones::ZERO,
        }
    }

    /// SHA-256 of our state as the peers of `cairn bench simulate` write it: decimal numbers with commas. Empty for others.
    #[must_use]
    pub fn state_hash(&self) -> String {
        match self {
            Self::Ours(state) => state.hash(),
            _ => String::new(),
        }
    }

    /// What treasury and insurance got of a payment, micro-dollars: what an attacker who owns them takes back.
    #[must_use]
    pub fn recapturable(&self, params: &EconomyParams, paid: MicroUsd) -> MicroUsd {
        match self {
            Self::Ours(_) => {
                let fees = fees_of(params, paid);
                MicroUsd(fees.treasury.0.saturating_add(fees.insurance.0))
            }
            _ => MicroUsd::ZERO,
        }
    }
}

/// A day's emission of a reserve with a half-life of four years, and the reserve without it.
fn half_life(reserve: &mut Stones) -> Stones {
    let emission = mul_div_floor(reserve.0, KAPPA, 1 << 32).unwrap_or(0);
    reserve.0 = reserve.0.saturating_sub(emission);
    Stones(emission)
}

/// The reserve of genesis.
fn reserve_of(params: &EconomyParams) -> Stones {
    Stones(u128::from(params.reserve_stones) * STONE)
}

/// Income that burned payments cover, and the rest of it: what holders pay by dilution.
fn split_income(income: MicroUsd, paid: MicroUsd) -> (MicroUsd, MicroUsd) {
    let earned = income.min(paid);
    (earned, MicroUsd(income.0 - earned.0))
}
