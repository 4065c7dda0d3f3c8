//! Blocks of one kind of transaction each, really signed, and the state they run on: what the benchmarks measure.
//!
//! Everything follows from the kind and the numbers: two runs measure the same bytes.

use std::sync::Arc;

use alloy_consensus::{
    Header, SignableTransaction as _, Transaction as _, TxEip1559, TxEnvelope, crypto::secp256k1,
    transaction::Recovered,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use alloy_sol_types::{SolCall as _, SolValue as _};
use cairn_ledger::{Account, Ledger, Memory};
use cairn_primitives::{
    Digest, EconomyParams, Genesis, GenesisAccount, GenesisValidator, KeyType, Position, PublicKey,
    STONE, SecretKey, Signature as DeviceSignature,
    abi::{CREDITS, ICredits, IMarket, IRegistry, MARKET, REGISTRY},
    registration_call, registration_message,
};

const CHAIN_ID: u64 = 7_777;
/// Whole stones of each sender: bonds, credits and fees of every block.
const HELD_STONES: u64 = 10_000;
/// Gas limit of each transaction: above what the dearest needs.
const TX_GAS: u64 = 1_000_000;
/// Gas limit of a block: blocks are bounded by the caller's number of transactions here.
const BLOCK_GAS: u64 = 4_000_000_000;
/// ECRECOVER calls in one transaction of `Workload::Recover`.
pub const RECOVERIES: u64 = 50;

/// OpenZeppelin's ERC-20, as contracts/examples compiles it.
const TOKEN: &str = include_str!("../../../../contracts/examples/build/Token.json");
const TOKEN_AT: Address = Address::repeat_byte(0x70);
const RECOVER_AT: Address = Address::repeat_byte(0x71);

/// A kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A transfer of stones: the baseline.
    Transfer,
    /// `Credits.mint`.
    Mint,
    /// `Market.openLease`, which moves credits from one account to another.
    Lease,
    /// `Registry.register`: checks an Ed25519 signature and writes six slots.
    Register,
    /// A transfer of an ERC-20 in Solidity.
    Token,
    /// A contract that calls ECRECOVER `RECOVERIES` times: what gas buys elsewhere.
    Recover,
}

impl Workload {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Transfer, Self::Mint, Self::Lease, Self::Register, Self::Token, Self::Recover];

    /// A name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer of stones",
            Self::Mint => "Credits.mint",
            Self::Lease => "Market.openLease",
            Self::Register => "Registry.register",
            Self::Token => "ERC-20 transfer in Solidity",
            Self::Recover => "50 x ECRECOVER",
        }
    }
}

/// Blocks of a workload, ready to be measured.
#[derive(Debug)]
pub struct Prepared {
    /// The state machine.
    pub ledger: Ledger,
    /// The state before the first block.
    pub state: Memory,
    /// The header before the first block.
    pub parent: Header,
    /// Raw transactions by block.
    pub blocks: Vec<Vec<Vec<u8>>>,
}

/// Makes `blocks` blocks of `per_block` transactions, each block's by as many senders.
///
/// # Panics
/// When the state machine refuses its own bench genesis: a bug.
#[must_use]
pub fn prepare(workload: Workload, blocks: u64, per_block: u64) -> Prepared {
    let senders: Vec<Sender> = (0..per_block).map(Sender::new).collect();
    let genesis = genesis(&senders);
    let ledger = Ledger::new(Arc::new(genesis), Digest::of(&[b"bench"]));
    let mut state = Memory::default();
    state.apply(&ledger.genesis_writes().expect("the bench genesis is sound"));
    let mut parent = ledger.genesis_header(B256::ZERO);
    state.hashes.insert(0, parent.hash_slow());
    if workload == Workload::Token {
        state.codes.extend([put_code(&mut state.accounts, TOKEN_AT, token_code())]);
        // `mapping(address => uint256)` of OpenZeppelin's ERC-20 at slot 0.
        state.slots.extend(senders.iter().map(|sender| {
            let slot = keccak256((sender.address, U256::ZERO).abi_encode());
            ((TOKEN_AT, slot.into()), U256::from(1_000_000))
        }));
    }
    if workload == Workload::Recover {
        state.codes.extend([put_code(&mut state.accounts, RECOVER_AT, recover_code())]);
    }
    let mut nonce = 0;
    if workload == Workload::Lease {
        // Somebody offers, everybody has credits.
        for call in [mint(), offer()] {
            let all = senders.iter().map(|sender| sender.unsigned(nonce, &call));
            let env = ledger.next_env(&parent, cairn_ledger::time_of(&parent), Address::ZERO);
            let built = ledger.build(&state, &env, all).expect("a state in memory is readable");
            assert!(built.dropped.is_empty(), "{:?}", built.dropped);
            state.apply(&built.writes);
            parent = built.header(&env, B256::ZERO);
            state.hashes.insert(parent.number, parent.hash_slow());
            nonce += 1;
        }
    }
    let block = |n: u64| {
        let signed = senders.iter().map(|sender| {
            let call = sender.call(workload, n);
            sender.signed(nonce + n, &call)
        });
        signed.collect()
    };
    let blocks = (0..blocks).map(block).collect();
    Prepared { ledger, state, parent, blocks }
}

