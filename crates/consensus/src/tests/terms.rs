//! A validator set that changes: who joins, leaves, crashes or is cut off when one term ends and the next begins.
//!
//! Terms of twelve blocks, on the deterministic runtime. What every scenario must keep is `OneChain`'s.

use std::time::Duration;

use cairn_ledger::Seat;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::types::{Epoch as Term, Round, View};
use commonware_cryptography::{Signer as _, Verifier as _, ed25519};
use commonware_glue::simulate::{
    action::{Action, Crash, Schedule},
    engine::EngineDefinition as _,
};
use commonware_p2p::simulated::Link;
use commonware_utils::probability;

use super::{
    fixture::{keys, seat},
    simulated::{Network, link, run, run_all, run_with},
};

/// Blocks of a term.
const BLOCKS: u64 = 12;

/// Of `n` validators each sits out one term in `n`.
fn all_but_one(n: usize) -> impl Fn(u64) -> Vec<Seat> + Send + Sync + 'static {
    move |term| (0..n).filter(|i| *i as u64 != term % n as u64).map(seat).collect()
}

#[test]
fn every_term_has_its_own_validators_and_the_same_seed_the_same_trace() {
    let trace = || {
        let network = Network::rotating(6, 6, BLOCKS, all_but_one(6));
        run_with(&network, 11, link(), None, 6 * BLOCKS)
    };
    let (first, leaders) = trace();
    assert_eq!(leaders.len(), 6, "everyone leads in some term: {leaders:?}");
    assert_eq!(first, trace().0);
}

#[test]
fn a_crash_across_the_end_of_a_term_costs_nothing() {
    // The end of term 2 is block 35: the crash falls before, on and after it.
    for (seed, height) in [(0, 34), (1, 35), (2, 36)] {
        let network = Network::rotating(5, 5, BLOCKS, all_but_one(5));
        let crash = Crash::ProcessedHeight {
            participant: network.participants()[4].clone(),
            heights: height..=height + 2,
            downtime: Duration::from_secs(9),
        };
        run(&network, seed, link(), Some(crash), 6 * BLOCKS);
    }
}

#[test]
fn who_was_away_for_terms_comes_back_through_all_of_them() {
    let network = Network::rotating(5, 5, BLOCKS, all_but_one(5));
    let victim = network.participants()[0].clone();
    let schedule = Schedule::new()
        .at(Duration::from_secs(3), Action::Crash(victim.clone()))
        .at(Duration::from_secs(50), Action::Restart(victim));
    run(&network, 3, link(), Some(Crash::Schedule(schedule)), 7 * BLOCKS);
}

#[test]
fn a_partition_across_the_end_of_a_term_stops_the_chain_and_heals() {
    let network = Network::rotating(6, 6, BLOCKS, all_but_one(6));
    let nodes = network.participants();
    let cut = Link { success_rate: probability!(0.0), ..link() };
    // Three and three: no side has two thirds of any term. It begins in term 1 and ends when the chain would be in term 2.
    let mut schedule = Schedule::new();
    for (a, b) in (0..3).flat_map(|a| (3..6).map(move |b| (a, b))) {
        for (from, to) in [(a, b), (b, a)] {
            let (from, to) = (nodes[from].clone(), nodes[to].clone());
            let action = Action::UpdateLink { from, to, link: cut.clone() };
            schedule = schedule.at(Duration::from_secs(14), action);
        }
    }
    schedule = schedule.at(Duration::from_secs(40), Action::Heal(link()));
    run(&network, 4, link(), Some(Crash::Schedule(schedule)), 5 * BLOCKS);
}

#[test]
fn one_that_is_cut_off_when_its_term_ends_finds_the_next() {
    let network = Network::rotating(5, 5, BLOCKS, all_but_one(5));
    let nodes = network.participants();
    let cut = Link { success_rate: probability!(0.0), ..link() };
    let mut schedule = Schedule::new();
    for other in 0..4 {
        for (from, to) in [(4, other), (other, 4)] {
            let (from, to) = (nodes[from].clone(), nodes[to].clone());
            let action = Action::UpdateLink { from, to, link: cut.clone() };
            schedule = schedule.at(Duration::from_secs(5), action);
        }
    }
    schedule = schedule.at(Duration::from_secs(35), Action::Heal(link()));
    run(&network, 5, link(), Some(Crash::Schedule(schedule)), 6 * BLOCKS);
}

#[test]
fn a_newcomer_that_genesis_does_not_know_joins_late_and_leads() {
    // Four found the network; the sixth process begins in term 2 and has a seat from term 4 on, the fifth from term 3.
    let seats = |term| {
        let n = match term {
            2 => 4,
            3 => 5,
            _ => 6,
        };
        (0..n).map(seat).collect()
    };
    let network = Network::rotating(6, 4, BLOCKS, seats);
    let newcomer = network.participants()[5].clone();
    let crash = Crash::DelayRound {
        participants: vec![newcomer],
        round: Round::new(Term::new(2), View::new(3)),
    };
    let (_, leaders) = run_with(&network, 6, link(), Some(crash), 6 * BLOCKS);
    assert_eq!(leaders.len(), 6, "both newcomers lead: {leaders:?}");
}

