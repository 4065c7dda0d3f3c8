//! What a crash leaves, what is never repeated, what is dropped when there is no room.

use std::fs;

use cairn_client::api::IngestReceipt;
use cairn_primitives::{Anchor, Batch, Epoch, Rows, SchemaId, SecretKey, Stream};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn key() -> SecretKey {
    SecretKey::ed25519([3; 32])
}

fn device() -> DeviceId {
    DeviceId::of(&key().public())
}

fn reading(hour: u64) -> Reading {
    let value = i32::try_from(hour).unwrap();
    Reading {
        time: TimeMs(hour * 3_600_000),
        values: [Some(value), None, Some(-1), None, None, Some(0), None],
    }
}

fn sign(rows: &[Row]) -> Envelope {
    let base_time = rows[0].reading.time;
    let batch = Batch {
        device: device(),
        stream: Stream(0),
        first_seq: rows[0].seq,
        base_time,
        anchor: Anchor { epoch: Epoch(0), root_prefix: [0; 8] },
        position: None,
        schema: SchemaId(1),
        rows: Rows {
            offsets_ms: rows
                .iter()
                .map(|row| u32::try_from(row.reading.time.0 - base_time.0).unwrap())
                .collect(),
            values: rows.iter().flat_map(|row| row.reading.values).collect(),
        },
    };
    Envelope::sign(batch, &key()).unwrap()
}

fn receipt(leaves: Vec<cairn_primitives::Digest>) -> IngestReceipt {
    IngestReceipt::sign(1, &SecretKey::ed25519([4; 32]), Epoch(0), 1, 2, leaves).unwrap()
}

fn new_spool(dir: &TempDir) -> Spool {
    Spool::open(&dir.path().join("spool.redb"), device()).unwrap()
}

/// The file as a power cut would leave it: copied while the database is open and in use.
fn crash(spool: Spool, dir: &TempDir) -> Spool {
    let image = dir.path().join("image.redb");
    fs::copy(&spool.path, &image).unwrap();
    let path = spool.path.clone();
    drop(spool);
    fs::rename(&image, &path).unwrap();
    Spool::open(&path, device()).unwrap()
}

#[test]
fn a_crash_loses_nothing_that_was_appended_and_no_number_repeats() {
    let dir = tempfile::tempdir().unwrap();
    let spool = new_spool(&dir);
    assert_eq!(spool.append(&[reading(1), reading(2)]).unwrap(), Seq(0));
    let spool = crash(spool, &dir);
    let rows = spool.unsigned(10).unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.seq.0, row.reading)).collect::<Vec<_>>(),
        [(0, reading(1)), (1, reading(2))]
    );
    assert_eq!(spool.last_time().unwrap(), Some(TimeMs(7_200_000)));

    let envelope = sign(&rows);
    spool.seal(&envelope).unwrap();
    let spool = crash(spool, &dir);
    assert!(spool.unsigned(10).unwrap().is_empty(), "a reading is in one place only");
    let waiting = spool.waiting(10, usize::MAX).unwrap();
    assert_eq!(waiting, [Waiting { first_seq: Seq(0), envelope: envelope.bytes().to_vec() }]);
    assert_eq!(spool.oldest_outstanding().unwrap(), Some(TimeMs(3_600_000)));
    assert_eq!(spool.append(&[reading(3)]).unwrap(), Seq(2));

    spool.acknowledge(&[Seq(0)], &receipt(vec![envelope.leaf()])).unwrap();
    let spool = crash(spool, &dir);
    assert!(spool.waiting(10, usize::MAX).unwrap().is_empty());
    assert_eq!(spool.receipts().unwrap()[0].leaves, [envelope.leaf()]);
    assert_eq!(spool.oldest_outstanding().unwrap(), Some(TimeMs(3 * 3_600_000)));
    let counts = Counts { readings: 3, unsigned: 1, acknowledged: 1, ..Counts::default() };
    assert_eq!(spool.counts().unwrap(), counts);
}

