//! What people do, and how bytes stand for it: any bytes are some history.

use super::chain::Reader;

/// One thing somebody does. People are 0, 1, 2; dollars are micro-dollars, stones base units.
#[derive(Clone, Debug)]
pub enum Act {
    Faucet {
        who: usize,
        usd: u64,
    },
    Buy {
        who: usize,
        usd: u64,
    },
    Sell {
        who: usize,
        stones: u128,
    },
    Add {
        who: usize,
        stones: u128,
    },
    /// Takes out so many millionths of what the person has.
    Remove {
        who: usize,
        ppm: u32,
    },
    Give {
        who: usize,
        to: usize,
        usd: u64,
    },
    /// Mints credits for stones.
    Mint {
        who: usize,
        stones: u128,
    },
    Wait {
        ms: u64,
    },
}

impl Reader<'_> {
    fn person(&mut self) -> usize {
        usize::from(self.byte() % 3)
    }
    /// Below 2^24, small and large ones as likely.
    fn number(&mut self) -> u64 {
        let scale = self.byte() % 3;
        (0..=scale).fold(0, |sum, _| sum << 8 | u64::from(self.byte()))
    }
    /// Up to 1,677 stones, or 429,000 of them.
    fn stones(&mut self) -> u128 {
        let unit = if self.byte() < 128 { 100_000_000_000_000 } else { 25_600_000_000_000_000 };
        u128::from(self.number()) * unit
    }
}

/// The acts that bytes stand for, until they run out.
pub fn parse(bytes: &[u8]) -> Vec<Act> {
    let mut reader = Reader(bytes);
    let mut acts = Vec::new();
    while !reader.0.is_empty() {
        acts.push(one(&mut reader));
    }
    acts
}

fn one(r: &mut Reader<'_>) -> Act {
    match r.byte() % 12 {
        0 | 1 => Act::Faucet { who: r.person(), usd: r.number() * 16_000 },
        2 | 3 => Act::Buy { who: r.person(), usd: r.number() * 4_000 },
        4 | 5 => Act::Sell { who: r.person(), stones: r.stones() },
        6 => Act::Add { who: r.person(), stones: r.stones() },
        7 => Act::Remove { who: r.person(), ppm: u32::from(r.byte()) * 3_921 },
        8 => Act::Give { who: r.person(), to: r.person(), usd: r.number() * 100 },
        9 | 10 => Act::Mint { who: r.person(), stones: r.stones() },
        _ => Act::Wait { ms: r.number() },
    }
}
