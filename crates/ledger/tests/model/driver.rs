//! Performs acts on a ledger in memory and on the reference, and compares them.

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use cairn_ledger::native::market::receipt_hash;
use cairn_primitives::{
    DeviceId, EconomyParams, Epoch, Genesis, GenesisAccount, GenesisIngest, GenesisValidator,
    Position, SecretKey, TimeMs,
    abi::{CREDITS, ICredits, IMarket, IRegistry, MARKET, REGISTRY, REWARDS},
    registration_message,
};
use k256::ecdsa::SigningKey;

use super::{
    acts::Act,
    chain::{CHAIN, Chain, Refusal, agree},
    reference::{BOND, DISPUTE, Device, PRICE, Reference, Settlement},
};

const STONE: u128 = 1_000_000_000_000_000_000;
/// Whole stones of each person.
const HELD: u64 = 1_000_000;
/// Base units that nobody mints with: more than the bonds and fees of any history of this driver.
const KEPT: u128 = 500_000 * STONE;
const PLACE: Position = Position { lat_e7: 406_895_000, lon_e7: -741_745_000, elevation_dm: 20 };

/// A ledger, its reference, and the people.
pub struct Driver {
    chain: Chain,
    people: [SigningKey; 3],
    reference: Reference,
}

/// A call with the answer that the reference expects.
struct Expected {
    from: Address,
    to: Address,
    stones: u128,
    input: Bytes,
    answer: Result<(), Refusal>,
}

impl Driver {
    pub fn new() -> Self {
        let people = [1, 2, 3].map(|n| SigningKey::from_slice(&[n; 32]).expect("a key"));
        let chain = Chain::new(genesis(&people));
        let mut reference = Reference::default();
        for person in &people {
            let stones = u128::from(HELD) * STONE;
            reference.stones.insert(Address::from_private_key(person), stones);
        }
        Self { chain, people, reference }
    }

    fn person(&self, n: usize) -> Address {
        Address::from_private_key(&self.people[n])
    }

    /// Performs one act; says whether it succeeded.
    ///
    /// # Panics
    /// When ledger and reference differ.
    pub fn perform(&mut self, act: &Act) -> bool {
        if let Act::Later { epochs } = act {
            self.reference.epoch += epochs;
            let schedule = self.chain.ledger.genesis().schedule();
            self.block(schedule.start_of(Epoch(self.reference.epoch)), Vec::new());
            return true;
        }
        let expected = self.expect(act);
        let answer = expected.answer;
        self.send(act, expected);
        self.compare(act);
        answer.is_ok()
    }

    /// Asks the reference, which changes if the call must succeed.
    fn expect(&mut self, act: &Act) -> Expected {
        let call = |from: Address, to, input: Vec<u8>, answer| Expected {
            from,
            to,
            stones: 0,
            input: input.into(),
            answer,
        };
        let model = &mut self.reference;
        let who = |n: &usize| Address::from_private_key(&self.people[*n]);
        match act {
            Act::Mint { from, stones } => {
                let from = who(from);
                // Fees and bonds need the rest.
                let stones = (*stones).min(model.stones_of(from).saturating_sub(KEPT));
                let input = ICredits::mintCall {}.abi_encode();
                Expected { stones, ..call(from, CREDITS, input, model.mint(from, stones)) }
            }
            Act::Register { from, keys, bond, flaw } => {
                let devices: Vec<_> = keys.iter().map(|key| device(*key)).collect();
                let (from, stones) = (who(from), u128::from(*bond) * STONE);
                let answer = model.register(from, &devices, stones, *flaw);
                Expected { stones, ..call(from, REGISTRY, registration(from, keys, *flaw), answer) }
            }
            Act::Leave { from, key } => {
                let input = IRegistry::leaveCall { id: device(*key) }.abi_encode();
                call(who(from), REGISTRY, input, model.leave(who(from), device(*key)))
            }
            Act::Withdraw { from, key } => {
                let input = IRegistry::withdrawBondCall { id: device(*key) }.abi_encode();
                call(who(from), REGISTRY, input, model.withdraw(who(from), device(*key)))
            }
            Act::Offer { from, sector, endpoint } => {
                let input = IMarket::postOfferCall {
                    sector: *sector,
                    microUsdPerKiloUnit: 1,
                    endpoint: "x".repeat(*endpoint),
                };
                let answer = model.offer(who(from), *sector, *endpoint);
                call(who(from), MARKET, input.abi_encode(), answer)
            }
            Act::Open { from, offer, escrow, ahead } => {
                let expiry = model.epoch.saturating_add_signed(*ahead);
                let (offer, escrow) = (*offer, *escrow);
                let input = IMarket::openLeaseCall { offer, escrow, expiryEpoch: expiry };
                let answer = model.open(who(from), offer, escrow, expiry);
                call(who(from), MARKET, input.abi_encode(), answer)
            }
            Act::TopUp { from, lease, amount } => {
                let input = IMarket::topUpCall { lease: *lease, amount: *amount };
                let answer = model.top_up(who(from), *lease, *amount);
                call(who(from), MARKET, input.abi_encode(), answer)
            }
            Act::Settle { from, lease, units, pays, flaw } => {
                let from = who(from);
                let (input, answer) = self.settle(*lease, *units, pays, *flaw);
                call(from, MARKET, input.abi_encode(), answer)
            }
            Act::Close { from, lease } => {
                let input = IMarket::closeCall { lease: *lease };
                call(who(from), MARKET, input.abi_encode(), model.close(who(from), *lease))
            }
            Act::Later { .. } => unreachable!("no call"),
        }
    }

