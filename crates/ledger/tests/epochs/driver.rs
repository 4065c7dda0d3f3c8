//! Performs acts on a ledger in memory and on the reference, and compares them.

use std::collections::BTreeMap;

use alloy_consensus::{Signed, TxEip1559, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, FixedBytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    DeviceId, TimeMs,
    abi::{
        BATCHES, CREDITS, IBatches as B, ICredits, IMarket, IRegistry, IRewards as R, MARKET,
        REGISTRY, REWARDS,
    },
};
use k256::ecdsa::SigningKey;

use super::{
    acts::{Act, Edge},
    calls::{envelope, many, registration, settlement},
    chain::{CHAIN, Chain, Refusal, agree},
    money::{Claim, Pool, Proof},
    network::{
        DEVICE_BOND, ESCROW, INGESTS, MINTED, SEATS, STONE, STRANGER, TERM_BLOCKS, VALIDATORS,
        device_key, genesis, people,
    },
    plan::Plan,
    reference::{Reference, seal_of},
};

/// Acts between two looks at every invariant.
const CHECK_EVERY: u64 = 32;

/// A ledger, its reference, and the people.
pub struct Driver {
    pub(super) chain: Chain,
    people: [SigningKey; 3],
    /// Each person's device and account.
    pub(super) owners: [(FixedBytes<16>, Address); 3],
    pub(super) reference: Reference,
    /// Every result that was sealed or voted for, by its hash.
    plans: BTreeMap<B256, Plan>,
    /// By seat, epoch and round: the number of the result that was sealed last.
    sealed: BTreeMap<(usize, u64, u32), u8>,
    /// What the lease paid each device, and units.
    totals: [u64; 3],
    units: u64,
    pub(super) fees: [u128; 3],
    acts: u64,
}

/// A call: of a person, who pays for it, or of an ingest or a validator, which does not.
struct Call {
    from: Address,
    payer: Option<usize>,
    to: Address,
    input: Vec<u8>,
}

impl Driver {
    pub fn new() -> Self {
        let people = people();
        let owners = [0, 1, 2].map(|n| {
            let device = FixedBytes(DeviceId::of(&device_key(n).public()).0);
            (device, Address::from_private_key(&people[n]))
        });
        let chain = Chain::new(genesis(&people));
        let reference = Reference::new();
        let (plans, sealed, totals, fees) = (BTreeMap::new(), BTreeMap::new(), [0; 3], [0; 3]);
        let mut new = Self {
            chain,
            people,
            owners,
            reference,
            plans,
            sealed,
            totals,
            units: 0,
            fees,
            acts: 0,
        };
        new.settle_in();
        new.compare(&Act::Later { to: Edge::Minutes(0), nudge: 0 });
        new
    }

    /// A device for everybody, an offer of person 1, and a lease of person 0 with all the credits there are.
    fn settle_in(&mut self) {
        for n in 0..3 {
            let bond = u128::from(DEVICE_BOND) * STONE;
            self.pay_for(n, REGISTRY, bond, registration(n, self.owners[n].1));
        }
        self.pay_for(0, CREDITS, MINTED, ICredits::mintCall {}.abi_encode());
        let offer =
            IMarket::postOfferCall { sector: 1, microUsdPerKiloUnit: 1, endpoint: String::new() };
        self.pay_for(1, MARKET, 0, offer.abi_encode());
        let lease = IMarket::openLeaseCall { offer: 1, escrow: ESCROW, expiryEpoch: 8_000 };
        self.pay_for(0, MARKET, 0, lease.abi_encode());
    }

    fn pay_for(&mut self, person: usize, to: Address, stones: u128, input: Vec<u8>) {
        let from = self.owners[person].1;
        let transaction = self.chain.transaction(from, to, stones, input.into());
        let (success, fee) = self.chain.block(self.chain.now(), vec![transaction]);
        assert!(success, "a network that settles in");
        self.fees[person] += fee;
    }

    /// Performs one act; says whether it succeeded.
    ///
    /// # Panics
    /// When ledger and reference differ.
    pub fn perform(&mut self, act: &Act) -> bool {
        self.acts += 1;
        self.reference.term = (self.chain.head.number + 1) / TERM_BLOCKS;
        let succeeds = match act {
            Act::Later { to, nudge } => {
                self.later(*to, *nudge);
                true
            }
            _ => {
                let (call, answer) = self.expect(act);
                self.send(act, call, answer);
                answer.is_ok()
            }
        };
        self.compare(act);
        if self.acts.is_multiple_of(CHECK_EVERY) {
            self.chain.check();
        }
        succeeds
    }

