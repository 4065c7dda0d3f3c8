//! A case per rejection, in precedence order, and what the cursor keeps.

use cairn_primitives::{Anchor, BATCH_BYTES_MAX, Rows, SecretKey, TimeMs, WEATHER};
use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600_000;
const PLACE: Position = Position { lat_e7: 406_924_833, lon_e7: -741_686_869, elevation_dm: 55 };
const PREFIX: [u8; 8] = [7; 8];

fn key(n: u8) -> SecretKey {
    SecretKey::ed25519([n; 32])
}

fn device() -> DeviceRecord {
    let public = key(1).public();
    DeviceRecord {
        id: DeviceId::of(&public),
        owner: Address::with_last_byte(9),
        sector: Sector::Sensing,
        key: public,
        assurance: Assurance::Bare,
        index: 0,
        registered: Epoch(10),
        end: Some(Epoch(1_000)),
        position: PLACE,
        cell: Cell::at(PLACE).expect("on Earth"),
    }
}

fn context() -> EpochContext {
    EpochContext {
        epoch: Epoch(300),
        schedule: EpochSchedule { start: TimeMs(1_000 * HOUR), epoch_ms: HOUR },
        anchors: (0..=400).map(|k| (Epoch(k), PREFIX)).collect(),
    }
}

/// A batch of two readings of epoch 300.
fn batch(first_seq: u64) -> Batch {
    Batch {
        device: device().id,
        stream: Stream(0),
        first_seq: Seq(first_seq),
        base_time: TimeMs(1_300 * HOUR),
        anchor: Anchor { epoch: Epoch(299), root_prefix: PREFIX },
        position: None,
        schema: WEATHER.id,
        rows: Rows { offsets_ms: vec![0, 1_000], values: vec![Some(1); 14] },
    }
}

fn sign(batch: Batch) -> Envelope {
    Envelope::sign(batch, &key(1)).expect("Ed25519 always signs")
}

/// Expects the changed batch, signed by the device, to be refused so; the cursor has accepted batch 10…11 before.
fn check(want: Option<Rejection>, change: impl Fn(&mut Batch)) {
    let mut cursor = SeqCursor::new();
    verify_batch(&sign(batch(10)), Some(&device()), &context(), &mut cursor)
        .expect("the first batch");
    let before = cursor.clone();
    let mut changed = batch(12);
    change(&mut changed);
    let got = verify_batch(&sign(changed), Some(&device()), &context(), &mut cursor);
    assert_eq!(got.err(), want);
    assert_eq!(cursor == before, want.is_some(), "a refused batch leaves the cursor alone");
}

fn refused(bytes: &[u8]) -> Option<Rejection> {
    Envelope::decode(bytes).err().as_ref().map(Rejection::from)
}

#[test]
fn bytes_that_are_no_batch() {
    let good = sign(batch(1));
    let at = |needle: &[u8]| {
        good.bytes().windows(needle.len()).position(|w| w == needle).expect("in the envelope")
    };
    let with = |position: usize, byte: u8| {
        let mut bytes = good.bytes().to_vec();
        bytes[position] = byte;
        refused(&bytes)
    };
    assert_eq!(refused(good.bytes()), None);
    assert_eq!(refused(&vec![0; BATCH_BYTES_MAX + 1]), Some(Rejection::Oversized));
    assert_eq!(refused(&[]), Some(Rejection::Malformed));
    assert_eq!(refused(&good.bytes()[..good.bytes().len() - 1]), Some(Rejection::Malformed));
    assert_eq!(refused(&[good.bytes(), &[0]].concat()), Some(Rejection::Malformed));
    assert_eq!(with(at(&[0xa1, 0x01, 0x27]) + 2, 0x28), Some(Rejection::UnknownAlgorithm));
    let mut unsigned = good.bytes()[..good.bytes().len() - 66].to_vec();
    unsigned.push(0x40);
    assert_eq!(refused(&unsigned), Some(Rejection::Unsigned));
    let payload = at(&[0x89, 0x01, 0x50]);
    assert_eq!(with(payload + 1, 2), Some(Rejection::UnknownVersion));
    // … null position, schema 1, two rows.
    let schema = at(&[0xf6, 0x01, 0x82]);
    assert_eq!(with(schema + 1, 2), Some(Rejection::UnknownSchema));
    assert_eq!(with(at(&[0x82, 0x88, 0x00]), 0x80), Some(Rejection::BadRows));
    // An unprotected header is carried by no deterministic envelope.
    let mut header = good.bytes().to_vec();
    let empty = at(&[0x27, 0xa0]) + 1;
    header.splice(empty..=empty, [0xa1, 0x04, 0x41, 0x00]);
    assert_eq!(refused(&header), Some(Rejection::NotCanonical));
}

