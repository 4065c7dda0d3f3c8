//! What ingests, validators and owners do, and how bytes stand for it: any bytes are some history, near ones are near histories.

use super::chain::Reader;

/// A moment that something depends on, of the next epoch to become final where nothing else is said.
#[derive(Clone, Copy, Debug)]
pub enum Edge {
    /// Its end.
    End,
    /// Its commit window closes.
    Committed,
    /// The attest window of its round closes.
    Attested,
    /// Its votes open when a quorum has sealed.
    Open,
    /// The epoch of the moment ends.
    Over,
    /// Some minutes from now.
    Minutes(u64),
}

/// One thing somebody does. Validators are 0 to 3, ingests 0 and 1, one number more is a stranger; people and devices are 0 to 2,
/// and each owns the device of its number. Epochs are counted from the next to become final.
#[derive(Clone, Debug)]
pub enum Act {
    /// Time passes until that many milliseconds after a moment, if it is to come.
    Later { to: Edge, nudge: i64 },
    /// Commits.
    Commit { by: usize, epoch: i64, sector: u8 },
    /// Attests. Bit i of `held`: commitment i, if there is one; bit 7 is never one.
    Attest { by: usize, epoch: i64, sector: u8, held: u64 },
    /// Seals a vote for a result (a number of `plan`) in that many rounds after the epoch's. flaw: 1 = another seat's seal, 2 = zero.
    Seal { by: usize, epoch: i64, round: u32, result: u8, flaw: u8 },
    /// Votes; no result: what it sealed, or else the honest one. flaw: 1 = another salt.
    Vote { by: usize, epoch: i64, round: u32, result: Option<u8>, flaw: u8 },
    /// A consumer pays for a device's work, micro-dollars.
    Pay { device: usize, amount: u64 },
    /// Person 1 claims a device's reward. flaw: 1 = index, 2 = owner, 3 = amount, 4 = a sibling less, 5 = 33 siblings.
    Claim { epoch: i64, device: usize, flaw: u8 },
    /// Claims many. flaw: 1 = an index less, 2 = a length more, 3 = a sibling less, 4 = another owner in the last.
    ClaimMany { rewards: Vec<(i64, usize)>, flaw: u8 },
    /// Takes a device out of the network.
    Leave { from: usize, device: usize },
    /// Shows that a device signed two batches for one sequence number.
    Slash { from: usize, device: usize },
}

impl Reader<'_> {
    fn below(&mut self, n: u8) -> usize {
        usize::from(self.byte() % n)
    }
    /// Mostly the first of them.
    fn mostly(&mut self, n: u8) -> u8 {
        let drawn = self.byte();
        if drawn < 210 { 0 } else { drawn % n }
    }
    /// Mostly the next epoch, sometimes one beside it, one of long ago, or one that never comes.
    fn epoch(&mut self) -> i64 {
        match self.byte() {
            0..190 => 0,
            190..230 => -1,
            230..236 => -2,
            236..240 => -8,
            240..244 => -9,
            244..252 => 1,
            _ => i64::MAX,
        }
    }
    fn sector(&mut self) -> u8 {
        if self.byte() < 245 { 1 } else { self.byte() }
    }
    fn flaw(&mut self, kinds: u8) -> u8 {
        self.mostly(kinds + 1)
    }
    fn nudge(&mut self) -> i64 {
        [0, 0, 1, -1][self.below(4)]
    }
    /// Who of four takes part: mostly all, or all but one.
    fn mask(&mut self) -> usize {
        match self.byte() {
            0..120 => 0b1111,
            drawn @ 120..210 => 0b1111 ^ (1 << (drawn % 4)),
            drawn => usize::from(drawn % 16),
        }
    }
    fn edge(&mut self) -> Edge {
        match self.below(12) {
            0 | 1 => Edge::End,
            2 => Edge::Committed,
            3 | 4 => Edge::Attested,
            5..8 => Edge::Open,
            8 => Edge::Over,
            _ => Edge::Minutes(u64::from(self.byte() % 16)),
        }
    }
    /// Mostly the honest result, sometimes another that the pool allows.
    fn result(&mut self) -> u8 {
        match self.byte() {
            0..210 => 0,
            210..240 => 8,
            _ => 2,
        }
    }
}

/// The acts that bytes stand for, until they run out.
pub fn parse(bytes: &[u8]) -> Vec<Act> {
    let mut reader = Reader(bytes);
    let mut acts = Vec::new();
    while !reader.0.is_empty() {
        some(&mut reader, &mut acts);
    }
    acts
}

