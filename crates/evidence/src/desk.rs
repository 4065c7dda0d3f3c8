//! The system transactions of this crate, as one small trait: sent by a wallet on a network, noted down in a test.

use std::future::Future;

use alloy_primitives::{Address, U256};
use cairn_client::{ClientError, Sender};
use cairn_primitives::{Epoch, Sector};

use crate::{recompute::Outcome, sealed::Commitment};

/// An account that may commit, attest, seal or vote. Each call returns once the transaction is in a block.
pub trait Desk: Send + Sync + 'static {
    /// The account.
    fn address(&self) -> Address;
    /// Commits an epoch's files.
    fn commit(
        &self,
        epoch: Epoch,
        sector: Sector,
        commitment: &Commitment,
    ) -> impl Future<Output = Result<(), ClientError>> + Send;
    /// Attests which commitments' files this validator holds.
    fn attest(
        &self,
        epoch: Epoch,
        sector: Sector,
        held: U256,
    ) -> impl Future<Output = Result<(), ClientError>> + Send;
    /// Seals the vote for a result.
    fn seal(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<(), ClientError>> + Send;
    /// Votes for a result.
    fn vote(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<(), ClientError>> + Send;
}

impl Desk for Sender {
    fn address(&self) -> Address {
        Self::address(self)
    }

    async fn commit(
        &self,
        epoch: Epoch,
        sector: Sector,
        commitment: &Commitment,
    ) -> Result<(), ClientError> {
        let Commitment { root, digest, count, size } = *commitment;
        Self::commit(self, epoch, sector, root, digest, count, size).await.map(|_| ())
    }

    async fn attest(&self, epoch: Epoch, sector: Sector, held: U256) -> Result<(), ClientError> {
        Self::attest(self, epoch, sector, held).await.map(|_| ())
    }

    async fn seal(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        outcome: &Outcome,
    ) -> Result<(), ClientError> {
        Self::seal(self, epoch, sector, round, outcome.to_vote()).await.map(|_| ())
    }

    async fn vote(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        outcome: &Outcome,
    ) -> Result<(), ClientError> {
        Self::vote(self, epoch, sector, round, outcome.to_vote()).await.map(|_| ())
    }
}
