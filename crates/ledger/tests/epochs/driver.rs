//! Performs acts on a ledger in memory and on the reference, and compares them.

use std::collections::BTreeMap;

use alloy_consensus::{Signed, TxEip1559, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, FixedBytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use cairn_ledger::native::market::receipt_hash;
use cairn_primitives::{
    Anchor, Batch, DeviceId, Envelope, Epoch, Position, Rows, Seq, Stream, TimeMs, WEATHER,
    abi::{
        BATCHES, CREDITS, ECONOMY, IBatches as B, ICredits, IEconomy, IMarket, INSURANCE,
        IRegistry, IRewards as R, IStake, MARKET, REGISTRY, REWARDS, STAKE, TREASURY,
    },
    registration_message,
};
use k256::ecdsa::SigningKey;

use super::{
    acts::{Act, Edge},
    chain::{CHAIN, Chain, Refusal, agree},
    money::{Claim, Pool, Proof},
    network::{
        DEVICE_BOND, ESCROW, HELD, INGESTS, MINTED, SEATS, START_MS, STONE, STRANGER, TERM_BLOCKS,
        VALIDATORS, device_key, genesis, people,
    },
    plan::{Plan, leaf},
    reference::{Reference, seal_of},
};

const PLACE: Position = Position { lat_e7: 406_895_000, lon_e7: -741_745_000, elevation_dm: 20 };
/// Acts between two looks at every invariant.
const CHECK_EVERY: u64 = 32;

/// A ledger, its reference, and the people.
pub struct Driver {
    chain: Chain,
    people: [SigningKey; 3],
    /// Each person's device and account.
    owners: [(FixedBytes<16>, Address); 3],
    reference: Reference,
    /// Every result that was sealed or voted for, by its hash.
    plans: BTreeMap<B256, Plan>,
    /// What the lease paid each device, and units.
    totals: [u64; 3],
    units: u64,
    fees: [u128; 3],
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
        let (plans, totals, fees) = (BTreeMap::new(), [0; 3], [0; 3]);
        let mut new =
            Self { chain, people, owners, reference, plans, totals, units: 0, fees, acts: 0 };
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
        model.now = model.now.max(edge.saturating_add_signed(nudge));
        self.chain.block(TimeMs(model.now), Vec::new());
    }

    fn epoch(&self, shift: i64) -> u64 {
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
                let input = B::attestCall { epoch, sector, held: U256::from(*held) };
                let answer = self.reference.attest(*by, epoch, sector, *held);
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
                (free(&VALIDATORS, *by, REWARDS, input.abi_encode()), answer)
            }
            Act::Vote { by, epoch, round, result, flaw } => {
                let epoch = self.epoch(*epoch);
                let plan = self.plan(epoch, *result);
                let (round, salt) = (self.round(epoch) + round, salt(*by, *flaw));
                let outcome = plan.outcome();
                let input = R::voteCall { epoch, sector: 1, round, result: plan.result, salt };
                let answer = self.reference.vote(*by, epoch, round, &outcome, salt);
                (free(&VALIDATORS, *by, REWARDS, input.abi_encode()), answer)
            }
            Act::Pay { device, amount } => {
                let answer = self.reference.money.pay(self.reference.current(), *amount);
                let mut totals = self.totals;
                totals[*device] += amount;
                let input = self.settlement(totals);
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
    fn claim(&self, epoch: u64, device: usize, flaw: u8) -> (Claim, R::claimCall) {
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

    /// What the consumer signs: these totals.
    fn settlement(&self, totals: [u64; 3]) -> IMarket::settleCall {
        let mut shares: Vec<_> = (0..3)
            .filter(|n| totals[*n] > 0)
            .map(|n| IMarket::Share { device: self.owners[n].0, amount: totals[n] })
            .collect();
        shares.sort_unstable_by_key(|share| share.device);
        let receipt = IMarket::Receipt {
            lease: 1,
            units: self.units + 1,
            amount: totals.iter().sum(),
            shares: keccak256(shares.abi_encode()),
        };
        let hash = receipt_hash(CHAIN, &receipt);
        let (signature, recovery) =
            self.people[0].sign_prehash_recoverable(hash.as_slice()).expect("signs");
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + recovery.to_byte());
        IMarket::settleCall { receipt, shares, signature: bytes.into() }
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

    /// Every invariant of the ledger, and every claim.
    ///
    /// # Panics
    /// When one is broken.
    pub fn check(&self) {
        self.chain.check();
        for epoch in 0..self.reference.next() {
            for device in 0..3 {
                self.compare_claimed(epoch, device);
            }
        }
    }

    fn compare_claimed(&self, epoch: u64, device: usize) {
        let call = R::claimedCall { epoch, device: self.owners[device].0 };
        let known = self.reference.money.claimed.get(&(epoch, device)).copied();
        assert_eq!(self.chain.ask(REWARDS, &call), known.unwrap_or(0), "{epoch} {device}");
    }

    /// Everything that people can see of the two contracts, and everybody's stones.
    fn compare(&self, act: &Act) {
        self.compare_money(act);
        let model = &self.reference;
        let next = model.next();
        assert_eq!(self.chain.ask(REWARDS, &R::nextEpochCall { sector: 1 }), next, "{act:?}");
        for epoch in [next.saturating_sub(1), next, next + 1] {
            let seen = self.chain.ask(BATCHES, &B::statusCall { epoch, sector: 1 });
            let (phase, round, commits, attests, included) = model.status(epoch);
            assert_eq!(
                (seen.phase, seen.round, seen.commitments, seen.attestations, seen.included),
                (phase, round, commits, attests, U256::from(included)),
                "epoch {epoch} after {act:?}"
            );
            let seen = self.chain.ask(REWARDS, &R::ballotCall { epoch, sector: 1 });
            let (seals, votes, open) = model.ballot(epoch);
            let count = |count: usize| u32::try_from(count).expect("few");
            assert_eq!(
                (seen.round, seen.seats, seen.seals, seen.votes, seen.opensMs, seen.open),
                (round, count(SEATS), count(seals), count(votes), model.opens(epoch), open),
                "epoch {epoch} after {act:?}"
            );
        }
        if let Some(last) = model.finals.last() {
            let seen = self.chain.ask(REWARDS, &R::resultCall { epoch: next - 1, sector: 1 });
            assert_eq!(keccak256(seen.abi_encode()), last.hash, "{act:?}");
        }
        match act {
            Act::Vote { .. } => self.compare_voters(),
            Act::Claim { epoch, device, .. } => {
                self.compare_claimed(self.epoch(*epoch), *device);
                self.compare_leaf(self.epoch(*epoch), *device);
            }
            Act::ClaimMany { rewards, .. } => {
                for (epoch, device) in rewards {
                    self.compare_claimed(self.epoch(*epoch), *device);
                }
            }
            _ => {}
        }
    }

    fn compare_money(&self, act: &Act) {
        let (model, next) = (&self.reference.money, self.reference.next());
        for (n, (_, person)) in self.owners.into_iter().enumerate() {
            let first = i128::try_from(u128::from(HELD) * STONE - self.fees[n]).expect("small");
            let held = i128::try_from(self.chain.held(person));
            assert_eq!(held, Ok(first + model.moved[n]), "person {n} after {act:?}");
        }
        for (account, stones) in [
            (REWARDS, model.rewards),
            (ECONOMY, model.reserve),
            (TREASURY, model.treasury),
            (INSURANCE, model.insurance),
            (STAKE, model.stake),
            (REGISTRY, model.registry),
            (CREDITS, model.vault),
        ] {
            assert_eq!(self.chain.held(account), stones, "stones of {account} after {act:?}");
        }
        let burned = model.burned + self.fees.iter().sum::<u128>();
        let seen = self.chain.ask(ECONOMY, &IEconomy::burnedCall {});
        assert_eq!(seen, U256::from(burned), "burned after {act:?}");
        let day = self.chain.ask(ECONOMY, &IEconomy::todayCall { sector: 1 });
        assert_eq!(
            [
                day.day,
                day.usageSubsidyMicroUsd,
                day.needSubsidyMicroUsd,
                day.incomeMicroUsd,
                day.burnMicroUsd,
                day.settledTodayMicroUsd
            ]
            .map(u128::from),
            [
                u128::from(model.day.number),
                model.day.usage,
                model.day.need,
                model.day.income,
                model.day.burn,
                model.day.settled
            ],
            "after {act:?}"
        );
        assert_eq!(day.grantLeftStones, U256::from(model.day.grant), "after {act:?}");
        let seen = self.chain.ask(REWARDS, &R::poolCall { epoch: next, sector: 1 });
        let pool = model.pool(next);
        assert_eq!(
            (seen.earnedMicroUsd, seen.usageSubsidyMicroUsd, seen.needSubsidyMicroUsd),
            (pool.earned, pool.usage, pool.need),
            "after {act:?}"
        );
        assert_eq!(seen.earnedStones, U256::from(pool.earned_stones), "after {act:?}");
    }

    /// Whose votes count in this term and the last, and what was divided.
    fn compare_voters(&self) {
        let model = &self.reference;
        for (by, operator) in VALIDATORS.into_iter().enumerate() {
            for term in [model.term.saturating_sub(1), model.term] {
                let call = IStake::presenceCall { termNumber: term, operator };
                let seen = self.chain.ask(STAKE, &call);
                let (voted, finals) = model.presence(term, by);
                let seen = (usize::try_from(seen.voted).expect("few"), seen.votesDue);
                assert_eq!(seen, (voted, finals), "validator {by} in term {term}");
            }
            let seen = self.chain.ask(STAKE, &IStake::candidateOfCall { operator });
            assert_eq!(seen.income, U256::from(model.incomes[by]), "income of {by}");
        }
    }

    /// A contract that asks for a leaf of a final epoch's rewards is told the same.
    fn compare_leaf(&self, epoch: u64, device: usize) {
        if epoch >= self.reference.next() {
            return;
        }
        let (_, good) = self.claim(epoch, device, 0);
        let call = R::isLeafCall {
            epoch,
            sector: 1,
            tree: 3,
            leaf: leaf(&good.reward).into(),
            index: good.index,
            count: 3,
            proof: good.proof,
        };
        assert!(self.chain.ask(REWARDS, &call));
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

fn many(calls: &[R::claimCall], flaw: u8) -> R::claimManyCall {
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

fn registration(device: usize, owner: Address) -> Vec<u8> {
    let public = device_key(device).public();
    let message = registration_message(CHAIN, owner, 1, &public, PLACE);
    let r = IRegistry::Registration {
        sector: 1,
        keyType: 1,
        publicKey: public.as_bytes().to_vec().into(),
        latE7: PLACE.lat_e7,
        lonE7: PLACE.lon_e7,
        elevationDm: PLACE.elevation_dm,
    };
    let proof = device_key(device).sign(&message).expect("signs").0.to_vec().into();
    IRegistry::registerCall { r, proof }.abi_encode()
}

/// A batch of one reading of this value, always with the same sequence number.
fn envelope(device: usize, value: i32) -> Envelope {
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
