//! Blocks: fees, limits, system transactions, roots and determinism.

mod limits;
mod random;
mod set_code;

use alloy_consensus::{TxEnvelope, proofs, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    Digest, Stones, TimeMs,
    abi::{
        BATCHES, CREDITS, ECONOMY, IBatches, ICredits, IEconomy, IRegistry, IStake, REGISTRY, STAKE,
    },
};

use crate::{
    BlockError, CallOutcome, Overlay, State as _, TxError, Writes,
    fixture::{ALICE, BOB, CAROL, Chain, INGESTS, VALIDATORS, genesis, stones, transaction},
    params::{BLOCK_BYTES_MAX, SYSTEM_BYTES_MAX},
    time_of,
};

const GWEI: u128 = 1_000_000_000;

fn transfer(nonce: u64, fee: u128, to: Address, amount: Stones) -> Recovered<TxEnvelope> {
    transaction(ALICE, nonce, fee, TxKind::Call(to), U256::from(amount.0), Bytes::new())
}

/// SHA-256 over everything that genesis writes, in order.
fn digest(writes: &Writes) -> Digest {
    let mut bytes = Vec::new();
    for (address, account) in &writes.accounts {
        let account = account.expect("genesis removes nothing");
        bytes.extend_from_slice(address.as_slice());
        bytes.extend_from_slice(&account.nonce.to_be_bytes());
        bytes.extend_from_slice(&account.balance.to_be_bytes::<32>());
        bytes.extend_from_slice(account.code_hash.as_slice());
    }
    for ((address, slot), value) in &writes.slots {
        bytes.extend_from_slice(address.as_slice());
        bytes.extend_from_slice(&slot.to_be_bytes::<32>());
        bytes.extend_from_slice(&value.to_be_bytes::<32>());
    }
    for (hash, code) in &writes.codes {
        bytes.extend_from_slice(hash.as_slice());
        bytes.extend_from_slice(code);
    }
    Digest::of(&[&bytes])
}

/// Moves only when the layout of the genesis state breaks: every network would have to start again.
#[test]
fn golden_genesis() {
    let chain = Chain::new();
    let writes = chain.ledger.genesis_writes().unwrap();
    assert_eq!(digest(&writes).to_string(), GENESIS_GOLDEN);
    assert_eq!(chain.head.hash_slow().to_string(), HEADER_GOLDEN);
    chain.check();
}
const GENESIS_GOLDEN: &str = "0x7113d51e68989502d33ea5897e0639120f1ca47daeb9a6e70f698f24bfe84128";
const HEADER_GOLDEN: &str = "0xf54155d0ee8e158f395325054bebbc3220a3dfeced8d2e964709ea1a777772ed";

#[test]
fn a_transfer_pays_the_base_fee_and_the_tip() {
    let mut chain = Chain::new();
    let base_fee =
        u128::from(chain.ledger.next_env(&chain.head, chain.now(), VALIDATORS[0]).base_fee);
    let mut tx = alloy_consensus::TxEip1559 {
        chain_id: 7_777,
        gas_limit: 21_000,
        max_fee_per_gas: 5 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(BOB),
        value: U256::from(stones(3).0),
        ..Default::default()
    };
    tx.nonce = 0;
    let signed =
        alloy_consensus::Signed::new_unhashed(tx, alloy_primitives::Signature::test_signature());
    let (alice, bob) = (chain.balance(ALICE), chain.balance(BOB));
    let executed = chain.block(vec![Recovered::new_unchecked(signed.into(), ALICE)]);
    assert_eq!(executed.gas_used, [21_000]);
    assert_eq!(chain.balance(BOB).0 - bob.0, stones(3).0);
    assert_eq!(alice.0 - chain.balance(ALICE).0, stones(3).0 + 21_000 * (base_fee + GWEI));
    assert_eq!(chain.balance(VALIDATORS[0]).0, 21_000 * GWEI);
    let burned = chain.call(ALICE, ECONOMY, &IEconomy::burnedCall {});
    assert_eq!(burned, U256::from(21_000 * base_fee));
    let supply = chain.call(ALICE, ECONOMY, &IEconomy::supplyCall {});
    assert_eq!(supply, U256::from(stones(1_000_000_000).0) - burned);
}

