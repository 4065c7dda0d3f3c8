//! Offers, leases, receipts: what they move, and every refusal.

use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256, keccak256};
use alloy_sol_types::SolValue;
use cairn_primitives::{
    Stones,
    abi::{CREDITS, IKernel, IMarket, MARKET, REWARDS},
};
use k256::ecdsa::{Signature, SigningKey};

use super::{ENDPOINT_BYTES_MAX, LEASE_EPOCHS_MAX, SHARES_MAX, receipt_hash};
use crate::{
    fixture::{ALICE, CAROL},
    native::scenario::{S, World, offer, settlement, sign, worth},
};

const NONE: Stones = Stones::ZERO;

fn lease(world: &World) -> IMarket::Lease {
    world.chain.call(ALICE, MARKET, &IMarket::getLeaseCall { id: 1 })
}

#[test]
fn a_receipt_pays_exactly_its_devices_and_moves_the_vaults_share() {
    let mut world = World::with_lease(1_000_000);
    let vault = world.chain.balance(CREDITS);
    let sent = world.settle(1, 40, &[(0, 300_000), (1, 100_000)]);
    let settled = &sent.events::<IMarket::Settled>()[0];
    assert_eq!((settled.amount, settled.units, settled.total), (400_000, 40, 400_000));
    let paid: u64 = sent.events::<IMarket::DevicePaid>().iter().map(|event| event.microUsd).sum();
    assert_eq!(paid, 400_000);
    let released = world.chain.balance(REWARDS).0;
    assert_eq!(released, vault.0 - world.chain.balance(CREDITS).0);
    assert!(released >= worth(400_000), "never less than the price at which credits were minted");
    assert_eq!(world.credits(MARKET), 600_000);

    // A later receipt adds only what is new; losing the one between costs nothing.
    world.settle(1, 90, &[(0, 300_000), (1, 150_000), (2, 50_000)]);
    let page = IMarket::earnedCall { epoch: 0, sector: S, from: 0, limit: 256 };
    let mut earned: Vec<_> = world
        .chain
        .call(ALICE, MARKET, &page)
        .iter()
        .map(|line| (line.device, line.microUsd))
        .collect();
    earned.sort();
    let mut expected =
        vec![(world.devices[0], 300_000), (world.devices[1], 150_000), (world.devices[2], 50_000)];
    expected.sort();
    assert_eq!(earned, expected);
    let count = IMarket::earnedCountCall { epoch: 0, sector: S };
    assert_eq!(world.chain.call(ALICE, MARKET, &count), 3);
    let tail = IMarket::earnedCall { epoch: 0, sector: S, from: 2, limit: u64::MAX };
    assert_eq!(world.chain.call(ALICE, MARKET, &tail).len(), 1);
    let state = lease(&world);
    assert_eq!(
        (state.settled, state.units, state.escrow, state.state),
        (500_000, 90, 1_000_000, 1)
    );
}

#[test]
fn replayed_and_lowered_receipts_gain_nothing() {
    let mut world = World::with_lease(1_000_000);
    let first = world.settlement(1, 10, &[(0, 100)]);
    let second = world.settlement(1, 20, &[(0, 250)]);
    world.settle(1, 20, &[(0, 250)]);
    for stale in [&first, &second] {
        let error: IMarket::ReceiptNotHigher = world.chain.revert(ALICE, MARKET, NONE, stale);
        assert_eq!((error.settled, error.amount), (250, stale.receipt.amount));
    }
    let fewer_units = world.settlement(1, 19, &[(0, 300)]);
    let _: IMarket::ReceiptNotHigher = world.chain.revert(ALICE, MARKET, NONE, &fewer_units);
    let taken_back = world.settlement(1, 30, &[(0, 200), (1, 200)]);
    let _: IMarket::SharesMismatch = world.chain.revert(ALICE, MARKET, NONE, &taken_back);
    let left_out = world.settlement(1, 30, &[(1, 400)]);
    let _: IMarket::SharesMismatch = world.chain.revert(ALICE, MARKET, NONE, &left_out);
}

