//! Typed writes of the governance and treasury contracts.

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    Parameter, Stones, TimeMs,
    abi::{GOVERNANCE, IGovernance, ITreasury, TREASURY},
};

use crate::{Call, ClientError, Sender, Sent};

impl Sender {
    async fn govern<C: SolCall>(&self, call: &C, value: Stones) -> Result<Sent, ClientError> {
        self.send_and_wait(&Call::new(GOVERNANCE, call).with_value(value)).await
    }

    /// Locks stones until a network time; returns the lock's id.
    ///
    /// # Errors
    /// Of sending; `LockTooSmall`, `OutOfRange` as reverts.
    pub async fn lock(&self, stones: Stones, until: TimeMs) -> Result<u64, ClientError> {
        let sent = self.govern(&IGovernance::lockCall { untilMs: until.0 }, stones).await?;
        Ok(sent.event::<IGovernance::Locked>()?.id)
    }

    /// Adds stones to a lock.
    ///
    /// # Errors
    /// Of sending; `NotOwner`, `LockReleased`, `OutOfRange` as reverts.
    pub async fn add_to_lock(&self, id: u64, stones: Stones) -> Result<Sent, ClientError> {
        self.govern(&IGovernance::addCall { id }, stones).await
    }

    /// Moves the end of a lock away.
    ///
    /// # Errors
    /// Of sending; `NotOwner`, `LockReleased`, `OutOfRange` as reverts.
    pub async fn extend_lock(&self, id: u64, until: TimeMs) -> Result<Sent, ClientError> {
        self.govern(&IGovernance::extendCall { id, untilMs: until.0 }, Stones::ZERO).await
    }

    /// Pays an ended lock to its owner; returns the stones.
    ///
    /// # Errors
    /// Of sending; `LockNotOver`, `LockReleased` as reverts.
    pub async fn release_lock(&self, id: u64) -> Result<Stones, ClientError> {
        let sent = self.govern(&IGovernance::releaseCall { id }, Stones::ZERO).await?;
        Ok(Stones(sent.event::<IGovernance::Released>()?.stones.saturating_to()))
    }

    /// Proposes new values of parameters, in order of their numbers; returns what was opened.
    ///
    /// # Errors
    /// Of sending; `OutOfBounds`, `NotMovable`, `FeesTooHigh`, `NothingNew`, `DepositTooSmall` as reverts.
    pub async fn propose_parameters(
        &self,
        simulation: B256,
        changes: &[(Parameter, u64)],
        deposit: Stones,
    ) -> Result<IGovernance::Proposed, ClientError> {
        let change = |&(parameter, value): &(Parameter, u64)| IGovernance::Change {
            parameter: parameter.number(),
            value,
        };
        let changes = changes.iter().map(change).collect();
        let call = IGovernance::proposeParametersCall { simulation, changes };
        self.govern(&call, deposit).await?.event()
    }

    /// Proposes a stream; returns what was opened.
    ///
    /// # Errors
    /// Of sending; `BadRecipient`, `OutOfRange`, `DepositTooSmall` as reverts.
    pub async fn propose_stream(
        &self,
        simulation: B256,
        terms: IGovernance::Terms,
        deposit: Stones,
    ) -> Result<IGovernance::Proposed, ClientError> {
        let call = IGovernance::proposeStreamCall { simulation, terms };
        self.govern(&call, deposit).await?.event()
    }

    /// Proposes to release a stream's milestone; returns what was opened.
    ///
    /// # Errors
    /// Of sending; `UnknownStream`, `StreamOver`, `WrongMilestone` as reverts.
    pub async fn propose_milestone(
        &self,
        simulation: B256,
        stream: u64,
        milestone: u8,
        deposit: Stones,
    ) -> Result<IGovernance::Proposed, ClientError> {
        let call = IGovernance::proposeMilestoneCall { simulation, stream, milestone };
        self.govern(&call, deposit).await?.event()
    }

    /// Proposes to end a stream; returns what was opened.
    ///
    /// # Errors
    /// Of sending; `UnknownStream`, `StreamOver` as reverts.
    pub async fn propose_end(
        &self,
        simulation: B256,
        stream: u64,
        deposit: Stones,
    ) -> Result<IGovernance::Proposed, ClientError> {
        self.govern(&IGovernance::proposeEndCall { simulation, stream }, deposit).await?.event()
    }

    /// Proposes another guardian, or none (zero); returns what was opened.
    ///
    /// # Errors
    /// Of sending; `DepositTooSmall` as a revert.
    pub async fn propose_guardian(
        &self,
        simulation: B256,
        guardian: Address,
        deposit: Stones,
    ) -> Result<IGovernance::Proposed, ClientError> {
        let call = IGovernance::proposeGuardianCall { simulation, guardian };
        self.govern(&call, deposit).await?.event()
    }

    /// Votes with locks of this account, at most 32.
    ///
    /// # Errors
    /// Of sending; `VotingOver`, `AlreadyVoted`, `LockTooYoung`, `NoWeight` as reverts.
    pub async fn vote_on(&self, id: u64, yes: bool, locks: Vec<u64>) -> Result<Sent, ClientError> {
        self.govern(&IGovernance::voteCall { id, yes, lockIds: locks }, Stones::ZERO).await
    }

    /// Delays a proposal, as the guardian; returns when it can be carried out.
    ///
    /// # Errors
    /// Of sending; `NotGuardian`, `AlreadyDelayed`, `TimelockOver` as reverts.
    pub async fn delay_proposal(&self, id: u64) -> Result<TimeMs, ClientError> {
        let sent = self.govern(&IGovernance::delayCall { id }, Stones::ZERO).await?;
        Ok(TimeMs(sent.event::<IGovernance::Delayed>()?.readyMs))
    }

    /// Carries a proposal out.
    ///
    /// # Errors
    /// Of sending; `TimelockOpen`, `QuorumMissed`, `TooFast`, `PaceExceeded` and the like as reverts.
    pub async fn execute_proposal(&self, id: u64) -> Result<Sent, ClientError> {
        self.govern(&IGovernance::executeCall { id }, Stones::ZERO).await
    }

    /// Returns or burns the deposit of a proposal that failed.
    ///
    /// # Errors
    /// Of sending; `VotingOpen`, `StillOpen`, `ProposalClosed` as reverts.
    pub async fn close_proposal(&self, id: u64) -> Result<IGovernance::Closed, ClientError> {
        self.govern(&IGovernance::closeCall { id }, Stones::ZERO).await?.event()
    }

    /// Pays a stream's recipient; returns the stones.
    ///
    /// # Errors
    /// Of sending; `UnknownStream`, `NothingToClaim` as reverts.
    pub async fn claim_stream(&self, id: u64) -> Result<ITreasury::Paid, ClientError> {
        self.send_and_wait(&Call::new(TREASURY, &ITreasury::claimCall { id })).await?.event()
    }

    /// Gives stones to the treasury.
    ///
    /// # Errors
    /// Of sending.
    pub async fn fund_treasury(&self, stones: Stones) -> Result<Sent, ClientError> {
        let call = Call::new(TREASURY, &ITreasury::fundCall {}).with_value(stones);
        self.send_and_wait(&call).await
    }
}
