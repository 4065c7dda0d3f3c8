//! Paying oneself: for the subsidy, for the statistics, into a gap, out of others' pools, to keep a subsidy alive.
//!
//! The attacker is the sole provider and may own treasury and insurance, which is its best case. Its profit is what it has
//! with its payments to itself less what it would have without them, less what it paid.

use cairn_economy::{fees_of, usage_share};
use cairn_primitives::{EconomyParams, MicroUsd};

use super::{Attack, Best};
use crate::economy::{
    curve::USD,
    mechanism::{Day, Mechanism, Name},
};

/// Days of a short attack's world.
const DAYS: u64 = 120;
/// Days of a long attack's world: four years.
const LONG_DAYS: u64 = 1_461;

/// A world: what others pay and what the attacker pays itself, micro-dollars a day.
struct World<'a> {
    params: EconomyParams,
    name: Name,
    days: u64,
    recapture: bool,
    real: &'a dyn Fn(u64) -> u64,
    wash: &'a dyn Fn(u64) -> u64,
}

impl World<'_> {
    /// What the attacker has in the end, without and with its payments; the difference less what it paid.
    fn profit(&self) -> i128 {
        let paid: u64 = (0..self.days).map(self.wash).sum();
        self.income(self.wash) - self.income(&|_| 0) - i128::from(paid)
    }

    /// Everything that the sole provider gets.
    fn income(&self, wash: &dyn Fn(u64) -> u64) -> i128 {
        let mut mechanism = Mechanism::new(self.name, &self.params);
        let price = MicroUsd(self.params.price_micro_usd);
        let mut income = 0_i128;
        for number in 0..self.days {
            let paid = MicroUsd((self.real)(number) + wash(number));
            let released = paid.to_stones_floor(price);
            let day = Day { number, price, paid, released, covered_ppm: 1_000_000 };
            let outcome = mechanism.day(&self.params, &day);
            let all = outcome.earned.0 + outcome.usage_subsidy.0 + outcome.need_subsidy.0;
            let owned = mechanism.recapturable(&self.params, paid).0;
            income += i128::from(all) + if self.recapture { i128::from(owned) } else { 0 };
        }
        income
    }
}

/// Parameters with a price, a need in dollars a day, and a grant.
fn with(params: &EconomyParams, price: u64, need_usd: u64, grant: u64) -> EconomyParams {
    EconomyParams {
        price_micro_usd: price,
        device_cost_micro_usd_day: need_usd * USD,
        cell_target: 1,
        target_cells: 1,
        grant_stones: grant.min(params.reserve_stones),
        ..params.clone()
    }
}

/// 2,160 cases of price, real demand, need, grant, size and start, in half of which treasury and insurance are its own.
pub fn self_dealing(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    for price in [1_000, 50_000, 2_000_000] {
        for real in [0, 100, 2_000, 40_000] {
            for need in [100, 10_000] {
                for grant in [0, 1_000_000, 40_000_000] {
                    for wash in [1, 50, 2_000, 40_000, 400_000] {
                        for start in [0, 3, 30] {
                            for recapture in [false, true] {
                                let world = World {
                                    params: with(params, price, need, grant),
                                    name: Name::Ours,
                                    days: DAYS,
                                    recapture,
                                    real: &|_| real * USD,
                                    wash: &|day| within(day, start, 20, wash * USD),
                                };
                                best.see(world.profit());
                            }
                        }
                    }
                }
            }
        }
    }
    best.attack("self-dealing", "Paying oneself for the subsidy")
}

/// `amount` on `length` days from `start` on.
fn within(day: u64, start: u64, length: u64, amount: u64) -> u64 {
    if (start..start + length).contains(&day) { amount } else { 0 }
}