#[test]
fn the_header_says_what_happened() {
    let mut chain = Chain::new();
    chain.go_to(2, 1_234);
    let executed = chain.block(vec![transfer(0, 2 * GWEI, BOB, stones(1))]);
    let header = &chain.head;
    assert_eq!(time_of(header), TimeMs(genesis().start_ms + 2 * 3_600_000 + 1_234));
    assert_eq!(header.timestamp, (genesis().start_ms + 2 * 3_600_000 + 1_234) / 1_000);
    assert_eq!(header.extra_data.len(), 8);
    assert_eq!(header.gas_used, 21_000);
    let plain: Vec<_> = executed.transactions.iter().map(|tx| tx.inner().clone()).collect();
    assert_eq!(header.transactions_root, proofs::calculate_transaction_root(&plain));
    assert_eq!(header.receipts_root, proofs::calculate_receipt_root(&executed.receipts));
    assert_eq!(executed.receipts[0].cumulative_gas_used(), 21_000);
    let env = chain.ledger.env_of(header);
    assert_eq!(
        executed.header(&env, header.state_root),
        *header,
        "the environment comes back from the header"
    );
    assert_eq!(chain.call(ALICE, ECONOMY, &IEconomy::epochCall {}), 2);
    assert_eq!(chain.call(ALICE, ECONOMY, &IEconomy::networkTimeMsCall {}), time_of(header).0);
    // Network time never runs back.
    let next = chain.ledger.next_env(header, TimeMs(0), VALIDATORS[1]);
    assert_eq!(
        (next.time, next.number, next.parent_hash),
        (time_of(header), header.number + 1, header.hash_slow())
    );
}

#[test]
fn the_base_fee_falls_to_its_floor_and_rises_with_use() {
    let mut chain = Chain::new();
    for _ in 0..80 {
        chain.block(Vec::new());
    }
    assert_eq!(chain.head.base_fee_per_gas, Some(genesis().base_fee_min));
    let mut full = chain.head.clone();
    full.gas_used = full.gas_limit;
    assert!(chain.ledger.next_env(&full, chain.now(), ALICE).base_fee > genesis().base_fee_min);
}

