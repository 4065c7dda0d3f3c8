//! The life of a device, and every way to be refused on it.

use alloy_primitives::{Address, FixedBytes, U256};
use cairn_primitives::{
    Anchor, Batch, Cell, DeviceId, Envelope, Epoch, Position, Rows, SecretKey, Seq, Signature,
    Stones, Stream, TimeMs, WEATHER,
    abi::{ECONOMY, IEconomy, IKernel, IRegistry, REGISTRY},
    registration_call,
};

use super::{Status, equivocation::NotProof};
use crate::fixture::{ALICE, BOB, CAROL, Chain, stones};

const PLACE: Position = Position { lat_e7: 406_895_000, lon_e7: -741_745_000, elevation_dm: 20 };

fn key(seed: u8) -> SecretKey {
    SecretKey::ed25519([seed; 32])
}

fn registration(owner: Address, key: &SecretKey, position: Position) -> IRegistry::registerCall {
    registration_call(7_777, owner, 1, key, position).expect("signs")
}

fn register(chain: &mut Chain, owner: Address, key: &SecretKey) -> FixedBytes<16> {
    let sent = chain.send(owner, REGISTRY, stones(100), &registration(owner, key, PLACE));
    assert!(sent.success);
    sent.events::<IRegistry::DeviceRegistered>()[0].id
}

fn get(chain: &Chain, id: FixedBytes<16>) -> IRegistry::Device {
    chain.call(CAROL, REGISTRY, &IRegistry::getCall { id })
}

#[test]
fn registered_devices_of_both_key_types() {
    let mut chain = Chain::new();
    chain.go_to(5, 0);
    let pkcs8 = aws_p256();
    let (ed, p256) = (key(1), SecretKey::p256_pkcs8(&pkcs8).expect("a key"));
    for (index, (owner, key)) in [(ALICE, &ed), (BOB, &p256)].into_iter().enumerate() {
        let id = register(&mut chain, owner, key);
        assert_eq!(id.0, DeviceId::of(&key.public()).0);
        let device = get(&chain, id);
        assert_eq!((device.owner, device.index, device.sector), (owner, index as u64, 1));
        assert_eq!(
            (device.status, device.registeredEpoch, device.endEpoch),
            (Status::Active as u8, 5, 0)
        );
        assert_eq!(device.publicKey.as_ref(), key.public().as_bytes());
        assert_eq!(device.cell, Cell::at(PLACE).unwrap().0);
        assert_eq!(
            (device.latE7, device.lonE7, device.elevationDm),
            (PLACE.lat_e7, PLACE.lon_e7, PLACE.elevation_dm)
        );
        assert_eq!((device.assurance, device.bond), (3, U256::from(stones(100).0)));
    }
    let page = |from, limit| chain.call(CAROL, REGISTRY, &IRegistry::pageCall { from, limit });
    assert_eq!(chain.call(CAROL, REGISTRY, &IRegistry::countCall {}), 2);
    assert_eq!(page(0, 10).iter().map(|d| d.owner).collect::<Vec<_>>(), [ALICE, BOB]);
    assert_eq!(page(1, 10).iter().map(|d| d.owner).collect::<Vec<_>>(), [BOB]);
    assert!(page(2, 10).is_empty() && page(u64::MAX, u64::MAX).is_empty() && page(0, 0).is_empty());
    assert_eq!(chain.balance(REGISTRY), stones(200));
}

fn aws_p256() -> Vec<u8> {
    // A fixed key: tests draw no randomness.
    let hex = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420c9afa9d845ba75166b5c215767b1d6\
               934e50c3db36e89b127b8a622b120f6721a1440342000460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29f\
               b67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    alloy_primitives::hex::decode(hex).expect("hex")
}

