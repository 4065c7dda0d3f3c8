//! A validator's vote for an epoch's result: sealed first, opened by its salt.
//!
//! The salt is a function of the key and the round, so that a validator which restarts between seal and vote can still open.

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolValue as _;
use cairn_primitives::{Epoch, Sector, abi::IRewards, vote_seal};

use crate::{Wallet, WalletError};

/// Before what a salt's signature signs: no other message of an account's key begins so.
const SALT_DOMAIN: &[u8] = b"cairn/vote salt/v1";

/// A vote with what seals it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedVote {
    epoch: Epoch,
    sector: Sector,
    round: u32,
    result: IRewards::Result,
    salt: B256,
    seal: B256,
}

impl SealedVote {
    /// Publishes the seal.
    #[must_use]
    pub const fn seal_call(&self) -> IRewards::sealCall {
        let Self { epoch, sector, round, seal, .. } = self;
        IRewards::sealCall {
            epoch: epoch.0,
            sector: sector.number(),
            round: *round,
            voteSeal: *seal,
        }
    }

    /// Votes, and shows what the seal hid.
    #[must_use]
    pub fn vote_call(&self) -> IRewards::voteCall {
        IRewards::voteCall {
            epoch: self.epoch.0,
            sector: self.sector.number(),
            round: self.round,
            result: self.result.clone(),
            salt: self.salt,
        }
    }
}

impl Wallet {
    /// Seals this account's vote. The same vote has the same seal, today and after a restart.
    ///
    /// # Errors
    /// When the library refuses to sign.
    pub fn seal_vote(
        &self,
        chain_id: u64,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        result: IRewards::Result,
    ) -> Result<SealedVote, WalletError> {
        let message = [
            SALT_DOMAIN,
            &chain_id.to_be_bytes(),
            &epoch.0.to_be_bytes(),
            &[sector.number()],
            &round.to_be_bytes(),
        ]
        .concat();
        // Published as a hash, so that the signature itself stays with its signer.
        let salt = keccak256(self.sign_hash(&keccak256(message))?.as_bytes());
        let hash = keccak256(result.abi_encode());
        let seal = vote_seal(self.address(), epoch, sector.number(), round, hash, salt);
        Ok(SealedVote { epoch, sector, round, result, salt, seal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(wallet: &Wallet, chain_id: u64, epoch: u64, round: u32, devices: u32) -> SealedVote {
        let result = IRewards::Result { devices, ..Default::default() };
        wallet.seal_vote(chain_id, Epoch(epoch), Sector::Sensing, round, result).unwrap()
    }

    #[test]
    fn a_restart_seals_the_same_vote_and_nobody_else_can() {
        let [wallet, other] = [1, 2].map(|byte| Wallet::from_secret(&[byte; 32]).unwrap());
        let vote = sealed(&wallet, 7, 3, 0, 5);
        assert_eq!(vote, sealed(&wallet.clone(), 7, 3, 0, 5));
        let salt = |vote: SealedVote| vote.vote_call().salt;
        let own = vote.vote_call().salt;
        assert_eq!(own, salt(sealed(&wallet, 7, 3, 0, 6)), "of the round, not of the result");
        for another in [
            sealed(&other, 7, 3, 0, 5),
            sealed(&wallet, 8, 3, 0, 5),
            sealed(&wallet, 7, 4, 0, 5),
            sealed(&wallet, 7, 3, 1, 5),
        ] {
            assert_ne!(own, salt(another));
        }
        let hash = keccak256(vote.vote_call().result.abi_encode());
        let expected = vote_seal(wallet.address(), Epoch(3), 1, 0, hash, own);
        assert_eq!(vote.seal_call().voteSeal, expected);
    }
}
