//! What people do, and how bytes stand for it: any bytes are some history, near ones are near histories.

use super::chain::Reader;

/// One thing somebody does. People are 0, 1, 2; devices are named by their key, 0 to 7.
#[derive(Clone, Debug)]
pub enum Act {
    /// Buys credits for so many base units of STONE.
    Mint { from: usize, stones: u128 },
    /// Registers devices with a bond of so many whole stones in all: one with `register`, more with `registerMany`.
    /// flaw: 1 = sector, 2 = position, 3 = proof.
    Register { from: usize, keys: Vec<u8>, bond: u64, flaw: u8 },
    /// Leaves.
    Leave { from: usize, key: u8 },
    /// Takes the bond back.
    Withdraw { from: usize, key: u8 },
    /// Posts an offer with an endpoint of so many bytes.
    Offer { from: usize, sector: u8, endpoint: usize },
    /// Opens a lease that expires so many epochs ahead; −1 is in the past.
    Open { from: usize, offer: u64, escrow: u64, ahead: i64 },
    /// Adds to a lease.
    TopUp { from: usize, lease: u64, amount: u64 },
    /// Settles with a receipt: totals by device. flaw: 1 = somebody else signed, 2 = other shares were signed,
    /// 3 = not in order, 4 = a high s.
    Settle { from: usize, lease: u64, units: u64, pays: Vec<(u8, u64)>, flaw: u8 },
    /// Closes a lease.
    Close { from: usize, lease: u64 },
    /// Time passes.
    Later { epochs: u64 },
}

impl Reader<'_> {
    fn below(&mut self, n: u8) -> u8 {
        self.byte() % n
    }
    fn person(&mut self) -> usize {
        usize::from(self.below(3))
    }
    /// Small and large numbers, each as likely.
    fn amount(&mut self) -> u64 {
        let (scale, value) = (self.below(6), u64::from(self.byte()));
        value * 10_u64.pow(u32::from(scale))
    }
    /// Mostly one of the first few, sometimes nothing.
    fn id(&mut self) -> u64 {
        u64::from(self.below(5))
    }
    fn flaw(&mut self, kinds: u8) -> u8 {
        let drawn = self.byte();
        if drawn < 200 { 0 } else { drawn % (kinds + 1) }
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
    match r.below(14) {
        0 | 1 => Act::Mint {
            from: r.person(),
            stones: u128::from(r.amount()) * 10_u128.pow(2 + u32::from(r.below(16))),
        },
        2 | 3 => {
            let (first, count) = (r.below(8), r.below(4));
            let keys = (0..=count).map(|n| (first + n) % 8).collect();
            let bond = 95 + u64::from(r.below(60)) * u64::from(count + 1);
            Act::Register { from: r.person(), keys, bond, flaw: r.flaw(3) }
        }
        4 => Act::Leave { from: r.person(), key: r.below(8) },
        5 => Act::Withdraw { from: r.person(), key: r.below(8) },
        6 => {
            let sector = u8::from(r.byte() < 230);
            Act::Offer { from: r.person(), sector, endpoint: usize::from(r.byte()) + 2 }
        }
        7 => Act::Open {
            from: r.person(),
            offer: r.id(),
            escrow: r.amount(),
            ahead: i64::from(r.below(6)) - 1,
        },
        8 => Act::TopUp { from: r.person(), lease: r.id(), amount: r.amount() },
        9..=11 => {
            let (from, lease, units) = (r.person(), r.id(), u64::from(r.byte()));
            let pays = (0..r.below(4)).map(|_| (r.below(8), r.amount())).collect();
            Act::Settle { from, lease, units, pays, flaw: r.flaw(4) }
        }
        12 => Act::Close { from: r.person(), lease: r.id() },
        _ => Act::Later { epochs: u64::from(r.below(4)) },
    }
}