#[test]
fn refused_registrations() {
    let chain = Chain::new();
    let good = registration(ALICE, &key(1), PLACE);
    let bond = stones(100);

    let error: IRegistry::BondTooLow = chain.revert(ALICE, REGISTRY, Stones(bond.0 - 1), &good);
    assert_eq!(error.required, U256::from(bond.0));

    let with = |change: fn(&mut IRegistry::registerCall)| {
        let mut call = good.clone();
        change(&mut call);
        call
    };
    let error: IRegistry::UnknownSector =
        chain.revert(ALICE, REGISTRY, bond, &with(|c| c.r.sector = 9));
    assert_eq!(error.sector, 9);
    for bad in [
        with(|c| c.r.keyType = 3),
        with(|c| c.r.keyType = 2),
        with(|c| c.r.publicKey = vec![0; 32].into()),
        with(|c| c.r.publicKey = vec![7; 31].into()),
    ] {
        let _: IRegistry::BadKey = chain.revert(ALICE, REGISTRY, bond, &bad);
    }
    for (field, bad) in [
        ("latE7", with(|c| c.r.latE7 = 900_000_001)),
        ("lonE7", with(|c| c.r.lonE7 = -1_800_000_001)),
        ("elevationDm", with(|c| c.r.elevationDm = 90_001)),
        ("elevationDm", with(|c| c.r.elevationDm = -5_001)),
    ] {
        let error: IKernel::OutOfRange = chain.revert(ALICE, REGISTRY, bond, &bad);
        assert_eq!(error.field, field);
    }
    for bad in [
        with(|c| c.proof = Vec::new().into()),
        with(|c| c.proof = vec![1; 64].into()),
        with(|c| c.r.elevationDm += 1),
        with(|c| c.r.latE7 += 1),
    ] {
        let _: IRegistry::BadProofOfPossession = chain.revert(ALICE, REGISTRY, bond, &bad);
    }
    // Whoever sees the proof cannot register the device as theirs.
    let _: IRegistry::BadProofOfPossession = chain.revert(BOB, REGISTRY, bond, &good);

    let mut chain = chain;
    register(&mut chain, ALICE, &key(1));
    let _: IRegistry::DeviceExists = chain.revert(ALICE, REGISTRY, bond, &good);
    let unknown = FixedBytes([1; 16]);
    let _: IRegistry::UnknownDevice =
        chain.revert(ALICE, REGISTRY, Stones::ZERO, &IRegistry::getCall { id: unknown });
}

#[test]
fn leaving_and_the_bond() {
    let mut chain = Chain::new();
    let id = register(&mut chain, ALICE, &key(1));
    chain.go_to(3, 0);
    let (leave, withdraw) = (IRegistry::leaveCall { id }, IRegistry::withdrawBondCall { id });
    let _: IRegistry::NotOwner = chain.revert(BOB, REGISTRY, Stones::ZERO, &leave);
    let _: IRegistry::BondLocked = chain.revert(ALICE, REGISTRY, Stones::ZERO, &withdraw);

    assert!(chain.send(ALICE, REGISTRY, Stones::ZERO, &leave).success);
    let device = get(&chain, id);
    assert_eq!((device.status, device.endEpoch), (Status::Left as u8, 4));
    let error: IRegistry::NotActive = chain.revert(ALICE, REGISTRY, Stones::ZERO, &leave);
    assert_eq!(error.status, Status::Left as u8);

    // The last epoch that counts is 3: its dispute window is over when epoch 6 begins.
    for epoch in [4, 5] {
        chain.go_to(epoch, 0);
        let error: IRegistry::BondLocked = chain.revert(ALICE, REGISTRY, Stones::ZERO, &withdraw);
        assert_eq!(error.untilEpoch, 6);
    }
    chain.go_to(6, 0);
    let _: IRegistry::NotOwner = chain.revert(BOB, REGISTRY, Stones::ZERO, &withdraw);
    let sent = chain.send(ALICE, REGISTRY, Stones::ZERO, &withdraw);
    assert_eq!(sent.events::<IRegistry::DeviceLeft>()[0].bondReturned, U256::from(stones(100).0));
    assert_eq!(chain.balance(REGISTRY), Stones::ZERO);
    let _: IKernel::OutOfRange = chain.revert(ALICE, REGISTRY, Stones::ZERO, &withdraw);
}

fn batch(device: DeviceId, stream: u16, first_seq: u64, rows: u32, value: i32) -> Batch {
    let width = WEATHER.fields.len();
    Batch {
        device,
        stream: Stream(stream),
        first_seq: Seq(first_seq),
        base_time: TimeMs(1_356_998_400_000),
        anchor: Anchor { epoch: Epoch(0), root_prefix: [7; 8] },
        position: None,
        schema: WEATHER.id,
        rows: Rows {
            offsets_ms: (0..rows).collect(),
            values: vec![Some(value); rows as usize * width],
        },
    }
}