/// Into a gap that others' demand left: the averages still remember it, and the demand that returns is matched again.
pub fn gap(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    for (gap, after) in [(1, 1), (1, 5), (5, 1), (10, 2), (30, 1), (30, 20)] {
        for wash in [10, 100, 500, 1_000, 5_000] {
            for recapture in [false, true] {
                let real = |day: u64| match day {
                    ..60 => 1_000 * USD,
                    day if day < 60 + gap => 0,
                    _ => after * 1_000 * USD,
                };
                let world = World {
                    params: with(params, 50_000, 100_000, 0),
                    name: Name::Ours,
                    days: 60 + gap + 240,
                    recapture,
                    real: &real,
                    wash: &|day| within(day, 60, gap, wash * USD),
                };
                best.see(world.profit());
            }
        }
    }
    best.attack("self-dealing-gap", "Paying oneself in a gap of demand")
}

/// Volume for the statistics in a network that needs no subsidy any more: it costs all fees.
pub fn vanity(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    for price in [1_000, 250_000, 10_000_000] {
        for volume in [1, 1_000, 100_000, 10_000_000] {
            for recapture in [false, true] {
                let world = World {
                    params: with(params, price, 1_000, 40_000_000),
                    name: Name::Ours,
                    days: DAYS,
                    recapture,
                    real: &|_| 100_000 * USD,
                    wash: &|day| within(day, 60, 30, volume * USD),
                };
                best.see(world.profit());
            }
        }
    }
    best.attack("vanity-volume", "Paying oneself to look busy in a mature network")
}

/// What pays on a band when the token is dear: one dollar in, up to three dollars of emission out.
pub fn band(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    let mut elsewhere = Best::default();
    for price in [250_000, 2_500_000, 25_000_000] {
        for wash in [100, 1_000, 10_000] {
            for real in [0, 1_000] {
                for (name, seen) in [(Name::Ours, &mut best), (Name::Band, &mut elsewhere)] {
                    let world = World {
                        params: with(params, price, 10_000, 40_000_000),
                        name,
                        days: DAYS,
                        recapture: false,
                        real: &|_| real * USD,
                        wash: &|_| wash * USD,
                    };
                    seen.see(world.profit());
                }
            }
        }
    }
    let elsewhere = i64::try_from(elsewhere.profit).ok();
    let attack = best.attack("band-farming", "Paying oneself while the token is dear");
    Attack { elsewhere_micro_usd: elsewhere, ..attack }
}

/// A small payment into a day's pool that others' demand filled: by share alone it would take a share of all of it.
pub fn pool(params: &EconomyParams) -> Attack {
    let (mut best, mut elsewhere) = (Best::default(), Best::default());
    for pool in [1, 100, 10_000, 1_000_000] {
        for others in [0, 1, 1_000, 1_000_000] {
            for paid in [10_000, USD, 1_000 * USD] {
                let all = MicroUsd(others * USD + paid);
                let share = usage_share(params, MicroUsd(pool * USD), MicroUsd(paid), all).0;
                let fees = paid - fees_of(params, MicroUsd(paid)).provider.0;
                best.see(i128::from(share) - i128::from(fees));
                let uncapped = u128::from(pool * USD) * u128::from(paid) / u128::from(all.0);
                elsewhere.see(i128::try_from(uncapped).unwrap_or(0) - i128::from(paid));
            }
        }
    }
    let elsewhere = i64::try_from(elsewhere.profit).ok();
    let attack = best.attack("pool-farming", "A small payment to oneself on a day of much subsidy");
    Attack { elsewhere_micro_usd: elsewhere, ..attack }
}

/// A cartel of providers keeps a subsidy alive with demand of its own for four years.
pub fn cartel(params: &EconomyParams) -> Attack {
    let mut best = Best::default();
    for grant in [0, 1_000_000, 40_000_000] {
        for wash in [10, 1_000, 20_000, 100_000] {
            for real in [0, 500] {
                let world = World {
                    params: with(params, 250_000, 10_000, grant),
                    name: Name::Ours,
                    days: LONG_DAYS,
                    recapture: false,
                    real: &|_| real * USD,
                    wash: &|_| wash * USD,
                };
                best.see(world.profit());
            }
        }
    }
    best.attack("service-cartel", "Keeping a subsidy alive with fake demand")
}
