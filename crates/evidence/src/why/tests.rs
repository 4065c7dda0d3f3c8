//! Waterfalls over made-up epochs: the parts add up, grounds are the strongest, refusals are named.

use alloy_primitives::Address;
use bytes::Bytes;
use cairn_economy::{Pool, Reward};
use cairn_primitives::{
    DeviceId, Digest, EconomyParams, Epoch, EpochSchedule, MicroUsd, Position, SecretKey, Sector,
    Seq, Stones, Stream, TimeMs,
};
use cairn_sectors::{Rejection, ScoreLeaf, VerdictLeaf};
use serde_json::Value;

use super::*;
use crate::{
    archive::{EpochFile, LeafLine},
    recompute::{Device, Inputs},
};

const SECTOR: Sector = Sector::Sensing;

/// Two devices at one place, of two owners.
fn devices() -> Vec<Device> {
    let position = Position { lat_e7: 406_000_000, lon_e7: -738_000_000, elevation_dm: 0 };
    (0_u8..2)
        .map(|n| {
            let key = SecretKey::ed25519([n; 32]).public();
            Device {
                id: DeviceId::of(&key),
                owner: Address::repeat_byte(n + 1),
                key_type: key.key_type() as u8,
                key: hex::encode(key.as_bytes()),
                assurance: 3,
                index: n.into(),
                registered: Epoch(0),
                end: None,
                position,
                cell: cairn_primitives::Cell::at(position).expect("a place"),
            }
        })
        .collect()
}

/// An epoch in which the devices had these availabilities; one of 0 was silent and sent a replayed batch.
fn view(epoch: u64, need: u64, availabilities: [u16; 2]) -> EpochView {
    let epoch = Epoch(epoch);
    let devices = devices();
    let inputs = Inputs {
        version: Inputs::VERSION,
        genesis: Digest::ZERO,
        epoch,
        sector: SECTOR,
        schedule: EpochSchedule { start: TimeMs(0), epoch_ms: 3_600_000 },
        economy: EconomyParams::default(),
        pool: Pool {
            epoch,
            sector: SECTOR,
            price: MicroUsd(250_000),
            earned: MicroUsd::ZERO,
            earned_stones: Stones::ZERO,
            usage: MicroUsd::ZERO,
            need: MicroUsd(need),
        },
        earned: Vec::new(),
        anchors: Vec::new(),
        devices: devices.clone(),
        commitments: Vec::new(),
    };
    let scores = devices.iter().zip(availabilities).map(|(device, availability)| ScoreLeaf {
        epoch,
        sector: SECTOR,
        device: device.id,
        availability,
        neighbour: 1_000,
        deployment: 1_000,
        location: 1_000,
        score: availability,
        rejection: (availability == 0).then_some(Rejection::Silent),
        detail: None,
    });
    let scores: Vec<ScoreLeaf> = scores.collect();
    let refused = scores.iter().filter(|leaf| leaf.rejection.is_some());
    let verdicts: Vec<VerdictLeaf> = refused
        .map(|leaf| VerdictLeaf {
            epoch,
            sector: SECTOR,
            batch: Digest([9; 32]),
            device: leaf.device,
            stream: Stream(0),
            first_seq: Seq(0),
            rows: 1,
            rejection: Some(Rejection::Replayed),
        })
        .collect();
    let registry = inputs.registry().expect("devices");
    let listed = crate::recompute::candidates(&inputs, &registry, &scores);
    let split = cairn_economy::distribute(&inputs.economy, &inputs.pool, &listed, &inputs.earned)
        .expect("a pool");
    let file = |leaves: Vec<Vec<u8>>| {
        Bytes::from(LeafLine::file(leaves.into_iter().map(|leaf| (leaf, Value::Null))))
    };
    EpochView::read(&[
        serde_json::to_vec(&inputs).expect("plain data").into(),
        file(verdicts.iter().map(VerdictLeaf::to_bytes).collect()),
        file(scores.iter().map(ScoreLeaf::to_bytes).collect()),
        file(split.rewards.iter().map(|r: &Reward| r.encode().to_vec()).collect()),
    ])
    .expect("files of an epoch")
}

