//! Typed writes of the stake contract: standing for a seat, delegating, reporting and ending slashes.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolEvent as _};
use cairn_primitives::{
    Digest, KeyError, SecretKey, Sector, Stones, TimeMs,
    abi::{IStake, STAKE},
    candidacy_message,
};

use crate::{BlockTag, Call, ClientError, Sender, Sent};

/// A consensus key (Ed25519) and its proof that it is an operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Possession {
    /// The public key.
    pub key: B256,
    /// Its signature over "cairn/candidacy/v1" ‖ genesis ‖ operator ‖ key.
    pub proof: [u8; 64],
}

impl Possession {
    /// That of a key at hand, in the network whose genesis has this hash.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn of(key: &SecretKey, genesis: Digest, operator: Address) -> Result<Self, KeyError> {
        let public = B256::from_slice(key.public().as_bytes());
        let message = candidacy_message(genesis, operator, &public.0);
        Ok(Self { key: public, proof: key.sign(&message)?.0 })
    }

    fn proof(&self) -> Bytes {
        self.proof.to_vec().into()
    }
}

impl Sender {
    async fn stake_call<C: SolCall>(&self, call: &C, value: Stones) -> Result<Sent, ClientError> {
        self.send_and_wait(&Call::new(STAKE, call).with_value(value)).await
    }

    /// Stands for a seat with this consensus key and bond.
    ///
    /// # Errors
    /// Of sending; `CandidateExists`, `BondTooLow`, `KeyTaken` and the like as reverts.
    pub async fn stand(&self, key: &Possession, bond: Stones) -> Result<Sent, ClientError> {
        let call = IStake::candidateCall { consensusKey: key.key, proofOfPossession: key.proof() };
        self.stake_call(&call, bond).await
    }

    /// Another consensus key, in the sets that are fixed from now on.
    ///
    /// # Errors
    /// Of sending; `NotActive`, `KeyTaken` and the like as reverts.
    pub async fn rotate_key(&self, key: &Possession) -> Result<Sent, ClientError> {
        let call = IStake::rotateKeyCall { newKey: key.key, proofOfPossession: key.proof() };
        self.stake_call(&call, Stones::ZERO).await
    }

    /// Adds to this account's bond.
    ///
    /// # Errors
    /// Of sending; `UnknownCandidate`, `NotActive` as reverts.
    pub async fn raise_bond(&self, stones: Stones) -> Result<Sent, ClientError> {
        self.stake_call(&IStake::raiseBondCall {}, stones).await
    }

    /// Takes no further seat.
    ///
    /// # Errors
    /// Of sending; `UnknownCandidate`, `NotActive` as reverts.
    pub async fn leave_candidacy(&self) -> Result<Sent, ClientError> {
        self.stake_call(&IStake::leaveCall {}, Stones::ZERO).await
    }

    /// After the last seat: the bond begins to unbond. Returns the network time from which it can be withdrawn.
    ///
    /// # Errors
    /// Of sending; `StillSeated`, `NotActive` as reverts.
    pub async fn exit_candidacy(&self) -> Result<(Sent, TimeMs), ClientError> {
        let sent = self.stake_call(&IStake::exitCall {}, Stones::ZERO).await?;
        let ready = sent.event::<IStake::CandidateLeft>()?.readyMs;
        Ok((sent, TimeMs(ready)))
    }

    /// Stands again after an absence.
    ///
    /// # Errors
    /// Of sending; `NotJailed`, `TermNotOver` as reverts.
    pub async fn unjail(&self) -> Result<Sent, ClientError> {
        self.stake_call(&IStake::unjailCall {}, Stones::ZERO).await
    }

    /// Another commission, millionths; returns the term from which it counts.
    ///
    /// # Errors
    /// Of sending; `OutOfRange`, `NotActive` as reverts.
    pub async fn set_commission(&self, ppm: u32) -> Result<u64, ClientError> {
        let sent = self.stake_call(&IStake::setCommissionCall { ppm }, Stones::ZERO).await?;
        Ok(sent.event::<IStake::CommissionSet>()?.fromTerm)
    }

    /// What `claim_income` would pay now.
    ///
    /// # Errors
    /// `UnknownCandidate` as a revert.
    pub async fn income(&self) -> Result<Stones, ClientError> {
        let call = Call::new(STAKE, &IStake::claimIncomeCall {});
        let answer = self.client().simulate(self.address(), &call, BlockTag::Latest).await?;
        decode::<IStake::claimIncomeCall>(&answer).map(|stones| Stones(stones.saturating_to()))
    }

    /// Pays this operator's income out; returns the stones.
    ///
    /// # Errors
    /// Of sending.
    pub async fn claim_income(&self) -> Result<Stones, ClientError> {
        let sent = self.stake_call(&IStake::claimIncomeCall {}, Stones::ZERO).await?;
        Ok(Stones(sent.event::<IStake::IncomeClaimed>()?.stones.saturating_to()))
    }

