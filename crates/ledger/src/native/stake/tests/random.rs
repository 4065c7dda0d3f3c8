//! Random lives of candidates and delegators against a plain reference, which keeps every delegator's stones by themselves.
//!
//! The contract keeps shares of pools and the reference visits everybody, so that they agree but for rounding; what all of
//! them have together must be the contract's balance to the last base unit.

use std::collections::BTreeMap;

use cairn_primitives::{
    STONE,
    abi::{IStake, STAKE},
};
use proptest::prelude::*;

use super::*;

/// Base units that rounding may move in a history of this length.
const ROUNDING: u128 = 1_000;
const CANDIDATES: usize = 8;

/// Candidates 0 to 3 are the validators of genesis, 4 to 7 people.
fn operator(n: usize) -> Address {
    if n < 4 { VALIDATORS[n] } else { person(u8::try_from(n - 3).expect("few")) }
}

/// Delegators are people without a seat.
fn delegator(n: usize) -> Address {
    person(u8::try_from(5 + n % 4).expect("few"))
}

#[derive(Clone, Debug)]
enum Act {
    Stand(usize, u64),
    Delegate(usize, usize, u64),
    /// Parts of 100 of a delegation.
    Undelegate(usize, usize, u128),
    Leave(usize),
    Equivocate(usize),
    Appeal,
    Term,
    Days,
}

fn acts() -> impl Strategy<Value = Act> {
    let (n, d) = (0..CANDIDATES, 0_usize..4);
    prop_oneof![
        2 => (4..CANDIDATES, 0_u64..3).prop_map(|(n, more)| Act::Stand(n, more)),
        4 => (d.clone(), n.clone(), 1_u64..50).prop_map(|(d, n, whole)| Act::Delegate(d, n, whole)),
        3 => (d, n.clone(), 1_u128..=100).prop_map(|(d, n, part)| Act::Undelegate(d, n, part)),
        1 => n.prop_map(Act::Leave),
        1 => (0_usize..4).prop_map(Act::Equivocate),
        1 => Just(Act::Appeal),
        3 => Just(Act::Term),
        1 => Just(Act::Days),
    ]
}

#[derive(Default)]
struct Known {
    active: bool,
    banned: bool,
    since: u64,
    bond: u128,
    delegated: BTreeMap<Address, u128>,
    unbonding: Vec<(Address, u128, u64)>,
}

impl Known {
    fn total(&self) -> u128 {
        self.bond + self.delegated.values().sum::<u128>()
    }

    fn each(&mut self, f: impl Fn(&mut u128)) {
        f(&mut self.bond);
        self.delegated.values_mut().for_each(&f);
        self.unbonding.iter_mut().for_each(|(_, stones, _)| f(stones));
    }
}

struct Reference {
    known: Vec<Known>,
    /// Who sits in the last term that is fixed.
    sitting: Vec<Address>,
    /// Slashes so far: rounding may have moved something, and each has its own view.
    slashes: u8,
    slash: Option<(u64, usize)>,
    /// What it took from each who delegated, and from each that unbonds.
    lost: (BTreeMap<Address, u128>, Vec<u128>),
}

impl Reference {
    fn new() -> Self {
        let founder = |n| Known {
            active: n < 4,
            bond: if n < 4 { u128::from(BOND) * STONE } else { 0 },
            ..Known::default()
        };
        let known = (0..CANDIDATES).map(founder).collect();
        let sitting = sorted(VALIDATORS);
        Self { known, sitting, slashes: 0, slash: None, lost: Default::default() }
    }

    /// False when a difference of mere rounding decides.
    fn elect(&mut self) -> bool {
        let least = u128::from(BOND) * STONE / 10 * 9;
        let mut ranked: Vec<_> = (0..CANDIDATES)
            .filter(|n| {
                self.known[*n].active && !self.known[*n].banned && self.known[*n].bond >= least
            })
            .map(|n| {
                let known = &self.known[n];
                (std::cmp::Reverse(known.total()), known.since, operator(n))
            })
            .collect();
        ranked.sort_unstable();
        let clear = ranked.windows(2).all(|pair| {
            let gap = pair[0].0.0 - pair[1].0.0;
            gap == 0 && self.slashes == 0 || gap > ROUNDING
        });
        if ranked.len() >= 4 {
            let mut sitting: Vec<_> = ranked.iter().take(5).map(|rank| rank.2).collect();
            sitting.sort_unstable();
            self.sitting = sitting;
        }
        clear
    }
}