fn some(r: &mut Reader<'_>, acts: &mut Vec<Act>) {
    match r.below(24) {
        0 => acts.push(Act::Commit { by: r.below(3), epoch: r.epoch(), sector: r.sector() }),
        1 => {
            let (by, epoch, sector) = (r.below(5), r.epoch(), r.sector());
            let held = u64::from(r.byte() % 4) + if r.byte() < 16 { 128 } else { 0 };
            acts.push(Act::Attest { by, epoch, sector, held });
        }
        2 => {
            let (by, epoch, round) = (r.below(5), r.epoch(), u32::from(r.mostly(3)));
            acts.push(Act::Seal { by, epoch, round, result: r.mostly(9), flaw: r.flaw(2) });
        }
        3 | 4 => {
            let (by, epoch, round) = (r.below(5), r.epoch(), u32::from(r.mostly(3)));
            let result = (r.byte() < 64).then(|| r.mostly(9));
            acts.push(Act::Vote { by, epoch, round, result, flaw: r.flaw(1) });
        }
        5 => acts.push(Act::Later { to: r.edge(), nudge: r.nudge() }),
        6 => {
            // An epoch that nobody looks after in time.
            acts.push(Act::Later { to: Edge::Over, nudge: r.nudge() });
            acts.push(Act::Later { to: Edge::Minutes(u64::from(r.byte() % 40)), nudge: 0 });
        }
        7 | 8 => {
            acts.push(Act::Pay { device: r.below(3), amount: u64::from(r.byte()) * 777 });
        }
        9 | 10 => {
            let epoch = -1 - i64::from(r.byte() % 6);
            acts.push(Act::Claim { epoch, device: r.below(3), flaw: r.flaw(5) });
        }
        11 => {
            let one = |r: &mut Reader<'_>| (-1 - i64::from(r.byte() % 6), r.below(3));
            let rewards = (0..=r.below(4)).map(|_| one(r)).collect();
            acts.push(Act::ClaimMany { rewards, flaw: r.flaw(4) });
        }
        12 => acts.push(Act::Leave { from: r.below(3), device: r.below(3) }),
        13 => {
            let (from, device) = (r.below(3), r.below(3));
            if r.byte() < 64 {
                acts.push(Act::Slash { from, device });
            }
        }
        14 => commits(r, acts),
        15 => attests(r, acts),
        16 => seals(r, acts),
        17 => votes(r, acts),
        _ => epoch(r, acts),
    }
}

fn commits(r: &mut Reader<'_>, acts: &mut Vec<Act>) {
    let mask = r.mask();
    let ingests = (0..2).filter(|by| mask & (1 << by) != 0);
    acts.extend(ingests.map(|by| Act::Commit { by, epoch: 0, sector: 1 }));
}

fn attests(r: &mut Reader<'_>, acts: &mut Vec<Act>) {
    let (mask, odd, other) = (r.mask(), r.below(8), u64::from(r.byte() % 4));
    for by in (0..4).filter(|by| mask & (1 << by) != 0) {
        let held = if by == odd { other } else { 0b11 };
        acts.push(Act::Attest { by, epoch: 0, sector: 1, held });
    }
}

/// Who takes part, one that has another result, and that result.
fn sides(r: &mut Reader<'_>) -> Vec<(usize, u8)> {
    let (mask, common, odd, second) = (r.mask(), r.result(), r.below(8), r.below(24));
    let other = 1 + u8::from(r.byte() < 40);
    let result = |by: usize| if by == odd || by == second { other } else { common };
    (0..4).filter(|by| mask & (1 << by) != 0).map(|by| (by, result(by))).collect()
}

fn seals(r: &mut Reader<'_>, acts: &mut Vec<Act>) {
    let sides = sides(r);
    let seal = |(by, result)| Act::Seal { by, epoch: 0, round: 0, result, flaw: 0 };
    acts.extend(sides.into_iter().map(seal));
}

fn votes(r: &mut Reader<'_>, acts: &mut Vec<Act>) {
    let sides = sides(r);
    let as_sealed = r.byte() < 200;
    let vote = |(by, result)| {
        let result = (!as_sealed).then_some(result);
        Act::Vote { by, epoch: 0, round: 0, result, flaw: 0 }
    };
    acts.extend(sides.into_iter().map(vote));
}

/// All that an epoch takes, from its end to its votes; mostly it becomes final.
fn epoch(r: &mut Reader<'_>, acts: &mut Vec<Act>) {
    let later = |to| Act::Later { to, nudge: 0 };
    acts.push(later(Edge::End));
    commits(r, acts);
    acts.push(later(Edge::Committed));
    attests(r, acts);
    acts.push(later(Edge::Attested));
    let sides = sides(r);
    for &(by, result) in &sides {
        acts.push(Act::Seal { by, epoch: 0, round: 0, result, flaw: 0 });
    }
    acts.push(later(Edge::Open));
    let (late, mask) = (r.below(5), r.mask());
    let voters = sides.into_iter().filter(|side| mask & (1 << side.0) != 0 && side.0 != late);
    for (before, (by, _)) in voters.enumerate() {
        // Where three agree, the fourth finds another epoch to be the next.
        let epoch = if before == 3 { -1 } else { 0 };
        acts.push(Act::Vote { by, epoch, round: 0, result: None, flaw: 0 });
    }
}
