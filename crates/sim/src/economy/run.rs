//! One run: a scenario, a seed, day after day. It can be stopped after any day, written down and continued.
//!
//! ```text
//! price of the day ─► credits are bought for later ─► the oldest credits are spent on work ─► the mechanism pays
//!        ─► income per device ─► people come and go ─► a row, every so often
//! ```
//! The first days may be a ledger's instead (`history`). Invariants: no float and no clock, so the same scenario, seed and number give the same hash on every machine and any
//! number of threads; the hash does not depend on which rows are kept.

use std::collections::VecDeque;

use cairn_economy::{
    Coverage, EconomyState, MINT_WINDOW_MS, coverage, coverage_ppm, mint_window, outstanding_bound,
};
use cairn_evidence::reality::{History, HistoryDay};
use cairn_kit::chance::Chance;
use cairn_primitives::{Digest, EconomyParams, MicroUsd, STONE, Stones, mul_div_floor};
use serde::{Deserialize, Serialize};

use super::{
    curve::{Curve, USD},
    history,
    market::{Bought, Market},
    mechanism::{Day, Mechanism, Name, Outcome},
    population::Population,
    row::{Row, days_of},
    scenario::{Attacker, Path, Scenario},
};

/// The hash takes a row every so many days, and the last one.
const HASH_DAYS: u64 = 32;
/// Half hours of a day: each has a limit of its own for what may be minted.
const WINDOWS: u64 = 86_400_000 / MINT_WINDOW_MS;
/// Rows of one run when the scenario does not say.
const ROWS_ALONE: u64 = 5_000;
/// Rows of each of many runs when the scenario does not say.
const ROWS_TOGETHER: u64 = 240;

/// A scenario made ready: what all its runs share.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The scenario.
    pub scenario: Scenario,
    curve: Curve,
    record_every: u64,
}

/// A run in the middle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Number of the run, from 0: with the scenario's seed it names the draws.
    pub number: u32,
    /// Days done.
    pub day: u64,
    chance: Chance,
    params: EconomyParams,
    mechanism: Mechanism,
    market: Market,
    population: Population,
    /// Credits bought for a day and not spent, oldest first: one entry a day.
    credits: VecDeque<(MicroUsd, Stones)>,
    /// Credits that nobody could spend on their day: they are used before new ones are bought.
    held: (MicroUsd, Stones),
    outstanding: MicroUsd,
    vault: Stones,
    emitted: Stones,
    drawn: Stones,
    burned: Stones,
    sold: Stones,
    /// What people held before anything was issued.
    first_held: Stones,
    attacker: i64,
    hash: Digest,
    /// Rows kept so far.
    pub rows: Vec<Row>,
}

impl Setup {
    /// Makes a checked scenario ready.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let simulate = &scenario.simulate;
        let days = simulate.days.saturating_add(simulate.credit_days.into());
        let rows = if simulate.runs == 1 { ROWS_ALONE } else { ROWS_TOGETHER };
        let record_every = match simulate.record_every_days {
            0 => simulate.days.div_ceil(rows).max(1),
            every => every,
        };
        Self { curve: Curve::new(&simulate.demand, days), record_every, scenario }
    }

    /// Days between recorded rows.
    #[must_use]
    pub const fn record_every(&self) -> u64 {
        self.record_every
    }

    /// The first day's price of what is simulated: genesis's, or that of the ledger's last day.
    fn first_price(&self) -> MicroUsd {
        let last = self.scenario.history.as_ref().and_then(|history| history.days.last());
        last.map_or(MicroUsd(self.scenario.economy.price_micro_usd), |day| day.price)
    }

    /// Run `number` before its first day. The first simulated days spend the credits that a ledger has; what they lack was
    /// bought at the first price.
    #[must_use]
    pub fn begin(&self, number: u32) -> Run {
        let params = self.scenario.economy.clone();
        let simulate = &self.scenario.simulate;
        let first = self.first_price();
        let genesis = params.cap_stones.saturating_sub(params.reserve_stones);
        let mut run = Run {
            number,
            day: 0,
            chance: Chance::part(simulate.seed, number.into()),
            mechanism: Mechanism::new(simulate.mechanism, &params),
            market: Market::new(&simulate.price, first),
            population: Population::new(simulate.providers.as_ref(), target(&params)),
            outstanding: MicroUsd::ZERO,
            vault: Stones::ZERO,
            credits: VecDeque::new(),
            held: (MicroUsd::ZERO, Stones::ZERO),
            first_held: Stones(u128::from(genesis) * STONE),
            params,
            emitted: Stones::ZERO,
            drawn: Stones::ZERO,
            burned: Stones::ZERO,
            sold: Stones::ZERO,
            attacker: 0,
            hash: Digest::ZERO,
            rows: Vec::new(),
        };
        if let Some(history) = self.scenario.history.as_deref()
            && let Some(last) = history.days.last()
        {
            run.mechanism = Mechanism::continued(history.state.clone());
            run.first_held = history::held_at_first(history, last);
            run.held = (last.outstanding, last.vault);
            (run.outstanding, run.vault) = run.held;
        }
        let begins = history::days(&self.scenario);
        for day in begins..begins + u64::from(simulate.credit_days) {
            let wanted = self.curve.drawn(day, &mut run.chance);
            let (had, their) = run.take_held(wanted);
            let lacking = MicroUsd(wanted.0 - had.0);
            run.book(lacking, stones_for(lacking, first), (had, their));
        }
        run
    }
}