fn perform(chain: &mut Chain, reference: &mut Reference, act: &Act) {
    match *act {
        Act::Stand(n, more)
            if reference.known[n].bond == 0
                && !reference.known[n].banned
                && reference.known[n].since == 0 =>
        {
            stand(chain, u8::try_from(n - 3).expect("few"), BOND + more);
            let known = &mut reference.known[n];
            (known.active, known.since) = (true, height(chain));
            known.bond = u128::from(BOND + more) * STONE;
        }
        Act::Delegate(d, n, whole) if reference.known[n].active && !reference.known[n].banned => {
            delegate(chain, delegator(d), operator(n), whole);
            *reference.known[n].delegated.entry(delegator(d)).or_default() +=
                u128::from(whole) * STONE;
        }
        Act::Undelegate(d, n, part) if reference.known[n].delegated.contains_key(&delegator(d)) => {
            let (owner, operator) = (delegator(d), operator(n));
            let held = worth(chain, operator, owner);
            let asked = held * part / 100;
            if asked == 0 || (asked < held && held - asked < 2 * STONE) {
                return;
            }
            let sent = undelegate(chain, owner, operator, Stones(asked));
            let event = &sent.events::<IStake::Undelegated>()[0];
            assert!(event.stones.to::<u128>().abs_diff(asked) <= 2);
            let known = &mut reference.known[n];
            let left = known.delegated.get_mut(&owner).expect("known");
            let taken = if asked == held { *left } else { asked };
            *left = left.saturating_sub(taken);
            known.unbonding.push((owner, taken, event.readyMs));
            if asked == held {
                known.delegated.remove(&owner);
            }
        }
        Act::Leave(n) if reference.known[n].active => {
            send(chain, operator(n), &IStake::leaveCall {});
            reference.known[n].active = false;
        }
        Act::Equivocate(n) if !reference.known[n].banned && reference.slash.is_none() => {
            let signer = 101 + u8::try_from(n).expect("few");
            reference.slashes += 1;
            let view = reference.slashes;
            let votes = [1, 2].map(|block| vote(signer, 7, 2, (0, view), block));
            let sent = send(chain, operator(n), &evidence(signer, &votes[0], &votes[1]));
            let id = sent.events::<IStake::SlashPending>()[0].id;
            reference.slash = Some((id, n));
            let known = &reference.known[n];
            let delegated = known.delegated.iter().map(|(owner, stones)| (*owner, stones / 10));
            let unbonding = known.unbonding.iter().map(|(_, stones, _)| stones / 10);
            reference.lost = (delegated.collect(), unbonding.collect());
            reference.known[n].banned = true;
            reference.known[n].each(|stones| *stones -= *stones / 10);
        }
        Act::Term => {
            let next = chain.ledger.genesis().term_of(height(chain)) + 1;
            let clear = reference.elect();
            to_term(chain, next);
            let fixed = seats(chain, next + 1).expect("fixed");
            if clear {
                assert_eq!(fixed, reference.sitting, "term {}", next + 1);
            }
            reference.sitting = fixed;
        }
        Act::Days => days(chain, reference),
        Act::Appeal => appeal(chain, reference),
        // Not possible now.
        _ => {}
    }
}