    /// The receipt of the lease's consumer (of person 0 if there is none), with its flaw, and what the market must say.
    fn settle(
        &mut self,
        lease: u64,
        units: u64,
        pays: &[(u8, u64)],
        flaw: u8,
    ) -> (IMarket::settleCall, Result<(), Refusal>) {
        let at = usize::try_from(lease).expect("small").checked_sub(1);
        let consumer = at.and_then(|at| self.reference.leases.get(at)).map(|known| known.consumer);
        let mut signer = (0..3).find(|n| Some(self.person(*n)) == consumer).unwrap_or(0);
        if flaw == 1 {
            signer = (signer + 1) % 3;
        }
        let mut shares: Vec<_> = pays.iter().map(|(key, paid)| (device(*key), *paid)).collect();
        shares.sort_unstable();
        if flaw == 3 {
            shares.reverse();
        }
        let abi: Vec<_> =
            shares.iter().map(|&(device, amount)| IMarket::Share { device, amount }).collect();
        let amount = shares.iter().map(|share| share.1).sum();
        let mut hash = keccak256(abi.abi_encode());
        if flaw == 2 {
            hash = B256::repeat_byte(5);
        }
        let receipt = IMarket::Receipt { lease, units, amount, shares: hash };
        let signature = sign(&self.people[signer], &receipt, flaw == 4);
        let answer = self.reference.settle(&Settlement {
            lease,
            units,
            amount,
            shares: &shares,
            shares_signed: flaw != 2,
            signer: (flaw != 4).then(|| self.person(signer)),
        });
        let signature = signature.to_vec().into();
        (IMarket::settleCall { receipt, shares: abi, signature }, answer)
    }

    /// Calls, then sends: both must answer what is expected.
    fn send(&mut self, act: &Act, expected: Expected) {
        let Expected { from, to, stones, input, answer } = expected;
        agree(act, &self.chain.call(from, to, stones, &input, true), answer);
        let transaction = self.chain.transaction(from, to, stones, input);
        let (success, fee) = self.block(self.chain.now(), vec![transaction]);
        assert_eq!(success, answer.is_ok(), "{act:?}");
        *self.reference.stones.entry(from).or_default() -= fee;
    }

    /// Adds a block that breaks no invariant; says whether its transaction succeeded and what it cost.
    fn block(&mut self, time: TimeMs, transactions: Vec<Recovered<TxEnvelope>>) -> (bool, u128) {
        let added = self.chain.block(time, transactions);
        self.chain.check();
        added
    }

    /// Everything that people can see of the three contracts.
    fn compare(&self, act: &Act) {
        let model = &self.reference;
        let people = [0, 1, 2].map(|n| self.person(n));
        for account in people.into_iter().chain([CREDITS, REGISTRY, MARKET, REWARDS]) {
            assert_eq!(
                self.chain.held(account),
                model.stones_of(account),
                "stones of {account} after {act:?}"
            );
            let credits = self.chain.ask(CREDITS, &ICredits::balanceOfCall { account });
            assert_eq!(credits, U256::from(model.credits_of(account)), "credits after {act:?}");
        }
        let supply = self.chain.ask(CREDITS, &ICredits::totalSupplyCall {});
        assert_eq!(supply, U256::from(model.supply()), "after {act:?}");
        let count = self.chain.ask(REGISTRY, &IRegistry::countCall {});
        assert_eq!(usize::try_from(count), Ok(model.devices.len()), "devices after {act:?}");
        for (id, known) in &model.devices {
            let device = self.chain.ask(REGISTRY, &IRegistry::getCall { id: *id });
            let seen = (device.owner, device.registeredEpoch, device.endEpoch, device.bond);
            let end = known.end.unwrap_or(0);
            let wanted = (known.owner, known.registered, end, U256::from(known.bond));
            assert_eq!(seen, wanted, "{id} after {act:?}");
        }
        let leases = self.chain.ask(MARKET, &IMarket::leaseCountCall {});
        assert_eq!(usize::try_from(leases), Ok(model.leases.len()), "leases after {act:?}");
        for (id, known) in (1..).zip(&model.leases) {
            let lease = self.chain.ask(MARKET, &IMarket::getLeaseCall { id });
            let seen = (lease.escrow, lease.settled, lease.units, lease.expiryEpoch, lease.state);
            let state = if known.open { 1 } else { 2 };
            let wanted = (known.escrow, known.settled, known.units, known.expiry, state);
            assert_eq!(seen, wanted, "lease {id} after {act:?}");
            let parties = (model.offers[known.offer], known.consumer);
            assert_eq!((lease.provider, lease.consumer), parties, "lease {id} after {act:?}");
        }
        let page = IMarket::earnedCall { epoch: model.epoch, sector: 1, from: 0, limit: 256 };
        let lines: Vec<_> =
            self.chain.ask(MARKET, &page).iter().map(|line| (line.device, line.microUsd)).collect();
        let wanted = model.lines.get(&model.epoch).cloned().unwrap_or_default();
        assert_eq!(lines, wanted, "earned after {act:?}");
    }
}