/// Stones that are burned for credits at a price, rounded up.
fn stones_for(usd: MicroUsd, price: MicroUsd) -> Stones {
    Stones(usd.to_stones_floor(price).0 + u128::from(usd.0 > 0))
}

/// The sum, saturating: a run of ages at the edge of its bounds ends, and does not stop.
fn plus(a: Stones, b: Stones) -> Stones {
    Stones(a.0.saturating_add(b.0))
}

/// The part of `stones` that `part` of `whole` has, rounded down; all of them for the whole.
fn part_of(stones: Stones, part: MicroUsd, whole: MicroUsd) -> Stones {
    if part == whole {
        return stones;
    }
    Stones(mul_div_floor(stones.0, part.0.into(), whole.0.into()).unwrap_or(0))
}

/// Places that the network wants filled.
fn target(params: &EconomyParams) -> u64 {
    u64::from(params.target_cells) * u64::from(params.cell_target)
}

impl Run {
    /// Whether every day is done.
    #[must_use]
    pub fn is_done(&self, setup: &Setup) -> bool {
        self.day >= setup.scenario.simulate.days
    }

    /// The economy's state, where the rules are ours.
    #[must_use]
    pub const fn economy_state(&self) -> Option<&EconomyState> {
        self.mechanism.economy_state()
    }

    /// The run's hash so far.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// Does days until `until`, or the last one.
    pub fn advance(&mut self, setup: &Setup, until: u64) {
        let until = until.min(setup.scenario.simulate.days);
        while self.day < until {
            self.step(setup);
        }
    }

    /// Does one day.
    fn step(&mut self, setup: &Setup) {
        if let Some(history) = setup.scenario.history.as_deref()
            && let Some(day) = usize::try_from(self.day).ok().and_then(|at| history.days.get(at))
        {
            self.recall(setup, history, day);
            return;
        }
        let simulate = &setup.scenario.simulate;
        let jumped = simulate.price.at_day < history::days(&setup.scenario);
        // A jump that the scenario has in the ledger's days did or did not happen: the ledger's price knows.
        if !(jumped && matches!(simulate.price.path, Path::Crash | Path::Boom)) {
            self.market.open(&simulate.price, setup.first_price(), self.day, &mut self.chance);
        }
        let wanted = self.buy_credits(setup);
        let price = self.market.price;
        self.params.price_micro_usd = price.0;

        let (credits, burned) = self.credits.pop_front().unwrap_or_default();
        let paid = self.population.served(simulate.providers.as_ref(), credits);
        // What could not be served stays a credit, with its part of the burned stones.
        let stones = part_of(burned, paid, credits);
        self.held.0 = MicroUsd(self.held.0.0.saturating_add(credits.0 - paid.0));
        self.held.1 = plus(self.held.1, Stones(burned.0 - stones.0));
        self.outstanding = MicroUsd(self.outstanding.0.saturating_sub(paid.0));
        self.vault = Stones(self.vault.0.saturating_sub(stones.0));
        let unserved = MicroUsd(wanted.0 + (credits.0 - paid.0));

        let washed = self.washed(simulate.attacker.as_ref());
        let day = Day {
            number: self.day,
            price,
            paid: MicroUsd(paid.0.saturating_add(washed.0)),
            // Who pays itself mints its credits today.
            released: plus(stones, stones_for(washed, price)),
            covered_ppm: self.population.covered_ppm(target(&self.params)),
        };
        let outcome = self.mechanism.day(&self.params, &day);
        self.emitted = plus(self.emitted, outcome.emitted);
        self.drawn = plus(self.drawn, outcome.drawn);
        self.burned = plus(self.burned, outcome.burned);
        if let Some(attacker) = &simulate.attacker {
            self.account(attacker, &day, &outcome, washed);
        }
        self.close(setup, &day, &outcome, unserved);
    }

