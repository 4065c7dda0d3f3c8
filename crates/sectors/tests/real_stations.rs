//! The scoring rules on real weather: honest stations keep their hours, every cheat loses its income, with its reason.
//!
//! Rates over whole seasons are in docs/sectors/sensing.md; these tests run the quarter that is in `data/`.

mod support;

use cairn_sectors::Rejection;
use support::{Cheat, Station, Summary, load, nine, simulate, summary};

fn three() -> Vec<Station> {
    load(include_str!("../../../data/nyc-weather-2013-q1.csv"))
        .into_iter()
        .map(|(_, s)| s)
        .collect()
}

/// Runs of `hours` hours from several places of the quarter; the stations are made anew for each.
fn check(
    name: &str,
    hours: u64,
    honest_floor: usize,
    reason: Rejection,
    mut make: impl FnMut(u64) -> (Vec<Station>, usize),
) {
    let starts = [0, 240, 549, 900, 1_220, 1_647, 2_013];
    let (mut bad_sum, mut good_sum, mut good_count) = (0, 0, 0_usize);
    let (mut named, mut rejected, mut accepted) = (0, 0, 0);
    for start in starts {
        let (stations, bad) = make(start);
        for (i, leaves) in simulate(&stations, start, hours).iter().enumerate() {
            let Summary { mean, rejections, accepted: kept, .. } = summary(leaves);
            if i == bad {
                bad_sum += mean;
                named += rejections.get(&reason).copied().unwrap_or(0);
                rejected += rejections.values().sum::<usize>();
            } else {
                good_sum += mean;
                good_count += 1;
                accepted += kept;
            }
        }
    }
    let bad = bad_sum / u64::try_from(starts.len()).expect("few");
    let good = good_sum / u64::try_from(good_count).expect("few");
    let accepted = accepted / good_count;
    assert!(bad * 1_000 < good * 300, "{name}: the cheat has {bad}, honest stations {good}");
    assert!(named * 10 >= rejected * 9, "{name}: {named} of {rejected} rejections are {reason:?}");
    assert!(
        accepted >= honest_floor,
        "{name}: honest stations keep {accepted} per mille of their hours"
    );
}

fn tampered(
    base: &[Station],
    i: usize,
    cheat: impl Fn(&Station) -> Station,
) -> (Vec<Station>, usize) {
    let mut out = base.to_vec();
    out[i] = cheat(&base[i]);
    (out, i)
}

#[test]
fn honest_stations_keep_their_hours_for_a_quarter() {
    for (fleet, kept, mean) in [(three(), 988, 880), (nine(&three(), 1), 998, 980)] {
        for (i, leaves) in simulate(&fleet, 0, 2_157).iter().enumerate() {
            let s = summary(leaves);
            assert!(s.accepted >= kept && s.mean >= mean, "{} {i}: {s:?}", fleet.len());
        }
    }
}

#[test]
fn the_first_hours_are_accepted() {
    for start in (0..2_000).step_by(100) {
        let accepted: Vec<usize> = simulate(&nine(&three(), start + 2), start, 6)
            .iter()
            .map(|l| summary(l).accepted)
            .collect();
        assert!(accepted.iter().all(|kept| *kept == 1_000), "{start}: {accepted:?}");
    }
}

/// Two days with one cheat of each kind: it keeps less than 30 % of an honest income and is told why, and the others keep their hours.
#[test]
fn every_cheat_loses_with_its_reason() {
    for (fleet, floor) in [(three(), 970), (nine(&three(), 4), 990)] {
        for cheat in Cheat::all() {
            // What an hour late or early looks like: a front that takes an hour from one station to the next.
            if matches!(cheat, Cheat::Shifted(1 | -1)) {
                continue;
            }
            let name = format!("{cheat:?} among {}", fleet.len());
            let mut turn = 0;
            check(&name, 48, floor, cheat.reason(), |start| {
                // Not the first: nobody registered before it, so it cannot be a copy.
                turn += 1;
                let bad = 1 + turn * 5 % (fleet.len() - 1);
                (cheat.among(&fleet, bad, start), bad)
            });
        }
    }
}

#[test]
fn a_copy_beside_its_original_loses() {
    for noise in [[0; 7], [3, 20, 5, 0, 3, 0, 0]] {
        check("copy beside the original", 48, 990, Rejection::CopiedFeed, |_| {
            let mut stations = nine(&three(), 3);
            stations.push(stations[4].with_noise(6, &noise));
            (stations, 9)
        });
    }
}

#[test]
fn two_cheats_among_nine_both_lose_and_nobody_else() {
    let nine = nine(&three(), 7);
    check("the offset one", 48, 870, Rejection::NeighbourOffset, |_| {
        let (stations, _) = tampered(&nine, 3, |s| s.shifted(6));
        tampered(&stations, 4, |s| s.offset(500))
    });
    for start in [0, 549, 1_220] {
        let (stations, _) = tampered(&nine, 3, |s| s.shifted(6));
        let (stations, _) = tampered(&stations, 4, |s| s.offset(500));
        for (i, leaves) in
            simulate(&stations, start, 48).iter().enumerate().filter(|(i, _)| ![3, 4].contains(i))
        {
            assert!(summary(leaves).accepted >= 950, "{start} {i}: {:?}", summary(leaves));
        }
    }
}