/// What a transaction calls.
struct Call {
    to: Address,
    stones: u128,
    input: Bytes,
}

struct Sender {
    number: u64,
    secret: B256,
    address: Address,
}

impl Sender {
    fn new(number: u64) -> Self {
        let secret = B256::from(Digest::of(&[b"cairn/bench/v1", &number.to_be_bytes()]).0);
        let key = Self::sign(secret, B256::ZERO);
        let address = secp256k1::recover_signer(&key, B256::ZERO).expect("its own signature");
        Self { number, secret, address }
    }

    fn sign(secret: B256, hash: B256) -> alloy_primitives::Signature {
        secp256k1::sign_message(secret, hash).expect("a hash is below the order of the curve")
    }

    fn call(&self, workload: Workload, block: u64) -> Call {
        let fresh = Address::from_word(B256::from(U256::from(0x1_0000 + self.number)));
        match workload {
            Workload::Transfer => Call { to: fresh, stones: 1, input: Bytes::new() },
            Workload::Mint => mint(),
            Workload::Lease => {
                let call = IMarket::openLeaseCall { offer: 1, escrow: 10, expiryEpoch: 9 };
                Call { to: MARKET, stones: 0, input: call.abi_encode().into() }
            }
            Workload::Register => self.registration(block),
            Workload::Token => {
                // transfer(address,uint256)
                let mut input = hex!("a9059cbb").to_vec();
                input.extend_from_slice(&(fresh, U256::from(1)).abi_encode());
                Call { to: TOKEN_AT, stones: 0, input: input.into() }
            }
            Workload::Recover => {
                let hash = B256::repeat_byte(7);
                let signature = Self::sign(self.secret, hash);
                let v = U256::from(27 + u8::from(signature.v()));
                let input = (hash, v, signature.r(), signature.s()).abi_encode();
                Call { to: RECOVER_AT, stones: 0, input: input.into() }
            }
        }
    }

    /// Of another device in every block.
    fn registration(&self, block: u64) -> Call {
        let seed = Digest::of(&[&self.number.to_be_bytes(), &block.to_be_bytes()]);
        let key = SecretKey::ed25519(seed.0);
        let place = Position { lat_e7: 406_895_000, lon_e7: -741_745_000, elevation_dm: 20 };
        let call = registration_call(CHAIN_ID, self.address, 1, &key, place);
        let call = call.expect("an Ed25519 key signs");
        Call { to: REGISTRY, stones: STONE, input: call.abi_encode().into() }
    }

    fn transaction(nonce: u64, call: &Call) -> TxEip1559 {
        TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: TX_GAS,
            max_fee_per_gas: 1_000_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(call.to),
            value: U256::from(call.stones),
            input: call.input.clone(),
            ..TxEip1559::default()
        }
    }

    fn signed(&self, nonce: u64, call: &Call) -> Vec<u8> {
        let tx = Self::transaction(nonce, call);
        let signature = Self::sign(self.secret, tx.signature_hash());
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718()
    }

    /// For blocks that are built and not measured.
    fn unsigned(&self, nonce: u64, call: &Call) -> Recovered<TxEnvelope> {
        let signature = alloy_primitives::Signature::new(U256::ONE, U256::ONE, false);
        let tx = Self::transaction(nonce, call).into_signed(signature);
        Recovered::new_unchecked(tx.into(), self.address)
    }
}

