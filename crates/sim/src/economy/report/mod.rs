//! The report: one HTML file that a person who has never seen the project understands, and that opens without a network.
//!
//! No script, no font, no picture from elsewhere: text, one style sheet and SVG. It says first what happens to the people who
//! own devices, then shows why, and names the hash with which anybody gets the same numbers.

pub mod chart;
mod plots;
mod words;

use super::{
    attacks::Attack,
    mechanism::Name,
    metric::Metric,
    montecarlo::{self, Results},
    run::Setup,
    scenario::Scenario,
};
use chart::{Unit, escaped, shown};

/// Days of the comparison with other rules: twenty years, whatever the scenario has.
const COMPARED_DAYS: u64 = 7_305;
/// The style sheet.
pub const STYLE: &str = include_str!("page.css");

/// What a report is made of.
pub struct Report<'a> {
    /// The scenario's name, for people.
    pub name: &'a str,
    /// The scenario.
    pub setup: &'a Setup,
    /// Its runs.
    pub results: &'a Results,
    /// The attack suite, if it was run.
    pub attacks: &'a [Attack],
}

impl Report<'_> {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let body = [
            self.head(),
            words::verdict(self),
            words::how_it_works().to_owned(),
            words::facts(self),
            plots::section(self),
            self.comparison(),
            self.attack_table(),
            words::glossary().to_owned(),
            self.reproduce(),
        ];
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{} · simulation</title><style>{STYLE}</style></head><body><main>{}</main></body></html>\n",
            escaped(self.name),
            body.concat()
        )
    }

    fn scenario(&self) -> &Scenario {
        &self.setup.scenario
    }

    fn head(&self) -> String {
        let simulate = &self.scenario().simulate;
        let runs = match simulate.runs {
            1 => "one run".to_owned(),
            runs => format!("{runs} runs with different luck"),
        };
        let past = self.scenario().history.as_deref().map_or_else(String::new, |history| {
            format!(
                " The first {} days are no simulation: they are what the ledger of {} says, and the rest goes on from its last state. A dashed line marks the border in each plot.",
                history.days.len(),
                escaped(&history.network)
            )
        });
        format!(
            "<h1>{}: a network, simulated</h1><p class=\"soft\">A simulation of {} days ({:.1} years) of a network whose device owners are paid by the rules of <b>{}</b>; {runs}.{past}</p>",
            escaped(self.name),
            simulate.days,
            simulate.days as f64 / 365.25,
            simulate.mechanism.title(),
        )
    }

    /// The same world under everybody's rules, one run each.
    fn comparison(&self) -> String {
        let rows: String = Name::ALL.into_iter().map(|name| self.compared(name)).collect();
        let past = match self.scenario().history {
            Some(_) => {
                " Other rules cannot go on from this ledger: here all of them begin on day 0, ours too."
            }
            None => "",
        };
        format!(
            "<h2>The same world under other networks' rules</h2><p>The same demand, the same price of the token and the same people, one run each; only the rules that pay device owners differ. Each is the network's published formula, simplified (docs/spec/scenario.md names what is left out); these are no forecasts of those networks.{past}</p><div class=\"scroll\"><table><thead><tr><th>Rules</th><th>All owners' income on the worst day</th><th>On the last day</th><th>Subsidy's part of all income</th><th>New tokens</th><th>Days until a device is paid off (median)</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )
    }

    fn compared(&self, name: Name) -> String {
        let mut scenario = self.scenario().clone();
        (scenario.simulate.mechanism, scenario.simulate.runs) = (name, 1);
        scenario.history = None;
        scenario.simulate.days = scenario.simulate.days.min(COMPARED_DAYS);
        let outcome = montecarlo::run(&Setup::new(scenario), 0);
        let number = |metric: Metric| metric.value(&outcome.rows);
        let value = |metric: Metric| metric.shown(number(metric));
        let own = if name == self.scenario().simulate.mechanism { " class=\"us\"" } else { "" };
        format!(
            "<tr{own}><td>{}<span class=\"about\">{}</span></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            name.title(),
            name.about(),
            value(Metric::IncomeMin),
            value(Metric::Income),
            value(Metric::SubsidyShare),
            Metric::Emitted.shown(number(Metric::Emitted) + number(Metric::Drawn)),
            value(Metric::Payback),
        )
    }

    fn attack_table(&self) -> String {
        if self.attacks.is_empty() {
            return String::new();
        }
        let rows: String = self
            .attacks
            .iter()
            .map(|attack| {
                format!(
                    "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                    escaped(attack.title),
                    attack.cases,
                    shown(attack.profit_micro_usd as f64 / 1e6, Unit::Usd)
                )
            })
            .collect();
        format!(
            "<h2>What attackers gain</h2><p>Each attack was tried in many cases against these parameters; the best one for the attacker stands here. Below zero means that the attacker pays for it. Witnesses, founders' bonds and the known answers that catch a validator who does not verify are rules of the design that the ledger does not have yet, and the row of fake devices takes the bond that the formula asks for, not this scenario's (docs/economy/attacks.md).</p><div class=\"scroll\"><table><thead><tr><th>Attack</th><th>Cases tried</th><th>Attacker's best profit</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )
    }

    /// How somebody else gets the same numbers.
    fn reproduce(&self) -> String {
        let text = toml::to_string(self.scenario()).unwrap_or_default();
        let history = match self.scenario().history {
            Some(_) => " --history history.json",
            None => "",
        };
        format!(
            "<h2>Check it yourself</h2><p>The simulator reckons in whole numbers, and its luck comes from a number in the scenario, the seed: every machine gets the same result to the last digit. Save the scenario below as a file and run <code>cairn simulate scenario.toml{history}</code>; it must print this hash:</p><p><code>{}</code></p><details><summary>The whole scenario</summary><pre>{}</pre></details>",
            self.results.hash,
            escaped(&text)
        )
    }
}
