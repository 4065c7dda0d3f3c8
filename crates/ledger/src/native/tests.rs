//! What holds for every native contract: dispatch, call kinds, gas, and rollback with the caller.

use alloy_primitives::{Address, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolError, SolInterface};
use cairn_primitives::{
    Stones,
    abi::{
        self, BATCHES, CREDITS, ECONOMY, GOVERNANCE, IBatches, ICredits, IEconomy, IGovernance,
        IKernel, IMarket, IPool, IRegistry, IRewards, IStake, ITreasury, IUsd, MARKET, POOL,
        REGISTRY, REWARDS, STAKE, TREASURY, USD,
    },
};
use proptest::prelude::*;

use super::{CONTRACTS, credits, pool::tests::with_pool, registry::tests as registry_tests};
use crate::{
    Account, CallOutcome,
    fixture::{ALICE, BOB, Chain, INGESTS, VALIDATORS, enter, governed, stones},
};

const OUTER: Address = alloy_primitives::address!("0x0000000000000000000000000000000000c0ffee");

/// EVM code that passes its call data on to `to` with `op` and hands back what came; with `spoil` it then reverts.
fn forwarder(op: u8, to: Address, spoil: bool) -> Bytes {
    let mut code = vec![0x36, 0x5f, 0x5f, 0x37, 0x5f, 0x5f, 0x36, 0x5f];
    if op == CALL {
        code.push(0x34);
    }
    code.push(0x73);
    code.extend_from_slice(to.as_slice());
    code.extend_from_slice(&[0x5a, op, 0x3d, 0x5f, 0x5f, 0x3e]);
    let ok = u8::try_from(code.len() + 6).unwrap();
    if spoil {
        code.extend_from_slice(&[0x50, 0x3d, 0x5f, 0xfd]);
    } else {
        code.extend_from_slice(&[0x60, ok, 0x57, 0x3d, 0x5f, 0xfd, 0x5b, 0x3d, 0x5f, 0xf3]);
    }
    code.into()
}

const CALL: u8 = 0xf1;
const CALLCODE: u8 = 0xf2;
const DELEGATECALL: u8 = 0xf4;
const STATICCALL: u8 = 0xfa;

fn with_outer(code: Bytes) -> Chain {
    let mut chain = Chain::new();
    let code_hash = keccak256(&code);
    chain.state.accounts.insert(OUTER, Account { nonce: 1, balance: U256::ZERO, code_hash });
    chain.state.codes.insert(code_hash, code);
    chain
}

fn error_of(outcome: CallOutcome) -> IKernel::IKernelErrors {
    match outcome {
        CallOutcome::Revert { output, .. } => {
            IKernel::IKernelErrors::abi_decode(&output).expect("a kernel error")
        }
        other => panic!("no revert: {other:?}"),
    }
}

fn selectors(address: Address) -> &'static [[u8; 4]] {
    match address {
        CREDITS => ICredits::ICreditsCalls::SELECTORS,
        REGISTRY => IRegistry::IRegistryCalls::SELECTORS,
        STAKE => IStake::IStakeCalls::SELECTORS,
        ECONOMY => IEconomy::IEconomyCalls::SELECTORS,
        BATCHES => IBatches::IBatchesCalls::SELECTORS,
        REWARDS => IRewards::IRewardsCalls::SELECTORS,
        MARKET => IMarket::IMarketCalls::SELECTORS,
        POOL => IPool::IPoolCalls::SELECTORS,
        USD => IUsd::IUsdCalls::SELECTORS,
        GOVERNANCE => IGovernance::IGovernanceCalls::SELECTORS,
        TREASURY => ITreasury::ITreasuryCalls::SELECTORS,
        other => panic!("{other} has no ABI"),
    }
}

#[test]
fn every_address_has_its_contract() {
    let here: Vec<_> = CONTRACTS.iter().map(|contract| (contract.address, contract.name)).collect();
    assert_eq!(here, abi::CONTRACTS);
}