    /// Buys the credits that will be spent in `credit_days`; returns what was wanted and could not be bought.
    fn buy_credits(&mut self, setup: &Setup) -> MicroUsd {
        let simulate = &setup.scenario.simulate;
        let when = self.day + u64::from(simulate.credit_days);
        let wanted = setup.curve.drawn(when, &mut self.chance);
        let (had, their) = self.take_held(wanted);
        let lacking = MicroUsd(wanted.0 - had.0);
        let allowed = lacking.min(self.mintable(simulate.mechanism));
        let sold = std::mem::take(&mut self.sold);
        let Bought { credits, stones } =
            self.market.trade(&simulate.price, allowed, sold, &mut self.chance);
        self.book(credits, stones, (had, their));
        MicroUsd(lacking.0 - allowed.0)
    }

    /// Books new credits, and held ones, for the next day that has none.
    fn book(&mut self, credits: MicroUsd, stones: Stones, (had, their): (MicroUsd, Stones)) {
        self.credits.push_back((MicroUsd(had.0.saturating_add(credits.0)), plus(their, stones)));
        self.outstanding = MicroUsd(self.outstanding.0.saturating_add(credits.0));
        self.vault = plus(self.vault, stones);
    }

    /// Takes at most `wanted` of the held credits, and their part of the burned stones.
    fn take_held(&mut self, wanted: MicroUsd) -> (MicroUsd, Stones) {
        let (credits, stones) = self.held;
        let taken = wanted.min(credits);
        let their = part_of(stones, taken, credits);
        self.held = (MicroUsd(credits.0 - taken.0), Stones(stones.0 - their.0));
        (taken, their)
    }

    /// Most credits that may be bought today: with a pool of our own its depth, the supply and the cover set limits. At a
    /// price from outside there are none, because nobody can push it.
    fn mintable(&self, name: Name) -> MicroUsd {
        let fees =
            self.params.fee_burn_ppm + self.params.fee_treasury_ppm + self.params.fee_insurance_ppm;
        let Some(depth) = self.market.depth().filter(|_| name == Name::Ours) else {
            return MicroUsd(u64::MAX);
        };
        let covered = coverage_ppm(self.vault, self.market.price, self.outstanding);
        if coverage(covered) == Coverage::Paused {
            return MicroUsd::ZERO;
        }
        let window = mint_window(depth, fees);
        let settled = self.mechanism.settled_a_day(fees);
        let most = outstanding_bound(settled, self.supply(), self.market.price, window);
        let by_depth = MicroUsd(window.0.saturating_mul(WINDOWS));
        by_depth.min(MicroUsd(most.0.saturating_sub(self.outstanding.0)))
    }

    /// What the attacker pays itself today.
    fn washed(&self, attacker: Option<&Attacker>) -> MicroUsd {
        match attacker {
            Some(attacker) if self.day >= attacker.from_day => {
                MicroUsd(attacker.wash_usd_day * USD)
            }
            _ => MicroUsd::ZERO,
        }
    }