/// A device of Alice that signed two batches with one sequence number in common, and the proof.
pub fn registered_equivocator(
    chain: &mut Chain,
) -> (FixedBytes<16>, IRegistry::proveEquivocationCall) {
    let id = register(chain, ALICE, &key(1));
    let device = DeviceId(id.0);
    let sign = |batch| Envelope::sign(batch, &key(1)).expect("signs").bytes().to_vec();
    let proof = IRegistry::proveEquivocationCall {
        envelopeA: sign(batch(device, 0, 10, 4, 1)).into(),
        envelopeB: sign(batch(device, 0, 13, 4, 2)).into(),
    };
    (id, proof)
}

#[test]
fn equivocation_is_slashed_once() {
    let mut chain = Chain::new();
    let (id, proof) = registered_equivocator(&mut chain);
    let before = chain.balance(CAROL);
    let sent = chain.send(CAROL, REGISTRY, Stones::ZERO, &proof);
    let event = &sent.events::<IRegistry::DeviceSlashed>()[0];
    assert_eq!((event.challenger, event.reason), (CAROL, 21));
    assert_eq!(
        (event.burned, event.toChallenger),
        (U256::from(stones(70).0), U256::from(stones(30).0))
    );
    assert_eq!(sent.events::<IEconomy::Burned>()[0].stones, event.burned);
    assert!(
        sent.logs.iter().any(|log| log.address == ECONOMY),
        "the event names the contract that burned"
    );
    assert!(chain.balance(CAROL).0 > before.0 + stones(29).0);
    let slashed = get(&chain, id);
    assert_eq!(
        (slashed.status, slashed.endEpoch, slashed.bond),
        (Status::Slashed as u8, 1, U256::ZERO)
    );

    let error: IRegistry::NotActive = chain.revert(CAROL, REGISTRY, Stones::ZERO, &proof);
    assert_eq!(error.status, Status::Slashed as u8);
    let _: IRegistry::NotActive =
        chain.revert(ALICE, REGISTRY, Stones::ZERO, &IRegistry::leaveCall { id });
    let _: IRegistry::NotActive =
        chain.revert(ALICE, REGISTRY, Stones::ZERO, &IRegistry::withdrawBondCall { id });
}

#[test]
fn what_proves_no_equivocation() {
    let mut chain = Chain::new();
    let device = DeviceId(register(&mut chain, ALICE, &key(1)).0);
    let other = DeviceId(register(&mut chain, ALICE, &key(2)).0);
    let sign = |batch, seed| Envelope::sign(batch, &key(seed)).expect("signs").bytes().to_vec();
    let a = sign(batch(device, 0, 10, 4, 1), 1);
    let forged = {
        let honest = Envelope::decode(&a).unwrap();
        Envelope::assemble(batch(device, 0, 10, 4, 2), honest.key_type(), Signature([3; 64]))
            .bytes()
            .to_vec()
    };
    let cases = [
        (NotProof::MalformedA, vec![1, 2], a.clone()),
        (NotProof::MalformedB, a.clone(), Vec::new()),
        (NotProof::DifferentDevices, a.clone(), sign(batch(other, 0, 10, 4, 2), 2)),
        (NotProof::DifferentStreams, a.clone(), sign(batch(device, 1, 10, 4, 2), 1)),
        (NotProof::NoCommonSequence, a.clone(), sign(batch(device, 0, 14, 4, 2), 1)),
        (NotProof::SameBatch, a.clone(), a.clone()),
        (NotProof::BadSignatureA, forged.clone(), a.clone()),
        (NotProof::BadSignatureB, a.clone(), forged),
        (NotProof::BadSignatureB, a.clone(), sign(batch(device, 0, 10, 4, 2), 2)),
    ];
    for (why, a, b) in cases {
        let call = IRegistry::proveEquivocationCall { envelopeA: a.into(), envelopeB: b.into() };
        let error: IRegistry::NotEquivocation = chain.revert(CAROL, REGISTRY, Stones::ZERO, &call);
        assert_eq!(error.code, why as u16, "{why:?}");
    }
    let stranger = DeviceId::of(&key(9).public());
    let call = IRegistry::proveEquivocationCall {
        envelopeA: sign(batch(stranger, 0, 1, 1, 1), 9).into(),
        envelopeB: sign(batch(stranger, 0, 1, 1, 2), 9).into(),
    };
    let _: IRegistry::UnknownDevice = chain.revert(CAROL, REGISTRY, Stones::ZERO, &call);
}

