//! What people do, and how bytes stand for it: any bytes are some history, near ones are near histories.

use super::chain::Reader;

/// One thing somebody does. People are 0, 1, 2, the guardian is 3; amounts are whole stones.
#[derive(Clone, Debug)]
pub enum Act {
    /// Locks for so many days.
    Lock { from: usize, stones: u64, days: u64 },
    /// Adds to a lock.
    Add { from: usize, lock: u64, stones: u64 },
    /// Moves the end of a lock to so many days from now.
    Extend { from: usize, lock: u64, days: u64 },
    /// Pays a lock back.
    Release { lock: u64 },
    /// Proposes θ.
    Theta { from: usize, value: u64 },
    /// Proposes a stream to person 2.
    Stream { from: usize, stones: u64, days: u64, milestones: u8 },
    /// Proposes to release a milestone.
    Milestone { from: usize, stream: u64, milestone: u8 },
    /// Proposes to end a stream.
    End { from: usize, stream: u64 },
    /// Votes.
    Vote { from: usize, id: u64, lock: u64, yes: bool },
    /// Delays.
    Delay { from: usize, id: u64 },
    /// Carries out.
    Execute { id: u64 },
    /// Closes.
    Close { id: u64 },
    /// Pays a stream.
    Claim { stream: u64 },
    /// Time passes.
    Later { hours: u64 },
}

impl Reader<'_> {
    fn number(&mut self) -> u64 {
        u64::from(self.byte())
    }
    fn below(&mut self, n: u64) -> u64 {
        self.number() % n
    }
    fn person(&mut self) -> usize {
        usize::try_from(self.below(3)).expect("few")
    }
    fn small(&mut self) -> u8 {
        u8::try_from(self.below(4)).expect("few")
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
    match r.below(24) {
        0..=2 => {
            Act::Lock { from: r.person(), stones: r.below(200) * 1_000, days: 170 + r.number() * 5 }
        }
        3 => Act::Add { from: r.person(), lock: r.below(6), stones: r.number() * 100 },
        4 => Act::Extend { from: r.person(), lock: r.below(6), days: 150 + r.number() * 6 },
        5 => Act::Release { lock: r.below(6) },
        6 | 7 => Act::Theta { from: r.person(), value: 400_000 + r.number() * 1_000 },
        8 | 9 => Act::Stream {
            from: r.person(),
            stones: r.number() * 100,
            days: r.below(100) * 4,
            milestones: r.small(),
        },
        10 => Act::Milestone { from: r.person(), stream: r.below(4), milestone: r.small() },
        11 => Act::End { from: r.person(), stream: r.below(4) },
        12..=15 => {
            Act::Vote { from: r.person(), id: r.below(8), lock: r.below(6), yes: r.below(4) > 0 }
        }
        16 => {
            let from = if r.number() < 200 { 3 } else { 0 };
            Act::Delay { from, id: r.below(8) }
        }
        17 | 18 => Act::Execute { id: r.below(8) },
        19 => Act::Close { id: r.below(8) },
        20 | 21 => Act::Claim { stream: r.below(4) },
        22 => Act::Later { hours: r.number() },
        _ => Act::Later { hours: 24 * r.below(40) },
    }
}