/// The device's key, what it signed and its signature, when the transaction is a registration.
pub(super) fn proof_of_possession(
    tx: &Recovered<TxEnvelope>,
) -> Option<(PublicKey, Vec<u8>, DeviceSignature)> {
    let IRegistry::registerCall { r, proof } =
        IRegistry::registerCall::abi_decode(tx.input()).ok()?;
    let key = PublicKey::from_bytes(KeyType::Ed25519, &r.publicKey).ok()?;
    let place = Position { lat_e7: r.latE7, lon_e7: r.lonE7, elevation_dm: r.elevationDm };
    let message = registration_message(CHAIN_ID, tx.signer(), r.sector, &key, place);
    Some((key, message, DeviceSignature(proof.as_ref().try_into().ok()?)))
}

fn mint() -> Call {
    Call { to: CREDITS, stones: STONE, input: ICredits::mintCall {}.abi_encode().into() }
}

fn offer() -> Call {
    let endpoint = "http://gateway.test".to_owned();
    let call = IMarket::postOfferCall { sector: 1, microUsdPerKiloUnit: 1_000, endpoint };
    Call { to: MARKET, stones: 0, input: call.abi_encode().into() }
}

fn put_code(
    accounts: &mut std::collections::BTreeMap<Address, Account>,
    at: Address,
    code: Bytes,
) -> (B256, Bytes) {
    let code_hash = keccak256(&code);
    accounts.insert(at, Account { nonce: 1, balance: U256::ZERO, code_hash });
    (code_hash, code)
}

/// What the token's constructor leaves behind: its creation code ends with it, behind an `INVALID` or after the last
/// `RETURN, INVALID` of the deployer.
fn token_code() -> Bytes {
    let text = TOKEN.split_once("\"bytecode\": \"0x").map_or("", |(_, rest)| rest);
    let code = hex::decode(text.split('"').next().unwrap_or("")).expect("the build file is hex");
    // RETURN INVALID, then the runtime code, which begins by setting the free memory pointer.
    let mark = hex!("f3fe60");
    let at = code.windows(3).position(|window| window == mark).expect("solc's deployer");
    code[at + 2..].to_vec().into()
}

/// CALLDATACOPY of a hash and a signature, then ECRECOVER again and again.
fn recover_code() -> Bytes {
    let mut code = hex!("60805f5f37").to_vec();
    for _ in 0..RECOVERIES {
        code.extend_from_slice(&hex!("6020608060805f60015afa50"));
    }
    code.into()
}

/// A genesis whose only validator has this key, and its hash.
pub(super) fn validated_by(key: B256) -> (Arc<Genesis>, Digest) {
    let mut genesis = genesis(&[]);
    for validator in &mut genesis.validators {
        validator.consensus_key = key;
    }
    (Arc::new(genesis), Digest::of(&[b"bench", key.as_slice()]))
}

fn genesis(senders: &[Sender]) -> Genesis {
    let held: u64 = HELD_STONES * senders.len() as u64;
    let account = |sender: &Sender| GenesisAccount {
        name: sender.number.to_string(),
        address: sender.address,
        stones: HELD_STONES,
    };
    Genesis {
        start_ms: 1_356_998_400_000,
        commit_window_ms: 600_000,
        attest_window_ms: 600_000,
        block_gas_limit: BLOCK_GAS,
        economy: EconomyParams {
            price_micro_usd: 1_000_000,
            cap_stones: held + 1_000 + 1_000_000,
            reserve_stones: 1_000_000,
            grant_stones: 1_000,
            cell_target: 1,
            device_cost_micro_usd_day: 100_000,
            target_cells: 10,
            device_bond_stones: 1,
            vesting_epochs: 2,
            ..EconomyParams::default()
        },
        validators: vec![GenesisValidator {
            name: "v".to_owned(),
            operator: Address::repeat_byte(0xa0),
            consensus_key: B256::repeat_byte(1),
            bond_stones: 1_000,
        }],
        accounts: senders.iter().map(account).collect(),
        ..Genesis::empty("bench", CHAIN_ID)
    }
}