#[test]
fn every_selector_of_every_abi_is_dispatched() {
    let chain = Chain::with(with_pool(governed()));
    for contract in CONTRACTS {
        for selector in selectors(contract.address) {
            // Zeros decode as any arguments: numbers are 0, and every offset points at a length of 0.
            let mut input = selector.to_vec();
            input.resize(4 + 32 * 40, 0);
            match chain.try_call(ALICE, contract.address, Stones::ZERO, input.into()) {
                CallOutcome::Success { .. } => {}
                CallOutcome::Revert { output, .. } => {
                    assert_ne!(
                        output[..4],
                        IKernel::UnknownSelector::SELECTOR,
                        "{} {selector:02x?}",
                        contract.name
                    );
                }
                other => panic!("{} {selector:02x?}: {other:?}", contract.name),
            }
        }
    }
}

#[test]
fn unknown_functions_and_damaged_arguments_are_refused() {
    let chain = Chain::with(with_pool(governed()));
    let cut = &ICredits::balanceOfCall { account: ALICE }.abi_encode()[..35];
    let dirty = {
        let mut input = ICredits::balanceOfCall { account: ALICE }.abi_encode();
        input[4] = 1;
        input
    };
    for input in [&b""[..], b"\x01", b"\xde\xad\xbe\xef", cut, &dirty] {
        for contract in CONTRACTS {
            let outcome =
                chain.try_call(ALICE, contract.address, Stones::ZERO, input.to_vec().into());
            let IKernel::IKernelErrors::UnknownSelector(error) = error_of(outcome) else {
                panic!("another error")
            };
            let known = input.len().min(4);
            assert_eq!(error.selector[..known], input[..known]);
        }
    }
}

#[test]
fn call_kinds() {
    let mint: Bytes = ICredits::mintCall {}.abi_encode().into();
    let supply: Bytes = ICredits::totalSupplyCall {}.abi_encode().into();
    let run = |op, input: &Bytes| {
        with_outer(forwarder(op, CREDITS, false)).try_call(
            ALICE,
            OUTER,
            Stones::ZERO,
            input.clone(),
        )
    };

    assert!(matches!(run(CALL, &supply), CallOutcome::Success { .. }));
    assert!(matches!(run(STATICCALL, &supply), CallOutcome::Success { .. }));
    assert!(matches!(error_of(run(STATICCALL, &mint)), IKernel::IKernelErrors::StaticCall(_)));
    for input in [&supply, &mint] {
        assert!(matches!(
            error_of(run(DELEGATECALL, input)),
            IKernel::IKernelErrors::DelegateCall(_)
        ));
    }
    let mut callcode = forwarder(CALL, CREDITS, false).to_vec();
    let at = callcode.iter().rposition(|op| *op == CALL).unwrap();
    callcode[at] = CALLCODE;
    let outcome = with_outer(callcode.into()).try_call(ALICE, OUTER, Stones::ZERO, mint);
    assert!(matches!(error_of(outcome), IKernel::IKernelErrors::DelegateCall(_)));
}

#[test]
fn stones_are_refused_where_none_are_taken() {
    let chain = Chain::new();
    let calls: [(Address, Bytes); 4] = [
        (CREDITS, ICredits::totalSupplyCall {}.abi_encode().into()),
        (CREDITS, ICredits::approveCall { spender: BOB, value: U256::ZERO }.abi_encode().into()),
        (REGISTRY, IRegistry::leaveCall { id: [0; 16].into() }.abi_encode().into()),
        (STAKE, IStake::quorumCall {}.abi_encode().into()),
    ];
    for (to, input) in calls {
        let outcome = chain.try_call(ALICE, to, Stones(1), input);
        assert!(matches!(error_of(outcome), IKernel::IKernelErrors::NonPayable(_)));
    }
}