#[test]
fn what_cannot_be_included_is_left_out_and_refuses_a_block() {
    let chain = Chain::new();
    let env = chain.ledger.next_env(&chain.head, chain.now(), VALIDATORS[0]);
    let rich = stones(2_000_000);
    let call = |fee, input: Vec<u8>| {
        transaction(ALICE, 0, fee, TxKind::Call(BATCHES), U256::ZERO, input.into())
    };
    let attest = IBatches::attestCall { epoch: 0, sector: 1, held: U256::ZERO }.abi_encode();
    let cases = [
        (14, transfer(0, 2 * GWEI, BOB, rich)),
        (13, transfer(1, 2 * GWEI, BOB, Stones(1))),
        (11, transfer(0, 1, BOB, Stones(1))),
        (11, transfer(0, 0, BOB, Stones(1))),
        // Only validators attest for free.
        (11, call(0, attest.clone())),
        (
            9,
            transaction(ALICE, 0, 2 * GWEI, TxKind::Call(BOB), U256::ZERO, vec![1; 110_000].into()),
        ),
        (
            1,
            transaction(ALICE, 0, 2 * GWEI, TxKind::Call(BOB), U256::ZERO, vec![1; 200_000].into()),
        ),
        (16, transaction(ALICE, 0, 2 * GWEI, TxKind::Create, U256::ZERO, vec![0; 100_000].into())),
    ];
    let empty = chain.ledger.build(&chain.state, &env, Vec::new()).unwrap().writes;
    assert_eq!((empty.slots.len(), empty.accounts.len()), (1, 0), "the proposer is counted");
    for (code, tx) in cases {
        let built = chain.ledger.build(&chain.state, &env, [tx.clone()]).unwrap();
        assert!(built.transactions.is_empty() && built.writes == empty);
        assert_eq!(built.dropped[0].1.code(), code, "{:?}", built.dropped[0].1);
        let fine = transaction(CAROL, 0, 2 * GWEI, TxKind::Call(BOB), U256::ZERO, Bytes::new());
        match chain.ledger.verify(&chain.state, &env, [fine, tx]) {
            Err(BlockError::Transaction { index: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_block_is_full_in_gas_and_in_bytes() {
    let mut chain = Chain::new();
    // 4 M gas limits in a 60 M block.
    let many: Vec<_> = (0..20).map(|nonce| transfer(nonce, 2 * GWEI, BOB, Stones(1))).collect();
    let executed = chain.block(many);
    // What they use, not what they may use, counts once they ran.
    assert_eq!(executed.transactions.len(), 20);
    let big = |nonce| {
        transaction(ALICE, nonce, 2 * GWEI, TxKind::Call(BOB), U256::ZERO, vec![0; 90_000].into())
    };
    let executed = chain.block((20..40).map(big).collect());
    let fit = executed.transactions.len();
    assert!(fit * 90_000 < BLOCK_BYTES_MAX && (fit + 1) * 90_200 > BLOCK_BYTES_MAX, "{fit}");
    assert_eq!(executed.dropped[0].1, TxError::BlockFull);
    assert!(executed.dropped[0].1.may_wait());
}

#[test]
fn system_transactions_are_bounded() {
    let mut chain = Chain::new();
    let attest = |held| IBatches::attestCall { epoch: 0, sector: 1, held };
    // Whatever the contract says today, it reverts for an epoch that is not over: left out, nothing changed.
    let before = chain.state.clone();
    let error = chain.system(VALIDATORS[0], BATCHES, &attest(U256::ZERO)).unwrap_err();
    assert_eq!(error.code(), 19);
    assert_eq!(before.accounts, chain.state.accounts);
    // Who is not entitled pays like everybody; an ingest does not attest, a validator does not commit.
    let commit = IBatches::commitCall {
        epoch: 0,
        sector: 1,
        root: B256::ZERO,
        digest: B256::ZERO,
        count: 1,
        size: 1,
    };
    assert_eq!(chain.system(CAROL, BATCHES, &attest(U256::ZERO)).unwrap_err().code(), 11);
    assert_eq!(chain.system(INGESTS[0], BATCHES, &attest(U256::ZERO)).unwrap_err().code(), 11);
    assert_eq!(chain.system(VALIDATORS[0], BATCHES, &commit).unwrap_err().code(), 11);
    assert_eq!(
        chain.system(VALIDATORS[0], CREDITS, &ICredits::mintCall {}).unwrap_err().code(),
        11
    );

    let env = chain.ledger.next_env(&chain.head, chain.now(), VALIDATORS[0]);
    let mut long = attest(U256::ZERO).abi_encode();
    long.resize(SYSTEM_BYTES_MAX + 1, 0);
    let with = |value: u64, input: Vec<u8>| {
        transaction(VALIDATORS[0], 0, 0, TxKind::Call(BATCHES), U256::from(value), input.into())
    };
    for tx in [with(0, long), with(1, attest(U256::ZERO).abi_encode())] {
        assert_eq!(
            chain.ledger.admit(&chain.state, &env, &tx).unwrap_err().to_string(),
            TxError::SystemBounds.to_string()
        );
    }
    let fine = with(0, attest(U256::ZERO).abi_encode());
    assert_eq!(chain.ledger.admit(&chain.state, &env, &fine).unwrap().kind, crate::Kind::System);
}

/// An operator holds no stones, and needs none.
#[test]
fn system_transactions_cost_nothing() {
    let mut chain = Chain::new();
    chain.go_to(1, 0);
    let root = B256::repeat_byte(1);
    let commit =
        IBatches::commitCall { epoch: 0, sector: 1, root, digest: root, count: 1, size: 1 };
    let sent = chain.system(INGESTS[0], BATCHES, &commit).expect("included");
    assert!(sent.success);
    assert_eq!(sent.events::<IBatches::BatchCommitted>()[0].root, root);
    assert_eq!((chain.nonce(INGESTS[0]), chain.balance(INGESTS[0])), (1, Stones::ZERO));
    assert_eq!(chain.call(ALICE, ECONOMY, &IEconomy::burnedCall {}), U256::ZERO);
    // The second would revert, so no block may hold it.
    assert_eq!(chain.system(INGESTS[0], BATCHES, &commit).unwrap_err().code(), 19);
    let env = chain.ledger.next_env(&chain.head, chain.now(), VALIDATORS[0]);
    let input = Bytes::from(commit.abi_encode());
    let again = transaction(INGESTS[0], 1, 0, TxKind::Call(BATCHES), U256::ZERO, input);
    assert!(matches!(
        chain.ledger.verify(&chain.state, &env, [again]),
        Err(BlockError::Transaction { index: 0, error: TxError::SystemReverts(_) })
    ));
}

#[test]
fn admission() {
    let mut chain = Chain::new();
    chain.block(vec![transfer(0, 2 * GWEI, BOB, Stones(1))]);
    let env = chain.ledger.next_env(&chain.head, chain.now(), VALIDATORS[0]);
    let admit = |tx| match chain.ledger.admit(&chain.state, &env, &tx) {
        Ok(admitted) => Ok(admitted.next_nonce),
        Err(crate::AdmitError::Refused(error)) => Err(error.code()),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(admit(transfer(1, 2 * GWEI, BOB, Stones(1))), Ok(1));
    assert_eq!(admit(transfer(9, 2 * GWEI, BOB, Stones(1))), Ok(1), "a later nonce waits");
    assert_eq!(admit(transfer(0, 2 * GWEI, BOB, Stones(1))), Err(12));
    assert_eq!(admit(transfer(1, 1, BOB, Stones(1))), Err(11));
    assert_eq!(admit(transfer(1, 2 * GWEI, BOB, stones(5_000_000))), Err(14));
    let from =
        |sender| transaction(sender, 1, 2 * GWEI, TxKind::Call(BOB), U256::ZERO, Bytes::new());
    assert_eq!(admit(from(STAKE)), Err(15));
}

#[test]
fn speculative_blocks_see_the_same_as_final_ones() {
    let mut chain = Chain::new();
    // BLOCKHASH of the parent's parent, stored: PUSH1 2 NUMBER SUB BLOCKHASH PUSH0 SSTORE.
    let code: Bytes = vec![0x60, 2, 0x43, 0x03, 0x40, 0x5f, 0x55, 0x00].into();
    let contract = Address::repeat_byte(0xcc);
    let hash = keccak256(&code);
    chain.state.codes.insert(hash, code);
    chain
        .state
        .accounts
        .insert(contract, crate::Account { nonce: 1, balance: U256::ZERO, code_hash: hash });
    chain.block(Vec::new());

    let parent = chain.head.clone();
    let env_1 = chain.ledger.next_env(&parent, chain.now(), VALIDATORS[1]);
    let first =
        chain.ledger.build(&chain.state, &env_1, [transfer(0, 2 * GWEI, BOB, stones(1))]).unwrap();
    let header_1 = first.header(&env_1, B256::ZERO);
    let env_2 = chain.ledger.next_env(&header_1, chain.now(), VALIDATORS[2]);
    let ask = transaction(ALICE, 1, 2 * GWEI, TxKind::Call(contract), U256::ZERO, Bytes::new());

    let block_1 = (header_1.number, header_1.hash_slow());
    let overlay = Overlay { base: &chain.state, writes: &first.writes, block: block_1 };
    let speculative = chain.ledger.build(&overlay, &env_2, [ask.clone()]).unwrap();
    let header_2 = speculative.header(&env_2, B256::ZERO);
    let block_2 = (header_2.number, header_2.hash_slow());
    let env_3 = chain.ledger.next_env(&header_2, chain.now(), VALIDATORS[3]);
    let top = Overlay { base: &overlay, writes: &speculative.writes, block: block_2 };
    let ask_again =
        transaction(ALICE, 2, 2 * GWEI, TxKind::Call(contract), U256::ZERO, Bytes::new());
    let third = chain.ledger.build(&top, &env_3, [ask_again.clone()]).unwrap();
    assert_eq!(third.writes.slots[&(contract, U256::ZERO)], U256::from_be_bytes(block_1.1.0));
    assert_eq!(top.account(BOB).unwrap(), first.writes.accounts[&BOB]);
    assert_eq!(top.code(hash).unwrap(), chain.state.codes[&hash]);

    // The same three blocks, each final before the next.
    let mut state = chain.state.clone();
    for (executed, (number, hash)) in [(&first, block_1), (&speculative, block_2)] {
        state.apply(&executed.writes);
        state.hashes.insert(number, hash);
    }
    assert_eq!(chain.ledger.build(&state, &env_3, [ask_again]).unwrap().writes, third.writes);
}

#[test]
fn calls_take_state_overrides() {
    let chain = Chain::new();
    let env = chain.ledger.env_of(&chain.head);
    let request = alloy_rpc_types_eth::TransactionRequest {
        from: Some(CAROL),
        to: Some(TxKind::Call(CREDITS)),
        input: Bytes::from(ICredits::totalSupplyCall {}.abi_encode()).into(),
        ..Default::default()
    };
    for whole in [true, false] {
        let slots = [(B256::with_last_byte(1), B256::with_last_byte(42))].into_iter().collect();
        let mut account = alloy_rpc_types_eth::state::AccountOverride::default();
        if whole {
            account.state = Some(slots);
        } else {
            account.state_diff = Some(slots);
        }
        let overrides = [(CREDITS, account)].into_iter().collect();
        let outcome = chain.ledger.call(&chain.state, &env, &request, Some(overrides)).unwrap();
        let CallOutcome::Success { output, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(U256::from_be_slice(&output), U256::from(42));
    }
}

#[test]
fn estimates_are_exact() {
    let chain = Chain::new();
    let env = chain.ledger.env_of(&chain.head);
    let mut request = alloy_rpc_types_eth::TransactionRequest {
        from: Some(ALICE),
        to: Some(TxKind::Call(BOB)),
        value: Some(U256::from(1)),
        ..Default::default()
    };
    assert_eq!(chain.ledger.estimate_gas(&chain.state, &env, &request, None).unwrap(), 21_000);
    request.to = Some(TxKind::Call(REGISTRY));
    request.input = Bytes::from(IRegistry::countCall {}.abi_encode()).into();
    assert!(matches!(
        chain.ledger.estimate_gas(&chain.state, &env, &request, None),
        Err(crate::CallError::Fails(_))
    ));
}

#[test]
fn the_fixed_set() {
    let chain = Chain::new();
    let seats = chain.call(CAROL, STAKE, &IStake::validatorsCall {});
    assert_eq!(seats.iter().map(|seat| seat.operator).collect::<Vec<_>>(), VALIDATORS);
    assert_eq!(seats[0].bond, U256::from(stones(10_000).0));
    assert_eq!(chain.call(CAROL, STAKE, &IStake::quorumCall {}), 3);
    assert_eq!(chain.call(CAROL, STAKE, &IStake::ingestsCall {}), INGESTS);
    for (operator, validator, ingest) in
        [(VALIDATORS[3], true, false), (INGESTS[1], false, true), (ALICE, false, false)]
    {
        assert_eq!(chain.call(CAROL, STAKE, &IStake::isValidatorCall { operator }), validator);
        assert_eq!(chain.call(CAROL, STAKE, &IStake::isIngestCall { operator }), ingest);
    }
    assert_eq!(chain.balance(STAKE), stones(40_000));
    assert_eq!(chain.call(CAROL, ECONOMY, &IEconomy::priceCall {}), 50_000);
    let reserve = chain.call(CAROL, ECONOMY, &IEconomy::reserveCall {});
    assert_eq!(reserve, U256::from(stones(genesis().economy.reserve_stones).0));
}
