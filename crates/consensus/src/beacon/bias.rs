//! What withholding is worth: the figures of docs/adr/0021-beacon.md, computed exactly.
//!
//! A mix is fixed by the leaders' turns before a boundary. Who holds the last `k` of them in a row knows, once the last honest
//! reveal is out, the mix of every subset of its own blocks, and picks one of `2^k`. Each of the `k` decisions not to
//! reveal costs a block. The order of a term's leaders is a shuffle: the run that ends at a boundary is that of
//! drawing faulty seats without putting them back.

/// Probabilities of a run of exactly `0, 1, … f` faulty turns at a boundary, of `n` seats with `f` faulty ones.
fn runs(n: u32, f: u32) -> Vec<f64> {
    let (mut before, mut runs) = (1.0, Vec::new());
    for k in 0..=f {
        let another = f64::from(f - k) / f64::from(n - k);
        runs.push(before * (1.0 - another));
        before *= another;
    }
    runs
}

/// The chance that the faulty get what they wish, if a mix fulfils it with probability `p`.
fn success(n: u32, f: u32, p: f64) -> f64 {
    let choices = |k: usize| 2_f64.powi(i32::try_from(k).unwrap());
    runs(n, f).iter().enumerate().map(|(k, run)| run * (1.0 - (1.0 - p).powf(choices(k)))).sum()
}

/// The expected number of mixes to choose from.
fn choices(n: u32, f: u32) -> f64 {
    let power = |k: usize| 2_f64.powi(i32::try_from(k).unwrap());
    runs(n, f).iter().enumerate().map(|(k, run)| run * power(k)).sum()
}

/// The chance of at least `k` turns in a row.
fn at_least(n: u32, f: u32, k: usize) -> f64 {
    // A sum of nothing is -0.0, which the table must not show.
    runs(n, f).iter().skip(k).fold(0.0, |sum, run| sum + run)
}

/// Printed as the table of the decision record.
#[test]
fn the_table_of_the_decision_record() {
    let mut table = String::new();
    for n in [4, 7, 10, 31, 64, 100, 128] {
        let f = (n - 1) / 3;
        let cells = [
            at_least(n, f, 1),
            at_least(n, f, 2),
            at_least(n, f, 4),
            at_least(n, f, 8),
            choices(n, f),
            success(n, f, 0.5),
            success(n, f, 0.01),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:.4}")).collect();
        table += &format!("| {n} | {f} | {} |\n", cells.join(" | "));
    }
    println!("{table}");
    assert_eq!(table, TABLE);
    let record = include_str!("../../../../docs/adr/0021-beacon.md");
    assert!(record.contains(TABLE), "the decision record has another table");
}

const TABLE: &str = "\
| 4 | 1 | 0.2500 | 0.0000 | 0.0000 | 0.0000 | 1.2500 | 0.5625 | 0.0125 |
| 7 | 2 | 0.2857 | 0.0476 | 0.0000 | 0.0000 | 1.3810 | 0.5804 | 0.0138 |
| 10 | 3 | 0.3000 | 0.0667 | 0.0000 | 0.0000 | 1.4667 | 0.5880 | 0.0146 |
| 31 | 10 | 0.3226 | 0.0968 | 0.0067 | 0.0000 | 1.7130 | 0.6004 | 0.0168 |
| 64 | 21 | 0.3281 | 0.1042 | 0.0094 | 0.0000 | 1.8279 | 0.6035 | 0.0177 |
| 100 | 33 | 0.3300 | 0.1067 | 0.0104 | 0.0001 | 1.8792 | 0.6045 | 0.0180 |
| 128 | 42 | 0.3281 | 0.1059 | 0.0105 | 0.0001 | 1.8827 | 0.6039 | 0.0180 |
";

/// With seats beyond number and a third of them faulty: a wish of one half comes true in 0.61 of all cases, a rare one twice as
/// often as it should, and no finite network is worse.
#[test]
fn no_network_is_worse_than_an_endless_one() {
    let endless = |p: f64| -> f64 {
        let term =
            |k: i32| (1.0_f64 / 3.0).powi(k) * (2.0 / 3.0) * (1.0 - (1.0 - p).powf(2_f64.powi(k)));
        (0..60).map(term).sum()
    };
    assert!((endless(0.5) - 0.6064).abs() < 1e-4);
    for n in 4..=128 {
        let f = (n - 1) / 3;
        assert!((runs(n, f).iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(success(n, f, 0.5) < endless(0.5) && choices(n, f) < 2.0);
    }
}

/// Without the shuffle neighbours by key would be neighbours in turn, and keys can be tried until they are: a third of 100
/// seats in one run would choose among 2^33 mixes at every boundary that meets it.
#[test]
fn the_shuffle_keeps_runs_short() {
    assert!(at_least(100, 33, 8) < 1e-4 && at_least(100, 33, 33) < 1e-26);
}

/// What a boundary at a moment in time would be worth: each of eight leaders around it may end the epoch with any mix that it
/// knows then. Every run of faulty leaders picks among its subsets, one run after the other.
#[test]
fn a_boundary_in_time_would_be_worth_more() {
    let play = |pattern: u32| {
        let runs = (0..8).map(|turn| pattern >> turn & 1 == 1).collect::<Vec<_>>();
        let known = runs.split(|faulty| !faulty).map(<[bool]>::len).filter(|k| *k > 0);
        let tries: f64 = known.map(|k| 2_f64.powi(i32::try_from(k).unwrap())).sum();
        // Where the last leader is honest, its mix is one more that comes without a choice.
        0.5_f64.powf(tries + if runs[7] { 0.0 } else { 1.0 })
    };
    let chance = |pattern: u32| {
        let faulty = i32::try_from(pattern.count_ones()).unwrap();
        (1.0_f64 / 3.0).powi(faulty) * (2.0_f64 / 3.0).powi(8 - faulty)
    };
    let wished: f64 = (0..256).map(|pattern| chance(pattern) * (1.0 - play(pattern))).sum();
    assert!((wished - 0.9447).abs() < 1e-4, "{wished}");
}

/// The same by drawing orders and playing: the faulty try every subset of their last turns.
#[test]
fn playing_it_gives_the_same() {
    use sha2::{Digest as _, Sha256};
    let draw = |words: &[u64]| -> u64 {
        let mut hash = Sha256::new();
        words.iter().for_each(|word| hash.update(word.to_be_bytes()));
        u64::from_be_bytes(hash.finalize()[..8].try_into().unwrap())
    };
    let (n, f, games) = (7_u64, 2, 40_000_u64);
    let mut won = 0_u32;
    for game in 0..games {
        let mut order: Vec<u64> = (0..n).collect();
        order.sort_by_key(|seat| draw(&[1, game, *seat]));
        let run = order.iter().rev().take_while(|seat| **seat < f).count();
        let honest = draw(&[2, game]);
        let mix = |subset: u64| {
            let taken = (0..run).filter(|turn| subset >> turn & 1 == 1);
            taken.fold(honest, |mix, turn| draw(&[3, mix, game, turn as u64]))
        };
        won += u32::from((0..1_u64 << run).any(|subset| mix(subset) & 1 == 1));
    }
    let share = f64::from(won) / 40_000.0;
    assert!((share - success(7, 2, 0.5)).abs() < 0.01, "{share}");
}
