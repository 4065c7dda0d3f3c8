//! Detection and false-alarm rates of the scoring rules on a replay file: the tables of docs/sectors/sensing.md.
//!
//! `cargo run --release -p cairn-sectors --example rates -- YEAR.csv [DAYS]`: a cheat of every kind in runs of 72 hours
//! that begin every DAYS days, by a device that changes from run to run, among three, six and nine devices; then the
//! hours that honest devices lose. `data/make.py` says where the file for a whole year comes from.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{env, fs};

use cairn_sectors::{Rejection, ScoreLeaf};
use support::{Cheat, Station, Summary, load, several, simulate, summary};

/// Lengths of a run whose means are shown.
const LENGTHS: [usize; 3] = [24, 48, 72];
/// Hours of a run.
const HOURS: u64 = 72;

/// What all runs with one cheat among one fleet gave.
#[derive(Default)]
struct Rates {
    /// Score of the cheat per mille of the honest mean, by length of the run.
    ratios: [Vec<u64>; LENGTHS.len()],
    /// Runs of an honest device beside it that keep 95 % of their hours or fewer, of how many.
    wronged: usize,
    honest: usize,
    /// Hours of the cheat refused, and those refused for the right reason.
    refused: usize,
    named: usize,
    /// Runs in which the right reason never came.
    silent: usize,
}

impl Rates {
    fn add(&mut self, leaves: &[Vec<ScoreLeaf>], bad: usize, reason: Rejection) {
        for (length, ratios) in LENGTHS.into_iter().zip(&mut self.ratios) {
            let mean = |leaves: &[ScoreLeaf]| summary(&leaves[..length]).mean;
            let honest: Vec<u64> = others(leaves, bad).map(|leaves| mean(leaves)).collect();
            let count = u64::try_from(honest.len()).expect("few");
            ratios.push(mean(&leaves[bad]) * 1_000 * count / honest.iter().sum::<u64>().max(1));
        }
        for leaves in others(leaves, bad) {
            self.honest += 1;
            self.wronged += usize::from(summary(leaves).accepted <= 950);
        }
        let Summary { rejections, .. } = summary(&leaves[bad]);
        self.refused += rejections.values().sum::<usize>();
        let named = rejections.get(&reason).copied().unwrap_or(0);
        self.named += named;
        self.silent += usize::from(named == 0);
    }

    fn line(&mut self) -> String {
        let mut cells = Vec::new();
        for ratios in &mut self.ratios {
            ratios.sort_unstable();
            let over = ratios.iter().filter(|ratio| **ratio >= 300).count();
            let ninth = ratios[ratios.len() * 9 / 10];
            cells.push(format!("{:>4} {ninth:>4} ({over:>2})", ratios[ratios.len() / 2]));
        }
        format!(
            "{} | named {}/{}, never {:>2} | wronged {:>3}/{}",
            cells.join(" | "),
            self.named,
            self.refused,
            self.silent,
            self.wronged,
            self.honest
        )
    }
}

fn others(leaves: &[Vec<ScoreLeaf>], bad: usize) -> impl Iterator<Item = &Vec<ScoreLeaf>> {
    leaves.iter().enumerate().filter(move |(i, _)| *i != bad).map(|(_, leaves)| leaves)
}

fn main() {
    let mut args = env::args().skip(1);
    let path = args.next().expect("a replay file");
    let days: usize = args.next().map_or(6, |days| days.parse().expect("days"));
    let only = args.next().unwrap_or_default();
    let text = fs::read_to_string(path).expect("the file reads");
    let base: Vec<Station> = load(&text).into_iter().map(|(_, station)| station).collect();
    let last = base[0].hours.keys().next_back().copied().expect("hours");
    let starts: Vec<u64> = (24..last - HOURS - 24).step_by(days * 24 + 7).collect();
    let fleets = [1, 2, 3].map(|each| (3 * each, several(&base, each, 1)));
    println!("{} runs each; per length: median, ninth decile, (runs at 300 or more)", starts.len());
    for (size, fleet) in &fleets {
        for cheat in Cheat::all() {
            if !format!("{cheat:?}").contains(&only) {
                continue;
            }
            let mut rates = Rates::default();
            for (n, start) in starts.iter().enumerate() {
                // Not the first: nobody registered before it, so it cannot be a copy.
                let bad = 1 + n * 5 % (size - 1);
                let leaves = simulate(&cheat.among(fleet, bad, *start), *start, HOURS);
                rates.add(&leaves, bad, cheat.reason());
            }
            println!("{size} {:<22} {}", format!("{cheat:?}"), rates.line());
        }
    }
    println!(
        "honest: hours refused per mille by season and device; runs of 24/72 h that keep 95 % or less"
    );
    for (size, fleet) in &fleets {
        honest(*size, fleet, last, &starts);
    }
}

/// Hours that devices lose for nothing: over whole seasons, and in runs that begin without history.
fn honest(size: usize, fleet: &[Station], last: u64, starts: &[u64]) {
    let mut by_season = String::new();
    let mut mean = 0;
    for season in 0..4 {
        let leaves = simulate(fleet, last / 4 * season, last / 4);
        let refused = leaves.iter().map(|leaves| {
            let s = summary(leaves);
            mean += s.mean;
            let refused = s.rejections.values().sum::<usize>();
            let tenths = refused * 10_000 / s.delivered;
            format!("{}.{}", tenths / 10, tenths % 10)
        });
        by_season += &format!("{}; ", refused.collect::<Vec<_>>().join(" "));
    }
    let (mut wronged, mut runs, mut day_mean) = ([0, 0], 0, 0);
    for start in starts {
        for leaves in simulate(fleet, *start, HOURS) {
            runs += 1;
            day_mean += summary(&leaves[..24]).mean;
            wronged[0] += usize::from(summary(&leaves[..24]).accepted < 950);
            wronged[1] += usize::from(summary(&leaves).accepted < 950);
        }
    }
    println!(
        "{size}: {by_season} mean score {}; first day {}; runs wronged {}/{} of {runs}",
        mean / (4 * size as u64),
        day_mean / runs as u64,
        wronged[0],
        wronged[1]
    );
}