    fn later(&mut self, to: Edge, nudge: i64) {
        let model = &mut self.reference;
        let next = model.next();
        let edge = match to {
            Edge::End => Reference::end(next),
            Edge::Committed => Reference::commit_close(next),
            Edge::Attested => model.attest_close(next),
            Edge::Open => model.opens(next),
            Edge::Over => Reference::end(model.current()),
            Edge::Minutes(minutes) => model.now + minutes * 60_000,
        };
        let then = model.now.max(edge.saturating_add_signed(nudge));
        if then == model.now {
            return;
        }
        model.now = then;
        self.chain.block(TimeMs(model.now), Vec::new());
    }

    pub(super) fn epoch(&self, shift: i64) -> u64 {
        if shift == i64::MAX {
            u64::MAX
        } else {
            self.reference.next().saturating_add_signed(shift)
        }
    }

    /// A result of an epoch: the pool of one that is neither final nor the next is unknown.
    fn plan(&mut self, epoch: u64, number: u8) -> Plan {
        let model = &self.reference;
        let done = usize::try_from(epoch).ok().and_then(|at| model.finals.get(at));
        let pool = match done {
            Some(done) => done.pool,
            None if epoch == model.next() => model.money.pool(epoch),
            None => Pool::default(),
        };
        let plan = Plan::new(epoch, &pool, number, &self.owners);
        self.plans.insert(plan.outcome().hash, plan.clone());
        plan
    }

    /// Asks the reference, which changes if the call must succeed.
    fn expect(&mut self, act: &Act) -> (Call, Result<(), Refusal>) {
        let free = |who: &[Address], by: usize, to, input| {
            let from = who.get(by).copied().unwrap_or(STRANGER);
            Call { from, payer: None, to, input }
        };
        let people = self.owners;
        let paid =
            |payer: usize, to, input| Call { from: people[payer].1, payer: Some(payer), to, input };
        match act {
            Act::Later { .. } => unreachable!("no call"),
            Act::Commit { by, epoch, sector } => {
                let (epoch, sector) = (self.epoch(*epoch), *sector);
                let root = B256::repeat_byte(3);
                let input = B::commitCall { epoch, sector, root, digest: root, count: 5, size: 6 };
                let answer = self.reference.commit(*by, epoch, sector);
                (free(&INGESTS, *by, BATCHES, input.abi_encode()), answer)
            }
            Act::Attest { by, epoch, sector, held } => {
                let (epoch, sector) = (self.epoch(*epoch), *sector);
                let held = held & (self.reference.all(epoch) | 128);
                let input = B::attestCall { epoch, sector, held: U256::from(held) };
                let answer = self.reference.attest(*by, epoch, sector, held);
                (free(&VALIDATORS, *by, BATCHES, input.abi_encode()), answer)
            }
            Act::Seal { by, epoch, round, result, flaw } => {
                let epoch = self.epoch(*epoch);
                let hash = self.plan(epoch, *result).outcome().hash;
                let round = self.round(epoch) + round;
                let whose = if *flaw == 1 { by + 1 } else { *by } % SEATS;
                let mut seal = seal_of(VALIDATORS[whose], epoch, round, hash, salt(whose, 0));
                if *flaw == 2 {
                    seal = B256::ZERO;
                }
                let input = R::sealCall { epoch, sector: 1, round, voteSeal: seal };
                let answer = self.reference.seal(*by, epoch, round, seal);
                if answer.is_ok() {
                    self.sealed.insert((*by, epoch, round), *result);
                }
                (free(&VALIDATORS, *by, REWARDS, input.abi_encode()), answer)
            }
            Act::Vote { by, epoch, round, result, flaw } => {
                let epoch = self.epoch(*epoch);
                let (round, salt) = (self.round(epoch) + round, salt(*by, *flaw));
                let sealed = self.sealed.get(&(*by, epoch, round)).copied();
                let plan = self.plan(epoch, result.or(sealed).unwrap_or(0));
                let outcome = plan.outcome();
                let input = R::voteCall { epoch, sector: 1, round, result: plan.result, salt };
                let answer = self.reference.vote(*by, epoch, round, &outcome, salt);
                (free(&VALIDATORS, *by, REWARDS, input.abi_encode()), answer)
            }
            Act::Pay { device, amount } => {
                let answer = self.reference.money.pay(self.reference.current(), *amount);
                let mut totals = self.totals;
                totals[*device] += amount;
                let input = settlement(&self.people[0], &people, self.units + 1, totals);
                if answer.is_ok() {
                    (self.totals, self.units) = (totals, self.units + 1);
                }
                (paid(1, MARKET, input.abi_encode()), answer)
            }
            Act::Claim { epoch, device, flaw } => {
                let (claim, input) = self.claim(self.epoch(*epoch), *device, *flaw);
                let (now, next) = (self.reference.current(), self.reference.next());
                let answer = self.reference.money.claim(now, next, &claim);
                (paid(1, REWARDS, input.abi_encode()), answer)
            }
            Act::ClaimMany { rewards, flaw } => {
                let last = rewards.len() - 1;
                let one = |(n, (epoch, device)): (usize, &(i64, usize))| {
                    self.claim(
                        self.epoch(*epoch),
                        *device,
                        if *flaw == 4 && n == last { 2 } else { 0 },
                    )
                };
                let (claims, calls): (Vec<_>, Vec<_>) = rewards.iter().enumerate().map(one).unzip();
                let input = many(&calls, *flaw);
                let fits = !(1..=3).contains(flaw);
                let (now, next) = (self.reference.current(), self.reference.next());
                let answer = self.reference.money.claim_many(now, next, &claims, fits);
                (paid(2, REWARDS, input.abi_encode()), answer)
            }
            Act::Leave { from, device } => {
                let answer = self.reference.money.leave(self.reference.current(), *from, *device);
                let input = IRegistry::leaveCall { id: people[*device].0 };
                (paid(*from, REGISTRY, input.abi_encode()), answer)
            }
            Act::Slash { from, device } => {
                let answer = self.reference.money.slash(self.reference.current(), *from, *device);
                let sign = |value| envelope(*device, value).bytes().to_vec().into();
                let (envelope_a, envelope_b) = (sign(1), sign(2));
                let input = IRegistry::proveEquivocationCall {
                    envelopeA: envelope_a,
                    envelopeB: envelope_b,
                };
                (paid(*from, REGISTRY, input.abi_encode()), answer)
            }
        }
    }

