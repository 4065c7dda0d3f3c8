//! The rules of docs/spec/price.md over maps and 256-bit integers.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use alloy_sol_types::SolError;
use cairn_economy::{exp2_floor, log2_floor};
use cairn_primitives::abi::{ICredits, IPool, IUsd};

use super::acts::Act;
use super::chain::Refusal;

pub const STONE: u128 = 1_000_000_000_000_000_000;
/// Micro-dollars of a dollar.
pub const DOLLAR: u64 = 1_000_000;
/// Dollars at genesis, and what the faucet gives an account and all.
pub const DEPTH_USD: u64 = 100_000;
pub const FAUCET_USD: (u64, u64) = (200_000, 400_000);
/// Micro-dollars per STONE at genesis.
pub const PRICE: u64 = 50_000;
const HALF_HOUR: u64 = 1_800_000;
const DAY: u64 = 86_400_000;
/// Twenty idle pauses of a second in a network that runs 180 times as fast.
const GAP: u64 = 3_600_000;

fn div(a: u128, b: u128, c: u128) -> u128 {
    (U256::from(a) * U256::from(b) / U256::from(c)).to()
}

/// See the file.
pub struct Reference {
    pub start: u64,
    pub stones: u128,
    pub usd: u64,
    pub total: u128,
    pub shares: BTreeMap<usize, u128>,
    pub dollars: BTreeMap<usize, u64>,
    pub credits: BTreeMap<usize, u64>,
    vault: u128,
    drawn: BTreeMap<(u64, usize), u64>,
    minted: BTreeMap<u64, u64>,
    /// When each price began, and its logarithm.
    history: Vec<(u64, u64)>,
    /// The last block, when blocks came again after a gap, and the dollars at the beginning of each half hour.
    last: u64,
    resumed: Option<u64>,
    depths: BTreeMap<u64, u64>,
    /// The last healthy settle price and when.
    good: (u128, u64),
}

impl Reference {
    /// At genesis; person 2 owns the shares.
    pub fn new(start: u64) -> Self {
        let usd = DEPTH_USD * DOLLAR;
        let stones = u128::from(usd / PRICE) * STONE;
        let price = u128::from(PRICE) << 32;
        Self {
            start,
            stones,
            usd,
            total: stones,
            shares: BTreeMap::from([(2, stones)]),
            dollars: BTreeMap::new(),
            credits: BTreeMap::new(),
            vault: 0,
            drawn: BTreeMap::new(),
            minted: BTreeMap::new(),
            history: vec![(start, log2_floor(price))],
            last: start,
            resumed: None,
            depths: BTreeMap::from([(start / HALF_HOUR, usd)]),
            good: (price, start),
        }
    }

    /// A block begins.
    pub fn block(&mut self, now: u64) {
        if now - self.last > GAP {
            self.resumed = Some(now);
        }
        self.last = now;
        self.depths.entry(now / HALF_HOUR).or_insert(self.usd);
        if self.health(now) == 0 {
            self.good = (self.half_hour(now), now);
        }
    }

    fn moved(&mut self, now: u64) {
        self.history.push((now, log2_floor(self.price())));
    }

    pub fn price(&self) -> u128 {
        div(u128::from(self.usd) << 32, STONE, self.stones)
    }

    pub fn half_hour(&self, now: u64) -> u128 {
        self.mean(now, HALF_HOUR)
    }

    pub fn day(&self, now: u64) -> u128 {
        self.mean(now, DAY)
    }

    /// The geometric mean since the last grid time that is a window ago.
    fn mean(&self, now: u64, length: u64) -> u128 {
        let step = length / 24;
        let start = ((now / step - 24) * step).max(self.start);
        let ends = self.history.iter().skip(1).map(|h| h.0).chain([now]);
        let sum: u128 = self
            .history
            .iter()
            .zip(ends)
            .map(|((from, log2), to)| {
                u128::from(to.max(start) - (*from).max(start)) * u128::from(*log2)
            })
            .sum();
        let mean = sum.checked_div(u128::from(now - start));
        let newest = self.history.last().expect("a price").1;
        exp2_floor(mean.map_or(newest, |mean| mean.try_into().expect("a logarithm")))
    }

    /// Without feeds.
    pub fn health(&self, now: u64) -> u8 {
        if self.usd < DEPTH_USD * DOLLAR / 20 {
            1
        } else if self.resumed.is_some_and(|resumed| now - resumed < HALF_HOUR) {
            2
        } else {
            0
        }
    }

    /// In whole micro-dollars.
    pub fn settle(&self, now: u64) -> u64 {
        let mean = self.half_hour(now);
        let (good, at) = self.good;
        let moved = 50_000 * (now - at) / 3_600_000;
        let band = |ppm: u64| div(good, ppm.into(), 1_000_000);
        let low = band(1_000_000_u64.saturating_sub(moved));
        let price =
            if self.health(now) == 0 { mean } else { mean.clamp(low, band(1_000_000 + moved)) };
        whole(price)
    }

    pub fn held(&self, who: usize) -> u64 {
        self.dollars.get(&who).copied().unwrap_or(0)
    }

    pub fn shares_of(&self, who: usize, ppm: u32) -> u128 {
        div(self.shares.get(&who).copied().unwrap_or(0), ppm.into(), 1_000_000)
    }

    /// What a swap gives, with a fee of 0.3 %.
    fn out(from: u128, to: u128, amount: u128) -> u128 {
        let amount = div(amount, 997_000, 1_000_000);
        div(to, amount, from + amount)
    }