#[test]
fn shares_must_be_those_that_were_signed() {
    let world = World::with_lease(1_000_000);
    let good = world.settlement(1, 10, &[(0, 100), (1, 100)]);
    let refused = |call: &IMarket::settleCall| {
        let error: IMarket::SharesMismatch = world.chain.revert(ALICE, MARKET, NONE, call);
        assert_eq!(error.lease, 1);
    };
    refused(&IMarket::settleCall { shares: world.shares(&[(0, 50), (1, 150)]), ..good.clone() });
    refused(&IMarket::settleCall { shares: Vec::new(), ..good.clone() });
    let mut unsorted = world.shares(&[(0, 100), (1, 100)]);
    unsorted.reverse();
    refused(&settlement(&world.key, 1, 10, &unsorted));
    let twice = [world.shares(&[(0, 100)]), world.shares(&[(0, 100)])].concat();
    refused(&settlement(&world.key, 1, 10, &twice));
    // An amount that is not the sum of the shares, rightly signed.
    let mut short = settlement(&world.key, 1, 10, &world.shares(&[(0, 100)]));
    short.receipt.amount = 101;
    short.signature = sign(&world.key, &short.receipt).to_vec().into();
    refused(&short);

    let stranger = [IMarket::Share { device: FixedBytes([9; 16]), amount: 5 }];
    let unknown = settlement(&world.key, 1, 10, &stranger);
    let error: IMarket::UnknownDevice = world.chain.revert(ALICE, MARKET, NONE, &unknown);
    assert_eq!(error.device, FixedBytes([9; 16]));
    let crowd: Vec<_> = (0..=SHARES_MAX as u128)
        .map(|n| IMarket::Share { device: FixedBytes(n.to_be_bytes()), amount: 1 })
        .collect();
    let crowd = settlement(&world.key, 1, 10, &crowd);
    let error: IKernel::OutOfRange = world.chain.revert(ALICE, MARKET, NONE, &crowd);
    assert_eq!(error.field, "shares");
}

#[test]
fn only_the_consumers_one_signature_counts() {
    let world = World::with_lease(1_000_000);
    let good = world.settlement(1, 10, &[(0, 100)]);
    let refused = |signature: Vec<u8>, recovers: bool| {
        let call = IMarket::settleCall { signature: signature.into(), ..good.clone() };
        let error: IMarket::BadReceiptSignature = world.chain.revert(ALICE, MARKET, NONE, &call);
        assert_eq!((error.lease, error.expected), (1, world.consumer));
        assert_eq!(error.recovered != Address::ZERO, recovers);
    };
    let other = SigningKey::from_slice(&[8; 32]).expect("a key");
    refused(sign(&other, &good.receipt).to_vec(), true);
    refused(Vec::new(), false);
    refused(good.signature[..64].to_vec(), false);
    refused([good.signature.to_vec(), vec![0]].concat(), false);
    let with_v = |v: u8| [&good.signature[..64], &[v]].concat();
    for v in [0, 1, 26, 29, 35] {
        refused(with_v(v), false);
    }
    refused(with_v(if good.signature[64] == 27 { 28 } else { 27 }), true);
    // The same signature with its other s.
    let low = Signature::from_slice(&good.signature[..64]).expect("a signature");
    let (r, s) = low.split_scalars();
    let high = Signature::from_scalars(r, -s).expect("a signature");
    let v = if good.signature[64] == 27 { 28 } else { 27 };
    refused([&high.to_bytes()[..], &[v]].concat(), false);
    // A receipt of another network, and of another lease.
    let mut foreign = good.clone();
    foreign.receipt.units = 11;
    let _: IMarket::BadReceiptSignature = world.chain.revert(ALICE, MARKET, NONE, &foreign);
    assert_ne!(receipt_hash(7_777, &good.receipt), receipt_hash(7_778, &good.receipt));
}

/// The hash a wallet signs, computed here from EIP-712's own definition.
#[test]
fn the_receipt_hash_is_eip_712() {
    let receipt = IMarket::Receipt { lease: 3, units: 4, amount: 5, shares: B256::repeat_byte(6) };
    let word = |n: u64| B256::from(U256::from(n));
    let domain_type =
        b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
    let domain =
        (keccak256(domain_type), keccak256("Cairn"), keccak256("1"), U256::from(7_777), MARKET);
    let receipt_type = b"Receipt(uint64 lease,uint64 units,uint64 amount,bytes32 shares)";
    let body = (keccak256(receipt_type), word(3), word(4), word(5), receipt.shares);
    let digest = [
        &[0x19, 0x01][..],
        keccak256(domain.abi_encode()).as_slice(),
        keccak256(body.abi_encode()).as_slice(),
    ]
    .concat();
    assert_eq!(receipt_hash(7_777, &receipt), keccak256(digest));
}