    fn round(&self, epoch: u64) -> u32 {
        u32::try_from(self.reference.evidence(epoch).rounds.len() - 1).expect("few")
    }

    /// A claim with its flaw, and what the reference is told of it.
    pub(super) fn claim(&self, epoch: u64, device: usize, flaw: u8) -> (Claim, R::claimCall) {
        let done = usize::try_from(epoch).ok().and_then(|at| self.reference.finals.get(at));
        let known = done.map(|done| self.plans[&done.hash].clone());
        let plan = known.unwrap_or_else(|| Plan::new(epoch, &Pool::default(), 0, &self.owners));
        let mut reward = plan.rewards[device].clone();
        let stones = (reward.earnedStones.to(), reward.subsidyStones.to());
        let mut index = u32::try_from(device).expect("few");
        let mut proof = plan.proof(device);
        match flaw {
            1 => index = (index + 1) % 3,
            2 => reward.owner = STRANGER,
            3 => reward.subsidyStones += U256::from(1),
            4 => drop(proof.pop()),
            5 => proof = vec![FixedBytes::ZERO; 33],
            _ => {}
        }
        let shown = match flaw {
            0 => Proof::Good(stones.0, stones.1),
            5 => Proof::Long,
            _ => Proof::Bad,
        };
        (Claim { epoch, device, proof: shown }, R::claimCall { reward, index, proof })
    }

    /// Calls, then sends: both must answer what is expected. What is free is sent only when it succeeds.
    fn send(&mut self, act: &Act, call: Call, answer: Result<(), Refusal>) {
        let Call { from, payer, to, input } = call;
        let input = Bytes::from(input);
        agree(act, &self.chain.call(from, to, 0, &input, true), answer);
        let now = self.chain.now();
        if let Some(payer) = payer {
            let transaction = self.chain.transaction(from, to, 0, input);
            let (success, fee) = self.chain.block(now, vec![transaction]);
            assert_eq!(success, answer.is_ok(), "{act:?}");
            self.fees[payer] += fee;
        } else if answer.is_ok() {
            let (success, _) = self.chain.block(now, vec![free(&self.chain, from, to, input)]);
            assert!(success, "{act:?}");
        }
    }
}

/// Everybody's salt is another one.
fn salt(by: usize, flaw: u8) -> B256 {
    keccak256([u8::try_from(by).expect("few"), flaw])
}

/// A transaction that pays nothing.
fn free(chain: &Chain, from: Address, to: Address, input: Bytes) -> Recovered<TxEnvelope> {
    let tx = TxEip1559 {
        chain_id: CHAIN,
        nonce: chain.state.accounts.get(&from).map_or(0, |account| account.nonce),
        gas_limit: 8_000_000,
        to: TxKind::Call(to),
        input,
        ..TxEip1559::default()
    };
    let signed = Signed::new_unhashed(tx, Signature::test_signature());
    Recovered::new_unchecked(signed.into(), from)
}