    /// The attacker's cash of a day: its pay, its part of the subsidies and of the fees that it owns, less what it washed.
    fn account(&mut self, attacker: &Attacker, day: &Day, outcome: &Outcome, washed: MicroUsd) {
        let all = u128::from(day.paid.0).max(1);
        let by_usage = |amount: MicroUsd| {
            i64::try_from(u128::from(amount.0) * u128::from(washed.0) / all).unwrap_or(0)
        };
        let mut cash = by_usage(outcome.earned).saturating_add(by_usage(outcome.usage_subsidy));
        let owned = outcome.need_subsidy.ppm_floor(attacker.share_ppm).0
            + self
                .mechanism
                .recapturable(&self.params, day.paid)
                .ppm_floor(attacker.recapture_ppm)
                .0;
        cash = cash.saturating_add(i64::try_from(owned).unwrap_or(i64::MAX));
        let paid = i64::try_from(washed.0).unwrap_or(i64::MAX);
        self.attacker = self.attacker.saturating_add(cash).saturating_sub(paid);
    }

    /// Takes a day over from the ledger.
    fn recall(&mut self, setup: &Setup, history: &History, day: &HistoryDay) {
        let providers = setup.scenario.simulate.providers.as_ref();
        let subsidy = MicroUsd(day.usage_subsidy.0.saturating_add(day.need_subsidy.0));
        let first = self.day == 0;
        let card = self.population.recall(providers, day.devices, day.earned, subsidy, first);
        (self.emitted, self.drawn, self.burned) = (day.emitted, day.drawn, day.burned);
        let noted = self.noted(setup);
        self.day += 1;
        self.note(noted, history::row(history, day, card));
    }

    /// Whether the day's row is kept, and whether the hash takes it.
    fn noted(&self, setup: &Setup) -> (bool, bool) {
        let last = self.day + 1 >= setup.scenario.simulate.days;
        let kept = self.day.is_multiple_of(setup.record_every) || last;
        (kept, self.day % HASH_DAYS == HASH_DAYS - 1 || last)
    }

    /// Keeps a row, takes it into the hash.
    fn note(&mut self, (kept, hashed): (bool, bool), row: Row) {
        if hashed {
            self.hash = Digest::of(&[self.hash.as_bytes(), &row.bytes()]);
        }
        if kept {
            self.rows.push(row);
        }
    }

    /// Ends the day: devices, row, hash.
    fn close(&mut self, setup: &Setup, day: &Day, outcome: &Outcome, unserved: MicroUsd) {
        let simulate = &setup.scenario.simulate;
        let subsidy = MicroUsd(outcome.usage_subsidy.0.saturating_add(outcome.need_subsidy.0));
        let providers = simulate.providers.as_ref();
        let card = self.population.close(providers, outcome.earned, subsidy, self.day == 0);
        if simulate.price.sold_ppm > 0 {
            let income = MicroUsd(outcome.earned.0.saturating_add(subsidy.0));
            let sold = income.ppm_floor(simulate.price.sold_ppm);
            self.sold = sold.to_stones_floor(day.price);
        }
        let (number, noted) = (self.day, self.noted(setup));
        self.day += 1;
        if noted == (false, false) {
            return;
        }
        let vault = Stones(self.vault.0 + self.mechanism.vault().0);
        let row = Row {
            day: number,
            price: day.price,
            paid: day.paid,
            unserved,
            earned: outcome.earned,
            usage_subsidy: outcome.usage_subsidy,
            need_subsidy: outcome.need_subsidy,
            emitted: self.emitted,
            drawn: self.drawn,
            burned: self.burned,
            supply: self.supply(),
            grant_left: self.mechanism.grant_left(),
            owed: self.mechanism.owed(),
            outstanding: self.outstanding,
            coverage_ppm: coverage_ppm(vault, day.price, self.outstanding),
            devices: self.population.devices,
            entered: self.population.entered,
            left: self.population.left,
            payback_days: days_of(card.today),
            payback_zero_days: days_of(card.zero_subsidy),
            attacker: self.attacker,
            from_ledger: false,
        };
        self.note(noted, row);
    }

    /// Stones of people, vault included: genesis and what was issued, less what was burned.
    fn supply(&self) -> Stones {
        let issued = plus(self.first_held, plus(self.emitted, self.drawn));
        Stones(issued.0.saturating_sub(self.burned.0))
    }
}
