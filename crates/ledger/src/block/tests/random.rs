//! Whatever people do, in whatever order, the ledger stays whole.

use alloy_primitives::{Address, Bytes, TxKind};
use cairn_primitives::{
    Position, SecretKey, Stones,
    abi::{
        BATCHES, CREDITS, ECONOMY, ICredits, IRegistry, MARKET, REGISTRY, REWARDS, STAKE, TREASURY,
    },
    registration_call,
};
use proptest::prelude::*;

use crate::fixture::{ALICE, BOB, CAROL, Chain, stones};

/// One random thing somebody does.
#[derive(Clone, Debug)]
enum Act {
    Transfer { from: usize, to: usize, stones: u64 },
    Mint { from: usize, stones: u64 },
    Register { from: usize, key: u8, bond: u64 },
    Leave { from: usize, key: u8 },
    Withdraw { from: usize, key: u8 },
    Garbage { from: usize, to: usize, input: Vec<u8>, stones: u64 },
    Create { from: usize, code: Vec<u8>, stones: u64 },
    Later { epochs: u64 },
}

const PEOPLE: [Address; 3] = [ALICE, BOB, CAROL];
const TARGETS: [Address; 9] =
    [CREDITS, REGISTRY, BATCHES, REWARDS, MARKET, STAKE, ECONOMY, TREASURY, ALICE];

fn act() -> impl Strategy<Value = Act> {
    let who = 0..3usize;
    prop_oneof![
        (who.clone(), 0..3usize, 0..2_000u64).prop_map(|(from, to, stones)| Act::Transfer {
            from,
            to,
            stones
        }),
        (who.clone(), 0..2_000u64).prop_map(|(from, stones)| Act::Mint { from, stones }),
        (who.clone(), 1..6u8, 90..120u64).prop_map(|(from, key, bond)| Act::Register {
            from,
            key,
            bond
        }),
        (who.clone(), 1..6u8).prop_map(|(from, key)| Act::Leave { from, key }),
        (who.clone(), 1..6u8).prop_map(|(from, key)| Act::Withdraw { from, key }),
        (who.clone(), 0..9usize, prop::collection::vec(any::<u8>(), 0..200), 0..5u64)
            .prop_map(|(from, to, input, stones)| Act::Garbage { from, to, input, stones }),
        (who, prop::collection::vec(any::<u8>(), 0..64), 0..5u64)
            .prop_map(|(from, code, stones)| Act::Create { from, code, stones }),
        (1..4u64).prop_map(|epochs| Act::Later { epochs }),
    ]
}

fn device(key: u8) -> alloy_primitives::FixedBytes<16> {
    cairn_primitives::DeviceId::of(&SecretKey::ed25519([key; 32]).public()).0.into()
}

fn perform(chain: &mut Chain, act: Act) {
    let fixed = |to: Address| TxKind::Call(to);
    match act {
        Act::Transfer { from, to, stones: n } => {
            chain.send_raw(PEOPLE[from], fixed(PEOPLE[to]), stones(n), Bytes::new());
        }
        Act::Mint { from, stones: n } => {
            chain.send(PEOPLE[from], CREDITS, stones(n), &ICredits::mintCall {});
        }
        Act::Register { from, key, bond } => {
            let secret = SecretKey::ed25519([key; 32]);
            let place = Position { lat_e7: 1, lon_e7: 2, elevation_dm: 3 };
            let call = registration_call(7_777, PEOPLE[from], 1, &secret, place).unwrap();
            chain.send(PEOPLE[from], REGISTRY, stones(bond), &call);
        }
        Act::Leave { from, key } => {
            chain.send(
                PEOPLE[from],
                REGISTRY,
                Stones::ZERO,
                &IRegistry::leaveCall { id: device(key) },
            );
        }
        Act::Withdraw { from, key } => {
            chain.send(
                PEOPLE[from],
                REGISTRY,
                Stones::ZERO,
                &IRegistry::withdrawBondCall { id: device(key) },
            );
        }
        Act::Garbage { from, to, input, stones: n } => {
            let to = TARGETS[to];
            chain.send_raw(PEOPLE[from], fixed(to), stones(n), input.into());
        }
        Act::Create { from, code, stones: n } => {
            chain.send_raw(PEOPLE[from], TxKind::Create, stones(n), code.into());
        }
        Act::Later { epochs } => {
            let now = chain.ledger.genesis().schedule().epoch_at(chain.now());
            chain.go_to(now.0 + epochs, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happens, every block comes out the same twice and no stone or credit appears or vanishes
    /// (`Chain::block` asserts both).
    #[test]
    fn nothing_appears_and_nothing_vanishes(acts in prop::collection::vec(act(), 1..30)) {
        let mut chain = Chain::new();
        for act in acts {
            perform(&mut chain, act);
        }
    }
}