/// A device that left keeps its bond at stake until it is withdrawn; its end stays the earlier one.
#[test]
fn slashed_after_leaving() {
    let mut chain = Chain::new();
    let id = register(&mut chain, ALICE, &key(1));
    chain.go_to(2, 0);
    chain.send(ALICE, REGISTRY, Stones::ZERO, &IRegistry::leaveCall { id });
    chain.go_to(4, 0);
    let sign = |value| {
        Envelope::sign(batch(DeviceId(id.0), 0, 1, 1, value), &key(1))
            .expect("signs")
            .bytes()
            .to_vec()
    };
    let call =
        IRegistry::proveEquivocationCall { envelopeA: sign(1).into(), envelopeB: sign(2).into() };
    assert!(chain.send(CAROL, REGISTRY, Stones::ZERO, &call).success);
    let device = get(&chain, id);
    assert_eq!(
        (device.status, device.endEpoch, device.bond),
        (Status::Slashed as u8, 3, U256::ZERO)
    );
}

/// A fleet of `ALICE`'s with these seeds, in one call.
fn fleet(seeds: std::ops::Range<u8>) -> IRegistry::registerManyCall {
    let mut call = IRegistry::registerManyCall {
        sector: 1,
        keyType: 1,
        publicKeys: Default::default(),
        latE7: Vec::new(),
        lonE7: Vec::new(),
        elevationDm: Vec::new(),
        proofs: Default::default(),
    };
    let (mut keys, mut proofs) = (Vec::new(), Vec::new());
    for seed in seeds {
        let place = Position { elevation_dm: i32::from(seed), ..PLACE };
        let one = registration(ALICE, &key(seed), place);
        keys.extend_from_slice(&one.r.publicKey);
        proofs.extend_from_slice(&one.proof);
        call.latE7.push(one.r.latE7);
        call.lonE7.push(one.r.lonE7);
        call.elevationDm.push(one.r.elevationDm);
    }
    (call.publicKeys, call.proofs) = (keys.into(), proofs.into());
    call
}

#[test]
fn a_fleet_is_registered_in_one_call_or_not_at_all() {
    let mut chain = Chain::new();
    let sent = chain.send(ALICE, REGISTRY, stones(5 * 101), &fleet(1..6));
    assert!(sent.success);
    let events = sent.events::<IRegistry::DeviceRegistered>();
    assert_eq!(events.len(), 5);
    for (seed, event) in (1..6).zip(&events) {
        assert_eq!(event.id.0, DeviceId::of(&key(seed).public()).0);
        let device = get(&chain, event.id);
        assert_eq!((device.owner, device.elevationDm), (ALICE, i32::from(seed)));
        assert_eq!(device.bond, U256::from(stones(101).0));
    }
    // The last is there already: none of the others is registered.
    assert!(!chain.send(ALICE, REGISTRY, stones(600), &fleet(5..11)).success);
    assert_eq!(chain.call(CAROL, REGISTRY, &IRegistry::countCall {}), 5);

    let refused = |stones, change: fn(&mut IRegistry::registerManyCall)| -> String {
        let mut call = fleet(20..22);
        change(&mut call);
        let error: IKernel::OutOfRange = chain.revert(ALICE, REGISTRY, stones, &call);
        error.field
    };
    let two = stones(200);
    assert_eq!(refused(two, |q| q.latE7.clear()), "latE7");
    assert_eq!(refused(two, |q| q.latE7 = vec![0; 129]), "latE7");
    assert_eq!(refused(two, |q| q.lonE7.push(0)), "lonE7");
    assert_eq!(refused(two, |q| q.elevationDm.push(0)), "elevationDm");
    assert_eq!(refused(two, |q| q.publicKeys = vec![0; 65].into()), "publicKeys");
    assert_eq!(refused(two, |q| q.proofs = vec![0; 127].into()), "proofs");
    assert_eq!(refused(Stones(two.0 + 1), |_| ()), "value");
    let mut other = fleet(20..22);
    other.keyType = 7;
    let _: IRegistry::BadKey = chain.revert(ALICE, REGISTRY, two, &other);
    let _: IRegistry::BondTooLow = chain.revert(ALICE, REGISTRY, stones(198), &fleet(20..22));
    let swapped = {
        let mut call = fleet(20..22);
        call.elevationDm.swap(0, 1);
        call
    };
    let _: IRegistry::BadProofOfPossession = chain.revert(ALICE, REGISTRY, two, &swapped);
}
