//! EIP-7702: an account with a key may run code, stays an account with a key, and never becomes a native contract.

use alloy_consensus::{Signed, TxEip7702, TxEnvelope, transaction::Recovered};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::SolCall as _;
use cairn_primitives::{
    Stones,
    abi::{BATCHES, CREDITS, IBatches, ICredits},
};
use k256::ecdsa::SigningKey;

use super::GWEI;
use crate::{
    Account, AdmitError, Kind, TxError,
    fixture::{ALICE, BOB, Chain, VALIDATORS, stones, transaction},
};

/// Stores its caller at slot 0: CALLER PUSH0 SSTORE STOP.
const NOTES_CALLER: [u8; 4] = [0x33, 0x5f, 0x55, 0x00];
const TARGET: Address = Address::repeat_byte(0xcc);

struct World {
    chain: Chain,
    key: SigningKey,
    account: Address,
}

impl World {
    /// With code at `TARGET` and an account with a key that holds 100 stones.
    fn new() -> Self {
        let mut chain = Chain::new();
        let hash = keccak256(NOTES_CALLER);
        chain.state.codes.insert(hash, NOTES_CALLER.into());
        let target = Account { nonce: 1, balance: U256::ZERO, code_hash: hash };
        chain.state.accounts.insert(TARGET, target);
        let key = SigningKey::from_slice(&[7; 32]).expect("a key");
        let account = Address::from_private_key(&key);
        chain.send_raw(BOB, TxKind::Call(account), stones(100), Bytes::new());
        Self { chain, key, account }
    }

    /// The account's permission to run the code of `address` from its nonce `nonce` on.
    fn authorize(&self, chain_id: u64, address: Address, nonce: u64) -> SignedAuthorization {
        let authorization = Authorization { chain_id: U256::from(chain_id), address, nonce };
        let hash = authorization.signature_hash();
        let (signature, parity) =
            self.key.sign_prehash_recoverable(hash.as_slice()).expect("signs");
        authorization
            .into_signed(Signature::from_signature_and_parity(signature, parity.is_y_odd()))
    }

    /// `from` calls the account in a transaction with these authorizations.
    fn send(&mut self, from: Address, authorizations: Vec<SignedAuthorization>) -> (bool, u64) {
        let nonce = self.chain.nonce(from);
        let tx = set_code(from, nonce, 2 * GWEI, self.account, Bytes::new(), authorizations);
        let executed = self.chain.block(vec![tx]);
        assert!(executed.dropped.is_empty(), "{:?}", executed.dropped);
        assert_eq!(executed.receipts[0].tx_type() as u8, 4);
        (executed.receipts[0].is_success(), executed.gas_used[0])
    }

    fn code(&self) -> Bytes {
        let hash = self.chain.state.accounts[&self.account].code_hash;
        self.chain.state.codes.get(&hash).cloned().unwrap_or_default()
    }

    fn noted(&self) -> Address {
        let slot = (self.account, U256::ZERO);
        let noted = self.chain.state.slots.get(&slot).copied().unwrap_or_default();
        Address::from_word(noted.into())
    }
}

fn set_code(
    from: Address,
    nonce: u64,
    fee: u128,
    to: Address,
    input: Bytes,
    authorization_list: Vec<SignedAuthorization>,
) -> Recovered<TxEnvelope> {
    let tx = TxEip7702 {
        chain_id: 7_777,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: fee,
        to,
        input,
        authorization_list,
        ..Default::default()
    };
    Recovered::new_unchecked(Signed::new_unhashed(tx, Signature::test_signature()).into(), from)
}

