//! Calls and what devices and consumers sign for them.

use alloy_primitives::{Address, FixedBytes, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use cairn_ledger::native::market::receipt_hash;
use cairn_primitives::{
    Anchor, Batch, DeviceId, Envelope, Epoch, Position, Rows, Seq, Stream, TimeMs, WEATHER,
    abi::{IMarket, IRewards as R},
    registration_call,
};
use k256::ecdsa::SigningKey;

use super::{
    chain::CHAIN,
    network::{START_MS, device_key},
};

const PLACE: Position = Position { lat_e7: 406_895_000, lon_e7: -741_745_000, elevation_dm: 20 };

/// What the consumer signs: these totals of the devices that were paid at all.
pub fn settlement(
    key: &SigningKey,
    owners: &[(FixedBytes<16>, Address); 3],
    units: u64,
    totals: [u64; 3],
) -> IMarket::settleCall {
    let paid = totals.into_iter().zip(owners).filter(|(amount, _)| *amount > 0);
    let mut shares: Vec<_> =
        paid.map(|(amount, owner)| IMarket::Share { device: owner.0, amount }).collect();
    shares.sort_unstable_by_key(|share| share.device);
    let amount = totals.iter().sum();
    let receipt =
        IMarket::Receipt { lease: 1, units, amount, shares: keccak256(shares.abi_encode()) };
    let hash = receipt_hash(CHAIN, &receipt);
    let (signature, recovery) = key.sign_prehash_recoverable(hash.as_slice()).expect("signs");
    let mut bytes = signature.to_bytes().to_vec();
    bytes.push(27 + recovery.to_byte());
    IMarket::settleCall { receipt, shares, signature: bytes.into() }
}

/// All of these, as one call. flaw: as in `Act::ClaimMany`.
pub fn many(calls: &[R::claimCall], flaw: u8) -> R::claimManyCall {
    let length = |call: &R::claimCall| u8::try_from(call.proof.len()).expect("short");
    let mut many = R::claimManyCall {
        rewards: calls.iter().map(|call| call.reward.clone()).collect(),
        indices: calls.iter().map(|call| call.index).collect(),
        proofs: calls.iter().flat_map(|call| call.proof.clone()).collect(),
        lengths: calls.iter().map(length).collect(),
    };
    match flaw {
        1 => drop(many.indices.pop()),
        2 => many.lengths.push(0),
        3 => drop(many.proofs.pop()),
        _ => {}
    }
    many
}

pub fn registration(device: usize, owner: Address) -> Vec<u8> {
    let call = registration_call(CHAIN, owner, 1, &device_key(device), PLACE);
    call.expect("signs").abi_encode()
}

/// A batch of one reading of this value, always with the same sequence number.
pub fn envelope(device: usize, value: i32) -> Envelope {
    let key = device_key(device);
    let batch = Batch {
        device: DeviceId::of(&key.public()),
        stream: Stream(0),
        first_seq: Seq(1),
        base_time: TimeMs(START_MS),
        anchor: Anchor { epoch: Epoch(0), root_prefix: [7; 8] },
        position: None,
        schema: WEATHER.id,
        rows: Rows { offsets_ms: vec![0], values: vec![Some(value); WEATHER.fields.len()] },
    };
    Envelope::sign(batch, &key).expect("signs")
}
