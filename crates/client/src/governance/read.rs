//! Typed reads of the governance and treasury contracts.

use std::future::Future;

use alloy_primitives::Address;
use alloy_sol_types::SolCall;
use cairn_primitives::{
    EconomyParams, Epoch, Genesis, Stones,
    abi::{self, GOVERNANCE, IGovernance, ITreasury, TREASURY},
};

use crate::{BlockTag, ClientError, LedgerRead, Reads, read::stones};

/// Most entries of one answer.
const PAGE: u64 = 32;

/// Every typed read of governance; implemented for whoever has [`Reads`]. On a network without the table in genesis all but
/// `parameters` fail.
pub trait GovernanceReads: Reads {
    /// The economy's parameters in an epoch's day: those of genesis, and what votes made of them. Fixed when the day begins.
    fn parameters(
        &self,
        genesis: &Genesis,
        epoch: Epoch,
        at: BlockTag,
    ) -> impl Future<Output = Result<EconomyParams, ClientError>> + Send {
        let economy = genesis.economy.clone();
        let governed = genesis.governance.is_some();
        async move {
            if !governed {
                return Ok(economy);
            }
            let call = IGovernance::parametersOfCall { epoch: epoch.0 };
            let now = self.view(GOVERNANCE, call, at).await?;
            Ok(now.over(&economy))
        }
    }

    /// Calls a view of the governance contract.
    fn governance<C: SolCall + Send + Sync>(
        &self,
        call: C,
        at: BlockTag,
    ) -> impl Future<Output = Result<C::Return, ClientError>> + Send {
        self.view(GOVERNANCE, call, at)
    }

    /// All locks of an account, oldest first.
    fn locks(
        &self,
        owner: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<IGovernance::Lock>, ClientError>> + Send {
        async move {
            let mut locks = Vec::new();
            loop {
                let from = locks.len() as u64;
                let call = IGovernance::locksOfCall { owner, from, limit: PAGE };
                let page = self.view(GOVERNANCE, call, at).await?;
                let last = (page.len() as u64) < PAGE;
                locks.extend(page);
                if last {
                    return Ok(locks);
                }
            }
        }
    }

    /// The latest proposals, at most `most`, oldest first.
    fn proposals(
        &self,
        most: u64,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<IGovernance::Proposal>, ClientError>> + Send {
        async move {
            let count = self.view(GOVERNANCE, IGovernance::proposalCountCall {}, at).await?;
            let mut from = count.saturating_sub(most);
            let mut proposals = Vec::new();
            while from < count {
                let call = IGovernance::proposalsCall { from, limit: PAGE };
                let page = self.view(GOVERNANCE, call, at).await?;
                if page.is_empty() {
                    break;
                }
                from += page.len() as u64;
                proposals.extend(page);
            }
            Ok(proposals)
        }
    }

    /// The latest streams of the treasury, at most `most`, oldest first.
    fn streams(
        &self,
        most: u64,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<ITreasury::Stream>, ClientError>> + Send {
        async move {
            let count = self.view(TREASURY, ITreasury::streamCountCall {}, at).await?;
            let mut from = count.saturating_sub(most);
            let mut streams = Vec::new();
            while from < count {
                let call = ITreasury::streamsCall { from, limit: PAGE };
                let page = self.view(TREASURY, call, at).await?;
                if page.is_empty() {
                    break;
                }
                from += page.len() as u64;
                streams.extend(page);
            }
            Ok(streams)
        }
    }

    /// The stones of all locks.
    fn locked(&self, at: BlockTag) -> impl Future<Output = Result<Stones, ClientError>> + Send {
        async move {
            stones("locked", self.view(abi::GOVERNANCE, IGovernance::lockedCall {}, at).await?)
        }
    }
}

impl<L: LedgerRead> GovernanceReads for L {}