#[test]
fn a_rejection_is_kept_with_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let spool = new_spool(&dir);
    spool.append(&[reading(1)]).unwrap();
    spool.seal(&sign(&spool.unsigned(1).unwrap())).unwrap();
    let refused = Rejected { first_seq: Seq(0), code: 11, name: "BadSignature".to_owned() };
    spool.reject(&refused).unwrap();
    let spool = crash(spool, &dir);
    assert_eq!(spool.rejected().unwrap(), [refused]);
    assert_eq!((spool.counts().unwrap().rejected, spool.oldest_outstanding().unwrap()), (1, None));
}

#[test]
fn above_the_limit_the_oldest_batch_is_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open_bounded(&dir.path().join("spool.redb"), device(), 2).unwrap();
    for hour in 0..5 {
        spool.append(&[reading(hour)]).unwrap();
        spool.seal(&sign(&spool.unsigned(1).unwrap())).unwrap();
    }
    let left: Vec<u64> =
        spool.waiting(9, usize::MAX).unwrap().iter().map(|batch| batch.first_seq.0).collect();
    assert_eq!(left, [3, 4]);
    assert_eq!(spool.counts().unwrap().dropped, 3);
}

#[test]
fn requests_are_bounded_in_bytes_but_never_empty() {
    let dir = tempfile::tempdir().unwrap();
    let spool = new_spool(&dir);
    for hour in 0..3 {
        spool.append(&[reading(hour)]).unwrap();
        spool.seal(&sign(&spool.unsigned(1).unwrap())).unwrap();
    }
    let one = spool.waiting(1, usize::MAX).unwrap()[0].envelope.len();
    assert_eq!(spool.waiting(9, 0).unwrap().len(), 1);
    assert_eq!(spool.waiting(9, one * 2 + 20).unwrap().len(), 2);
    assert_eq!(spool.waiting(2, usize::MAX).unwrap().len(), 2);
}

#[test]
fn a_spool_belongs_to_one_device() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.redb");
    drop(Spool::open(&path, device()).unwrap());
    let error = Spool::open(&path, DeviceId([9; 16])).unwrap_err();
    assert!(
        matches!(&error, SpoolError::OtherDevice { owner, .. } if *owner == device().to_string()),
        "{error}"
    );
}

/// What can happen to a spool.
#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Seal(usize),
    Settle(bool),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u64..5).prop_map(Step::Append),
        3 => (1_usize..7).prop_map(Step::Seal),
        2 => any::<bool>().prop_map(Step::Settle),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever happens, sequence numbers are 0, 1, 2, … without gap or repetition, in order of time.
    #[test]
    fn sequence_numbers_are_continuous(steps in prop::collection::vec(step(), 1..25)) {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = new_spool(&dir);
        let (mut hour, mut signed) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Append(count) => {
                    let readings: Vec<Reading> = (hour..hour + count).map(reading).collect();
                    prop_assert_eq!(spool.append(&readings).unwrap(), Seq(hour));
                    hour += count;
                }
                Step::Seal(limit) => {
                    let rows = spool.unsigned(limit).unwrap();
                    if !rows.is_empty() {
                        spool.seal(&sign(&rows)).unwrap();
                        signed.extend(rows.iter().map(|row| (row.seq.0, row.reading.time.0 / 3_600_000)));
                    }
                }
                Step::Settle(held) => {
                    if let Some(batch) = spool.waiting(1, 0).unwrap().first() {
                        if held {
                            spool.acknowledge(&[batch.first_seq], &receipt(Vec::new())).unwrap();
                        } else {
                            let name = "Moved".to_owned();
                            spool.reject(&Rejected { first_seq: batch.first_seq, code: 18, name }).unwrap();
                        }
                    }
                }
                Step::Crash => spool = crash(spool, &dir),
            }
        }
        signed.extend(spool.unsigned(usize::MAX).unwrap().iter().map(|row| (row.seq.0, row.reading.time.0 / 3_600_000)));
        prop_assert_eq!(signed, (0..hour).map(|n| (n, n)).collect::<Vec<_>>());
    }
}