#[test]
fn a_revert_of_the_caller_undoes_slots_stones_and_logs() {
    let mut chain = with_outer(forwarder(CALL, CREDITS, true));
    let sent = chain.send_raw(
        ALICE,
        alloy_primitives::TxKind::Call(OUTER),
        stones(10),
        ICredits::mintCall {}.abi_encode().into(),
    );
    assert!(!sent.success && sent.logs.is_empty());
    assert_eq!(chain.call(ALICE, CREDITS, &ICredits::totalSupplyCall {}), U256::ZERO);
    assert_eq!(chain.balance(CREDITS), Stones::ZERO);

    let mut chain = with_outer(forwarder(CALL, CREDITS, false));
    let to = alloy_primitives::TxKind::Call(OUTER);
    let sent = chain.send_raw(ALICE, to, stones(10), ICredits::mintCall {}.abi_encode().into());
    assert!(sent.success);
    assert_eq!(sent.events::<ICredits::Minted>()[0].account, OUTER);
    assert_eq!(chain.balance(CREDITS), stones(10));
}

/// Balances that a native contract moved itself come back too: here burned stones and a challenger's reward.
#[test]
fn a_revert_of_the_caller_undoes_a_slash() {
    let mut chain = with_outer(forwarder(CALL, REGISTRY, true));
    let (id, proof) = registry_tests::registered_equivocator(&mut chain);
    let (held, burned) = (chain.balance(REGISTRY), IEconomy::burnedCall {});
    let to = alloy_primitives::TxKind::Call(OUTER);
    let before = chain.call(ALICE, ECONOMY, &burned);
    assert!(!chain.send_raw(BOB, to, Stones::ZERO, proof.abi_encode().into()).success);
    assert_eq!(chain.balance(REGISTRY), held);
    assert_eq!(chain.call(ALICE, REGISTRY, &IRegistry::getCall { id }).status, 1);
    // What the block burned is its base fee and nothing else.
    let fee = u128::from(chain.head.gas_used) * u128::from(chain.head.base_fee_per_gas.unwrap());
    assert_eq!(chain.call(ALICE, ECONOMY, &burned) - before, U256::from(fee));
    assert!(chain.send(BOB, REGISTRY, Stones::ZERO, &proof).success, "the proof itself is good");
}

#[test]
fn a_call_that_runs_out_of_gas_changes_nothing() {
    let chain = Chain::new();
    let request = |gas| alloy_rpc_types_eth::TransactionRequest {
        from: Some(ALICE),
        to: Some(CREDITS.into()),
        value: Some(U256::from(stones(1).0)),
        gas: Some(gas),
        input: Bytes::from(ICredits::mintCall {}.abi_encode()).into(),
        ..Default::default()
    };
    let env = chain.ledger.env_of(&chain.head);
    let least = chain.ledger.estimate_gas(&chain.state, &env, &request(4_000_000), None).unwrap();
    let run = |gas| chain.ledger.call(&chain.state, &env, &request(gas), None).unwrap();
    assert!(matches!(run(least), CallOutcome::Success { .. }), "{least} is enough");
    assert!(matches!(run(least - 1), CallOutcome::Halt { .. }), "{least} is the least");
}

#[test]
fn a_contract_is_the_same_without_an_evm() {
    let mut chain = Chain::new();
    let input = ICredits::mintCall {}.abi_encode();
    let mut state = chain.state.clone();
    state.accounts.get_mut(&CREDITS).unwrap().balance = U256::from(stones(3).0);
    enter(&mut state, chain.now(), ALICE, stones(3), |c| credits::call(c, &input)).expect("mints");
    chain.send(ALICE, CREDITS, stones(3), &ICredits::mintCall {});
    let of = |slots: &std::collections::BTreeMap<(Address, U256), U256>| -> Vec<_> {
        slots
            .iter()
            .filter(|((contract, _), _)| *contract == CREDITS)
            .map(|(k, v)| (*k, *v))
            .collect()
    };
    assert_eq!(of(&state.slots), of(&chain.state.slots));
}