fn waterfall(
    sector: Sector,
    devices: &[DeviceId],
    pairs: &[(Option<&EpochView>, &EpochView)],
) -> Waterfall {
    let mut sum = Waterfall::new(sector);
    for (before, after) in pairs {
        sum.add(devices, *before, after);
    }
    sum
}

/// What the causes come to.
fn sum(waterfall: &Waterfall) -> i64 {
    waterfall.causes.iter().map(|cause| cause.micro_usd).sum()
}

fn difference(waterfall: &Waterfall) -> i64 {
    let amount = |amount: MicroUsd| i64::try_from(amount.0).expect("small");
    amount(waterfall.after()) - amount(waterfall.before)
}

#[test]
fn a_silent_hour_is_named_with_its_leaf_and_its_batch() {
    let (before, after) = (view(6, 900_000, [1_000, 1_000]), view(7, 900_000, [0, 1_000]));
    let id = devices()[0].id;
    let waterfall = waterfall(SECTOR, &[id], &[(Some(&before), &after)]);
    assert_eq!(sum(&waterfall), difference(&waterfall));
    assert_eq!(waterfall.after(), MicroUsd::ZERO);
    let cause = &waterfall.causes[0];
    assert_eq!(cause.name, "availability");
    assert_eq!(cause.micro_usd, -i64::try_from(waterfall.before.0).expect("small"));
    let ground = &cause.grounds[0];
    assert_eq!((ground.epoch, ground.device, ground.file), (Epoch(7), id, "scores.jsonl"));
    assert_eq!(ground.leaf, Some(0));
    assert_eq!(ground.leaf_hash, Some(after.scores[0].hash()));
    assert_eq!(ground.sha256, after.digest(EpochFile::Scores));
    let refused = ground.rejection.as_ref().expect("it was refused");
    assert_eq!((refused.code, refused.name), (100, "Silent"));
    assert_eq!((ground.batches[0].code, ground.batches[0].name), (20, "Replayed"));
}

#[test]
fn a_provider_is_the_sum_of_its_devices_over_periods() {
    let epochs = [
        view(4, 900_000, [1_000, 1_000]),
        view(5, 900_000, [500, 1_000]),
        view(6, 600_000, [0, 900]),
        view(7, 900_000, [800, 0]),
    ];
    let ids: Vec<DeviceId> = devices().iter().map(|device| device.id).collect();
    let pairs = [(Some(&epochs[0]), &epochs[2]), (Some(&epochs[1]), &epochs[3])];
    let all = waterfall(SECTOR, &ids, &pairs);
    assert_eq!(sum(&all), difference(&all));
    let parts: Vec<Waterfall> = ids.iter().map(|id| waterfall(SECTOR, &[*id], &pairs)).collect();
    for (index, cause) in all.causes.iter().enumerate() {
        let each: i64 = parts.iter().map(|part| part.causes[index].micro_usd).sum();
        assert_eq!(cause.micro_usd, each, "{}", cause.name);
        let sizes: Vec<u64> = cause.grounds.iter().map(|g| g.micro_usd.unsigned_abs()).collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.len() <= GROUNDS_MAX);
    }
    let budget = all.causes.iter().find(|cause| cause.name == "budget").expect("a cause");
    assert!(budget.micro_usd < 0 && budget.grounds[0].file == "inputs.json");
}

#[test]
fn the_first_epoch_is_compared_with_nothing() {
    let first = view(0, 900_000, [1_000, 1_000]);
    let waterfall = waterfall(SECTOR, &[devices()[0].id], &[(None, &first)]);
    assert_eq!(waterfall.before, MicroUsd::ZERO);
    assert_eq!(sum(&waterfall), difference(&waterfall));
    assert!(waterfall.after() > MicroUsd::ZERO);
}

#[test]
fn files_that_tell_of_nothing_are_refused() {
    let files = [(); 4].map(|()| Bytes::from_static(b"{}"));
    let wrong = EpochView::read(&files).expect_err("no epoch");
    assert!(wrong.to_string().starts_with("inputs.json"), "{wrong}");
}