#[test]
fn a_delegated_account_runs_code_and_goes_on_signing() {
    let mut world = World::new();
    let permission = world.authorize(7_777, TARGET, 0);
    let (success, gas) = world.send(ALICE, vec![permission.clone()]);
    assert!(success && gas > 21_000 + 12_500);
    assert_eq!(world.code(), [&[0xef, 0x01, 0x00], TARGET.as_slice()].concat());
    assert_eq!((world.noted(), world.chain.nonce(world.account)), (ALICE, 1));
    // In later blocks the delegation is read back from the state. A spent permission changes nothing.
    assert!(world.send(BOB, vec![permission]).0);
    assert_eq!((world.noted(), world.chain.nonce(world.account)), (BOB, 1));

    // The account still sends transactions, although it has code (EIP-3607 as EIP-7702 changes it).
    let env = world.chain.ledger.next_env(&world.chain.head, world.chain.now(), VALIDATORS[0]);
    let own =
        transaction(world.account, 1, 2 * GWEI, TxKind::Call(ALICE), U256::from(1), Bytes::new());
    let admitted = world.chain.ledger.admit(&world.chain.state, &env, &own).unwrap();
    assert_eq!((admitted.kind, admitted.next_nonce, admitted.delegated), (Kind::Paying, 1, true));
    assert!(world.chain.block(vec![own]).dropped.is_empty());

    // Its own permission in its own transaction counts from the nonce after; address zero ends the delegation.
    let end = world.authorize(7_777, Address::ZERO, 3);
    assert!(world.send(world.account, vec![end]).0);
    assert!(world.code().is_empty());
    assert_eq!(world.chain.nonce(world.account), 4);
}

#[test]
fn a_permission_for_another_chain_or_nonce_is_skipped() {
    let mut world = World::new();
    let others = vec![world.authorize(1, TARGET, 0), world.authorize(7_777, TARGET, 5)];
    assert!(world.send(ALICE, others).0);
    assert!(world.code().is_empty());
    assert_eq!((world.noted(), world.chain.nonce(world.account)), (Address::ZERO, 0));
    // Chain id 0 means every chain.
    let anywhere = world.authorize(0, TARGET, 0);
    assert!(world.send(ALICE, vec![anywhere]).0);
    assert_eq!(world.noted(), ALICE);
}

/// The code of a native contract is one invalid instruction: an account that delegates to it can only fail, and neither
/// reads nor writes the contract's slots.
#[test]
fn nobody_becomes_a_native_contract() {
    let mut world = World::new();
    let permission = world.authorize(7_777, CREDITS, 0);
    assert!(!world.send(ALICE, vec![permission]).0);
    let mint: Bytes = ICredits::mintCall {}.abi_encode().into();
    let before = world.chain.balance(world.account);
    let sent = world.chain.send_raw(ALICE, TxKind::Call(world.account), stones(1), mint);
    assert!(!sent.success && sent.logs.is_empty());
    assert_eq!(world.chain.balance(world.account), before);
    assert_eq!(world.chain.call(ALICE, CREDITS, &ICredits::totalSupplyCall {}), U256::ZERO);
}

#[test]
fn a_validator_sets_no_code_for_free() {
    let world = World::new();
    let env = world.chain.ledger.next_env(&world.chain.head, world.chain.now(), VALIDATORS[0]);
    let attest = IBatches::attestCall { epoch: 0, sector: 1, held: U256::ZERO };
    let permission = world.authorize(7_777, TARGET, 0);
    let tx = set_code(VALIDATORS[0], 0, 0, BATCHES, attest.abi_encode().into(), vec![permission]);
    match world.chain.ledger.admit(&world.chain.state, &env, &tx) {
        Err(AdmitError::Refused(TxError::SystemBounds)) => {}
        other => panic!("{other:?}"),
    }
    // Admission counts the authorizations into the gas that is needed.
    let many = vec![world.authorize(7_777, TARGET, 0); 8];
    let tx = set_code(ALICE, 0, 2 * GWEI, BOB, Bytes::new(), many);
    match world.chain.ledger.admit(&world.chain.state, &env, &tx) {
        Err(AdmitError::Refused(TxError::GasLimitTooLow { needed, .. })) => {
            assert_eq!(needed, 21_000 + 8 * 25_000);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.chain.balance(VALIDATORS[0]), Stones::ZERO);
}