/// A network without the table has neither contract: what is sent there is a plain transfer, and the treasury spends nothing.
#[test]
fn without_governance_in_genesis_nobody_answers() {
    let chain = Chain::new();
    let count: Bytes = IGovernance::proposalCountCall {}.abi_encode().into();
    let answer = chain.try_call(ALICE, GOVERNANCE, Stones::ZERO, count.clone());
    assert!(matches!(answer, CallOutcome::Success { output, .. } if output.is_empty()));
    assert!(!chain.state.accounts.contains_key(&GOVERNANCE));
    let claim = ITreasury::claimCall { id: 0 }.abi_encode().into();
    let answer = chain.try_call(ALICE, TREASURY, Stones::ZERO, claim);
    assert!(matches!(answer, CallOutcome::Halt { .. }), "an account with the code 0xEF");
    let answer = Chain::with(governed()).try_call(ALICE, GOVERNANCE, Stones::ZERO, count);
    assert!(matches!(answer, CallOutcome::Success { output, .. } if output.len() == 32));
}

/// A word that arithmetic trips over.
fn edge() -> impl Strategy<Value = U256> {
    prop_oneof![
        Just(U256::ZERO),
        Just(U256::from(1)),
        Just(U256::from(32)),
        Just(U256::from(64)),
        (0..3_u64).prop_map(U256::from),
        Just(U256::from(u32::MAX)),
        Just(U256::from(u64::MAX)),
        Just(U256::from(u64::MAX - 1)),
        Just(U256::from(u128::MAX)),
        Just(U256::MAX),
        Just(U256::MAX << 128),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// Whatever anybody calls with whatever arguments, at whatever time: an answer, never a stopped node.
    #[test]
    fn no_arguments_stop_the_node(
        contract in 0..CONTRACTS.len(),
        selector in any::<prop::sample::Index>(),
        words in prop::collection::vec(edge(), 0..12),
        caller in prop::sample::select(vec![ALICE, VALIDATORS[1], INGESTS[0]]),
        value in prop::sample::select(vec![0, 1, stones(100).0]),
        later_ms in prop::sample::select(vec![0_u64, 1, 3_600_000, 4_500_001, 400 * 3_600_000]),
    ) {
        let to = CONTRACTS[contract].address;
        let mut input = selector.get(selectors(to)).to_vec();
        for word in words {
            input.extend_from_slice(&word.to_be_bytes::<32>());
        }
        let chain = Chain::with(with_pool(governed()));
        let mut env = chain.ledger.env_of(&chain.head);
        env.time.0 += later_ms;
        let request = alloy_rpc_types_eth::TransactionRequest {
            from: Some(caller),
            to: Some(to.into()),
            value: Some(U256::from(value)),
            gas: Some(3_000_000),
            input: Bytes::from(input).into(),
            ..Default::default()
        };
        prop_assert!(chain.ledger.call(&chain.state, &env, &request, None).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The EVM's own precompiles run libraries on strangers' bytes: an answer or a failed call, never a stopped node.
    #[test]
    fn no_bytes_stop_a_precompile(
        number in prop::sample::select((1..=0x11_u64).chain([0x100]).collect::<Vec<_>>()),
        shape in prop::sample::select(vec![0_usize, 64, 96, 128, 160, 192, 213, 256, 288, 384, 512]),
        mut input in prop::collection::vec(any::<u8>(), 512),
        small in any::<bool>(),
    ) {
        input.truncate(shape);
        if small {
            // Mostly zeros, so that lengths and field elements are in range.
            for (i, byte) in input.iter_mut().enumerate() {
                *byte = if i % 32 == 31 { *byte } else { 0 };
            }
        }
        let chain = Chain::new();
        let to = Address::from_word(U256::from(number).into());
        let request = alloy_rpc_types_eth::TransactionRequest {
            from: Some(ALICE),
            to: Some(to.into()),
            gas: Some(10_000_000),
            input: Bytes::from(input).into(),
            ..Default::default()
        };
        let env = chain.ledger.env_of(&chain.head);
        prop_assert!(chain.ledger.call(&chain.state, &env, &request, None).is_ok());
    }
}
