//! Round trips, hostile files, and the promise that no changed byte goes unseen.

use bytes::Bytes;
use cairn_kit::chance::Chance;
use cairn_primitives::{
    Batch, Envelope, Epoch, KeyType, Position, Rows, Schema, SecretKey, Sector, Seq, Stream,
};
use proptest::prelude::*;

use super::*;
use crate::workload::Station;

fn entries(mut envelopes: Vec<Envelope>) -> (Vec<Envelope>, Vec<Entry>) {
    envelopes.sort_by_key(|envelope| {
        let batch = envelope.batch();
        (batch.stream, batch.device, batch.first_seq, envelope.leaf())
    });
    let entries = envelopes.iter().cloned().map(Entry::from).collect();
    (envelopes, entries)
}

fn stations(count: u64, batches: u64, rows: u64) -> Vec<Envelope> {
    let mut all = Vec::new();
    for number in 0..count {
        let mut station = Station::new(number);
        for _ in 0..batches {
            all.push(station.envelope(rows).unwrap());
        }
    }
    all
}

fn sample() -> (Vec<Envelope>, Sealed) {
    let (envelopes, entries) = entries(stations(3, 2, 8));
    let sealed = seal(Epoch(7), Sector::Sensing, &entries).unwrap();
    (envelopes, sealed)
}

fn reopen(sealed: &Sealed) -> Result<Opened, OpenError> {
    open(&sealed.commitment(), &sealed.sidecar, Bytes::from(sealed.readings.clone()))
}

/// Seals, opens, and expects the very same signed bytes.
fn check_round_trip(envelopes: Vec<Envelope>) -> Sealed {
    let (envelopes, entries) = entries(envelopes);
    let sealed = seal(Epoch(7), Sector::Sensing, &entries).unwrap();
    assert_eq!(
        sealed,
        seal(Epoch(7), Sector::Sensing, &entries).unwrap(),
        "the same input gives the same files"
    );
    let opened = reopen(&sealed).unwrap();
    assert_eq!((opened.epoch, opened.sector), (Epoch(7), Sector::Sensing));
    assert_eq!(opened.envelopes.len(), envelopes.len());
    for (was, is) in envelopes.iter().zip(&opened.envelopes) {
        assert_eq!(was.bytes(), is.bytes());
    }
    assert_eq!(opened.envelopes, envelopes);
    sealed
}

#[test]
fn round_trips_bit_for_bit() {
    check_round_trip(stations(5, 3, 64));
}

#[test]
fn an_epoch_without_batches_is_a_valid_pair_of_files() {
    let sealed = check_round_trip(Vec::new());
    assert_eq!((sealed.count, sealed.root), (0, Digest::ZERO));
}

#[test]
fn batches_span_row_groups() {
    check_round_trip(stations(2, 40, 1_000));
}

#[test]
fn a_batch_of_64_readings_takes_less_than_6_bytes_a_reading() {
    let sealed = check_round_trip(stations(64, 4, 64));
    let per_reading = sealed.size as f64 / (64.0 * 4.0 * 64.0);
    assert!(per_reading < 6.0, "{per_reading} bytes a reading");
}

#[test]
fn every_shape_of_a_batch_survives() {
    let p256 = aws_key();
    let mut batch = Station::new(1).batch(4);
    batch.position =
        Some(Position { lat_e7: -900_000_000, lon_e7: 1_800_000_000, elevation_dm: -1 });
    batch.stream = Stream(u16::MAX);
    batch.first_seq = Seq(u64::MAX - 4);
    batch.base_time.0 = u64::MAX - u64::from(u32::MAX);
    batch.rows.offsets_ms = vec![0, 1, 2, u32::MAX];
    batch.rows.values.iter_mut().step_by(2).for_each(|value| *value = None);
    batch.rows.values[1] = Some(i32::MIN);
    batch.rows.values[3] = Some(i32::MAX);
    let mut empty_values = Station::new(2).batch(3);
    empty_values.rows.values.fill(None);
    check_round_trip(vec![
        Envelope::sign(batch, &p256).unwrap(),
        Envelope::sign(empty_values, &Station::new(2).key).unwrap(),
    ]);
}

/// A fixed P-256 key (PKCS#8), made once with the library's generator.
fn aws_key() -> SecretKey {
    let pkcs8 = hex::decode(concat!(
        "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420",
        "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
        "a144034200",
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    ))
    .unwrap();
    SecretKey::p256_pkcs8(&pkcs8).unwrap()
}

