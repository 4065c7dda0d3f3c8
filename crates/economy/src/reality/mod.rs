//! Reality: twenty honest figures of a period, an index of four shown factors, and seven questions answered by them.
//!
//! ```text
//! blocks, evidence of final epochs ─► Facts ─► report ─► Report (twenty indicators, index, questions)
//! ```
//! Pure and integer: a node that serves a report and an auditor who recomputes it run this one function over the facts that
//! each collected by itself, so that an altered number shows. What cannot be said is absent with a numbered reason.
//! Formulas, units, edge cases: docs/spec/reality.md.

mod band;
mod demand;
mod facts;
mod figure;
mod funding;
mod income;
mod index;
mod money;
mod questions;
mod share;
mod supply;
#[cfg(test)]
mod tests;
mod trust;

use cairn_primitives::Epoch;
use serde::{Deserialize, Serialize};

pub use band::{Band, Indicator, Mark};
pub use demand::{LAG_PERIODS, revenue};
pub use facts::{Checks, DeviceFacts, Facts, Money, Payment, PoolFacts, Reference, Sale};
pub use figure::{Absent, Figure, Measured, Unit};
pub use funding::{FUNDER_ONE_IN, Funding, HOPS_MAX, RelatedPay, related_pay};
pub use income::incomes;
pub use index::{Index, letter};
pub use questions::{Ground, Question};
pub use share::Shares;
pub use supply::COHORT_PERIODS;

/// Version of the report's layout and formulas.
pub const VERSION: u32 = 1;

/// The reality page of a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Of layout and formulas.
    pub version: u32,
    /// First epoch.
    pub from: Epoch,
    /// Last epoch.
    pub to: Epoch,
    /// Whether the network is younger than the windows that some indicators look back on.
    pub young: bool,
    /// The index.
    pub index: Index,
    /// The twenty, by number.
    pub indicators: Vec<Indicator>,
    /// The seven.
    pub questions: Vec<Question>,
}

/// The report of a period.
#[must_use]
pub fn report(facts: &Facts) -> Report {
    let indicators = vec![
        demand::real_revenue(facts),
        demand::arms_length(facts),
        income::subsidy_share(facts),
        money::burn_of_emission(facts),
        income::subsidy_per_revenue(facts),
        supply::utilisation(facts),
        supply::activity(facts),
        demand::payer_spread(facts),
        supply::provider_spread(facts),
        income::payback_days(facts),
        supply::survival(facts),
        demand::payer_retention(facts),
        income::take_rate(facts),
        money::annual_dilution(facts),
        money::grant_runway(facts),
        money::credit_float(facts),
        trust::verification(facts),
        trust::disputes(facts),
        money::price_integrity(facts),
        demand::price_of_reference(facts),
    ];
    let questions = questions::questions(&indicators);
    let young = facts.before.is_none() || facts.then.is_none();
    let (from, to) = (facts.from, facts.to);
    let index = index::index(facts);
    Report { version: VERSION, from, to, young, index, indicators, questions }
}

impl Report {
    /// The indicator with this number.
    #[must_use]
    pub fn indicator(&self, number: u8) -> Option<&Indicator> {
        self.indicators.iter().find(|indicator| indicator.number == number)
    }
}
