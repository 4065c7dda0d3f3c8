//! What people do, and how bytes stand for it: any bytes are some history, near ones are near histories.

use super::chain::Reader;

/// One STONE in base units.
pub const STONE: u128 = 1_000_000_000_000_000_000;
/// Founders are 0 to 3, others 4 to 7; each may stand, delegate, report.
pub const PEOPLE: usize = 8;

/// What is wrong with a key or its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// A point of small order.
    Key,
    /// A signature by another key.
    Proof,
}

/// Two votes of consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    Notarized,
    Finalized,
    NullifiedAndFinalized,
    /// Honest: the others notarized another block.
    NotarizedAndFinalized,
    /// Two finalized blocks of another network.
    Foreign,
}

/// One thing somebody does. Keys are 0 to 15; `who` owns `who` and `who + 8`. Amounts are base units of STONE.
#[derive(Clone, Debug)]
pub enum Act {
    /// Stands for a seat.
    Stand { who: usize, key: u8, bond: u128, flaw: Flaw },
    /// Adds to the bond.
    Raise { who: usize, stones: u128 },
    /// Takes another key.
    Rotate { who: usize, key: u8, flaw: Flaw },
    /// Asks for another commission.
    Commission { who: usize, ppm: u32 },
    /// Takes no further seat.
    Leave { who: usize },
    /// Lets the bond unbond.
    Exit { who: usize },
    /// Stands again after an absence.
    Unjail { who: usize },
    /// Delegates.
    Delegate { from: usize, to: usize, stones: u128 },
    /// Takes so many hundredths of a delegation back.
    Undelegate { from: usize, to: usize, percent: u128 },
    /// Takes what has unbonded.
    Withdraw { who: usize },
    /// Has an operator's earnings divided.
    Settle { who: usize },
    /// Takes an operator's income.
    Claim { who: usize },
    /// Votes for one of two results of an epoch, which is counted from the next one.
    Vote { who: usize, ahead: i64, round_ahead: u32, result: u8 },
    /// Every seat of the next epoch's round votes, so many from the first for another result.
    Votes { wrong: usize },
    /// A consumer pays so many micro-dollars.
    Work { micro: u64 },
    /// Proposes from now on; `PEOPLE` is nobody.
    Proposer { who: usize },
    /// Reports two votes by a key in a term, which is counted from the current one.
    Equivocation { by: usize, key: u8, ahead: i64, view: u64, pair: Pair },
    /// Reports a vote for an epoch, which is counted from the next one.
    WrongVote { by: usize, who: usize, ahead: i64 },
    /// Reports all votes for such an epoch's round, wrong ones and others.
    WrongVotes { by: usize, ahead: i64 },
    /// Reports an absence in a term, which is counted from the current one.
    Absence { by: usize, who: usize, ahead: i64 },
    /// Appeals against a slash, which is counted from the last one; −1 is none.
    Appeal { who: usize, back: i64 },
    /// Everybody who sits appeals.
    Appeals { back: i64 },
    /// Has an owner's part of an annulled slash given back.
    Reclaim { by: usize, owner: usize, back: i64 },
    /// Everybody reclaims.
    Reclaims { back: i64 },
    /// Executes a slash.
    Execute { by: usize, back: i64 },
    /// The term ends.
    Term,
    /// Time passes.
    Later { minutes: u64 },
}

impl Reader<'_> {
    fn below(&mut self, n: u8) -> u8 {
        self.byte() % n
    }
    fn person(&mut self) -> usize {
        usize::from(self.below(8))
    }
    /// Whole stones and a rest, so that rounding has something to do.
    fn stones(&mut self) -> u128 {
        let byte = u128::from(self.byte());
        byte * STONE / 2 + byte * 777_777_777_777
    }
    /// A delegator and an operator, mostly of few.
    fn pair(&mut self) -> (usize, usize) {
        match self.byte() {
            few @ 0..=199 => (4 + usize::from(few % 3), usize::from(few / 3 % 4)),
            many => (usize::from(many % 8), usize::from(many / 8 % 8)),
        }
    }
    /// Mostly one of the last slashes.
    fn back(&mut self) -> i64 {
        match self.byte() {
            0..=20 => -1,
            some => i64::from(some % 3),
        }
    }
    /// Mostly an own key, sometimes anybody's.
    fn key(&mut self, who: usize) -> u8 {
        let byte = self.byte();
        let own = u8::try_from(who).expect("few") + 8 * (byte % 2);
        if byte < 200 { own } else { byte % 16 }
    }
    fn flaw(&mut self) -> Flaw {
        match self.byte() {
            0..=220 => Flaw::None,
            221..=240 => Flaw::Key,
            _ => Flaw::Proof,
        }
    }
    fn ahead(&mut self, back: u8, ahead: u8) -> i64 {
        i64::from(self.below(back + ahead + 1)) - i64::from(back)
    }
}

