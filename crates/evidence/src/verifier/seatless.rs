//! A validator whose operator has no seat in a round's set: it archives what the others decide, and makes no noise.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolError as _;
use cairn_client::{ClientError, Revert};
use cairn_primitives::{
    Epoch, Sector,
    abi::{self, IBatches, IRewards},
};

use super::{
    Sources, Verifier,
    tests::{Bench, folder},
};
use crate::{Desk, recompute::Outcome, sealed::Commitment};

const OPERATOR: Address = Address::with_last_byte(0x5e);

/// The ledger refuses all that this account sends.
struct Seatless;

fn refused(contract: Address, error: Vec<u8>) -> Result<(), ClientError> {
    Err(ClientError::Reverted(Box::new(Revert::decode(Some(contract), error.into()))))
}

impl Desk for Seatless {
    fn address(&self) -> Address {
        OPERATOR
    }
    async fn commit(&self, _: Epoch, _: Sector, _: &Commitment) -> Result<(), ClientError> {
        unreachable!("a validator commits nothing")
    }
    async fn attest(&self, _: Epoch, _: Sector, _: U256) -> Result<(), ClientError> {
        refused(abi::BATCHES, IBatches::NotValidator { caller: OPERATOR }.abi_encode())
    }
    async fn seal(&self, _: Epoch, _: Sector, _: u32, _: &Outcome) -> Result<(), ClientError> {
        refused(abi::REWARDS, IRewards::NotValidator { caller: OPERATOR }.abi_encode())
    }
    async fn vote(&self, _: Epoch, _: Sector, _: u32, _: &Outcome) -> Result<(), ClientError> {
        refused(abi::REWARDS, IRewards::NotValidator { caller: OPERATOR }.abi_encode())
    }
}

#[tokio::test]
async fn a_validator_without_a_seat_is_quiet_and_archives() {
    let mut bench = Bench::new();
    let (seated, idle) = (bench.archive("seated"), bench.archive("idle"));
    let mut others = bench.verifier(&seated, Vec::new());
    let sources = Sources::node(idle.clone(), Vec::new()).unwrap();
    let mut verifier =
        Verifier::new(bench.ledger.clone(), Seatless, sources, bench.network.clone());
    for epoch in 0..3 {
        bench.epoch().await;
        bench.give_files(&seated);
        bench.give_files(&idle);
        verifier.turn().await.unwrap();
        assert!(bench.ledger.state().attested.is_empty(), "nobody attested yet");
        bench.ledger.state().frozen.insert(epoch, U256::ONE);
        verifier.turn().await.unwrap();
        assert_eq!(bench.ledger.state().results.len() as u64, epoch);
        others.turn().await.unwrap();
        verifier.turn().await.unwrap();
        assert!(folder(&idle, epoch).iter().all(Option::is_some), "epoch {epoch}");
        assert_eq!(folder(&idle, epoch), folder(&seated, epoch), "epoch {epoch}");
    }
    assert_eq!((verifier.metrics.votes.get(), others.metrics.votes.get()), (0, 3));
    assert_eq!(verifier.metrics.archived.get(), 3);
}
