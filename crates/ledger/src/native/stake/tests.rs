//! Seats, stake, income and slashes, on a small network with short terms whose invariants are checked after every block.

mod appeals;
mod cost;
mod elections;
mod epochs;
mod income;
mod invariants;
mod random;
mod slashing;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    Digest, Genesis, GenesisAccount, SecretKey, StakeParams, Stones, TimeMs,
    abi::{IStake, STAKE},
    candidacy_message,
};

use crate::fixture::{self, Chain, Sent, VALIDATORS, stones};

/// Blocks of a term.
const TERM: u64 = 32;
/// A seat's bond, whole stones.
const BOND: u64 = 10_000;
/// Whole stones of each person.
const HELD: u64 = 100_000;
const DAY_MS: u64 = 86_400_000;
const NONE: Stones = Stones::ZERO;

/// Person `n`, from 1 to 8, who has stones and no seat. The later, the lower the address.
fn person(n: u8) -> Address {
    Address::repeat_byte(0x10 - n)
}

/// The key of person `n`; validators have 101 to 104.
fn key(n: u8) -> SecretKey {
    SecretKey::ed25519([n; 32])
}

fn public(n: u8) -> B256 {
    B256::from_slice(key(n).public().as_bytes())
}

/// A network of five seats, with people who could take them.
fn genesis() -> Genesis {
    let mut genesis = fixture::genesis();
    genesis.stake = StakeParams {
        term_blocks: TERM,
        seats_max: 5,
        unbonding_ms: 10 * DAY_MS,
        appeal_ms: DAY_MS,
        seal_window_ms: 0,
        ..StakeParams::default()
    };
    for (n, validator) in (101..).zip(&mut genesis.validators) {
        validator.consensus_key = public(n);
    }
    let people = (1..=8).map(person).chain(VALIDATORS);
    for address in people {
        let name = address.to_string();
        genesis.accounts.push(GenesisAccount { name, address, stones: HELD });
        genesis.economy.reserve_stones -= HELD;
    }
    genesis.check().expect("sound");
    genesis
}

fn chain() -> Chain {
    Chain::with(genesis())
}

fn height(chain: &Chain) -> u64 {
    chain.head.number
}

/// Adds empty blocks up to the first of a term.
fn to_term(chain: &mut Chain, term: u64) {
    assert!(height(chain) <= term * TERM, "term {term} has begun");
    while height(chain) < term * TERM {
        chain.block(Vec::new());
    }
}

/// Adds an empty block this much later.
fn wait(chain: &mut Chain, ms: u64) {
    chain.block_at(TimeMs(chain.now().0 + ms), Vec::new());
}

fn send<C: SolCall>(chain: &mut Chain, from: Address, call: &C) -> Sent {
    let sent = chain.send(from, STAKE, NONE, call);
    assert!(sent.success, "{}", C::SIGNATURE);
    sent
}

fn pay<C: SolCall>(chain: &mut Chain, from: Address, whole: u64, call: &C) -> Sent {
    let sent = chain.send(from, STAKE, stones(whole), call);
    assert!(sent.success, "{}", C::SIGNATURE);
    sent
}

fn proof(operator: Address, signer: u8, key: B256) -> Bytes {
    let message = candidacy_message(Digest([7; 32]), operator, &key.0);
    self::key(signer).sign(&message).expect("signs").0.to_vec().into()
}

fn standing(operator: Address, n: u8) -> IStake::candidateCall {
    let consensus_key = public(n);
    IStake::candidateCall {
        consensusKey: consensus_key,
        proofOfPossession: proof(operator, n, consensus_key),
    }
}

/// Person `n` stands with a bond of this many whole stones.
fn stand(chain: &mut Chain, n: u8, whole: u64) -> Sent {
    pay(chain, person(n), whole, &standing(person(n), n))
}

fn delegate(chain: &mut Chain, from: Address, operator: Address, whole: u64) -> Sent {
    pay(chain, from, whole, &IStake::delegateCall { operator })
}

fn undelegate(chain: &mut Chain, from: Address, operator: Address, amount: Stones) -> Sent {
    let stones = U256::from(amount.0);
    send(chain, from, &IStake::undelegateCall { operator, stones })
}

fn candidate(chain: &Chain, operator: Address) -> IStake::Candidate {
    chain.call(operator, STAKE, &IStake::candidateOfCall { operator })
}

fn worth(chain: &Chain, operator: Address, delegator: Address) -> u128 {
    chain.call(operator, STAKE, &IStake::delegationCall { operator, delegator }).stones.to()
}

/// Operators of a term, ascending; none while its set is not fixed.
fn seats(chain: &Chain, term: u64) -> Option<Vec<Address>> {
    let seats = chain.ledger.seats_of_term(&chain.state, term).expect("state")?;
    let mut operators: Vec<_> = seats.into_iter().map(|seat| seat.operator).collect();
    operators.sort_unstable();
    Some(operators)
}

fn sorted<const N: usize>(mut operators: [Address; N]) -> Vec<Address> {
    operators.sort_unstable();
    operators.to_vec()
}

/// A vote as evidence carries it: kind, term, view, block (parent and digest), by the key with this seed.
fn vote(signer: u8, network: u8, kind: u8, place: (u8, u8), block: u8) -> Vec<u8> {
    let suffix: &[u8] = [b"_NOTARIZE".as_slice(), b"_NULLIFY", b"_FINALIZE"][usize::from(kind)];
    let mut payload = vec![place.0, place.1];
    if kind != 1 {
        payload.push(1);
        payload.extend_from_slice(&[block; 32]);
    }
    let domain = [b"cairn/consensus/v1/".as_slice(), &[network; 32], suffix].concat();
    let length = u8::try_from(domain.len()).expect("short");
    let signed = [&[length], domain.as_slice(), &payload].concat();
    let signature = key(signer).sign(&signed).expect("signs").0;
    [&[kind], payload.as_slice(), &signature].concat()
}

fn evidence(signer: u8, a: &[u8], b: &[u8]) -> IStake::reportEquivocationCall {
    let evidence = [public(signer).as_slice(), a, b].concat().into();
    IStake::reportEquivocationCall { evidence }
}

/// Proof that the validator with this key finalized two blocks in view 9 of a term.
fn equivocation(signer: u8, term: u8) -> IStake::reportEquivocationCall {
    evidence(signer, &vote(signer, 7, 2, (term, 9), 1), &vote(signer, 7, 2, (term, 9), 2))
}