    fn spend(&mut self, who: usize, usd: u64) -> Result<(), Refusal> {
        if self.held(who) < usd {
            return Err(IUsd::InsufficientBalance::SELECTOR);
        }
        *self.dollars.entry(who).or_default() -= usd;
        Ok(())
    }

    /// What the ledger must answer; changes if the act succeeds.
    pub fn perform(&mut self, act: &Act, now: u64) -> Result<(), Refusal> {
        match act {
            Act::Faucet { who, usd } => self.faucet(*who, *usd, now),
            Act::Buy { who, usd } => {
                let out = Self::out(self.usd.into(), self.stones, (*usd).into());
                if out == 0 {
                    return Err(IPool::TooLittle::SELECTOR);
                }
                self.spend(*who, *usd)?;
                (self.usd, self.stones) = (self.usd + usd, self.stones - out);
                self.moved(now);
                Ok(())
            }
            Act::Sell { who, stones } => {
                let out = Self::out(self.stones, self.usd.into(), *stones);
                if out == 0 {
                    return Err(IPool::TooLittle::SELECTOR);
                }
                let out = u64::try_from(out).expect("less than there is");
                *self.dollars.entry(*who).or_default() += out;
                (self.usd, self.stones) = (self.usd - out, self.stones + stones);
                self.moved(now);
                Ok(())
            }
            Act::Add { who, stones } => self.add(*who, *stones, now),
            Act::Remove { who, ppm } => self.remove(*who, *ppm, now),
            Act::Give { who, to, usd } => {
                self.spend(*who, *usd)?;
                *self.dollars.entry(*to).or_default() += usd;
                Ok(())
            }
            Act::Mint { who, stones } => self.mint(*who, *stones, now),
            Act::Wait { .. } => Ok(()),
        }
    }

    fn faucet(&mut self, who: usize, usd: u64, now: u64) -> Result<(), Refusal> {
        let day = now / DAY;
        let all: u64 = self.drawn.iter().filter(|(key, _)| key.0 == day).map(|(_, usd)| usd).sum();
        let own = self.drawn.entry((day, who)).or_default();
        let (most, most_all) = (FAUCET_USD.0 * DOLLAR, FAUCET_USD.1 * DOLLAR);
        if usd == 0 || usd > most - *own || usd > most_all - all {
            return Err(IUsd::FaucetEmpty::SELECTOR);
        }
        *own += usd;
        *self.dollars.entry(who).or_default() += usd;
        Ok(())
    }

    fn add(&mut self, who: usize, stones: u128, now: u64) -> Result<(), Refusal> {
        let exact = U256::from(stones) * U256::from(self.usd);
        let usd: u64 = exact.div_ceil(U256::from(self.stones)).to();
        let shares = div(stones, self.total, self.stones);
        if shares == 0 {
            return Err(IPool::TooLittle::SELECTOR);
        }
        self.spend(who, usd)?;
        *self.shares.entry(who).or_default() += shares;
        (self.usd, self.stones, self.total) =
            (self.usd + usd, self.stones + stones, self.total + shares);
        self.moved(now);
        Ok(())
    }

    fn remove(&mut self, who: usize, ppm: u32, now: u64) -> Result<(), Refusal> {
        let shares = self.shares_of(who, ppm);
        let stones = div(self.stones, shares, self.total);
        let usd: u64 = div(self.usd.into(), shares, self.total).try_into().expect("a part");
        if stones == 0 || usd == 0 {
            return Err(IPool::TooLittle::SELECTOR);
        }
        if self.usd - usd < DOLLAR {
            return Err(IPool::PoolFloor::SELECTOR);
        }
        *self.shares.entry(who).or_default() -= shares;
        *self.dollars.entry(who).or_default() += usd;
        (self.usd, self.stones, self.total) =
            (self.usd - usd, self.stones - stones, self.total - shares);
        self.moved(now);
        Ok(())
    }

    /// The bound of all outstanding credits, some $ 150,000 at 5 cents, is beyond what these people mint in a few half hours.
    fn mint(&mut self, who: usize, stones: u128, now: u64) -> Result<(), Refusal> {
        let price = whole(self.price().min(self.half_hour(now)).min(self.day(now)));
        let credits = u64::try_from(div(stones, price.into(), STONE)).expect("small");
        if credits == 0 {
            return Err(ICredits::MintTooSmall::SELECTOR);
        }
        if self.health(now) != 0 {
            return Err(ICredits::MintPaused::SELECTOR);
        }
        let outstanding: u64 = self.credits.values().sum();
        let worth = div(self.vault, self.settle(now).into(), STONE);
        if outstanding > 0 && worth * 1_000_000 / u128::from(outstanding) < 900_000 {
            return Err(ICredits::CoverTooLow::SELECTOR);
        }
        let window = now / HALF_HOUR;
        let depth = self.usd.min(self.depths[&window]);
        let minted = self.minted.entry(window).or_default();
        if *minted + credits > depth * 8 / 100 * 95 / 100 {
            return Err(ICredits::MintWindowFull::SELECTOR);
        }
        *minted += credits;
        self.vault += stones;
        *self.credits.entry(who).or_default() += credits;
        Ok(())
    }

    /// Micro-dollars that this half hour may still mint.
    pub fn window_left(&self, now: u64) -> u64 {
        let window = now / HALF_HOUR;
        let depth = self.usd.min(self.depths[&window]);
        let minted = self.minted.get(&window).copied().unwrap_or(0);
        (depth * 8 / 100 * 95 / 100).saturating_sub(minted)
    }
}

/// Whole micro-dollars, at least one.
fn whole(price: u128) -> u64 {
    u64::try_from(price >> 32).expect("small").max(1)
}
