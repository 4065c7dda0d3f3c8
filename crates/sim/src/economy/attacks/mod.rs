//! The attack suite: every attack that the economy's design names, played with the deployed functions; nobody may gain.
//!
//! Each attack tries many cases and keeps the best one for the attacker. A profit above zero is a failure of the economy, and
//! `cairn simulate --attacks` exits with 1. What the same attack brings elsewhere stands beside it, where there is an elsewhere.
//! Source: docs/economy/attacks.md.

mod devices;
mod money;
mod power;
mod wash;

use cairn_primitives::EconomyParams;

/// An attack and the best that it brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attack {
    /// In JSON.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Cases tried.
    pub cases: u64,
    /// The best profit, micro-dollars; not above zero.
    pub profit_micro_usd: i64,
    /// What the same attack brings under the rules that it was known from, micro-dollars.
    pub elsewhere_micro_usd: Option<i64>,
}

/// The best of many cases.
#[derive(Clone, Copy, Debug)]
pub struct Best {
    cases: u64,
    profit: i128,
}

impl Default for Best {
    fn default() -> Self {
        Self { cases: 0, profit: i128::MIN }
    }
}

impl Best {
    /// One case and its profit, micro-dollars.
    pub fn see(&mut self, profit: i128) {
        self.cases += 1;
        self.profit = self.profit.max(profit);
    }

    /// The attack that the cases were of.
    #[must_use]
    pub fn attack(self, name: &'static str, title: &'static str) -> Attack {
        let profit = self.profit.clamp(i64::MIN.into(), i64::MAX.into());
        Attack {
            name,
            title,
            cases: self.cases,
            profit_micro_usd: i64::try_from(profit).unwrap_or(i64::MAX),
            elsewhere_micro_usd: None,
        }
    }
}

/// Runs the suite around these parameters. `told` is called with the name of each attack that begins.
#[must_use]
pub fn suite(params: &EconomyParams, told: &dyn Fn(&str)) -> Vec<Attack> {
    type Play = fn(&EconomyParams) -> Attack;
    let plays: [(&str, Play); 13] = [
        ("self-dealing", wash::self_dealing),
        ("self-dealing in a gap of demand", wash::gap),
        ("vanity volume", wash::vanity),
        ("band farming", wash::band),
        ("pool farming", wash::pool),
        ("service cartel", wash::cartel),
        ("sybil devices", devices::sybils),
        ("cell collusion", devices::collusion),
        ("grant farming", devices::grant),
        ("oracle push", money::push),
        ("credit put", money::put),
        ("governance capture", power::capture),
        ("lazy verifier", power::lazy),
    ];
    plays
        .into_iter()
        .map(|(name, play)| {
            told(name);
            play(params)
        })
        .collect()
}

/// Whether nobody gains.
#[must_use]
pub fn all_lose(attacks: &[Attack]) -> bool {
    attacks.iter().all(|attack| attack.profit_micro_usd <= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gains_and_the_same_attacks_pay_elsewhere() {
        let attacks = suite(&crate::economy::tests::params(), &|_| {});
        for attack in &attacks {
            println!("{attack:?}");
        }
        for attack in &attacks {
            assert!(attack.profit_micro_usd <= 0, "{attack:?}");
            assert!(attack.cases > 10, "{attack:?}");
            assert!(attack.elsewhere_micro_usd.is_none_or(|profit| profit > 0), "{attack:?}");
        }
        let names: std::collections::BTreeSet<_> = attacks.iter().map(|a| a.name).collect();
        assert_eq!(names.len(), attacks.len());
    }
}