/// As above, but the last process replays nothing: it begins with the state of a block in the middle of a term, and is killed later.
#[test]
fn a_newcomer_begins_with_a_state_and_leads() {
    let seats = |term| (0..if term < 4 { 4 } else { 5 }).map(seat).collect();
    for (view, seed) in [(3, 12), (9, 13)] {
        let mut network = Network::rotating(5, 4, BLOCKS, seats);
        network.empty = Some((4, 1));
        let newcomer = network.participants()[4].clone();
        let late = Crash::DelayRound {
            participants: vec![newcomer.clone()],
            round: Round::new(Term::new(2), View::new(view)),
        };
        let killed = Crash::ProcessedHeight {
            participant: newcomer,
            heights: 4 * BLOCKS + 3..=4 * BLOCKS + 5,
            downtime: Duration::from_secs(9),
        };
        let (_, leaders) = run_all(&network, seed, link(), [late, killed], 7 * BLOCKS);
        assert_eq!(leaders.len(), 5, "the newcomer leads: {leaders:?}");
        let taken = network.disks()[4].taken();
        assert!((2 * BLOCKS..3 * BLOCKS).contains(&taken), "the state of block {taken}");
        assert_eq!(network.starts.lock().unwrap()[&4], 2);
    }
}

#[test]
fn one_leaves_for_good_and_one_changes_its_key() {
    // From term 2 on the first is gone; from term 3 on the second's operator votes with another key, on another host.
    let renewed = Seat { operator: seat(1).operator, ..seat(5) };
    let seats = move |term| match term {
        2 => (1..5).map(seat).collect(),
        _ => (2..5).map(seat).chain([renewed]).collect(),
    };
    let network = Network::rotating(6, 5, BLOCKS, seats);
    let (_, leaders) = run_with(&network, 7, link(), None, 6 * BLOCKS);
    assert!(leaders[&renewed.operator] > BLOCKS / 2, "the new key leads: {leaders:?}");
    assert!(!leaders.contains_key(&seat(5).operator), "it earns for the old account: {leaders:?}");
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}

/// One vote of an evidence: what was signed, its term and its view.
fn message(bytes: &mut &[u8], nullify: bool) -> (Vec<u8>, u64, u64) {
    let whole = *bytes;
    let (term, view) = (varint(bytes), varint(bytes));
    if !nullify {
        varint(bytes);
        *bytes = &bytes[32..];
    }
    (whole[..whole.len() - bytes.len()].to_vec(), term, view)
}

#[test]
fn who_votes_twice_is_convicted_by_its_own_signatures() {
    let mut network = Network::rotating(5, 5, BLOCKS, all_but_one(5));
    network.two_faced = Some(3);
    run(&network, 8, link(), None, 3 * BLOCKS);
    let liar = keys(5)[3].public_key();
    let seen = network.evidence.lock().unwrap();
    assert_eq!(seen.len(), 4, "every honest validator looks");
    // Who has the certificate before the liar's votes sees none of them. One accuser is enough.
    let accusers = seen.values().filter(|evidence| !evidence.borrow().is_empty()).count();
    assert!(accusers >= 2, "only {accusers} of 4 have seen it");
    for evidence in seen.values() {
        let pairs = evidence.borrow().clone();
        let mut terms = Vec::new();
        for pair in pairs {
            // docs/spec/finality.md, read without this crate's code.
            let mut rest = &pair[..];
            let key = ed25519::PublicKey::decode(Copying(&rest[..32])).unwrap();
            assert_eq!(key, liar);
            rest = &rest[32..];
            let mut votes = Vec::new();
            for _ in 0..2 {
                let kind = rest[0];
                rest = &rest[1..];
                let suffix: &[u8] = match kind {
                    0 => b"_NOTARIZE",
                    1 => b"_NULLIFY",
                    2 => b"_FINALIZE",
                    other => panic!("a vote of kind {other}"),
                };
                let (message, term, view) = message(&mut rest, kind == 1);
                let signature = ed25519::Signature::decode(Copying(&rest[..64])).unwrap();
                rest = &rest[64..];
                let domain = [&network.domain(), suffix].concat();
                assert!(key.verify(&domain, &message, &signature), "both are signed");
                votes.push(((kind, message), term, view));
            }
            assert!(rest.is_empty());
            let [(first, term, view), (second, other_term, other_view)] = &votes[..] else {
                panic!("two votes");
            };
            assert_eq!((term, view), (other_term, other_view), "of one round");
            assert_ne!(first, second, "that exclude each other");
            terms.push(*term);
        }
        assert!(terms.is_sorted_by(|a, b| a < b), "one pair a term, the oldest first: {terms:?}");
    }
}