    /// Delegates stones to a candidate.
    ///
    /// # Errors
    /// Of sending; `DelegationTooSmall`, `UnknownCandidate`, `NotActive`, `IsBanned` as reverts.
    pub async fn delegate(&self, operator: Address, stones: Stones) -> Result<Sent, ClientError> {
        self.stake_call(&IStake::delegateCall { operator }, stones).await
    }

    /// Takes a delegation back, or part of it; returns the network time from which it can be withdrawn.
    ///
    /// # Errors
    /// Of sending; `NotEnoughStake`, `DelegationTooSmall` as reverts.
    pub async fn undelegate(
        &self,
        operator: Address,
        stones: Stones,
    ) -> Result<TimeMs, ClientError> {
        let call = IStake::undelegateCall { operator, stones: U256::from(stones.0) };
        let sent = self.stake_call(&call, Stones::ZERO).await?;
        Ok(TimeMs(sent.event::<IStake::Undelegated>()?.readyMs))
    }

    /// Pays out what has unbonded, at most 32 at once; returns the stones.
    ///
    /// # Errors
    /// Of sending; `NothingToWithdraw` as a revert.
    pub async fn withdraw_stake(&self) -> Result<Stones, ClientError> {
        let sent = self.stake_call(&IStake::withdrawCall {}, Stones::ZERO).await?;
        let logs = sent.receipt.inner.logs().iter();
        let paid = logs.filter_map(|log| IStake::Withdrawn::decode_log(&log.inner).ok());
        Ok(Stones(paid.map(|event| event.stones.saturating_to::<u128>()).sum()))
    }

    /// Whether the ledger takes this equivocation (docs/spec/stake.md#evidence) from this account now. Sends nothing.
    ///
    /// # Errors
    /// The revert with which a report would fail: `AlreadySlashed`, `IsBanned`, `BadEvidence`.
    pub async fn try_equivocation(&self, evidence: Bytes) -> Result<(), ClientError> {
        let call = Call::new(STAKE, &IStake::reportEquivocationCall { evidence });
        self.client().simulate(self.address(), &call, BlockTag::Latest).await.map(drop)
    }

    /// Reports an equivocation; returns what was opened.
    ///
    /// # Errors
    /// Of sending; `AlreadySlashed`, `IsBanned`, `BadEvidence` as reverts.
    pub async fn report_equivocation(
        &self,
        evidence: Bytes,
    ) -> Result<IStake::SlashPending, ClientError> {
        let call = IStake::reportEquivocationCall { evidence };
        self.stake_call(&call, Stones::ZERO).await?.event()
    }

    /// Reports a vote for another result than the final one; returns what was opened.
    ///
    /// # Errors
    /// Of sending; `NotWrong`, `AlreadySlashed` as reverts.
    pub async fn report_wrong_vote(
        &self,
        epoch: u64,
        sector: Sector,
        operator: Address,
    ) -> Result<IStake::SlashPending, ClientError> {
        let call = IStake::reportWrongVoteCall { epoch, sector: sector.number(), operator };
        self.stake_call(&call, Stones::ZERO).await?.event()
    }

    /// Reports a validator that did too little in a term; returns what was opened.
    ///
    /// # Errors
    /// Of sending; `NotAbsent`, `TermNotOver`, `TooLate`, `AlreadySlashed` as reverts.
    pub async fn report_absence(
        &self,
        term: u64,
        operator: Address,
    ) -> Result<IStake::SlashPending, ClientError> {
        let call = IStake::reportAbsenceCall { termNumber: term, operator };
        self.stake_call(&call, Stones::ZERO).await?.event()
    }

    /// A validator's vote to annul a slash; returns how the votes stand.
    ///
    /// # Errors
    /// Of sending; `NotValidator`, `SlashClosed`, `AppealOver`, `AlreadyAppealed` as reverts.
    pub async fn appeal(&self, id: u64) -> Result<IStake::Appealed, ClientError> {
        self.stake_call(&IStake::appealCall { id }, Stones::ZERO).await?.event()
    }

    /// Has an owner's part of an annulled slash given back; returns what it was.
    ///
    /// # Errors
    /// Of sending; `UnknownSlash`, `NothingToReclaim` as reverts.
    pub async fn reclaim(&self, id: u64, owner: Address) -> Result<IStake::Reclaimed, ClientError> {
        self.stake_call(&IStake::reclaimCall { id, owner }, Stones::ZERO).await?.event()
    }

    /// Executes a slash whose appeal window is over.
    ///
    /// # Errors
    /// Of sending; `UnknownSlash`, `SlashClosed`, `AppealOpen` as reverts.
    pub async fn execute_slash(&self, id: u64) -> Result<IStake::SlashExecuted, ClientError> {
        self.stake_call(&IStake::executeCall { id }, Stones::ZERO).await?.event()
    }
}

fn decode<C: SolCall>(answer: &[u8]) -> Result<C::Return, ClientError> {
    C::abi_decode_returns(answer).map_err(|error| ClientError::decode(C::SIGNATURE, error))
}
