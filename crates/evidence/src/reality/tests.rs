//! Periods, comparisons and leaves; whole ledgers are in the simulator's tests (`sim/src/sensing/reality.rs`).

use bytes::Bytes;
use cairn_primitives::{Digest, Epoch, EpochSchedule, TimeMs};
use serde_json::json;

use super::*;
use crate::archive::LeafLine;

/// Hours.
const SCHEDULE: EpochSchedule = EpochSchedule { start: TimeMs(0), epoch_ms: 3_600_000 };

fn period(from: Option<u64>, to: Option<u64>, next: u64) -> Result<(u64, u64), PeriodError> {
    let period = Period::of(from.map(Epoch), to.map(Epoch), Epoch(next), &SCHEDULE)?;
    Ok((period.from.0, period.to.0))
}

#[test]
fn the_usual_period_is_thirty_days_or_a_quarter_of_a_young_life() {
    assert_eq!(period(None, None, 0), Err(PeriodError::Nothing));
    assert_eq!(period(None, None, 1), Ok((0, 0)));
    assert_eq!(period(None, None, 200), Ok((150, 199)));
    assert_eq!(period(None, Some(99), 200), Ok((75, 99)));
    assert_eq!(period(None, None, 2_880), Ok((2_160, 2_879)));
    assert_eq!(period(None, None, 100_000), Ok((99_280, 99_999)));
}

#[test]
fn periods_that_cannot_be_are_refused() {
    let (to, next) = (Epoch(200), Epoch(200));
    assert_eq!(period(None, Some(200), 200), Err(PeriodError::NotFinal { to, next }));
    let (from, to) = (Epoch(7), Epoch(6));
    assert_eq!(period(Some(7), Some(6), 200), Err(PeriodError::Backwards { from, to }));
    assert_eq!(period(Some(0), Some(8_784), 9_000), Err(PeriodError::TooLong(8_785)));
    assert_eq!(period(Some(1), Some(8_784), 9_000), Ok((1, 8_784)));
}

#[test]
fn every_difference_has_its_path() {
    let served = json!({ "a": [1, { "b": 2 }], "c": null, "only": 5 });
    assert_eq!(differences(&served, &served), []);
    let recomputed = json!({ "a": [1, { "b": 3 }, 4], "c": null, "other": 6 });
    let found = differences(&served, &recomputed);
    let paths: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(paths, ["a.1.b", "a.2", "only", "other"]);
    assert_eq!((&found[0].served, &found[0].recomputed), (&json!(2), &json!(3)));
    assert_eq!((&found[2].served, &found[2].recomputed), (&json!(5), &json!(null)));
    assert_eq!(differences(&json!(1), &json!(1.5)).len(), 1);
}

#[test]
fn leaves_need_the_ledgers_root() {
    let empty = LeafLine::file(std::iter::empty::<(Vec<u8>, serde_json::Value)>());
    let root = cairn_primitives::MerkleTree::from_hashes(Vec::new()).root();
    let row = FinalEpoch { verdict_root: root, score_root: root, reward_root: root, votes: 3 };
    let files = || [(); 3].map(|()| Bytes::from(empty.clone()));
    assert!(Judged::read(&row, files()).expect("no leaves").is_empty());
    let other = FinalEpoch { score_root: Digest([7; 32]), ..row };
    assert_eq!(Judged::read(&other, files()).expect_err("another root").file, "scores.jsonl");
    let line = LeafLine::file([(vec![1, 2, 3], json!(null))]);
    let root = cairn_primitives::MerkleTree::new([&[1_u8, 2, 3][..]]).root();
    let row = FinalEpoch { reward_root: root, ..row };
    let [verdicts, scores, _] = files();
    let wrong = Judged::read(&row, [verdicts, scores, line.into()]).expect_err("no reward");
    assert_eq!(wrong.reason, "a reward leaf has 93 bytes, not 3");
}

#[test]
fn bytes_that_are_no_block_are_refused() {
    for bytes in [&[][..], &[0xc0], b"garbage"] {
        assert_eq!(CheckedBlock::read(5, bytes, &[]).expect_err("no block").height, 5);
    }
}
