//! Typed writes: what a person or a role does on the ledger, one function each.

use cairn_primitives::{
    DeviceId, Digest, Epoch, KeyError, MerkleProof, MicroUsd, Position, SecretKey, Sector, Stones,
    TimeMs,
    abi::{self, IBatches, ICredits, IMarket, IRegistry, IRewards},
    registration_call,
};

use crate::{
    Call, ClientError, Reads as _, SealedVote, Sender, Sent, WalletError,
    api::{ReceiptBody, ShareBody},
};

/// A device to be registered.
#[derive(Debug)]
pub struct NewDevice<'a> {
    /// Its key; it signs the proof of possession.
    pub key: &'a SecretKey,
    /// What it does.
    pub sector: Sector,
    /// Where it stands.
    pub position: Position,
    /// Its bond, at least what the registry asks.
    pub bond: Stones,
}

/// One reward to be claimed, with its proof.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The leaf.
    pub reward: IRewards::Reward,
    /// Its place in the epoch's reward tree.
    pub proof: MerkleProof,
}

fn siblings(proof: &MerkleProof) -> impl Iterator<Item = alloy_primitives::B256> + '_ {
    proof.siblings.iter().map(|sibling| sibling.0.into())
}

impl From<KeyError> for ClientError {
    fn from(_: KeyError) -> Self {
        Self::Wallet(WalletError::Signing)
    }
}

impl Sender {
    /// Registers a device owned by this account; returns its id.
    ///
    /// # Errors
    /// Of sending; `DeviceExists`, `BondTooLow` and the like as reverts.
    pub async fn register_device(&self, device: &NewDevice<'_>) -> Result<DeviceId, ClientError> {
        let chain_id = self.client().chain_id().await?;
        let NewDevice { key, sector, position, .. } = *device;
        let call = registration_call(chain_id, self.address(), sector.number(), key, position)?;
        let sent =
            self.send_and_wait(&Call::new(abi::REGISTRY, &call).with_value(device.bond)).await?;
        Ok(DeviceId(sent.event::<IRegistry::DeviceRegistered>()?.id.0))
    }

    /// Takes a device out of service after the current epoch.
    ///
    /// # Errors
    /// Of sending.
    pub async fn leave(&self, device: DeviceId) -> Result<Sent, ClientError> {
        self.send_and_wait(&Call::new(abi::REGISTRY, &IRegistry::leaveCall { id: device.0.into() }))
            .await
    }

    /// Returns the bond of a device that left, after the dispute window.
    ///
    /// # Errors
    /// Of sending; `BondLocked` as a revert.
    pub async fn withdraw_bond(&self, device: DeviceId) -> Result<Sent, ClientError> {
        self.send_and_wait(&Call::new(
            abi::REGISTRY,
            &IRegistry::withdrawBondCall { id: device.0.into() },
        ))
        .await
    }

    /// Burns `stones` into the vault and mints their worth in credits; returns the credits.
    ///
    /// # Errors
    /// Of sending; `MintTooSmall` as a revert.
    pub async fn mint_credits(&self, stones: Stones) -> Result<MicroUsd, ClientError> {
        let sent = self
            .send_and_wait(&Call::new(abi::CREDITS, &ICredits::mintCall {}).with_value(stones))
            .await?;
        let minted = sent.event::<ICredits::Minted>()?.credits;
        u64::try_from(minted)
            .map(MicroUsd)
            .map_err(|_| ClientError::decode("Minted", "more than 64 bits"))
    }

    /// Posts an offer; returns its number.
    ///
    /// # Errors
    /// Of sending.
    pub async fn post_offer(
        &self,
        sector: Sector,
        micro_usd_per_kilo_unit: u64,
        endpoint: &str,
    ) -> Result<u64, ClientError> {
        let call = IMarket::postOfferCall {
            sector: sector.number(),
            microUsdPerKiloUnit: micro_usd_per_kilo_unit,
            endpoint: endpoint.to_owned(),
        };
        Ok(self
            .send_and_wait(&Call::new(abi::MARKET, &call))
            .await?
            .event::<IMarket::OfferPosted>()?
            .id)
    }

    /// Opens a lease with `escrow` credits; returns its number.
    ///
    /// # Errors
    /// Of sending; `LeaseWithoutFunds` as a revert.
    pub async fn open_lease(
        &self,
        offer: u64,
        escrow: MicroUsd,
        expiry: Epoch,
    ) -> Result<u64, ClientError> {
        let call = IMarket::openLeaseCall { offer, escrow: escrow.0, expiryEpoch: expiry.0 };
        Ok(self
            .send_and_wait(&Call::new(abi::MARKET, &call))
            .await?
            .event::<IMarket::LeaseOpened>()?
            .id)
    }

    /// Adds credits to a lease's escrow.
    ///
    /// # Errors
    /// Of sending.
    pub async fn top_up(&self, lease: u64, amount: MicroUsd) -> Result<Sent, ClientError> {
        let call = IMarket::topUpCall { lease, amount: amount.0 };
        self.send_and_wait(&Call::new(abi::MARKET, &call)).await
    }