#[test]
fn refusals_of_offers_and_leases() {
    let mut world = World::with_lease(1_000_000);
    let unknown_sector = IMarket::postOfferCall { sector: 9, ..offer() };
    let error: IKernel::OutOfRange = world.chain.revert(CAROL, MARKET, NONE, &unknown_sector);
    assert_eq!(error.field, "sector");
    let long = IMarket::postOfferCall { endpoint: "x".repeat(ENDPOINT_BYTES_MAX + 1), ..offer() };
    let error: IKernel::OutOfRange = world.chain.revert(CAROL, MARKET, NONE, &long);
    assert_eq!(error.field, "endpoint");
    for id in [0, 2] {
        let _: IMarket::UnknownOffer =
            world.chain.revert(ALICE, MARKET, NONE, &IMarket::getOfferCall { id });
        let _: IMarket::UnknownLease =
            world.chain.revert(ALICE, MARKET, NONE, &IMarket::getLeaseCall { id });
        let open = IMarket::openLeaseCall { offer: id, escrow: 1, expiryEpoch: 5 };
        let _: IMarket::UnknownOffer = world.chain.revert(world.consumer, MARKET, NONE, &open);
        let mut settle = world.settlement(id, 1, &[(0, 1)]);
        settle.signature = Bytes::new();
        let _: IMarket::UnknownLease = world.chain.revert(ALICE, MARKET, NONE, &settle);
    }
    let shown = world.chain.call(ALICE, MARKET, &IMarket::getOfferCall { id: 1 });
    assert_eq!(
        (shown.provider, shown.microUsdPerKiloUnit, shown.endpoint.as_str()),
        (CAROL, 1_000, "http://gateway.test")
    );

    let open = |escrow, expiry| IMarket::openLeaseCall { offer: 1, escrow, expiryEpoch: expiry };
    let error: IMarket::LeaseWithoutFunds = world.chain.revert(ALICE, MARKET, NONE, &open(1, 5));
    assert_eq!((error.consumer, error.credits, error.escrow), (ALICE, U256::ZERO, 1));
    let error: IMarket::LeaseWithoutFunds =
        world.chain.revert(world.consumer, MARKET, NONE, &open(1_000_001, 5));
    assert_eq!(error.credits, U256::from(1_000_000));
    world.chain.go_to(3, 0);
    for (escrow, expiry, field) in [
        (0, 5, "escrow"),
        (1, 2, "expiryEpoch"),
        (1, 4 + LEASE_EPOCHS_MAX, "expiryEpoch"),
        (1, u64::MAX, "expiryEpoch"),
    ] {
        let error: IKernel::OutOfRange =
            world.chain.revert(world.consumer, MARKET, NONE, &open(escrow, expiry));
        assert_eq!(error.field, field);
    }
    let exceeded = world.settlement(1, 1, &[(0, 1_000_001)]);
    let error: IMarket::EscrowExceeded = world.chain.revert(ALICE, MARKET, NONE, &exceeded);
    assert_eq!((error.escrow, error.amount), (1_000_000, 1_000_001));
    let top_up = IMarket::topUpCall { lease: 1, amount: 1 };
    let _: IMarket::NotParty = world.chain.revert(ALICE, MARKET, NONE, &top_up);
    assert!(world.chain.send(world.consumer, MARKET, NONE, &top_up).success);
    assert_eq!(lease(&world).escrow, 1_000_001);
    assert!(world.chain.send(CAROL, MARKET, NONE, &exceeded).success, "now it is covered");
}

#[test]
fn the_provider_closes_at_once_and_everyone_else_after_the_grace() {
    let mut world = World::with_lease(1_000_000);
    world.open(1_000_000, 5);
    let close = |lease| IMarket::closeCall { lease };
    let error: IMarket::NotExpired = world.chain.revert(world.consumer, MARKET, NONE, &close(2));
    assert_eq!(error.closableEpoch, 7);
    let _: IMarket::NotParty = world.chain.revert(ALICE, MARKET, NONE, &close(2));
    world.settle(1, 5, &[(2, 200_000)]);
    let sent = world.chain.send(CAROL, MARKET, NONE, &close(1));
    let closed = &sent.events::<IMarket::LeaseClosed>()[0];
    assert_eq!((closed.settled, closed.refund), (200_000, 800_000));
    assert_eq!(world.credits(world.consumer), 800_000);
    let error: IMarket::LeaseNotOpen = world.chain.revert(CAROL, MARKET, NONE, &close(1));
    assert_eq!(error.id, 1);
    let late = world.settlement(1, 9, &[(2, 300_000)]);
    let _: IMarket::LeaseNotOpen = world.chain.revert(ALICE, MARKET, NONE, &late);
    let _: IMarket::LeaseNotOpen = world.chain.revert(
        world.consumer,
        MARKET,
        NONE,
        &IMarket::topUpCall { lease: 1, amount: 1 },
    );
    world.chain.go_to(6, 0);
    assert!(world.settle(2, 1, &[(0, 10)]).success, "the grace epoch is for the last receipt");
    let _: IMarket::NotParty = world.chain.revert(ALICE, MARKET, NONE, &close(2));
    world.chain.go_to(7, 0);
    assert!(world.chain.send(ALICE, MARKET, NONE, &close(2)).success);
    assert_eq!(world.credits(MARKET), 0);
}