#[test]
fn who_signed() {
    let mut cursor = SeqCursor::new();
    let good = sign(batch(1));
    let mut judge = |envelope: &Envelope, device: Option<&DeviceRecord>| {
        verify_batch(envelope, device, &context(), &mut cursor).err()
    };
    assert_eq!(judge(&good, None), Some(Rejection::UnknownDevice));
    let other = DeviceRecord { id: DeviceId([1; 16]), ..device() };
    assert_eq!(judge(&good, Some(&other)), Some(Rejection::UnknownDevice));
    let p256 = Envelope::assemble(batch(1), cairn_primitives::KeyType::P256, *good.signature());
    assert_eq!(judge(&p256, Some(&device())), Some(Rejection::WrongKeyType));
    let forged = Envelope::sign(batch(1), &key(2)).expect("signs");
    assert_eq!(judge(&forged, Some(&device())), Some(Rejection::BadSignature));
    for (registered, end) in [(Epoch(301), None), (Epoch(0), Some(Epoch(300)))] {
        let idle = DeviceRecord { registered, end, ..device() };
        assert_eq!(judge(&good, Some(&idle)), Some(Rejection::NotActive));
    }
    assert_eq!(judge(&good, Some(&device())), None);
}

#[test]
fn anchors_times_and_place() {
    check(None, |_| ());
    check(Some(Rejection::AnchorFromFuture), |b| b.anchor.epoch = Epoch(301));
    check(None, |b| b.anchor.epoch = Epoch(274));
    check(Some(Rejection::AnchorTooOld), |b| b.anchor.epoch = Epoch(273));
    check(Some(Rejection::AnchorUnknown), |b| b.anchor.root_prefix = [8; 8]);
    check(None, |b| b.base_time = TimeMs((1_300 - 168) * HOUR));
    check(Some(Rejection::BackDated), |b| b.base_time = TimeMs((1_300 - 168) * HOUR - 1));
    check(None, |b| b.base_time = TimeMs(1_301 * HOUR - 1_001));
    check(Some(Rejection::FutureDated), |b| b.base_time = TimeMs(1_301 * HOUR - 1_000));
    let north = |e7: i32| Some(Position { lat_e7: PLACE.lat_e7 + e7, ..PLACE });
    check(None, |b| b.position = north(89_000));
    check(Some(Rejection::Moved), |b| b.position = north(91_000));
    check(Some(Rejection::Moved), |b| b.position = north(900_000_000));
}

#[test]
fn sequences() {
    check(Some(Rejection::Duplicate), |b| *b = batch(10));
    for first in [9, 11] {
        check(Some(Rejection::Equivocation), |b| b.first_seq = Seq(first));
    }
    check(Some(Rejection::Equivocation), |b| {
        *b = batch(10);
        b.rows.values[0] = Some(2);
    });
    check(Some(Rejection::SequenceNotIncreasing), |b| b.first_seq = Seq(8));
    check(None, |b| b.first_seq = Seq(500));
    check(None, |b| {
        b.first_seq = Seq(1);
        b.stream = Stream(1);
    });
}

#[test]
fn a_batch_of_an_earlier_epoch_is_a_replay_until_its_anchor_is_too_old() {
    let mut cursor = SeqCursor::new();
    let old = sign(batch(10));
    verify_batch(&old, Some(&device()), &context(), &mut cursor).expect("accepted");
    for epoch in [301, 325] {
        let later = EpochContext { epoch: Epoch(epoch), ..context() };
        cursor.begin(later.epoch);
        assert_eq!(
            verify_batch(&old, Some(&device()), &later, &mut cursor),
            Err(Rejection::Replayed)
        );
    }
    let last = EpochContext { epoch: Epoch(326), ..context() };
    assert_eq!(
        verify_batch(&old, Some(&device()), &last, &mut cursor),
        Err(Rejection::AnchorTooOld)
    );
    cursor.begin(Epoch(327));
    assert_eq!(cursor, SeqCursor::new());
}

#[test]
fn rejections_are_listed_in_order_and_by_number() {
    assert!(Rejection::ALL.is_sorted());
    for rejection in Rejection::ALL {
        assert_eq!(Rejection::from_code(rejection.code()), Some(*rejection));
        assert_eq!(format!("{rejection:?}"), rejection.name());
    }
    assert_eq!(Rejection::from_code(0), None);
    assert_eq!((Rejection::code_of(None), Rejection::name_of(None)), (0, "Accepted"));
}

proptest! {
    /// An auditor who has only the verdict leaves ends with the same cursor.
    #[test]
    fn the_cursor_is_a_function_of_the_verdicts(seqs in proptest::collection::vec((0_u64..30, 0_u16..2), 1..40)) {
        let (mut live, mut rebuilt) = (SeqCursor::new(), SeqCursor::new());
        for (i, (seq, stream)) in seqs.into_iter().enumerate() {
            let epoch = Epoch(300 + u64::try_from(i).expect("small") / 2);
            let envelope = sign(Batch { stream: Stream(stream), ..batch(seq) });
            live.begin(epoch);
            rebuilt.begin(epoch);
            let before = live.high_water(device().id, Stream(stream));
            let rejection = live.admit(&envelope, epoch).err();
            prop_assert_eq!(rejection.is_none(), before.is_none_or(|high| high < Seq(seq)));
            let leaf = VerdictLeaf {
                epoch, sector: Sector::Sensing, batch: envelope.leaf(), device: device().id, stream: Stream(stream),
                first_seq: Seq(seq), rows: 2, rejection,
            };
            prop_assert_eq!(VerdictLeaf::from_bytes(&leaf.to_bytes()), Ok(leaf.clone()));
            rebuilt.record_verdict(&leaf);
            prop_assert_eq!(&live, &rebuilt);
        }
    }
}