fn secret(key: u8) -> SecretKey {
    SecretKey::ed25519([key + 1; 32])
}

fn device(key: u8) -> Device {
    FixedBytes(DeviceId::of(&secret(key).public()).0)
}

/// Call data of `register` for one key, of `registerMany` for more.
fn registration(owner: Address, keys: &[u8], flaw: u8) -> Vec<u8> {
    let sector = if flaw == 1 { 9 } else { 1 };
    let lat = if flaw == 2 { 900_000_001 } else { PLACE.lat_e7 };
    // A flawed proof is one for another owner.
    let signed_owner = if flaw == 3 { CREDITS } else { owner };
    let (mut publics, mut proofs) = (Vec::new(), Vec::new());
    for key in keys {
        let public = secret(*key).public();
        let message = registration_message(CHAIN, signed_owner, 1, &public, PLACE);
        publics.extend_from_slice(public.as_bytes());
        proofs.extend_from_slice(&secret(*key).sign(&message).expect("signs").0);
    }
    let (public, proof): (Bytes, Bytes) = (publics.into(), proofs.into());
    if keys.len() == 1 {
        let r = IRegistry::Registration {
            sector,
            keyType: 1,
            publicKey: public,
            latE7: lat,
            lonE7: PLACE.lon_e7,
            elevationDm: PLACE.elevation_dm,
        };
        return IRegistry::registerCall { r, proof }.abi_encode();
    }
    IRegistry::registerManyCall {
        sector,
        keyType: 1,
        publicKeys: public,
        latE7: vec![lat; keys.len()],
        lonE7: vec![PLACE.lon_e7; keys.len()],
        elevationDm: vec![PLACE.elevation_dm; keys.len()],
        proofs: proof,
    }
    .abi_encode()
}

/// 65 bytes r ‖ s ‖ v; with `high`, the other form of the same signature.
fn sign(key: &SigningKey, receipt: &IMarket::Receipt, high: bool) -> [u8; 65] {
    let hash = receipt_hash(CHAIN, receipt);
    let (signature, recovery) = key.sign_prehash_recoverable(hash.as_slice()).expect("signs");
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes[64] = 27 + recovery.to_byte();
    if high {
        let order = U256::from_be_slice(&alloy_primitives::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let s = order - U256::from_be_slice(&bytes[32..64]);
        bytes[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        bytes[64] = 55 - bytes[64];
    }
    bytes
}

fn genesis(people: &[SigningKey; 3]) -> Genesis {
    let seat = Address::repeat_byte(0x11);
    Genesis {
        start_ms: 1_356_998_400_000,
        time_scale: 180,
        economy: EconomyParams {
            price_micro_usd: u64::try_from(PRICE).expect("small"),
            reserve_stones: 1_000_000_000 - 3 * HELD - 10_000,
            device_cost_micro_usd_day: 250_000,
            device_bond_stones: u64::try_from(BOND).expect("small"),
            dispute_epochs: DISPUTE,
            ..EconomyParams::default()
        },
        validators: vec![GenesisValidator {
            name: "v".to_owned(),
            operator: seat,
            consensus_key: B256::repeat_byte(1),
            bond_stones: 10_000,
        }],
        ingests: vec![GenesisIngest {
            operator: seat,
            receipt_key: B256::repeat_byte(9),
            url: "http://ingest.test".to_owned(),
        }],
        accounts: people
            .iter()
            .map(|person| GenesisAccount {
                name: "person".to_owned(),
                address: Address::from_private_key(person),
                stones: HELD,
            })
            .collect(),
        ..Genesis::empty("model", CHAIN)
    }
}
