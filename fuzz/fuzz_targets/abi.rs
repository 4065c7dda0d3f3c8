//! Call data of every native contract, the first byte says of which: it decodes to one meaning or to an error, and the ledger answers,
//! reverts or halts.
#![no_main]

#[path = "../network.rs"]
mod network;

use std::sync::{Arc, LazyLock};

use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::SolInterface;
use cairn_ledger::{CallError, Env, Ledger, Memory, time_of};
use cairn_primitives::{
    Digest,
    abi::{
        BATCHES, CONTRACTS, CREDITS, ECONOMY, GOVERNANCE, IBatches, ICredits, IEconomy,
        IGovernance, IMarket, IPool, IRegistry, IRewards, IStake, ITreasury, IUsd, MARKET, POOL,
        REGISTRY, REWARDS, STAKE, TREASURY, USD,
    },
};
use libfuzzer_sys::fuzz_target;

/// Gas of a call: more than any of these needs.
const GAS: u64 = 10_000_000;

static CHAIN: LazyLock<(Ledger, Memory, Env)> = LazyLock::new(|| {
    let genesis = network::genesis();
    genesis.check().expect("sound");
    let ledger = Ledger::new(Arc::new(genesis), Digest([7; 32]));
    let mut state = Memory::default();
    state.apply(&ledger.genesis_writes().expect("genesis"));
    let head = ledger.genesis_header(B256::ZERO);
    state.hashes.insert(0, head.hash_slow());
    let env = ledger.next_env(&head, time_of(&head), Address::ZERO);
    (ledger, state, env)
});

fn one_meaning<I: SolInterface>(data: &[u8]) {
    let Ok(call) = I::abi_decode_validate(data) else { return };
    let encoded = call.abi_encode();
    let again = I::abi_decode_validate(&encoded).expect("what was encoded decodes");
    assert_eq!(again.abi_encode(), encoded);
}

fn decode(to: Address, data: &[u8]) {
    match to {
        CREDITS => one_meaning::<ICredits::ICreditsCalls>(data),
        REGISTRY => one_meaning::<IRegistry::IRegistryCalls>(data),
        BATCHES => one_meaning::<IBatches::IBatchesCalls>(data),
        REWARDS => one_meaning::<IRewards::IRewardsCalls>(data),
        MARKET => one_meaning::<IMarket::IMarketCalls>(data),
        STAKE => one_meaning::<IStake::IStakeCalls>(data),
        ECONOMY => one_meaning::<IEconomy::IEconomyCalls>(data),
        POOL => one_meaning::<IPool::IPoolCalls>(data),
        USD => one_meaning::<IUsd::IUsdCalls>(data),
        GOVERNANCE => one_meaning::<IGovernance::IGovernanceCalls>(data),
        TREASURY => one_meaning::<ITreasury::ITreasuryCalls>(data),
        other => panic!("no interface of {other}"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((number, data)) = bytes.split_first() else { return };
    let (to, _) = CONTRACTS[usize::from(*number) % CONTRACTS.len()];
    decode(to, data);
    let (ledger, state, env) = &*CHAIN;
    let request = TransactionRequest {
        from: Some(network::PERSON),
        to: Some(to.into()),
        gas: Some(GAS),
        input: Bytes::copy_from_slice(data).into(),
        ..TransactionRequest::default()
    };
    match ledger.call(state, env, &request, None) {
        Ok(_) | Err(CallError::Refused(_)) => {}
        Err(error) => panic!("{error}"),
    }
});
