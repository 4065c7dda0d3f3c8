//! Random histories against a reference that shares no code with the contract: maps, 256-bit products and the whole history of
//! the price.

use std::collections::BTreeMap;

use cairn_economy::{exp2_floor, log2_floor};
use cairn_primitives::STONE;
use proptest::prelude::*;

use super::*;

const PEOPLE: [Address; 3] = [ALICE, BOB, CAROL];

#[derive(Clone, Debug)]
enum Act {
    Faucet { who: usize, usd: u64 },
    Buy { who: usize, micro_usd: u64 },
    Sell { who: usize, milli: u64 },
    Add { who: usize, milli: u64 },
    Remove { who: usize, ppm: u64 },
    Give { who: usize, to: usize, micro_usd: u64 },
    Wait { ms: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0_usize..3;
    prop_oneof![
        (who.clone(), 1_u64..=FAUCET_USD).prop_map(|(who, usd)| Act::Faucet { who, usd }),
        (who.clone(), 0_u64..30_000 * DOLLAR)
            .prop_map(|(who, micro_usd)| Act::Buy { who, micro_usd }),
        (who.clone(), 0_u64..400_000_000).prop_map(|(who, milli)| Act::Sell { who, milli }),
        (who.clone(), 0_u64..200_000_000).prop_map(|(who, milli)| Act::Add { who, milli }),
        (who.clone(), 0_u64..=1_000_000).prop_map(|(who, ppm)| Act::Remove { who, ppm }),
        (who, 0_usize..3, 0_u64..9_000 * DOLLAR).prop_map(|(who, to, micro_usd)| Act::Give {
            who,
            to,
            micro_usd
        }),
        (1_u64..9_000_000).prop_map(|ms| Act::Wait { ms }),
    ]
}

fn div(a: u128, b: u128, c: u128) -> u128 {
    (U256::from(a) * U256::from(b) / U256::from(c)).to()
}

/// The rules of docs/spec/price.md.
struct Reference {
    stones: u128,
    usd: u64,
    total: u128,
    shares: BTreeMap<Address, u128>,
    dollars: BTreeMap<Address, u64>,
    drawn: BTreeMap<(u64, Address), u64>,
    /// When each price began, and its logarithm.
    history: Vec<(u64, u64)>,
}

impl Reference {
    fn new(now: u64) -> Self {
        let (stones, usd) = (u128::from(DEPTH_STONES) * STONE, DEPTH_USD * DOLLAR);
        let mut new = Self {
            stones,
            usd,
            total: stones,
            shares: BTreeMap::from([(CAROL, stones)]),
            dollars: BTreeMap::new(),
            drawn: BTreeMap::new(),
            history: Vec::new(),
        };
        new.moved(now);
        new
    }

    fn moved(&mut self, now: u64) {
        let price = div(u128::from(self.usd) << 32, STONE, self.stones);
        self.history.push((now, log2_floor(price)));
    }

    /// The geometric mean from the first grid time at least a window ago.
    fn mean(&self, now: u64, length: u64) -> u128 {
        let step = length / 24;
        let start = (now / step - 24) * step;
        let start = start.max(self.history[0].0);
        if start == now {
            return exp2_floor(self.history.last().expect("a price").1);
        }
        let ends = self.history.iter().skip(1).map(|h| h.0).chain([now]);
        let sum: u128 = self
            .history
            .iter()
            .zip(ends)
            .map(|((from, log2), to)| {
                u128::from(to.max(start) - (*from).max(start)) * u128::from(*log2)
            })
            .sum();
        let mean = sum / u128::from(now - start);
        exp2_floor(mean.try_into().expect("a logarithm"))
    }

    fn held(&self, who: Address) -> u64 {
        self.dollars.get(&who).copied().unwrap_or(0)
    }

    /// What a swap gives.
    fn out(from: u128, to: u128, amount: u128) -> u128 {
        let amount = div(amount, 997_000, 1_000_000);
        div(to, amount, from + amount)
    }