    /// Settles a lease with the consumer's receipt.
    ///
    /// # Errors
    /// Of sending; `ReceiptNotHigher`, `EscrowExceeded` and the like as reverts.
    pub async fn settle(
        &self,
        receipt: &ReceiptBody,
        shares: &[ShareBody],
        signature: &[u8; 65],
    ) -> Result<Sent, ClientError> {
        let call = IMarket::settleCall {
            receipt: receipt.to_sol(),
            shares: ShareBody::to_sol(shares),
            signature: signature.to_vec().into(),
        };
        self.send_and_wait(&Call::new(abi::MARKET, &call)).await
    }

    /// Closes a lease and refunds its unspent escrow to the consumer.
    ///
    /// # Errors
    /// Of sending; `NotExpired` as a revert.
    pub async fn close_lease(&self, lease: u64) -> Result<Sent, ClientError> {
        self.send_and_wait(&Call::new(abi::MARKET, &IMarket::closeCall { lease })).await
    }

    /// Claims one reward.
    ///
    /// # Errors
    /// Of sending; `StillLocked`, `AlreadyClaimed` and the like as reverts.
    pub async fn claim(&self, claim: &Claim) -> Result<Sent, ClientError> {
        let call = IRewards::claimCall {
            reward: claim.reward.clone(),
            index: claim.proof.index,
            proof: siblings(&claim.proof).collect(),
        };
        self.send_and_wait(&Call::new(abi::REWARDS, &call)).await
    }

    /// Claims many rewards in one transaction; locked parts are skipped.
    ///
    /// # Errors
    /// Of sending.
    pub async fn claim_many(&self, claims: &[Claim]) -> Result<Sent, ClientError> {
        let lengths: Result<Vec<u8>, _> =
            claims.iter().map(|c| u8::try_from(c.proof.siblings.len())).collect();
        let call = IRewards::claimManyCall {
            rewards: claims.iter().map(|claim| claim.reward.clone()).collect(),
            indices: claims.iter().map(|claim| claim.proof.index).collect(),
            proofs: claims.iter().flat_map(|claim| siblings(&claim.proof)).collect(),
            lengths: lengths
                .map_err(|_| ClientError::decode("Merkle proof", "more than 255 siblings"))?,
        };
        self.send_and_wait(&Call::new(abi::REWARDS, &call)).await
    }

    /// An ingest commits its sealed batches of an epoch. Without fee.
    ///
    /// # Errors
    /// Of sending; `CommitWindowClosed` and the like as reverts.
    pub async fn commit(
        &self,
        epoch: Epoch,
        sector: Sector,
        root: Digest,
        digest: Digest,
        count: u32,
        size: u64,
    ) -> Result<Sent, ClientError> {
        let call = IBatches::commitCall {
            epoch: epoch.0,
            sector: sector.number(),
            root: root.0.into(),
            digest: digest.0.into(),
            count,
            size,
        };
        self.send_system_and_wait(&Call::new(abi::BATCHES, &call)).await
    }

    /// A validator attests which commitments' files it holds. Without fee.
    ///
    /// # Errors
    /// Of sending; `AlreadyAttested` and the like as reverts.
    pub async fn attest(
        &self,
        epoch: Epoch,
        sector: Sector,
        held: alloy_primitives::U256,
    ) -> Result<Sent, ClientError> {
        let call = IBatches::attestCall { epoch: epoch.0, sector: sector.number(), held };
        self.send_system_and_wait(&Call::new(abi::BATCHES, &call)).await
    }

    /// A validator seals its vote for an epoch's result, before votes are open. Without fee.
    ///
    /// # Errors
    /// Of sending; `AlreadySealed` and the like as reverts.
    pub async fn seal(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        result: IRewards::Result,
    ) -> Result<Sent, ClientError> {
        let vote = self.sealed(epoch, sector, round, result).await?;
        self.send_system_and_wait(&Call::new(abi::REWARDS, &vote.seal_call())).await
    }

    /// A validator votes for an epoch's result, the one it sealed. Without fee.
    ///
    /// # Errors
    /// Of sending; `VotesSealed`, `SealMismatch`, `DoubleVote` and the like as reverts.
    pub async fn vote(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        result: IRewards::Result,
    ) -> Result<Sent, ClientError> {
        let vote = self.sealed(epoch, sector, round, result).await?;
        self.send_system_and_wait(&Call::new(abi::REWARDS, &vote.vote_call())).await
    }

    async fn sealed(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        result: IRewards::Result,
    ) -> Result<SealedVote, ClientError> {
        let chain_id = self.client().chain_id().await?;
        Ok(self.wallet().seal_vote(chain_id, epoch, sector, round, result)?)
    }

    /// Network time of the last final block.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn network_time(&self) -> Result<TimeMs, ClientError> {
        Ok(self.client().latest().await?.time)
    }
}
