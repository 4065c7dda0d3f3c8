//! The layout of docs/spec/governance.md, and each invariant of both contracts broken on purpose.

use alloy_primitives::keccak256;
use cairn_primitives::abi::{ITreasury, TREASURY};

use super::*;
use crate::check::Violation;

/// First slot of the elements of an array.
fn elements(slot: U256) -> U256 {
    keccak256(slot.to_be_bytes::<32>()).into()
}

/// Slot of a key in a mapping.
fn at(key: u64, slot: U256) -> U256 {
    let words = [U256::from(key).to_be_bytes::<32>(), slot.to_be_bytes::<32>()];
    keccak256(words.concat()).into()
}

fn word(fields: &[(u32, U256)]) -> U256 {
    let mut shift = 0_usize;
    let mut sum = U256::ZERO;
    for (bytes, value) in fields {
        sum |= *value << shift;
        shift += usize::try_from(*bytes).expect("few") * 8;
    }
    sum
}

/// A lock that voted, a parameter that moved, a stream that was paid, a proposal that is open.
fn busy() -> (Chain, u64) {
    let mut chain = chain();
    let lock = lock(&mut chain, ALICE, 500_000, 1_461);
    pass(&mut chain, lock, &taper(600_000));
    let terms = IGovernance::Terms {
        recipient: CAROL,
        insider: true,
        stones: U256::from(stones(12_000).0),
        startMs: 0,
        lengthMs: 60 * DAY_MS,
        milestones: 0,
    };
    pass(&mut chain, lock, &IGovernance::proposeStreamCall { simulation: RUN, terms });
    chain.wait(DAY_MS);
    assert!(chain.send(BOB, TREASURY, NONE, &ITreasury::claimCall { id: 0 }).success);
    let open = propose(&mut chain, ALICE, &taper(650_000));
    vote(&mut chain, ALICE, open, true, lock);
    (chain, open)
}

#[test]
fn slots_are_where_the_page_says() {
    let (chain, open) = busy();
    let slot = |contract, slot: U256| {
        chain.state.slots.get(&(contract, slot)).copied().unwrap_or_default()
    };
    let number = |n: u64| U256::from(n);
    let base = |whole: u64| U256::from(stones(whole).0);
    let address = |address: Address| U256::from_be_bytes(address.into_word().0);
    let start = chain.ledger.genesis().start_ms;
    assert_eq!(slot(GOVERNANCE, number(0)), base(500_000));
    assert_eq!(slot(GOVERNANCE, number(1)), base(100));
    assert_eq!(slot(GOVERNANCE, number(2)), address(GUARDIAN));
    assert_eq!(slot(GOVERNANCE, number(3)), number(1));
    assert_eq!(slot(GOVERNANCE, elements(number(3))), address(ALICE));
    let until = start + 1_461 * DAY_MS;
    let point = word(&[(8, number(start)), (8, number(until)), (16, base(500_000))]);
    assert_eq!(slot(GOVERNANCE, elements(at(0, number(4)))), point);
    let seen = proposal(&chain, open);
    let first = elements(number(6)) + number(6 * open);
    let words = [
        word(&[(20, address(ALICE)), (1, number(1))]),
        word(&[
            (8, number(seen.startMs)),
            (8, number(seen.votingEndMs)),
            (8, number(seen.readyMs)),
        ]),
        RUN.into(),
        word(&[(16, seen.yesWeight)]),
        word(&[(16, base(500_000))]),
        word(&[(16, seen.quorum), (16, base(100))]),
    ];
    for (i, expected) in words.into_iter().enumerate() {
        assert_eq!(slot(GOVERNANCE, first + U256::from(i)), expected, "word {i}");
    }
    let change = word(&[(1, number(6)), (8, number(650_000))]);
    assert_eq!(slot(GOVERNANCE, elements(at(open, number(7)))), change);
    assert_eq!(slot(GOVERNANCE, at(0, at(open, number(8)))), number(1));
    let version = elements(number(9));
    let ppm: Vec<_> = [50_000, 20_000, 10_000, 500_000, 900_000, 600_000, 3, 3]
        .map(|value| (4, number(value)))
        .to_vec();
    assert_eq!(slot(GOVERNANCE, version), word(&ppm));
    let day = word(&[(8, number(15)), (8, number(0)), (8, number(250_000))]);
    assert_eq!(slot(GOVERNANCE, version + number(1)), day);

    let stream = elements(number(2));
    let (paid, opened) = (base(200), proposal(&chain, 1).readyMs);
    assert_eq!(slot(TREASURY, number(0)), base(12_000) - paid);
    assert_eq!(slot(TREASURY, stream), word(&[(20, address(CAROL)), (1, number(1))]));
    let shape = word(&[(16, base(12_000)), (8, number(opened)), (8, number(60 * DAY_MS))]);
    assert_eq!(slot(TREASURY, stream + number(1)), shape);
    let rest = word(&[(16, paid), (8, number(1)), (1, number(1))]);
    assert_eq!(slot(TREASURY, stream + number(2)), rest);
    let payment = word(&[(8, number(opened + DAY_MS)), (16, paid)]);
    assert_eq!(slot(TREASURY, elements(number(3))), payment);
    assert_eq!(slot(TREASURY, number(4)), paid);
}

#[test]
fn what_is_broken_is_found() {
    let (chain, open) = busy();
    let one = U256::from(1);
    let votes = elements(U256::from(6)) + U256::from(6 * open + 3);
    let version = elements(U256::from(9));
    let theta = U256::from(600_000) << 160;
    for (contract, slot, flip, what) in [
        (GOVERNANCE, U256::ZERO, one, "stones are locked"),
        (GOVERNANCE, one, one, "stones are deposited"),
        (GOVERNANCE, votes, one, "the tally of proposal 2"),
        (GOVERNANCE, version, theta, "parameters of day 15 are out of bounds"),
        (GOVERNANCE, version + one, U256::from(15), "come after"),
        (TREASURY, U256::ZERO, one, "promised is"),
        (TREASURY, one, one, "a window's pace is"),
        (TREASURY, U256::from(4), one, "paid to insiders is"),
        (TREASURY, elements(U256::from(3)), one << 64, "paid is"),
        (TREASURY, elements(U256::from(2)) + U256::from(2), one << 100, "more than is unlocked"),
    ] {
        let mut state = chain.state.clone();
        *state.slots.entry((contract, slot)).or_default() ^= flip;
        let found = chain.ledger.check(&state, chain.now()).expect("state");
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(texts.iter().any(|text| text.contains(what)), "{what}: {texts:?}");
    }
    for contract in [GOVERNANCE, TREASURY] {
        let mut state = chain.state.clone();
        let account = state.accounts.get_mut(&contract).expect("there");
        let gone = std::mem::take(&mut account.balance);
        state.accounts.entry(BOB).or_default().balance += gone;
        let found = chain.ledger.check(&state, chain.now()).expect("state");
        let short = |one: &Violation| matches!(one, Violation::BalanceShort { account, .. } if *account == contract);
        assert!(found.iter().any(short), "{found:?}");
    }
}
