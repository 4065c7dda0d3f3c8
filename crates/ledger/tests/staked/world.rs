//! The network of these histories: four founders, four others, and a consumer that pays a device's owner for work.

use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use cairn_ledger::native::market::receipt_hash;
use cairn_primitives::{
    DeviceId, Digest, EconomyParams, Genesis, GenesisAccount, GenesisValidator, Position,
    SecretKey, StakeParams,
    abi::{CREDITS, ICredits, IMarket, MARKET, REGISTRY},
    candidacy_message, registration_call,
};
use k256::ecdsa::SigningKey;

use super::{
    acts::{Flaw, Pair, STONE},
    chain::{CHAIN, Chain},
    reference::{
        ADDRESSES, APPEAL, BOND, COMMISSION_MAX, FOUNDERS, SEATS_MAX, TERM_BLOCKS, UNBONDING,
    },
};

/// Whole stones of each person: more than any history bonds.
pub const HELD: u64 = 10_000_000;
/// Whose device works.
pub const VENDOR: Address = Address::repeat_byte(0xee);
/// Micro-dollars in the lease.
const ESCROW: u64 = 40_000_000_000;
/// What `Chain` takes for the hash of genesis.
const GENESIS: Digest = Digest([7; 32]);

pub fn genesis() -> Genesis {
    let account = |address, stones| GenesisAccount { name: "person".to_owned(), address, stones };
    let mut accounts: Vec<_> = ADDRESSES.iter().map(|person| account(*person, HELD)).collect();
    accounts.push(account(VENDOR, HELD));
    accounts.push(account(Address::from_private_key(&consumer()), HELD));
    let held = 10 * HELD + 4 * BOND;
    Genesis {
        start_ms: 1_356_998_400_000,
        economy: EconomyParams {
            price_micro_usd: 50_000,
            reserve_stones: 1_000_000_000 - held,
            ..EconomyParams::default()
        },
        stake: StakeParams {
            term_blocks: TERM_BLOCKS,
            seats_max: u32::try_from(SEATS_MAX).expect("few"),
            unbonding_ms: UNBONDING,
            appeal_ms: APPEAL,
            commission_max_ppm: COMMISSION_MAX,
            seal_window_ms: 0,
            ..StakeParams::default()
        },
        validators: (0..)
            .zip(&ADDRESSES[..FOUNDERS])
            .map(|(key, operator)| GenesisValidator {
                name: format!("v{key}"),
                operator: *operator,
                consensus_key: public(key),
                bond_stones: BOND,
            })
            .collect(),
        accounts,
        ..Genesis::empty("staked", CHAIN)
    }
}

fn secret(key: u8) -> SecretKey {
    SecretKey::ed25519([101 + key; 32])
}

/// A consensus key.
pub fn public(key: u8) -> B256 {
    B256::from_slice(secret(key).public().as_bytes())
}

/// A key and its proof of possession.
pub fn proven(who: usize, key: u8, flaw: Flaw) -> (B256, Bytes) {
    let signer = if flaw == Flaw::Proof { key + 1 } else { key };
    // The identity is the key of small order that anybody can sign with.
    let shown = if flaw == Flaw::Key { U256::from(1).to_le_bytes().into() } else { public(key) };
    let message = candidacy_message(GENESIS, ADDRESSES[who], &shown.0);
    (shown, secret(signer).sign(&message).expect("signs").0.to_vec().into())
}

fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value > 0x7f {
        to.push(u8::try_from(value & 0x7f).expect("small") | 0x80);
        value >>= 7;
    }
    to.push(u8::try_from(value).expect("small"));
}