#[test]
fn unsorted_or_repeated_entries_are_refused() {
    let (_, mut sorted) = entries(stations(2, 2, 2));
    sorted.swap(0, 3);
    assert!(matches!(seal(Epoch(0), Sector::Sensing, &sorted), Err(SealError::NotSorted(_))));
    let (_, one) = entries(stations(1, 1, 2));
    let twice = [one[0].clone(), one[0].clone()];
    assert!(matches!(seal(Epoch(0), Sector::Sensing, &twice), Err(SealError::NotSorted(1))));
}

#[test]
fn a_flipped_byte_is_always_seen() {
    let (_, sealed) = sample();
    for at in 0..sealed.sidecar.len() {
        let mut changed = sealed.clone();
        changed.sidecar[at] ^= 0x40;
        assert!(
            matches!(reopen(&changed), Err(OpenError::SidecarDigest { .. })),
            "sidecar byte {at}"
        );
    }
    for at in 0..sealed.readings.len() {
        let mut changed = sealed.clone();
        changed.readings[at] ^= 0x01;
        assert!(
            matches!(reopen(&changed), Err(OpenError::ReadingsDigest { .. })),
            "readings byte {at}"
        );
    }
}

#[test]
fn a_commitment_that_lies_is_seen() {
    let (_, sealed) = sample();
    let check = |change: &dyn Fn(&mut Commitment), part: &str| {
        let mut commitment = sealed.commitment();
        change(&mut commitment);
        let error =
            open(&commitment, &sealed.sidecar, Bytes::from(sealed.readings.clone())).unwrap_err();
        assert!(
            matches!(error, OpenError::Commitment { what, .. } if what == part),
            "{part}: {error}"
        );
    };
    check(&|c| c.root = Digest::of(&[b"other"]), "root");
    check(&|c| c.count += 1, "count");
    check(&|c| c.size += 1, "size");
}

/// What a dishonest ingest can do: files whose hashes fit each other, with anything inside.
fn committed(mut sidecar: Sidecar, readings: Vec<u8>) -> Result<Opened, OpenError> {
    sidecar.readings = Digest::of(&[&readings]);
    sidecar.readings_bytes = readings.len() as u64;
    let bytes = sidecar.to_bytes();
    let commitment = Commitment {
        root: Digest::ZERO,
        digest: Digest::of(&[&bytes]),
        count: sidecar.batches.len() as u32,
        size: (bytes.len() + readings.len()) as u64,
    };
    open(&commitment, &bytes, Bytes::from(readings))
}

fn sample_sidecar() -> (Sidecar, Vec<u8>) {
    let (_, sealed) = sample();
    (Sidecar::decode(&sealed.sidecar).unwrap(), sealed.readings)
}