/// The acts that bytes stand for, until they run out. The first says whether there is a crowd to begin with.
pub fn parse(bytes: &[u8]) -> Vec<Act> {
    let mut reader = Reader(bytes);
    let mut acts = if reader.below(2) == 0 { Vec::new() } else { crowd() };
    while !reader.0.is_empty() {
        acts.push(one(&mut reader));
    }
    acts
}

/// Everybody stands, three delegate, and an epoch is waiting for votes.
fn crowd() -> Vec<Act> {
    let stand = |(who, key)| Act::Stand { who, key, bond: 1_001 * STONE, flaw: Flaw::None };
    let delegate = |n: usize| {
        let stones = (20 + n as u128) * STONE + 1;
        Act::Delegate { from: 4 + n % 3, to: n % 4, stones }
    };
    let rest = [
        Act::Proposer { who: 0 },
        Act::Work { micro: 1_234_567 },
        Act::Later { minutes: 100 },
        Act::Term,
    ];
    (4..PEOPLE).zip(4..).map(stand).chain((0..8).map(delegate)).chain(rest).collect()
}

fn one(r: &mut Reader<'_>) -> Act {
    match r.below(47) {
        0..=2 => {
            let who = r.person();
            // Some offer too little.
            let bond = 990 * STONE + r.stones();
            Act::Stand { who, key: r.key(who), bond, flaw: r.flaw() }
        }
        3 => Act::Raise { who: r.person(), stones: r.stones() },
        4 => {
            let who = r.person();
            Act::Rotate { who, key: r.key(who), flaw: r.flaw() }
        }
        5 => Act::Commission { who: r.person(), ppm: 1_000 * u32::from(r.below(215)) },
        6 => Act::Leave { who: r.person() },
        7 => Act::Exit { who: r.person() },
        8 => Act::Unjail { who: r.person() },
        9..=12 => {
            let (from, to) = r.pair();
            Act::Delegate { from, to, stones: r.stones() }
        }
        13..=16 => {
            let (from, to) = r.pair();
            Act::Undelegate { from, to, percent: u128::from(r.below(115).min(105)) }
        }
        17 => Act::Withdraw { who: r.person() },
        18 => Act::Settle { who: r.person() },
        19 => Act::Claim { who: r.person() },
        20 | 21 => {
            let (who, ahead) = (r.person(), r.ahead(2, 1));
            let odd = r.byte();
            let (round_ahead, result) = (u32::from(odd > 240), odd % 2);
            Act::Vote { who, ahead, round_ahead, result }
        }
        22..=24 => Act::Votes { wrong: usize::from(r.below(5).saturating_sub(2)) },
        25 | 26 => Act::Work { micro: 1 + 7_777 * u64::from(r.byte()) },
        27 => Act::Proposer { who: usize::from(r.below(9)) },
        28 => {
            let by = r.person();
            let whose = r.person();
            let (key, ahead, view) = (r.key(whose), r.ahead(2, 2), u64::from(r.below(3)));
            let pair = match r.below(8) {
                0 | 1 => Pair::Notarized,
                2 | 3 => Pair::Finalized,
                4 | 5 => Pair::NullifiedAndFinalized,
                6 => Pair::NotarizedAndFinalized,
                _ => Pair::Foreign,
            };
            Act::Equivocation { by, key, ahead, view, pair }
        }
        29 => {
            let (by, who) = (r.person(), r.person());
            Act::WrongVote { by, who, ahead: r.ahead(2, 0) }
        }
        43 => Act::WrongVotes { by: r.person(), ahead: r.ahead(2, 0) },
        30 | 31 => Act::Absence { by: r.person(), who: r.person(), ahead: r.ahead(2, 0) },
        32 => Act::Appeal { who: r.person(), back: r.back() },
        33 => Act::Appeals { back: r.back() },
        34 => Act::Execute { by: r.person(), back: r.back() },
        35..=38 => Act::Term,
        39 => Act::Later { minutes: r.byte().into() },
        40 | 41 => Act::Later { minutes: 60 * u64::from(r.below(30)) },
        42 => Act::Reclaim { by: r.person(), owner: r.person(), back: r.back() },
        44 => Act::Reclaims { back: r.back() },
        _ => Act::Later { minutes: 1_440 * u64::from(r.below(4)) },
    }
}