fn vote(key: u8, network: Digest, kind: u8, place: (u64, u64), block: u8) -> Vec<u8> {
    let suffix: &[u8] = [b"_NOTARIZE".as_slice(), b"_NULLIFY", b"_FINALIZE"][usize::from(kind)];
    let mut payload = Vec::new();
    varint(place.0, &mut payload);
    varint(place.1, &mut payload);
    if kind != 1 {
        varint(place.1.saturating_sub(1), &mut payload);
        payload.extend_from_slice(&[block; 32]);
    }
    let domain = [b"cairn/consensus/v1/".as_slice(), &network.0, suffix].concat();
    let mut signed = Vec::new();
    varint(domain.len() as u64, &mut signed);
    signed.extend_from_slice(&domain);
    signed.extend_from_slice(&payload);
    let signature = secret(key).sign(&signed).expect("signs").0;
    [&[kind], payload.as_slice(), &signature].concat()
}

/// Two votes by a key in one view.
pub fn evidence(key: u8, term: u64, view: u64, pair: Pair) -> Bytes {
    let (kinds, network) = match pair {
        Pair::Notarized => ([0, 0], GENESIS),
        Pair::Finalized => ([2, 2], GENESIS),
        Pair::NullifiedAndFinalized => ([1, 2], GENESIS),
        Pair::NotarizedAndFinalized => ([0, 2], GENESIS),
        Pair::Foreign => ([2, 2], Digest([8; 32])),
    };
    let [a, b] = [(kinds[0], 1), (kinds[1], 2)]
        .map(|(kind, block)| vote(key, network, kind, (term, view), block));
    [public(key).as_slice(), &a, &b].concat().into()
}

fn consumer() -> SigningKey {
    SigningKey::from_slice(&[3; 32]).expect("a key")
}

fn device() -> (SecretKey, FixedBytes<16>) {
    let key = SecretKey::ed25519([77; 32]);
    let id = FixedBytes(DeviceId::of(&key.public()).0);
    (key, id)
}

/// What a consumer paid so far.
#[derive(Default)]
pub struct Work {
    micro: u64,
    units: u64,
}

impl Work {
    /// Registers a device and opens a lease on it; returns the blocks that this took.
    pub fn begin(chain: &mut Chain) -> u64 {
        let (key, _) = device();
        let place = Position { lat_e7: 406_895_000, lon_e7: -741_745_000, elevation_dm: 20 };
        let registration = registration_call(CHAIN, VENDOR, 1, &key, place).expect("signs");
        let offer =
            IMarket::postOfferCall { sector: 1, microUsdPerKiloUnit: 1, endpoint: String::new() };
        let lease = IMarket::openLeaseCall { offer: 1, escrow: ESCROW, expiryEpoch: 8_000 };
        let consumer = Address::from_private_key(&consumer());
        let price = u128::from(ESCROW) * STONE / 50_000;
        let calls = [
            (VENDOR, REGISTRY, 100 * STONE, registration.abi_encode()),
            (VENDOR, MARKET, 0, offer.abi_encode()),
            (consumer, CREDITS, price, ICredits::mintCall {}.abi_encode()),
            (consumer, MARKET, 0, lease.abi_encode()),
        ];
        let count = calls.len() as u64;
        for (from, to, stones, input) in calls {
            let transaction = chain.transaction(from, to, stones, input.into());
            assert!(chain.block(chain.now(), vec![transaction]).0, "the market opens");
        }
        count
    }

    /// A receipt for so many micro-dollars more.
    pub fn more(&mut self, micro: u64) -> Bytes {
        self.micro += micro;
        self.units += 1;
        let shares = vec![IMarket::Share { device: device().1, amount: self.micro }];
        let hash = keccak256(shares.abi_encode());
        let (units, amount) = (self.units, self.micro);
        let receipt = IMarket::Receipt { lease: 1, units, amount, shares: hash };
        let signed = consumer()
            .sign_prehash_recoverable(receipt_hash(CHAIN, &receipt).as_slice())
            .expect("signs");
        let mut signature = signed.0.to_bytes().to_vec();
        signature.push(27 + signed.1.to_byte());
        let signature = signature.into();
        IMarket::settleCall { receipt, shares, signature }.abi_encode().into()
    }
}