    /// Performs an act with a call; whether it succeeds.
    fn perform(&mut self, act: &Act, now: u64) -> bool {
        match act {
            Act::Faucet { who, usd } => {
                let (day, who, usd) = (now / 86_400_000, PEOPLE[*who], usd * DOLLAR);
                let all: u64 =
                    self.drawn.iter().filter(|(key, _)| key.0 == day).map(|(_, usd)| usd).sum();
                let own = self.drawn.entry((day, who)).or_default();
                let most = FAUCET_USD * DOLLAR;
                if usd > most - *own || usd > 2 * most - all {
                    return false;
                }
                *own += usd;
                *self.dollars.entry(who).or_default() += usd;
            }
            Act::Buy { who, micro_usd } => {
                let out = Self::out(self.usd.into(), self.stones, (*micro_usd).into());
                let who = PEOPLE[*who];
                if out == 0 || self.held(who) < *micro_usd {
                    return false;
                }
                *self.dollars.entry(who).or_default() -= micro_usd;
                self.usd += micro_usd;
                self.stones -= out;
                self.moved(now);
            }
            Act::Sell { who, milli } => {
                let stones = u128::from(*milli) * STONE / 1_000;
                let out = Self::out(self.stones, self.usd.into(), stones);
                if out == 0 {
                    return false;
                }
                let out = u64::try_from(out).expect("less than there is");
                *self.dollars.entry(PEOPLE[*who]).or_default() += out;
                self.usd -= out;
                self.stones += stones;
                self.moved(now);
            }
            Act::Add { who, milli } => {
                let (who, stones) = (PEOPLE[*who], u128::from(*milli) * STONE / 1_000);
                let exact = U256::from(stones) * U256::from(self.usd);
                let usd: u64 = exact.div_ceil(U256::from(self.stones)).to();
                let shares = div(stones, self.total, self.stones);
                if shares == 0 || self.held(who) < usd {
                    return false;
                }
                *self.dollars.entry(who).or_default() -= usd;
                *self.shares.entry(who).or_default() += shares;
                (self.usd, self.stones, self.total) =
                    (self.usd + usd, self.stones + stones, self.total + shares);
                self.moved(now);
            }
            Act::Remove { who, ppm } => {
                let who = PEOPLE[*who];
                let shares = self.part(who, *ppm);
                let stones = div(self.stones, shares, self.total);
                let usd: u64 = div(self.usd.into(), shares, self.total).try_into().expect("part");
                if stones == 0 || usd == 0 || self.usd - usd < DOLLAR {
                    return false;
                }
                *self.shares.entry(who).or_default() -= shares;
                *self.dollars.entry(who).or_default() += usd;
                (self.usd, self.stones, self.total) =
                    (self.usd - usd, self.stones - stones, self.total - shares);
                self.moved(now);
            }
            Act::Give { who, to, micro_usd } => {
                if self.held(PEOPLE[*who]) < *micro_usd {
                    return false;
                }
                *self.dollars.entry(PEOPLE[*who]).or_default() -= micro_usd;
                *self.dollars.entry(PEOPLE[*to]).or_default() += micro_usd;
            }
            Act::Wait { .. } => {}
        }
        true
    }

    fn part(&self, who: Address, ppm: u64) -> u128 {
        div(self.shares.get(&who).copied().unwrap_or(0), ppm.into(), 1_000_000)
    }
}

/// Performs an act on the ledger; whether it succeeds.
fn perform(chain: &mut Chain, reference: &Reference, act: &Act) -> bool {
    let least = U256::ZERO;
    match act {
        Act::Faucet { who, usd } => {
            chain.send(PEOPLE[*who], USD, Stones::ZERO, &faucet(*usd)).success
        }
        Act::Buy { who, micro_usd } => {
            let call = IPool::buyCall { microUsd: *micro_usd, ..buy(0) };
            chain.send(PEOPLE[*who], POOL, Stones::ZERO, &call).success
        }
        Act::Sell { who, milli } => {
            let stones = Stones(u128::from(*milli) * STONE / 1_000);
            chain.send(PEOPLE[*who], POOL, stones, &SELL).success
        }
        Act::Add { who, milli } => {
            let stones = Stones(u128::from(*milli) * STONE / 1_000);
            let call = IPool::addLiquidityCall {
                maxMicroUsd: u64::MAX,
                minShares: least,
                deadlineMs: LATER,
            };
            chain.send(PEOPLE[*who], POOL, stones, &call).success
        }
        Act::Remove { who, ppm } => {
            let call = IPool::removeLiquidityCall {
                shares: U256::from(reference.part(PEOPLE[*who], *ppm)),
                minStones: least,
                minMicroUsd: 0,
                deadlineMs: LATER,
            };
            chain.send(PEOPLE[*who], POOL, Stones::ZERO, &call).success
        }
        Act::Give { who, to, micro_usd } => {
            let call = IUsd::transferCall { to: PEOPLE[*to], value: U256::from(*micro_usd) };
            chain.send(PEOPLE[*who], USD, Stones::ZERO, &call).success
        }
        Act::Wait { ms } => {
            wait(chain, *ms);
            true
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Same answers, same money, same means after every step (and every invariant, which the chain checks). A swap never lowers the
    /// product of the reserves.
    #[test]
    fn the_pool_does_what_the_reference_says(acts in prop::collection::vec(act(), 1..24)) {
        let mut chain = chain();
        let mut reference = Reference::new(chain.now().0);
        for act in &acts {
            let product = U256::from(reference.stones) * U256::from(reference.usd);
            let done = perform(&mut chain, &reference, act);
            prop_assert_eq!(done, reference.perform(act, chain.now().0), "{:?}", act);
            if matches!(act, Act::Buy { .. } | Act::Sell { .. }) {
                prop_assert!(U256::from(reference.stones) * U256::from(reference.usd) >= product);
            }
            prop_assert_eq!(reserves(&chain), (reference.stones, reference.usd, reference.total));
            for person in PEOPLE {
                prop_assert_eq!(dollars(&chain, person), reference.held(person));
                let held = reference.shares.get(&person).copied().unwrap_or(0);
                prop_assert_eq!(shares(&chain, person), held);
            }
            let means = chain.call(ALICE, POOL, &IPool::twapsCall {});
            let now = chain.now().0;
            prop_assert_eq!(means.halfHour, reference.mean(now, 1_800_000), "{:?}", act);
            prop_assert_eq!(means.day, reference.mean(now, 86_400_000), "{:?}", act);
        }
    }
}
