//! Akash's burn and mint (AEP-76): consumers burn stones for credits, providers are paid the credits' dollars at today's price.
//!
//! The vault's stones are reminted first, only what it lacks is minted. No take rate and no subsidy: a network without
//! customers pays nothing.

use cairn_primitives::Stones;
use serde::{Deserialize, Serialize};

use super::{Day, Outcome};

/// Burned and not reminted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Akash {
    /// The vault.
    pub vault: Stones,
}

impl Akash {
    pub fn day(&mut self, day: &Day) -> Outcome {
        self.vault.0 = self.vault.0.saturating_add(day.released.0);
        let due = day.paid.to_stones_floor(day.price);
        let from_vault = due.min(self.vault);
        self.vault.0 -= from_vault.0;
        Outcome { earned: day.paid, drawn: Stones(due.0 - from_vault.0), ..Outcome::default() }
    }
}