/// Everybody who sits appeals, until the slash is annulled; then all reclaim what they lost. Nobody can withdraw while a slash is
/// pending (`Act::Days` executes it first), but delegators come and go.
fn appeal(chain: &mut Chain, reference: &mut Reference) {
    let Some((id, n)) = reference.slash else { return };
    let slash = chain.call(person(1), STAKE, &IStake::slashCall { id });
    let current = chain.ledger.genesis().term_of(height(chain));
    for seat in chain.ledger.seats_of_term(&chain.state, current).expect("state").expect("fixed") {
        let sent = send(chain, seat.operator, &IStake::appealCall { id });
        if !sent.events::<IStake::SlashAnnulled>().is_empty() {
            break;
        }
    }
    reference.slash = None;
    let (delegated, unbonding) = std::mem::take(&mut reference.lost);
    let known = &mut reference.known[n];
    known.banned = false;
    known.bond = candidate(chain, operator(n)).bond.to();
    for (owner, stones) in delegated {
        *known.delegated.entry(owner).or_default() += stones;
    }
    let ready = slash.appealUntilMs - DAY_MS + 10 * DAY_MS;
    let lost: Vec<_> = known.unbonding.iter().map(|entry| entry.0).zip(unbonding).collect();
    let mut apart = false;
    for owner in (0..4).map(delegator) {
        let waiting = chain.call(owner, STAKE, &IStake::reclaimableCall { id, owner });
        if waiting.delegated + waiting.unbonding > U256::ZERO {
            send(chain, person(1), &IStake::reclaimCall { id, owner });
        }
        if waiting.unbonding > U256::ZERO {
            // It waits by itself.
            let own = lost.iter().filter(|(who, _)| *who == owner).map(|(_, stones)| stones);
            known.unbonding.push((owner, own.sum(), ready));
            apart = true;
        }
    }
    if !apart {
        for ((_, stones, _), (_, lost)) in known.unbonding.iter_mut().zip(lost) {
            *stones += lost;
        }
    }
}

/// Eleven days: everything pending is executed, everything that unbonds is paid.
fn days(chain: &mut Chain, reference: &mut Reference) {
    wait(chain, 11 * DAY_MS);
    if let Some((id, _)) = reference.slash.take() {
        send(chain, person(1), &IStake::executeCall { id });
    }
    for owner in (0..4).map(delegator) {
        let mut due = 0;
        for known in &mut reference.known {
            let is_due =
                |(who, _, ready): &(Address, u128, u64)| *who == owner && *ready <= chain.now().0;
            let (paid, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut known.unbonding).into_iter().partition(is_due);
            known.unbonding = rest;
            due += paid.iter().map(|(_, stones, _)| stones).sum::<u128>();
        }
        if due > 0 {
            let sent = send(chain, owner, &IStake::withdrawCall {});
            let paid = sent.events::<IStake::Withdrawn>();
            let paid: u128 = paid.iter().map(|event| event.stones.to::<u128>()).sum();
            assert!(paid.abs_diff(due) <= ROUNDING, "{paid} paid, {due} due");
        }
    }
}

fn compare(chain: &Chain, reference: &Reference) {
    let mut owed = 0;
    for (n, known) in reference.known.iter().enumerate() {
        let operator = operator(n);
        if n >= 4 && known.since == 0 {
            continue;
        }
        let shown = candidate(chain, operator);
        assert!(shown.bond.to::<u128>().abs_diff(known.bond) <= ROUNDING);
        owed += (shown.bond + shown.income + shown.delegated + shown.unbonding).to::<u128>();
        for (owner, stones) in &known.delegated {
            let seen = worth(chain, operator, *owner);
            assert!(seen.abs_diff(*stones) <= ROUNDING, "{seen} seen, {stones} known");
        }
        let waiting: u128 = known.unbonding.iter().map(|(_, stones, _)| stones).sum();
        assert!(shown.unbonding.to::<u128>().abs_diff(waiting) <= ROUNDING);
    }
    if let Some((id, _)) = reference.slash {
        let slash = chain.call(person(1), STAKE, &IStake::slashCall { id });
        owed += (slash.bond + slash.delegated + slash.unbonding).to::<u128>();
    }
    assert_eq!(chain.balance(STAKE).0, owed, "no stone is stuck and none is missing");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn stake_is_what_everybody_put_in_less_what_was_slashed(
        history in prop::collection::vec(acts(), 1..40),
    ) {
        let mut genesis = genesis();
        genesis.stake.proposer_fee_ppm = 0;
        let (mut chain, mut reference) = (Chain::with(genesis), Reference::new());
        for act in &history {
            // A term that is nearly over would end in the middle of an act.
            if height(&chain) % TERM > TERM - 8 {
                perform(&mut chain, &mut reference, &Act::Term);
            }
            perform(&mut chain, &mut reference, act);
            compare(&chain, &reference);
        }
    }
}