#[test]
fn hostile_readings_files_give_errors_and_never_panic() {
    let (sidecar, readings) = sample_sidecar();
    assert!(
        matches!(
            committed(sidecar.clone(), readings.clone()),
            Err(OpenError::Commitment { what: "root", .. })
        ),
        "untouched rows get as far as the root"
    );
    for at in 0..readings.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut changed = readings.clone();
            changed[at] ^= mask;
            assert!(committed(sidecar.clone(), changed).is_err(), "byte {at} ^ {mask:#x}");
        }
    }
    for length in 0..readings.len() {
        assert!(
            committed(sidecar.clone(), readings[..length].to_vec()).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn random_damage_gives_errors_and_never_panics() {
    let (sidecar, readings) = sample_sidecar();
    let mut noise = Chance::new(1);
    for _ in 0..2_000 {
        let mut changed = readings.clone();
        for _ in 0..=noise.draw() % 8 {
            let at = noise.draw() as usize % changed.len();
            changed[at] = noise.draw() as u8;
        }
        if changed != readings {
            assert!(committed(sidecar.clone(), changed).is_err());
        }
    }
}

#[test]
fn hostile_sidecars_give_errors_and_never_panic() {
    let (_, sealed) = sample();
    for at in 0..sealed.sidecar.len() {
        for mask in [0x01, 0x1f, 0x80, 0xff] {
            let mut bytes = sealed.sidecar.clone();
            bytes[at] ^= mask;
            if let Ok(sidecar) = Sidecar::decode(&bytes) {
                assert!(
                    committed(sidecar, sealed.readings.clone()).is_err(),
                    "byte {at} ^ {mask:#x}"
                );
            }
        }
        assert!(Sidecar::decode(&sealed.sidecar[..at]).is_err(), "cut at {at}");
    }
    let huge = hex::decode("89010001").unwrap();
    assert!(Sidecar::decode(&huge).is_err());
    // An array that announces 2^32 devices in a few bytes.
    let mut announcing = sealed.sidecar[..42].to_vec();
    announcing.extend([0x81, 0x01, 0x9b, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert!(Sidecar::decode(&announcing).is_err());
}

#[test]
fn rows_that_contradict_the_sidecar_are_named() {
    let check = |change: &dyn Fn(&mut Sidecar)| {
        let (mut sidecar, readings) = sample_sidecar();
        change(&mut sidecar);
        committed(sidecar, readings).unwrap_err().to_string()
    };
    let row = "readings file: a row that is not its batch's next";
    assert_eq!(check(&|s| s.batches[0].first_seq.0 += 1), row);
    assert_eq!(check(&|s| s.batches[0].device = 1), row);
    assert_eq!(check(&|s| s.batches[0].stream = Stream(9)), row);
    assert_eq!(check(&|s| s.batches[0].rows -= 1), row);
    assert_eq!(
        check(&|s| s.batches[0].base_time.0 += 1_000_000),
        "readings file: times out of range or order"
    );
    assert_eq!(check(&|s| s.batches.truncate(5)), "readings file: more rows than batches");
    assert_eq!(
        check(&|s| s.batches[5].rows += 1),
        "readings file: fewer rows than the batches have"
    );
    assert_eq!(
        check(&|s| s.batches[0].device = 99),
        "sidecar: a batch names a device that is not listed"
    );
    assert_eq!(
        check(&|s| s.batches[0].anchor = 99),
        "sidecar: a batch names an anchor that is not listed"
    );
    assert_eq!(check(&|s| s.schemas.clear()), "sidecar: a batch names a schema that is not listed");
    assert_eq!(
        check(&|s| s.schemas.push(SchemaId(999))),
        "sidecar: a schema that is not registered"
    );
}

#[test]
fn declared_sizes_are_bounded_before_memory_is_reserved() {
    // A footer whose row group list announces 2^31 entries: the library would reserve for them.
    let mut file = b"PAR1".to_vec();
    let footer = [0x15, 0x02, 0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07];
    file.extend(footer);
    file.extend((footer.len() as u32).to_le_bytes());
    file.extend(b"PAR1");
    assert_eq!(
        walk::footer(&file).unwrap_err().to_string(),
        "readings file: a list longer than the file"
    );
    // A page header that announces 1 GiB.
    let page = [0x15, 0x00, 0x15, 0x80, 0x80, 0x80, 0x80, 0x08, 0x15, 0x00, 0x00];
    assert!(matches!(walk::pages(&page), Err(OpenError::TooLarge { what: "page", .. })));
    // Nesting without end.
    let deep = vec![0x1c; 4_096];
    assert_eq!(
        walk::pages(&deep).unwrap_err().to_string(),
        "readings file: metadata nested too deeply"
    );
}

prop_compose! {
    fn any_rows(width: usize)(
        steps in prop::collection::vec(1_u32..2_000_000, 1..40),
        seed in any::<u64>(),
        holes in any::<bool>(),
    ) -> Rows {
        let mut noise = Chance::new(seed);
        let mut at = 0;
        let mut rows = Rows::default();
        for step in steps {
            at += step;
            rows.offsets_ms.push(at);
            for _ in 0..width {
                let hole = holes && noise.draw().is_multiple_of(3);
                rows.values.push((!hole).then(|| noise.draw() as i32));
            }
        }
        rows
    }
}

prop_compose! {
    fn any_envelope()(
        device in 0_u64..4,
        stream in 0_u16..3,
        first_seq in any::<u32>(),
        base in any::<u32>(),
        epoch in 0_u64..3,
        rows in any_rows(Schema::ALL[0].fields.len()),
        p256 in any::<bool>(),
    ) -> Envelope {
        let mut batch: Batch = Station::new(device).batch(1);
        batch.stream = Stream(stream);
        batch.first_seq = Seq(u64::from(first_seq));
        batch.base_time.0 = u64::from(base);
        batch.anchor.epoch = Epoch(epoch);
        batch.rows = rows;
        let key_type = if p256 { KeyType::P256 } else { KeyType::Ed25519 };
        Envelope::assemble(batch, key_type, Signature([first_seq as u8; 64]))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_accepted_set_reopens_bit_equal(mut envelopes in prop::collection::vec(any_envelope(), 0..20)) {
        envelopes.sort_by_key(Envelope::leaf);
        envelopes.dedup_by_key(|envelope| envelope.leaf());
        check_round_trip(envelopes);
    }
}
